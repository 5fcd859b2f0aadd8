"""Battery life against figures computed by hand."""

from __future__ import annotations

import pytest

from bench.analysis.battery_life import Battery, DailyCharge, daily_charge
from bench.analysis.current_phases import Kind, Phase

SLEEP_C = 0.5184
"""6 uA for a day."""


@pytest.mark.parametrize(("report_uah", "capacity_mah"), [(0, 421), (25, 494), (47, 558), (100, 713), (400, 1590)])
def test_eight_years_need_a_battery_of(report_uah, capacity_mah):
    day_c = SLEEP_C + report_uah * 3.6e-3
    assert Battery(capacity_mah / 1000).life_years(day_c) == pytest.approx(8.0, rel=0.002)
    assert Battery(capacity_mah / 1000).charge_per_day_c(8) == pytest.approx(day_c, rel=0.002)


def test_self_discharge_and_what_can_not_be_drawn_shorten_the_life():
    # 1 Ah, of which 0.8 Ah can be drawn; 0.1 Ah a year into the unit, 0.02 Ah a year into nothing.
    battery = Battery(1.0, usable=0.8, self_discharge=0.02)
    day_c = 0.1 * 3600 / 365.25
    assert battery.life_years(day_c) == pytest.approx(0.8 / 0.12)
    assert battery.charge_per_day_c(0.8 / 0.12) == pytest.approx(day_c)


def test_a_battery_that_nobody_uses_lasts_as_long_as_it_keeps():
    assert Battery(1.0, self_discharge=0.01).life_years(0.0) == pytest.approx(100)
    assert Battery(1.0).life_years(0.0) == float("inf")


@pytest.mark.parametrize("figures", [(0.0,), (-1.0,), (1.0, 0.0), (1.0, 1.1), (1.0, 1.0, 1.0), (1.0, 1.0, -0.1)])
def test_what_no_battery_is_is_refused(figures):
    with pytest.raises(ValueError, match="a battery has a capacity"):
        Battery(*figures)


HOUR = (Phase(Kind.SLEEP, 0, 1000, 6e-3, 0), Phase(Kind.READOUT, 1000, 2, 4e-3, 0),
        Phase(Kind.SLEEP, 1002, 998, 6e-3, 0), Phase(Kind.WAKE, 2000, 1, 8e-3, 0),
        Phase(Kind.SEARCH, 2001, 4, 92e-3, 0), Phase(Kind.TRANSMIT, 2005, 1, 0.1, 0),
        Phase(Kind.CONNECTED, 2006, 10, 0.1, 0), Phase(Kind.IDLE, 2016, 120, 12e-3, 0),
        Phase(Kind.SLEEP, 2136, 1464, 8.784e-3, 0))
"""6 uA asleep, a readout of 4 mC, a report of 300 mC in 16 s, an active timer of 120 s at 100 uA: 3600 s."""


def test_a_day_is_one_report_and_23_times_what_lies_between():
    day = daily_charge(HOUR, reports=1)
    assert day.reports_c == pytest.approx(0.3)
    assert day.active_timer_c == pytest.approx(0.012)
    # 86264 s are left of the day; 3464 s of such were seen, with 3462 s of sleep at 6 uA and one readout.
    assert day.wakes_c == pytest.approx(4e-3 * 86264 / 3464)
    assert day.sleep_c == pytest.approx(20.784e-3 * 86264 / 3464, rel=1e-3)
    assert day.total_c == pytest.approx(0.3 + 0.012 + 24.784e-3 * 86264 / 3464, rel=1e-3)


def test_24_reports_a_day_cost_24_times_as_much():
    day = daily_charge(HOUR, reports=24)
    assert day.reports_c == pytest.approx(7.2)
    assert day.active_timer_c == pytest.approx(0.288)


def test_without_a_transmission_or_without_sleep_there_is_no_day():
    with pytest.raises(ValueError, match="0 transmissions"):
        daily_charge(HOUR[:3], reports=1)
    with pytest.raises(ValueError, match="0 s of sleep"):
        daily_charge(HOUR[3:7], reports=1)


def test_a_day_is_told_in_what_batteries_are_measured_in():
    assert str(DailyCharge(0.36, 0.036, 0.18, 0.0144)) == (
        "0.59 C a day (sleep 100 uAh, readouts 10 uAh, reports 50 uAh, active timer 4 uAh)")
