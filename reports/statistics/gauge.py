"""Gauge repeatability and reproducibility: how much of what is seen is the measuring, not the unit.

A crossed study: each unit is measured the same number of times at each place. Analysis of variance as in AIAG's
Measurement Systems Analysis, 4th edition, chapter III-B and appendix A; places stand for appraisers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc

from bench.errors import BenchError

POOLED_ABOVE = 0.25
"""An interaction of units with places whose p is above is chance, and counts as repeatability."""

_NDC = 1.41


@dataclass(frozen=True, slots=True)
class Gauge:
    """Standard deviations, in the unit of the values: ``repeatability`` (EV), ``reproducibility`` (AV: of places),
    ``interaction``, ``gauge`` (GRR: all of these), ``units`` (PV), ``total`` (TV). ``share``: of the gauge in the
    total, in percent (%GRR); ``of_tolerance``: six of the gauge's in the tolerance, in percent, where there are two
    limits. ``categories``: how many kinds of units it tells apart (ndc). ``interaction_p``: how likely chance alone
    makes such an interaction; ``pooled``: it was taken for chance."""

    repeatability: float
    reproducibility: float
    interaction: float
    gauge: float
    units: float
    total: float
    share: float
    of_tolerance: float | None
    categories: int
    interaction_p: float
    pooled: bool

    @property
    def verdict(self) -> str:
        """By AIAG's bounds, 10 and 30 percent of the total and five categories."""
        if self.share > 30 or self.categories < 2:
            return "bad"
        return "good" if self.share < 10 and self.categories >= 5 else "conditional"


def gauge(values: NDArray[np.float64] | Sequence[Sequence[Sequence[float]]], *, tolerance: float | None = None,
          pooled_above: float = POOLED_ABOVE) -> Gauge:
    """Of ``values[unit][place][repeat]``. ``tolerance``: between the two limits. Raises ``BenchError`` for a study that
    says nothing: fewer than two of anything, a value that is no number, no spread at all."""
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 3 or min(table.shape) < 2:
        raise _poor("at least two units, two places and two repeats, of each the same number",
                    " x ".join(map(str, table.shape)))
    if not np.isfinite(table).all():
        raise _poor("a number for each", "a value that is none")
    units, places, repeats = table.shape
    mean, cell = table.mean(), table.mean(axis=2)
    of_unit, of_place = table.mean(axis=(1, 2)), table.mean(axis=(0, 2))
    squares_units = places * repeats * float(((of_unit - mean) ** 2).sum())
    squares_places = units * repeats * float(((of_place - mean) ** 2).sum())
    squares_both = repeats * float(((cell - of_unit[:, None] - of_place[None, :] + mean) ** 2).sum())
    squares_error = float(((table - cell[:, :, None]) ** 2).sum())
    freedom_both, freedom_error = (units - 1) * (places - 1), units * places * (repeats - 1)
    error, both = squares_error / freedom_error, squares_both / freedom_both
    if table.min() == table.max():
        raise _poor("values that differ", "all of them equal")
    ratio = both / error if error else float("inf") if both else 0.0
    p = float(fdtrc(freedom_both, freedom_error, ratio))
    pooled = p > pooled_above
    if pooled:
        error = both = (squares_both + squares_error) / (freedom_both + freedom_error)
    variance = {"repeatability": error, "interaction": max(0.0, (both - error) / repeats),
                "reproducibility": max(0.0, (squares_places / (places - 1) - both) / (units * repeats)),
                "units": max(0.0, (squares_units / (units - 1) - both) / (places * repeats))}
    of_gauge = variance["repeatability"] + variance["interaction"] + variance["reproducibility"]
    spread = {name: sqrt(found) for name, found in variance.items()}
    if not of_gauge:
        raise _poor("repeats that differ", "the same value in each: the resolution is too coarse to judge the gauge")
    return Gauge(**spread, gauge=sqrt(of_gauge), total=sqrt(of_gauge + variance["units"]),
                 share=100 * sqrt(of_gauge / (of_gauge + variance["units"])),
                 of_tolerance=600 * sqrt(of_gauge) / tolerance if tolerance else None,
                 categories=floor(_NDC * spread["units"] / sqrt(of_gauge)), interaction_p=p, pooled=pooled)


def _poor(expected: str, seen: str) -> BenchError:
    return BenchError("study of a gauge", expected=expected, seen=seen, do="measure again what is missing")
