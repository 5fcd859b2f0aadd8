"""OMA's cases -> tests -> verdict."""

from __future__ import annotations

import json
from pathlib import Path

from reports.ets_matrix import EtsRow, ets_rows, summary_line, to_json
from reports.run import Run


def run_with(directory: Path, *tests: tuple[str, str, list[str]]) -> Run:
    """A run of ``tests``: id, verdict, the cases they are."""
    rows = [{"id": name, "verdict": verdict, "requirements": [], "ets": cases, "device_time_s": 1, "wall_time_s": 1,
             "message": ""} for name, verdict, cases in tests]
    (directory / "record.json").write_text(json.dumps({
        "schema": 1, "verdict": "fail", "simulated": True, "profile": "certification", "unit": "x", "seed": 1,
        "started": "2026-11-22T10:00:00+00:00", "device_time_s": 1, "wall_time_s": 1, "tests": rows,
        "measurements": [], "artifacts": []}))
    return Run.load(directory)


def by_id(rows: list[EtsRow]) -> dict[str, EtsRow]:
    return {row.case.id: row for row in rows}


def test_the_worst_test_of_a_case_decides(tmp_path: Path) -> None:
    run = run_with(tmp_path, ("a", "pass", ["int-101"]), ("b", "fail", ["int-101", "int-102"]),
                   ("c", "pass", ["int-0"]))
    rows = by_id(ets_rows([run], {}))
    assert (rows["int-101"].verdict, rows["int-101"].tests) == ("fail", ("a", "b"))
    assert (rows["int-102"].verdict, rows["int-0"].verdict) == ("fail", "pass")
    assert (rows["int-103"].verdict, rows["int-103"].tests) == ("no test", ())


def test_a_case_whose_test_did_not_run_is_not_run() -> None:
    assert by_id(ets_rows([], {"suites/a.py::test_a": ["int-201"]}))["int-201"].verdict == "not run"


def test_the_json_tells_what_the_manual_has_otherwise() -> None:
    row = next(row for row in to_json(ets_rows([], {})) if row["id"] == "int-107")
    assert row == {"id": "int-107", "title": "Extending the lifetime", "kind": "M", "tests": [], "verdict": "no test",
                   "note": "Manual: the lifetime can only be bootstrapped; OMA has the DM server write it."}


def test_a_run_that_was_written_before_cases_were_kept_is_read(tmp_path: Path) -> None:
    record = json.loads((run_with(tmp_path, ("a", "pass", [])).directory / "record.json").read_text("utf-8"))
    del record["tests"][0]["ets"]
    (tmp_path / "record.json").write_text(json.dumps(record))
    assert not by_id(ets_rows([Run.load(tmp_path)], {}))["int-0"].tests


def test_only_cases_that_apply_are_counted(tmp_path: Path) -> None:
    run = run_with(tmp_path, ("a", "pass", ["int-0", "int-5"]))
    assert "1 pass" in summary_line(ets_rows([run], {}))
