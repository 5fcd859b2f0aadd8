"""Sleep current, wakes, peak, charge and zero from captures written by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.current import (
    charge,
    peak_current,
    sleep_current,
    wakes,
    zero_offset,
)
from bench.analysis.current_capture import CurrentCapture
from bench.errors import BenchError


def capture(*levels, period_s=0.5, maxima=None, uncertainty_a=0.1e-6, **facts):
    mean = np.array(levels, float)
    top = mean.copy() if maxima is None else np.array(maxima, float)
    return CurrentCapture(0.0, period_s, mean, mean.copy(), top, np.full(len(mean), uncertainty_a),
                          **{"gap_free": True, **facts})


def test_wakes_do_not_count_as_sleep():
    found = sleep_current(capture(6e-6, 6e-6, 2e-3, 2e-3, 6e-6, 46e-3, 6e-6, 6e-6), at_least_s=0)
    assert found.mean_a == pytest.approx(6e-6)
    assert found.median_a == pytest.approx(6e-6)
    assert found.asleep_s == 2.5
    assert found.overall_a == pytest.approx((5 * 6e-6 + 4e-3 + 46e-3) / 8)
    assert [(wake.start_s, wake.duration_s, wake.peak_a) for wake in found.wakes] == [(1.0, 1.0, 2e-3),
                                                                                      (2.5, 0.5, 46e-3)]
    assert [wake.charge_c for wake in found.wakes] == pytest.approx([2e-3, 23e-3])


def test_a_short_wake_hidden_in_a_mean_is_seen_by_its_maximum():
    found = sleep_current(capture(6e-6, 40e-6, 6e-6, maxima=[0.3e-3, 5e-3, 0.3e-3]), at_least_s=0)
    assert found.mean_a == pytest.approx(6e-6)
    assert len(found.wakes) == 1


def test_a_unit_that_half_wakes_fails():
    found = sleep_current(capture(*[6e-6] * 9, 0.5e-3), at_least_s=0)
    assert found.wakes == ()
    assert found.mean_a > 50e-6
    assert found.median_a == pytest.approx(6e-6)


def test_the_floor_is_the_most_frequent_current_whatever_the_rest_does():
    found = sleep_current(capture(*[5.2e-6] * 6, 5.22e-6, *[9e-6, 20e-6, 40e-6, 80e-6, 160e-6]), at_least_s=0)
    assert found.floor_a == pytest.approx((6 * 5.2e-6 + 5.22e-6) / 7)


def test_a_unit_that_never_sleeps_has_no_sleep_current():
    found = sleep_current(capture(2e-3, 2e-3, period_s=1.0), at_least_s=0)
    assert all(math.isnan(one) for one in (found.mean_a, found.median_a, found.floor_a, found.uncertainty_a))
    assert found.wakes[0].duration_s == 2.0


def test_a_sleep_current_wants_ten_minutes():
    assert sleep_current(capture(*[6e-6] * 600, period_s=1.0)).asleep_s == 600
    with pytest.raises(BenchError, match=r"expected a capture of at least 600 s, saw 590 s"):
        sleep_current(capture(*[6e-6] * 590, period_s=1.0))


@pytest.mark.parametrize(("seconds", "lifted_a"), [(1, 368e-6), (10, 37e-6), (60, 6.1e-6), (600, 0.6e-6)])
def test_one_wake_lifts_the_mean_of_a_minute_by_6_ua_and_leaves_the_sleep_current_alone(seconds, lifted_a):
    """8 ms at 46 mA, worked out by hand."""
    samples = np.full(round(seconds / 0.008), 6e-6)
    samples[len(samples) // 2] = 46e-3
    found = sleep_current(capture(*samples, period_s=0.008), at_least_s=0)
    assert found.overall_a - 6e-6 == pytest.approx(lifted_a, rel=0.03)
    assert found.mean_a == pytest.approx(6e-6)


def test_a_log_with_gaps_has_no_charge():
    assert charge(capture(1.0, 3.0)) == 2.0
    with pytest.raises(BenchError, match=r"^charge: expected a log without gaps"):
        charge(capture(1.0, gap_free=False))


def test_a_peak_at_the_limit_of_the_supply_is_the_benchs_fault():
    assert peak_current(capture(0.1, maxima=[0.39], limit_a=1.0)) == 0.39
    with pytest.raises(BenchError, match=r"expected a peak well below the limit of 1 A, saw 0.985 A"):
        peak_current(capture(0.1, maxima=[0.985], limit_a=1.0))


def test_a_supply_that_can_give_no_more_than_the_manual_allows_judges_no_peak():
    with pytest.raises(BenchError, match=r"expected a supply that gives more than 0.4 A, saw a limit of 0.4 A"):
        peak_current(capture(0.1, limit_a=0.4))


def test_the_zero_is_the_mean_of_before_and_after():
    zero = zero_offset(capture(0.1e-6, 0.3e-6), capture(0.4e-6))
    assert (zero.before_a, zero.after_a) == pytest.approx((0.2e-6, 0.4e-6))
    assert zero.offset_a == pytest.approx(0.3e-6)
    assert capture(6.3e-6).less(zero.offset_a).mean_a[0] == pytest.approx(6e-6)


@pytest.mark.parametrize("after_a", [0.51e-6, -0.11e-6])
def test_a_zero_that_moved_is_the_benchs_fault(after_a):
    with pytest.raises(BenchError, match=r"^zero of the ammeter: expected a change of at most 0.3 uA, saw 0.2 uA"):
        zero_offset(capture(0.2e-6), capture(after_a))


def test_an_empty_or_uneven_capture_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        capture()
    with pytest.raises(ValueError, match="as many averages"):
        capture(1.0, 2.0, maxima=[1.0])
    with pytest.raises(ValueError, match="period"):
        capture(1.0, period_s=0.0)


currents = st.lists(st.floats(0, 0.4, allow_nan=False), min_size=2, max_size=60)


@given(currents, st.data())
def test_charge_adds_up_over_any_split(levels, data):
    whole = capture(*levels, period_s=0.25)
    middle = data.draw(st.integers(1, len(levels) - 1)) * 0.25
    parts = whole.part(0.0, middle), whole.part(middle, whole.duration_s)
    assert sum(charge(part) for part in parts) == pytest.approx(charge(whole), abs=1e-12)
    assert parts[1].start_bench_s == pytest.approx(whole.start_bench_s + middle)


@given(currents)
def test_sleep_and_wakes_together_are_the_whole(levels):
    whole = capture(*levels, period_s=0.25)
    found = sleep_current(whole, at_least_s=0)
    assert found.asleep_s + sum(wake.duration_s for wake in found.wakes) == pytest.approx(whole.duration_s)
    asleep_c = found.mean_a * found.asleep_s if found.asleep_s else 0.0
    assert asleep_c + sum(wake.charge_c for wake in found.wakes) == pytest.approx(charge(whole), abs=1e-12)
    assert list(found.wakes) == sorted(found.wakes, key=lambda wake: wake.start_s)
    assert found.wakes == wakes(whole)


@given(currents)
def test_the_order_of_the_periods_changes_neither_charge_nor_peak(levels):
    whole = capture(*levels)
    turned = replace(whole, mean_a=whole.mean_a[::-1], maximum_a=whole.maximum_a[::-1])
    assert charge(turned) == pytest.approx(charge(whole), abs=1e-12)
    assert peak_current(turned) == peak_current(whole)
