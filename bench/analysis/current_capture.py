"""A capture of the supply current: what every analysis of current takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError

Amperes = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CurrentCapture:
    """The current as a row of contiguous averages: arrays of shape (n,), one value per ``period_s``, the first at the
    bench time ``start_bench_s``.

    ``minimum_a`` and ``maximum_a`` are the extremes of the instrument's samples in each period; ``uncertainty_a`` is
    the largest error of each average by the instrument's specification (k = 2 or more). ``gap_free`` says whether
    nothing was missed. ``limit_a`` is the most that the supply gives and the ammeter shows: a peak that reaches it may
    have been larger. ``voltage_v`` is the voltage at the unit, ``instrument`` who measured, ``test`` in which test.
    Raises ``ValueError`` for an empty capture and for arrays of unequal length.
    """

    start_bench_s: float
    period_s: float
    mean_a: Amperes
    minimum_a: Amperes
    maximum_a: Amperes
    uncertainty_a: Amperes
    gap_free: bool
    limit_a: float = math.inf
    voltage_v: float = math.nan
    instrument: str = ""
    test: str = ""

    def __post_init__(self) -> None:
        lengths = [len(part) for part in (self.mean_a, self.minimum_a, self.maximum_a, self.uncertainty_a)]
        if min(lengths) < 1 or min(lengths) != max(lengths):
            raise ValueError(f"a capture has as many averages, minima, maxima and uncertainties, and at least one: "
                             f"{lengths}")
        if not self.period_s > 0:
            raise ValueError(f"a period can't last {self.period_s} s")

    def refuse_what_no_unit_draws(self) -> None:
        """Raise ``BenchError`` where the mean is no current into a unit that is supplied: none at all, or out of it."""
        mean_a = float(np.nanmean(self.mean_a))
        if not mean_a > 0:
            raise BenchError(self.instrument or "ammeter", expected="a current into the unit, which is supplied",
                             seen=f"{mean_a * 1e6:.3g} uA in the mean of {self.duration_s:g} s",
                             do="check the leads of the ammeter, their polarity, and that it is in the unit's circuit")

    def __len__(self) -> int:
        return len(self.mean_a)

    @property
    def duration_s(self) -> float:
        return len(self) * self.period_s

    def part(self, begin_s: float, end_s: float) -> CurrentCapture:
        """The periods from ``begin_s`` to ``end_s`` (s from the start of this capture; rounded to whole periods)."""
        first, last = (min(max(round(moment / self.period_s), 0), len(self)) for moment in (begin_s, end_s))
        inside = slice(first, last)
        return replace(self, start_bench_s=self.start_bench_s + first * self.period_s, mean_a=self.mean_a[inside],
                       minimum_a=self.minimum_a[inside], maximum_a=self.maximum_a[inside],
                       uncertainty_a=self.uncertainty_a[inside])

    def less(self, offset_a: float) -> CurrentCapture:
        """The same with ``offset_a``, which the bench adds to each reading, taken off."""
        return replace(self, mean_a=self.mean_a - offset_a, minimum_a=self.minimum_a - offset_a,
                       maximum_a=self.maximum_a - offset_a)
