"""What is said of a night by who orders it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from reports.text import duration

NIGHT = "night.json"
"""In the run directory: the plan, and what became of it."""


def left_of(run_dirs: Sequence[Path]) -> float:
    """What nights that were broken off have left of the budget of the first of them (s): what their tests took is gone.
    Raises ``BenchError`` where there is no night."""
    budget_s, spent_s = 0.0, 0.0
    for run_dir in run_dirs:
        try:
            night = json.loads((run_dir / NIGHT).read_text("utf-8"))
            budget_s = budget_s or float(night["budget_s"])
            spent_s += float(night["spent_s"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BenchError(f"run {run_dir}", expected=f"a night ({NIGHT})", seen="none that can be read",
                             do="say with --budget how long the night is that goes on") from error
    return max(budget_s - spent_s, 0.0)


@dataclass(frozen=True)
class NightOrder:
    """``budget_s``: device time for the run. ``must``: what runs whatever the plan, as ids of requirements (BTN-*) or
    parts of tests' names. ``share`` of ``units``: which part of the night this unit has, from 1. ``learn_from``: runs
    that tell how long tests take, by default those below runs/; ``after``: runs that this one goes on from, whose tests
    need not run again."""

    budget_s: float
    must: Sequence[str] = ()
    share: int = 1
    units: int = 1
    learn_from: Sequence[Path] = ()
    after: Sequence[Path] = ()

    def __str__(self) -> str:
        share = f", share {self.share} of {self.units}" if self.units > 1 else ""
        after = f", going on from {', '.join(path.name for path in self.after)}" if self.after else ""
        return f"a budget of {duration(self.budget_s)}{share}{after}"
