"""Backups are taken while the line runs, and are whole or refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from records import HOSTILE, body
from sqlalchemy import select
from test_store import found, verified
from test_store_endings import start

from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.backup import back_up, restore
from bench.store.deposit import Depot
from bench.store.store import Store
from bench.store.tables import LEDGER, SEARCHED


def contents(depot: Depot) -> list[object]:
    with depot.open().reading() as connection:
        return [connection.execute(select(table).order_by(*table.primary_key.columns)).all()
                for table in (LEDGER, *SEARCHED)]


def test_a_backup_becomes_a_store_of_either_kind(depot: Depot, tmp_path: Path, postgres: object) -> None:
    for number, text in enumerate(HOSTILE):
        depot.deposit(body(number, "fail", station=text))
    head = back_up(depot.open(), tmp_path / "backup")
    for number, url in enumerate((str(tmp_path / "again.db"), postgres.database())):    # type: ignore[attr-defined]
        other = Depot(StoreAddress.of(url, tmp_path / f"other{number}"))
        assert restore(tmp_path / "backup", other.address) == head
        assert other.accept(Store(other.address)) == head
        assert contents(other) == contents(depot)
        assert verified(other).findings == []
        assert [one.attempt for one in other.deposit(body(0, "pass", "next")).stored] == [2]
        with pytest.raises(BenchError, match="expected none yet, saw one"):
            restore(tmp_path / "backup", other.address)


def test_a_backup_is_taken_while_others_store(depot: Depot, tmp_path: Path) -> None:
    writer = start(depot, "run", 20)
    assert writer.stdout is not None
    writer.stdout.readline()
    heads = [back_up(depot.open(), tmp_path / f"backup{number}") for number in range(3)]
    assert len(writer.stdout.read().split()) == 19
    assert writer.wait() == 0
    for number, head in enumerate(heads):
        other = Depot(StoreAddress.of(str(tmp_path / f"{number}.db"), tmp_path / f"{number}"))
        assert restore(tmp_path / f"backup{number}", other.address) == head
        other.accept(Store(other.address))
        assert (verified(other).findings, verified(other).entries) == ([], head.sequence)


def test_what_was_stored_after_the_backup_is_added_again_and_told(tmp_path: Path, depot: Depot) -> None:
    depot.deposit(body(1))
    back_up(depot.open(), tmp_path / "backup")
    depot.deposit(body(2))
    anew = Depot(StoreAddress.of(str(tmp_path / "anew.db"), depot.address.outside))
    restore(tmp_path / "backup", anew.address)
    assert "was stored and is gone" not in str(anew.flush().away), "nothing waits yet"
    anew.accept(Store(anew.address))
    anew.deposit(body(2))
    report = verified(anew)
    assert (report.findings, report.runs, len(report.notes)) == ([], 2, 1)
    assert [row["run_id"] for row in found(anew)] == ["run-2", "run-1"]


@pytest.mark.parametrize("spoil", ["cut", "lines", "entry", "no gzip", "empty"])
def test_a_backup_that_is_not_as_it_was_written_is_refused(depot: Depot, tmp_path: Path, spoil: str) -> None:
    for number in range(3):
        depot.deposit(body(number))
    path = tmp_path / "backup"
    back_up(depot.open(), path)
    with pytest.raises(BenchError, match="a file of that name"):
        back_up(depot.open(), path)
    whole = path.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    entry = json.loads(lines[2])
    entry["body"] = entry["body"].replace("pass", "fail")
    path.write_bytes({
        "cut": whole[:-30], "lines": gzip.compress(b"".join(lines[:2] + lines[3:])), "no gzip": b"something else",
        "entry": gzip.compress(b"".join([*lines[:2], json.dumps(entry).encode() + b"\n", *lines[3:]])),
        "empty": gzip.compress(b"")}[spoil])
    other = StoreAddress.of(str(tmp_path / "other.db"), tmp_path / "other")
    with pytest.raises(BenchError, match=r"expected entry \d as it was written"):
        restore(path, other)
    with pytest.raises(BenchError, match=r"expected (the file|revision v3), saw"):
        Store(other)
