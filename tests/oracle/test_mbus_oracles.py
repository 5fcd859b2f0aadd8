"""The record decoder against two decoders of other people: pymbusparser (Rust) and pyMeterBus.

What they are known to do differently is written out here, and held by tests, so that a new version that
changes it is noticed.
"""

# ruff: noqa: DTZ001 - the meter sends no zone

from __future__ import annotations

import logging
import random
from datetime import datetime
from decimal import Decimal
from typing import Any

import pymbusparser
import pytest

_level, _handlers = logging.getLogger().level, list(logging.getLogger().handlers)
import meterbus  # noqa: E402 - its import reconfigures the root logger, which is put back below

logging.getLogger().setLevel(_level)
logging.getLogger().handlers[:] = _handlers

from bench.payload.mbus import decode_long_frame, decode_records  # noqa: E402
from bench.payload.readout import Record  # noqa: E402

# VIFs of manual Table 6, and FB00, FB01, FB08, FB09.
VIFS = (
    "03", "04", "05", "06", "07", "0E", "0F", "FB00", "FB01", "FB08", "FB09", "13", "14", "15", "16",
    "2B", "2C", "2D", "2E", "3B", "3C", "3D", "3E", "5A", "5B", "5E", "5F", "22", "23", "78", "FD17",
)  # fmt: skip
INTEGERS = {0x1: 1, 0x2: 2, 0x3: 3, 0x4: 4, 0x6: 6, 0x7: 8}
BCD = {0x9: 1, 0xA: 2, 0xB: 3, 0xC: 4, 0xE: 6}
FUNCTIONS = {
    "instantaneous": "Instantaneous value",
    "maximum": "Maximum value",
    "minimum": "Minimum value",
    "error": "Value during error state",
}
# Our unit -> factor and unit of pymbusparser.
UNITS = {
    "Wh": ("1", "W.h"), "kWh": ("1000", "W.h"), "MWh": ("1000000", "W.h"), "MJ": ("1000000", "J"), "GJ": ("1e9", "J"),
    "m3": ("1", "m3"), "W": ("1", "W"), "kW": ("1000", "W"), "m3/h": ("1", "m3.h-1"), "C": ("1", "Cel"),
    "K": ("1", "K"), "s": ("1", "s"), "min": ("1", "min"), "h": ("1", "h"), "days": ("1", "d"), "": ("1", None),
}  # fmt: skip


def random_bcd(rng: random.Random, size: int, *, sign: bool = True) -> bytes:
    digits = "".join(rng.choice("0123456789") for _ in range(2 * size))
    if sign and rng.random() < 0.2:
        digits = "F" + digits[1:]
    return bytes.fromhex(digits)[::-1]


def random_head(rng: random.Random, data_field: int, *, storage_max: int = 200) -> bytes:
    """A DIF with as many extensions as its random storage, tariff and subunit need."""
    storage = rng.choice((0, 0, 0, 1, 2, rng.randrange(storage_max)))
    tariff = rng.choice((0, 0, 1, 2, 3, rng.randrange(16)))
    subunit = rng.choice((0, 0, 0, rng.randrange(4)))
    head = [data_field | rng.randrange(4) << 4 | (storage & 1) << 6]
    storage >>= 1
    while storage or tariff or subunit:
        head[-1] |= 0x80
        head.append(storage & 0x0F | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    return bytes(head)


def random_record(rng: random.Random, *, sign: bool = True) -> bytes:
    vif = bytes.fromhex(rng.choice(VIFS))
    if vif == b"\xfd\x17":
        return random_head(rng, 2) + vif + rng.randrange(0x8000).to_bytes(2, "little")
    if vif == b"\x78":
        return random_head(rng, 0xC) + vif + random_bcd(rng, 4, sign=False)
    data_field = rng.choice((*INTEGERS, *BCD))
    head = random_head(rng, data_field)
    if data_field in BCD:
        return head + vif + random_bcd(rng, BCD[data_field], sign=sign)
    return head + vif + rng.randbytes(INTEGERS[data_field])


def assert_same(ours: Record, theirs: dict[str, Any]) -> None:
    assert FUNCTIONS[ours.function] == theirs["function"]
    assert (ours.storage, ours.tariff, ours.subunit) == (
        theirs["storage_number"],
        theirs["tariff"],
        theirs["subunit"],
    )
    assert ours.header == theirs["header_hex"].replace(" ", "")
    assert ours.data == bytes.fromhex(theirs["data_hex"])
    if isinstance(ours.value, Decimal):
        factor, unit = UNITS[ours.unit]
        assert theirs["value"]["kind"] == "decimal"
        assert ours.value * Decimal(factor) == Decimal(theirs["value"]["value"])
        assert unit == theirs.get("unit")
    else:
        assert ours.value is not None, (ours, theirs)
        assert isinstance(theirs["value"]["value"], str), (ours, theirs)
        assert ours.value.isoformat() == theirs["value"]["value"]  # type: ignore[union-attr]


# PAY-MBUS-03, PAY-MBUS-10, PAY-MBUS-17, PAY-MBUS-21
def test_30000_records_of_our_vifs_are_exactly_what_pymbusparser_reads() -> None:
    rng = random.Random(20191128)
    compared = 0
    while compared < 30_000:
        block = b"".join(random_record(rng) for _ in range(20))
        ours, theirs = decode_records(block), pymbusparser.parse_records(block)
        assert len(ours) == len(theirs) == 20
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
            compared += 1
    assert compared == 30_000


def random_moment(rng: random.Random) -> datetime:
    return datetime(
        rng.randrange(2000, 2081), rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24), rng.randrange(60)
    )  # fmt: skip


