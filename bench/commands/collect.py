"""Listens to pytest and keeps what suites' tests came to."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest

from bench.commands.order import TEST_TIMEOUT_S
from bench.commands.progress import Progress
from bench.manifest import LeftOut
from bench.measure import Measurement, Verdict, of_a_test
from bench.record import Stage, TestResult
from fixtures.line.events import Event, Told
from fixtures.plan import PLAN, Plan
from fixtures.plugin.choice import (
    declared_device_time,
    ets_ids,
    is_in_short,
    is_suite_test,
    needs_of,
    profiles_of,
    requirement_ids,
    watched_in,
)
from fixtures.plugin.reasons import BY_A_MARK, CUT_OFF, NOT_HERE
from fixtures.plugin.results import RESULT
from fixtures.plugin.stashes import PLAN_OF_RUN
from fixtures.words import STRICT_PROFILES


class Collector:
    """A pytest plugin. ``progress`` is told of each test that begins and ends, ``on_result`` of the latter, too;
    ``on_event`` is told what happens on the line.

    ``results`` by test id; ``order`` the number of each test in the order of collection, from 1; ``collected`` the
    requirement ids, ETS cases, declared device time, needs, profiles, what it ``watches`` for others, too, and whether
    it is ``in_short``, of each collected test; ``fault`` why the run
    could not go on; ``labs`` how many benches there were, ``power_cycles`` why the bench cut the unit's power by
    itself, and ``not_delivered`` what of the unit is not as it was delivered, ``stages`` those of the line.
    ``plan``: what was to run, once that is known; ``evidence``: the names of the files that each test left;
    ``scrubbed``: those in which a key had to be overwritten;
    ``firmware``: the versions of the unit's firmware that tests have seen.
    """

    def __init__(self, on_result: Callable[[TestResult], None] = lambda result: None,
                 progress: Progress | None = None,
                 on_event: Told = lambda event: None) -> None:
        self.results: dict[str, TestResult] = {}
        self.order: dict[str, int] = {}
        self.collected: dict[str, tuple[str, ...]] = {}
        self.ets: dict[str, tuple[str, ...]] = {}
        self.device_times: dict[str, float] = {}
        self.needs: dict[str, tuple[str, ...]] = {}
        self.watches: dict[str, str] = {}
        self.in_short: set[str] = set()
        self.profiles: dict[str, tuple[str, ...]] = {}
        self.plan: Plan | None = None
        self.evidence: dict[str, list[str]] = {}
        self.scrubbed: list[str] = []
        self.firmware: dict[str, None] = {}
        self.fault = ""
        self.labs = 0
        self.power_cycles: list[str] = []
        self.not_delivered: list[str] = []
        self.stages: list[Stage] = []
        self._on_result = on_result
        self._on_event = on_event
        self._progress = progress or Progress()
        self._limits: dict[str, float] = {}
        self._phases: dict[str, list[dict[str, Any]]] = {}
        self._begun: dict[str, float] = {}

    def pytest_runtest_logstart(self, nodeid: str, location: object) -> None:
        self._begun[nodeid] = time.monotonic()
        self._progress.began(nodeid, self.collected.get(nodeid, ()), self._limits.get(nodeid, TEST_TIMEOUT_S))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.take_in(session.items)
        self.plan = session.config.stash[PLAN_OF_RUN]

    def take_in(self, items: Sequence[pytest.Item]) -> None:
        """What ``items`` say of themselves."""
        for number, item in enumerate(items, start=1):
            if is_suite_test(item):
                self.order[item.nodeid] = number
                self.collected[item.nodeid] = requirement_ids(item)
                self.ets[item.nodeid] = ets_ids(item)
                self.device_times[item.nodeid] = declared_device_time(item)
                self.needs[item.nodeid] = needs_of(item)
                if watched := watched_in(item):
                    self.watches[item.nodeid] = watched
                if is_in_short(item):
                    self.in_short.add(item.nodeid)
                self.profiles[item.nodeid] = profiles_of(item)
            self._limits[item.nodeid] = _time_limit(item)

    @pytest.hookimpl(optionalhook=True)    # xdist's
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        travelled = getattr(node, "workeroutput", {}).get(PLAN)
        if travelled is not None:
            self.plan = Plan.of(travelled)

    @pytest.hookimpl(tryfirst=True)    # before the unit is restored
    def pytest_sessionfinish(self) -> None:
        self._progress.finishing()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.fault:
            self.fault = f"{report.nodeid} can't be collected: {str(report.longrepr).strip().splitlines()[-1]}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == RESULT and isinstance(value, dict):
                self._phases.setdefault(report.nodeid, []).append(value)
                break
        else:
            if report.failed and not self.fault:    # a process died, or a test says nothing of its requirement
                why = str(report.longrepr).strip().splitlines()
                self.fault = f"{report.nodeid} failed without a result: {why[-1] if why else 'no reason given'}"
        if report.when == "teardown":
            self._begun.pop(report.nodeid, None)
        if report.when == "teardown" and report.nodeid in self._phases:
            result = self._combine(report.nodeid, self._phases.pop(report.nodeid))
            self.results[report.nodeid] = result
            self._progress.finished(result)
            self._on_result(result)

    def pytest_bench_life(self, power_cycles: list[str]) -> None:
        self.labs += 1
        self.power_cycles += power_cycles

    def pytest_bench_event(self, event: Event) -> None:
        self._on_event(event)

    def pytest_bench_stages(self, stages: list[Stage]) -> None:
        self.stages = stages

    def pytest_bench_left_unit(self, not_delivered: list[str]) -> None:
        self.not_delivered += not_delivered

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_main(self) -> Generator[None, object, object]:
        """Keep pytest's own reason why it runs nothing, such as an expression that it can't read."""
        try:
            return (yield)
        except pytest.UsageError as error:
            self.fault = self.fault or str(error).strip().replace("\n", " ")
            return pytest.ExitCode.USAGE_ERROR

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.fault = self.fault or f"the run was {str(excinfo.value) or 'interrupted'}"

    def pytest_internalerror(self, excrepr: object, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.fault = f"pytest failed: {excinfo.typename}: {excinfo.value}"

    def in_order(self) -> list[TestResult]:
        """The results in the order of collection, and after them what was running when the run was cut off."""
        finished = sorted(self.results.values(), key=lambda result: self.order[result.id])
        return finished + [self._cut_off(test_id) for test_id in self._begun if test_id in self.collected]

    def _cut_off(self, test_id: str) -> TestResult:
        return TestResult(
            id=test_id, verdict=Verdict.ERROR, requirements=self.collected[test_id], device_time_s=0.0,
            wall_time_s=time.monotonic() - self._begun[test_id], message="the run ended before this test did",
            number=self.order[test_id])

    def _combine(self, test_id: str, phases: list[dict[str, Any]]) -> TestResult:
        """One result of the reports on set-up, call and tear-down."""
        last = phases[-1]
        self.order[test_id] = last["number"]
        self.evidence[test_id] = last["evidence"]
        self.scrubbed += last["scrubbed"]
        self.firmware |= dict.fromkeys(last["firmware"])
        verdict = of_a_test([Verdict(phase["verdict"]) for phase in phases], refused=last["refused"])
        return TestResult(
            id=test_id, verdict=verdict,
            requirements=tuple(last["requirements"]), device_time_s=last["device_time_s"],
            wall_time_s=last["wall_time_s"], message="\n".join(p["message"] for p in phases if p["message"]),
            title=last["title"], steps=tuple(last["steps"]), ets=tuple(last["ets"]), heard=last["heard"],
            number=last["number"], readings=last["readings"], shown=last["shown"],
            measurements=tuple(Measurement(name, value, unit, low, high, Verdict(verdict), guard, uncertainty)
                               for name, value, unit, low, high, verdict, guard, uncertainty in last["measurements"]))


def left_out(collector: Collector, profile: str) -> list[LeftOut]:
    """What is missing in the results: of the tests of the profile, those that were not chosen, that skipped themselves,
    and that were to run and did not."""
    plan = collector.plan
    if plan is None:
        return [LeftOut("the suites", "nobody said which tests there are")]
    rows = list(plan.left_out)
    for test_id, requirements in plan.collected.items():
        result = collector.results.get(test_id)
        if result is None:
            rows.append(LeftOut(test_id, "did not run", requirements))
        elif result.verdict is Verdict.SKIPPED:
            excused = result.message.startswith(NOT_HERE) or (
                profile not in STRICT_PROFILES and not result.message.startswith((BY_A_MARK, CUT_OFF)))
            rows.append(LeftOut(test_id, result.message, requirements, excused))
    return rows


def _time_limit(item: pytest.Item) -> float:
    """Real seconds after which pytest-timeout ends ``item``."""
    marker = item.get_closest_marker("timeout")
    limit = marker.args[0] if marker is not None and marker.args else item.config.getoption("timeout", None)
    return float(limit or TEST_TIMEOUT_S)
