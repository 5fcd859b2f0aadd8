"""What all supplies do alike: limits on what they may be set to, ramps, the output on the timeline, safety."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import date
from typing import Protocol

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.supply import SMALLEST_LIMIT_A
from drivers.visa import VisaInstrument

_RAMP_STEP_S, _RAMP_STEP_V = 0.02, 0.005
"""A ramp takes no shorter and no smaller steps."""


def ramp(clock: Clock, start_v: float, end_v: float, duration_s: float, slowest_s: float = 0.0) -> Iterator[float]:
    """The voltages of an even ramp but for the last, each when it is time for it; ends when that for the last has come.

    Steps are 20 ms or ``slowest_s`` long, or as long as 5 mV take.
    """
    steps = max(1, min(round(duration_s / max(_RAMP_STEP_S, slowest_s)), round(abs(end_v - start_v) / _RAMP_STEP_V)))
    began_s = clock.time()
    for step in range(1, steps + 1):
        clock.sleep(max(0.0, began_s + duration_s * step / steps - clock.time()))
        if step < steps:
            yield start_v + (end_v - start_v) * step / steps


class Link(Protocol):
    """The way to an instrument: ``VisaInstrument``, or another that raises ``BenchError`` as that does."""

    subject: str
    identity: str

    def write(self, command: str) -> None: ...

    def query(self, command: str) -> str: ...

    def close(self) -> None: ...


class Source(ABC):
    """A ``Supply`` behind ``link``. A subclass says the commands; it calls ``_note_output`` once when it is set up."""

    _pause_s = 0.0
    """How long a command takes the instrument."""

    def __init__(self, link: Link, *, clock: Clock, timeline: Timeline, overvoltage_v: float) -> None:
        self._link = link
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
    def _protect(self) -> None:
        """Arm the over-voltage protection, and read back that it is."""

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

    @abstractmethod
    def _complete(self) -> None:
        """Wait until the last command has been carried out."""

    @abstractmethod
    def _check_errors(self) -> None:
        """Raise ``BenchError`` with what the instrument has to complain about."""

    # -- Supply -----------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> str:
        return self._link.identity

    def set_voltage(self, voltage_v: float) -> None:
        """Raises ``BenchError`` for a voltage at or above the over-voltage protection, and for one that the supply
        doesn't take."""
        self._check_voltage(voltage_v)
        self._set_voltage(voltage_v)
        self._note_output()
        assert self._output is not None
        self._check_taken("a voltage", voltage_v, self._output[1], "V")

    def _check_voltage(self, voltage_v: float) -> None:
        if not 0 <= voltage_v < self._overvoltage_v:
            raise BenchError(self._link.subject, expected=f"a voltage from 0 V to below {self._overvoltage_v:g} V",
                             seen=f"{voltage_v:g} V", do="correct the voltage, or overvoltage_v in the station file")

    def _check_taken(self, what: str, wanted: float, taken: float, unit: str) -> None:
        """Raise ``BenchError`` when the supply didn't take a setting: where several use it, another's query may have
        taken the error from its queue."""
        if abs(taken - wanted) > 0.01 + 0.005 * abs(wanted):
            raise BenchError(self._link.subject, expected=f"{what} of {wanted:g} {unit} to be set",
                             seen=f"{taken:g} {unit}", do="check the supply's ranges, and that nobody else sets it")

    def set_current_limit(self, limit_a: float) -> None:
        """Raises ``BenchError`` for a limit that would clip a peak which the manual forbids, unseen."""
        if not limit_a >= SMALLEST_LIMIT_A:
            raise BenchError(self._link.subject, expected=f"a current limit of at least {SMALLEST_LIMIT_A:g} A",
                             seen=f"{limit_a:g} A", do="raise it: a clipped peak would look like a pass")
        self._set_limit(limit_a)
        self.current_limit_a = limit_a

    def ramp(self, voltage_v: float, duration_s: float) -> None:
        """Bring the voltage to ``voltage_v`` in steps of 20 ms, or as the instrument can follow, or of 5 mV if those
        take longer; bench time passes."""
        self._check_voltage(voltage_v)
        _, start_v = self._read_output()
        for step_v in ramp(self._clock, start_v, voltage_v, duration_s, 2 * self._pause_s):
            self._set_voltage(step_v)
        self.set_voltage(voltage_v)

    def output_on(self) -> None:
        """Raises ``BenchError`` when a protection switches it off at once. Protection and limit are set anew: a supply
        that was without power has forgotten them."""
        self._protect()
        self._set_limit(self.current_limit_a)
        self._switch(True)
        self._complete()
        self._note_output()
        self.check()
        if self._output is not None and not self._output[0]:
            raise BenchError(self._link.subject, expected="the output to be on", seen="off",
                             do="check that nobody else uses the supply")

    def output_off(self) -> None:
        self._switch(False)
        self._complete()
        self._note_output()

    def make_safe(self) -> None:
        """Output off, and checked to be off. Tries once more on a new connection when the first fails."""
        try:
            self.output_off()
        except BenchError:
            self.output_off()
        if self._output is not None and self._output[0]:
            raise BenchError(self._link.subject, expected="the output to be off", seen="on",
                             do="switch it off by hand")

    # -- Instrument -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        tripped = self._tripped()
        if tripped:
            raise BenchError(self._link.subject, expected="no protection to have tripped", seen=tripped,
                             do="look for a short circuit or a wrong voltage, then switch the output off and on")
        self._check_errors()

    @abstractmethod
    def self_test(self) -> None: ...

    @abstractmethod
    def calibrated_on(self) -> date | None: ...

    def close(self) -> None:
        self._link.close()

    def _note_output(self) -> None:
        output = self._read_output()
        if self._output is not None and output != self._output:
            self._timeline.append("supply", "output", {"on": output[0], "voltage_v": round(output[1], 6)})
        self._output = output


class ScpiSource(Source):
    """One that keeps to SCPI, behind ``visa``."""

    def __init__(self, visa: VisaInstrument, *, clock: Clock, timeline: Timeline, overvoltage_v: float) -> None:
        super().__init__(visa, clock=clock, timeline=timeline, overvoltage_v=overvoltage_v)
        self._visa = visa

    def _complete(self) -> None:
        self._visa.query("*OPC?")

    def _check_errors(self) -> None:
        self._visa.check_errors()

    def self_test(self) -> None:
        self._visa.self_test()


def day(text: str) -> date | None:
    """The date in an instrument's answer such as ``"2026-01-05"``, ``+2026,+1,+5``, ``5.1.2026`` or ``05/01/2026``;
    ``None`` for anything else, and where nobody can tell the day from the month."""
    parts = [part.strip() for part in re.split(r"[-/.,]", text.strip("\" '").replace("+", ""))]
    try:
        first, second, third = (int(float(part)) for part in (parts if len(parts) == 3 else parts[::2]))
        if first > 31:
            return date(first, second, third)
        if first > 12 or first == second:
            return date(third, second, first)
        return date(third, first, second) if second > 12 else None
    except (ValueError, OverflowError):
        return None
