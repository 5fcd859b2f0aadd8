"""How the unit writes meter data: M-Bus, JSON and SenML/CBOR telegrams of chapter 7.4.

The twin's own code from the manual, on purpose not shared with the bench's decoders.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import cbor2

SENML_CBOR, JSON, MBUS = 0, 1, 2
STANDARD, EXTENDED = 42, 43


@dataclass(frozen=True, slots=True)
class Reading:
    """One stored readout: the meter's registers at ``time`` (the meter's local standard time, naive).

    A register's resolution is its Decimal's exponent: Decimal("71.873") MWh counts in kWh.
    """

    time: datetime
    meter_id: str
    energy: Decimal
    energy_unit: str
    volume_m3: Decimal
    power_kw: Decimal
    flow_m3ph: Decimal
    forward_c: Decimal
    return_c: Decimal
    error_flags: int
    tariffs: tuple[Decimal | None, Decimal | None, Decimal | None]
    missing_time_h: int


_ENERGY_VIF = {
    ("kWh", 0): "06", ("MWh", -3): "06", ("MWh", -2): "07", ("MWh", -1): "FB00", ("MWh", 0): "FB01",
    ("MJ", 0): "0E", ("GJ", -3): "0E", ("GJ", -2): "0F", ("GJ", -1): "FB08", ("GJ", 0): "FB09",
}
_VOLUME_VIF = {-3: "13", -2: "14", -1: "15", 0: "16"}
_POWER_VIF = {-3: "2B", -2: "2C", -1: "2D", 0: "2E"}
_FLOW_VIF = {-3: "3B", -2: "3C", -1: "3D", 0: "3E"}
_FORWARD_VIF = {-1: "5A", 0: "5B"}
_RETURN_VIF = {-1: "5E", 0: "5F"}


class TelegramWriter:
    """Writes telegrams for one set of settings. Its parts are methods so that a defect can replace one of them."""

    largest_payload = 1100
    """Octets of MQTT-SN payload that the unit puts into one datagram."""

    def __init__(self, encoding: int, message_format: int, utc_offset_minutes: int) -> None:
        self.encoding = encoding
        self.extended = message_format == EXTENDED
        self.utc_offset_minutes = utc_offset_minutes

    def telegrams(self, readings: Sequence[Reading]) -> Iterator[tuple[bytes, list[Reading]]]:
        """``readings``, in the order in which they are to be sent, as telegrams with what each carries. Written one
        after the other, as they are asked for: of a long backlog a transmission takes a few.
        """
        if self.encoding == SENML_CBOR:
            yield from self._packs(readings)
            return
        write = self.mbus if self.encoding == MBUS else self.json
        for reading in readings:
            yield write(reading), [reading]

    def sent_time(self, reading: Reading) -> datetime:
        """The UTC offset is subtracted from the meter's time (7.3.1)."""
        return (reading.time - timedelta(minutes=self.utc_offset_minutes)).replace(tzinfo=UTC)

    def shown(self, reading: Reading) -> Reading:
        """What of the registers is written."""
        return reading

    # -- M-Bus, Table 6

    def mbus(self, reading: Reading) -> bytes:
        return self.date_time(reading) + self.meter_id(reading) + self.registers(reading)

    def date_time(self, reading: Reading) -> bytes:
        sent = self.sent_time(reading)
        year = sent.year % 100
        return b"\x04\x6d" + bytes([sent.minute, sent.hour, sent.day | (year & 7) << 5, sent.month | (year >> 3) << 4])

    def meter_id(self, reading: Reading) -> bytes:
        return b"\x0c\x78" + _bcd(int(reading.meter_id), 4)

    def registers(self, reading: Reading) -> bytes:
        """DIBs 3 to 9, or 3 to 13 in the extended format."""
        reading = self.shown(reading)
        data = (self.energy(reading) + self.volume(reading) + self.power(reading) + self.flow(reading)
                + self.forward(reading) + self.back(reading) + self.error_flags(reading))
        if self.extended:
            for number in (1, 2, 3):
                data += self.tariff(reading, number)
            data += self.missing_time(reading)
        return data

    def energy(self, reading: Reading) -> bytes:
        return b"\x04" + self._energy_vif(reading) + struct.pack("<i", _count(reading.energy))

    def volume(self, reading: Reading) -> bytes:
        return b"\x04" + _vif(_VOLUME_VIF, reading.volume_m3) + struct.pack("<i", _count(reading.volume_m3))

    def power(self, reading: Reading) -> bytes:
        return _int16(_POWER_VIF, reading.power_kw)

    def flow(self, reading: Reading) -> bytes:
        return _int16(_FLOW_VIF, reading.flow_m3ph)

    def forward(self, reading: Reading) -> bytes:
        return _int16(_FORWARD_VIF, reading.forward_c)

    def back(self, reading: Reading) -> bytes:
        return _int16(_RETURN_VIF, reading.return_c)

    def error_flags(self, reading: Reading) -> bytes:
        return b"\x02\xfd\x17" + struct.pack("<H", reading.error_flags)

    def tariff(self, reading: Reading, number: int) -> bytes:
        value = reading.tariffs[number - 1]
        dife = bytes([0x84, number << 4])
        return dife + self._energy_vif(reading) + struct.pack("<i", 0 if value is None else _count(value))

    def missing_time(self, reading: Reading) -> bytes:
        return b"\x3c\x22" + _bcd(reading.missing_time_h, 4)

    def _energy_vif(self, reading: Reading) -> bytes:
        return bytes.fromhex(_ENERGY_VIF[reading.energy_unit, _exponent(reading.energy)])

    # -- JSON, Table 7

    def json(self, reading: Reading) -> bytes:
        fields = self.json_fields(reading)
        return ("{" + ",".join(f'"{key}":{value}' for key, value in fields) + "}").encode()

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        """Keys and values as they stand in the text: numbers bare, so that no float rounds them."""
        reading = self.shown(reading)
        unit = f'"{reading.energy_unit}"'
        fields = [
            ("TS", f'"{self.sent_time(reading):%Y-%m-%dT%H:%MZ}"'), ("ID", str(int(reading.meter_id))),
            ("E", str(reading.energy)), ("U", unit),
            ("V", str(reading.volume_m3)), ("VU", '"m3"'),
            ("P", str(int(reading.power_kw * 1000))), ("PU", '"W"'),
            ("F", str(int(reading.flow_m3ph * 1000))), ("FU", '"l/h"'),
            ("FT", str(reading.forward_c)), ("TU", '"C"'),
            ("RT", str(reading.return_c)), ("RU", '"C"'),
            ("EF", f'"0x{reading.error_flags:04X}"'),
        ]
        if self.extended:
            for number, value in enumerate(reading.tariffs, 1):
                fields += [(f"T{number}", str(value if value is not None else 0)), (f"U{number}", unit)]
            fields += [("MT", str(reading.missing_time_h)), ("MU", '"h"')]
        return fields

    # -- SenML/CBOR, 7.4.2.3

    def senml(self, readings: Sequence[Reading]) -> bytes:
        """One pack: base name and base time in the first record, then the version, then the rest by offset."""
        base = round(self.sent_time(readings[0]).timestamp())
        pack: list[dict[int, object]] = [
            {-2: self.base_name(readings[0]), -3: base, 8: self.registers(readings[0])},
            {0: "V", 2: 0},
        ]
        for reading in readings[1:]:
            pack.append({6: round(self.sent_time(reading).timestamp()) - base, 8: self.registers(reading)})
        return cbor2.dumps(pack)

    def base_name(self, reading: Reading) -> str:
        return reading.meter_id

    def _packs(self, readings: Sequence[Reading]) -> Iterator[tuple[bytes, list[Reading]]]:
        """As many self-described packs as the byte limit asks for, each newest first (as in the manual's example)."""
        begin, count = 0, 1
        while begin < len(readings):
            count = min(max(count, 1), len(readings) - begin)
            # Packs of a backlog are about alike: look for the longest that fits from where the last one ended.
            while count > 1 and len(self._pack(readings[begin:begin + count])) > self.largest_payload:
                count -= 1
            while begin + count < len(readings) and (
                    len(self._pack(readings[begin:begin + count + 1])) <= self.largest_payload):
                count += 1
            chunk = _newest_first(readings[begin:begin + count])
            yield self.senml(chunk), chunk
            begin += count

    def _pack(self, readings: Sequence[Reading]) -> bytes:
        return self.senml(_newest_first(readings))


def _newest_first(readings: Sequence[Reading]) -> list[Reading]:
    return sorted(readings, key=lambda reading: reading.time, reverse=True)


def _exponent(value: Decimal) -> int:
    return int(value.as_tuple().exponent)


def _count(value: Decimal) -> int:
    """The register's steps: 71.873 is 71873."""
    return int(value.scaleb(-_exponent(value)))


def _vif(table: dict[int, str], value: Decimal) -> bytes:
    return bytes.fromhex(table[_exponent(value)])


def _int16(table: dict[int, str], value: Decimal) -> bytes:
    """An INT16 DIB. A value of more steps than that holds goes with the next coarser VIF of Table 6, rounded."""
    exponent = _exponent(value)
    while not -32768 <= (count := round(value.scaleb(-exponent))) <= 32767 and exponent + 1 in table:
        exponent += 1
    return b"\x02" + bytes.fromhex(table[exponent]) + struct.pack("<h", count)


def _bcd(number: int, octets: int) -> bytes:
    return bytes.fromhex(f"{number:0{2 * octets}d}")[::-1]
