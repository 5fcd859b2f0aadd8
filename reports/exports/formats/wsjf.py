"""WSJF, the JSON of WATS. Sources: its documentation, and the model of the maker's own package pywats-api 0.6.

Options: ``process_code`` (a number that the server must know), ``part_number``, ``revision``, ``location``,
``purpose``, where the run's job does not say so.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from bench.errors import BenchError
from reports.exports.document import Document, StoredRun, clean, option

OPTIONS = ("process_code", "part_number", "revision", "location", "purpose")

_STATUS = {"pass": "P", "fail": "F", "error": "E", "skipped": "S", "incomplete": "T"}
_LONGEST, _VERSION = 100, 30
_WILD = str.maketrans(dict.fromkeys("*%?_[]^!", "-"))
"""What the server takes for wild cards in names that it searches by."""


def wsjf(run: StoredRun, options: Mapping[str, Any]) -> Document:
    """Raises ``BenchError`` without a unit's name, or a process code: the server refuses such a report."""
    record, code = run.record, options.get("process_code")
    if not record["unit"]:
        raise BenchError(f"run {run.run_id} as WSJF", expected="the name of its unit", seen="none",
                         do="leave it out: WATS has no report of an unknown unit")
    if not isinstance(code, int) or isinstance(code, bool):
        raise BenchError("option process_code of an export", expected="the number of a process that WATS knows",
                         seen=repr(code), do="ask who administers it")
    status = _STATUS[record["verdict"]]
    more = {"work order": run.job.get("work_order", ""), "firmware": run.firmware, "attempt": run.attempt}
    report = {
        "type": "T", "id": _uuid(run.run_id), "sn": _name(record["unit"]),
        "pn": _name(run.job.get("part_number") or option(options, "part_number", "CMi6110")),
        "rev": _name(run.job.get("hw_rev") or option(options, "revision", "0")), "processCode": code,
        "machineName": _name(record["station"] or "twin"),
        "location": _name(run.job.get("location") or option(options, "location", "none")),
        "purpose": _name(option(options, "purpose", "Simulation" if record["simulated"] else "Production")),
        "result": status, "start": run.started.astimezone().isoformat(timespec="seconds"),
        "startUTC": run.started.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "uut": {"execTime": run.duration_s, "user": clean(run.operator)[:_LONGEST],
                "fixtureId": clean(run.job.get("slot", ""))[:_LONGEST],
                "batchSN": clean(run.job.get("batch", ""))[:_LONGEST],
                "errorMessage": clean(record["message"])},
        "root": {"id": 0, "group": "M", "stepType": "SequenceCall", "name": clean(run.process)[:_LONGEST],
                 "status": status, "steps": _steps(run), "seqCall": {
                     "path": "suites", "name": clean(run.process)[:_LONGEST],
                     "version": clean((run.manifest.get("inputs") or {}).get("suites") or "0")[:_VERSION]}},
        "miscInfos": [{"id": str(number), "description": name, "text": clean(value)[:_LONGEST]}
                      for number, (name, value) in enumerate(more.items()) if value],
    }
    return Document(run.run_id, ".json", "application/json", json.dumps(report, allow_nan=False).encode("ascii"))


def _steps(run: StoredRun) -> list[dict[str, Any]]:
    """A step for each test and for each of its measurements. The first that the unit failed in caused its failure: a
    measurement where there is one."""
    steps: list[dict[str, Any]] = []
    for test in run.tests:
        status = _STATUS[test["verdict"]]
        steps.append(_step(len(steps) + 1, test["id"], status, {
            "stepType": "ET_PFT", "booleanMeas": [{"status": "P" if status == "S" else status}],
            "reportText": clean(test.get("message") or test.get("reason") or test["id"]),
            "totTime": test["wall_time_s"]}))
        for row in run.measurements_of(test["id"]):
            steps.append(_measured(len(steps) + 1, row))
    if run.record["verdict"] == "fail":
        failed = [step for step in steps if step["status"] == "F"]
        for step in ([one for one in failed if "numericMeas" in one] or failed)[:1]:
            step["causedUUTFailure"] = True
    return steps


def _measured(number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    if row["value"] is None:    # no number: WSJF has no value without one
        return _step(number, row["name"], "E", {"stepType": "ET_PFT", "booleanMeas": [{"status": "E"}],
                                                "reportText": "the value is no number"})
    low, high = row["low"], row["high"]
    # The one limit of a one-sided comparison stands in lowLimit, whichever side it is on.
    bounds: dict[str, Any] = {"compOp": "LOG"}
    if low is not None and high is not None:
        bounds = {"compOp": "GELE", "lowLimit": low, "highLimit": high}
    elif low is not None or high is not None:
        bounds = {"compOp": "LE" if low is None else "GE", "lowLimit": high if low is None else low}
    status = _STATUS[row["verdict"]]
    return _step(number, row["name"], status, {"stepType": "ET_NLT", "numericMeas": [
        {"value": row["value"], "unit": clean(row["unit"]), "status": status, **bounds}]})


def _step(number: int, name: str, status: str, more: Mapping[str, Any]) -> dict[str, Any]:
    """Names are cut to what the server takes, from their beginning: the end tells tests apart."""
    return {"id": number, "group": "M", "name": clean(name)[-_LONGEST:] or "unnamed", "status": status, **more}


def _uuid(run_id: str) -> str:
    """The run's id, which is a UUID; of one that somebody named otherwise the same one each time."""
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, run_id))


def _name(text: object) -> str:
    return clean(text).translate(_WILD)[:_LONGEST] or "none"
