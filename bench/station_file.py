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

    [commissioning]
    over = "network"
    delivery = "delivery.toml"

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
    switched_ohm = [560000, 8.2]

No secrets stand in it: the keys of units are in a file of their own that only its owner can read.
"""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bench import instruments
from bench.clock import Clock
from bench.errors import BenchError
from bench.manual import settings
from bench.protocols.udp import refuse_public
from bench.store.address import StoreAddress
from bench.timeline import Timeline
from bench.toml_faults import explain, told
from bench.toml_file import read_toml
from drivers.assumption import Assumption
from drivers.panel import sigrok
from drivers.panel.lid_contact import Line
from drivers.serial_port import check_port


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class InstrumentTable(_Table):
    """``driver`` names one of the drivers there are (``bench.instruments``). The other keys are the parameters of its
    constructor; a subclass may have keys of its own besides.
    """

    model_config = ConfigDict(extra="allow")    # what the driver does not declare is refused below

    kind: ClassVar[str]
    driver: str

    @model_validator(mode="before")
    @classmethod
    def _as_the_driver_declares(cls, table: Any) -> Any:
        if not isinstance(table, dict) or not isinstance(table.get("driver"), str):
            return table
        try:
            driver = instruments.find(cls.kind, table["driver"])
        except BenchError as error:
            raise _wrong_driver(error, table["driver"]) from None
        options = {key: value for key, value in table.items() if key not in cls.model_fields}
        own = {key: value for key, value in table.items() if key in cls.model_fields}
        return own | dict(driver.options.model_validate(options))

    @property
    def abilities(self) -> frozenset[str]:
        """What the instrument can do, in the words of ``needs``."""
        return instruments.find(self.kind, self.driver).abilities_with(self.model_extra or {})

    @property
    def ports(self) -> dict[str, tuple[str, bool]]:
        """The serial ports among the keys, and whether each may be a remote one (RFC 2217)."""
        options = self.model_extra or {}
        return {key: (options[key], remote) for key, remote in instruments.find(self.kind, self.driver).ports.items()
                if options.get(key) is not None}

    @property
    def addresses(self) -> list[str]:
        """Where the instrument is reached."""
        options = self.model_extra or {}
        return [options[key] for key in ("address", "port", "core_address") if isinstance(options.get(key), str)]

    @property
    def part(self) -> str | None:
        """What is this slot's own of an instrument that slots share ("channel 2"). None: it is not shared."""
        options = self.model_extra or {}
        if options.get("slots", 1) <= 1 and not options.get("shared"):
            return None
        own = (f"{key} {options[key]}" for key in ("channel", "imsi") if options.get(key) is not None)
        return next(own, "its part")

    def assumptions(self, identity: str = "") -> tuple[Assumption, ...]:
        """What its driver has from memory; ``identity`` is the answer to *IDN?, if there was one."""
        return instruments.find(self.kind, self.driver).assumptions_with(self.model_extra or {}, identity)

    def open(self, clock: Clock, timeline: Timeline) -> Any:
        """The instrument. Raises ``BenchError`` when it does not answer as it should."""
        return instruments.find(self.kind, self.driver).open(self.model_extra or {}, clock, timeline)


def _wrong_driver(error: BenchError, name: str) -> ValidationError:
    refused = told(error.expected, error.seen, error.do)
    return ValidationError.from_exception_data("driver", [{"type": refused, "loc": ("driver",), "input": name}])


class SupplyTable(InstrumentTable):
    """``address`` is a VISA address, of a Power Profiler Kit a serial port."""

    kind = "supply"


class AmmeterTable(InstrumentTable):
    """An ammeter in series with a supply that measures no current, or not finely enough. ``address`` is a VISA
    address, of a Joulescope its serial number."""

    kind = "ammeter"


class PanelTable(InstrumentTable):
    """``second_sensor``: a logic analyser that also sees both LEDs and the contact, by the name that sigrok-cli has for
    it (fx2lafw); ``second_sensor_wires`` says what is at which of its inputs. The doctor compares the two."""

    kind = "panel"
    second_sensor: str | None = None
    second_sensor_wires: dict[str, str] = dict(sigrok.CHANNELS)


