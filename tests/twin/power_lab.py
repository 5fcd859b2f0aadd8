"""A twin supply on its ports, what is behind its terminals, and the driver in front of it: each combination alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from bench import instruments
from bench.clock import WarpClock
from bench.timeline import Timeline
from bench.twin.cmi6110.current import CurrentTrace, Waveform
from bench.twin.signal import Signal
from bench.twin.supply.supplies import SUPPLIES, wire_of
from drivers.supply import MeasuringSupply
from drivers.supply.in_series import InSeries

T = TypeVar("T")

SLEEP_A = {0.5e-6: 0.47e-6, 6e-6: 5.97e-6, 20e-6: 19.97e-6}
"""Sleep currents and the floors that make them, with the ticks of the clock: 0.3 mA for 0.1 ms each second."""


class PowerLab:
    """One combination. ``charge`` and ``sleep`` speak of the true current of the unit."""

    def __init__(self, clock: WarpClock, name: str, seed: int = 1) -> None:
        self.clock = clock
        self.name = name
        self.timeline = Timeline(clock.time)
        self.connector = Signal(0.0)
        self.unit = CurrentTrace(clock, self.connector)
        self.power = clock.call(lambda: SUPPLIES[name](clock, self.connector, self.unit, random.Random(seed)))
        self.servers = [wire_of(instrument) for instrument in self.power.instruments]
        for server in self.servers:
            clock.run(server.start())

    def open(self, **options: Any) -> MeasuringSupply:
        timeout_s = options.pop("timeout_s", 20.0)
        supply = self._open("supply", self.power.supply_driver, 0, {"timeout_s": timeout_s, **options})
        if self.power.ammeter_driver is None:
            return supply
        return InSeries(supply, self._open("ammeter", self.power.ammeter_driver, 1, {"timeout_s": timeout_s}))

    def _open(self, kind: str, driver: str, place: int, options: dict[str, Any]) -> Any:
        return instruments.find(kind, driver).open({"address": self.servers[place].address, **options}, self.clock,
                                                   self.timeline)

    def supplied(self, volts: float = 3.6) -> MeasuringSupply:
        supply = self.open()
        supply.set_voltage(volts)
        supply.output_on()
        return supply

    def truth(self, function: Callable[[], T]) -> T:
        return self.clock.call(function)

    def sleep(self, sleep_a: float = 6e-6) -> None:
        """The unit draws ``sleep_a`` on average at 3.6 V."""
        wave = Waveform()

        def begin() -> None:
            self.unit.set("floor", SLEEP_A[sleep_a])
            self.unit.repeat("tick", wave.tick_a, wave.tick_s, wave.tick_period_s)
        self.truth(begin)

    def close(self) -> None:
        for server in self.servers:
            self.clock.run(server.stop())


@contextmanager
def power_lab(name: str, seed: int = 1) -> Iterator[PowerLab]:
    with WarpClock() as clock:
        lab = PowerLab(clock, name, seed)
        try:
            yield lab
        finally:
            lab.close()
