"""Takt: how long a unit takes, and whether that grows."""

from __future__ import annotations

from collections.abc import Iterator
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
    began = lot.runs.filter(pl.col("verdict") == "pass", pl.col("complete") == 1).select(
        "sequence", "process", "place", "started", "duration_s")
    stages = lot.stages.join(began, on="sequence", maintain_order="left")
    whole = stages.group_by("sequence", maintain_order=True).agg(
        pl.col("took_s").sum(), pl.col("physics_s").sum(), pl.col("process", "place", "started").first())
    others = began.join(whole.select("sequence"), on="sequence", how="anti").with_columns(
        took_s="duration_s", physics_s=0.0)
    columns = ["process", "place", "started", "took_s", "physics_s"]
    units = pl.concat([whole.select(columns), others.select(columns)])
    return [*_takts(units.with_columns(stage=pl.lit(""))), *_takts(stages)]


def _takts(rows: pl.DataFrame) -> Iterator[Takt]:
    known = rows.filter(pl.col("started").is_not_null(), pl.col("took_s").is_finite())
    for (process, place, stage), group in known.group_by("process", "place", "stage", maintain_order=True):
        points = _points(group)
        yield Takt(str(process), str(place), str(stage), len(group), float(np.median(group["took_s"])),
                   float(np.median(group["physics_s"])), drift(points), tuple(
                       (moment.strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00"), took)
                       for moment, took in points.select("started", "took_s").iter_rows()))


def _points(group: pl.DataFrame) -> pl.DataFrame:
    days = group.group_by(pl.col("started").dt.truncate("1d")).agg(pl.col("took_s").median()).sort("started")
    return days if len(days) >= DAYS else group.select("started", "took_s").sort("started")


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
