"""Rohde & Schwarz NGU201 and NGU401 source/measure units, and the NGM202, their relative with two channels.

Sources: R&S NGU user manual 1179.2531.02 p. 139 (autorange) and p. 182 (fast log); command names from R&S's own
package RsNgx 3.1. That the slower rates of the fast log are means of the 500 kS/s samples, and how much the
instrument buffers, no page says: check both with a known load before charge is trusted.
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
from drivers.supply.accuracy import Accuracy, Range, in_periods, note
from drivers.supply.source import ScpiSource, day
from drivers.visa import VisaInstrument

ACCURACY = Accuracy((Range(10e-6, 0.025e-2, 15e-9, 2e-9),
                     Range(100e-6, 0.025e-2, 25e-9, 6e-9),
                     Range(1e-3, 0.025e-2, 150e-9, 25e-9),
                     Range(10e-3, 0.025e-2, 1.5e-6, 0.25e-6),
                     Range(0.1, 0.025e-2, 15e-6, 2.5e-6),
                     Range(8.0, 0.025e-2, 500e-6, 60e-6)), noise_time_s=0.02)
"""Measurement accuracy, 23 +-5 degC. Ranges from the manual; figures from memory of the data sheet, noise estimated:
check them against the data sheet."""

RATES = {500_000 / 2**power: name for power, name in enumerate(
    ("500K", "250K", "125K", "62K5", "31K25", "15K625", "7K812", "3K906", "1K953", "976", "488", "244", "122", "61",
     "30", "15"))}
"""Samples per second of the fast log, and what the instrument calls them."""

_SAMPLES_PER_PERIOD = 10
"""So many at least, so that the extremes of a period mean something."""
_DOWN_AFTER_S = 1.5e-3
"""How long the current must be low before the instrument takes a lower range (its default)."""
_POLL_S = 2.0
_MOST_BUFFERED = 250_000
"""Samples that are left in the instrument before they are fetched."""
_STALLED_S = 10.0
_READING_PERIOD_S = (1.024e-3, 0.1)


class RohdeSchwarzNgu(ScpiSource):
    """Supply and ammeter in one. ``channel`` is for the NGM202 only.

    ::

        [supply]
        driver = "rohde-schwarz-ngu"
        address = "TCPIP0::192.0.2.6::5025::SOCKET"

    Opening it sets limit, over-voltage protection and autorange, and leaves the output as it is.
    """

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1,
                 current_limit_a: float = 1.0, overvoltage_v: float = 4.5, timeout_s: float = 5.0) -> None:
        super().__init__(VisaInstrument(address, subject="supply", timeout_s=timeout_s), clock=clock,
                         timeline=timeline, overvoltage_v=overvoltage_v)
        try:
            if not any(model in self.identity for model in ("NGU", "NGM")):
                raise BenchError(self._visa.subject, expected="a Rohde & Schwarz NGU or NGM",
                                 seen=repr(self.identity[:120]), do="correct driver or address in the station file")
            if "NGM" in self.identity:
                self._visa.configure(f"INST:NSEL {channel}")
            # By default autorange ends at 1 mA; a tick of a sleeping unit must not throw it into the highest range.
            self._visa.configure(
                f"SOUR:VOLT:PROT:LEV {overvoltage_v:g}", "SOUR:VOLT:PROT:STAT ON", "SENS:CURR:RANG:AUTO ON",
                "SENS:CURR:RANG:AUTO:DOWN:MIN 1E-5", f"SENS:CURR:RANG:AUTO:DOWN:THR {_DOWN_AFTER_S:g}",
                "SENS:CURR:RANG:AUTO:UP:APPR STEP")
            self.set_current_limit(current_limit_a)
            self._note_output()
        except BaseException:
            self._visa.close()
            raise

    # -- Supply -----------------------------------------------------------------------------------------------------

    def _set_voltage(self, voltage_v: float) -> None:
        self._visa.configure(f"SOUR:VOLT {voltage_v:.6g}")

    def _set_limit(self, limit_a: float) -> None:
        self._visa.configure(f"SOUR:CURR {limit_a:.6g}")

    def _switch(self, on: bool) -> None:
        if on:
            self._visa.configure("SOUR:VOLT:PROT:CLE", "OUTP:SEL ON", "OUTP:GEN ON")
        else:
            self._visa.configure("OUTP:SEL OFF", "OUTP:GEN OFF")

    def _read_output(self) -> tuple[bool, float]:
        on = self._visa.query_float("OUTP?") != 0
        return on, self._visa.query_float("SOUR:VOLT?")

    def _tripped(self) -> str:
        return "over-voltage" if self._visa.query_float("SOUR:VOLT:PROT:TRIP?") else ""

    def voltage(self) -> float:
        return self._visa.query_float("MEAS:VOLT?")

    def calibrated_on(self) -> date | None:
        return day(self._visa.query("CAL:DATE?"))

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        """The mean over ``duration_s`` from now on, by contiguous averages."""
        shortest, longest = _READING_PERIOD_S
        return ACCURACY.reading(self.log(duration_s, min(max(duration_s / 1000, shortest), longest)))

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A gap-free log of ``duration_s`` from now on, from the fast log.

        ``period_s`` becomes a whole number of samples: 20 us to 60 s. Raises ``BenchError`` when samples were lost.
        """
        if not 20e-6 * 0.99 <= period_s <= 60 or not duration_s >= period_s:
            raise BenchError(self._visa.subject, expected="a period from 20 us to 60 s, within the duration",
                             seen=f"{period_s:g} s in {duration_s:g} s", do="correct the period of the measurement")
        rate = min((rate for rate in RATES if rate * period_s >= _SAMPLES_PER_PERIOD * 0.99), default=max(RATES))
        each = max(1, round(period_s * rate))
        count = max(1, round(duration_s * rate / each)) * each
        self._visa.configure("FLOG:STAT OFF", "FORM:BORD NORM", "FLOG:TARG SCPI", f"FLOG:SRAT {RATES[rate]}")
        self._check_range()
        start_s = self._clock.time()
        try:
            self._visa.configure("FLOG:STAT ON")
            samples = self._collect(start_s, rate, count)
        finally:
            with suppress(BenchError):     # the failure that brought us here is the one to tell
                self._visa.write("FLOG:STAT OFF")
        current = samples[:, 1]
        if np.abs(current).max() > 9e36:
            raise BenchError(self._visa.subject, expected="currents within the range", seen="an overload",
                             do="check that nothing else holds the measurement range")
        log = ACCURACY.log(start_s, each / rate, *in_periods(current, each), gap_free=True,
                           limit_a=self.current_limit_a, voltage_v=float(samples[0, 0]),
                           index=_ranges(current, rate).reshape(-1, each).max(axis=1))
        note(self._timeline, log)
        return log

    def _check_range(self) -> None:
        if (self._visa.query_float("SENS:CURR:RANG:AUTO?") != 1
                or self._visa.query_float("SENS:CURR:RANG:AUTO:DOWN:MIN?") > 1.1e-5):
            raise BenchError(self._visa.subject, expected="autorange from 10 uA on", seen="another range",
                             do="check that nobody else uses the instrument, and its firmware")

    def _collect(self, start_s: float, rate: float, count: int) -> NDArray[np.float64]:
        """``count`` samples, a row each: voltage, current."""
        parts: list[NDArray[np.float64]] = []
        got = 0
        last_sample = start_s
        while got < count:
            left_s = start_s + count / rate - self._clock.time()
            self._clock.sleep(min(_POLL_S, _MOST_BUFFERED / rate, max(left_s, 1 / rate, 1e-3)))
            values = self._visa.query_block("FLOG:DATA?", "<f4")
            if len(values) % 2:
                raise BenchError(self._visa.subject, expected="pairs of voltage and current",
                                 seen=f"{len(values)} values", do="check the firmware of the instrument")
            if len(values):
                parts.append(values.reshape(-1, 2).astype(np.float64))
                got += len(parts[-1])
                last_sample = self._clock.time()
            elif self._clock.time() - last_sample > _STALLED_S + 2 / rate:
                raise BenchError(self._visa.subject, expected="a running fast log",
                                 seen=f"{got} of {count} samples, then none", do="check the instrument's state")
            # A sample that the buffer lost makes the log take longer than its samples tell.
            late_s = last_sample - start_s - got / rate
            if got and late_s >= 1 / rate + max(0.25, 200e-6 * got / rate):
                raise BenchError(self._visa.subject, expected="a log without gaps",
                                 seen=f"{got} samples took {late_s:.2f} s too long",
                                 do="repeat the measurement with less load on this computer and its network")
        return np.concatenate(parts)[:count]


def _ranges(current_a: NDArray[np.float64], rate: float) -> NDArray[np.intp]:
    """The range of each sample, at the worst: the highest that it, or one before it within the time that the
    instrument takes to step down from the highest, has needed."""
    index = ACCURACY.finest(np.abs(current_a))
    reach = min(1 + int(_DOWN_AFTER_S * len(ACCURACY.ranges) * rate), len(index))
    span = 1
    while span < reach:              # by doubling: at the highest rate the time is thousands of samples
        step = min(span, reach - span)
        index[step:] = np.maximum(index[step:], index[:-step])
        span += step
    return index
