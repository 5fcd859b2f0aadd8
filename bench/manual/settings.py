"""The 48 settings of the user's manual, as data (``settings.toml``).

Source: CMi6110 User's Manual English, v1.4, chapter 7.5, Tables 8 to 12. There is no NFC and no LwM2M in it: both
sides use the same catalogue, so a value written over one way can be checked over the other.

>>> load()["transmit_interval"].default
1440
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

from bench.errors import BenchError

Value = int | str | datetime | None
"""A setting's value: int, text, the name of an enumeration, a range list, or local standard time without zone."""

Type = Literal["text", "int", "enum", "ranges", "datetime", "trigger"]

_RANGES = re.compile(r"\d+-\d+(,\d+-\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of Tables 8 to 12. The meaning of each field is written at the head of ``settings.toml``.

    ``minimum`` and ``maximum`` are statements of the manual; ``bench_minimum`` and ``bench_maximum`` are not, they
    only keep the bench's own wishes sane. ``default`` is None where the manual prints N/A.
    """

    key: str
    id: str
    title: str
    type: Type
    printed: str
    unit: str = ""
    minimum: int | None = None
    maximum: int | None = None
    bench_minimum: int | None = None
    bench_maximum: int | None = None
    allowed: tuple[int, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)
    default: int | str | None = None
    another: int | str | None = None
    access: str = "RW"
    access_without_pak: str = "R"
    lwm2m: tuple[str, ...] = ()
    note: str = ""

    @property
    def table(self) -> int:
        return int(self.id.split(".")[0])

    @property
    def row(self) -> int:
        return int(self.id.split(".")[1])

    @property
    def number(self) -> int:
        """The setting as one number, table * 100 + row: 1105 for 11.5."""
        return self.table * 100 + self.row

    @property
    def requirement(self) -> str:
        """The id of the row's statement in ``requirements.toml``."""
        return f"OTC-T{self.table}-{self.row:02}"

    @property
    def clause(self) -> str:
        return f"Table {self.table} ({self.title})"

    @property
    def readable(self) -> bool:
        return "R" in self.access

    @property
    def writeable(self) -> bool:
        return "W" in self.access

    @property
    def inside(self) -> tuple[int | str, ...]:
        """What the row allows, to be written by a test: all choices, or the printed bounds and another legal value."""
        if self.type == "enum":
            return tuple(self.values)
        bounds = self.allowed or tuple(bound for bound in (self.minimum, self.maximum) if bound is not None)
        return bounds if self.another is None else (*bounds, self.another)

    @property
    def outside(self) -> tuple[int | str, ...]:
        """What is just beyond the printed choices or bounds; empty where none are printed. No choice has the number."""
        if self.type == "enum":
            return (max(self.values.values()) + 1,)
        if self.allowed:
            return (min(self.allowed) + 1, max(self.allowed) + 1)
        below = () if self.minimum is None else (self.minimum - 1,)
        above = () if self.maximum is None else (self.maximum + 1,)
        return (*below, *above)

    @property
    def other(self) -> int | str:
        """A legal value other than the default."""
        return next(value for value in reversed(self.inside) if value != self.default)

    def check(self, value: Value) -> None:
        """Raise ``BenchError`` unless ``value`` is one that the manual (or, where it is silent, the bench) allows."""
        expected = self._objection(value)
        if expected:
            raise BenchError(f"setting {self.key}", expected=expected, seen=repr(value),
                             do=f"see {self.clause} of the manual")

    def encode(self, value: Value) -> int | str:
        """The value as number or text, as it goes over a wire. Values that ``check`` refuses pass unchanged.

        Tests send bad values on purpose, so an unknown name of an enumeration goes out as text.
        """
        if isinstance(value, datetime):
            return value.replace(tzinfo=None).isoformat(timespec="seconds")
        if self.type == "trigger" and value is None:
            return 1
        if isinstance(value, str):
            return self.values.get(value, value)
        return "" if value is None else int(value)

    def decode(self, raw: int | str) -> int | str:
        """The value of a number or text from a wire. A number that the enumeration doesn't have stays a number."""
        if self.type == "enum":
            return next((name for name, number in self.values.items() if number == raw), raw)
        return raw

    def _objection(self, value: Value) -> str:
        """What would be right instead of ``value``; empty if it is right."""
        match self.type:
            case "trigger":
                return "" if value is None or (value == 1 and not isinstance(value, bool)) else "no value"
            case "datetime":
                return "" if isinstance(value, datetime) and value.tzinfo is None else "local time without a zone"
            case "enum":
                return "" if isinstance(value, str) and value in self.values else f"one of {', '.join(self.values)}"
            case "text":
                return self._objection_to_text(value)
            case "ranges":
                return self._objection_to_ranges(value)
            case "int":
                return self._objection_to_number(value)

    def _objection_to_text(self, value: Value) -> str:
        if not isinstance(value, str):
            return "a text"
        too_long = self.bench_maximum is not None and len(value) > self.bench_maximum
        return f"at most {self.bench_maximum} characters" if too_long else ""

    def _objection_to_ranges(self, value: Value) -> str:
        expected = "ranges of minutes such as 0-5,60-120, each from low to high"
        if not isinstance(value, str) or not _RANGES.fullmatch(value):
            return expected
        pairs = (pair.split("-") for pair in value.split(","))
        return "" if all(int(low) <= int(high) for low, high in pairs) else expected

    def _objection_to_number(self, value: Value) -> str:
        low = self.bench_minimum if self.minimum is None else self.minimum
        high = self.bench_maximum if self.maximum is None else self.maximum
        if self.allowed:
            expected = f"one of {', '.join(map(str, self.allowed))}"
        else:
            expected = f"an integer {'' if low is None else low}..{'' if high is None else high} {self.unit}".rstrip()
        if not isinstance(value, int) or isinstance(value, bool):
            return expected
        if self.allowed:
            return "" if value in self.allowed else expected
        return "" if (low is None or value >= low) and (high is None or value <= high) else expected


@cache
def load() -> Mapping[str, Setting]:
    """All settings by key, in the order of the manual's tables; read once."""
    rows = tomllib.loads(files("bench.manual").joinpath("settings.toml").read_text(encoding="utf-8"))
    return MappingProxyType({key: _setting(key, row) for key, row in rows.items()})


@cache
def by_number() -> Mapping[int, Setting]:
    """All settings by ``Setting.number``."""
    return MappingProxyType({setting.number: setting for setting in load().values()})


def find(key: str) -> Setting:
    """The setting of that key. Raises ``BenchError`` that names similar keys when there is none."""
    setting = load().get(key)
    if setting is None:
        words = set(key.split("_"))
        similar = [known for known in load() if words & set(known.split("_"))]
        raise BenchError("settings catalogue", expected="the key of a setting", seen=repr(key),
                         do=f"use {', '.join(similar)}" if similar else "see bench/manual/settings.toml")
    return setting


def _setting(key: str, row: dict[str, Any]) -> Setting:
    unknown = row.keys() - {each.name for each in fields(Setting)}
    if unknown:
        raise BenchError("settings.toml", expected="the fields of a setting", seen=f"{', '.join(unknown)} in {key}",
                         do="correct the catalogue")
    for name in ("lwm2m", "allowed"):
        row[name] = tuple(row.get(name, ()))
    row["values"] = MappingProxyType(row.get("values", {}))
    return Setting(key=key, **row)
