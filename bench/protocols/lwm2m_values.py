"""Paths, types and values of LwM2M resources.

Source: OMA LightweightM2M 1.0 and 1.1, identifiers (section 6.2 / 7.2) and data types (appendix C); content formats of
1.2 core, section 7.4.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

MAX_ID = 65535
_MAX_LEVELS = 4


class Lwm2mError(ValueError):
    """A path, a value or a payload that LwM2M doesn't allow."""


class ContentFormat(IntEnum):
    """Numbers of the CoAP options Content-Format and Accept."""

    TEXT = 0
    LINK_FORMAT = 40
    OPAQUE = 42
    CBOR = 60
    SENML_JSON = 110
    SENML_CBOR = 112
    TLV = 11542
    JSON = 11543
    LWM2M_CBOR = 11544


class Type(Enum):
    """Data types of resources. An Execute-only resource has none."""

    STRING = "String"
    INTEGER = "Integer"
    UNSIGNED_INTEGER = "Unsigned Integer"
    FLOAT = "Float"
    BOOLEAN = "Boolean"
    OPAQUE = "Opaque"
    TIME = "Time"
    OBJLNK = "Objlnk"


@dataclass(frozen=True, slots=True, order=True)
class ObjLink:
    """A link to an object instance; 65535 in both fields is the null link."""

    object_id: int
    instance_id: int

    def __post_init__(self) -> None:
        if not (0 <= self.object_id <= MAX_ID and 0 <= self.instance_id <= MAX_ID):
            raise Lwm2mError(f"object link {self.object_id}:{self.instance_id} is out of range")

    def __str__(self) -> str:
        return f"{self.object_id}:{self.instance_id}"

    @classmethod
    def parse(cls, text: str) -> ObjLink:
        """Read ``10:3``. Raises Lwm2mError."""
        object_id, colon, instance_id = text.partition(":")
        if not (colon and _is_number(object_id) and _is_number(instance_id)):
            raise Lwm2mError(f"{text[:20]!r} is no object link such as 10:3")
        return cls(int(object_id), int(instance_id))


class Unsigned(int):
    """A value of the type Unsigned Integer (LwM2M 1.1), 0 to 2**64 - 1. Raises Lwm2mError for any other."""

    def __new__(cls, value: int) -> Unsigned:
        if not 0 <= value < 2**64:
            raise Lwm2mError("an Unsigned Integer is not negative and has at most 64 bits")
        return super().__new__(cls, value)


Value = str | int | float | bool | bytes | datetime.datetime | ObjLink
"""One value: its Python type is its LwM2M type. A time is aware of its zone and counts in whole seconds."""

Values = Mapping["Path", Value]

TypeOf = Callable[["Path"], Type | None]
"""The type of a resource (three ids); None for one that nobody knows: what a format says of the value counts then, and
where it says nothing (TLV) the value stays Opaque. May raise Lwm2mError to refuse the resource altogether."""


class Path(tuple[int, ...]):
    """Object, instance, resource and resource instance: ``Path(3, 0, 6, 0)`` is ``/3/0/6/0``, ``Path()`` is ``/``."""

    __slots__ = ()

    def __new__(cls, *ids: int) -> Path:
        if len(ids) > _MAX_LEVELS:
            raise Lwm2mError(f"a path has at most {_MAX_LEVELS} ids, not {len(ids)}")
        for level in ids:
            if not 0 <= level <= MAX_ID:
                raise Lwm2mError(f"id {level} is outside 0 to {MAX_ID}")
        return super().__new__(cls, ids)

    def __getnewargs__(self) -> tuple[int, ...]:
        """So that it can be pickled."""
        return tuple(self)

    @classmethod
    def parse(cls, text: str | Path) -> Path:
        """Read ``/3/0/6/0``; the first slash may be missing, a last one is ignored. Raises Lwm2mError."""
        if isinstance(text, Path):
            return text
        if text in ("", "/"):
            return cls()
        parts = text.removeprefix("/").removesuffix("/").split("/")
        if not all(_is_number(part) for part in parts):
            raise Lwm2mError(f"{text[:80]!r} is no path such as /3/0/6")
        return cls(*map(int, parts))

    def __str__(self) -> str:
        return "/" + "/".join(map(str, self))

    def __repr__(self) -> str:
        return f"Path({str(self)!r})"

    def __truediv__(self, level: int) -> Path:
        """``Path(3, 0) / 6`` is ``/3/0/6``."""
        return Path(*self, level)

    def is_under(self, base: Path) -> bool:
        """Whether it is ``base`` or lies below it."""
        return self[:len(base)] == tuple(base)

    @property
    def object_id(self) -> int | None:
        return self[0] if self else None

    @property
    def instance_id(self) -> int | None:
        return self[1] if len(self) > 1 else None

    @property
    def resource_id(self) -> int | None:
        return self[2] if len(self) > 2 else None

    @property
    def resource_instance_id(self) -> int | None:
        return self[3] if len(self) > 3 else None

    @property
    def resource(self) -> Path:
        """The path of the resource that a resource instance belongs to (the first three ids)."""
        return Path(*self[:3])


def type_of_value(value: Value) -> Type:
    """The LwM2M type that a Python value stands for."""
    match value:
        case bool():
            return Type.BOOLEAN
        case Unsigned():
            return Type.UNSIGNED_INTEGER
        case int():
            return Type.INTEGER
        case float():
            return Type.FLOAT
        case str():
            return Type.STRING
        case bytes():
            return Type.OPAQUE
        case datetime.datetime():
            return Type.TIME
        case ObjLink():
            return Type.OBJLNK
    raise Lwm2mError(f"a {type(value).__name__} is no LwM2M value")


def check_integer(value: int) -> int:
    """``value``, if it fits the 64 bits of an Integer, or is Unsigned. Raises Lwm2mError."""
    if not -2**63 <= value < 2**63 and not isinstance(value, Unsigned):
        raise Lwm2mError("an Integer has at most 64 bits")
    return value


def time_to_seconds(value: datetime.datetime) -> int:
    """Whole seconds since 1970 UTC. Raises Lwm2mError for a time without a zone."""
    if value.tzinfo is None:
        raise Lwm2mError("a Time needs a time zone")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (value - epoch) // datetime.timedelta(seconds=1)


def time_from_seconds(seconds: int) -> datetime.datetime:
    """The UTC time. Raises Lwm2mError for one outside the years 1 to 9999."""
    try:
        return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=seconds)
    except OverflowError:
        raise Lwm2mError(f"time {seconds} s is outside the years 1 to 9999") from None


def integer_of(number: int, kind: Type) -> Value:
    """``number`` as Integer, Unsigned Integer or Time. Raises Lwm2mError when it doesn't fit."""
    if kind is Type.UNSIGNED_INTEGER:
        return Unsigned(number)
    return time_from_seconds(check_integer(number)) if kind is Type.TIME else check_integer(number)


def check_under(path: Path, base: Path) -> Path:
    """``path``, if it is a resource (or resource instance) under ``base``. Raises Lwm2mError."""
    if len(path) < 3:
        raise Lwm2mError(f"{path} is no resource")
    if not path.is_under(base):
        raise Lwm2mError(f"{path} is not under {base}")
    return path


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5
