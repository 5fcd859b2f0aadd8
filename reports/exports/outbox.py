"""What each target has got, and what it has still to get: every run of the store, in order, once.

The ledger itself is what waits: nothing is kept twice, and a target that is away for a month loses nothing. Here stands
what became of each run. It is on the disk before the next one is sent; killed in between, one run is sent again, under
the same id, by which the target knows it.
"""

from __future__ import annotations

import fcntl
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, select

from bench.errors import BenchError
from bench.store.store import Store
from bench.store.tables import LEDGER, RUN
from reports.exports.document import StoredRun
from reports.exports.exporter import TargetAway, TargetUnwell
from reports.exports.targets_file import Target

STUMBLES = 5
"""So often a target may stumble over a run before the next one is tried: takes it that, this one is put aside."""

_BATCH = 100

_TABLES = """
CREATE TABLE IF NOT EXISTS delivery (target TEXT, run_id TEXT, sequence INTEGER, state TEXT, tries INTEGER, told TEXT,
                                     PRIMARY KEY (target, run_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reached (target TEXT PRIMARY KEY, sequence INTEGER, hash TEXT) WITHOUT ROWID;
"""


@dataclass
class Sent:
    """What came of one round. ``refused``: why, by run id; ``away``: why the rest still waits."""

    sent: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    away: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """Of a target: runs that it has, that wait, and that were put aside with the reason of each."""

    sent: int
    waiting: int
    refused: dict[str, str]


