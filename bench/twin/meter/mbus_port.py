"""The meter's M-Bus module: a slave of EN 13757-2 that answers in the layout of a real UH50 (40 records, all BCD).

How real buses differ from the book is from public reports of libmbus: level converters that echo (issue 24), meters
that answer in several telegrams (issues 105, 127; DIF 1F of EN 13757-3), application errors (its test/error-frames;
EN 13757-3, CI 70).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from bench.clock import Clock
from bench.twin.meter.port import MakeWire, MeterPort
from bench.twin.meter.uh50 import UH50, Registers
from bench.twin.wires.pty import PtyWire

ACKNOWLEDGE = b"\xe5"
TO_SELECTED, TO_ANY, BROADCAST = 0xFD, 0xFE, 0xFF
MANUFACTURER_VERSION_MEDIUM = bytes.fromhex("A7 32 04 04")
"""LUG, version 4, heat (return)."""
REACTION_S = 0.05
"""Within the standard's window of 11 bits to 330 bits + 50 ms at all speeds."""
LINE_IDLE_S = 0.5
"""A frame that stands incomplete for so long is forgotten."""

ENERGY_VIFS = {
    ("kWh", "1"): "06", ("MWh", "0.001"): "06", ("MWh", "0.01"): "07", ("MWh", "0.1"): "FB 00", ("MWh", "1"): "FB 01",
    ("MJ", "1"): "0E", ("GJ", "0.001"): "0E", ("GJ", "0.01"): "0F", ("GJ", "0.1"): "FB 08", ("GJ", "1"): "FB 09",
}  # fmt: skip

LOW_BATTERY, PERMANENT_ERROR, TEMPORARY_ERROR = 0x04, 0x08, 0x10
"""Bits of the status byte in the data header (EN 13757-7)."""


