"""What a pack's folder is about and which runs it was made of: ``certify.json`` in it.

A pack that was interrupted goes on in its folder. Its runs count together only where they are of one unit with one
firmware, judged by the same suites and limits, and where nothing of them was altered since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from reports.precheck import altered, sha256
from reports.run import Run

NAME = "certify.json"
JUDGED_BY = ("suites", "limits", "station file")
"""Of a run's inputs those that decide a verdict."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The runs that count, in their order, and sentences about those that don't."""

    runs: tuple[Run, ...]
    set_aside: tuple[str, ...]


class Ledger:
    """Of the folder ``root``. ``asked``: what makes runs comparable, such as unit and station. Raises ``BenchError``
    for a folder that is about something else."""

    def __init__(self, root: Path, asked: Mapping[str, Any]) -> None:
        self.root = root
        self._asked = dict(asked)
        self._hashes: dict[str, str] = {}
        path = root / NAME
        if path.exists():
            self._take(path)
        elif root.is_dir() and any(root.iterdir()):
            raise BenchError(f"folder {root}", expected="an empty one, or that of a pack", seen="other files",
                             do="choose another one with --run-dir")

    def _take(self, path: Path) -> None:
        try:
            content = json.loads(path.read_text("utf-8"))
            asked, self._hashes = dict(content["asked"]), {str(k): str(v) for k, v in content["runs"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BenchError(f"{path}", expected="what a pack's folder is about", seen="something else",
                             do="choose another folder with --run-dir") from error
        other = [name for name, value in self._asked.items() if asked.get(name) != value]
        if other:
            name = other[0]
            raise BenchError(f"folder {self.root}", expected=f"a pack with {name} {_said(self._asked[name])}",
                             seen=f"one with {_said(asked.get(name))}", do="choose another folder with --run-dir")

    def next_folder(self) -> Path:
        """Of a run that begins now."""
        taken = [int(path.name) for path in self.root.glob("runs/*") if path.name.isdecimal()]
        return self.root / "runs" / f"{max(taken, default=0) + 1:02d}"

    def note(self) -> None:
        """Write down the hash of each record that is there and was not before: from now on nobody may alter it."""
        for folder in self._folders():
            name = folder.relative_to(self.root).as_posix()
            if name not in self._hashes and (digest := sha256(folder / "record.json")) is not None:
                self._hashes[name] = digest
        self.root.mkdir(parents=True, exist_ok=True)
        draft = self.root / f"{NAME}.part"
        draft.write_text(json.dumps({"asked": self._asked, "runs": self._hashes}, indent=1) + "\n", "utf-8")
        draft.replace(self.root / NAME)

    @property
    def records(self) -> list[tuple[str, str]]:
        """Path and hash of each record, as it was when it was made."""
        return [(f"{name}/record.json", digest) for name, digest in sorted(self._hashes.items())]

    def counted(self) -> Counted:
        """The newest run decides which firmware and which suites count."""
        whole: list[Run] = []
        aside: list[str] = []
        for folder in self._folders():
            run, why = self._look_at(folder)
            if run is not None and not why:
                whole.append(run)
            else:
                aside.append(f"run {folder.name} does not count: {why}")
        if not whole:
            return Counted((), tuple(aside))
        newest = whole[-1]
        kept = []
        for run in whole:
            why = _differs(run, newest)
            if why:
                aside.append(f"run {run.directory.name} does not count: {why}")
            else:
                kept.append(run)
        return Counted(tuple(kept), tuple(aside))

    def _look_at(self, folder: Path) -> tuple[Run | None, str]:
        name = folder.relative_to(self.root).as_posix()
        digest = sha256(folder / "record.json")
        if digest is None:
            return None, "it has no record: it was killed"
        if self._hashes.get(name, digest) != digest:
            return None, "its record was altered after it was made"
        try:
            run, changed = Run.load(folder), altered(folder)
        except BenchError as error:
            return None, str(error)
        return run, f"altered: {'; '.join(changed[:3])}{' and more' if len(changed) > 3 else ''}" if changed else ""

    def _folders(self) -> list[Path]:
        return sorted((path for path in self.root.glob("runs/*") if path.is_dir() and path.name.isdecimal()),
                      key=lambda path: int(path.name))


def firmware_of(run: Run) -> str:
    """The version that the unit had when the run began; empty where no test has seen one."""
    return run.manifest.unit_firmware[0] if run.manifest is not None and run.manifest.unit_firmware else ""


def _differs(run: Run, newest: Run) -> str:
    """Why ``run`` can't be counted together with the newest; empty when it can."""
    if firmware_of(run) != firmware_of(newest):
        return f"the unit had firmware {firmware_of(run) or 'unknown'}, and now has {firmware_of(newest) or 'unknown'}"
    if run.unit != newest.unit:
        return f"it is of unit {run.unit}"
    if run.manifest is None or newest.manifest is None:
        return "its record does not say what it was judged by"
    other = [name for name in JUDGED_BY if run.manifest.inputs.get(name) != newest.manifest.inputs.get(name)]
    return f"it was judged by other {' and '.join(other)}" if other else ""


def _said(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value not in ("", None) else "none"
