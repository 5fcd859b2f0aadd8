"""The way of a record into a store: spool, store, anchor, and only then off the spool.

Killed anywhere in between, the next one goes on: a run that is in the store is not put in again, and what is in the
store but not vouched for is still in the spool.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.errors import BenchError
from bench.manifest import operator
from bench.store.address import StoreAddress
from bench.store.anchor import Anchor, Head
from bench.store.canonical import canonical, digest
from bench.store.errors import StoreAway, StoreRefuses
from bench.store.spool import Spool
from bench.store.store import Store, Stored, head_of, utc_now
from bench.store.tables import LEDGER


def body_of(run_dir: Path, record: Mapping[str, Any], way: str) -> dict[str, Any]:
    """What is stored of a run: its record, and where that came from. An older record has no run id: its content is."""
    run_id = record.get("run_id") or str(uuid.uuid5(uuid.NAMESPACE_OID, digest(canonical(record))))
    return {"run_id": run_id, "run_dir": str(run_dir.resolve()), "host": platform.node(), "way": way, "record": record}


@dataclass
class Flushed:
    """What became of what waited: ``refused`` run ids with the reason of each; ``away``: why the rest still waits."""

    stored: list[Stored] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    away: str = ""

    def of(self, run_id: str) -> Stored | None:
        return next((one for one in self.stored if one.run_id == run_id), None)


class Depot:
    """A store with its spool and its anchor. The store itself is opened when it is needed."""

    def __init__(self, address: StoreAddress, now: Callable[[], datetime] = utc_now) -> None:
        self.address = address
        self._now = now
        self.spool = Spool(address.outside / "spool")
        self.anchor = Anchor(address.outside / "anchor.json")
        self._store: Store | None = None

    def open(self) -> Store:
        """The store, if it is the one that was stored into from here. Raises ``BenchError``."""
        store = self._store or Store(self.address, self._now)
        known = self.anchor.read()
        if known is not None:
            with store.reading() as connection:
                found = connection.execute(select(LEDGER.c.hash).where(LEDGER.c.sequence == known.sequence)).scalar()
            if found != known.hash:
                raise BenchError(f"store {self.address}", expected=f"entry {known.sequence} as it was stored from here",
                                 seen="another one" if found else "none", do="mcm-bench records verify tells more; if "
                                 "it was restored from a backup, mcm-bench records accept")
        self._store = store
        return store

    def accept(self, store: Store) -> Head:
        """Vouch for ``store`` as it is, whatever was known before; where it was something else, it stays in there that
        and by whom this was done."""
        known = self.anchor.read()
        with store.reading() as connection:
            head = head_of(connection)[0]
        if known is not None and known != head:
            head = store.add_event("accepted", {"known": str(known), "by": operator()})
        self.anchor.move(head, back=True)
        return head

    def await_run(self, *, simulated: bool) -> str:
        """Raises ``BenchError`` where a run of that kind could not be stored; one that was reached before and is away
        now gives the reason only, for what is to be stored waits."""
        try:
            self.open().refuse_other_kind(simulated=simulated)
        except StoreAway as error:
            if self.anchor.read() is None:
                raise
            return str(error)
        return ""

    def deposit(self, body: Mapping[str, Any]) -> Flushed:
        """Store ``body`` and whatever waits. Raises ``BenchError`` when not even the spool has room for it."""
        self.spool.put(body)
        done = self.flush()
        if not done.away and body["run_id"] not in done.refused and done.of(body["run_id"]) is None:
            done.stored.append(self.open().add_run(body))    # another process has stored it; as what?
        return done

    def note(self, kind: str, body: Mapping[str, Any]) -> Flushed:
        """Store what is no run: ``who`` did ``what`` and ``why`` (``role``, ``place``, ``unit``: where that says more).
        It waits like a run where the store is away. Raises ``BenchError`` when not even the spool has room for it."""
        self.spool.put({"event_id": str(uuid.uuid4()), **body, "event": kind})
        return self.flush()

    def flush(self) -> Flushed:
        """Store what waits."""
        done = Flushed()
        try:
            for path in self.spool.waiting():
                body: dict[str, Any] | None = {}
                try:
                    body = self.spool.read(path)
                    if body is None:
                        continue
                    if "event" in body:
                        kind = str(body.pop("event"))
                        self.anchor.move(self.open().add_event(kind, body))
                        path.unlink(missing_ok=True)
                        continue
                    stored = self.open().add_run(body)
                except (StoreRefuses, ValueError) as error:
                    said = body or {}
                    done.refused[str(said.get("run_id") or said.get("event_id", path.name))] = str(error)
                    self.spool.refuse(path, str(error))
                    continue
                self.anchor.move(stored.head)
                path.unlink(missing_ok=True)
                done.stored.append(stored)
        except BenchError as error:
            done.away = str(error)
        except (OSError, ValueError) as error:
            done.away = str(StoreAway(f"spool {self.spool.folder}", expected="to read and write it", seen=str(error),
                                      do="see to it, then mcm-bench records flush"))
        return done
