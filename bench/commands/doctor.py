"""``mcm-bench doctor``: is every instrument of a station there, and is it the right one?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.errors import BenchError
from bench.measure import Limits
from bench.station import StationFile
from fixtures.bench import Bench


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what it is about, whether it is well, and what was seen or is to be done."""

    name: str
    well: bool
    text: str


def doctor(station: Path | None, console: Console) -> int:
    """Check a station, or without one the twin. Exit code 0 when all is well, 2 when not."""
    file = StationFile.load(station) if station is not None else None
    with tempfile.TemporaryDirectory() as folder:
        pcap = Path(folder) / "doctor.pcapng"
        bench = Bench.on_station(file, pcap) if file is not None else Bench.on_twin(1, pcap=pcap)
        try:
            findings = [_check(name, check) for name, check in _checks(bench).items()]
        finally:
            problems = bench.close()
    findings.append(Finding("safe state", not problems, "; ".join(problems) or "supply off, button released"))
    console.print(_table(bench.station.file, findings))
    sick = [finding for finding in findings if not finding.well]
    console.print(Text(f"{len(sick)} of {len(findings)} checks need attention", "bold magenta") if sick
                  else Text(f"all {len(findings)} checks are well", "bold green"))
    return 2 if sick else 0


def _checks(bench: Bench) -> dict[str, Callable[[], str]]:
    """Each check returns what was seen, or raises ``BenchError``."""
    station, file = bench.station, bench.station.file

    def supply() -> str:
        instrument = station.supply
        instrument.make_safe()
        return f"{instrument.identity}; {instrument.voltage():.3f} V with its output off"

    def panel() -> str:
        station.panel.check()
        return f"{station.panel.identity}; times to {station.panel.uncertainty_s * 1e3:.3g} ms"

    def nfc() -> str:
        station.supply.set_voltage(3.6)
        station.supply.output_on()
        identity = station.otc.read().identity
        station.supply.output_off()
        note = station.otc.codec.info
        if identity.deveui != file.unit.deveui:
            raise BenchError("unit on the NFC reader", expected=f"DevEUI {file.unit.deveui}", seen=identity.deveui,
                             do="put the right unit in, or correct the station file")
        return f"{identity.model} {identity.deveui}, firmware {identity.firmware}; codec {note.name} ({note.note})"

    def optical() -> str:
        readout = station.optical.read()
        return f"{readout.ident} {readout.fabrication_number}, clock {readout.meter_time}"

    def mbus() -> str:
        readout = station.mbus.read()
        return f"meter {readout.meter_id}, {readout.energy}"

    def meter_simulator() -> str:
        return station.meter_simulator.identity

    def cell() -> str:
        return f"{station.cell.identity}; {station.cell.state()}"

    def servers() -> str:
        uris = bench.backend.uris
        return f"{uris.bootstrap}, {uris.dm}, {uris.mdm}, {uris.files}"

    def keys() -> str:
        _ = station.keys
        return "PAK known" if bench.keys.pak is not None else "no PAK: a locked unit can't be written"

    def limits() -> str:
        folder = Path(__file__).resolve().parents[2] / "suites" / "limits"
        Limits.load(folder)
        return "suites/limits read"

    checks: dict[str, Callable[[], str]] = {"supply and ammeter": supply, "panel": panel, "NFC reader": nfc}
    if file.meter.optical:
        checks["meter, optical"] = optical
    if file.meter.mbus:
        checks["meter, M-Bus"] = mbus
    if file.meter.simulator:
        checks["meter simulator"] = meter_simulator
    return checks | {"cell": cell, "servers": servers, "keys": keys, "limits": limits}


def _check(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except BenchError as error:
        return Finding(name, False, str(error))
    except AssertionError as error:
        return Finding(name, False, f"the unit: {error}")


def _table(file: StationFile, findings: list[Finding]) -> Table:
    table = Table(title=f"Station {file.name}" + (" (SIMULATED)" if file.simulated else ""), title_justify="left",
                  show_edge=False)
    table.add_column("")
    table.add_column("check", no_wrap=True)
    table.add_column("seen", overflow="fold")
    for finding in findings:
        mark = Text("✔", "green") if finding.well else Text("▲", "bold magenta")
        table.add_row(mark, finding.name, Text(finding.text))
    return table
