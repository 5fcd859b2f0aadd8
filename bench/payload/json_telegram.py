"""JSON telegrams: one object with the keys of manual Table 7 (RFC 8259)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn

from bench.payload.mbus import no_meter_data
from bench.payload.readout import Finding, PayloadError, Quantity, Readout, Severity, Telegram, flags_finding, quoted

_ENERGY_UNITS = ("Wh", "kWh", "MWh", "MJ", "GJ")
_STANDARD_KEYS = ("TS", "ID", "E", "U", "V", "VU", "P", "PU", "F", "FU", "FT", "TU", "RT", "RU", "EF")
_EXTENDED_KEYS = ("T1", "U1", "T2", "U2", "T3", "U3", "MT", "MU")
_QUANTITIES = (
    ("energy", "E", "U", _ENERGY_UNITS),
    ("volume", "V", "VU", ("m3", "l")),
    ("power", "P", "PU", ("W", "kW")),
    ("flow", "F", "FU", ("l/h", "m3/h")),
    ("forward_temperature", "FT", "TU", ("C",)),
    ("return_temperature", "RT", "RU", ("C",)),
)
# The manual names no unit strings for the missing time.
_MISSING_TIME_UNITS = ("h", "hours", "d", "days")
_CLAUSE = "7.4.2.2; Table 7"
_BYTE_ORDER_MARK = "\ufeff"
_WHITESPACE = " \t\r\n"
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_DIGITS = 30


class _Number(str):
    """A number as it is written, so that no digit is lost and no huge one is computed."""

    __slots__ = ()


class _Object(list[tuple[str, Any]]):
    """The pairs of an object in their order, duplicates kept."""


def _refuse_constant(name: str) -> NoReturn:
    raise PayloadError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Object, parse_float=_Number, parse_int=_Number, parse_constant=_refuse_constant
)


def decode_json(data: bytes) -> Telegram:
    """A JSON telegram: one object, one readout.

    ``{}`` is a message without meter data: no readout and a finding of severity error. Of a duplicate key the first
    one counts, except the manual's second ``U2``, which is the unit of tariff 3 (notes C07).
    Raises PayloadError when the bytes are no JSON object in UTF-8.
    """
    findings: list[Finding] = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PayloadError(f"byte {error.start}: not UTF-8") from None
    if text.startswith(_BYTE_ORDER_MARK):
        findings.append(_finding("byte-order-mark", "error", "starts with a byte order mark", "RFC 8259 8.1"))
        text = text[1:]
    start = len(text) - len(text.lstrip(_WHITESPACE))
    try:
        top, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise PayloadError(f"character {error.pos}: {error.msg}") from None
    except RecursionError:
        raise PayloadError("nested too deep") from None
    if not isinstance(top, _Object):
        raise PayloadError("the payload is JSON, but not one object")
    rest = text[end:].strip(_WHITESPACE)
    if rest:
        findings.append(
            _finding("trailing-bytes", "error", f"{len(rest)} characters follow the object: {quoted(rest)}")
        )
    if not top:
        return Telegram("json", (), (*findings, no_meter_data("{}")), data)
    fields = _unique(top, findings)
    return Telegram("json", (_readout(fields, findings),), tuple(findings), data)


def _finding(code: str, severity: Severity, text: str, clause: str = _CLAUSE) -> Finding:
    return Finding(code, severity, text, clause)


def _unique(pairs: _Object, findings: list[Finding]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    has_u3 = any(key == "U3" for key, _ in pairs)
    for key, value in pairs:
        if key == "U2" and "U2" in fields and not has_u3 and "U3" not in fields:
            fields["U3"] = value
            text = "the unit of tariff 3 has the key U2, as Table 7 prints it; U3 is meant"
            findings.append(_finding("tariff-3-unit-key", "warning", text, "Table 7 (notes C07)"))
        elif key in fields:
            text = f"key {quoted(key)} comes again, the first one counts"
            findings.append(_finding("duplicate-key", "error", text, "RFC 8259 4"))
        else:
            fields[key] = value
            if key not in _STANDARD_KEYS and key not in _EXTENDED_KEYS:
                findings.append(_finding("unknown-key", "warning", f"key {quoted(key)} is none of Table 7"))
    return fields


def _readout(fields: dict[str, Any], findings: list[Finding]) -> Readout:
    extended = any(key in fields for key in _EXTENDED_KEYS)
    wanted = _STANDARD_KEYS + (_EXTENDED_KEYS if extended else ())
    for key in wanted:
        if key not in fields:
            findings.append(_finding("missing-field", "error", f"key {key} is missing"))
    quantities: dict[str, Any] = {
        name: _quantity(fields, key, unit_key, units, findings) for name, key, unit_key, units in _QUANTITIES
    }
    tariffs = [_quantity(fields, f"T{n}", f"U{n}", _ENERGY_UNITS, findings, may_be_empty=True) for n in (1, 2, 3)]
    time = _time(fields["TS"], findings) if "TS" in fields else None
    return Readout(
        time=time,
        time_valid=time is not None,
        meter_id=_meter_id(fields["ID"], findings) if "ID" in fields else None,
        error_flags=_error_flags(fields["EF"], findings) if "EF" in fields else None,
        tariffs=(tariffs[0], tariffs[1], tariffs[2]),
        missing_time=_quantity(fields, "MT", "MU", _MISSING_TIME_UNITS, findings, may_be_empty=True),
        **quantities,
    )


def _quantity(
    fields: dict[str, Any],
    key: str,
    unit_key: str,
    units: tuple[str, ...],
    findings: list[Finding],
    *,
    may_be_empty: bool = False,
) -> Quantity | None:
    if key not in fields:
        return None
    sent = fields[key]
    if may_be_empty and (sent is None or (sent == "" and not isinstance(sent, _Number))):
        findings.append(_finding("empty-register", "info", f"{key} is empty"))
        return None
    value = _decimal(key, sent, findings)
    if value is None:
        return None
    unit = fields.get(unit_key)
    if not isinstance(unit, str) or isinstance(unit, _Number):
        if unit_key in fields:
            findings.append(_finding("wrong-type", "error", f"{unit_key} is {quoted(unit)}, expected a text"))
        return None
    if unit not in units:
        text = f"{unit_key} is {quoted(unit)}, expected {' or '.join(units)}"
        findings.append(_finding("unknown-unit", "error", text))
        if not unit.isprintable() or len(unit) > 10:
            return None
    return Quantity(value, unit)


def _decimal(key: str, sent: object, findings: list[Finding]) -> Decimal | None:
    if not isinstance(sent, _Number):
        if not isinstance(sent, str) or not _NUMBER.fullmatch(sent):
            findings.append(_finding("wrong-type", "error", f"{key} is {quoted(sent)}, expected a number"))
            return None
        findings.append(_finding("number-as-text", "warning", f"{key} is sent as the text {quoted(sent)}"))
    match = _NUMBER.fullmatch(sent)
    assert match is not None  # the JSON scanner has accepted it
    exponent = (match[3] or "e0")[1:]
    if len(sent) > _MAX_DIGITS or len(exponent) > 4 or abs(int(exponent)) > _MAX_DIGITS:
        findings.append(_finding("number-too-long", "error", f"{key} is {quoted(str(sent))}, no meter value"))
        return None
    return Decimal(sent)


def _meter_id(sent: object, findings: list[Finding]) -> str | None:
    if isinstance(sent, str) and re.fullmatch(r"[0-9]{1,8}", sent):
        if not isinstance(sent, _Number):
            findings.append(_finding("id-as-text", "info", "the meter id is sent as text, the example has a number"))
        return sent.zfill(8)
    findings.append(_finding("meter-id", "error", f"ID is {quoted(sent)}, expected up to 8 digits"))
    return None


def _time(sent: object, findings: list[Finding]) -> datetime | None:
    if not isinstance(sent, str) or isinstance(sent, _Number):
        findings.append(_finding("wrong-type", "error", f"TS is {quoted(sent)}, expected a text"))
        return None
    match = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?", sent)
    if match is None:
        findings.append(_finding("time-form", "error", f"TS is {quoted(sent)}, expected YYYY-MM-DDThh:mmZ"))
        return None
    try:
        time = datetime.fromisoformat(sent)
        in_utc = None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        findings.append(_finding("time-impossible", "error", f"TS is {quoted(sent)}: {error}"))
        return None
    if in_utc is None:
        findings.append(_finding("time-form", "error", f"TS is {quoted(sent)}, without a zone; Z is expected"))
        return None
    if match[3] != "Z":
        findings.append(_finding("time-form", "error", f"TS is {quoted(sent)}, with an offset; Z is expected"))
    if match[2]:
        findings.append(_finding("time-with-seconds", "info", f"TS is {quoted(sent)}, the example has no seconds"))
    return in_utc


def _error_flags(sent: object, findings: list[Finding]) -> int | None:
    if not isinstance(sent, str) or isinstance(sent, _Number) or not re.fullmatch(r"0[xX][0-9A-Fa-f]{1,4}", sent):
        findings.append(_finding("error-flags", "error", f"EF is {quoted(sent)}, expected 0x and up to 4 hex digits"))
        return None
    flags = int(sent, 16)
    finding = flags_finding(flags)
    findings += [finding] if finding else []
    return flags
