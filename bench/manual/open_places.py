"""Where the user's manual is open, and which readings of it are legal, as data (``open_places.toml``).

Source: CMi6110 User's Manual English, v1.4, 2023-02. docs/open-in-the-manual.md is made from the same data.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from bench.errors import BenchError
from bench.manual import requirements

FILE = "open_places.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPlace:
    """One place: ``where`` in the manual, what it ``says``, how it is ``read_as`` here, and the ``statements`` that
    rest on it.

    ``readings``: those that a unit may take, by the names in which tests and record speak of them; empty where only
    the one in ``read_as`` passes.
    """

    number: str
    where: str
    says: str
    read_as: str
    statements: tuple[str, ...]
    readings: tuple[str, ...] = ()


@cache
def load() -> Mapping[str, OpenPlace]:
    """All places by number, in the order of the file; read once."""
    return parse(files("bench.manual").joinpath(FILE).read_text(encoding="utf-8"))


def parse(text: str) -> Mapping[str, OpenPlace]:
    """Read the places from TOML. Raises BenchError for a number given twice, a statement that there is not, and a
    place with a single reading, or with one twice."""
    places: dict[str, OpenPlace] = {}
    for row in tomllib.loads(text)["place"]:
        try:
            values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                                      for name, value in row.items()}
            place = OpenPlace(**values)
        except TypeError as error:
            raise _broken("the keys of a place", f"{row.get('number')}: {error}") from error
        if place.number in places:
            raise _broken("each number once", f"{place.number} twice: {places[place.number].where}; {place.where}")
        unknown = [name for name in place.statements if name not in requirements.load()]
        if unknown:
            raise _broken("statements of the catalogue", f"{place.number} with {', '.join(unknown)}")
        if len(place.readings) == 1 or len(set(place.readings)) < len(place.readings):
            raise _broken("no readings, or several different ones", f"{place.number} with {place.readings}")
        places[place.number] = place
    return MappingProxyType(places)


def _broken(expected: str, seen: str) -> BenchError:
    return BenchError(FILE, expected=expected, seen=seen, do=f"correct bench/manual/{FILE}")
