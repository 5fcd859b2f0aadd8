"""``mcm-bench allure``: Allure Report 3 of runs in the store."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from bench.commands.records import Json, Station, StoreUrl, depot
from bench.commands.terminal import plain
from bench.errors import BenchError

if TYPE_CHECKING:
    from reports.allure_report import Allure
    from reports.exports.document import StoredRun

_MOST, _VERSIONS = 200, 20


def allure(
    out: Annotated[Path, typer.Option(help="A new folder; index.html in it is all of the report, in one file.")],
    store: StoreUrl = None,
    station: Station = None,
    since: Annotated[datetime | None, typer.Option(help="Stored then or later, local time.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Stored before.")] = None,
    profile: str = "",
    at: Annotated[str, typer.Option(help="Name of a station.")] = "",
    work_order: str = "",
    unit: str = "",
    by_firmware: Annotated[bool, typer.Option(
        "--by-firmware", help="Show how each test went from firmware to firmware: of each the newest run.")] = False,
    command: Annotated[Path | None, typer.Option(
        "--allure", help="Allure's command; else the one in the path.")] = None,
    as_json: Json = False,
) -> None:
    """Make a report for people who are used to Allure: of a shift, or with --by-firmware over versions.

    Its counts are held against the records, and it asks nothing of any network. Takes Node.js 20.
    """
    from bench.store import search
    from reports.allure_report import VERSION
    from reports.allure_report import Allure as Tool
    from reports.exports.runs import run_of

    found = command or shutil.which("allure")
    if found is None:
        raise BenchError("allure", expected="Allure Report in the path", seen="none",
                         do=f"npm install allure@{VERSION}, and name node_modules/.bin/allure with --allure")
    tool = Tool(Path(found))
    opened = depot(store, station).open()
    wanted = search.Wanted(unit=unit, profile=profile, station=at, work_order=work_order, since=since, until=until,
                           partial=True)
    with opened.reading() as connection:
        rows = search.find(connection, wanted, _MOST + 1)
    kind = "simulated " if opened.simulated else ""
    if by_firmware:
        newest: dict[str, str] = {}
        for row in rows:    # the newest first
            newest.setdefault(row["fw_version"], row["run_id"])
        of_each = [(name, run_of(opened, newest[name])) for name in reversed(list(newest)[:_VERSIONS])]
        counts = _history(tool, of_each, out, kind)
    else:
        if len(rows) > _MOST:
            raise BenchError("allure", expected=f"at most {_MOST} runs in a report", seen="more",
                             do="ask for a shift with --since and --until, or for a work order")
        runs = [run_of(opened, row["run_id"]) for row in reversed(rows)]
        counts = tool.report(runs, out, f"{len(runs)} {kind}runs")
    said = {"report": str(out / "index.html"), "counts": dict(sorted(counts.items()))}
    if as_json:
        print(json.dumps(said))
    else:
        plain().print(Text(f"{said['report']}: " + ", ".join(f"{count} {name}" for name, count in sorted(
            counts.items()))), soft_wrap=True)


def _history(tool: Allure, runs: Sequence[tuple[str, StoredRun]], out: Path, kind: str) -> Counter[str]:
    """The report of the last of ``runs``, which knows how those before it went."""
    if not runs:
        raise BenchError("Allure report", expected="runs", seen="none", do="ask for others")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="allure-", dir=out.parent) as folder:
        for number, (name, run) in enumerate(runs):
            to = out if number == len(runs) - 1 else Path(folder) / str(number)
            counts = tool.report([run], to, f"{kind}{name or 'firmware unknown'}", Path(folder) / "history.jsonl")
    return counts
