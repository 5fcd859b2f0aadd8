"""Keysight N6700C and N6705C mainframes with an N678x source/measure unit.

Sources: N6700C guide p. 143-146 (external data log), N6700 user's guide. Order of the fields of a log record: the
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
from drivers.supply import CurrentLog, CurrentReading
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
_STEP_S = 20.48e-6
_SHORTEST_S = 3 * 102.4e-6
"""Shortest log period for three parameters (average, minimum, maximum)."""
_MOST_RECORDS = 4096
_READING_PERIOD_S = (1.024e-3, 0.1)
_STALLED_S = 10.0

_PROTECTIONS = {1: "over-voltage", 2: "over-current", 4: "power failure", 16: "over-temperature"}
"""Bits of the questionable status register (N6700 user's guide)."""


class KeysightN6700(ScpiSource):
    """Supply and ammeter in one: channel ``channel`` of an N6700C or N6705C, which must hold an N678x.

    ::

        [supply]
        driver = "keysight-n6700"
        address = "TCPIP0::192.0.2.5::5025::SOCKET"
        channel = 1

    Opening it sets limit and over-voltage protection and leaves the output as it is.
    """

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1,
                 current_limit_a: float = 1.0, overvoltage_v: float = 4.5, timeout_s: float = 5.0) -> None:
        super().__init__(VisaInstrument(address, subject="supply", timeout_s=timeout_s), clock=clock,
                         timeline=timeline, overvoltage_v=overvoltage_v)
        self._at = f"(@{channel})"
        try:
            self._check_model(channel)
            self._visa.configure(f"FUNC VOLT,{self._at}", f"VOLT:PROT {overvoltage_v:g},{self._at}",
                                 f"SENS:CURR:RANG:AUTO ON,{self._at}")
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

    def _set_limit(self, limit_a: float) -> None:
        self._visa.configure(f"CURR:LIM {limit_a:.6g},{self._at}")

    def _switch(self, on: bool) -> None:
        if on:
            self._visa.configure(f"OUTP:PROT:CLE {self._at}")
        self._visa.configure(f"OUTP {'ON' if on else 'OFF'},{self._at}")

    def _read_output(self) -> tuple[bool, float]:
        on = self._visa.query_float(f"OUTP? {self._at}") != 0
        return on, self._visa.query_float(f"VOLT? {self._at}")

    def _tripped(self) -> str:
        status = int(self._visa.query_float(f"STAT:QUES:COND? {self._at}"))
        return ", ".join(name for bit, name in _PROTECTIONS.items() if status & bit)

    def voltage(self) -> float:
        return self._visa.query_float(f"MEAS:VOLT? {self._at}")

    def calibrated_on(self) -> date | None:
        return day(self._visa.query(f"CAL:DATE? {self._at}"))

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        """The mean over ``duration_s`` from now on, by contiguous averages."""
        shortest, longest = _READING_PERIOD_S
        return ACCURACY.reading(self.log(duration_s, min(max(duration_s / 1000, shortest), longest)))

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A gap-free log of ``duration_s`` from now on.

        ``period_s`` is rounded to 20.48 us; it can be 0.3072 ms to 60 s. Raises ``BenchError`` when records were lost.
        """
        if not _SHORTEST_S * 0.99 <= period_s <= 60 or not duration_s >= period_s:
            raise BenchError(self._visa.subject,
                             expected=f"a period from {_SHORTEST_S * 1e3:g} ms to 60 s, within the duration",
                             seen=f"{period_s:g} s in {duration_s:g} s", do="correct the period of the measurement")
        at = self._at
        period_s = max(round(period_s / _STEP_S) * _STEP_S, _SHORTEST_S)
        self._visa.configure(
            f"ABOR:ELOG {at}", "FORM REAL", "FORM:BORD NORM", "SENS:SWE:TINT:RES RES20",
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
        if np.abs(records).max() > 9e37:
            raise BenchError(self._visa.subject, expected="currents within the range", seen="an overload",
                             do="check that nothing else holds the measurement range")
        mean, minimum, maximum = records.T
        log = ACCURACY.log(start_s, period_s, mean, minimum, maximum, gap_free=True, limit_a=self.current_limit_a,
                           voltage_v=voltage_v)
        note(self._timeline, log)
        return log

    def _check_seamless(self) -> None:
        if self._visa.query_float(f"SENS:ELOG:CURR:RANG:AUTO? {self._at}") != 1:
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
