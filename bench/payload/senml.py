"""SenML/CBOR telegrams: a pack of M-Bus readouts (manual 7.4.2.3, RFC 8428, RFC 8949)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from bench.payload.cbor import CborValue, Tag, decode_cbor
from bench.payload.dib import decode_records
from bench.payload.mbus import (
    NO_METER_DATA,
    field_of,
    is_extended,
    missing_fields,
    no_meter_data,
    readout_of,
    table_6_findings,
)
from bench.payload.readout import (
    EXTENDED_FIELDS,
    STANDARD_FIELDS,
    Finding,
    PayloadError,
    Readout,
    Severity,
    Telegram,
    quoted,
)

# SenML labels, RFC 8428 table 4.
_BASE_VERSION, _BASE_NAME, _BASE_TIME, _BASE_UNIT, _BASE_VALUE, _BASE_SUM = -1, -2, -3, -4, -5, -6
_NAME, _UNIT, _VALUE, _TIME, _DATA = 0, 1, 2, 6, 8
_OTHER_VALUES = (3, 4, 5, 7)
"""String value, Boolean value, sum, update time."""
_KNOWN_LABELS = frozenset(range(-6, 9))
_UNUSED_LABELS: tuple[tuple[int, str, Severity], ...] = (
    (_BASE_UNIT, "base unit", "warning"),
    (_UNIT, "unit", "warning"),
    (_BASE_VALUE, "base value", "error"),
    (_BASE_SUM, "base sum", "error"),
)
_VERSION_NAME = "V"

_CLAUSE = "7.4.2.3"
_RELATIVE_TIME = 1 << 28
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND, _LAST_SECOND = -62135596800, 253402300799
"""Year 1 to year 9999, what a datetime can hold."""
_SENML_VERSION = 10
_LARGEST_EXPONENT = 400
"""Of a decimal fraction: beyond it no float would go either."""
_MAX_RECORDS = 8192
"""A unit stores 8000 readouts (manual chapter 8)."""

_Map = dict[int | str, CborValue]


@dataclass(slots=True)
class _Base:
    """The base fields in force, which hold for their own record and all that follow."""

    name: str | None = None
    time: int | None = None


def decode_senml(data: bytes) -> Telegram:
    """A SenML pack in CBOR with M-Bus data values.

    Raises PayloadError when the bytes are no CBOR array of maps, announce more than they hold, or name an encoder type
    or version other than 0/0 (the manual: parsing shall stop with an error). A record whose data value breaks keeps its
    time and identity and gets a finding of severity error, so that the other readouts are not lost.
    """
    pack, found = decode_cbor(data)
    findings = list(found)
    if not isinstance(pack, list):
        raise PayloadError("a SenML pack is a CBOR array; this item is not")
    if not pack:
        raise PayloadError("the SenML pack is empty")
    if len(pack) > _MAX_RECORDS:
        raise PayloadError(f"the SenML pack has {len(pack)} records, the unit stores no more than 8000 readouts")
    maps: list[_Map] = []
    for n, item in enumerate(pack, 1):
        if not isinstance(item, dict):
            raise PayloadError(f"record {n} of the pack is no map")
        maps.append(item)

    _check_versions(maps, findings)
    base = _Base()
    readouts: list[Readout] = []
    checked: set[bytes] = set()
    for n, record in enumerate(maps, 1):
        found_here: list[Finding] = []
        _update_base(base, record, found_here, first=n == 1)
        if not _is_additional(record, found_here):
            readouts.append(_readout(record, base, found_here, checked, first=n == 1))
        findings += [f.at(f"record {n}") for f in found_here]
    findings += _check_pack(readouts)
    return Telegram("senml-cbor", tuple(readouts), tuple(findings), data)


def _finding(code: str, severity: Severity, text: str, clause: str = _CLAUSE) -> Finding:
    return Finding(code, severity, text, clause)


def _integer(value: CborValue, what: str, findings: list[Finding]) -> int | None:
    """An integer field, in any form that RFC 8428 section 6 gives to numbers: integer, float, decimal fraction. What is
    no plain integer but has no fraction is taken with a finding."""
    whole = _whole(value)
    if whole is None:
        findings.append(_finding("wrong-type", "error", f"{what} is {quoted(value)}, expected an integer"))
    elif isinstance(value, float):
        findings.append(_finding("integer-as-real", "warning", f"{what} is sent as a real number"))
    elif isinstance(value, Tag):
        findings.append(_finding("integer-as-decimal-fraction", "warning", f"{what} is sent as {quoted(value)}"))
    return whole


def _whole(value: CborValue) -> int | None:
    """The whole number that a CBOR item stands for; None where it is no number, has a fraction or no end."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case Tag(4, [int(exponent), int(mantissa)]) if (
                not isinstance(exponent, bool) and not isinstance(mantissa, bool)
                and abs(exponent) <= _LARGEST_EXPONENT):
            scaled = mantissa * Fraction(10) ** exponent
            return int(scaled) if scaled.denominator == 1 else None
    return None


