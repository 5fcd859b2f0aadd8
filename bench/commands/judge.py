"""``mcm-bench judge``: a unit judged again, from what a run of the line has recorded and nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.commands.collect import Collector
from bench.commands.order import EXIT_CODES
from bench.commands.pytest_run import run_pytest
from bench.errors import BenchError
from bench.manifest import PROJECT
from bench.measure import Limits, Measurement, Verdict, worst
from fixtures.line.life import LIFE, TIMELINE
from fixtures.plugin.reasons import NOT_HERE

SUITES_LIMITS = PROJECT / "suites" / "limits"


@dataclass(frozen=True)
class Judgement:
    """Verdict and sentence of each judge by its id, and what was measured; ``recorded``: the same of the run's record,
    which is never repeated, only held beside. ``fault``: why the bench could not go on in that run, ``left_out``: what
    else than judges was left out of it; no judge can make up for these."""

    tests: dict[str, tuple[Verdict, str]]
    measurements: tuple[tuple[str, Measurement], ...]
    recorded: dict[str, Verdict]
    fault: str
    left_out: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        if self.fault:
            return Verdict.ERROR
        found = worst(verdict for verdict, _ in self.tests.values())
        is_whole = not self.left_out and all(verdict is not Verdict.SKIPPED or message.startswith(NOT_HERE)
                                             for verdict, message in self.tests.values())
        return found if is_whole or found is not Verdict.PASS else Verdict.INCOMPLETE

    @property
    def changed(self) -> list[str]:
        """The judges that say something else than the record, as sentences."""
        return [f"{test}: {verdict}, recorded was {self.recorded[test]}" for test, (verdict, _) in self.tests.items()
                if test in self.recorded and self.recorded[test] is not verdict]

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "message": self.fault, "left_out": list(self.left_out),
                "changed": self.changed,
                "tests": [{"id": test, "verdict": verdict, "message": message}
                          for test, (verdict, message) in self.tests.items()],
                "measurements": [{**asdict(measured), "test": test} for test, measured in self.measurements]}


def judge(run_dir: Path, limits: Path | None = None) -> Judgement:
    """Let the judges look at the life that ``run_dir`` has recorded. ``limits``: a file, or a folder of files, whose
    limits stand in place of those of the suites. Raises ``BenchError`` for a run without a life, and for evidence that
    is not what its record names."""
    record = _record(run_dir)
    if limits is not None:
        Limits.load(SUITES_LIMITS).replaced_by(Limits.load(limits))    # what is wrong with them is said before
    collector = Collector()
    arguments = ["--strict-markers", "-p", "allure_pytest", str(PROJECT / "suites" / "line"),
                 "--profile", "line", "--life", str(run_dir)]
    if limits is not None:
        arguments += ["--limits", str(limits)]
    run_pytest(arguments, [collector])
    if collector.fault or not collector.results:
        raise BenchError(f"judges of {run_dir}", expected="a verdict of each", seen=collector.fault or "none",
                         do="run pytest on suites/line by hand to see why")
    results = collector.in_order()
    recorded = {test["id"]: Verdict(test["verdict"]) for test in record["tests"]}
    left_out = tuple(f"{row['what']}: {row['reason']}" for row in record["manifest"]["left_out"]
                     if not row["excused"] and "::" not in row["what"])
    return Judgement({result.id: (result.verdict, result.message) for result in results},
                     tuple((result.id, measured) for result in results for measured in result.measurements), recorded,
                     record["message"], left_out)


def print_judgement(run_dir: Path, limits: Path | None, as_json: bool, console: Console) -> int:
    """Judge and say what came out; the exit code of the verdict."""
    found = judge(run_dir, limits)
    if as_json:
        print(json.dumps(found.to_json(), indent=1))
        return EXIT_CODES[found.verdict]
    for test, (verdict, message) in found.tests.items():
        if verdict is not Verdict.PASS and not message.startswith(NOT_HERE):
            console.print(Text(f"{verdict:8} {test}\n         {message}"), soft_wrap=True)
    for sentence in filter(None, (found.fault, *found.left_out)):
        console.print(Text(f"run      {sentence}", "magenta"), soft_wrap=True)
    for sentence in found.changed:
        console.print(Text(f"changed  {sentence}", "yellow"), soft_wrap=True)
    console.print(Text(f"{found.verdict.upper()}  {len(found.tests)} judges, {len(found.measurements)} measurements, "
                       f"{len(found.changed)} changed", "bold"))
    return EXIT_CODES[found.verdict]


def _record(run_dir: Path) -> dict[str, Any]:
    subject, do = f"run {run_dir}", "name the directory of a run of the line"
    try:
        record: dict[str, Any] = json.loads((run_dir / "record.json").read_text("utf-8"))
        hashes = {artifact["path"]: artifact["sha256"] for artifact in record["artifacts"]}
        _ = [Verdict(test["verdict"]) for test in record["tests"]], str(record["message"]), record["profile"]
        _ = [(row["what"], row["reason"], row["excused"]) for row in record["manifest"]["left_out"]]
    except OSError as error:
        raise BenchError(subject, expected="record.json", seen=(error.strerror or str(error)).lower(), do=do) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(subject, expected="a record", seen=f"{type(error).__name__}: {error}", do=do) from error
    if not (run_dir / "evidence" / LIFE).exists():
        raise BenchError(subject, expected=f"the life of a unit, evidence/{LIFE}",
                         seen=f"a run of the profile {record['profile']} without it", do=do)
    for name in (LIFE, TIMELINE):
        path, recorded = run_dir / "evidence" / name, hashes.get(f"evidence/{name}")
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != recorded:
            raise BenchError(f"evidence/{name}", expected="what the record names by its hash", seen="something else",
                             do="look for who has changed it; nobody is judged by it")
    return record
