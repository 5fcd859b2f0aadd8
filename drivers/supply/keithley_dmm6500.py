"""A Keithley DMM6500 in series with any supply.

Sources: docs/instruments/keithley-dmm6500.md has each command with its own; burden voltages from the data sheet p. 13.
It answers TRAC:DATA? with a block of indefinite length, of which only the number of readings tells the end. It tells no
day of its calibration by SCPI, and has no HiSLIP.

A multimeter has no seamless ranging, and in a low range its shunt starves a unit that wakes: 100 ohm let 46 mA take
4.6 V away. So this driver rests in the highest range, goes down to 1 mA only while the unit sleeps, and leaves that
range as soon as a reading is overloaded. Readings lost meanwhile make the log one that is not gap-free. A capacitor
of 1000 uF at the unit's connector bridges the half second until then.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers import Timeout
from drivers.assumption import Assumption
from drivers.supply import CurrentLog, CurrentReading
from drivers.supply.accuracy import Accuracy, Amperes, Range, in_periods, note
from drivers.visa import VisaInstrument, is_reading

INTEGRATING = Accuracy((Range(1e-3, 0.05e-2, 60e-9, 10e-9), Range(3.0, 0.15e-2, 1.2e-3, 60e-6)), noise_time_s=0.02)
"""One year, 23 +-5 degC, of the two ranges that are used, one power line cycle or more. From memory of the data
sheet: check against it."""
DIGITIZER = Accuracy((Range(3.0, 0.3e-2, 1.8e-3, 60e-6),), noise_time_s=1e-6)
"""The same for the digitizer."""

_FINE, _COARSE = 0, 1
_SETTLING_S = 0.05
"""After a change of the range."""
_POLL_S = 0.5
_QUIET_A = 3e-3
"""A reading in the highest range below this may be that of a sleeping unit: its offset is 1.2 mA."""
_PROBE_S = 0.2
_SAMPLES_PER_PERIOD = 10
_MOST_READINGS = 6_000_000
_MOST_AT_ONCE = 200_000
_READING_PERIOD_S = 0.02
_BUFFER = "bench"


@dataclass
class _Row:
    """What has been logged so far: readings in order, nan where one is missing, and the range of each."""

    readings: list[Amperes]
    ranges: list[NDArray[np.intp]]
    count: int = 0

    def add(self, readings: Amperes, index: int) -> None:
        self.readings.append(readings)
        self.ranges.append(np.full(len(readings), index))
        self.count += len(readings)


class KeithleyDmm6500:
    """The ammeter of a station. ::

        [ammeter]
        driver = "keithley-dmm6500"
        address = "TCPIP0::192.0.2.8::5025::SOCKET"
    """

    kind = "ammeter"
    abilities = frozenset({"supply.current"})
    assumptions = (
        Assumption("accuracy", "accuracy and noise are those of the driver's table"),
        Assumption("buffer in use", "the buffer of a loaded trigger model can't be deleted"))

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, timeout_s: Timeout = 5.0) -> None:
        self._clock = clock
        self._timeline = timeline
        self._visa = VisaInstrument(address, subject="ammeter", timeout_s=timeout_s)
        try:
            if "DMM6500" not in self.identity:
                raise BenchError(self._visa.subject, expected="a Keithley DMM6500", seen=repr(self.identity[:120]),
                                 do="correct driver or address in the station file")
            self._cycle_s = self._check_command_set()
            self._visa.configure("ABOR", 'FUNC "CURR"', "CURR:AZER OFF", "FORM REAL", "FORM:BORD SWAP")
            self._choose(_COARSE)
        except BaseException:
            self._visa.close()
            raise

    def _check_command_set(self) -> float:
        """Raises ``BenchError`` unless the meter speaks SCPI; else its power line cycle (s)."""
        language, silence = "", ""
        try:
            language = self._visa.query("*LANG?").strip('"').upper()
            if language == "SCPI":
                return 1 / self._visa.query_float("SYST:LFR?")
        except BenchError as error:       # in another command set SCPI's queries get no answer
            silence = error.seen
        if not language:
            with suppress(BenchError):
                return 1 / self._visa.query_float("SYST:LFR?")
        raise BenchError(self._visa.subject, expected="the command set SCPI in answer to *LANG?",
                         seen=f"{language}{' and ' * bool(language and silence)}{silence}",
                         do="choose SCPI at the meter (menu, System, Settings, Command Set), and switch it off and on")

    @property
    def identity(self) -> str:
        return self._visa.identity

    def check(self) -> None:
        self._visa.check_errors()

    def self_test(self) -> None:
        self._visa.self_test()

    def calibrated_on(self) -> date | None:
        """The meter has no command for it."""
        return None

    def close(self) -> None:
        """Back to the highest range, which starves nobody, and let go."""
        with suppress(BenchError):
            self._visa.write("ABOR")
            self._choose(_COARSE)
        self._visa.close()

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        """The mean over ``duration_s`` from now on."""
        return INTEGRATING.reading(self.log(duration_s, _READING_PERIOD_S))

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A log of ``duration_s`` from now on.

        From one power line cycle on the meter integrates: ``period_s`` is rounded to whole cycles, and as it has no
        extremes, they are the mean less and plus its uncertainty. Shorter periods are digitized in the highest range.
        """
        if not 20e-6 * 0.99 <= period_s <= 12 * self._cycle_s or not duration_s >= period_s:
            raise BenchError(self._visa.subject,
                             expected=f"a period from 20 us to {12 * self._cycle_s:g} s, within the duration",
                             seen=f"{period_s:g} s in {duration_s:g} s", do="correct the period of the measurement")
        try:
            log = (self._integrate(duration_s, round(period_s / self._cycle_s)) if period_s >= self._cycle_s * 0.99
                   else self._digitize(duration_s, period_s))
        finally:
            with suppress(BenchError):     # the failure that brought us here is the one to tell
                self._visa.write("ABOR")
                self._visa.write('FUNC "CURR"')
                self._choose(_COARSE)
        note(self._timeline, log)
        return log

    def _choose(self, index: int) -> None:
        """Take a range, and make sure that the meter did."""
        full_scale = INTEGRATING.ranges[index].full_scale_a
        self._visa.configure("CURR:RANG:AUTO OFF", f"CURR:RANG {full_scale:g}")
        taken = self._visa.query_float("CURR:RANG?")
        if not 0.5 < taken / full_scale < 2:
            raise BenchError(self._visa.subject, expected=f"the range of {full_scale:g} A", seen=f"{taken:g} A",
                             do="check that nobody else uses the meter")

    def _start(self, count: int) -> None:
        """Begin to take ``count`` readings without a gap."""
        # Of a log that was cut short; a buffer that the trigger model uses can't be deleted.
        self._visa.configure("ABOR", 'TRIG:LOAD "EMPTY"')
        self._visa.takes(f'TRAC:DEL "{_BUFFER}"')              # there is one after the first log only
        self._visa.configure(f'TRAC:MAKE "{_BUFFER}",{max(count, 10)}',
                             f'TRIG:BLOC:BUFF:CLE 1,"{_BUFFER}"', f'TRIG:BLOC:MDIG 2,"{_BUFFER}",{count}', "INIT")

    def _fetch(self, got: int) -> Amperes:
        """The readings from number ``got`` on that have been taken, no more than fit into one answer."""
        there = self._visa.query_whole(f'TRAC:ACT? "{_BUFFER}"')
        last = min(there, got + _MOST_AT_ONCE)
        if last <= got:
            return np.empty(0)
        readings = self._visa.query_block(f'TRAC:DATA? {got + 1},{last},"{_BUFFER}",READ', "<f8", count=last - got)
        if np.isnan(readings).any():
            raise BenchError(self._visa.subject, expected="readings", seen="NaN", do="check the meter's state")
        return readings

    # -- integrating ------------------------------------------------------------------------------------------------

    def _integrate(self, duration_s: float, cycles: int) -> CurrentLog:
        period_s = cycles * self._cycle_s
        count = max(1, round(duration_s / period_s))
        self._visa.configure(f"CURR:NPLC {cycles}", "AZER:ONCE")
        self._choose(_COARSE)
        index = _FINE if self._is_quiet() else _COARSE
        row = _Row([], [])
        start_s: float | None = None
        gap_free = True
        while row.count < count:
            self._choose(index)
            self._clock.sleep(_SETTLING_S)
            if start_s is None:
                start_s = self._clock.time()
            missed = round((self._clock.time() - start_s) / period_s) - row.count
            if missed > 0:
                row.add(np.full(missed, np.nan), index)
                gap_free = False
            self._segment(row, count, period_s, index)
            index = _COARSE if index == _FINE else _FINE
        assert start_s is not None
        return self._finish(start_s, period_s, np.concatenate(row.readings)[:count],
                            np.concatenate(row.ranges)[:count], gap_free)

    def _is_quiet(self) -> bool:
        self._clock.sleep(_SETTLING_S)
        self._start(round(_PROBE_S / self._cycle_s))
        self._clock.sleep(_PROBE_S + self._cycle_s)
        probe = self._fetch(0)
        self._visa.write("ABOR")
        return bool(len(probe)) and _are_quiet(probe)

    def _segment(self, row: _Row, count: int, period_s: float, index: int) -> None:
        """Log in one range until all is there or the other range is called for."""
        self._start(count - row.count)
        got = 0
        began_s = self._clock.time()
        while row.count < count:
            left_s = began_s + (got + count - row.count) * period_s - self._clock.time()
            self._clock.sleep(min(_POLL_S, max(left_s, 1e-3)) if index == _FINE or left_s < 1 else 1.0)
            part = self._fetch(got)
            got += len(part)
            row.add(part, index)
            if len(part) and (not is_reading(part).all() if index == _FINE else _are_quiet(part)):
                break
            if self._clock.time() - began_s > (got + 1) * period_s + 2.0:
                raise BenchError(self._visa.subject, expected=f"a reading every {period_s:g} s",
                                 seen=f"{got} in {self._clock.time() - began_s:.1f} s", do="check the meter's state")
        self._visa.write("ABOR")

    def _finish(self, start_s: float, period_s: float, readings: Amperes, ranges: NDArray[np.intp],
                gap_free: bool) -> CurrentLog:
        """What was beyond the range, or missed while it changed, was at least the full scale of the fine range."""
        unknown = ~is_reading(readings)
        if (unknown & (ranges == _COARSE) & ~np.isnan(readings)).any():
            raise BenchError(self._visa.subject, expected="currents below 3 A", seen="an overload",
                             do="look for a short circuit")
        mean = np.where(unknown, 1.2 * INTEGRATING.ranges[_FINE].full_scale_a, readings)
        index = np.where(unknown, _COARSE, ranges)
        log = INTEGRATING.log(self._visa.subject, start_s, period_s, mean, mean, mean,
                              gap_free=gap_free and not unknown.any(), limit_a=np.inf, index=index)
        return replace(log, minimum_a=mean - log.uncertainty_a, maximum_a=mean + log.uncertainty_a)

    # -- digitizing -------------------------------------------------------------------------------------------------

    def _digitize(self, duration_s: float, period_s: float) -> CurrentLog:
        rate = int(min(1e6, max(1000, np.ceil(_SAMPLES_PER_PERIOD / period_s)), max(_MOST_READINGS / duration_s, 1000)))
        each = max(1, round(period_s * rate))
        count = max(1, round(duration_s * rate / each)) * each
        if count > _MOST_READINGS:
            raise BenchError(self._visa.subject, expected=f"a log of at most {_MOST_READINGS} samples",
                             seen=f"{count}", do="log for a shorter time or with a longer period")
        self._visa.configure('DIG:FUNC "CURR"', f"DIG:CURR:RANG {DIGITIZER.ranges[0].full_scale_a:g}",
                             f"DIG:CURR:SRAT {rate}")
        self._clock.sleep(_SETTLING_S)
        start_s = self._clock.time()
        self._start(count)
        parts: list[Amperes] = []
        got = 0
        while got < count:
            part = self._fetch(got)
            got += len(part)
            parts.append(part)
            left_s = start_s + count / rate - self._clock.time()
            if left_s < -5.0 - 0.01 * duration_s:
                raise BenchError(self._visa.subject, expected=f"{count} samples", seen=f"{got}, then none",
                                 do="check the meter's state")
            if not len(part):
                self._clock.sleep(min(2.0, max(left_s, 1e-3)))
        samples = np.concatenate(parts)
        return DIGITIZER.log(self._visa.subject, start_s, each / rate, *in_periods(samples, each), gap_free=True,
                             limit_a=np.inf)


def _are_quiet(readings: Amperes) -> bool:
    """Whether readings in the highest range may be those of a sleeping unit."""
    return float(np.abs(readings).max()) < _QUIET_A
