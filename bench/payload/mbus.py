"""M-Bus telegrams: the naked one of manual Table 6, and the wired frames of the meter itself (EN 13757-2/-3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bench.payload.dib import decode_records
from bench.payload.readout import (
    EXTENDED_FIELDS,
    STANDARD_FIELDS,
    Finding,
    PayloadError,
    Quantity,
    Readout,
    Record,
    Telegram,
    flags_finding,
)

__all__ = [
    "LongFrame", "MeterHeader", "decode_long_frame", "decode_mbus", "decode_records", "readout_of", "wired_telegram",
]  # fmt: skip

_QUANTITY_FIELDS = {
    "volume": "volume",
    "power": "power",
    "flow": "flow",
    "forward temperature": "forward_temperature",
    "return temperature": "return_temperature",
}
_SUPPORTED_UNITS = frozenset(
    ("Wh", "kWh", "MWh", "J", "kJ", "MJ", "GJ", "m3", "W", "kW", "MW", "m3/h", "C", "h", "days")
)


@dataclass(frozen=True, slots=True)
class _Dib:
    """One row of Table 6."""

    number: int
    data_field: int
    """The low nibble of the DIF that the manual prints."""
    vifs: frozenset[bytes]


def _dib(number: int, data_field: int, *vifs: str) -> _Dib:
    return _Dib(number, data_field, frozenset(bytes.fromhex(v) for v in vifs))


_TARIFF_VIFS = ("03", "04", "05", "06", "07", "0E", "0F", "FB00", "FB01", "FB08", "FB09")
_TABLE_6 = {
    "time": _dib(1, 0x4, "6D"),
    "meter_id": _dib(2, 0xC, "78"),
    "energy": _dib(3, 0x4, "06", "07", "FB00", "FB01", "0E", "0F", "FB08", "FB09"),
    "volume": _dib(4, 0x4, "13", "14", "15", "16"),
    "power": _dib(5, 0x2, "2B", "2C", "2D", "2E"),
    "flow": _dib(6, 0x2, "3B", "3C", "3D", "3E"),
    "forward_temperature": _dib(7, 0x2, "5A", "5B"),
    "return_temperature": _dib(8, 0x2, "5E", "5F"),
    "error_flags": _dib(9, 0x2, "FD17"),
    "tariff 1": _dib(10, 0x4, *_TARIFF_VIFS),
    "tariff 2": _dib(11, 0x4, *_TARIFF_VIFS),
    "tariff 3": _dib(12, 0x4, *_TARIFF_VIFS),
    # The type column says INT32, the code says 3C: the code rules (notes C06).
    "missing_time": _dib(13, 0xC, "22", "23"),
}
_DATA_FIELDS = (
    "no data", "INT8", "INT16", "INT24", "INT32", "REAL32", "INT48", "INT64",
    "selection", "BCD2", "BCD4", "BCD6", "BCD8", "variable length", "BCD12", "special",
)  # fmt: skip


NO_METER_DATA = b"\x0e\x00"
"""What Elvaco's modules send when the meter does not answer (manual of the sister module CMi4110)."""


def decode_mbus(data: bytes) -> Telegram:
    """A naked M-Bus telegram: the DIBs of Table 6 and nothing else, one readout.

    ``0E 00`` is Elvaco's message "no answer from the meter": no readout and a finding of severity error.
    Raises PayloadError where the record structure breaks or nothing was sent.
    """
    if not data:
        raise PayloadError("the telegram is empty")
    if data == NO_METER_DATA:
        return Telegram("mbus", (), (no_meter_data(data.hex(" ").upper()),), data)
    records = decode_records(data)
    readout, findings = readout_of(records)
    fields = EXTENDED_FIELDS if is_extended(readout) else STANDARD_FIELDS
    found = [*findings, *table_6_findings(records), *missing_fields(readout, fields)]
    return Telegram("mbus", (readout,), tuple(found), data)


def no_meter_data(seen: str) -> Finding:
    """The finding for a message that says "no answer from the meter"."""
    return Finding("no-meter-data", "error", f"the message {seen} carries no meter data", "7.4.1")


