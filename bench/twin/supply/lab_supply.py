"""What the twins of laboratory supplies have in common: their outputs, one of which feeds the unit."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import ClassVar

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import Parameters, ScpiError
from bench.twin.scpi.syntax import read_number
from bench.twin.signal import Signal

_VOLT_OFFSET_V = 3e-3


@dataclass
class Output:
    """One output. ``protection_v`` trips it while ``protection_on``; what tripped stays off until it is cleared."""

    voltage_v: float = 0.0
    limit_a: float = 0.1
    on: bool = False
    protection_v: float = 35.0
    protection_on: bool = True
    tripped: bool = False

    @property
    def terminals_v(self) -> float:
        return self.voltage_v if self.on and not self.tripped else 0.0


class LabSupply:
    """Mixed into an instrument, in front of its base: ``outputs`` by channel, ``selected`` the one that a cursor is at.

    Channel ``wired`` feeds ``terminals``.
    """

    channels: ClassVar[int] = 1
    highest_v: ClassVar[float] = 32.0
    highest_a: ClassVar[float] = 3.0
    protection_from_start: ClassVar[bool] = True

    def __init__(self, clock: Clock, terminals: Signal[float], current: CurrentTrace, rng: random.Random) -> None:
        super().__init__()
        self.wired = 1
        self.selected = 1
        self.outputs = self._as_delivered()
        self._clock = clock
        self._terminals = terminals
        self._current = current
        self._offset_v = rng.uniform(-_VOLT_OFFSET_V, _VOLT_OFFSET_V)

    def _as_delivered(self) -> dict[int, Output]:
        return {channel: Output(protection_on=self.protection_from_start) for channel in range(1, self.channels + 1)}

    def reset(self) -> None:
        self.selected = 1
        self.outputs = self._as_delivered()
        self.drive()

    def choose(self, parameters: Parameters) -> None:
        """Move the cursor: INSTrument:NSELect. Raises ``ScpiError``."""
        parameters.expect(1)
        if parameters.values[0] not in map(str, self.outputs):
            raise ScpiError(-222)
        self.selected = int(parameters.values[0])

    def drive(self) -> None:
        """Let what has been set take effect."""
        for output in self.outputs.values():
            if output.on and output.protection_on and output.voltage_v > output.protection_v:
                output.tripped = True
        self._terminals.set(self.outputs[self.wired].terminals_v)

    def measured_v(self, channel: int) -> float:
        terminals_v = self._terminals.value if channel == self.wired else self.outputs[channel].terminals_v
        return max(0.0, terminals_v + self._offset_v)

    def measured_a(self, channel: int) -> float:
        if channel != self.wired:
            return 0.0
        return min(self._current.at(self._clock.time()), self.outputs[channel].limit_a)

    def volts(self, parameters: Parameters, place: int = 0) -> float:
        """The parameter at ``place``; raises ``ScpiError`` for what is no voltage of this supply."""
        return _read(parameters.values[place], self.highest_v, "V")

    def amperes(self, parameters: Parameters, place: int = 0) -> float:
        return _read(parameters.values[place], self.highest_a, "A")

    def at(self, channel: int) -> Output:
        if channel not in self.outputs:
            raise ScpiError(-222, "channel")
        return self.outputs[channel]


def _read(text: str, highest: float, unit: str) -> float:
    value = {"MIN": 0.0, "MAX": highest}.get(text.upper())
    value = read_number(text, unit) if value is None else value
    if not 0.0 <= value <= highest:
        raise ScpiError(-222)
    return value
