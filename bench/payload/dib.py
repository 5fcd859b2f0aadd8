"""Data information blocks: the records of an M-Bus telegram, decoded strictly and exactly (EN 13757-3:2018).

A record is decoded by its own DIF and VIF, never by its place in the telegram.
"""

from __future__ import annotations

import math
import struct
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from bench.payload.readout import Finding, Function, PayloadError, Record, Severity
from bench.payload.vif import KNOWN_VIFS

_FUNCTIONS: tuple[Function, ...] = ("instantaneous", "maximum", "minimum", "error")
# Bytes of data by the low nibble of the DIF; None: see _decode_one.
_LENGTHS: tuple[int | None, ...] = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, None, 6, None)
_NUMBER_KINDS = frozenset((1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14))
_BCD_KINDS = frozenset((9, 10, 11, 12, 14))
_MAX_EXTENSIONS = 10
_MAX_RECORDS = 4096
"""A telegram of the unit has 13 records, a full wired frame fewer than 128."""
_PLAIN_TEXT = (0x7C, 0xFC)

Value = Decimal | datetime | date | str | None


def decode_records(data: bytes) -> tuple[Record, ...]:
    """The records of ``data``, in the order as sent, with their findings.

    Raises PayloadError where the structure breaks (a record runs past the end, a DIF is reserved, more than ten
    extensions, more than 4096 records), because nothing after that place can be trusted.
    """
    records: list[Record] = []
    at = 0
    while at < len(data):
        if len(records) == _MAX_RECORDS:
            raise PayloadError(f"byte {at}: more than {_MAX_RECORDS} records")
        record, at = _decode_one(data, at)
        records.append(record)
    return tuple(records)


def _decode_one(data: bytes, start: int) -> tuple[Record, int]:
    size = len(data)
    dif = data[start]
    kind = dif & 0x0F
    if kind == 0x0F:
        return _special(data, start)

    at = start + 1
    storage = (dif >> 6) & 1
    tariff = subunit = 0
    extensions = 0
    more = dif & 0x80
    while more:
        if at >= size:
            raise PayloadError(
                f"byte {start}: the DIF {data[start:].hex().upper()} announces an extension that is not there"
            )
        if extensions == _MAX_EXTENSIONS:
            raise PayloadError(f"byte {start}: more than {_MAX_EXTENSIONS} DIF extensions")
        dife = data[at]
        storage |= (dife & 0x0F) << (1 + 4 * extensions)
        tariff |= ((dife >> 4) & 0x03) << (2 * extensions)
        subunit |= ((dife >> 6) & 0x01) << extensions
        more = dife & 0x80
        extensions += 1
        at += 1
    dif_bytes = data[start:at]

    vif_start = at
    if at >= size:
        raise PayloadError(f"byte {start}: no VIF after the DIF {dif_bytes.hex().upper()}")
    plain_text: str | None = None
    first = data[at]
    at += 1
    if first in _PLAIN_TEXT:
        # The length and the text of the unit stand between the VIF and its extensions.
        if at >= size or at + 1 + data[at] > size:
            raise PayloadError(f"byte {vif_start}: the plain-text VIF runs past the end")
        text_end = at + 1 + data[at]
        plain_text = data[at + 1 : text_end][::-1].decode("latin-1")
        at = text_end
    extensions = 0
    more = first & 0x80
    while more:
        if at >= size:
            raise PayloadError(
                f"byte {vif_start}: the VIF {data[vif_start:].hex().upper()} announces an extension that is not there"
            )
        if extensions == _MAX_EXTENSIONS:
            raise PayloadError(f"byte {vif_start}: more than {_MAX_EXTENSIONS} VIF extensions")
        more = data[at] & 0x80
        extensions += 1
        at += 1
    vif_bytes = data[vif_start:at]

    length = _LENGTHS[kind]
    if length is None:
        length = _variable_length(data, at)
    end = at + length
    if end > size:
        raise PayloadError(
            f"byte {start}: record {dif_bytes.hex().upper()} {vif_bytes.hex().upper()} needs {length} data bytes, "
            f"only {size - at} follow"
        )
    raw = data[at:end]

    vif = KNOWN_VIFS.get(vif_bytes)
    value: Value
    if vif is None:
        quantity, unit = "unknown", plain_text or ""
        value = _text(raw) if kind == 0x0D else None
        findings: tuple[Finding, ...] = (_unknown_vif(dif_bytes, vif_bytes, plain_text),)
    else:
        quantity, unit = vif.quantity, vif.unit
        value, findings = _value(kind, vif_bytes, raw, vif.exponent)
        if findings:
            place = f"record {dif_bytes.hex().upper()} {vif_bytes.hex().upper()} {raw.hex().upper()}"
            findings = tuple(f.at(place) for f in findings)
    record = Record(
        dif_bytes, vif_bytes, raw, _FUNCTIONS[(dif >> 4) & 3], storage, tariff, subunit, quantity, value, unit, findings
    )
    return record, end


