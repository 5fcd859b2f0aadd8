"""From the body of a run in the ledger to the rows that it is found by. A pure function: verify computes them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from bench.store.canonical import canonical, digest
from bench.store.errors import StoreRefuses
from bench.verdict import Verdict

Row = dict[str, Any]

LONGEST = 255
"""Characters of a text in a column; all of it is in the ledger."""

_JOB = ("part_number", "hw_rev", "batch", "work_order", "location", "slot", "shift", "retest_reason", "sampling")
_VERDICTS = {verdict.value: verdict.value for verdict in Verdict}
_INSTRUMENT = ("name", "identity", "serial", "firmware", "calibration_due")


def searchable(value: object) -> str:
    """``value`` as text that any database takes and any terminal may be given."""
    text = value if type(value) is str else "" if value is None else str(value)
    text = text[:LONGEST]
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " if letter in "\n\t" else "�" for letter in text)


def rows_of(sequence: int, kind: str, body: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The rows of each table that an entry of the ledger has, by the table's name. Raises ``StoreRefuses`` for a body
    that is none of its kind."""
    return run_of(sequence, body) if kind == "run" else {"event": [_event_of(sequence, kind, body)]}


def _event_of(sequence: int, kind: str, body: Mapping[str, Any]) -> Row:
    """Older entries, and those of the store itself, say only by whom they were made."""
    said = {name: searchable(body.get(name)) for name in ("role", "what", "why", "place", "unit")}
    return {"sequence": sequence, "event_id": searchable(body.get("event_id") or f"entry {sequence}"), "kind": kind,
            "who": searchable(body.get("who", body.get("by"))), **said}


def run_of(sequence: int, body: Mapping[str, Any], record_sha256: str = "") -> dict[str, list[Row]]:
    """The rows of each table, by its name. ``record_sha256``: of the record, if it was computed already. Raises
    ``StoreRefuses`` for a body that is no run's."""
    with no_run(body):
        return _run_of(sequence, body, record_sha256 or digest(canonical(body["record"])))


