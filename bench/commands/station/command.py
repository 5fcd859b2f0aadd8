"""From the start of ``mcm-bench station`` to its end in order."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.commands.station.figures import Figures
from bench.commands.station.floor import Floor, Plan, Twin
from bench.commands.station.gate import Gate
from bench.commands.station.page import Page
from bench.commands.station.prompts import Prompts
from bench.commands.station.sharing import refuse_clashes
from bench.errors import BenchError
from bench.station_file import StationFile, deveui_of
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.errors import StoreAway
from bench.store.store import create
from bench.twin.defects import DEFECTS


@dataclass(frozen=True)
class Asked:
    """The options of ``mcm-bench station``."""

    stations: Sequence[Path]
    twins: int
    real_time: bool
    twin_defects: Path | None
    folder: Path
    store: str | None
    start: str
    prompts: Path | None
    policies: Path | None
    page: str
    name: str


def station(asked: Asked, console: Console) -> int:
    """Serve until SIGINT or SIGTERM. Raises ``BenchError`` for what can't be had."""
    if bool(asked.stations) == bool(asked.twins):
        raise BenchError("station", expected="--station FILE for each place, or --twin N",
                         seen="both" if asked.twins else "neither", do="say which places there are")
    depot = _depot(asked)
    gate = Gate.of_file(depot, asked.policies, simulated=bool(asked.twins))
    plan = Plan(asked.name, asked.folder.resolve(), _stations(asked.stations) or [None] * asked.twins, asked.start,
                Twin(asked.real_time, _defects(asked.twin_defects)),
                Prompts.load(asked.prompts) if asked.prompts else Prompts())
    hold = _hold(plan.folder)
    page = Page(asked.page, os.environ.get("MCM_BENCH_TOKEN", ""))
    floor = Floor(plan, gate, depot, page.tell)
    console.print(Text(f"{len(plan.stations)} places, page at {page.uri}, end with Ctrl-C"), soft_wrap=True)
    try:
        asyncio.run(_live(floor, page, depot))
    finally:
        os.close(hold)
    return 0


def _hold(folder: Path) -> int:
    """One station for a folder of runs, for as long as this process lives. Raises ``BenchError``."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "station.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BenchError(f"station with its runs in {folder}", expected="that nobody runs it", seen="another process "
                         "that does", do="use its page, end it, or choose another folder with --runs") from None
    return descriptor


async def _live(floor: Floor, page: Page, depot: Depot) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, page.stop)
    await floor.start()
    try:
        await page.serve(floor, Figures(depot, floor.gate.policies.process))
    finally:
        await floor.stop()    # each place ends its unit in order, and seals it


def _depot(asked: Asked) -> Depot:
    """The store of the option, or that of the station files, which is one for all places. A simulated one is made where
    there is none."""
    if asked.store is not None:
        address = StoreAddress.of(asked.store)
    elif asked.twins:
        address = StoreAddress.of(str(asked.folder / "records.db"), asked.folder.resolve() / "outside")
    else:
        found = {path: StationFile.load(path).store_address() for path in asked.stations}
        if None in found.values() or len({str(one) for one in found.values()}) != 1:
            raise BenchError("station", expected="one store for all places, in each station file or by --store",
                             seen=", ".join(sorted({str(one or "none") for one in found.values()})),
                             do="say which store keeps the records")
        address = next(one for one in found.values() if one is not None)
    depot = Depot(address)
    if asked.twins and address.path is not None and not address.path.exists():
        address.path.parent.mkdir(parents=True, exist_ok=True)
        depot.accept(create(address, simulated=True))
    try:
        depot.open().refuse_other_kind(simulated=bool(asked.twins))
    except StoreAway:
        if depot.anchor.read() is None:
            raise
    return depot


def _defects(path: Path | None) -> Mapping[str, Sequence[str]]:
    if path is None:
        return {}
    try:
        found = {deveui_of(unit): list(names) for unit, names in json.loads(path.read_text("utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BenchError(f"defects {path}", expected='JSON such as {"94193A0401000001": ["sleep-current-high"]}',
                         seen=type(error).__name__, do="correct the file") from error
    for names in found.values():
        DEFECTS.find(names)
    return found


def _stations(paths: Sequence[Path]) -> list[tuple[Path, StationFile] | None]:
    """The places' names are those of their files: policies know places by them. What two can't both have is refused
    before either begins."""
    found = [(path.resolve(), StationFile.load(path)) for path in paths]
    twice = next((file.name for _, file in found if [one.name for _, one in found].count(file.name) > 1), "")
    if twice:
        raise BenchError("station files", expected="a name of its own for each place", seen=f"{twice!r} twice",
                         do="change name in one of them")
    refuse_clashes([file for _, file in found])
    return [*found]