def _special(data: bytes, start: int) -> tuple[Record, int]:
    dif = data[start : start + 1]
    if dif[0] in (0x0F, 0x1F):
        rest = data[start + 1 :]
        return Record(dif, b"", rest, "instantaneous", 0, 0, 0, "manufacturer", None, ""), len(data)
    if dif[0] == 0x2F:
        return Record(dif, b"", b"", "instantaneous", 0, 0, 0, "filler", None, ""), start + 1
    raise PayloadError(f"byte {start}: DIF {dif[0]:02X} is reserved in a telegram from a meter")


def _variable_length(data: bytes, at: int) -> int:
    """Bytes of a variable-length field including its length byte (EN 13757-3, LVAR)."""
    if at >= len(data):
        raise PayloadError(f"byte {at}: the length byte of a variable-length field is missing")
    lvar = data[at]
    for low, high in ((0x00, 0xBF), (0xC0, 0xC9), (0xD0, 0xD9), (0xE0, 0xEF)):
        if low <= lvar <= high:
            return 1 + lvar - low
    raise PayloadError(f"byte {at}: variable length {lvar:02X} is reserved")


@lru_cache(maxsize=256)
def _unknown_vif(dif: bytes, vif: bytes, plain_text: str | None) -> Finding:
    said = f" (plain text {plain_text!a})" if plain_text is not None else ""
    return Finding(
        "unknown-vif",
        "warning",
        f"record {dif.hex().upper()} {vif.hex().upper()}: unknown VIF{said}, kept raw",
        "Table 6; EN 13757-3 6.4",
    )


def _text(raw: bytes) -> str | None:
    return raw[:0:-1].decode("latin-1") if raw and raw[0] <= 0xBF else None


def _value(kind: int, vif: bytes, raw: bytes, exponent: int) -> tuple[Value, tuple[Finding, ...]]:
    if vif in (b"\x6c", b"\x6d"):
        return _time_value(kind, vif, raw)
    if vif == b"\xfd\x17":
        if kind in _NUMBER_KINDS and kind != 5 and kind not in _BCD_KINDS:
            return Decimal(int.from_bytes(raw, "little")), ()
        return None, (_no_value(f"error flags can't be read from DIF data field {kind:X}"),)
    if kind in _BCD_KINDS:
        digits = raw[::-1].hex()
        negative = digits[0] == "f"
        if negative:
            digits = digits[1:]
        if not digits.isdecimal():
            shown = raw[::-1].hex().upper()
            return None, (Finding("bcd-digit", "error", f"{shown} is not BCD", "EN 13757-3 type A"),)
        number = Decimal(-int(digits) if negative else int(digits))
    elif kind == 5:
        real = struct.unpack("<f", raw)[0]
        if not math.isfinite(real):
            return None, (_no_value(f"real number {real}"),)
        return _scaled(Decimal(real), exponent), ()
    elif kind in _NUMBER_KINDS:
        number = Decimal(int.from_bytes(raw, "little", signed=True))
    elif kind == 0x0D:
        text = _text(raw)
        return text, () if text is not None else (_no_value("variable-length number"),)
    else:
        return None, (_no_value("no data"),)
    return (number.scaleb(exponent) if exponent else number), ()


def _scaled(number: Decimal, exponent: int) -> Decimal:
    # Not scaleb: that rounds to the context's precision, and a binary real has up to 149 decimals.
    sign, digits, own = number.as_tuple()
    assert isinstance(own, int)
    return Decimal((sign, digits, own + exponent))


def _no_value(why: str) -> Finding:
    return Finding("no-value", "error", f"{why}: no value", "EN 13757-3 6.3")


def _time_value(kind: int, vif: bytes, raw: bytes) -> tuple[Value, tuple[Finding, ...]]:
    if vif == b"\x6c" and kind == 2:
        return _type_g(raw)
    if vif == b"\x6d" and kind == 4:
        return _type_f(raw)
    if vif == b"\x6d" and kind == 6:
        return _type_i(raw)
    return None, (_no_value(f"VIF {vif[0]:02X} with DIF data field {kind:X} is no date or time the bench knows"),)


def century_of(year: int, hundreds: int) -> int:
    """The full year of type F: the hundreds count from 1900; 0 with a year up to 80 means 20xx (EN 13757-3 annex A)."""
    if hundreds == 0:
        return 2000 + year if year <= 80 else 1900 + year
    return 1900 + 100 * hundreds + year


