"""CSV: a row for each measurement, and one for each test that measured nothing (RFC 4180, UTF-8)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from reports.exports.document import Document, StoredRun, clean

COLUMNS = ("run_id", "unit", "process", "attempt", "station", "slot", "work_order", "started", "run_verdict",
           "simulated", "test", "test_verdict", "measurement", "value", "unit_of_measure", "low", "high", "verdict")


def csv_rows(run: StoredRun, _: Mapping[str, Any]) -> Document:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    record = run.record
    head = [run.run_id, record["unit"], run.process, run.attempt, record["station"], run.job.get("slot", ""),
            run.job.get("work_order", ""), record["started"], record["verdict"], "yes" if record["simulated"] else "no"]
    for test in run.tests:
        rows = [[row["name"], row["value"], row["unit"], row["low"], row["high"], row["verdict"]]
                for row in run.measurements_of(test["id"])]
        for row in rows or [["", "", "", "", "", ""]]:
            writer.writerow([_cell(value) for value in (*head, test["id"], test["verdict"], *row)])
    return Document(run.run_id, ".csv", "text/csv; charset=utf-8", file.getvalue().encode())


def _cell(value: object) -> object:
    """A text that a spreadsheet would reckon with is none any more: names come from devices and scanners."""
    if value is None or isinstance(value, int | float):
        return value
    text = clean(value)
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
