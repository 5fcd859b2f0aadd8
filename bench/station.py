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

    [battery]
    capacity_ah = 2.4
    usable_percent = 85
    self_discharge_percent_per_year = 1

    [unit]
    deveui = "94193A0401020304"
    keys = "keys.toml"

    [calibration]
    due = { panel = 2027-03-31, cell = 2027-01-31 }

    [reference]
    load_ohm = 100000

No secrets stand in it: the keys of units are in a file of their own that only its owner can read.
"""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.backend.psk import KEY_OCTETS, Psk
from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.meter.mbus import MBusMaster
from drivers.meter.optical import OpticalReader
from drivers.meter.simulator import MeterSimulator
from drivers.nfc import Pak
from drivers.nfc.otc import Otc, load_codec
from drivers.nfc.pn532_reader import Pn532Reader
from drivers.panel import sigrok
from drivers.panel.edge_box import EdgeBox
from drivers.radio import STANDARD_LEVEL_DBM, Cell
from drivers.radio.amarisoft import AmarisoftCell
from drivers.radio.attenuator import AttenuatorCell
from drivers.radio.cmw500 import Cmw500Cell
from drivers.supply import SMALLEST_LIMIT_A, Ammeter, MeasuringSupply
from drivers.supply.in_series import InSeries, NoAmmeter
from drivers.supply.joulescope_js220 import JoulescopeJs220
from drivers.supply.keithley_dmm6500 import KeithleyDmm6500
from drivers.supply.keysight_n6700 import KeysightN6700
from drivers.supply.nordic_ppk2 import NordicPpk2
from drivers.supply.rohde_schwarz_ngu import RohdeSchwarzNgu
from drivers.supply.scpi_supply import ScpiSupply

_SUPPLIES: dict[str, Callable[..., Any]] = {
    "keysight-n6700": KeysightN6700, "rohde-schwarz-ngu": RohdeSchwarzNgu, "scpi-supply": ScpiSupply,
    "nordic-ppk2": NordicPpk2}
_MEASURING = {"keysight-n6700", "rohde-schwarz-ngu", "nordic-ppk2"}
_AMMETERS: dict[str, Callable[..., Ammeter]] = {
    "keithley-dmm6500": KeithleyDmm6500, "joulescope-js220": JoulescopeJs220}
_SEAMLESS = {"joulescope-js220"}
"""Ammeters that follow a unit from sleep to transmission without a gap, as all measuring supplies do."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SupplyTable(_Table):
    """``address`` is a VISA address, of a Power Profiler Kit a serial port. The unit may draw 400 mA, so the current
    limit is well above it."""

    driver: Literal["keysight-n6700", "rohde-schwarz-ngu", "scpi-supply", "nordic-ppk2"]
    address: str
    channel: int = 1
    current_limit_a: float = Field(default=1.0, ge=SMALLEST_LIMIT_A, le=3.0)
    overvoltage_v: float = Field(default=4.5, gt=0, le=6.0)


class AmmeterTable(_Table):
    """An ammeter in series with a supply that measures no current, or not finely enough. ``address`` is a VISA
    address, of a Joulescope its serial number."""

    driver: Literal["keithley-dmm6500", "joulescope-js220"]
    address: str


class PanelTable(_Table):
    """``second_sensor``: a logic analyser that also sees both LEDs and the contact, by the name that sigrok-cli has for
    it (fx2lafw); ``second_sensor_wires`` says what is at which of its inputs. The doctor compares the two."""

    driver: Literal["edge-box"]
    port: str
    second_sensor: str | None = None
    second_sensor_wires: dict[str, str] = dict(sigrok.CHANNELS)


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
    """``address``: VISA (cmw500), ``ws://`` of the eNB (amarisoft, with that of the MME as ``core_address``) or
    ``http://`` (attenuator). ``level_dbm``: NRSRP at the unit, behind an attenuator that with 0 dB.

    ``second_apn`` is one more APN that the network behind the cell takes and that leads to the bench's servers;
    ``nat_apn`` one that leads there through an address translation which forgets within minutes, as operators' do;
    ``dead_end_apn`` one that leads nowhere.
    """

    driver: Literal["cmw500", "amarisoft", "attenuator"]
    address: str
    core_address: str | None = None
    band: Literal[3, 8, 20] = 20
    level_dbm: float = Field(default=STANDARD_LEVEL_DBM, ge=-140.0, le=-40.0)
    second_apn: str | None = None
    nat_apn: str | None = None
    dead_end_apn: str | None = None


