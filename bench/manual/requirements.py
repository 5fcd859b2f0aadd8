"""The statements of the user's manual that can be proven, as data (``requirements.toml``, 574 rows).

Source: CMi6110 User's Manual English, v1.4, 2023-02; ``clause`` is the chapter or table of that manual.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from bench.errors import BenchError

_LISTS = {"observable", "profile"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One statement of the manual, how to prove it, and what was assumed where the manual is not clear.

    ``duration`` is the order of magnitude on hardware (s, min, h, days). ``ambiguity`` is empty, or says which reading
    of the manual the bench takes.
    """

    id: str
    clause: str
    area: str
    statement: str
    method: str
    observable: tuple[str, ...]
    oracle: str
    profile: tuple[str, ...]
    duration: str
    ambiguity: str


@cache
def load() -> Mapping[str, Requirement]:
    """All requirements by id, in the order of the catalogue; read once."""
    return parse(_text("requirements.toml"))


@cache
def closed() -> Mapping[str, str]:
    """The statements that are closed without a test: id -> reason (``closed.toml``)."""
    reasons: dict[str, str] = {}
    for row in _rows(_text("closed.toml"), "closed", "closed.toml"):
        identifier, reason = row.get("id"), row.get("reason")
        if not isinstance(identifier, str) or not isinstance(reason, str) or not reason.strip():
            raise _broken("closed.toml", "an id and a reason in every row", str(row))
        if identifier in reasons:
            raise _broken("closed.toml", "each id once", f"{identifier} twice")
        if identifier not in load():
            raise _broken("closed.toml", "ids of the catalogue", identifier)
        reasons[identifier] = reason
    return MappingProxyType(reasons)


def ids(pattern: str) -> tuple[str, ...]:
    """The ids that match a shell pattern, in the order of the catalogue.

    >>> ids("LED-0[1-3]")
    ('LED-01', 'LED-02', 'LED-03')
    """
    return tuple(identifier for identifier in load() if fnmatchcase(identifier, pattern))


def parse(text: str) -> Mapping[str, Requirement]:
    """Read a catalogue from TOML. Raises BenchError for bad TOML, missing or unknown keys and ids given twice."""
    catalogue: dict[str, Requirement] = {}
    names = {field.name for field in fields(Requirement)}
    for row in _rows(text, "requirement", "requirements.toml"):
        if set(row) != names:
            odd = ", ".join(sorted(set(row) ^ names))
            raise _broken("requirements.toml", "the keys of a requirement", f"{row.get('id')} with odd {odd}")
        for name, value in row.items():
            good = (isinstance(value, list) and all(isinstance(item, str) for item in value)
                    if name in _LISTS else isinstance(value, str))
            if not good:
                raise _broken("requirements.toml", f"text in {name}", f"{row['id']}: {value!r}")
        values: dict[str, Any] = {name: tuple(value) if name in _LISTS else value for name, value in row.items()}
        requirement = Requirement(**values)
        if requirement.id in catalogue:
            raise _broken("requirements.toml", "each id once", f"{requirement.id} twice")
        catalogue[requirement.id] = requirement
    return MappingProxyType(catalogue)


def _text(name: str) -> str:
    return files("bench.manual").joinpath(name).read_text(encoding="utf-8")


def _rows(text: str, table: str, name: str) -> Iterable[dict[str, Any]]:
    try:
        rows = tomllib.loads(text).get(table)
    except tomllib.TOMLDecodeError as problem:
        raise _broken(name, "valid TOML", str(problem)) from problem
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _broken(name, f"tables [[{table}]]", "none")
    return rows


def _broken(name: str, expected: str, seen: str) -> BenchError:
    return BenchError(name, expected=expected, seen=seen, do=f"correct bench/manual/{name}")