def field_of(record: Record, tariff_numbers: Sequence[int] = (1, 2, 3)) -> str | None:
    """The name of the readout's field that a record gives ("tariff 1" to "tariff 3" for tariffs), or None.

    ``tariff_numbers`` are the M-Bus tariffs that count as tariff 1, 2, 3.
    """
    if record.storage or record.subunit or record.function not in ("instantaneous", "error"):
        return None
    quantity = record.quantity
    if quantity == "energy" and record.tariff:
        return f"tariff {tariff_numbers.index(record.tariff) + 1}" if record.tariff in tariff_numbers else None
    if record.tariff:
        return None
    if quantity == "energy":
        return "energy"
    if quantity in _QUANTITY_FIELDS:
        return _QUANTITY_FIELDS[quantity] if record.unit in _SUPPORTED_UNITS else None
    if quantity == "on time":
        return "missing_time" if record.function == "error" and record.unit in _SUPPORTED_UNITS else None
    if quantity in ("fabrication number", "customer number"):
        return "meter_id"
    if quantity in ("time", "error flags"):
        return quantity.replace(" ", "_")
    return None


def readout_of(
    records: Sequence[Record], *, tariff_numbers: Sequence[int] = (1, 2, 3)
) -> tuple[Readout, tuple[Finding, ...]]:
    """The readout that records give, and what is odd about the records themselves.

    Records that are no field of Tables 4 and 5 (stored values, maxima, ...) stay in ``readout.records``.
    """
    fields: dict[str, Any] = {}
    tariffs: list[Quantity | None] = [None, None, None]
    counts: Counter[str] = Counter()
    findings: list[Finding] = []
    for record in records:
        findings += record.findings
        field = field_of(record, tariff_numbers)
        if field is None:
            continue
        counts[field] += 1
        if counts[field] > 1:
            continue
        value = record.value
        if field == "time":
            if isinstance(value, datetime):
                fields["time"] = value.replace(tzinfo=UTC)
                codes = {f.code for f in record.findings}
                fields["time_valid"] = not codes & {"time-invalid", "time-reserved-bit"}
        elif not isinstance(value, Decimal):
            continue
        elif field == "meter_id":
            fields["meter_id"], finding = _identification(record, value)
            findings += [finding] if finding else []
        elif field == "error_flags":
            fields["error_flags"] = int(value)
            finding = flags_finding(int(value))
            findings += [finding] if finding else []
        elif field.startswith("tariff"):
            tariffs[int(field[-1]) - 1] = Quantity(value, record.unit)
        else:
            fields[field] = Quantity(value, record.unit)
    for field, count in counts.items():
        if count > 1:
            text = f"{_words(field)} is sent {count} times, the first one counts"
            findings.append(Finding("duplicate-record", "error", text, "Table 6"))
    return Readout(**fields, tariffs=(tariffs[0], tariffs[1], tariffs[2]), records=tuple(records)), tuple(findings)


def _identification(record: Record, value: Decimal) -> tuple[str | None, Finding | None]:
    if 0 <= value <= 99_999_999:
        return f"{int(value):08d}", None
    text = f"record {record.header} {record.data.hex().upper()}: {value} is no 8-digit identification"
    return None, Finding("meter-id", "error", text, "Table 6 DIB 2")


def is_extended(readout: Readout) -> bool:
    """Any field of Table 5 was sent."""
    fields = {field_of(r) for r in readout.records}
    return not fields.isdisjoint(("tariff 1", "tariff 2", "tariff 3", "missing_time"))


def missing_fields(readout: Readout, fields: Iterable[str]) -> list[Finding]:
    """One finding of severity error for each of ``fields`` that the readout lacks."""
    absent: list[str] = []
    for field in fields:
        if field == "tariffs":
            absent += [f"tariff {n}" for n, tariff in enumerate(readout.tariffs, 1) if tariff is None]
        elif getattr(readout, field) is None:
            absent.append(_words(field))
    return [Finding("missing-field", "error", f"{name} is missing", "Tables 4 and 5") for name in absent]


