"""``mcm-bench run --store`` and ``mcm-bench records``, as a line uses them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_thin import run as run_dir_of

PROJECT = Path(__file__).parents[2]

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bench(tmp_path: Path) -> Command:
    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bench.cli", *map(str, arguments)], capture_output=True, text=True, cwd=PROJECT,
            check=False, env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "COLUMNS": "200", **environment})
    return call


def told(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_no_pass_is_said_before_the_record_is_stored(bench: Command, tmp_path: Path) -> None:
    """The store goes away after it was looked at for the first time, and comes back when the run has ended."""
    store, run_dir = tmp_path / "records.db", tmp_path / "run"
    assert bench("records", "create", "--store", store, "--simulated").returncode == 0
    store.rename(tmp_path / "away.db")
    done = bench("run", "line", "--store", store, "--run-dir", run_dir, "--job", "work_order=W17", "--job",
                 "slot=<b>3</b>\x1b[2J")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "NOT STORED, waits in" in done.stdout
    assert "PASS " not in done.stdout
    assert "P A S S" not in done.stdout
    record = json.loads((run_dir / "record.json").read_text("utf-8"))
    assert record["verdict"] == "pass"
    (tmp_path / "away.db").rename(store)
    flushed = bench("records", "flush", "--store", store)
    assert (flushed.returncode, flushed.stdout) == (0, "PASS  unit 94193A0401000001, attempt 1: stored as entry 2\n")
    (found,) = told(bench("records", "find", "--store", store, "--work-order", "W17", "--json"))["runs"]
    assert (found["run_id"], found["slot"]) == (record["run_id"], "<b>3</b>�[2J")
    assert told(bench("records", "show", "--store", store, record["run_id"], "--json"))["record"] == record
    shown = bench("records", "show", "94193a0401000001", MCM_BENCH_STORE=str(store)).stdout
    assert "power.sleep.current" in shown
    assert "\x1b" not in shown
    report = told(bench("records", "verify", "--store", store, "--json"))
    assert (report["findings"], report["runs"], report["vouched"]) == ([], 1, True)


def test_a_short_run_is_stored_and_counts_for_nothing(bench: Command, tmp_path: Path) -> None:
    store, run_dir = tmp_path / "records.db", tmp_path / "run"
    bench("records", "create", "--store", store, "--simulated")
    done = bench("run", "acceptance", "-k", "holding_for_5_s_activates", "--store", store, "--run-dir", run_dir)
    assert done.returncode == 3
    assert "INCOMPLETE  unit 94193A0401000001, attempt 1, entry 2 of the store" in done.stdout
    assert told(bench("records", "find", "--store", store, "--json"))["runs"] == []
    assert len(told(bench("records", "find", "--store", store, "--partial", "--json"))["runs"]) == 1


@pytest.mark.parametrize("kind", ["none", "for real runs", "with a password"])
def test_a_store_that_would_not_take_the_run_is_told_before_it(bench: Command, tmp_path: Path, kind: str) -> None:
    store = "postgresql://a:secret@127.0.0.1/x" if kind == "with a password" else str(tmp_path / "records.db")
    if kind == "for real runs":
        bench("records", "create", "--store", store)
    done = bench("run", "acceptance", "--store", store, "--run-dir", tmp_path / "run")
    said = {"none": "expected the file, saw none", "for real runs": "expected real runs, saw a simulated one",
            "with a password": "expected no password in it, saw one"}[kind]
    assert done.returncode == 2
    assert said in done.stderr
    assert "secret" not in done.stdout + done.stderr
    assert not (tmp_path / "run").exists()


def test_runs_are_added_backed_up_thinned_and_restored(bench: Command, tmp_path: Path) -> None:
    station = tmp_path / "station.toml"
    station.write_text('name = "1"\n[store]\nurl = "records.db"\noutside = "outside"\nevidence_days = 30\n'
                       '[unit]\ndeveui = "94193A0401020304"\n[commissioning]\nover = "network"\n', "utf-8")
    here = ("--station", station)
    assert bench("records", "create", *here).returncode == 0
    runs = [run_dir_of(tmp_path, number) for number in (1, 2)]
    added = told(bench("records", "add", *runs, *here, "--json"))
    assert [(one["run_id"], one["new"]) for one in added["stored"]] == [("run-1", True), ("run-2", True)]
    assert [one["new"] for one in told(bench("records", "add", runs[0], *here, "--json"))["stored"]] == [False]
    head = told(bench("records", "backup", tmp_path / "backup", *here, "--json"))["head"]
    assert told(bench("records", "thin", *here, "--json"))["files"] == 0
    assert bench("records", "verify", *here, "--head", head).returncode == 0

    (tmp_path / "records.db").unlink()
    assert "expected the file, saw none" in bench("records", "find", *here).stderr
    assert told(bench("records", "restore", tmp_path / "backup", *here, "--json"))["head"] == head
    (runs[1] / "timeline.jsonl").write_text("altered", "ascii")
    refused = bench("records", "add", runs[1], *here)
    assert refused.returncode == 2
    assert "timeline.jsonl: expected what the record names by its hash" in refused.stderr


def test_verify_says_by_its_exit_code_what_it_found(bench: Command, tmp_path: Path) -> None:
    store = tmp_path / "records.db"
    bench("records", "create", "--store", store)
    bench("records", "add", run_dir_of(tmp_path, 1), "--store", store)
    good = bench("records", "verify", "--store", store)
    assert (good.returncode, "as it was stored" in good.stdout) == (0, True)
    shutil.rmtree(tmp_path / "state")
    alone = bench("records", "verify", "--store", store)
    assert (alone.returncode, "nothing outside of it vouches for its end" in alone.stdout) == (3, True)
    with sqlite3.connect(store) as connection:
        connection.execute("DROP TRIGGER ledger_update")
        connection.execute("UPDATE ledger SET body = replace(body, 'place 1', 'place 2') WHERE sequence = 2")
    altered = told(bench("records", "verify", "--store", store, "--json"), code=1)
    assert any("entry 2 was altered" in one for one in altered["findings"])
    assert "expected SEQUENCE:HASH" in bench("records", "verify", "--store", store, "--head", "5").stderr
