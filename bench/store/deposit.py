"""The way of a record into a store: spool, store, anchor, and only then off the spool. Each is on the disk before the
next one is, which costs that three flushes.

Killed anywhere in between, the next one goes on: a run that is in the store is not put in again, and what is in the
store but not vouched for is still in the spool.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import BenchError
from bench.manifest import operator
from bench.store.address import StoreAddress
from bench.store.anchor import Anchor, Head
from bench.store.canonical import canonical, digest
from bench.store.errors import StoreAway, StoreRefuses
from bench.store.spool import Spool
from bench.store.store import BATCH, Entry, Store, Stored, head_of, run_entry, utc_now


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
        store = self._reach()
        with store.reading() as connection:
            store.refuse_another(connection, self.anchor.read())
        return store

    def _reach(self) -> Store:
        self._store = self._store or Store(self.address, self._now)
        return self._store

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
        return self._put(body)

    def note(self, kind: str, body: Mapping[str, Any]) -> Flushed:
        """Store what is no run: ``who`` did ``what`` and ``why`` (``role``, ``place``, ``unit``: where that says more).
        It waits like a run where the store is away. Raises ``BenchError`` when not even the spool has room for it."""
        return self._put({"event_id": str(uuid.uuid4()), **body, "event": kind})

    def add(self, bodies: Iterable[Mapping[str, Any]]) -> Flushed:
        """Store many runs that are on the disk already, in their directories: they wait nowhere else unless the store
        is away. Raises ``BenchError`` when the spool has no room for them then."""
        done = self.flush()
        for batch in _batches(bodies):
            if not done.away:
                read = ((None, self._read(None, body, done)) for body in batch)
                with self._told(done):
                    self._store_all([(path, entry) for path, entry in read if entry is not None], done)
            if done.away:
                for body in batch:
                    self.spool.put(body)
        return done

    def flush(self) -> Flushed:
        """Store what waits."""
        done = Flushed()
        with self._told(done):
            self.spool.adopt()
            for paths in _batches(self.spool.waiting()):
                read = ((path, self._read(path, None, done)) for path in paths)
                self._store_all([(path, entry) for path, entry in read if entry is not None], done)
                if done.away:
                    break
        return done

    def _put(self, body: Mapping[str, Any]) -> Flushed:
        """Keep ``body``, store what has waited longer, then store it."""
        try:
            entry = _entry(body)
        except (StoreRefuses, ValueError):
            self.spool.put(body)    # kept, for flush to put aside
            return self.flush()
        text = entry.text(**({"event": entry.kind} if entry.kind != "run" else {}))
        slot = self.spool.begin(text)
        done = self.flush()
        if not done.away:
            with self._told(done):
                self._store_all([(None, entry)], done, slot.wait)
        name = str(body.get("run_id") or body.get("event_id"))
        if done.away or name in done.refused:
            path = self.spool.put_text(text)
            if name in done.refused:
                self.spool.refuse(path, done.refused[name])
        slot.clear()
        return done

    @contextmanager
    def _told(self, done: Flushed) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            done.away = str(StoreAway(f"folder {self.address.outside}", expected="to read and write it",
                                      seen=str(error), do="see to it, then mcm-bench records flush"))

    def _read(self, path: Path | None, body: Mapping[str, Any] | None, done: Flushed) -> Entry | None:
        """What waits at ``path``, or ``body``; None for what another process has stored meanwhile, and for what is no
        record: that is put aside."""
        try:
            if path is not None:
                body = self.spool.read(path)
            return _entry(body) if body is not None else None
        except (StoreRefuses, ValueError) as error:
            self._refuse(path, body, str(error), done)
            return None

    def _store_all(self, entries: Sequence[tuple[Path | None, Entry]], done: Flushed,
                   before: Callable[[], None] = lambda: None) -> None:
        """Store a batch: one transaction, then one move of the anchor, and only then off the spool. ``before``: what
        must be on the disk before."""
        if not entries:
            return
        try:
            added = self._reach().add([entry for _, entry in entries], self.anchor.read(), before=before)
        except BenchError as error:
            done.away = str(error)
            return
        heads = [one.head for one in added if isinstance(one, Stored)]
        if heads:
            self.anchor.move(max(heads, key=lambda head: head.sequence))
        for (path, entry), one in zip(entries, added, strict=True):
            if isinstance(one, StoreRefuses):
                self._refuse(path, entry.body, str(one), done)
                continue
            if path is not None:
                path.unlink(missing_ok=True)
            if entry.kind == "run":
                done.stored.append(one)

    def _refuse(self, path: Path | None, body: Mapping[str, Any] | None, reason: str, done: Flushed) -> None:
        said = body or {}
        name = path.name if path is not None else "without a run_id"
        done.refused[str(said.get("run_id") or said.get("event_id") or name)] = reason
        if path is not None:
            self.spool.refuse(path, reason)


def _entry(body: Mapping[str, Any]) -> Entry:
    """What stands in the spool. Raises ``StoreRefuses``."""
    if "event" not in body:
        return run_entry(body)
    return Entry(str(body["event"]), {name: value for name, value in body.items() if name != "event"})


_One = TypeVar("_One")


def _batches(all_of_them: Iterable[_One]) -> Iterator[list[_One]]:
    rest = iter(all_of_them)
    while batch := list(islice(rest, BATCH)):
        yield batch
