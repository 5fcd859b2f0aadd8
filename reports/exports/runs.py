"""One run out of a store, for who wants a document of it."""

from __future__ import annotations

from bench.store.search import show
from bench.store.store import Store
from reports.exports.document import StoredRun


def run_of(store: Store, which: str) -> StoredRun:
    """The run with that id, or a unit's newest. Raises ``BenchError``."""
    with store.reading() as connection:
        found = show(connection, which)
    kept = ("run_id", "run_dir", "host", "way", "record", "attempt", "retest_of")
    return StoredRun(int(found["sequence"]), {name: found[name] for name in kept if name in found}, found["hash"])
