"""The day of a calibration, as instruments write it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.supply.source import day


@pytest.mark.parametrize("text", ['"2026-01-25"', "+2026,+1,+25", "2026/01/25", "25.1.2026", "25/01/2026", "01/25/2026",
                                  "2026.00,1.00,25.00", "  2026-01-25  "])
def test_a_day_is_read_in_any_order_that_has_one_meaning(text):
    assert day(text) == date(2026, 1, 25)


def test_a_day_that_is_its_month_has_one_meaning_too():
    assert day("3,3,2026") == date(2026, 3, 3)


@pytest.mark.parametrize("text", ["", "never", "05/01/2026", "2026", "2026-13-01", "31,31,2026", "1,2,3,4", "nan,1,2",
                                  "a-b-c", "Calibrated by Jo on a Monday", "0,0,0", "99999999999999999999,1,1",
                                  "1e400,1,1"])
def test_anything_else_is_no_day(text):
    assert day(text) is None


@given(st.text(max_size=40))
def test_any_text_is_survived(text):
    day(text)


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 1, 1)))
def test_every_day_is_read_from_the_order_of_iso(when):
    assert day(f'"{when}"') == when
