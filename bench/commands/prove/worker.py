"""A process in which trials are run, each in a fork of its own.

To load the bench and to collect the suites takes longer than most tests. So such a process has done both, and a trial
is forked from it at a moment at which it has no thread, no clock and no lab. A mutant is another program: its trial is
forked from a process that has loaded nothing of the twin, and does that itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from bench.commands.prove.mutation import install
from bench.commands.prove.tracer import Tracer
from bench.commands.prove.trial import Outcome, Seen, SuiteTest, Trial
from bench.commands.pytest_run import run_pytest
from bench.errors import BenchError, HangError
from bench.manifest import PROJECT

TWIN_LIMIT_S = 900.0
"""Real seconds for a test, as in a run on the twin."""

LEAST_LIMIT_S = 60.0
TIMES_USUAL = 20.0
"""A mutant hangs in a test that takes so many real seconds, and so many times what it usually takes."""


TWIN = PROJECT / "bench" / "twin"

_PR_SET_PDEATHSIG = 1    # linux/prctl.h


_SLOW_TO_LOAD = ("aiocoap", "allure", "cbor2", "cryptography.hazmat.primitives.ciphers.aead", "matplotlib.figure",
                 "ndef", "nfc", "numpy", "pydantic", "pyjls", "pytest_timeout", "pyvisa", "pyvisa_py",
                 "rich.console", "serial", "websockets.asyncio.client")
"""Packages of others that everybody needs: each trial would load them anew."""


def serve_collected(orders: Connection) -> None:
    """Collect the suites and say which tests there are, then fork trials."""
    collection = _Session(lambda session: _serve(orders, lambda trial, told: _Conduct(trial, told).run(session)),
                          orders.send)
    code = _pytest(["suites"], collection)
    if not collection.collected:
        orders.send(collection.fault or f"exit code {code}")


def serve_bare(orders: Connection) -> None:
    for name in _SLOW_TO_LOAD:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _serve(orders, _run_mutant)


def _run_mutant(trial: Trial, told: Connection) -> None:
    assert trial.mutation is not None
    install(trial.mutation)
    files = sorted({test.partition("::")[0] for test in (*trial.tests, *trial.otherwise)})
    collection = _Session(_Conduct(trial, told).run)
    try:
        code = _pytest(files, collection)
    except Exception as error:    # whatever the changed module raises when it is imported
        told.send(f"can't be loaded: {type(error).__name__}: {error}")
        return
    if not collection.collected:
        told.send(f"can't be loaded: {collection.fault or f'exit code {code}'}")


def die_with_parent() -> None:
    """Nobody waits for what an orphan comes to: it would keep a processor busy for nothing."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _serve(orders: Connection, run: Callable[[Trial, Connection], None]) -> None:
    """Run trials, each in a fork, until nobody orders any more."""
    die_with_parent()
    gc.collect()
    gc.freeze()    # what is here is not copied by a child's garbage collection
    while True:
        try:
            trial = orders.recv()
        except (EOFError, OSError):
            return
        began = time.monotonic()
        ours, theirs = multiprocessing.Pipe()
        child = os.fork()
        if child == 0:
            try:
                die_with_parent()
                ours.close()
                orders.close()
                run(trial, theirs)
                theirs.send(None)
            except BaseException as error:
                theirs.send(f"its process failed: {type(error).__name__}: {error}")
            finally:
                os._exit(0)
        theirs.close()
        outcome = _heard(ours, Outcome(trial))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        ours.close()
        outcome.seconds = time.monotonic() - began
        orders.send(outcome)


def _heard(ours: Connection, outcome: Outcome) -> Outcome:
    """What a trial's process tells: each test, what makes its twin unfit, and at the end None."""
    tests = (*outcome.trial.tests, *outcome.trial.otherwise)
    deaf_s = 2 * max((_limit_s(outcome.trial, test) for test in tests), default=LEAST_LIMIT_S)
    while True:
        if not ours.poll(deaf_s):    # it hangs where no time limit reaches
            outcome.unfit = f"hangs: not a word for {deaf_s:g} s"
            return outcome
        try:
            said = ours.recv()
        except (EOFError, OSError):
            said = outcome.unfit or "its process died"
        if said is None:
            return outcome
        if isinstance(said, str):
            outcome.unfit = said
            return outcome
        outcome.seen.append(said)


def _limit_s(trial: Trial, test: str) -> float:
    """Real seconds after which ``test`` hangs."""
    return TWIN_LIMIT_S if trial.mutation is None else LEAST_LIMIT_S + TIMES_USUAL * trial.usual_s.get(test, 0.0)


def _pytest(paths: Sequence[str], collection: _Session) -> int:
    """Load and collect; ``collection`` does the rest."""
    from bench.commands.time_limit import TimeLimit

    os.chdir(PROJECT)
    return run_pytest(paths, [TimeLimit(), collection])


