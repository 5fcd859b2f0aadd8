"""Keysight N6700C and N6705C mainframes with an N678x source/measure unit.

Sources: N6700C guide p. 143-146 (external data log), N6700 user's guide. Order of the fields of a log record: the
N6900/N7900 guide p. 161 prints average, minimum, maximum of the current first; the N6700C guide prints none, so check
it once with a known load.
"""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.supply import SMALLEST_LIMIT_A, CurrentLog, CurrentReading
from drivers.visa import VisaInstrument

RANGES: tuple[tuple[float, float, float, float], ...] = (
    # full scale (A), gain, offset (A), noise of a 102.4 us mean (A)
    (1e-3, 0.025e-2, 100e-9, 310e-9),
    (0.1, 0.025e-2, 10e-6, 5.4e-6),
    (3.06, 0.03e-2, 250e-6, 160e-6),
)
"""Measurement accuracy per range, 23 +-5 degC. From the N6780 data sheet (5990-5829EN), from memory; noise of the
lower two from the N6700 specifications guide's table for short intervals (the sister N6785A's columns), of the highest
from memory: check against the guide. The 10 uA range takes no part in seamless ranging and is not used: a unit that
wakes would overload it."""

_NOISE_TIME_S = 102.4e-6
_POLL_S = 2.0
_FIFO_S = 20.0
"""How long the instrument buffers; older records are overwritten silently."""
_STEP_S = 20.48e-6
_SHORTEST_S = 3 * 102.4e-6
"""Shortest log period for three parameters (average, minimum, maximum)."""
_MOST_RECORDS = 4096
_READING_PERIOD_S = (1.024e-3, 0.1)
_STALLED_S = 10.0


