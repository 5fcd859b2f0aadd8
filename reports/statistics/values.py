"""The values that figures are made of: those that were judged by the limits in force."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from reports.statistics.lot import Lot

_KEY = ["process", "name"]


@dataclass(frozen=True)
class Values:
    """Of one measurement in one process. ``unit``, ``low`` and ``high`` are those of its newest value: one that was
    judged by others says nothing of them, and is ``older``. ``missing``: values that are no numbers. ``places``: of
    each place ``sequence``, ``day`` and ``value`` in the order in which they were stored."""

    process: str
    name: str
    unit: str
    low: float | None
    high: float | None
    older: int
    missing: int
    places: tuple[pl.DataFrame, ...]

    @property
    def all(self) -> pl.DataFrame:
        """Of all places, each for itself in order."""
        return pl.concat(self.places)


def in_force(lot: Lot) -> list[Values]:
    """Of each measurement of each process, by their names."""
    parts = lot.parts
    series = lot.series.filter(pl.col("series").is_in(list(parts))).with_columns(
        pl.col("series").map_elements(lambda number: parts[number]["sequence"][-1], pl.Int64).alias("newest"))
    found = []
    for (process, name), rows in series.sort("newest", "series").group_by(_KEY, maintain_order=True):
        last = rows.row(-1, named=True)
        limits = [last["unit"], last["low"], last["high"]]
        mine, older, missing = [], 0, 0
        for row in rows.iter_rows(named=True):
            part = parts[row["series"]]
            if [row["unit"], row["low"], row["high"]] != limits:
                older += len(part)
                continue
            is_number = part["value"].is_finite().fill_null(False)
            numbers = part if is_number.all() else part.filter(is_number)
            missing += len(part) - len(numbers)
            mine.append(numbers)
        found.append(Values(str(process), str(name), last["unit"], last["low"], last["high"], older, missing,
                            tuple(mine)))
    return sorted(found, key=lambda one: (one.process, one.name))