_UNSET = (b"\x00\x00", b"\xff\xff")
"""What meters send in place of a date that nobody has set (libmbus issue 123, its frames siemens_wfh21, siemens_water,
ACW_BM+m; wmbusmeters pull requests 2004, 2034)."""


def _recurs(day: int, month: int, year: int) -> bool:
    """Whether it is each day, each month or each year that is meant (EN 13757-3 annex A, types F and G)."""
    return (day == 0 and 1 <= month <= 12) or month == 15 or year == 127


def _unset(date_part: bytes, severity: Severity) -> Finding:
    """No fault of who passes it on: that a telegram lacks its own time is another finding."""
    text = "no date is set" if date_part in _UNSET else "a date that comes again and again, no single moment"
    return Finding("time-unset", severity, text, "EN 13757-3 annex A")


def _type_f(raw: bytes) -> tuple[datetime | None, tuple[Finding, ...]]:
    """Date and time in minutes (manual Table 6 DIB 1)."""
    minute, hour = raw[0] & 0x3F, raw[1] & 0x1F
    day, month = raw[2] & 0x1F, raw[3] & 0x0F
    year = (raw[3] & 0xF0) >> 1 | raw[2] >> 5
    hundreds = (raw[1] >> 5) & 0x03
    if raw[2:] in _UNSET or _recurs(day, month, year) or hour == 31 or minute == 63:
        return None, (_unset(raw[2:], "warning"),)
    findings: list[Finding] = []
    if raw[0] & 0x80:
        findings.append(
            Finding(
                "time-invalid",
                "warning",
                "bit 7: the meter marks its time as invalid",
                "Table 6 DIB 1; EN 13757-3 type F",
            )
        )
    if raw[0] & 0x40:
        findings.append(
            Finding("time-reserved-bit", "warning", "reserved bit 6 is set, read as time not valid", "Table 6 DIB 1")
        )
    if raw[1] & 0x80:
        findings.append(
            Finding(
                "summer-time", "warning", "bit 15: summer time, the manual sends standard time", "Table 6 DIB 1; 7.3.1"
            )
        )
    if year <= 99 and (hundreds > 1 or (hundreds == 0 and year > 80)):
        findings.append(
            Finding(
                "century",
                "warning",
                f"century bits {hundreds} with year {year} say {century_of(year, hundreds)}",
                "Table 6 DIB 1",
            )
        )
    # A time that is marked invalid may well be impossible too: that is then no second fault.
    severity: Severity = "warning" if raw[0] & 0x80 else "error"
    if year > 99:
        return None, (*findings, _impossible(f"year {year}", severity))
    try:
        value = datetime(century_of(year, hundreds), month, day, hour, minute)  # noqa: DTZ001 - no zone is sent
    except ValueError as error:
        return None, (*findings, _impossible(str(error), severity))
    return value, tuple(findings)


def _type_g(raw: bytes) -> tuple[date | None, tuple[Finding, ...]]:
    """Date."""
    day, month, year = raw[0] & 0x1F, raw[1] & 0x0F, (raw[1] & 0xF0) >> 1 | raw[0] >> 5
    if raw in _UNSET or _recurs(day, month, year):
        return None, (_unset(raw, "info"),)
    if year > 99:
        return None, (_impossible(f"year {year}"),)
    try:
        return date(century_of(year, 0), month, day), ()
    except ValueError as error:
        return None, (_impossible(str(error)),)


def _type_i(raw: bytes) -> tuple[datetime | None, tuple[Finding, ...]]:
    """Date and time in seconds."""
    if raw[3:5] in _UNSET:
        return None, (_unset(raw[3:5], "warning"),)
    findings: list[Finding] = []
    if raw[1] & 0x80:
        findings.append(Finding("time-invalid", "warning", "the meter marks its time as invalid", "EN 13757-3 type I"))
    if raw[0] & 0x40:
        findings.append(
            Finding("summer-time", "warning", "summer time, the manual sends standard time", "7.3.1; EN 13757-3 type I")
        )
    year = (raw[4] & 0xF0) >> 1 | raw[3] >> 5
    severity: Severity = "warning" if raw[1] & 0x80 else "error"
    if year > 99:
        return None, (*findings, _impossible(f"year {year}", severity))
    second, minute, hour = raw[0] & 0x3F, raw[1] & 0x3F, raw[2] & 0x1F
    try:
        value = datetime(2000 + year, raw[4] & 0x0F, raw[3] & 0x1F, hour, minute, second)  # noqa: DTZ001
    except ValueError as error:
        return None, (*findings, _impossible(str(error), severity))
    return value, tuple(findings)


def _impossible(why: str, severity: Severity = "error") -> Finding:
    return Finding("time-impossible", severity, f"no such date or time ({why})", "Table 6 DIB 1; EN 13757-3 annex A")
