"""Reader of the meter's optical port (IEC 62056-21, mode B, as a UH50 does it)."""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass, replace
from functools import reduce
from operator import xor
from typing import Literal

from bench.clock import Clock
from bench.errors import BenchError
from bench.payload.optical import OpticalReadout, parse_optical
from bench.payload.readout import Finding, PayloadError
from bench.timeline import Timeline
from drivers.assumption import Assumption
from drivers.serial_port import SerialPort

WAKE_UP = bytes(40)
EXTENDED, PLAIN = b"/#!\r\n", b"/?!\r\n"
ETX = b"\x03"
BAUDRATES = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600}
"""Mode B: the third letter after the slash tells the speed of the data block (IEC 62056-21, 6.3.14)."""
KNOWN_METERS = ("UH50", "UC50")
MBUS_METERS = ("T230", "T330")
"""The same optics, but binary M-Bus at 2400 Bd: another protocol."""
WAKE_UP_BAUD, USUAL_BAUD = 300, 2400
_READS_KEPT = 1000
TRIES = 2
LINE_LIMIT, BLOCK_LIMIT, NOISE_LIMIT = 400, 8192, 65536

_IDENT = re.compile(rb"/([A-Za-z]{3})([A-Z])([!-~]{1,16})")
_BLOCK_BEGINS = re.compile(rb"\x02[0-9A-Z][0-9A-Za-z.*:]*\([^()]*\)")

Heard = Literal["nothing", "noise", "identification", "block", "another meter"]
"""How far a meter was understood. After an identification: the block was noise, or did not come."""


class _Misread(Exception):  # noqa: N818 - not an error yet: the next try may read well
    """One exchange went wrong."""

    def __init__(self, expected: str, seen: str, heard: Heard) -> None:
        super().__init__(seen)
        self.expected, self.seen, self.heard = expected, seen, heard


@dataclass(frozen=True, slots=True)
class _Speeds:
    """At which speeds an answer is listened for: its ``first`` line, and the ``block`` after an identification (None:
    at the speed that this announces)."""

    first: int = WAKE_UP_BAUD
    block: int | None = None

    def instead(self, heard: Heard) -> _Speeds:
        """What else may be tried when so much was heard."""
        match heard:
            case "noise" if self.first == WAKE_UP_BAUD:
                return _Speeds(first=USUAL_BAUD)
            case "identification" if self.block is None:
                return _Speeds(block=WAKE_UP_BAUD)
            case _:
                return self


