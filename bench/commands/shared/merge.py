"""One record of the records of several places: every test once, with its evidence, under one number."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.errors import BenchError
from bench.evidence import evidence_file, number_of
from bench.manifest import Instrument, LeftOut, Manifest, fingerprints
from bench.measure import Measurement, Verdict
from bench.record import Record, TestResult

DOUBTFUL = (Verdict.ERROR,)
"""Of these another place is asked, where there is one."""


@dataclass(frozen=True)
class Part:
    """What one place did of a run: its record as read, None where it left none."""

    place: str
    run_dir: Path
    tests: tuple[str, ...]
    record: Mapping[str, Any] | None

    @property
    def fault(self) -> str:
        """Why the place could not go on; empty where it could."""
        if self.record is None:
            return "its process ended without a record"
        return str(self.record["message"])

    def results(self) -> dict[str, TestResult]:
        """The results by test id."""
        if self.record is None:
            return {}
        measured: dict[str, list[Measurement]] = {}
        for row in self.record["measurements"]:
            values = {**row, "value": math.nan if row["value"] is None else row["value"]}
            measured.setdefault(values.pop("test"), []).append(_MEASUREMENT.validate_python(values))
        return {row["id"]: replace(_RESULT.validate_python({**row, "message": row.get("reason") or row["message"]}),
                                   measurements=tuple(measured.get(row["id"], ()))) for row in self.record["tests"]}


_RESULT = TypeAdapter(TestResult)
_MEASUREMENT = TypeAdapter(Measurement)


@dataclass
class Night:
    """``numbers``: that of each test that was to run, in order. ``results``: the result of each that has one, and the
    part that it is from."""

    numbers: Mapping[str, int]
    parts: list[Part] = field(default_factory=list)
    results: dict[str, tuple[TestResult, Part]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def take_in(self, part: Part) -> list[str]:
        """Keep what ``part`` came to; the tests of it that another place must be asked for."""
        self.parts.append(part)
        found = part.results()
        again = []
        for test in part.tests:
            result = found.get(test)
            if result is not None and (result.verdict not in DOUBTFUL or test not in self.results):
                self.results[test] = (result, part)
            if result is None or result.verdict in DOUBTFUL:
                again.append(test)
        return again

    def merged(self, record: Record, run_dir: Path, left_out: Sequence[LeftOut], inputs: Mapping[str, Path]) -> Record:
        """``record``, that of a run that has not begun, with all that the parts came to; their evidence is in
        ``run_dir`` then, too."""
        manifest = record.manifest
        tests = [replace(self.results[test][0], number=number) for test, number in self.numbers.items()
                 if test in self.results]
        whose = {test: part for test, (_, part) in self.results.items()}
        self._gather(run_dir, whose)
        merged = replace(record, tests=tests, station=", ".join(sorted({part.place for part in self.parts})))
        manifest.collected, manifest.chosen = len(self.numbers) + len(left_out), list(self.numbers)
        manifest.left_out = [*left_out, *(LeftOut(test, "did not run: no place was left for it")
                                          for test in self.numbers if test not in self.results)]
        manifest.findings = [*self.findings]
        for part in self.parts:
            self._add(merged, part, whose)
        manifest.ended = datetime.now(UTC)
        now = fingerprints(inputs)
        if changed := [name for name, digest in manifest.inputs.items() if now[name] != digest]:
            merged.fault = str(BenchError(
                " and ".join(changed), expected="to stay as they were at the start of the run",
                seen="others at its end", do="leave them alone while a run goes on, and run it again"))
        return merged

    def _add(self, merged: Record, part: Part, whose: Mapping[str, Part]) -> None:
        """What of ``part``'s record is about more than one test."""
        if part.record is None:
            return
        told, manifest = TypeAdapter(Manifest).validate_python(part.record["manifest"]), merged.manifest
        at = f"place {part.place}: "
        manifest.left_out += [one for one in told.left_out if whose.get(one.what) is part]
        manifest.left_out += [replace(one, what=f"{one.what} ({part.place})") for one in told.left_out
                              if one.what in ("the look at the instruments", "the unit as it was delivered")]
        manifest.findings += [at + finding for finding in told.findings]
        manifest.unit_firmware = list(dict.fromkeys([*manifest.unit_firmware, *told.unit_firmware]))
        known = {instrument.name for instrument in manifest.instruments}
        manifest.instruments += [Instrument(**{**_row(one), "name": at + one.name}) for one in told.instruments
                                 if at + one.name not in known]
        merged.labs += part.record["labs"]
        merged.power_cycles = [*merged.power_cycles, *(at + why for why in part.record["power_cycles"])]
        merged.not_delivered = [*merged.not_delivered, *(at + why for why in part.record["not_delivered"])]
        units = dict.fromkeys([*filter(None, merged.unit.split(", ")), *filter(None, [part.record["unit"]])])
        merged.unit = ", ".join(units)

    def _gather(self, run_dir: Path, whose: Mapping[str, Part]) -> None:
        """The evidence of each test under its number, and the timelines of all in one, in their order."""
        lines: dict[str, list[bytes]] = {}
        for part in self.parts:
            mine = {result.number: test for test, (result, from_) in self.results.items() if from_ is part}
            for path in sorted((part.run_dir / "evidence").glob("*")):
                test = mine.get(number_of(path) or 0)
                if test is not None:
                    _link(path, evidence_file(run_dir, self.numbers[test], test, path.name.partition(".")[2]))
            timeline = part.run_dir / "timeline.jsonl"
            if timeline.is_file():
                with timeline.open("rb") as file:
                    for line in file:
                        test = json.loads(line).get("test")
                        if whose.get(test) is part:
                            lines.setdefault(test, []).append(line)
        with (run_dir / "timeline.jsonl").open("wb") as whole:
            for test in self.numbers:
                whole.writelines(lines.get(test, ()))


def _row(instrument: Instrument) -> dict[str, str]:
    return {name: getattr(instrument, name) for name in Instrument.__slots__}


def _link(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)
