"""Takt: how long a unit takes, and whether that grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtrit

from reports.statistics.lot import Lot

LEAST = 10
"""Points without which a slope means nothing."""

DAYS = 10
"""Of more days than that the medians of days are looked at: one unit that somebody forgot in the fixture moves
none of them."""

CONFIDENCE = 0.95

_MATTERS = 0.001
"""A thousandth of the takt in 30 days."""


@dataclass(frozen=True, slots=True)
class Takt:
    """Of one ``process`` at one ``place``, of units that passed. ``stage`` is empty for the whole unit. ``median_s``;
    ``physics_s``: what physics asks for, 0 where that is unknown. ``drift_s``: by how much it grows in 30 days, and the
    bounds of that with 95 % confidence; None with too little to tell. ``points``: (day or time, seconds)."""

    process: str
    place: str
    stage: str
    units: int
    median_s: float
    physics_s: float
    drift_s: tuple[float, float, float] | None
    points: tuple[tuple[str, float], ...]

    @property
    def grows(self) -> bool:
        """By so much that it matters, and surely: of many units the least drift is certain."""
        return self.drift_s is not None and self.drift_s[1] > _MATTERS * self.median_s


def takt(lot: Lot) -> list[Takt]:
    """The takt of each place, and of its stages where runs have some (those of the line)."""
    where = pl.struct("process", "place").rank("dense").alias("where")
    day = pl.col("started").dt.truncate("1d").alias("day")
    passed = lot.runs.filter(pl.col("verdict") == "pass", pl.col("complete") == 1, pl.col("started").is_not_null())
    began = passed.select("sequence", where, "process", "place", "started", day, "duration_s")
    names = {number: (process, place) for number, process, place in began.select(
        "where", "process", "place").unique("where").iter_rows()}
    run, stages = _of_runs(lot.stages, began["sequence"])
    has_stages = np.bincount(run, minlength=len(began)) > 0
    took, physics = (np.bincount(run, stages[name].to_numpy(), len(began)) for name in ("took_s", "physics_s"))
    units = began.with_columns(pl.lit("", pl.Categorical).alias("stage"), pl.Series("physics_s", physics),
                               took_s=pl.when(pl.Series(has_stages)).then(pl.Series(took)).otherwise("duration_s"))
    stages = stages.with_columns(began.select("where", "started", "day")[run])
    return [*_takts(units, names), *_takts(stages, names)]


def _of_runs(stages: pl.DataFrame, sequence: pl.Series) -> tuple[NDArray[np.intp], pl.DataFrame]:
    """Of each stage the position of its run in ``sequence``, and the stages that have one there. Both are in the order
    of the ledger: to look each run up once takes a fifth of what it takes to join them."""
    lengths, of = stages["sequence"].rle().struct.unnest().to_numpy().T
    at = np.searchsorted(sequence.to_numpy(), of)
    is_there = np.append(sequence.to_numpy(), -1)[at] == of
    return np.repeat(at[is_there], lengths[is_there]), stages.filter(pl.Series(np.repeat(is_there, lengths)))


def _takts(rows: pl.DataFrame, names: Mapping[int, tuple[str, str]]) -> Iterator[Takt]:
    """Of ``rows`` of a place and a stage each; medians of all of them at once, for a year has a million."""
    key = ["where", "stage"]
    rows = rows.filter(pl.col("took_s").is_finite())
    days = rows.group_by(*key, "day").agg(pl.col("took_s").median()).sort("day").partition_by(key, as_dict=True)
    of_all = rows.group_by(key, maintain_order=True).agg(pl.len(), pl.col("took_s", "physics_s").median())
    for where, stage, count, took, physics in of_all.iter_rows():
        points, form = days[where, stage].select("took_s", started="day"), "%Y-%m-%d"
        if len(points) < DAYS:
            points, form = rows.filter(pl.col("where") == where, pl.col("stage") == stage).select(
                "took_s", "started").sort("started"), "%Y-%m-%d %H:%M"
        yield Takt(*names[where], str(stage), count, took, physics, drift(points), tuple(points.select(
            pl.col("started").dt.strftime(form), "took_s").iter_rows()))


def drift(points: pl.DataFrame) -> tuple[float, float, float] | None:
    """The slope of ``took_s`` over ``started`` in seconds per 30 days, by least squares, and its bounds by Student's t;
    None of too few points, or of one moment."""
    if len(points) < LEAST:
        return None
    days = points["started"].dt.epoch("s").to_numpy() / 86400.0
    took = points["took_s"].to_numpy()
    away = days - days.mean()
    spread = float((away**2).sum())
    if not spread:
        return None
    if took.min() == took.max():
        return 0.0, 0.0, 0.0
    slope = float((away * took).sum()) / spread
    rest = took - took.mean() - slope * away
    about = float(stdtrit(len(took) - 2, (1 + CONFIDENCE) / 2)) * float(
        np.sqrt((rest**2).sum() / (len(took) - 2) / spread))
    return 30 * slope, 30 * (slope - about), 30 * (slope + about)
