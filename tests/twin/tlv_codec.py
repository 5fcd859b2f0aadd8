"""A second settings codec, and a unit that speaks it: nothing of the built-in one is in either.

The settings are those that the LoRaWAN sisters of the unit take by downlink (tests/data/elvaco/
lorawan_downlink_tlv.json): 00, register, length, value; little endian, negative numbers by a sign bit. How they lie
on a tag is made up here: raw pages, no NDEF.

=======  ===========================================================================================================
page 04  "TLV1"
page 05  number of the last request, its outcome (0 taken, 1 locked, 2 not understood), length of the settings (2)
page 06  the settings
page 20  the request: number, length, then the 16 octets of its proof and the TLVs; its first page is written last
=======  ===========================================================================================================
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from bench.errors import BenchError
from bench.manual.settings import Value
from bench.twin.type2tag import ACK, Type2Tag
from drivers.nfc import ApplyResult, CodecInfo, Pak, Snapshot, Status, UnitIdentity
from drivers.nfc.tag_session import TagFormatError, TagSession

_MAGIC = b"TLV1"
_READ, _WRITE = 0x3A, 0xA2


class LoraTlvCodec:
    """A ``SettingsCodec`` in another format, with other reads and writes, and three settings only."""

    info = CodecInfo("elvaco-lora-tlv", "1", False, "documented for the LoRaWAN downlink only")

    def recognises(self, tag: TagSession) -> bool:
        return self._pages(tag, 4, 4) == _MAGIC

    def read(self, tag: TagSession) -> Snapshot:
        if not self.recognises(tag):
            raise TagFormatError(tag.subject, expected="TLV1", seen="something else", do="choose another codec")
        length = int.from_bytes(self._pages(tag, 5, 5)[2:], "little")
        values = _settings(self._pages(tag, 6, 0x1F)[:length])
        return Snapshot(UnitIdentity("CMi6110", "94193A0401000001", "1.0"), values,
                        locked=values["configuration_lock"] == "Locked")

    def write(self, tag: TagSession, changes: Mapping[str, Value], pak: Pak | None) -> bytes:
        number = (self._pages(tag, 5, 5)[0] + 1) % 256
        tlvs = b"".join(_tlv(key, value) for key, value in changes.items())
        proof = pak.mac(bytes((number,)) + tlvs) if pak is not None else bytes(16)
        body = (proof + tlvs).ljust((len(proof + tlvs) + 3) // 4 * 4, b"\0")
        for offset in range(0, len(body), 4):
            tag.transceive(bytes((_WRITE, 0x21 + offset // 4)) + body[offset:offset + 4])
        tag.transceive(bytes((_WRITE, 0x20, number, len(tlvs), 0, 0)))
        return bytes((number,))

    def result(self, tag: TagSession, ticket: bytes) -> ApplyResult | None:
        number, outcome = self._pages(tag, 5, 5)[:2]
        if number != ticket[0]:
            return None
        return ApplyResult((Status.OK, Status.AUTH_REQUIRED, Status.BAD_FORMAT)[outcome], {})

    def _pages(self, tag: TagSession, first: int, last: int) -> bytes:
        return tag.transceive(bytes((_READ, first, last)))


class SupplierCodec(LoraTlvCodec):
    """The same, as if its maker stood for it: writes to real units are allowed."""

    info = CodecInfo("supplier-tlv", "1", True, "under agreement")


class TlvTag(Type2Tag):
    """The unit's side: a tag whose processor takes a request when its first page has been written."""

    def __init__(self, pak: bytes) -> None:
        super().__init__()
        self.registers = {0x05: b"\x01", 0x06: (1440).to_bytes(2, "little"), 0x17: b"\x00\x00"}
        self._pak = pak
        self._put(4, _MAGIC)
        self._show(0, 0)

    def _write(self, page: int, data: bytes) -> bytes:
        answer = super()._write(page, data)
        if answer == ACK and page == 0x20:
            self._take(data[0], data[1])
        return answer

    def _take(self, number: int, length: int) -> None:
        proof, tlvs = self._get(0x21, 16), self._get(0x25, length)
        right = hmac.digest(self._pak, bytes((number,)) + tlvs, hashlib.sha256)[:16]
        if self.registers[0x05] == b"\x00" and proof != right:
            self._show(number, 1)
            return
        changes: dict[int, bytes] = {}
        while tlvs:
            changes[tlvs[1]] = tlvs[3:3 + tlvs[2]]
            tlvs = tlvs[3 + tlvs[2]:]
        understood = changes.keys() <= self.registers.keys()
        if understood:
            self.registers.update(changes)
        self._show(number, 0 if understood else 2)

    def _show(self, number: int, outcome: int) -> None:
        tlvs = b"".join(bytes((0, register, len(value))) + value for register, value in self.registers.items())
        self._put(5, bytes((number, outcome)) + len(tlvs).to_bytes(2, "little"))
        self._put(6, tlvs)

    def _put(self, page: int, data: bytes) -> None:
        self._memory[page * 4:page * 4 + len(data)] = data

    def _get(self, page: int, length: int) -> bytes:
        return bytes(self._memory[page * 4:page * 4 + length])


def _tlv(key: str, value: Value) -> bytes:
    match key, value:
        case "configuration_lock", "Locked" | "Open":
            return b"\x00\x05\x01" + (b"\x00" if value == "Locked" else b"\x01")
        case "transmit_interval", int():
            return b"\x00\x06\x02" + value.to_bytes(2, "little")
        case "utc_offset", int():
            return b"\x00\x17\x02" + (abs(value) | 0x8000 * (value < 0)).to_bytes(2, "little")
    raise BenchError("settings codec elvaco-lora-tlv", expected="configuration_lock, transmit_interval or utc_offset",
                     seen=key, do="choose another codec")


def _settings(tlvs: bytes) -> dict[str, int | str]:
    values: dict[str, int | str] = {}
    while tlvs:
        register, value = tlvs[1], tlvs[3:3 + tlvs[2]]
        number = int.from_bytes(value, "little")
        if register == 0x05:
            values["configuration_lock"] = "Open" if number else "Locked"
        elif register == 0x06:
            values["transmit_interval"] = number
        elif register == 0x17:
            values["utc_offset"] = -(number & 0x7FFF) if number & 0x8000 else number
        tlvs = tlvs[3 + tlvs[2]:]
    return values
