"""What compare calls different: scipy's tests are the oracle of p, chance that of false alarms and of what is found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.commands.compare.statistics import Outcome, can_be_decided, judge, words_differ

ALPHA = 1e-3 / 300


def _normal(chance: np.random.Generator, count: int) -> list[float]:
    return [float(value) for value in chance.normal(5.0, 1.0, count)]


@pytest.mark.parametrize("count", [12, 30, 60])
def test_a_shift_of_the_resolvable_size_is_found_and_none_is_not(count: int) -> None:
    chance = np.random.default_rng(count)
    found = false_alarms = 0
    for _ in range(25):
        old, new = _normal(chance, count), _normal(chance, count)
        same = judge([old], [new], ALPHA, 0.001)
        assert same.resolvable is not None
        false_alarms += same.outcome is Outcome.CHANGED
        moved = judge([old], [[value + same.resolvable for value in _normal(chance, count)]], ALPHA, 0.001)
        found += moved.outcome is Outcome.CHANGED
    assert false_alarms == 0
    assert found >= 24


def test_p_is_that_of_the_exact_test() -> None:
    chance = np.random.default_rng(3)
    old, new = _normal(chance, 20), [value + 1 for value in _normal(chance, 25)]
    assert judge([old], [new], ALPHA, 0.0).p == pytest.approx(stats.ks_2samp(old, new, method="exact").pvalue)


def test_another_spread_is_a_change_too() -> None:
    chance = np.random.default_rng(4)
    old = _normal(chance, 120)
    new = [5.0 + 8 * (value - 5.0) for value in _normal(chance, 120)]
    judged = judge([old], [new], ALPHA, 0.001)
    assert judged.outcome is Outcome.CHANGED
    assert judged.spreads[1] > 4 * judged.spreads[0]


def test_too_few_samples_are_undecided_however_far_apart() -> None:
    assert judge([[1.0]], [[9.0]], ALPHA, 0.001).outcome is Outcome.UNDECIDED
    assert judge([[1.0] * 20], [[9.0] * 2], ALPHA, 0.001).outcome is Outcome.UNDECIDED
    assert not can_be_decided(4, 4, ALPHA)


def test_what_a_stray_sample_on_each_side_hides_is_not_called_the_same() -> None:
    assert judge([[20.4] * 10 + [85.7]], [[0.4] * 10 + [65.7]], ALPHA, 0.002).outcome is Outcome.UNDECIDED


def test_what_no_instrument_can_tell_apart_is_the_same() -> None:
    assert judge([[5.0] * 40], [[5.0005] * 40], ALPHA, 0.001).outcome is Outcome.SAME
    assert judge([[5.0] * 40], [[5.01] * 40], ALPHA, 0.001).outcome is Outcome.CHANGED


def test_runs_whose_samples_are_alike_count_once_each() -> None:
    chance = np.random.default_rng(5)
    old = [[level + float(value) for value in chance.normal(0, 0.01, 20)] for level in (1.0, 2.0, 3.0)]
    new = [[level + float(value) for value in chance.normal(0, 0.01, 20)] for level in (2.5, 3.5, 4.5)]
    judged = judge(old, new, ALPHA, 0.001)
    assert judged.counts == (3, 3)
    assert judged.outcome is Outcome.UNDECIDED


def test_words_that_chance_has_a_part_in() -> None:
    assert words_differ({"a": 20}, {"b": 20}, 1e-4)[0] is Outcome.CHANGED
    assert words_differ({"a": 19, "b": 1}, {"a": 20}, 1e-4)[0] is Outcome.SAME
    assert words_differ({"a": 1}, {"b": 1}, 1e-4)[0] is Outcome.UNDECIDED
