"""A run directory is read back whole, and a broken one is refused with the place that is broken."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.errors import BenchError
from bench.manual.requirements import load
from reports.page import write_page
from reports.run import Run
from reports.summary import summary

MakeRun = Callable[..., Path]


MANIFEST = {"left_out": [{"what": "suites/test_led.py::test_x", "reason": "not chosen by -k", "excused": False},
                         {"what": "suites/test_led.py::test_y", "reason": "the station has none", "excused": True}]}


def edit(directory: Path, **changes: Any) -> Path:
    path = directory / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return directory


def test_a_run_is_read_back_whole(make_run: MakeRun) -> None:
    run = Run.load(make_run("fail"))
    assert (run.verdict, run.simulated, run.profile, run.seed) == ("fail", True, "acceptance", 7)
    assert (len(run.tests), len(run.measurements), len(run.artifacts)) == (25, 21, 2)
    assert [run.count(verdict) for verdict in ("pass", "fail", "error", "skipped")] == [22, 2, 0, 1]
    failed = run.first("fail")
    assert failed is not None
    assert failed.suite == "suites/test_led.py"
    assert {seen.source for seen in run.timeline[failed.id]} == {"test", "cell", "supply", "panel"}
    assert [row.value for row in run.measurements_of(failed.id)] == [1.42]


def test_an_incomplete_run_says_what_is_missing_on_page_and_terminal(make_run: MakeRun) -> None:
    run = Run.load(edit(make_run(), verdict="incomplete", schema=2, manifest=MANIFEST))
    assert [one.what for one in run.missing] == ["suites/test_led.py::test_x"]
    assert len(run.left_out) == 2
    page = write_page(run, list(load().values())).read_text("utf-8")
    assert "<h1>INCOMPLETE</h1>" in page
    assert "1 thing was left out" in page
    assert "not chosen by -k" in page
    assert "excused in this profile" in page
    console = Console(file=io.StringIO(), width=120)
    console.print(summary(run))
    printed = console.file.getvalue()
    assert "I N C O M P L E T E" in printed
    assert "left out: 2" in printed
    assert "1 × not chosen by -k" in printed


def test_a_complete_run_with_something_excused_passes(make_run: MakeRun) -> None:
    run = Run.load(edit(make_run(), schema=2, manifest={"left_out": MANIFEST["left_out"][1:]}))
    assert (run.verdict, run.missing) == ("pass", [])


def test_keys_of_later_versions_are_left_alone(make_run: MakeRun) -> None:
    assert Run.load(edit(make_run(), shoe_size=43)).verdict == "pass"


def test_a_run_without_observations_is_a_run(make_run: MakeRun) -> None:
    directory = make_run()
    (directory / "timeline.jsonl").unlink()
    assert Run.load(directory).timeline == {}


@pytest.mark.parametrize(("changes", "words"), [
    ({"schema": 4}, "schema 4"),
    ({"verdict": "great"}, "'great'"),
    ({"manifest": {"left_out": [7]}}, "a manifest"),
    ({"manifest": MANIFEST}, "a pass of a complete run only"),
    ({"verdict": "incomplete", "measurements": [{"name": "a", "value": 1, "test": "t", "verdict": "fail"}]},
     "incomplete, although a did not pass"),
    ({"simulated": "yes"}, "bool in simulated"),
    ({"tests": {}}, "list in tests"),
    ({"tests": [7]}, r"an object at tests\[0\]"),
    ({"tests": [{"id": "a"}]}, r"tests\[0\].verdict"),
    ({"measurements": [{"name": "a", "value": "1"}]}, r"measurements\[0\].value"),
    ({"device_time_s": float("nan")}, "device_time_s"),
    ({"artifacts": [{"path": "x"}]}, r"artifacts\[0\].sha256"),
], ids=lambda value: str(value)[:30])
def test_a_broken_record_names_the_broken_place(make_run: MakeRun, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        Run.load(edit(make_run(), **changes))


@pytest.mark.parametrize(("content", "words"), [
    (None, "saw none"), (b"{", "expected JSON"), (b"[]", "expected an object"), (b"\xff\xfe", "readable text")])
def test_a_record_that_is_no_record_is_a_bench_error(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(BenchError, match=words):
        Run.load(tmp_path)


@pytest.mark.parametrize("line", ["{", "[]", '{"t": 1}', '{"test":"a","t":"x","source":"s","kind":"k","data":{}}',
                                  '{"test":"a","t":NaN,"source":"s","kind":"k","data":{}}'])
def test_a_broken_line_of_the_timeline_is_named_by_its_number(make_run: MakeRun, line: str) -> None:
    directory = make_run()
    path = directory / "timeline.jsonl"
    path.write_text(path.read_text().split("\n")[0] + "\n" + line + "\n")
    with pytest.raises(BenchError, match="line 2"):
        Run.load(directory)


def test_a_pass_with_a_failed_test_inside_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(BenchError, match="pass, although suites/test_led"):
        Run.load(edit(make_run("fail"), verdict="pass"))


def test_a_pass_that_tested_nothing_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(BenchError, match="at least one passed test"):
        Run.load(edit(make_run(), tests=[], measurements=[]))


def test_a_test_recorded_twice_is_refused(make_run: MakeRun) -> None:
    directory = make_run()
    tests = json.loads((directory / "record.json").read_text())["tests"]
    with pytest.raises(BenchError, match="twice"):
        Run.load(edit(directory, tests=[*tests, tests[0]]))
