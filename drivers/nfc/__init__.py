"""NFC: the reader, the tag in its field, and the settings on the tag.

Four layers, of which a lab replaces only the codec:

* ``nfc_reader.NfcReader``      finds a tag: ``pn532_reader.Pn532Reader``, ``pcsc_reader.PcscReader``
* ``tag_session.TagSession``    what can be done with the tag while it is in the field
* ``SettingsCodec``             how settings are written on the tag; Elvaco's own format is not public
* ``otc.Otc``                   settings by their key, the face of it all
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from bench.errors import BenchError
from bench.manual.settings import Value
from drivers.nfc.tag_session import TagSession


class Status(IntEnum):
    """Outcome of a write, and of each setting in it."""

    OK = 0
    BAD_FORMAT = 1
    VERSION = 2
    STALE = 3
    AUTH_REQUIRED = 4
    AUTH_FAILED = 5
    AUTH_BLOCKED = 6
    READ_ONLY = 7
    UNKNOWN_SETTING = 8
    TYPE = 9
    RANGE = 10
    RULE_CONFLICT = 11
    FLASH_WRITE_FAILED = 12
    BUSY = 13
    NO_METER = 14


class Pak:
    """A Product Access Key. Never printed: ``repr`` and error texts don't hold it."""

    SIZE = 16
    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) != self.SIZE:
            raise BenchError("PAK", expected=f"{self.SIZE} bytes", seen=f"{len(secret)} bytes",
                             do="correct the key file of the units")
        self._secret = secret

    @classmethod
    def from_hex(cls, text: str) -> Pak:
        try:
            secret = bytes.fromhex(text)
        except ValueError:
            raise BenchError("PAK", expected="hexadecimal digits", seen="something else",
                             do="correct the key file of the units") from None
        return cls(secret)

    @property
    def octets(self) -> bytes:
        """For who must know what not to write down."""
        return self._secret

    def mac(self, message: bytes) -> bytes:
        """The first 16 bytes of HMAC-SHA-256 over ``message``."""
        return hmac.digest(self._secret, message, hashlib.sha256)[:16]

    def prove(self, proof: Callable[[bytes], bytes]) -> bytes:
        """What ``proof`` makes of the key: for a format that asks for something else than ``mac``."""
        return proof(self._secret)

    def __repr__(self) -> str:
        return "Pak(redacted)"


@dataclass(frozen=True, slots=True)
class CodecInfo:
    """What a settings codec is. ``vendor_format``: it is the format that a real unit understands."""

    name: str
    version: str
    vendor_format: bool
    note: str


@dataclass(frozen=True, slots=True)
class UnitIdentity:
    """Who the unit says it is. ``deveui`` is 16 upper-case hexadecimal digits."""

    model: str
    deveui: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All settings that could be read at one time: by key, enumerations by name.

    ``unknown`` holds settings by number that the manual doesn't have.
    """

    identity: UnitIdentity
    values: Mapping[str, int | str]
    locked: bool
    unknown: Mapping[int, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What the unit made of a write; ``per_setting`` is empty when it did not look at the settings at all."""

    status: Status
    per_setting: Mapping[str, Status]


class SettingsCodec(Protocol):
    """How settings are written on the tag. Made without arguments; holds no state between calls.

    Raises ``TagFormatError`` where the tag holds something else than this codec's format.
    """

    @property
    def info(self) -> CodecInfo: ...

    def recognises(self, tag: TagSession) -> bool:
        """Whether the tag is written in this codec's format."""

    def read(self, tag: TagSession) -> Snapshot: ...

    def write(self, tag: TagSession, changes: Mapping[str, Value], pak: Pak | None) -> bytes:
        """Ask the unit to apply ``changes`` (not validated). Returns a ticket for ``result``."""

    def result(self, tag: TagSession, ticket: bytes) -> ApplyResult | None:
        """The unit's answer to the ticket, or None as long as there is none."""
