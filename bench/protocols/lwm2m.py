"""LwM2M payloads: values to octets and back in every content format, and link lists.

The one module to import; the formats live in ``lwm2m_tlv``, ``lwm2m_senml``, ``lwm2m_cbor``, ``lwm2m_json`` and
``lwm2m_plain``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.protocols import lwm2m_cbor, lwm2m_json, lwm2m_plain, lwm2m_senml, lwm2m_tlv
from bench.protocols.lwm2m_links import Link, below, format_links, parse_links, root_of
from bench.protocols.lwm2m_senml import Record
from bench.protocols.lwm2m_values import (
    ContentFormat,
    Lwm2mError,
    ObjLink,
    Path,
    Type,
    TypeOf,
    Unsigned,
    Value,
    check_under,
    type_of_value,
)

__all__ = [
    "ContentFormat", "Link", "Lwm2mError", "ObjLink", "Path", "Record", "Type", "TypeOf", "Unsigned", "Value",
    "below", "decode", "decode_paths", "decode_records", "encode", "encode_instance", "encode_paths", "encode_records",
    "format_links", "parse_links", "root_of", "type_of_value",
]


def encode(values: Mapping[Path, Value], base: Path, content_format: int) -> bytes:
    """The payload that answers (or writes) ``base`` with ``values``; their paths have three or four ids.

    Text, opaque and CBOR take exactly the one value at ``base``. Raises Lwm2mError.
    """
    for path in values:
        check_under(path, base)
        if len(path) == 4 and path.resource in values:
            raise Lwm2mError(f"{path.resource} has a value and resource instances")
    try:
        match content_format:
            case ContentFormat.TLV:
                return lwm2m_tlv.encode(values, base)
            case ContentFormat.SENML_JSON | ContentFormat.SENML_CBOR:
                return lwm2m_senml.encode(values, base, cbor=content_format == ContentFormat.SENML_CBOR)
            case ContentFormat.JSON:
                return lwm2m_json.encode(values, base)
            case ContentFormat.LWM2M_CBOR:
                return lwm2m_cbor.encode(values, base)
            case ContentFormat.TEXT:
                return lwm2m_plain.encode_text(_only(values, base))
            case ContentFormat.OPAQUE:
                return lwm2m_plain.encode_opaque(_only(values, base))
            case ContentFormat.CBOR:
                return lwm2m_plain.encode_cbor(_only(values, base))
    except UnicodeEncodeError:
        raise Lwm2mError("a String can't be written as UTF-8") from None
    raise Lwm2mError(f"content format {content_format} holds no resource values")


def decode(payload: bytes, base: Path, content_format: int, type_of: TypeOf) -> dict[Path, Value]:
    """The values of a payload that answers (or writes) ``base``.

    ``type_of`` is asked with the path of the resource (three ids). Raises Lwm2mError that says where the payload goes
    wrong; its text never holds a value.
    """
    match content_format:
        case ContentFormat.TLV:
            return lwm2m_tlv.decode(payload, base, type_of)
        case ContentFormat.SENML_JSON | ContentFormat.SENML_CBOR:
            return lwm2m_senml.decode(payload, base, type_of, cbor=content_format == ContentFormat.SENML_CBOR)
        case ContentFormat.JSON:
            return lwm2m_json.decode(payload, base, type_of)
        case ContentFormat.LWM2M_CBOR:
            return lwm2m_cbor.decode(payload, base, type_of)
        case ContentFormat.TEXT:
            return {check_under(base, base): lwm2m_plain.decode_text(payload, type_of(base.resource))}
        case ContentFormat.OPAQUE:
            return {check_under(base, base): lwm2m_plain.decode_opaque(payload, type_of(base.resource))}
        case ContentFormat.CBOR:
            return {check_under(base, base): lwm2m_plain.decode_cbor(payload, type_of(base.resource))}
    raise Lwm2mError(f"content format {content_format} holds no resource values")


def encode_instance(path: Path) -> bytes:
    """An object instance without resources in TLV, for Create."""
    return lwm2m_tlv.encode_instance(path)


def encode_records(records: list[Record], base: Path, content_format: int) -> bytes:
    """A SenML pack (content format 110 or 112) of values with times, for Send. Raises Lwm2mError."""
    try:
        return lwm2m_senml.encode_records(records, base, cbor=_is_cbor(content_format))
    except UnicodeEncodeError:
        raise Lwm2mError("a String can't be written as UTF-8") from None


def decode_records(payload: bytes, base: Path, content_format: int, type_of: TypeOf) -> list[Record]:
    """The records of a SenML pack (110 or 112) in their order, with times; a path may recur. LwM2M CBOR (11544) has no
    times. Raises Lwm2mError."""
    if content_format == ContentFormat.LWM2M_CBOR:
        return [Record(path, value) for path, value in lwm2m_cbor.decode(payload, base, type_of).items()]
    return lwm2m_senml.decode_records(payload, base, type_of, cbor=_is_cbor(content_format))


def encode_paths(paths: Iterable[Path], content_format: int) -> bytes:
    """A payload (110, 112 or 11544) that names ``paths`` without values: what a Read-Composite asks for. Raises
    Lwm2mError."""
    if content_format == ContentFormat.LWM2M_CBOR:
        return lwm2m_cbor.encode_paths(paths)
    return lwm2m_senml.encode_paths(paths, cbor=_is_cbor(content_format))


def decode_paths(payload: bytes, content_format: int) -> list[Path]:
    """The paths that a Read-Composite or Observe-Composite names, in their order. Raises Lwm2mError."""
    if content_format == ContentFormat.LWM2M_CBOR:
        return lwm2m_cbor.decode_paths(payload)
    return lwm2m_senml.decode_paths(payload, cbor=_is_cbor(content_format))


def _is_cbor(content_format: int) -> bool:
    if content_format not in (ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR):
        raise Lwm2mError(f"content format {content_format} is no SenML")
    return content_format == ContentFormat.SENML_CBOR


def _only(values: Mapping[Path, Value], base: Path) -> Value:
    if set(values) != {base}:
        raise Lwm2mError(f"this content format takes the one value of {base}, not {len(values)} value(s)")
    return values[base]
