"""The JSON Schemas of a run: they are what the classes give, and they object to what is wrong.

That runs keep to them is looked at where there are runs: ``test_line.py``, ``test_run_evidence.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from run_schemas import objections

from bench.commands import schemas
from bench.measure import Measurement, Verdict
from bench.record import Record, TestResult


@pytest.mark.parametrize(("path", "text"), schemas.texts().items(), ids=lambda one: getattr(one, "name", ""))
def test_the_files_are_those_that_the_classes_give(path: Path, text: str) -> None:
    assert path.read_text("utf-8") == text, "python -m bench.commands.schemas"


def written() -> dict[str, Any]:
    measured = Measurement("led.joined.green", float("nan"), "s", 7.5, None, Verdict.ERROR)
    tests = [TestResult("a::b", Verdict.ERROR, ("LED-04",), 1.0, 2.0, measurements=(measured,)),
             TestResult("a::c", Verdict.SKIPPED, (), 0.0, 0.0, message="no panel")]
    record = Record("regression", "0011223344556677", 1, True, tests=tests)
    return dict(json.loads(json.dumps(record.to_json(Path()))))


def test_a_record_keeps_to_its_schema_also_with_what_is_no_number_and_what_was_skipped() -> None:
    assert objections("record", written()) == []


@pytest.mark.parametrize(("change", "said"), [
    ({"verdict": "maybe"}, "$.verdict"), ({"seed": "1"}, "$.seed"), ({"colour": "green"}, "$.colour is not"),
    ({"tests": [{"id": "a"}]}, "$.tests[0]"), ({"started": "yesterday"}, "$.started"), ({"schema": 2}, "$.schema")])
def test_a_record_that_is_none_is_objected_to(change: dict[str, Any], said: str) -> None:
    assert any(one.startswith(said) for one in objections("record", written() | change))


@pytest.mark.parametrize("event", [{"event": "lunch"}, {"event": "stage", "name": "dark"}, {}])
def test_an_event_that_is_none_is_objected_to(event: dict[str, Any]) -> None:
    assert objections("events", event)
