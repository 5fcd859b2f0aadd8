"""Side files for Allure, and the check that Allure counted what we counted.

Allure merges results of equal history id into one test with retries, and then shows a failing unit as passed
(allure-python issue 430). So one results directory belongs to one run, and the counts must be equal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bench.errors import BenchError
from reports.run import Run
from reports.text import VERDICTS, WORDS

_STATUS = {"passed": "pass", "failed": "fail", "broken": "error", "skipped": "skipped"}


def write_side_files(run: Run, results: Path) -> None:
    """Write environment.properties, executor.json and categories.json into ``results`` (allure-results/)."""
    results.mkdir(parents=True, exist_ok=True)
    facts = {"Unit": run.unit or "unknown", "Profile": run.profile, "Seed": str(run.seed), "Started": run.started,
             "Verdict": WORDS[run.verdict],
             "Simulated": "yes - no hardware was tested" if run.simulated else "no"}
    lines = [f"{key}={_property(value)}" for key, value in facts.items()]
    (results / "environment.properties").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _write(results / "executor.json", {"name": "mcm-bench", "type": "mcm-bench",
                                       "reportName": f"mcm-bench {run.profile}",
                                       "buildName": f"{run.profile} of {run.unit or 'unknown'}, seed {run.seed}"})
    _write(results / "categories.json", [
        {"name": "The unit is to blame", "matchedStatuses": ["failed"]},
        {"name": "The bench is to blame", "matchedStatuses": ["broken"]},
        {"name": "Not run", "matchedStatuses": ["skipped"]}])


def attach_pictures(pictures: Mapping[str, bytes], name: str, results: Path) -> None:
    """Attach PNGs, by the ids of their tests, to the results in ``results``. A result that is none is left alone."""
    for path in sorted(results.glob("*-result.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            test_id = "/".join(result["titlePath"]) + "::" + result["name"]
        except (ValueError, KeyError, TypeError):
            continue    # ``check_counts`` complains of it
        if test_id in pictures:
            source = path.name.removesuffix("-result.json") + "-arrivals-attachment.png"
            (results / source).write_bytes(pictures[test_id])
            attachments = [*(result.get("attachments") or []), {"name": name, "source": source, "type": "image/png"}]
            _write(path, result | {"attachments": attachments})


def check_counts(run: Run, results: Path) -> None:
    """Raise BenchError unless Allure will show the same number of tests with each verdict as the record has."""
    found: Counter[str] = Counter()
    histories: dict[str, str] = {}
    for path in sorted(results.glob("*-result.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            history, name, status = str(result["historyId"]), str(result["fullName"]), str(result["status"])
        except (ValueError, KeyError, TypeError) as problem:
            raise _broken("a test result of Allure", f"{path.name}, which is not one") from problem
        if history in histories:
            raise _broken("a history id of its own for each test", f"one id for {histories[history]} and {name}")
        histories[history] = name
        found[_STATUS.get(status, status)] += 1
    expected = {verdict: run.count(verdict) for verdict in VERDICTS if run.count(verdict)}
    if dict(found) != expected:
        raise _broken(f"the record's counts {expected}", str(dict(sorted(found.items()))))


def _broken(expected: str, seen: str) -> BenchError:
    return BenchError("allure-results", expected=expected, seen=seen,
                      do="give each run a new directory, and trust record.json, not Allure, until the counts agree")


def _property(value: str) -> str:
    """A value on one line, as Java reads it."""
    return value.replace("\\", "\\\\").replace("\r", " ").replace("\n", " ")


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