class BackendTable(_Table):
    """Where the servers listen, and, if a network in between translates, what units are told (``advertise``). The
    secure ports are those for DTLS.

    ``allow_public`` names public addresses that the bench may talk to; all others it refuses. ``forward_to`` is an MQTT
    broker ("mqtt://HOST:PORT") that gets what the gateway receives; it needs the extra "mqtt" of this project.
    """

    listen: str = "127.0.0.1"
    advertise: str | None = None
    bootstrap_port: int = Field(default=5694, ge=0, le=65535)
    dm_port: int = Field(default=5683, ge=0, le=65535)
    mdm_port: int = Field(default=1884, ge=0, le=65535)
    bootstrap_secure_port: int = Field(default=5695, ge=0, le=65535)
    dm_secure_port: int = Field(default=5684, ge=0, le=65535)
    mdm_secure_port: int = Field(default=1885, ge=0, le=65535)
    files_port: int = Field(default=5685, ge=0, le=65535)
    allow_public: Annotated[tuple[str, ...], Field(strict=False)] = ()    # TOML knows arrays only
    forward_to: str | None = None


class BatteryTable(_Table):
    """The battery that the units are to live on, from its data sheet: the manual says nothing of it. What it holds when
    new, the part of that which can be drawn, and the part that it loses by itself each year.

    ``supply_in_its_place``: the supply feeds the battery connector, too, so that tests may run the unit as on battery.
    """

    capacity_ah: float = Field(gt=0)
    usable_percent: float = Field(default=100, gt=0, le=100)
    self_discharge_percent_per_year: float = Field(default=0, ge=0, lt=100)
    supply_in_its_place: bool = False


class CalibrationTable(_Table):
    """``interval_days``: how long a calibration holds. ``due``: when the next one is due, by the name of the
    instrument's table, for those that don't tell when they were calibrated.
    """

    interval_days: int = Field(default=365, gt=0)
    due: dict[str, date] = {}


class ReferenceTable(_Table):
    """A resistor that takes the place of the unit when the doctor asks for it (``--reference-load``)."""

    load_ohm: float = Field(gt=0)
    load_tolerance_percent: float = Field(default=0.1, ge=0, lt=100)


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
    ammeter: AmmeterTable | None = None
    panel: PanelTable
    nfc: NfcTable
    meter: MeterTable
    cell: CellTable
    backend: BackendTable = BackendTable()
    battery: BatteryTable | None = None
    unit: UnitTable
    firmware: FirmwareTable | None = None
    calibration: CalibrationTable = CalibrationTable()
    reference: ReferenceTable | None = None

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
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
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


Server = Literal["bootstrap", "dm", "mdm"]
SERVERS: tuple[Server, ...] = ("bootstrap", "dm", "mdm")


class Keys:
    """The secrets of one unit: its PAK, and the keys that it shares with its servers. Never printed."""

    def __init__(self, pak: Pak | None, psks: Mapping[Server, Psk] | None = None, deveui: str = "") -> None:
        self.pak = pak
        self.deveui = deveui
        self.psks: Mapping[Server, Psk] = dict(psks or {})

    def __repr__(self) -> str:
        return "Keys(redacted)"

    def psk(self, server: Server) -> Psk:
        """The pre-shared key for that server. Raises ``BenchError`` when the key file has none."""
        if server not in self.psks:
            raise BenchError(f"keys of unit {self.deveui}", expected=f"{server}_psk", seen="none",
                             do="add it to the unit's table in the key file")
        return self.psks[server]

    @classmethod
    def load(cls, path: Path, deveui: str) -> Keys:
        """The keys of ``deveui`` from a key file: a table per DevEUI with ``pak``, ``bootstrap_psk``, ``dm_psk`` and
        ``mdm_psk`` in hexadecimal digits, each of which may be missing. PSKs have 16 to 64 octets.

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
        unknown = sorted(keys.keys() - {"pak", *(f"{server}_psk" for server in SERVERS)})
        if unknown:
            name = unknown[0] if len(unknown[0]) < 2 * Pak.SIZE else "..."    # key and name may have changed places
            raise BenchError(f"{subject}, key {deveui}.{name}", expected="a key that key files have",
                             seen="an unknown one", do="correct the spelling or remove it")
        pak = keys.get("pak")
        psks = {server: _psk(f"{subject}, key {deveui}.{server}_psk", keys[f"{server}_psk"])
                for server in SERVERS if f"{server}_psk" in keys}
        return cls(Pak.from_hex(str(pak)) if pak is not None else None, psks, deveui)


def _psk(subject: str, digits: object) -> Psk:
    """Raises ``BenchError`` that doesn't show what the file has."""
    try:
        key = bytes.fromhex(digits) if isinstance(digits, str) else b""
    except ValueError:
        key = b""
    if len(key) not in KEY_OCTETS:
        raise BenchError(subject, expected=f"{2 * KEY_OCTETS[0]} to {2 * KEY_OCTETS[-1]} hexadecimal digits",
                         seen="something else", do="correct it")
    return Psk(key)


def _problem(name: str, error: Exception) -> str:
    return str(error) if isinstance(error, BenchError) else f"{name}: {error}"


