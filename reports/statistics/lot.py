"""Which runs the figures are of: read from a store, as tables of polars."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from bench.store.rows import searchable
from bench.store.tables import LEDGER, MEASUREMENT, RUN
from bench.verdict import Verdict

JUDGED = (Verdict.PASS.value, Verdict.FAIL.value)
"""The verdicts that say something of a unit."""

Schema = dict[str, Any]

RUNS: Schema = {
    "sequence": pl.Int64, "unit": pl.String, "process": pl.String, "station": pl.String,
    "slot": pl.String, "firmware": pl.String, "started_at": pl.String, "duration_s": pl.Float64, "attempt": pl.Int64,
    "verdict": pl.String, "complete": pl.Int64, "first_fail": pl.String, "work_order": pl.String}

_MEASURED: Schema = {
    "sequence": pl.Int64, "name": pl.String, "value": pl.Float64, "unit": pl.String, "low": pl.Float64,
    "high": pl.Float64, "guard": pl.Float64}

STAGES: Schema = {"sequence": pl.Int64, "stage": pl.Categorical, "took_s": pl.Float64, "physics_s": pl.Float64}

SERIES = ("process", "name", "place", "repeat", "unit", "low", "high")
"""What the values of one series have in common. ``repeat``: which of several values of that name in its run each is,
from 1: a unit is compared with the next unit, never with itself."""


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

    ``runs``: the columns of ``RUNS``, ``place`` (station and slot) and ``started`` (UTC), of those that began in the
    time that was asked for, and of later attempts at the same units. ``measurements``: ``sequence``, ``series``,
    ``day`` and ``value``, of first attempts that judged the unit; each stretch of the ledger has its series one after
    the other. ``series``: the columns of ``SERIES`` for each number of a series; limits are the printed ones, before
    a guard band has come off. ``stages``: of runs of the line that passed.
    """

    simulated: bool
    runs: pl.DataFrame
    measurements: pl.DataFrame
    series: pl.DataFrame
    stages: pl.DataFrame
    question: Question = field(default_factory=Question)

    @cached_property
    def parts(self) -> dict[int, pl.DataFrame]:
        """The measurements of each series, put together of the stretches of its own that ``measurements`` has."""
        at, parts = 0, dict[int, list[pl.DataFrame]]()
        rows = self.measurements.drop("series")
        for length, series in self.measurements["series"].rle().struct.unnest().iter_rows():
            parts.setdefault(series, []).append(rows.slice(at, length))
            at += length
        return {series: pl.concat(part, rechunk=True) for series, part in parts.items()}

    @property
    def processes(self) -> list[str]:
        return sorted(self.runs["process"].unique())


def read(connection: Connection, question: Question, *, simulated: bool) -> Lot:
    """The runs that ``question`` means, straight from the tables: for shifts and weeks."""
    runs = read_runs(connection, *_wanted(question))
    of_time = cohort(runs, question)
    measured = read_measured(connection, RUN.c.attempt == 1, *_wanted(question)).join(
        of_time.select("sequence"), on="sequence", how="semi", maintain_order="left")
    series, measurements = in_series(measured, runs, None)
    return Lot(simulated, of_time, measurements, series, read_stages(connection, *_wanted(question)).join(
        of_time.select("sequence"), on="sequence", how="semi", maintain_order="left"), question)


def _wanted(question: Question) -> list[ColumnElement[bool]]:
    """Without ``until``: a retest counts where the first attempt does, whenever it is made."""
    said = [(RUN.c.process, question.process), (RUN.c.station, question.station),
            (RUN.c.work_order, question.work_order), (RUN.c.fw_version, question.firmware)]
    wanted = [column == searchable(value) for column, value in said if value]
    if question.since is not None:
        wanted.append(RUN.c.started_at >= text_of(question.since))
    return wanted


def is_wanted(question: Question) -> pl.Expr:
    """The same, of runs that are in a table already."""
    said = {"process": question.process, "station": question.station, "work_order": question.work_order,
            "firmware": question.firmware}
    wanted = [pl.col(name) == searchable(value) for name, value in said.items() if value]
    if question.since is not None:
        wanted.append(pl.col("started_at") >= text_of(question.since))
    return pl.all_horizontal(pl.lit(True), *wanted)


