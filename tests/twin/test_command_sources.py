"""Every header that a driver of a supply or ammeter sends is known from somewhere, and what a line says of its source
holds: a package that it names has the header."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import random
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from nfc.clf.pn532 import Chipset
from power_lab import power_lab

from bench import instruments
from bench.clock import WarpClock
from bench.commands.doctor import all_checks, examine
from bench.commands.first_contact import instruments_of
from bench.commands.instruments import FOLDER, PAGES, render
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.radio.cmw500 import Cmw500
from bench.twin.scpi import MEMORY, Command, ScpiInstrument, ScpiServer
from bench.twin.scpi.declare import compile_pattern
from bench.twin.signal import Signal
from bench.twin.supply.dmm6500 import Dmm6500
from bench.twin.supply.korad_ka3005p import SOURCES as KORAD
from bench.twin.supply.korad_ka3005p import KoradKa3005p
from bench.twin.supply.n6705 import N6705
from bench.twin.supply.ngu import Ngm202, Ngu201
from bench.twin.supply.ppk2 import SOURCES as PPK2
from bench.twin.supply.siglent_spd3303x import SiglentSpd3303x
from bench.twin.supply.supplies import SUPPLIES
from drivers.radio import CellState
from drivers.recorder import recording
from drivers.supply.rohde_schwarz_ngu import RohdeSchwarzNgu
from fixtures.bench import Bench

SWITCHES = ("OUTP", "SOUR:VOLT", "VOLT", "FLOG:DATA", "FETC", "TRAC:DATA", "MEAS")
"""What switches an output or carries a verdict."""

_HEADER = re.compile(r"(?<![A-Za-z])\*?[A-Z]{2,}[A-Za-z]*(?::[A-Z]{2,}[A-Za-z]*\d?)*\??")


def headers_of(package: str, *parts: str) -> set[str]:
    """The headers in the source of an installed package: all that looks like one, in capitals."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package}: the extra 'oracles' is not installed")
    root = Path(next(iter(found.submodule_search_locations)), *parts)
    files = root.rglob("*.py") if root.is_dir() else [root]
    texts = (re.sub(r"<[A-Za-z]+>", "", re.sub(r"\{channel_cmd_val\}", "1", file.read_text(encoding="utf-8")))
             for file in files)
    return {header.upper() for text in texts for header in _HEADER.findall(text)}


ORACLES = {
    "RsNgx 3.1.0.49": ("RsNgx", "Implementations"),
    "pymeasure 0.16.0, keithleyDMM6500": ("pymeasure", "instruments", "keithley", "keithleyDMM6500.py"),
    "qcodes 0.58.0, Keysight_N6705B": ("qcodes", "instrument_drivers", "Keysight", "Keysight_N6705B.py"),
    "rscmw-base 4.0.250": ("rscmw_base", "Implementations"),
    "rscmwdau 3.7.51.26": ("RsCmwDau", "Implementations"),
    "qcodes 0.58.0, Keithley_7510": ("qcodes", "instrument_drivers", "Keithley", "Keithley_7510.py"),
}


@pytest.mark.parametrize("oracle", ORACLES)
def test_a_header_whose_source_is_a_package_is_in_that_package(oracle):
    known = headers_of(*ORACLES[oracle])
    lines = {line.header: line for kind in (N6705, Ngu201, Ngm202, Dmm6500, Cmw500) for line in kind.command_table
             if oracle in line.source}
    assert len(lines) >= 3
    missing = [header for header in lines
               if not any(compile_pattern(header).fullmatch(each) for each in (*known, *(f"{one}?" for one in known)))]
    assert missing == []


def sent(instrument: ScpiInstrument, messages: list[str]) -> Iterator[tuple[str, Command]]:
    """Each header of ``messages`` with its line."""
    for message in messages:
        for unit in message.split(";"):
            header = unit.split()[0].lstrip(":").upper()
            yield header, instrument._look_up(header)[0]


def record(instrument: ScpiInstrument) -> list[str]:
    """What is sent to ``instrument`` from now on."""
    messages: list[str] = []
    execute = instrument.execute

    def recording(message: str) -> bytes | None:
        messages.append(message)
        return execute(message)
    instrument.execute = recording  # type: ignore[method-assign]
    return messages


def use(supply, clock) -> None:
    """All that a driver can do."""
    supply.set_voltage(3.6)
    supply.set_current_limit(0.8)
    supply.output_on()
    supply.ramp(3.3, 0.2)
    supply.voltage()
    for period_s in (0.02, 0.001):
        supply.log(1.0, period_s)
    supply.mean_current(1.0)
    supply.check()
    supply.self_test()
    supply.calibrated_on()
    if getattr(supply, "supports_watchdog", False):
        supply.arm_watchdog(30)
        supply.feed_watchdog()
        supply.disarm_watchdog()
    supply.make_safe()
    supply.output_on()
    supply.close()


