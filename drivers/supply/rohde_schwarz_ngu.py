"""Rohde & Schwarz NGU201 and NGU401 source/measure units, and the NGM202, their relative with two channels.

Sources: docs/instruments/rohde-schwarz-ngu.md has each command with its own. That the slower rates of the fast log are
means of the 500 kS/s samples no page says: check it with a known load before charge is trusted.
"""

from __future__ import annotations

import math
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

NGM_ACCURACY = Accuracy((Range(10e-3, 0.05e-2, 5e-6, 0.25e-6),
                         Range(0.1, 0.05e-2, 25e-6, 2.5e-6),
                         Range(1.0, 0.05e-2, 500e-6, 25e-6),
                         Range(10.0, 0.05e-2, 2e-3, 100e-6)), noise_time_s=0.02)
"""The same of the NGM202, from memory too: it has no finer ranges, and can not tell the current of a sleeping unit."""

_NAMES = ("500K", "250K", "125K", "62K5", "31K25", "15K625", "7K812", "3K906", "1K953", "976", "488", "244", "122",
          "61", "30", "15")
_RATE_NAMES: tuple[dict[float, str], ...] = (
    {500_000 / 2**power: f"S{name}" for power, name in enumerate(_NAMES)},
    {100.0: "S100", 1e3: "S001K", 10e3: "S010K", 50e3: "S050K", 250e3: "S250K", 500e3: "S500K"},
    {500_000 / 2**power: name for power, name in enumerate(_NAMES)})
"""Samples per second of the fast log, and what the instrument calls them: the NGU401 and newer firmware of the NGM, the
NGM's firmware 03.034, and the printed manual (p. 182). The first that the instrument takes is used."""

_SAMPLES_PER_PERIOD = 10
"""So many at least, so that the extremes of a period mean something."""
_DOWN_AFTER_S = 1.5e-3
"""How long the current must be low before the instrument takes a lower range (its default)."""
_CHUNK_S = 0.25
"""The fast log gives its samples in chunks of this length at any rate, and overwrites one that is not fetched within
about 20 ms (the maker's example)."""
_CHUNK_EARLY_S, _POLL_S = 0.247, 0.004
"""How long after a chunk the bench begins to ask for the next, and how often."""
_AVAILABLE, _SKIPPED = 1 << 12, 1 << 11
"""Bits of a channel's summary register: fast log data available (operation), skipped (questionable)."""
_STALLED_S = 5.0
_READING_PERIOD_S = (1.024e-3, 0.1)


