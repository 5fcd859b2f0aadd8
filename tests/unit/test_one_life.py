"""A bench lives as long as its run: a test sees what came after its beginning, and puts back what it changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_run import ONE_OF_EACH, run_suite

HEAD = """
from fixtures.gateway import RSMB
from fixtures.words import hours

ENDED = []
"""

CHANGES = HEAD + """
@EACH
def test_changes_all_there_is(joined_unit, dm, bench, supply, cell, gateway, bootstrap, meter_simulator):
    joined_unit.write_settings({"message_encoding": "JSON", "mqtt_sn_topic": "somewhere/else"})
    dm.write("/33906/0/48", 1)
    dm.write_attributes("/3/0/7", {"pmin": 5})
    dm.write("/33906/0/17", 30)
    gateway.behave_like(RSMB)
    bootstrap.give(dm_lifetime_s=600)
    meter_simulator.hold(energy="1.234")
    cell.set_level(-110)
    supply.set_voltage(3.0)
    supply.output_off()
    ENDED.append(bench.clock.time())

@EACH
def test_finds_all_as_it_was(joined_unit, dm, bench, supply, cell, gateway, bootstrap, meter):
    (began,) = ENDED
    assert bench.scope.began_s >= began, "the scope is still that of the test before"
    assert cell.level_dbm > -100, "the level was not put back"
    assert supply.voltage() > 3.5, "the unit is not supplied as usual"
    values = joined_unit.read_settings().values
    assert (values["message_encoding"], values["mqtt_sn_topic"]) == ("SenML/CBOR", "")
    assert dm.read("/33906/0/48") == 0, "the upload protocol was not put back"
    assert dm.read("/33906/0/17") == 60, "a setting written over DM was not put back"
    assert "pmin" not in dm.attributes("/3/0/7").get("/3/0/7", {}), "attributes were not put back"
    assert bootstrap.server.contents == bootstrap.usual
    assert gateway.server.policy != RSMB
    assert str(meter.read().energy) != "1.234 MWh"
    assert all(one.time > began for one in gateway.arrivals()), "a telegram of the test before"
    assert all(one.time_s > began for one in dm.history()), "a registration of the test before"
    assert all(one.started_at > began for one in bootstrap.sequences()), "a bootstrap of the test before"
    assert all(one.time > began for one in bench.seen()), "an observation of the test before"
    assert gateway.count == len(gateway.arrivals())
    arrived = gateway.count
    dm.execute("/33906/0/10")
    assert gateway.wait_for_telegram(15 * minutes, after=arrived).time > began
"""

UNKNOWN = """
@EACH
def test_loses_sight_of_the_unit(joined_unit):
    joined_unit.unknown = "a put-back that failed"

@EACH
def test_comes_after_a_power_cycle(joined_unit, bench):
    assert not joined_unit.unknown
    assert len(bench.power_cycles) == 1
"""

SHUT_OUT = """
@EACH
def test_shuts_the_bench_out(joined_unit, dm):
    dm.write("/33906/0/4", False)
    joined_unit.press_button(17.5 * s)

@EACH
def test_can_not_know_the_unit(joined_unit):
    pass

@EACH
def test_is_not_reached(bench):
    pass
"""


def test_what_a_test_changed_is_put_back_and_the_next_sees_nothing_of_it(tmp_path: Path) -> None:
    run = run_suite(tmp_path, CHANGES.replace("EACH", ONE_OF_EACH[1:-1]), "--lab", "run")
    assert run.verdicts() == {"test_changes_all_there_is": "pass", "test_finds_all_as_it_was": "pass"}, run.tests
    assert (run.labs, run.power_cycles, run.not_delivered) == (1, [], [])


def test_a_unit_whose_state_nobody_knows_is_power_cycled_and_restored(tmp_path: Path) -> None:
    run = run_suite(tmp_path, UNKNOWN.replace("EACH", ONE_OF_EACH[1:-1]), "--lab", "run")
    assert set(run.verdicts().values()) == {"pass"}, run.tests
    assert run.power_cycles == ["a put-back that failed"]


def test_a_put_back_that_fails_is_the_benchs_error_and_a_unit_that_stays_unknown_ends_the_run(tmp_path: Path) -> None:
    run = run_suite(tmp_path, SHUT_OUT.replace("EACH", ONE_OF_EACH[1:-1]), "--lab", "run")
    assert run.verdicts() == {"test_shuts_the_bench_out": "error", "test_can_not_know_the_unit": "error"}, run.tests
    assert "before the next one the unit is power-cycled" in run.tests["test_shuts_the_bench_out"]["message"]
    assert "its state is unknown" in run.tests["test_can_not_know_the_unit"]["message"]
    assert run.not_delivered, "a unit that nobody can read was called delivered"


@pytest.mark.parametrize(("lab", "labs"), [("run", 1), ("file", 1), ("test", 2)])
def test_a_lab_lives_as_long_as_is_said(tmp_path: Path, lab: str, labs: int) -> None:
    text = "@EACH\ndef test_one(bench):\n    pass\n\n@EACH\ndef test_two(bench):\n    pass\n"
    run = run_suite(tmp_path, text.replace("EACH", ONE_OF_EACH[1:-1]), "--lab", lab)
    assert (run.labs, set(run.verdicts().values())) == (labs, {"pass"})


def test_another_order_follows_from_its_seed(tmp_path: Path) -> None:
    text = "".join(f"@EACH\ndef test_{number}():\n    pass\n\n" for number in range(8))
    orders = {seed: [*run_suite(tmp_path, text.replace("EACH", ONE_OF_EACH[1:-1]), "--shuffle", seed).tests]
              for seed in ("1", "2")}
    assert orders["1"] != orders["2"] != sorted(orders["2"])
    assert sorted(orders["1"]) == sorted(orders["2"])
    assert [*run_suite(tmp_path, text.replace("EACH", ONE_OF_EACH[1:-1]), "--shuffle", "1").tests] == orders["1"]
