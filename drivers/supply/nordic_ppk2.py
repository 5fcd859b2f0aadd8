"""Nordic Power Profiler Kit II in source mode.

A tool for the developer's desk: it reads to 10 %, which finds a unit that doesn't sleep and hardly judges 6.0 uA
against 6.6 uA; it doesn't measure its voltage, and its current limit is fixed at about 1 A. Those figures are from
memory of Nordic's product page. The protocol: ppk2-api 0.9.2 and ppk2lab 0.5.1, which tests hold this driver against.
Their classes are not used here: the one swallows what the port raises, the other decodes sample by sample.
"""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers import Timeout
from drivers.assumption import Assumption
from drivers.serial_port import SerialPort
from drivers.supply import (
    MEASURES_CHARGE,
    SMALLEST_LIMIT_A,
    CurrentLimit,
    CurrentLog,
    CurrentReading,
    Overvoltage,
)
from drivers.supply.accuracy import Accuracy, Amperes, Range, in_periods, note
from drivers.supply.source import ramp

ACCURACY = Accuracy((Range(50e-6, 0.10, 0.2e-6, 0.2e-6), Range(500e-6, 0.10, 1e-6, 1e-6),
                     Range(5e-3, 0.10, 10e-6, 10e-6), Range(60e-3, 0.10, 100e-6, 100e-6),
                     Range(1.0, 0.10, 1e-3, 1e-3)), noise_time_s=10e-6)

RATE = 100_000
"""Samples per second, always."""
_LOWEST_V, _HIGHEST_V = 0.8, 5.0
_FIXED_LIMIT_A = 1.0
_START, _STOP, _POWER, _VOLTAGE, _MODE, _METADATA = 0x06, 0x07, 0x0C, 0x0D, 0x11, 0x19
_SOURCE_MODE = 2
_COUNTER_SHIFT, _COUNTER_MASK = 18, 0x3F
_RANGE_SHIFT, _RANGE_MASK, _CODE_MASK = 14, 7, 0x3FFF
_UNSETTLED = 3
"""Samples after a change of range that public drivers don't believe."""
_POLL_S = 0.5
_QUIET_S = 0.2
_STALLED_S = 2.0
_TRIES = 3
_CONSTANT = re.compile(rb"(R|GS|GI|O|S|I|UG|HW|VDD)([0-4]?): *([-+.\w]+)")


@dataclass(frozen=True)
class Calibration:
    """What the kit tells of itself: the constants of its five ranges, an array each."""

    hardware: str
    constants: dict[str, Amperes]

    @classmethod
    def read(cls, answer: bytes) -> Calibration | None:
        """``None`` when ``answer`` is not whole. Octets of a stream that ran before may stand around it; a kit may lack
        constants, or have a shunt of 0 ohm written into it: those are as in ppk2-api then."""
        constants = {key: np.full(5, value) for key, value in
                     {"GS": 1.0, "GI": 1.0, "O": 0.0, "S": 0.0, "I": 0.0, "UG": 1.0}.items()}
        constants["R"] = np.array([1031.64, 101.65, 10.15, 0.94, 0.043])
        hardware, found = "", 0
        for key, number, value in _CONSTANT.findall(answer):
            if key == b"HW":
                hardware = value.decode("ascii", "replace")
            with contextlib.suppress(ValueError):
                if number and np.isfinite(float(value)) and not (key == b"R" and float(value) <= 0):
                    constants[key.decode()][int(number)] = float(value)
                    found += key == b"R"
        return cls(hardware, constants) if found >= 4 and b"END" in answer else None

    def amperes(self, words: NDArray[np.uint32], voltage_v: float) -> tuple[Amperes, NDArray[np.intp]]:
        """The current of each sample, and the range that it was taken in."""
        index = np.minimum(words >> _RANGE_SHIFT & _RANGE_MASK, 4).astype(np.intp)
        of = {key: values[index] for key, values in self.constants.items()}
        raw = ((words & _CODE_MASK) * 4.0 - of["O"]) * (1.8 / 163840 / of["R"])
        return of["UG"] * (raw * (of["GS"] * raw + of["GI"]) + of["S"] * voltage_v + of["I"]), index