def table_6_findings(records: Sequence[Record], checked: set[bytes] | None = None) -> list[Finding]:
    """Where the records differ from what Table 6 prints: data types, VIFs, order, extra records.

    ``checked`` collects the DIF and VIF that were looked at, so that the readouts of one pack report each only once.
    """
    findings: list[Finding] = []
    checked = set() if checked is None else checked
    last, in_order = 0, True
    for record in records:
        field = field_of(record)
        if field is not None and in_order:
            number = _TABLE_6[field].number
            if number < last:
                text = f"DIB {number} ({_words(field)}) follows DIB {last}"
                findings.append(Finding("dib-order", "warning", text, "Table 6"))
                in_order = False
            last = number
        head = record.dif + record.vif
        if head in checked:
            continue
        checked.add(head)
        if field is None:
            if record.quantity != "unknown":  # an unknown VIF has its own finding
                text = f"record {record.header} ({record.quantity}) is none of the manual's"
                findings.append(Finding("extra-record", "warning", text, "Table 6"))
            continue
        row = _TABLE_6[field]
        data_field = record.dif[0] & 0x0F
        if data_field != row.data_field:
            printed = _DATA_FIELDS[row.data_field]
            text = f"{_words(field)} is sent as {_DATA_FIELDS[data_field]}, the manual prints {printed}"
            findings.append(Finding("data-type", "warning", text, f"Table 6 DIB {row.number}"))
        if record.vif not in row.vifs:
            text = (
                f"{_words(field)} is sent with VIF {record.vif.hex().upper()}, which the manual does not print for it"
            )
            findings.append(Finding("vif-not-in-manual", "warning", text, f"Table 6 DIB {row.number}"))
        if record.function == "error" and field != "missing_time":
            text = f"{_words(field)} is a value during error state (DIF {record.dif.hex().upper()})"
            findings.append(Finding("error-state", "warning", text, f"Table 6 DIB {row.number}; EN 13757-3 6.2"))
    return findings


def _words(field: str) -> str:
    return field.replace("_", " ")


@dataclass(frozen=True, slots=True)
class MeterHeader:
    """The data header of a wired answer (EN 13757-7, long header): who sends."""

    identification: str
    """8 digits; hexadecimal where the meter sends no BCD."""
    manufacturer: str
    """Three letters, "LUG" for Landis+Gyr."""
    version: int
    medium: int
    access_number: int
    status: int
    signature: int


@dataclass(frozen=True, slots=True)
class LongFrame:
    """A wired answer of a meter (RSP_UD)."""

    control: int
    address: int
    ci: int
    header: MeterHeader | None
    records: tuple[Record, ...]
    findings: tuple[Finding, ...]
    raw: bytes
    application_error: int | None = None
    """The code of an answer that says why there are no data (CI 70)."""

    @property
    def error_text(self) -> str:
        """What the meter's application error means."""
        text = _APPLICATION_ERRORS.get(self.application_error, "reserved")
        return f"application error {self.application_error}: {text}"

    @property
    def header_findings(self) -> tuple[Finding, ...]:
        """The findings that are about no record."""
        return self.findings[:len(self.findings) - sum(len(record.findings) for record in self.records)]

    @property
    def meter(self) -> tuple[int, str | None]:
        """Whose answer it is: bus address and, where it is sent, identification."""
        return self.address, self.header.identification if self.header is not None else None

    @property
    def more_follows(self) -> bool:
        """The meter has more records, in the next answer (DIF 1F)."""
        return any(r.dif == b"\x1f" for r in self.records)


def wired_telegram(frames: Sequence[LongFrame]) -> Telegram:
    """What a meter's answers on the wired bus say; an answer that announces more (DIF 1F) is joined with the next.

    An application error is a finding of severity error; a readout whose last part was not given has the finding
    ``part``. Landis+Gyr's heat meters call their tariff registers 2, 3 and 4.
    """
    readouts: list[Readout] = []
    findings = [finding for frame in frames for finding in frame.header_findings]
    for parts in _in_readouts([frame for frame in frames if frame.application_error is None]):
        header = parts[0].header
        numbers = (2, 3, 4) if header is not None and header.manufacturer == "LUG" else (1, 2, 3)
        readout, found = readout_of([one for part in parts for one in part.records], tariff_numbers=numbers)
        readouts.append(readout)
        findings += found
        if parts[-1].more_follows:
            text = "this is a part of a readout: more records follow in the next answer (DIF 1F)"
            findings.append(Finding("part", "warning", text, "EN 13757-3 DIF 1F"))
    return Telegram("mbus", tuple(readouts), tuple(findings), b"".join(frame.raw for frame in frames))


