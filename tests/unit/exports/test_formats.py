"""Documents against readers and models of others."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from export_records import HOSTILE, body
from junitparser import Error, Failure, JUnitXml, Skipped

from bench.errors import BenchError
from reports.exports.document import StoredRun
from reports.exports.formats import FORMATS, format_named

OPENHTF = json.loads((Path(__file__).parents[2] / "data/openhtf-1.6.3.json").read_text("ascii"))

VERDICTS = ("pass", "fail", "error", "incomplete")


def written(name: str, verdict: str, **more: Any) -> bytes:
    run = StoredRun(7, {**body(3, verdict, **more), "attempt": 1, "retest_of": ""})
    return FORMATS[name].write(run, {"process_code": 100} if name == "wsjf" else {}).content


@pytest.mark.parametrize("verdict", VERDICTS)
def test_junit_is_read_as_it_was_judged(verdict: str) -> None:
    read = JUnitXml.fromstring(written("junit", verdict))
    assert (read.tests, read.failures, read.errors, read.skipped) == {
        "pass": (3, 0, 0, 0), "fail": (3, 1, 0, 0), "error": (3, 0, 1, 0), "incomplete": (4, 0, 0, 1)}[verdict]
    kinds = [type(result) for suite in read for case in suite for result in case.result]
    assert kinds == {"pass": [], "fail": [Failure], "error": [Error], "incomplete": [Skipped]}[verdict]
    of_the_run = next(iter(read))
    assert {one.name: one.value for one in of_the_run.properties()}["unit"] == "94193A0400000003"
    (measured,) = ElementTree.fromstring(written("junit", verdict)).iterfind(".//testcase//*[@name='led.hold.green']")
    assert measured.get("value") == "5.02 s (4.5 s … 5.5 s) pass"


def test_skipped_is_skipped_in_junit() -> None:
    run = body(1, "pass")
    run["record"]["tests"].append({**run["record"]["tests"][0], "id": "a::b", "verdict": "skipped", "reason": "none"})
    document = FORMATS["junit"].write(StoredRun(1, {**run, "attempt": 1}), {})
    read = JUnitXml.fromstring(document.content)
    assert read.skipped == 1
    assert [type(result) for suite in read for case in suite for result in case.result] == [Skipped]


def walk(ours: Any, theirs: list[Any], path: str) -> None:
    """Of each object the names that OpenHTF writes always, and none that it never writes; of each value its kind."""
    kinds = {type(None), *(type(one) for one in theirs)}
    if float in kinds or int in kinds:
        kinds |= {int, float}
    assert type(ours) in kinds, path
    if isinstance(ours, dict) and path not in ("/metadata", "/metadata/config"):
        names = [set(one) for one in theirs if isinstance(one, dict)]
        if path.endswith("/measurements"):
            for value in ours.values():
                walk(value, [each for one in theirs for each in one.values()], f"{path}/x")
            return
        assert set.intersection(*names) <= ours.keys() <= set.union(*names), path
        for name, value in ours.items():
            walk(value, [one[name] for one in theirs if isinstance(one, dict) and name in one], f"{path}/{name}")
    elif isinstance(ours, list):
        for value in ours:
            walk(value, [each for one in theirs if isinstance(one, list) for each in one], f"{path}[]")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_openhtfs_json_has_the_form_that_openhtf_gives_it(verdict: str) -> None:
    ours = json.loads(written("openhtf", verdict))
    walk({**ours, "metadata": {}}, [{**one, "metadata": {}} for one in OPENHTF.values()], "")
    assert ours["outcome"] == {"pass": "PASS", "fail": "FAIL", "error": "ERROR", "incomplete": "ABORTED"}[verdict]
    assert ours["metadata"].keys() >= OPENHTF["pass"]["metadata"].keys()
    first = ours["phases"][0]
    assert first["measurements"]["led.hold.green"]["validators"] == ["4.5 <= x <= 5.5"]
    assert first["start_time_millis"] == ours["start_time_millis"] <= ours["end_time_millis"]


def test_wsjf_has_what_wats_asks_for() -> None:
    """The whole is held against the maker's model by ``make wats``."""
    report = json.loads(written("wsjf", "fail"))
    assert report.keys() >= {"id", "type", "sn", "pn", "rev", "processCode", "start", "startUTC", "machineName",
                             "location", "purpose", "result", "root", "uut"}
    measured = next(step for step in report["root"]["steps"] if step["name"] == "power.sleep.current")
    assert measured["numericMeas"] == [{"value": 9.75, "unit": "uA", "status": "F", "compOp": "LE", "lowLimit": 6.6}]
    assert [step["name"] for step in report["root"]["steps"] if step.get("causedUUTFailure")] == ["power.sleep.current"]
    assert report["startUTC"] == "2026-11-02T06:03:00Z"


@pytest.mark.parametrize(("options", "unit", "said"), [
    ({}, "94193A0401020304", "option process_code of an export: expected the number"),
    ({"process_code": True}, "94193A0401020304", "option process_code"), ({"process_code": 1}, "", "the name of its")])
def test_what_wats_would_refuse_is_told_before(options: dict[str, Any], unit: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        FORMATS["wsjf"].write(StoredRun(1, {**body(1, "pass", unit=unit), "attempt": 1}), options)


def test_csv_has_a_row_for_each_measurement() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", "fail").decode())))
    assert [(row["measurement"], row["value"], row["verdict"]) for row in rows] == [
        ("led.hold.green", "5.02", "pass"), ("power.sleep.current", "9.75", "fail")]


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_breaks_no_format(name: str, hostile: str) -> None:
    run = body(1, "fail", station=hostile, job={"work_order": hostile, "slot": hostile})
    for row in (*run["record"]["tests"], *run["record"]["measurements"]):
        row["message"] = row["name"] = hostile
    content = FORMATS[name].write(StoredRun(1, {**run, "attempt": 1}), {"process_code": 1}).content
    if name == "junit":
        JUnitXml.fromstring(content)
    elif name == "csv":
        rows = list(csv.reader(io.StringIO(content.decode())))
        assert {len(row) for row in rows} == {18}
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "+"))]
    else:
        json.loads(content)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_value_that_is_no_number_is_no_number_in_any_format(name: str) -> None:
    run = body(1, "error")
    run["record"]["measurements"][1] |= {"value": None, "verdict": "error"}
    content = FORMATS[name].write(StoredRun(1, {**run, "attempt": 1}), {"process_code": 1}).content.decode()
    assert "NaN" not in content
    if name == "wsjf":
        steps = json.loads(content)["root"]["steps"]
        assert [step["status"] for step in steps if step["name"] == "power.sleep.current"] == ["E"]


def test_nobody_offers_that_format() -> None:
    with pytest.raises(BenchError, match="write json if that is meant"):
        format_named("jsno")
