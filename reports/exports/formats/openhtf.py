"""A test record as OpenHTF 1.6 writes it as JSON, for whoever reads those."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reports.exports.document import Document, StoredRun, clean

_OUTCOME = {"pass": "PASS", "fail": "FAIL", "error": "ERROR", "skipped": "SKIP", "incomplete": "ABORTED"}

_OPTIONS = {"force_repeat": False, "name": None, "phase_name_case": "KEEP", "repeat_limit": None,
            "repeat_on_measurement_fail": False, "repeat_on_timeout": False, "requires_state": False, "run_if": None,
            "run_under_pdb": False, "stop_on_measurement_fail": False, "timeout_s": None}
"""Those of a phase for which nobody has said anything."""

_UNITS = {"s": ("second", "SEC", "s"), "min": ("minute", "MIN", "min"), "h": ("hour", "HUR", "h"),
          "A": ("ampere", "AMP", "A"), "mA": ("milliampere", "4K", "mA"), "uA": ("microampere", "B84", "µA"),
          "V": ("volt", "VLT", "V"), "mV": ("millivolt", "2Z", "mV"), "mC": ("millicoulomb", "D86", "mC"),
          "dB": ("decibel", "2N", "dB"), "%": ("percent", "P1", "pct"), "octets": ("byte", "AD", "byte")}
"""Codes of UNECE, Recommendation 20. Another unit is left out: OpenHTF knows none without a code."""


def openhtf(run: StoredRun, _: Mapping[str, Any]) -> Document:
    """Phases follow each other from the beginning of the run on: when each began is not in a record, how long it took
    is."""
    record, at = run.record, _millis(run.started)
    suites = str((run.manifest.get("inputs") or {}).get("suites") or "")
    phases, logged = [], []
    for test in run.tests:
        ended = at + round(1000 * float(test["wall_time_s"]))
        phases.append(_phase(run, test, at, ended))
        said = clean(test.get("message") or test.get("reason") or "")
        if said:
            logged.append({"level": 40 if test["verdict"] in ("fail", "error") else 20, "lineno": 0,
                           "logger_name": clean(test["id"]), "message": said, "source": "", "timestamp_millis": ended})
        at = ended
    whole = {
        "dut_id": clean(record["unit"]) or None, "station_id": clean(record["station"] or "twin"),
        "start_time_millis": _millis(run.started), "end_time_millis": max(at, _millis(run.ended)),
        "outcome": _OUTCOME[record["verdict"]],
        "outcome_details": [{"code": "bench", "description": clean(record["message"])}] if record["message"] else [],
        "marginal": False, "code_info": _code(run.process, suites),
        "metadata": {"test_name": clean(run.process), "test_version": suites, "config": {}, "run_id": run.run_id,
                     "attempt": run.attempt, "simulated": record["simulated"], "firmware": clean(run.firmware),
                     "operator": clean(run.operator), **{name: clean(value) for name, value in run.job.items()}},
        "phases": phases, "log_records": logged, "subtests": [], "branches": [], "diagnoses": [], "diagnosers": []}
    return Document(run.run_id, ".json", "application/json", json.dumps(whole, allow_nan=False).encode("ascii"))


def _phase(run: StoredRun, test: Mapping[str, Any], began: int, ended: int) -> dict[str, Any]:
    outcome = _OUTCOME[test["verdict"]]
    measured: dict[str, Any] = {}
    for row in run.measurements_of(test["id"]):
        name, number = clean(row["name"]), 2
        while name in measured:    # a test that measures something several times
            name, number = f"{clean(row['name'])}.{number}", number + 1
        measured[name] = _measurement(name, row)
    result: object = "SKIP" if outcome == "SKIP" else "CONTINUE"
    if outcome == "ERROR":    # as OpenHTF tells what a phase raised
        result = {"exc_type": "BenchError", "exc_val": clean(test.get("message") or ""), "exc_tb": ""}
    return {"name": clean(test["id"]), "descriptor_id": int(hashlib.sha256(test["id"].encode(
        "utf-8", "surrogatepass")).hexdigest()[:8], 16), "codeinfo": _code(test["id"], ""),
        "options": _OPTIONS, "diagnosers": [], "start_time_millis": began, "end_time_millis": ended, "outcome": outcome,
        "result": {"phase_result": result}, "marginal": False,
        "measurements": measured, "attachments": {}, "diagnosis_results": [], "failure_diagnosis_results": [],
        "subtest_name": None}


def _measurement(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["low"], row["high"]
    bounds = [f"{low:g} <= " if low is not None else "", "x", f" <= {high:g}" if high is not None else ""]
    measured: dict[str, Any] = {"name": name, "outcome": {"pass": "PASS", "fail": "FAIL"}.get(row["verdict"], "UNSET"),
                "validators": ["".join(bounds)] if low is not None or high is not None else []}
    if row["unit"] in _UNITS:
        measured["units"] = dict(zip(("name", "code", "suffix"), _UNITS[row["unit"]], strict=True))
    return measured | ({"measured_value": row["value"]} if row["value"] is not None else {"outcome": "UNSET"})


def _code(name: str, version: str) -> dict[str, str | None]:
    return {"name": clean(name), "docstring": None, "sourcecode": version}


def _millis(moment: datetime) -> int:
    return round(1000 * moment.timestamp())
