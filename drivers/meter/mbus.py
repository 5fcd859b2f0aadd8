"""M-Bus master for the meter's M-Bus module (EN 13757-2 link layer, EN 13757-3 and -7 application)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from bench.errors import BenchError
from bench.payload.mbus import LongFrame, decode_long_frame
from bench.payload.readout import PayloadError, Readout, Record
from bench.timeline import Timeline
from drivers.serial_port import SerialPort

T = TypeVar("T")

ACKNOWLEDGE = b"\xe5"
START_SHORT, START_LONG, STOP = 0x10, 0x68, 0x16
SND_NKE, SND_UD, REQ_UD2 = 0x40, 0x43, 0x4B
FCV, FCB = 0x10, 0x20
CI_APPLICATION_RESET, CI_DATA_SEND, CI_SELECT = 0x50, 0x51, 0x52
TO_SELECTED, TO_ANY = 0xFD, 0xFE
BAUDRATES = (300, 1200, 2400, 4800, 9600)
LATENCY_S = 0.3
"""Allowed on top of the standard's answer window, for USB adapters and port servers."""
MAX_TELEGRAMS = 16
"""An answer in several telegrams (DIF 1F) has an end."""


class MBusMaster:
    """Reads the meter by M-Bus through a level converter.

    ::

        meter = MBusMaster("/dev/ttyUSB1", timeline=timeline, address="70444600")
        meter.read().energy

    ``port``: anything pyserial opens (/dev/ttyUSB1, rfc2217://host:port). ``address``: a primary address 0 to 250, 254
    for the only meter on the bus, or a secondary one: 8 digits of the identification (F = any digit), with 8 more
    hexadecimal digits for manufacturer, version and medium in the order of the frame ("70444600A7320404").
    Raises BenchError for a wrong address or speed, a port that can't be opened, and a meter that does not answer.
    """

    def __init__(self, port: str, *, timeline: Timeline, baudrate: int = 2400, address: int | str = TO_ANY,
                 tries: int = 3) -> None:
        self._subject = f"M-Bus master at {port}"
        self.timeline = timeline
        if baudrate not in BAUDRATES:
            raise BenchError(self._subject, expected=f"one of the speeds {', '.join(map(str, BAUDRATES))} Bd",
                             seen=str(baudrate), do="correct baudrate in the station file")
        self._secondary = self._selection(address) if isinstance(address, str) else None
        self._address = self._primary(address) if isinstance(address, int) else TO_SELECTED
        self._whom = f"address {address}"
        self._baudrate = baudrate
        self._tries = tries
        self._fcb = True
        self._selected = False
        self._port = SerialPort(port, subject="M-Bus master", baudrate=baudrate, bytesize=8, parity="E")

    def close(self) -> None:
        self._port.close()

    # -- what a test asks for -------------------------------------------------------------------------------------

    def read(self) -> Readout:
        """The meter's registers now, decoded; ``time`` is the meter's own clock to the minute."""
        frames = self.request()
        records = tuple(record for frame in frames for record in frame.records)
        readout = frames[0].readout()
        self.timeline.append("meter", "mbus", {"registers": {_name(record): _text(record) for record in records}})
        return readout

    def request(self) -> list[LongFrame]:
        """The meter's answer to REQ_UD2: one telegram, or more where the meter announces that more follow (DIF 1F)."""
        self._begin()
        frames: list[LongFrame] = []
        while not frames or frames[-1].more_follows:
            if len(frames) == MAX_TELEGRAMS:
                raise BenchError(self._subject, expected=f"at most {MAX_TELEGRAMS} telegrams for one request",
                                 seen="a meter that announces yet another one", do="look at it with another M-Bus tool")
            frames.append(self._request_one())
        return frames

    def initialise(self) -> None:
        """SND_NKE: the link begins anew, the next request carries FCB = 1."""
        self._fcb = True
        if self._secondary is None:
            self._expect_acknowledge(_short(SND_NKE, self._address), "SND_NKE")
            self._selected = True
        else:
            self.select()

    def select(self) -> None:
        """Select the meter by its secondary address (EN 13757-7); it then answers at address FD."""
        if self._secondary is None:
            raise BenchError(self._subject, expected="a secondary address", seen=f"primary address {self._address}",
                             do="give the meter's identification as address in the station file")
        self._expect_acknowledge(_long(SND_UD | FCV, TO_SELECTED, bytes([CI_SELECT]) + self._secondary), "selection")
        self._fcb = True
        self._selected = True

    def reset_application(self) -> None:
        """Application reset (CI 50): the next answer is the first telegram of the standard set."""
        self._send_user_data(bytes([CI_APPLICATION_RESET]), "application reset")

    def set_clock(self, local: datetime) -> None:
        """Set the meter's clock to ``local``: naive, its local standard time, to the minute.

        The generic form of EN 13757-3 (04 6D, type F). **Not tried on hardware**: the UH50's own interface document
        (TKB3448) is not public. Read the clock back afterwards. Raises ValueError for an aware time or another century.
        """
        if local.tzinfo is not None or not 2000 <= local.year <= 2099:
            raise ValueError("give the meter's local standard time, naive, between 2000 and 2099")
        year = local.year - 2000
        type_f = bytes((local.minute, local.hour, local.day | (year & 0x07) << 5, local.month | (year & 0x78) << 1))
        self._send_user_data(bytes([CI_DATA_SEND, 0x04, 0x6D]) + type_f, "set clock")

    # -- link layer -----------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """The first exchange after opening says hello; FCB and selection hold from then on."""
        if not self._selected:
            self.initialise()

    def _request_one(self) -> LongFrame:
        frame = _short(REQ_UD2 | FCV | (FCB if self._fcb else 0), self._address)

        def right(answer: bytes) -> LongFrame | str:
            if answer == ACKNOWLEDGE:
                return "an acknowledgement (E5) instead of data"
            try:
                decoded = decode_long_frame(answer)
            except PayloadError as error:
                return f"a broken answer ({error})"
            if self._address <= 250 and decoded.address != self._address:
                return f"an answer from address {decoded.address}"
            return decoded

        decoded = self._exchange(frame, "RSP_UD", right)
        self._fcb = not self._fcb       # only after a good answer: the meter repeats its telegram to an equal FCB
        return decoded

    def _send_user_data(self, user_data: bytes, name: str) -> None:
        self._begin()
        self._expect_acknowledge(_long(SND_UD | FCV | (FCB if self._fcb else 0), self._address, user_data), name)
        self._fcb = not self._fcb

    def _expect_acknowledge(self, frame: bytes, name: str) -> None:
        def right(answer: bytes) -> bytes | str:
            return answer if answer == ACKNOWLEDGE else f"the answer {answer[:8].hex(' ').upper()}"

        self._exchange(frame, f"E5 after {name}", right)

    def _exchange(self, frame: bytes, expected: str, right: Callable[[bytes], T | str]) -> T:
        """Send ``frame``, up to ``tries`` times the same one, until ``right`` finds no fault in the answer.

        ``right`` returns what the answer says, or in words what is wrong with it.
        """
        seen = "silence"
        for _ in range(self._tries):
            self._port.discard_input()
            self._port.write(frame)
            answer = self._receive(len(frame))
            if not answer:
                seen = "silence"
                continue
            result = right(answer)
            if not isinstance(result, str):
                return result
            seen = result
        self._selected = False
        raise BenchError(self._subject, expected=f"{expected} from {self._whom} at {self._baudrate} Bd",
                         seen=f"{seen} ({self._tries} tries)",
                         do="check the level converter, the address and the speed of the meter's M-Bus module, and "
                         "that no second meter has the same address")

    def _receive(self, sent: int) -> bytes:
        """One frame; what came of it when the line falls silent before its end.

        The first byte comes within 330 bits + 50 ms after the request is out (EN 13757-2); a port's ``write`` may
        return before, so the request's own time is allowed too.
        """
        bit_s = 1 / self._baudrate
        start = self._port.read(1, (330 + 11 * sent) * bit_s + 0.05 + LATENCY_S)
        if not start or start[0] != START_LONG:
            return start
        gap_s = 22 * bit_s + LATENCY_S
        head = start + self._port.read(3, 33 * bit_s + gap_s)
        if len(head) < 4 or head[1] != head[2]:
            return head
        rest = head[1] + 2
        return head + self._port.read(rest, 11 * rest * bit_s * 1.5 + gap_s)

    def _primary(self, address: int) -> int:
        if 0 <= address <= 250 or address == TO_ANY:
            return address
        raise BenchError(self._subject, expected="a primary address 0 to 250, or 254 for the only meter on the bus",
                         seen=str(address), do="correct address in the station file")

    def _selection(self, address: str) -> bytes:
        """A secondary address as it stands in the frame of a selection."""
        if re.fullmatch(r"[0-9Ff]{8}([0-9A-Fa-f]{8})?", address):
            return bytes.fromhex(address[:8])[::-1] + bytes.fromhex(address[8:] or "FFFFFFFF")
        raise BenchError(self._subject, expected="a secondary address of 8 digits, or of 16 hexadecimal ones",
                         seen=ascii(address), do="correct address in the station file")


def _short(control: int, address: int) -> bytes:
    return bytes((START_SHORT, control, address, (control + address) & 0xFF, STOP))


def _long(control: int, address: int, user_data: bytes) -> bytes:
    body = bytes((control, address)) + user_data
    return bytes((START_LONG, len(body), len(body), START_LONG)) + body + bytes((sum(body) & 0xFF, STOP))


def _name(record: Record) -> str:
    """A record's quantity with what tells it from others of the same quantity."""
    parts = [record.quantity]
    if record.function != "instantaneous":
        parts.append(record.function)
    parts += [f"{word} {number}" for word, number in (("storage", record.storage), ("tariff", record.tariff)) if number]
    return ", ".join(parts)


def _text(record: Record) -> str:
    if record.value is None:
        return record.data.hex().upper()
    return f"{record.value:f} {record.unit}".rstrip() if isinstance(record.value, Decimal) else str(record.value)
