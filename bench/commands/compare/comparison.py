"""Two sides held against each other: each fact, then facts of one cause together."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from bench.analysis.shown.energy import READOUT, SESSION, SLEEP, day
from bench.analysis.shown.fact import BY_CHANCE, Area
from bench.commands.compare.sides import Caution, Side, cautions
from bench.commands.compare.statistics import FALSE_ALARMS, Judged, Outcome, can_be_decided, judge, words_differ
from reports.matrix import trace


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that differs, or may. ``old`` and ``new`` are for people; ``tests`` are those in which it was seen.
    ``judged`` has the figures of a number; ``worse``: of a verdict, that the new one is."""

    area: Area
    name: str
    outcome: Outcome
    old: str
    new: str
    unit: str = ""
    tests: tuple[str, ...] = ()
    judged: Judged | None = None
    worse: bool = False
    note: str = ""

    def __str__(self) -> str:
        return f"{self.area} {self.name}: {self.old} became {self.new}{f' ({self.note})' if self.note else ''}"


@dataclass(frozen=True, slots=True)
class Change:
    """Differences of one cause: the first is the one nearest to it, the others follow from it or show it too."""

    differences: tuple[Difference, ...]
    known: str = ""

    @property
    def first(self) -> Difference:
        return self.differences[0]

    @property
    def area(self) -> Area:
        return self.first.area

    def __str__(self) -> str:
        more = len(self.differences) - 1
        return str(self.first) + (f"; {more} more" if more else "")


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """A statement of the manual, and its verdict on each side."""

    id: str
    statement: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class BatteryLife:
    """The energy (J) of a day with a readout each hour and one telegram, and from it the battery's life relative to the
    old side's."""

    old_j: float
    new_j: float

    @property
    def ratio(self) -> float:
        return self.old_j / self.new_j


@dataclass(frozen=True)
class Comparison:
    """All that came out. ``undecided``: what looks different, with too few samples to say; ``numbers``: all numbers
    that were judged, by area, name and unit, changed or not; ``compared``: how many facts were."""

    old: Side
    new: Side
    cautions: Sequence[Caution]
    changes: Sequence[Change]
    undecided: Sequence[Difference]
    flaky: Sequence[Difference]
    numbers: Sequence[tuple[Area, str, str, Judged]]
    requirements: Sequence[RequirementRow]
    battery: BatteryLife | None
    compared: int
    tests: int
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def compare(old: Side, new: Side, history: Sequence[Side] = (), *, across_worlds: bool = False) -> Comparison:
    """Hold ``new`` against ``old``. ``history``: earlier runs that tell which tests are flaky. ``across_worlds``: also
    numbers of a real unit against those of the twin, which is what learning is about."""
    warned = cautions(old, new)
    tests = _tests(old), _tests(new)
    both = [test for test in tests[0] if test in tests[1]]
    verdicts, flaky = _verdicts(old, new, both, history)
    numbers_honest = across_worlds or not any(one.numbers for one in warned)
    if any(one.verdicts for one in warned):
        flaky += [replace(one, note="suites or limits differ") for one in verdicts]
        verdicts = []
    clean = [test for test in both if set(old.verdicts(test)) | set(new.verdicts(test)) <= {"pass"}]
    facts = _facts(old, clean), _facts(new, clean)
    figures = _numbers(*facts) if numbers_honest else []
    words, vague = _words(old, new, clean)
    lacking = _on_one_side(*facts) if numbers_honest else []
    words += [one for one in lacking if one.outcome is Outcome.CHANGED]
    vague += [one for one in lacking if one.outcome is Outcome.UNDECIDED]
    differing = [_number(*row) for row in figures if row[3].outcome is Outcome.CHANGED]
    vague += [_number(*row) for row in figures if row[3].outcome is Outcome.UNDECIDED and _looks_different(row[3])]
    return Comparison(
        old, new, warned, _with_verdicts(_grouped(differing, words), verdicts), vague, flaky, figures,
        _requirements(old, new), _battery(*facts) if numbers_honest else None,
        compared=len(figures) + len({(one.area, one.name) for side in (old, new) for shown in side.shown
                                     for test in clean for one in shown.facts.get(test, ()) if not one.is_number}),
        tests=len(both),
        only={"old": [test for test in tests[0] if test not in tests[1]],
              "new": [test for test in tests[1] if test not in tests[0]]})


def _tests(side: Side) -> list[str]:
    return list(dict.fromkeys(test.id for run in side.runs for test in run.tests if test.verdict != "skipped"))


# -- verdicts


