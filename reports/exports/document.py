"""What is exported: a run out of the store, and the document that a format makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bench.errors import BenchError


@dataclass(frozen=True)
class StoredRun:
    """An entry of the ledger. ``body``: as ``records show --json`` has it, its ``record`` as in record.json. ``hash``:
    of the entry, and through it of all before; empty where nobody asked for it."""

    sequence: int
    body: Mapping[str, Any]
    hash: str = ""

    @classmethod
    def of(cls, sequence: int, body: str) -> StoredRun:
        """Of an entry's text. Raises ``BenchError`` for one that is no run's."""
        try:
            run = cls(sequence, dict(json.loads(body)))
            _ = run.run_id, run.record["measurements"], run.tests, run.started, run.attempt
        except (ValueError, KeyError, TypeError) as error:
            raise BenchError(f"entry {sequence} of the store", expected="the record of a run",
                             seen=type(error).__name__, do="mcm-bench records verify tells more") from error
        return run

    @property
    def run_id(self) -> str:
        return str(self.body["run_id"])

    @property
    def record(self) -> Mapping[str, Any]:
        return dict(self.body["record"])

    @property
    def attempt(self) -> int:
        return int(self.body["attempt"])

    @property
    def job(self) -> Mapping[str, str]:
        return dict(self.record.get("job") or {})

    @property
    def manifest(self) -> Mapping[str, Any]:
        return dict(self.record.get("manifest") or {})

    @property
    def process(self) -> str:
        return str(self.job.get("process") or self.record["profile"])

    @property
    def operator(self) -> str:
        return str(self.job.get("operator") or self.manifest.get("operator") or "")

    @property
    def firmware(self) -> str:
        return ", ".join(self.manifest.get("unit_firmware") or ())

    @property
    def started(self) -> datetime:
        return datetime.fromisoformat(self.record["started"])

    @property
    def duration_s(self) -> float:
        return float(self.record["wall_time_s"])

    @property
    def ended(self) -> datetime:
        ended = self.manifest.get("ended")
        return datetime.fromisoformat(ended) if ended else self.started + timedelta(seconds=self.duration_s)

    @property
    def tests(self) -> Sequence[Mapping[str, Any]]:
        return list(self.record["tests"])

    def measurements_of(self, test_id: str) -> list[Mapping[str, Any]]:
        return [row for row in self.record["measurements"] if row["test"] == test_id]

    @property
    def first_fail(self) -> str:
        """The test that the unit, or else the bench, failed in first; empty of none."""
        for verdict in ("fail", "error"):
            for test in self.tests:
                if test["verdict"] == verdict:
                    return str(test["id"])
        return ""


@dataclass(frozen=True)
class Document:
    """``run_id`` names it, in the target too: who gets it twice has it once. ``suffix``: of a file with it."""

    run_id: str
    suffix: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Format:
    """``write`` makes a document of a run and the options of its target, whose names are ``options``; it raises
    ``BenchError`` for a run that it can't tell of."""

    write: Callable[[StoredRun, Mapping[str, Any]], Document]
    options: Collection[str] = ()


def option(options: Mapping[str, Any], name: str, default: str = "") -> str:
    """A text among the options. Raises ``BenchError`` for anything else."""
    value = options.get(name, default)
    if not isinstance(value, str):
        raise BenchError(f"option {name} of an export", expected="a text", seen=type(value).__name__, do="correct it")
    return value


def clean(value: object) -> str:
    """A text without what XML and terminals have no word for: a scanner's control characters, half a surrogate pair."""
    text = str(value).replace("\u00a0", " ")
    return "".join(letter if letter in "\n\t" or letter.isprintable() else "�" for letter in text)
