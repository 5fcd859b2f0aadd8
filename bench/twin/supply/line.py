"""What is between the supply's terminals and the unit: the leads, the contact of the supply relay, and the reference
resistors of the edge box, which take the unit's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.twin.cmi6110.current import REFERENCE_V, CurrentTrace
from bench.twin.signal import Signal

Amperes = NDArray[np.float64]

REFERENCE_OHM = {1: 560e3, 2: 8.2}
"""The twin's station has these: 6.4 uA and 0.44 A at 3.6 V, just below what a sleeping unit and above what a sending
one may draw."""


class LineCurrent(CurrentTrace):
    """What flows out of the supply: into the unit, and through a reference resistor."""

    def __init__(self, clock: Clock, terminals: Signal[float], unit: CurrentTrace) -> None:
        super().__init__(clock, terminals)
        self._unit = unit
        self._loaded = False
        unit.follow(self._tell)

    def load(self, amps: float) -> None:
        """``amps`` flow through a resistor from now on, at the present voltage."""
        volts = self._voltages[-1]
        self._loaded |= amps > 0
        self.set("reference load", amps * volts / REFERENCE_V)

    def at(self, moment: float) -> float:
        return self._unit.at(moment) + super().at(moment)

    def charge(self, t0: float, t1: float) -> float:
        return self._unit.charge(t0, t1) + super().charge(t0, t1)

    def render(self, t0: float, t1: float, period: float) -> tuple[Amperes, Amperes, Amperes]:
        """The extremes are exact as long as unit and resistor don't both change within a period."""
        drawn = self._unit.render(t0, t1, period)
        if not self._loaded:
            return drawn
        mean, minimum, maximum = super().render(t0, t1, period)
        return drawn[0] + mean, drawn[1] + minimum, drawn[2] + maximum


class Terminals(Signal[float]):
    """The terminals of the supply. ``value`` is the voltage that is there: with ``source_ohm`` it sags under load."""

    source_ohm = 0.0

    def __init__(self) -> None:
        super().__init__(0.0)
        self.drawn: Callable[[], float] = lambda: 0.0

    @property
    def given(self) -> float:
        """The voltage without a load."""
        return super().value

    @property
    def value(self) -> float:
        return self.given - (self.drawn() * self.source_ohm if self.source_ohm else 0.0)


class SupplyLine:
    """Connects ``terminals`` to the unit (``supply``) while ``relay_closed``, and to the resistor that ``load`` names
    (0: none), which is in front of that contact.

    ``contact_ohm`` is what plug and leads add for the resistor, beyond what the supply senses; ``gain`` is what the
    supply gives of what it says that it gives.
    """

    contact_ohm = 0.02
    gain = 1.0
    ohm: Mapping[int, float] = REFERENCE_OHM

    def __init__(self, clock: Clock, terminals: Terminals, relay_closed: Signal[bool], load: Signal[int],
                 supply: Signal[float], current: CurrentTrace) -> None:
        self.terminals, self.relay_closed, self.load, self.supply = terminals, relay_closed, load, supply
        self.current = LineCurrent(clock, terminals, current)
        terminals.drawn = lambda: self.current.at(clock.time())
        terminals.follow(lambda volts: self.pass_on())
        relay_closed.follow(lambda closed: self.pass_on())
        load.follow(lambda number: self.pass_on())

    def pass_on(self) -> None:
        """What is at the terminals gets to where the contacts lead."""
        volts = self.terminals.given * self.gain
        self.supply.set(volts if self.relay_closed.value else 0.0)
        ohm = self.ohm.get(self.load.value)
        self.current.load(0.0 if ohm is None else volts / (ohm + self.contact_ohm + self.terminals.source_ohm))
