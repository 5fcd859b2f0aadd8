"""``mcm-bench allure``: Allure Report 3 of runs in the store."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from bench.commands.records import Json, Station, StoreUrl, depot
from bench.errors import BenchError

_MOST = 200


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
    history: Annotated[Path | None, typer.Option(
        help="Show how each test went from firmware to firmware: the newest run of each, in this file from one report "
             "to the next.")] = None,
    command: Annotated[Path | None, typer.Option(
        "--allure", help="Allure's command; else the one in the path.")] = None,
    as_json: Json = False,
) -> None:
    """Make a report for people who are used to Allure: of a shift, or with --history over firmware versions.

    Its counts are held against the records, and it asks nothing of any network. Takes Node.js 20.
    """
    from bench.store import search
    from reports.allure_report import Allure
    from reports.exports.runs import run_of

    found = command or shutil.which("allure")
    if found is None:
        from reports.allure_report import VERSION

        raise BenchError("allure", expected="Allure Report in the path", seen="none",
                         do=f"npm install allure@{VERSION}, and name node_modules/.bin/allure with --allure")
    tool = Allure(Path(found))
    opened = depot(store, station).open()
    wanted = search.Wanted(unit=unit, profile=profile, station=at, work_order=work_order, since=since, until=until,
                           partial=True)
    with opened.reading() as connection:
        rows = search.find(connection, wanted, _MOST + 1)
    kind = "simulated " if opened.simulated else ""
    if history is None:
        if len(rows) > _MOST:
            raise BenchError("allure", expected=f"at most {_MOST} runs in a report", seen="more",
                             do="ask for a shift with --since and --until, or for a work order")
        runs = [run_of(opened, row["run_id"]) for row in reversed(rows)]
        counts = tool.report(runs, out, f"{len(runs)} {kind}runs")
    else:
        newest: dict[str, str] = {}
        for row in rows:    # the newest first
            newest.setdefault(row["fw_version"], row["run_id"])
        known = _known(history)
        counts, names = None, [name for name in reversed(newest) if name not in known[:-1]]
        for name in names:
            folder = out if name == names[-1] else out.with_name(f".{out.name}-{len(names)}")
            counts = tool.report([run_of(opened, newest[name])], folder, f"{kind}{name or 'firmware unknown'}", history)
            if folder != out:
                shutil.rmtree(folder)
        if counts is None:
            raise BenchError("Allure report", expected="runs", seen="none", do="ask for others")
    said = {"report": str(out / "index.html"), "counts": dict(sorted(counts.items()))}
    if as_json:
        print(json.dumps(said))
    else:
        Console().print(Text(f"{said['report']}: " + ", ".join(f"{count} {name}" for name, count in sorted(
            counts.items()))), soft_wrap=True)


def _known(history: Path) -> list[str]:
    """The names of the reports in ``history``, oldest first."""
    try:
        return [str(json.loads(line)["name"]).removeprefix("simulated ")
                for line in history.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"history {history}", expected="what Allure has written", seen=type(error).__name__,
                         do="name another file, or remove it") from error
