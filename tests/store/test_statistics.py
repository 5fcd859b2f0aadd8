"""Figures out of a store, counted by hand; and what there must be no figure of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from records import HOSTILE, START, body
from year_of_runs import fill

from bench.cli import main
from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.store import Store, create
from reports.statistics import extract as extracts
from reports.statistics.capability import LEAST, capabilities
from reports.statistics.control_chart import charts
from reports.statistics.extract import Extract, lot_of
from reports.statistics.figures import Figures
from reports.statistics.lot import Lot, Question, read
from reports.statistics.page import page
from reports.statistics.pareto import pareto
from reports.statistics.study import study
from reports.statistics.takt import takt
from reports.statistics.yields import rolled_throughput, yields


def add(depot: Depot, number: int, verdict: str = "pass", *, unit: int | None = None, value: float | None = None,
        **more: Any) -> None:
    """The run ``number``, which begins in that minute, of unit ``unit`` or one of its own."""
    run = body(number, verdict, **more)
    if unit is not None:
        run["record"]["unit"] = f"94193A04{unit:08X}"
    if value is not None:
        run["record"]["measurements"][1]["value"] = value
    depot.open().add_run(run)


def lot(depot: Depot, **asked: Any) -> Lot:
    store = depot.open()
    with store.reading() as connection:
        return read(connection, Question(**asked), simulated=store.simulated)


def shift(depot: Depot) -> None:
    """Twelve units: 1 to 8 pass at once, but the bench spoils the first run of unit 8; 9 fails and passes when tested
    again; 10 fails twice; 11 fails, and passes the next day; 12 is never judged, for the bench spoils both its runs. Of
    a unit without a name one run fails. One run is incomplete."""
    for number in range(1, 8):
        add(depot, number)
    add(depot, 8, "error")
    add(depot, 21, unit=8)
    add(depot, 9, "fail")
    add(depot, 22, unit=9)
    add(depot, 10, "fail")
    add(depot, 23, "fail", unit=10)
    add(depot, 11, "fail")
    add(depot, 24 * 60, unit=11)
    add(depot, 12, "error")
    add(depot, 25, "error", unit=12)
    add(depot, 26, "fail", unit=0)
    add(depot, 13, "incomplete")


def test_the_yield_of_a_shift_is_the_one_counted_by_hand(depot: Depot) -> None:
    shift(depot)
    nameless = body(27, "fail", unit="")
    depot.open().add_run(nameless)
    (found,) = yields(lot(depot, since=START, until=START + timedelta(hours=8)))
    # units judged: 1 to 11, unit 0 and the nameless one; passed at once: 1 to 8; in the end: 9 and 11, too
    assert (found.first_pass.count, found.first_pass.of) == (8, 13)
    assert (found.final.count, found.final.of) == (10, 13)
    assert (found.faults.count, found.faults.of) == (3, 19)
    assert (found.incomplete, found.unknown) == (1, 1)


def test_a_retest_belongs_to_the_shift_of_the_first_attempt(depot: Depot) -> None:
    shift(depot)
    (next_day,) = yields(lot(depot, since=START + timedelta(hours=20)))
    assert (next_day.first_pass.of, next_day.final.of, next_day.first_pass.share) == (0, 0, None)


def test_a_unit_that_passed_and_then_failed_has_failed(depot: Depot) -> None:
    add(depot, 1)
    add(depot, 2, "fail", unit=1)
    (found,) = yields(lot(depot))
    assert (found.first_pass.count, found.final.count, found.final.of) == (1, 0, 1)


def test_processes_are_counted_each_by_itself(depot: Depot) -> None:
    for number in range(1, 11):
        add(depot, number, job={"process": "final"})
        add(depot, 20 + number, "fail" if number < 3 else "pass", unit=number, job={"process": "pack"})
    found = yields(lot(depot))
    assert [(one.process, one.first_pass.count, one.first_pass.of) for one in found] == [
        ("final", 10, 10), ("pack", 8, 10)]
    assert rolled_throughput(found) == pytest.approx(0.8)
    assert [one.process for one in yields(lot(depot, process="pack"))] == ["pack"]


def test_pareto_counts_first_attempts(depot: Depot) -> None:
    shift(depot)
    assert [(one.name, one.units, one.cumulated) for one in pareto(lot(depot))] == [("power.sleep.current", 4, 1.0)]


def why_not(depot: Depot, name: str = "power.sleep.current") -> str:
    one = next(one for one in capabilities(lot(depot)) if one.name == name)
    assert one.cp is one.cpk is one.pp is one.ppk is None
    return one.why_not


def test_one_unit_has_no_capability(depot: Depot) -> None:
    add(depot, 1)
    assert why_not(depot) == f"1 value; an index takes {LEAST}"
    figures = Figures.of(lot(depot), "here")
    assert figures.yields[0].first_pass.interval is not None
    assert (figures.charts, [one.drift_s for one in figures.takt]) == ([], [None])
    assert "1 of 1 unit" in re.sub(r"\s+", " ", page(figures))


def test_equal_values_have_no_capability(depot: Depot) -> None:
    for number in range(1, 41):
        add(depot, number)
    assert why_not(depot) == "all 40 values are equal: there is no spread"
    assert charts(lot(depot)) == []
    assert [one.drift_s for one in takt(lot(depot))] == [(0.0, 0.0, 0.0)]


def test_values_that_are_no_numbers_are_left_out_and_counted(depot: Depot) -> None:
    for number in range(1, 41):
        add(depot, number, value=5 + number % 7 / 10)
    broken = body(41, "fail")
    broken["record"]["measurements"][1]["value"] = None
    depot.open().add_run(broken)
    one = next(one for one in capabilities(lot(depot)) if one.name == "power.sleep.current")
    assert (one.count, one.missing, one.cp, one.low) == (40, 1, None, None)
    assert one.cpk is not None


def test_values_judged_by_other_limits_are_left_out_and_counted(depot: Depot) -> None:
    for number in range(1, 41):
        add(depot, number, value=5 + number % 7 / 10)
    for number in range(41, 81):
        run = body(number)
        run["record"]["measurements"][1] |= {"high": 5.9, "value": 5 + number % 7 / 10}
        depot.open().add_run(run)
    one = next(one for one in capabilities(lot(depot)) if one.name == "power.sleep.current")
    assert (one.high, one.count, one.older) == (6.0, 40, 40)    # 5.9 and the guard band of 0.1


def test_guard_bands_of_several_instruments_are_no_other_limits(depot: Depot) -> None:
    for number in range(1, 41):
        run = body(number)
        guard = 0.1 + number % 3 / 30
        run["record"]["measurements"][1] |= {"high": 6.6 - guard, "guard": guard, "value": 5 + number % 7 / 10}
        depot.open().add_run(run)
    one = next(one for one in capabilities(lot(depot)) if one.name == "power.sleep.current")
    assert (one.high, one.count, one.older) == (6.6, 40, 0)


def test_a_gauge_study_out_of_a_store(depot: Depot) -> None:
    number = 0
    for unit in range(1, 5):
        for place in ("1", "2"):
            for repeat in range(3):
                number += 1
                add(depot, number, unit=unit, value=5 + unit / 10 + int(place) / 50 + repeat / 100,
                    job={"process": "study", "slot": place})
    with depot.open().reading() as connection:
        led, power = study(connection, "study")
        assert (led.gauge, led.why_not) == (None, "expected values that differ, saw all of them equal")
        assert (power.units, power.places, power.repeats) == (4, 2, 3)
        assert power.gauge is not None
        assert 0 < power.gauge.share < 30
    add(depot, 100, unit=1, job={"process": "study", "slot": "1"})
    with depot.open().reading() as connection:
        assert study(connection, "study")[1].why_not == (
            "unit 94193A0400000001 at place 1, slot 2 has 3 values, others 4")
        with pytest.raises(BenchError, match="study other: expected complete runs of that process, saw none"):
            study(connection, "other")


@pytest.fixture
def year(tmp_path: Path) -> Store:
    """Of 300 units: small enough for each run of the tests."""
    return fill(StoreAddress.of(str(tmp_path / "year.db"), tmp_path / "year"), 300, a_day=20)


def same(one: Lot, other: Lot) -> None:
    for name in ("runs", "measurements", "series", "stages"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert ours.equals(theirs), name


QUESTIONS = [Question(), Question(firmware="2.0.0"), Question(process="line", station="place 1"),
             Question(since=START - timedelta(days=400)), Question(process="other")]


def test_an_extract_says_what_the_store_says(year: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In segments that are cut anywhere, while the store grows."""
    monkeypatch.setattr(extracts, "SEGMENT", 70)
    extract = Extract(tmp_path / "extract")
    for number in range(3):
        for question in QUESTIONS:
            with year.reading() as connection:
                direct = read(connection, question, simulated=False)
            found = extract.lot(year, question)
            assert [one.process for one in yields(found)] == [one.process for one in yields(direct)]
            assert yields(found) == yields(direct)
            assert pareto(found) == pareto(direct)
            assert capabilities(found) == capabilities(direct)
            assert takt(found) == takt(direct)
            assert found.runs.equals(direct.runs)
        for more in range(5):
            year.add_run(body(1000 + 10 * number + more))
    assert len(list((tmp_path / "extract").glob("runs-*.parquet"))) > 3


