"""Joulescope JS220 in series with any supply, through the package joulescope (an optional extra).

It follows the current from nanoamperes to amperes without a gap. Accuracy from memory of the data sheet: check it.
"""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import date
from typing import Any

import numpy as np

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.assumption import Assumption
from drivers.supply import MEASURES_CHARGE, CurrentLog, CurrentReading
from drivers.supply.accuracy import Accuracy, Range, in_periods, note
from drivers.supply.optional import library

ACCURACY = Accuracy((Range(18e-6, 0.3e-2, 2e-9, 10e-9), Range(180e-6, 0.3e-2, 20e-9, 20e-9),
                     Range(1.8e-3, 0.3e-2, 0.2e-6, 0.1e-6), Range(18e-3, 0.3e-2, 2e-6, 1e-6),
                     Range(0.18, 0.3e-2, 20e-6, 10e-6), Range(3.0, 0.5e-2, 500e-6, 200e-6)), noise_time_s=1e-3)

RATES = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
_SAMPLES_PER_PERIOD = 10
_PART_S = 20.0
"""So much at once: the package keeps a capture in memory."""
_COARSEST = 5
"""Of the instrument's numbers for its ranges: 0 and 1 are the highest, 6 is the finest, 7 is off."""


class JoulescopeJs220:
    """The ammeter of a station; ``address`` is the serial number, or empty for the only one that is plugged in. ::

        [ammeter]
        driver = "joulescope-js220"
        address = "002557"
    """

    kind = "ammeter"
    abilities = MEASURES_CHARGE
    assumptions = (
        Assumption("accuracy", "accuracy and noise are those of the driver's table"),
        Assumption("ranges", "the instrument numbers its ranges from 0, the highest, to 6, the finest"))

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline) -> None:
        self._subject = f"ammeter JS220 {address}".strip()
        self._clock = clock
        self._timeline = timeline
        package = library("joulescope", "joulescope")
        found = [device for device in self._try(lambda: package.scan(name="joulescope"))
                 if device.model == "js220" and address in ("", str(device.serial_number))]
        if len(found) != 1:
            raise BenchError(self._subject, expected="one instrument of that serial number",
                             seen=f"{len(found)}", do="plug it in, or correct address in the table [ammeter]")
        self._device: Any = found[0]
        self._try(self._device.open)
        try:
            self._try(lambda: self._device.parameter_set("i_range", "auto"))
        except BaseException:
            with suppress(BenchError):
                self.close()
            raise
        self.identity = f"Jetperch,JS220,{self._device.serial_number}"

    def check(self) -> None:
        """The package raises what there is to tell."""

    def self_test(self) -> None:
        """The instrument has none that the package can start."""

    def calibrated_on(self) -> date | None:
        return None

    def close(self) -> None:
        self._try(self._device.close)

    def mean_current(self, duration_s: float) -> CurrentReading:
        return ACCURACY.reading(self.log(duration_s, max(duration_s / 1000, 1e-3)))

    def log(self, duration_s: float, period_s: float) -> CurrentLog:
        """A log of ``duration_s`` from now on. It is gap-free if it was taken in one part (20 s): the package stops
        between two."""
        if not 1e-6 <= period_s <= duration_s:
            raise BenchError(self._subject, expected="a period from 1 us on, within the duration",
                             seen=f"{period_s:g} s in {duration_s:g} s", do="correct the period of the measurement")
        rate = next((rate for rate in RATES if rate * period_s >= _SAMPLES_PER_PERIOD), RATES[-1])
        each = max(1, round(period_s * rate))
        count = max(1, round(duration_s * rate / each)) * each
        self._try(lambda: self._device.parameter_set("sampling_frequency", rate))
        start_s = self._clock.time()
        parts = [self._read(min(_PART_S, (count - first) / rate)) for first in range(0, count, int(_PART_S * rate))]
        current, index = (np.concatenate(columns)[:count] for columns in zip(*parts, strict=True))
        if len(current) < count or not math.isfinite(float(current.sum())):
            raise BenchError(self._subject, expected=f"{count} samples", seen=f"{len(current)}, or some missing",
                             do="use a USB port of the computer itself, and repeat the measurement")
        log = ACCURACY.log(self._subject, start_s, each / rate, *in_periods(current, each), gap_free=len(parts) == 1,
                           limit_a=math.inf, index=index.reshape(-1, each).max(axis=1))
        note(self._timeline, log)
        return log

    def _read(self, duration_s: float) -> tuple[Any, Any]:
        """The samples of so long (A), and the range of each."""
        signals = self._try(lambda: self._device.read(contiguous_duration=duration_s, out_format="samples_get",
                                                      fields=["current", "current_range"]))["signals"]
        number = np.asarray(signals["current_range"]["value"], np.int64)
        return (np.asarray(signals["current"]["value"], np.float64),
                np.clip(len(ACCURACY.ranges) - number, 0, _COARSEST))

    def _try(self, act: Any) -> Any:
        try:
            return act()
        except Exception as error:      # the package has no common error
            raise BenchError(self._subject, expected="a Joulescope JS220", seen=str(error) or type(error).__name__,
                             do="plug it in again") from error
