"""What ``run --junit`` writes, as a third party's reader sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase
from real_lab import mcm_bench_run

from reports.junit import write_junit

RECORD: dict[str, Any] = {
    "profile": "regression", "station": "bench 1", "started": "2026-03-02T09:30:00+00:00", "run_id": "r", "seed": 1,
    "unit": "94193A0401000001", "verdict": "pass", "simulated": True, "message": "", "manifest": {"left_out": []}}


def one_test(verdict: str, message: str = "") -> dict[str, Any]:
    return {"id": "suites/test_led.py::test_green[1 s]", "verdict": verdict, "message": message, "wall_time_s": 1.5,
            "device_time_s": 60.0, "requirements": ["LED-01"]}


def cases(path: Path) -> dict[str, TestCase]:
    return {case.name: case for suite in JUnitXml.fromfile(str(path)) for case in suite}


@pytest.mark.parametrize(("verdict", "kind"), [("fail", Failure), ("error", Error), ("skipped", Skipped)])
def test_who_is_to_blame_is_told(tmp_path: Path, verdict: str, kind: type) -> None:
    write_junit(RECORD | {"tests": [one_test(verdict, "the LED stayed dark\nfor long")]}, tmp_path / "junit.xml")
    read = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    (said,) = cases(tmp_path / "junit.xml")["test_green[1 s]"].result
    assert isinstance(said, kind)
    assert said.message == "the LED stayed dark"
    assert (read.tests, read.failures, read.errors, read.skipped) == (
        2, verdict == "fail", verdict == "error", verdict == "skipped")


def test_a_run_that_could_not_go_on_has_an_error_of_its_own(tmp_path: Path) -> None:
    write_junit(RECORD | {"tests": [one_test("pass")], "message": "the supply is gone"}, tmp_path / "junit.xml")
    (said,) = cases(tmp_path / "junit.xml")["the run comes to its end"].result
    assert isinstance(said, Error)
    assert said.message == "the supply is gone"


def test_an_incomplete_run_is_no_whole_one(tmp_path: Path) -> None:
    out = [{"what": "suites/test_x.py::test_y", "reason": "--no-doctor", "excused": False}]
    write_junit(RECORD | {"tests": [one_test("pass")], "manifest": {"left_out": out}}, tmp_path / "junit.xml")
    (said,) = cases(tmp_path / "junit.xml")["nothing is left out"].result
    assert isinstance(said, Skipped)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\0\x1b\x85\ufffe")))
def test_whatever_a_message_holds_can_be_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("junit") / "junit.xml"
    write_junit(RECORD | {"tests": [one_test("fail", text)], "unit": text}, path)
    (said,) = cases(path)["test_green[1 s]"].result
    assert isinstance(said, Failure)


def test_a_run_writes_it_and_ends_as_the_policy_says(tmp_path: Path) -> None:
    """A bench fault before any test: the child has no results, and the file is there all the same."""
    policy = tmp_path / "ci.toml"
    policy.write_text("[exit]\nincomplete = 0\nerror = 75\n", "ascii")
    outcome = mcm_bench_run(tmp_path / "run", "--fault", "ammeter-offset", "-k", "test_green_lights_when",
                            "--junit", tmp_path / "out" / "junit.xml", "--policy", policy)
    assert outcome.code == 75, outcome.output
    (said,) = cases(tmp_path / "out" / "junit.xml")["the run comes to its end"].result
    assert isinstance(said, Error)
    assert said.message == outcome.record["message"].splitlines()[0]


@pytest.mark.parametrize("line", ["fail = 0", "error = 0", "pass = 1", "incomplete = 'no'", "error = 200"])
def test_a_policy_can_not_make_a_failure_good(tmp_path: Path, line: str) -> None:
    policy = tmp_path / "ci.toml"
    policy.write_text(f"[exit]\n{line}\n", "ascii")
    outcome = mcm_bench_run(tmp_path / "run", "--policy", policy)
    assert outcome.code == 2
    assert "policy" in outcome.output
    assert not (tmp_path / "run").exists()
