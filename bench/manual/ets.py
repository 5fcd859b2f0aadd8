"""The cases of OMA's Enabler Test Specification for LwM2M 1.1, as far as they concern the unit (``ets.toml``).

Source: OMA-ETS-LightweightM2M-V1_1-20190912-D; ids and titles as known from open test suites, the essence in own words.
This is a check before certification; the verdict that counts is OMA's.

>>> load()["int-101"].title
'Initial Registration'
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from bench.errors import BenchError

KINDS = ("A", "M", "C", "-")


@dataclass(frozen=True, slots=True)
class Case:
    """``kind``: A applies as it is; M applies, with a deviation of the manual, which ``note`` records; C depends on
    what the unit registers; - is not for this device. ``note`` also says on what, and why.
    """

    id: str
    title: str
    kind: str
    essence: str
    note: str = ""


@cache
def load() -> Mapping[str, Case]:
    """All cases by id; read once."""
    return parse(files("bench.manual").joinpath("ets.toml").read_text("utf-8"))


def parse(text: str) -> Mapping[str, Case]:
    """Raises ``BenchError`` for what is no list of cases."""
    cases: dict[str, Case] = {}
    names = {one.name for one in fields(Case)}
    for row in tomllib.loads(text).get("case", []):
        if not names >= row.keys() or not all(isinstance(value, str) for value in row.values()):
            raise _broken(f"the texts {', '.join(sorted(names))}", str(row))
        try:
            case = Case(**row)
        except TypeError:
            raise _broken("an id, a title, a kind and the essence in every row", str(row)) from None
        if case.kind not in KINDS or case.id in cases or (case.kind != "A" and not case.note):
            raise _broken("each id once, a kind of A, M, C or -, and a note unless it is A", str(row))
        cases[case.id] = case
    return MappingProxyType(cases)


def _broken(expected: str, seen: str) -> BenchError:
    return BenchError("ets.toml", expected=expected, seen=seen, do="correct the file")
