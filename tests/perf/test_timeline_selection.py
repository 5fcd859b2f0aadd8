"""What it costs to find few observations among many: with one to a hundred times as many, about the same."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
from long_form import LONG

from bench.timeline import Observation, Timeline

FEW = 10_000
MANY = 1_000_000 if LONG else 100_000
LED_EVERY = 100


class Life:
    """So many observations, half a second apart: traffic, and now and then a LED, whose sensor is a little late."""

    def __init__(self, count: int) -> None:
        self.now = 0.0
        self.timeline = Timeline(lambda: self.now)
        for number in range(count):
            self.now += 0.5
            if number % LED_EVERY == 0:
                self.timeline.append("panel", "led", {"channel": "green", "on": True}, at=self.now - 0.7)
            else:
                self.timeline.append("mdm", "datagram", {"direction": "in", "peer": 1, "hex": "0c" * 40})


SELECTIONS: dict[str, Callable[[Life], list[Observation]]] = {
    "a minute of long ago": lambda life: life.timeline.select(after=1000.0, before=1049.0),
    "a kind in an hour of long ago": lambda life: life.timeline.select("panel", "led", after=500.0, before=4000.0),
    "a kind of any source": lambda life: life.timeline.select(kind="led", after=500.0, before=4000.0),
    "by what it says": lambda life: life.timeline.select("panel", after=500.0, before=4000.0, channel="green"),
    "the last minute": lambda life: life.timeline.select(after=life.now - 49),
    "what came last": lambda life: life.timeline.since(len(life.timeline) - 100),
    "none": lambda life: life.timeline.select("panel", "button"),
}


@pytest.fixture(scope="module")
def lives() -> tuple[Life, Life]:
    return Life(FEW), Life(MANY)


def shortest(work: Callable[[], object]) -> float:
    def once() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun
    return min(once() for _ in range(100))


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection_costs_what_it_finds_and_not_what_there_is(
        lives: tuple[Life, Life], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    select = SELECTIONS[name]
    assert [len(select(life)) for life in lives] in ([count, count] for count in range(101))
    few, many = (shortest(lambda life=life: select(life)) for life in lives)
    with capsys.disabled():
        print(f"\n{name}: {few * 1e6:.0f} us of {FEW:,} observations, {many * 1e6:.0f} us of {MANY:,}")
    assert many < 2 * few + 5e-6


def test_the_part_of_one_test_costs_what_is_in_it(lives: tuple[Life, Life], capsys: pytest.CaptureFixture[str]) -> None:
    few, many = (shortest(lambda life=life: life.timeline.part(len(life.timeline) - 200, life.now - 100.0))
                 for life in lives)
    with capsys.disabled():
        print(f"\nthe last 200 as a part: {few * 1e6:.0f} us and {many * 1e6:.0f} us")
    assert many < 2 * few


def test_an_observation_takes_little_memory_for_good(capsys: pytest.CaptureFixture[str]) -> None:
    tracemalloc.start()
    try:
        life, count = Life(2_000), 100_000    # what is in memory goes up and down by some hundred observations
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            life.now += 0.5
            life.timeline.append("mdm", "datagram", {"direction": "in", "peer": 1, "hex": "0c" * 40})
        octets = (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
    with capsys.disabled():
        print(f"\n{octets:.0f} octets of memory for each observation")
    assert octets < 40
