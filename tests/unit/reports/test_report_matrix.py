"""Requirement -> tests -> verdict: the worst test decides, and what nobody looked at is never hidden."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from bench.manifest import LeftOut, Manifest
from bench.manual.requirements import closed, load
from reports.matrix import Coverage, TraceRow, summary_line, table, to_json, trace
from reports.run import Run

MakeRun = Callable[..., Path]


def run_of(tmp_path: Path, left_out: str = "", **verdicts: str) -> Run:
    """A run whose tests, named a, b, c ..., all prove LED-01, with these verdicts; ``left_out`` names one more."""
    directory = tmp_path / "-".join([*verdicts.values(), left_out])
    directory.mkdir()
    worst = next((verdict for verdict in ("fail", "error") if verdict in verdicts.values()),
                 "incomplete" if left_out else "pass")
    manifest = asdict(Manifest(left_out=[LeftOut(left_out, "-k", ("LED-01",))] if left_out else []))
    tests = [{"id": name, "verdict": verdict, "requirements": ["LED-01"], "device_time_s": 1, "wall_time_s": 1,
              "message": ""} for name, verdict in verdicts.items()]
    tests.append({"id": "other", "verdict": "pass", "requirements": [], "device_time_s": 1, "wall_time_s": 1,
                  "message": ""})
    (directory / "record.json").write_text(json.dumps({
        "schema": 2, "manifest": manifest, "verdict": worst, "simulated": True, "profile": "regression", "unit": "x",
        "seed": 1,
        "started": "2026-11-22T10:00:00+00:00", "device_time_s": 1, "wall_time_s": 1, "tests": tests,
        "measurements": [], "artifacts": []}))
    return Run.load(directory)


@pytest.mark.parametrize(("verdicts", "verdict"), [
    ({"a": "pass"}, "pass"), ({"a": "pass", "b": "skipped"}, "not run"), ({"a": "skipped"}, "not run"),
    ({"a": "pass", "b": "error"}, "error"), ({"a": "error", "b": "fail", "c": "pass"}, "fail")])
def test_the_worst_test_decides(tmp_path: Path, verdicts: dict[str, str], verdict: str) -> None:
    [row] = trace([run_of(tmp_path, **verdicts)], {}, {}, [load()["LED-01"]])
    assert (row.verdict, row.tests, row.reason) == (verdict, tuple(verdicts), None)


def test_a_statement_passes_when_all_its_chosen_tests_ran_and_passed(tmp_path: Path) -> None:
    collected = {name: ["LED-01"] for name in ("a", "b", "of another profile")}
    [row] = trace([run_of(tmp_path, a="pass", left_out="b")], collected, {}, [load()["LED-01"]])
    assert (row.verdict, row.tests) == ("not run", ("a", "b", "of another profile"))
    [row] = trace([run_of(tmp_path, a="pass", b="pass")], collected, {}, [load()["LED-01"]])
    assert row.verdict == "pass"


def test_what_one_run_left_out_another_may_have_run(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, a="pass", left_out="b"), run_of(tmp_path, b="pass", left_out="a")]
    assert trace(runs, {}, {}, [load()["LED-01"]])[0].verdict == "pass"


def test_a_fail_in_one_of_two_runs_is_a_fail(tmp_path: Path) -> None:
    runs = [run_of(tmp_path, a="pass"), run_of(tmp_path, a="fail")]
    assert trace(runs, {}, {}, [load()["LED-01"]])[0].verdict == "fail"


def test_a_collected_test_that_did_not_run_is_not_run() -> None:
    [row] = trace([], {"suites/a.py::test_a": ["LED-01"]}, {}, [load()["LED-01"]])
    assert (row.verdict, row.tests) == ("not run", ("suites/a.py::test_a",))


def test_a_statement_without_a_test_is_open_or_closed_with_a_reason() -> None:
    rows = trace([], {}, {"PHY-02": "Inspection."}, [load()["PHY-01"], load()["PHY-02"]])
    assert [(row.verdict, row.reason) for row in rows] == [("no test", None), ("no test", "Inspection.")]
    assert summary_line(rows) == ("2 requirements: 0 fail, 0 error, 0 pass, 0 not run, 1 closed without a test, "
                             "1 without a test")


def test_a_reason_does_not_hide_a_test(tmp_path: Path) -> None:
    [row] = trace([run_of(tmp_path, a="fail")], {}, {"LED-01": "Inspection."}, [load()["LED-01"]])
    assert (row.verdict, row.reason) == ("fail", None)


def test_the_whole_catalogue_is_traced_and_the_json_has_the_agreed_keys(make_run: MakeRun) -> None:
    run = Run.load(make_run("fail"))
    rows = trace([run], {test.id: test.requirements for test in run.tests}, closed())
    content = to_json(rows)
    assert len(content["requirements"]) == 574
    by_id = {row["id"]: row for row in content["requirements"]}
    assert set(by_id["LED-02"]) == {"id", "clause", "statement", "tests", "verdict", "reason", "heard", "on_station"}
    assert by_id["LED-02"]["verdict"] == "fail"
    assert by_id["LED-02"]["tests"] == ["suites/test_led.py::test_start_up_lights_both_leds_for_1_s"]
    assert by_id["NET-22"]["reason"].startswith("Inspection")
    assert by_id["BTN-01"]["verdict"] == "pass"
    assert json.loads(json.dumps(content)) == content


def test_the_terminal_shows_every_requirement_and_the_summary(make_run: MakeRun) -> None:
    run = Run.load(make_run())
    console = Console(file=io.StringIO(), width=140)
    rows = trace([run], {}, closed())
    console.print(table(rows))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "PHY-14" in printed
    assert summary_line(rows) in printed


def test_one_denominator_counts_every_statement_once() -> None:
    rows = [TraceRow("A", "1", "a", ("t",), "pass", None), TraceRow("B", "1", "b", ("t",), "fail", None),
            TraceRow("C", "1", "c", ("t",), "error", None), TraceRow("D", "1", "d", ("t",), "not run", None),
            TraceRow("E", "1", "e", (), "no test", "a person looks"), TraceRow("F", "1", "f", (), "no test", None)]
    coverage = Coverage.of(rows)
    assert coverage.to_json() == {"statements": 6, "passed": 1, "failed": 1, "error": 1, "not_judged": 3, "tested": 4,
                                  "closed": 1}
    assert coverage.sentence.startswith("Of 6 statements of the manual 1 passed, 1 failed")
    assert "have a test" not in str(Coverage.of(rows, knows_all_tests=False))