def recorded(name: str) -> tuple[ScpiInstrument, list[str]]:
    if name == "ngm202":
        with WarpClock() as clock:
            terminals = Signal(0.0)
            twin = clock.call(lambda: Ngm202(clock, terminals, CurrentTrace(clock, terminals), random.Random(1)))
            messages = record(twin)
            server = ScpiServer(twin)
            clock.run(server.start())
            use(RohdeSchwarzNgu(server.address, clock=clock, timeline=Timeline(clock.time), timeout_s=20.0), clock)
            clock.run(server.stop())
            return twin, messages
    with power_lab(name) as lab:
        messages = record(lab.power.measuring)
        use(lab.open(), lab.clock)
        return lab.power.measuring, messages


@pytest.mark.parametrize("name", ["n6705", "ngu", "ngm202", "dmm6500"])
def test_what_a_driver_sends_has_a_source(name, capsys):
    instrument, messages = recorded(name)
    lines = dict(sent(instrument, messages))
    memory = sorted(header for header, line in lines.items() if line.from_memory)
    with capsys.disabled():
        print(f"\n{name}: {len(lines)} headers sent, {len(memory)} from memory {memory or ''}")
    assert len(lines) >= 20
    assert len(memory) <= 2
    assert not [header for header in memory if header.startswith(SWITCHES)]


@pytest.mark.parametrize("name", ["n6705", "ngu", "ngm202", "dmm6500"])
def test_no_driver_sends_what_its_instrument_refuses(name):
    refused = []
    instrument, messages = recorded(name)
    for header, line in sent(instrument, messages):
        if line.models and not line.channels and instrument.model not in line.models:
            refused.append(header)
    assert refused == []
    assert not [message for message in messages if message.startswith(("FORM:BORD NORM", "CAL:PROT"))
                and name in ("ngu", "ngm202", "dmm6500")]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_of_an_instrument_is_printed_from_its_table(name):
    assert (FOLDER / f"{name}.md").read_text(encoding="utf-8") == render(PAGES[name]), (
        "run python -m bench.commands.instruments")


# -- all drivers together: what goes over the wires in power, radio and doctor runs of every twin station

SCHEMA = Path(__file__).parents[1] / "data/amarisoft/remote_api.schema.json"
AMARISOFT = json.loads(SCHEMA.read_text("utf-8"))["$defs"]
STATIONS = list(zip(SUPPLIES, itertools.cycle(["cmw500", "amarisoft", "attenuator"]), strict=False))
MBUS = {0x40: "SND_NKE", 0x53: "SND_UD", 0x73: "SND_UD", 0x5B: "REQ_UD2", 0x7B: "REQ_UD2"}


def of_page(name: str, request: str) -> str:
    """The source in the hand-written page of an instrument: the last cell of the row of ``request``, numbers aside."""
    rows = [row.strip("| ").split(" | ") for row in (FOLDER / f"{name}.md").read_text("utf-8").splitlines()]
    wanted = re.sub(r"[0-9.]+", "N", request)
    return next((row[-1] for row in rows if len(row) > 2 and wanted in re.sub(r"[0-9.]+", "N", row[0])), MEMORY)


def lines_of(driver: str, instrument: object, sent_octets: bytes) -> Iterator[tuple[str, str]]:
    """Each command in what was sent, in its long form, and its source; ``MEMORY`` for one that has none."""
    text = sent_octets.decode("latin-1").strip("\r\n")
    if isinstance(instrument, SiglentSpd3303x) and text == "*CLS":
        yield text, "IEEE 488.2; this supply refuses it, and its driver throws the error away"
    elif isinstance(instrument, ScpiInstrument):
        for _, line in sent(instrument, [text]):
            yield line.header, line.source
    elif isinstance(instrument, KoradKa3005p):
        command = max((known for known in KORAD if text.startswith(known)), key=len, default=text)
        yield command, KORAD.get(command, MEMORY)
    elif driver == "nordic-ppk2":
        yield f"0x{sent_octets[0]:02X}", PPK2.get(sent_octets[0], MEMORY)
    elif driver == "qoitech-otii":
        command = json.loads(text)["cmd"]
        yield command, "otii-tcp-client" if command in otii_commands() else MEMORY
    elif driver == "amarisoft":
        command = json.loads(text)["message"]
        yield command, AMARISOFT.get(f"request {command}", {}).get("$comment", MEMORY)
    elif driver == "attenuator":
        yield text, of_page("mini-circuits-attenuator", f"/{text}")
    elif driver == "pn532":
        code = sent_octets[sent_octets.index(0xD4) + 1]
        yield f"0x{code:02X}", f"nfcpy {Chipset.CMD[code]}" if code in Chipset.CMD else MEMORY
    elif driver == "edge-box":
        yield text.split()[0], "the bench's own firmware"
    elif driver == "optical":
        yield text.lstrip("\0"), of_page("optical-head", text.lstrip("\0"))
    elif driver == "mbus":
        code = sent_octets[4 if sent_octets[0] == 0x68 else 1]
        yield MBUS.get(code, hex(code)), "EN 13757-2" if code in MBUS else MEMORY
    else:
        raise AssertionError(f"no source for what {driver} sends: {text!r}")


