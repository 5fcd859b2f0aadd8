"""What a measuring instrument makes of the true current: ranges, gain, offset, noise, overload."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.twin.scpi import OVERLOAD

Values = NDArray[np.float64]
Index = NDArray[np.intp]

_TYPICAL = 0.6
"""A unit in calibration sits inside its specification: its errors are drawn from this part of it."""


@dataclass(frozen=True, slots=True)
class InputRange:
    """``gain`` (relative) and ``offset_a`` are what the specification allows, ``noise_a`` is the standard deviation
    of a mean over the input's ``noise_time_s``."""

    full_scale_a: float
    gain: float
    offset_a: float
    noise_a: float


class Flaw:
    """What is wrong with a measuring input: what it shows in place of what a good one would, in the ranges ``index``.
    Of this one nothing is wrong."""

    def mean(self, shown: Values, index: Index) -> Values:
        return shown

    def lowest(self, shown: Values, index: Index) -> Values:
        return self.mean(shown, index)

    def highest(self, shown: Values, index: Index) -> Values:
        return self.mean(shown, index)


class CurrentInput:
    """The measuring input of one instrument: its errors are drawn once, from ``rng``.

    It samples every ``sample_s``, which decides how far noise carries the extremes. Faults for tests: ``flaw``;
    ``offset_a`` is added to every current; ``is_reversed``: its leads are the wrong way round, and every current has
    the other sign.
    """

    def __init__(self, ranges: tuple[InputRange, ...], *, noise_time_s: float, sample_s: float, overrange: float,
                 rng: random.Random) -> None:
        self.flaw = Flaw()
        self.offset_a = 0.0
        self.is_reversed = False
        self.noise = np.random.default_rng(rng.getrandbits(64))
        self.full_scale_a = np.array([one.full_scale_a for one in ranges])
        self._limit_a = self.full_scale_a * overrange
        self._gain = np.array([1 + rng.uniform(-_TYPICAL, _TYPICAL) * one.gain for one in ranges])
        self._offset_a = np.array([rng.uniform(-_TYPICAL, _TYPICAL) * one.offset_a for one in ranges])
        self._noise_a = np.array([one.noise_a for one in ranges]) * math.sqrt(noise_time_s)
        self._sample_s = sample_s

    def finest(self, maximum_a: Values, lowest: int = 0) -> Index:
        """The finest range, from ``lowest`` on, that holds each of ``maximum_a``."""
        return np.clip(np.searchsorted(self._limit_a, maximum_a), lowest, len(self.full_scale_a) - 1)

    def fixed(self, range_a: float, count: int) -> Index:
        """The range that was set for ``range_a``, so many times."""
        index = min(int(np.searchsorted(self.full_scale_a, range_a * 0.999)), len(self.full_scale_a) - 1)
        return np.full(count, index)

    def means(self, mean_a: Values, maximum_a: Values, index: Index, time_s: float) -> Values:
        """What is shown for means over ``time_s`` each, taken in the ranges ``index``."""
        noise = self._noise_a[index] / math.sqrt(time_s) * self.noise.standard_normal(len(mean_a))
        shown = self.flaw.mean(mean_a * self._gain[index] + self._offset_a[index] + self.offset_a + noise, index)
        return np.where(maximum_a > self._limit_a[index], OVERLOAD, -shown if self.is_reversed else shown)

    def extremes(self, minimum_a: Values, maximum_a: Values, index: Index, time_s: float) -> tuple[Values, Values]:
        """The extremes of the input's samples within ``time_s`` each."""
        gain, offset = self._gain[index], self._offset_a[index] + self.offset_a
        spread = (math.sqrt(2 * math.log(max(2.0, time_s / self._sample_s))) * self._noise_a[index]
                  / math.sqrt(self._sample_s * 20))
        jitter = 1 + 0.1 * self.noise.standard_normal((2, len(minimum_a)))
        overload = maximum_a > self._limit_a[index]
        lowest, highest = minimum_a * gain + offset - spread * jitter[0], maximum_a * gain + offset + spread * jitter[1]
        lowest, highest = self.flaw.lowest(lowest, index), self.flaw.highest(highest, index)
        if self.is_reversed:
            lowest, highest = -highest, -lowest
        return np.where(overload, OVERLOAD, lowest), np.where(overload, OVERLOAD, highest)