def type_f(moment: datetime, *, minute_bits: int = 0, hour_bits: int = 0) -> bytes:
    year = moment.year % 100
    return bytes(
        (
            moment.minute | minute_bits,
            moment.hour | hour_bits,
            moment.day | (year & 7) << 5,
            moment.month | year >> 3 << 4,
        )
    )


# PAY-MBUS-01, PAY-MBUS-23
def test_5000_times_of_type_f_and_dates_of_type_g_are_what_pymbusparser_reads() -> None:
    rng = random.Random(9)
    for _ in range(5000):
        raw = type_f(random_moment(rng))
        for block in (b"\x04\x6d" + raw, b"\x42\x6c" + raw[2:]):
            (ours,), (theirs,) = decode_records(block), pymbusparser.parse_records(block)
            assert_same(ours, theirs)


def test_5000_times_of_type_i_are_what_pymbusparser_reads() -> None:
    rng = random.Random(10)
    for _ in range(5000):
        moment = random_moment(rng)
        year = moment.year % 100
        raw = bytes(
            (
                rng.randrange(60),
                moment.minute,
                moment.hour | rng.randrange(8) << 5,
                moment.day | (year & 7) << 5,
                moment.month | year >> 3 << 4,
                rng.randrange(54),
            )
        )
        (ours,), (theirs,) = decode_records(b"\x06\x6d" + raw), pymbusparser.parse_records(b"\x06\x6d" + raw)
        assert_same(ours, theirs)


# What pymbusparser 0.5.3 does differently, and why ours is right.
PYMBUSPARSER_DEVIATIONS = {
    "error flags are signed": ("02FD170080", "-32768", Decimal(0x8000)),
    "the invalid bit of type F is not seen": ("046DA7147C2B", "2019-11-28T20:39:00", "time-invalid"),
    "the summer bit of type F is not seen": ("046D27947C2B", "2019-11-28T20:39:00", "summer-time"),
}


@pytest.mark.parametrize("what", PYMBUSPARSER_DEVIATIONS)
def test_deviation_of_pymbusparser_is_as_written_down(what: str) -> None:
    block, theirs, ours = PYMBUSPARSER_DEVIATIONS[what]
    (record,) = decode_records(bytes.fromhex(block))
    assert pymbusparser.parse_records(bytes.fromhex(block))[0]["value"]["value"] == theirs
    if isinstance(ours, str):
        assert ours in [f.code for f in record.findings]
    else:
        assert record.value == ours


def frame_of(block: bytes) -> bytes:
    body = bytes.fromhex("0800 72 78563412 A732 04 04 01 00 0000") + block
    return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))


