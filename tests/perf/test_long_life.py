"""What a lab that lives long keeps in memory: hourly readouts, each sent in the hour in which it was made."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from long_form import LONG

from fixtures.bench import Bench
from fixtures.bootstrap import Bootstrap
from fixtures.dm import Dm
from fixtures.gateway import Gateway
from fixtures.panel import Panel
from fixtures.unit import Unit
from fixtures.words import days

BEGUN, MIDDLE, END = (153, 183, 365) if LONG else (12, 24, 36)
"""Days. What is in memory goes up and down as parts of it go to the disk, once in eleven days at most; so the highest
points of the days up to the middle and of as many days at the end are compared. ``BEGUN`` is the first of them."""

AT_MOST = 3e6 / (365 - 183) if LONG else 40e3
"""Octets a day. In the first weeks what has a bound fills up to it: the network's log, the unit's current."""


def test_a_lab_does_not_grow_for_ever(capsys: pytest.CaptureFixture[str]) -> None:
    tracemalloc.start()
    bench = Bench.on_twin(seed=1)
    used: list[int] = []
    try:
        gateway = Gateway(bench)
        Unit(bench, Panel(bench), Dm(bench), gateway, Bootstrap(bench)).make_joined({"transmit_interval": 60})
        for day in range(END):
            bench.clock.sleep(1 * days)
            if BEGUN <= day < MIDDLE or day >= END - (MIDDLE - BEGUN):
                gc.collect()
                used.append(tracemalloc.get_traced_memory()[0])
        telegrams, seen = gateway.count, len(bench.timeline)
    finally:
        bench.close()
        tracemalloc.stop()
    middle, end = (max(part) for part in (used[:MIDDLE - BEGUN], used[MIDDLE - BEGUN:]))
    with capsys.disabled():
        print(f"\n{END} days: {telegrams:,} telegrams, {seen:,} observations, {middle / 1e6:.2f} MB to day {MIDDLE}, "
              f"{end / 1e6:.2f} MB at the end: {(end - middle) / (END - MIDDLE) / 1000:.1f} kB a day")
    assert telegrams >= 23 * END
    assert end - middle < AT_MOST * (END - MIDDLE)
