"""How long tests take on the device: learned from the records of former runs, declared where nothing was learned."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.commands.collect import Collector
from bench.commands.nights.plan import Candidate
from bench.commands.order import RESULTS
from bench.errors import BenchError
from bench.measure import Verdict
from fixtures.line.script import Script
from fixtures.plugin.choice import THE_LINE

NEWEST = 5
"""So many runs of a test are looked at: a firmware may have become slower."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a run directory tells of a run, ended or killed: ``verdicts`` and ``seconds`` of its tests."""

    run_dir: Path
    started: str
    station: str
    simulated: bool
    verdicts: Mapping[str, Verdict]
    seconds: Mapping[str, float]

    @property
    def ran(self) -> set[str]:
        """The tests that came to a verdict about the unit."""
        return {test for test, verdict in self.verdicts.items() if verdict in (Verdict.PASS, Verdict.FAIL)}

    @classmethod
    def load(cls, run_dir: Path) -> Told:
        """Of a run that was killed what it had told until then. Raises ``BenchError`` where there is neither."""
        record, seen = run_dir / "record.json", "neither record.json nor what a killed run leaves"
        try:
            if record.exists():
                return cls._of(run_dir, json.loads(record.read_text("utf-8")))
            if (run_dir / RESULTS).exists():
                return cls._of(run_dir, _killed(run_dir / RESULTS))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            seen = f"one that can't be read: {error}"
        raise BenchError(f"run {run_dir}", expected="the record of a run", seen=seen, do="name the folder of a run")

    @classmethod
    def _of(cls, run_dir: Path, record: Mapping[str, Any]) -> Told:
        tests = {str(test["id"]): test for test in record["tests"]}
        return cls(run_dir, str(record["started"]), str(record["station"]), bool(record["simulated"]),
                   {name: Verdict(test["verdict"]) for name, test in tests.items()},
                   {name: float(test["device_time_s"]) for name, test in tests.items()})


def _killed(path: Path) -> dict[str, Any]:
    """A record of what a run told its parent; its last line may be a part of one."""
    record: dict[str, Any] = {"started": "", "station": "", "simulated": True}
    tests: list[Any] = []
    for line in path.read_bytes().splitlines():
        try:
            ((what, value),) = json.loads(line).items()
        except ValueError:
            continue
        if what == "record":
            record = value
        elif what == "finished":
            tests.append(value)
    return {**record, "tests": tests}


def runs_below(folder: Path = Path("runs")) -> list[Told]:
    """All runs there that can be read."""
    found = []
    for run_dir in sorted(path for path in folder.glob("*") if path.is_dir()):
        try:
            found.append(Told.load(run_dir))
        except BenchError:    # no run, or one of another time
            continue
    return found


def learned(runs: Sequence[Told], station: str | None) -> dict[str, float]:
    """The seconds that each test takes, as its newest passes had it. ``station``: its name, None for the twin. What a
    station itself has told counts more than another one, and hardware more than the twin.

    A test that failed may have ended early, so it says nothing.
    """
    def nearness(run: Told) -> int:
        return 2 * (run.station == (station or "twin")) + (station is not None and not run.simulated)

    seen: dict[str, list[tuple[int, str, float]]] = {}
    for run in runs:
        for test, seconds in run.seconds.items():
            if run.verdicts[test] is Verdict.PASS:
                seen.setdefault(test, []).append((nearness(run), run.started, seconds))
    return {test: median(seconds for near, _, seconds in sorted(rows, reverse=True)[:NEWEST]
                         if near == max(rows)[0]) for test, rows in seen.items()}


def candidates(found: Collector, times: Mapping[str, float], must: Iterable[str] = ()) -> list[Candidate]:
    """The tests that were collected, with what is known of their time. ``must``: those that run whatever the plan."""
    groups: dict[str, float] = {}
    declared = found.device_times | dict.fromkeys(
        (test for test, name in found.watches.items() if name == THE_LINE), Script.load().physics_s)
    for test, name in found.watches.items():
        groups[name] = max(groups.get(name, 0.0), times.get(test, 0.0))
    kept = set(must)
    rows = []
    for test, ids in found.collected.items():
        name = found.watches.get(test, "")
        # Only the first judge of what is watched once takes its time: the others say nothing of it.
        seconds = groups.get(name) or times.get(test)
        rows.append(Candidate(test, ids, declared[test] if seconds is None else seconds, seconds is not None,
                              test in kept, name, test in found.in_short))
    return rows
