"""``mcm-bench learn``: fit the twin to recorded runs, by trials: what still differs is fitted, until nothing does or
nothing more can be said. Then it is written down.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.commands.compare.command import needs_numbers
from bench.commands.learn.task import Task
from bench.errors import BenchError
from reports.run import Run


def learn(task: Task, console: Console) -> int:
    """The exit code: 0 told apart in nothing beyond chance, 3 something is left, which the file lists. Raises
    ``BenchError``."""
    needs_numbers()
    from bench.commands.learn.fitting import Fitting
    from bench.commands.learn.unit_file import dump

    _refuse(task)
    if not task.out.parent.is_dir():
        raise BenchError(f"{task.out}", expected="a folder to write it in", seen="none",
                         do="make it, or choose another")
    with tempfile.TemporaryDirectory() as folder:
        fitting = Fitting(task, task.trials or Path(folder), lambda text: console.print(Text(text), soft_wrap=True))
        like = fitting.run()
        task.out.write_text(dump(like), encoding="utf-8")
    console.print(Text(f"{task.out}: like {len(task.runs)} runs, {fitting.trials.made} trials; "
                       + (f"{len(like.cannot)} differences are left, listed under [[cannot]]" if like.cannot
                          else "told from them in nothing beyond chance")), soft_wrap=True)
    return 3 if like.cannot else 0


def _refuse(task: Task) -> None:
    from bench.twin.defects import DEFECTS

    profiles = set()
    for path in task.runs:
        run = Run.load(path)
        profiles.add(run.profile)
        made_of = json.loads((path / "record.json").read_text("utf-8")).get("defects", [])
        defects = [name for name in made_of if name in DEFECTS]
        if run.verdict == "error":
            raise BenchError(f"run {path}", expected="a run that the bench went through", seen="a fault of the bench",
                             do="learn from another")
        if (run.verdict == "fail" or defects) and not task.even_failed:
            raise BenchError(f"run {path}", expected="a unit that passed",
                             seen=f"the defect {defects[0]}" if defects else "one that failed",
                             do="learn from another; --even-failed takes it as it is")
        if not len(run.timeline):
            raise BenchError(f"run {path}", expected="a timeline to learn from", seen="none",
                             do="name a run with its evidence")
    if len(profiles) > 1:
        raise BenchError("learn", expected="runs of one profile", seen=" and ".join(sorted(profiles)),
                         do="learn from those of one")
