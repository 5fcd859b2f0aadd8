"""A run with a budget: it follows its plan, plans anew when things take longer or less, and ends in time.

The night is the bench's: in virtual time its clock counts, on hardware real time from the beginning of the run. What is
kept of it for its end (``plan.RESERVE_S``) restores the unit and makes the station safe; a test that would reach into
that is broken off by the clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from bench.commands.collect import Collector
from bench.commands.nights.order import NIGHT, NightOrder
from bench.commands.nights.plan import RESERVE_S, Candidate, Plan, device_seconds, plan
from bench.commands.nights.times import Told, candidates, learned, runs_below
from bench.errors import BenchError, did_you_mean
from bench.manifest import LeftOut
from bench.measure import Verdict
from fixtures.bench import Bench
from fixtures.plugin.choice import THE_LINE
from fixtures.plugin.stashes import PLAN_OF_RUN
from reports.text import duration

LATE = 0.01
"""The part of a budget by which what is left to do may be more than there is time for before all is planned anew."""


def planned(order: NightOrder, found: Collector, station: str | None) -> tuple[Plan, list[Candidate]]:
    """The plan for ``order``, and all the tests that it was made of. Raises ``BenchError``."""
    after = [Told.load(path) for path in order.after]
    runs = [Told.load(path) for path in order.learn_from] or runs_below()
    tests = candidates(found, learned([*runs, *after], station), must_run(order.must, found.collected))
    return plan(tests, order.budget_s, units=order.units, ran=set[str]().union(*(run.ran for run in after))), tests


def must_run(words: Sequence[str], collected: Mapping[str, Sequence[str]]) -> set[str]:
    """The tests that ``words`` name: by a pattern of their requirements, or a part of their name. Raises
    ``BenchError`` for one that names none."""
    kept: set[str] = set()
    for word in words:
        named = {test for test, ids in collected.items()
                 if word.lower() in test.lower() or any(fnmatchcase(one, word) for one in ids)}
        if not named:
            known = {one for ids in collected.values() for one in ids}
            raise BenchError(f"what must run, {word!r}", expected="a requirement or a part of a test's name",
                             seen="a test of none of them",
                             do=did_you_mean(word, known, "look at mcm-bench list tests"))
        kept |= named
    return kept


@dataclass
class Night:
    """A pytest plugin. ``say`` is told in a line what is planned."""

    order: NightOrder
    collector: Collector
    station: str | None
    is_virtual: bool
    run_dir: Path
    say: Callable[[str], None]
    _began: float = field(default_factory=time.monotonic)
    _plan: Plan | None = None
    _items: dict[str, pytest.Item] = field(default_factory=dict)
    _tests: dict[str, Candidate] = field(default_factory=dict)
    _elsewhere: set[str] = field(default_factory=set)
    _done: dict[str, None] = field(default_factory=dict)
    _left_out: dict[str, str] = field(default_factory=dict)
    _bench: Bench | None = None
    _plans: int = 1
    _next_judge: pytest.Item | None = None    # for which the life on the line is kept

    # -- what pytest and the bench's plugin ask

    @pytest.hookimpl
    def pytest_bench_plan(self, items: list[pytest.Item]) -> list[LeftOut]:
        """Raises ``UsageError`` where there is no time for anything."""
        self.collector.take_in(items)
        try:
            made, tests = planned(self.order, self.collector, self.station)
        except BenchError as error:
            raise pytest.UsageError(str(error)) from None
        self._plan = made
        mine = [test.id for test in made.places[self.order.share - 1]]
        ran = set(made.ran)
        spare = [test.id for number, test in enumerate(tests)
                 if test.id in made.left_out and number % self.order.units == self.order.share - 1]
        self._elsewhere = {test.id for test in made.chosen} - set(mine)
        self._tests = {test.id: test for test in tests if test.id in {*mine, *spare}}
        self._left_out = {name: made.left_out[name] for name in spare}
        place = {name: number for number, name in enumerate([*mine, *spare])}
        away = [item for item in items if item.nodeid not in place]
        items[:] = sorted((item for item in items if item.nodeid in place), key=lambda item: place[item.nodeid])
        self._items = {item.nodeid: item for item in items}
        self._tell(made)
        self._write(made)
        return [LeftOut(item.nodeid, self._why_away(item.nodeid, ran), self.collector.collected[item.nodeid])
                for item in away]

    def _why_away(self, name: str, ran: set[str]) -> str:
        if name in ran:
            return f"has run in {', '.join(path.name for path in self.order.after)}"
        return f"is in another share of the {self.order.units}"

    @pytest.hookimpl
    def pytest_bench_begins(self, bench: Bench) -> None:
        self._bench = bench
        bench.clock.ends_s = bench.clock.time() + max(self._left_s, 0.0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed or session.config.option.collectonly or self._plan is None:
            return None    # pytest's own loop says what is wrong
        try:
            for test in self._in_turn(self._plan):
                item = self._items[test.id]
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=self._next_judge)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        finally:
            self._leave_out(session.config)
        return True

    @pytest.hookimpl
    def pytest_bench_life(self) -> None:
        """The unit is restored; the bench is still there."""
        if self._plan is not None and self._bench is not None:
            self._write(self._plan)
            self.say(f"the night took {duration(self._spent_s)} of {duration(self.order.budget_s)}; " + _figures(
                self._plan, self._ran, len(self._done)))

    # -- the night

    @property
    def _spent_s(self) -> float:
        if self.is_virtual:
            line_s = sum(result.device_time_s for name, result in self.collector.results.items()
                         if name in self._tests and self._tests[name].watch == THE_LINE)
            return line_s + (self._bench.clock.time() if self._bench is not None else 0.0)
        return time.monotonic() - self._began

    @property
    def _left_s(self) -> float:
        """For tests."""
        return self.order.budget_s - RESERVE_S - self._spent_s

    @property
    def _ran(self) -> set[str]:
        """The tests that have come to a verdict, those of the nights before among them."""
        here = {name for name, result in self.collector.results.items()
                if result.verdict in (Verdict.PASS, Verdict.FAIL)}
        return here | set(self._plan.ran if self._plan is not None else ())

    @property
    def _watched(self) -> set[str]:
        return {self._tests[name].watch for name in self._done} - {""}

    def _in_turn(self, made: Plan) -> Iterator[Candidate]:
        # The life on the line has a bench of its own: it is over before the one of all other tests begins.
        queue = sorted(made.places[self.order.share - 1], key=lambda test: test.watch != THE_LINE)
        while True:
            late_s = device_seconds(queue, self._watched) - self._left_s
            if not queue or late_s > LATE * self.order.budget_s or queue[0].seconds > self._left_s:
                queue = self._plan_anew(late_s if queue else 0.0)
            if not queue:
                return
            test = queue.pop(0)
            self._done[test.id] = None
            self._next_judge = self._items[queue[0].id] if queue and THE_LINE == test.watch == queue[0].watch else None
            yield test

    def _plan_anew(self, late_s: float) -> list[Candidate]:
        rest = [test for name, test in self._tests.items() if name not in self._done and test.watch != THE_LINE]
        if not rest or self._left_s <= 0:
            return []
        self._plans += 1
        known = [*rest, *(self._tests[name] for name in self._done)]
        for kept in (known, [replace(test, must=False) for test in known]):    # what must run, as long as that is so
            try:
                made = plan(kept, self._left_s + RESERVE_S, ran={*self._done, *self._elsewhere}, watched=self._watched)
            except BenchError:
                continue
            self._left_out = dict(made.left_out)
            queue = list(made.places[0])
            if late_s > 0:
                self.say(f"{duration(late_s)} late: planned anew, {len(queue)} tests in {duration(self._left_s)}")
            return queue
        return []

    def _leave_out(self, config: pytest.Config) -> None:
        """What did not run, and why."""
        listed = config.stash[PLAN_OF_RUN]
        for name in self._items:
            if name not in self._done and name in listed.collected:
                reason = self._left_out.get(name, "there was no time left for it")
                listed.left_out.append(LeftOut(name, reason, listed.collected.pop(name)))

    # -- what is told

    def _tell(self, made: Plan) -> None:
        self.say(f"plan for {self.order}: {_figures(made, {*made.ids, *made.ran}, len(made.ids))}")
        self.say(f"{sum(one.learned for one in made.chosen)} of the times are learned, the others declared; left out: "
                 f"{len(made.left_out)} tests, see {NIGHT}")

    def _write(self, made: Plan) -> None:
        ran = self._ran
        row: dict[str, Any] = {
            "order": str(self.order), "budget_s": self.order.budget_s, "spent_s": round(self._spent_s, 3),
            "share": self.order.share, "units": self.order.units, "plans": self._plans, "plan": made.to_json(),
            "ran": [name for name in self._done if name in ran], "covered": len(made.coverage.in_a_sense(ran)),
            "proven": len(made.coverage.in_every_sense(ran)), "tested": made.coverage.tested}
        (self.run_dir / NIGHT).write_text(json.dumps(row, indent=1) + "\n", "utf-8")


def _figures(made: Plan, ran: set[str], count: int) -> str:
    return (f"{count} tests, {len(made.coverage.in_a_sense(ran))} of {made.coverage.tested} tested statements in a "
            f"sense, {len(made.coverage.in_every_sense(ran))} in every sense")