def test_an_extract_of_another_store_is_not_believed(year: Store, tmp_path: Path) -> None:
    extract = Extract(tmp_path / "extract")
    assert len(extract.lot(year, Question()).runs) > 300
    other = Depot(StoreAddress.of(str(tmp_path / "other.db"), tmp_path / "other"))
    other.accept(create(other.address, simulated=False))
    add(other, 1)
    assert len(extract.lot(other.open(), Question()).runs) == 1
    (tmp_path / "extract/state.json").write_text("{", "ascii")
    assert len(extract.lot(other.open(), Question()).runs) == 1
    for path in (tmp_path / "extract").glob("runs-*.parquet"):
        path.write_bytes(b"broken")
    with pytest.raises(BenchError, match="it is made again"):
        extract.lot(other.open(), Question())


def test_few_runs_need_no_extract(depot: Depot) -> None:
    add(depot, 1)
    assert len(lot_of(depot.open(), Question()).runs) == 1
    assert not (depot.address.outside / "statistics").exists()


def test_a_takt_that_grows_is_found_where_it_does(year: Store) -> None:
    with year.reading() as connection:
        found = takt(read(connection, Question(), simulated=False))
    whole = {one.place: one for one in found if not one.stage}
    assert whole.keys() == {f"place 1, slot {slot}" for slot in range(4)}
    assert whole["place 1, slot 3"].physics_s == 96.0
    assert {one.stage for one in found} - {""} == {"power-up", "delivery", "settings", "activation", "join",
                                                    "device management", "telegrams", "sleep"}


