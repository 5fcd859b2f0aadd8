"""What may supply the twin unit and measure its current: one combination of instruments at a time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.dmm6500 import Dmm6500
from bench.twin.n6705 import N6705
from bench.twin.ngu import Ngu201
from bench.twin.scpi import ScpiInstrument
from bench.twin.scpi_supply import ScpiSupply
from bench.twin.signal import Signal


@dataclass(frozen=True, slots=True)
class PowerBench:
    """``supply`` drives the unit's connector. With an ``ammeter`` in series, that one measures. The drivers are what
    a station file calls them."""

    supply_driver: str
    supply: ScpiInstrument
    ammeter_driver: str | None = None
    ammeter: ScpiInstrument | None = None

    @property
    def instruments(self) -> tuple[ScpiInstrument, ...]:
        return (self.supply,) if self.ammeter is None else (self.supply, self.ammeter)

    @property
    def measuring(self) -> ScpiInstrument:
        """The instrument that measures the current."""
        return self.supply if self.ammeter is None else self.ammeter


Build = Callable[[Clock, Signal[float], CurrentTrace, random.Random], PowerBench]


def _n6705(clock: Clock, connector: Signal[float], current: CurrentTrace, rng: random.Random) -> PowerBench:
    return PowerBench("keysight-n6700", N6705(clock, connector, current, rng))


def _ngu(clock: Clock, connector: Signal[float], current: CurrentTrace, rng: random.Random) -> PowerBench:
    return PowerBench("rohde-schwarz-ngu", Ngu201(clock, connector, current, rng))


def _dmm6500(clock: Clock, connector: Signal[float], current: CurrentTrace, rng: random.Random) -> PowerBench:
    terminals = Signal(0.0)
    return PowerBench("scpi-supply", ScpiSupply(clock, terminals, current, rng),
                      "keithley-dmm6500", Dmm6500(clock, terminals, connector, current, rng))


SUPPLIES: dict[str, Build] = {"n6705": _n6705, "ngu": _ngu, "dmm6500": _dmm6500}
"""The combinations, by the name of the instrument that measures."""
