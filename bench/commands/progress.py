"""What a run tells its parent process while it goes on, a line of JSON each, and what the parent makes of it.

So the parent can write the record of a run whose process has died.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from bench.interruption import uninterrupted
from bench.measure import Verdict
from bench.record import Record, TestResult

TEST, FINISHING, OUTSIDE = "test", "finishing", "outside"
"""Where a run is: in a test, behind the last one (it restores the unit and writes), or elsewhere."""


class Progress:
    """The child's end. Without ``descriptor`` nobody listens."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor

    def record(self, record: Record) -> None:
        """The record so far, without its tests."""
        self._tell("record", asdict(replace(record, tests=[], artifacts=[])))

    def began(self, test_id: str, requirements: Sequence[str], limit_s: float) -> None:
        """A test began that may take ``limit_s`` (real)."""
        self._tell("began", {"id": test_id, "requirements": list(requirements), "limit_s": limit_s})

    def finished(self, result: TestResult) -> None:
        self._tell("finished", asdict(result))

    def finishing(self) -> None:
        """No more tests: from now on the unit is restored, and the record written."""
        self._tell("finishing", None)

    def fault(self, text: str) -> None:
        """The run can't end as it should."""
        self._tell("fault", text)

    def done(self, verdict: Verdict) -> None:
        """Everything is written."""
        self._tell("done", verdict)

    def _tell(self, what: str, value: object) -> None:
        if self._descriptor is None:
            return
        line = json.dumps({what: value}, default=str).encode() + b"\n"
        with uninterrupted():
            try:
                while line:
                    line = line[os.write(self._descriptor, line):]
            except OSError:     # the parent has gone; then this process is to end, and writes the record itself
                self._descriptor = None


@dataclass
class _Running:
    requirements: tuple[str, ...]
    limit_s: float
    since: float = field(default_factory=time.monotonic)


class Story:
    """The parent's end: what it has heard. ``record`` has the finished tests."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.fault = ""
        self.verdict: Verdict | None = None     # once everything is written
        self.last_heard = time.monotonic()
        self.is_finishing = False
        self._running: dict[str, _Running] = {}
        self._rest = b""

    def hear(self, data: bytes) -> None:
        """Take in what came through the pipe."""
        self.last_heard = time.monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                ((what, value),) = json.loads(line).items()
                self._note(what, value)
            except (ValueError, KeyError, TypeError, AttributeError):    # pydantic's error is a ValueError
                self.fault = self.fault or "the run's process told something that can't be understood"

    def _note(self, what: str, value: Any) -> None:
        match what:
            case "record":
                heard = TypeAdapter(Record).validate_python(value)
                self.record = replace(heard, tests=self.record.tests)
            case "began":
                self._running[value["id"]] = _Running(tuple(value["requirements"]), value["limit_s"])
            case "finished":
                result = TypeAdapter(TestResult).validate_python(value)
                self._running.pop(result.id, None)
                self.record.tests.append(result)
            case "finishing":
                self.is_finishing = True
            case "fault":
                self.fault = self.fault or str(value)
            case "done":
                self.verdict = Verdict(value)

    @property
    def running(self) -> list[str]:
        """The tests that have begun and not ended."""
        return list(self._running)

    def overdue_s(self, now: float, otherwise_s: float) -> float:
        """For how long (s) the run has been over its limit: that of a test, or ``otherwise_s`` without a word where no
        test runs. Negative: it is not."""
        if self._running:
            return max(now - test.since - test.limit_s for test in self._running.values())
        return now - self.last_heard - otherwise_s

    def cut_off(self) -> list[TestResult]:
        """Results of the tests that did not end."""
        return [TestResult(id=name, verdict=Verdict.ERROR, requirements=test.requirements, device_time_s=0.0,
                           wall_time_s=time.monotonic() - test.since, message="the run ended before this test did")
                for name, test in self._running.items()]
