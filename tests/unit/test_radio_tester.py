"""When the figures of a radio tester count: in calibration, the way to the unit measured lately, the golden unit right.
The station file says most of it, so that what is wrong there is told before anything is measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.station_file import CalibrationTable, CellTable, StationFile
from fixtures.bench import Bench
from fixtures.radio_tester import check_tester


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench.on_twin(1)
    yield bench
    assert bench.close() == []


def with_path(bench: Bench, **changes: object) -> None:
    """Go on with a station file whose way to the unit is another."""
    table = bench.station.file.cell
    assert table is not None
    options = dict(table.model_extra or {})
    path = options["path"].model_dump() | changes
    own = {key: getattr(table, key) for key in ("second_apn", "nat_apn", "dead_end_apn")}
    bench.station.replace_cell(CellTable.model_validate({"driver": "cmw500", **own, **options, "path": path}))


def check(bench: Bench) -> None:
    check_tester(bench, bench.station.cell.tester)


def test_a_healthy_station_measures(bench):
    check(bench)


@pytest.mark.parametrize(("days", "counts"), [(0, True), (7, True), (8, False), (-1, False)])
def test_the_way_must_have_been_measured_within_a_week(bench, days, counts):
    today = bench.clock.utc().date()
    for name in ("measured", "golden_measured"):
        with_path(bench, **{name: today - timedelta(days=days)})
        if counts:
            check(bench)
        else:
            with pytest.raises(BenchError, match=rf"station file, cell\.path\.{name}: expected a day since"):
                check(bench)
        with_path(bench, **{name: today})


def test_a_long_life_does_not_lose_its_tester(bench):
    bench.clock.sleep(40 * 86400)
    check(bench)


@pytest.mark.parametrize(("off_db", "counts"), [(0.3, True), (-0.3, True), (0.31, False), (-3.0, False)])
def test_a_golden_unit_that_is_off_spoils_all_figures(bench, off_db, counts):
    with_path(bench, golden_off_db=off_db)
    if counts:
        check(bench)
    else:
        seen = re.escape(f"{off_db:+g}")
        with pytest.raises(BenchError, match=rf"golden unit: expected .* within 0\.3 dB, saw {seen} dB"):
            check(bench)


def test_the_calibration_of_the_station_file_goes_before_what_the_instrument_says(bench):
    today = bench.clock.utc().date()
    bench.station.file = bench.station.file.model_copy(update={
        "calibration": CalibrationTable(due={"cell": today - timedelta(days=1)})})
    with pytest.raises(BenchError, match="calibration of the cell: expected to be due after"):
        check(bench)
    bench._lab.cmw500.calibrated = today - timedelta(days=366)
    bench.station.file = bench.station.file.model_copy(update={"calibration": CalibrationTable(due={"cell": today})})
    check(bench)


def test_an_instrument_of_which_nobody_knows_the_calibration_measures_nothing(bench, monkeypatch):
    tester = bench.station.cell.tester
    monkeypatch.setattr(type(tester), "calibrated_on", lambda self: None)
    with pytest.raises(BenchError, match=r"calibration of the cell: .* saw no date"):
        check(bench)


@pytest.mark.parametrize(("changes", "says"), [
    ({"measured": "yesterday"}, "measured"), ({"uncertainty_db": 0.0}, "uncertainty_db"),
    ({"uplink_db": {"8": 200.0}}, "uplink_db"), ({"analyser_db": float("nan")}, "analyser_db"),
    ({"loss": 3.0}, "loss"), ({"unit_vswr": 0.5}, "unit_vswr")])
def test_a_way_that_can_not_be_is_told_by_its_key(bench, changes, says):
    with pytest.raises(ValueError, match=says):
        with_path(bench, **changes)


def test_a_station_file_with_a_way_is_written_and_read_again(bench, tmp_path: Path):
    path = tmp_path / "twin.toml"
    path.write_text(bench.station.file.dump(), "utf-8")
    read = StationFile.load(path)
    assert read.cell == bench.station.file.cell
    assert read.cell is not None
    assert "cell.measures" in read.cell.abilities