class NfcTable(InstrumentTable):
    """The reader. ``codec`` names the settings codec. ``reference_tag``: the tag on the reader is the twin's or a
    reference tag, so writing in the bench's own format is allowed."""

    kind = "nfc"
    codec: str = "bench-otc"
    reference_tag: bool = False


class MeterTable(_Table):
    """``mains_powered`` lifts the limit on how often the optical port is read. ``simulator``: the VISA address of a
    meter simulator, where one stands in for the meter."""

    optical: str | None = None
    mbus: str | None = None
    simulator: str | None = None
    mains_powered: bool = False


class CellTable(InstrumentTable):
    """``second_apn`` is one more APN that the network behind the cell takes and that leads to the bench's servers;
    ``nat_apn`` one that leads there through an address translation which forgets within minutes, as operators' do;
    ``dead_end_apn`` one that leads nowhere.
    """

    kind = "cell"
    second_apn: str | None = None
    nat_apn: str | None = None
    dead_end_apn: str | None = None


EVERYWHERE = ("0.0.0.0", "::")
"""To listen here is to listen on all addresses of the machine."""


def _address(text: str) -> str:
    """An IP address in its usual spelling. One of many machines is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise PydanticCustomError("address", "Input should be an IP address of this machine") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        raise PydanticCustomError("address", "Input should be an IP address of this machine")
    return str(address)


class BackendTable(_Table):
    """Where the servers listen, an IP address of this machine, and, if a network in between translates, what units are
    told (``advertise``). The secure ports are those for DTLS. To listen on all addresses of the machine, those that
    lead to the Internet among them, takes ``listen_everywhere`` besides, and ``advertise``.

    ``allow_public`` names public addresses that the bench may talk to; all others it refuses. ``forward_to`` is an MQTT
    broker ("mqtt://HOST:PORT") that gets what the gateway receives; it needs the extra "mqtt" of this project.
    """

    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    listen_everywhere: bool = False
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

    @model_validator(mode="after")
    def _everywhere_is_said_twice(self) -> BackendTable:
        if self.listen in EVERYWHERE and not (self.listen_everywhere and self.advertise):
            raise told("one address of this machine, or all of them with listen_everywhere = true and advertise",
                       seen="", key="listen")
        return self


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


Ohm = Annotated[float, Field(gt=0)]
Percent = Annotated[float, Field(ge=0, lt=100)]


class ReferenceTable(_Table):
    """Resistors that take the place of the unit, so that the current is known by Ohm's law.

    ``switched_ohm``: the two that the panel's instrument connects by itself before and after each run, the first for a
    current as small as that of a sleeping unit, the second for one as large as that of a sending one; plug and contact
    are in the tolerance of the second. ``load_ohm``: one that is put in by hand when the doctor asks for it
    (``--reference-load``).
    """

    load_ohm: float | None = Field(default=None, gt=0)
    load_tolerance_percent: float = Field(default=0.1, ge=0, lt=100)
    switched_ohm: Annotated[tuple[Ohm, Ohm] | None, Field(strict=False)] = None    # TOML knows arrays only
    switched_tolerance_percent: Annotated[tuple[Percent, Percent], Field(strict=False)] = (0.1, 1.0)

    @model_validator(mode="after")
    def _has_a_resistor(self) -> ReferenceTable:
        if self.load_ohm is None and self.switched_ohm is None:
            raise ValueError("load_ohm, switched_ohm, or both")
        if self.switched_ohm is not None and not self.switched_ohm[0] > 100 * self.switched_ohm[1]:
            raise ValueError("switched_ohm with the large resistor first, a hundred times the small one at least")
        return self


class LidTable(_Table):
    """The fixture's lid contact: an input (``line``) of the serial adapter at ``port``, which is on while the lid is
    closed, or off where ``closed`` is false."""

    port: str
    line: Line = "cts"
    closed: bool = True

    @field_validator("port")
    @classmethod
    def _is_port(cls, port: str) -> str:
        try:
            return check_port("lid.port", port)
        except BenchError as error:
            raise PydanticCustomError("port", "Input should be {expected}", {"expected": error.expected}) from None


class StoreTable(_Table):
    """Where records are kept: ``url`` is the path of an SQLite file or the URL of a PostgreSQL database, without a
    password. ``outside``: the folder of what waits to be stored, and of what vouches for the store; on another disk it
    is worth more. ``evidence_days``, ``keep_one_in``: when evidence of passed units may go (``records thin``)."""

    url: str
    outside: Annotated[Path, Field(strict=False)] | None = None
    evidence_days: int | None = Field(default=None, ge=7)
    keep_one_in: int = Field(default=20, ge=2)


class CommissioningTable(_Table):
    """How units come to know the bench's servers.

    ``over``: "nfc" writes the address of the bench's bootstrap server, which takes a settings codec that the units
    understand. "network" leaves the units as they are: the test network's core leads what they send to their default
    bootstrap address and port, and nothing else of that address, to ``backend.bootstrap_secure_port``. The bootstrap
    runs over DTLS then, so the key file must have the units' keys.

    ``delivery`` is a delivery file: the accounts with which units leave. Where settings can't be written over NFC, the
    last bootstrap writes them.
    """

    over: Literal["nfc", "network"] = "nfc"
    delivery: Annotated[Path, Field(strict=False)] | None = None


def deveui_of(text: str) -> str:
    """A DevEUI in 16 upper-case digits, from any usual spelling: ``94-19-3a-04-01-02-03-04``, ``0x94193a04 01020304``.
    Raises ValueError."""
    digits = re.sub(r"[\s:.-]", "", text).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{16}", digits):
        raise ValueError(f"a DevEUI has 16 hexadecimal digits, saw {text!r}; the unit's label has it")
    return digits


def _usual(text: object) -> object:
    """What is no DevEUI is left for the pattern to refuse."""
    try:
        return deveui_of(text) if isinstance(text, str) else text
    except ValueError:
        return text


class UnitTable(_Table):
    """The unit. A CMi6110 in its fixture has a ``deveui``. Any other LwM2M client has the name of its ``endpoint``, a
    device ``profile`` (a file: ``bench/manual/device.py``), and a ``driver`` that says how it is brought to life:

    "external"    it lives elsewhere; somebody starts it, and lets it bootstrap at the bench's server.
    "process"     the bench starts ``command`` on this machine, for each start of the unit. In its words {bootstrap},
                  {dm}, {mdm} and {files} stand for the URIs of the servers, {endpoint} for the name, {keys} for the key
                  file. With ``virtual_time`` it lives in virtual time by the socket {tick} (docs/foreign-units.md).

    ``log``: the serial port at which the unit tells what it does, at ``log_baudrate``; a process prints it.
    ``log_faults``: regular expressions; a line of the log that one of them fits fails the test in which it came.

    ``ordered``: the settings that were ordered with a CMi6110 (manual 5.3.5), by their keys in
    ``bench/manual/settings.toml``: it is delivered with them in the place of the printed defaults."""

    driver: Literal["fixture", "process", "external"] = "fixture"
    deveui: Annotated[str, BeforeValidator(_usual)] = Field(default="", pattern=r"^([0-9A-F]{16})?$")
    endpoint: str = Field(default="", max_length=255)
    profile: Annotated[Path, Field(strict=False)] | None = None
    command: Annotated[tuple[str, ...], Field(strict=False)] = ()
    virtual_time: bool = False
    log: str | None = None
    log_baudrate: int = Field(default=115200, gt=0)
    log_faults: Annotated[tuple[str, ...], Field(strict=False)] = ()
    keys: Annotated[Path, Field(strict=False)] | None = None
    ordered: dict[str, int | str] = {}

    @property
    def name(self) -> str:
        """What the unit calls itself at its servers, and by which its keys are found."""
        return self.endpoint or self.deveui

    @property
    def is_cmi6110(self) -> bool:
        """Whether what the manual says of the CMi6110 is true of it."""
        return self.profile is None

    @property
    def is_hosted(self) -> bool:
        """Whether it is a host build of the CMi6110's firmware (docs/host-build.md)."""
        return self.driver == "process" and self.is_cmi6110

    @field_validator("log_faults")
    @classmethod
    def _are_expressions(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"regular expressions; {pattern!r}: {error}") from None
        return patterns

    @model_validator(mode="after")
    def _is_whole(self) -> UnitTable:
        if not self.name or (self.deveui and self.endpoint):
            raise ValueError("deveui, or endpoint for a unit that is no CMi6110: one of them")
        if self.driver == "fixture" and not self.deveui:
            raise ValueError('deveui, or driver = "process" or "external" for a unit that is in no fixture')
        if (self.driver == "process") != bool(self.command):
            raise ValueError('command with driver = "process", and only with it')
        if self.virtual_time and (self.driver != "process" or self.log):
            raise ValueError('virtual_time with driver = "process" only, and a log that it prints')
        return self

    @field_validator("ordered")
    @classmethod
    def _are_settings(cls, ordered: dict[str, int | str]) -> dict[str, int | str]:
        for key, value in ordered.items():
            try:
                settings.find(key).check(value)
            except BenchError as error:
                raise told(error.expected, f"{error.seen} ({error.subject})", error.do) from None
        return ordered


