"""A strict CBOR reader (RFC 8949) that says what is odd and at which byte.

A general decoder hides what the bench has to judge: lengths that are not the shortest, indefinite lengths, duplicate
keys, leftover bytes. It also acts on tags (dates, big numbers, shared references), which no telegram needs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from bench.payload.readout import Finding, PayloadError, quoted

_MAX_DEPTH = 16
"""A SenML pack has three levels; deeper nesting is an attack or noise."""
_SHORTEST = (24, 0x100, 0x1_0000, 0x1_0000_0000)
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_INDEFINITE = 31


_TAGS = {0: "date/time text", 1: "epoch-based date/time", 2: "bignum", 3: "negative bignum", 4: "decimal fraction",
         5: "bigfloat"}
"""What RFC 8949 3.4 calls them."""


@dataclass(frozen=True, slots=True, repr=False)
class Tag:
    """A tagged item, not acted upon."""

    number: int
    value: CborValue

    def __repr__(self) -> str:
        """In the words of the standard, for findings."""
        name = f" ({_TAGS[self.number]})" if self.number in _TAGS else ""
        return f"tag {self.number}{name} of {self.value!r}"


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple value other than false, true and null."""

    number: int


CborValue = int | bytes | str | float | bool | None | Tag | Simple | list["CborValue"] | dict[int | str, "CborValue"]


def decode_cbor(data: bytes) -> tuple[CborValue, tuple[Finding, ...]]:
    """The one item in ``data`` and what is odd about its encoding.

    Findings: not-shortest, indefinite-length (warning), duplicate-key, trailing-bytes (error). Of duplicate keys the
    first one counts. Raises PayloadError when the bytes are not well-formed, a map key is neither integer nor text, or
    the nesting is deeper than 16.
    """
    reader = _Reader(data)
    value = reader.item(0)
    left = len(data) - reader.at
    if left:
        rest = quoted(data[reader.at :].hex().upper())
        reader.report("trailing-bytes", "error", f"{left} bytes follow the item: {rest}", "RFC 8949 5.1", reader.at)
    return value, tuple(reader.findings)


class _Break:
    """The stop code of an indefinite length."""


_BREAK = _Break()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.findings: list[Finding] = []

    def report(self, code: str, severity: str, text: str, clause: str, at: int) -> None:
        self.findings.append(Finding(code, "error" if severity == "error" else "warning", f"byte {at}: {text}", clause))

    def item(self, depth: int) -> CborValue:
        start = self.at
        value = self._item(depth)
        if isinstance(value, _Break):
            raise PayloadError(f"byte {start}: a stop code outside an indefinite length")
        return value

    def _take(self, count: int, what: str) -> bytes:
        if count > len(self.data) - self.at:
            raise PayloadError(
                f"byte {self.at}: premature end, {what} needs {count} bytes, {len(self.data) - self.at} follow"
            )
        part = self.data[self.at : self.at + count]
        self.at += count
        return part

    def _item(self, depth: int) -> CborValue | _Break:
        if depth > _MAX_DEPTH:
            raise PayloadError(f"byte {self.at}: nested deeper than {_MAX_DEPTH}")
        start = self.at
        initial = self._take(1, "an item")[0]
        major, extra = initial >> 5, initial & 0x1F
        if 28 <= extra <= 30 or (extra == _INDEFINITE and major in (0, 1, 6)):
            raise PayloadError(f"byte {start}: {initial:02X} is reserved in CBOR")
        if major == 7:
            return self._simple(extra, start)
        if extra == _INDEFINITE:
            self.report("indefinite-length", "warning", "indefinite length", "7.4.2.3; RFC 8949 4.2.1", start)
            return self._indefinite(major, depth)
        argument = extra
        if extra >= 24:
            argument = int.from_bytes(self._take(1 << (extra - 24), "a number"), "big")
            if argument < _SHORTEST[extra - 24]:
                self.report(
                    "not-shortest",
                    "warning",
                    f"{argument} is not written in its shortest form",
                    "RFC 8949 4.2.1",
                    start,
                )
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2:
            return self._take(argument, f"a byte string of {argument}")
        if major == 3:
            return self._text(self._take(argument, f"a text of {argument}"), start)
        if major == 4:
            return self._array(argument, depth, start)
        if major == 5:
            pairs: dict[int | str, CborValue] = {}
            for n in range(argument):
                if self.at == len(self.data):
                    raise PayloadError(
                        f"byte {self.at}: premature end, the map at byte {start} announces {argument} pairs, "
                        f"{n} are there"
                    )
                self._pair(pairs, depth)
            return pairs
        return Tag(argument, self.item(depth + 1))

    def _array(self, count: int, depth: int, start: int) -> CborValue:
        items: list[CborValue] = []
        for n in range(count):
            if self.at == len(self.data):
                raise PayloadError(
                    f"byte {self.at}: premature end, the array at byte {start} announces {count} items, {n} are there"
                )
            items.append(self.item(depth + 1))
        return items

    def _pair(self, pairs: dict[int | str, CborValue], depth: int) -> None:
        start = self.at
        key = self.item(depth + 1)
        if isinstance(key, bool) or not isinstance(key, (int, str)):
            raise PayloadError(f"byte {start}: a map key is neither integer nor text")
        value = self.item(depth + 1)
        if key in pairs:
            text = f"key {quoted(key)} comes again, the first one counts"
            self.report("duplicate-key", "error", text, "RFC 8949 5.6", start)
        else:
            pairs[key] = value

    def _text(self, raw: bytes, start: int) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise PayloadError(f"byte {start}: a text that is not UTF-8") from None

    def _simple(self, extra: int, start: int) -> CborValue | _Break:
        if extra in _FLOATS:
            number: float = struct.unpack(_FLOATS[extra], self._take(1 << (extra - 24), "a float"))[0]
            return number
        if extra == _INDEFINITE:
            return _BREAK
        if extra == 24:
            extra = self._take(1, "a simple value")[0]
            if extra < 32:
                raise PayloadError(f"byte {start}: simple value {extra} in two bytes")
        return {20: False, 21: True, 22: None}[extra] if extra in (20, 21, 22) else Simple(extra)

    def _indefinite(self, major: int, depth: int) -> CborValue:
        if major == 4:
            items: list[CborValue] = []
            while not isinstance(value := self._item(depth + 1), _Break):
                items.append(value)
            return items
        if major == 5:
            pairs: dict[int | str, CborValue] = {}
            while not self._at_break():
                self._pair(pairs, depth)
            return pairs
        chunks: list[bytes] = []
        while not self._at_break():
            start = self.at
            if self.data[start : start + 1] and (
                self.data[start] >> 5 != major or self.data[start] & 0x1F == _INDEFINITE
            ):
                raise PayloadError(f"byte {start}: a chunk of another kind inside an indefinite string")
            chunk = self.item(depth + 1)
            chunks.append(chunk.encode() if isinstance(chunk, str) else chunk if isinstance(chunk, bytes) else b"")
        joined = b"".join(chunks)
        return joined if major == 2 else joined.decode()

    def _at_break(self) -> bool:
        if self.data[self.at : self.at + 1] == b"\xff":
            self.at += 1
            return True
        return False
