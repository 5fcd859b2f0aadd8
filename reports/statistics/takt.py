"""Takt: how long a unit takes, and whether that grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
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
    passed = lot.runs.filter(pl.col("verdict") == "pass", pl.col("complete") == 1, pl.col("started").is_not_null())
    began = passed.select("sequence", pl.struct("process", "place").rank("dense").alias("where"), "started",
                          "duration_s")
    stages = lot.stages.join(began, on="sequence", maintain_order="left")
    whole = stages.group_by("sequence", maintain_order=True).agg(
        pl.col("took_s", "physics_s").sum(), pl.col("where", "started").first())
    others = began.join(whole.select("sequence"), on="sequence", how="anti").with_columns(
        took_s="duration_s", physics_s=0.0)
    columns = ["where", "started", "took_s", "physics_s"]
    units = pl.concat([whole.select(columns), others.select(columns)])
    names = {where: (process, place) for where, process, place in passed.select(
        pl.struct("process", "place").rank("dense").alias("where"), "process", "place").unique().iter_rows()}
    return [*_takts(units.with_columns(pl.lit("", pl.Categorical).alias("stage")), names), *_takts(stages, names)]


def _takts(rows: pl.DataFrame, names: Mapping[int, tuple[str, str]]) -> Iterator[Takt]:
    parts = rows.filter(pl.col("took_s").is_finite()).partition_by("where", "stage", as_dict=True)
    for (where, stage), part in parts.items():
        points = _points(part)
        yield Takt(*names[where], str(stage), len(part), float(np.median(part["took_s"])),
                   float(np.median(part["physics_s"])), drift(points), tuple(
                       (moment.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00"), took)
                       for moment, took in points.select("started", "took_s").iter_rows()))


def _points(part: pl.DataFrame) -> pl.DataFrame:
    days = part.group_by(pl.col("started").dt.truncate("1d")).agg(pl.col("took_s").median()).sort("started")
    return days if len(days) >= DAYS else part.select("started", "took_s").sort("started")


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
