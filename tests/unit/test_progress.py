"""What a run tells its parent: through a real pipe, whole or in pieces, and what is made of it when it ends early."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.commands.progress import Progress, Story
from bench.measure import Measurement, Verdict
from bench.record import Record, TestResult


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def a_record(**changes: object) -> Record:
    return Record(**{"profile": "acceptance", "unit": "", "seed": 1, "simulated": False, **changes})  # type: ignore[arg-type]


RESULT = TestResult("suites/a.py::test_a", Verdict.FAIL, ("LED-04",), 1.5, 2.5, "dark", "Lights", ("look",),
                    (Measurement("led", math.nan, "s", None, 8.5, Verdict.FAIL, 0.1),), ("int-101",))


def test_what_is_told_is_what_is_heard(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    progress, story = Progress(writing), Story(a_record())
    started = datetime(2026, 3, 2, tzinfo=UTC)
    progress.record(a_record(unit="94193A0401000001", started=started, defects=("x",)))
    progress.began("suites/a.py::test_a", ("LED-04",), 60.0)
    progress.finished(RESULT)
    progress.began("suites/a.py::test_b", ("LED-05",), 60.0)
    story.hear(os.read(reading, 65536))
    assert (story.record.unit, story.record.started, story.record.defects) == ("94193A0401000001", started, ["x"])
    (result,) = story.record.tests
    assert math.isnan(result.measurements[0].value)
    assert (result.id, result.verdict, result.ets, result.steps) == (
        RESULT.id, Verdict.FAIL, RESULT.ets, RESULT.steps)
    (cut_off,) = story.cut_off()
    assert (cut_off.id, cut_off.verdict, cut_off.requirements) == ("suites/a.py::test_b", "error", ("LED-05",))
    assert story.running == ["suites/a.py::test_b"]
    assert story.verdict is None
    progress.done(Verdict.FAIL)
    story.hear(os.read(reading, 65536))
    assert (story.verdict, story.fault) == (Verdict.FAIL, "")


def test_the_record_may_be_told_again_and_keeps_the_results(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    progress, story = Progress(writing), Story(a_record())
    progress.finished(RESULT)
    progress.record(a_record(fault="the end"))
    story.hear(os.read(reading, 65536))
    assert (story.record.fault, len(story.record.tests)) == ("the end", 1)


@given(st.lists(st.integers(1, 40), max_size=12), st.binary(max_size=60))
def test_pieces_and_noise_lose_no_result(cuts: list[int], noise: bytes) -> None:
    reading, writing = os.pipe()
    progress, story = Progress(writing), Story(a_record())
    progress.finished(RESULT)
    progress.done(Verdict.FAIL)
    data = noise + b"\n" + os.read(reading, 65536)
    os.close(reading)
    os.close(writing)
    for cut in cuts:
        story.hear(data[:cut])
        data = data[cut:]
    story.hear(data)
    assert [result.id for result in story.record.tests] == [RESULT.id]
    assert story.verdict == Verdict.FAIL


def test_a_parent_that_has_gone_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    progress = Progress(writing)
    progress.finished(RESULT)
    progress.finishing()
    os.close(writing)


def test_a_test_is_late_by_its_own_limit_and_silence_by_another() -> None:
    story = Story(a_record())
    now = story.last_heard
    assert story.overdue_s(now + 11, otherwise_s=10) == pytest.approx(1)
    story.hear(b'{"began": {"id": "a", "requirements": [], "limit_s": 100}}\n')
    now = story.last_heard
    assert story.overdue_s(now + 99, otherwise_s=10) < 0 < story.overdue_s(now + 101, otherwise_s=10)
