"""The station: one test place with its instruments, as its station file describes it, and its safe state.

A station file::

    name = "bench 1"
    utc_offset_minutes = 60

    [supply]
    driver = "keysight-n6700"
    address = "TCPIP::192.168.7.10::5025::SOCKET"

    [panel]
    driver = "edge-box"
    port = "/dev/ttyACM0"

    [nfc]
    driver = "pn532"
    port = "/dev/ttyUSB0"

    [meter]
    optical = "/dev/ttyUSB1"

    [cell]
    driver = "cmw500"
    address = "TCPIP::192.168.7.20::5025::SOCKET"

    [backend]
    listen = "10.45.0.1"

    [unit]
    deveui = "94193A0401020304"
    keys = "keys.toml"

No secrets stand in it: the keys of units are in a file of their own that only its owner can read.
"""

from __future__ import annotations

import json
import stat
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.meter.mbus import MBusMaster
from drivers.meter.optical import OpticalReader
from drivers.meter.simulator import MeterSimulator
from drivers.nfc import Pak
from drivers.nfc.otc import Otc, load_codec
from drivers.nfc.pn532_reader import Pn532Reader
from drivers.panel.edge_box import EdgeBox
from drivers.radio.cmw500 import Cmw500Cell
from drivers.supply.keysight_n6700 import KeysightN6700


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SupplyTable(_Table):
    driver: Literal["keysight-n6700"]
    address: str
    channel: int = 1


class PanelTable(_Table):
    driver: Literal["edge-box"]
    port: str


class NfcTable(_Table):
    """``codec`` names the settings codec. ``reference_tag``: the tag on the reader is the twin's or a reference tag,
    so writing in the bench's own format is allowed."""

    driver: Literal["pn532"]
    port: str
    codec: str = "bench-otc"
    reference_tag: bool = False


class MeterTable(_Table):
    """``mains_powered`` lifts the limit on how often the optical port is read. ``simulator``: the VISA address of a
    meter simulator, where one stands in for the meter."""

    optical: str | None = None
    mbus: str | None = None
    simulator: str | None = None
    mains_powered: bool = False


class CellTable(_Table):
    """``second_apn`` is one more APN that the network behind the cell takes and that leads to the bench's servers;
    ``dead_end_apn`` one that it takes and that leads nowhere.
    """

    driver: Literal["cmw500"]
    address: str
    second_apn: str | None = None
    dead_end_apn: str | None = None


class BackendTable(_Table):
    """Where the servers listen, and, if a network in between translates, what units are told (``advertise``).

    ``allow_public`` names public addresses that the bench may talk to; all others it refuses.
    """

    listen: str = "127.0.0.1"
    advertise: str | None = None
    bootstrap_port: int = Field(default=5694, ge=0, le=65535)
    dm_port: int = Field(default=5683, ge=0, le=65535)
    mdm_port: int = Field(default=1884, ge=0, le=65535)
    files_port: int = Field(default=5685, ge=0, le=65535)
    allow_public: Annotated[tuple[str, ...], Field(strict=False)] = ()    # TOML knows arrays only


class UnitTable(_Table):
    deveui: str = Field(pattern=r"^[0-9A-F]{16}$")
    keys: Annotated[Path, Field(strict=False)] | None = None


_Packages = dict[str, Annotated[Path, Field(strict=False)]]


class FirmwareTable(_Table):
    """The maker's firmware packages: the version that each brings, and where it is."""

    packages: _Packages = {}
    modem_packages: _Packages = {}


