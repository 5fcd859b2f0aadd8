"""The pages docs/instruments/<name>.md: what a twin instrument understands, and from where that is known.

``python -m bench.commands.instruments`` writes them anew; a test holds them to the tables of the twin.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.twin.scpi import Command, ScpiInstrument
from bench.twin.supply import korad_ka3005p, otii, ppk2
from bench.twin.supply.dmm6500 import Dmm6500
from bench.twin.supply.keysight_e36312 import KeysightE36312
from bench.twin.supply.n6700_module import PLAIN, SMU, N6700Module
from bench.twin.supply.n6705 import N6705
from bench.twin.supply.ngu import NGU, Ngm202, Ngu201
from bench.twin.supply.rigol_dp832 import RigolDp832
from bench.twin.supply.rohde_schwarz_hmp import RohdeSchwarzHmp, RohdeSchwarzNge
from bench.twin.supply.siglent_spd3303x import SiglentSpd3303x
from bench.twin.supply.tti_mx180 import TtiMx180
from drivers.assumption import Assumption
from drivers.supply import dialect
from drivers.supply.keithley_dmm6500 import KeithleyDmm6500
from drivers.supply.keysight_n6700 import KeysightN6700
from drivers.supply.nordic_ppk2 import NordicPpk2
from drivers.supply.qoitech_otii import QoitechOtii
from drivers.supply.rohde_schwarz_ngu import RohdeSchwarzNgu

FOLDER = Path(__file__).parents[2] / "docs/instruments"


@dataclass(frozen=True, slots=True)
class Page:
    """One instrument: its twin, what is in the page beside the table, and the models that its lines may name.
    ``from_memory`` is the twin's, ``driver`` what the driver takes for granted."""

    title: str
    twin: type[ScpiInstrument]
    described_by: tuple[object, ...]
    third_parties: str
    from_memory: str
    driver: tuple[Assumption, ...]
    sharing: str
    models: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PlainPage:
    """One that speaks no SCPI: ``rows`` has the source of each command."""

    title: str
    described_by: tuple[object, ...]
    rows: dict[str, str]
    third_parties: str
    from_memory: str
    driver: tuple[Assumption, ...]


def _desk(title: str, twin: type[ScpiInstrument], dialect_name: str, third_parties: str, from_memory: str) -> Page:
    """A supply of the desk, whose driver is ``scpi-supply``."""
    return Page(title, twin, (inspect.getmodule(twin), twin), third_parties, from_memory,
                dialect.load(dialect_name).assumptions, "One bench at a time: the driver takes the whole supply.", {})


def _otii_source(command: str) -> str:
    module = command.partition("_")[0]
    return f"otii-tcp-client 1.0.13, {module}.py"


PAGES: dict[str, Page | PlainPage] = {
    "keysight-e36300": _desk(
        "Keysight E36312A", KeysightE36312, "keysight-e36300",
        "pymeasure 0.16.0 (`KeysightE36312A`) sets and reads voltage, limit and output of a channel, and measures.",
        "that channel 1 stands for the others' ranges; whether the protection is on at first."),
    "rigol-dp800": _desk(
        "Rigol DP832", RigolDp832, "rigol-dp800", "none.",
        "the socket 5555. OUTP:OVP:QUES? answers 1 on the DP2000 (the driver takes both)."),
    "siglent-spd": _desk(
        "Siglent SPD3303X", SiglentSpd3303x, "siglent-spd",
        "pymeasure 0.16.0 (`SPD1305X`, the same commands with one channel) sets and reads voltage and limit, switches "
        "the output and reads the status word.",
        "which common commands it lacks, and what it puts into its queue for them; the pause after a command."),
    "rohde-schwarz-hmp": _desk(
        "Rohde & Schwarz HMP4040", RohdeSchwarzHmp, "rohde-schwarz-hmp",
        "pymeasure 0.16.0 (`HMP4040`) selects a channel, sets and reads voltage and limit, and measures; its `enabled` "
        "uses OUTP:SEL and OUTP:GEN, which are not in the table.",
        ""),
    "rohde-schwarz-nge": _desk(
        "Rohde & Schwarz NGE103B", RohdeSchwarzNge, "rohde-schwarz-nge", "none.", ""),
    "tti": _desk(
        "Aim-TTi MX180TP", TtiMx180, "tti",
        "pymeasure 0.16.0 (`PL303P`) measures voltage and current and switches the output; it sets the voltage by V1V, "
        "which is not in the table.",
        ""),
    "korad": PlainPage(
        "Korad KA3005P", (korad_ka3005p, korad_ka3005p.KoradKa3005p), korad_ka3005p.SOURCES, "none.",
        "which units send a sixth octet; what OVP1 guards.", dialect.load("korad").assumptions),
    "nordic-ppk2": PlainPage(
        "Nordic Power Profiler Kit II", (ppk2, ppk2.Ppk2),
        {f"0x{opcode:02X}": source for opcode, source in ppk2.SOURCES.items()},
        "ppk2-api 0.9.2 reads the calibration, supplies the unit and measures it to 10 %. ppk2lab 0.5.1: its parser "
        "finds no gap in the twin's stream, and its conversion gives the driver's currents.",
        "", NordicPpk2.assumptions),
    "qoitech-otii": PlainPage(
        "Qoitech Otii Arc", (otii, otii.OtiiArc),
        {name.removeprefix("_cmd_"): _otii_source(name.removeprefix("_cmd_"))
         for name in vars(otii.OtiiArc) if name.startswith("_cmd_")},
        "otii-tcp-client 1.0.13 logs in, reserves a licence, supplies the unit, records and fetches a recording.",
        "", QoitechOtii.assumptions),
    "keysight-n6700": Page(
        "Keysight N6700C and N6705C with N678x modules", N6705, (inspect.getmodule(N6700Module), N6705, N6700Module),
        "qcodes 0.58.0 (`KeysightN6705B`) sets and reads voltage and output of a channel, and measures; its "
        "`voltage_limit` sends VOLT:PROT, which an N678x refuses, with a malformed channel list, and its `source_mode` "
        "sends OUTP:PMOD, which is not in the table. A plain pyvisa script logs over the raw socket and HiSLIP.",
        "the codes of refusals.", KeysightN6700.assumptions,
        "Channels measure independently (N6700 user's guide p. 91), so up to four slots may share a mainframe, each by "
        "a session of its own, with `slots` in the supply's table of each station file. What they log adds up: the "
        "shortest period is 0.3072 ms times `slots`. Error queue, format and watchdog are the mainframe's: settings "
        "are read back, the queue is not emptied on opening, self-test and watchdog are refused.",
        {"N678x": SMU, "others": PLAIN}),
    "rohde-schwarz-ngu": Page(
        "Rohde & Schwarz NGU201, NGU401 and NGM202", Ngu201, (inspect.getmodule(Ngu201), Ngu201, Ngm202),
        "RsNgx 3.1.0.49 drives the twin NGM202 with firmware 03.034 over the raw socket and HiSLIP: source, "
        "protection, output, measurement, status registers and the flow of the maker's example for the fast log. Over "
        "HiSLIP it can't read the block (it chokes on the bytearray of pyvisa-py), and it knows no rates of newer "
        "firmware.",
        "what FLOG:DATA? answers when nothing is ready.", RohdeSchwarzNgu.assumptions,
        "One user at a time. The NGM's channels are behind a cursor (INST:NSEL) and the rate of the fast log is a sum "
        "over them; the driver refuses to switch when another channel is chosen than its own.",
        {"NGU": NGU}),
    "keithley-dmm6500": Page(
        "Keithley DMM6500", Dmm6500, (inspect.getmodule(Dmm6500), Dmm6500),
        "pymeasure 0.16.0 (`KeithleyDMM6500`) reads command set, line frequency, function, range and NPLC, sets range "
        "and NPLC, and measures a current. It has no digitizer and no buffer of readings.",
        "the code with which it refuses to delete a buffer in use.", KeithleyDmm6500.assumptions,
        "One user at a time.", {}),
}


