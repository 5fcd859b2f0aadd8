"""The twin's side of "pages/3", which has no line in common with the bench's."""

from __future__ import annotations

import struct
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from bench.twin.cmi6110.otc import SYNCHRONIZE_METER_TIME, OtcService, RawValue, Request, Status
from bench.twin.variants.registry import variant

_FIRST, _BODY, _END = 0x04, 0x12, 0xEA
_COMMAND, _NUMBER, _PROOF, _CHANGES = 0x80, 0x81, 0x82, 0x86
_OUTCOME_OF = {status: outcome for outcome, status in zip(
    bytes.fromhex("01 10 11 12 20 21 22 30 31 32 33 34 40 41 42"), Status, strict=True)}
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001  # local standard time


@variant("otc-in-pages", place="the OTC format is not public")
class PagesUnit(OtcService):
    """The settings are in the bare pages of the tag."""

    last_page = _COMMAND

    def show(self) -> None:
        content = b"".join(_write(number, value) for number, value in self.store.read_all().items())
        outcome, refused, answered = 0, b"", 0
        if self.answer is not None:
            outcome = _OUTCOME_OF[self.answer.status]
            refused = b"".join(bytes((_register(number), _OUTCOME_OF[status]))
                               for number, status in self.answer.per_setting.items() if status is not Status.OK)
            answered = int.from_bytes(self.answer.transaction or b"\xff" * 4, "little")
        head = struct.pack("<4s8s12sBBBxII16sH2x", b"PGS3", self.store.deveui[::-1], self.store.firmware.encode(),
                           self.store.locked, outcome, len(refused) // 2, answered, self.sequence + 1, self.nonce,
                           len(content))
        shown = head + content + refused
        room = (_COMMAND - _FIRST) * 4
        if len(shown) > room:
            raise ValueError(f"{len(shown)} octets don't fit into the {room} before the request")
        self.tag.put(_FIRST, shown.ljust((_END - _FIRST) * 4, b"\0"))

    def message(self) -> bytes:
        command = self.tag.pages(_COMMAND, 4)
        if command[0] != 0xC5:
            return b""
        return self.tag.pages(_COMMAND, (_CHANGES - _COMMAND) * 4 + int.from_bytes(command[2:], "little"))

    def parse(self, message: bytes) -> Request | None:
        proven, length, number, proof = struct.unpack_from("<xBHI16s", message)
        octets = message[24:]
        changes = _read(octets)
        if not changes or proven > 1 or length != len(octets):
            return None
        signed = struct.pack("<I", number) + self.nonce + self.store.deveui[::-1] + octets
        return Request(struct.pack("<I", number), number, changes, signed, proof if proven else None)

    def mac(self, signed: bytes) -> bytes:
        cmac = CMAC(AES(self.pak))
        cmac.update(signed)
        return cmac.finalize()


def _register(number: int) -> int:
    table, row = divmod(number, 100)
    return (table - 8) << 5 | row


def _write(number: int, value: RawValue) -> bytes:
    if isinstance(value, str):
        octets = value.encode()
        return struct.pack("BB", _register(number), len(octets) | 0x80) + octets
    size = 1
    while abs(value) >= 1 << (8 * size - 1):
        size += 1
    signed = abs(value) + (value < 0) * (1 << (8 * size - 1))
    return struct.pack("BB", _register(number), size) + signed.to_bytes(size, "little")


def _read(octets: bytes) -> dict[int, RawValue] | None:
    """The settings by number; None unless they are written exactly as ``_write`` does, each once."""
    changes: dict[int, RawValue] = {}
    place = 0
    while place + 2 <= len(octets):
        number = (8 + (octets[place] >> 5)) * 100 + (octets[place] & 31)
        size, is_text = octets[place + 1] & 0x7F, octets[place + 1] >> 7
        value = octets[place + 2:place + 2 + size]
        place += 2 + size
        if is_text:
            try:
                changes[number] = value.decode()
            except UnicodeDecodeError:
                return None
        else:
            signed, top = int.from_bytes(value, "little"), 1 << max(8 * size - 1, 0)
            changes[number] = -(signed - top) if signed & top else signed
    if b"".join(_write(number, value) for number, value in changes.items()) != octets:
        return None
    return {number: _dated(number, value) for number, value in changes.items()}


def _dated(number: int, value: RawValue) -> RawValue:
    if number == SYNCHRONIZE_METER_TIME and isinstance(value, int) and 0 <= value < 1 << 32:
        return (_EPOCH + timedelta(seconds=value)).isoformat()
    return value
