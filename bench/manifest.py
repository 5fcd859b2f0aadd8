"""What a run was made of: which bench, which station, whose unit, which tests, and what was left out and why.

A verdict says something only together with this: *pass* of a run from which something was left out is *incomplete*.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]

_GIT_S = 10.0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """``what`` (a test, a file of the suites, the look at the instruments) is missing in a run, and ``reason``.

    ``requirements``: those that a test would have proven. ``excused``: it is named, and the run is complete all the
    same: a station of the regression without the ability for it.
    """

    what: str
    reason: str
    requirements: tuple[str, ...] = ()
    excused: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Instrument:
    """``name`` as in the station file, ``identity`` as the instrument says it; ``serial`` and ``firmware`` where that
    tells them. ``calibrated`` and ``calibration_due``: dates (ISO), empty where nobody knows."""

    name: str
    identity: str
    serial: str = ""
    firmware: str = ""
    calibrated: str = ""
    calibration_due: str = ""

    @classmethod
    def told(cls, name: str, identity: str, calibrated: str = "", calibration_due: str = "") -> Instrument:
        """Of an answer to ``*IDN?`` (maker, model, serial number, firmware: IEEE 488.2, 10.14) the parts are taken."""
        parts = [part.strip() for part in identity.split(",")]
        serial, firmware = parts[2:] if len(parts) == 4 else ("", "")
        return cls(name, identity, serial, firmware, calibrated, calibration_due)


@dataclass(frozen=True, slots=True)
class Software:
    """The bench itself. ``commit`` is empty where it runs without its history, ``modified`` where files differ."""

    version: str = ""
    commit: str = ""
    modified: bool = False
    python: str = ""


@dataclass
class Manifest:
    """``inputs``: SHA-256 of what the run was judged by, by name. ``chosen_by``: how the tests were chosen, in words.
    ``collected``: how many tests of the profile there are, ``chosen``: their ids that were to run. ``unit_firmware``:
    the versions that tests have seen, in order. ``findings``: what is odd about the run itself. ``doctor``: what the
    look at the instruments said, "well" or what is not; empty where nobody looked."""

    software: Software = field(default_factory=Software)
    operator: str = ""
    ended: datetime | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    chosen_by: Sequence[str] = ()
    collected: int = 0
    chosen: Sequence[str] = ()
    left_out: list[LeftOut] = field(default_factory=list)
    unit_firmware: list[str] = field(default_factory=list)
    instruments: list[Instrument] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    doctor: str = ""

    @property
    def is_complete(self) -> bool:
        return all(one.excused for one in self.left_out)

    def to_json(self) -> dict[str, Any]:
        row = asdict(self)
        row["ended"] = self.ended.isoformat(timespec="seconds") if self.ended is not None else None
        return row


def begin(inputs: Mapping[str, Path], chosen_by: Sequence[str] = ()) -> Manifest:
    """The manifest of a run that begins now."""
    return Manifest(software=software(), operator=operator(), inputs=fingerprints(inputs), chosen_by=tuple(chosen_by))


def fingerprints(inputs: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each file, or of all files of a folder with their names; "none" of what is not there."""
    return {name: _fingerprint(path) for name, path in inputs.items()}


def _fingerprint(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.suffix in (".py", ".toml"))
        if not files:
            return "none"
        for file in files:
            content = file.read_bytes()
            if file is not path:
                digest.update(f"{file.relative_to(path).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    except OSError:
        return "none"
    return digest.hexdigest()


def software() -> Software:
    """Version of the package, and the commit that the files are of when they are in a work tree of their own."""
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != PROJECT:
        return Software(version("mcm-bench"), python=platform.python_version())
    return Software(version("mcm-bench"), _git("rev-parse", "HEAD"),
                    bool(_git("status", "--porcelain", "--untracked-files=no")), platform.python_version())


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, timeout=_GIT_S,
                              check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def operator() -> str:
    """Who runs the bench, and on which machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user}@{platform.node()}"