def render(page: Page | PlainPage) -> str:
    """The page as Markdown."""
    if isinstance(page, PlainPage):
        return _render_plain(page)
    table = page.twin.command_table
    memory = [line for line in table if line.from_memory]
    described = "\n\n".join(inspect.getdoc(each) or "" for each in page.described_by)
    lines = [f"# {page.title}", "",
             "Printed by `python -m bench.commands.instruments` from the twin's command table.", "", described, "",
             "## Commands", "",
             f"{len(table)} headers, {len(memory)} of them from memory. What is not here the twin answers as the "
             "instrument does: -113 in the error queue, silence for a query.", "",
             "| header | takes | answers | models | source |", "|---|---|---|---|---|"]
    lines += [_row(page, line) for line in table]
    lines += ["", "## From memory", "",
              f"Headers: {', '.join(f'`{line.header}`' for line in memory) or 'none'}.{_besides(page)}", "",
              "## Several slots", "", page.sharing, "", "## Third parties", "", page.third_parties, ""]
    return "\n".join(lines)


def _render_plain(page: PlainPage) -> str:
    described = "\n\n".join(inspect.getdoc(each) or "" for each in page.described_by)
    memory = [command for command, source in page.rows.items() if source.startswith("memory")]
    lines = [f"# {page.title}", "", "Printed by `python -m bench.commands.instruments` from the twin's sources.", "",
             described, "", "## Commands", "", f"{len(page.rows)} commands, {len(memory)} of them from memory.", "",
             "| command | source |", "|---|---|", *(f"| `{command}` | {source} |"
                                                    for command, source in page.rows.items())]
    lines += ["", "## From memory", "", f"Commands: {', '.join(memory) or 'none'}.{_besides(page)}", "",
              "## Third parties", "", page.third_parties, ""]
    return "\n".join(lines)


def _besides(page: Page | PlainPage) -> str:
    """What is from memory besides headers: in the twin, and in the driver."""
    twin = f" In the twin besides: {page.from_memory}" if page.from_memory else ""
    driver = "; ".join(f"{one.assumed} ({one.name})" for one in page.driver)
    return twin + (f" The driver takes for granted: {driver}." if driver else "")


def _row(page: Page, line: Command) -> str:
    names = {models: name for name, models in page.models.items()}
    models = names.get(line.models, ", ".join(line.models)) or "all"
    takes = ", ".join(part for part in (line.takes, "(@channels)" if line.channels else "") if part)
    return f"| `{line.header}` | {takes} | {line.answer} | {models} | {line.source} |".replace("`|", "`\\|")


def write(folder: Path = FOLDER) -> None:
    """Write all pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / f"{name}.md").write_text(render(page), encoding="utf-8")


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:2]))
