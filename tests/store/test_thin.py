"""Evidence of passed units is removed by a policy; its floor stays."""

from __future__ import annotations

import hashlib
import json
import platform
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from records import record
from test_store import verified

from bench.errors import BenchError
from bench.store.address import StoreAddress
from bench.store.deposit import Depot, body_of
from bench.store.search import show
from bench.store.store import create
from bench.store.thin import Policy, thin


@pytest.fixture
def then(depot: Depot) -> Depot:
    """The same store, with a clock of 30 days ago."""
    return Depot(depot.address, lambda: datetime.now(UTC) - timedelta(days=30))


def run(folder: Path, number: int, verdict: str = "pass", **more: object) -> Path:
    """A run with two files of evidence, a page, and results for Allure."""
    run_dir = folder / f"run-{number}"
    (run_dir / "evidence").mkdir(parents=True)
    artifacts = []
    for name in ("evidence/life.json", "timeline.jsonl"):
        (run_dir / name).write_text(f"{name} of {number}", "ascii")
        artifacts.append({"path": name, "sha256": hashlib.sha256(f"{name} of {number}".encode()).hexdigest()})
    (run_dir / "report.html").write_text("page", "ascii")
    (run_dir / "record.json").write_text(
        json.dumps(record(number, verdict, **{"artifacts": artifacts, "run_id": f"run-{number}", **more})), "utf-8")
    return run_dir


def store(depot: Depot, run_dir: Path) -> None:
    assert depot.deposit(body_of(run_dir, json.loads((run_dir / "record.json").read_text("utf-8")), "run")).stored


def names(run_dir: Path) -> list[str]:
    return sorted(path.relative_to(run_dir).as_posix() for path in run_dir.rglob("*") if path.is_file())


WHOLE = ["evidence/life.json", "record.json", "report.html", "timeline.jsonl"]
THINNED = ["record.json", "report.html"]


def test_only_evidence_of_passed_units_goes_and_the_store_says_so(
        depot: Depot, then: Depot, tmp_path: Path) -> None:
    runs = [run(tmp_path, number, verdict) for number, verdict in enumerate(
        ("pass", "pass", "fail", "error", "incomplete", "pass"))]
    for one in runs:
        store(then, one)
    depot.open().add_event("note", {})
    young = run(tmp_path, 9)
    store(depot, young)
    policy = Policy(days=14, keep_one_in=7)    # entry 7 is the last of the six
    would = thin(depot.open(), policy, dry_run=True)
    assert [names(one) for one in runs] == [WHOLE] * 6
    done = thin(depot.open(), policy)
    assert done == would
    assert done.runs == {f"run-{number}": ["evidence/life.json", "timeline.jsonl"] for number in (0, 1)}
    assert done.octets == 2 * len("evidence/life.json of 0timeline.jsonl of 0")
    assert [names(one) for one in runs] == [THINNED, THINNED, WHOLE, WHOLE, WHOLE, WHOLE]
    assert names(young) == WHOLE
    with depot.open().reading() as connection:
        shown = show(connection, "run-0")
    assert shown["thinned"] == ["evidence/life.json", "timeline.jsonl"]
    assert len(shown["record"]["measurements"]) == 2
    assert all(one["sha256"] for one in shown["record"]["artifacts"])
    assert thin(depot.open(), policy).runs == {}
    assert verified(depot).findings == []


def test_a_clock_that_stands_ahead_does_not_make_evidence_old(tmp_path: Path) -> None:
    """All was stored 30 days ago; nothing in the store says that time has passed since."""
    then = Depot(StoreAddress.of(str(tmp_path / "a.db"), tmp_path / "a"),
                 lambda: datetime.now(UTC) - timedelta(days=30))
    create(then.address, simulated=False)
    store(then, run(tmp_path, 1))
    assert thin(then.open(), Policy(days=14, keep_one_in=100)).runs == {}


@pytest.mark.parametrize("odd", ["other octets", "other record", "a link", "no directory"])
def test_what_is_not_as_it_was_recorded_is_left_alone(
        depot: Depot, then: Depot, tmp_path: Path, odd: str) -> None:
    outside = tmp_path / "timeline.jsonl"
    outside.write_text("timeline.jsonl of 1", "ascii")
    run_dir = run(tmp_path, 1, artifacts=[
        {"path": name, "sha256": hashlib.sha256(b"timeline.jsonl of 1").hexdigest()}
        for name in ("timeline.jsonl", "../timeline.jsonl", str(outside), "evidence/../../timeline.jsonl")])
    store(then, run_dir)
    depot.open().add_event("note", {})
    match odd:
        case "other octets":
            (run_dir / "timeline.jsonl").write_text("altered", "ascii")
        case "other record":
            (run_dir / "record.json").write_text("{}", "ascii")
        case "a link":
            (run_dir / "timeline.jsonl").unlink()
            (run_dir / "timeline.jsonl").symlink_to(outside)
        case _:
            run_dir.rename(tmp_path / "moved")
    done = thin(depot.open(), Policy(days=14, keep_one_in=100))
    assert (done.runs, len(done.odd)) == ({}, 0 if odd == "no directory" else 1)
    assert outside.exists()


def test_another_machines_runs_are_left_alone(depot: Depot, then: Depot, tmp_path: Path) -> None:
    run_dir = run(tmp_path, 1)
    body = body_of(run_dir, json.loads((run_dir / "record.json").read_text("utf-8")), "run")
    then.deposit(body | {"host": f"not-{platform.node()}"})
    depot.open().add_event("note", {})
    assert thin(depot.open(), Policy(days=14, keep_one_in=100)).runs == {}


@pytest.mark.parametrize("policy", [{"days": 6}, {"days": -1}, {"days": 30, "keep_one_in": 1}])
def test_no_policy_goes_below_the_floor(policy: dict[str, int]) -> None:
    with pytest.raises(BenchError, match="expected at least 7 days"):
        Policy(**policy)
