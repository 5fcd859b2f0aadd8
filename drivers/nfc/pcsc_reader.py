"""An NFC reader with the PC/SC interface (ACR122U and its kind), through the package pyscard (an optional extra)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nfc.clf
import nfc.tag

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.assumption import Assumption
from drivers.nfc import ntag_i2c_plus
from drivers.nfc.nfc_reader import NfcReader
from drivers.nfc.tag_session import TagFormatError
from drivers.nfc.type5_tag import Type5Tag
from drivers.recorder import came, sent
from drivers.supply.optional import library

GET_UID = bytes.fromhex("FFCA000000")
_STORAGE_CARD = bytes.fromhex("804F0CA000000306")
"""In the ATR of a tag that is a memory; the standard follows (PC/SC part 3)."""
_NO_SETTINGS = re.compile(rb"\xff(\xca.*|\x00\x00\x00.\xd4\x42\x60|\xc2\x00[\x00\x02].*|\xc2\x00\x01.\x95\x01\x60\x00"
                          rb"|\xc2\x00\x01.\x95\x02\x02\x2b\x00)", re.DOTALL)
"""Commands whose answers may be shown to others: UID, sessions, the tag's GET_VERSION or system information."""
_ISO_14443A_3, _ISO_15693 = 0x03, range(0x09, 0x0D)
_TYPE_2_ACK, _TYPE_2_NAK = b"\x0a", b"\x00"
_TAG_IS_GONE = frozenset((0x80100069, 0x80100068, 0x80100067, 0x80100066, 0x8010000C, 0x80100016))
"""SCARD_W_REMOVED_CARD, _RESET_CARD, _UNPOWERED_CARD, _UNRESPONSIVE_CARD, SCARD_E_NO_SMARTCARD, and _NOT_TRANSACTED:
the tag left in the middle of a command."""

Transmit = Callable[[bytes], tuple[bytes, int]]
"""An APDU, and the data and the status word of its answer."""


class PcscReader(NfcReader):
    """A reader that pcscd knows by the name ``port``, or the part of its name that no other has.

    ::

        [nfc]
        driver = "pcsc"
        port = "ACR122U"

    Type 2 Tags can be read with each reader; raw commands need an ACR122U, ACR1252U or ACR1552U; Type 5 Tags
    (ISO 15693) an ACR1552U. Between two taps the reader looks for tags by itself, so its field does not stay off.
    """

    assumptions = (
        ntag_i2c_plus.ASSUMPTION,
        Assumption("raw commands", "a transparent session takes protocol ISO 14443 A as 8F 02 00 03",
                   r"\xff\xc2\x00\x02.*", r".*\x90\x00"),
        Assumption("acknowledgement", "an ACR122U reports the acknowledgement of a raw WRITE as a CRC error"),
        Assumption("Type 5", "capability container and TLVs of a Type 5 Tag are laid out as the NFC Forum has them"))
    expected = "an answering PC/SC reader"
    do = "check its cable, that pcscd runs, and the reader's name in the station file (pcsc_scan lists them)"
    no_tag_do = f"{NfcReader.no_tag_do}; a tag of ISO 15693 (Type 5) needs an ACR1552U"

    def __init__(self, port: str, clock: Clock, timeline: Timeline) -> None:
        super().__init__(f"NFC reader {port}", clock, timeline)
        self._name = port
        self._connection: Any = None        # pyscard has no types

    def close(self) -> None:
        self._drop()

    def _identify(self) -> str:
        return str(self._reader())

    def _reader(self) -> Any:
        found = library("smartcard.System", "pcsc").readers()
        fitting = [reader for reader in found if self._name in str(reader)]
        if len(fitting) != 1:
            raise BenchError(self.subject, expected="one PC/SC reader whose name has that in it",
                             seen=", ".join(map(str, fitting or found)) or "no reader", do=self.do)
        return fitting[0]

    def _search(self, timeout_s: float) -> Any:
        reader = self._reader()
        return self._clock.poll(lambda: self._activate(reader), timeout_s, every=0.1)

    def _activate(self, reader: Any) -> Any:
        """The tag in the field, or None."""
        self._drop()
        self._connection = reader.createConnection()
        try:
            self._connection.connect()
            atr, link = bytes(self._connection.getATR()), _Link(self._connection, self._name)
            came(self._name, atr)
            return activate(str(reader), atr, link.transmit, self._again)
        except nfc.clf.CommunicationError:
            return None
        except Exception as error:
            if not _is_gone(error):
                raise
            return None

    def _again(self) -> None:
        """Take the tag's supply away and look for it anew."""
        self._connection.disconnect()
        self._connection.connect()

    def _switch_field_off(self) -> None:
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.disconnect()     # takes the tag's supply away
            with contextlib.suppress(Exception):
                connection.release()

    def _reason(self, error: Exception) -> str:
        return str(error) or type(error).__name__


