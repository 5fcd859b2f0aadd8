"""Many entries at once: one transaction, one move of the anchor; and no entry pays for another's fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import HOSTILE, body
from sqlalchemy import select
from test_store import verified

from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.anchor import Anchor, Head
from bench.store.canonical import canonical, canonical_with
from bench.store.deposit import Depot
from bench.store.slot import Slot
from bench.store.tables import EVENT, RUN

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5), JSON)
def test_a_part_that_is_spelt_already_changes_nothing(rest: dict[str, Any], record: Any) -> None:
    whole = {**rest, "record": record}
    assert canonical_with(whole, record=canonical(record)) == canonical(whole)


def test_many_runs_at_once_are_as_if_one_by_one(depot: Depot) -> None:
    bodies = [body(1, "fail"), body(1, "pass", "run-1b"), body(2), body(1, "fail"), body(3, "error"),
              body(3, "pass", "b")]
    done = depot.add(bodies)
    assert [(one.run_id, one.attempt, one.is_new) for one in done.stored] == [
        ("run-1", 1, True), ("run-1b", 2, True), ("run-2", 1, True), ("run-1", 1, False), ("run-3", 1, True),
        ("b", 1, True)]
    report = verified(depot)
    assert (report.findings, report.runs, report.head, depot.spool.waiting()) == ([], 5, depot.anchor.read(), [])
    with depot.open().reading() as connection:
        assert connection.execute(select(RUN.c.retest_of).where(RUN.c.run_id == "run-1b")).scalar() == "run-1"
    assert [one.is_new for one in depot.add(bodies).stored] == [False] * 6


@pytest.mark.parametrize("wrong", [{"schema": 10**30}, {"verdict": "great"}, {"tests": 3}, {"simulated": True}])
def test_one_that_no_store_takes_stops_no_other(depot: Depot, wrong: dict[str, Any]) -> None:
    odd = body(2, "fail")
    odd["record"] |= wrong
    done = depot.add([body(1), odd, body(3)])
    assert [one.run_id for one in done.stored] == ["run-1", "run-3"]
    assert (list(done.refused), done.away) == (["run-2"], "")
    assert verified(depot).findings == []
    for one in (odd, body(4)):
        depot.spool.put(one)
    assert [one.run_id for one in depot.flush().stored] == ["run-4"]
    assert (depot.spool.waiting(), len(list(depot.spool.refused.glob("*.json")))) == ([], 1)


def test_runs_and_events_wait_together_while_the_store_is_away(tmp_path: Path) -> None:
    from bench.store.store import create

    path = tmp_path / "records.db"
    depot = Depot(StoreAddress.of(str(path), tmp_path / "outside"))
    depot.accept(create(depot.address, simulated=False))
    path.rename(tmp_path / "away.db")
    depot = Depot(depot.address)
    assert depot.add([body(1), body(2)]).away
    assert depot.note("override", {"who": "lena", "what": "x", "why": HOSTILE[0], "event_id": "e1"}).away
    assert depot.note("override", {"who": "lena", "what": "x", "why": HOSTILE[0], "event_id": "e1"}).away
    assert depot.deposit(body(3)).away
    assert len(depot.spool.waiting()) == 5
    (tmp_path / "away.db").rename(path)
    assert [one.run_id for one in depot.flush().stored] == ["run-1", "run-2", "run-3"]
    with depot.open().reading() as connection:
        events = connection.execute(select(EVENT.c.who, EVENT.c.why).where(EVENT.c.kind == "override")).all()
    assert events == [("lena", HOSTILE[0])], "noted twice, it is there once"
    assert (verified(depot).findings, verified(depot).entries) == ([], 5)


def test_two_pcs_on_one_store(address: StoreAddress, depot: Depot, tmp_path: Path) -> None:
    """Each with a spool and an anchor of its own: neither can be made to believe another end."""
    other = Depot(StoreAddress(tmp_path / "other", address.path, address.url))
    other.accept(other.open())
    for number in range(3):
        assert depot.deposit(body(number, "fail", f"a-{number}")).stored[0].attempt == 1
        assert other.deposit(body(number, "pass", f"b-{number}")).stored[0].attempt == 2
    anchors = [depot.anchor.read(), other.anchor.read()]
    report = verified(depot)
    assert (report.findings, report.runs, report.head) == ([], 6, anchors[1])
    assert anchors[0] is not None
    assert anchors[0].sequence == report.entries - 1


def test_what_a_killed_process_has_left_in_its_slot_waits_like_any_other(depot: Depot) -> None:
    """And what a living one has there is left alone."""
    import subprocess
    import sys

    text = canonical(body(1))
    script = f"""import sys, time
