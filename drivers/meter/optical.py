"""Reader of the meter's optical port (IEC 62056-21, mode B, as a UH50 does it)."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import reduce
from operator import xor

from bench.clock import Clock
from bench.errors import BenchError
from bench.payload.optical import OpticalReadout, parse_optical
from bench.payload.readout import Finding, PayloadError
from bench.timeline import Timeline
from drivers.serial_port import SerialPort

WAKE_UP = bytes(40)
EXTENDED, PLAIN = b"/#!\r\n", b"/?!\r\n"
STX, ETX = b"\x02", b"\x03"
BAUDRATES = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600}
"""Mode B: the third letter after the slash tells the speed of the data block (IEC 62056-21, 6.3.14)."""
KNOWN_METERS = ("UH50", "UC50")
MBUS_METERS = ("T230", "T330")
"""The same optics, but binary M-Bus at 2400 Bd: another protocol."""
TRIES = 2
LINE_LIMIT, BLOCK_LIMIT = 400, 8192

_IDENT = re.compile(rb"/([A-Za-z]{3})([A-Z])([!-~]{1,16})")


class _Misread(Exception):  # noqa: N818 - not an error yet: the next try may read well
    """One exchange went wrong. ``silent``: nothing came that could be an identification."""

    def __init__(self, expected: str, seen: str, *, silent: bool = False) -> None:
        super().__init__(seen)
        self.expected, self.seen, self.silent = expected, seen, silent


class OpticalReader:
    """Reads the meter through an optical head.

    ::

        meter = OpticalReader("/dev/ttyUSB0", timeline=timeline, clock=clock, mains_powered=True)
        meter.read().energy

    ``port``: anything pyserial opens (/dev/ttyUSB0, rfc2217://host:port). Each wake-up costs a battery meter's life:
    unless ``mains_powered``, a ``read`` within ``minimum_interval_s`` (of the clock's time) returns the stored readout
    with the finding ``stored-readout``. ``answer_timeout_s`` (real seconds) is for the identification, counted from the
    wake-up, which alone takes 1.5 s; ``gap_timeout_s`` is the longest pause within the data.

    The extended readout ``/#!`` is asked for (only it has the present power, flow and temperatures); a meter that does
    not answer it is asked for the plain one, with the finding ``no-extended-readout``.
    """

    def __init__(self, port: str, *, timeline: Timeline, clock: Clock, mains_powered: bool = False,
                 minimum_interval_s: float = 900.0, answer_timeout_s: float = 5.0, gap_timeout_s: float = 2.0) -> None:
        self._subject = f"optical head at {port}"
        self.timeline = timeline
        self.wake_ups = 0
        """How often the meter was woken since the port was opened."""
        self._clock = clock
        self._interval_s = 0.0 if mains_powered else minimum_interval_s
        self._answer_timeout_s = answer_timeout_s
        self._gap_timeout_s = gap_timeout_s
        self._stored: tuple[float, OpticalReadout] | None = None
        self._port = SerialPort(port, subject="optical head", baudrate=300, bytesize=7, parity="E")

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
            if not misread.silent:
                raise
        text = "the meter answers /?! but not /#!: no present power, flow and temperatures"
        return _with_finding(self._try(PLAIN), Finding("no-extended-readout", "warning", text, "IEC 62056-21"))

    def _try(self, request: bytes) -> OpticalReadout:
        """The readout, in the second try if the first went wrong: a new wake-up, from the beginning."""
        for _ in range(TRIES - 1):
            try:
                return self._exchange(request)
            except _Misread:
                continue
        return self._exchange(request)

    def _exchange(self, request: bytes) -> OpticalReadout:
        self._port.set_baudrate(300)
        self._port.discard_input()
        self.wake_ups += 1
        self._port.write(WAKE_UP + request)
        ident, letter = self._read_ident(request)
        self._port.set_baudrate(BAUDRATES[letter])
        block = self._read_block()
        try:
            return parse_optical(f"/{ident}\r\n".encode("ascii") + block)
        except PayloadError as error:
            raise _Misread("a telegram of code(value) groups", str(error)) from None

    def _read_ident(self, request: bytes) -> tuple[str, str]:
        """The meter's identification and its letter for the speed; an echo of our own light is skipped."""
        deadline = time.monotonic() + self._answer_timeout_s
        noise = b""
        while (left := deadline - time.monotonic()) > 0:
            line = self._port.read_until(b"\n", LINE_LIMIT, left)
            text = line.strip(b"\0\r\n")
            if not text or text == request.strip():
                continue
            match = _IDENT.search(text) if line.endswith(b"\n") else None
            if match is None:
                noise = (noise + line)[-LINE_LIMIT:]
                continue
            maker, letter, name = (part.decode("ascii") for part in match.groups())
            self._check_ident(maker, letter, name)
            return maker + letter + name, letter
        expected = "the identification /LUGCUH50"
        if not noise:
            raise _Misread(expected, f"silence for {self._answer_timeout_s:g} s", silent=True)
        raise _Misread(expected, f"{len(noise)} characters that are none: {noise[:20]!a}")

    def _check_ident(self, maker: str, letter: str, name: str) -> None:
        if any(meter in name for meter in MBUS_METERS):
            raise BenchError(self._subject, expected="a UH50 or UC50 meter", seen=f"a {name} (/{maker}{letter}{name})",
                             do="use a UH50: the optical port of T230 and T330 speaks M-Bus, and the unit does not fit")
        if maker.upper() != "LUG" or not name.startswith(KNOWN_METERS) or letter not in BAUDRATES:
            raise _Misread("the identification /LUGCUH50", f"/{maker}{letter}{name}")

    def _read_block(self) -> bytes:
        """The lines between STX and ETX; their block check character is right."""
        self._port.read_until(STX, LINE_LIMIT, self._gap_timeout_s)
        block = b""
        while not block.endswith(b"\n!\r\n"):
            line = self._port.read_until(b"\n", LINE_LIMIT, self._gap_timeout_s)
            block += line
            if not line.endswith(b"\n") or len(block) > BLOCK_LIMIT:
                raise _Misread("a data block STX ... ETX BCC", f"one without end, {len(block)} characters long")
        tail = self._port.read(2, self._gap_timeout_s)
        if len(tail) < 2 or tail[:1] != ETX:
            raise _Misread("ETX and the block check character", ascii(tail))
        bcc = reduce(xor, block + ETX) & 0x7F
        if tail[1] & 0x7F != bcc:
            raise _Misread(f"the block check character {bcc:02X}", f"{tail[1]:02X}")
        return block

    def _error(self, misread: _Misread, wake_ups: int) -> BenchError:
        do = ("put the head straight on the meter's optical port, magnet and all; is it a UH50 (T230 and T330 speak "
              "another protocol here)?" if misread.silent else
              "check the head's seat and that nothing else shines into it; other meters are not supported")
        return BenchError(self._subject, expected=misread.expected, seen=f"{misread.seen} ({wake_ups} wake-ups)", do=do)


def _with_finding(readout: OpticalReadout, finding: Finding) -> OpticalReadout:
    return replace(readout, findings=(*readout.findings, finding))