def _check_versions(maps: list[_Map], findings: list[Finding]) -> None:
    """The encoder type and version: 0/0 or absent, else PayloadError, before any data is read."""
    versions = [(n, m) for n, m in enumerate(maps, 1) if m.get(_NAME) == _VERSION_NAME]
    for n, record in versions:
        found: list[Finding] = []
        value = _integer(sent := record.get(_VALUE), "the version", found)
        if value is None:
            raise PayloadError(f"record {n}: the encoder version has no integer value, it is {quoted(sent)}")
        findings += [finding.at(f"record {n}") for finding in found]
        if not 0 <= value <= 0xFFFF:
            raise PayloadError(f"record {n}: encoder version {quoted(value)} is no UINT16")
        if value:
            raise PayloadError(
                f"record {n}: unknown encoder type {value >> 8}, version {value & 0xFF}; only 0, 0 is defined"
            )
        if _TIME in record:
            text = f"record {n}: the version record has a time (label {_TIME})"
            findings.append(_finding("version-record-time", "error", text))
        for label in (_UNIT, _DATA, *_OTHER_VALUES):
            if label in record:
                text = f"record {n}: the version record has label {label}"
                findings.append(_finding("version-record-label", "warning", text))
    if len(versions) > 1:
        findings.append(_finding("duplicate-version", "error", f"{len(versions)} version records"))


def _update_base(base: _Base, record: _Map, findings: list[Finding], *, first: bool) -> None:
    if _BASE_VERSION in record:
        version = record[_BASE_VERSION]
        if isinstance(version, int) and version >= _RELATIVE_TIME:
            text = f"label -1 holds {version}, which looks like a time; -1 is the base version, base time is -3"
            findings.append(_finding("base-time-label", "error", text, "7.4.2.3; RFC 8428 table 4 (notes C04)"))
        elif version == _SENML_VERSION:
            findings.append(_finding("base-version", "info", "base version 10 is sent", "RFC 8428 4.4"))
        else:
            text = f"base version {quoted(version)}, expected 10 or none"
            findings.append(_finding("base-version", "error", text, "RFC 8428 4.4"))
    for unused, name, severity in _UNUSED_LABELS:
        if unused in record:
            text = f"{name} (label {unused}) is not used by the manual"
            findings.append(_finding("unit-or-base-value", severity, text))
    for label in record:
        if label in _KNOWN_LABELS:
            continue
        must = isinstance(label, str) and label.endswith("_")
        text = f"unknown label {quoted(label)}" + (", which must be understood" if must else ", ignored")
        findings.append(_finding("unknown-label", "error" if must else "info", text, "RFC 8428 4.4"))

    if _BASE_NAME in record:
        name_sent = _base_name(record[_BASE_NAME], findings)
        if not first:
            other = base.name is not None and name_sent != base.name
            text = "another meter's base name" if other else "base name again; it belongs into the first record"
            findings.append(_finding("several-meters" if other else "base-field-repeated", "error", text))
        base.name = name_sent
    elif first:
        findings.append(_finding("base-name-missing", "error", "no base name (label -2), so no meter id"))
    if _BASE_TIME in record:
        if not first:
            findings.append(
                _finding("base-field-repeated", "error", "base time again; it belongs into the first record")
            )
        base.time = _integer(record[_BASE_TIME], "base time", findings)
    elif first:
        findings.append(_finding("base-time-missing", "error", "no base time (label -3)", "7.4.2.3; RFC 8428 table 4"))


def _base_name(value: CborValue, findings: list[Finding]) -> str | None:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{8}", value):
            findings.append(_finding("base-name", "error", f"base name {quoted(value)} is not 8 digits (notes C44)"))
        return value if re.fullmatch(r"[\x21-\x7e]{1,32}", value) else None
    if isinstance(value, bytes) and len(value) == 4 and value[::-1].hex().isdecimal():
        text = f"base name is the byte string {value.hex().upper()}, the manual's example is text (notes C44)"
        findings.append(_finding("base-name", "error", text))
        return value[::-1].hex()
    findings.append(_finding("base-name", "error", f"base name is {quoted(value)}, expected a text of 8 digits"))
    return None


def _is_additional(record: _Map, findings: list[Finding]) -> bool:
    """A named record carries no readout: the version, or something to be ignored."""
    if _NAME not in record:
        return False
    name = record[_NAME]
    if name == _VERSION_NAME:
        return True
    if not isinstance(name, str) or not name:
        findings.append(_finding("record-name", "error", f"record name {quoted(name)}, expected a text"))
        return bool(name)
    if re.fullmatch(r"[0-9A-Fa-f]*", name):
        text = f"record name {quoted(name)} needs a character that is no hexadecimal digit"
        findings.append(_finding("record-name", "error", text))
    findings.append(_finding("unknown-record", "info", f"additional record {quoted(name)} is ignored"))
    return True