_Packages = dict[str, Annotated[Path, Field(strict=False)]]


class FirmwareTable(_Table):
    """The maker's firmware packages: the version that each brings, and where it is."""

    packages: _Packages = {}
    modem_packages: _Packages = {}


class StationFile(_Table):
    """A station file, validated; unknown keys are refused. The tables of instruments are optional: what a station can
    do follows from those that are there.

    ``utc_offset_minutes``: local standard time, without daylight saving, minus UTC, where the station stands.
    """

    name: str
    simulated: bool = False
    utc_offset_minutes: int = Field(default=60, ge=-720, le=840)
    supply: SupplyTable | None = None
    ammeter: AmmeterTable | None = None
    panel: PanelTable | None = None
    nfc: NfcTable | None = None
    commissioning: CommissioningTable = CommissioningTable()
    meter: MeterTable = MeterTable()
    cell: CellTable | None = None
    backend: BackendTable = BackendTable()
    battery: BatteryTable | None = None
    unit: UnitTable
    firmware: FirmwareTable | None = None
    calibration: CalibrationTable = CalibrationTable()
    reference: ReferenceTable | None = None
    lid: LidTable | None = None
    store: StoreTable | None = None

    @classmethod
    def load(cls, path: Path, beside: Path | None = None) -> StationFile:
        """Read and validate ``path``; the paths in it are relative to it, or to ``beside``. Raises ``BenchError`` that
        names the key."""
        subject = f"station file {path}"
        content = read_toml(path, subject, "give the path of a station file")
        try:
            file = cls.model_validate(content)
        except ValidationError as error:
            raise explain(subject, error, path, "station files", lambda place: _keys_at(place, content)) from None
        except (RecursionError, OverflowError, ValueError) as error:    # what pydantic itself can't hold
            raise BenchError(subject, expected="values of a station", seen=type(error).__name__,
                             do="look for numbers and tables that are far too large") from None
        _refuse_public_addresses(subject, file)
        beside = beside or path
        if file.store is not None:
            outside = beside.resolve().parent / file.store.outside if file.store.outside is not None else None
            address = StoreAddress.of(file.store.url, outside, beside=beside.resolve().parent,
                                      allow_public=file.backend.allow_public)
            file = file.model_copy(update={"store": file.store.model_copy(update={
                "url": str(address), "outside": address.outside})})
        if file.firmware is not None:
            tables = {name: {version: beside.parent / package for version, package in packages.items()}
                      for name, packages in file.firmware}
            file = file.model_copy(update={"firmware": file.firmware.model_copy(update=tables)})
        sim = (file.cell.model_extra or {}).get("sim") if file.cell is not None else None
        if file.cell is not None and sim is not None:
            file = file.model_copy(update={"cell": file.cell.model_copy(update={"sim": beside.parent / sim})})
        if file.commissioning.delivery is not None:
            delivery = beside.parent / file.commissioning.delivery
            file = file.model_copy(update={
                "commissioning": file.commissioning.model_copy(update={"delivery": delivery})})
        of_unit = {"keys": file.unit.keys, "profile": file.unit.profile}
        return file.model_copy(update={"unit": file.unit.model_copy(update={
            key: beside.parent / found for key, found in of_unit.items() if found is not None})})

    def table(self, kind: str) -> InstrumentTable:
        """The table of the instrument. Raises ``BenchError`` where the station has none."""
        found: InstrumentTable | None = getattr(self, kind)
        if found is None:
            raise BenchError(f"station {self.name}", expected=f"a table [{kind}]", seen="none",
                             do="add the instrument to the station file")
        return found

    def store_address(self) -> StoreAddress | None:
        """Where records are kept."""
        table = self.store
        return None if table is None else StoreAddress.of(table.url, table.outside,
                                                          allow_public=self.backend.allow_public)

    @property
    def instruments(self) -> list[InstrumentTable]:
        """The tables of instruments that there are."""
        tables = (self.supply, self.ammeter, self.panel, self.nfc, self.cell)
        return [table for table in tables if table is not None]

    @model_validator(mode="after")
    def _can_commission(self) -> StationFile:
        if self.unit.driver == "fixture" and self.commissioning.over == "nfc" and self.nfc is None:
            raise ValueError('a table [nfc], or commissioning.over = "network"')
        if self.unit.virtual_time and not self.unit.is_hosted and (self.instruments or self.meter != MeterTable()):
            raise ValueError("unit.virtual_time without instruments: they live in real time")
        return self

    def dump(self) -> str:
        """The file's text."""
        lines = [f"name = {_toml(self.name)}", f"simulated = {_toml(self.simulated)}",
                 f"utc_offset_minutes = {self.utc_offset_minutes}"]
        for name, table in self.model_dump(exclude_none=True).items():
            if isinstance(table, dict):
                lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"


