"""Every readout that arrives is held against the meter, though no test asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_lab import real_lab
from suite_run import ONE_OF_EACH, run_suite

from bench.twin.defects import DEFECTS

SUITE = """
@EACH
def test_waits_for_readouts(joined_unit, gateway):
    joined_unit.write_settings({"readout_interval": 5, "report_interval": 5, "transmit_interval": 5,
                                "transmit_offset": 1, "transmit_delay": 1})
    gateway.wait_for_telegram(15 * minutes)

@EACH
def test_waits_for_a_send(joined_unit, dm):
    dm.write("/33906/0/48", 1)
    dm.execute("/33906/0/10")
    dm.wait_for_send(5 * minutes)
""".replace("@EACH", ONE_OF_EACH)

ASKS = """
@EACH
def test_asks_for_a_readout(joined_unit, dm, gateway, meter, bench):
    meter.read()
    bench.clock.sleep(61)
    arrived = gateway.count
    dm.execute("/33906/0/10")
    gateway.wait_for_telegram(5 * minutes, after=arrived)
    bench.clock.sleep(61)
    meter.read()
""".replace("@EACH", ONE_OF_EACH)

ANOTHER_NUMBER = """
@EACH
def test_a_pack_has_readouts_of_two_numbers(joined_unit, meter_simulator, gateway, bench):
    joined_unit.write_settings({"readout_interval": 5, "report_interval": 5, "transmit_interval": 60,
                                "transmit_offset": 1, "transmit_delay": 1})
    gateway.wait_for_telegram(70 * minutes)
    arrived = gateway.count
    bench.clock.sleep(20 * minutes)
    meter_simulator.set_numbers(fabrication="61234567", customer="40012345")
    pack = gateway.wait_for_telegram(50 * minutes, after=arrived).telegram
    assert len(pack.readouts) > 6, "the readouts do not come in one pack"
""".replace("@EACH", ONE_OF_EACH)


def test_a_healthy_unit_passes(tmp_path: Path) -> None:
    assert set(run_suite(tmp_path, SUITE).verdicts().values()) == {"pass"}


def test_a_pack_has_one_number_though_the_meter_had_two(tmp_path: Path) -> None:
    """Regression in one lab, third order: a history of four weeks went with the number of today."""
    run = run_suite(tmp_path, ANOTHER_NUMBER)
    assert set(run.verdicts().values()) == {"pass"}, run.tests


@pytest.mark.parametrize(("defect", "said"), [
    ("energy-ten-times", "energy: sent "), ("temperatures-swapped", "forward temperature: sent "),
    ("meter-id-wrong", "meter id: sent "), ("volume-last-digit", "volume: sent "),
])
def test_a_wrong_value_fails_the_unit_in_whatever_test_it_arrives(tmp_path: Path, defect: str, said: str) -> None:
    run = run_suite(tmp_path, SUITE, "--defect", defect)
    assert set(run.verdicts().values()) == {"fail"}
    for test in run.tests.values():
        assert "with other values than the meter's" in test["message"]
        assert said in test["message"]


def test_without_a_simulator_the_bench_reads_the_meter_itself_in_real_time(tmp_path: Path) -> None:
    with real_lab(tmp_path, changes=DEFECTS.find(["energy-ten-times"])) as lab:
        station = lab.station(meter=lab.file.meter.model_copy(update={"simulator": None}))
        run = run_suite(tmp_path, ASKS, "--station", str(station))
    (test,) = run.tests.values()
    assert test["verdict"] == "fail", test
    assert "readout(s) with other values than the meter's" in test["message"]
    assert "energy: sent " in test["message"]
    assert "volume: sent " not in test["message"]
