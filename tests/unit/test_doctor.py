"""The doctor: what it says, what it makes of calibrations and of the reference load, and its JSON."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.clock import Clock, WarpClock
from bench.commands.doctor import check_calibration, check_second_sensor
from bench.errors import BenchError
from bench.station_file import ReferenceTable, StationFile
from bench.timeline import Timeline
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.n6705 import N6705
from drivers.panel import Panel
from drivers.panel.sigrok import SigrokAnalyser
from drivers.supply.keysight_n6700 import KeysightN6700
from fixtures.bench import Bench
from fixtures.cross_checks import check_load


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench.on_twin(1, epoch=datetime(2026, 3, 2, 9, 30, tzinfo=UTC))
    yield bench
    bench.close()


def with_calibration(bench: Bench, **due: date) -> Bench:
    table = bench.station.file.calibration.model_copy(update={"due": due})
    bench.station.file = bench.station.file.model_copy(update={"calibration": table})
    return bench


def test_an_instrument_tells_when_it_was_calibrated_and_the_station_file_when_others_were(bench: Bench) -> None:
    station = with_calibration(bench, cell=date(2027, 1, 31)).station
    assert check_calibration(station, date(2026, 3, 2)) == "cell until 2027-01-31, supply until 2026-09-01"


def test_the_day_that_it_is_due_still_counts_and_the_next_does_not(bench: Bench) -> None:
    station = with_calibration(bench, cell=date(2026, 3, 2)).station
    assert check_calibration(station, date(2026, 3, 2)).endswith("have the cell calibrated")
    with pytest.raises(BenchError, match="of the cell: expected to be due after 2026-03-03, saw due 2026-03-02"):
        check_calibration(station, date(2026, 3, 3))


def test_the_station_file_takes_dates_and_writes_them(bench: Bench, tmp_path: Path) -> None:
    file = with_calibration(bench, cell=date(2027, 1, 31)).station.file
    file = file.model_copy(update={"reference": ReferenceTable(load_ohm=10_000.0)})
    path = tmp_path / "station.toml"
    path.write_text(file.dump(), "utf-8")
    again = StationFile.load(path)
    assert again.calibration.due == {"cell": date(2027, 1, 31)}
    assert again.reference == ReferenceTable(load_ohm=10_000.0, load_tolerance_percent=0.1)


# -- the reference load

@pytest.fixture
def load() -> Iterator[tuple[KeysightN6700, CurrentTrace, Clock]]:
    """A supply with 100 kilohm at its output: 36 uA at 3.6 V."""
    with WarpClock() as clock:
        terminals = Signal(0.0)
        current = clock.call(lambda: CurrentTrace(clock, terminals))
        clock.call(lambda: terminals.follow(lambda volts: current.set("load", 36e-6) if volts else None))
        server = ScpiServer(clock.call(lambda: N6705(clock, terminals, current, random.Random(1))))
        clock.run(server.start())
        supply = KeysightN6700(server.address, clock=clock, timeline=Timeline(clock.time, clock.nudge))
        yield supply, current, clock
        supply.close()
        clock.run(server.stop())


def test_a_good_ammeter_shows_what_ohms_law_says(load: tuple[KeysightN6700, CurrentTrace, Clock]) -> None:
    supply, _, _ = load
    said = check_load(supply, 100e3, 0.1)
    assert said.startswith("36 uA through 100000 ohm, within 0.1")
    assert supply.voltage() < 0.1, "the output is off again"


@pytest.mark.parametrize("ohm", [99e3, 101e3, 10e3])
def test_a_load_that_is_another_one_is_found(load: tuple[KeysightN6700, CurrentTrace, Clock], ohm: float) -> None:
    supply, _, _ = load
    with pytest.raises(BenchError, match="check that the load and not a unit is connected"):
        check_load(supply, ohm, 0.1)


# -- the second sensor

@pytest.mark.skipif(shutil.which("sigrok-cli") is None, reason="no sigrok-cli: apt-get install sigrok-cli")
def test_a_second_sensor_that_sees_something_else_is_found(bench: Bench) -> None:
    panel: Panel = bench.station.panel
    with pytest.raises(BenchError, match=r"expected to see each test lamp once, saw green \d+ times, red \d+ times"):
        check_second_sensor(SigrokAnalyser("demo"), panel, look_s=0.3)


# -- the command

def test_the_commands_json() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    said = json.loads(result.output)
    assert result.exit_code == 0
    assert (said["station"], said["simulated"], said["well"]) == ("twin", True, True)
    assert said["checks"][0]["name"] == "supply"
    assert all(set(check) == {"name", "well", "seen", "do"} for check in said["checks"])
    assert {"supply, self-test", "NFC reader, unit", "meter, optical", "servers"} <= {
        check["name"] for check in said["checks"]}


def test_a_station_without_a_reference_load_says_what_to_do() -> None:
    result = CliRunner().invoke(app, ["doctor", "--reference-load", "--json"])
    (sick,) = [check for check in json.loads(result.output)["checks"] if not check["well"]]
    assert result.exit_code == 2
    assert (sick["name"], sick["do"]) == ("supply, reference load", "add the reference load to the station file")
