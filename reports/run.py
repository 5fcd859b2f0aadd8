"""A run directory, read back: ``record.json`` and ``timeline.jsonl`` in the form that ``mcm-bench run`` writes.

A report must never show a better verdict than the record holds, so a record that contradicts itself is refused.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.errors import BenchError
from bench.manifest import LeftOut, Manifest
from reports.text import VERDICTS
from reports.timeline_file import TimelineFile

SCHEMAS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Test:
    """One test of a run. ``title`` is the first line of its docstring, ``reason`` says why it was skipped; ``number``
    counts from 1, in the record or else by its place there; ``readings``: how the unit was seen to read open places of
    the manual, by their numbers; ``shown``: what it showed of what is declared of it."""

    __test__ = False  # the name begins with Test, but pytest has nothing to collect here

    id: str
    verdict: str
    requirements: tuple[str, ...]
    device_time_s: float
    wall_time_s: float
    message: str
    title: str | None = None
    steps: tuple[str, ...] = ()
    reason: str | None = None
    ets: tuple[str, ...] = ()
    heard: bool = False
    number: int = 0
    readings: dict[str, str] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)

    @property
    def suite(self) -> str:
        """The suite file the test stands in."""
        return self.id.split("::", 1)[0]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured value with its limits, in ``unit``; None where there is no value or no limit. ``uncertainty``:
    k = 2, 0 where the test said nothing of it."""

    name: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    verdict: str
    test: str
    uncertainty: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a unit's life on the line; moments are bench time in seconds."""

    name: str
    began_s: float
    ended_s: float
    physics_s: float
    busy_s: float
    verdict: str

    @property
    def took_s(self) -> float:
        return self.ended_s - self.began_s


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of evidence; ``path`` is relative to the run directory."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run as recorded. ``timeline`` has the observations of each test; its times restart at 0 in each test."""

    directory: Path
    verdict: str
    simulated: bool
    profile: str
    unit: str | None
    seed: int | None
    started: str
    device_time_s: float
    wall_time_s: float
    tests: tuple[Test, ...]
    measurements: tuple[Measurement, ...]
    artifacts: tuple[Artifact, ...]
    timeline: TimelineFile
    message: str | None = None
    manifest: Manifest | None = None
    stages: tuple[Stage, ...] = ()

    @classmethod
    def load(cls, run_dir: Path, timeline: TimelineFile | None = None) -> Run:
        """Read a run directory. Keys that are not known here are left alone; no timeline at all is accepted. A
        ``timeline`` that has been looked through before is not looked through again: it may be long.

        Raises BenchError for a file that is missing, broken or contradicts itself.
        """
        path = run_dir / "record.json"
        record = _Table(path, "", _json(path))
        if record.value("schema", int) not in SCHEMAS:
            raise _broken(path, f"schema {' or '.join(map(str, SCHEMAS))}", f"schema {record.value('schema', int)}")
        run = cls(
            directory=run_dir,
            verdict=record.choice("verdict", ("pass", "incomplete", "fail", "error")),
            simulated=record.value("simulated", bool),
            profile=record.value("profile", str),
            unit=record.optional("unit", str),
            seed=record.optional("seed", int),
            started=record.value("started", str),
            device_time_s=record.number("device_time_s"),
            wall_time_s=record.number("wall_time_s"),
            tests=tuple(_test(row, place) for place, row in enumerate(record.tables("tests"), start=1)),
            measurements=tuple(_measurement(row) for row in record.tables("measurements")),
            artifacts=tuple(Artifact(row.value("path", str), row.value("sha256", str))
                            for row in record.tables("artifacts")),
            timeline=TimelineFile(run_dir / "timeline.jsonl") if timeline is None else timeline,
            message=record.optional("message", str),
            manifest=_manifest(path, record.optional("manifest", dict)),
            stages=tuple(_stage(row) for row in record.tables("stages")) if record.optional("stages", list) else (),
        )
        run._refuse_contradictions(path)
        return run

    @property
    def readings(self) -> dict[str, list[str]]:
        """How the unit was seen to read open places of the manual: more than one reading of a place where a unit that
        should have kept to one took several."""
        seen = sorted({pair for test in self.tests for pair in test.readings.items()})
        return {place: [reading for number, reading in seen if number == place] for place, _ in seen}

    def _refuse_contradictions(self, path: Path) -> None:
        for what, counted in (("", Counter(test.id for test in self.tests)),
                              ("number ", Counter(str(test.number) for test in self.tests))):
            twice = next((name for name, count in counted.items() if count > 1), None)
            if twice is not None:
                raise _broken(path, "each test once", f"{what}{twice} twice")
        worse = [row.id for row in self.tests if row.verdict in ("fail", "error")]
        worse += [row.name for row in self.measurements if row.verdict in ("fail", "error")]
        if self.verdict in ("pass", "incomplete") and worse:
            raise _broken(path, "the worst verdict of its tests and measurements",
                          f"{self.verdict}, although {worse[0]} did not pass")
        if self.verdict == "pass" and self.missing:
            raise _broken(path, "a pass of a complete run only", f"pass, although {self.missing[0].what} was left out")
        if self.verdict == "pass" and not any(test.verdict == "pass" for test in self.tests):
            raise _broken(path, "at least one passed test in a run that passes", "none")

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """What is not in the run, whether it makes it incomplete or not."""
        return self.manifest.left_out if self.manifest is not None else ()

    @property
    def missing(self) -> list[LeftOut]:
        """What makes the run incomplete."""
        return [one for one in self.left_out if not one.excused]

    def count(self, verdict: str) -> int:
        """How many tests have this verdict."""
        return sum(test.verdict == verdict for test in self.tests)

    def first(self, verdict: str) -> Test | None:
        """The first test with this verdict."""
        return next((test for test in self.tests if test.verdict == verdict), None)

    def measurements_of(self, test_id: str) -> list[Measurement]:
        """The measurements that a test made, in order."""
        return [row for row in self.measurements if row.test == test_id]


