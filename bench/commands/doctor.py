"""``mcm-bench doctor``: is every instrument of a station there, the right one, in calibration, and does it measure?

A quick look comes before each run: what it finds makes the verdict *error*, for a unit that was tested with sick
instruments has not been tested.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.commands.first_contact import Line, check_writable, from_memory, show, write
from bench.commands.lock import StationLock
from bench.errors import BenchError
from bench.interruption import end_in_order
from bench.manifest import Instrument, software
from bench.measure import Limits, Verdict
from bench.station import WATCHDOG_S, Station
from bench.station_file import CalibrationTable, StationFile
from drivers.nfc.tag_session import TagIdentity
from drivers.panel import Panel
from drivers.panel.sigrok import SigrokAnalyser
from drivers.recorder import recording
from fixtures.bench import Bench
from fixtures.blame import sentence_of, verdict_of
from fixtures.cross_checks import (
    NOMINAL_V,
    OFF_V,
    check_button,
    check_dark_cell,
    check_load,
    check_meter,
    check_network_time,
    check_path,
    check_reference,
    check_simulator,
    check_zero,
)
from fixtures.radio_tester import check_tester
from fixtures.words import LINE_MAY_LACK, LINE_NEEDS

LIMITS = Path(__file__).resolve().parents[2] / "suites" / "limits"

SECOND_SENSOR_S = 3.0
"""Real seconds for which a second light sensor looks."""

WARN_DAYS = 14
"""So long before it is due a calibration is spoken of."""

Check = Callable[[], str]
"""Says what was seen, or raises ``BenchError``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what it is about, whether it is well, what was seen, and what to do."""

    name: str
    well: bool
    seen: str
    do: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.seen}" + (f"; {self.do}" if self.do else "")


def doctor(station: Path | None, console: Console, lock: StationLock | None = None, *, as_json: bool = False,
           reference_load: bool = False, first_contact: Path | None = None) -> int:
    """Check a station, or without one the twin. Exit code 0 when all is well, 2 when not. ``lock``: that of the station
    file. ``first_contact``: the file for what the instruments say, and what that makes of the lines from memory.

    ``reference_load``: the station's reference load is in the place of the unit, and is measured; the checks that need
    a unit are left out.
    """
    file = StationFile.load(station) if station is not None else None
    if first_contact is not None:
        check_writable(first_contact)
    if file is not None and lock is not None:
        lock.hold(file)
    with tempfile.TemporaryDirectory() as folder:
        pcap = Path(folder) / "doctor.pcapng"
        hosted = file.unit.command if file is not None and file.unit.is_hosted else ()    # its lab is the twin's
        bench = (Bench.on_station(file, pcap) if file is not None and not hosted else
                 Bench.on_twin(1, pcap=pcap, host_build=hosted))
        end_in_order()
        lines: list[Line] = []
        try:
            if first_contact is not None:
                findings, lines = meet(bench, first_contact, reference_load=reference_load)
            else:
                findings = examine(bench, all_checks(bench, reference_load=reference_load))
        except KeyboardInterrupt as error:    # the station is safe and closed by now
            raise BenchError("doctor", expected="to look at every instrument", seen=f"that it was {error}",
                             do="begin again when there is time") from None
    if as_json:
        print(json.dumps({"station": bench.station.file.name, "simulated": bench.station.file.simulated,
                          "well": all(finding.well for finding in findings),
                          "checks": [asdict(finding) for finding in findings],
                          **({} if first_contact is None else {"from_memory": [asdict(line) for line in lines]})},
                         indent=1))
    else:
        _print(bench.station.file, findings, console)
        if first_contact is not None:
            show(lines, first_contact, console)
    return 0 if all(finding.well for finding in findings) else 2


def meet(bench: Bench, out: Path, *, reference_load: bool = False) -> tuple[list[Finding], list[Line]]:
    """Make all checks while everything on the wires is recorded, and write ``out``, the file to send home. The lines
    from memory come back with what became of them."""
    told: list[Instrument] = []
    tag: list[TagIdentity] = []

    def look_at_tag() -> str:
        tag.append(bench.station.otc.identify())
        return f"{tag[0].product}, UID {tag[0].uid}, room for {tag[0].ndef_capacity} bytes of NDEF"

    of_tag = {} if reference_load or bench.station.file.nfc is None else {"NFC reader, tag": look_at_tag}
    with recording() as recorder:
        findings = examine(bench, {**all_checks(bench, reference_load=reference_load), **of_tag}, told.append)
    lines = write(out, bench.station.file, recorder.exchanges, told, map(asdict, findings),
                  asdict(tag[0]) if tag else None, software(), bench.keys.secrets)
    return findings, lines


def all_checks(bench: Bench, *, reference_load: bool = False) -> dict[str, Check]:
    """The quick checks, those with a unit (or with the reference load in its place), and the servers."""
    return {**quick_checks(bench), **(_with_reference_load(bench) if reference_load else _with_a_unit(bench)),
            **_servers(bench), "line": lambda: _line(bench.station), "from memory": lambda: _from_memory(bench.station)}


def quick_look(file: StationFile | None, seed: int = 1, faults: Collection[str] = (),
               on_instrument: Callable[[Instrument], None] = lambda instrument: None) -> list[Finding]:
    """What comes before each run: the quick checks of a station, or of the twin with these faults. ``on_instrument`` is
    told of each instrument that answers."""
    with tempfile.TemporaryDirectory() as folder:
        pcap = Path(folder) / "doctor.pcapng"
        bench = (Bench.on_station(file, pcap) if file is not None
                 else Bench.on_twin(seed, pcap=pcap, faults=faults))
        return examine(bench, quick_checks(bench), on_instrument)


def examine(bench: Bench, checks: Mapping[str, Check],
            on_instrument: Callable[[Instrument], None] = lambda instrument: None) -> list[Finding]:
    """Make each check, whatever the others find; then make the station safe and close it, which is a check, too.

    Where an instrument itself (the name before the comma) is not well, its other checks are left out.
    """
    findings: list[Finding] = []
    try:
        for name, check in checks.items():
            instrument = name.partition(",")[0]
            if not any(finding.name == instrument and not finding.well for finding in findings):
                findings.append(_finding(name, check))
        for seen in instruments_of(bench.station):
            on_instrument(seen)
    finally:
        problems = bench.close()
    return [*findings, Finding("safe state", not problems, "; ".join(problems) or "supply off, button released",
                               "switch the supply off by hand" if problems else "")]


def instruments_of(station: Station) -> Iterator[Instrument]:
    """What the instruments that were looked at say of themselves; those that don't answer are found elsewhere."""
    due = station.file.calibration.due
    asked: dict[str, Callable[[], str]] = {
        "supply": lambda: station.supply.identity, "panel": lambda: station.panel.identity,
        "otc": lambda: station.otc.identify_reader(), "cell": lambda: station.cell.identity}
    for name, ask in asked.items():
        table = "nfc" if name == "otc" else name
        if name not in station.__dict__:
            continue
        try:
            calibrated = station.supply.calibrated_on() if name == "supply" else None
            day = due.get(table) or (calibrated and calibrated + timedelta(
                days=station.file.calibration.interval_days))
            yield Instrument.told(table, ask(), calibrated.isoformat() if calibrated else "",
                                  day.isoformat() if day else "")
        except BenchError:
            continue


