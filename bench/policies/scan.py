"""What a scanner has typed: one value of a known kind, or a sentence. Nothing is guessed.

Scanners type; some send the AIM identifier of the symbology first, some send FNC1 as the control character GS, as
``Ctrl-]`` or not at all, and end with CR, LF, Tab or nothing (GS1 General Specifications, 5.9 and 7.8;
ISO/IEC 15424 for the identifiers). A keyboard of another country turns letters into others: such a scan is no
DevEUI and is refused, not mended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bench.errors import BenchError

LONGEST = 4096
"""Characters that are looked at."""

_GS = "\x1d"
_AIM = re.compile(r"^\][A-Za-z][0-9A-Za-z]")
_GS1 = ("]C1", "]d2", "]Q3", "]e0")
_ENDS = "\r\n\t \x00\x02\x03\x04\x1d"
_EUI = re.compile(r"[0-9A-F]{16}")
_QR = re.compile(r"LW:D[01]:[0-9A-F]{16}:([0-9A-F]{16})(?::.*)?", re.IGNORECASE)    # LoRa Alliance TR005
_LABELLED = re.compile(r"\b(?:DEV\s?EUI|EUI(?:-?64)?)\s*[:=]?\s*((?:[0-9A-F]{2}[:. -]?){8})(?![0-9A-F])", re.IGNORECASE)

_FIXED = {"00": 18, "01": 14, "02": 14, "03": 14, "04": 16, **dict.fromkeys(("11", "12", "13", "14", "15", "16", "17",
          "18", "19"), 6), "20": 2, **dict.fromkeys(("31", "32", "33", "34", "35", "36"), 8), "41": 13}
"""Characters after the first two digits of an application identifier that no separator follows (GS1 General
Specifications, figure 7.8.5-2); those of three and four digits with the rest of the identifier."""

_VARIABLE = {"10": 20, "21": 20, "22": 20, "235": 28, "240": 30, "241": 30, "242": 6, "243": 20, "250": 30, "251": 30,
             "253": 30, "254": 20, "30": 8, "37": 8, "400": 30, "401": 30, "403": 30, "420": 20, "421": 12, "422": 3,
             "8002": 20, "8003": 30, "8004": 30, "8006": 18, "8008": 12, "8010": 30, "8012": 20, "8020": 25,
             **{str(number): 90 for number in range(90, 100)}}
_SERIALS = ("21", "8004")


@dataclass(frozen=True, slots=True)
class Unit:
    """The label of a unit: ``deveui`` in 16 upper-case digits. ``raw``: what was typed."""

    deveui: str
    raw: str


@dataclass(frozen=True, slots=True)
class WorkOrder:
    number: str
    raw: str


@dataclass(frozen=True, slots=True)
class Badge:
    """It opens what its owner may do: never shown, never written down."""

    content: str = field(repr=False)


Scan = Unit | WorkOrder | Badge


@dataclass(frozen=True)
class Shapes:
    """What badges and work orders look like: regular expressions that fit all of one, None where there are none."""

    badge: re.Pattern[str] | None = None
    work_order: re.Pattern[str] | None = None


def read(typed: str, shapes: Shapes = Shapes()) -> Scan:
    """What ``typed`` is. Raises ``BenchError`` for what is nothing known, and for what may be two things."""
    if len(typed) > LONGEST:
        raise _refused(f"more than {LONGEST} characters", "look at what is in front of the scanner, and scan again")
    text = typed.strip(_ENDS)
    is_gs1 = text[:3] in _GS1
    text = _AIM.sub("", text, count=1).strip(_ENDS)
    if not text:
        raise _refused("nothing", "scan again")
    found: list[Scan] = []
    if shapes.badge is not None and shapes.badge.fullmatch(text):
        found.append(Badge(text))
    if shapes.work_order is not None and shapes.work_order.fullmatch(text):
        found.append(WorkOrder(text, typed))
    euis = _euis(text, is_gs1) if text.isascii() else []
    found += [Unit(eui, typed) for eui in euis]
    if len(found) == 1:
        return found[0]
    if len(euis) > 1:
        raise _refused("two of them in one scan", "scan the label of one unit")
    if found:
        kinds = " and ".join(type(one).__name__ for one in found)
        raise _refused(f"what may be two things ({kinds})", "have the patterns of the policies told apart")
    raise _refused(*_why_not(text))


def _euis(text: str, is_gs1: bool) -> list[str]:
    """The different DevEUIs in ``text``, as far as it is one of the forms that a label has."""
    if found := _QR.fullmatch(text):
        return [found[1].upper()]
    if labelled := [_plain(one[1]) for one in _LABELLED.finditer(text)]:
        return list(dict.fromkeys(labelled))
    plain = _plain(text)
    if not is_gs1 and not _is_mixed(text) and not _is_gtin(plain):
        if _EUI.fullmatch(plain):
            return [plain]
        if len(plain) == 32 and _EUI.fullmatch(plain[:16]) and _EUI.fullmatch(plain[16:]):
            return [plain[:16], plain[16:]]    # two scans that ran together, be it of one unit
    serials = [_plain(value) for ai, value in _elements(text) if ai in _SERIALS]
    return list(dict.fromkeys(one for one in serials if _EUI.fullmatch(one)))


def _is_gtin(text: str) -> bool:
    """An article number alone, with its identifier: it has 16 digits, too."""
    digits = [int(digit) for digit in text[2:]] if re.fullmatch(r"01[0-9]{14}", text) else []
    return bool(digits) and (3 * sum(digits[0::2]) + sum(digits[1::2])) % 10 == 0


def _plain(text: str) -> str:
    """Without what people put between digits."""
    return re.sub(r"[ :.\-_]", "", text).removeprefix("0x").removeprefix("0X").upper()


def _is_mixed(text: str) -> bool:
    """Small and capital letters in one DevEUI: a keyboard with Caps Lock, or a hand."""
    letters = [letter for letter in text.removeprefix("0x").removeprefix("0X") if letter.isalpha()]
    return any(letter.islower() for letter in letters) and any(letter.isupper() for letter in letters)


def _elements(text: str) -> list[tuple[str, str]]:
    """``text`` as application identifiers with their values, as printed in brackets or as encoded; else nothing."""
    if re.fullmatch(r"(\(\d{2,4}\)[^()]+)+", text):
        return [(ai, value.strip()) for ai, value in re.findall(r"\((\d{2,4})\)([^()]+)", text)]
    return _parse(text) or []


def _parse(text: str) -> list[tuple[str, str]] | None:
    elements = []
    while text:
        ai = next((text[:count] for count in (2, 3, 4) if text[:count] in _VARIABLE), None)
        if ai is not None:
            value, _, rest = text[len(ai):].partition(_GS)
            if not 0 < len(value) <= _VARIABLE[ai]:
                return None
        elif text[:2] in _FIXED:
            ai, length = text[:2], 2 + _FIXED[text[:2]]
            value, rest = text[2:length], text[length:].removeprefix(_GS)
            if len(value) != length - 2 or not value.isdigit():
                return None
        else:
            return None
        elements.append((ai, value))
        text = rest
    return elements


def _why_not(text: str) -> tuple[str, str]:
    """What was seen instead, and what to do. The text itself is not repeated: it may be hostile, or a badge's."""
    plain = _plain(text)
    if not text.isprintable() or not text.isascii():
        return "letters that no label has", "scan again; if it stays so, set the scanner to the keyboard of this PC"
    if _is_gtin(plain):
        return "an article number without a serial number", "scan the code that has the unit's serial number"
    if re.fullmatch(r"[0-9A-F]{16}", plain):
        return "small and capital letters mixed", "switch Caps Lock off, and scan again"
    if re.fullmatch(r"[0-9A-Z]{16}", plain):
        return "16 letters and digits, some beyond F (O is no 0, I no 1)", "scan the label, don't type it"
    if re.fullmatch(r"[0-9A-F]{8,24}", plain):
        return f"{len(plain)} hexadecimal digits", "scan again; the label has 16"
    return f"something else, of {len(text)} characters", "scan the unit's label, a work order, or a badge"


def _refused(seen: str, do: str) -> BenchError:
    return BenchError("scan", expected="a DevEUI of 16 hexadecimal digits, a work order, or a badge", seen=seen, do=do)
