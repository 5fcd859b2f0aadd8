"""Which tests to run in the hours that there are.

A statement of the manual is looked at in several **senses**: each test that names it is one, with all its cases that
name it; those that are shortened by settings are one of their own. It is covered in a sense when all tests of that one
have run, and proven in every sense when every test that names it has.
The plan takes what covers most statements per hour, first in one sense each, then in every sense. It is a greedy choice
(budgeted maximum coverage; the best is not to be had in any useful time), pure, and the same for the same tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.errors import BenchError
from reports.text import duration


@dataclass(frozen=True, slots=True)
class Candidate:
    """A test that could run: ``seconds`` on the device, ``learned`` where those were seen and not declared; ``must``:
    it runs whatever the plan. Tests with the same ``watch`` judge what is watched once: it is paid once for each unit.
    """

    id: str
    requirements: tuple[str, ...]
    seconds: float
    learned: bool = False
    must: bool = False
    watch: str = ""
    in_short: bool = False

    @property
    def sense(self) -> str:
        """The test without its case."""
        return self.id.partition("[")[0] + (" in short" if self.in_short else "")


JUDGED_S = 1.0
"""What it takes to judge what was watched for another test."""


def device_seconds(tests: Iterable[Candidate], watched: Collection[str] = ()) -> float:
    """What ``tests`` take one behind the other on a unit of which ``watched`` has been watched."""
    seen, total = set(watched), 0.0
    for test in tests:
        total += JUDGED_S if test.watch and test.watch in seen else test.seconds
        seen.add(test.watch)
    return total


@dataclass(frozen=True)
class Coverage:
    """What tests prove when they run: ``senses`` has the tests of each sense of each statement."""

    senses: Mapping[str, Mapping[str, frozenset[str]]]

    @classmethod
    def of(cls, tests: Iterable[Candidate]) -> Coverage:
        found: dict[str, dict[str, set[str]]] = {}
        for test in tests:
            for name in test.requirements:
                found.setdefault(name, {}).setdefault(test.sense, set()).add(test.id)
        return cls({name: {sense: frozenset(ids) for sense, ids in by_sense.items()}
                    for name, by_sense in found.items()})

    @property
    def tested(self) -> int:
        return len(self.senses)

    def in_a_sense(self, ran: Collection[str]) -> list[str]:
        """The statements of which all tests of one sense at least are among ``ran``."""
        done = set(ran)
        return [name for name, senses in self.senses.items() if any(ids <= done for ids in senses.values())]

    def in_every_sense(self, ran: Collection[str]) -> list[str]:
        """The statements of which every test is among ``ran``."""
        done = set(ran)
        return [name for name, senses in self.senses.items() if all(ids <= done for ids in senses.values())]


@dataclass(frozen=True)
class Plan:
    """``places``: the tests for each unit, in the order in which they are worth it; ``left_out``: why each other one is
    not among them; ``ran``: those that had run before."""

    budget_s: float
    reserve_s: float
    places: tuple[tuple[Candidate, ...], ...]
    left_out: Mapping[str, str]
    ran: frozenset[str]
    coverage: Coverage = field(repr=False)

    @property
    def chosen(self) -> list[Candidate]:
        return [test for place in self.places for test in place]

    @property
    def ids(self) -> list[str]:
        return [test.id for test in self.chosen]

    @property
    def covered(self) -> int:
        """Statements in one sense at least, with what had run before."""
        return len(self.coverage.in_a_sense({*self.ids, *self.ran}))

    @property
    def proven(self) -> int:
        """Statements in every sense."""
        return len(self.coverage.in_every_sense({*self.ids, *self.ran}))

    def to_json(self) -> dict[str, Any]:
        """``covered``, ``proven``, ``tested``: numbers of statements; for each unit its tests, in order."""
        uncovered = self.coverage.senses.keys() - set(self.coverage.in_a_sense({*self.ids, *self.ran}))
        return {"budget_s": self.budget_s, "reserve_s": self.reserve_s, "covered": self.covered, "proven": self.proven,
                "tested": self.coverage.tested, "learned": sum(test.learned for test in self.chosen),
                "units": [{"seconds": round(device_seconds(place), 3), "tests": [
                    {"id": test.id, "seconds": test.seconds, "learned": test.learned} for test in place]}
                    for place in self.places],
                "left_out": dict(self.left_out), "not_covered": sorted(uncovered)}


POWERS = (1.0, 0.8, 1.1, 1.5)
"""Of the seconds by which a gain is divided: a choice by nothing but statements per hour may leave a gap at the end
that is too short for what is left, so that others are tried, too, and the best plan counts."""

RESERVE_S = 600.0
"""Kept at the end of a night: the unit is restored, the station made safe."""


def plan(tests: Sequence[Candidate], budget_s: float, *, units: int = 1, reserve_s: float = RESERVE_S,
         ran: Collection[str] = (), watched: Collection[str] = ()) -> Plan:
    """The tests for ``units`` that have ``budget_s`` each. ``ran``: tests that count as done, and cost nothing any
    more.

    Raises ``BenchError`` where what must run, or anything at all, does not fit.
    """
    room = [budget_s - reserve_s] * units
    if room[0] <= 0:
        raise BenchError(f"a budget of {duration(budget_s)}", expected="time for a test", seen=f"less than the "
                         f"{duration(reserve_s)} that are kept to restore the unit", do="give it more")
    choosers = [_Chooser(tests, room, set(ran), watched, power) for power in POWERS]
    for one in choosers:
        one.take_what_must_run(budget_s)
        one.cover()
        one.complete()
        one.fill()
    chooser = max(choosers, key=lambda one: one.covers)
    if not any(chooser.places):
        least = min((one for one in tests if one.id not in chooser.ran), key=lambda one: one.seconds, default=None)
        if least is None:
            raise BenchError("the tests", expected="one that has not run yet", seen="none", do="begin another night")
        raise BenchError(f"a budget of {duration(budget_s)}", expected="time for a test",
                         seen=f"{least.id} as the shortest one, which takes {duration(least.seconds)} beside the "
                              f"{duration(reserve_s)} that are kept to restore the unit", do="give it more")
    known = chooser.ran & {test.id for test in tests}
    return Plan(budget_s, reserve_s, tuple(map(tuple, chooser.places)), chooser.left_out(), known, chooser.coverage)


class _Chooser:
    """Chooses by and by. ``room``: the seconds left for each unit."""

    def __init__(self, tests: Sequence[Candidate], room: list[float], ran: set[str],
                 watched: Collection[str], power: float) -> None:
        self.coverage = Coverage.of(tests)
        self.places: list[list[Candidate]] = [[] for _ in room]
        self._tests = {test.id: test for test in tests}
        self._power = power
        self._room = list(room)
        self._most = max(room)
        self.ran = frozenset(ran)
        self._done = set(ran)
        self._before = set(watched)
        self._watched: list[set[str]] = [set(watched) for _ in room]

    # -- the four steps

    def take_what_must_run(self, budget_s: float) -> None:
        must = [test.id for test in self._tests.values() if test.must and test.id not in self._done]
        if not self._take(must):
            takes = device_seconds(self._tests[name] for name in must)
            raise BenchError(f"a budget of {duration(budget_s)}", expected="time for what must run",
                             seen=f"{len(must)} tests that take {duration(takes)}",
                             do="give it more, or let less be a must")

    def cover(self) -> None:
        """Statements that are covered in no sense yet: the sense that brings most of them per hour."""
        bundles = {ids for senses in self.coverage.senses.values() for ids in senses.values()}
        self._take_best(bundles, any)
        while self._prune():
            self._take_best(bundles, any)

    def complete(self) -> None:
        """Statements that are not proven in every sense yet: all that is missing of one."""
        none: frozenset[str] = frozenset()
        self._take_best({none.union(*senses.values()) for senses in self.coverage.senses.values()}, all)

    def fill(self) -> None:
        """Whatever else has room, the shortest first."""
        for test in sorted(self._tests.values(), key=lambda one: one.seconds):
            self._take([test.id])

    def left_out(self) -> dict[str, str]:
        return {test.id: f"there was no time for what takes {duration(test.seconds)}"
                if test.seconds > self._most else
                f"the night is spent on what proves more per hour; this takes {duration(test.seconds)}"
                for test in self._tests.values() if test.id not in self._done}

    @property
    def covers(self) -> tuple[int, int]:
        """How many statements, in a sense and in every sense."""
        return len(self.coverage.in_a_sense(self._done)), len(self.coverage.in_every_sense(self._done))

    # -- choosing

    def _prune(self) -> bool:
        """Give back tests whose statements are covered without them by what was taken later, the longest first; whether
        there were any."""
        pruned = False
        for test in sorted(self._tests.values(), key=lambda one: (-one.seconds, one.id)):
            if test.id not in self._done or test.id in self.ran or test.must:
                continue
            senses = [self.coverage.senses[name].values() for name in test.requirements]
            without = self._done - {test.id}
            if all(any(ids <= without for ids in one) or not any(ids <= self._done for ids in one) for one in senses):
                self._done.remove(test.id)
                self.places = [[kept for kept in place if kept.id != test.id] for place in self.places]
                pruned = True
        if pruned:
            self._room = [self._most - device_seconds(place, self._before) for place in self.places]
            self._watched = [self._before | {test.watch for test in place} for place in self.places]
        return pruned

    def _take_best(self, bundles: Iterable[frozenset[str]], quantifier: Quantifier) -> None:
        """Take, as long as one has room, the bundle of tests that meets most statements per second. A statement is met
        when ``quantifier`` (any or all) of its senses have run."""
        by_statement: dict[str, list[frozenset[str]]] = {}
        for bundle in bundles:
            for name in self._statements(bundle):
                by_statement.setdefault(name, []).append(bundle)
        worth = {bundle: 0.0 for found in by_statement.values() for bundle in found}
        stale = set(worth)
        while worth:
            for bundle in stale:
                gain = self._gain(bundle, quantifier)
                if gain:
                    seconds = device_seconds((self._tests[name] for name in bundle - self._done),
                                             set[str]().union(*self._watched))
                    worth[bundle] = gain / max(seconds, 0.1) ** self._power
                else:
                    del worth[bundle]
            if not worth:
                return
            best = max(worth, key=lambda bundle: (worth[bundle], sorted(bundle)))
            missing = best - self._done
            if self._take(missing):
                watches = {self._tests[name].watch for name in missing} - {""}
                touched = self._statements([*missing, *(test.id for test in self._tests.values()
                                                        if test.watch in watches)])
                stale = {bundle for name in touched for bundle in by_statement.get(name, ()) if bundle in worth}
            else:
                del worth[best]
                stale = set()

    def _statements(self, bundle: Iterable[str]) -> set[str]:
        return {name for test in bundle for name in self._tests[test].requirements}

    def _gain(self, bundle: frozenset[str], quantifier: Quantifier) -> int:
        """How many more statements are met with ``bundle``."""
        then = self._done | bundle
        return sum(quantifier(ids <= then for ids in senses) and not quantifier(ids <= self._done for ids in senses)
                   for senses in (self.coverage.senses[name].values() for name in self._statements(bundle)))

    def _take(self, wanted: Iterable[str]) -> bool:
        """Give each of the tests to the unit that has most room left; whether all of them have found it."""
        room, watched = list(self._room), [set(names) for names in self._watched]
        given: list[tuple[int, Candidate]] = []
        missing = [self._tests[name] for name in dict.fromkeys(wanted) if name not in self._done]
        for test in sorted(missing, key=lambda one: (-one.seconds, one.id)):
            place = max(range(len(room)), key=lambda number: (bool(test.watch) and test.watch in watched[number],
                                                              room[number]))
            room[place] -= device_seconds([test], watched[place])
            if room[place] < 0:
                return False
            watched[place].add(test.watch)
            given.append((place, test))
        self._room, self._watched = room, watched
        for place, test in given:
            self.places[place].append(test)
            self._done.add(test.id)
        return True


Quantifier = Callable[[Iterable[bool]], bool]