def _finding(name: str, check: Check) -> Finding:
    try:
        seen, _, do = check().partition(_DO)
        return Finding(name, True, seen, do)
    except BenchError as error:
        return Finding(name, False, f"{error.subject}: expected {error.expected}, saw {error.seen}",
                       error.do.rstrip("."))
    except Exception as error:    # of any class, from any library: the other checks go on
        if verdict_of(error) is Verdict.FAIL:
            return Finding(name, False, f"the unit: {error}", "try another unit")
        return Finding(name, False, sentence_of(error), "report this as a fault of the bench")


_DO = " -> "
"""Between what was seen and what is to be done about it before it becomes a fault."""


# -- checks


def quick_checks(bench: Bench) -> dict[str, Check]:
    """What can be known in seconds, with or without a unit in the fixture, and leaves it off."""
    station, file = bench.station, bench.station.file
    today = bench.clock.utc().date()
    second_of = file.panel if file.panel is not None and file.panel.second_sensor else None

    def supply() -> str:
        station.supply.make_safe()
        station.supply.check()
        left_v = station.supply.voltage()
        if left_v > OFF_V:
            raise BenchError("supply", expected="no voltage with its output off", seen=f"{left_v:.3f} V",
                             do="switch it off by hand, and look what else feeds the unit")
        return f"{station.supply.identity}; {left_v:.3f} V with its output off"

    def reference() -> str:
        table = station.file.reference
        if table is None or table.switched_ohm is None:
            return (f"nothing in the unit's place says that the ammeter is right{_DO}add reference resistors: "
                    "docs/edge-box.md")
        return check_reference(station)

    def light_sensors() -> str:
        station.panel.check()
        return station.panel.self_test()

    def second_sensor() -> str:
        assert second_of is not None
        return check_second_sensor(SigrokAnalyser(second_of.second_sensor or "", second_of.second_sensor_wires),
                                   station.panel)

    def darkness() -> str:
        found = station.watchdogs
        return f"{' and '.join(found)}, within {WATCHDOG_S} s" if found else (
            f"nothing switches the unit off when the bench is killed{_DO}see docs/kill-9.md")

    def panel() -> str:
        station.panel.check()
        return f"{station.panel.identity}; times to {station.panel.uncertainty_s * 1e3:.3g} ms"

    def keys() -> str:
        _ = station.keys
        known = {"PAK": bench.keys.pak is not None, "PSKs": station.has_psks}
        missing = [name for name, is_known in known.items() if not is_known]
        if missing:
            return f"no {' and no '.join(missing)}{_DO}a locked unit can't be written, nor DTLS be tested: add them"
        return "PAK and PSKs known"

    def limits() -> str:
        Limits.load(LIMITS)
        return "suites/limits read"

    def calibration() -> str:
        return check_calibration(station, today)

    head, bus = cache(lambda: station.optical.read()), cache(lambda: station.mbus.read())    # once: it takes 10 s

    def optical() -> str:
        return f"{head().ident} {head().fabrication_number}, clock {head().meter_time}"

    def mbus() -> str:
        return f"meter {bus().meter_id}, {bus().energy}"

    def simulator() -> str:
        if "meter.optical" not in station.abilities:
            return station.meter_simulator.identity
        return check_simulator(station.meter_simulator, station.optical, head())

    def path() -> str:
        host = urlsplit(bench.backend.uris.dm).hostname or ""
        return check_path(station.cell, host)

    found = station.abilities
    network: dict[str, Check] = {}
    if {"cell.state", "cell.outage"} <= found:
        network["cell, dark unit"] = lambda: check_dark_cell(station.cell)
    if "cell.state" in found:
        network["cell, way to the servers"] = path
    meter: dict[str, Check] = {}
    if "meter.optical" in found:    # that of a battery meter is spared
        meter["meter, optical"] = optical
    if "meter.mbus" in found:
        meter["meter, M-Bus"] = mbus
    if {"meter.optical", "meter.mbus"} <= found:
        meter["meter, both ports"] = lambda: check_meter(head(), bus())
    if "meter.simulator" in found:
        meter["meter simulator"] = simulator
    second: dict[str, Check] = {"panel, second sensor": second_sensor} if second_of is not None else {}
    if "cell.measures" in found:
        network["cell, tester"] = lambda: _tester(bench)
    measures: dict[str, Check] = {} if "supply.current" not in found else {
        "supply, zero": lambda: check_zero(station.supply), "supply, reference load": reference}
    checks = {"supply": supply, "panel": panel, **measures,
              "supply, calibration": calibration, "panel, light sensors": light_sensors,
              "panel, button": lambda: check_button(station.panel, bench.clock), "panel, watchdogs": darkness,
              **second, "NFC reader": lambda: station.otc.identify_reader(), "cell": lambda: _cell(station),
              "cell, clock": lambda: check_network_time(station.cell, bench.clock, file.utc_offset_minutes),
              **network, **meter, "keys": keys, "limits": limits}
    return _of_what_is_there(file, checks)


