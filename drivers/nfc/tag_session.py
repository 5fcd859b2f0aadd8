"""What can be done with a tag while it is in the reader's field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import nfc.clf
import nfc.tag
from nfc.tag.tt2 import Type2TagCommandError

from bench.errors import BenchError

T = TypeVar("T")


_READ = 0x30
_WRITE = b"\xa2"
"""The Type 2 Tag's command that writes one page."""


class NoTagError(BenchError):
    """No tag answers: none there, out of reach, or NFC is switched off in the unit."""


class TagLostError(BenchError):
    """The tag stopped answering in the middle of something."""


class TagFormatError(BenchError):
    """The tag holds something else than what was looked for."""


@dataclass(frozen=True, slots=True)
class TagIdentity:
    """``uid`` in upper-case hexadecimal, ``product`` as nfcpy names it, room for NDEF in bytes (0: no NDEF tag)."""

    uid: str
    product: str
    ndef_capacity: int


@dataclass(frozen=True, slots=True)
class Recording:
    """What went over the air in one session, in its order: what an eavesdropper would keep.

    It may hold the proof of a key: it is never printed.
    """

    sent: tuple[tuple[Literal["ndef", "command"], bytes], ...] = field(repr=False)


class TagSession:
    """One contact with one tag; made by ``NfcReader.tap``, valid inside its ``with``.

    ``tag`` is one of nfcpy's, or has the same face. After a refused command a Type 2 Tag is mute until the next tap.
    Raises ``TagLostError`` when the tag goes away, and what ``reader_failed`` makes of any other exception: a library
    that is confused by what a reader or a tag answers is not the unit's fault.
    """

    def __init__(self, tag: Any, reader_failed: Callable[[Exception], BenchError],
                 field_off: Callable[[], None]) -> None:
        self._tag = tag
        self._field_off = field_off
        self._sent: list[tuple[Literal["ndef", "command"], bytes]] = []
        self._pages_left: int | None = None     # until the field is switched off; None: it stays on
        self._reader_failed = reader_failed
        self.subject = f"NFC tag {tag.identifier.hex().upper()}"

    @property
    def identity(self) -> TagIdentity:
        ndef = self._guarded(lambda: self._tag.ndef)
        return TagIdentity(self._tag.identifier.hex().upper(), str(self._tag.product),
                           int(ndef.capacity) if ndef is not None else 0)

    def read_ndef(self, *, again: bool = False) -> bytes:
        """The NDEF message as first read in this session, or, with ``again``, as it is on the tag now."""
        ndef = self._ndef()
        if again:
            self._guarded(lambda: ndef.has_changed)         # nfcpy keeps what it read; this reads again
            ndef = self._ndef()
        return bytes(ndef.octets)

    def memory(self) -> bytes:
        """All that a reader can have of the tag: of a Type 2 Tag page by page (NFC Forum, READ) until it refuses, of
        another its NDEF message."""
        if not hasattr(self._tag, "transceive"):
            return self.read_ndef()
        found = bytearray()
        for page in range(0, 256, 4):
            pages = self.transceive(bytes((_READ, page)))
            if len(pages) < 16:
                break
            found += pages
        return bytes(found)

    def write_ndef(self, message: bytes) -> None:
        """Write an NDEF message: length 0, then the data, then the length, which commits it."""
        ndef = self._ndef()
        if not ndef.is_writeable or len(message) > ndef.capacity:
            raise TagFormatError(self.subject, expected=f"room for an NDEF message of {len(message)} bytes",
                                 seen=f"{ndef.capacity} bytes, {'' if ndef.is_writeable else 'not '}writeable",
                                 do="use a tag of 1k or more")

        def write() -> None:
            ndef.octets = message

        self._sent.append(("ndef", message))
        self._guarded(write)

    def transceive(self, command: bytes, timeout_s: float = 0.1) -> bytes:
        """Send a raw command to a Type 2 Tag. A refusal comes back as one byte (NAK), not as an error."""
        if not hasattr(self._tag, "transceive"):
            raise TagFormatError(self.subject, expected="a tag that takes raw commands", seen=str(self._tag.type),
                                 do="use a Type 2 Tag")
        self._sent.append(("command", command))
        if command[:1] == _WRITE:
            self._guarded(self._count_page)
        return bytes(self._guarded(lambda: self._tag.transceive(command, timeout_s, retries=0)))

    @property
    def recording(self) -> Recording:
        """What this session has sent so far."""
        return Recording(tuple(self._sent))

    def send_again(self, recording: Recording) -> None:
        """Send what another session sent, octet for octet."""
        for kind, octets in recording.sent:
            if kind == "ndef":
                self.write_ndef(octets)
            else:
                self.transceive(octets)

    def tear_after(self, pages: int) -> None:
        """Let ``pages`` more pages be written, and switch the reader's field off in place of the next: the tag is lost
        there. Raises ``TagFormatError`` for a tag that is not written page by page.
        """
        write = getattr(self._tag, "write", None)
        if write is None:
            raise TagFormatError(self.subject, expected="a tag that is written page by page", seen=str(self._tag.type),
                                 do="use a Type 2 Tag")

        def counted(page: int, data: bytes) -> bool:
            self._count_page()
            return bool(write(page, data))

        self._pages_left = pages
        self._tag.write = counted

    def _count_page(self) -> None:
        if self._pages_left is None:
            return
        if self._pages_left == 0:
            self._field_off()
            raise Type2TagCommandError(nfc.tag.TIMEOUT_ERROR)
        self._pages_left -= 1

    def dump(self) -> list[str]:
        """The tag's memory, a line each, as nfcpy prints it."""
        return [str(line) for line in self._guarded(self._tag.dump)]

    def _ndef(self) -> Any:
        ndef = self._guarded(lambda: self._tag.ndef)
        if ndef is None:
            # nfcpy gives None both for a tag that is gone and for one without NDEF.
            if not self._guarded(lambda: self._tag.is_present):
                raise self._lost("no answer")
            raise TagFormatError(self.subject, expected="an NDEF message", seen="a tag without NDEF",
                                 do="check that this is the unit's tag, and that the settings codec fits it")
        return ndef

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except nfc.tag.TagCommandError as error:
            raise self._lost(str(error)) from error
        except nfc.clf.CommunicationError as error:
            raise self._lost(str(error) or type(error).__name__) from error
        except BenchError:
            raise
        except Exception as error:
            raise self._reader_failed(error) from error

    def _lost(self, seen: str) -> TagLostError:
        return TagLostError(self.subject, expected="answers until the end of the transaction", seen=seen,
                            do="hold the unit still on the reader's coil")
