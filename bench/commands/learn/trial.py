"""Trials: the twin like a draft, through the tests of the recorded runs, in a process of its own.

Each is forked when all is loaded: a trial costs its tests and little else.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.commands.compare.sides import Side
from bench.commands.learn.unit_file import dump
from bench.commands.order import Order
from bench.commands.run import run
from bench.commands.terminal import plain
from bench.errors import BenchError
from bench.twin.like import Like
from bench.twin.variants.registry import LIKE

_PATIENCE_S = 3600.0
"""Real seconds for one trial."""


@dataclass
class Trials:
    """``folder`` takes their runs, ``seed`` is that of the first; each has another one. ``profile`` and ``lab`` are as
    in the recorded runs."""

    folder: Path
    profile: str
    lab: str | None
    seed: int
    made: int = field(default=0, init=False)

    def of(self, like: Like, tests: Sequence[str], runs: int = 1) -> Side:
        """So many runs of the twin. Raises ``BenchError`` for one that came to no record."""
        return Side.of("twin", [self._run(like, tests) for _ in range(runs)])

    def _run(self, like: Like, tests: Sequence[str]) -> Path:
        self.made += 1
        run_dir = self.folder / f"{self.made:03d}"
        file = self.folder / f"{self.made:03d}.toml"
        file.write_text(dump(like), encoding="utf-8")
        files = () if self.profile == "line" else tests
        order = Order(profile=self.profile, run_dir=run_dir, seed=self.seed + self.made, variants=[f"{LIKE}{file}"],
                      files=files, report=False, doctor=False, lab=self.lab)
        child = multiprocessing.get_context("fork").Process(target=_child, args=(order,))
        child.start()
        child.join(_PATIENCE_S)
        if child.is_alive():
            child.kill()
            child.join()
        if not (run_dir / "record.json").exists():
            raise BenchError(f"trial {run_dir}", expected="a record", seen=f"exit code {child.exitcode}",
                             do="run it alone: mcm-bench run --like " + str(file))
        return run_dir


def _child(order: Order) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    with open(os.devnull, "w", encoding="utf-8") as sink:    # noqa: PTH123 - the device
        run(order, plain(file=sink))