_KIND = {"NFC reader": "nfc", "supply": "supply", "panel": "panel", "cell": "cell"}
"""The table of a station file that checks are about, by what their names begin with."""


def _of_what_is_there(file: StationFile, checks: Mapping[str, Check]) -> dict[str, Check]:
    """Without the checks of instruments that the station has not got."""
    lacking = {subject for subject, kind in _KIND.items() if getattr(file, kind) is None}
    return {name: check for name, check in checks.items() if name.partition(",")[0] not in lacking}


def _tester(bench: Bench) -> str:
    """What keeps its measurements from counting is said, and keeps no other test from being run."""
    cell: Any = bench.station.cell
    try:
        check_tester(bench, cell.tester)
    except BenchError as error:
        return (f"measures nothing that counts: {error.subject}, expected {error.expected}, saw {error.seen}{_DO}"
                f"{error.do}")
    return f"way measured {cell.tester.path.measured}, golden unit {cell.tester.path.golden_measured}"


def check_second_sensor(analyser: SigrokAnalyser, panel: Panel, look_s: float = SECOND_SENSOR_S) -> str:
    """Let the test lamps shine while the second sensor looks, ``look_s`` (real time) in all: it must have seen each of
    them, once."""
    try:
        analyser.begin(look_s)
        time.sleep(look_s / 2)          # sigrok-cli needs a moment before it looks
        lamps = panel.self_test()
        capture = analyser.end()
    finally:
        analyser.close()
    lit = {channel: sum(edge.on for edge in capture.edges if edge.channel == channel) for channel in ("green", "red")}
    if any(count != 1 for count in lit.values()):
        raise BenchError(analyser.subject, expected="to see each test lamp once",
                         seen=", ".join(f"{channel} {count} times" for channel, count in lit.items()),
                         do="check its wires, and which inputs the station file names")
    return f"sees what the edge box sees ({lamps})"


