"""The timeline of a run is read one test at a time, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.timeline import Observation, Timeline
from reports.timeline_file import TimelineFile, join

TESTS = ["suites/test_a.py::test_x", 'suites/test_b.py::test_y[","test":"z"}]', "suites/test_c.py::test_é"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from([
    ',"test":"', '"source":"panel"', "\n", "}"])
DATA = st.dictionaries(TEXTS | st.just("test"), TEXTS | st.integers() | st.dictionaries(TEXTS, TEXTS), max_size=2)
SEEN = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["panel", "dm"]), st.sampled_from(["led", "step"]),
                          DATA), max_size=6)


def line(test: str, source: str, kind: str, data: Mapping[str, Any], **form: Any) -> str:
    return json.dumps({"test": test, "t": 1.0, "source": source, "kind": kind, "data": data}, **form) + "\n"


@given(seen=SEEN)
def test_what_the_bench_has_written_is_read_back(tmp_path_factory: pytest.TempPathFactory,
                                                 seen: list[tuple[int, str, str, dict[str, Any]]]) -> None:
    path = tmp_path_factory.mktemp("run") / "timeline.jsonl"
    expected: dict[str, list[Observation]] = {}
    for number, source, kind, data in seen:
        timeline = Timeline(lambda: 1.0)
        expected.setdefault(TESTS[number], []).append(timeline.append(source, kind, data))
        timeline.write_jsonl(path, test=TESTS[number])
    file = TimelineFile(path)
    assert {test: file[test] for test in file} == expected
    for test, all_of_it in expected.items():
        assert file.select(test, "panel", "led") == [
            one for one in all_of_it if (one.source, one.kind) == ("panel", "led")]
        assert file.end_of(test) == 1.0


@given(seen=SEEN, form=st.sampled_from([{}, {"sort_keys": True}, {"separators": (",", ":")}, {"ensure_ascii": False}]))
def test_what_somebody_else_has_written_is_read_too(tmp_path_factory: pytest.TempPathFactory,
                                                    seen: list[tuple[int, str, str, dict[str, Any]]],
                                                    form: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("run") / "timeline.jsonl"
    path.write_text("\n".join(line(TESTS[number], *rest, **form) for number, *rest in seen), "utf-8")   # empty lines
    file = TimelineFile(path)
    for number, test in enumerate(TESTS):
        found = file.get(test, [])
        wanted = [tuple(rest) for of, *rest in seen if of == number]
        assert [(one.source, one.kind, one.data) for one in found] == wanted
        assert len(file.select(test, "panel", "led")) == sum(one[:2] == ("panel", "led") for one in wanted)


def test_a_broken_line_within_a_test_is_named_when_the_test_is_read(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    timeline = Timeline(lambda: 1.0)
    for number in range(3):
        timeline.append("dm", "step", {"n": number})
    timeline.write_jsonl(path, test="a")
    path.write_text(path.read_text().replace('"n":1', '"n":'))
    file = TimelineFile(path)
    with pytest.raises(BenchError, match="line 2"):
        file["a"]


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_text(line("a", "dm", "step", {}) + line("a", "dm", "step", {})[:30])
    with pytest.raises(BenchError, match="line 2"):
        TimelineFile(path)


def test_the_parts_of_the_tests_become_one_in_their_order(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    for number in (10_000, 2, 9999, 1):
        (evidence / f"{number:04d}_test.jsonl").write_text(line(f"test {number}", "dm", "step", {"number": number}))
    join(tmp_path)
    assert list(TimelineFile(tmp_path / "timeline.jsonl")) == ["test 1", "test 2", "test 9999", "test 10000"]
    assert list(evidence.iterdir()) == []


def test_what_a_process_was_writing_when_it_died_is_left_out(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    first, second = (line("a", "dm", "step", {"n": number}) for number in (1, 2))
    (evidence / "0001_test.jsonl").write_text(first + second[:40])
    (evidence / "0002_test.jsonl").write_text(line("b", "dm", "step", {"n": 3}))
    join(tmp_path)
    file = TimelineFile(tmp_path / "timeline.jsonl")
    assert {test: [one.data["n"] for one in file[test]] for test in file} == {"a": [1], "b": [3]}
