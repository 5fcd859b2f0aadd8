"""The run record: what was run, on which unit, and what came out. ``record.json`` is an interface; keep it stable."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.manifest import Manifest
from bench.measure import Measurement, Verdict, worst

SCHEMA = 3
"""1 had no ``manifest`` and no verdict ``incomplete``, 2 no ``run_id`` and no ``job``."""

JOB = ("work_order", "batch", "part_number", "hw_rev", "process", "location", "slot", "shift", "operator",
       "retest_reason")
"""What may be said of a run by who orders it. ``process`` is the step of production, the profile where nothing is said:
attempts are counted in each by itself."""


def new_run_id() -> str:
    """A UUID of version 7 (RFC 9562, 5.7): milliseconds since 1970, then chance."""
    number = (time.time_ns() // 1_000_000 << 80) | (0x7 << 76) | (secrets.randbits(12) << 64) | (0b10 << 62)
    return str(uuid.UUID(int=number | secrets.randbits(62)))


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test. ``device_time_s``: how long it took, or would have taken, the unit; ``wall_time_s``: us; ``ets``: the
    OMA cases that it is; ``number``: by which its evidence is called, from 1 in the order of the run; ``heard``:
    whether the unit itself was heard or seen in it; ``readings``: how the unit was seen to read open places of the
    manual, by their numbers; ``shown``: what the unit showed of what is declared of it (``bench/manual/pics.py``)."""

    __test__ = False

    id: str
    verdict: Verdict
    requirements: tuple[str, ...]
    device_time_s: float
    wall_time_s: float
    message: str = ""
    title: str = ""
    steps: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    ets: tuple[str, ...] = ()
    heard: bool = False
    number: int = 0
    readings: Mapping[str, str] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of the one life of a unit on the line, from ``began_s`` to ``ended_s`` (bench time), of which physics
    needs ``physics_s``; for ``busy_s`` the bench's process was not waiting for anything (seconds of its processor)."""

    name: str
    began_s: float
    ended_s: float
    physics_s: float
    busy_s: float
    verdict: Verdict


@dataclass
class Record:
    """A run. ``verdict`` is the worst of its tests, unless ``fault`` says that the bench itself could not go on, or the
    ``manifest`` that a pass is none because something was left out.

    ``labs``: how many benches there were; ``power_cycles``: those of the unit that the bench made by itself, each with
    its reason; ``not_delivered``: what of the unit is not as it was delivered, as sentences; ``stages``: of the
    line. ``run_id``: which run it is, among all there ever are; ``job``: what was said of it (``JOB``).
    """

    profile: str
    unit: str
    seed: int
    simulated: bool
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    station: str = ""
    fault: str = ""
    defects: Sequence[str] = ()
    wall_time_s: float = 0.0
    labs: int = 0
    power_cycles: Sequence[str] = ()
    not_delivered: Sequence[str] = ()
    stages: Sequence[Stage] = ()
    tests: list[TestResult] = field(default_factory=list)
    artifacts: list[Path] = field(default_factory=list)
    manifest: Manifest = field(default_factory=Manifest)
    run_id: str = field(default_factory=new_run_id)
    job: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        if self.fault:
            return Verdict.ERROR
        verdict = worst(test.verdict for test in self.tests)
        return Verdict.INCOMPLETE if verdict is Verdict.PASS and not self.manifest.is_complete else verdict

    @property
    def device_time_s(self) -> float:
        return sum(test.device_time_s for test in self.tests)

    def to_json(self, run_dir: Path) -> dict[str, Any]:
        """The record as it stands in ``record.json``; artifacts are named relative to ``run_dir``."""
        return {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "job": dict(self.job),
            "verdict": self.verdict,
            "simulated": self.simulated,
            "profile": self.profile,
            "unit": self.unit,
            "station": self.station,
            "seed": self.seed,
            "defects": list(self.defects),
            "started": self.started.isoformat(timespec="seconds"),
            "device_time_s": round(self.device_time_s, 3),
            "wall_time_s": round(self.wall_time_s, 3),
            "message": self.fault,
            "labs": self.labs,
            "power_cycles": list(self.power_cycles),
            "not_delivered": list(self.not_delivered),
            "manifest": self.manifest.to_json(),
            "stages": [asdict(stage) for stage in self.stages],
            "tests": [self._test(test) for test in self.tests],
            "measurements": [self._measurement(measured, test)
                             for test in self.tests for measured in test.measurements],
            "artifacts": [{"path": path.relative_to(run_dir).as_posix(), "sha256": _sha256(path)}
                          for path in sorted(self.artifacts)],
        }

    @staticmethod
    def _test(test: TestResult) -> dict[str, Any]:
        row = {name: getattr(test, name) for name in _COLUMNS}
        if test.verdict is Verdict.SKIPPED:
            row["reason"], row["message"] = test.message, ""
        row["device_time_s"] = round(test.device_time_s, 3)
        row["wall_time_s"] = round(test.wall_time_s, 3)
        return row

    @staticmethod
    def _measurement(measured: Measurement, test: TestResult) -> dict[str, Any]:
        row = {name: getattr(measured, name) for name in _MEASURED}
        return row | {"value": _finite(measured.value), "test": test.id}

    def write(self, run_dir: Path) -> Path:
        """Write ``record.json`` into ``run_dir``, whole or not at all."""
        run_dir.mkdir(parents=True, exist_ok=True)
        path = run_dir / "record.json"
        draft = run_dir / "record.json.part"
        with draft.open("w", encoding="utf-8") as file:
            file.writelines(_lines(self.to_json(run_dir)))
        draft.replace(path)
        return path


_COLUMNS = tuple(column.name for column in fields(TestResult) if column.name != "measurements")
_MEASURED = tuple(column.name for column in fields(Measurement))


def _lines(content: dict[str, Any]) -> Iterator[str]:
    """JSON with a line for each key and for each item of a list: the encoder's own indentation takes ten times as
    long."""
    text = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
    for number, (key, value) in enumerate(content.items()):
        yield f"{',' if number else '{'}\n {text(key)}: "
        if isinstance(value, list) and value:
            yield "[\n  " + ",\n  ".join(map(text, value)) + "]"
        else:
            yield text(value)
    yield "}\n"


def _finite(value: float) -> float | None:
    """JSON has no word for what is no number."""
    return value if math.isfinite(value) else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
