"""The twin's own firmware packages: the maker's are not published (docs/open-in-the-manual.md, G15).

Big-endian: magic "MCMF", format 1, product (16 octets), hardware revision (8), version (12), all in ASCII and filled up
with zeros, length of the payload (32 bit), CRC-32 over everything but itself (32 bit), payload. There is no signature:
whoever can write 5/0/1 can put any program into the twin.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass

MAGIC = b"MCMF"
FORMAT = 1
_HEADER = struct.Struct(">4sB16s8s12sI")
_CRC = struct.Struct(">I")
HEADER_SIZE = _HEADER.size + _CRC.size


class NoPackage(Exception):  # noqa: N818 - what the content is, not an error of the program
    """Something else than a package."""


class DamagedPackage(Exception):  # noqa: N818 - what the content is, not an error of the program
    """A package whose length or CRC is wrong."""


@dataclass(frozen=True, slots=True)
class Package:
    """A program for ``hardware`` of ``product``."""

    product: str
    hardware: str
    version: str
    payload: bytes

    def encode(self) -> bytes:
        header = _HEADER.pack(MAGIC, FORMAT, self.product.encode("ascii"), self.hardware.encode("ascii"),
                              self.version.encode("ascii"), len(self.payload))
        return header + _CRC.pack(zlib.crc32(header + self.payload)) + self.payload

    @classmethod
    def decode(cls, content: bytes) -> Package:
        """Raises NoPackage or DamagedPackage."""
        if content[:len(MAGIC)] != MAGIC:
            raise NoPackage
        if len(content) < HEADER_SIZE:
            raise DamagedPackage
        _, version, product, hardware, program, length = _HEADER.unpack_from(content)
        payload = content[HEADER_SIZE:]
        crc, = _CRC.unpack_from(content, _HEADER.size)
        if len(payload) != length or zlib.crc32(content[:_HEADER.size] + payload) != crc:
            raise DamagedPackage
        if version != FORMAT:
            raise NoPackage
        return cls(_text(product), _text(hardware), _text(program), payload)


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode("ascii", "replace")


def is_older(version: str, than: str) -> bool:
    """By its numbers, from left to right."""
    one, other = ([int(number) for number in re.findall("[0-9]+", text)] for text in (version, than))
    return one < other