def _in_readouts(frames: Sequence[LongFrame]) -> list[list[LongFrame]]:
    """The answers that make one readout each: what follows an announcement, and comes from the same meter."""
    readouts: list[list[LongFrame]] = []
    for frame in frames:
        last = readouts[-1][-1] if readouts else None
        if last is not None and last.more_follows and last.meter == frame.meter:
            readouts[-1].append(frame)
        else:
            readouts.append([frame])
    return readouts


_APPLICATION_ERRORS: dict[int | None, str] = {
    0: "unspecified", 1: "CI field not implemented", 2: "buffer too long, truncated", 3: "too many records",
    4: "premature end of a record", 5: "more than 10 DIFEs", 6: "more than 10 VIFEs",
    8: "application too busy for a readout", 9: "too many readouts: the meter limits them",
    0x10: "access denied", 0x11: "command unknown", 0x12: "parameter missing or wrong",
    0x13: "unknown receiver address", 0x14: "decryption failed", 0x15: "encryption method not supported",
}  # fmt: skip
"""EN 13757-3 (2004) annex D, from 10 on OMS Volume 2, as public implementations print them."""

_CI_APPLICATION_ERROR = 0x70
_RSP_UD = frozenset((0x08, 0x18, 0x28, 0x38))
_HEADER_LENGTHS = {0x72: 12, 0x7A: 4, 0x78: 0}


def decode_long_frame(data: bytes) -> LongFrame:
    """A wired long frame ``68 L L 68 C A CI ... CS 16`` (EN 13757-2) with its header and records.

    An application error (CI 70) is a frame without records. Raises PayloadError when the frame is broken, is no RSP_UD,
    is encrypted, or has a fixed or unknown structure.
    """
    if len(data) < 9:
        raise PayloadError(f"a long frame has at least 9 bytes, {len(data)} came")
    if data[0] != 0x68 or data[3] != 0x68:
        raise PayloadError(f"no long frame: starts {data[:4].hex(' ').upper()}, expected 68 L L 68")
    length = data[1]
    if data[2] != length:
        raise PayloadError(f"the two lengths differ: {length} and {data[2]}")
    if len(data) != length + 6:
        raise PayloadError(f"the length {length} asks for {length + 6} bytes, {len(data)} came")
    if data[-1] != 0x16:
        raise PayloadError(f"stop byte {data[-1]:02X}, expected 16")
    body = data[4:-2]
    if sum(body) & 0xFF != data[-2]:
        raise PayloadError(f"checksum {data[-2]:02X}, expected {sum(body) & 0xFF:02X}")
    control, address, ci = body[:3]
    if control not in _RSP_UD:
        raise PayloadError(f"control field {control:02X} is no answer with data (RSP_UD)")
    if ci == _CI_APPLICATION_ERROR:
        code = body[3] if len(body) > 3 else 0      # without data it is unspecified
        error = LongFrame(control, address, ci, None, (), (), data, code)
        finding = Finding("meter-error", "error", f"the meter answers with {error.error_text}", "EN 13757-3 CI 70")
        return replace(error, findings=(finding,))
    if ci not in _HEADER_LENGTHS:
        raise PayloadError(f"CI field {ci:02X} is not supported (70, 72, 7A and 78 are)")
    header_length = _HEADER_LENGTHS[ci]
    head, application = body[3 : 3 + header_length], body[3 + header_length :]
    if len(head) < header_length:
        raise PayloadError(f"the data header has {len(head)} of {header_length} bytes")
    signature = int.from_bytes(head[-2:], "little")
    if signature & 0x1F00:
        raise PayloadError(f"the records are encrypted (configuration field {signature:04X})")
    findings: list[Finding] = []
    header = None
    if ci == 0x72:
        identification = head[3::-1].hex().upper()
        if not identification.isdecimal():
            findings.append(Finding("meter-id", "warning", f"identification {identification} is not BCD", "EN 13757-7"))
        letters = int.from_bytes(head[4:6], "little")
        manufacturer = "".join(chr(64 + (letters >> shift & 0x1F)) for shift in (10, 5, 0))
        header = MeterHeader(identification, manufacturer, head[6], head[7], head[8], head[9], signature)
    records = decode_records(application)
    findings += [f for r in records for f in r.findings]
    return LongFrame(control, address, ci, header, records, tuple(findings), data)
