"""``mcm-bench bisect``: which of several builds was the first to fail a test."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from bench.commands.bisect.search import Search, flaky
from bench.errors import BenchError

Outcome = Literal["pass", "fail", "untestable"]

NOTES = "bisect.ndjson"
"""In the directory of a search: what each run came to, so that one that is broken off goes on."""

ENDS_NOT_AS_SAID, NOT_FOUND = 1, 3


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a build: ``number`` is that of the run, from 1. ``run_dir``: where it goes."""

    package: Path
    number: int
    run_dir: Path


@dataclass(frozen=True, slots=True)
class Told:
    """What a run came to, and why."""

    outcome: Outcome
    message: str = ""


@dataclass(frozen=True)
class Task:
    """``packages``: all builds in their order, the good one first, the bad one last. ``one_in``: a bad build fails in
    one of so many runs at least. A build is named with ``confidence``, within ``most_runs``."""

    packages: Sequence[Path]
    folder: Path
    one_in: float = 1.0
    confidence: float = 0.9995
    most_runs: int = 60


def outcome_of(run_dir: Path) -> Told:
    """What the record of a run says of its build."""
    try:
        record = json.loads((run_dir / "record.json").read_text("utf-8"))
        verdicts = [test["verdict"] for test in record["tests"]]
        said = "; ".join(test["message"].splitlines()[0] for test in record["tests"] if test["message"])
        said = said or str(record["message"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        return Told("untestable", f"no record: {error}")
    if record["verdict"] == "fail":
        return Told("fail", said)
    if record["verdict"] in ("pass", "incomplete") and "pass" in verdicts:
        return Told("pass")
    return Told("untestable", said or "no test of it came to a verdict")


def by_command(arguments: Sequence[str], seed: int) -> Callable[[Run], Told]:
    """Runs a build as a person would, each run with another seed of the twin."""
    def run(one: Run) -> Told:
        command = [sys.executable, "-m", "bench.cli", "run", *arguments, "--seed", str(seed + one.number),
                   "--firmware", str(one.package), "--run-dir", str(one.run_dir)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        told = outcome_of(one.run_dir)
        if told.outcome == "untestable" and not (one.run_dir / "record.json").exists():
            said = (done.stderr or done.stdout).strip().splitlines()
            return Told("untestable", said[-1] if said else "nothing was said")
        return told
    return run


class Bisection:
    """A search that runs builds and tells what it finds. ``say`` is told a line for each run."""

    def __init__(self, task: Task, run: Callable[[Run], Told], say: Callable[[str], None]) -> None:
        self._task = task
        self._run = run
        self._say = say
        self._notes = task.folder / NOTES
        self._known: list[tuple[int, Told]] = []
        self.runs = 0
        self.search = Search(len(task.packages), flaky(task.one_in), task.confidence)

    def to_its_end(self) -> tuple[int, float] | None:
        """The first bad build and the confidence in that; None where it was not found within the runs.

        Raises ``BenchError`` where the ends are not as they were said to be.
        """
        self._take_up()
        last = len(self._task.packages) - 1
        while (outcome := self._try(last)) != "fail":
            if outcome == "untestable" or self._task.one_in == 1 or self.runs >= self._task.most_runs:
                raise self._not_as_said("the bad build", last, "it to fail")
        while self.search.found is None and self.runs < self._task.most_runs - (not self.search.passes):
            build = self.search.next()
            if build is None:
                break
            self._try(build)
            if not self.search.posterior():
                raise BenchError("the builds", expected="that all are bad from one on",
                                 seen=f"{self._name(build)} that does not fit the others",
                                 do="say with --one-in how seldom the test may fail")
        found = self.search.found
        # Where a later build has passed the good one need not: what it would tell is known already.
        if found is not None and not any(build < found[0] for build in self.search.passes) and self._try(0) != "pass":
            raise self._not_as_said("the good build", 0, "it to pass")
        return found

    def _try(self, build: int) -> Outcome:
        """Run a build, and once more where the bench could not test it."""
        for _ in range(2):
            told = self._told(build)
            if told.outcome != "untestable":
                self.search.tell(build, failed=told.outcome == "fail")
                return told.outcome
        self.search.skip(build)
        return "untestable"

    def _told(self, build: int) -> Told:
        self.runs += 1
        if self._known:
            known, told = self._known.pop(0)
            if known == build:
                return told
            self._known.clear()    # other builds were wanted then
        package = self._task.packages[build]
        told = self._run(Run(package, self.runs, self._task.folder / f"{self.runs:02d}-{package.stem}"))
        with self._notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"build": build, "package": _digest(package), "outcome": told.outcome,
                                   "message": told.message}) + "\n")
        why = f": {told.message}" if told.message else ""
        self._say(f"run {self.runs}: {self._name(build)}: {told.outcome}{why}")
        return told

    def _take_up(self) -> None:
        """What was run before it was broken off."""
        try:
            self._task.folder.mkdir(parents=True, exist_ok=True)
            lines = self._notes.read_text("utf-8").splitlines() if self._notes.exists() else []
            for line in lines:
                note = json.loads(line)
                if _digest(self._task.packages[note["build"]]) != note["package"]:
                    raise ValueError("of other builds")
                self._known.append((note["build"], Told(note["outcome"], note["message"])))
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise BenchError(f"folder {self._task.folder}", expected="to be empty, or of this search", seen=str(error),
                             do="choose another one with --run-dir") from error

    def _name(self, build: int) -> str:
        return f"build {build} ({self._task.packages[build].name})"

    def _not_as_said(self, which: str, build: int, expected: str) -> BenchError:
        seen = "it can't be tested" if build in self.search.untestable else "it fails" if build in self.search.fails \
            else f"it passes in {self.search.passes[build]} run(s)"
        return BenchError(f"{which}, {self._task.packages[build].name}", expected=expected, seen=seen,
                          do="choose other ends, or say with --one-in how seldom the test may fail")