@pytest.fixture
def stats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["mcm-bench", "stats", *map(str, arguments)])
            patch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
            patch.setenv("COLUMNS", "200")
            with pytest.raises(SystemExit) as ended:
                main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err
    return call


def test_an_empty_store_has_no_figures(stats: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    create(StoreAddress.of(str(tmp_path / "records.db")), simulated=False)
    code, out, _ = stats("--store", tmp_path / "records.db", "--page", tmp_path / "page.html")
    assert (code, out) == (0, "no run was made that this was asked of: there are no figures\n")
    assert "there are no figures" in (tmp_path / "page.html").read_text("utf-8")
    found = json.loads(stats("--store", tmp_path / "records.db", "--json")[1])
    assert (found["runs"], found["yields"], found["capability"], found["simulated"]) == (0, [], [], False)


def test_figures_of_the_twin_are_meant_or_not_had(stats: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    for simulated in (True, False):
        create(StoreAddress.of(str(tmp_path / f"{simulated}.db")), simulated=simulated)
    code, _, told = stats("--store", tmp_path / "True.db")
    assert (code, "say --simulated" in told) == (2, True)
    code, _, told = stats("--store", tmp_path / "False.db", "--simulated")
    assert (code, "leave out --simulated" in told) == (2, True)
    store = Depot(StoreAddress.of(str(tmp_path / "True.db")))
    add(store, 1, simulated=True)
    code, out, _ = stats("--store", tmp_path / "True.db", "--simulated", "--page", tmp_path / "page.html")
    assert (code, out.startswith("SIMULATED")) == (0, True)
    shown = (tmp_path / "page.html").read_text("utf-8")
    assert "<strong>SIMULATED</strong>" in shown
    assert "Statistics of 1 simulated run<" in shown


def test_no_name_becomes_a_part_of_the_page(depot: Depot) -> None:
    for number in range(34 * len(HOSTILE)):
        hostile = HOSTILE[number % len(HOSTILE)]
        run = body(number, "fail" if number % 5 == 0 else "pass", station=hostile, job={"process": hostile})
        for row in run["record"]["measurements"]:
            row |= {"name": hostile, "unit": hostile, "value": 5 + number % 4}
        run["record"]["tests"][1]["id"] = hostile
        depot.open().add_run(run)
    shown = page(Figures.of(lot(depot), HOSTILE[2], "".join(HOSTILE[:2])))
    assert "<script>" not in shown
    assert "\x1b" not in shown
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?://(?!www\.w3\.org)", shown)


def test_figures_as_json_have_no_nan(depot: Depot) -> None:
    shift(depot)
    json.dumps(Figures.of(lot(depot), "here").to_json(), allow_nan=False)