from pathlib import Path
from bench.store.spool import Spool
spool = Spool(Path({str(depot.spool.folder)!r}))
spool.begin({text!r}).wait()
print("kept", flush=True)
time.sleep(600)"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True,
                               cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert process.stdout.readline() == "kept\n"
    assert depot.flush().stored == []
    process.kill()
    process.wait()
    assert [one.run_id for one in depot.deposit(body(2)).stored] == ["run-1", "run-2"]
    assert depot.flush().stored == []
    assert (verified(depot).findings, depot.spool.waiting()) == ([], [])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 200), st.integers(1, 255))
def test_a_slot_that_was_not_wholly_written_holds_nothing(at: int, change: int) -> None:
    import tempfile
    from concurrent.futures import ThreadPoolExecutor

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as disk:
        slot = Slot.free(Path(folder))
        slot.begin("x" * 120, disk)
        slot.wait()
        slot.close()
        path = Path(folder) / "0.slot"
        whole = bytearray(path.read_bytes())
        found = Slot.locked(path)
        assert found is not None
        assert found.left == "x" * 120
        found.close()
        whole[at] ^= change
        path.write_bytes(whole)
        found = Slot.locked(path)
        assert found is not None
        assert found.left == ("x" * 120 if at >= 200 else "")
        found.close()


HEADS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 511), st.sampled_from([b"\0", b"x", b" "])), max_size=12)


@settings(deadline=None, max_examples=30)
@given(HEADS)
def test_an_anchor_that_was_cut_off_while_it_moved_is_the_one_before(moves: list[tuple[int, int, bytes]]) -> None:
    """A power cut leaves the line that was being written in any state, and the other as it was."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "anchor.json"
        anchor, last = Anchor(path), Head(1, "0" * 64)
        anchor.move(last)
        for step, octets, filler in moves:
            before = path.read_bytes()
            head = Head(last.sequence + step, f"{last.sequence + step:064x}")
            anchor.move(head)
            assert anchor.read() == head
            moved = path.read_bytes()
            at = 0 if moved[:512] != before[:512] else 512
            assert moved[512 - at:1024 - at] == before[512 - at:1024 - at]
            torn = moved[:at] + moved[at:at + octets] + filler * (511 - octets) + b"\n" + moved[at + 512:]
            path.write_bytes(torn[:1024])
            assert anchor.read() in (last, head)
            path.write_bytes(moved)
            last = head


def test_an_anchor_of_an_older_bench_is_read_and_renewed(tmp_path: Path) -> None:
    path = tmp_path / "anchor.json"
    path.write_text(canonical({"sequence": 7, "hash": "a" * 64}) + "\n")
    anchor = Anchor(path)
    assert anchor.read() == Head(7, "a" * 64)
    anchor.move(Head(6, "b" * 64))
    assert anchor.read() == Head(7, "a" * 64)
    anchor.move(Head(8, "b" * 64))
    assert (anchor.read(), len(path.read_bytes())) == (Head(8, "b" * 64), 1024)
    anchor.move(Head(3, "c" * 64), back=True)
    assert anchor.read() == Head(3, "c" * 64), "after a restore, on purpose"
    for spoilt in (b"", b"\n\n", path.read_bytes().replace(b"c" * 64, b"d" * 64), b"{}\n" * 3):
        path.write_bytes(spoilt)
        with pytest.raises(BenchError, match="look for who has changed it"):
            anchor.read()
