"""The run record: what was run, on which unit, and what came out. ``record.json`` is an interface; keep it stable."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import Measurement, Verdict, worst

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test. ``device_time_s``: how long it took, or would have taken, the unit; ``wall_time_s``: us; ``ets``: the
    OMA cases that it is."""

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


@dataclass
class Record:
    """A run. ``verdict`` is the worst of its tests, unless ``fault`` says that the bench itself could not go on."""

    profile: str
    unit: str
    seed: int
    simulated: bool
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    station: str = ""
    fault: str = ""
    defects: Sequence[str] = ()
    wall_time_s: float = 0.0
    tests: list[TestResult] = field(default_factory=list)
    artifacts: list[Path] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        return Verdict.ERROR if self.fault else worst(test.verdict for test in self.tests)

    @property
    def device_time_s(self) -> float:
        return sum(test.device_time_s for test in self.tests)

    def to_json(self, run_dir: Path) -> dict[str, Any]:
        """The record as it stands in ``record.json``; artifacts are named relative to ``run_dir``."""
        return {
            "schema": SCHEMA,
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
            "tests": [self._test(test) for test in self.tests],
            "measurements": [{**asdict(measured), "value": _finite(measured.value), "test": test.id}
                             for test in self.tests for measured in test.measurements],
            "artifacts": [{"path": path.relative_to(run_dir).as_posix(), "sha256": _sha256(path)}
                          for path in sorted(self.artifacts)],
        }

    @staticmethod
    def _test(test: TestResult) -> dict[str, Any]:
        row = asdict(test)
        del row["measurements"]
        if test.verdict is Verdict.SKIPPED:
            row["reason"], row["message"] = test.message, ""
        row["device_time_s"] = round(test.device_time_s, 3)
        row["wall_time_s"] = round(test.wall_time_s, 3)
        return row

    def write(self, run_dir: Path) -> Path:
        """Write ``record.json`` into ``run_dir``, whole or not at all."""
        run_dir.mkdir(parents=True, exist_ok=True)
        path = run_dir / "record.json"
        draft = run_dir / "record.json.part"
        text = json.dumps(self.to_json(run_dir), indent=1, ensure_ascii=False, allow_nan=False)
        draft.write_text(text + "\n", "utf-8")
        draft.replace(path)
        return path


def _finite(value: float) -> float | None:
    """JSON has no word for what is no number."""
    return value if math.isfinite(value) else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
