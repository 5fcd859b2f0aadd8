"""``timeline.jsonl`` of a run: what each test has observed, read one test at a time, for it may be gigabytes long."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.evidence import number_of
from bench.timeline import Observation

_ENDS_WITH = b',"test":'


def join(run_dir: Path) -> None:
    """One ``timeline.jsonl`` in the order of the tests, whichever process ran them, from the files of each. A last line
    in the middle of which the process that wrote it has died is left out."""
    parts = sorted((run_dir / "evidence").glob("*.jsonl"), key=lambda part: (number_of(part) or 0, part.name))
    with (run_dir / "timeline.jsonl").open("wb") as whole:
        for part in parts:
            with part.open("rb") as file:
                whole.writelines(line for line in file if line.endswith(b"\n"))
    for part in parts:
        part.unlink()


@dataclass(frozen=True, slots=True)
class _Piece:
    """Lines of one test that stand together: where they begin and end, and the number of the first. ``as_written``:
    they are in the form in which the bench writes them, so that they can be told apart without being read."""

    begin: int
    end: int
    first: int
    as_written: bool


class TimelineFile(Mapping[str, Sequence[Observation]]):
    """The observations of each test by its id. In memory is only where in the file they stand; no file has none.

    A line that can't be read raises BenchError that names it, when its test is read at the latest.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, list[_Piece]] = {}
        if path.exists():
            self._file = path.open("rb")
            self._find(self._file)

    def __getitem__(self, test_id: str) -> list[Observation]:
        return self._read(test_id, b"")

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, test_id: object) -> bool:
        return test_id in self._places

    def select(self, test_id: str, source: str, kind: str) -> list[Observation]:
        """The observations of that source and kind in the test; the lines of others are not looked at."""
        if test_id not in self:
            return []
        found = self._read(test_id, f'"kind":{json.dumps(kind)},"source":{json.dumps(source)}'.encode())
        return [seen for seen in found if (seen.source, seen.kind) == (source, kind)]

    def end_of(self, test_id: str) -> float:
        """The time of the last observation of the test."""
        last = self._places[test_id][-1]
        lines = self._lines(last)
        begin = lines.rstrip().rfind(b"\n") + 1
        return self._observation(last.first + lines.count(b"\n", 0, begin), lines[begin:]).time

    def _find(self, file: Iterator[bytes]) -> None:
        """Whose each line is. As the bench writes them they end with the id; those of one test stand together."""
        test_id, ending = "", b""
        begin = place = first = 0
        for number, line in enumerate(file, start=1):
            if not (ending and line.endswith(ending)):
                self._keep(test_id, _Piece(begin, place, first, bool(ending)))
                test_id, ending = self._owner_of(number, line) if line.strip() else ("", b"")
                begin, first = place, number
            place += len(line)
        self._keep(test_id, _Piece(begin, place, first, bool(ending)))

    def _keep(self, test_id: str, piece: _Piece) -> None:
        if test_id:
            self._places.setdefault(test_id, []).append(piece)

    def _owner_of(self, number: int, line: bytes) -> tuple[str, bytes]:
        """The test that a line belongs to, and how its other lines end; that is empty where we did not write it."""
        ending = line[line.rfind(_ENDS_WITH):]
        try:
            test_id = json.loads(ending[len(_ENDS_WITH):].rstrip()[:-1])
            if isinstance(test_id, str) and ending == _ENDS_WITH + json.dumps(test_id).encode() + b"}\n":
                return test_id, ending
        except ValueError:
            pass
        self._observation(number, line)
        return str(json.loads(line)["test"]), b""

    def _lines(self, piece: _Piece) -> bytes:
        return os.pread(self._file.fileno(), piece.end - piece.begin, piece.begin)

    def _read(self, test_id: str, containing: bytes) -> list[Observation]:
        found = []
        for piece in self._places[test_id]:
            lines, number, counted = self._lines(piece), piece.first, 0
            wanted = containing if piece.as_written else b""
            at = lines.find(wanted)
            while 0 <= at < len(lines):
                begin, end = lines.rfind(b"\n", 0, at) + 1, lines.find(b"\n", at) + 1 or len(lines)
                number, counted = number + lines.count(b"\n", counted, begin), begin
                found.append(self._observation(number, lines[begin:end]))
                at = lines.find(wanted, end)
        return found

    def _observation(self, number: int, line: bytes) -> Observation:
        try:
            row = json.loads(line)
            seen = Observation(float(row["t"]), str(row["source"]), str(row["kind"]), dict(row["data"]))
            if not math.isfinite(seen.time) or "test" not in row:
                raise ValueError(seen.time)
        except (ValueError, KeyError, TypeError) as problem:
            raise BenchError(f"{self._path.parent.name}/{self._path.name}", expected=f"an observation in line {number}",
                             seen=repr(line[:80].decode(errors="replace")),
                             do="make the run again, or give the directory of another run") from problem
        return seen
