"""``mcm-bench list`` and ``run --dry-run``: what there is, and what a choice comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.commands.catalogue import show, what_would_run
from bench.commands.order import Order
from bench.errors import BenchError, near
from bench.twin.defects import DEFECTS


def listed(capsys: pytest.CaptureFixture[str], what: str, *words: str, profile: str | None = None,
           requirement: str | None = None) -> list[dict[str, Any]]:
    show(what, words, profile, requirement, True, Console())
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)[what]
    return rows


@pytest.mark.parametrize(("what", "name", "text"), [
    ("variants", "meter-clock-slow", "The meter's clock loses 2 s a day"),
    ("faults", "ammeter-noisy", "The readings have 5 uA of noise"),
    ("words", "panel.press(hold)", "Press the button for ``hold`` seconds"),
    ("words", "@needs(abilities)", "What the station must be able to do"),
    ("instruments", "keysight-n6700", "supply"),
    ("abilities", "cell.bands", "the cell changes to another band"),
])
def test_each_list_has_what_it_is_of(capsys: pytest.CaptureFixture[str], what: str, name: str, text: str) -> None:
    (row,) = [row for row in listed(capsys, what) if row["name"] == name]
    assert text in " ".join(map(str, row.values()))


def test_defects_are_found_by_words_and_by_the_statement_that_they_break(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "defects", "panel", requirement="LED-0*")
    assert 0 < len(rows) < len(DEFECTS)
    assert {row["wire"] for row in rows} == {"panel"}
    assert all(any(one.startswith("LED-0") for one in row["requirements"]) for row in rows)


def test_tests_are_found_by_profile_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys, "tests", "held", profile="acceptance")
    assert "test_led.py::test_green_lights_when_the_button_has_been_held_for_5_s" in [row["name"] for row in rows]
    assert all("acceptance" in row["profiles"] for row in rows)


def test_a_list_that_there_is_not() -> None:
    with pytest.raises(BenchError, match="write defects if that is meant"):
        show("defcts", (), None, None, False, Console())


def test_a_dry_run_says_what_would_run_and_runs_nothing(tmp_path: Path) -> None:
    console = Console(record=True, width=140)
    order = Order("acceptance", tmp_path / "run", expression="test_green_lights_when_the_button_has_been_held")
    assert what_would_run(order, console) == 0
    said = console.export_text()
    assert "test_led.py::test_green_lights_when_the_button_has_been_held_for_5_s" in said
    assert "1 test, 20 s on hardware" in said
    assert list(tmp_path.iterdir()) == []


def test_names_are_near_by_spelling_or_as_a_part() -> None:
    assert near("led-swaped", DEFECTS)[0] == "leds-swapped"
    assert near("LEDS-SWAPPED", DEFECTS)[0] == "leds-swapped"
    assert near("swapped", DEFECTS, most=50).count("leds-swapped") == 1
    assert near("zzzz", DEFECTS) == []
