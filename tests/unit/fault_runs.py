"""Runs the suites with a fault of an instrument, each in a process of its own, and prints what came of it.

    fault_runs.py FAULT=EXPRESSION ...

The doctor does not look first: what is proven is that the tests themselves don't blame the unit.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.commands.order import Order
from bench.commands.run import run
from bench.twin.faults import FAULTS


def run_with(order: str) -> dict[str, Any]:
    fault, _, expression = order.partition("=")
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        suites = FAULTS[fault].suites
        run(Order(profile="certification" if suites else "regression", files=suites, run_dir=run_dir, faults=[fault],
                  expression=expression, report=False, doctor=False), Console(quiet=True))
        record: dict[str, Any] = json.loads((run_dir / "record.json").read_text("utf-8"))
    return {"verdict": record["verdict"],
            "tests": {test["id"].rpartition("::")[2]: [test["verdict"], test["message"]] for test in record["tests"]}}


if __name__ == "__main__":
    orders = sys.argv[1:]
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as pool:
        print(json.dumps(dict(zip(orders, pool.map(run_with, orders, chunksize=1), strict=True))))
