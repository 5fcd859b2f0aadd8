"""The LwM2M resources of the user's manual, as data (``resources.toml``).

Source: CMi6110 User's Manual English, v1.4, chapter 6.3, Tables 1 and 2.

>>> load()[Path(33906, 0, 19)].name
'Meter Transmit Offset'
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from bench.errors import BenchError
from bench.manual import settings
from bench.protocols.lwm2m_values import ObjLink, Path, Type, Value, type_of_value

_PYTHON_TYPES: Mapping[Type, type] = {Type.STRING: str, Type.INTEGER: int, Type.BOOLEAN: bool, Type.OPAQUE: bytes,
                                      Type.TIME: datetime.datetime, Type.OBJLNK: ObjLink}

_ABSENT: Mapping[tuple[int, int], Type] = {
    (1, 6): Type.BOOLEAN,   # notification storing when disabled or offline
    (1, 7): Type.STRING,    # binding
    (3, 16): Type.STRING,   # supported binding and modes
    (4, 4): Type.STRING,    # IP addresses
}
"""Resources that OMA makes mandatory and the manual does not list: a unit may well have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource at one path. The meaning of each field is written at the head of ``resources.toml``.

    ``path`` has three ids, also for a multiple resource. ``printed_path`` is the path as the manual prints it.
    ``minimum`` and ``maximum`` come from the setting where Tables 1 and 2 print none. ``settings`` are the keys of
    the settings that are seen through the resource.
    """

    path: Path
    printed_path: str
    object_name: str
    name: str
    operations: str
    requirement: str
    type: Type | None = None
    multiple: bool = False
    minimum: int | None = None
    maximum: int | None = None
    values: Mapping[str, int] = field(default_factory=dict)
    octets: int | None = None
    unit: str = ""
    description: str = ""
    writable_instances: tuple[int, ...] | None = None
    obsolete: bool = False
    settings: tuple[str, ...] = ()
    oma: str = ""
    note: str = ""

    @property
    def clause(self) -> str:
        """Table 1 holds the standard objects, Table 2 those of Elvaco."""
        return "Table 1" if self.path[0] < 33905 else "Table 2"

    @property
    def readable(self) -> bool:
        """As printed, so also in object 0, which OMA closes to a DM server."""
        return "R" in self.operations

    @property
    def writable(self) -> bool:
        """By a DM server, in this instance."""
        narrowed = self.writable_instances is not None and self.path[1] not in self.writable_instances
        return "W" in self.operations and not self.bootstrap_writable and not narrowed

    @property
    def bootstrap_writable(self) -> bool:
        """By the bootstrap server and nobody else."""
        return "(W)" in self.operations

    @property
    def executable(self) -> bool:
        return "E" in self.operations

    def check(self, value: Value) -> str:
        """What is wrong with ``value`` as a value of this resource (type, bounds, enumeration); empty if nothing is.

        For a multiple resource, the value of one instance. Where bounds are printed, a number inside them passes though
        ``values`` has no name for it. Texts and octets are never repeated in what is returned: they may be keys.
        """
        if self.type is None:
            return "an executable resource holds no value"
        expected = _PYTHON_TYPES[self.type]
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            return f"expected {self.type.value}, seen {type_of_value(value).value}"
        if isinstance(value, bytes):
            wrong = self.octets is not None and len(value) != self.octets
            return f"expected {self.octets} octet(s), seen {len(value)}" if wrong else ""
        return self._objection_to_number(value) if self.type is Type.INTEGER and isinstance(value, int) else ""

    def _objection_to_number(self, value: int) -> str:
        low, high = self.minimum, self.maximum
        if low is None and high is None:
            allowed = ", ".join(f"{number} ({name})" for name, number in self.values.items())
            known = not self.values or value in self.values.values()
            return "" if known else f"expected one of {allowed}, seen {value}"
        if (low is None or value >= low) and (high is None or value <= high):
            return ""
        return f"expected {'' if low is None else low}..{'' if high is None else high}, seen {value}"


@cache
def load() -> Mapping[Path, Resource]:
    """All resources by path (three ids), in the order of the manual's tables; read once.

    Where the manual prints "." as the instance, the path has instance 0.
    """
    rows = tomllib.loads(files("bench.manual").joinpath("resources.toml").read_text(encoding="utf-8"))
    found: dict[Path, Resource] = {}
    for printed, row in rows.items():
        for path in _paths(printed):
            if path in found:
                raise _broken("each path once", f"{path} twice")
            found[path] = _resource(path, printed, row)
    return MappingProxyType(found)


def find(path: Path) -> Resource | None:
    """The resource of that path, or of that resource instance; None if the manual has none.

    Where the manual prints "." as the instance, every instance is found.
    """
    known = load().get(path.resource)
    if known is None and len(path) >= 3:
        first = load().get(Path(path[0], 0, path[2]))
        if first is not None and "/./" in first.printed_path:
            known = replace(first, path=path.resource)
    return known


def type_of(path: Path) -> Type | None:
    """The type to decode a value of that resource with, whatever its instances; None where none is known."""
    return _types().get((path[0], path[2])) if len(path) >= 3 else None


def readable() -> list[Resource]:
    """What the manual prints as readable, in path order. Object 0 is among it: see ``Resource.readable``."""
    return [resource for resource in _in_path_order() if resource.readable]


def writable() -> list[Resource]:
    """What a DM server may write, in path order."""
    return [resource for resource in _in_path_order() if resource.writable]


def executable() -> list[Resource]:
    """What a DM server may execute, in path order."""
    return [resource for resource in _in_path_order() if resource.executable]


def _in_path_order() -> list[Resource]:
    return [load()[path] for path in sorted(load())]


@cache
def _types() -> Mapping[tuple[int, int], Type]:
    """OMA defines a resource by object and resource alone: its type is the same in every instance."""
    printed = {(path[0], path[2]): resource.type for path, resource in load().items() if resource.type is not None}
    return {**_ABSENT, **printed}


@cache
def _settings_by_path() -> Mapping[str, tuple[settings.Setting, ...]]:
    found: dict[str, tuple[settings.Setting, ...]] = {}
    for setting in settings.load().values():
        for path in setting.lwm2m:
            found[path] = (*found.get(path, ()), setting)
    return found


def _paths(printed: str) -> list[Path]:
    object_id, instance, *rest = printed.split("/")
    instances = {"[0,1]": ["0", "1"], ".": ["0"]}.get(instance, [instance])
    return [Path.parse("/".join((object_id, each, *rest))).resource for each in instances]


def _resource(path: Path, printed: str, row: Mapping[str, Any]) -> Resource:
    unknown = row.keys() - {each.name for each in fields(Resource)}
    if unknown:
        raise _broken("the fields of a resource", f"{', '.join(sorted(unknown))} in {printed}")
    twins = _settings_by_path().get(str(path).removeprefix("/"), ())
    ready = dict(row)
    ready["settings"] = tuple(twin.key for twin in twins)
    ready["values"] = MappingProxyType(row.get("values", {}))
    if "type" in row:
        ready["type"] = Type(row["type"])
    if "writable_instances" in row:
        ready["writable_instances"] = tuple(row["writable_instances"])
    if ready.get("type") is Type.INTEGER and not row.keys() & {"minimum", "maximum"} and len(twins) == 1:
        ready["minimum"], ready["maximum"] = twins[0].minimum, twins[0].maximum
    return Resource(path=path, printed_path=printed, **ready)


def _broken(expected: str, seen: str) -> BenchError:
    return BenchError("resources.toml", expected=expected, seen=seen, do="correct the catalogue")