class OpticalReader:
    """Reads the meter through an optical head.

    ::

        meter = OpticalReader("/dev/ttyUSB0", timeline=timeline, clock=clock, mains_powered=True)
        meter.read().energy

    ``port``: /dev/ttyUSB0, rfc2217://host:port or socket://host:port. Each wake-up costs a battery meter's life:
    unless ``mains_powered``, a ``read`` within ``minimum_interval_s`` (of the clock's time) returns the stored readout
    with the finding ``stored-readout``. ``answer_timeout_s`` (real seconds) is for the identification, counted from the
    wake-up, which alone takes 1.5 s; ``gap_timeout_s`` is the longest pause within the data, ``block_timeout_s`` is for
    all of it (35 s at 300 Bd).

    The extended readout ``/#!`` is asked for (only it has the present power, flow and temperatures); a meter that does
    not answer it, or with nothing but noise, is asked for the plain one, with the finding ``no-extended-readout``. How
    it is answered is not public: a block is read with or without an identification before it, at 300 or 2400 Bd or the
    speed that was announced, and the speeds that were right are kept for the next read.
    """

    assumptions = (
        Assumption("extended readout", "6.4 of /#! has the digits of power in the plain readout's 6.6",
                   r"\x00*/#!", r".*6\.4\(\d{4}\.\d\*kW\).*"),)

    def __init__(self, port: str, *, timeline: Timeline, clock: Clock, mains_powered: bool = False,
                 minimum_interval_s: float = 900.0, answer_timeout_s: float = 5.0, gap_timeout_s: float = 2.0,
                 block_timeout_s: float = 60.0) -> None:
        self._subject = f"optical head at {port}"
        self.timeline = timeline
        self.wake_ups = 0
        """How often the meter was woken since the port was opened."""
        self.reads: deque[OpticalReadout] = deque(maxlen=_READS_KEPT)
        """The last reads, oldest first."""
        self._clock = clock
        self._interval_s = 0.0 if mains_powered else minimum_interval_s
        self._answer_timeout_s = answer_timeout_s
        self._gap_timeout_s = gap_timeout_s
        self._block_timeout_s = block_timeout_s
        self._speeds: dict[bytes, _Speeds] = {}
        """By request: those that an answer was read with."""
        self._stored: tuple[float, OpticalReadout] | None = None
        self._port = SerialPort(port, subject="optical head", baudrate=WAKE_UP_BAUD, bytesize=7, parity="E",
                                clock=clock)

    def close(self) -> None:
        self._port.close()

    def read(self) -> OpticalReadout:
        """The meter's registers now, or those of the last read where the battery is to be spared.

        Raises BenchError when the meter does not answer, is of another kind, or its block is damaged twice.
        """
        now = self._clock.time()
        if self._stored is not None and now - self._stored[0] < self._interval_s:
            age_s = now - self._stored[0]
            text = (f"read {age_s:.0f} s ago and stored: a battery meter is woken at most every "
                    f"{self._interval_s:.0f} s (mains_powered in the station file lifts this)")
            self.timeline.append("meter", "optical", {"stored_for_s": round(age_s, 6)})
            return _with_finding(self._stored[1], Finding("stored-readout", "info", text, "station file"))
        before = self.wake_ups
        try:
            readout = self._extended_or_plain()
        except _Misread as misread:
            raise self._error(misread, self.wake_ups - before) from None
        self._stored = (now, readout)
        self.reads.append(readout)
        registers = {code: "&".join(value if unit is None else f"{value}*{unit}" for value, unit in items)
                     for code, items in readout.registers.items()}
        self.timeline.append("meter", "optical", {"registers": registers})
        return readout

    def set_clock(self) -> None:
        """Not possible: the meter's parameterisation by the optical port is not public. Raises BenchError always."""
        raise BenchError(self._subject, expected="a public way to set the meter's clock optically", seen="none",
                         do="set it by M-Bus (MBusMaster.set_clock) or through the unit")

    def _extended_or_plain(self) -> OpticalReadout:
        try:
            return self._try(EXTENDED)
        except _Misread as misread:
            if misread.heard in ("block", "another meter"):
                raise
            came = "nothing" if misread.heard == "nothing" else "no block of data"
        text = f"the meter answers /?!; to /#! came {came}: no present power, flow and temperatures"
        return _with_finding(self._try(PLAIN), Finding("no-extended-readout", "warning", text, "IEC 62056-21"))

    def _try(self, request: bytes) -> OpticalReadout:
        """The readout, in the second try if the first went wrong: a new wake-up, from the beginning. What is noise
        twice may be data at another speed, which is tried last.
        """
        speeds = self._speeds.get(request, _Speeds())
        for tries_left in reversed(range(TRIES)):
            try:
                return self._exchange(request, speeds)
            except _Misread as misread:
                other = speeds.instead(misread.heard)
                if not tries_left and other == speeds:
                    raise
                self._wait_for_silence()
        return self._exchange(request, other)

    def _wait_for_silence(self) -> None:
        """Let what is still on its way pass: the rest of an answer that was not understood, such as the data of another
        meter, would be taken for the next answer, which may come without identification."""
        deadline = time.monotonic() + self._block_timeout_s
        while time.monotonic() < deadline and self._port.read(1, self._gap_timeout_s):
            self._port.discard_input()

    def _exchange(self, request: bytes, speeds: _Speeds) -> OpticalReadout:
        self._port.set_baudrate(WAKE_UP_BAUD)
        self._port.discard_input()
        self.wake_ups += 1
        self._port.write(WAKE_UP + request)
        if speeds.first != WAKE_UP_BAUD:
            self._port.wait_until_sent(len(WAKE_UP + request), WAKE_UP_BAUD)
            self._port.set_baudrate(speeds.first)
        ident, received = self._read_ident(request)
        if ident:
            self._port.set_baudrate(speeds.block or BAUDRATES[ident[3]])
        block = self._read_block(received, "identification" if ident else "noise")
        try:
            readout = parse_optical((f"/{ident}\r\n" if ident else "").encode("ascii") + block)
        except PayloadError as error:
            raise _Misread("a telegram of code(value) groups", str(error), "block") from None
        self._speeds[request] = speeds
        return readout

    def _read_ident(self, request: bytes) -> tuple[str, bytes]:
        """The meter's identification, or nothing and the first line of a block that comes without one.

        An echo of our own light is skipped.
        """
        deadline = time.monotonic() + self._answer_timeout_s
        noise = b""
        while line := self._port.read_until(b"\n", LINE_LIMIT, deadline - time.monotonic()):
            text = line.strip(b"\0\r\n")
            if not text or text == request.strip():
                continue
            if _BLOCK_BEGINS.search(line):
                return "", line
            match = _IDENT.search(text) if line.endswith(b"\n") else None
            if match is not None:
                maker, letter, name = (part.decode("ascii") for part in match.groups())
                self._check_ident(maker, letter, name)
                return maker + letter + name, b""
            noise += line
            if len(noise) > NOISE_LIMIT:
                break
        expected = "the identification /LUGCUH50"
        if not noise:
            raise _Misread(expected, f"silence for {self._answer_timeout_s:g} s", "nothing")
        raise _Misread(expected, f"{len(noise)} characters that are none: {noise[:20]!a}", "noise")

    def _check_ident(self, maker: str, letter: str, name: str) -> None:
        if any(meter in name for meter in MBUS_METERS):
            raise BenchError(self._subject, expected="a UH50 or UC50 meter", seen=f"a {name} (/{maker}{letter}{name})",
                             do="use a UH50: the optical port of T230 and T330 speaks M-Bus, and the unit does not fit")
        if maker.upper() != "LUG" or not name.startswith(KNOWN_METERS) or letter not in BAUDRATES:
            raise _Misread("the identification /LUGCUH50", f"/{maker}{letter}{name}", "another meter")

    def _read_block(self, received: bytes, heard: Heard) -> bytes:
        """The lines between STX and ETX; their block check character is right. ``received``: its first line, if that
        was read already; ``heard``: what was heard before.

        What comes before STX is no part of it; where noise has an STX, too, the check character tells which one it is.
        """
        deadline = time.monotonic() + self._block_timeout_s
        expected = "a data block STX ... ETX BCC"
        while not received.endswith(b"\n!\r\n"):
            line = self._port.read_until(b"\n", LINE_LIMIT, min(self._gap_timeout_s, deadline - time.monotonic()))
            received += line
            begins = _BLOCK_BEGINS.search(received)
            length = len(received) - begins.start() if begins else 0
            if line and length <= BLOCK_LIMIT and len(received) <= NOISE_LIMIT:
                continue
            if begins:
                raise _Misread(expected, f"one without end, {length} characters long", "block")
            seen = f"{len(received)} characters of noise before STX" if received else "silence"
            raise _Misread(expected, seen, heard)
        tail = self._port.read(2, self._gap_timeout_s)
        if len(tail) < 2 or tail[:1] != ETX:
            raise _Misread("ETX and the block check character", ascii(tail), "block")
        blocks = [received[match.start() + 1:] for match in _BLOCK_BEGINS.finditer(received)]
        right = [block for block in blocks if reduce(xor, block + ETX) & 0x7F == tail[1] & 0x7F]
        if not blocks:
            raise _Misread(expected, f"an end without STX, {len(received)} characters long", heard)
        if not right:
            bcc = reduce(xor, blocks[-1] + ETX) & 0x7F
            raise _Misread(f"the block check character {bcc:02X}", f"{tail[1]:02X}", "block")
        return right[0]

    def _error(self, misread: _Misread, wake_ups: int) -> BenchError:
        do = ("put the head straight on the meter's optical port, magnet and all; is it a UH50 (T230 and T330 speak "
              "another protocol here)?" if misread.heard == "nothing" else
              "check the head's seat and that nothing else shines into it; other meters are not supported")
        return BenchError(self._subject, expected=misread.expected, seen=f"{misread.seen} ({wake_ups} wake-ups)", do=do)


def _with_finding(readout: OpticalReadout, finding: Finding) -> OpticalReadout:
    return replace(readout, findings=(*readout.findings, finding))
