"""Grids, windows and bursts, by hand."""

from datetime import datetime, timedelta

import pytest

from bench.analysis.meter_clock import MeterClock, grid
from bench.analysis.schedule import Schedule, transmissions, windows

MIDNIGHT = datetime.fromisoformat("2026-03-02T00:00")


def hhmm(moments):
    return [f"{moment:%d %H:%M}" for moment in moments]


def test_a_grid_is_counted_from_midnight_and_begins_anew_there():
    evening = MIDNIGHT + timedelta(hours=21)
    assert hhmm(grid(100, evening, MIDNIGHT + timedelta(hours=28))) == [
        "02 21:40", "02 23:20", "03 00:00", "03 01:40", "03 03:20"]
    assert hhmm(grid(1440, MIDNIGHT, MIDNIGHT + timedelta(days=2))) == ["03 00:00", "04 00:00"]


def test_a_grid_has_its_end_but_not_its_beginning():
    assert hhmm(grid(60, MIDNIGHT, MIDNIGHT + timedelta(hours=2))) == ["02 01:00", "02 02:00"]


def test_windows_follow_the_meters_clock_also_when_it_is_set():
    clock = MeterClock(0.0, MIDNIGHT + timedelta(hours=10))
    clock.set(3 * 3600.0, MIDNIGHT + timedelta(hours=13, minutes=50))       # at 13:00, fifty minutes ahead
    found = windows(Schedule(transmit_min=60, offset_min=15, delay_min=30), clock, 0.0, 5 * 3600.0)
    assert [(f"{window.planned:%H:%M}", (window.opens_s - 3 * 3600) / 60, window.certain) for window in found] == [
        ("10:00", -165, False), ("11:00", -105, True), ("12:00", -45, True),
        ("14:00", 25, True), ("15:00", 85, True)]      # 13:00 went by unseen, and its window with it
    assert str(found[1]) == "2026-03-02 11:15 to 11:45"


def test_the_meters_clock_shows_what_it_was_set_to_last():
    clock = MeterClock(100.0, MIDNIGHT)
    clock.set(160.0, MIDNIGHT + timedelta(hours=5))
    assert clock.at(159.0) == MIDNIGHT + timedelta(seconds=59)
    assert clock.at(161.0) == MIDNIGHT + timedelta(hours=5, seconds=1)
    assert clock.at(90.0) == MIDNIGHT - timedelta(seconds=10)
    with pytest.raises(ValueError, match="was set at 160 s already"):
        clock.set(150.0, MIDNIGHT)


def test_telegrams_close_together_are_one_transmission():
    assert transmissions([0.0, 5.0, 700.0, 701.0], gap_s=600.0) == [[0.0, 5.0], [700.0, 701.0]]
