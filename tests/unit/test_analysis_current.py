"""Sleep current, wakes and charge from logs written by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.analysis.current import charge, peak_current, sleep_current, wakes


def log(*levels):
    values = np.array(levels, float)
    return values, values.copy()


def test_wakes_do_not_count_as_sleep():
    mean, maximum = log(6e-6, 6e-6, 2e-3, 2e-3, 6e-6, 46e-3, 6e-6, 6e-6)
    found = sleep_current(mean, maximum, 0.5)
    assert found.mean_a == pytest.approx(6e-6)
    assert found.median_a == pytest.approx(6e-6)
    assert found.asleep_s == 2.5
    assert found.overall_a == pytest.approx((5 * 6e-6 + 4e-3 + 46e-3) / 8)
    assert [(wake.start_s, wake.duration_s, wake.peak_a) for wake in found.wakes] == [(1.0, 1.0, 2e-3),
                                                                                      (2.5, 0.5, 46e-3)]
    assert [wake.charge_c for wake in found.wakes] == pytest.approx([2e-3, 23e-3])


def test_a_short_wake_hidden_in_a_mean_is_seen_by_its_maximum():
    mean = np.array([6e-6, 40e-6, 6e-6])
    found = sleep_current(mean, np.array([0.3e-3, 5e-3, 0.3e-3]), 0.1)
    assert found.mean_a == pytest.approx(6e-6)
    assert len(found.wakes) == 1


def test_a_unit_that_half_wakes_fails():
    mean, maximum = log(*[6e-6] * 9, 0.5e-3)
    found = sleep_current(mean, maximum, 1.0)
    assert found.wakes == ()
    assert found.mean_a > 50e-6
    assert found.median_a == pytest.approx(6e-6)


def test_a_unit_that_never_sleeps_has_no_sleep_current():
    found = sleep_current(*log(2e-3, 2e-3), 1.0)
    assert math.isnan(found.mean_a)
    assert math.isnan(found.median_a)
    assert math.isnan(found.floor_a)
    assert found.wakes[0].duration_s == 2.0


def test_a_log_with_gaps_has_no_charge():
    assert charge(np.array([1.0, 3.0]), 0.5, gap_free=True) == 2.0
    with pytest.raises(ValueError, match="gaps"):
        charge(np.array([1.0]), 0.5, gap_free=False)


def test_an_empty_or_uneven_log_is_refused():
    empty = np.empty(0)
    for call in (lambda: sleep_current(empty, empty, 1.0), lambda: wakes(np.ones(2), np.ones(3), 1.0),
                 lambda: peak_current(empty)):
        with pytest.raises(ValueError, match="log"):
            call()
