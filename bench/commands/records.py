"""``mcm-bench records``: the store of all runs. Everything works while the line runs."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from bench.commands.terminal import plain
from bench.errors import BenchError

if TYPE_CHECKING:    # what SQLAlchemy needs to load, no other command waits for
    from bench.store.deposit import Depot, Flushed
    from bench.store.thin import Policy

app = typer.Typer(no_args_is_help=True, help="The store of all runs: find, show, verify, back up, thin.")

StoreUrl = Annotated[str | None, typer.Option(
    "--store", envvar="MCM_BENCH_STORE", help="Path of an SQLite file, or postgresql://user@address/database.")]
Station = Annotated[Path | None, typer.Option(help="Station file whose [store] is meant.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def depot(store: str | None, station: Path | None) -> Depot:
    """The store that the options name. Raises ``BenchError``."""
    from bench.store.address import StoreAddress
    from bench.store.deposit import Depot

    if store is not None:
        return Depot(StoreAddress.of(store))
    if station is not None:
        from bench.station_file import StationFile

        address = StationFile.load(station).store_address()
        if address is not None:
            return Depot(address)
    raise BenchError("records", expected="--store, or --station with a table [store]", seen="neither",
                     do="say which store is meant")


@app.command()
def create(store: StoreUrl = None, station: Station = None, simulated: Annotated[bool, typer.Option(
        "--simulated", help="For runs on the twin; without it, for real ones only.")] = False) -> None:
    """Make a new store. Real and simulated runs never share one."""
    from bench.store.store import create as make

    place = depot(store, station)
    made = make(place.address, simulated=simulated)
    place.accept(made)
    _say(f"store {place.address} is there, for {'simulated' if simulated else 'real'} runs")


@app.command()
def migrate(store: StoreUrl = None, station: Station = None) -> None:
    """Bring a store of an older bench to this one's form. Take a backup before."""
    from bench.store.store import renew

    before, now = renew(depot(store, station).address)
    _say(f"revision {before} became {now}" if before != now else f"revision {now}, nothing to do")


