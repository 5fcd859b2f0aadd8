"""The NTAG I2C plus 1k (NT3H2111) for nfcpy, which doesn't know it and would read it 16 bytes at a time.

Source: NT3H2111 data sheet: GET_VERSION, FAST_READ, memory map.
"""

from __future__ import annotations

from typing import Any

from nfc.clf import CommunicationError
from nfc.tag.tt2 import Type2Tag

from drivers.assumption import Assumption

_GET_VERSION = b"\x60"
_VERSION_1K = bytes.fromhex("0004040502021303")
_LAST_USER_PAGE = 0xE1
ASSUMPTION = Assumption(
    "type of the tag", "the unit's tag is an NXP NTAG I2C plus 1k: GET_VERSION is answered with 0004040502021303",
    r".*(\xd4[\x40\x42].?\x60|\x95\x01\x60).*", f".*{_VERSION_1K.decode('latin-1')}.*")
"""Elvaco does not tell it."""
_AHEAD = 60
"""Pages for one FAST_READ: 240 bytes, so that the answer fits one normal frame of any PN53x."""


class NtagI2cPlus(Type2Tag):
    """nfcpy's Type 2 Tag, reading ahead: a settings message of 500 bytes takes 3 exchanges in place of 31."""

    _product = "NXP NTAG I2C plus 1k (NT3H2111)"

    def __init__(self, frontend: Any, target: Any) -> None:
        super().__init__(frontend, target)  # type: ignore[no-untyped-call]
        self._ahead_from = 0
        self._ahead = b""

    def read(self, page: int) -> bytearray:
        """16 bytes from ``page`` on. Page 0 begins a new pass over the memory and reads anew."""
        if page == 0:
            self._ahead = b""
        if page + 3 > _LAST_USER_PAGE:
            return super().read(page)  # type: ignore[no-any-return, no-untyped-call]
        offset = (page - self._ahead_from) * 4
        if offset < 0 or offset + 16 > len(self._ahead):
            last = min(page + _AHEAD - 1, _LAST_USER_PAGE)
            answer = self.transceive(bytes((0x3A, page, last)))  # type: ignore[no-untyped-call]
            if len(answer) != (last - page + 1) * 4:
                raise CommunicationError(f"FAST_READ answered with {len(answer)} bytes")
            self._ahead_from, self._ahead, offset = page, bytes(answer), 0
        return bytearray(self._ahead[offset:offset + 16])

    def write(self, page: int, data: bytes) -> bool:
        self._ahead = b""
        return bool(super().write(page, data))  # type: ignore[no-untyped-call]


def activate(frontend: Any, target: Any) -> NtagI2cPlus | None:
    """The tag if it is one. If it is not, it is mute now and must be sensed again."""
    try:
        version = frontend.exchange(_GET_VERSION, timeout=0.01)
    except CommunicationError:
        return None
    return NtagI2cPlus(frontend, target) if version == _VERSION_1K else None