class KeysightN6700:
    """Supply and ammeter in one: channel ``channel`` of an N6700C or N6705C, which must hold an N678x.

    ::

        [supply]
        driver = "keysight_n6700"
        address = "TCPIP0::192.0.2.5::5025::SOCKET"
        channel = 1

    Opening it sets limit and over-voltage protection and leaves the output as it is.
    """

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1,
                 current_limit_a: float = 1.0, overvoltage_v: float = 4.5, timeout_s: float = 5.0) -> None:
        self._clock = clock
        self._timeline = timeline
        self._at = f"(@{channel})"
        self._overvoltage_v = overvoltage_v
        self._visa = VisaInstrument(address, subject="supply", timeout_s=timeout_s)
        self.identity = self._visa.identity
        self._output: tuple[bool, float] | None = None
        try:
            self._check_model(channel)
            self._visa.configure(f"FUNC VOLT,{self._at}", f"VOLT:PROT {overvoltage_v:g},{self._at}",
                                 f"SENS:CURR:RANG:AUTO ON,{self._at}")
            self.set_current_limit(current_limit_a)
            self._output = self._read_output()
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

    def set_voltage(self, voltage_v: float) -> None:
        """Raises ``BenchError`` for a voltage at or above the over-voltage protection."""
        if not 0 <= voltage_v < self._overvoltage_v:
            raise BenchError(self._visa.subject, expected=f"a voltage from 0 V to below {self._overvoltage_v:g} V",
                             seen=f"{voltage_v:g} V", do="correct the voltage, or overvoltage_v in the station file")
        self._visa.configure(f"VOLT {voltage_v:.6g},{self._at}")
        self._note_output()

    def set_current_limit(self, limit_a: float) -> None:
        """Raises ``BenchError`` for a limit that would clip a peak which the manual forbids, unseen."""
        if not limit_a >= SMALLEST_LIMIT_A:
            raise BenchError(self._visa.subject, expected=f"a current limit of at least {SMALLEST_LIMIT_A:g} A",
                             seen=f"{limit_a:g} A", do="raise it: a clipped peak would look like a pass")
        self._visa.configure(f"CURR:LIM {limit_a:.6g},{self._at}")

    def output_on(self) -> None:
        self._visa.configure(f"OUTP ON,{self._at}")
        self._visa.query("*OPC?")
        self._note_output()

    def output_off(self) -> None:
        self._visa.configure(f"OUTP OFF,{self._at}")
        self._visa.query("*OPC?")
        self._note_output()

    def voltage(self) -> float:
        return self._visa.query_float(f"MEAS:VOLT? {self._at}")

    def make_safe(self) -> None:
        """Output off, and checked to be off. Tries once more on a new connection when the first fails."""
        try:
            self.output_off()
        except BenchError:
            self.output_off()
        if self._output is not None and self._output[0]:
            raise BenchError(self._visa.subject, expected="the output to be off", seen="on",
                             do="switch it off by hand")

    def close(self) -> None:
        self._visa.close()

    def _read_output(self) -> tuple[bool, float]:
        on = self._visa.query_float(f"OUTP? {self._at}") != 0
        return on, self._visa.query_float(f"VOLT? {self._at}")

    def _note_output(self) -> None:
        output = self._read_output()
        if output != self._output:
            self._output = output
            self._timeline.append("supply", "output", {"on": output[0], "voltage_v": round(output[1], 6)})

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        """The mean over ``duration_s`` from now on, by contiguous averages."""
        shortest, longest = _READING_PERIOD_S
        voltage_v = self.voltage()
        log = self._log(duration_s, min(max(duration_s / 1000, shortest), longest))
        reading = CurrentReading(
            mean_a=float(log.mean_a.mean()), minimum_a=float(log.minimum_a.min()),
            maximum_a=float(log.maximum_a.max()), duration_s=len(log.mean_a) * log.period_s, samples=len(log.mean_a),
            voltage_v=voltage_v, gap_free=log.gap_free, uncertainty_a=float(self._of_mean(log)))
        self._note_current(log)
        return reading

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A gap-free log of ``duration_s`` from now on.

        ``period_s`` is rounded to 20.48 us; it can be 0.3072 ms to 60 s.
        """
        log = self._log(duration_s, period_s)
        self._note_current(log)
        return log

    def _log(self, duration_s: float, period_s: float) -> CurrentLog:
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
        period_s = self._visa.query_float(f"SENS:ELOG:PER? {at}")
        count = max(1, round(duration_s / period_s))
        start_s = self._clock.time()
        try:
            self._visa.configure(f"TRIG:ELOG {at}")
            records, gap_free = self._collect(start_s, period_s, count)
        finally:
            with suppress(BenchError):     # the failure that brought us here is the one to tell
                self._visa.write(f"ABOR:ELOG {at}")
        if np.abs(records).max() > 9e37:
            raise BenchError(self._visa.subject, expected="currents within the range", seen="an overload",
                             do="check that nothing else holds the measurement range")
        mean, minimum, maximum = records.T
        return CurrentLog(start_s, period_s, mean, minimum, maximum, gap_free, _uncertainty(mean, maximum, period_s))

    def _collect(self, start_s: float, period_s: float, count: int) -> tuple[NDArray[np.float64], bool]:
        """``count`` records, a row each (mean, minimum, maximum), and whether none was lost."""
        parts: list[NDArray[np.float64]] = []
        got = 0
        gap_free = True
        last_fetch = last_record = start_s
        while got < count:
            left = start_s + count * period_s - self._clock.time()
            self._clock.sleep(min(_POLL_S, max(left, min(period_s, 0.05))))
            now = self._clock.time()
            gap_free = gap_free and now - last_fetch < _FIFO_S * 0.9
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
        late_s = self._clock.time() - start_s - got * period_s
        gap_free = gap_free and late_s < period_s + max(0.25, 200e-6 * got * period_s)
        return np.concatenate(parts)[:count], gap_free

    def _fetch(self) -> NDArray[np.float64]:
        values = self._visa.query_block(f"FETC:ELOG? {_MOST_RECORDS},{self._at}", ">f4")
        if len(values) % 3:
            raise BenchError(self._visa.subject, expected="records of mean, minimum and maximum",
                             seen=f"{len(values)} values", do="check that nobody else uses the data log")
        return values.reshape(-1, 3).astype(np.float64)

    @staticmethod
    def _of_mean(log: CurrentLog) -> float:
        """Gain and offset errors are common to all periods; noise falls with their number."""
        noise = _noise(log.maximum_a, log.period_s)
        return float((log.uncertainty_a - noise).mean() + noise.mean() / math.sqrt(len(noise)))

    def _note_current(self, log: CurrentLog) -> None:
        self._timeline.append("supply", "current", {
            "mean_a": _short(log.mean_a.mean()), "min_a": _short(log.minimum_a.min()),
            "max_a": _short(log.maximum_a.max()), "duration_s": round(len(log.mean_a) * log.period_s, 6),
            "samples": len(log.mean_a)}, at=log.start_s)


def _range(maximum_a: NDArray[np.float64]) -> NDArray[np.intp]:
    """The range each period was measured in, at the worst: the one that its largest sample needs."""
    return np.minimum(np.searchsorted([full_scale for full_scale, *_ in RANGES], maximum_a), len(RANGES) - 1)


def _noise(maximum_a: NDArray[np.float64], period_s: float) -> NDArray[np.float64]:
    """Three standard deviations of the noise of one period's mean."""
    noise: NDArray[np.float64] = np.array([noise for *_, noise in RANGES])[_range(maximum_a)]
    return 3 * noise * math.sqrt(_NOISE_TIME_S / period_s)


def _uncertainty(mean_a: NDArray[np.float64], maximum_a: NDArray[np.float64], period_s: float) -> NDArray[np.float64]:
    index = _range(maximum_a)
    gain = np.array([gain for _, gain, _, _ in RANGES])[index]
    offset = np.array([offset for _, _, offset, _ in RANGES])[index]
    result: NDArray[np.float64] = np.abs(mean_a) * gain + offset + _noise(maximum_a, period_s)
    return result


def _short(value: float) -> float:
    """Seven digits: what single precision carries."""
    return float(f"{value:.7g}")
