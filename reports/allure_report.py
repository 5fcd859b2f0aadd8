"""Allure Report 3 of runs out of a store: for who is used to it. It is a view; the record is what counts.

What Allure alone would do, and what is done about it here (each has hidden a failing unit, or made a page call home):

* Results of one test of two units have one history id, and only the last is shown. Here each run has a directory of its
  own, and its id is part of what makes a test another one.
* Into a folder that is there already a part of the old report stays. Here a report is made aside, checked, and renamed.
* Its pages load a tag manager. Here that is cut out, it is looked whether anything is left, and the page forbids it.
* What it counts may not be what was judged. Here it is compared with the record, and other figures make no report.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from reports.exports.document import StoredRun, clean
from reports.text import WORDS, limits, name_of_test, quantity

VERSION = "3.18.0"
"""The one release that this was tried with: another one may count, draw or call home otherwise."""

PATIENCE_S = 600

_STATUS = {"pass": "passed", "fail": "failed", "error": "broken", "skipped": "skipped"}
_ANALYTICS = re.compile(r'\s*<script async src="https://www\.googletagmanager\.com[^<]*</script>\s*'
                        r"<script>\s*window\.dataLayer.*?</script>", re.DOTALL)
_COUNTS = re.compile(r'd\("widgets/statistic\.json","([A-Za-z0-9+/=]*)"\)')
_POLICY = ('<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; script-src \'unsafe-inline\' '
           "'unsafe-eval' data: blob:; style-src 'unsafe-inline' data: blob:; img-src data: blob:; font-src data: "
           "blob:; connect-src data: blob:; media-src data: blob:; worker-src blob: data:; frame-src data: blob:; "
           'base-uri \'none\'; form-action \'none\'">')


@dataclass(frozen=True)
class Allure:
    """``command``: what runs it. Raises ``BenchError`` where it is missing, or of another release."""

    command: Path

    def __post_init__(self) -> None:
        try:
            done = subprocess.run([self.command, "--version"], capture_output=True, text=True, timeout=PATIENCE_S,
                                  check=False)
            found = done.stdout.strip() or done.stderr.strip()[:80]
        except (OSError, subprocess.TimeoutExpired) as error:
            found = type(error).__name__
        if found != VERSION:
            raise BenchError(f"Allure at {self.command}", expected=f"release {VERSION}", seen=found or "none",
                             do=f"npm install allure@{VERSION}, and name node_modules/.bin/allure with --allure; it "
                                "takes Node.js 20 or later")

    def report(self, runs: Sequence[StoredRun], to: Path, name: str, history: Path | None = None) -> Counter[str]:
        """Make a report of ``runs`` in the new folder ``to``; what it counts. ``history``: a file that grows by this
        report, and whose older ones it shows; a test is then the same one in every run.

        Raises ``BenchError``; then there is no report.
        """
        if not runs:
            raise BenchError("Allure report", expected="runs", seen="none", do="ask for others")
        if to.exists():
            raise BenchError(f"Allure report {to}", expected="a new folder", seen="one that is there",
                             do="name another: a part of an old report would stay in it")
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="allure-", dir=to.parent) as folder:
            aside = Path(folder)
            results = [_write_results(run, aside / f"results-{number}", told_apart=history is None)
                       for number, run in enumerate(runs)]
            grown = aside / "history.jsonl"
            if history is not None and history.exists():
                shutil.copyfile(history, grown)
            self._generate(results, aside, name, grown if history is not None else None)
            counts = _checked(aside / "report", runs)
            if history is not None:
                shutil.copyfile(grown, history)
            (aside / "report").rename(to)
        return counts

    def _generate(self, results: Sequence[Path], aside: Path, name: str, history: Path | None) -> None:
        config = {"name": name, "output": str(aside / "report"),
                  **({"historyPath": str(history), "appendHistory": True, "historyLimit": 60} if history else {}),
                  "categories": {"rules": [{"name": "The unit is to blame", "matchers": {"statuses": ["failed"]}},
                                           {"name": "The bench is to blame", "matchers": {"statuses": ["broken"]}}]},
                  "plugins": {"awesome": {"options": {"singleFile": True, "reportLanguage": "en", "reportName": name,
                                                      "groupBy": ["parentSuite", "suite"]}}}}
        (aside / "allurerc.json").write_text(json.dumps(config), "ascii")
        try:
            done = subprocess.run([self.command, "generate", "--config", aside / "allurerc.json", *results], cwd=aside,
                                  capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise _broken("a report", f"none in {PATIENCE_S} s") from error
        if done.returncode or not (aside / "report/index.html").is_file():
            raise _broken("a report", " ".join((done.stdout + done.stderr).split())[-200:] or "nothing")


def _checked(report: Path, runs: Sequence[StoredRun]) -> Counter[str]:
    """Make every page of ``report`` one that asks nothing of anybody, and hold its counts against those of ``runs``."""
    for path in report.rglob("*.html"):
        page = _ANALYTICS.sub("", path.read_text("utf-8"))
        if re.search(r"googletagmanager|google-analytics|<script[^>]+src=[\"']?(?:https?:)?//", page):
            raise _broken("pages without a tag manager", f"one that is left in {path.name}")
        path.write_text(page.replace("<head>", f"<head>{_POLICY}", 1), "utf-8")
    found = _COUNTS.search((report / "index.html").read_text("utf-8"))
    try:
        told = json.loads(base64.b64decode(found.group(1))) if found else {}
    except (ValueError, binascii.Error):
        told = {}
    expected = Counter(_STATUS[test["verdict"]] for run in runs for test in run.tests)
    seen = {status: told.get(status, 0) for status in (*_STATUS.values(), "unknown") if told.get(status)}
    if seen != dict(expected) or told.get("total") != expected.total() or told.get("retries"):
        raise _broken(f"the records' counts {dict(sorted(expected.items()))}", str(dict(sorted(told.items()))))
    return expected


def _write_results(run: StoredRun, folder: Path, *, told_apart: bool) -> Path:
    """What Allure reads of one run. ``told_apart``: its tests are others than those of any other run."""
    folder.mkdir()
    record, at = run.record, round(1000 * run.started.timestamp())
    unit, firmware = clean(record["unit"]) or "unknown unit", clean(run.firmware) or "firmware unknown"
    for number, test in enumerate(run.tests):
        test_id, took = clean(test["id"]), round(1000 * float(test["wall_time_s"]))
        message = clean(test.get("message") or test.get("reason") or "")
        place, _, name = test_id.rpartition("::")
        identity = _digest(f"{run.run_id} {number} {test_id}" if told_apart else test_id)
        result: dict[str, Any] = {
            "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run.run_id} {number}")), "historyId": identity,
            "testCaseId": identity, "fullName": test_id, "name": name_of_test(test_id) or name,
            "status": _STATUS[test["verdict"]], "stage": "finished", "start": at, "stop": at + took,
            "statusDetails": {"message": message.partition("\n")[0], "trace": message} if message else {},
            "description": clean(test.get("title") or ""),
            "parameters": [{"name": "unit", "value": unit, "excluded": not told_apart},
                           {"name": "attempt", "value": str(run.attempt), "excluded": not told_apart},
                           {"name": "firmware", "value": firmware, "excluded": True}],
            "labels": [{"name": "parentSuite", "value": f"{unit}, attempt {run.attempt}: {WORDS[record['verdict']]}"},
                       {"name": "suite", "value": place}, {"name": "host", "value": clean(record["station"])},
                       {"name": "simulated", "value": "yes" if record["simulated"] else "no"},
                       *({"name": "req", "value": clean(one)} for one in test["requirements"])],
            "steps": [_step(row, at, took) for row in run.measurements_of(test["id"])]}
        (folder / f"{result['uuid']}-result.json").write_text(json.dumps(result), "ascii")
        at += took
    return folder


def _step(row: Mapping[str, Any], at: int, took: int) -> dict[str, Any]:
    return {"name": f"{clean(row['name'])} = {quantity(row['value'], clean(row['unit']))} "
                    f"({limits(row['low'], row['high'], clean(row['unit']))})",
            "status": _STATUS[row["verdict"]], "stage": "finished", "start": at, "stop": at + took}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _broken(expected: str, seen: str) -> BenchError:
    return BenchError("Allure report", expected=expected, seen=seen, do="trust the records; no report was made")
