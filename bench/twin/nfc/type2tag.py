"""The twin's NFC tag: a Type 2 Tag with a second side for the unit's processor, like an NTAG I2C plus 1k.

Source: NFC Forum Type 2 Tag (READ, WRITE, SECTOR SELECT, NDEF TLV) and the NT3H2111 data sheet (memory map,
GET_VERSION, FAST_READ). Which tag the real unit has is not public.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.twin.signal import Signal

ACK = b"\x0a"
NAK = b"\x00"

_PAGES = 0xEA                       # pages 00..E9 of sector 0: 1k memory and the configuration behind it
FIRST_PAGE = 4                      # user memory begins here
_AREA_SIZE = 872                    # bytes for TLVs, as the capability container says
_CAPABILITY = bytes((0xE1, 0x10, _AREA_SIZE // 8, 0x00))
_VERSION = bytes.fromhex("0004040502021303")
_NDEF_TLV = 0x03
_TERMINATOR = 0xFE


class Type2Tag:
    """A tag in reach of a reader (``command``) and of the unit's processor (``ndef``, or ``pages`` and ``put``).

    ``enabled`` False is the unit with NFC switched off: no answer at all.
    ``field`` is whether a reader's field is on it; the unit can follow it. All calls belong into the loop's thread.
    """

    technology = "ISO 14443A"

    def __init__(self, uid: bytes = bytes.fromhex("04A1B2C3D4E580")) -> None:
        self.uid = uid
        self.enabled = True
        self.field: Signal[bool] = Signal(False)
        self._memory = bytearray(_PAGES * 4)
        self._memory[0:7] = uid
        self._memory[12:16] = _CAPABILITY
        self._selected = False
        self._sector_select = False
        self._followers: list[Callable[[int], None]] = []
        self.field.follow(lambda on: self._deselect())
        self.ndef = b""

    # -- the processor's side -------------------------------------------------------------------------------------

    @property
    def ndef(self) -> bytes:
        """The NDEF message. Empty while a reader is in the middle of writing one."""
        start, length = self._ndef_place()
        return bytes(self._memory[start:start + length])

    @ndef.setter
    def ndef(self, message: bytes) -> None:
        if len(message) > _AREA_SIZE - 5:
            raise ValueError(f"{len(message)} bytes don't fit into the tag's {_AREA_SIZE} bytes")
        long = len(message) >= 255
        head = bytes((_NDEF_TLV, 255)) + len(message).to_bytes(2, "big") if long else bytes((_NDEF_TLV, len(message)))
        self.put(FIRST_PAGE, (head + message + bytes((_TERMINATOR,))).ljust(_AREA_SIZE, b"\x00"))

    def pages(self, first: int, size: int) -> bytes:
        """``size`` bytes of the memory from page ``first`` on."""
        return bytes(self._memory[first * 4:first * 4 + size])

    def put(self, first: int, data: bytes) -> None:
        """Put ``data`` into the memory from page ``first`` on. Raises ValueError where it does not fit."""
        if first < FIRST_PAGE or first * 4 + len(data) > len(self._memory):
            raise ValueError(f"{len(data)} bytes don't fit into the tag from page {first:02X} on")
        self._memory[first * 4:first * 4 + len(data)] = data

    def follow_pages(self, follower: Callable[[int], None]) -> None:
        """Call ``follower(page)`` when a reader has written a page. An NDEF message is complete with ``FIRST_PAGE``,
        which holds its length."""
        self._followers.append(follower)

    # -- the reader's side ----------------------------------------------------------------------------------------

    def select(self) -> bool:
        """The reader looks for a tag. True when this one answers."""
        self._selected = self.is_there()
        self._sector_select = False
        return self._selected

    def is_there(self) -> bool:
        """Whether a reader can find it."""
        return self.enabled

    def command(self, command: bytes) -> bytes | None:
        """What the tag answers, without CRC; None for silence. A refused command makes it mute until selected again."""
        if not self.is_there() or not self._selected or not command:
            return None
        if self._sector_select:
            self._sector_select = False
            return None if command == bytes(4) else self._refuse()      # sector 0 is acknowledged by silence
        match command[0], len(command):
            case 0x30, 2:
                return self._read(command[1])
            case 0x3A, 3:
                return self._fast_read(command[1], command[2])
            case 0xA2, 6:
                return self._write(command[1], command[2:])
            case 0x60, 1:
                return _VERSION
            case 0xC2, 2 if command[1] == 0xFF:
                self._sector_select = True
                return ACK
            case _:
                return self._refuse()

    def _read(self, page: int) -> bytes:
        if page >= _PAGES:
            return self._refuse()
        return bytes(self._memory[page * 4:page * 4 + 16]).ljust(16, b"\x00")

    def _fast_read(self, first: int, last: int) -> bytes:
        if not first <= last < _PAGES:
            return self._refuse()
        return bytes(self._memory[first * 4:last * 4 + 4])

    def _write(self, page: int, data: bytes) -> bytes:
        if not FIRST_PAGE <= page < _PAGES:
            return self._refuse()
        self.put(page, data)
        for follower in self._followers:
            follower(page)
        return ACK

    def _refuse(self) -> bytes:
        self._deselect()
        return NAK

    def _deselect(self) -> None:
        self._selected = False
        self._sector_select = False

    def _ndef_place(self) -> tuple[int, int]:
        """Where the NDEF message begins in memory, and its length."""
        start = FIRST_PAGE * 4
        if self._memory[start] != _NDEF_TLV:
            return start, 0
        length = self._memory[start + 1]
        if length == 255:
            return start + 4, int.from_bytes(self._memory[start + 2:start + 4], "big")
        return start + 2, length
