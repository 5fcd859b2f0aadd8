"""Pareto: what units failed of first, the most frequent cause before all others."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from reports.statistics.lot import Lot


@dataclass(frozen=True, slots=True)
class Cause:
    """``name``: the measurement, or else the test, that units of ``process`` failed of first at their first attempt.
    ``cumulated``: the share of all such failures that this cause and those before it make up."""

    process: str
    name: str
    units: int
    cumulated: float


def pareto(lot: Lot) -> list[Cause]:
    """The causes of each process, the most frequent first."""
    failed = lot.runs.filter(pl.col("attempt") == 1, pl.col("verdict") == "fail", pl.col("complete") == 1)
    counts = failed.group_by("process", "first_fail").len("units").sort(
        "process", "units", "first_fail", descending=[False, True, False]).with_columns(
        (pl.col("units").cum_sum() / pl.col("units").sum()).over("process").alias("cumulated"))
    return [Cause(row["process"], row["first_fail"] or "no test of its own", row["units"], row["cumulated"])
            for row in counts.iter_rows(named=True)]