class StationFile(_Table):
    """A station file, validated; unknown keys are refused.

    ``utc_offset_minutes``: local standard time, without daylight saving, minus UTC, where the station stands.
    """

    name: str
    simulated: bool = False
    utc_offset_minutes: int = Field(default=60, ge=-720, le=840)
    supply: SupplyTable
    panel: PanelTable
    nfc: NfcTable
    meter: MeterTable
    cell: CellTable
    backend: BackendTable = BackendTable()
    unit: UnitTable
    firmware: FirmwareTable | None = None

    @classmethod
    def load(cls, path: Path) -> StationFile:
        """Read and validate ``path``; the paths in it are relative to it. Raises ``BenchError`` that names the key."""
        subject = f"station file {path}"
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise BenchError(subject, expected="a file", seen=(error.strerror or str(error)).lower(),
                             do="give the path of a station file") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BenchError(subject, expected="TOML", seen=str(error), do="correct the file") from error
        try:
            file = cls.model_validate(content)
        except ValidationError as error:
            raise _explain(subject, error) from None
        if file.firmware is not None:
            tables = {name: {version: path.parent / package for version, package in packages.items()}
                      for name, packages in file.firmware}
            file = file.model_copy(update={"firmware": file.firmware.model_copy(update=tables)})
        if file.unit.keys is None:
            return file
        return file.model_copy(update={"unit": file.unit.model_copy(update={"keys": path.parent / file.unit.keys})})

    def dump(self) -> str:
        """The file's text."""
        lines = [f"name = {_toml(self.name)}", f"simulated = {_toml(self.simulated)}",
                 f"utc_offset_minutes = {self.utc_offset_minutes}"]
        for name, table in self.model_dump(exclude_none=True).items():
            if isinstance(table, dict):
                lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    # Strings of JSON are strings of TOML, but for one letter.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _explain(subject: str, error: ValidationError) -> BenchError:
    """The first thing that is wrong, as one sentence."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "extra_forbidden":
            return BenchError(f"{subject}, key {key}", expected="a key that station files have", seen="an unknown one",
                              do="correct the spelling or remove it")
        case "missing":
            return BenchError(f"{subject}, key {key}", expected="a value", seen="nothing", do="add it")
        case "model_type":
            expected = "a table"
        case "tuple_type":
            expected = "an array"
        case "path_type":
            expected = "a path"
        case "string_pattern_mismatch":
            expected = f"text like {first['ctx']['pattern']}"
        case _:
            expected = first["msg"].removeprefix("Input should be ")
    given = first["input"]
    # A table in the wrong place may hold a key.
    seen = "a table" if isinstance(given, dict) else "an array" if isinstance(given, list) else repr(given)
    return BenchError(f"{subject}, key {key}", expected=expected, seen=seen, do="correct the value")


class Keys:
    """The secrets of one unit. Never printed."""

    def __init__(self, pak: Pak | None) -> None:
        self.pak = pak

    def __repr__(self) -> str:
        return "Keys(redacted)"

    @classmethod
    def load(cls, path: Path, deveui: str) -> Keys:
        """The keys of ``deveui`` from a key file: a table per DevEUI with ``pak`` in hexadecimal digits.

        Raises ``BenchError`` when others can read the file, or the unit is not in it. Never names a key.
        """
        subject = f"key file {path}"
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            content = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise BenchError(subject, expected="a file", seen=(error.strerror or str(error)).lower(),
                             do="correct unit.keys in the station file") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError):
            raise BenchError(subject, expected="TOML", seen="something else", do="correct the file") from None
        if mode & 0o077:
            raise BenchError(subject, expected="access for its owner only", seen=f"mode {mode:04o}",
                             do=f"chmod 600 {path}")
        keys = content.get(deveui)
        if not isinstance(keys, dict):
            raise BenchError(subject, expected=f"a table [{deveui}]", seen="none", do="add the unit's keys")
        pak = keys.get("pak")
        return cls(Pak.from_hex(str(pak)) if pak is not None else None)


def _problem(name: str, error: Exception) -> str:
    return str(error) if isinstance(error, BenchError) else f"{name}: {error}"


class Station:
    """The instruments of a station file, each opened when it is first used.

    ``make_safe`` may be called at any time, more than once: the supply goes off and the button is let go.
    """

    def __init__(self, file: StationFile, clock: Clock, timeline: Timeline) -> None:
        self.file = file
        self._clock = clock
        self._timeline = timeline

    @cached_property
    def supply(self) -> KeysightN6700:
        table = self.file.supply
        return KeysightN6700(table.address, clock=self._clock, timeline=self._timeline, channel=table.channel)

    @cached_property
    def panel(self) -> EdgeBox:
        return EdgeBox(self.file.panel.port, self._clock, self._timeline)

    @cached_property
    def otc(self) -> Otc:
        table = self.file.nfc
        return Otc(Pn532Reader(table.port, self._clock, self._timeline), load_codec(table.codec), self._clock,
                   self._timeline, reference_tag=table.reference_tag)

    @cached_property
    def optical(self) -> OpticalReader:
        if self.file.meter.optical is None:
            raise BenchError(f"station {self.file.name}", expected="meter.optical", seen="nothing",
                             do="add the port of the optical head to the station file")
        return OpticalReader(self.file.meter.optical, timeline=self._timeline, clock=self._clock,
                             mains_powered=self.file.meter.mains_powered)

    @cached_property
    def mbus(self) -> MBusMaster:
        if self.file.meter.mbus is None:
            raise BenchError(f"station {self.file.name}", expected="meter.mbus", seen="nothing",
                             do="add the port of the M-Bus level converter to the station file")
        return MBusMaster(self.file.meter.mbus, timeline=self._timeline)

    @cached_property
    def meter_simulator(self) -> MeterSimulator:
        if self.file.meter.simulator is None:
            raise BenchError(f"station {self.file.name}", expected="meter.simulator", seen="nothing",
                             do="add the address of the meter simulator to the station file")
        return MeterSimulator(self.file.meter.simulator, timeline=self._timeline)

    @cached_property
    def cell(self) -> Cmw500Cell:
        return Cmw500Cell(self.file.cell.address, clock=self._clock, timeline=self._timeline)

    @cached_property
    def keys(self) -> Keys:
        unit = self.file.unit
        return Keys.load(unit.keys, unit.deveui) if unit.keys is not None else Keys(None)

    @property
    def abilities(self) -> frozenset[str]:
        """What tests may ask for with ``needs``."""
        found = {"supply.voltage", "supply.current", "panel.leds", "panel.button", "nfc"}
        found |= {"cell.outage", "cell.detach", "cell.release", "cell.level"}
        if self.file.meter.optical and self.file.meter.mains_powered:
            found.add("meter.optical")    # the reader of a battery meter may answer with an older readout
        if self.file.meter.mbus:
            found.add("meter.mbus")
        if self.file.meter.simulator:
            found |= MeterSimulator.abilities
        if self.file.cell.second_apn and self.file.cell.dead_end_apn:
            found.add("cell.apns")
        if self.file.simulated:
            found |= {"firmware", "firmware.modem", "firmware.unfit"}    # the twin's own packages
        elif self.file.firmware is not None:
            found |= {"firmware"} if len(self.file.firmware.packages) > 1 else set()
            found |= {"firmware.modem"} if len(self.file.firmware.modem_packages) > 1 else set()
        return frozenset(found)

    def make_safe(self) -> list[str]:
        """Supply off, button released, the meter simulator lets go. Tries everything; returns what did not work, as
        sentences.
        """
        problems = []
        for name in ("panel", "supply", "meter_simulator"):
            instrument = self.__dict__.get(name)
            if instrument is not None:
                try:
                    instrument.make_safe()
                except Exception as error:    # whatever it is, the next instrument must be made safe too
                    problems.append(_problem(name, error))
        return problems

    def close(self) -> list[str]:
        """Make safe and let go of all ports. Returns what did not work."""
        problems = self.make_safe()
        for name in ("panel", "supply", "otc", "optical", "mbus", "meter_simulator", "cell"):
            instrument = self.__dict__.pop(name, None)
            if instrument is not None:
                try:
                    instrument.close()
                except Exception as error:
                    problems.append(_problem(name, error))
        return problems
