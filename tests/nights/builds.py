"""Builds of the twin's firmware with a planted defect, and a quick way to run one: a process that is forked when all is
loaded."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.commands.bisect.command import Run, Told, outcome_of
from bench.commands.order import Order
from bench.commands.run import run
from bench.twin.cmi6110.package import Package
from bench.twin.defects import DEFECTS
from bench.twin.program import Program

CATCHERS = Path(__file__).parents[2] / "bench" / "commands" / "prove" / "catchers.json"


@dataclass(frozen=True, slots=True)
class Planted:
    """``defect`` is in each build from ``first`` on; ``test`` catches it."""

    defect: str
    test: str
    first: int


def can_be_planted(defect: str) -> bool:
    """Whether it is a part of the unit's program, which an update brings."""
    parts = DEFECTS[defect].parts
    return bool(parts) and all(part.__module__.startswith("bench.twin.defects") and any(
        base.__module__.startswith("bench.twin.cmi6110") for base in part.__mro__) for part in parts)


QUICK = ("button", "device_management", "led", "network", "otc", "registration", "resources", "telegram",
         "upload_protocol")
"""Suites whose tests take well under a second on the twin."""


def catchers() -> dict[str, str]:
    """The quick test that catches each defect that can be planted."""
    found = json.loads(CATCHERS.read_text("utf-8"))
    return {defect: test for defect, test in sorted(found.items()) if defect in DEFECTS and can_be_planted(defect)
            and test.startswith(tuple(f"suites/test_{name}.py" for name in QUICK))}


def write_builds(folder: Path, count: int, planted: Planted, one_in: int = 1) -> list[Path]:
    """``count`` packages; every build differs from the others."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        program = Program((planted.defect,) if number >= planted.first else (), one_in=one_in)
        path = folder / f"build{number:02d}.bin"
        path.write_bytes(Package("CMi6110", "1B", f"3.0.{number}", program.encode(2048)).encode())
        paths.append(path)
    return paths


def forked(test: str, seed: int) -> Callable[[Run], Told]:
    """Runs one test against a build."""
    def one_run(one: Run) -> Told:
        child = os.fork()
        if not child:
            try:
                sys.stdout = sys.stderr = io.StringIO()
                run(Order("certification", one.run_dir, seed=seed + one.number, files=(test,), lab="run", doctor=False,
                          report=False, firmware=(one.package,)), Console(file=io.StringIO()))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return outcome_of(one.run_dir)
    return one_run
