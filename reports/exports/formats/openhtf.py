"""A test record as OpenHTF 1.6 writes it as JSON, for whoever reads those."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reports.exports.document import Document, StoredRun, clean

_OUTCOME = {"pass": "PASS", "fail": "FAIL", "error": "ERROR", "skipped": "SKIP", "incomplete": "ABORTED"}


def openhtf(run: StoredRun, _: Mapping[str, Any]) -> Document:
    """Phases follow each other from the beginning of the run on: when each began is not in a record, how long it took
    is."""
    record, at = run.record, _millis(run.started)
    suites = str((run.manifest.get("inputs") or {}).get("suites") or "")
    phases = []
    for test in run.tests:
        ended = at + round(1000 * float(test["wall_time_s"]))
        phases.append(_phase(run, test, at, ended))
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
        "phases": phases, "log_records": [], "subtests": [], "branches": [], "diagnoses": [], "checkpoints": [],
        "diagnosers": []}
    return Document(run.run_id, ".json", "application/json", json.dumps(whole, allow_nan=False).encode("ascii"))


def _phase(run: StoredRun, test: Mapping[str, Any], began: int, ended: int) -> dict[str, Any]:
    outcome = _OUTCOME[test["verdict"]]
    measured: dict[str, Any] = {}
    for row in run.measurements_of(test["id"]):
        name, number = clean(row["name"]), 2
        while name in measured:    # a test that measures something several times
            name, number = f"{clean(row['name'])}.{number}", number + 1
        measured[name] = _measurement(name, row)
    said = clean(test.get("message") or test.get("reason") or "")
    return {"name": clean(test["id"]), "descriptor_id": int(hashlib.sha256(test["id"].encode(
        "utf-8", "surrogatepass")).hexdigest()[:8], 16), "codeinfo": _code(test["id"], ""),
        "options": {}, "diagnosers": [], "start_time_millis": began, "end_time_millis": ended, "outcome": outcome,
        "result": {"phase_result": {"SKIP": "SKIP", "ERROR": "STOP"}.get(outcome, "CONTINUE")}, "marginal": False,
        "measurements": measured, "attachments": {}, "diagnosis_results": [], "failure_diagnosis_results": [],
        "subtest_name": None, **({"message": said} if said else {})}


def _measurement(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    low, high = row["low"], row["high"]
    bounds = [f"{low:g} <= " if low is not None else "", "x", f" <= {high:g}" if high is not None else ""]
    measured = {"name": name, "outcome": {"pass": "PASS", "fail": "FAIL"}.get(row["verdict"], "UNSET"),
                "units": {"name": clean(row["unit"]), "code": clean(row["unit"]), "suffix": clean(row["unit"])},
                "validators": ["".join(bounds)] if low is not None or high is not None else [], "docstring": None}
    return measured | ({"measured_value": row["value"]} if row["value"] is not None else {"outcome": "UNSET"})


def _code(name: str, version: str) -> dict[str, str]:
    return {"name": clean(name), "docstring": "", "sourcecode": version}


def _millis(moment: datetime) -> int:
    return round(1000 * moment.timestamp())