class MBusPort(MeterPort):
    """The slave hears nothing at another speed than ``baudrate``. The attributes of the second block are faults.
    """

    def __init__(self, meter: UH50, clock: Clock, *, address: int = 0, baudrate: int = 2400, paced: bool | None = None,
                 wire: MakeWire = PtyWire) -> None:
        super().__init__(meter, clock, paced, wire)
        self.address = address
        self.baudrate = baudrate
        self.application_resets = 0

        self.bad_checksum = 0
        """So many of the next data answers carry a wrong checksum."""
        self.wrong_address = 0
        """So many of the next data answers come from another address."""
        self.application_errors: list[int] = []
        """With these codes the next readouts are refused (CI 70): 8 too busy, 9 too many readouts."""

        self.noise = b""
        """What the level converter puts on the line before each answer, while the bus wakes up."""
        self.records_per_telegram: int | None = None
        """Answer in telegrams of so many records; all but the last end with DIF 1F."""

        self._selected = False
        self._last_fcb: int | None = None
        self._last_answer = b""
        self._to_come: list[bytes] = []     # telegrams of the readout that was begun
        self._access_number = 0
        self._heard_at = clock.time()

    # -- link layer -----------------------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        if self._clock.time() - self._heard_at > LINE_IDLE_S:
            self._heard.clear()
        self._heard_at = self._clock.time()
        if self._wire.baud != self.baudrate:
            return
        self._heard += data
        while self._heard:
            length = _frame_length(self._heard)
            if length is None:
                return
            frame = bytes(self._heard[:length])
            if length and frame[-1] == 0x16 and sum(_body(frame)) & 0xFF == frame[-2]:
                del self._heard[:length]
                self._on_frame(_body(frame))
            else:
                del self._heard[0]

    def _on_frame(self, body: bytes) -> None:
        """``body`` is C, A and, in a long frame, CI and data."""
        control, address, user_data = body[0], body[1], body[2:]
        selecting = address == TO_SELECTED and user_data[:1] == b"\x52"
        if selecting:
            self._selected = self._matches(user_data[1:])
        if not (address in (self.address, TO_ANY, BROADCAST) or (address == TO_SELECTED and self._selected)):
            return
        answer = ACKNOWLEDGE if selecting else self._answer(control, address, user_data)
        if selecting:
            self._last_fcb = None
            self._to_come.clear()
        if address == BROADCAST or not answer:
            return
        if self.silent:
            self.silent -= 1
            return
        self._send(self.noise + self.spoilt(answer))

    def spoilt(self, answer: bytes) -> bytes:
        """``answer`` with the faults that are set; only what goes out is spoilt, a repetition is whole again."""
        if answer == ACKNOWLEDGE:
            return answer
        body = bytearray(_body(answer))
        if self.wrong_address:
            self.wrong_address -= 1
            body[1] ^= 0x01
        checksum = sum(body) & 0xFF
        if self.bad_checksum:
            self.bad_checksum -= 1
            checksum ^= 0xFF
        return answer[:4] + body + bytes([checksum, 0x16])

    def _answer(self, control: int, address: int, user_data: bytes) -> bytes:
        function, fcb = control & 0x0F, control >> 5 & 1 if control & 0x10 else None
        if function == 0x00:                                    # SND_NKE
            self._last_fcb = None
            self._to_come.clear()
            if address == TO_SELECTED:
                self._selected = False
            return ACKNOWLEDGE
        if fcb is not None and fcb == self._last_fcb:           # the master has not had our answer: once more
            return self._last_answer
        if function == 0x0B:                                    # REQ_UD2
            answer = self._rsp_ud()
        elif function == 0x03:                                  # SND_UD
            self._on_user_data(user_data)
            answer = ACKNOWLEDGE
        else:
            return b""
        self._last_fcb, self._last_answer = fcb, answer
        return answer

    def _matches(self, selection: bytes) -> bool:
        """Secondary address with wild cards: nibble F in the identification, FF (FFFF) in the rest."""
        own = _identification(self.meter.registers()) + MANUFACTURER_VERSION_MEDIUM
        if len(selection) != len(own):
            return False
        digits = all(asked in ("F", has) for asked, has in zip(selection[:4].hex().upper(), own[:4].hex().upper(),
                                                               strict=True))
        return (digits and selection[4:6] in (b"\xff\xff", own[4:6])
                and all(asked in (0xFF, has) for asked, has in zip(selection[6:], own[6:], strict=True)))

    def _on_user_data(self, user_data: bytes) -> None:
        if user_data[:1] == b"\x50":
            self.application_resets += 1
            self._to_come.clear()
        elif user_data[:3] == b"\x51\x04\x6d" and len(user_data) == 7:
            time = _read_type_f(user_data[3:])
            if time is not None:
                self.meter.set_clock(time)

    def _rsp_ud(self) -> bytes:
        if self.application_errors:
            return self._long(b"\x70" + bytes([self.application_errors.pop(0)]))
        registers = self.meter.registers()
        if not self._to_come:
            self._to_come = _in_telegrams(records(registers), self.records_per_telegram)
        self._access_number = (self._access_number + 1) & 0xFF
        return self._long(b"\x72" + _identification(registers) + MANUFACTURER_VERSION_MEDIUM
                          + bytes([self._access_number, _status(registers.error_flags), 0, 0]) + self._to_come.pop(0))

    def _long(self, application: bytes) -> bytes:
        body = bytes([0x08, self.address]) + application
        return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) & 0xFF, 0x16])

    def _send(self, answer: bytes) -> None:
        self._stop_answering()
        if self.paced:
            self._answer_later(self._send_paced(answer))
        else:
            self._wire.write(answer)

    async def _send_paced(self, answer: bytes) -> None:
        at = self._clock.time() + REACTION_S
        for byte in answer:
            at += 11 / self.baudrate
            await asyncio.sleep(max(0.0, at - self._clock.time()))
            self._wire.write(bytes([byte]))


def _in_telegrams(records: list[bytes], each: int | None) -> list[bytes]:
    """The data of the telegrams that carry ``records``; all but the last announce that more follow (DIF 1F)."""
    if each is None:
        return [b"".join(records)]
    parts = [b"".join(records[start:start + each]) for start in range(0, len(records), each)]
    return [part + b"\x1f" for part in parts[:-1]] + parts[-1:]