def check_calibration(station: Station, today: date) -> str:
    """When the calibration of each instrument ends. Raises ``BenchError`` for the first that is overdue."""
    table: CalibrationTable = station.file.calibration
    due = dict(table.due)
    calibrated = station.supply.calibrated_on()
    if calibrated is not None:
        due.setdefault("supply", calibrated + timedelta(days=table.interval_days))
    for name, day in sorted(due.items(), key=lambda one: one[1]):
        if day < today:
            raise BenchError(f"calibration of the {name}", expected=f"to be due after {today}", seen=f"due {day}",
                             do="have it calibrated; verdicts by an instrument out of calibration don't count")
    soon = [name for name, day in due.items() if day < today + timedelta(days=WARN_DAYS)]
    seen = ", ".join(f"{name} until {day}" for name, day in sorted(due.items())) or "no instrument tells its date"
    if soon:
        return f"{seen}{_DO}have the {' and the '.join(soon)} calibrated"
    return seen if due else f"{seen}{_DO}write the dates into the station file, [calibration] due"


def _with_reference_load(bench: Bench) -> dict[str, Check]:
    station = bench.station

    def load() -> str:
        reference = station.file.reference
        if reference is None or reference.load_ohm is None:
            raise BenchError(f"station {station.file.name}", expected="[reference] with load_ohm", seen="nothing",
                             do="add the reference load to the station file")
        return check_load(station.supply, reference.load_ohm, reference.load_tolerance_percent)

    return {"supply, self-test": lambda: _self_test(station), "supply, reference load": load}


def _with_a_unit(bench: Bench) -> dict[str, Check]:
    """What needs a unit and its meter."""
    station, file = bench.station, bench.station.file

    def unit() -> str:
        if file.supply is not None:
            station.supply.set_voltage(NOMINAL_V)
            station.supply.output_on()
        identity = station.otc.read().identity
        if file.supply is not None:
            station.supply.output_off()
        note = station.otc.codec.info
        if identity.deveui != file.unit.deveui:
            raise BenchError("unit on the NFC reader", expected=f"DevEUI {file.unit.deveui}", seen=identity.deveui,
                             do="put the right unit in, or correct the station file")
        return f"{identity.model} {identity.deveui}, firmware {identity.firmware}; codec {note.name} ({note.note})"

    return _of_what_is_there(file, {"supply, self-test": lambda: _self_test(station), "NFC reader, unit": unit})


def _servers(bench: Bench) -> dict[str, Check]:
    uris = bench.backend.uris
    return {"servers": lambda: f"{uris.bootstrap}, {uris.dm}, {uris.mdm}, {uris.files}"}


def _line(station: Station) -> str:
    """What of the line a station of this kind has not got: said here, and not at each unit."""
    missing = [ability for ability in LINE_NEEDS if ability not in station.abilities]
    if missing:
        return (f"no unit can be driven on it without {', '.join(missing)}{_DO}add the instrument, or use "
                "acceptance, in which each test says what it needs")
    if station.file.commissioning.over == "network" and station.file.commissioning.delivery is None:
        return f"no unit can be given back{_DO}write a delivery file, and name it in [commissioning]"
    lacks = [ability for ability in LINE_MAY_LACK if ability not in station.abilities]
    return f"without the judges that need {', '.join(lacks)}; mcm-bench trace --station names their requirements" if (
        lacks) else "all of it"


def _from_memory(station: Station) -> str:
    source = station.__dict__.get("source")      # asked for nothing when it could not be opened
    return from_memory(station.file, source.identity if source is not None else "")


def _self_test(station: Station) -> str:
    station.supply.self_test()
    return "passed"


def _cell(station: Station) -> str:
    state = str(station.cell.state()) if "cell.state" in station.abilities else "its units are not seen"
    return f"{station.cell.identity}; {state}"


# -- what it looks like


def _print(file: StationFile, findings: list[Finding], console: Console) -> None:
    table = Table(title=f"Station {file.name}" + (" (SIMULATED)" if file.simulated else ""), title_justify="left",
                  show_edge=False)
    table.add_column("")
    table.add_column("check", no_wrap=True)
    table.add_column("seen", overflow="fold", ratio=2)
    table.add_column("what to do", overflow="fold", ratio=1)
    for finding in findings:
        mark = Text("▲", "bold magenta") if not finding.well else Text("✔", "yellow" if finding.do else "green")
        table.add_row(mark, finding.name, Text(finding.seen), Text(finding.do))
    console.print(table)
    sick = [finding for finding in findings if not finding.well]
    console.print(Text(f"{len(sick)} of {len(findings)} checks need attention", "bold magenta") if sick
                  else Text(f"all {len(findings)} checks are well", "bold green"))
