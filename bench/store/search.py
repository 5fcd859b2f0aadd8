"""Finding runs in a store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from bench.errors import BenchError
from bench.store.rows import Row, searchable
from bench.store.tables import EVENT, INSTRUMENT, LEDGER, RUN


@dataclass(frozen=True)
class Wanted:
    """Which runs; what is empty leaves all. ``since`` and ``until``: when they were stored, as far as the clocks were
    right. ``instrument``: a serial number. ``partial``: those that were not of their whole profile, too: they count for
    nothing."""

    unit: str = ""
    verdict: str = ""
    profile: str = ""
    station: str = ""
    work_order: str = ""
    instrument: str = ""
    since: datetime | None = None
    until: datetime | None = None
    partial: bool = False


def find(connection: Connection, wanted: Wanted, limit: int) -> list[Row]:
    """The rows of table ``run``, with hash and time of each, newest first."""
    query = select(RUN, LEDGER.c.stored_at, LEDGER.c.hash).join(LEDGER)
    if wanted.unit:
        query = query.where(RUN.c.unit_serial.in_({searchable(wanted.unit), searchable(wanted.unit.upper())}))
    for column, value in ((RUN.c.verdict, wanted.verdict), (RUN.c.kind, wanted.profile),
                          (RUN.c.station, wanted.station), (RUN.c.work_order, wanted.work_order)):
        if value:
            query = query.where(column == searchable(value))
    if wanted.instrument:
        query = query.where(RUN.c.sequence.in_(select(INSTRUMENT.c.sequence).where(
            INSTRUMENT.c.serial == searchable(wanted.instrument))))
    if wanted.since:
        query = query.where(LEDGER.c.stored_at >= _time(wanted.since))
    if wanted.until:
        query = query.where(LEDGER.c.stored_at < _time(wanted.until))
    if not wanted.partial:
        query = query.where(RUN.c.complete == 1)
    return [dict(row) for row in connection.execute(query.order_by(RUN.c.sequence.desc()).limit(limit)).mappings()]


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def show(connection: Connection, which: str) -> Mapping[str, Any]:
    """All that is known of the run with that id, or of a unit's newest run: its row, the evidence that was thinned, its
    record. Raises ``BenchError``."""
    query = select(RUN, LEDGER.c.stored_at, LEDGER.c.prev_hash, LEDGER.c.hash, LEDGER.c.body).join(LEDGER)
    for condition in (RUN.c.run_id == searchable(which),
                      RUN.c.unit_serial.in_({searchable(which), searchable(which.upper())})):
        row = connection.execute(query.where(condition).order_by(RUN.c.sequence.desc()).limit(1)).mappings().first()
        if row is not None:
            body = json.loads(row["body"])
            return {**{name: value for name, value in row.items() if name != "body"},
                    "thinned": thinned(connection).get(row["run_id"], []),
                    **{name: value for name, value in body.items() if name not in row}}
    raise BenchError(f"run {searchable(which)}", expected="one in the store, by its id or its unit", seen="none",
                     do="look with mcm-bench records find")


def thinned(connection: Connection) -> dict[str, list[str]]:
    """The files of evidence that were removed, by run."""
    found: dict[str, list[str]] = {}
    for text in connection.execute(select(LEDGER.c.body).join(EVENT).where(EVENT.c.kind == "thinned")).scalars():
        found |= json.loads(text)["runs"]
    return found
