"""Numbers are written as a test engineer reads them."""

from __future__ import annotations

import pytest

from reports.text import duration, limits, name_of_test, quantity, roughly


@pytest.mark.parametrize(("value", "unit", "text"), [
    (6.1e-6, "A", "6.1 µA"), (0.2217, "A", "221.7 mA"), (0.0, "A", "0 A"), (999.96e-6, "A", "1 mA"),
    (1.42, "s", "1.42 s"), (0.1, "s", "100 ms"), (252000.0, "s", "252000 s"), (-101.5, "dBm", "−101.5 dBm"),
    (24.0, "1", "24"), (None, "V", "no value"), (float("nan"), "V", "not a number V"), (3.6, "V", "3.6 V")])
def test_quantities_have_a_readable_prefix(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit).replace("\u00a0", " ") == text


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (0.00025, "250 µs"), (8.02, "8.02 s"), (59.999, "1 min"), (152, "2 min 32 s"), (3600, "1 h"),
    (601200, "6 d 23 h")])
def test_durations_show_the_two_units_that_matter(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [
    (3585, "1 h"), (59.9, "1 min"), (428400, "5 d"), (5400, "90 min"), (5500, "92 min")])
def test_rough_durations_are_right_within_three_percent(seconds: float, text: str) -> None:
    assert roughly(seconds) == text


def test_limits_are_written_with_the_sign_that_they_have() -> None:
    assert limits(None, 6.6e-6, "A").replace("\u00a0", " ") == "≤ 6.6 µA"
    assert limits(-120.0, None, "dBm").replace("\u00a0", " ") == "≥ −120 dBm"
    assert limits(0.7, 1.3, "s").replace("\u00a0", " ") == "700 ms … 1.3 s"
    assert limits(24, 24, "1") == "= 24"
    assert limits(None, None, "V") == "no limits"


def test_a_test_id_becomes_a_sentence() -> None:
    assert name_of_test("suites/led.py::test_red_is_off[b]") == "red is off [b]"