def activate(reader: str, atr: bytes, transmit: Transmit, again: Callable[[], None]) -> Any:
    """What a ``TagSession`` works with, for the tag with this ``atr``. Raises ``TagFormatError`` if there is none."""
    place = atr.find(_STORAGE_CARD)
    standard = atr[place + len(_STORAGE_CARD)] if 0 <= place < len(atr) - len(_STORAGE_CARD) else None
    uid, status = transmit(GET_UID)
    if status != 0x9000 or not uid:
        raise nfc.clf.TimeoutError(f"no UID ({status:04X})")
    raw = next((way for name, way in RAW_WAYS.items() if re.search(name, reader)), None)
    if standard == _ISO_14443A_3:
        frontend = _Type2Frontend(transmit, raw, again)
        target = nfc.clf.RemoteTarget("106A", sens_res=bytearray.fromhex("4400"), sdd_res=bytearray(uid),
                                      sel_res=bytearray(1))
        return ntag_i2c_plus.activate(frontend, target) or nfc.tag.activate(frontend, frontend.sense(target))
    if standard in _ISO_15693 and raw is not None and raw.type_5:
        return Type5Tag(uid, lambda frame: raw.exchange(transmit, frame, True))
    kind = "of ISO 15693 (Type 5)" if standard in _ISO_15693 else f"of another kind, ATR {atr.hex(' ').upper()}"
    raise TagFormatError(f"NFC tag {uid.hex().upper()}", expected="a Type 2 Tag, or a Type 5 Tag on an ACR1552U",
                         seen=f"a tag {kind} on the reader {reader}",
                         do="take another reader: an ACR1552U reads Type 5, a PN532 board Type 4")


@dataclass(frozen=True, slots=True)
class RawWay:
    """How a reader is told to send a frame to the tag as it is. ``type_5``: also those of ISO 15693."""

    exchange: Callable[[Transmit, bytes, bool], bytes]
    type_5: bool = False


def _direct(transmit: Transmit, frame: bytes, is_type_5: bool) -> bytes:
    """Direct transmit to the PN532 inside: InCommunicateThru. Not for a WRITE, whose ACK has 4 bits and no CRC."""
    answer, status = transmit(bytes((0xFF, 0x00, 0x00, 0x00, len(frame) + 2, 0xD4, 0x42)) + frame)
    if status != 0x9000 or answer[:2] != b"\xd5\x43" or len(answer) < 3:
        raise nfc.clf.ProtocolError(f"{answer.hex()} {status:04X}")
    code = answer[2] & 0x3F
    if code == 0x01:
        raise nfc.clf.TimeoutError("no answer")
    if code:
        raise nfc.clf.TransmissionError(f"PN532 error {code:02X}")
    return answer[3:]


