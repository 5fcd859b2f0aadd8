"""M-Bus master for the meter's M-Bus module (EN 13757-2 link layer, EN 13757-3 and -7 application)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from bench.clock import Clock
from bench.errors import BenchError
from bench.payload.mbus import LongFrame, decode_long_frame, wired_telegram
from bench.payload.readout import PayloadError, Readout, Record
from bench.timeline import Timeline
from drivers.assumption import Assumption
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
TOO_BUSY = 8
"""The application error (EN 13757-3, CI 70) of a meter that may answer a moment later."""
BUSY_PAUSE_S = 1.0
NOISE_LIMIT = 256
"""Bytes of noise, while a bus wakes up, after which it is not waited for a frame any longer."""


class MBusMaster:
    """Reads the meter by M-Bus through a level converter.

    ::

        meter = MBusMaster("/dev/ttyUSB1", timeline=timeline, address="70444600")
        meter.read().energy

    ``port``: /dev/ttyUSB1, rfc2217://host:port or socket://host:port. ``address``: a primary address 0 to 250, 254
    for the only meter on the bus, or a secondary one: 8 digits of the identification (F = any digit), with 8 more
    hexadecimal digits for manufacturer, version and medium in the order of the frame ("70444600A7320404").
    Level converters may echo what is sent, and put noise before an answer: both is skipped. Raises BenchError for a
    wrong address or speed, a port that can't be opened, a meter that does not answer, and one that answers with an
    application error, which is named.
    """

    assumptions = (
        Assumption("set clock", "a UH50 takes the clock as EN 13757-3 has it in general (type F)",
                   r".*\x68\x09\x09\x68.{2}\x51\x04\x6d.*", r".*\xe5"),
        Assumption("unset date", "day 0, month 15 or year 127 stand for each day, month or year"))

    def __init__(self, port: str, *, timeline: Timeline, clock: Clock | None = None, baudrate: int = 2400,
                 address: int | str = TO_ANY, tries: int = 3) -> None:
        self._subject = f"M-Bus master at {port}"
        self.timeline = timeline
        self._clock = clock
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
        self._port = SerialPort(port, subject="M-Bus master", baudrate=baudrate, bytesize=8, parity="E",
                                clock=clock)

    def close(self) -> None:
        self._port.close()

    # -- what a test asks for -------------------------------------------------------------------------------------

    def read(self) -> Readout:
        """The meter's registers now, decoded; ``time`` is the meter's own clock to the minute."""
        frames = self.request()
        readout = wired_telegram(frames).newest
        self.timeline.append("meter", "mbus",
                             {"registers": {_name(record): _text(record) for record in readout.records}})
        return readout

    def request(self) -> list[LongFrame]:
        """The meter's answer to REQ_UD2: one telegram, or more where the meter announces that more follow (DIF 1F).

        After an answer in several telegrams the link begins anew, so that the next one begins with its first.
        """
        self._begin()
        frames: list[LongFrame] = []
        while not frames or frames[-1].more_follows:
            if len(frames) == MAX_TELEGRAMS:
                raise BenchError(self._subject, expected=f"at most {MAX_TELEGRAMS} telegrams for one request",
                                 seen="a meter that announces yet another one", do="look at it with another M-Bus tool")
            frames.append(self._request_one())
        self._selected = len(frames) == 1
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
        """The next telegram. A meter that is too busy is asked again after a pause, with the FCB toggled: it has
        answered, and would repeat its refusal to an equal one.
        """
        for _ in range(self._tries):
            decoded = self._request_once()
            if decoded.application_error is None:
                return decoded
            if decoded.application_error != TOO_BUSY:
                break
            (self._clock.sleep if self._clock is not None else time.sleep)(BUSY_PAUSE_S)
        self._selected = False
        raise BenchError(self._subject, expected=f"RSP_UD from {self._whom}", seen=f"the meter's {decoded.error_text}",
                         do="read the meter less often, and look at what else reads it")

    def _request_once(self) -> LongFrame:
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
            answer, skipped = self._receive(frame)
            if not answer:
                seen = f"silence{skipped}"
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

    def _receive(self, sent: bytes) -> tuple[bytes, str]:
        """One frame, or what came of it when the line fell silent before its end; and in words what came before it.

        The first byte comes within 330 bits + 50 ms after the request is out (EN 13757-2); a port's ``write`` may
        return before, so the request's own time is allowed too. A copy of the request is the echo of a level converter:
        the answer is still to come.
        """
        bit_s = 1 / self._baudrate
        deadline = time.monotonic() + (330 + 11 * len(sent)) * bit_s + 0.05 + LATENCY_S
        heard, echoes, noise = b"", 0, 0
        while noise < NOISE_LIMIT:
            skipped, length = find_frame(heard)
            noise += skipped
            heard = heard[skipped:]
            frame = heard[:length]
            if frame and len(frame) == length:
                if frame != sent:
                    return frame, ""
                echoes += 1
                heard = heard[length:]
                continue
            missing = max(1, length - len(heard))
            more = self._port.read(missing, 11 * missing * bit_s * 1.5 + 22 * bit_s + LATENCY_S if heard
                                   else deadline - time.monotonic())
            heard += more
            if more:
                continue
            if not heard:
                break
            if length > 5:
                return heard, ""        # a long frame without its end
            heard = heard[1:]           # what looked like a beginning was noise
            noise += 1
        before = [*(["its own echo"] if echoes else []), *([f"{noise} bytes of noise"] if noise else [])]
        return b"", f" after {' and '.join(before)}" if before else ""

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


def find_frame(heard: bytes) -> tuple[int, int]:
    """How many bytes of noise stand before the first frame in ``heard``, and how long that frame is: as far as can be
    told (a frame may have begun only), 0 when there is none.

    Noise is what begins no frame: any byte but E5, 10 and 68, a short frame that does not check, 68 without two equal
    lengths. A long frame that does not check is a frame, a broken one.
    """
    for at, start in enumerate(heard):
        rest = heard[at:]
        if start == ACKNOWLEDGE[0]:
            return at, 1
        if start == START_SHORT and (len(rest) < 5 or (rest[4] == STOP and sum(rest[1:3]) & 0xFF == rest[3])):
            return at, 5
        if start == START_LONG:
            if len(rest) < 4:
                return at, 4
            if rest[1] == rest[2] and rest[3] == START_LONG:
                return at, rest[1] + 6
    return len(heard), 0


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
