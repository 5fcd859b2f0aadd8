"""``mcm-bench compare``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from bench.errors import BenchError


@dataclass(frozen=True)
class Task:
    """``runs``: one of the old side and one of the new, or none where both come from ``old``, ``new`` or ``where``
    (two queries of ``store``, or of that of ``station``). ``history``: earlier runs, which tell what is flaky. ``out``:
    a folder for page, JSON and JUnit; ``junit``: a file. ``today``: when known issues are looked at."""

    runs: Sequence[Path] = ()
    old: Sequence[Path] = ()
    new: Sequence[Path] = ()
    store: str | None = None
    station: Path | None = None
    where: Sequence[str] = ()
    history: Sequence[Path] = ()
    policy: Path | None = None
    known: Path | None = None
    out: Path | None = None
    junit: Path | None = None
    today: date | None = None


def needs_numbers() -> None:
    """Raises ``BenchError`` where the statistics are not installed."""
    if find_spec("scipy") is None:
        raise BenchError("compare", expected="the package scipy", seen="none", do="pip install 'mcm-bench[numbers]'")


def compare(task: Task, as_json: bool, console: Console) -> int:
    """The exit code: 0 no regression, 1 one at least, 3 nothing in common. Raises ``BenchError``."""
    needs_numbers()
    from bench.commands.compare import known, output
    from bench.commands.compare.comparison import compare as hold_against
    from bench.commands.compare.page import write_page
    from bench.commands.compare.policy import Policy
    from bench.commands.compare.sides import Side, from_store

    policy = Policy.load(task.policy)
    issues = known.load(task.known) if task.known is not None else ()
    with ExitStack() as stack:
        kept = [from_store(task.store, task.station, where, stack) for where in _queries(task)]
        old = Side.of("old", [*task.runs[:1], *task.old], kept[0] if kept else ())
        new = Side.of("new", [*task.runs[1:], *task.new], kept[1] if kept else ())
        both = {run.directory.resolve() for run in old.runs} & {run.directory.resolve() for run in new.runs}
        if both:
            raise BenchError("compare", expected="other runs on the new side than on the old", do="take it out of one",
                             seen=f"{sorted(both)[0]} on both")
        history = [Side.of(f"history {number}", [one]) for number, one in enumerate(task.history)]
        found = hold_against(old, new, history)
        applied = known.apply(found.changes, issues, task.today or date.today())    # noqa: DTZ011 - as a person dates
        found = replace(found, changes=applied.changes)
        finding = output.Finding(found, policy.regressions(found), applied.notes)
        if as_json:
            print(json.dumps(output.to_json(finding), indent=1))
        else:
            output.print_comparison(finding, console)
        if task.out is not None:
            task.out.mkdir(parents=True, exist_ok=True)
            (task.out / "compare.json").write_text(json.dumps(output.to_json(finding), indent=1), encoding="utf-8")
            page = write_page(finding, task.out / "compare.html")
            if not as_json:
                console.print(f"page {page}", soft_wrap=True)
        if task.junit is not None:
            output.write_junit(finding, task.junit)
    return finding.exit_code


def _queries(task: Task) -> Sequence[str]:
    if len(task.where) not in (0, 2):
        raise BenchError("--where", expected="two of them: the old side, then the new", seen=str(len(task.where)),
                         do="write --where firmware=2.3.0 --where firmware=2.3.1")
    if len(task.runs) not in (0, 2):
        raise BenchError("compare", expected="two runs, OLD NEW; more of a side with --old and --new",
                         seen=f"{len(task.runs)}", do="name two")
    return task.where
