"""The station file: which instruments a test place has, and where they are.

::

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
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError
from drivers.panel import sigrok
from drivers.radio import STANDARD_LEVEL_DBM
from drivers.supply import SMALLEST_LIMIT_A


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