def _verdicts(old: Side, new: Side, tests: Iterable[str], history: Sequence[Side],
              ) -> tuple[list[Difference], list[Difference]]:
    """What changed, and what is flaky: that has had several verdicts with one firmware. A flaky test that fails stays
    failed; only that the firmware has done it can't be said."""
    changed: list[Difference] = []
    flaky: list[Difference] = []
    for test in tests:
        before, after = Counter(old.verdicts(test)), Counter(new.verdicts(test))
        earlier = [Counter(side.verdicts(test)) for side in history]
        of_unit = [Counter({word: count for word, count in one.items() if word != "error"})
                   for one in (before, after, *earlier)]
        said = _said(before), _said(after)
        if before.keys() == after.keys() == {"pass"} or (before.keys() == after.keys() and len(before) == 1):
            continue
        bench = "error" in before or "error" in after
        one = Difference(Area.VERDICT, test, Outcome.CHANGED, *said, tests=(test,), worse="fail" in after,
                         note=_message(new if "fail" in after or "error" in after else old, test))
        if bench:
            flaky.append(replace(one, outcome=Outcome.UNDECIDED, note="a fault of the bench: " + one.note))
        elif any(len(counted) > 1 for counted in of_unit):
            outcome, p = words_differ(dict(sum((of_unit[0], *of_unit[2:]), Counter())), dict(of_unit[1]), FALSE_ALARMS)
            rate = f"p = {p:.2g}; " if p < 1 else ""
            (changed if outcome is Outcome.CHANGED else flaky).append(
                replace(one, outcome=outcome, note=f"flaky: {rate}{one.note}"))
        elif before.keys() != after.keys():
            changed.append(one)
    return changed, flaky


def _said(verdicts: Counter[str]) -> str:
    if len(verdicts) == 1:
        return next(iter(verdicts))
    return ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())) or "not run"


def _message(side: Side, test: str) -> str:
    return next((one.message.splitlines()[0] for run in side.runs for one in run.tests
                 if one.id == test and one.message and one.verdict in ("fail", "error")), "")


# -- numbers


Facts = Mapping[tuple[Area, str, str], tuple[Sequence[Sequence[float]], float]]


def _facts(side: Side, tests: Sequence[str]) -> Facts:
    """Samples of each number by run, and the resolution."""
    found: dict[tuple[Area, str, str], list[list[float]]] = defaultdict(lambda: [[] for _ in side.runs])
    steps: dict[tuple[Area, str, str], float] = {}
    for number, one in enumerate(side.shown):
        for seen in (seen for test in tests for seen in one.facts.get(test, ())):
            if isinstance(seen.value, float | int) and math.isfinite(seen.value):
                key = seen.area, seen.name, seen.unit
                found[key][number].append(float(seen.value))
                steps[key] = max(steps.get(key, 0.0), seen.resolution)
    return {key: ([run for run in runs if run], steps[key]) for key, runs in found.items()}


def _numbers(old: Facts, new: Facts) -> list[tuple[Area, str, str, Judged]]:
    keys = [key for key in old if key in new]
    alpha = FALSE_ALARMS / max(len(keys), 1)
    decidable = [key for key in keys if can_be_decided(_count(old[key]), _count(new[key]), alpha)]
    alpha = FALSE_ALARMS / max(len(decidable), 1)
    return [(*key, judge(old[key][0], new[key][0], alpha, max(old[key][1], new[key][1]))) for key in keys]


_OFTEN = 10
"""What was seen so often on one side, and never on the other, is not left out by chance."""


def _on_one_side(old: Facts, new: Facts) -> list[Difference]:
    """What there is nothing to hold against. A light or a phase that is gone is a change; that one message followed
    another is a matter of all that was said."""
    found = []
    known = {area for area, *_ in old} & {area for area, *_ in new}    # else one side has no evidence of that kind
    for key in sorted({*old, *new} - (old.keys() & new.keys())):
        area, name, unit = key
        if area not in known:
            continue
        count = _count(old[key] if key in old else new[key])
        if count >= _OFTEN:
            said = f"seen {count} times", "never seen"
            outcome = Outcome.CHANGED if area in (Area.LIGHT, Area.ENERGY) else Outcome.UNDECIDED
            found.append(Difference(area, name, outcome, *(said if key in old else said[::-1]), unit))
    return found


def _count(fact: tuple[Sequence[Sequence[float]], float]) -> int:
    return sum(map(len, fact[0]))


def _looks_different(judged: Judged) -> bool:
    """Undecided, and as far apart as a person would look at: by a tenth."""
    return abs(judged.shift) > 0.1 * max(abs(judged.old), abs(judged.new))


def _number(area: Area, name: str, unit: str, judged: Judged) -> Difference:
    shift, spread = judged.shift, judged.spreads
    if abs(shift) < 0.05 * max(abs(judged.old), abs(judged.new)) and (
            max(spread) > 3 * min(spread) and max(spread) > abs(shift)):
        return Difference(area, name, judged.outcome, f"{judged.old:.4g} {unit} with a spread of {spread[0]:.3g}",
                          f"{judged.new:.4g} {unit} with one of {spread[1]:.3g}", unit, judged=judged)
    return Difference(area, name, judged.outcome, f"{judged.old:.5g} {unit}", f"{judged.new:.5g} {unit}", unit,
                      judged=judged)


