"""What a SCPI program message is made of, and the errors that it may have."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

TEXTS = {
    -100: "Command error", -101: "Invalid character", -102: "Syntax error", -104: "Data type error",
    -108: "Parameter not allowed", -109: "Missing parameter", -113: "Undefined header",
    -114: "Header suffix out of range", -123: "Exponent too large", -131: "Invalid suffix",
    -151: "Invalid string data", -161: "Invalid block data", -171: "Invalid expression",
    -200: "Execution error", -211: "Trigger ignored", -213: "Init ignored", -221: "Settings conflict",
    -222: "Data out of range", -224: "Illegal parameter value", -230: "Data corrupt or stale",
    -241: "Hardware missing",
    -310: "System error", -350: "Queue overflow", -363: "Input buffer overrun",
    -400: "Query error", -410: "Query INTERRUPTED", -420: "Query UNTERMINATED", -430: "Query DEADLOCKED",
    -440: "Query UNTERMINATED after indefinite response",
}

_UNITS = {
    "": {},
    "V": {"V": 1.0, "MV": 1e-3, "UV": 1e-6, "KV": 1e3},
    "A": {"A": 1.0, "MA": 1e-3, "UA": 1e-6, "NA": 1e-9},
    "S": {"S": 1.0, "MS": 1e-3, "US": 1e-6, "NS": 1e-9},
    "DBM": {"DBM": 1.0},
}
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:\s*[Ee]\s*[+-]?\d+)?)\s*([A-Za-z]*)$")
_RADIX = re.compile(r"#(?:H([0-9A-F]{1,16})|Q([0-7]{1,22})|B([01]{1,64}))$", re.IGNORECASE)


class ScpiError(Exception):
    """One entry of the error queue. ``detail`` follows the standard's text after a semicolon."""

    def __init__(self, code: int, detail: str = "") -> None:
        text = TEXTS.get(code, "Error")
        super().__init__(f"{text};{detail}" if detail else text)
        self.code = code


def split(text: str, separator: str) -> list[str]:
    """``text`` cut at ``separator``, except inside strings, parentheses and definite-length blocks."""
    pieces: list[str] = []
    begin = place = depth = 0
    while place < len(text):
        character = text[place]
        if character in "\"'":
            place = text.find(character, place + 1)
            if place < 0:
                raise ScpiError(-151)
        elif character == "#" and text[place + 1:place + 2] in set("123456789"):
            digits = int(text[place + 1])
            length = text[place + 2:place + 2 + digits]
            if not (length.isascii() and length.isdigit() and len(length) == digits):
                raise ScpiError(-161)
            place += 1 + digits + int(length)
            if place >= len(text):
                raise ScpiError(-161)
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth < 0:
                raise ScpiError(-171)
        elif character == separator and depth == 0:
            pieces.append(text[begin:place])
            begin = place + 1
        place += 1
    if depth:
        raise ScpiError(-171)
    return [*pieces, text[begin:]]


def read_number(text: str, unit: str) -> float:
    """A numeric parameter with an optional unit suffix, in the base unit."""
    radix = _RADIX.match(text)
    if radix:
        digits, base = next((group, base) for group, base in zip(radix.groups(), (16, 8, 2), strict=True) if group)
        return float(int(digits, base))
    match = _NUMBER.match(text)
    if match is None:
        raise ScpiError(-104, text[:20])
    value = float(match[1].replace(" ", "").replace("\t", ""))
    if not math.isfinite(value):
        raise ScpiError(-123)
    suffix = match[2].upper()
    if not suffix:
        return value
    try:
        return value * _UNITS[unit][suffix]
    except KeyError:
        raise ScpiError(-131, suffix[:20]) from None


def read_boolean(text: str) -> bool:
    upper = text.upper()
    if upper in ("ON", "OFF"):
        return upper == "ON"
    return round(read_number(text, "")) != 0


def read_choice(text: str, words: Iterable[str]) -> str:
    """The short form of the one of ``words`` (such as "BUS", "IMMediate") that ``text`` is."""
    upper = text.upper()
    for word in words:
        if upper in (short_form(word), word.upper()):
            return short_form(word)
    raise ScpiError(-224, text[:20])


def short_form(word: str) -> str:
    """The capitals and digits of a mnemonic as the standard prints it: "VOLT" of "VOLTage"."""
    return "".join(character for character in word if not character.islower())


@dataclass(frozen=True, slots=True)
class Parameters:
    """What follows a header. ``channels`` is the channel list, empty without one; ``suffixes`` are those of the
    header's nodes (1 where none is given)."""

    values: tuple[str, ...]
    channels: tuple[int, ...] = ()
    suffixes: tuple[int, ...] = ()

    @classmethod
    def read(cls, text: str, suffixes: tuple[int, ...] = ()) -> Parameters:
        text = text.strip()
        if not text:
            return cls((), (), suffixes)
        values = [value.strip() for value in split(text, ",")]
        channels: tuple[int, ...] = ()
        if values[-1].startswith("("):
            channels = _read_channels(values.pop())
        if not all(values):
            raise ScpiError(-109)
        return cls(tuple(values), channels, suffixes)

    def expect(self, at_least: int, at_most: int | None = None) -> None:
        """Raise -109 for too few, -108 for too many parameters."""
        if len(self.values) < at_least:
            raise ScpiError(-109)
        if len(self.values) > (at_least if at_most is None else at_most):
            raise ScpiError(-108)


def _read_channels(text: str) -> tuple[int, ...]:
    match = re.fullmatch(r"\(\s*@\s*([\d\s,:]+?)\s*\)", text, re.ASCII)
    if match is None:
        raise ScpiError(-171)
    channels: list[int] = []
    for piece in match[1].split(","):
        limits = re.fullmatch(r"\s*(\d{1,3})\s*(?::\s*(\d{1,3})\s*)?", piece, re.ASCII)
        if limits is None:
            raise ScpiError(-171)
        first, last = int(limits[1]), int(limits[2] or limits[1])
        channels += range(first, last + 1)
    if not channels:
        raise ScpiError(-171)
    return tuple(channels)
