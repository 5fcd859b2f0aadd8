"""The twin's NFC reader: a PN532 on its high-speed UART, as nfcpy's own driver speaks to it.

Source: PN532 user manual UM0701-02, chapters 6 (frames) and 7 (commands). A command is acknowledged at once and
answered at once: a host waits only 100 ms of real time for the acknowledgement.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.clock import Clock
from bench.twin.nfc.type2tag import Type2Tag
from bench.twin.wires.pty import PtyWire

_ACK = bytes.fromhex("0000FF00FF00")
_NACK = bytes.fromhex("0000FFFF0000")
_ERROR_FRAME = bytes.fromhex("0000FF01FF7F8100")
_START = b"\x00\xff"
_FIRMWARE = bytes.fromhex("32010607")
_BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1288000)
_POWER_UP_BAUD = 115200
_LONGEST = 265                      # data bytes of a frame

_RX_MODE = 0x6303
_TX_CONTROL = 0x6304
_FIFO_DATA = 0x6339
_SENS_REQ = 0x26

_STATUS_OK = b"\x00"
_STATUS_TIMEOUT = b"\x01"


class Pn532:
    """A reader at ``wire.path`` with ``tag``, or nothing, in its field. Construct it in the loop's thread.

    Faults: ``mute`` (no answer to anything), ``bad_checksum`` (every answer's data checksum is wrong),
    ``spoil`` (what it makes of every answer's data: a chip that talks nonsense in good frames),
    ``remove_tag_after_writes`` (the tag is taken away when it has acknowledged so many WRITEs), and ``baud`` set to
    another speed than 115200 (a chip left behind by a crashed host).
    """

    def __init__(self, clock: Clock, tag: Type2Tag | None = None) -> None:
        self.mute = False
        self.bad_checksum = False
        self.spoil: Callable[[bytes], bytes] = bytes
        self.remove_tag_after_writes: int | None = None
        self.baud = _POWER_UP_BAUD
        self.tag = tag
        self._field_on = False
        self._next_baud: int | None = None
        self._registers: dict[int, int] = {}
        self._received = bytearray()
        self._last_answer = b""
        self.wire = PtyWire(clock, self._on_bytes)

    def place(self, tag: Type2Tag) -> None:
        """Put a tag on the reader."""
        self.remove()
        self.tag = tag
        tag.field.set(self._field_on)

    def remove(self) -> None:
        """Take the tag away."""
        if self.tag is not None:
            self.tag.field.set(False)
            self.tag = None

    def close(self) -> None:
        """Pull the plug."""
        self.remove()
        self.wire.close()

    # -- frames ---------------------------------------------------------------------------------------------------

    def _on_bytes(self, data: bytes) -> None:
        baud = self.wire.baud
        if baud != self.baud and baud != self._next_baud:
            return                          # noise at the wrong speed
        self._received += data
        while (frame := self._next_frame()) is not None:
            # The host's last ACK may be lost: closing a pty throws away what was not read yet.
            self._use_next_baud()
            if not self.mute:
                self._on_frame(frame)

    def _next_frame(self) -> bytes | None:
        """Take one frame off what was received: an ACK, a NACK, or the data of a good command frame."""
        while True:
            start = self._received.find(_START)
            if start < 0:
                del self._received[:max(0, len(self._received) - 1)]
                return None
            del self._received[:start]
            # Now: 00 FF LEN LCS ..., or 00 FF FF FF LENM LENL LCS ... for an extended frame.
            if len(self._received) < 4:
                return None
            if self._received[2:4] in (_ACK[3:5], _NACK[3:5]) and not self._is_extended():
                taken = self._received[2:4]
                del self._received[:4]
                return _ACK if taken == _ACK[3:5] else _NACK
            head = 7 if self._is_extended() else 4
            if len(self._received) < head:
                return None
            length = self._received[2] if head == 4 else int.from_bytes(self._received[4:6], "big")
            if sum(self._received[2 if head == 4 else 4:head]) & 0xFF or length > _LONGEST:
                del self._received[:2]
                continue
            if len(self._received) < head + length + 1:
                return None
            body = bytes(self._received[head:head + length])
            checksum = self._received[head + length]
            del self._received[:head + length + 1]
            if length and (sum(body) + checksum) & 0xFF == 0:
                return body

    def _is_extended(self) -> bool:
        return self._received[2:4] == b"\xff\xff"

    def _on_frame(self, frame: bytes) -> None:
        if frame == _ACK:
            return                          # ends a command in progress; ours are over at once
        if frame == _NACK:
            self.wire.write(self._last_answer)
            return
        if len(frame) < 2 or frame[0] != 0xD4:
            self.wire.write(_ACK + _ERROR_FRAME)
            return
        answer = self._execute(frame[1], frame[2:])
        self._last_answer = _ERROR_FRAME if answer is None else self._framed(bytes((0xD5, frame[1] + 1)) + answer)
        self.wire.write(_ACK + self._last_answer)

    def _framed(self, data: bytes) -> bytes:
        data = self.spoil(data)
        if len(data) < 255:
            head = bytes((len(data), -len(data) & 0xFF))
        else:
            length = len(data).to_bytes(2, "big")
            head = b"\xff\xff" + length + bytes((-sum(length) & 0xFF,))
        checksum = -sum(data) & 0xFF
        if self.bad_checksum:
            checksum ^= 0xFF
        return b"\x00\x00\xff" + head + data + bytes((checksum, 0))

    def _use_next_baud(self) -> None:
        if self._next_baud is not None:
            self.baud, self._next_baud = self._next_baud, None

    # -- commands -------------------------------------------------------------------------------------------------

    def _execute(self, command: int, data: bytes) -> bytes | None:
        """Carry out a command; its answer's data, or None for one the chip doesn't know."""
        match command:
            case 0x00:                                              # Diagnose
                return data if data[:1] == b"\x00" else b"\x00"
            case 0x02:                                              # GetFirmwareVersion
                return _FIRMWARE
            case 0x04:                                              # GetGeneralStatus: error, field, no targets, SAM
                return bytes((0, self._field_on, 0, 0x80))
            case 0x06 if len(data) % 2 == 0:                        # ReadRegister
                return bytes(self._register(int.from_bytes(data[i:i + 2], "big")) for i in range(0, len(data), 2))
            case 0x08 if len(data) % 3 == 0:                        # WriteRegister
                for i in range(0, len(data), 3):
                    self._registers[int.from_bytes(data[i:i + 2], "big")] = data[i + 2]
                return b""
            case 0x10 if len(data) == 1 and data[0] < len(_BAUD_RATES):     # SetSerialBaudRate, valid from the ACK on
                self._next_baud = _BAUD_RATES[data[0]]
                return b""
            case 0x12 | 0x14:                                       # SetParameters, SAMConfiguration
                return b""
            case 0x16:                                              # PowerDown
                self._set_field(False)
                return _STATUS_OK
            case 0x32 if data:                                      # RFConfiguration; item 1 is the field
                if data[0] == 0x01 and len(data) > 1:
                    self._set_field(bool(data[1] & 1))
                return b""
            case 0x42:                                              # InCommunicateThru
                return self.exchange(data)
            case 0x4A if len(data) >= 2:                            # InListPassiveTarget
                return self._list_targets(data[1], data[2:])
            case 0x52:                                              # InRelease
                return _STATUS_OK
            case _:
                return None

    def _register(self, address: int) -> int:
        if address == _TX_CONTROL:
            return 0x03 if self._field_on else 0x00
        return self._registers.get(address, _SENS_REQ if address == _FIFO_DATA else 0)

    def _set_field(self, on: bool) -> None:
        self._field_on = on
        if self.tag is not None:
            self.tag.field.set(on)

    def _list_targets(self, modulation: int, wanted: bytes) -> bytes:
        """Look for one tag of ISO 14443 Type A at 106 kbit/s; other kinds are not in this field."""
        self._set_field(True)
        tag = self.tag
        if modulation != 0 or tag is None or tag.technology != "ISO 14443A":
            return b"\x00"
        if (wanted and wanted != b"\x88" + tag.uid) or not tag.select():
            return b"\x00"
        self._registers[_RX_MODE] = self._registers.get(_RX_MODE, 0) | 0x80
        return bytes((1, 1, 0x00, 0x44, 0x00, len(tag.uid))) + tag.uid

    def exchange(self, command: bytes) -> bytes:
        tag = self.tag if self._field_on else None
        answer = tag.command(command) if tag is not None else None
        if answer is None:
            return _STATUS_TIMEOUT
        if command[:1] == b"\xa2" and answer == b"\x0a":
            self._count_write()
        crc_checked = bool(self._registers.get(_RX_MODE, 0) & 0x80)
        if len(answer) == 1 or crc_checked:
            return _STATUS_OK + answer
        return _STATUS_OK + answer + _crc_a(answer)

    def _count_write(self) -> None:
        if self.remove_tag_after_writes is not None:
            self.remove_tag_after_writes -= 1
            if self.remove_tag_after_writes <= 0:
                self.remove_tag_after_writes = None
                self.remove()


def _crc_a(data: bytes) -> bytes:
    """CRC_A of ISO 14443-3, low byte first."""
    crc = 0x6363
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")