_HOST = re.compile(r"(?:tcpip\d*::|(?:rfc2217|socket|wss?|https?|mqtts?)://(?:[^/@]*@)?)"
                   r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^:/]*))", re.IGNORECASE)
"""The host in a VISA address (VPP-4.3, 4.3.1.1), and in a URL of pyserial, WebSocket, HTTP or MQTT."""


def _refuse_public_addresses(subject: str, file: StationFile) -> None:
    """Raises ``BenchError`` for an instrument, or a server of the bench, with an address that is no lab's."""
    backend = file.backend
    hosts = {f"backend.{name}": host for name, host in (("listen", backend.listen), ("advertise", backend.advertise))
             if host is not None and host not in EVERYWHERE}
    tables = {"supply", "ammeter", "panel", "nfc", "meter", "cell", "backend", "lid"}
    for name, table in file.model_dump(include=tables, exclude={"backend": {"allow_public"}}).items():
        for key, value in (table or {}).items():
            found = _HOST.match(value) if isinstance(value, str) else None
            if found is not None:
                hosts[f"{name}.{key}"] = found["ipv6"] or found["host"] or ""
    for key, host in hosts.items():
        try:
            refuse_public(host, backend.allow_public)
        except BenchError as error:
            raise BenchError(f"{subject}, key {key}",
                             expected="an address of the lab, or one that backend.allow_public names", seen=error.seen,
                             do="correct it, or name it there if the bench shall use it") from None


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


def _keys_at(place: tuple[int | str, ...], content: dict[str, Any]) -> list[str]:
    """The keys that the table around ``place`` may have."""
    model: Any = StationFile
    table: Any = content
    for part in place[:-1]:
        field = model.model_fields.get(part)
        kinds = [field.annotation, *get_args(field.annotation)] if field is not None else []
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        table = table.get(part) if isinstance(table, dict) else None
        if model is None:
            return []
    keys = list(model.model_fields)
    if issubclass(model, InstrumentTable) and isinstance(table, dict):
        keys += instruments.find(model.kind, table["driver"]).options.model_fields
    return keys