def _transparent(transmit: Transmit, frame: bytes, is_type_5: bool) -> bytes:
    """A transparent session (PC/SC part 3), begun and ended for each frame. A WRITE of ISO 15693 is answered only when
    a timer was set before."""
    timer = bytes.fromhex("5F460440420F00") if is_type_5 and frame[1:2] == b"\x21" else b""
    exchange = timer + bytes((0x95, len(frame))) + frame
    protocol = bytes.fromhex("8F020203") if is_type_5 else bytes.fromhex("8F020003")
    try:
        for head, data in ((b"\xff\xc2\x00\x00", b"\x81\x00"), (b"\xff\xc2\x00\x02", protocol)):
            _, status = transmit(head + bytes((len(data),)) + data + b"\x00")
            if status != 0x9000:
                raise nfc.clf.ProtocolError(f"transparent session: {status:04X}")
        answer, status = transmit(b"\xff\xc2\x00\x01" + bytes((len(exchange),)) + exchange + b"\x00")
    finally:
        transmit(bytes.fromhex("FFC2000002820000"))
    if status == 0x6401:
        raise nfc.clf.TimeoutError("no answer")
    if status != 0x9000:
        raise nfc.clf.ProtocolError(f"transparent exchange: {status:04X}")
    return _tlv(answer, 0x97)


RAW_WAYS = {"ACR122": RawWay(_direct), "ACR1252": RawWay(_transparent), "ACR1552": RawWay(_transparent, type_5=True)}
"""By what the reader's PC/SC name has in it."""


def _tlv(data: bytes, wanted: int) -> bytes:
    """The value of the first ``wanted`` among TLVs of one byte each for tag and length."""
    while len(data) >= 2 and len(data) >= 2 + data[1]:
        if data[0] == wanted:
            return data[2:2 + data[1]]
        data = data[2 + data[1]:]
    raise nfc.clf.ProtocolError("an answer without the tag's")


class _Link:
    """One connection of pyscard."""

    def __init__(self, connection: Any, place: str) -> None:
        self._connection = connection
        self._place = place

    def transmit(self, apdu: bytes) -> tuple[bytes, int]:
        """The data and the status word. Raises nfcpy's ``TimeoutError`` when the tag is gone."""
        shown = _NO_SETTINGS.fullmatch(apdu) is not None
        if shown:
            sent(self._place, apdu)
        try:
            data, first, second = self._connection.transmit(list(apdu))
        except Exception as error:
            if _is_gone(error):
                raise nfc.clf.TimeoutError(str(error)) from error
            raise
        if shown:
            came(self._place, bytes((*data, first, second)))
        return bytes(data), first << 8 | second


class _Type2Frontend:
    """What nfcpy's Type 2 Tag speaks to: READ and WRITE go as commands for storage cards, the rest as it is."""

    max_recv_data_size = max_send_data_size = 240

    def __init__(self, transmit: Transmit, raw: RawWay | None, again: Callable[[], None]) -> None:
        self._transmit = transmit
        self._raw = raw
        self._again = again

    def exchange(self, data: bytes, timeout: float) -> bytearray:
        match data[0]:
            case 0x30 if len(data) == 2:
                answer, status = self._transmit(bytes((0xFF, 0xB0, 0x00, data[1], 16)))
                return bytearray(answer if status == 0x9000 else _TYPE_2_NAK)
            case 0xA2 if len(data) == 6:
                _, status = self._transmit(bytes((0xFF, 0xD6, 0x00, data[1], 4)) + bytes(data[2:]))
                return bytearray(_TYPE_2_ACK if status == 0x9000 else _TYPE_2_NAK)
            case _:
                if self._raw is None:
                    raise nfc.clf.TimeoutError("this reader sends no raw commands")
                return bytearray(self._raw.exchange(self._transmit, bytes(data), False))

    def sense(self, target: Any) -> Any:
        """The tag once more, or None when it has gone."""
        try:
            self._again()
        except Exception as error:
            if not _is_gone(error):
                raise
            return None
        return target


def _is_gone(error: Exception) -> bool:
    """Whether pyscard's exception says that the tag, not the reader, has gone."""
    code = getattr(error, "hresult", None)
    return isinstance(code, int) and code & 0xFFFFFFFF in _TAG_IS_GONE