def records(now: Registers) -> list[bytes]:
    """The 40 records of a UH50, in its order: present values, set day, maxima as tariff 1, tariff registers as tariffs
    2 to 4, previous month as storage 2.
    """
    vif = ENERGY_VIFS[now.energy_unit.symbol, f"{now.energy_unit.step:f}"]

    def energy(dif: str, value: Decimal) -> bytes:
        return bytes.fromhex(dif + vif) + _bcd(value / now.energy_unit.step, 4)

    def volume(dif: str, value: Decimal) -> bytes:
        return bytes.fromhex(dif + "14") + _bcd(value * 100, 4)

    def tariff(dif: str, value: Decimal | None) -> bytes:
        return bytes.fromhex(dif + "06") + bytes(4) if value is None else energy(dif, value)

    def power(dif: str, value: Decimal) -> bytes:
        return bytes.fromhex(dif + "2D") + _bcd(value * 10, 3)

    def flow(dif: str, value: Decimal) -> bytes:
        return bytes.fromhex(dif + "3B") + _bcd(value * 1000, 3)

    def forward(dif: str, value: Decimal) -> bytes:
        return bytes.fromhex(dif + "5B") + _bcd(value, 2)

    def back(dif: str, value: Decimal) -> bytes:
        return bytes.fromhex(dif + "5F") + _bcd(value, 2)

    def hours(record: str, value: int) -> bytes:
        return bytes.fromhex(record) + _bcd(Decimal(value), 4)

    first, second, third = now.tariffs[:3]
    maxima = (now.max_power_kw, now.max_flow_m3_h, now.max_forward_c, now.max_return_c)
    return [
        bytes.fromhex("09 74 04"), bytes.fromhex("09 70 04"),
        energy("0C", now.energy), volume("0C", now.volume_m3), power("0B", now.power_kw), flow("0B", now.flow_m3_h),
        forward("0A", now.forward_c), back("0A", now.return_c),
        bytes.fromhex("0A 62") + _bcd(now.difference_k * 10, 2),
        volume("4C", now.year_volume_m3), energy("4C", now.year_energy),
        bytes.fromhex("0C 78") + _bcd(Decimal(now.fabrication_number), 4),
        bytes.fromhex("89 10 71 60"),
        power("9B 10", maxima[0]), power("DB 10", maxima[0]), flow("9B 10", maxima[1]),
        forward("9A 10", maxima[2]), back("9A 10", maxima[3]),
        hours("0C 22", now.operating_h), hours("3C 22", now.missing_time_h), hours("7C 22", now.missing_time_h),
        bytes.fromhex("42 6C 01 01"),
        tariff("8C 20", first), tariff("8C 30", second), tariff("8C 80 10", third),
        tariff("CC 20", None), tariff("CC 30", None), tariff("CC 80 10", None),
        forward("9A 11", maxima[2]), back("9A 11", maxima[3]), flow("9B 11", maxima[1]), power("9B 11", maxima[0]),
        hours("BC 01 22", now.missing_time_h),
        energy("8C 01", now.month_energy),
        tariff("8C 21", None), tariff("8C 31", None), tariff("8C 81 10", None),
        volume("8C 01", now.month_volume_m3),
        bytes.fromhex("04 6D") + _type_f(now.clock),
        bytes.fromhex("0F") + bytes(5),
    ]  # fmt: skip


def _frame_length(heard: bytearray) -> int | None:
    """The length of the frame that ``heard`` begins with, 0 for none, None while it can't be told or is incomplete."""
    if heard[0] == 0x10:
        return 5 if len(heard) >= 5 else None
    if heard[0] != 0x68:
        return 0
    if len(heard) < 4:
        return None
    if heard[1] != heard[2] or heard[3] != 0x68 or heard[1] < 3:
        return 0
    return heard[1] + 6 if len(heard) >= heard[1] + 6 else None


def _body(frame: bytes) -> bytes:
    return frame[1:-2] if frame[0] == 0x10 else frame[4:-2]


def _identification(now: Registers) -> bytes:
    return bytes.fromhex(now.property_number)[::-1]


def _status(flags: int) -> int:
    battery, lasting, passing = flags & 0x010, flags & 0x288, flags & 0x167
    return (LOW_BATTERY if battery else 0) | (PERMANENT_ERROR if lasting else 0) | (TEMPORARY_ERROR if passing else 0)


def _bcd(value: Decimal, size: int) -> bytes:
    """Least significant byte first; a negative value has F for its first digit. Digits behind the last are dropped."""
    number = int(value.to_integral_value(rounding=ROUND_DOWN))
    text = f"{abs(number):0{2 * size}d}"[-2 * size:]
    return bytes.fromhex("F" + text[1:] if number < 0 else text)[::-1]


def _type_f(time: datetime) -> bytes:
    """Date and time of EN 13757-3 type F: minutes are its resolution."""
    year = time.year % 100
    return bytes((time.minute, time.hour, time.day | (year & 0x07) << 5, time.month | (year & 0x78) << 1))


def _read_type_f(data: bytes) -> datetime | None:
    """The time of a type F field, None when it is invalid or no time."""
    minute, hour, day, month = data
    year = 2000 + (day >> 5 | (month & 0xF0) >> 1)
    if minute & 0x80:
        return None
    try:
        return datetime(year, month & 0x0F, day & 0x1F, hour & 0x1F, minute & 0x3F)  # noqa: DTZ001 - the meter has no zone
    except ValueError:
        return None
