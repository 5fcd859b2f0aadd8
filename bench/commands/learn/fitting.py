"""From runs to a unit file: trial, comparison, fit, and again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.analysis.shown.fact import Area, Seen
from bench.commands.compare.comparison import Change, Comparison, Difference, compare
from bench.commands.compare.sides import Side
from bench.commands.learn.fits import candidates, fit, is_after
from bench.commands.learn.task import CANDIDATES, FEW, Task
from bench.commands.learn.trial import Trials
from bench.errors import BenchError
from bench.twin.like import Like

Key = tuple[Area, str]


@dataclass
class Fitting:
    """``say`` tells how it goes."""

    task: Task
    folder: Path
    say: Callable[[str], None]
    trials: Trials = field(init=False)
    _fitted: dict[Key, int] = field(default_factory=dict, init=False)
    _taken_for: dict[str, Key] = field(default_factory=dict, init=False)
    _given_up: set[Key] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.unit = Side.of("unit", self.task.runs)
        first = self.unit.runs[0]
        labs = json.loads((first.directory / "record.json").read_text("utf-8")).get("labs") or 1
        lab = None if first.profile == "line" else "run" if labs == 1 else "test"
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise BenchError(f"folder of trials {self.folder}", expected="an empty one", seen="something in it",
                             do="choose another one: runs of another draft would be taken for these")
        self.trials = Trials(self.folder, first.profile, lab, self.task.seed)
        self.tests = list(dict.fromkeys(test.id for run in self.unit.runs for test in run.tests
                                        if test.verdict != "skipped"))

    def run(self) -> Like:
        """The unit file. What is still told apart at the end is in its ``cannot``."""
        draft, best = Like(), None
        for _ in range(self.task.rounds):
            found = self._hold_against(draft)
            self.say(f"{len(found.changes)} differences" + "".join(f"\n   {change}" for change in found.changes[:8]))
            if best is None or _left(found) < _left(best[1]):
                best = draft, found
            if not found.changes:
                break
            draft = self._without_vain(draft, found)
            better = self._better(draft, found)
            if better == draft:
                break
            draft = better
        assert best is not None
        return self._written(*best)

    def _hold_against(self, draft: Like) -> Comparison:
        return compare(self.unit, self.trials.of(draft, self.tests, len(self.unit.runs)), across_worlds=True)

    def _without_vain(self, draft: Like, found: Comparison) -> Like:
        """A reading that with all tests does not explain what it was taken for is none."""
        differing = {(one.area, one.name) for change in found.changes for one in change.differences}
        vain = [name for name, key in self._taken_for.items() if key in differing]
        for name in vain:
            self._given_up.add(self._taken_for.pop(name))
        return draft.model_copy(update={"readings": tuple(name for name in draft.readings if name not in vain)})

    def _better(self, draft: Like, found: Comparison) -> Like:
        """What can be said of the differences: as fields of the file, and where there is none as a reading."""
        whole = draft
        for change in found.changes:
            fitted = self._fit(draft, change)
            if fitted is not None and is_after(whole, draft, fitted):
                continue    # the delay before it, which is new, moves this time, too
            keys = {(one.area, one.name) for one in change.differences}
            if fitted is None and change.first.area is not Area.VERDICT and not keys & self._fitted.keys():
                fitted = self._reading(draft, change.first)
            draft = fitted or draft
        return draft

    def _fit(self, draft: Like, change: Change) -> Like | None:
        """By the surest of the differences that a field can say: with chance in it, a time is one of a later step. One
        that has been fitted twice is no matter of it."""
        for one in sorted(change.differences, key=lambda one: max(one.judged.spreads) if one.judged else 0.0):
            key = one.area, one.name
            if self._fitted.get(key, 0) < 2:
                try:
                    fitted = fit(draft, one)
                except ValueError:    # no value that the file can hold
                    fitted = None
                if fitted is not None and fitted != draft:
                    self._fitted[key] = self._fitted.get(key, 0) + 1
                    return fitted
        return None

    def _reading(self, draft: Like, one: Difference) -> Like | None:
        """The draft with a reading that makes the difference vanish where it was seen."""
        key = one.area, one.name
        if key in self._given_up:
            return None
        tests = self._where_seen(one)
        for variant in candidates(one, draft)[:CANDIDATES]:
            tried = draft.model_copy(update={"readings": (*draft.readings, variant.name)})
            try:
                side = self.trials.of(tried, tests)
            except (BenchError, OSError):    # two readings that don't go together
                continue
            if _explains(one, self.unit, side, tests):
                self._taken_for[variant.name] = key
                self.say(f"   {variant.name} explains {one.area} {one.name}")
                return tried
        self._given_up.add(key)
        return None

    def _where_seen(self, one: Difference) -> Sequence[str]:
        if self.trials.profile == "line":
            return self.tests
        counts = {test: sum((seen.area, seen.name) == (one.area, one.name) for shown in self.unit.shown
                            for seen in shown.facts.get(test, ())) for test in one.tests or self.tests}
        most = sorted((test for test, count in counts.items() if count), key=lambda test: -counts[test])
        return (most or list(one.tests) or self.tests)[:FEW]

    def _written(self, draft: Like, found: Comparison) -> Like:
        left = [_row(one) for change in found.changes for one in change.differences]
        left += [{"area": "flaky", "name": one.name, "unit": one.old, "twin": one.new} for one in found.flaky]
        learned = {"runs": [run.directory.name for run in self.unit.runs], "unit": self.unit.unit,
                   "firmware": self.unit.firmware, "profile": self.trials.profile,
                   "tests": len(self.tests), "facts": found.compared, "undecided": len(found.undecided),
                   "at": datetime.now(UTC).isoformat(timespec="seconds")}
        return draft.model_copy(update={"learned": learned, "cannot": tuple(left),
                                        "undecided": tuple(map(_row, found.undecided))})


def _row(one: Difference) -> dict[str, str]:
    return {"area": one.area.value, "name": one.name, "unit": one.old, "twin": one.new}


def _left(found: Comparison) -> tuple[int, int]:
    """How much is told apart."""
    return len(found.changes), sum(len(change.differences) for change in found.changes)


def _explains(one: Difference, unit: Side, twin: Side, tests: Sequence[str]) -> bool:
    """Whether the twin shows what the unit shows there: the same words, or a number that is nearer by far."""
    ours, theirs = (_values(side, one, tests) for side in (unit, twin))
    if not ours or not theirs or not all(test.verdict == "pass" for run in twin.runs for test in run.tests):
        return False
    if one.judged is None:
        return all(set(ours[test]) == set(theirs.get(test, ())) for test in ours)
    numbers = [median(float(value) for values in side.values() for value in values) for side in (ours, theirs)]
    return abs(numbers[1] - numbers[0]) <= 0.25 * abs(one.judged.shift)


def _values(side: Side, one: Difference, tests: Sequence[str]) -> Mapping[str, list[float | str]]:
    found: dict[str, list[float | str]] = {}
    for shown in side.shown:
        for test in tests:
            values = [seen.value for seen in shown.facts.get(test, ()) if _is(seen, one)]
            if values:
                found.setdefault(test, []).extend(values)
    return found


def _is(seen: Seen, one: Difference) -> bool:
    return (seen.area, seen.name) == (one.area, one.name)
