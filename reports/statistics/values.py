"""The values that figures are made of: those that were judged by the limits in force."""

from __future__ import annotations

import polars as pl

from reports.statistics.lot import Lot

KEY = ["process", "name"]


def in_force(lot: Lot) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A row for each measurement of each process, and its values.

    The limits in force are those of the newest value: one that was judged by others says nothing of them. The rows have
    ``group`` (their number), ``KEY``, ``unit``, ``low``, ``high``, and how many values were ``held`` against these, of
    ``all``. The values have ``group``, ``sequence``, ``series``, ``day`` and ``value``, which is a finite number.
    """
    found = lot.measurements.group_by("series").agg(pl.len().alias("held"), pl.col("sequence").max().alias("newest"))
    series = lot.series.join(found, on="series").sort("newest", "series")
    limits = ["unit", "low", "high"]
    now = series.group_by(KEY).agg(pl.col(limits).last().name.suffix("_now"), pl.col("held").sum().alias("all"))
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_now")) for name in limits)
    kept = series.join(now, on=KEY).filter(same).drop(f"{name}_now" for name in limits)
    rows = kept.group_by(KEY).agg(pl.col(*limits, "all").first(), pl.col("held").sum()).sort(KEY).with_row_index(
        "group")
    # A group for each series by its number, for a join would take longer than all that follows.
    numbers = pl.DataFrame({"series": range((max(lot.series["series"], default=0)) + 1)}, {"series": pl.UInt32}).join(
        kept.join(rows.select(*KEY, "group"), on=KEY), on="series", how="left", maintain_order="left")
    values = lot.measurements.with_columns(numbers["group"].gather(lot.measurements["series"]).alias("group"))
    return rows, values.filter(pl.col("group").is_not_null(), pl.col("value").is_finite().fill_null(False))
