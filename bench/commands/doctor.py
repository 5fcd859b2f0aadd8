"""``mcm-bench doctor``: is every instrument of a station there, the right one, in calibration, and does it measure?

A quick look comes before each run: what it finds makes the verdict *error*, for a unit that was tested with sick
instruments has not been tested.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.errors import BenchError
from bench.measure import Limits
from bench.station import Station
from bench.station_file import CalibrationTable, ReferenceTable, StationFile
from drivers.panel import Panel
from drivers.panel.sigrok import SigrokAnalyser
from drivers.supply import MeasuringSupply
from fixtures.bench import Bench
from fixtures.plugin import end_in_order

LIMITS = Path(__file__).resolve().parents[2] / "suites" / "limits"

NOMINAL_V = 3.6
SECOND_SENSOR_S = 3.0
"""Real seconds for which a second light sensor looks."""

ZERO_S = 1.0
ZERO_UNCERTAINTY_A = 1e-6
"""An ammeter that knows its zero no better than this can't tell 6 uA."""

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


def doctor(station: Path | None, console: Console, *, as_json: bool = False, reference_load: bool = False) -> int:
    """Check a station, or without one the twin. Exit code 0 when all is well, 2 when not.

    ``reference_load``: the station's reference load is in the place of the unit, and is measured; the checks that need
    a unit are left out.
    """
    file = StationFile.load(station) if station is not None else None
    with tempfile.TemporaryDirectory() as folder:
        pcap = Path(folder) / "doctor.pcapng"
        bench = Bench.on_station(file, pcap) if file is not None else Bench.on_twin(1, pcap=pcap)
        end_in_order()
        try:
            findings = examine(bench, {**quick_checks(bench), **(
                _with_reference_load(bench) if reference_load else _with_a_unit(bench)), **_servers(bench)})
        except KeyboardInterrupt as error:    # the station is safe and closed by now
            raise BenchError("doctor", expected="to look at every instrument", seen=f"that it was {error}",
                             do="begin again when there is time") from None
    if as_json:
        print(json.dumps({"station": bench.station.file.name, "simulated": bench.station.file.simulated,
                          "well": all(finding.well for finding in findings),
                          "checks": [asdict(finding) for finding in findings]}, indent=1))
    else:
        _print(bench.station.file, findings, console)
    return 0 if all(finding.well for finding in findings) else 2


def quick_look(station: Path | None, seed: int = 1, faults: Collection[str] = ()) -> list[Finding]:
    """What comes before each run: the quick checks of a station, or of the twin with these faults."""
    with tempfile.TemporaryDirectory() as folder:
        pcap = Path(folder) / "doctor.pcapng"
        bench = (Bench.on_station(StationFile.load(station), pcap) if station is not None
                 else Bench.on_twin(seed, pcap=pcap, faults=faults))
        return examine(bench, quick_checks(bench))


def examine(bench: Bench, checks: Mapping[str, Check]) -> list[Finding]:
    """Make each check, whatever the others find; then make the station safe and close it, which is a check, too.

    Where an instrument itself (the name before the comma) is not well, its other checks are left out.
    """
    findings: list[Finding] = []
    try:
        for name, check in checks.items():
            instrument = name.partition(",")[0]
            if not any(finding.name == instrument and not finding.well for finding in findings):
                findings.append(_finding(name, check))
    finally:
        problems = bench.close()
    return [*findings, Finding("safe state", not problems, "; ".join(problems) or "supply off, button released",
                               "switch the supply off by hand" if problems else "")]


def _finding(name: str, check: Check) -> Finding:
    try:
        seen, _, do = check().partition(_DO)
        return Finding(name, True, seen, do)
    except BenchError as error:
        return Finding(name, False, f"{error.subject}: expected {error.expected}, saw {error.seen}",
                       error.do.rstrip("."))
    except AssertionError as error:
        return Finding(name, False, f"the unit: {error}", "try another unit")


_DO = " -> "
"""Between what was seen and what is to be done about it before it becomes a fault."""


# -- checks


