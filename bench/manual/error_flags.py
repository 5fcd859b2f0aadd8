"""The error flags of the UH50, as data (``error_flags.toml``).

Source: CMi6110 User's Manual English, v1.4, chapter 6.3.1, Table 3.

>>> describe(0x4012)
['F1: Interruption of flow temperature sensor', 'F41: Meter battery empty', 'bit 14: unknown']
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from bench.errors import BenchError


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFlag:
    """One row of Table 3; bit 0 is the least significant."""

    identifier: str
    bit: int
    explanation: str
    requirement: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.identifier}: {self.explanation}"


@cache
def load() -> Mapping[int, ErrorFlag]:
    """All flags by bit, in the order of the table; read once."""
    rows = tomllib.loads(files("bench.manual").joinpath("error_flags.toml").read_text(encoding="utf-8"))
    flags = [ErrorFlag(identifier=identifier, **row) for identifier, row in rows.items()]
    return MappingProxyType({flag.bit: flag for flag in flags})


def describe(flags: int) -> list[str]:
    """Each set bit in words, lowest first. A bit that Table 3 does not name is said to be unknown.

    Raises BenchError for a negative number, which is no set of flags.
    """
    if flags < 0:
        raise BenchError("error flags", expected="a number without sign", seen=str(flags),
                         do="decode the flags without a sign")
    set_bits = [bit for bit in range(flags.bit_length()) if flags >> bit & 1]
    return [str(load()[bit]) if bit in load() else f"bit {bit}: unknown" for bit in set_bits]
