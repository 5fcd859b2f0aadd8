"""Tests of the suites against a changed twin: what is ordered, and the processes that do it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing.connection import Connection, wait
from typing import Any

from bench.commands.prove.trial import Outcome, SuiteTest, Trial
from bench.commands.prove.worker import serve_bare, serve_collected
from bench.errors import BenchError


class Trials:
    """``jobs`` processes that run trials, as a context manager. ``tests``: those of the suites."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._collected: list[_Worker] = []
        self._bare: list[_Worker] = []
        self.tests: Mapping[str, SuiteTest] = {}

    def __enter__(self) -> Trials:
        try:
            self._collected = [_Worker(serve_collected) for _ in range(self._jobs)]
            for worker in self._collected:
                self.tests = worker.receive()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for worker in (*self._collected, *self._bare):
            worker.end()

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """The outcomes as they come."""
        waiting = iter(trials)
        return self.run_next(lambda: next(waiting, None))

    def run_next(self, following: Callable[[], Trial | None]) -> Iterator[Outcome]:
        """The same of the trials that ``following`` gives. It is asked when somebody is free to run one; None is for
        now only, as long as others are under way. Raises ``BenchError`` when a process dies."""
        busy, idle = dict[Connection, tuple[int, _Worker]](), list(range(self._jobs))
        while True:
            while idle and (trial := following()) is not None:
                worker = self._for(trial, idle[-1])
                worker.send(trial)
                busy[worker.connection] = idle.pop(), worker
            if not busy:
                return
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                place, worker = busy.pop(ready)
                outcome = worker.receive()
                idle.append(place)
                yield outcome

    def _for(self, trial: Trial, place: int) -> _Worker:
        if trial.mutation is None:
            return self._collected[place]
        if not self._bare:
            self._bare = [_Worker(serve_bare) for _ in range(self._jobs)]
        return self._bare[place]


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, serve: Callable[[Connection], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,))
        self._process.start()
        theirs.close()

    def send(self, trial: Trial) -> None:
        self.connection.send(trial)

    def receive(self) -> Any:
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            raise BenchError("a process of prove", expected="what its trial came to", seen="that it died",
                             do="report this as a fault of the bench") from None
        if isinstance(said, str):
            raise BenchError("suites", expected="to be collected", seen=said,
                             do="run pytest --collect-only suites to see why")
        return said

    def end(self) -> None:
        """Without waiting for a trial that is under way."""
        self.connection.close()
        self._process.join(timeout=1)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()
