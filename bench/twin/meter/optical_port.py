"""The meter's optical port: IEC 62056-21, mode B, the way a UH50 does it.

Source: public captures of UH50 telegrams (tests/data/optical) and the timing of public logs. No capture of the extended
telegram (``/#!``) is public: its five values are known, their digits and their place (after line 1) are an assumption;
so is that the identification comes before it, and comes at 300 Bd. So are the text of ``F`` with an active error and of
a tariff register in use. Noise of the head before the block: esphome-uh50reader, issue 11.
"""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from functools import reduce
from operator import xor

from bench.clock import Clock
from bench.twin.meter.port import MakeWire, MeterPort
from bench.twin.meter.uh50 import UH50, Registers
from bench.twin.wires.pty import PtyWire

WAKE_UP_NULS = 40
IDENT_BAUD = 300
REACTION_S = 0.7
GAP_S = 0.75
"""From the ident to STX: the reader switches its speed."""
BITS_PER_CHARACTER = {300: 10.0, 2400: 11.9}
"""Measured; at 2400 Bd the meter leaves small gaps."""
RATE_LETTERS = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600}

FLAG_NAMES = ("F0", "F1", "F2", "F3", "F41", "F5", "F6", "F7", "F8", "F9", "F0V", "F7V2")
"""The identifiers of manual Table 3, by bit."""

STX, ETX = b"\x02", b"\x03"


