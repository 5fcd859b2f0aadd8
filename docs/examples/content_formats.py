"""What LwM2M 1.1 packs values in, as far as the example device needs it: TLV, SenML JSON, SenML CBOR, plain text."""

from __future__ import annotations

import json
import re
import struct
from itertools import groupby
from typing import Any

import cbor2
from aiocoap import Message
from aiocoap.numbers import codes
from aiocoap.numbers.codes import Code

TEXT, LINKS, SENML_JSON, SENML_CBOR, TLV = 0, 40, 110, 112, 11542
Path = tuple[int, ...]
Values = dict[Path, Any]
"""By the paths of resources, or of instances of resources."""


class Refused(Exception):  # noqa: N818 - reads as a sentence
    def __init__(self, code: Code) -> None:
        self.code = code


def raw(value: Any) -> bytes:
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, int):
        width = next(width for width in (1, 2, 4, 8) if -1 << 8 * width - 1 <= value < 1 << 8 * width - 1)
        return int(value).to_bytes(width, "big", signed=True)
    return value.encode() if isinstance(value, str) else bytes(value)


def to_tlv(values: Values, depth: int) -> bytes:
    """What is below ``depth`` numbers of the paths: instances of an object, resources, or instances of one."""
    octets = b""
    for number, group in groupby(sorted(values), lambda path: path[depth]):
        below = {path: values[path] for path in group}
        path, value = next(iter(below.items()))
        is_value = len(path) == depth + 1
        kind = (3 if depth == 2 else 1) if is_value else (0, 0, 2)[depth]
        content = raw(value) if is_value else to_tlv(below, depth + 1)
        size, wide = len(content), number > 255
        width = 0 if size < 8 else 1 if size < 256 else 2
        octets += bytes([kind << 6 | wide << 5 | width << 3 | (0 if width else size)]) + number.to_bytes(
            1 + wide, "big") + (size.to_bytes(width, "big") if width else b"") + content
    return octets


def from_tlv(octets: bytes) -> dict[int, bytes]:
    """Resources with one value; what has several is left out, for none of this device's can be written."""
    found = {}
    while octets:
        kind, wide, width = octets[0] >> 6, octets[0] >> 5 & 1, octets[0] >> 3 & 3
        body = 2 + wide + width
        end = body + (int.from_bytes(octets[2 + wide:body], "big") if width else octets[0] & 7)
        if len(octets) < end:
            raise Refused(codes.BAD_REQUEST)
        if kind == 3:
            found[int.from_bytes(octets[1:2 + wide], "big")] = octets[body:end]
        octets = octets[end:]
    return found


def typed(value: Any, like: Any) -> Any:
    """A value of the type of ``like``: from octets of TLV, characters of a text, or what SenML has."""
    try:
        match value, like:
            case str(), bool():
                value = {"0": False, "1": True}[value]
            case str(), int() | float():
                value = type(like)(value) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else None
            case bytes(), bool():
                value = {b"\0": False, b"\1": True}[value]
            case bytes(), int():
                value = struct.unpack({1: ">b", 2: ">h", 4: ">i", 8: ">q"}[len(value)], value)[0]
            case bytes(), float():
                value = struct.unpack({4: ">f", 8: ">d"}[len(value)], value)[0]
            case bytes(), str():
                value = value.decode()
        if type(value) is type(like):
            return value
    except (ValueError, KeyError):
        pass
    raise Refused(codes.BAD_REQUEST)


LABELS = {"bn": -2, "n": 0, "v": 2, "vs": 3, "vb": 4, "vd": 8}


def to_senml(values: Values, *, as_cbor: bool) -> bytes:
    records = [{"n": "/" + "/".join(map(str, path)), {bool: "vb", str: "vs", bytes: "vd"}.get(type(value), "v"): value}
               for path, value in values.items()]
    return cbor2.dumps([{LABELS[key]: one for key, one in record.items()} for record in records]) if as_cbor else \
        json.dumps(records).encode()


def from_senml(request: Message) -> Values:
    if request.opt.content_format not in (SENML_JSON, SENML_CBOR):
        raise Refused(codes.UNSUPPORTED_CONTENT_FORMAT)
    names, base, found = {number: name for name, number in LABELS.items()}, "", {}
    try:
        for record in (json if request.opt.content_format == SENML_JSON else cbor2).loads(request.payload):
            known = {names.get(key, key): value for key, value in record.items()}
            base = known.get("bn", base)
            found[numbers(base + known.get("n", ""))] = next(
                (known[key] for key in ("v", "vs", "vb", "vd") if key in known), None)
    except (ValueError, AttributeError, TypeError, cbor2.CBORDecodeError):
        raise Refused(codes.BAD_REQUEST) from None
    return found


def numbers(path: str) -> Path:
    return tuple(int(part) for part in path.split("/") if part)


def is_below(path: Path, above: Path) -> bool:
    return path[:len(above)] == above
