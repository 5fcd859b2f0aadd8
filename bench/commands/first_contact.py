"""``mcm-bench doctor --first-contact``: what real instruments say for the first time, in one file to send home, and
what of the lines from memory it confirms or refutes (docs/first-contact.md)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.errors import BenchError
from bench.key_forms import without_keys, without_keys_in_text
from bench.manifest import Instrument, Software
from bench.station_file import StationFile
from drivers.assumption import Assumption, Outcome
from drivers.meter.mbus import MBusMaster
from drivers.meter.optical import OpticalReader
from drivers.meter.simulator import MeterSimulator
from drivers.recorder import Exchange

_SHOWN = 4096
"""Octets of an exchange in the file, each way; the rest of a block of readings tells nothing new."""


@dataclass(frozen=True, slots=True)
class Wired:
    """One table of a station file: its driver, where it is reached, and what of it is from memory."""

    name: str
    driver: str
    places: tuple[str, ...]
    assumptions: tuple[Assumption, ...]

    def exchanges(self, all_of_them: Sequence[Exchange]) -> list[Exchange]:
        return [one for one in all_of_them if one.place in self.places]


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one line from memory. ``sent`` and ``received`` show it; empty for one that was not seen."""

    instrument: str
    driver: str
    name: str
    assumed: str
    outcome: Outcome
    sent: str = ""
    received: str = ""


def instruments_of(file: StationFile, exchanges: Sequence[Exchange] = ()) -> Iterator[Wired]:
    """The instruments of a station. Where it depends on the model what is from memory, the answer to *IDN? among
    ``exchanges`` decides."""
    for table in file.instruments:
        places = tuple(table.addresses)
        identity = next((_text(one.received).strip() for one in exchanges
                         if one.place in places and one.sent.startswith(b"*IDN?") and one.received), "")
        yield Wired(table.kind, table.driver, places, table.assumptions(identity))
    meters: tuple[tuple[str, str, str | None, Any], ...] = (
        ("meter, optical", "optical", file.meter.optical, OpticalReader),
        ("meter, M-Bus", "mbus", file.meter.mbus, MBusMaster),
        ("meter simulator", "simulator", file.meter.simulator, MeterSimulator))
    for name, driver, place, build in meters:
        if place is not None:
            yield Wired(name, driver, (place,), build.assumptions)


def from_memory(file: StationFile, identity: str) -> str:
    """How many lines of each instrument are from memory; ``identity`` is the supply's, where it answered."""
    told = [Exchange(place, b"*IDN?", identity.encode("latin-1", "replace"))
            for place in (file.supply.addresses if file.supply is not None else ())]
    counts = [f"{wired.name} {len(wired.assumptions)}" for wired in instruments_of(file, told)]
    return f"lines that nobody has read anywhere: {', '.join(counts)} (docs/first-contact.md)"


def judge(file: StationFile, exchanges: Sequence[Exchange]) -> list[Line]:
    """Each line from memory, held against what went over the wire of its instrument."""
    lines = []
    for wired in instruments_of(file, exchanges):
        own = wired.exchanges(exchanges)
        for assumption in wired.assumptions:
            outcome, shown = assumption.judge(own)
            texts = (_text(shown.sent), _text(shown.received)) if shown is not None else ("", "")
            lines.append(Line(wired.name, wired.driver, assumption.name, assumption.assumed, outcome, *texts))
    return lines


def check_writable(out: Path) -> None:
    """Before minutes go by: that the file can be written. An empty one is not left behind. Raises ``BenchError``."""
    is_there = os.path.lexists(out)
    try:
        out.touch()
        if not is_there:
            out.unlink()
    except OSError as error:
        raise _unwritable(out, error) from error


def write(out: Path, file: StationFile, exchanges: Sequence[Exchange], told: Iterable[Instrument],
          findings: Iterable[Mapping[str, object]], tag: Mapping[str, object] | None, software: Software,
          keys: Sequence[bytes]) -> list[Line]:
    """Write the file to send home, no key of ``keys`` in it, and return the lines from memory. Raises ``BenchError``
    where it can't be written."""
    exchanges = [Exchange(one.place, without_keys(one.sent, keys), without_keys(one.received, keys))
                 for one in exchanges]
    lines = judge(file, exchanges)
    content = {
        "station": file.name, "simulated": file.simulated, "bench": asdict(software),
        "instruments": [asdict(one) for one in told], "tag": tag, "checks": list(findings),
        "from_memory": [asdict(line) for line in lines],
        "wires": {wired.name: {"driver": wired.driver, "exchanges": [
            {"at": one.place, "sent": _text(one.sent), "received": _text(one.received),
             "octets_received": len(one.received)} for one in wired.exchanges(exchanges)]}
            for wired in instruments_of(file, exchanges)}}
    try:
        out.write_text(without_keys_in_text(json.dumps(content, indent=1), keys) + "\n", encoding="utf-8")
    except OSError as error:
        raise _unwritable(out, error) from error
    return lines


def _unwritable(out: Path, error: OSError) -> BenchError:
    return BenchError(f"first contact, file {out}", expected="to write it", seen=(error.strerror or "nothing").lower(),
                      do="choose another place with --out")


def show(lines: Sequence[Line], out: Path, console: Console) -> None:
    """Print what became of the lines from memory, refuted ones first."""
    order: tuple[Outcome, ...] = ("refuted", "confirmed", "not seen")
    table = Table(title="Lines from memory", title_justify="left", show_edge=False)
    for head in ("", "instrument", "line", "assumed"):
        table.add_column(head, overflow="fold")
    style = {"refuted": "bold magenta", "confirmed": "green", "not seen": "yellow"}
    for line in sorted(lines, key=lambda one: order.index(one.outcome)):
        table.add_row(Text(line.outcome, style[line.outcome]), line.instrument, Text(line.name), Text(line.assumed))
    console.print(table)
    for line in lines:
        if line.outcome == "refuted":
            console.print(Text(f"{line.instrument}, {line.name}: to {line.sent[:120]!r} came {line.received[:200]!r}"))
    counts = ", ".join(f"{sum(line.outcome == one for line in lines)} {one}" for one in order)
    console.print(Text(f"{counts}; send {out} home"), soft_wrap=True)


def _text(octets: bytes) -> str:
    """Octets as characters, what is not printable as an escape such as ``\\x68``; it can be undone."""
    return octets[:_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii")