@functools.cache
def otii_commands() -> str:
    package = importlib.util.find_spec("otii_tcp_client")
    if package is None or not package.submodule_search_locations:
        pytest.skip("otii-tcp-client: the extra 'otii' is not installed")
    root = Path(next(iter(package.submodule_search_locations)))
    return " ".join(file.read_text("utf-8") for file in root.rglob("*.py"))


def use_cell(cell: Any, abilities: frozenset[str], clock: WarpClock) -> None:
    """All that a cell can do."""
    cell.on()
    if "cell.state" in abilities:       # with the unit on the air
        clock.poll(lambda: cell.state() is CellState.CONNECTED or None, 3600.0, every=0.5)
        cell.release_rrc()
        clock.poll(lambda: cell.state() is CellState.IDLE or None, 600.0, every=1.0)
        cell.detach()
    cell.set_level(cell.level_dbm - 10)
    if "cell.bands" in abilities:
        cell.use_bands(8)
    if "cell.noise" in abilities:
        cell.set_noise(10.0)
    if "cell.timers" in abilities:
        cell.grant(10, 3600)
    if "cell.nas" in abilities:
        cell.events(0.0)
    cell.restore()
    if "cell.outage" in abilities:
        cell.off()
        cell.on()


def recorded_station(supply: str, cell: str) -> dict[str, dict[str, str]]:
    """By driver (and dialect) each command that goes over the wires of a twin station, and its source; and the replies
    of which the driver takes something for granted that nobody has read."""
    found: dict[str, dict[str, str]] = {}
    bench = Bench.on_twin(1, supply=supply, cell=cell)
    lab = bench._lab
    station = bench.station

    def radio() -> str:
        station.supply.set_voltage(3.6)
        station.supply.output_on()
        station.panel.press(6.0)         # the unit begins its life
        bench.clock.sleep(7.0)
        use_cell(station.cell, station.abilities, bench.clock)
        return ""

    def power() -> str:
        use(station.supply, bench.clock)
        return ""
    with recording() as recorder:
        findings = examine(bench, {**all_checks(bench), "radio run": radio, "power run": power})
    assert [str(finding) for finding in findings if not finding.well] == []
    twins = dict(zip(("supply", "ammeter"), lab.power.instruments, strict=False))
    twins |= {"cell": lab.cmw500 if cell == "cmw500" else None, "meter simulator": lab.meter_simulator}
    for wired in instruments_of(bench.station.file, recorder.exchanges):
        instrument = twins.get(wired.name)
        own = wired.exchanges(recorder.exchanges)
        name = wired.driver if wired.driver != "scpi-supply" else f"scpi-supply, {instrument.identity.split(',')[1]}" \
            if "," in instrument.identity else f"scpi-supply, {instrument.identity}"
        assert own, wired.name
        assert not [one for one in own if b"-113" in one.received and b"*CLS" not in one.received], wired.name
        for one in own:
            if one.sent:
                found.setdefault(name, {}).update(lines_of(wired.driver, instrument, one.sent))
        found[name] |= {f"reply: {line.name}": MEMORY for line in wired.assumptions
                        if line.judge(own)[1] is not None and line.asked != re.escape("VOLT:PROT:CLE")}
    return found


NGE_CLEAR = "[SOURce:]VOLTage:PROTection:CLEar"
"""Known from its relative HMP. It switches nothing on: it lets an output be switched on that had tripped."""


def test_in_all_drivers_together_at_most_ten_commands_and_replies_are_from_memory(capsys):
    total: dict[str, dict[str, str]] = {}
    for supply, cell in STATIONS:
        for driver, lines in recorded_station(supply, cell).items():
            total.setdefault(driver, {}).update(lines)
    memory = {driver: sorted(header for header, source in lines.items() if source.startswith(MEMORY))
              for driver, lines in total.items()}
    with capsys.disabled():
        print("\ncommands on the wire of each driver, and how many of them and of the replies are from memory:")
        for driver, lines in sorted(total.items()):
            commands = sum(not line.startswith("reply: ") for line in lines)
            print(f"  {driver}: {commands}, {len(memory[driver])} from memory {memory[driver] or ''}")
        print(f"  in all {sum(map(len, memory.values()))} from memory")
    # Those of the bench itself; those that are left have no wire in the twin, and a live network has none at all.
    offered = {entry.name for entry in entry_points(group=instruments.GROUP)
               if entry.value.startswith("drivers.")}
    assert offered - {driver.partition(",")[0] for driver in total} == {"joulescope-js220", "live", "pcsc"}
    assert sum(map(len, memory.values())) <= 10
    assert not [header for headers in memory.values() for header in headers
                if re.sub(r"[a-z\[\]]", "", header).startswith(SWITCHES) and header != NGE_CLEAR]


def test_a_header_that_nobody_declared_is_found_by_these_tests():
    with power_lab("n6705") as lab, pytest.raises(Exception, match="Undefined header"):
        dict(sent(lab.power.supply, ["NOSUCH:HEAD 1"]))
    with power_lab("n6705") as lab:
        supply = lab.open(timeout_s=0.2)
        with pytest.raises(BenchError):
            supply._visa.query("NOSUCH?")
