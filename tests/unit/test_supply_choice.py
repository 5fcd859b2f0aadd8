"""One suite, six combinations of supply and ammeter; and an instrument at fault is the bench's fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from real_lab import real_lab
from suite_run import ONE_OF_EACH, PROJECT, run_suite

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.station import Station
from bench.station_file import AmmeterTable, StationFile, SupplyTable
from bench.timeline import Timeline

POWER = PROJECT / "suites" / "test_power.py"

SHORT = ONE_OF_EACH + """
@needs("supply.current")
def test_short(bench, supply, power):
    supply.set_voltage(3.6)
    supply.output_on()
    bench.clock.sleep(1.0)        # the inrush is over, the unit sleeps
    capture = power.capture(1.0)
    assert 4e-6 < capture.mean_a.mean() < 8e-6, capture.mean_a.mean()
    assert 3.5 < capture.voltage_v < 3.7
"""

USES_THE_SUPPLY = ONE_OF_EACH + """
def test_short(unit):
    unit.power_up()
"""


def station(folder: Path, supply: str, ammeter: str = "") -> StationFile:
    path = folder / "station.toml"
    path.write_text(f"""
name = "bench 1"
[supply]
{supply}
{ammeter}
[panel]
driver = "edge-box"
port = "/dev/ttyACM0"
[nfc]
driver = "pn532"
port = "/dev/ttyUSB0"
[meter]
[cell]
driver = "cmw500"
address = "TCPIP::10.45.0.20::5025::SOCKET"
[unit]
deveui = "94193A0401020304"
""", "utf-8")
    return StationFile.load(path)


PLAIN = 'driver = "scpi-supply"\naddress = "TCPIP::10.45.0.7::5025::SOCKET"'
DMM = '[ammeter]\ndriver = "keithley-dmm6500"\naddress = "TCPIP::10.45.0.8::5025::SOCKET"'
JS220 = '[ammeter]\ndriver = "joulescope-js220"\naddress = "002557"'


OTHERS = ["dmm6500", "e36312", "ngu", "otii", "ppk2"]      # n6705 is the usual one


@pytest.mark.parametrize("name", OTHERS)
def test_the_power_suite_passes_with_the_other_combinations(tmp_path: Path, name: str) -> None:
    names = ("test_a_passive_unit_draws_no_more_than_the_sleep_current", "test_a_joined_unit_sleeps_at_6_ua",
             "test_the_peak_of_an_activation_stays_below_400_ma")
    run = run_suite(tmp_path, "", *(f"{POWER}::{one}" for one in names), "--supply", name, "--profile", "acceptance")
    assert len(run.tests) == 3, run.output
    assert set(run.verdicts().values()) == {"pass"}, run.output


@pytest.mark.parametrize("name", OTHERS)
def test_the_station_file_alone_decides_who_supplies_and_measures(tmp_path: Path, name: str) -> None:
    with real_lab(tmp_path, name) as lab:
        run = run_suite(tmp_path, SHORT, "--station", str(lab.station()))
        assert run.verdicts() == {"test_short": "pass"}, run.output
        assert lab.is_safe


@pytest.mark.parametrize(("ammeter", "abilities"), [
    ("", set()), (DMM, {"supply.current"}), (JS220, {"supply.current", "supply.charge"})])
def test_what_a_station_can_measure_depends_on_its_ammeter(tmp_path: Path, ammeter: str, abilities: set[str]) -> None:
    with WarpClock() as clock:
        found = Station(station(tmp_path, PLAIN, ammeter), clock, Timeline(clock.time)).abilities
    assert found & {"supply.current", "supply.charge"} == abilities
    assert "supply.voltage" in found


def test_a_station_file_with_an_ammeter_is_written_as_it_was_read(tmp_path: Path) -> None:
    file = station(tmp_path, PLAIN + "\ncurrent_limit_a = 0.8\novervoltage_v = 5", DMM)
    assert (file.supply.current_limit_a, file.supply.overvoltage_v) == (0.8, 5.0)
    path = tmp_path / "again.toml"
    path.write_text(file.dump(), "utf-8")
    assert StationFile.load(path) == file


@pytest.mark.parametrize(("supply", "says"), [
    (PLAIN + "\ncurrent_limit_a = 0.3", "supply.current_limit_a"), (PLAIN + "\novervoltage_v = 12", "overvoltage_v"),
    ('driver = "nonsense"\naddress = "x"', "supply.driver")])
def test_a_supply_that_could_harm_or_mislead_is_refused(tmp_path: Path, supply: str, says: str) -> None:
    with pytest.raises(BenchError, match=says):
        station(tmp_path, supply)


def test_the_tables_refuse_what_is_no_driver() -> None:
    for table in (SupplyTable, AmmeterTable):
        with pytest.raises(ValidationError):
            table.model_validate({"driver": "keithley-2000", "address": "x"})


def test_a_fault_of_an_instrument_is_the_benchs_and_never_the_units(tmp_path: Path) -> None:
    run = run_suite(tmp_path, USES_THE_SUPPLY, "--fault", "supply-other-instrument")
    assert run.verdicts() == {"test_short": "error"}, run.output
    assert "a Keysight N6700 or N6705" in run.tests["test_short"]["message"]
