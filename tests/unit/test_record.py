"""The run record and its file, which is an interface."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.manifest import Instrument, LeftOut, Manifest, Software
from bench.measure import Measurement, Verdict
from bench.record import Record, TestResult


def result(verdict: str, **more: object) -> TestResult:
    return TestResult(id="suites/test_led.py::test_a", verdict=Verdict(verdict), requirements=("LED-04",),
                      device_time_s=12.3456, wall_time_s=0.25, **more)  # type: ignore[arg-type]


def record(*verdicts: str, **more: object) -> Record:
    return Record(profile="acceptance", unit="94193A0401000001", seed=7, simulated=True,
                  started=datetime(2026, 3, 2, 9, 30, tzinfo=UTC), tests=[result(one) for one in verdicts],
                  **more)  # type: ignore[arg-type]


MANIFEST = Manifest(
    software=Software("1.0", "abc", False, "3.11"), operator="anna@bench-1",
    ended=datetime(2026, 3, 2, 10, 0, tzinfo=UTC), inputs={"limits": "12ab"}, chosen_by=("profile acceptance",),
    collected=2, chosen=["suites/test_led.py::test_a"],
    left_out=[LeftOut("suites/test_x.py", "is missing", ("LED-04",))], unit_firmware=["2.3.1"], findings=["odd"],
    instruments=[Instrument.told("supply", "Keysight,N6705C,MY1,E.02", "2026-01-01", "2027-01-01")])


@pytest.mark.parametrize(("verdicts", "expected"), [
    ([], "error"), (["skipped", "skipped"], "error"), (["pass", "skipped"], "pass"), (["pass", "fail"], "fail"),
    (["pass", "fail", "error"], "error")])
def test_the_verdict_is_the_worst_of_its_tests(verdicts: list[str], expected: str) -> None:
    assert record(*verdicts).verdict == expected


@pytest.mark.parametrize(("verdicts", "excused", "expected"), [
    (["pass"], False, "incomplete"), (["pass"], True, "pass"), (["pass", "fail"], False, "fail"),
    (["pass", "error"], False, "error"), ([], False, "error"), (["skipped"], False, "error")])
def test_a_pass_from_which_something_was_left_out_is_incomplete(verdicts, excused, expected) -> None:
    run = record(*verdicts, manifest=Manifest(left_out=[LeftOut("suites/test_led.py", "is missing", (), excused)]))
    assert run.verdict == expected


def test_a_fault_of_the_bench_is_an_error_whatever_the_tests_say() -> None:
    assert record("pass", fault="the run was interrupted").verdict == "error"
    assert record("fail", fault="the run was interrupted").verdict == "error"


def test_the_file_has_this_form(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "a.pcapng").write_bytes(b"abc")
    run = record(station="twin", defects=("sleep-current-high",), wall_time_s=1.23456,
                 artifacts=[tmp_path / "evidence" / "a.pcapng"], manifest=MANIFEST)
    run.tests = [result("fail", message="outside its limits", title="A title.", steps=("press the button",),
                        measurements=(Measurement("led.green", 9.5, "s", None, 8.5, Verdict.FAIL),)),
                 result("skipped", message="the station has no meter.mbus")]
    path = run.write(tmp_path)
    assert path == tmp_path / "record.json"
    test = {"id": "suites/test_led.py::test_a", "requirements": ["LED-04"], "device_time_s": 12.346,
            "wall_time_s": 0.25, "ets": [], "number": 0, "heard": False, "readings": {}, "shown": {}}
    assert json.loads(path.read_text("utf-8")) == {
        "schema": 3, "run_id": run.run_id, "job": {},
        "verdict": "fail", "simulated": True, "profile": "acceptance", "unit": "94193A0401000001",
        "station": "twin", "seed": 7, "defects": ["sleep-current-high"], "started": "2026-03-02T09:30:00+00:00",
        "device_time_s": 24.691, "wall_time_s": 1.235, "message": "",
        "labs": 0, "stages": [], "power_cycles": [], "not_delivered": [],
        "manifest": {
            "software": {"version": "1.0", "commit": "abc", "modified": False, "python": "3.11"},
            "operator": "anna@bench-1", "ended": "2026-03-02T10:00:00+00:00", "inputs": {"limits": "12ab"},
            "chosen_by": ["profile acceptance"], "collected": 2, "chosen": ["suites/test_led.py::test_a"],
            "left_out": [{"what": "suites/test_x.py", "reason": "is missing", "requirements": ["LED-04"],
                          "excused": False}],
            "unit_firmware": ["2.3.1"], "findings": ["odd"], "doctor": "",
            "instruments": [{"name": "supply", "identity": "Keysight,N6705C,MY1,E.02", "serial": "MY1",
                             "firmware": "E.02", "calibrated": "2026-01-01", "calibration_due": "2027-01-01"}]},
        "tests": [
            {**test, "verdict": "fail", "message": "outside its limits", "title": "A title.",
             "steps": ["press the button"]},
            {**test, "verdict": "skipped", "message": "", "reason": "the station has no meter.mbus", "title": "",
             "steps": []}],
        "measurements": [{"name": "led.green", "value": 9.5, "unit": "s", "low": None, "high": 8.5, "verdict": "fail",
                          "guard": 0.0, "uncertainty": 0.0, "test": "suites/test_led.py::test_a"}],
        "artifacts": [{"path": "evidence/a.pcapng",
                       "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]}


def test_artifacts_are_listed_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.vcd", "a.png"):
        (tmp_path / name).write_bytes(b"")
    run = record("pass", artifacts=[tmp_path / "b.vcd", tmp_path / "a.png"])
    assert [one["path"] for one in run.to_json(tmp_path)["artifacts"]] == ["a.png", "b.vcd"]


def test_a_record_that_cannot_be_written_leaves_the_old_one_whole(tmp_path: Path) -> None:
    run = record("pass")
    run.write(tmp_path)
    before = (tmp_path / "record.json").read_bytes()
    run.artifacts = [tmp_path / "not there"]
    with pytest.raises(FileNotFoundError):
        run.write(tmp_path)
    assert (tmp_path / "record.json").read_bytes() == before


def test_no_draft_is_left_behind_and_the_directory_is_made(tmp_path: Path) -> None:
    record("pass").write(tmp_path / "runs" / "1")
    assert [path.name for path in (tmp_path / "runs" / "1").iterdir()] == ["record.json"]


def test_what_is_no_number_in_json_is_not_written_as_one(tmp_path: Path) -> None:
    run = record()
    run.tests = [result("fail", measurements=(
        Measurement("a", float("nan"), "s", None, 1.0, Verdict.FAIL),
        Measurement("b", float("inf"), "s", None, 1.0, Verdict.FAIL)))]

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    written = json.loads(run.write(tmp_path).read_text("utf-8"), parse_constant=refuse)
    assert [one["value"] for one in written["measurements"]] == [None, None]
