"""What all SCPI supplies do alike: limits on what they may be set to, ramps, the output on the timeline, safety."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.supply import SMALLEST_LIMIT_A
from drivers.visa import VisaInstrument

_RAMP_STEP_S, _RAMP_STEP_V = 0.02, 0.005
"""A ramp takes no shorter and no smaller steps."""


class ScpiSource(ABC):
    """A ``Supply`` behind ``visa``. A subclass says the commands; it calls ``_note_output`` once when it is set up."""

    def __init__(self, visa: VisaInstrument, *, clock: Clock, timeline: Timeline, overvoltage_v: float) -> None:
        self._visa = visa
        self._clock = clock
        self._timeline = timeline
        self._overvoltage_v = overvoltage_v
        self._output: tuple[bool, float] | None = None
        self.current_limit_a = 0.0

    # -- what each model says in its own way ------------------------------------------------------------------------

    @abstractmethod
    def _set_voltage(self, voltage_v: float) -> None: ...

    @abstractmethod
    def _set_limit(self, limit_a: float) -> None: ...

    @abstractmethod
    def _switch(self, on: bool) -> None: ...

    @abstractmethod
    def _read_output(self) -> tuple[bool, float]:
        """Whether the output is on, and the voltage that is set."""

    @abstractmethod
    def _tripped(self) -> str:
        """Which protection has tripped; empty when none has."""

    @abstractmethod
    def voltage(self) -> float: ...

    # -- Supply -----------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        return self._visa.identity

    def set_voltage(self, voltage_v: float) -> None:
        """Raises ``BenchError`` for a voltage at or above the over-voltage protection."""
        self._check_voltage(voltage_v)
        self._set_voltage(voltage_v)
        self._note_output()

    def _check_voltage(self, voltage_v: float) -> None:
        if not 0 <= voltage_v < self._overvoltage_v:
            raise BenchError(self._visa.subject, expected=f"a voltage from 0 V to below {self._overvoltage_v:g} V",
                             seen=f"{voltage_v:g} V", do="correct the voltage, or overvoltage_v in the station file")

    def set_current_limit(self, limit_a: float) -> None:
        """Raises ``BenchError`` for a limit that would clip a peak which the manual forbids, unseen."""
        if not limit_a >= SMALLEST_LIMIT_A:
            raise BenchError(self._visa.subject, expected=f"a current limit of at least {SMALLEST_LIMIT_A:g} A",
                             seen=f"{limit_a:g} A", do="raise it: a clipped peak would look like a pass")
        self._set_limit(limit_a)
        self.current_limit_a = limit_a

    def ramp(self, voltage_v: float, duration_s: float) -> None:
        """Bring the voltage to ``voltage_v`` in steps of 20 ms, or of 5 mV if those take longer; bench time passes."""
        self._check_voltage(voltage_v)
        _, start_v = self._read_output()
        steps = max(1, min(round(duration_s / _RAMP_STEP_S), round(abs(voltage_v - start_v) / _RAMP_STEP_V)))
        for step in range(1, steps + 1):
            self._clock.sleep(duration_s / steps)
            if step < steps:
                self._set_voltage(start_v + (voltage_v - start_v) * step / steps)
        self.set_voltage(voltage_v)

    def output_on(self) -> None:
        """Raises ``BenchError`` when a protection switches it off at once."""
        self._switch(True)
        self._visa.query("*OPC?")
        self._note_output()
        self.check()

    def output_off(self) -> None:
        self._switch(False)
        self._visa.query("*OPC?")
        self._note_output()

    def make_safe(self) -> None:
        """Output off, and checked to be off. Tries once more on a new connection when the first fails."""
        try:
            self.output_off()
        except BenchError:
            self.output_off()
        if self._output is not None and self._output[0]:
            raise BenchError(self._visa.subject, expected="the output to be off", seen="on",
                             do="switch it off by hand")

    # -- Instrument -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        tripped = self._tripped()
        if tripped:
            raise BenchError(self._visa.subject, expected="no protection to have tripped", seen=tripped,
                             do="look for a short circuit or a wrong voltage, then switch the output off and on")
        self._visa.check_errors()

    def self_test(self) -> None:
        self._visa.self_test()

    @abstractmethod
    def calibrated_on(self) -> date | None: ...

    def close(self) -> None:
        self._visa.close()

    def _note_output(self) -> None:
        output = self._read_output()
        if self._output is not None and output != self._output:
            self._timeline.append("supply", "output", {"on": output[0], "voltage_v": round(output[1], 6)})
        self._output = output


def day(text: str) -> date | None:
    """The date in an instrument's answer such as ``"2026-01-05"``, ``+2026,+1,+5`` or ``2026/01/05``; ``None`` for
    anything else."""
    parts = text.strip("\" '").replace("-", ",").replace("/", ",").replace("+", "").split(",")
    try:
        return date(*(int(part) for part in parts[:3]))
    except (TypeError, ValueError):
        return None
