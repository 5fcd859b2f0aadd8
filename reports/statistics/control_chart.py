"""Control charts: whether a process stays what it was. Individuals and moving ranges (Shewhart), with two run rules.

Each further rule finds more, and calls more often for nothing. These two say different things (a point is far off; the
level has moved), and call for nothing at about one point in 150.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from reports.statistics.capability import D2
from reports.statistics.lot import Lot
from reports.statistics.values import in_force

LEAST = 10
"""Points without which limits mean nothing."""

SHOWN = 100
"""So many of the newest points are a chart; of more units than that, each point is the mean of a day."""

_IN_A_ROW = 8


@dataclass(frozen=True, slots=True)
class Chart:
    """Points in their order, with centre and control limits (3 standard deviations, from the mean moving range).
    ``beyond``: positions of points outside the limits (Western Electric rule 1); ``shifted``: those that end eight or
    more in a row on one side of the centre (rule 4). ``of``: what a point is: a unit, or the mean of a day."""

    process: str
    name: str
    unit: str
    of: str
    points: tuple[float, ...]
    labels: tuple[str, ...]
    centre: float
    low: float
    high: float
    beyond: tuple[int, ...]
    shifted: tuple[int, ...]

    @property
    def is_calm(self) -> bool:
        return not self.beyond and not self.shifted


def charts(lot: Lot) -> list[Chart]:
    """A chart for each measurement of each process that has enough values which are not all equal: of its newest units
    and, where they are of more than ten days, of the means of days."""
    runs = lot.runs.select("sequence", "started", pl.col("started").dt.date().alias("day"))
    shown = runs["day"].unique().drop_nulls().sort().tail(SHOWN).min() or date.min
    first_shown = next(iter(runs.filter(pl.col("day") >= shown)["sequence"]), 0)    # runs are in their order
    found = []
    for values in in_force(lot):
        newest = pl.concat([place.tail(SHOWN) for place in values.places]).sort("sequence").tail(SHOWN)
        began = runs["started"].gather(runs["sequence"].search_sorted(newest["sequence"]))
        late = pl.concat([place[place["sequence"].search_sorted(first_shown):] for place in values.places])
        days = late.filter(pl.col("day") >= shown).group_by("day").agg(pl.col("value").mean()).sort("day")
        for of, points in (("unit", newest.with_columns(
                                began.dt.strftime("%Y-%m-%d %H:%M").fill_null("").alias("label"))),
                           ("day", days.with_columns(pl.col("day").dt.to_string().alias("label")))):
            drawn = chart(points["value"].to_list())
            if drawn is not None:
                found.append(Chart(values.process, values.name, values.unit, of, tuple(points["value"]),
                                   tuple(points["label"]), *drawn))
    return found


def chart(points: Sequence[float]) -> tuple[float, float, float, tuple[int, ...], tuple[int, ...]] | None:
    """Centre, lower and upper limit, and the positions that break rule 1 and rule 4; None where there are no limits:
    too few points, or no spread from one to the next."""
    if len(points) < LEAST:
        return None
    values = np.asarray(points, dtype=np.float64)
    centre, spread = float(values.mean()), float(np.abs(np.diff(values)).mean()) / D2
    if not spread:
        return None
    low, high = centre - 3 * spread, centre + 3 * spread
    side, row, shifted = 0, 0, []
    for number, value in enumerate(values):
        now = int(np.sign(value - centre))
        row = row + 1 if now and now == side else abs(now)
        side = now
        if row >= _IN_A_ROW:
            shifted.append(number)
    beyond = np.flatnonzero((values < low) | (values > high))
    return centre, low, high, tuple(int(number) for number in beyond), tuple(shifted)
