"""Content formats that hold one value: plain text (0), opaque (42) and CBOR (60).

Source: OMA LightweightM2M 1.1 core, sections 7.4.1, 7.4.2 and 7.4.4, and appendix C.
"""

from __future__ import annotations

import base64
import datetime
import math
import re
from decimal import Decimal
from typing import Any

import cbor2

from bench.protocols.lwm2m_senml import integer_or_float, load_cbor, number_type
from bench.protocols.lwm2m_values import (
    Lwm2mError,
    ObjLink,
    Type,
    Value,
    check_integer,
    integer_of,
    time_to_seconds,
)

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")


_TYPE_OF_ITEM = {str: Type.STRING, bytes: Type.OPAQUE, bool: Type.BOOLEAN, datetime.datetime: Type.TIME}
"""Where nobody knows the resource."""


def encode_text(value: Value) -> bytes:
    """Plain text: true is 1, octets are base64, a time is in seconds since 1970. Raises Lwm2mError."""
    match value:
        case bool():
            text = str(int(value))
        case int():
            text = str(check_integer(value))
        case float():
            if not math.isfinite(value):
                raise Lwm2mError("plain text has no NaN and no infinities")
            text = repr(value)
        case bytes():
            text = base64.b64encode(value).decode("ascii")
        case datetime.datetime():
            text = str(time_to_seconds(value))
        case _:
            text = str(value)
    return text.encode("utf-8")


def decode_text(payload: bytes, kind: Type | None) -> Value:
    """The value that the text says. Raises Lwm2mError."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Lwm2mError(f"octet {error.start}: text is not UTF-8") from None
    match kind:
        case None | Type.STRING:
            return text
        case Type.BOOLEAN if text in ("0", "1"):
            return text == "1"
        case Type.INTEGER | Type.UNSIGNED_INTEGER | Type.TIME if _INTEGER.fullmatch(text):
            return integer_of(int(text), kind)
        case Type.FLOAT if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        case Type.OBJLNK:
            return ObjLink.parse(text)
        case Type.OPAQUE:
            try:
                return base64.b64decode(text, validate=True)
            except ValueError:
                raise Lwm2mError("text is no base64") from None
    raise Lwm2mError(f"text of {len(text)} character(s) is no {kind.value}")


def encode_opaque(value: Value) -> bytes:
    """The octets as they are. Raises Lwm2mError for any other type."""
    if not isinstance(value, bytes):
        raise Lwm2mError(f"a {type(value).__name__} has no opaque form")
    return value


def decode_opaque(payload: bytes, kind: Type | None) -> Value:
    """The octets as they are. Raises Lwm2mError for any other type."""
    if kind not in (None, Type.OPAQUE):
        raise Lwm2mError(f"opaque octets where {kind.value} is expected")
    return payload


def encode_cbor(value: Value) -> bytes:
    """One CBOR item. Raises Lwm2mError."""
    return cbor2.dumps(cbor_item(value))


def cbor_item(value: Value) -> Any:
    """What CBOR has for it: a time is an integer, an object link is text. Raises Lwm2mError."""
    match value:
        case datetime.datetime():
            return time_to_seconds(value)
        case ObjLink():
            return str(value)
        case bool():
            return value
        case int():
            return int(check_integer(value))
    return value


def decode_cbor(payload: bytes, kind: Type | None) -> Value:
    """The value of one CBOR item; a time may also carry tag 0 or 1. Raises Lwm2mError."""
    return cbor_value(load_cbor(payload), kind)


def cbor_value(item: Any, kind: Type | None) -> Value:
    """The value that a CBOR item stands for. Raises Lwm2mError."""
    if kind is None:
        kind = _TYPE_OF_ITEM.get(type(item)) or number_type(item)
    match kind, item:
        case Type.STRING, str():
            return item
        case Type.OPAQUE, bytes():
            return item
        case Type.BOOLEAN, bool():
            return item
        case Type.OBJLNK, str():
            return ObjLink.parse(item)
        case Type.TIME, datetime.datetime():
            return item
        case (Type.INTEGER | Type.UNSIGNED_INTEGER | Type.FLOAT | Type.TIME), (int() | float() | Decimal()):
            return integer_or_float(item, kind)
    raise Lwm2mError(f"CBOR holds a {type(item).__name__} where {kind.value} is expected")
