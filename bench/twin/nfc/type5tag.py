"""The twin's NFC tag of the other technology: a Type 5 Tag (ISO 15693) with the unit's processor behind it.

Which tag the real unit has is not public; this one exists so that the bench's answer to such a unit can be tried.
Source: commands and frames of ISO 15693-3 as users of an ACR1552U send them (docs/instruments/pcsc-reader.md); the
layout (capability container, TLVs) is the NFC Forum's Type 5 Tag, from memory.
"""

from __future__ import annotations

from bench.twin.nfc.type2tag import Type2Tag

_CAPABILITY = bytes((0xE1, 0x40, 0x6D, 0x01))
_PAGES_BEFORE = 3
"""Block 1 is where a Type 2 Tag has page 4."""
_BLOCKS = 0xE0
_OPTION = 0x40
_ERROR, _UNKNOWN_COMMAND, _NO_SUCH_BLOCK = 0x01, 0x01, 0x10


class Type5Tag(Type2Tag):
    """The same memory and the same processor's side as ``Type2Tag``; a reader speaks ISO 15693 to it."""

    technology = "ISO 15693"

    def __init__(self, uid: bytes = bytes.fromhex("E0040150A1B2C3D4")) -> None:
        super().__init__(uid[-7:])
        self.uid = uid

    def command(self, command: bytes) -> bytes | None:
        """The answer to a frame (flags, command, parameters) without CRC; None for silence."""
        if not self.is_there() or not self._selected or len(command) < 2:
            return None
        flags, code, rest = command[0], command[1], command[2:]
        match code:
            case 0x20 if len(rest) == 1:
                block = self._block(rest[0])
                if block is None:
                    return bytes((_ERROR, _NO_SUCH_BLOCK))
                return b"\x00" + (b"\x00" if flags & _OPTION else b"") + block
            case 0x21 if len(rest) == 5:
                if not 0 < rest[0] < _BLOCKS:
                    return bytes((_ERROR, _NO_SUCH_BLOCK))
                self._write(rest[0] + _PAGES_BEFORE, rest[1:])
                return b"\x00"
            case 0x2B if not rest:      # system information: memory size is given
                return b"\x00\x04" + self.uid[::-1] + bytes((_BLOCKS - 1, 3))
            case _:
                return bytes((_ERROR, _UNKNOWN_COMMAND))

    def _block(self, number: int) -> bytes | None:
        if number == 0:
            return _CAPABILITY
        return self._read(number + _PAGES_BEFORE)[:4] if number < _BLOCKS else None
