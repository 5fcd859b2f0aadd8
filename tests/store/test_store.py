"""The store: what goes in, what is refused, and how it is found again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from records import HOSTILE, body, record
from sqlalchemy import Connection, insert
from sqlalchemy.exc import DBAPIError

from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.errors import StoreAway, StoreRefuses
from bench.store.rows import Row, run_of
from bench.store.search import Wanted, find, show
from bench.store.store import Store, append, create, head_of, utc_now
from bench.store.tables import LEDGER, RUN
from bench.store.verify import Report, verify


def verified(depot: Depot) -> Report:
    with depot.open().reading() as connection:
        anchor = depot.anchor.read()
        return verify(connection, [anchor] if anchor else [])


def found(depot: Depot, **wanted: object) -> list[Row]:
    with depot.open().reading() as connection:
        return find(connection, Wanted(**wanted), 100)    # type: ignore[arg-type]


def columns(rows: Sequence[Row], *names: str) -> list[tuple[object, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_each_attempt_is_kept_and_numbered(depot: Depot) -> None:
    for one in (body(1, "fail", "a"), body(2, "pass", "b"), body(1, "error", "c"), body(1, "incomplete", "d"),
                body(1, "pass", "e"), body(1, "pass", "f", job={"process": "final check", "work_order": "W17"})):
        assert depot.deposit(one).of(one["run_id"]) is not None
    rows = columns(found(depot, partial=True), "run_id", "verdict", "attempt", "retest_of", "bin", "process")
    assert rows == [("f", "pass", 1, "", 1, "final check"), ("e", "pass", 2, "a", 2, "line"),
                    ("d", "incomplete", 2, "a", 91, "line"), ("c", "error", 2, "a", 90, "line"),
                    ("b", "pass", 1, "", 1, "line"), ("a", "fail", 1, "", 10, "line")]
    assert verified(depot).findings == []
    assert depot.spool.waiting() == []


def test_a_run_is_stored_once(depot: Depot) -> None:
    first, again = (depot.deposit(body(1)).stored for _ in range(2))
    assert (first[0].is_new, again[0].is_new) == (True, False)
    assert first[0].head == again[0].head
    other = depot.deposit(body(2, run_id="run-1"))
    assert "expected the record that is stored, saw another one" in other.refused["run-1"]
    assert len(found(depot)) == 1


def test_runs_are_found_by_what_operators_ask_for(depot: Depot) -> None:
    for number, verdict in ((1, "pass"), (2, "fail"), (3, "incomplete"), (4, "error")):
        depot.deposit(body(number, verdict, job={"work_order": f"W{number}", "slot": "3"}))
    narrowed = body(5, "fail")
    narrowed["record"]["manifest"]["chosen_by"] = ["profile line", "-k sleep"]
    depot.deposit(narrowed)

    def ids(**wanted: object) -> list[str]:
        return [row["run_id"] for row in found(depot, **wanted)]

    assert ids() == ["run-4", "run-2", "run-1"], "what was not of its whole profile counts for nothing"
    assert ids(partial=True) == ["run-5", "run-4", "run-3", "run-2", "run-1"]
    assert ids(unit="94193a0400000002") == ids(verdict="fail") == ids(work_order="W2") == ["run-2"]
    assert ids(instrument="MY1", profile="line", station="place 1") == ids()
    now = datetime.now(UTC)
    assert ids(since=now - timedelta(hours=1), until=now + timedelta(hours=1)) == ids()
    assert ids(until=now - timedelta(hours=1)) == []
    (failed,) = found(depot, verdict="fail")
    assert (failed["first_fail"], failed["slot"], failed["operator"]) == ("power.sleep.current", "3", "anna@place-1")
    with depot.open().reading() as connection, pytest.raises(BenchError, match="expected one in the store"):
        show(connection, "run-77")


@pytest.mark.parametrize("place", ["unit", "station", "message", "job", "measurement", "test", "instrument"])
def test_hostile_texts_are_kept_as_they_are(depot: Depot, place: str) -> None:
    bodies = []
    for number, text in enumerate(HOSTILE):
        one = body(number, "fail")
        kept = one["record"]
        match place:
            case "job":
                kept["job"] = {"work_order": text, "operator": text}
            case "measurement":
                kept["measurements"][0] |= {"name": text, "unit": text}
            case "test":
                kept["tests"][0] |= {"id": text, "message": text, "requirements": [text]}
            case "instrument":
                kept["manifest"]["instruments"][0] |= {"identity": text, "serial": text}
            case _:
                kept[place] = text
        bodies.append(one)
        assert depot.deposit(one).refused == {}
    with depot.open().reading() as connection:
        for one in bodies:
            assert show(connection, one["run_id"])["record"] == one["record"]
    assert all(value.isprintable() for row in found(depot) for value in row.values() if isinstance(value, str))
    assert verified(depot).findings == []


def test_real_and_simulated_runs_never_share_a_store(address: StoreAddress, depot: Depot) -> None:
    for odd in (body(1, simulated=True), body(2, defects=["sleep-current-high"])):
        assert "expected real runs, saw a simulated one" in depot.deposit(odd).refused[odd["run_id"]]
    with pytest.raises(StoreRefuses, match="expected real runs"):
        depot.await_run(simulated=True)
    with pytest.raises(StoreRefuses, match=r"(?i)foreign key"), depot.open().writing() as connection:
        _insert_run(connection, simulated=1)
    assert verified(depot).runs == 0


def _insert_run(connection: Connection, **odd: object) -> None:
    whole = {**body(9), "attempt": 1, "retest_of": ""}
    head, _ = append(connection, "run", json.dumps(whole), utc_now())
    connection.execute(insert(RUN), [run_of(head.sequence, whole)["run"][0] | odd])


@pytest.mark.parametrize("change", [
    {"message": "the bench failed"}, {"tests": []}, {"manifest": None},
    {"measurements": [{"name": "a", "value": 9.0, "unit": "s", "low": 1, "high": 2, "verdict": "fail", "test": "a"}]}])
def test_a_pass_that_its_tests_do_not_bear_out_is_refused(depot: Depot, change: dict[str, Any]) -> None:
    assert "a pass that its tests don't bear out" in depot.deposit(body(1, **change)).refused["run-1"]
    left_out = body(2)
    left_out["record"]["manifest"]["left_out"] = [{"what": "a", "reason": "b", "requirements": [], "excused": False}]
    assert "a pass that its tests don't bear out" in depot.deposit(left_out).refused["run-2"]


@pytest.mark.parametrize("wrong", [
    {"verdict": "great"}, {"tests": 3}, {"schema": "x"}, {"started": "yesterday"}, {"wall_time_s": None},
    {"measurements": [{}]}])
def test_what_is_no_record_is_put_aside_and_stops_nobody(depot: Depot, wrong: dict[str, object]) -> None:
    odd = body(1, "fail")
    odd["record"] |= wrong
    depot.spool.put(odd)
    done = depot.deposit(body(2))
    assert "expected the record of a run" in done.refused["run-1"]
    assert [one.run_id for one in done.stored] == ["run-2"]
    assert len(list(depot.spool.refused.glob("*.json"))) == 1


@pytest.mark.parametrize("table", ["store", "ledger", "run", "phase", "measurement", "artifact", "instrument"])
def test_nothing_is_changed_or_removed(depot: Depot, table: str) -> None:
    """Not even with REPLACE, by a connection that has set nothing: SQLite asks no delete trigger then."""
    depot.deposit(body(1))
    is_file = depot.address.path is not None
    statements = [f"UPDATE {table} SET {'created' if table == 'store' else 'sequence'} = '5'", f"DELETE FROM {table}",
                  f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}" if is_file else f"TRUNCATE {table} CASCADE"]
    for statement in statements:
        with depot.open().engine.connect() as connection:
            if is_file:
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA recursive_triggers = OFF")
                connection.exec_driver_sql("BEGIN")
            with pytest.raises(DBAPIError, match="records can only be added"):
                connection.exec_driver_sql(statement)
    assert verified(depot).findings == []


def test_the_ledger_takes_the_next_entry_only(depot: Depot) -> None:
    depot.deposit(body(1))
    with depot.open().reading() as connection:
        head = head_of(connection)[0]
    for sequence, prev_hash in ((head.sequence + 2, head.hash), (head.sequence + 1, "0" * 64)):
        with pytest.raises(DBAPIError, match="records can only be added"), depot.open().engine.begin() as connection:
            connection.execute(insert(LEDGER), {"sequence": sequence, "kind": "run", "stored_at": "", "body": "{}",
                                                "prev_hash": prev_hash, "hash": "1" * 64})


def test_a_clock_that_was_set_back_is_told_and_loses_nothing(depot: Depot) -> None:
    ahead = Depot(depot.address, lambda: datetime.now(UTC) + timedelta(days=1))
    ahead.deposit(body(1))
    (stored,) = depot.deposit(body(2)).stored
    assert 86000 < stored.clock_back_s < 86500
    assert verified(depot).findings == []
    assert columns(found(depot), "run_id") == [("run-2",), ("run-1",)]


def test_a_store_that_is_not_there_is_not_made_by_storing(address: StoreAddress) -> None:
    depot = Depot(address)
    with pytest.raises(BenchError, match=r"expected (the file|revision v3), saw (none|no store)"):
        depot.await_run(simulated=False)
    assert depot.deposit(body(1)).away
    depot.accept(create(address, simulated=False))
    with pytest.raises(BenchError, match="expected none yet, saw one"):
        create(address, simulated=True)
    assert [one.run_id for one in depot.flush().stored] == ["run-1"]


def test_a_file_that_is_no_store_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"something else, and long enough to be read as a header" * 20)
    with pytest.raises(StoreAway, match="file is not a database"):
        Store(StoreAddress.of(str(tmp_path / "a.db")))


@pytest.mark.parametrize(("text", "said"), [
    ("postgresql://a:secret@10.0.0.1/records", "no password in it"), ("postgresql://db.example/records", "host name"),
    ("postgresql://8.8.8.8/records", "public address"), ("postgresql://10.0.0.1", "postgresql://user@address"),
    ("postgresql://10.0.0.1/a?service=x", "no other options"), ("postgresql:///a?host=db.example", "no other options"),
    ("mysql://10.0.0.1/a", "a path, or postgresql"), ("sqlite:///", "the path of a file"),
    ("postgresql://10.0.0.1/a?password=secret", "no password"), ("postgresql://[::1/a", "a URL")])
def test_an_address_that_is_not_right_is_one_sentence_without_secrets(text: str, said: str) -> None:
    with pytest.raises(BenchError, match=said) as raised:
        StoreAddress.of(text)
    assert "secret" not in str(raised.value)


def test_a_record_of_the_bench_is_what_the_tests_say_it_is() -> None:
    assert record(1)["verdict"] == "pass"
    assert record(1, "incomplete")["verdict"] == "incomplete"
