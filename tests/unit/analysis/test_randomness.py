"""Moments in a window: what is random is not blamed, what is not is."""

from random import Random

import pytest

from bench.analysis.randomness import (
    FALSE_ALARMS,
    chance_of_coincidences,
    chance_of_spread,
    distance_from_uniform,
    doubts,
    farthest,
)


def test_the_distance_from_uniform_is_the_greatest_step_away():
    assert distance_from_uniform([0.5]) == 0.5
    assert distance_from_uniform([0.1, 0.2, 0.3]) == pytest.approx(0.7)
    assert distance_from_uniform([1 / 6, 3 / 6, 5 / 6]) == pytest.approx(1 / 6)


def test_the_bound_is_that_of_massart():
    assert farthest(48, rate=0.05) == pytest.approx(0.19602, abs=1e-5)      # sqrt(ln(40) / 96)
    assert farthest(100, rate=0.01) == pytest.approx(0.16276, abs=1e-5)
    assert farthest(0) == float("inf")


def test_the_chance_of_a_spread_is_exact():
    assert chance_of_spread(0.5, 2) == pytest.approx(0.75)
    assert chance_of_spread(0.1, 7) == pytest.approx(7e-6 - 6e-7)
    assert chance_of_spread(1.0, 5) == 1.0
    assert chance_of_spread(-0.1, 5) == 0.0


def test_the_chance_of_coincidences_is_the_binomial_tail():
    assert chance_of_coincidences([0.5, 0.5], [0.5, 0.9], 0.25) == pytest.approx(1 - 0.5625 ** 2)
    assert chance_of_coincidences([0.1] * 20, [0.1] * 20, 0.01) < FALSE_ALARMS
    assert chance_of_coincidences([], [], 0.01) == 1.0


@pytest.mark.parametrize("count", [2, 7, 24, 48, 300])
def test_uniform_moments_are_not_blamed(count):
    random = Random(count)
    assert all(doubts([random.random() for _ in range(count)]) == [] for _ in range(300))


@pytest.mark.parametrize("count", [7, 24, 48])
def test_whole_minutes_of_a_short_window_are_not_blamed(count):
    random = Random(count)
    assert all(doubts([random.randint(0, 10) / 10 for _ in range(count)], slack=0.1) == [] for _ in range(300))


RANDOM = Random(3)
PREDICTABLE = {
    "always at one moment": [0.4 + RANDOM.random() * 0.002 for _ in range(48)],
    "in the first half": [RANDOM.random() / 2 for _ in range(48)],
    "in the middle": [0.5 + RANDOM.gauss(0, 0.08) for _ in range(48)],
    "always a little later": [number * 0.07 % 1 for number in range(48)],
    "beginning and end in turn": [number % 2 * 0.999 for number in range(48)],
    "near both ends": [RANDOM.random() * 0.2 + RANDOM.choice((0.0, 0.8)) for _ in range(48)],
    "fixed from the second day on": [*(RANDOM.random() for _ in range(24)), *[0.7] * 24],
}


@pytest.mark.parametrize("places", PREDICTABLE.values(), ids=PREDICTABLE)
def test_moments_that_are_not_random_are_found_out(places):
    assert doubts(places, slack=0.01)


def test_a_week_of_one_moment_is_found_out():
    assert any("lie within" in doubt for doubt in doubts([0.31, 0.31, 0.312, 0.31, 0.309, 0.31, 0.311], slack=0.005))
