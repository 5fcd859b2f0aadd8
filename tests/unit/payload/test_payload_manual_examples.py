"""The examples that manual chapter 7.4 prints decode to the values it prints, and its size table is what it is."""

# ruff: noqa: DTZ001 - the meter sends no zone

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import cbor2
import pytest

from bench.payload.decode import decode
from bench.payload.mbus import decode_records
from bench.payload.readout import PayloadError, Quantity, canonical

DATA = Path(__file__).parents[2] / "data" / "elvaco"
FIRST_DATA = bytes.fromhex("04064E61BC00041507870000022B9413023BD400025A2303025E1A0202FD171240")


def q(value: str, unit: str) -> Quantity:
    return Quantity(Decimal(value), unit)


# PAY-JSON-17, PAY-JSON-03, PAY-JSON-10
def test_json_example_of_the_manual() -> None:
    example = json.loads((DATA / "manual_examples.json").read_text())["json_example"]
    telegram = decode(json.dumps(example, indent=2).encode())
    readout = telegram.newest
    assert telegram.encoding == "json"
    assert readout.time == datetime(2019, 11, 28, 20, 39, tzinfo=UTC)
    assert readout.meter_id == "87654321"
    assert readout.energy == q("12345.678", "MWh")
    assert readout.volume == q("3456.7", "m3")
    assert readout.power == q("5012", "W")
    assert readout.flow == q("212", "l/h")
    assert readout.forward_temperature == q("80.3", "C")
    assert readout.return_temperature == q("53.8", "C")
    assert readout.error_flags == 0x4012
    assert readout.tariffs == (None, None, None)
    assert [(f.code, f.severity) for f in telegram.findings] == [("undefined-error-flag", "warning")]


# PAY-MBUS-22, PAY-MBUS-17
def test_data_value_of_the_manual_has_the_values_of_the_json_example() -> None:
    assert bytes.fromhex((DATA / "mbus_payload_33_bytes.hex").read_text()) == FIRST_DATA
    readout = decode(FIRST_DATA, "mbus").newest
    assert readout.energy is not None
    assert canonical(readout.energy) == canonical(q("12345.678", "MWh"))
    assert readout.volume == q("3456.7", "m3")
    assert readout.power == q("5012", "W")
    assert readout.flow is not None
    assert canonical(readout.flow) == canonical(q("212", "l/h"))
    assert readout.forward_temperature == q("80.3", "C")
    assert readout.return_temperature == q("53.8", "C")
    assert readout.error_flags == 0x4012


# PAY-SENML-23, PAY-SENML-03, PAY-SENML-06
def test_senml_example_of_the_manual_with_the_array_head_put_right() -> None:
    telegram = decode(bytes.fromhex((DATA / "senml_example_as_83.hex").read_text()))
    assert telegram.encoding == "senml-cbor"
    first, second = telegram.readouts
    assert first.meter_id == second.meter_id == "12345678"
    assert first.time == datetime(2019, 11, 28, 20, 0, tzinfo=UTC)
    assert second.time == datetime(2019, 11, 28, 19, 0, tzinfo=UTC)
    assert telegram.newest is first
    assert first.energy == q("12345678", "kWh")
    assert second.energy == q("12341234", "kWh")
    assert second.volume is None
    assert telegram.errors == ()


# PAY-SENML-22, PAY-SENML-01
def test_senml_example_as_printed_is_refused_because_it_announces_24_items_and_has_3() -> None:
    printed = bytes.fromhex((DATA / "senml_example_printed_98_18.hex").read_text())
    with pytest.raises(PayloadError) as refused:
        decode(printed)
    assert "the array at byte 0 announces 24 items, 3 are there" in str(refused.value)


# PAY-MBUS-23
def test_year_example_of_the_manual_is_2018() -> None:
    # year-high 0010, year-low 010; 1 January, 00:00
    (record,) = decode_records(bytes.fromhex("046D00004121"))
    assert record.value == datetime(2018, 1, 1)


def pack(readings: int, first: int, later: int, spacing_s: int) -> bytes:
    """A pack as the manual describes it, written by cbor2, with data values of the given sizes."""
    records: list[dict[int, object]] = [{-2: "12345678", -3: 1574971200, 8: bytes(first)}, {0: "V", 2: 0}]
    records += [{6: -spacing_s * n, 8: bytes(later)} for n in range(1, readings)]
    return cbor2.dumps(records)


# PAY-SENML-25, PAY-SENML-26, PAY-SENML-27
@pytest.mark.parametrize(
    ("readings", "first", "later", "spacing_s", "printed", "real"),
    [
        (24, 33, 6, 3600, 367, 370),
        (12, 33, 33, 3600, 508, 511),  # hourly: time offsets of 3 bytes
        (12, 33, 33, 7200, 508, 515),  # two-hourly, as the example says: two offsets beyond -65536 s
        (24, 36, 32, 3600, 968, 994),
    ],
)
def test_size_table_of_the_manual_is_too_small(
    readings: int, first: int, later: int, spacing_s: int, printed: int, real: int
) -> None:
    assert len(pack(readings, first, later, spacing_s)) == real
    assert printed < real


# PAY-SENML-22, PAY-SENML-38
def test_a_day_of_hourly_readouts_is_an_array_of_25_items_and_one_readout_one_of_2() -> None:
    assert pack(24, 33, 6, 3600)[:2] == bytes.fromhex("9819")
    assert pack(1, 33, 6, 3600)[:1] == bytes.fromhex("82")


# PAY-SENML-15
@pytest.mark.parametrize(("value", "size"), [(0, 6), (23, 6), (24, 7), (255, 7), (256, 8), (0xFFFF, 8)])
def test_version_record_has_6_to_8_bytes(value: int, size: int) -> None:
    assert len(cbor2.dumps({0: "V", 2: value})) == size


# PAY-SENML-22
def test_a_whole_day_in_one_pack_decodes_to_24_readouts() -> None:
    energy = bytes.fromhex("0406")
    records: list[dict[int, object]] = [{-2: "12345678", -3: 1574971200, 8: FIRST_DATA}, {0: "V", 2: 0}]
    records += [{6: -3600 * n, 8: energy + (12345678 - n).to_bytes(4, "little")} for n in range(1, 24)]
    data = cbor2.dumps(records)
    telegram = decode(data)
    assert len(data) == 370
    assert telegram.errors == ()
    assert [r.energy for r in telegram.readouts] == [q(str(12345678 - n), "kWh") for n in range(24)]
    assert telegram.readouts[23].time == datetime(2019, 11, 27, 21, 0, tzinfo=UTC)
