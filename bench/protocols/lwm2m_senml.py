"""SenML in JSON (content format 110) and in CBOR (112), as LwM2M uses it.

Source: RFC 8428, and OMA LightweightM2M 1.1 core, sections 7.4.4 and 7.4.5. Names are base name and name put
together as they stand; peers differ in which of the two has the slash.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

import cbor2

from bench.protocols.lwm2m_values import (
    Lwm2mError,
    ObjLink,
    Path,
    Type,
    TypeOf,
    Value,
    Values,
    check_integer,
    check_under,
    integer_of,
    time_to_seconds,
)

_CBOR_LABELS = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6,
                "n": 0, "u": 1, "v": 2, "s": 5, "t": 6, "ut": 7, "vs": 3, "vb": 4, "vd": 8}
_CBOR_NAMES = {label: name for name, label in _CBOR_LABELS.items()}
_VALUES = ("v", "vs", "vb", "vd", "vlo")
_TYPE_OF_LABEL = {"vs": Type.STRING, "vb": Type.BOOLEAN, "vd": Type.OPAQUE, "vlo": Type.OBJLNK}
_SUPPORTED_VERSION = 10
_RELATIVE_TIME_LIMIT = 2**28
"""Times below it count from now (RFC 8428 section 4.5.3)."""


@dataclass(frozen=True, slots=True)
class Record:
    """A value with its time: seconds since 1970 UTC, or relative to now where below 2**28; None where not given."""

    path: Path
    value: Value
    time: float | None = None

    @property
    def is_time_relative(self) -> bool:
        """Whether ``time`` counts from the moment of sending."""
        return self.time is not None and self.time < _RELATIVE_TIME_LIMIT


def encode(values: Values, base: Path, *, cbor: bool) -> bytes:
    """``values`` below ``base``, in the order of their paths, without times. Raises Lwm2mError."""
    return encode_records([Record(path, values[path]) for path in sorted(values)], base, cbor=cbor)


def encode_records(records: list[Record], base: Path, *, cbor: bool) -> bytes:
    """The pack of ``records`` in their order; the first one carries the base name. Raises Lwm2mError."""
    alone = len(records) == 1 and records[0].path == base
    pack: list[dict[Any, Any]] = []
    for record in records:
        check_under(record.path, base)
        entry: dict[Any, Any] = {}
        if not pack:
            entry["bn"] = str(base) if alone or not base else f"{base}/"
        if not alone:
            entry["n"] = "/".join(map(str, record.path[len(base):]))
        if record.time is not None:
            entry["t"] = int(record.time) if float(record.time).is_integer() else record.time
        label, content = _content(record.value, cbor=cbor)
        entry[label] = content
        pack.append(entry)
    if cbor:
        return cbor2.dumps([{_CBOR_LABELS.get(name, name): content for name, content in entry.items()}
                            for entry in pack])
    return json.dumps(pack, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def decode(payload: bytes, base: Path, type_of: TypeOf, *, cbor: bool) -> dict[Path, Value]:
    """The values of a pack. Raises Lwm2mError, also when a path occurs twice (then use ``decode_records``)."""
    found: dict[Path, Value] = {}
    for record in decode_records(payload, base, type_of, cbor=cbor):
        if record.path in found:
            raise Lwm2mError(f"{record.path} occurs twice")
        found[record.path] = record.value
    return found


def encode_paths(paths: Iterable[Path], *, cbor: bool) -> bytes:
    """A pack of names without values, as Read-Composite and Observe-Composite take it."""
    if cbor:
        return cbor2.dumps([{_CBOR_LABELS["n"]: str(path)} for path in paths])
    return json.dumps([{"n": str(path)} for path in paths], separators=(",", ":")).encode("ascii")


def decode_paths(payload: bytes, *, cbor: bool) -> list[Path]:
    """The names of a pack without values. Raises Lwm2mError naming the record."""
    paths = []
    base_name = ""
    for number, entry in enumerate(_pack(payload, cbor=cbor)):
        try:
            entry = _named(entry) if cbor else entry
            _refuse_unknown(entry)
            if any(label in entry for label in _VALUES):
                raise Lwm2mError("a value where only names belong")
            base_name = _text(entry, "bn", base_name)
            paths.append(Path.parse(base_name + _text(entry, "n", "")))
        except Lwm2mError as error:
            raise Lwm2mError(f"SenML record {number}: {error}") from None
    return paths


def decode_records(payload: bytes, base: Path, type_of: TypeOf, *, cbor: bool) -> list[Record]:
    """The records of a pack in their order, with their times. Raises Lwm2mError naming the record."""
    pack = _pack(payload, cbor=cbor)
    records = []
    base_name, base_time = "", 0.0
    has_base_time = False
    for number, entry in enumerate(pack):
        try:
            entry = _named(entry) if cbor else entry
            _refuse_unknown(entry)
            base_name = _text(entry, "bn", base_name)
            if "bt" in entry:
                base_time, has_base_time = _number(entry, "bt"), True
            present = [label for label in _VALUES if label in entry]
            if len(present) != 1:
                raise Lwm2mError(f"{len(present)} values, expected one of {', '.join(_VALUES)}")
            path = check_under(Path.parse(base_name + _text(entry, "n", "")), base)
            value = _value(present[0], entry[present[0]], type_of(path.resource), cbor=cbor)
            time = base_time + _number(entry, "t") if has_base_time or "t" in entry else None
        except Lwm2mError as error:
            raise Lwm2mError(f"SenML record {number}: {error}") from None
        records.append(Record(path, value, time))
    return records


def _pack(payload: bytes, *, cbor: bool) -> list[dict[Any, Any]]:
    pack = load_cbor(payload) if cbor else load_json(payload)
    if not isinstance(pack, list) or not all(isinstance(entry, dict) for entry in pack):
        raise Lwm2mError("a SenML pack is an array of maps")
    return pack


def load_json(payload: bytes) -> Any:
    """JSON in UTF-8 without duplicate keys, NaN and infinities. Raises Lwm2mError."""
    try:
        return json.loads(payload.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except Lwm2mError:
        raise
    except (ValueError, RecursionError) as error:
        where = f"octet {error.start}: " if isinstance(error, UnicodeDecodeError) else ""
        what = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        where = f"character {error.pos}: " if isinstance(error, json.JSONDecodeError) else where
        raise Lwm2mError(f"{where}no JSON ({what})") from None


def number_type(number: Any) -> Type:
    """What a number is when nobody knows its resource."""
    if isinstance(number, float | Decimal):
        return Type.FLOAT
    return Type.UNSIGNED_INTEGER if isinstance(number, int) and number >= 2**63 else Type.INTEGER


_LARGEST_EXPONENT = 400
"""Of a decimal fraction (CBOR tag 4): beyond it lies no Float, and its digits would fill the memory."""


def _without_tag(number: Decimal) -> int | float:
    """A decimal fraction as the plain number that it is. Raises Lwm2mError for one beyond all floats."""
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise Lwm2mError("a decimal fraction beyond all numbers of LwM2M")
    whole, divisor = number.as_integer_ratio()
    return whole if divisor == 1 else float(number)


def integer_or_float(number: Any, kind: Type) -> Value:
    """A number of JSON or CBOR as Integer, Unsigned Integer, Float or Time. Raises Lwm2mError."""
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        raise Lwm2mError(f"no number where {kind.value} is expected")
    if isinstance(number, Decimal):
        number = _without_tag(number)
    if kind is Type.FLOAT:
        try:
            return float(number)
        except OverflowError:
            raise Lwm2mError("number is too large for a Float") from None
    if kind not in (Type.INTEGER, Type.UNSIGNED_INTEGER, Type.TIME):
        raise Lwm2mError(f"a number where {kind.value} is expected")
    if isinstance(number, float) and not number.is_integer():
        raise Lwm2mError(f"a fraction where {kind.value} is expected")
    return integer_of(int(number), kind)


def _content(value: Value, *, cbor: bool) -> tuple[str, Any]:
    match value:
        case bool():
            return "vb", value
        case int():
            return "v", check_integer(value)
        case float():
            if not cbor and not math.isfinite(value):
                raise Lwm2mError("JSON has no NaN and no infinities")
            return "v", value
        case str():
            return "vs", value
        case bytes():
            return "vd", value if cbor else base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
        case ObjLink():
            return "vlo", str(value)
        case datetime.datetime():
            return "v", time_to_seconds(value)
    raise Lwm2mError(f"a {type(value).__name__} is no LwM2M value")


def _value(label: str, content: Any, kind: Type | None, *, cbor: bool) -> Value:
    if cbor and kind in (Type.TIME, None) and isinstance(content, datetime.datetime):
        return content    # tag 0 or 1, as LwM2M 1.1 (table C.1) writes a Time, under whichever label
    if kind is None:
        kind = number_type(content) if label == "v" else _TYPE_OF_LABEL[label]
    if label == "v":
        return integer_or_float(content, kind)
    match label, content, kind:
        case "vs", str(), Type.STRING:
            return content
        case "vb", bool(), Type.BOOLEAN:
            return content
        case "vd", bytes(), Type.OPAQUE if cbor:
            return content
        case "vd", str(), Type.OPAQUE if not cbor:
            return _from_base64url(content)
        case "vlo", str(), Type.OBJLNK:
            return ObjLink.parse(content)
    raise Lwm2mError(f"{label} with a {type(content).__name__} where {kind.value} is expected")


def _from_base64url(text: str) -> bytes:
    try:
        octets = text.rstrip("=").encode("ascii")
        if b"+" in octets or b"/" in octets:
            raise binascii.Error
        return base64.b64decode(octets + b"=" * (-len(octets) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise Lwm2mError("vd is no base64url") from None


def load_cbor(payload: bytes) -> Any:
    """One CBOR item that fills the payload, without duplicate keys. Raises Lwm2mError."""
    try:
        return cbor2.loads(payload, allow_duplicate_keys=False)
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise Lwm2mError(f"no CBOR ({type(error).__name__}: {error})") from None


def _named(entry: dict[Any, Any]) -> dict[str, Any]:
    """A CBOR record by the names of JSON; labels nobody knows are left out (RFC 8428 section 4.4)."""
    named: dict[str, Any] = {}
    for label, content in entry.items():
        if isinstance(label, bool) or not isinstance(label, int | str):
            raise Lwm2mError(f"a {type(label).__name__} as label")
        name = label if isinstance(label, str) else _CBOR_NAMES.get(label)
        if name in _CBOR_LABELS and isinstance(label, str):
            raise Lwm2mError(f"label {name!r} must be the integer {_CBOR_LABELS[name]} in CBOR")
        if name is not None:
            named[name] = content
    return named


def _refuse_unknown(entry: dict[str, Any]) -> None:
    for label in entry:
        if label.endswith("_"):
            raise Lwm2mError(f"label {label[:40]!r} must be understood (it ends with _)")
    if "bv" in entry or "bs" in entry:
        raise Lwm2mError("base values and base sums are not used by LwM2M")
    if "bver" in entry and not (isinstance(entry["bver"], int) and entry["bver"] <= _SUPPORTED_VERSION):
        raise Lwm2mError(f"SenML version is not {_SUPPORTED_VERSION}")


def _text(entry: dict[str, Any], label: str, default: str) -> str:
    text = entry.get(label, default)
    if not isinstance(text, str):
        raise Lwm2mError(f"{label} holds a {type(text).__name__}")
    return text


def _number(entry: dict[str, Any], label: str) -> float:
    number = entry.get(label, 0)
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        what = "date/time (tag 0 or 1)" if isinstance(number, datetime.datetime) else type(number).__name__
        raise Lwm2mError(f"{label} holds a {what}")
    if isinstance(number, Decimal):
        number = _without_tag(number)
    try:
        if not math.isfinite(number):
            raise OverflowError
        return float(number) if isinstance(number, float) else number
    except OverflowError:
        raise Lwm2mError(f"{label} is no finite number") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Lwm2mError("a JSON object has a key twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise Lwm2mError(f"{name} is no JSON")
