"""Listens to pytest and keeps what suites' tests came to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.measure import Measurement, Verdict, worst
from bench.record import TestResult
from fixtures.plugin import RESULT, declared_device_time, ets_ids, is_suite_test, requirement_ids


class Collector:
    """A pytest plugin. ``on_result`` is told of each finished test.

    ``results`` by test id; ``order`` the number of each test in the order of collection; ``collected`` the
    requirement ids, ETS cases and declared device time of each collected test; ``fault`` why the run could not go on.
    """

    def __init__(self, on_result: Callable[[TestResult], None] = lambda result: None) -> None:
        self.results: dict[str, TestResult] = {}
        self.order: dict[str, int] = {}
        self.collected: dict[str, tuple[str, ...]] = {}
        self.ets: dict[str, tuple[str, ...]] = {}
        self.device_times: dict[str, float] = {}
        self.fault = ""
        self._on_result = on_result
        self._phases: dict[str, list[dict[str, Any]]] = {}
        self._begun: dict[str, float] = {}

    def pytest_runtest_logstart(self, nodeid: str, location: object) -> None:
        self._begun[nodeid] = time.monotonic()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            if is_suite_test(item):
                self.collected[item.nodeid] = requirement_ids(item)
                self.ets[item.nodeid] = ets_ids(item)
                self.device_times[item.nodeid] = declared_device_time(item)

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
            self._on_result(result)

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
            wall_time_s=time.monotonic() - self._begun[test_id], message="the run ended before this test did")

    def _combine(self, test_id: str, phases: list[dict[str, Any]]) -> TestResult:
        """One result of the reports on set-up, call and tear-down."""
        last = phases[-1]
        self.order[test_id] = last["number"]
        verdicts = [Verdict(phase["verdict"]) for phase in phases]
        skipped = Verdict.SKIPPED in verdicts and not {Verdict.FAIL, Verdict.ERROR} & set(verdicts)
        return TestResult(
            id=test_id, verdict=Verdict.SKIPPED if skipped else worst(verdicts),
            requirements=tuple(last["requirements"]), device_time_s=last["device_time_s"],
            wall_time_s=last["wall_time_s"], message="\n".join(p["message"] for p in phases if p["message"]),
            title=last["title"], steps=tuple(last["steps"]), ets=tuple(last["ets"]),
            measurements=tuple(Measurement(name, value, unit, low, high, Verdict(verdict), guard)
                               for name, value, unit, low, high, verdict, guard in last["measurements"]))
