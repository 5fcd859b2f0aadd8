"""The words with which a test says what it proves and how long it takes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fixtures.words import days, device_time, hours, minutes, profile, req, s, seconds


@pytest.mark.parametrize(("text", "expected"), [
    ("90 s", 90), ("3 min", 180), ("2 h", 7200), ("7 d", 604800), ("1.5 min", 90), (" 20s ", 20), ("0 s", 0)])
def test_durations_are_read(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "20", "s", "20 sec", "3 minutes", "-1 s", "1,5 min", "20 s 5", "1e3 s", ".5 s",
                                  "20 S", "20 min\n3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration such as '90 s'"):
        seconds(text)


def test_units_are_seconds() -> None:
    assert (5 * s, 5 * minutes, 5 * hours, 5 * days) == (5, 300, 18_000, 432_000)


def test_a_wrong_device_time_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="no duration"):
        device_time("20 sec")


def test_an_unknown_profile_or_none_is_refused_where_it_is_written() -> None:
    for names in (("nightly",), ("regression", "nightly"), ()):
        with pytest.raises(ValueError, match="profiles are line, acceptance, regression, certification"):
            profile(*names)


def test_marks_carry_what_was_said() -> None:
    assert req("LED-04", "ACT-06").args == ("LED-04", "ACT-06")
    assert device_time("3 min").args == ("3 min",)
    assert profile("acceptance").args == ("acceptance",)


def test_each_assert_of_the_suites_has_a_sentence() -> None:
    """What a person reads of a failure: what was expected and what was seen, not an expression of Python."""
    root = Path(__file__).parents[2]
    files = sorted(file for folder in ("suites", "fixtures") for file in (root / folder).rglob("*.py"))
    without = [f"{file.relative_to(root)}:{node.lineno}" for file in files
               for node in ast.walk(ast.parse(file.read_text("utf-8")))
               if isinstance(node, ast.Assert) and node.msg is None]
    assert not without, f"say after a comma what was expected and what was seen: {', '.join(without)}"