@app.command()
def find(
    store: StoreUrl = None,
    station: Station = None,
    unit: str = "",
    verdict: Annotated[Literal["", "pass", "fail", "error", "incomplete"], typer.Option()] = "",
    profile: str = "",
    at: Annotated[str, typer.Option(help="Name of a station.")] = "",
    work_order: str = "",
    instrument: Annotated[str, typer.Option(help="Serial number: all that was measured with it.")] = "",
    since: Annotated[datetime | None, typer.Option(help="Stored then or later, local time.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Stored before.")] = None,
    partial: Annotated[bool, typer.Option(
        "--partial", help="Also incomplete runs, and those that somebody narrowed: they count for nothing.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List runs, newest first."""
    from bench.store import search

    wanted = search.Wanted(unit, verdict, profile, at, work_order, instrument, since, until, partial)
    with depot(store, station).open().reading() as connection:
        rows = search.find(connection, wanted, limit)
    if as_json:
        print(json.dumps({"runs": rows}, indent=1))
        return
    for row in rows:
        _say(f"{row['sequence']:>7}  {row['started_at'][:19]}  {row['unit_serial']:16}  {row['verdict']:10} "
             f"{row['attempt']}  {row['kind']:11} {row['run_id']}  {row['first_fail']}")


@app.command()
def show(
    which: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or a unit: then its newest run.")],
    store: StoreUrl = None,
    station: Station = None,
    as_json: Json = False,
) -> None:
    """Show one run; with --json its whole record."""
    from bench.store import search
    from bench.store.rows import searchable

    with depot(store, station).open().reading() as connection:
        found = search.show(connection, which)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    rows = {name: value for name, value in found.items() if name not in ("record", "thinned") and value != ""}
    rows |= {"thinned": f"{len(found['thinned'])} files"} if found["thinned"] else {}
    for name, value in rows.items():
        _say(f"{name:16} {searchable(value)}")
    for one in found["record"]["measurements"]:
        _say(f"{searchable(one['name'])} = {one['value']} {searchable(one['unit'])} "
             f"({one['low']} ... {one['high']}) {one['verdict']}")
    for one in found["record"]["tests"]:
        if one["verdict"] in ("fail", "error"):
            _say(f"{one['verdict']} {searchable(one['id'])}: {searchable(one['message'])}")


@app.command()
def add(run_dir: Annotated[list[Path], typer.Argument(metavar="RUN_DIR...")], store: StoreUrl = None,
        station: Station = None, as_json: Json = False) -> None:
    """Add runs from their directories: of a station without a store, or where not even the spool had room. A run that
    is there already is left as it is."""
    from bench.store.deposit import body_of

    place = depot(store, station)
    bodies = [body_of(path, _record_in(path), "added") for path in run_dir]
    _tell_flushed(place.add(bodies), as_json)


@app.command()
def flush(store: StoreUrl = None, station: Station = None, as_json: Json = False) -> None:
    """Store what waits in the spool. Exit code 3: something still waits, or was refused."""
    _tell_flushed(depot(store, station).flush(), as_json)


@app.command()
def verify(
    store: StoreUrl = None,
    station: Station = None,
    head: Annotated[list[str] | None, typer.Option(
        help="SEQUENCE:HASH that was written down elsewhere; may be repeated.")] = None,
    as_json: Json = False,
) -> None:
    """Look for anything that was altered, removed or made again. Prints the head: write it down elsewhere.

    Exit code 0 all is as it was stored, 1 it is not, 3 it seems so, but nothing outside the store vouches for its end.
    """
    from bench.store.anchor import Head
    from bench.store.store import Store
    from bench.store.verify import verify as look

    place = depot(store, station)
    anchor = place.anchor.read()
    known = [*([anchor] if anchor else []), *(Head.of(text) for text in head or ())]
    with Store(place.address).reading() as connection:
        report = look(connection, known)
    if as_json:
        print(json.dumps(report.to_json(), indent=1))
    else:
        for sentence in [*report.findings, *report.notes]:
            _say(sentence)
        said = "ALTERED" if report.findings else "as it was stored" if report.vouched else (
            "in itself as it was stored; nothing outside of it vouches for its end")
        _say(f"{report.runs} runs in {report.entries} entries, {said}; head {report.head}")
    raise typer.Exit(1 if report.findings else 0 if report.vouched else 3)


@app.command()
def accept(store: StoreUrl = None, station: Station = None, as_json: Json = False) -> None:
    """Go on with a store that is not as it was known here, after a restore. That this was done stays in the store."""
    from bench.store.store import Store

    place = depot(store, station)
    head = place.accept(Store(place.address))
    print(json.dumps({"head": str(head)})) if as_json else _say(f"accepted; head {head}")


@app.command()
def backup(to: Path, store: StoreUrl = None, station: Station = None, as_json: Json = False) -> None:
    """Write all that is stored now to a new file."""
    from bench.store.backup import back_up

    head = back_up(depot(store, station).open(), to)
    print(json.dumps({"backup": str(to), "head": str(head)})) if as_json else _say(f"{to} goes to head {head}")


@app.command()
def restore(backup: Path, store: StoreUrl = None, station: Station = None, as_json: Json = False) -> None:
    """Make a store of a backup, where there is none. What was stored after the backup is added again from the run
    directories: mcm-bench records add."""
    from bench.store.backup import restore as again
    from bench.store.store import Store

    place = depot(store, station)
    known, head = place.anchor.read(), again(backup, place.address)
    if known != head:
        head = place.accept(Store(place.address))
    print(json.dumps({"head": str(head)})) if as_json else _say(f"restored; head {head}")


@app.command()
def thin(
    store: StoreUrl = None,
    station: Station = None,
    days: Annotated[int | None, typer.Option(help="Evidence of passed units goes after so many days.")] = None,
    keep_one_in: Annotated[int | None, typer.Option(help="Of every so-many-th unit it stays.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Json = False,
) -> None:
    """Remove evidence of units that passed, on this machine. Records, measurements, hashes and pages stay, and all of
    units that did not pass. Exit code 1: some of it is not what its record names; that was left alone."""
    from bench.store.thin import thin as remove

    done = remove(depot(store, station).open(), _policy(station, days, keep_one_in), dry_run=dry_run)
    files = sum(map(len, done.runs.values()))
    if as_json:
        print(json.dumps({"runs": done.runs, "files": files, "octets": done.octets, "odd": done.odd}, indent=1))
    else:
        for sentence in done.odd:
            _say(sentence)
        _say(f"{files} files of {len(done.runs)} runs {'would go' if dry_run else 'went'}, {done.octets} octets")
    raise typer.Exit(1 if done.odd else 0)


def _policy(station: Path | None, days: int | None, keep_one_in: int | None) -> Policy:
    from bench.store.thin import Policy

    if station is not None:
        from bench.station_file import StationFile

        table = StationFile.load(station).store
        if table is not None:
            days, keep_one_in = days or table.evidence_days, keep_one_in or table.keep_one_in
    if days is None:
        raise BenchError("records thin", expected="--days, or evidence_days in the station file", seen="neither",
                         do="say how long evidence is kept")
    return Policy(days, keep_one_in or 20)


def _record_in(run_dir: Path) -> dict[str, Any]:
    """The record there, if its evidence is what it names. Raises ``BenchError``."""
    import hashlib

    subject = f"run {run_dir}"
    try:
        record = dict(json.loads((run_dir / "record.json").read_text("utf-8")))
        for artifact in record["artifacts"]:
            path = run_dir / artifact["path"]
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != artifact["sha256"]:
                raise BenchError(f"{subject}, {artifact['path']}", expected="what the record names by its hash",
                                 seen="something else", do="look for who has changed it")
    except OSError as error:
        raise BenchError(subject, expected="record.json", seen=(error.strerror or str(error)).lower(),
                         do="name the directory of a run") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(subject, expected="a record", seen=type(error).__name__,
                         do="look at its record.json") from error
    return record


def _tell_flushed(done: Flushed, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"stored": [{"run_id": one.run_id, "unit": one.unit, "verdict": one.verdict,
                                      "attempt": one.attempt, "sequence": one.head.sequence, "new": one.is_new}
                                     for one in done.stored], "refused": done.refused, "away": done.away}, indent=1))
    else:
        for one in done.stored:
            _say(f"{one.verdict.upper()}  unit {one.unit or 'unknown'}, attempt {one.attempt}: "
                 f"{'stored' if one.is_new else 'was there already'} as entry {one.head.sequence}")
        for sentence in [*done.refused.values(), done.away]:
            if sentence:
                _say(sentence)
    raise typer.Exit(3 if done.refused or done.away else 0)


def _say(sentence: str) -> None:
    plain().print(Text(sentence), soft_wrap=True)