def quick_checks(bench: Bench) -> dict[str, Check]:
    """What can be known in seconds, with or without a unit in the fixture, and leaves it off."""
    station = bench.station
    today = bench.clock.utc().date()

    def supply() -> str:
        station.supply.make_safe()
        station.supply.check()
        return f"{station.supply.identity}; {station.supply.voltage():.3f} V with its output off"

    def light_sensors() -> str:
        station.panel.check()
        return station.panel.self_test()

    def second_sensor() -> str:
        table = station.file.panel
        return check_second_sensor(SigrokAnalyser(table.second_sensor or "", table.second_sensor_wires), station.panel)

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

    second = {"panel, second sensor": second_sensor} if station.file.panel.second_sensor else {}
    measures = {"supply, zero": lambda: check_zero(station.supply)} if "supply.current" in station.abilities else {}
    return {"supply": supply, **measures,
            "supply, calibration": calibration, "panel": panel, "panel, light sensors": light_sensors,
            **second, "NFC reader": lambda: station.otc.identify_reader(), "cell": lambda: _cell(station),
            "keys": keys, "limits": limits}


def check_zero(supply: MeasuringSupply) -> str:
    """What the ammeter shows while the output is off: nothing, as well as it can tell."""
    supply.output_off()
    reading = supply.mean_current(ZERO_S)
    if reading.uncertainty_a > ZERO_UNCERTAINTY_A:
        raise BenchError("zero of the ammeter", expected=f"to be known within {_ua(ZERO_UNCERTAINTY_A)}",
                         seen=f"an uncertainty of {_ua(reading.uncertainty_a)}",
                         do="let the ammeter choose its range, or take one with a finer range")
    if abs(reading.mean_a) > reading.uncertainty_a:
        raise BenchError("zero of the ammeter", expected=f"0 within {_ua(reading.uncertainty_a)}",
                         seen=_ua(reading.mean_a), do="let it warm up, clean the fixture, and have it calibrated")
    return f"{_ua(reading.mean_a)}, within its {_ua(reading.uncertainty_a)}"


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


def check_reference_load(supply: MeasuringSupply, reference: ReferenceTable) -> str:
    """Supply the reference load, and measure what it draws: Ohm's law knows the right answer."""
    supply.set_voltage(NOMINAL_V)
    supply.output_on()
    try:
        reading = supply.mean_current(ZERO_S)
    finally:
        supply.output_off()
    voltage_v = NOMINAL_V if math.isnan(reading.voltage_v) else reading.voltage_v
    expected_a = voltage_v / reference.load_ohm
    allowed_a = expected_a * reference.load_tolerance_percent / 100 + reading.uncertainty_a
    if abs(reading.mean_a - expected_a) > allowed_a:
        raise BenchError("reference load", expected=f"{_ua(expected_a)} within {_ua(allowed_a)}",
                         seen=_ua(reading.mean_a),
                         do="check that the load and not a unit is connected, then the wiring and the ammeter")
    return f"{_ua(reading.mean_a)} through {reference.load_ohm:g} ohm, within {_ua(allowed_a)}"


def _with_reference_load(bench: Bench) -> dict[str, Check]:
    station = bench.station

    def load() -> str:
        if station.file.reference is None:
            raise BenchError(f"station {station.file.name}", expected="[reference] with load_ohm", seen="nothing",
                             do="add the reference load to the station file")
        return check_reference_load(station.supply, station.file.reference)

    return {"supply, self-test": lambda: _self_test(station), "supply, reference load": load}


def _with_a_unit(bench: Bench) -> dict[str, Check]:
    """What needs a unit and its meter."""
    station, file = bench.station, bench.station.file

    def unit() -> str:
        station.supply.set_voltage(NOMINAL_V)
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

    checks: dict[str, Check] = {"supply, self-test": lambda: _self_test(station), "NFC reader, unit": unit}
    if file.meter.optical:
        checks["meter, optical"] = optical
    if file.meter.mbus:
        checks["meter, M-Bus"] = mbus
    if file.meter.simulator:
        checks["meter simulator"] = lambda: station.meter_simulator.identity
    return checks


def _servers(bench: Bench) -> dict[str, Check]:
    uris = bench.backend.uris
    return {"servers": lambda: f"{uris.bootstrap}, {uris.dm}, {uris.mdm}, {uris.files}"}


def _self_test(station: Station) -> str:
    station.supply.self_test()
    return "passed"


def _cell(station: Station) -> str:
    state = str(station.cell.state()) if "cell.state" in station.abilities else "its units are not seen"
    return f"{station.cell.identity}; {state}"


def _ua(amps: float) -> str:
    return f"{amps * 1e6:.3g} uA"


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
