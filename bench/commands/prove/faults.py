"""What becomes of a fault of the twin's instruments: ``mcm-bench prove --fault NAME``.

A run with the fault, the doctor before it, must end as an error of the bench. Where it passes, the fault was tolerated
only if each figure agrees with that of the healthy run of the same seed, within what both say of their uncertainty.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.commands.order import Order
from bench.commands.prove.worker import die_with_parent
from bench.commands.run import run
from bench.commands.terminal import plain
from bench.errors import BenchError
from bench.manifest import PROJECT
from bench.measure import Limits, Verdict
from bench.twin.faults import FAULTS

PROFILE = "acceptance"

JUDGED = ("power.", "led.", "time.")
"""Figures whose truth does not depend on chance: when a telegram comes through the air does."""

UNSTATED_PART = 0.05
"""So much of its tolerance may a figure change whose uncertainty nobody states."""

LIMITS = PROJECT / "suites" / "limits"


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """``verdict`` is that of the run, ``tolerated``: it passed and all its figures are right. ``sentence``: what was
    said of the fault, or which figure is wrong. ``seconds`` of real time."""

    name: str
    verdict: Verdict
    tolerated: bool
    sentence: str
    seconds: float

    @property
    def is_right(self) -> bool:
        return self.verdict is Verdict.ERROR or self.tolerated


def judge_faults(names: Sequence[str], seed: int, jobs: int) -> Iterator[FaultOutcome]:
    """All of them, in so many processes, as they come."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=die_with_parent) as pool:
        try:
            for judged in as_completed([pool.submit(judge_fault, name, seed) for name in names]):
                yield judged.result()
        except BrokenProcessPool as error:
            raise BenchError("a run with a fault", expected="a record", seen="its process died",
                             do="report this as a fault of the bench") from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def judge_fault(name: str, seed: int = 1) -> FaultOutcome:
    """Run the acceptance profile, or the suites in which it is met, with the fault ``name``, in one lab, and hold it
    against the healthy run of the same seed (made once in a process). Raises ``BenchError`` for a name that is none."""
    FAULTS.find([name])
    began = time.monotonic()
    record = _record_of(seed, name)
    verdict = Verdict(record["verdict"])
    sentence = _said(record)
    wrong = wrong_figures(record, healthy_record(seed)) if verdict is Verdict.PASS else []
    return FaultOutcome(name, verdict, verdict is Verdict.PASS and not wrong, "; ".join(wrong) or sentence,
                        time.monotonic() - began)


@cache
def healthy_record(seed: int) -> dict[str, Any]:
    """That of the healthy run. Raises ``BenchError`` where it does not pass."""
    record = _record_of(seed)
    if record["verdict"] != Verdict.PASS:
        raise BenchError("healthy twin", expected="to pass", seen=_said(record), do="mend that first")
    return record


def _record_of(seed: int, *faults: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        suites = [file for one in FAULTS.find(faults) for file in one.suites]
        run(Order(profile="certification" if suites else PROFILE, run_dir=run_dir, seed=seed, faults=faults,
                  files=suites, report=False, lab="run"),
            plain(quiet=True))
        record: dict[str, Any] = json.loads((run_dir / "record.json").read_text("utf-8"))
    return record


def _said(record: dict[str, Any]) -> str:
    """Why it did not pass: what the first test says in which the bench failed, what is wrong with the run, or what the
    first test says that failed the unit."""
    told: dict[str, list[str]] = {Verdict.ERROR: [], Verdict.FAIL: []}
    for test in record["tests"]:
        said = "; ".join(test["message"].splitlines())
        if said:
            told.setdefault(test["verdict"], []).append(f"{test['id'].rpartition('::')[2]}: {said}")
    return next((text for text in [*told[Verdict.ERROR], record["message"], *told[Verdict.FAIL]] if text), "")


def wrong_figures(record: dict[str, Any], healthy: dict[str, Any]) -> list[str]:
    """What was measured otherwise than in the healthy run."""
    limits = Limits.load(LIMITS)
    rows = list(zip(record["measurements"], healthy["measurements"], strict=False))
    wrong = [] if len(record["measurements"]) == len(healthy["measurements"]) else ["other measurements were taken"]
    for one, right in rows:
        name = one["name"]
        if not name.startswith(JUDGED) or name != right["name"]:
            continue
        allowed = one["guard"] + right["guard"] or limits.tolerance(name) * UNSTATED_PART
        if abs(one["value"] - right["value"]) > allowed:
            wrong.append(f"{name} is {one['value']:.4g} {one['unit']} and {right['value']:.4g} {one['unit']} with good "
                         f"instruments, which {allowed:.2g} {one['unit']} of uncertainty don't explain")
    return wrong
