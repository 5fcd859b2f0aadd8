"""What ``mcm-bench run`` prints at the end: tests by suite, measurements against limits, the verdict, the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reports.matrix import STYLES
from reports.measurement_picture import distance
from reports.run import Measurement, Run, Test
from reports.text import VERDICTS, WORDS, duration, limits, name_of_test, quantity

Row = TypeVar("Row", Test, Measurement)

LISTED = 200
"""Of more tests, or measurements, only those that did not pass are listed, as many at most: the page has them all."""

_MARKS = {"pass": "✔", "incomplete": "◐", "fail": "✘", "error": "▲", "skipped": "○"}

_NAMED = 5


def summary(run: Run, report: Path | None = None, *, verdict_follows: bool = False) -> RenderableType:
    """The end of a run for ``rich``. Texts of devices are printed as they are, never as markup. ``verdict_follows``:
    it is not said here, but when the record is stored."""
    parts: list[RenderableType] = [_tests(run)]
    if run.measurements:
        parts.append(_measurements(run))
    parts.append(_verdict(run, report, verdict_follows))
    return Group(*parts)


def _tests(run: Run) -> Table:
    tests = _listed(run.tests)
    view = Table(title=_title("Tests", tests, run.tests), title_justify="left", expand=True, box=box.SIMPLE_HEAD)
    view.add_column("", width=1)
    view.add_column("test", ratio=3, overflow="fold")
    view.add_column("requirements", ratio=1, overflow="fold", style="dim")
    view.add_column("device time", justify="right", no_wrap=True)
    for suite in dict.fromkeys(test.suite for test in tests):
        view.add_section()
        view.add_row("", Text(suite, style="bold"), "", "")
        for test in (test for test in tests if test.suite == suite):
            name = Text(name_of_test(test.id))
            note = test.message if test.verdict in ("fail", "error") else test.reason or ""
            if note:
                name.append("\n" + note.strip().splitlines()[0], style=STYLES[test.verdict])
            view.add_row(Text(_MARKS[test.verdict], style=STYLES[test.verdict]), name,
                         Text(" ".join(test.requirements)), duration(test.device_time_s))
    return view


def _measurements(run: Run) -> Table:
    rows = _listed(run.measurements)
    view = Table(title=_title("Measurements", rows, run.measurements), title_justify="left", expand=True,
                 box=box.SIMPLE_HEAD)
    view.add_column("", width=1)
    for name, ratio in (("measurement", 2), ("value", 1), ("limits", 2), ("distance", 2)):
        view.add_column(name, ratio=ratio, overflow="fold", justify="left" if name == "measurement" else "right")
    for row in rows:
        away = distance(row)
        view.add_row(Text(_MARKS[row.verdict], style=STYLES[row.verdict]), Text(row.name),
                     Text(quantity(row.value, row.unit), style=STYLES[row.verdict]),
                     Text(limits(row.low, row.high, row.unit)), Text(away.text(row.unit) if away else ""))
    return view


def _listed(rows: Sequence[Row]) -> Sequence[Row]:
    return rows if len(rows) <= LISTED else [row for row in rows if row.verdict in ("fail", "error")][:LISTED]


def _title(name: str, listed: Sequence[Row], rows: Sequence[Row]) -> str:
    return name if len(listed) == len(rows) else f"{name}: {len(listed)} of {len(rows)}, not passed"


def _verdict(run: Run, report: Path | None, follows: bool) -> Panel:
    style = {"pass": "bold white on green", "fail": "bold white on red"}.get(run.verdict, "bold black on yellow")
    counts = ", ".join(f"{run.count(verdict)} {WORDS[verdict].lower()}" for verdict in VERDICTS)
    text = Text()
    if follows:
        text.append("\n the verdict follows when the record is stored \n", style="dim")
    else:
        text.append(f"\n   {_MARKS[run.verdict]}  {' '.join(WORDS[run.verdict])}   \n", style=style)
    if run.simulated:
        text.append("\n SIMULATED – lab in software, no hardware was tested \n", style="bold black on bright_yellow")
    text.append(f"\nunit {run.unit or 'unknown'}   profile {run.profile}   seed {run.seed}\n")
    text.append(f"{counts}   device time {duration(run.device_time_s)}   wall time {duration(run.wall_time_s)}")
    if run.left_out:
        text.append(f"\nleft out: {len(run.left_out)}", style="bold yellow" if run.missing else "dim")
        reasons = Counter(one.reason for one in run.missing or run.left_out)
        for reason, count in reasons.most_common(_NAMED):
            text.append(f"\n  {count} × {reason}", style="dim")
        if len(reasons) > _NAMED:
            text.append("\n  and more, on the page", style="dim")
    for finding in run.manifest.findings if run.manifest is not None else ():
        text.append(f"\nfinding: {finding}", style="bold yellow")
    if report is not None:
        text.append("\nreport ", style="dim")
        text.append(str(report), style="bold")
    return Panel(text, expand=False, border_style="dim" if follows else STYLES[run.verdict])
