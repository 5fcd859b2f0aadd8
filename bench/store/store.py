"""A store, opened: what it is, and how an entry gets into its ledger."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, inspect, select, text

from bench.errors import BenchError
from bench.measure import Verdict
from bench.store import engine as engines
from bench.store import guards
from bench.store.address import StoreAddress
from bench.store.anchor import Head
from bench.store.canonical import canonical, digest, link
from bench.store.errors import StoreRefuses
from bench.store.rows import Row, no_run, process_of, refuse_false_pass, rows_of, run_of, searchable, unit_of
from bench.store.tables import EVENT, LEDGER, REVISION, RUN, SEARCHED, STORE

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
        already, with the same content, is left as it is."""
        with no_run(body):
            record = body["record"]
            refuse_false_pass(record)
        self.refuse_other_kind(simulated=record["simulated"] is True or bool(record.get("defects")))
        with self.writing() as connection:
            there = connection.execute(select(RUN, LEDGER.c.hash).join(LEDGER).where(
                RUN.c.run_id == searchable(body["run_id"]))).one_or_none()
            if there is None:
                return _add_run(connection, body, self._now())
        if there.record_sha256 != digest(canonical(record)):
            raise StoreRefuses(f"run {body['run_id']}", expected="the record that is stored", seen="another one",
                               do="look for who has changed record.json")
        return Stored(Head(there.sequence, there.hash), there.run_id, there.unit_serial, Verdict(there.verdict),
                      there.attempt, is_new=False)

    def add_event(self, kind: str, body: Mapping[str, Any]) -> Head:
        """Add what is no run: ``who`` did ``what`` and ``why``. One that is there already (``event_id``) is left as it
        is."""
        with self.writing() as connection:
            there = connection.execute(select(EVENT.c.sequence, LEDGER.c.hash).join(LEDGER).where(
                EVENT.c.event_id == searchable(body.get("event_id", "")))).one_or_none()
            if there is not None:
                return Head(there.sequence, there.hash)
            return _add_event(connection, kind, body, self._now())


def create(address: StoreAddress, *, simulated: bool, now: Callable[[], datetime] = utc_now) -> Store:
    """Make a store of either kind. Raises ``BenchError`` where there is one."""
    with emptied(address) as connection:
        what = {"id": str(uuid.uuid4()), "simulated": simulated, "created": _text(now())}
        begin(connection, what)
        _add_event(connection, "created", what, now())
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


def append(connection: Connection, kind: str, body: str, moment: datetime) -> tuple[Head, float]:
    """Add an entry behind the newest one; by how many seconds ``moment`` is before that one's time."""
    last, before = head_of(connection)
    now = _text(moment)
    found = link(last.sequence + 1, kind, now, body, last.hash)
    connection.execute(insert(LEDGER), {"sequence": last.sequence + 1, "kind": kind, "stored_at": now, "body": body,
                                        "prev_hash": last.hash, "hash": found})
    back = (datetime.fromisoformat(before) - datetime.fromisoformat(now)).total_seconds() if before else 0.0
    return Head(last.sequence + 1, found), max(0.0, back)


def add_rows(connection: Connection, runs: Sequence[Mapping[str, Sequence[Row]]]) -> None:
    """Add what runs are found by. A run has a hundred rows: they go to the driver as they are, in half the time."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    for table in SEARCHED:
        names = [column.name for column in table.columns]
        rows = [tuple(row[name] for name in names) for run in runs for row in run.get(table.name, ())]
        if rows:
            connection.exec_driver_sql(f"INSERT INTO {table.name} ({', '.join(names)}) "
                                       f"VALUES ({', '.join([mark] * len(names))})", rows)


def _add_event(connection: Connection, kind: str, body: Mapping[str, Any], moment: datetime) -> Head:
    head = append(connection, kind, canonical(body), moment)[0]
    add_rows(connection, [rows_of(head.sequence, kind, body)])
    return head


def _add_run(connection: Connection, body: Mapping[str, Any], moment: datetime) -> Stored:
    record = body["record"]
    unit, process = unit_of(record), process_of(record)
    # What was judged counts as an attempt; one that the bench has spoilt is made again under the same number.
    judged = connection.execute(select(RUN.c.run_id).where(
        RUN.c.unit_serial == unit, RUN.c.process == process, RUN.c.complete == 1,
        RUN.c.verdict.in_((Verdict.PASS, Verdict.FAIL))).order_by(RUN.c.sequence)).scalars().all() if unit else []
    whole = {**body, "attempt": len(judged) + 1, "retest_of": judged[-1] if judged else ""}
    head, clock_back_s = append(connection, "run", canonical(whole), moment)
    rows = run_of(head.sequence, whole)
    add_rows(connection, [rows])
    return Stored(head, rows["run"][0]["run_id"], unit, Verdict(record["verdict"]), len(judged) + 1, True, clock_back_s)


def _kind(simulated: bool) -> str:
    return "simulated" if simulated else "real"


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
