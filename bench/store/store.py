"""A store, opened: what it is, and how an entry gets into its ledger."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, insert, inspect, or_, select, text

from bench.errors import BenchError
from bench.store import engine as engines
from bench.store import guards
from bench.store.address import StoreAddress
from bench.store.anchor import Head
from bench.store.canonical import canonical, canonical_with, digest, link
from bench.store.errors import StoreRefuses
from bench.store.rows import Row, no_run, process_of, refuse_false_pass, rows_of, run_of, searchable, unit_of
from bench.store.tables import EVENT, LEDGER, REVISION, RUN, SEARCHED, STORE
from bench.verdict import Verdict

MIGRATIONS = Path(__file__).parent / "migrations"

_OLDER = ("v1", "v2")

BATCH = 200
"""Entries that are worked on at a time: a store is larger than memory."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A run in the store. ``is_new``: it was not there before. ``clock_back_s``: by how much the clock stood before
    the time of the entry before it."""

    head: Head
    run_id: str
    unit: str
    verdict: Verdict
    attempt: int
    is_new: bool
    clock_back_s: float = 0.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """``now`` is the clock by which entries are dated.

    Raises ``StoreAway`` when it can't be reached, and ``BenchError`` when it is no store of this bench's."""

    def __init__(self, address: StoreAddress, now: Callable[[], datetime] = utc_now) -> None:
        self.address = address
        self._now = now
        self.engine = engines.open_engine(address)
        with self.reading() as connection:
            refuse_strange(address, revision_of(connection))
            row = connection.execute(select(STORE.c.id, STORE.c.simulated)).one_or_none()
            if connection.dialect.name == "postgresql" and (
                    connection.exec_driver_sql("SHOW fsync").scalar_one() != "on"):
                raise BenchError(f"store {address}", expected="a server with fsync = on", seen="off",
                                 do="switch it on: without it a power cut loses records")
        if row is None:
            raise BenchError(f"store {address}", expected="a store", seen="one that was never finished",
                             do="make another with mcm-bench records create")
        self.id, self.simulated = str(row.id), bool(row.simulated)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the store as it is now; errors are told in one sentence."""
        with engines.told(self.address), engines.reading(self.engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction in which nobody else writes."""
        with engines.told(self.address), engines.writing(self.engine) as connection:
            yield connection

    def refuse_other_kind(self, *, simulated: bool) -> None:
        """Raises ``StoreRefuses`` for a simulated run where real ones are kept, and the other way round."""
        if simulated != self.simulated:
            raise StoreRefuses(f"store {self.address}", expected=f"{_kind(self.simulated)} runs",
                               seen=f"a {_kind(simulated)} one", do="keep the two in stores of their own")

    def add_run(self, body: Mapping[str, Any]) -> Stored:
        """Add a run: ``run_id``, ``run_dir``, ``record`` and what else says where it came from. One that is there
        already, with the same content, is left as it is. Raises ``StoreRefuses``."""
        (added,) = self.add([run_entry(body)])
        if isinstance(added, StoreRefuses):
            raise added
        return added

    def add_event(self, kind: str, body: Mapping[str, Any]) -> Head:
        """Add what is no run: ``who`` did ``what`` and ``why``. One that is there already (``event_id``) is left as it
        is."""
        (added,) = self.add([Entry(kind, body)])
        if isinstance(added, StoreRefuses):
            raise added
        return added.head

    def add(self, entries: Sequence[Entry], known: Head | None = None, *,
            before: Callable[[], None] = lambda: None) -> list[Stored | StoreRefuses]:
        """Add ``entries`` in one transaction, if the entry ``known`` is still as it was (``refuse_another``): what
        became of each. When this returns they are on the disk; when it raises none is. ``before``: what must be so
        before they are."""
        added: list[Stored | StoreRefuses] = []
        try:
            with self.writing() as connection:
                self.refuse_another(connection, known)
                batch = _Batch(connection, self._now, entries)
                for entry in entries:
                    try:
                        if entry.kind == "run":
                            self.refuse_other_kind(simulated=entry.is_simulated)
                        added.append(batch.add(entry))
                    except StoreRefuses as error:
                        added.append(error)
                batch.write()
                before()
        except StoreRefuses as error:
            if len(entries) > 1:    # which of them it was shows one by one
                return [one for entry in entries for one in self.add([entry], known, before=before)]
            return [error]
        return added

    def refuse_another(self, connection: Connection, known: Head | None) -> None:
        """Raises ``BenchError`` where ``known``, which was stored from here, is not in this store."""
        if known is None:
            return
        found = connection.execute(select(LEDGER.c.hash).where(LEDGER.c.sequence == known.sequence)).scalar()
        if found != known.hash:
            raise BenchError(f"store {self.address}", expected=f"entry {known.sequence} as it was stored from here",
                             seen="another one" if found else "none", do="mcm-bench records verify tells more; if "
                             "it was restored from a backup, mcm-bench records accept")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be added: a run (``run_entry``), or an event of another ``kind``. ``record``: that of a run, spelt."""

    kind: str
    body: Mapping[str, Any]
    record: str = ""

    @property
    def is_simulated(self) -> bool:
        record = self.body["record"]
        return record["simulated"] is True or bool(record.get("defects"))

    def text(self, **more: object) -> str:
        """Its body with ``more`` in it, as it stands in the ledger and in the spool."""
        return canonical_with({**self.body, **more}, **({"record": self.record} if self.record else {}))


def run_entry(body: Mapping[str, Any]) -> Entry:
    """Raises ``StoreRefuses`` for a body that is no run's, or whose pass is none."""
    with no_run(body):
        refuse_false_pass(body["record"])
        searchable(body["run_id"]), unit_of(body["record"]), process_of(body["record"])
        return Entry("run", body, canonical(body["record"]))


def create(address: StoreAddress, *, simulated: bool, now: Callable[[], datetime] = utc_now) -> Store:
    """Make a store of either kind. Raises ``BenchError`` where there is one."""
    with emptied(address) as connection:
        what = {"id": str(uuid.uuid4()), "simulated": simulated, "created": _text(now())}
        begin(connection, what)
        entry = Entry("created", what)
        batch = _Batch(connection, now, [entry])
        batch.add(entry)
        batch.write()
    return Store(address, now)


@contextmanager
def emptied(address: StoreAddress) -> Iterator[Connection]:
    """A transaction for who makes a store: the tables are there, and empty. Raises ``BenchError`` where a store is."""
    engine = engines.open_engine(address, may_create=True)
    with engines.told(address), engines.writing(engine) as connection:
        if revision_of(connection) is None:
            migrate(connection)
        refuse_strange(address, revision_of(connection))
        if connection.execute(select(STORE.c.id)).one_or_none() is not None:
            raise BenchError(f"store {address}", expected="none yet", seen="one", do="use it, or make one elsewhere")
        yield connection


def begin(connection: Connection, what: Mapping[str, Any]) -> None:
    """Write down which store this is; the first entry of its ledger says the same."""
    connection.execute(insert(STORE), {"only_one": 1, **what, "simulated": int(what["simulated"])})


def revision_of(connection: Connection) -> str | None:
    """The newest migration that the store has had; None: no tables at all."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def refuse_strange(address: StoreAddress, revision: str | None) -> None:
    if revision != REVISION:
        raise BenchError(f"store {address}", expected=f"revision {REVISION}",
                         seen="no store" if revision is None else f"revision {ascii(revision)[1:-1]}",
                         do="mcm-bench records create makes a store, mcm-bench records migrate renews an older one; "
                            "for a newer one install a newer bench")


def renew(address: StoreAddress) -> tuple[str, str]:
    """Bring a store of an older bench to this one's form; the revision before and now. Raises ``BenchError``."""
    engine = engines.open_engine(address)
    with engines.told(address), engines.writing(engine) as connection:
        before = revision_of(connection)
        if before in _OLDER:
            migrate(connection)
        refuse_strange(address, revision_of(connection))
    return str(before), REVISION


def migrate(connection: Connection) -> None:
    """Bring the tables to ``REVISION``, and with them what follows from the ledger."""
    guards.take_down(connection)
    alembic(connection, "head")
    for table in reversed(SEARCHED):
        connection.execute(table.delete())
    for batch in connection.execute(
            select(LEDGER.c.sequence, LEDGER.c.kind, LEDGER.c.body).order_by(LEDGER.c.sequence)
            .execution_options(yield_per=BATCH)).partitions():
        add_rows(connection, [rows_of(row.sequence, row.kind, json.loads(row.body)) for row in batch])
    guards.put_up(connection)


def alembic(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def head_of(connection: Connection) -> tuple[Head, str]:
    """The newest entry, and when it was stored."""
    row = connection.execute(select(LEDGER.c.sequence, LEDGER.c.hash, LEDGER.c.stored_at).order_by(
        LEDGER.c.sequence.desc()).limit(1)).one_or_none()
    return (Head(row.sequence, row.hash), row.stored_at) if row is not None else (Head(0, ""), "")


class _Batch:
    """Entries that are added behind the newest one, in one transaction: what the store has of them is asked for all at
    once, and so are their rows added."""

    def __init__(self, connection: Connection, now: Callable[[], datetime], entries: Sequence[Entry]) -> None:
        self._connection = connection
        self._now = now
        self._head, self._stored_at = head_of(connection)
        self._entries: list[Row] = []
        self._rows: list[dict[str, list[Row]]] = []
        runs = [entry.body for entry in entries if entry.kind == "run"]
        self._there = self._stored(RUN.c.run_id, [searchable(body["run_id"]) for body in runs])
        self._there |= self._stored(EVENT.c.event_id, [searchable(entry.body["event_id"]) for entry in entries
                                                       if entry.kind != "run" and "event_id" in entry.body])
        self._judged: dict[tuple[str, str], list[str]] = {}
        units = {unit for body in runs if (unit := unit_of(body["record"]))}
        for row in connection.execute(_JUDGED, {"units": [*units]}) if units else ():
            self._judged.setdefault((row.unit_serial, row.process), []).append(row.run_id)

    def _stored(self, key: Column[Any], names: list[str]) -> dict[str, tuple[Stored, str]]:
        """Runs, or events, that are in the store, with the hash of a run's record."""
        if not names:
            return {}
        if key.table is RUN:
            return {row.run_id: (Stored(Head(row.sequence, row.hash), row.run_id, row.unit_serial, Verdict(row.verdict),
                                        row.attempt, is_new=False), row.record_sha256)
                    for row in self._connection.execute(_STORED_RUNS, {"names": names})}
        return {row.event_id: (_event(Head(row.sequence, row.hash), row.event_id), "")
                for row in self._connection.execute(_STORED_EVENTS, {"names": names})}

    def add(self, entry: Entry) -> Stored:
        """Raises ``StoreRefuses``; then nothing was added."""
        return self._add_run(entry) if entry.kind == "run" else self._add_event(entry)

    def write(self) -> None:
        if self._entries:
            insert_rows(self._connection, LEDGER, self._entries)
            add_rows(self._connection, self._rows)

    def _add_event(self, entry: Entry) -> Stored:
        event_id = searchable(entry.body.get("event_id", ""))
        if event_id in self._there:
            return replace(self._there[event_id][0], is_new=False)
        self._append(entry.kind, entry.text(), rows_of(self._head.sequence + 1, entry.kind, entry.body))
        stored = _event(self._head, event_id)
        if event_id:
            self._there[event_id] = stored, ""
        return stored

    def _add_run(self, entry: Entry) -> Stored:
        body, sha256 = entry.body, digest(entry.record)
        run_id, unit, process = searchable(body["run_id"]), unit_of(body["record"]), process_of(body["record"])
        if run_id in self._there:
            stored, stored_sha256 = self._there[run_id]
            if stored_sha256 != sha256:
                raise StoreRefuses(f"run {body['run_id']}", expected="the record that is stored", seen="another one",
                                   do="look for who has changed record.json")
            return replace(stored, is_new=False, clock_back_s=0.0)
        # What was judged counts as an attempt; one that the bench has spoilt is made again under the same number.
        judged = self._judged.setdefault((unit, process), []) if unit else []
        more = {"attempt": len(judged) + 1, "retest_of": judged[-1] if judged else ""}
        rows = run_of(self._head.sequence + 1, {**body, **more}, sha256)
        clock_back_s = self._append("run", entry.text(**more), rows)
        (run,) = rows["run"]
        if run["complete"] and run["verdict"] in (Verdict.PASS, Verdict.FAIL):
            judged.append(run_id)
        stored = Stored(self._head, run_id, unit, Verdict(run["verdict"]), run["attempt"], True, clock_back_s)
        self._there[run_id] = stored, sha256
        return stored

    def _append(self, kind: str, body: str, rows: dict[str, list[Row]]) -> float:
        """By how many seconds the time of the entry is before that of the one before it."""
        now, before = _text(self._now()), self._stored_at
        sequence = self._head.sequence + 1
        found = link(sequence, kind, now, body, self._head.hash)
        self._entries.append({"sequence": sequence, "kind": kind, "stored_at": now, "body": body,
                              "prev_hash": self._head.hash, "hash": found})
        self._rows.append(rows)
        self._head, self._stored_at = Head(sequence, found), now
        back = (datetime.fromisoformat(before) - datetime.fromisoformat(now)).total_seconds() if before else 0.0
        return max(0.0, back)


_STORED_RUNS = select(RUN.c.sequence, RUN.c.run_id, RUN.c.unit_serial, RUN.c.verdict, RUN.c.attempt,
                      RUN.c.record_sha256, LEDGER.c.hash).join(LEDGER).where(
                          RUN.c.run_id.in_(bindparam("names", expanding=True)))
_STORED_EVENTS = select(EVENT.c.sequence, EVENT.c.event_id, LEDGER.c.hash).join(LEDGER).where(
    EVENT.c.event_id.in_(bindparam("names", expanding=True)))
_JUDGED = select(RUN.c.run_id, RUN.c.unit_serial, RUN.c.process).where(
    RUN.c.unit_serial.in_(bindparam("units", expanding=True)), RUN.c.complete == 1,
    or_(RUN.c.verdict == Verdict.PASS.value, RUN.c.verdict == Verdict.FAIL.value)).order_by(RUN.c.sequence)
"""What counts as an attempt."""


def _event(head: Head, event_id: str) -> Stored:
    return Stored(head, event_id, "", Verdict.SKIPPED, 0, is_new=True)


def add_rows(connection: Connection, entries: Sequence[Mapping[str, Sequence[Row]]]) -> None:
    """Add what entries are found by."""
    for table in SEARCHED:
        insert_rows(connection, table, [row for rows in entries for row in rows.get(table.name, ())])


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """A run has a hundred rows: they go to the driver as they are, to PostgreSQL as one text. The ledger has few, and
    large ones."""
    if not rows:
        return
    is_sqlite = connection.dialect.name == "sqlite"
    if not is_sqlite and table is not LEDGER:
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} SELECT * FROM json_populate_recordset(NULL::{table.name}, %s::json)",
            (json.dumps(rows, allow_nan=False),))
        return
    names = [column.name for column in table.columns]
    marks = ", ".join(["?" if is_sqlite else "%s"] * len(names))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})",
                               [*map(itemgetter(*names), rows)])


def _kind(simulated: bool) -> str:
    return "simulated" if simulated else "real"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
