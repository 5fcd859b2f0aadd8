"""The forms in which a key may stand in some octets: as it is, in hexadecimal digits, in base64.

Who publishes a key may write it in capitals, with colons in between, or in the middle of something longer.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

SHORTEST_KEY = 8
"""Octets; what is shorter would be found in many a text by chance."""

_HEX_RUN = re.compile(rb"[0-9A-Fa-f](?:(?:0x|\\x|[\s:.,_-])*[0-9A-Fa-f]){%d,}" % (2 * SHORTEST_KEY - 1))
_TEXT = re.compile(rb"[\x20-\x7e\s]{%d}" % SHORTEST_KEY)
"""Without so many characters in a row there is no key in digits or in base64."""
_DIGIT = re.compile(rb"(?!0x)[0-9A-Fa-f]")
_NO_CAPITALS = bytes(set(range(256)) - set(range(ord("A"), ord("Z") + 1)))
_TELLING = 5
"""So many capitals in a row, with whatever stands between them, are rare in what is no base64."""
_BETWEEN = b" \t\n\r\v\f:.,_-"
_LOWER = bytes(range(256)).lower()


@dataclass(frozen=True, slots=True)
class Found:
    """A key stands in the octets from ``start`` to ``end``; ``is_text``: as characters."""

    start: int
    end: int
    is_text: bool


def find_keys(octets: bytes, keys: Iterable[bytes]) -> Iterator[Found]:
    """Where one of ``keys`` stands, in whatever form; what is shorter than ``SHORTEST_KEY`` is not looked for, and
    neither is a key of zeros: what is overwritten with zeros can't be told from it."""
    wanted = [key for key in dict.fromkeys(keys) if len(key) >= SHORTEST_KEY and any(key)]
    is_ascii = octets.isascii()
    for key in wanted:
        if not is_ascii or key.isascii():
            yield from _each(octets, key)
    if not wanted or _TEXT.search(octets) is None:    # as most datagrams are
        return
    capitals = octets.translate(None, _NO_CAPITALS)     # to look through all of the octets takes ten times as long
    for key in wanted:
        for form in _base64_forms(key):
            telling = form.translate(None, _NO_CAPITALS)
            if len(telling) < _TELLING or telling in capitals:
                yield from _each(octets, form, is_text=True)
    digits = [key.hex().encode() for key in wanted]
    squeezed = octets
    for prefix in (b"0x", b"\\x"):
        if prefix in squeezed:
            squeezed = squeezed.replace(prefix, b"")
    squeezed = squeezed.translate(_LOWER, _BETWEEN)
    if not any(key in squeezed for key in digits):      # a hundredth of the time that it takes to look at each run
        return
    for run in _HEX_RUN.finditer(octets):
        yield from _in_hex(run.group(), run.start(), digits)


def without_keys(octets: bytes, keys: Iterable[bytes], text_fill: bytes = b"\0") -> bytes:
    """``octets`` with zeros for ``keys``, of the same length. ``text_fill`` takes the place of a character: in a text a
    NUL would be out of place."""
    shown = bytearray(octets)
    for found in find_keys(octets, keys):
        length = found.end - found.start
        shown[found.start:found.end] = (text_fill if found.is_text else b"\0") * length
    return bytes(shown)


def without_keys_in_text(text: str, keys: Iterable[bytes]) -> str:
    """A text with zeros for keys in hexadecimal digits or base64."""
    octets = text.encode("utf-8", "surrogatepass")
    shown = without_keys(octets, keys, b"0")
    return text if shown == octets else shown.decode("utf-8", "replace").replace("\0", "0")


def _each(octets: bytes, form: bytes, *, is_text: bool = False) -> Iterator[Found]:
    is_text = is_text or (form.isascii() and form.decode("ascii").isprintable())
    at = octets.find(form)
    while at >= 0:
        yield Found(at, at + len(form), is_text)
        at = octets.find(form, at + 1)


def _in_hex(run: bytes, start: int, digits: Iterable[bytes]) -> Iterator[Found]:
    """Keys in a run of hexadecimal digits, with or without something in between."""
    places: Sequence[int] = range(len(run))
    squeezed = run.lower()
    if not squeezed.isalnum() or b"x" in squeezed:
        places = [digit.start() for digit in _DIGIT.finditer(run)]
        squeezed = bytes(run[place] for place in places).lower()
    for key in digits:
        at = squeezed.find(key)
        while at >= 0:
            yield Found(start + places[at], start + places[at + len(key) - 1] + 1, is_text=True)
            at = squeezed.find(key, at + 1)


@lru_cache(maxsize=4096)
def _base64_forms(key: bytes) -> tuple[bytes, ...]:
    """What is sure to stand in base64 of anything that holds ``key``, at each of the three alignments, in both
    alphabets."""
    forms: dict[bytes, None] = {}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(bytes(shift) + key)
            first = -(-shift * 8 // 6)                              # the characters before hold bits of the neighbours
            last = (shift + len(key)) * 8 // 6
            forms[text[first:last]] = None
    return tuple(form for form in forms if len(form) >= SHORTEST_KEY)
