"""Values of resources and telegrams in words, and values from words."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

from bench.backend.masks import is_secret
from bench.manual import resources
from bench.protocols.lwm2m import ContentFormat, Link, Lwm2mError, Path, Type, Value
from bench.protocols.lwm2m_plain import decode_text

Row = dict[str, Any]
"""One line of an answer, as in JSON."""

TYPES = ("text", *(kind.value.lower() for kind in Type))
"""What ``value_of`` takes as ``kind``."""


def row(path: Path, value: Value) -> Row:
    """A resource: its path, its name in the manual (empty where it has none), its value and unit. Keys don't show."""
    known = resources.find(path)
    return {"path": str(path), "name": _name_of(str(path)), "unit": known.unit if known is not None else "",
            "value": "(a key)" if is_secret(path) else _shown(path, value)}


def linked(link: Link) -> Row:
    """A link: its target, the manual's name of it, and its attributes as value."""
    attributes = (name if value is None else f"{name}={value}" for name, value in link.attributes.items())
    return {"path": link.target, "name": _name_of(link.target), "value": " ".join(attributes)}


def _name_of(target: str) -> str:
    try:
        path = Path.parse(target)
    except Lwm2mError:
        return ""
    known = resources.find(path)
    if known is not None:
        return known.name
    return next((one.object_name for one in resources.load().values() if one.path[0] == path.object_id), "") \
        if len(path) < 3 else ""


def _shown(path: Path, value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case bytes():
            return value.hex()
        case datetime.datetime():
            return value.isoformat().replace("+00:00", "Z")
        case int():
            known = resources.find(path)
            named = next((name for name, number in (known.values if known else {}).items() if number == value), "")
            return f"{value} ({named})" if named else str(value)
    return str(value)


def path_of(text: str, at_least: int) -> Path:
    """The path with so many ids at least. Raises Lwm2mError."""
    path = Path.parse(text)
    if len(path) < at_least:
        raise Lwm2mError(f"{text[:80]!r} is no path of {'a resource such as /3/0/6' if at_least == 3 else 'an object'}")
    return path


def value_of(path: Path, text: str, kind: str = "") -> tuple[Value, ContentFormat]:
    """What ``text`` means for the resource at ``path``, and the format to write it in.

    ``kind`` is one of ``TYPES``; empty: the manual's for the resource, and where it has none ``text`` goes as plain
    text, of which the device makes what it needs. Octets are hexadecimal digits, a time is in seconds since 1970 UTC or
    as ISO 8601. Raises Lwm2mError.
    """
    if kind not in ("", *TYPES):
        raise Lwm2mError(f"{kind[:20]!r} is no type; there are {', '.join(TYPES)}")
    wanted = resources.type_of(path) if not kind else next((one for one in Type if one.value.lower() == kind), None)
    if wanted is None:
        return text, ContentFormat.TEXT
    try:
        if wanted is Type.OPAQUE:
            return bytes.fromhex(text), ContentFormat.TLV
        if wanted is Type.TIME and "-" in text[1:]:
            moment = datetime.datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC), ContentFormat.TLV
    except ValueError:
        raise Lwm2mError(f"{len(text)} character(s) that are no {wanted.value}") from None
    if wanted is Type.BOOLEAN:
        text = {"true": "1", "false": "0"}.get(text.lower(), text)
    return decode_text(text.encode("utf-8", "replace"), wanted), ContentFormat.TLV


def summary(telegram: Row) -> str:
    """A telegram of ``table.to_json`` in a line."""
    if "problem" in telegram:
        return f"{telegram['octets']} octets, not decodable: {telegram['problem']}"
    readouts = telegram["readouts"]
    said = [f"{telegram['encoding']}, {telegram['octets']} octets, {len(readouts)} readout(s)"]
    for name in ("meter_id", "time", "energy", "volume"):
        value = readouts[0].get(name) if readouts else None
        if value is not None:
            said.append(f"{name} {value['value']} {value['unit']}" if isinstance(value, dict) else f"{name} {value}")
    findings = Counter(f"{one['severity']} {one['code']}" for one in telegram["findings"])
    counted = ", ".join(f"{number} x {found}" if number > 1 else found for found, number in findings.items())
    return ", ".join(said) + (f"; findings: {counted}" if counted else "")