# The unit of pyMeterBus -> factor to ours, by our unit. Times are given in seconds, energy in Wh or J.
METERBUS_FACTORS = {
    "Wh": ("1", "MeasureUnit.WH"), "kWh": ("1000", "MeasureUnit.WH"), "MWh": ("1000000", "MeasureUnit.WH"),
    "MJ": ("1000000", "MeasureUnit.J"), "GJ": ("1e9", "MeasureUnit.J"), "m3": ("1", "MeasureUnit.M3"),
    "W": ("1", "MeasureUnit.W"), "kW": ("1000", "MeasureUnit.W"), "m3/h": ("1", "MeasureUnit.M3_H"),
    "C": ("1", "MeasureUnit.C"), "h": ("3600", "MeasureUnit.SECONDS"), "days": ("86400", "MeasureUnit.SECONDS"),
    "": ("1", "MeasureUnit.NONE"),
}  # fmt: skip
METERBUS_FUNCTIONS = {
    "instantaneous": "FunctionType.INSTANTANEOUS_VALUE",
    "maximum": "FunctionType.MAXIMUM_VALUE",
    "minimum": "FunctionType.MINIMUM_VALUE",
    "error": "FunctionType.ERROR_STATE_VALUE",
}


def assert_meterbus_agrees(ours: Record, theirs: dict[str, Any]) -> None:
    assert METERBUS_FUNCTIONS[ours.function] == theirs["function"]
    assert (ours.storage, ours.tariff, ours.subunit) == (
        theirs["storage_number"],
        theirs.get("tariff", 0),
        theirs.get("device", 0),
    )
    assert isinstance(ours.value, Decimal)
    factor, unit = METERBUS_FACTORS[ours.unit]
    # Deviation 1: FB08 and FB09 have the unit "Reserved"; the value is in J all the same.
    assert theirs["unit"] == ("Reserved" if ours.header.endswith(("FB08", "FB09")) else unit)
    exact, given = ours.value * Decimal(factor), Decimal(theirs["value"])
    # Deviation 2: values go through a binary real (0.2119999...), so that only 15 digits are right.
    assert abs(exact - given) <= abs(exact) * Decimal("1e-15")


# PAY-MBUS-03, PAY-MBUS-21
def test_20000_records_of_our_vifs_are_what_pymeterbus_reads_apart_from_its_known_deviations() -> None:
    rng = random.Random(20191129)
    compared = 0
    while compared < 20_000:
        block = b"".join(random_record(rng) for _ in range(14))
        ours = decode_records(block)
        records = meterbus.load(frame_of(block)).records
        assert len(ours) == len(records) == 14
        for one, other in zip(ours, records, strict=True):
            assert_meterbus_agrees(one, other.interpreted)
            compared += 1
    assert compared >= 20_000


# What else pyMeterBus 0.8.5 does differently: block, its value, ours.
METERBUS_DEVIATIONS = {
    "3: hours are given in seconds": ("3C2272670100", "60379200", Decimal(16772)),
    "4: error flags are signed": ("02FD170080", "-32768", Decimal(0x8000)),
    "5: a digit that is not BCD is left out": ("0C78214365A7", "7654321", None),
    "6: BCD hours with a letter are counted": ("3C220A000000", "36000", None),
    "7: type I is read as type F": ("066D0C080AF42500", "2020-04-10T08:12", datetime(2023, 5, 20, 10, 8, 12)),
    "8: the invalid bit of a time is not seen": ("046DA7147C2B", "2019-11-28T20:39", datetime(2019, 11, 28, 20, 39)),
}


@pytest.mark.parametrize("what", METERBUS_DEVIATIONS)
def test_deviation_of_pymeterbus_is_as_written_down(what: str) -> None:
    block, theirs, ours = METERBUS_DEVIATIONS[what]
    assert str(meterbus.load(frame_of(bytes.fromhex(block))).records[0].interpreted["value"]) == theirs
    assert decode_records(bytes.fromhex(block))[0].value == ours


def test_pymeterbus_takes_a_wrong_stop_byte_and_we_do_not() -> None:
    frame = frame_of(bytes.fromhex("04064E61BC00"))
    wrong = frame[:-1] + b"\x17"
    assert len(meterbus.load(wrong).records) == 1
    with pytest.raises(ValueError, match="stop byte 17"):
        decode_long_frame(wrong)
