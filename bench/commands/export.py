"""``mcm-bench export``: records for other systems. Every run of the store gets to each target once."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from bench.commands.records import Json, Station, StoreUrl, depot
from bench.commands.terminal import plain
from bench.errors import BenchError, unknown

if TYPE_CHECKING:
    from bench.store.store import Store
    from reports.exports.outbox import Outbox, Sent
    from reports.exports.targets_file import Target

app = typer.Typer(no_args_is_help=True, help="Records for other systems: write one, or send all of a store's.")

Targets = Annotated[Path, typer.Option(help="The file of exports: a table for each target.")]
Name = Annotated[str, typer.Option(help="Only this target.")]


@app.command()
def write(
    which: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or a unit: then its newest run.")],
    format_: Annotated[str, typer.Option(
        "--format", help="json, csv, junit, openhtf, wsjf, or what an installed package offers.")] = "json",
    option: Annotated[list[str] | None, typer.Option(
        metavar="NAME=VALUE", help="Of the format, e.g. process_code=100; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write it there, else to the standard output.")] = None,
    store: StoreUrl = None,
    station: Station = None,
) -> None:
    """Write one run in a format."""
    from reports.exports.formats import format_named
    from reports.exports.runs import run_of

    written = format_named(format_)
    options = dict(_option(text, written.options) for text in option or ())
    document = written.write(run_of(depot(store, station).open(), which), options)
    try:
        if out is None:
            sys.stdout.buffer.write(document.content)
        else:
            out.write_bytes(document.content)
    except OSError as error:
        raise BenchError(f"file {out}", expected="to write it", seen=(error.strerror or str(error)).lower(),
                         do="choose another place") from error


@app.command()
def send(
    targets: Targets,
    only: Name = "",
    keep_on: Annotated[bool, typer.Option(
        "--keep-on",
        help="Go on until interrupted: what comes is sent, a target that is away is tried again.")] = False,
    store: StoreUrl = None,
    station: Station = None,
    as_json: Json = False,
) -> None:
    """Send what waits. Exit code 3: something still waits, or was refused and put aside.

    A target that is away loses nothing: the store keeps what waits, in order. A run is sent again only when it is not
    known whether the target has it, with the same id (Idempotency-Key), by which the target tells that it has.
    """
    from reports.exports.outbox import keep_on as for_ever

    outboxes = _outboxes(depot(store, station).open(), targets, only)
    if keep_on:
        if len(outboxes) != 1:
            raise BenchError("export send --keep-on", expected="one target", seen=str(len(outboxes)),
                             do="start one process for each, with --only")
        name, outbox = outboxes[0]
        for_ever(outbox, time.sleep, lambda done: _tell({name: done}, as_json))
    done = {name: outbox.send() for name, outbox in outboxes}
    _tell(done, as_json)
    raise typer.Exit(3 if any(one.away or one.refused for one in done.values()) else 0)


@app.command()
def state(targets: Targets, only: Name = "", store: StoreUrl = None, station: Station = None,
          as_json: Json = False) -> None:
    """Say of each target what it has, what waits, and what was put aside and why. Exit code 3: something is."""
    found = {name: outbox.state() for name, outbox in _outboxes(depot(store, station).open(), targets, only)}
    if as_json:
        print(json.dumps({name: {"sent": one.sent, "waiting": one.waiting, "refused": one.refused}
                          for name, one in found.items()}, indent=1))
    else:
        for name, one in found.items():
            _say(f"{name}: {one.sent} sent, {one.waiting} waiting, {len(one.refused)} put aside")
            for why in one.refused.values():
                _say(f"  {why}")
    raise typer.Exit(3 if any(one.waiting or one.refused for one in found.values()) else 0)


@app.command()
def retry(targets: Targets, only: Name = "", store: StoreUrl = None, station: Station = None) -> None:
    """Let wait again what was put aside, once its cause is gone."""
    for name, outbox in _outboxes(depot(store, station).open(), targets, only):
        _say(f"{name}: {outbox.retry()} wait again")


def _outboxes(store: Store, path: Path, only: str) -> list[tuple[str, Outbox]]:
    from reports.exports.outbox import Outbox
    from reports.exports.targets_file import read_targets

    targets: dict[str, Target] = {target.name: target for target in read_targets(path)}
    if only and only not in targets:
        raise unknown("target", only, targets, "look into the file of exports")
    return [(name, Outbox(store, target)) for name, target in targets.items() if only in ("", name)]


def _option(text: str, known: Any) -> tuple[str, object]:
    name, mark, value = text.partition("=")
    if not mark or name not in known:
        raise BenchError(f"--option {text}", expected=f"NAME=VALUE with {' or '.join(known) or 'no option at all'}",
                         seen=name, do="correct it")
    return name, int(value) if value.isascii() and value.isdecimal() else value


def _tell(found: dict[str, Sent], as_json: bool) -> None:
    if as_json:
        print(json.dumps({name: {"sent": one.sent, "refused": one.refused, "away": one.away}
                          for name, one in found.items()}), flush=True)
        return
    for name, one in found.items():
        _say(f"{name}: {len(one.sent)} sent" + (f", {len(one.refused)} put aside" if one.refused else ""))
        for sentence in [*one.refused.values(), one.away]:
            if sentence:
                _say(f"  {sentence}")


def _say(sentence: str) -> None:
    plain().print(Text(sentence), soft_wrap=True)
