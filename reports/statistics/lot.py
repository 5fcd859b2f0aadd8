"""Which runs the figures are of: read from a store, as two tables of polars."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from bench.measure import Verdict
from bench.store.rows import searchable
from bench.store.tables import MEASUREMENT, RUN

JUDGED = (Verdict.PASS.value, Verdict.FAIL.value)
"""The verdicts that say something of a unit."""

RUNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "sequence": pl.Int64, "run_id": pl.String, "unit": pl.String, "process": pl.String, "station": pl.String,
    "slot": pl.String, "firmware": pl.String, "started_at": pl.String, "duration_s": pl.Float64, "attempt": pl.Int64,
    "verdict": pl.String, "complete": pl.Int64, "first_fail": pl.String, "work_order": pl.String}

MEASUREMENTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "sequence": pl.Int64, "name": pl.String, "value": pl.Float64, "unit": pl.String, "low": pl.Float64,
    "high": pl.Float64, "guard": pl.Float64}


@dataclass(frozen=True)
class Question:
    """Which runs are meant; what is empty leaves all. ``since`` (included) and ``until`` (not): when a unit's first
    attempt began. ``process``: the step of production, else each by itself."""

    since: datetime | None = None
    until: datetime | None = None
    process: str = ""
    station: str = ""
    work_order: str = ""
    firmware: str = ""


@dataclass(frozen=True)
class Lot:
    """Runs in the order in which they were stored. All are real, or all are ``simulated``.

    ``runs``: the columns of ``RUNS``, ``place`` (station and slot) and ``started`` (UTC); those that began in the time
    that was asked for, and later attempts at the same units. ``measurements``: those of first attempts that judged the
    unit, with ``process``, ``place`` and ``started`` of their run; ``low`` and ``high`` are the printed limits, before
    a guard band has come off.
    """

    simulated: bool
    runs: pl.DataFrame
    measurements: pl.DataFrame
    question: Question = field(default_factory=Question)

    @property
    def processes(self) -> list[str]:
        return sorted(self.runs["process"].unique())


def read(connection: Connection, question: Question, *, simulated: bool) -> Lot:
    """The runs that ``question`` means, straight from the tables: for shifts and weeks."""
    runs = with_places(_frame(connection, select(*_run_columns()).where(*_wanted(question)).order_by(RUN.c.sequence),
                              RUNS))
    first = select(*_measurement_columns()).join(RUN, RUN.c.sequence == MEASUREMENT.c.sequence).where(
        *_wanted(question), RUN.c.attempt == 1, RUN.c.complete == 1, RUN.c.verdict.in_(JUDGED)).order_by(
        MEASUREMENT.c.sequence, MEASUREMENT.c.number)
    if question.until is not None:
        first = first.where(RUN.c.started_at < text_of(question.until))
    return Lot(simulated, cohort(runs, question),
               with_runs(with_printed_limits(_frame(connection, first, MEASUREMENTS)), runs), question)


def _run_columns() -> list[ColumnElement[Any]]:
    named = {"unit": "unit_serial", "firmware": "fw_version"}
    return [RUN.c[named.get(name, name)].label(name) for name in RUNS]


def _measurement_columns() -> list[ColumnElement[Any]]:
    return [func.coalesce(MEASUREMENT.c.guard_band, 0.0).label("guard") if name == "guard" else MEASUREMENT.c[name]
            for name in MEASUREMENTS]


def _wanted(question: Question) -> list[ColumnElement[bool]]:
    """Without ``until``: a retest counts where the first attempt does, whenever it is made."""
    said = [(RUN.c.process, question.process), (RUN.c.station, question.station),
            (RUN.c.work_order, question.work_order), (RUN.c.fw_version, question.firmware)]
    wanted = [column == searchable(value) for column, value in said if value]
    if question.since is not None:
        wanted.append(RUN.c.started_at >= text_of(question.since))
    return [and_(*wanted)] if wanted else []


def text_of(moment: datetime) -> str:
    """``moment`` as the store writes when a run began."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _frame(connection: Connection, query: Select[Any], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=schema, orient="row")


def with_places(runs: pl.DataFrame) -> pl.DataFrame:
    """``runs`` with the place of each and when it began. A time that is none is null."""
    slot = pl.col("slot")
    return runs.with_columns(
        pl.when(slot == "").then(pl.col("station")).otherwise(pl.col("station") + ", slot " + slot).alias("place"),
        pl.col("started_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_zone="UTC", strict=False).alias("started"))


def with_printed_limits(measurements: pl.DataFrame) -> pl.DataFrame:
    """A unit's limits lack the guard band, which is each instrument's own; what a process is held against does not."""
    low, high, guard = pl.col("low"), pl.col("high"), pl.col("guard")
    return measurements.with_columns((low - guard).round_sig_figs(9), (high + guard).round_sig_figs(9)).drop("guard")


def with_runs(measurements: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    return measurements.join(runs.select("sequence", "process", "place", "started"), on="sequence", how="inner",
                             maintain_order="left")


def cohort(runs: pl.DataFrame, question: Question) -> pl.DataFrame:
    """Of ``runs`` (all since the beginning asked for) those before the end, and later attempts at units that were
    judged for the first time before it."""
    if question.until is None:
        return runs
    inside = runs["started_at"] < text_of(question.until)
    first = runs.filter(inside, pl.col("attempt") == 1, pl.col("verdict").is_in(JUDGED), pl.col("complete") == 1)
    retests = runs.filter(~inside, pl.col("attempt") > 1, pl.col("unit") != "").join(
        first.select("unit", "process"), on=["unit", "process"], how="semi")
    return pl.concat([runs.filter(inside), retests]).sort("sequence")
