"""Keysight N6700C and N6705C mainframes with an N678x source/measure unit.

Sources: docs/instruments/keysight-n6700.md has each command with its own. Order of the fields of a log record: the
N6900/N7900 guide p. 161 prints average, minimum, maximum of the current first; the N6700C guide prints none, so check
it once with a known load.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers import Timeout
from drivers.assumption import Assumption
from drivers.supply import MEASURES_CHARGE, CurrentLimit, CurrentLog, CurrentReading, Overvoltage
from drivers.supply.accuracy import Accuracy, Range, note
from drivers.supply.source import ScpiSource, day
from drivers.visa import VisaInstrument

ACCURACY = Accuracy((Range(1e-3, 0.025e-2, 100e-9, 310e-9),
                     Range(0.1, 0.025e-2, 10e-6, 5.4e-6),
                     Range(3.06, 0.03e-2, 250e-6, 160e-6)), noise_time_s=102.4e-6)
"""Measurement accuracy, 23 +-5 degC. From the N6780 data sheet (5990-5829EN), from memory; noise of the lower two from
the N6700 specifications guide's table for short intervals (the sister N6785A's columns), of the highest from memory:
check against the guide. The 10 uA range takes no part in seamless ranging and is not used: a unit that wakes would
overload it."""

_POLL_S = 2.0
_FIFO_S = 20.0
"""How long the instrument buffers; older records are overwritten silently."""
_STEP_S = {"RES20": 20.48e-6, "RES40": 40.96e-6}
_MOST_PARAMETERS = 4
"""That RES20 allows, of all channels together (guide p. 145)."""
_PARAMETERS = 3
"""Of a record: average, minimum, maximum."""
_SHORTEST_S = 102.4e-6
"""Shortest log period, for each parameter of all channels that log."""
_MOST_RECORDS = 4096
_READING_PERIOD_S = (1.024e-3, 0.1)
_STALLED_S = 10.0

_PROTECTIONS = {1: "over-voltage", 2: "over-current", 4: "power failure", 8: "positive power limit",
                16: "over-temperature", 32: "negative power limit", 64: "negative over-voltage",
                512: "an external inhibit signal", 2048: "the watchdog, or a protection of a coupled output",
                4096: "oscillation"}
"""Bits of the questionable status register that say that the output is off (N6705C guide p. 350)."""

_WATCHDOG_S = range(1, 3601)


class KeysightN6700(ScpiSource):
    """Supply and ammeter in one: channel ``channel`` of an N6700C or N6705C, which must hold an N678x.

    ::

        [supply]
        driver = "keysight-n6700"
        address = "TCPIP0::192.0.2.5::5025::SOCKET"
        channel = 1

    Opening it sets limit and over-voltage protection and leaves the output as it is.

    ``slots`` is how many slots use channels of one mainframe at a time, each with a session of its own. Channels
    measure independently (N6700 user's guide p. 91), but what they log adds up: the shortest period grows with
    ``slots``. Error queue, format and watchdog are the mainframe's: with more than one slot the queue is not emptied on
    opening, and there is no self-test and no watchdog.
    """

    kind = "supply"
    abilities = frozenset({"supply.voltage"}) | MEASURES_CHARGE
    supports_watchdog = True
    assumptions = (
        Assumption("accuracy", "accuracy and noise of the modules are those of the driver's table"),
        Assumption("added-up logs", "logged parameters add up over channels, so the shortest period grows with slots"),
        Assumption("sessions", "the mainframe takes a LAN session for each slot"))

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1,
                 current_limit_a: CurrentLimit = 1.0, overvoltage_v: Overvoltage = 4.5, slots: int = 1,
                 timeout_s: Timeout = 5.0) -> None:
        super().__init__(VisaInstrument(address, subject="supply", timeout_s=timeout_s, shared=slots > 1), clock=clock,
                         timeline=timeline, overvoltage_v=overvoltage_v)
        self._at = f"(@{channel})"
        self._slots = slots
        self.supports_watchdog = slots == 1
        self._resolution = "RES20" if _PARAMETERS * slots <= _MOST_PARAMETERS else "RES40"
        self._shortest_s = _PARAMETERS * slots * _SHORTEST_S
        try:
            if not 1 <= slots <= 4:
                raise BenchError(self._visa.subject, expected="slots from 1 to 4", seen=f"{slots}",
                                 do="correct the station file: a mainframe has four channels")
            self._check_model(channel)
            self._visa.configure(f"FUNC VOLT,{self._at}", f"SENS:CURR:RANG:AUTO ON,{self._at}")
            self._protect()
            self.set_current_limit(current_limit_a)
            self._note_output()
        except BaseException:
            self._visa.close()
            raise

    def _check_model(self, channel: int) -> None:
        if "N670" not in self.identity:
            raise BenchError(self._visa.subject, expected="a Keysight N6700 or N6705", seen=repr(self.identity[:120]),
                             do="correct driver or address in the station file")
        model = self._visa.query(f"SYST:CHAN:MOD? {self._at}").strip('" ')
        if not model.startswith("N678"):
            raise BenchError(self._visa.subject, expected=f"an N678x source/measure unit in channel {channel}",
                             seen=repr(model), do="correct the channel in the station file")

    # -- Supply -----------------------------------------------------------------------------------------------------

    def _set_voltage(self, voltage_v: float) -> None:
        self._visa.configure(f"VOLT {voltage_v:.6g},{self._at}")

    def _protect(self) -> None:
        self._visa.configure(f"VOLT:PROT:REM {self._overvoltage_v:g},{self._at}")
        self._check_taken("an over-voltage protection", self._overvoltage_v,
                          self._visa.query_float(f"VOLT:PROT:REM? {self._at}"), "V")

    def _set_limit(self, limit_a: float) -> None:
        self._visa.configure(f"CURR:LIM {limit_a:.6g},{self._at}")
        self._check_taken("a current limit", limit_a, self._visa.query_float(f"CURR:LIM? {self._at}"), "A")

    def _switch(self, on: bool) -> None:
        """A protection that has tripped leaves OUTP? at 1, and clearing it turns the output on again: so the output is
        switched off before it is cleared."""
        if not on or self._tripped():
            self._visa.configure(f"OUTP OFF,{self._at}")
            if self._visa.query_switch(f"OUTP? {self._at}"):
                raise BenchError(self._visa.subject, expected="the output to be off", seen="on",
                                 do="switch it off by hand")
        if on:
            self._visa.configure(f"OUTP:PROT:CLE {self._at}", f"OUTP ON,{self._at}")

    def _read_output(self) -> tuple[bool, float]:
        on = self._visa.query_switch(f"OUTP? {self._at}") and not self._tripped()
        return on, self._visa.query_float(f"VOLT? {self._at}")

    def _tripped(self) -> str:
        status = self._visa.query_whole(f"STAT:QUES:COND? {self._at}")
        return ", ".join(name for bit, name in _PROTECTIONS.items() if status & bit)

    def self_test(self) -> None:
        if self._slots > 1:
            raise self._shared("a self-test")
        super().self_test()

    def voltage(self) -> float:
        return self._visa.query_float(f"MEAS:VOLT? {self._at}")

    def calibrated_on(self) -> date | None:
        return day(self._visa.query(f"CAL:DATE? {self._at}"))

    # -- watchdog ---------------------------------------------------------------------------------------------------

    def arm_watchdog(self, seconds: int) -> None:
        """From now on all outputs of the mainframe go off when it hears nothing for ``seconds`` (1 to 3600) on any
        interface; each command of any session feeds it. Lasts until it is disarmed, reset or without mains."""
        if self._slots > 1:
            raise self._shared("a watchdog")
        if seconds not in _WATCHDOG_S:
            raise BenchError(self._visa.subject, expected="a watchdog of 1 to 3600 whole seconds", seen=f"{seconds}",
                             do="choose such a time")
        self._visa.configure(f"OUTP:PROT:WDOG:DEL {seconds}", "OUTP:PROT:WDOG ON")
        self.feed_watchdog()
        self._check_taken("a watchdog", seconds, self._visa.query_float("OUTP:PROT:WDOG:DEL?"), "s")

    def feed_watchdog(self) -> None:
        """Raises ``BenchError`` when it is no longer armed."""
        if not self._visa.query_switch("OUTP:PROT:WDOG?"):
            raise BenchError(self._visa.subject, expected="the output watchdog to be armed", seen="that it is off",
                             do="check that nobody else uses the mainframe")

    def disarm_watchdog(self) -> None:
        self._visa.configure("OUTP:PROT:WDOG OFF")

    def _shared(self, what: str) -> BenchError:
        return BenchError(self._visa.subject, expected=f"a mainframe of its own for {what}",
                          seen=f"one that {self._slots} slots share",
                          do="set slots to 1 when nobody else uses the mainframe")

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        """The mean over ``duration_s`` from now on, by contiguous averages."""
        shortest, longest = _READING_PERIOD_S
        return ACCURACY.reading(self.log(duration_s, min(max(duration_s / 1000, shortest, self._shortest_s), longest)))

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A gap-free log of ``duration_s`` from now on.

        ``period_s`` is rounded to 20.48 us; it can be 0.3072 ms to 60 s, or from ``slots`` times as much and in steps
        of 40.96 us where slots share the mainframe. Raises ``BenchError`` when records were lost.
        """
        if not self._shortest_s * 0.99 <= period_s <= 60 or not duration_s >= period_s:
            raise BenchError(self._visa.subject,
                             expected=f"a period from {self._shortest_s * 1e3:g} ms to 60 s, within the duration",
                             seen=f"{period_s:g} s in {duration_s:g} s", do="correct the period of the measurement")
        at = self._at
        step_s = _STEP_S[self._resolution]
        period_s = max(round(period_s / step_s) * step_s, self._shortest_s)
        self._visa.configure(
            f"ABOR:ELOG {at}", "FORM REAL", "FORM:BORD NORM", f"SENS:SWE:TINT:RES {self._resolution}",
            f"SENS:ELOG:FUNC:CURR ON,{at}", f"SENS:ELOG:FUNC:CURR:MINM ON,{at}",
            f"SENS:ELOG:FUNC:VOLT OFF,{at}", f"SENS:ELOG:CURR:RANG:AUTO ON,{at}",
            f"SENS:ELOG:PER {period_s:.9g},{at}", f"TRIG:ELOG:SOUR BUS,{at}", f"INIT:ELOG {at}")
        self._check_seamless()
        period_s = self._visa.query_float(f"SENS:ELOG:PER? {at}")
        count = max(1, round(duration_s / period_s))
        voltage_v = self.voltage()
        start_s = self._clock.time()
        try:
            self._visa.configure(f"TRIG:ELOG {at}")
            records = self._collect(start_s, period_s, count)
        finally:
            with suppress(BenchError):     # the failure that brought us here is the one to tell
                self._visa.write(f"ABOR:ELOG {at}")
        mean, minimum, maximum = records.T
        log = ACCURACY.log(self._visa.subject, start_s, period_s, mean, minimum, maximum, gap_free=True,
                           limit_a=self.current_limit_a, voltage_v=voltage_v)
        note(self._timeline, log)
        return log

    def _check_seamless(self) -> None:
        if not self._visa.query_switch(f"SENS:ELOG:CURR:RANG:AUTO? {self._at}"):
            raise BenchError(self._visa.subject, expected="seamless ranging to be on", seen="a fixed range",
                             do="check that the module is an N6781A or N6785A and nobody else uses it")

    def _collect(self, start_s: float, period_s: float, count: int) -> NDArray[np.float64]:
        """``count`` records, a row each: mean, minimum, maximum."""
        parts: list[NDArray[np.float64]] = []
        got = 0
        last_fetch = last_record = start_s
        while got < count:
            left = start_s + count * period_s - self._clock.time()
            self._clock.sleep(min(_POLL_S, max(left, min(period_s, 0.05))))
            now = self._clock.time()
            if now - last_fetch >= _FIFO_S * 0.9:
                raise self._lost(f"no fetch for {now - last_fetch:.1f} s")
            last_fetch = now
            part = self._fetch()
            while len(part):
                parts.append(part)
                got += len(part)
                last_record = now
                part = self._fetch() if len(part) == _MOST_RECORDS else part[:0]
            if now - last_record > _STALLED_S + 2 * period_s:
                raise BenchError(self._visa.subject, expected="a running external data log",
                                 seen=f"{got} of {count} records, then none", do="check the instrument's state")
            # A record that the buffer lost makes the log take longer than its records tell.
            late_s = last_record - start_s - got * period_s
            if got and late_s >= period_s + max(0.25, 200e-6 * got * period_s):
                raise self._lost(f"{got} records took {late_s:.2f} s too long")
            if -late_s >= period_s + max(0.25, 200e-6 * got * period_s):
                raise BenchError(self._visa.subject, expected="one record for each period of its log",
                                 seen=f"{got} records {-late_s:.2f} s too early",
                                 do="check the firmware, and that nobody else uses the data log")
        return np.concatenate(parts)[:count]

    def _lost(self, seen: str) -> BenchError:
        return BenchError(self._visa.subject, expected="a log without gaps", seen=seen,
                          do="repeat the measurement with less load on this computer and its network")

    def _fetch(self) -> NDArray[np.float64]:
        values = self._visa.query_block(f"FETC:ELOG? {_MOST_RECORDS},{self._at}", ">f4")
        if len(values) % 3:
            raise BenchError(self._visa.subject, expected="records of mean, minimum and maximum",
                             seen=f"{len(values)} values", do="check that nobody else uses the data log")
        return values.reshape(-1, 3).astype(np.float64)
