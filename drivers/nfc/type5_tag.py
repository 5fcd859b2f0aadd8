"""A Type 5 Tag (ISO 15693) with the face of nfcpy's tags, which know no such tag.

Source: commands and frames of ISO 15693-3, as users of an ACR1552U send them (docs/instruments/pcsc-reader.md). From
memory: the NFC Forum's layout (capability container E1, size in units of 8 bytes, TLVs from byte 4 on) and the order of
a write (length 0, data, length). Not tried on hardware.
"""

from __future__ import annotations

from collections.abc import Callable

from nfc.clf import CommunicationError, ProtocolError

_HIGH_RATE, _OPTION = 0x02, 0x40
_READ, _WRITE, _SYSTEM_INFORMATION = 0x20, 0x21, 0x2B
_NULL, _NDEF, _TERMINATOR = 0x00, 0x03, 0xFE


class Type5Tag:
    """``exchange`` sends a frame without CRC and gives the answer's; it raises nfcpy's ``CommunicationError`` when the
    tag is gone. ``identifier`` is the UID, E0 first.
    """

    type = "Type5Tag"
    product = "ISO 15693 tag (Type 5)"

    def __init__(self, identifier: bytes, exchange: Callable[[bytes], bytes]) -> None:
        self.identifier = identifier
        self._exchange = exchange
        self._size: int | None = None

    @property
    def ndef(self) -> Type5Ndef | None:
        """The NDEF area, None when the tag has none that is understood."""
        head = self.read(0)
        if head[:1] != b"\xe1":
            return None
        return Type5Ndef(self, capacity=head[2] * 8, is_writeable=not head[1] & 0x03)

    @property
    def is_present(self) -> bool:
        try:
            self.read(0)
        except CommunicationError:
            return False
        return True

    def dump(self) -> list[str]:
        blocks = self._command(_HIGH_RATE, _SYSTEM_INFORMATION)
        count = blocks[9 + bool(blocks[0] & 1) + bool(blocks[0] & 2)] + 1 if blocks[:1] and blocks[0] & 4 else 1
        return [f"{number:3}: {self.read(number).hex(' ')}" for number in range(count)]

    def read(self, block: int) -> bytes:
        """4 bytes; with the option flag, as it was tried, their security status comes first."""
        answer = self._command(_HIGH_RATE | _OPTION, _READ, bytes((block,)))
        if len(answer) != 5:
            raise ProtocolError(f"a block of {len(answer) - 1} bytes")
        return answer[1:]

    def write(self, block: int, data: bytes) -> None:
        self._command(_HIGH_RATE, _WRITE, bytes((block,)) + data)

    def _command(self, flags: int, code: int, parameters: bytes = b"") -> bytes:
        answer = self._exchange(bytes((flags, code)) + parameters)
        if not answer or answer[0] & 1:
            raise ProtocolError(f"command {code:02X}: error {answer[1:2].hex().upper() or 'without a code'}")
        return answer[1:]


class Type5Ndef:
    """The NDEF message of a Type 5 Tag, as nfcpy shows those of its tags."""

    has_changed = True
    """Nothing is kept: ``octets`` reads each time."""

    def __init__(self, tag: Type5Tag, *, capacity: int, is_writeable: bool) -> None:
        self._tag = tag
        self._area = capacity
        self.is_writeable = is_writeable

    @property
    def capacity(self) -> int:
        """Room for a message, in bytes: its TLV has a head of 4 bytes when it is long."""
        return self._area - (4 if self._area > 256 else 2)

    @property
    def octets(self) -> bytes:
        at = 0
        while at < self._area:
            kind = self._bytes(at, 1)[0]
            if kind == _NULL:
                at += 1
                continue
            if kind == _TERMINATOR:
                break
            length, head = self._bytes(at + 1, 1)[0], 2
            if length == 0xFF:
                length, head = int.from_bytes(self._bytes(at + 2, 2), "big"), 4
            if kind == _NDEF:
                if at + head + length > self._area:
                    raise ProtocolError(f"a message of {length} bytes in {self._area}")
                return self._bytes(at + head, length)
            at += head + length
        return b""

    @octets.setter
    def octets(self, message: bytes) -> None:
        length = bytes((len(message),)) if len(message) < 0xFF else b"\xff" + len(message).to_bytes(2, "big")
        empty = bytes((_NDEF, 0)) + bytes(len(length) - 1)
        content = (bytes((_NDEF,)) + length + message + bytes((_TERMINATOR,)))[:self._area]
        content += bytes(-len(content) % 4)
        first = (empty + content[len(empty):])[:4]
        for block in range(len(content) // 4):
            self._tag.write(block + 1, first if block == 0 else content[block * 4:block * 4 + 4])
        self._tag.write(1, content[:4])

    def _bytes(self, start: int, count: int) -> bytes:
        blocks = range(start // 4 + 1, (start + count + 3) // 4 + 1)
        data = b"".join(self._tag.read(block) for block in blocks)
        return data[start % 4:start % 4 + count]
