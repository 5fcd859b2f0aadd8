"""DataMatrix codes (ISO/IEC 16022) of a unit's DevEUI: by ppf-datamatrix, for that of reportlab adds a NUL to them."""

from __future__ import annotations

import re

from ppf.datamatrix.datamatrix import DataMatrix

from bench.errors import BenchError

QUIET = 2
"""Modules around a code that stay white; one is the least that the standard asks for."""


def deveui_of(unit: str, what: str) -> str:
    """The DevEUI as it stands in codes: 16 upper-case hexadecimal digits. Raises ``BenchError`` about ``what`` for a
    unit that is not known by one: a code that names no unit is worse than none."""
    text = unit.upper()
    if not re.fullmatch(r"[0-9A-F]{16}", text):
        raise BenchError(what, expected="a unit with a DevEUI of 16 hexadecimal digits", seen=ascii(unit[:80]),
                         do="run it with --unit")
    return text


def modules(text: str) -> list[list[bool]]:
    """The code of ``text``, row by row from the top; True is dark. Without its quiet zone."""
    return [[bool(module) for module in row] for row in DataMatrix(text).matrix]
