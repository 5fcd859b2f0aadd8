"""Capability: how well what a process makes keeps inside its limits (ISO 22514-2; Montgomery, chapter 8).

Cp and Cpk take the spread within: of one unit against the next at the same place (mean moving range over 1.128). Pp and
Ppk take all of the spread. Both say something of values that are roughly normal only.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import polars as pl
from scipy.special import chdtri, ndtri

from reports.statistics.lot import Lot
from reports.statistics.values import in_force

LEAST = 30
"""Of fewer values no index is given: its interval would hold good and bad processes alike."""

CAPABLE = 1.33
"""What is asked of Cpk; below it the page raises its voice."""

D2 = 1.128
"""The mean range of two normal values, in standard deviations (ISO 7870-2, table 2)."""

CONFIDENCE = 0.95

_NEWEST, _DISCRETE, _SKEWED = 1000, 10, 1.0


@dataclass(frozen=True, slots=True)
class Index:
    """A capability index, and the bounds between which it is with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Capability:
    """Of one measurement in one process: first attempts, units that passed and those that failed.

    ``unit``, ``low``, ``high``: the limits in force, as printed. ``count``: values held against them, of which
    ``outside`` don't keep to them. ``missing``: values that are no numbers. ``older``: values that were judged by other
    limits, and are not in any figure. ``cp`` and ``pp`` are None for one-sided limits. ``why_not``: the sentence that
    stands in place of indices; ``notes``: what to know before one believes them.
    """

    process: str
    name: str
    unit: str
    low: float | None
    high: float | None
    count: int
    outside: int
    missing: int
    older: int
    mean: float | None = None
    least: float | None = None
    most: float | None = None
    spread_within: float | None = None
    spread_overall: float | None = None
    cp: Index | None = None
    cpk: Index | None = None
    pp: Index | None = None
    ppk: Index | None = None
    why_not: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_capable(self) -> bool | None:
        """None where nobody knows."""
        return None if self.cpk is None else self.cpk.value >= CAPABLE


def capabilities(lot: Lot) -> list[Capability]:
    """The capability of each measurement of each process, by their names."""
    rows, values = in_force(lot)
    value = pl.col("value")
    bounds = values.join(rows.select("group", "low", "high"), on="group", maintain_order="left").group_by("group").agg(
        ((value < pl.col("low")).fill_null(False) | (value > pl.col("high")).fill_null(False)).sum().alias("outside"))
    whole = values.group_by("group").agg(
        pl.len().alias("count"), value.mean().alias("mean"), value.std().alias("overall"), value.min().alias("least"),
        value.max().alias("most"), value.skew(bias=False).alias("skew"),
        value.tail(_NEWEST).n_unique().alias("different"))
    ranges = values.group_by("group", "series").agg(
        value.diff().abs().sum().alias("range"), value.diff().count().alias("ranges")).group_by("group").agg(
        pl.col("range").sum() / pl.col("ranges").sum(), pl.col("ranges").sum())
    for found in (whole, bounds, ranges):
        rows = rows.join(found, on="group", how="left", maintain_order="left")
    return [_capability(row) for row in rows.iter_rows(named=True)]


def _capability(row: dict[str, float | int | str | None]) -> Capability:
    count = int(row["count"] or 0)
    head = {"process": row["process"], "name": row["name"], "unit": row["unit"], "low": row["low"],
            "high": row["high"], "count": count, "outside": int(row["outside"] or 0),
            "missing": int(row["held"] or 0) - count, "older": int(row["all"] or 0) - int(row["held"] or 0)}
    if not count:
        return Capability(**head, why_not="no value is a number")  # type: ignore[arg-type]
    mean, overall = float(row["mean"] or 0.0), None if row["overall"] is None else float(row["overall"])
    within = None if row["range"] is None else float(row["range"]) / D2
    head |= {"mean": mean, "least": row["least"], "most": row["most"], "spread_overall": overall,
             "spread_within": within, "why_not": _why_not(row, count)}
    if head["why_not"]:
        return Capability(**head)  # type: ignore[arg-type]
    low, high = (None if row[name] is None else float(row[name] or 0.0) for name in ("low", "high"))
    cp, cpk = indices(low, high, mean, within, count, int(row["ranges"] or 0))
    pp, ppk = indices(low, high, mean, overall, count, count - 1)
    return Capability(**head, cp=cp, cpk=cpk, pp=pp, ppk=ppk, notes=tuple(_notes(row, within)))  # type: ignore[arg-type]


def indices(low: float | None, high: float | None, mean: float, spread: float | None, count: int, freedom: int) -> (
        tuple[Index | None, Index | None]):
    """The index of the width (None for one-sided limits) and that of the nearer limit, of ``count`` values whose
    standard deviation ``spread`` was estimated with ``freedom`` degrees of freedom. The interval of the first is that
    of chi-squared, that of the second Bissell's."""
    if not spread or freedom < 1:
        return None, None
    sides = ([] if low is None else [mean - low]) + ([] if high is None else [high - mean])
    nearer = min(sides) / (3 * spread)
    about = float(ndtri((1 + CONFIDENCE) / 2)) * sqrt(1 / (9 * count) + nearer**2 / (2 * freedom))
    to_nearer = Index(nearer, nearer - about, nearer + about)
    if low is None or high is None:
        return None, to_nearer
    width, tail = (high - low) / (6 * spread), (1 - CONFIDENCE) / 2
    ends = [width * sqrt(float(chdtri(freedom, share)) / freedom) for share in (1 - tail, tail)]
    return Index(width, ends[0], ends[1]), to_nearer


def _why_not(row: dict[str, float | int | str | None], count: int) -> str:
    if row["low"] is None and row["high"] is None:
        return "it has no limits"
    if row["low"] == row["high"]:
        return "both limits are the same: there is no tolerance to keep to"
    if count < LEAST:
        return f"{count} value{'s' if count > 1 else ''}; an index takes {LEAST}"
    if row["least"] == row["most"]:
        return f"all {count} values are equal: there is no spread"
    return ""


def _notes(row: dict[str, float | int | str | None], within: float | None) -> list[str]:
    notes = []
    if not within:
        notes.append("one unit after another gave the same value: no Cp, no Cpk")
    if int(row["different"] or 0) < _DISCRETE:
        notes.append(f"only {row['different']} different values: the indices are rough")
    elif abs(float(row["skew"] or 0.0)) > _SKEWED:
        notes.append(f"far from normal (skewness {float(row['skew'] or 0.0):.1f}): the indices are rough")
    return notes