def text_of(moment: datetime) -> str:
    """``moment`` as the store writes when a run began."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def read_runs(connection: Connection, *wanted: ColumnElement[bool]) -> pl.DataFrame:
    named = {"unit": "unit_serial", "firmware": "fw_version"}
    columns = [RUN.c[named.get(name, name)] for name in RUNS]
    slot, began = pl.col("slot"), pl.col("started_at").str
    return _frame(connection, select(*columns).where(and_(True, *wanted)).order_by(RUN.c.sequence), RUNS).with_columns(
        pl.when(slot == "").then(pl.col("station")).otherwise(pl.col("station") + ", slot " + slot).alias("place"),
        began.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_zone="UTC", strict=False).alias("started"))


def read_measured(connection: Connection, *wanted: ColumnElement[bool]) -> pl.DataFrame:
    """What was measured in runs that judged the unit, with the limits as they are printed: a unit's lack the guard
    band, which is each instrument's own; what a process is held against does not."""
    columns = [MEASUREMENT.c["guard_band" if name == "guard" else name] for name in _MEASURED]
    rows = _frame(connection, select(*columns).join(RUN, RUN.c.sequence == MEASUREMENT.c.sequence).where(
        RUN.c.complete == 1, RUN.c.verdict.in_(JUDGED), *wanted).order_by(
        MEASUREMENT.c.sequence, MEASUREMENT.c.number), _MEASURED)
    guard = pl.col("guard").fill_null(0.0)
    return rows.with_columns((pl.col("low") - guard).round_sig_figs(9), (pl.col("high") + guard).round_sig_figs(9)
                             ).drop("guard")


def read_stages(connection: Connection, *wanted: ColumnElement[bool]) -> pl.DataFrame:
    """The stages of runs that passed. They are in the ledger only: that part of an entry is read, not all of it."""
    mark, body = '"stages":[', LEDGER.c.body
    place = (func.instr if connection.dialect.name == "sqlite" else func.strpos)(body, mark)
    found = connection.execute(select(RUN.c.sequence, func.substr(body, place, _STAGES)).join(
        LEDGER, LEDGER.c.sequence == RUN.c.sequence).where(
        RUN.c.verdict == Verdict.PASS.value, RUN.c.complete == 1, place > 0, *wanted).order_by(RUN.c.sequence))
    return pl.DataFrame([row for sequence, text in found for row in _stages(sequence, text[len(mark) - 1:])],
                        schema=STAGES, orient="row")


_STAGES = 8000
"""Characters that the stages of a run take at most."""


def _stages(sequence: int, text: str) -> Iterator[tuple[int, str, float, float]]:
    try:
        for stage in json.JSONDecoder().raw_decode(text)[0]:
            yield sequence, searchable(stage["name"]), float(stage["ended_s"]) - float(stage["began_s"]), float(
                stage["physics_s"])
    except (ValueError, KeyError, TypeError):    # not what this bench writes: no stages
        return


def in_series(measured: pl.DataFrame, runs: pl.DataFrame, known: pl.DataFrame | None) -> (
        tuple[pl.DataFrame, pl.DataFrame]):
    """The table of series, those ``known`` before and what came new, and ``measured`` by them."""
    rows = measured.join(runs.select("sequence", "process", "place", pl.col("started").dt.date().alias("day")),
                         on="sequence", how="inner", maintain_order="left").with_columns(
        pl.col("name").cum_count().over("sequence", "name").alias("repeat"))
    seen = rows.select(SERIES).unique(maintain_order=True)
    if known is not None:
        seen = pl.concat([known.select(SERIES), seen]).unique(maintain_order=True)
    series = seen.with_row_index("series")
    return series, rows.join(series, on=SERIES, how="left", nulls_equal=True, maintain_order="left").select(
        "sequence", "series", "day", "value").sort("series", maintain_order=True)


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


def _frame(connection: Connection, query: Select[Any], schema: Schema) -> pl.DataFrame:
    rows: Sequence[Any] = connection.execute(query).all()
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