def _readout(record: _Map, base: _Base, findings: list[Finding], checked: set[bytes], *, first: bool) -> Readout:
    time, valid = _time(record, base, findings, first=first)
    readout = Readout(time=time, time_valid=valid, meter_id=base.name)
    for label in (_VALUE, *_OTHER_VALUES):
        if label in record:
            findings.append(_finding("unexpected-label", "warning", f"label {label} in a measurement record"))
    if _DATA not in record:
        findings.append(_finding("data-missing", "error", "no data value (label 8)"))
        return readout
    data = record[_DATA]
    if not isinstance(data, bytes):
        findings.append(_finding("wrong-type", "error", f"data value is {quoted(data)}, expected a byte string"))
        return readout
    if not data:
        findings.append(_finding("data-missing", "error", "the data value is empty"))
        return readout
    if data == NO_METER_DATA:
        findings.append(no_meter_data(data.hex(" ").upper()))
        return readout
    try:
        records = decode_records(data)
    except PayloadError as error:
        findings.append(_finding("data-broken", "error", f"data value: {error}", "7.4.2.3; Table 6"))
        return readout
    inner, found = readout_of(records)
    findings += found
    findings += table_6_findings(records, checked)
    if inner.time is not None:
        same = inner.time == time
        text = f"date and time are in the data value too, {'the same' if same else f'{inner.time:%Y-%m-%dT%H:%MZ}'}"
        findings.append(_finding("time-in-data", "warning" if same else "error", text, "7.4.2.3 (notes U26)"))
    if inner.meter_id is not None:
        same = inner.meter_id == base.name
        text = f"the meter id is in the data value too, {'the same' if same else inner.meter_id}"
        findings.append(_finding("id-in-data", "warning" if same else "error", text, "7.4.2.3 (notes U26)"))
    return replace(inner, time=time, time_valid=valid, meter_id=base.name)


def _time(record: _Map, base: _Base, findings: list[Finding], *, first: bool) -> tuple[datetime | None, bool]:
    offset: int | None = 0
    if _TIME in record:
        offset = _integer(record[_TIME], "time", findings)
        if offset is not None and offset > 0:
            findings.append(_finding("time-after-base", "info", f"time {offset} s after the base time (notes U06)"))
    elif not first:
        findings.append(_finding("time-missing", "error", "no time (label 6), read as the base time"))
    if base.time is None or offset is None:
        return None, False
    seconds = base.time + offset
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        findings.append(_finding("time-impossible", "error", f"{quoted(seconds)} s is no time between year 1 and 9999"))
        return None, False
    if seconds < _RELATIVE_TIME:
        text = f"{seconds} is below 2^28 and so a relative time; the meter's clock may not be set"
        findings.append(_finding("relative-time", "error", text, "RFC 8428 4.5.3"))
    return _EPOCH + timedelta(seconds=seconds), seconds >= _RELATIVE_TIME


def _check_pack(readouts: list[Readout]) -> list[Finding]:
    """What holds for the pack as a whole: content of the first readout, equal structure of the rest, distinct times."""
    if not readouts:
        return [_finding("no-readout", "error", "the pack has no measurement record")]
    findings: list[Finding] = []
    inside = [
        f for f in (EXTENDED_FIELDS if is_extended(readouts[0]) else STANDARD_FIELDS) if f not in ("time", "meter_id")
    ]
    if readouts[0].records:
        findings += [f.at("readout 1") for f in missing_fields(readouts[0], inside)]
    structures = [tuple(field_of(r) for r in readout.records) for readout in readouts]
    for n, (readout, structure) in enumerate(zip(readouts, structures, strict=True), 1):
        if n == 1 or not readout.records:
            continue
        findings += [f.at(f"readout {n}") for f in missing_fields(readout, ["energy"])]
        extra = [field for field in structure if field is not None and field not in structures[0]]
        if extra and structures[0]:
            text = f"readout {n} carries {', '.join(extra)}, which the first one does not"
            findings.append(_finding("structure", "warning", text, "7.4.2.3 (notes C13)"))
        if n > 2 and structures[1] and structure != structures[1]:
            text = f"readout {n} has other fields than readout 2"
            findings.append(_finding("structure", "warning", text, "7.4.2.3 (notes C13)"))
    times: dict[datetime, int] = {}
    for n, readout in enumerate(readouts, 1):
        if readout.time is not None and (earlier := times.setdefault(readout.time, n)) != n:
            text = f"readouts {earlier} and {n} have the same time {readout.time:%Y-%m-%dT%H:%M:%SZ}"
            findings.append(_finding("duplicate-time", "error", text))
    return findings
