"""What ``mcm-bench learn`` is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROUNDS = 8
"""So often at most a draft is tried with all tests."""

CANDIDATES = 24
"""So many readings at most are tried for one difference."""

FEW = 3
"""A reading is tried with so many tests at most in which the difference was seen."""


@dataclass(frozen=True)
class Task:
    """``runs``: of one unit. ``out``: the unit file. ``even_failed``: take a run that failed, or was one of a defect of
    the twin. ``trials``: a folder in which the trials stay; ``seed`` is that of the first of them."""

    runs: Sequence[Path]
    out: Path
    even_failed: bool = False
    trials: Path | None = None
    seed: int = 1000
    rounds: int = ROUNDS