class _Session:
    """A pytest plugin that hands the collected session over to ``then``, and before that says which tests there are."""

    def __init__(self, then: Callable[[pytest.Session], None],
                 tell: Callable[[Mapping[str, SuiteTest]], None] = lambda tests: None) -> None:
        self._then = then
        self._tell = tell
        self.collected = False
        self.fault = ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.fault:
            self.fault = f"{report.nodeid}: {str(report.longrepr).strip().splitlines()[-1]}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if self.fault or not session.items:
            return None
        from fixtures.plugin.choice import requirement_ids

        self.collected = True
        self._tell({item.nodeid: SuiteTest(requirement_ids(item), _profiles(item)) for item in session.items})
        self._then(session)
        return True


def _profiles(item: pytest.Item) -> tuple[str, ...]:
    marker = item.get_closest_marker("profile")
    return tuple(marker.args) if marker is not None else ()


class _Conduct:
    """Runs a trial in a session that is collected, and tells what each test comes to: a pytest plugin for so long."""

    def __init__(self, trial: Trial, told: Connection) -> None:
        self._trial = trial
        self._told = told
        self._tracer = Tracer(TWIN) if trial.traced else None
        self._phases: list[Mapping[str, Any]] = []
        self._failed = False
        self._telling = threading.Lock()

    def run(self, session: pytest.Session) -> None:
        """Raises nothing that a test raises."""
        from fixtures.plugin.results import RESULT

        self._name = RESULT
        trial, config = self._trial, session.config
        for option, value in {"seed": trial.seed, "defect": list(trial.defects), "variant": list(trial.variants),
                              "profile": trial.profile, "lab": trial.lab}.items():
            setattr(config.option, option, value)
        config.pluginmanager.register(self)
        if trial.mutation is not None:
            logging.getLogger().addHandler(_Overheard(self._is_unfit))
            logging.getLogger("bench").setLevel(logging.DEBUG)
        if self._tracer is not None:
            threading.settrace(self._tracer)    # the twin lives in a thread of its own
        items = {item.nodeid: item for item in session.items}
        self._run_all([items[test] for test in trial.tests], until_failure=trial.until_failure)
        if not self._failed:
            self._run_all([items[test] for test in trial.otherwise], until_failure=True)
        config.hook.pytest_sessionfinish(session=session, exitstatus=0)

    def _run_all(self, items: Sequence[pytest.Item], *, until_failure: bool) -> None:
        for item, following in zip_longest(items, items[1:]):
            item.add_marker(pytest.mark.timeout(_limit_s(self._trial, item.nodeid)), append=False)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed and until_failure:
                return

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
        if call.excinfo is not None and self._trial.mutation is not None:
            self._is_unfit(call.excinfo.value)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._phases += [value for name, value in report.user_properties
                         if name == self._name and isinstance(value, Mapping)]
        if report.when != "teardown":
            return
        from bench.measure import Verdict, of_a_test

        verdict = of_a_test([Verdict(phase["verdict"]) for phase in self._phases],
                            refused=self._phases[-1]["refused"])
        seconds = self._phases[-1]["wall_time_s"]
        device_time_s = max(phase["device_time_s"] for phase in self._phases)
        message = "; ".join(phase["message"] for phase in self._phases if phase["message"])
        if self._trial.mutation is not None and seconds >= _limit_s(self._trial, report.nodeid):
            self._end(f"hangs in {report.nodeid}")
        self._failed |= verdict is Verdict.FAIL
        self._phases = []
        reached = self._tracer.take() if self._tracer is not None else frozenset()
        with self._telling:
            self._told.send(Seen(report.nodeid, str(verdict), message, seconds, reached, device_time_s))

    def _is_unfit(self, error: BaseException) -> None:
        """A twin that raises or hangs ends its trial at once, from whatever thread: somebody may wait long for it."""
        for one in _behind(error):
            said = f"{type(one).__name__}: {str(one).partition(chr(10))[0]}"
            if isinstance(one, HangError):
                self._end(f"hangs: {said}")
            elif not isinstance(one, BenchError | AssertionError) and _passes_the_twin(one.__traceback__):
                self._end(f"raises {said}")

    def _end(self, unfit: str) -> None:
        with self._telling:    # and nothing may be told after it
            self._told.send(unfit)
            os._exit(0)


class _Overheard(logging.Handler):
    """What the twin raises where a library answers for it goes into a log."""

    def __init__(self, tell: Callable[[BaseException], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self._tell(record.exc_info[1])


def _behind(error: BaseException) -> Iterator[BaseException]:
    """``error``, what it was raised from, and what was on its way."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in seen:
            seen.append(one)
            waiting += [one.__cause__, one.__context__]
    yield from seen


def _passes_the_twin(trace: TracebackType | None) -> bool:
    return any(Path(frame.f_code.co_filename).is_relative_to(TWIN) for frame, _ in traceback.walk_tb(trace))
