"""How fast the twin unit's current is rendered, and how much a fresh supply costs (printed, see pytest -s)."""

from __future__ import annotations

import random
import time

from bench.clock import WarpClock
from bench.timeline import Timeline
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.n6705 import N6705
from drivers.supply.keysight_n6700 import KeysightN6700


def test_a_million_samples_with_bursts_and_ticks_are_rendered():
    with WarpClock() as clock:
        trace = CurrentTrace(clock, Signal(3.6))
        trace.set("floor", 5.2e-6)
        trace.repeat("tick", 0.3e-3, 1e-4, 1.0)
        for second in range(0, 100, 10):
            for block in range(30):
                trace.pulse("modem", 0.22, 0.032, at=second + block * 0.1)
        begin = time.perf_counter()
        mean, _, maximum = trace.render(0.0, 100.0, 1e-4)
        spent = time.perf_counter() - begin
    assert len(mean) == 1_000_000
    assert maximum.max() > 0.22
    print(f"\nrendered {len(mean) / spent / 1e6:.1f} million samples/s")


def test_a_fresh_supply_and_a_ten_minute_log():
    with WarpClock() as clock:
        terminals = Signal(0.0)
        unit = CurrentTrace(clock, terminals)
        spent = []
        for _ in range(10):
            server = ScpiServer(N6705(clock, terminals, unit, random.Random(1)))
            clock.run(server.start())
            begin = time.perf_counter()
            supply = KeysightN6700(server.address, clock=clock, timeline=Timeline(clock.time))
            spent.append(time.perf_counter() - begin)
            supply.set_voltage(3.6)
            supply.output_on()
            clock.call(lambda: unit.set("floor", 6e-6))
            begin = time.perf_counter()
            reading = supply.mean_current(600.0)
            logged = time.perf_counter() - begin
            assert reading.gap_free
            supply.close()
            clock.run(server.stop())
    print(f"\nopened in {sorted(spent)[5] * 1e3:.1f} ms; ten minutes of sleep current in {logged * 1e3:.0f} ms")