@contextmanager
def no_run(body: Mapping[str, Any]) -> Iterator[None]:
    """Whatever is wrong with ``body`` is a reason to refuse it."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StoreRefuses(f"record {body.get('run_id', 'without a run_id')}", expected="the record of a run",
                           seen=f"{type(error).__name__}: {ascii(str(error))[:80]}",
                           do="look at its record.json") from error


def _run_of(sequence: int, body: Mapping[str, Any], record_sha256: str) -> dict[str, list[Row]]:
    record = body["record"]
    manifest = record.get("manifest") or {}
    software, inputs, job = manifest.get("software") or {}, manifest.get("inputs") or {}, record.get("job") or {}
    verdict = Verdict(record["verdict"])
    run = {
        "sequence": sequence, "run_id": searchable(body["run_id"]), "simulated": int(record["simulated"] is True),
        "complete": int(is_complete(record)), "schema_version": int(record["schema"]),
        "kind": searchable(record["profile"]), "process": process_of(record), "unit_serial": unit_of(record),
        "fw_version": searchable(", ".join(manifest.get("unit_firmware") or ())),
        "sequence_sha256": searchable(inputs.get("suites")), "limits_sha256": searchable(inputs.get("limits")),
        "bench_version": searchable(software.get("version")), "bench_commit": searchable(software.get("commit")),
        "station": searchable(record["station"]),
        "operator": searchable(job.get("operator") or manifest.get("operator")),
        "started_at": _utc(record["started"]), "ended_at": _utc(manifest.get("ended")),
        "duration_s": float(record["wall_time_s"]), "attempt": int(body["attempt"]),
        "retest_of": searchable(body["retest_of"]), "verdict": verdict.value,
        "bin": _bin(verdict, body["attempt"]), "message": searchable(record["message"]),
        "run_dir": str(body["run_dir"]).encode("ascii", "backslashreplace").decode("ascii").replace("\0", "\\0"),
        "record_sha256": record_sha256, "first_fail": _first_fail(record),
        **{name: searchable(job.get(name)) for name in _JOB}}
    numbers: dict[str, int] = {}
    phases = [{"name": searchable(test["id"]), "requirement_ids": searchable(" ".join(test["requirements"])),
               "verdict": _VERDICTS[test["verdict"]], "error_text": searchable(test["message"]),
               "device_time_s": float(test["device_time_s"]), "duration_s": float(test["wall_time_s"])}
              for test in record["tests"]]
    for number, test in enumerate(record["tests"], start=1):
        numbers.setdefault(test["id"], number)
    measurements = [{"phase": numbers.get(row["test"]), "name": searchable(row["name"]), "value": _float(row["value"]),
                     "unit": searchable(row["unit"]), "low": _float(row["low"]), "high": _float(row["high"]),
                     "guard_band": _float(row.get("guard")), "verdict": _VERDICTS[row["verdict"]]}
                    for row in record["measurements"]]
    artifacts = [{"path": searchable(row["path"]), "sha256": searchable(row["sha256"])} for row in record["artifacts"]]
    instruments = [{name: searchable(row[name]) for name in _INSTRUMENT} for row in manifest.get("instruments") or ()]
    return {"run": [run], "phase": _numbered(sequence, phases), "measurement": _numbered(sequence, measurements),
            "artifact": _numbered(sequence, artifacts), "instrument": _numbered(sequence, instruments)}


def _first_fail(record: Mapping[str, Any]) -> str:
    """What the unit failed in first: a measurement where there is one, else a test."""
    test = next((one["id"] for one in record["tests"] if one["verdict"] == Verdict.FAIL), None)
    return searchable(next((one["name"] for one in record["measurements"]
                            if one["test"] == test and one["verdict"] == Verdict.FAIL), test))


def unit_of(record: Mapping[str, Any]) -> str:
    return searchable(record["unit"])


def process_of(record: Mapping[str, Any]) -> str:
    """The step of production: attempts are counted in each by itself."""
    return searchable((record.get("job") or {}).get("process") or record["profile"])


def is_complete(record: Mapping[str, Any]) -> bool:
    """Whether the run was of its whole profile, by itself. One that somebody narrowed says nothing of yield."""
    chosen_by = (record.get("manifest") or {}).get("chosen_by") or ()
    return record["verdict"] != Verdict.INCOMPLETE and all(words.startswith("profile ") for words in chosen_by)


def refuse_false_pass(record: Mapping[str, Any]) -> None:
    """Raises ``StoreRefuses`` for a record that says *pass* and does not bear it out: at the door, not years later."""
    if record.get("verdict") != Verdict.PASS:
        return
    left_out = (record.get("manifest") or {}).get("left_out", [{"excused": False}])
    tests = [test["verdict"] for test in record["tests"]]
    verdicts = {*tests, *(one["verdict"] for one in record["measurements"])}
    if (record["message"] or not is_complete(record) or any(one["excused"] is not True for one in left_out)
            or Verdict.PASS not in tests or not verdicts <= {Verdict.PASS, Verdict.SKIPPED}):
        raise StoreRefuses(f"record of unit {unit_of(record)}", expected="a pass of a complete run in which all passed",
                           seen="a pass that its tests don't bear out", do="look for who has changed record.json")


def _bin(verdict: Verdict, attempt: int) -> int:
    """Where the unit goes: 1 passed, 2 passed after a retest, 10 failed, 90 the bench erred, 91 not wholly tested."""
    passed = 1 if attempt == 1 else 2
    return {Verdict.PASS: passed, Verdict.FAIL: 10, Verdict.ERROR: 90}.get(verdict, 91)


def _numbered(sequence: int, rows: Iterable[Row]) -> list[Row]:
    return [{"sequence": sequence, "number": number, **row} for number, row in enumerate(rows, start=1)]


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _utc(text: str | None) -> str:
    """A time of one width, so that it sorts; empty where there is none."""
    if not text:
        return ""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="seconds")