# -- words


def _words(old: Side, new: Side, tests: Sequence[str]) -> tuple[list[Difference], list[Difference]]:
    """What the firmware alone decides is compared test by test; what chance has a part in, over all tests. Second: what
    was seen otherwise with one and the same firmware, too."""
    differing: dict[tuple[Area, str, str, str], list[str]] = defaultdict(list)
    vague: dict[tuple[Area, str, str, str], list[str]] = defaultdict(list)
    chance: dict[tuple[Area, str], tuple[Counter[str], Counter[str]]] = defaultdict(lambda: (Counter(), Counter()))
    for test in tests:
        before, after = _of_test(old, test), _of_test(new, test)
        for key in before.keys() & after.keys():
            area, name = key
            if area in BY_CHANCE:
                for side, counter in zip((before, after), chance[key], strict=True):
                    counter.update(word for words in side[key] for word in words)
                continue
            one, other = ({_joined(words) for words in side[key]} for side in (before, after))
            if one == other:
                continue
            texts = " / ".join(sorted(one)), " / ".join(sorted(other))
            (differing if not one & other and len(one) == len(other) == 1 else vague)[area, name, *texts].append(test)
    found = [Difference(area, name, Outcome.CHANGED, before, after, tests=tuple(tests))
             for (area, name, before, after), tests in differing.items()]
    unsure = [Difference(area, name, Outcome.UNDECIDED, before, after, tests=tuple(tests))
              for (area, name, before, after), tests in vague.items()]
    alpha = FALSE_ALARMS / max(len(chance), 1)
    for (area, name), (counted, counts) in chance.items():
        outcome, p = words_differ(dict(counted), dict(counts), alpha)
        if outcome is Outcome.CHANGED or (outcome is Outcome.UNDECIDED and counted.keys() != counts.keys()):
            said = Difference(area, name, outcome, _most(counted), _most(counts), note=f"p = {p:.2g}")
            (found if outcome is Outcome.CHANGED else unsure).append(said)
    return found, unsure


def _of_test(side: Side, test: str) -> dict[tuple[Area, str], list[list[str]]]:
    """The words of a test by run, in order."""
    found: dict[tuple[Area, str], list[list[str]]] = defaultdict(list)
    for shown in side.shown:
        mine: dict[tuple[Area, str], list[str]] = defaultdict(list)
        for seen in shown.facts.get(test, ()):
            if isinstance(seen.value, str) and seen.area is not Area.VERDICT:
                mine[seen.area, seen.name].append(seen.value)
        for key, words in mine.items():
            found[key].append(words)
    return found


def _joined(words: Sequence[str]) -> str:
    """Without repetitions: how often a test looks is by chance."""
    return ", ".join(dict.fromkeys(words))


def _most(counter: Counter[str]) -> str:
    total = counter.total()
    return "; ".join(f"{word}{f' ({count} of {total})' if count < total else ''}"
                     for word, count in counter.most_common(2))


# -- what belongs together


_OF_AREA = (("led.", Area.LIGHT), ("power.", Area.ENERGY), ("activation.", Area.TIMING), ("reboot.", Area.LIGHT),
            ("schedule.", Area.TIMING))
"""Of which area measurements of the suites are: they follow from what was observed, and stand with it."""


def _grouped(numbers: Sequence[Difference], words: Sequence[Difference]) -> list[Change]:
    changes: list[list[Difference]] = []
    derived: list[Difference] = []
    reordered = [one for one in words if one.area is Area.ORDER]
    follow = [one for one in numbers if reordered and _is_of_another_order(one)]
    for one in sorted((one for one in numbers if one not in follow),
                      key=lambda one: (one.area is Area.MEASUREMENT, one.name == SESSION)):
        group = next((group for group in changes if _same_cause(group[0], one)), None)
        if group is not None:
            group.append(one)
        elif one.area is Area.MEASUREMENT or one.name == SESSION:
            derived.append(one)
        else:
            changes.append([one])
    for one in derived:
        area = next((area for prefix, area in _OF_AREA if one.name.startswith(prefix)), one.area)
        group = next((group for group in changes if group[0].area is area and _same_way(group[0], one)), None)
        group.append(one) if group is not None else changes.append([one])
    by_cause: dict[object, list[Difference]] = defaultdict(list)
    for one in [*words, *(replace(one, note="follows from the order") for one in follow)]:
        by_cause[_cause(one)].append(one)
    changes += [sorted(group, key=lambda one: (_is_layout(one), one.judged is not None, -len(one.tests)))
                for group in _telegrams(by_cause)]
    return [Change(tuple(group)) for group in changes]


