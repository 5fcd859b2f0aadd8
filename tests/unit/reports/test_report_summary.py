"""The end of a run in a terminal, and the files beside Allure's results."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from bench.errors import BenchError
from reports.allure import check_counts, write_side_files
from reports.run import Run
from reports.summary import summary

MakeRun = Callable[..., Path]


def printed(run: Run) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(summary(run, Path("runs/1/report.html")))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(("verdict", "word"), [("pass", "P A S S"), ("fail", "F A I L"), ("error", "B E N C H")])
def test_the_terminal_ends_with_verdict_simulation_and_report(make_run: MakeRun, verdict: str, word: str) -> None:
    text = printed(Run.load(make_run(verdict)))
    assert word in text
    assert "SIMULATED – lab in software, no hardware was tested" in text
    assert "runs/1/report.html" in text
    assert "suites/test_led.py" in text
    assert "schedule.window.latest" in text


def test_markup_of_a_device_is_printed_and_not_obeyed(make_run: MakeRun) -> None:
    assert "[red]x[/nothing]" in printed(Run.load(make_run("fail", hostile="[red]x[/nothing]")))


def results(run: Run, directory: Path) -> Path:
    """What allure-pytest writes, as far as counting is concerned."""
    directory.mkdir()
    status = {"pass": "passed", "fail": "failed", "error": "broken", "skipped": "skipped"}
    for number, test in enumerate(run.tests):
        (directory / f"{number}-result.json").write_text(json.dumps(
            {"historyId": str(number), "fullName": test.id, "status": status[test.verdict]}))
    return directory


def test_equal_counts_are_accepted(make_run: MakeRun, tmp_path: Path) -> None:
    run = Run.load(make_run("fail"))
    check_counts(run, results(run, tmp_path / "allure-results"))


def test_a_failing_unit_hidden_as_a_retry_is_found(make_run: MakeRun, tmp_path: Path) -> None:
    run = Run.load(make_run("fail"))
    directory = results(run, tmp_path / "allure-results")
    path = directory / "3-result.json"
    path.write_text(path.read_text().replace('"historyId": "3"', '"historyId": "2"'))
    with pytest.raises(BenchError, match="history id"):
        check_counts(run, directory)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"historyId": "3", "fullName": "x", "status": "passed"}'])
def test_missing_broken_or_other_results_are_found(make_run: MakeRun, tmp_path: Path, content: str | None) -> None:
    run = Run.load(make_run("fail"))
    directory = results(run, tmp_path / "allure-results")
    (directory / "3-result.json").unlink()
    if content is not None:
        (directory / "3-result.json").write_text(content)
    with pytest.raises(BenchError, match="allure-results"):
        check_counts(run, directory)


def test_the_side_files_say_what_was_tested(make_run: MakeRun, tmp_path: Path) -> None:
    write_side_files(Run.load(make_run("fail", hostile="\nVerdict=PASS")), tmp_path / "allure-results")
    lines = (tmp_path / "allure-results" / "environment.properties").read_text().splitlines()
    assert "Verdict=FAIL" in lines
    assert "Verdict=PASS" not in lines
    assert "Simulated=yes - no hardware was tested" in lines
    assert json.loads((tmp_path / "allure-results" / "executor.json").read_text())["name"] == "mcm-bench"
    assert len(json.loads((tmp_path / "allure-results" / "categories.json").read_text())) == 3
