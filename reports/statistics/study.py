"""A gauge study out of a store: the runs of a process that was named for it, each unit several times at each place."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from sqlalchemy import Connection

from bench.errors import BenchError
from bench.store.tables import RUN
from reports.statistics.gauge import Gauge, gauge
from reports.statistics.lot import JUDGED, read_measured, read_runs


@dataclass(frozen=True, slots=True)
class Study:
    """Of one measurement. ``why_not``: the sentence that stands in place of ``gauge``."""

    name: str
    unit: str
    units: int
    places: int
    repeats: int
    gauge: Gauge | None = None
    why_not: str = ""


def study(connection: Connection, process: str) -> list[Study]:
    """The study that the runs of ``process`` are, for each measurement by its name: all attempts, passed and failed.
    Raises ``BenchError`` where there is no such run."""
    runs = read_runs(connection, RUN.c.process == process, RUN.c.verdict.in_(JUDGED), RUN.c.complete == 1)
    if runs.is_empty():
        raise BenchError(f"study {process}", expected="complete runs of that process", seen="none",
                         do="run each unit at each place with --job process=" + process)
    rows = read_measured(connection, RUN.c.process == process).join(
        runs.select("sequence", "place", of="unit"), on="sequence", maintain_order="left")
    # A run that measures something several times tells of it by its first value.
    rows = rows.unique(["sequence", "name"], keep="first", maintain_order=True)
    return [_study(str(name), group) for (name,), group in sorted(rows.group_by("name"), key=lambda one: str(one[0]))]


def _study(name: str, rows: pl.DataFrame) -> Study:
    counts = rows.group_by("of", "place").len().sort("of", "place")
    units, places, repeats = rows["of"].n_unique(), rows["place"].n_unique(), int(counts["len"].max() or 0)  # type: ignore[arg-type]
    head = (name, rows["unit"][-1], units, places, repeats)
    few = counts.filter(pl.col("len") < repeats)
    if len(counts) < units * places:
        return Study(*head, why_not=f"{units * places - len(counts)} of {units * places} pairs of a unit and a place "
                                    "have no value")
    if not few.is_empty():
        return Study(*head, why_not=f"unit {few['of'][0]} at {few['place'][0]} has {few['len'][0]} values, others "
                                    f"{repeats}")
    table = rows.sort("of", "place", "sequence")["value"].fill_null(float("nan")).to_numpy()
    low, high = rows["low"][-1], rows["high"][-1]
    try:
        return Study(*head, gauge(table.reshape(units, places, repeats),
                                  tolerance=None if low is None or high is None or high <= low else high - low))
    except BenchError as error:
        return Study(*head, why_not=f"expected {error.expected}, saw {error.seen}")