CELL_ABILITIES = {"cmw500": Cmw500Cell.abilities, "amarisoft": AmarisoftCell.abilities,
                  "attenuator": AttenuatorCell.abilities}
"""By the driver's name in the station file."""


class Station:
    """The instruments of a station file, each opened when it is first used.

    ``make_safe`` may be called at any time, more than once: the supply goes off and the button is let go. ``keys``
    takes the place of the key file.
    """

    def __init__(self, file: StationFile, clock: Clock, timeline: Timeline, keys: Keys | None = None) -> None:
        self.file = file
        if keys is not None:
            self.keys = keys
        self._clock = clock
        self._timeline = timeline

    @cached_property
    def supply(self) -> MeasuringSupply:
        """The supply, with its own ammeter or the one in series with it."""
        table, ammeter = self.file.supply, self.file.ammeter
        options = table.model_dump(exclude={"driver", "address"})
        supply = _SUPPLIES[table.driver](table.address, clock=self._clock, timeline=self._timeline, **options)
        if ammeter is None:
            return supply if table.driver in _MEASURING else InSeries(supply, NoAmmeter())
        try:
            return InSeries(supply, _AMMETERS[ammeter.driver](ammeter.address, clock=self._clock,
                                                              timeline=self._timeline))
        except BaseException:
            supply.close()
            raise

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
    def cell(self) -> Cell:
        table = self.file.cell
        if table.driver == "attenuator":
            return AttenuatorCell(table.address, clock=self._clock, timeline=self._timeline, level_dbm=table.level_dbm)
        if table.driver == "cmw500":
            return Cmw500Cell(table.address, clock=self._clock, timeline=self._timeline, band=table.band,
                              level_dbm=table.level_dbm)
        if table.core_address is None:
            raise BenchError(f"station {self.file.name}", expected="cell.core_address", seen="nothing",
                             do="add the address of the box's MME to the station file")
        return AmarisoftCell(table.address, table.core_address, clock=self._clock, timeline=self._timeline,
                             band=table.band, level_dbm=table.level_dbm)

    @cached_property
    def keys(self) -> Keys:
        unit = self.file.unit
        return Keys.load(unit.keys, unit.deveui) if unit.keys is not None else Keys(None)

    @property
    def has_psks(self) -> bool:
        """Whether the unit can speak DTLS with the bench's servers: its key file has all keys."""
        try:
            return set(self.keys.psks) == set(SERVERS)
        except BenchError:    # who needs a key is told
            return False

    @property
    def abilities(self) -> frozenset[str]:
        """What tests may ask for with ``needs``."""
        found = {"supply.voltage", "panel.leds", "panel.button", "nfc"}
        if self.file.ammeter is not None or self.file.supply.driver in _MEASURING:
            found.add("supply.current")
            if self.file.ammeter is None or self.file.ammeter.driver in _SEAMLESS:
                found.add("supply.charge")
        found |= CELL_ABILITIES[self.file.cell.driver]
        if self.file.meter.optical and self.file.meter.mains_powered:
            found.add("meter.optical")    # the reader of a battery meter may answer with an older readout
        if self.file.meter.mbus:
            found.add("meter.mbus")
        if self.file.meter.simulator:
            found |= MeterSimulator.abilities
        if self.has_psks:
            found.add("dtls")
        if self.file.simulated or self.file.backend.advertise is None:
            found.add("second.servers")    # a network that translates ports knows those of the first ones only
        if self.file.battery is not None:
            found |= {"battery", "supply.battery"} if self.file.battery.supply_in_its_place else {"battery"}
        if self.file.cell.second_apn and self.file.cell.dead_end_apn:
            found.add("cell.apns")
        if self.file.cell.nat_apn:
            found.add("cell.nat")
        if self.file.simulated:
            found |= {"firmware", "firmware.modem", "firmware.unfit"}    # the twin's own packages
        elif self.file.firmware is not None:
            found |= {"firmware"} if len(self.file.firmware.packages) > 1 else set()
            found |= {"firmware.modem"} if len(self.file.firmware.modem_packages) > 1 else set()
        return frozenset(found)

    def raise_if_gone(self) -> None:
        """Raise ``BenchError`` when an instrument that speaks by itself has gone: nothing more will come from it. Asks
        no instrument, so it may be called in the loop's thread.
        """
        panel = self.__dict__.get("panel")
        if panel is not None:
            panel.raise_if_gone()

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
        """Make safe and let go of all ports. Returns what did not work.

        What the switching off leads to at that instant, such as the end of an LED's light, is still seen.
        """
        problems = self.make_safe()
        try:
            self._clock.settle()
        except Exception as error:
            problems.append(_problem("clock", error))
        for name in ("panel", "supply", "otc", "optical", "mbus", "meter_simulator", "cell"):
            instrument = self.__dict__.pop(name, None)
            if instrument is not None:
                try:
                    instrument.close()
                except Exception as error:
                    problems.append(_problem(name, error))
        return problems
