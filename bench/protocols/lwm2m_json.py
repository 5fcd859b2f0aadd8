"""LwM2M JSON (content format 11543), the JSON of LwM2M 1.0.

Source: OMA LightweightM2M 1.0, section 6.4.4. ``bn`` may be missing: then names are relative to the path asked for.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import math
from typing import Any

from bench.protocols.lwm2m_senml import integer_or_float, load_json, number_type
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
    time_to_seconds,
)

_VALUES = ("v", "sv", "bv", "ov")
_TYPE_OF_LABEL = {"sv": Type.STRING, "bv": Type.BOOLEAN, "ov": Type.OBJLNK}
"""Where nobody knows the resource. JSON of LwM2M 1.0 gives octets the label of texts."""


def encode(values: Values, base: Path) -> bytes:
    """``values`` below ``base``, in the order of their paths. Raises Lwm2mError."""
    alone = len(values) == 1 and base in values
    elements: list[dict[str, Any]] = []
    for path in sorted(values):
        check_under(path, base)
        element: dict[str, Any] = {} if alone else {"n": "/".join(map(str, path[len(base):]))}
        label, content = _content(values[path])
        element[label] = content
        elements.append(element)
    name = str(base) if alone or not base else f"{base}/"
    return json.dumps({"bn": name, "e": elements}, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def decode(payload: bytes, base: Path, type_of: TypeOf) -> dict[Path, Value]:
    """The values of ``payload``, which answers or writes ``base``. Raises Lwm2mError naming the element."""
    document = load_json(payload)
    if not isinstance(document, dict) or not isinstance(document.get("e"), list):
        raise Lwm2mError('LwM2M JSON is an object with an array "e"')
    base_name = document.get("bn", str(base).rstrip("/") + "/")
    if not isinstance(base_name, str):
        raise Lwm2mError(f"bn holds a {type(base_name).__name__}")
    found: dict[Path, Value] = {}
    for number, element in enumerate(document["e"]):
        try:
            path, value = _element(element, base_name, base, type_of)
            if path in found:
                raise Lwm2mError(f"{path} occurs twice")
        except Lwm2mError as error:
            raise Lwm2mError(f"element {number}: {error}") from None
        found[path] = value
    return found


def _element(element: Any, base_name: str, base: Path, type_of: TypeOf) -> tuple[Path, Value]:
    if not isinstance(element, dict):
        raise Lwm2mError(f"a {type(element).__name__} where an object belongs")
    present = [label for label in _VALUES if label in element]
    if len(present) != 1:
        raise Lwm2mError(f"{len(present)} values, expected one of {', '.join(_VALUES)}")
    name = element.get("n", "")
    if not isinstance(name, str):
        raise Lwm2mError(f"n holds a {type(name).__name__}")
    path = check_under(Path.parse(base_name + name), base)
    return path, _value(present[0], element[present[0]], type_of(path.resource))


def _content(value: Value) -> tuple[str, Any]:
    match value:
        case bool():
            return "bv", value
        case int():
            return "v", check_integer(value)
        case float():
            if not math.isfinite(value):
                raise Lwm2mError("JSON has no NaN and no infinities")
            return "v", value
        case str():
            return "sv", value
        case bytes():
            return "sv", base64.b64encode(value).decode("ascii")
        case ObjLink():
            return "ov", str(value)
        case datetime.datetime():
            return "v", time_to_seconds(value)
    raise Lwm2mError(f"a {type(value).__name__} is no LwM2M value")


def _value(label: str, content: Any, kind: Type | None) -> Value:
    if kind is None:
        kind = number_type(content) if label == "v" else _TYPE_OF_LABEL[label]
    match label, content:
        case "v", _:
            return integer_or_float(content, kind)
        case "sv", str() if kind is Type.STRING:
            return content
        case "sv", str() if kind is Type.OPAQUE:
            try:
                return base64.b64decode(content, validate=True)
            except (binascii.Error, ValueError):
                raise Lwm2mError("sv is no base64") from None
        case "bv", bool() if kind is Type.BOOLEAN:
            return content
        case "ov", str() if kind is Type.OBJLNK:
            return ObjLink.parse(content)
    raise Lwm2mError(f"{label} with a {type(content).__name__} where {kind.value} is expected")