class OpticalPort(MeterPort):
    """In virtual time the answer is there at once, because time stands still while a driver waits for it; then a wrong
    speed of the driver during the data block goes unnoticed.

    The attributes of the second block are faults; set them at any time.
    """

    def __init__(self, meter: UH50, clock: Clock, *, paced: bool | None = None, wire: MakeWire = PtyWire) -> None:
        super().__init__(meter, clock, paced, wire)
        self.knows_extended = True
        """Answers ``/#!``; older firmware may know ``/?!`` only."""
        self.identifies = True
        """Sends its identification before the extended telegram."""
        self.extended_baud: int | None = None
        """The speed of the extended telegram's block, if not the one that the identification announces."""
        self.waits_for_speed_s: float | None = None
        """In place of its own times, the meter waits so long before the block for the reader to change its speed: for
        tests that must not depend on how fast this machine is."""
        self.wake_ups = 0
        """How often the meter was woken: each costs battery."""

        self.bad_bcc = 0
        """So many of the next telegrams carry a wrong block check character."""
        self.truncated = 0
        """So many of the next telegrams end in their middle."""
        self.garbage = 0
        """So many of the next answers are noise."""
        self.noise_before_block = b""
        """What the head hears between the identification and STX."""
        self.wrong_ident: str | None = None
        """Another meter's identification, such as "LUGCT330"."""

        self._noise = random.Random(0)

    def _hear(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n" in self._heard:
            line, _, rest = bytes(self._heard).partition(b"\r\n")
            self._heard[:] = rest
            self._on_line(line)
        del self._heard[:-256]

    def _on_line(self, line: bytes) -> None:
        request = line.lstrip(b"\0")
        awake = len(line) - len(request) >= WAKE_UP_NULS and self._wire.baud == IDENT_BAUD
        extended = request == b"/#!"
        if not awake or not (request == b"/?!" or extended):
            return
        self.wake_ups += 1
        if self.silent:
            self.silent -= 1
            return
        if extended and not self.knows_extended:
            return
        ident = self.wrong_ident or "LUGCUH50"
        block = self.noise_before_block + self._block(telegram(self.meter.registers(), extended=extended))
        if self.garbage:
            self.garbage -= 1
            answer = [(REACTION_S, IDENT_BAUD, self._noise.randbytes(60))]
        else:
            block_baud = self.extended_baud if extended else None
            answer = [(GAP_S, block_baud or RATE_LETTERS.get(ident[3:4], IDENT_BAUD), block)]
            if self.identifies or not extended:
                answer.insert(0, (REACTION_S, IDENT_BAUD, f"/{ident}\r\n".encode("ascii")))
        self._send(answer, after_s=(len(line) + 2) * BITS_PER_CHARACTER[IDENT_BAUD] / IDENT_BAUD)

    def _block(self, lines: list[str]) -> bytes:
        """``framed``, with the faults that are set."""
        block = framed(lines)
        if self.bad_bcc:
            self.bad_bcc -= 1
            block = block[:-1] + bytes([block[-1] ^ 0x01])
        if self.truncated:
            self.truncated -= 1
            block = block[:len(block) // 2]
        return block

    def _send(self, answer: list[tuple[float, int, bytes]], *, after_s: float) -> None:
        """``after_s``: the request itself takes so long; a pty delivers it at once."""
        self._stop_answering()
        if self.waits_for_speed_s is not None:
            self._answer_later(self._send_waiting(answer, self.waits_for_speed_s))
            return
        if self.paced:
            self._answer_later(self._send_paced(answer, after_s))
            return
        for _, _, data in answer:
            self._wire.write(data)

    async def _send_paced(self, answer: list[tuple[float, int, bytes]], after_s: float) -> None:
        """Character by character; to a driver that listens at another speed it is noise."""
        at = self._clock.time() + after_s
        for pause_s, baud, data in answer:
            at += pause_s
            for byte in data:
                at += BITS_PER_CHARACTER.get(baud, 10.0) / baud
                await asyncio.sleep(max(0.0, at - self._clock.time()))
                heard_right = self._wire.baud == baud
                self._wire.write(bytes([byte]) if heard_right else self._noise.randbytes(1))

    async def _send_waiting(self, answer: list[tuple[float, int, bytes]], patience_s: float) -> None:
        for _, baud, data in answer:
            give_up_at = self._clock.time() + patience_s
            while data is answer[-1][2] and self._wire.baud == IDENT_BAUD and self._clock.time() < give_up_at:
                await asyncio.sleep(0.005)
            self._wire.write(data if self._wire.baud == baud else self._noise.randbytes(len(data)))


def framed(lines: list[str]) -> bytes:
    """STX, the lines, ``!``, ETX and the block check character."""
    body = "".join(f"{line}\r\n" for line in [*lines, "!"]).encode("ascii") + ETX
    return STX + body + bytes([reduce(xor, body) & 0x7F])


def telegram(now: Registers, *, extended: bool) -> list[str]:
    """The lines of a UH50's telegram, without ``!`` and framing: 66 codes on 23 lines, extended 71 on 24."""
    unit = now.energy_unit

    def energy(value: Decimal | None) -> str:
        return "" if value is None else f"{_digits(value, 7)}*{unit.symbol}"

    def volume(value: Decimal) -> str:
        return f"{_digits(value, 7)}*m3"

    flags = "&".join(name for bit, name in enumerate(FLAG_NAMES) if now.error_flags >> bit & 1)
    max_power = f"{_digits(now.max_power_kw, 5)}*kW"
    max_flow = f"{_digits(now.max_flow_m3_h, 6)}*m3ph"
    max_temperatures = f"{_digits(now.max_forward_c, 4)}*C&{_digits(now.max_return_c, 4)}*C"
    slot = f"000&{now.property_number}&0"
    lines = [f"6.8({energy(now.energy)})6.26({volume(now.volume_m3)})9.21({now.property_number})"]
    if extended:
        lines.append(f"6.4({_digits(now.power_kw, 5)}*kW)6.27({_digits(now.flow_m3_h, 6)}*m3ph)"
                     f"6.29({_digits(now.forward_c, 4)}*C)6.28({_digits(now.return_c, 4)}*C)"
                     f"6.30({_digits(now.difference_k, 4)}*C)")
    return [
        *lines,
        f"6.26*01({volume(now.year_volume_m3)})6.8*01({energy(now.year_energy)})",
        f"F({flags or 0})9.20({now.fabrication_number})6.35(60*m)",
        f"6.6({max_power})6.6*01({max_power})6.33({max_flow})9.4({max_temperatures})",
        f"6.31({now.operating_h:07d}*h)6.32({now.missing_time_h:07d}*h)9.22(R)9.6({slot}&{slot})",
        f"9.7(20000)6.32*01({now.missing_time_h:07d}*h)6.36(01-01&00:00)6.33*01({max_flow})",
        "".join(f"6.8.{number}({energy(value)})" for number, value in enumerate(now.tariffs, 1)),
        "6.8.1*01()6.8.2*01()6.8.3*01()",
        "6.8.4*01()6.8.5*01()",
        f"9.4*01({max_temperatures})",
        "6.36.1(2025-01-19)6.36.1*01(2025-01-19)",
        "6.36.2(2024-12-03)6.36.2*01(2024-12-03)",
        "6.36.3(2025-02-11)6.36.3*01(2025-02-11)",
        "6.36.4(2024-11-27)6.36.4*01(2024-11-27)",
        f"6.36.5()6.36*02(01&00:00)9.36({now.clock:%Y-%m-%d&%H:%M:%S})9.24(1.5*m3ph)",
        "9.17(0)9.18()9.19()9.25()",
        "9.1(0&1&0&0000&CECV&CECV&1&5.22&5.22&F&081008&040404&08&0)",
        f"9.2(&&)9.29()9.31({now.flow_h:07d}*h)",
        "9.0.1(00000000)9.0.2(00000000)9.34.1(000.00000*m3)9.34.2(000.00000*m3)",
        "8.26.1(00000000*m3)8.26.2(00000000*m3)",
        "8.26.1*01(00000000*m3)8.26.2*01(00000000*m3)",
        "6.26.1()6.26.4()6.26.5()",
        f"6.26.1*01()6.26.4*01()6.26.5*01()0.0({now.property_number})",
    ]


def _digits(value: Decimal, digits: int) -> str:
    """``value`` with leading zeros to so many digits, before them a minus sign if it is negative."""
    text = f"{abs(value):f}"
    width = digits + ("." in text)
    return ("-" if value < 0 else "") + text.zfill(width)
