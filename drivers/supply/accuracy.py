"""What an instrument's data sheet promises, as data, and what it means for a log.

The largest error of a reading is gain x reading + offset of the range it was taken in, and three standard deviations
of noise. Gain and offset errors are common to all readings of a log; noise falls with their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.supply import CurrentLog, CurrentReading

Amperes = NDArray[np.float64]

_SIGMAS = 3
_OVERRANGE = 1.5
"""Of its full scale, no instrument shows more."""


@dataclass(frozen=True, slots=True)
class Range:
    """One measuring range: ``gain`` is relative, ``noise_a`` the standard deviation of a mean over the time that the
    ``Accuracy`` states."""

    full_scale_a: float
    gain: float
    offset_a: float
    noise_a: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The ranges of an instrument, the finest first. Noise is stated for means over ``noise_time_s``, and falls with
    the square root of the time."""

    ranges: tuple[Range, ...]
    noise_time_s: float

    def check(self, readings_a: Amperes, subject: str) -> None:
        """Raise ``BenchError`` naming ``subject`` unless all are readings: no NaN, no word for an overload, and nothing
        that the highest range could not show."""
        within = np.abs(readings_a) <= self.ranges[-1].full_scale_a * _OVERRANGE
        if not within.all():       # NaN is not within
            raise BenchError(subject, expected="currents within the range",
                             seen=f"{float(np.asarray(readings_a)[~within].flat[0]):g} A, an overload or no reading",
                             do="look for a short circuit; check that nothing else holds the measurement range")

    def finest(self, maximum_a: Amperes) -> NDArray[np.intp]:
        """The finest range that holds each of ``maximum_a``."""
        full_scales = [one.full_scale_a for one in self.ranges]
        return np.minimum(np.searchsorted(full_scales, maximum_a), len(self.ranges) - 1)

    def log(self, subject: str, start_bench_s: float, period_s: float, mean_a: Amperes, minimum_a: Amperes,
            maximum_a: Amperes, *, gap_free: bool, limit_a: float, voltage_v: float = math.nan,
            index: NDArray[np.intp] | None = None) -> CurrentLog:
        """A log of the instrument ``subject`` with its uncertainty. ``index`` says in which range each mean was taken;
        else it is the finest that holds the largest sample. Raises ``BenchError``, see ``check``."""
        for readings_a in (mean_a, minimum_a, maximum_a):
            self.check(readings_a, subject)
        index = self.finest(maximum_a) if index is None else index
        gain, offset = self._column("gain")[index], self._column("offset_a")[index]
        uncertainty = np.abs(mean_a) * gain + offset + self._noise(index, period_s)
        return CurrentLog(start_bench_s, period_s, mean_a, minimum_a, maximum_a, gap_free, uncertainty,
                          self._column("full_scale_a")[index], min(limit_a, self.ranges[-1].full_scale_a), voltage_v)

    def of_mean(self, log: CurrentLog) -> float:
        """The largest error (A) of the mean of all of ``log``."""
        index = np.searchsorted(self._column("full_scale_a"), log.full_scale_a)
        noise = self._noise(index, log.period_s)
        return float((log.uncertainty_a - noise).mean() + np.sqrt((noise**2).mean() / len(noise)))

    def reading(self, log: CurrentLog) -> CurrentReading:
        """All of ``log`` as one reading."""
        return CurrentReading(
            mean_a=float(log.mean_a.mean()), minimum_a=float(log.minimum_a.min()),
            maximum_a=float(log.maximum_a.max()), duration_s=len(log.mean_a) * log.period_s, samples=len(log.mean_a),
            voltage_v=log.voltage_v, gap_free=log.gap_free, uncertainty_a=self.of_mean(log))

    def _noise(self, index: NDArray[np.intp], period_s: float) -> Amperes:
        noise: Amperes = _SIGMAS * self._column("noise_a")[index] * math.sqrt(self.noise_time_s / period_s)
        return noise

    def _column(self, name: str) -> Amperes:
        return np.array([getattr(one, name) for one in self.ranges])


def in_periods(samples_a: Amperes, count: int) -> tuple[Amperes, Amperes, Amperes]:
    """Mean, minimum and maximum of each ``count`` samples; a rest at the end is left out."""
    whole = samples_a[:len(samples_a) // count * count].reshape(-1, count)
    return whole.mean(axis=1), whole.min(axis=1), whole.max(axis=1)


def note(timeline: Timeline, log: CurrentLog) -> None:
    """Put what a log showed on the timeline, in seven digits: what single precision carries."""
    timeline.append("supply", "current", {
        "mean_a": _short(log.mean_a.mean()), "min_a": _short(log.minimum_a.min()),
        "max_a": _short(log.maximum_a.max()), "duration_s": round(len(log.mean_a) * log.period_s, 6),
        "samples": len(log.mean_a)}, at=log.start_bench_s)


def _short(value: float) -> float:
    return float(f"{value:.7g}")
