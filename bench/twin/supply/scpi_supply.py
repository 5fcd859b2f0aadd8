"""A plain laboratory supply with one output: voltage, current limit, output, readback. Its readback of the current
resolves a milliampere, which is of no use for a sleeping unit.
"""

from __future__ import annotations

import random

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import Boolean, Number, Parameters, ScpiInstrument, command
from bench.twin.signal import Signal

_RESOLUTION_A = 1e-3
_VOLT_OFFSET_V = 3e-3


class ScpiSupply(ScpiInstrument, source="SCPI-1999 volume 4, instrument class DC power supply"):
    """Drives ``terminals`` (V, 0.0 while off)."""

    error_format = '{code},"{text}"'
    number_format = ".4f"

    voltage_v = Number("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", 0.0, low=0.0, high=32.0, unit="V",
                       changed="_drive")
    limit_a = Number("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", 0.1, low=0.0, high=3.0, unit="A")
    protection_v = Number("[SOURce:]VOLTage:PROTection[:LEVel]", 35.0, low=0.0, high=35.0, unit="V", changed="_drive")
    output = Boolean("OUTPut[:STATe]", False, changed="_drive")

    def __init__(self, clock: Clock, terminals: Signal[float], current: CurrentTrace, rng: random.Random) -> None:
        super().__init__()
        self.identity = "Twin,Plain Supply,TWIN0001,1.00"
        self._clock = clock
        self._terminals = terminals
        self._current = current
        self._volt_offset = rng.uniform(-_VOLT_OFFSET_V, _VOLT_OFFSET_V)
        self._tripped = False

    def reset(self) -> None:
        self._tripped = False
        self._drive()

    def questionable_condition(self) -> int:
        return int(self._tripped)

    def _drive(self) -> None:
        if not self.output:
            self._tripped = False     # switching off and on again clears it
        elif self.voltage_v > self.protection_v:
            self._tripped = True
        self._terminals.set(self.voltage_v if self.output and not self._tripped else 0.0)

    @command("[SOURce:]VOLTage:PROTection:TRIPped?")
    def _is_tripped(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.boolean(self._tripped)

    @command("MEASure[:SCALar]:VOLTage[:DC]?")
    def _measure_voltage(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.number(self._terminals.value + self._volt_offset)

    @command("MEASure[:SCALar]:CURRent[:DC]?")
    def _measure_current(self, parameters: Parameters) -> str:
        parameters.expect(0)
        drawn = min(self._current.at(self._clock.time()), self.limit_a)
        return self.number(round(drawn / _RESOLUTION_A) * _RESOLUTION_A)