class RohdeSchwarzNgu(ScpiSource):
    """Supply and ammeter in one. ``channel`` is for the NGM202 only, which has one user at a time: its channels are
    behind a cursor, and the rate of the fast log is a sum over them.

    ::

        [supply]
        driver = "rohde-schwarz-ngu"
        address = "TCPIP0::192.0.2.6::5025::SOCKET"

    Opening it sets limit, over-voltage protection and autorange, and leaves the output as it is.
    """

    kind = "supply"
    abilities = frozenset({"supply.voltage"}) | MEASURES_CHARGE
    assumptions = (
        Assumption("accuracy", "accuracy and noise are those of the driver's tables"),
        Assumption("calibration date", "CAL:DATE? is answered with three numbers, the year first or last",
                   r"CAL:DATE\?", r'[" +]*(\d{4}\D+\d{1,2}\D+\d{1,2}|\d{1,2}\D+\d{1,2}\D+\d{4})"?'),
        Assumption("slow rates", "slower rates of the fast log are means of the fastest, not single samples"))

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1,
                 current_limit_a: CurrentLimit = 1.0, overvoltage_v: Overvoltage = 4.5,
                 timeout_s: Timeout = 5.0) -> None:
        super().__init__(VisaInstrument(address, subject="supply", timeout_s=timeout_s), clock=clock,
                         timeline=timeline, overvoltage_v=overvoltage_v)
        self._channel = 1
        try:
            if not any(model in self.identity for model in ("NGU", "NGM")):
                raise BenchError(self._visa.subject, expected="a Rohde & Schwarz NGU or NGM",
                                 seen=repr(self.identity[:120]), do="correct driver or address in the station file")
            has_fine_ranges = "NGU" in self.identity
            self._accuracy = ACCURACY if has_fine_ranges else NGM_ACCURACY
            if not has_fine_ranges:
                self._visa.prepare(f"INST:NSEL {channel}")
                self._channel = channel
            self._protect()
            self._visa.configure("SENS:CURR:RANG:AUTO ON")
            if has_fine_ranges:
                # By default autorange ends at 1 mA, and a tick of a sleeping unit throws it into the highest range.
                self._visa.configure("SENS:CURR:RANG:AUTO:DOWN:MIN 1E-5",
                                     f"SENS:CURR:RANG:AUTO:DOWN:THR {_DOWN_AFTER_S:g}",
                                     "SENS:CURR:RANG:AUTO:UP:APPR STEP")
            self.set_current_limit(current_limit_a)
            self._note_output()
        except BaseException:
            self._visa.close()
            raise

    # -- Supply -----------------------------------------------------------------------------------------------------

    def _set_voltage(self, voltage_v: float) -> None:
        self._visa.configure(f"SOUR:VOLT {voltage_v:.6g}")

    def _protect(self) -> None:
        self._visa.configure(f"SOUR:VOLT:PROT:LEV {self._overvoltage_v:g}", "SOUR:VOLT:PROT:STAT ON")
        self._check_taken("an over-voltage protection", self._overvoltage_v,
                          self._visa.query_float("SOUR:VOLT:PROT:LEV?"), "V")
        if not self._visa.query_switch("SOUR:VOLT:PROT:STAT?"):
            raise BenchError(self._visa.subject, expected="the over-voltage protection to be on", seen="off",
                             do="check that nobody else uses the instrument")

    def _set_limit(self, limit_a: float) -> None:
        self._visa.configure(f"SOUR:CURR {limit_a:.6g}")
        self._check_taken("a current limit", limit_a, self._visa.query_float("SOUR:CURR?"), "A")

    def _switch(self, on: bool) -> None:
        chosen = self._visa.query_whole("INST:NSEL?") if self._accuracy is NGM_ACCURACY else 1
        if chosen != self._channel:
            raise BenchError(self._visa.subject, expected=f"channel {self._channel} to be chosen",
                             seen=f"channel {chosen}", do="check that nobody else uses the instrument")
        if on:
            self._visa.configure("SOUR:VOLT:PROT:CLE", "OUTP:SEL ON", "OUTP:GEN ON")
        else:
            self._visa.configure("OUTP:SEL OFF", "OUTP:GEN OFF")

    def _read_output(self) -> tuple[bool, float]:
        return self._visa.query_switch("OUTP?"), self._visa.query_float("SOUR:VOLT?")

    def _tripped(self) -> str:
        return "over-voltage" if self._visa.query_switch("SOUR:VOLT:PROT:TRIP?") else ""

    def voltage(self) -> float:
        return self._visa.query_float("MEAS:VOLT?")

    def calibrated_on(self) -> date | None:
        return day(self._visa.query("CAL:DATE?"))

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        """The mean over ``duration_s`` from now on, by contiguous averages."""
        shortest, longest = _READING_PERIOD_S
        return self._accuracy.reading(self.log(duration_s, min(max(duration_s / 1000, shortest), longest)))

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A gap-free log of ``duration_s`` from now on, from the fast log.

        ``period_s`` becomes a whole number of samples: 20 us to 60 s. Raises ``BenchError`` when samples were lost.
        """
        if not 20e-6 * 0.99 <= period_s <= 60 or not duration_s >= period_s:
            raise BenchError(self._visa.subject, expected="a period from 20 us to 60 s, within the duration",
                             seen=f"{period_s:g} s in {duration_s:g} s", do="correct the period of the measurement")
        channel = self._channel
        self._visa.configure(
            "FLOG:STAT OFF", "FLOG:TARG SCPI",
            f"STAT:OPER:INST:ISUM{channel}:PTR {_AVAILABLE}", f"STAT:OPER:INST:ISUM{channel}:NTR 0",
            f"STAT:QUES:INST:ISUM{channel}:PTR {_SKIPPED}", f"STAT:QUES:INST:ISUM{channel}:NTR 0")
        rate = self._choose_rate(period_s)
        self._check_range()
        self._events("OPER")                      # of a log before this one
        self._events("QUES")
        start_s = self._clock.time()
        try:
            self._visa.configure("FLOG:STAT ON")
            start_s, chunks = self._collect(start_s, math.ceil((duration_s + period_s) / _CHUNK_S))
        finally:
            with suppress(BenchError):     # the failure that brought us here is the one to tell
                self._visa.write("FLOG:STAT OFF")
        samples = np.concatenate(chunks)
        self._accuracy.check(samples[:, 1], self._visa.subject)
        rate = _true_rate(rate, len(samples), len(chunks))
        each = max(1, round(period_s * rate))
        count = max(1, round(duration_s * rate / each)) * each
        if count > len(samples):
            raise self._lost(f"{len(samples)} samples of {count}")
        current = samples[:count, 1]
        log = self._accuracy.log(self._visa.subject, start_s, each / rate, *in_periods(current, each), gap_free=True,
                                 limit_a=self.current_limit_a, voltage_v=float(samples[0, 0]),
                                 index=_ranges(self._accuracy, current, rate).reshape(-1, each).max(axis=1))
        note(self._timeline, log)
        return log

    def _choose_rate(self, period_s: float) -> float:
        """Set the lowest rate that gives enough samples in a period, by the name that this firmware has for it."""
        for names in _RATE_NAMES:
            rate = min((rate for rate in names if rate * period_s >= _SAMPLES_PER_PERIOD * 0.99), default=max(names))
            if self._visa.takes(f"FLOG:SRAT {names[rate]}"):
                return rate
        raise BenchError(self._visa.subject, expected="a fast log with a known sample rate",
                         seen="that it refuses all names of rates",
                         do="check that the option for the fast log is installed, and the firmware")

    def _check_range(self) -> None:
        lowest_a = 1e-5 if self._accuracy is ACCURACY else 0.0
        if (not self._visa.query_switch("SENS:CURR:RANG:AUTO?")
                or (lowest_a and self._visa.query_float("SENS:CURR:RANG:AUTO:DOWN:MIN?") > 1.1 * lowest_a)):
            raise BenchError(self._visa.subject, expected="autorange from the lowest range on", seen="another range",
                             do="check that nobody else uses the instrument, and its firmware")

    def _events(self, register: str) -> int:
        """What the summary register of the channel has latched since it was read last."""
        return self._visa.query_whole(f"STAT:{register}:INST:ISUM{self._channel}:EVEN?")

    def _collect(self, start_s: float, count: int) -> tuple[float, list[NDArray[np.float64]]]:
        """When the log began, and ``count`` chunks of it: voltage and current, a row for each sample."""
        chunks: list[NDArray[np.float64]] = []
        began_s = last_s = start_s
        while len(chunks) < count:
            self._clock.sleep(_CHUNK_EARLY_S)
            while not self._events("OPER") & _AVAILABLE:
                if self._clock.time() - last_s > _STALLED_S:
                    raise BenchError(self._visa.subject, expected="a running fast log",
                                     seen=f"{len(chunks)} of {count} chunks, then none",
                                     do="check the instrument's state")
                self._clock.sleep(_POLL_S)
            last_s = self._clock.time()
            values = self._visa.query_block("FLOG:DATA?", "<f4")
            if len(values) % 2:
                raise BenchError(self._visa.subject, expected="pairs of voltage and current",
                                 seen=f"{len(values)} values", do="check the firmware of the instrument")
            if not chunks and last_s - start_s > 2 * _CHUNK_EARLY_S:
                began_s = last_s - _CHUNK_S        # an instrument that takes its time to begin
            chunks.append(values.reshape(-1, 2).astype(np.float64))
            if last_s - began_s >= (len(chunks) + 0.8) * _CHUNK_S:
                raise self._lost(f"{len(chunks)} chunks took {last_s - began_s:.2f} s")
        if self._events("QUES") & _SKIPPED:
            raise self._lost("that the instrument skipped some")
        return began_s, chunks

    def _lost(self, seen: str) -> BenchError:
        return BenchError(self._visa.subject, expected="a log without gaps", seen=seen,
                          do="repeat the measurement with less load on this computer and its network")


def _true_rate(rate: float, samples: int, chunks: int) -> float:
    """Samples per second: of one instrument at the highest rate 5 % more are known than its name says."""
    counted = samples / (chunks * _CHUNK_S)
    return counted if abs(counted / rate - 1) > 0.01 and abs(samples - rate * chunks * _CHUNK_S) > 2 else rate


def _ranges(accuracy: Accuracy, current_a: NDArray[np.float64], rate: float) -> NDArray[np.intp]:
    """The range of each sample, at the worst: the highest that it, or one before it within the time that the
    instrument takes to step down from the highest, has needed."""
    index = accuracy.finest(np.abs(current_a))
    reach = min(1 + int(_DOWN_AFTER_S * len(accuracy.ranges) * rate), len(index))
    span = 1
    while span < reach:              # by doubling: at the highest rate the time is thousands of samples
        step = min(span, reach - span)
        index[step:] = np.maximum(index[step:], index[:-step])
        span += step
    return index