def _stage(row: _Table) -> Stage:
    return Stage(row.value("name", str), row.number("began_s"), row.number("ended_s"), row.number("physics_s"),
                 row.number("busy_s"), row.choice("verdict", VERDICTS))


class _Table:
    """A JSON object that says where in the file it stands when something in it is wrong."""

    def __init__(self, path: Path, place: str, content: object) -> None:
        if not isinstance(content, dict):
            raise _broken(path, f"an object{' at ' + place if place else ''}", type(content).__name__)
        self._path, self._place, self._content = path, place, content

    def value(self, key: str, kind: type) -> Any:
        if key not in self._content:
            raise _broken(self._path, f"the key {self._place}{key}", "none")
        return self._checked(key, kind)

    def optional(self, key: str, kind: type) -> Any:
        return None if self._content.get(key) is None else self._checked(key, kind)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        value: str = self.value(key, str)
        if value not in choices:
            raise _broken(self._path, f"{' or '.join(choices)} in {self._place}{key}", repr(value))
        return value

    def number(self, key: str) -> float:
        number = self.optional_number(key)
        if number is None or not math.isfinite(number):
            seen = str(self._content[key]) if key in self._content else "none"
            raise _broken(self._path, f"a number in {self._place}{key}", seen)
        return number

    def optional_number(self, key: str) -> float | None:
        value = self._content.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _broken(self._path, f"a number in {self._place}{key}", repr(value))
        return float(value)

    def tables(self, key: str) -> list[_Table]:
        rows = self.value(key, list)
        return [_Table(self._path, f"{self._place}{key}[{index}].", row) for index, row in enumerate(rows)]

    def texts(self, key: str) -> tuple[str, ...]:
        rows = self.optional(key, list) or []
        if not all(isinstance(row, str) for row in rows):
            raise _broken(self._path, f"texts in {self._place}{key}", repr(rows))
        return tuple(rows)

    def _checked(self, key: str, kind: type) -> Any:
        value = self._content[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise _broken(self._path, f"{kind.__name__} in {self._place}{key}", repr(value))
        return value


def _test(row: _Table, place: int) -> Test:
    return Test(id=row.value("id", str), verdict=row.choice("verdict", VERDICTS),
                requirements=row.texts("requirements"), device_time_s=row.number("device_time_s"),
                wall_time_s=row.number("wall_time_s"), message=row.optional("message", str) or "",
                title=row.optional("title", str), steps=row.texts("steps"), ets=row.texts("ets"),
                heard=row.optional("heard", bool) or False,
                readings=row.optional("readings", dict) or {}, shown=row.optional("shown", dict) or {},
                reason=row.optional("reason", str), number=row.optional("number", int) or place)


def _manifest(path: Path, content: object) -> Manifest | None:
    """None in records of schema 1."""
    try:
        return TypeAdapter(Manifest).validate_python(content) if content is not None else None
    except ValidationError as problem:
        raise _broken(path, "a manifest", str(problem.errors()[0]["msg"])) from problem


def _measurement(row: _Table) -> Measurement:
    return Measurement(name=row.value("name", str), value=row.optional_number("value"),
                       unit=row.optional("unit", str) or "", low=row.optional_number("low"),
                       high=row.optional_number("high"), verdict=row.choice("verdict", ("pass", "fail", "error")),
                       test=row.value("test", str), uncertainty=row.optional_number("uncertainty") or 0.0)


def _json(path: Path) -> object:
    try:
        return json.loads(_text(path))
    except ValueError as problem:
        raise _broken(path, "JSON", str(problem)) from problem


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as problem:
        raise _broken(path, "a file", "none") from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise _broken(path, "a readable text file", str(problem)) from problem


def _broken(path: Path, expected: str, seen: str) -> BenchError:
    return BenchError(f"{path.parent.name}/{path.name}", expected=expected, seen=seen,
                      do="make the run again, or give the directory of another run")
