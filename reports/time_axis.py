"""A time axis that folds long silences, so that ten minutes of LED and seven days of schedule both stay legible.

Between its folds the axis is linear. A fold stands for a silence (no observation at all), takes a small fixed width and
knows its true duration, which the picture writes on it. Nothing that was observed is ever inside a fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]

SHORTEST_FOLD_S = 20.0
"""Silences up to this long are always drawn to scale."""

FOLD_RATIO = 0.3
"""A longer silence is folded when it is longer than this share of all that is drawn to scale."""

FOLD_WIDTH = 30.0
"""Width of a fold, in the units of the picture, as long as the folds leave half of the width to the rest."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A silence from ``start`` to ``end`` (seconds), drawn from ``left`` to ``right``."""

    start: float
    end: float
    left: float
    right: float

    @property
    def duration(self) -> float:
        """The true duration of the silence in seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Silences:
    """Where a test is silent: its moments (sorted, seconds) and which of the gaps between them get folded."""

    moments: Times
    folded: NDArray[np.bool_]

    @classmethod
    def find(cls, moments: Times) -> Silences:
        """Decide what to fold. ``moments`` are the times at which anything begins or ends; 0 is added."""
        moments = np.unique(np.append(np.round(moments[np.isfinite(moments)], 6), 0.0))
        gaps = np.diff(moments)
        ascending = np.sort(gaps)
        to_scale = np.cumsum(ascending) - ascending
        candidates = ascending[(ascending > SHORTEST_FOLD_S) & (ascending > FOLD_RATIO * to_scale)]
        threshold = candidates[0] if candidates.size else np.inf
        return cls(moments, gaps >= threshold)

    @property
    def to_scale_s(self) -> float:
        """Seconds that are drawn to scale."""
        return float(np.diff(self.moments)[~self.folded].sum())

    @property
    def duration_s(self) -> float:
        """Seconds from the first moment to the last."""
        return float(self.moments[-1] - self.moments[0])


class TimeAxis:
    """Places times of one test between ``left`` and ``right``; ``scale`` is pixels per second outside of folds."""

    def __init__(self, silences: Silences, left: float, right: float) -> None:
        gaps, folded = np.diff(silences.moments), silences.folded
        width, count = right - left, int(folded.sum())
        fold_width = 0.0
        if count:
            fold_width = min(FOLD_WIDTH, width / 2 / count)
            if gaps.size < 2 * count:  # little happened between the silences
                fold_width = max(fold_width, width / gaps.size)
        rest, to_scale = width - count * fold_width, silences.to_scale_s
        widths = np.where(folded, fold_width, gaps / to_scale * rest if to_scale else 0.0)
        places = left + np.concatenate(([0.0], np.cumsum(widths)))
        self.left, self.right = left, right
        self.scale = rest / max(to_scale, 1e-6)
        self._moments, self._places = silences.moments, places
        self.folds = [Fold(float(silences.moments[i]), float(silences.moments[i + 1]),
                           float(places[i]), float(places[i + 1])) for i in np.flatnonzero(folded)]

    def place(self, times: Times) -> Times:
        """Where ``times`` (seconds) are drawn; times outside the test land on its borders."""
        return np.interp(times, self._moments, self._places)

    def stretches(self) -> list[tuple[float, float]]:
        """The parts (start, end in seconds) that are drawn to scale, between the folds."""
        starts = [float(self._moments[0])] + [fold.end for fold in self.folds]
        ends = [fold.start for fold in self.folds] + [float(self._moments[-1])]
        return [(start, end) for start, end in zip(starts, ends, strict=True) if end > start]