class NordicPpk2:
    """::

        [supply]
        driver = "nordic-ppk2"
        address = "/dev/ttyACM1"

    ``timeout_s`` is for the kit's answer to a question, the only sign of life that it gives: it is asked for whenever
    voltage or output are set.
    """

    kind = "supply"
    abilities = frozenset({"supply.voltage"}) | MEASURES_CHARGE
    ports = {"address": False}
    assumptions = (
        Assumption("accuracy", "accuracy, noise and the limits between ranges are those of the driver's table"),
        Assumption("change of range", "for how long the first samples after a change of range are wrong"))

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1,
                 current_limit_a: CurrentLimit = _FIXED_LIMIT_A, overvoltage_v: Overvoltage = 4.5,
                 timeout_s: Timeout = 1.0) -> None:
        self._subject = f"supply at {address}"
        self._url = address
        self._clock = clock
        self._timeline = timeline
        self._overvoltage_v = overvoltage_v
        self._timeout_s = timeout_s
        self._output = (False, 0.0)
        self._lock = threading.Lock()
        self._received = bytearray()
        self._last_s = 0.0
        self._gone: BenchError | None = None
        self._port: SerialPort | None = None
        self.set_current_limit(current_limit_a)
        try:
            self._drain()                    # a program that was killed may have left it streaming
            self._calibration = self._metadata()
            self._send(_MODE, _SOURCE_MODE)
        except BaseException:
            self.close()
            raise
        self.identity = f"Nordic Semiconductor,PPK2,{self._calibration.hardware}"

    # -- Supply -----------------------------------------------------------------------------------------------------

    def set_voltage(self, voltage_v: float) -> None:
        self._check_voltage(voltage_v)
        self._set_voltage(voltage_v)
        self._metadata()                     # commands are taken in their order: what answers has heard the others
        self._note((self._output[0], voltage_v))

    def _set_voltage(self, voltage_v: float) -> None:
        self._send(_VOLTAGE, *round(voltage_v * 1000).to_bytes(2, "big"))

    def _check_voltage(self, voltage_v: float) -> None:
        if not _LOWEST_V <= voltage_v < min(self._overvoltage_v, _HIGHEST_V):
            raise BenchError(self._subject, expected=f"a voltage from {_LOWEST_V:g} V to below "
                             f"{min(self._overvoltage_v, _HIGHEST_V):g} V", seen=f"{voltage_v:g} V",
                             do="correct the voltage, or overvoltage_v in the station file")

    def set_current_limit(self, limit_a: float) -> None:
        """Nothing is set: the kit's limit is fixed. Raises ``BenchError`` for one that it doesn't keep."""
        if not SMALLEST_LIMIT_A <= limit_a <= _FIXED_LIMIT_A:
            raise BenchError(self._subject, expected=f"a limit of {SMALLEST_LIMIT_A:g} to {_FIXED_LIMIT_A:g} A",
                             seen=f"{limit_a:g} A", do="take another supply for this limit")

    @property
    def current_limit_a(self) -> float:
        return _FIXED_LIMIT_A

    def ramp(self, voltage_v: float, duration_s: float) -> None:
        self._check_voltage(voltage_v)
        for step_v in ramp(self._clock, self._output[1], voltage_v, duration_s):
            self._set_voltage(step_v)
        self.set_voltage(voltage_v)

    def output_on(self) -> None:
        """Raises ``BenchError`` for a kit that gives no sign of life; it can't be asked whether its output is on."""
        self._switch(True)

    def output_off(self) -> None:
        self._switch(False)

    def _switch(self, on: bool) -> None:
        self._send(_MODE, _SOURCE_MODE)      # it may be one that was plugged in anew
        self._send(_POWER, int(on))
        self._metadata()
        self._note((on, self._output[1]))

    def voltage(self) -> float:
        """The voltage that is set: the kit doesn't measure it."""
        return self._output[1] if self._output[0] else 0.0

    def make_safe(self) -> None:
        """Output off. Tries once more on a newly opened port when the first fails."""
        try:
            self.output_off()
        except BenchError:
            self.output_off()

    # -- Instrument -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raises ``BenchError`` for a kit that gives no sign of life: it has no errors to tell."""
        self._metadata()

    def self_test(self) -> None:
        """The kit has none."""

    def calibrated_on(self) -> date | None:
        return None

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            self._stop_reading(port)
            port.close()

    # -- Ammeter ----------------------------------------------------------------------------------------------------

    def mean_current(self, duration_s: float) -> CurrentReading:
        return ACCURACY.reading(self.log(duration_s, max(duration_s / 1000, 1e-3)))

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A log of ``duration_s`` from now on. Raises ``BenchError`` when samples were lost."""
        if not 1 / RATE <= period_s <= duration_s:
            raise BenchError(self._subject, expected=f"a period from {1e6 / RATE:g} us on, within the duration",
                             seen=f"{period_s:g} s in {duration_s:g} s", do="correct the period of the measurement")
        each = max(1, round(period_s * RATE))
        count = max(1, round(duration_s * RATE / each)) * each
        self._drain()
        start_s = self._clock.time()
        rows = _Rows(self._calibration, self._output[1], each)
        try:
            self._send(_START)
            self._collect(start_s, rows, count // each)
        finally:
            self._drain()
        mean, minimum, maximum, index = rows.columns(count // each)
        log = ACCURACY.log(self._subject, start_s, each / RATE, mean, minimum, maximum, gap_free=True,
                           limit_a=_FIXED_LIMIT_A, voltage_v=self.voltage(), index=index)
        note(self._timeline, log)
        return log

    def _collect(self, start_s: float, rows: _Rows, count: int) -> None:
        """Fill ``count`` rows with the samples that come."""
        self._last_s = start_s
        size = 4 * rows.each
        while rows.count < count:
            left_s = ((count - rows.count) * size - self._there()) / 4 / RATE
            self._clock.sleep(min(_POLL_S, max(left_s, 1e-3)))
            if self._clock.time() - self._last_s > _STALLED_S:
                raise BenchError(self._subject, expected="a stream of samples",
                                 seen=f"{rows.count * rows.each} of {count * rows.each} of them, then none",
                                 do="switch the kit off and on")
            with self._lock:
                whole = len(self._received) // size * size
                part = bytes(self._received[:whole])
                del self._received[:whole]
                last_s = self._last_s
            seen = rows.add(np.frombuffer(part, "<u4"))
            if seen == "a gap":
                raise self._gap(seen)
            if seen:
                raise BenchError(self._subject, expected="currents below 1 A", seen=seen,
                                 do="look for a short circuit")
            # The counter doesn't show 64 samples that are missing in a row; the time that the log took does.
            came_s = (rows.count * rows.each + self._there() / 4) / RATE
            if last_s - start_s - came_s > max(0.5, 200e-6 * came_s):
                raise self._gap(f"samples of {came_s:.2f} s in {last_s - start_s:.2f} s")

    def _gap(self, seen: str) -> BenchError:
        return BenchError(self._subject, expected="samples that follow one another", seen=seen,
                          do="repeat the measurement with less load on this computer")

    # -- the port ---------------------------------------------------------------------------------------------------

    def _open(self) -> SerialPort:
        if self._port is None:
            self._gone = None
            self._port = port = SerialPort(self._url, subject="supply", baudrate=115200)
            port.discard_input()
            self._clock.in_flight.forget(f"{self._url} in")
            self._clock.call(lambda: self._clock.loop.add_reader(port.fileno(), self._readable))
        return self._port

    def _send(self, *octets: int) -> None:
        port = self._open()
        if self._gone is not None:
            error, self._gone = self._gone, None
            self.close()
            raise error
        # Counted before they are written: the reader of the other end may be faster than this thread.
        self._clock.in_flight.sent(f"{self._url} out", len(octets))
        try:
            port.write(bytes(octets))
        except BenchError:
            self._clock.in_flight.forget(f"{self._url} out")
            self.close()
            raise

    def _readable(self) -> None:
        """Called in the loop when something has arrived."""
        port = self._port
        if port is None:
            return
        try:
            data = port.read_waiting()
        except BenchError as error:
            self._gone = error
            self._stop_reading(port)
            return
        with self._lock:
            self._received += data
            self._last_s = self._clock.time()
        self._clock.in_flight.received(f"{self._url} in", len(data))

    def _stop_reading(self, port: SerialPort) -> None:
        with contextlib.suppress(BenchError):
            descriptor = port.fileno()
            self._clock.call(lambda: self._clock.loop.remove_reader(descriptor))
        self._clock.in_flight.forget(f"{self._url} in")

    def _there(self) -> int:
        with self._lock:
            return len(self._received)

    def _drain(self) -> None:
        """Stop the stream, of this driver or of a program that was killed, and forget what is still on its way."""
        self._send(_STOP)
        for _ in range(round(_STALLED_S / _QUIET_S)):
            with self._lock:
                self._received.clear()
            self._clock.sleep(_QUIET_S)
            if not self._there():
                return
        raise BenchError(self._subject, expected="a kit that stops when it is told to", seen="samples that go on",
                         do="switch the kit off and on")

    def _metadata(self) -> Calibration:
        """Ask the kit for its calibration, again when the answer is not whole."""
        seen = b""
        for again in range(_TRIES):
            if again:
                self._drain()
            with self._lock:
                self._received.clear()
            self._send(_METADATA)
            with contextlib.suppress(DeadlinePassed):
                self._clock.wait_for(lambda: b"END" in self._received, self._timeout_s)
            with self._lock:
                seen = bytes(self._received)
            calibration = Calibration.read(seen)
            if calibration is not None:
                return calibration
        self.close()
        raise BenchError(self._subject, expected="the calibration data of a PPK2", seen=repr(seen[:40]) if seen else
                         "none", do="check that the port is the kit's first one, and switch it off and on")

    def _note(self, output: tuple[bool, float]) -> None:
        if output != self._output:
            self._timeline.append("supply", "output", {"on": output[0], "voltage_v": round(output[1], 6)})
        self._output = output


class _Rows:
    """What has come of a log: mean, extremes and the highest range of each ``each`` samples."""

    def __init__(self, calibration: Calibration, voltage_v: float, each: int) -> None:
        self.each = each
        self.count = 0
        self._calibration = calibration
        self._voltage_v = voltage_v
        self._parts: list[tuple[Amperes, Amperes, Amperes, NDArray[np.intp]]] = []
        self._counter: int | None = None
        self._range: int | None = None
        self._unsettled = 0

    def add(self, words: NDArray[np.uint32]) -> str:
        """Take whole rows of samples. Says what is wrong with them, if anything is."""
        if not len(words):
            return ""
        counter = (words >> _COUNTER_SHIFT & _COUNTER_MASK).astype(np.int64)
        before = counter[0] - 1 if self._counter is None else self._counter
        if ((np.diff(counter, prepend=before) - 1) % (_COUNTER_MASK + 1)).any():
            return "a gap"
        self._counter = int(counter[-1])
        current, index = self._calibration.amperes(words, self._voltage_v)
        if ((words & _CODE_MASK == _CODE_MASK) & (index == len(ACCURACY.ranges) - 1)).any():
            return "an overload"
        current = self._settled(current, index)
        self._parts.append((*in_periods(current, self.each), index.reshape(-1, self.each).max(axis=1)))
        self.count += len(words) // self.each
        return ""

    def columns(self, count: int) -> tuple[Amperes, Amperes, Amperes, NDArray[np.intp]]:
        mean, minimum, maximum, index = (np.concatenate(column)[:count] for column in zip(*self._parts, strict=True))
        return mean, minimum, maximum, index

    def _settled(self, current_a: Amperes, index: NDArray[np.intp]) -> Amperes:
        """The samples after each change of range, which are not to be believed, replaced by the next one that is (by
        the last one where none follows)."""
        changes = np.flatnonzero(np.diff(index, prepend=index[0] if self._range is None else self._range))
        unsettled = np.zeros(len(index) + _UNSETTLED, bool)
        unsettled[:self._unsettled] = True
        for later in range(_UNSETTLED):
            unsettled[changes + later] = True
        self._range, self._unsettled = int(index[-1]), int(unsettled[len(index):].sum())
        settled = np.flatnonzero(~unsettled[:len(index)])
        if len(settled) in (0, len(index)):
            return current_a
        following = np.minimum(np.searchsorted(settled, np.arange(len(index))), len(settled) - 1)
        return current_a[settled[following]]
