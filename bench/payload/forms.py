"""The forms in which a person has octets: digits, base64, dumps of hexdump, od, xxd and Wireshark."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from bench.payload.readout import PayloadError, quoted

_OFFSET = re.compile(r"\s*(?:0x)?([0-9a-fA-F]{4,12})(:?)(?:\s+(.*))?$")
_NO_DIGITS = re.compile(r"0x|\\x|[\s:,;{}\[\]()\"'_-]", re.IGNORECASE)


def octets_of(text: str) -> list[tuple[str, bytes]]:
    """The octets that ``text`` shows, one for each telegram, and the form that they have. Several are told apart by the
    offsets of a dump, which begin again, or by an empty line between digits. Raises ``PayloadError``."""
    text = text.strip("\ufeff\r\n\t ")
    dumps = _dumps(text)
    if dumps is not None:
        return dumps
    if not text:
        return [("digits", b"")]
    parts = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
    found = [("digits", digits) for part in parts if (digits := from_digits(part)) is not None]
    if len(found) == len(parts):
        return found
    found = [("base64", octets) for part in parts if (octets := _from_base64(part)) is not None]
    if found and len(found) == len(parts):
        return found
    raise PayloadError(f"expected hexadecimal digits, base64, a dump or @FILE, saw {quoted(text[:40])}")


def from_digits(text: str) -> bytes | None:
    """Hexadecimal digits, whatever people write between them."""
    digits = _NO_DIGITS.sub("", text)
    try:
        return bytes.fromhex(digits) if digits.isascii() else None
    except ValueError:
        return None


def _from_base64(text: str) -> bytes | None:
    packed = "".join(text.split()).replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(packed, validate=True) if len(packed) > 4 else None
    except ValueError:
        return None


# -- dumps


def _dumps(text: str) -> list[tuple[str, bytes]] | None:
    """Each dump in ``text``; lines without an offset (titles of packets) stand between dumps. None where there is none.
    Raises ``PayloadError`` where offsets and octets don't agree."""
    dumps: list[list[tuple[str, str, str]]] = []
    for line in text.splitlines():
        found = _OFFSET.match(line)
        if line.strip() == "*" and dumps:
            dumps[-1].append(("*", "", ""))
        elif found is not None:
            offset, colon, rest = found[1], found[2], found[3] or ""
            if int(offset, 16) == 0:
                dumps.append([])
            if not dumps:
                return None
            dumps[-1].append((offset, colon, rest))
    # One line without its end, and no ASCII beside it, is as well a row of digits that begins with zeros.
    if not dumps or (len(dumps) == 1 and len(dumps[0]) == 1 and not re.search(r"[|>:]|\s{2,}\S+$", text)):
        return None
    return [_dump(lines) for lines in dumps]


def _dump(lines: Sequence[tuple[str, str, str]]) -> tuple[str, bytes]:
    for base in (16, 8) if len(lines[0][0]) == 7 else (16,):    # od's offsets are octal and have seven digits
        for gap in (2, 3):    # between the octets and their ASCII; some leave two in the middle of the octets
            try:
                return "dump", b"".join(_in_lines(lines, base, gap))
            except (ValueError, OverflowError):    # the latter of six digits that are no word of od
                continue
    raise PayloadError(f"the dump at offset {lines[0][0]}: expected as many octets in each line as its offsets say, "
                       "saw others; is a line missing, or broken in two?")


def _in_lines(lines: Sequence[tuple[str, str, str]], base: int, gap: int) -> Iterator[bytes]:
    """Raises ValueError where ``base`` is not that of the offsets, or ``gap`` not before the ASCII."""
    at, last = 0, b""
    for number, (offset, colon, rest) in enumerate(lines):
        if offset == "*":    # as the line before, up to the next offset
            count = int(lines[number + 1][0], base) - at if number + 1 < len(lines) else 0
            if not last or count % len(last):
                raise ValueError
            octets = last * (count // len(last))
        else:
            if int(offset, base) != at:
                raise ValueError
            octets = last = _of_line(rest, colon, gap)
            end = next((int(one[0], base) for one in lines[number + 1:] if one[0] != "*"), None)
            if end is not None and end == at + len(octets) - 1:    # od and hexdump fill the last word
                octets = octets[:-1]
            if end is not None and end < at + len(octets):
                raise ValueError
        at += len(octets)
        yield octets


def _of_line(rest: str, colon: str, gap: int) -> bytes:
    """Words of two octets have their second octet first, but with xxd, whose offsets have a colon."""
    before_ascii = r"\s+\|" if re.search(r"\s\|.*\|$", rest.rstrip()) else rf"\s+>|\s{{{gap},}}"
    shown = re.split(before_ascii, rest.strip())[0]
    octets = b""
    for word in shown.split():
        if len(word) == 6 and not colon:    # od without options
            octets += int(word, 8).to_bytes(2, "little")
        else:
            octets += bytes.fromhex(word)[::-1 if len(word) == 4 and not colon else 1]
    return octets