def _with_verdicts(changes: Sequence[Change], verdicts: Sequence[Difference]) -> list[Change]:
    """A test that fails by a measurement whose kind of fact has changed elsewhere, too, stands with that."""
    found = [list(change.differences) for change in changes]
    alone = []
    for one in verdicts:
        area = next((area for prefix, area in _OF_AREA if one.note.startswith(prefix)), None)
        group = next((group for group in found if area is not None and group[0].area is area and any(
            other.area is Area.MEASUREMENT and one.note.startswith(other.name + " ") for other in group)), None)
        group.append(one) if group is not None else alone.append(one)
    return [*(Change((one,)) for one in alone), *(Change(tuple(group)) for group in found)]


def _is_of_another_order(one: Difference) -> bool:
    """A time between two messages of which many more followed each other on one side than on the other."""
    counts = one.judged.counts if one.judged is not None else (1, 1)
    return one.area is Area.TIMING and max(counts) >= 3 * min(counts)


def _same_cause(first: Difference, other: Difference) -> bool:
    """Two numbers that moved by the same, with an end in common; or energies of one phase."""
    one, two = first.judged, other.judged
    if one is None or two is None or (first.unit != other.unit and Area.ENERGY not in (first.area, other.area)):
        return False
    if first.area is other.area is Area.ENERGY:
        return _ends(first) == _ends(other)
    if Area.ENERGY in (first.area, other.area):
        return False
    alike = one.interval[0] <= two.interval[1] and two.interval[0] <= one.interval[1]
    near = abs(one.shift - two.shift) <= max(0.25 * abs(one.shift), one.resolvable or 0.0, two.resolvable or 0.0)
    return (alike or near) and (Area.MEASUREMENT in (first.area, other.area) or bool(_ends(first) & _ends(other)))


def _same_way(first: Difference, other: Difference) -> bool:
    return first.judged is None or other.judged is None or first.judged.shift * other.judged.shift >= 0


def _ends(one: Difference) -> frozenset[str]:
    """Between which two things a time was taken, or of which phase an energy is."""
    if one.area is Area.ENERGY:
        return frozenset({one.name.split(",")[0]})
    return frozenset(end for end in one.name.split(" to ") if " " in end or end in ("release", "supply"))


def _cause(one: Difference) -> object:
    match one.area:
        case Area.ANSWER:
            return one.area, one.old, one.new
        case Area.ORDER | Area.TIMING:
            return Area.ORDER
        case Area.TELEGRAM if {"there", "missing"} & {one.old, one.new}:
            return one.area, one.name.rpartition(", ")[2]
        case Area.TELEGRAM:
            return one.area, one.old, one.new
        case Area.DEFAULT:
            return one.area, one.name.split(",")[0]
        case Area.TREE if one.name.startswith(("resources of", "type of", "objects", "attributes")):
            return one.area, "objects and resources"
        case Area.LIGHT | Area.MESSAGE:
            return one.area, one.name.split(",")[0] if one.area is Area.LIGHT else one.name
    return one.area, one.name


_LAYOUTS = ("records", "keys in order", "one readout", "several readouts")


def _is_layout(one: Difference) -> bool:
    return one.area is Area.TELEGRAM and one.name.endswith(_LAYOUTS)


def _telegrams(groups: Mapping[object, list[Difference]]) -> list[list[Difference]]:
    """How a telegram is laid out follows from its fields, where one of them has changed."""
    fields = [group for group in groups.values() if group[0].area is Area.TELEGRAM and not _is_layout(group[0])]
    layouts = [group for group in groups.values() if _is_layout(group[0])]
    others = [group for group in groups.values() if group[0].area is not Area.TELEGRAM]
    for layout in layouts if fields else []:
        fields[0] += layout
    return [*others, *fields, *([] if fields else layouts)]


# -- requirements, battery


def _requirements(old: Side, new: Side) -> list[RequirementRow]:
    """Those that one side has tested at least."""
    rows = [trace(side.runs, {}, {}) for side in (old, new)]
    return [RequirementRow(one.id, one.statement, one.verdict, other.verdict) for one, other in zip(*rows, strict=True)
            if not {one.verdict, other.verdict} <= {"no test", "not run"}]


def _battery(old: Facts, new: Facts) -> BatteryLife | None:
    days = []
    for facts in (old, new):
        means = {name: fmean([value for run in runs for value in run])
                 for (area, name, _), (runs, _step) in facts.items()
                 if area is Area.ENERGY and name in (SLEEP, READOUT, SESSION)}
        days.append(day(means))
    return BatteryLife(days[0].energy_j, days[1].energy_j) if days[0] and days[1] else None