class Outbox:
    """Of one ``target``, out of ``store``. Its file is beside the store's anchor."""

    def __init__(self, store: Store, target: Target) -> None:
        if store.simulated is not target.simulated:
            kinds = {True: "simulated", False: "real"}
            raise BenchError(f"target {target.name}", expected=f"{kinds[target.simulated]} runs",
                             seen=f"a store of {kinds[store.simulated]} ones",
                             do="name another store, or write simulated = true if runs on the twin are meant")
        self._store, self._target = store, target
        self._folder = store.address.outside

    def send(self) -> Sent:
        """Send what waits, until all is sent or the target is away. Raises ``BenchError`` where another process is at
        it."""
        done = Sent()
        with self._file() as file:
            stumbled: StoredRun | None = None
            for run in self._due(file, self._from(file)):
                try:
                    self._target.send(run)
                except TargetAway as error:
                    tries = self._note(file, run, "waiting", str(error))
                    if stumbled is None and isinstance(error, TargetUnwell) and tries >= STUMBLES:
                        stumbled, why = run, str(error)
                        continue    # is it the target that is not well, or this one run?
                    done.away = str(error)
                    break
                except BenchError as error:    # refused, or nothing that can be told in this format
                    self._put_aside(file, run, str(error), done)
                else:
                    self._note(file, run, "sent", "")
                    done.sent.append(run.run_id)
                    if stumbled is not None:
                        self._put_aside(file, stumbled, why, done)
                        stumbled = None
                if stumbled is None:
                    self._reach(file, run.sequence)
            if stumbled is not None and not done.away:
                done.away = why
        return done

    def state(self) -> State:
        with self._file() as file:
            refused = dict(file.execute("SELECT run_id, told FROM delivery WHERE target = ? AND state = 'refused' "
                                        "ORDER BY sequence", (self._target.name,)))
            sent = file.execute("SELECT count(*) FROM delivery WHERE target = ? AND state = 'sent'",
                                (self._target.name,)).fetchone()[0]
            return State(sent, sum(1 for _ in self._due(file, self._from(file))), refused)

    def retry(self) -> int:
        """Let wait again what was put aside; how many that are."""
        with self._file() as file, file:
            found = file.execute("DELETE FROM delivery WHERE target = ? AND state = 'refused'", (self._target.name,))
            file.execute("DELETE FROM reached WHERE target = ?", (self._target.name,))
            return found.rowcount

    def _due(self, file: sqlite3.Connection, after: int) -> Iterator[StoredRun]:
        wanted: list[ColumnElement[bool]] = [RUN.c.verdict.in_(self._target.verdicts)]
        if "incomplete" not in self._target.verdicts:
            wanted.append(RUN.c.complete == 1)
        if self._target.since is not None:
            wanted.append(RUN.c.started_at >= self._target.since.isoformat(timespec="seconds"))
        query = select(LEDGER.c.sequence, LEDGER.c.body, RUN.c.run_id).join(
            RUN, RUN.c.sequence == LEDGER.c.sequence).where(*wanted).order_by(LEDGER.c.sequence).limit(_BATCH)
        while True:
            with self._store.reading() as connection:
                rows = connection.execute(query.where(LEDGER.c.sequence > after)).all()
            if not rows:
                return
            for row in rows:
                state = file.execute("SELECT state FROM delivery WHERE target = ? AND run_id = ?",
                                     (self._target.name, row.run_id)).fetchone()
                if state is None or state[0] == "waiting":
                    yield StoredRun.of(row.sequence, row.body)
            after = rows[-1].sequence

    def _from(self, file: sqlite3.Connection) -> int:
        """All up to this entry is done. In a store that was made again it is looked for from the beginning: what was
        sent is known by its run id, and not sent again."""
        row = file.execute("SELECT sequence, hash FROM reached WHERE target = ?", (self._target.name,)).fetchone()
        return row[0] if row is not None and self._hash(row[0]) == row[1] else 0

    def _reach(self, file: sqlite3.Connection, sequence: int) -> None:
        with file:
            file.execute("INSERT OR REPLACE INTO reached VALUES (?, ?, ?)",
                         (self._target.name, sequence, self._hash(sequence)))

    def _hash(self, sequence: int) -> str | None:
        with self._store.reading() as connection:
            found: str | None = connection.execute(select(LEDGER.c.hash).where(LEDGER.c.sequence == sequence)).scalar()
        return found

    def _put_aside(self, file: sqlite3.Connection, run: StoredRun, why: str, done: Sent) -> None:
        self._note(file, run, "refused", why)
        done.refused[run.run_id] = why

    def _note(self, file: sqlite3.Connection, run: StoredRun, state: str, told: str) -> int:
        """What became of ``run``; how often it was tried by now."""
        with file:
            tries = file.execute(
                "INSERT INTO delivery VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET state = excluded.state, "
                "told = excluded.told, tries = tries + 1 RETURNING tries",
                (self._target.name, run.run_id, run.sequence, state, ascii(told)[1:-1])).fetchone()[0]
        return int(tries)

    @contextmanager
    def _file(self) -> Iterator[sqlite3.Connection]:
        """The file, alone: two processes at one target would send everything twice."""
        path = self._folder / "exports.db"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._folder / f"export-{self._target.name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with closing(sqlite3.connect(path, timeout=30)) as file:
                    file.execute("PRAGMA synchronous = FULL")
                    file.executescript(_TABLES)
                    yield file
            finally:
                os.close(descriptor)
        except BlockingIOError as error:
            raise BenchError(f"target {self._target.name}", expected="to be alone", seen="another process that sends",
                             do="let it, or end it") from error
        except (OSError, sqlite3.Error) as error:
            raise BenchError(f"file {path}", expected="to note there what was sent", seen=str(error),
                             do="see to it; nothing is sent that can't be noted") from error


def pauses(chance: random.Random, first_s: float = 1.0, most_s: float = 300.0) -> Iterator[float]:
    """How long to leave a target alone that is away, each time longer; by chance, so that stations which lost it
    together do not come back together."""
    pause_s = first_s
    while True:
        yield pause_s * chance.uniform(0.5, 1.0)
        pause_s = min(2 * pause_s, most_s)


IDLE_S = 10.0
"""How long after all was sent to look for what came since."""


def keep_on(outbox: Outbox, sleep: Callable[[float], object], tell: Callable[[Sent], None],
            chance: random.Random | None = None) -> None:
    """Send for ever; ``tell`` hears of each round in which something happened."""
    waits = pauses(chance or random.Random())
    while True:
        done = outbox.send()
        if done.sent or done.refused or done.away:
            tell(done)
        if not done.away:
            waits = pauses(chance or random.Random())
        sleep(next(waits) if done.away else IDLE_S)
