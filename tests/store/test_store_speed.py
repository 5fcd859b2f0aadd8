"""How fast a store is, printed: records of the size that the line has. With MCM_BENCH_LONG=1 in its long form."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from records import body
from test_store import verified

from bench.store.address import StoreAddress
from bench.store.backup import back_up, restore
from bench.store.deposit import Depot

COUNT = 2000 if os.environ.get("MCM_BENCH_LONG") else 30


def line_record(number: int) -> dict[str, Any]:
    """67 judges, 28 measurements, 12 files: 40 kB."""
    one = body(number)
    kept = one["record"]
    text = "The manual's sentence that is judged, and what the unit was seen to do about it, in a few words. " * 4
    kept["tests"] = [{**kept["tests"][0], "id": f"suites/line/test_led.py::test_{place}", "title": text}
                     for place in range(67)]
    kept["measurements"] = [{**kept["measurements"][0], "name": f"led.hold.{place}"} for place in range(28)]
    kept["artifacts"] *= 12
    return one


def flushes(folder: Path) -> float:
    """How many of them the disk does in a second: the measure of all else here."""
    with (folder / "bare").open("wb", buffering=0) as file:
        began = time.monotonic()
        for _ in range(50):
            file.write(bytes(4096))
            os.fsync(file.fileno())
        return 50 / (time.monotonic() - began)


@contextmanager
def printed(what: str, count: int) -> Iterator[None]:
    began, busy = time.monotonic(), time.process_time()
    yield
    took, busy = time.monotonic() - began, time.process_time() - busy
    print(f"\n{what}: {count / took:.0f}/s ({1000 * busy / count:.1f} ms of processor each)", end="")


def test_speed(depot: Depot, tmp_path: Path) -> None:
    kind = "SQLite" if depot.address.path is not None else "PostgreSQL"
    bodies = [line_record(number) for number in range(COUNT)]
    store = depot.open()
    third = COUNT // 3
    print(f"\na bare flush of 4 kB on this disk: {flushes(tmp_path):.0f}/s", end="")
    with printed(f"{kind}, committed one by one", third):
        for one in bodies[:third]:
            store.add_run(one)
    with printed(f"{kind}, with spool and anchor, as a run stores", third):
        for one in bodies[third:2 * third]:
            depot.deposit(one)
    with printed(f"{kind}, imported", COUNT - 2 * third):
        assert len(depot.add(bodies[2 * third:]).stored) == COUNT - 2 * third
    small = [body(COUNT + number) for number in range(10 * COUNT)]
    with printed(f"{kind}, imported, records of 3 kB", len(small)):
        assert len(depot.add(small).stored) == len(small)
    count = COUNT + len(small)
    with printed(f"{kind}, verified", count):
        assert verified(depot).findings == []
    with printed(f"{kind}, backed up", count):
        head = back_up(store, tmp_path / "backup")
    with printed("into SQLite, restored", count):
        assert restore(tmp_path / "backup", StoreAddress.of(str(tmp_path / "new.db"), tmp_path / "new")) == head
