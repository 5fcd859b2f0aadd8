"""OMA TLV (content format 11542).

Source: OMA LightweightM2M 1.1 core, section 7.4.3. All integers are big endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby

from bench.protocols.lwm2m_values import (
    Lwm2mError,
    ObjLink,
    Path,
    Type,
    TypeOf,
    Unsigned,
    Value,
    Values,
    check_integer,
    integer_of,
    time_to_seconds,
    type_of_value,
)


class Kind(IntEnum):
    """Bits 7 and 6 of the type octet."""

    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE_RESOURCE = 2
    RESOURCE = 3


@dataclass(frozen=True, slots=True)
class Tlv:
    """One entry; ``position`` is where it began in the payload."""

    kind: Kind
    identifier: int
    value: bytes
    position: int = 0
    value_position: int = 0


def encode(values: Values, base: Path) -> bytes:
    """``values`` as they lie below ``base``, in the order of their paths. Raises Lwm2mError."""
    ordered = sorted(values.items())
    match len(base):
        case 1:
            return b"".join(_entry(Kind.OBJECT_INSTANCE, instance, _resources(group))
                            for instance, group in _grouped(ordered, 1))
        case 2 | 3:
            return _resources(ordered)
        case 4:
            return b"".join(_entry(Kind.RESOURCE_INSTANCE, path[3], encode_value(value))
                            for path, value in ordered)
    raise Lwm2mError("TLV has no form for the root path")


def encode_instance(path: Path) -> bytes:
    """The object instance ``path`` (two ids) with no resources in it."""
    return _entry(Kind.OBJECT_INSTANCE, path[1], b"")


def decode(payload: bytes, base: Path, type_of: TypeOf) -> dict[Path, Value]:
    """The values of ``payload``, which answers or writes ``base``. Raises Lwm2mError naming the octet."""
    if not base:
        raise Lwm2mError("TLV has no form for the root path")
    found: dict[Path, Value] = {}

    def add(path: Path, entry: Tlv) -> None:
        if path in found:
            raise Lwm2mError(f"octet {entry.position}: {path} occurs twice")
        if not path.is_under(base):
            raise Lwm2mError(f"octet {entry.position}: {path} is not under {base}")
        try:
            found[path] = decode_value(entry.value, type_of(path.resource) or Type.OPAQUE)
        except Lwm2mError as error:
            raise Lwm2mError(f"octet {entry.value_position}: {path}: {error}") from None

    def add_resource(instance: Path, entry: Tlv) -> None:
        match entry.kind:
            case Kind.RESOURCE:
                add(instance / entry.identifier, entry)
            case Kind.MULTIPLE_RESOURCE:
                for inner in entries(entry.value, entry.value_position):
                    if inner.kind is not Kind.RESOURCE_INSTANCE:
                        raise Lwm2mError(f"octet {inner.position}: {_name(inner)} inside a multiple resource")
                    add(instance / entry.identifier / inner.identifier, inner)
            case _:
                raise Lwm2mError(f"octet {entry.position}: {_name(entry)} where a resource belongs")

    for entry in entries(payload):
        if entry.kind is Kind.OBJECT_INSTANCE:
            instance = Path(base[0], entry.identifier)
            if not instance.is_under(Path(*base[:2])):
                raise Lwm2mError(f"octet {entry.position}: {instance} is not under {base}")
            for inner in entries(entry.value, entry.value_position):
                add_resource(instance, inner)
        elif entry.kind is Kind.RESOURCE_INSTANCE and len(base) >= 3:
            add(base.resource / entry.identifier, entry)
        else:
            # Resources right below an object are those of its only instance (LwM2M 1.0).
            add_resource(Path(*base[:2]) if len(base) > 1 else Path(base[0], 0), entry)
    return found


def entries(payload: bytes, offset: int = 0) -> Iterator[Tlv]:
    """The entries of one level; ``offset`` is where ``payload`` begins, for error texts. Raises Lwm2mError."""
    position = 0
    while position < len(payload):
        start = position
        octet = payload[position]
        position += 1
        identifier_size = 2 if octet & 0x20 else 1
        length_size = octet >> 3 & 3
        header = payload[position:position + identifier_size + length_size]
        if len(header) < identifier_size + length_size:
            raise Lwm2mError(f"octet {offset + position}: the header of a TLV entry is cut off")
        identifier = int.from_bytes(header[:identifier_size], "big")
        length = int.from_bytes(header[identifier_size:], "big") if length_size else octet & 7
        position += len(header)
        value = payload[position:position + length]
        if len(value) < length:
            raise Lwm2mError(f"octet {offset + position}: TLV entry {identifier} needs {length} octet(s), "
                             f"{len(value)} left")
        yield Tlv(Kind(octet >> 6), identifier, value, offset + start, offset + position)
        position += length


def encode_value(value: Value) -> bytes:
    """The octets of one value, integers and floats in the shortest form that keeps them. Raises Lwm2mError."""
    match value:
        case bool():
            return bytes([value])
        case int():
            return _integer(value)
        case float():
            return _float(value)
        case str():
            return value.encode("utf-8", "strict")
        case bytes():
            return value
        case ObjLink():
            return struct.pack(">HH", value.object_id, value.instance_id)
    type_of_value(value)
    return _integer(time_to_seconds(value))


def decode_value(octets: bytes, kind: Type) -> Value:
    """The value that ``octets`` hold as ``kind``. Raises Lwm2mError."""
    size = len(octets)
    match kind:
        case Type.STRING:
            try:
                return octets.decode("utf-8")
            except UnicodeDecodeError as error:
                raise Lwm2mError(f"String is not UTF-8 at its octet {error.start}") from None
        case Type.OPAQUE:
            return octets
        case Type.INTEGER | Type.UNSIGNED_INTEGER | Type.TIME:
            if size not in (1, 2, 4, 8):
                raise Lwm2mError(f"{kind.value} has {size} octet(s), allowed are 1, 2, 4 and 8")
            return integer_of(int.from_bytes(octets, "big", signed=kind is not Type.UNSIGNED_INTEGER), kind)
        case Type.FLOAT:
            if size not in (4, 8):
                raise Lwm2mError(f"Float has {size} octet(s), allowed are 4 and 8")
            return float(struct.unpack(">f" if size == 4 else ">d", octets)[0])
        case Type.BOOLEAN:
            if octets not in (b"\x00", b"\x01"):
                raise Lwm2mError(f"Boolean is {octets[:8].hex() or 'empty'}, allowed are 00 and 01")
            return octets == b"\x01"
        case Type.OBJLNK:
            if size != 4:
                raise Lwm2mError(f"Objlnk has {size} octet(s) instead of 4")
            return ObjLink(*struct.unpack(">HH", octets))


def _resources(ordered: list[tuple[Path, Value]]) -> bytes:
    payload = b""
    for resource, group in _grouped(ordered, 2):
        if len(group[0][0]) == 3:
            payload += _entry(Kind.RESOURCE, resource, encode_value(group[0][1]))
        else:
            payload += _entry(Kind.MULTIPLE_RESOURCE, resource, b"".join(
                _entry(Kind.RESOURCE_INSTANCE, path[3], encode_value(value)) for path, value in group))
    return payload


def _grouped(ordered: list[tuple[Path, Value]], level: int) -> Iterator[tuple[int, list[tuple[Path, Value]]]]:
    for identifier, group in groupby(ordered, key=lambda item: item[0][level]):
        yield identifier, list(group)


def _entry(kind: Kind, identifier: int, value: bytes) -> bytes:
    octet = kind << 6
    identifier_octets = identifier.to_bytes(2 if identifier > 0xFF else 1, "big")
    if identifier > 0xFF:
        octet |= 0x20
    length = len(value)
    if length <= 7:
        return bytes([octet | length]) + identifier_octets + value
    size = (length.bit_length() + 7) // 8
    if size > 3:
        raise Lwm2mError(f"a TLV entry of {length} octets is too long")
    return bytes([octet | size << 3]) + identifier_octets + length.to_bytes(size, "big") + value


def _integer(value: int) -> bytes:
    check_integer(value)
    signed = not isinstance(value, Unsigned)
    size = next(size for size in (1, 2, 4, 8) if -2**(8 * size - 1) <= value < 2**(8 * size - signed))
    return value.to_bytes(size, "big", signed=signed)


def _float(value: float) -> bytes:
    try:
        single = struct.pack(">f", value)
    except OverflowError:
        return struct.pack(">d", value)
    return single if struct.unpack(">f", single)[0] == value else struct.pack(">d", value)


def _name(entry: Tlv) -> str:
    return entry.kind.name.lower().replace("_", " ")
