"""Nordic Power Profiler Kit II in source mode, through the package ppk2-api (an optional extra).

A tool for the developer's desk: it reads to 10 %, which finds a unit that doesn't sleep and can't judge 6.0 uA
against 6.6 uA; it doesn't measure its voltage, and its current limit is fixed at about 1 A. The figures here are from
memory of Nordic's product page.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.supply import SMALLEST_LIMIT_A, CurrentLog, CurrentReading
from drivers.supply.accuracy import Accuracy, Range, in_periods, note
from drivers.supply.optional import library

ACCURACY = Accuracy((Range(50e-6, 0.10, 0.2e-6, 0.2e-6), Range(500e-6, 0.10, 1e-6, 1e-6),
                     Range(5e-3, 0.10, 10e-6, 10e-6), Range(50e-3, 0.10, 100e-6, 100e-6),
                     Range(1.0, 0.10, 1e-3, 1e-3)), noise_time_s=10e-6)

RATE = 100_000
"""Samples per second, always."""
_LOWEST_V, _HIGHEST_V = 0.8, 5.0
_FIXED_LIMIT_A = 1.0
_COUNTER_SHIFT, _COUNTER_MASK = 18, 0x3F
"""Each sample of 32 bits carries a counter of 6 bits; the package doesn't look at it."""
_POLL_S = 0.02
_STALLED_S = 2.0


class NordicPpk2:
    """::

        [supply]
        driver = "nordic-ppk2"
        address = "/dev/ttyACM1"
    """

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, channel: int = 1,
                 current_limit_a: float = _FIXED_LIMIT_A, overvoltage_v: float = 4.5, timeout_s: float = 1.0) -> None:
        self._subject = f"supply at {address}"
        self._clock = clock
        self._timeline = timeline
        self._overvoltage_v = overvoltage_v
        self._output = (False, 0.0)
        self.set_current_limit(current_limit_a)
        api = library("ppk2_api.ppk2_api", "ppk2")
        try:
            self._kit: Any = api.PPK2_API(address, timeout=timeout_s, write_timeout=timeout_s, exclusive=True)
        except (OSError, ValueError) as error:     # pyserial's error is an OSError
            raise BenchError(self._subject, expected="a serial port", seen=str(error),
                             do="plug the kit in and correct the port in the station file") from error
        if not self._kit.get_modifiers():
            self.close()
            raise BenchError(self._subject, expected="the calibration data of a PPK2", seen="none",
                             do="check that the port is the kit's first one, and switch it off and on")
        self._kit.use_source_meter()
        self.identity = f"Nordic Semiconductor,PPK2,{str(self._kit.modifiers['HW']).strip()}"

    # -- Supply -----------------------------------------------------------------------------------------------------

    def set_voltage(self, voltage_v: float) -> None:
        self._check_voltage(voltage_v)
        self._send(lambda: self._kit.set_source_voltage(round(voltage_v * 1000)))
        self._note((self._output[0], voltage_v))

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
        start_v, steps = self._output[1], max(1, round(duration_s / _POLL_S))
        for step in range(1, steps + 1):
            self._clock.sleep(duration_s / steps)
            self.set_voltage(start_v + (voltage_v - start_v) * step / steps)

    def output_on(self) -> None:
        self._send(lambda: self._kit.toggle_DUT_power("ON"))
        self._note((True, self._output[1]))

    def output_off(self) -> None:
        self._send(lambda: self._kit.toggle_DUT_power("OFF"))
        self._note((False, self._output[1]))

    def voltage(self) -> float:
        """The voltage that is set: the kit doesn't measure it."""
        return self._output[1] if self._output[0] else 0.0

    def make_safe(self) -> None:
        """Output off. The kit can't be asked whether it is."""
        self.output_off()

    # -- Instrument -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """The kit has no errors to tell."""

    def self_test(self) -> None:
        """The kit has none."""

    def calibrated_on(self) -> date | None:
        return None

    def close(self) -> None:
        self._kit.ser.close()

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
        start_s = self._clock.time()
        self._send(self._kit.start_measuring)
        try:
            raw = self._collect(count * 4)
        finally:
            self._send(self._kit.stop_measuring)
        words = np.frombuffer(raw, "<u4")
        if (np.diff(words >> _COUNTER_SHIFT & _COUNTER_MASK) % (_COUNTER_MASK + 1) != 1).any():
            raise BenchError(self._subject, expected="samples that follow one another", seen="a gap",
                             do="repeat the measurement with less load on this computer")
        self._kit.remainder = {"sequence": b"", "len": 0}
        microamperes, _ = self._kit.get_samples(raw)
        current = np.array(microamperes) * 1e-6
        log = ACCURACY.log(start_s, each / RATE, *in_periods(current, each), gap_free=True, limit_a=_FIXED_LIMIT_A,
                           voltage_v=self.voltage())
        note(self._timeline, log)
        return log

    def _collect(self, size: int) -> bytes:
        raw = bytearray()
        last_s = self._clock.time()
        while len(raw) < size:
            self._clock.sleep(_POLL_S)
            part = self._send(self._kit.get_data)
            raw += part
            if part:
                last_s = self._clock.time()
            elif self._clock.time() - last_s > _STALLED_S:
                raise BenchError(self._subject, expected="a stream of samples", seen=f"{len(raw)} of {size} octets",
                                 do="switch the kit off and on")
        return bytes(raw[:size])

    def _send(self, act: Any) -> Any:
        try:
            return act()
        except OSError as error:
            raise BenchError(self._subject, expected="a Power Profiler Kit II", seen=str(error),
                             do="plug it in again") from error

    def _note(self, output: tuple[bool, float]) -> None:
        if output != self._output:
            self._timeline.append("supply", "output", {"on": output[0], "voltage_v": round(output[1], 6)})
        self._output = output
