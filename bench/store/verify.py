"""Whether a store is as it was written: every octet of every entry, all of them, and what is found by them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from bench.errors import BenchError
from bench.store import guards
from bench.store.anchor import Head
from bench.store.canonical import canonical, link
from bench.store.rows import Row, rows_of
from bench.store.store import BATCH, head_of
from bench.store.tables import LEDGER, SEARCHED, STORE


@dataclass
class Report:
    """``findings``: what is wrong, as sentences. ``notes``: what was done to the store openly. ``vouched``: whether
    anything outside of the store says how far it went."""

    entries: int = 0
    runs: int = 0
    head: Head | None = None
    vouched: bool = False
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"entries": self.entries, "runs": self.runs, "head": str(self.head) if self.head else None,
                "vouched": self.vouched, "findings": self.findings, "notes": self.notes}


def verify(connection: Connection, known: Sequence[Head]) -> Report:
    """Look at all of the store. ``known``: entries that somebody outside of it has written down."""
    report = Report(vouched=bool(known))
    try:
        _look(connection, {head.sequence: head.hash for head in known}, report)
        for head in known:
            if head.sequence > report.entries:
                report.findings.append(f"entry {head.sequence} was stored and is gone: the store ends with "
                                       f"{report.entries}")
    except (DBAPIError, UnicodeError) as error:
        report.findings.append(f"the store can't be read: {ascii(str(getattr(error, 'orig', error)))[1:-1]}")
    return report


def _look(connection: Connection, known: Mapping[int, str], report: Report) -> None:
    report.findings += [f"the guard {name} is gone or another one" for name in guards.missing(connection)]
    if connection.dialect.name == "sqlite":
        report.findings += [f"SQLite: {line}" for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars()
                            if line != "ok"]
    report.head = head_of(connection)[0]
    previous, counted = "", dict.fromkeys([table.name for table in SEARCHED], 0)
    for batch in _batches(connection):
        rows = _rows_of(connection, batch[0].sequence, batch[-1].sequence)
        for entry in batch:
            report.entries += 1
            expected = link(entry.sequence, entry.kind, entry.stored_at, entry.body, entry.prev_hash)
            if entry.sequence != report.entries:
                report.findings.append(f"entry {report.entries} is missing before entry {entry.sequence}")
                report.entries = entry.sequence
            if entry.hash != expected:
                report.findings.append(f"entry {entry.sequence} was altered: its content is not what its hash says")
            elif entry.prev_hash != previous:
                report.findings.append(f"entry {entry.sequence} does not follow on the one before it")
            if known.get(entry.sequence, entry.hash) != entry.hash:
                report.findings.append(f"entry {entry.sequence} is not the one that was stored: the chain was made "
                                       "again")
            previous = entry.hash
            _look_at(connection, entry, rows.get(entry.sequence, {}), counted, report)
    for table in SEARCHED:
        there = connection.execute(select(func.count()).select_from(table)).scalar_one()
        if there > counted[table.name]:
            report.findings.append(f"table {table.name} has {there - counted[table.name]} rows of no entry")


def _look_at(connection: Connection, entry: Any, rows: Mapping[str, list[Row]], counted: dict[str, int],
             report: Report) -> None:
    """One entry's content, against what is kept of it elsewhere."""
    try:
        body = json.loads(entry.body)
        wanted = rows_of(entry.sequence, entry.kind, body)
    except (ValueError, AttributeError, BenchError) as error:
        report.findings.append(f"entry {entry.sequence} can't be read: {ascii(str(error))[1:-1]}")
        return
    if entry.kind == "run":
        report.runs += 1
    elif entry.kind == "created":
        row = connection.execute(select(STORE)).mappings().one_or_none()
        if row is None or {**row} != {"only_one": 1, **body, "simulated": int(body["simulated"])}:
            report.findings.append("the store's own row is not what its first entry says")
    elif entry.kind == "accepted":
        report.notes.append(f"entry {entry.sequence}: {body['by']} has accepted the store as it was on "
                            f"{entry.stored_at}; before, {body['known']} was known")
    for table in SEARCHED:
        name, found, expected = table.name, rows.get(table.name, []), wanted.get(table.name, [])
        counted[name] += len(found)
        if canonical(found) != canonical(expected):
            report.findings.append(f"entry {entry.sequence}: table {name} does not say what its record says")


def _batches(connection: Connection) -> Iterator[Sequence[Any]]:
    last = 0
    while batch := connection.execute(select(LEDGER).where(LEDGER.c.sequence > last).order_by(LEDGER.c.sequence).limit(
            BATCH)).all():
        yield batch
        last = batch[-1].sequence


def _rows_of(connection: Connection, first: int, last: int) -> dict[int, dict[str, list[Row]]]:
    """The rows of each run between two entries, by table."""
    found: dict[int, dict[str, list[Row]]] = {}
    for table in SEARCHED:
        order = [table.c.sequence, *([table.c.number] if "number" in table.c else [])]
        for row in connection.execute(select(table).where(table.c.sequence.between(first, last)).order_by(*order)
                                      ).mappings():
            found.setdefault(row["sequence"], {}).setdefault(table.name, []).append(dict(row))
    return found
