"""The twin's PC/SC reader: what the firmware of an ACR122U or an ACR1552U makes of APDUs, with a tag in its field.

Source: ACS, ACR122U Application Programming Interface V2.04 (UID, read and update of storage cards, direct transmit,
ATR); PC/SC part 3 (ATR of storage cards, transparent session FF C2), and for the ACR1552U with ISO 15693 what two users
wrote in its vendor's forum. From memory: status words for what is not supported, that an ACR122U calls the 4-bit ACK of
a raw WRITE a CRC error, the TLVs around the answer of a transparent exchange.
"""

from __future__ import annotations

from typing import Literal

from bench.twin.nfc.type2tag import ACK, Type2Tag

Firmware = Literal["ACR122U", "ACR1552U"]

_OK, _FAILED, _NOT_SUPPORTED = b"\x90\x00", b"\x63\x00", b"\x6a\x81"
_NO_ANSWER_IN_TIME = b"\x64\x01"
_ISO_14443A, _ISO_15693 = 0x03, 0x0B
_CRC_ERROR, _TIMEOUT = 0x02, 0x01


class PcscReader:
    """``apdu`` is what the reader answers, ``power`` what the host does to the tag's supply.

    Faults: ``remove_tag_after_apdus`` (the tag is taken away after so many), ``garbage`` (each answer is this).
    """

    def __init__(self, tag: Type2Tag | None = None, firmware: Firmware = "ACR122U") -> None:
        self.firmware = firmware
        self.tag = tag
        self.garbage: bytes | None = None
        self.remove_tag_after_apdus: int | None = None
        self._session = self._type_5 = self._timer = False

    @property
    def sees_tag(self) -> bool:
        """Whether there is a tag that this reader can see."""
        return self.tag is not None and (self.tag.technology == "ISO 14443A" or self.firmware == "ACR1552U")

    @property
    def atr(self) -> bytes:
        """Answer to reset of a storage card (PC/SC part 3): the standard and the name of the card."""
        is_type_5 = self.tag is not None and self.tag.technology == "ISO 15693"
        card = bytes((_ISO_15693, 0x00, 0x00)) if is_type_5 else bytes((_ISO_14443A, 0x00, 0x03))
        body = bytes.fromhex("8F8001804F0CA000000306") + card + bytes(4)
        check = 0
        for byte in body:
            check ^= byte
        return b"\x3b" + body + bytes((check,))

    def power(self, on: bool) -> None:
        self._session = self._type_5 = self._timer = False
        if self.tag is not None:
            self.tag.field.set(on)
            if on:
                self.tag.select()

    def apdu(self, command: bytes) -> bytes:
        tag = self.tag
        if self.garbage is not None:
            return self.garbage
        if tag is None or len(command) < 4 or command[0] != 0xFF:
            return _FAILED
        answer = self._execute(tag, command)
        if self.remove_tag_after_apdus is not None:
            self.remove_tag_after_apdus -= 1
            if self.remove_tag_after_apdus <= 0:
                self.remove_tag_after_apdus = None
                tag.field.set(False)
                self.tag = None
        return answer

    def _execute(self, tag: Type2Tag, command: bytes) -> bytes:
        ins, page, data = command[1], command[3], command[5:]
        match ins:
            case 0xCA if command[2:4] == b"\x00\x00":
                return tag.uid + _OK
            case 0xB0 if len(command) == 5 and tag.technology == "ISO 14443A":
                return self._storage(tag.command(bytes((0x30, page))), command[4])
            case 0xD6 if len(data) == command[4] == 4 and tag.technology == "ISO 14443A":
                return _OK if tag.command(bytes((0xA2, page)) + data) == ACK else self._refused(tag)
            case 0x00 if self.firmware == "ACR122U" and len(data) == command[4] and data[:2] == b"\xd4\x42":
                return self._direct(tag, data[2:])
            case 0xC2 if self.firmware == "ACR1552U":
                return self._transparent(tag, command[3], data)
            case _:
                return _NOT_SUPPORTED

    def _storage(self, answer: bytes | None, length: int) -> bytes:
        if answer is None or len(answer) < length:
            return self._refused(self.tag)
        return answer[:length] + _OK

    def _refused(self, tag: Type2Tag | None) -> bytes:
        """After a refusal the reader looks for the tag anew (from memory)."""
        if tag is not None:
            tag.select()
        return _FAILED

    def _direct(self, tag: Type2Tag, command: bytes) -> bytes:
        """InCommunicateThru of the PN532 inside, which checks the CRC of every answer."""
        answer = tag.command(command)
        if answer is None:
            return bytes((0xD5, 0x43, _TIMEOUT)) + _OK
        if len(answer) == 1:
            return bytes((0xD5, 0x43, _CRC_ERROR)) + _OK
        return b"\xd5\x43\x00" + answer + _OK

    def _transparent(self, tag: Type2Tag, function: int, data: bytes) -> bytes:
        """The transparent session of PC/SC part 3: 0 manages the session, 1 exchanges, 2 chooses the protocol."""
        data = data.removesuffix(b"\x00") if function != 1 else data
        match function:
            case 0:
                self._session = data[:1] == b"\x81"
                return b"\xc0\x03\x00\x90\x00" + _OK
            case 2 if self._session:
                self._type_5 = data[:4] == b"\x8f\x02\x02\x03"
                return b"\xc0\x03\x00\x90\x00" + _OK
            case 1 if self._session:
                return self._exchanged(tag, data)
            case _:
                return _NOT_SUPPORTED

    def _exchanged(self, tag: Type2Tag, tlvs: bytes) -> bytes:
        frame = b""
        while tlvs:
            if tlvs[:2] == b"\x5f\x46":
                self._timer = True
                tlvs = tlvs[3 + tlvs[2]:]
            elif tlvs[0] == 0x95:
                frame, tlvs = tlvs[2:2 + tlvs[1]], tlvs[2 + tlvs[1]:]
            else:
                break
        if (tag.technology == "ISO 15693") != self._type_5:
            return _NO_ANSWER_IN_TIME
        answer = tag.command(frame)
        if answer is None or (frame[1:2] == b"\x21" and self._type_5 and not self._timer):
            return _NO_ANSWER_IN_TIME      # without the timer even though the tag has written
        return b"\xc0\x03\x00\x90\x00\x92\x01\x00\x96\x02\x00\x00\x97" + bytes((len(answer),)) + answer + _OK