def bisect(task: Task, run: Callable[[Run], Told], as_json: bool, console: Console) -> int:
    """Print which build broke the test. Exit code 0: found; 3: not within the runs."""
    _check(task.packages)
    found = Bisection(task, run, lambda text: console.print(Text(text), soft_wrap=True))
    answer = found.to_its_end()
    weights = sorted(found.search.posterior().items(), key=lambda one: -one[1])
    if as_json:
        print(json.dumps({
            "first_bad": str(task.packages[answer[0]]) if answer else None, "build": answer[0] if answer else None,
            "last_good": str(task.packages[answer[0] - 1]) if answer else None,
            "confidence": answer[1] if answer else weights[0][1] if weights else 0.0, "runs": found.runs,
            "untestable": [str(task.packages[build]) for build in sorted(found.search.untestable)],
            "candidates": [{"package": str(task.packages[build]), "chance": chance}
                           for build, chance in weights if chance > 0.001]}, indent=1))
    elif answer is not None:
        build, confidence = answer
        fails, passes = found.search.fails.get(build, 0), found.search.passes.get(build - 1, 0)
        how = "each run tells" if task.one_in == 1 else f"confidence {confidence:.2%}"
        console.print(f"first bad build: {task.packages[build].name}, the last good one is "
                      f"{task.packages[build - 1].name}; {how}; {found.runs} runs, in which the one failed {fails} "
                      f"time(s) and the other passed {passes} time(s)", soft_wrap=True)
    else:
        names = ", ".join(f"{task.packages[build].name} ({chance:.0%})" for build, chance in weights[:6])
        console.print(f"not found within {found.runs} runs: the first bad build is one of {names}",
                      soft_wrap=True)
    return 0 if answer is not None else NOT_FOUND


def _check(packages: Sequence[Path]) -> None:
    """Raises ``BenchError`` for builds that can't be searched."""
    if len(packages) < 2:
        raise BenchError("the builds", expected="a good one and a bad one", seen=f"{len(packages)}", do="name both")
    seen: dict[str, Path] = {}
    for package in packages:
        digest = _digest(package)
        if digest in seen:
            raise BenchError(f"build {package}", expected="another one than the others",
                             seen=f"the same as {seen[digest]}", do="name each once")
        seen[digest] = package


def _digest(package: Path) -> str:
    try:
        return hashlib.sha256(package.read_bytes()).hexdigest()
    except OSError as error:
        raise BenchError(f"build {package}", expected="a firmware package", seen=(error.strerror or str(error)).lower(),
                         do="name a file that is there") from error
