"""Whoever alters a store by hand, guards taken down, is found out: any octet, any row, its end, all of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import HOSTILE, body
from sqlalchemy import Connection, select, text

from bench.errors import BenchError
from bench.store import guards
from bench.store.address import StoreAddress
from bench.store.anchor import Head
from bench.store.canonical import link
from bench.store.deposit import Depot
from bench.store.search import show
from bench.store.store import Store, create
from bench.store.tables import LEDGER, RUN, SEARCHED, STORE
from bench.store.verify import Report, verify

TABLES = {table.name: table for table in (STORE, LEDGER, *SEARCHED)}

many = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


class _Undone(Exception):  # noqa: N818 - nothing is wrong
    pass


@contextmanager
def tampering(store: Store) -> Iterator[Connection]:
    """A transaction that never was: guards are down, and put up again before anybody looks."""
    try:
        with store.writing() as connection:
            guards.take_down(connection)
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON" if connection.dialect.name == "sqlite" else
                                       "SET session_replication_role = replica")
            yield connection
            raise _Undone
    except _Undone:
        pass


def look(connection: Connection, known: list[Head]) -> Report:
    guards.put_up(connection)
    return verify(connection, known)


@pytest.fixture
def full(depot: Depot) -> Depot:
    for number, verdict in enumerate(("pass", "fail", "error", "incomplete", "pass"), start=1):
        depot.deposit(body(number, verdict, station=HOSTILE[number], job={"work_order": "W17"}))
    assert whole(depot).findings == []
    return depot


def whole(depot: Depot) -> Report:
    anchor = depot.anchor.read()
    assert anchor is not None
    with depot.open().reading() as connection:
        return verify(connection, [anchor])


def altered(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """``value`` with one thing about it changed."""
    if value is None:
        return draw(st.sampled_from([0, 1]))
    if isinstance(value, str):
        place = draw(st.integers(0, max(len(value) - 1, 0)))
        letter = draw(st.characters(min_codepoint=1, max_codepoint=0x2FF, exclude_characters=value[place:place + 1]))
        return value[:place] + letter + value[place + 1:]
    return draw(st.sampled_from([value + 1, value - 1, -value - 1, value * 2 + 1]))


@many
@given(data=st.data())
def test_any_altered_value_is_found(full: Depot, data: st.DataObject) -> None:
    with tampering(full.open()) as connection:
        table = TABLES[data.draw(st.sampled_from(sorted(TABLES)))]
        rows = connection.execute(select(table).order_by(*table.primary_key.columns)).mappings().all()
        row = rows[data.draw(st.integers(0, len(rows) - 1))]
        column = data.draw(st.sampled_from([name for name in row if name != "only_one"]))
        value = altered(row[column], data.draw)
        here = " AND ".join(f"{key.name} = :key_{key.name}" for key in table.primary_key.columns)
        keys = {f"key_{key.name}": row[key.name] for key in table.primary_key.columns}
        connection.exec_driver_sql("SAVEPOINT tried")
        try:
            changed = connection.execute(text(f"UPDATE {table.name} SET {column} = :value WHERE {here}"),
                                         {"value": value, **keys})
        except Exception:    # the database itself does not let it: a key that is taken, a check, a type
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT tried")
            return
        assert changed.rowcount == 1
        report = look(connection, [])
        assert report.findings, f"{table.name}.{column}: {row[column]!r} became {value!r}"


@many
@given(data=st.data())
def test_any_removed_or_added_row_is_found(full: Depot, data: st.DataObject) -> None:
    with tampering(full.open()) as connection:
        table = TABLES[data.draw(st.sampled_from(sorted(TABLES.keys() - {"ledger"})))]
        sequence, here = ("only_one", 1) if table is STORE else ("sequence", data.draw(st.integers(2, 6)))
        if table is STORE or data.draw(st.booleans()):
            done = connection.execute(text(f"DELETE FROM {table.name} WHERE {sequence} = {here}"))
        else:
            names = ", ".join(column.name for column in table.columns)
            other = names.replace("sequence", str(data.draw(st.sampled_from([1, 7, 1000]))), 1).replace(
                "run_id", "'another'", 1)
            done = connection.execute(text(
                f"INSERT INTO {table.name} ({names}) SELECT {other} FROM {table.name} WHERE sequence = {here}"))
        if done.rowcount:
            assert look(connection, []).findings


@many
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_altered_octet_of_the_file_is_found_or_changes_nothing(
        seen_file: tuple[Path, list[Any]], tmp_path_factory: pytest.TempPathFactory, place: float, flip: int) -> None:
    """There are octets in an SQLite file that mean nothing: free space, and counters that any writer renews."""
    original, content = seen_file
    copy = tmp_path_factory.mktemp("copy") / "records.db"
    shutil.copy(original, copy)
    with copy.open("r+b") as file:
        file.seek(int(place * copy.stat().st_size))
        octet = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([octet ^ flip]))
    try:
        with Store(StoreAddress.of(str(copy), copy.parent)).reading() as connection:
            if verify(connection, []).findings:
                return
            now = [connection.execute(select(table)).all() for table in TABLES.values()]
    except BenchError:
        return
    assert now == content


@pytest.fixture(scope="module")
def seen_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    folder = tmp_path_factory.mktemp("seen")
    depot = Depot(StoreAddress.of(str(folder / "records.db"), folder))
    depot.accept(create(depot.address, simulated=False))
    for number in range(1, 4):
        depot.deposit(body(number))
    with depot.open().reading() as connection:
        content = [connection.execute(select(table)).all() for table in TABLES.values()]
    depot.open().engine.dispose()
    with sqlite3.connect(folder / "records.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "records.db", content


def test_removed_last_records_are_found_by_the_anchor(full: Depot) -> None:
    anchor = full.anchor.read()
    assert anchor is not None
    with tampering(full.open()) as connection:
        for table in reversed(TABLES.values()):
            if table is not STORE:
                connection.execute(text(f"DELETE FROM {table.name} WHERE sequence > 4"))
        assert look(connection, []).findings == [], "in itself it is whole"
        assert verify(connection, [anchor]).findings == [
            "entry 6 was stored and is gone: the store ends with 4"]


def test_a_chain_that_was_made_again_is_found_by_the_anchor(full: Depot) -> None:
    anchor = full.anchor.read()
    assert anchor is not None
    with tampering(full.open()) as connection:
        connection.execute(text("UPDATE ledger SET body = replace(body, 'W17', 'W18')"))
        connection.execute(text("UPDATE run SET work_order = 'W18' WHERE work_order = 'W17'"))
        last = ""
        for entry in connection.execute(select(LEDGER).order_by(LEDGER.c.sequence)).all():
            made = link(entry.sequence, entry.kind, entry.stored_at, entry.body, last)
            connection.execute(LEDGER.update().where(LEDGER.c.sequence == entry.sequence).values(
                prev_hash=last, hash=made))
            last = made
        findings = look(connection, []).findings
        assert all("table run does not say" in one for one in findings), "but for the record's own hash"
        assert "entry 6 is not the one that was stored: the chain was made again" in verify(
            connection, [anchor]).findings


def test_nothing_more_is_stored_into_a_store_that_is_not_the_one_that_was_known(full: Depot, tmp_path: Path) -> None:
    other = Depot(StoreAddress.of(str(tmp_path / "other.db"), full.address.outside))
    create(other.address, simulated=False)
    assert "expected entry 6 as it was stored from here, saw none" in other.deposit(body(7)).away
    head = other.accept(Store(other.address))
    assert head.sequence == 2
    assert [one.run_id for one in other.flush().stored] == ["run-7"]
    report = whole(other)
    assert report.findings == []
    assert "has accepted the store as it was" in report.notes[0]


def test_a_guard_that_is_gone_is_found(full: Depot) -> None:
    with tampering(full.open()) as connection:
        assert len(verify(connection, []).findings) >= 14
        connection.execute(text("SELECT 1"))


def test_an_entry_of_no_known_kind_is_kept(full: Depot) -> None:
    """What a newer bench may write down."""
    full.open().add_event("note", {"text": "a shift began"})
    assert whole(full).findings == []
    with full.open().reading() as connection:
        assert show(connection, "run-1")["run_id"] == "run-1"
        assert connection.execute(select(RUN)).first() is not None
