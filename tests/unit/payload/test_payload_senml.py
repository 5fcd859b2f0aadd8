"""SenML/CBOR telegrams: the rules of manual 7.4.2.3, RFC 8428 and RFC 8949."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import cbor2
import pytest

from bench.payload.decode import decode
from bench.payload.readout import PayloadError, Quantity, Telegram
from bench.payload.senml import decode_senml

T0 = 1574971200  # 2019-11-28T20:00:00Z
AT = datetime(2019, 11, 28, 20, 0, tzinfo=UTC)
DATA = bytes.fromhex("04064E61BC00041507870000022B9413023BD400025A2303025E1A0202FD170000")
ENERGY = bytes.fromhex("0406F24FBC00")
EXTENDED = DATA + bytes.fromhex("8410060100000084200602000000843006030000003C2205000000")
FIRST: dict[Any, Any] = {-2: "12345678", -3: T0, 8: DATA}
VERSION: dict[Any, Any] = {0: "V", 2: 0}
SECOND: dict[Any, Any] = {6: -3600, 8: ENERGY}


def pack_with_base_time(base: str) -> bytes:
    return bytes.fromhex(f"81A32168313233343536373822{base}085821") + DATA


def read(*records: dict[Any, Any]) -> Telegram:
    return decode_senml(cbor2.dumps(list(records)))


def found(telegram: Telegram) -> list[tuple[str, str]]:
    return [(f.code, f.severity) for f in telegram.findings]


def without(record: dict[Any, Any], label: int) -> dict[Any, Any]:
    return {key: value for key, value in record.items() if key != label}


# PAY-SENML-05, PAY-SENML-12, PAY-SENML-16
@pytest.mark.parametrize("records", [(FIRST, VERSION, SECOND), (FIRST, SECOND, VERSION), (FIRST, SECOND)])
def test_good_pack_has_no_findings_wherever_the_version_stands(records: tuple[dict[Any, Any], ...]) -> None:
    telegram = read(*records)
    assert telegram.findings == ()
    assert [r.time for r in telegram.readouts] == [AT, datetime(2019, 11, 28, 19, 0, tzinfo=UTC)]
    assert {r.meter_id for r in telegram.readouts} == {"12345678"}
    assert all(r.time_valid for r in telegram.readouts)


# PAY-SENML-39, PAY-SENML-38
def test_extended_readout_alone_in_its_pack() -> None:
    telegram = read({**FIRST, 8: EXTENDED}, VERSION)
    assert len(EXTENDED) == 60
    assert telegram.findings == ()
    assert [str(t) for t in telegram.newest.tariffs] == ["1 kWh", "2 kWh", "3 kWh"]


# RFC 8428 section 6: numbers are integers, floats, or decimal fractions (tag 4)
@pytest.mark.parametrize("base", [
    "1A5DE02740", "C482001A5DE02740", "C482021A00F05250", "C482201B00000003AAC18880", "FB41D77809D0000000",
])
def test_a_base_time_is_a_number_in_every_form_that_senml_has(base: str) -> None:
    telegram = decode_senml(pack_with_base_time(base))
    assert telegram.newest.time is not None
    assert {severity for _, severity in found(telegram)} <= {"warning"}


@pytest.mark.parametrize(("base", "words"), [
    ("C11A5DE02740", "base time is tag 1 (epoch-based date/time) of 1574971200"),
    ("C482201A5DE02741", "base time is tag 4 (decimal fraction) of [-1, 1574971201]"),
    ("C4821A7FFFFFFF01", "base time is tag 4 (decimal fraction) of [2147483647, 1]"),
    ("C482F501", "base time is tag 4 (decimal fraction) of [True, 1]"),
])
def test_what_is_no_whole_number_is_named_in_the_words_of_the_standard(base: str, words: str) -> None:
    telegram = decode_senml(pack_with_base_time(base))
    assert telegram.newest.time is None
    assert [finding.text for finding in telegram.errors] == [f"record 1: {words}, expected an integer"]


# PAY-SENML-24
def test_oldest_readout_first_is_legal_and_newest_is_found() -> None:
    telegram = read(FIRST, {6: 3600, 8: ENERGY})
    assert found(telegram) == [("time-after-base", "info")]
    assert telegram.newest is telegram.readouts[1]


# PAY-SENML-03
def test_time_under_label_minus_1_is_an_error_and_is_not_read_as_time() -> None:
    telegram = read({-2: "12345678", -1: T0, 8: DATA})
    assert found(telegram) == [("base-time-label", "error"), ("base-time-missing", "error")]
    assert telegram.newest.time is None
    assert not telegram.newest.time_valid


# PAY-SENML-14, PAY-SENML-17
@pytest.mark.parametrize(
    ("value", "why"),
    [
        (0x0001, "unknown encoder type 0, version 1"),
        (0x0102, "unknown encoder type 1, version 2"),
        (0xFFFF, "unknown encoder type 255, version 255"),
        (0x10000, "no UINT16"),
        (-1, "no UINT16"),
        ("0", "no integer value"),
        (None, "no integer value"),
        (False, "no integer value"),
        (0.5, "no integer value"),
    ],
)
def test_unknown_encoder_version_stops_with_an_error(value: object, why: str) -> None:
    for records in ((FIRST, {0: "V", 2: value}), ({0: "V", 2: value}, FIRST), (FIRST, VERSION, {0: "V", 2: value})):
        with pytest.raises(PayloadError, match=why):
            read(*records)


def test_version_without_a_value_stops_with_an_error() -> None:
    with pytest.raises(PayloadError, match="no integer value"):
        read(FIRST, {0: "V"})


# PAY-SENML-18, PAY-SENML-19
def test_additional_records_are_ignored_and_a_hexadecimal_name_is_an_error() -> None:
    telegram = read(FIRST, {0: "X1", 2: 7, 8: b"\xff"}, SECOND)
    assert found(telegram) == [("unknown-record", "info")]
    assert len(telegram.readouts) == 2
    assert ("record-name", "error") in found(read(FIRST, {0: "AB", 2: 7}))


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([without(FIRST, -3), SECOND], ("base-time-missing", "error")),
        ([without(FIRST, -2), SECOND], ("base-name-missing", "error")),
        ([without(FIRST, 8), SECOND], ("data-missing", "error")),
        ([FIRST, {6: -3600}], ("data-missing", "error")),
        ([FIRST, {6: -3600, 8: b""}], ("data-missing", "error")),
        ([FIRST, {6: -3600, 8: "text"}], ("wrong-type", "error")),
        ([FIRST, {6: -3600, 8: DATA[:-1]}], ("data-broken", "error")),
        ([FIRST, {6: -3600, 8: b"\x0e\x00"}], ("no-meter-data", "error")),
        ([FIRST, {8: ENERGY}], ("time-missing", "error")),
        ([FIRST, SECOND, SECOND], ("duplicate-time", "error")),
        ([FIRST, {6: "x", 8: ENERGY}], ("wrong-type", "error")),
        ([{**FIRST, -3: "2019"}, SECOND], ("wrong-type", "error")),
        ([{**FIRST, -3: float(T0)}, SECOND], ("integer-as-real", "warning")),
        ([{**FIRST, -3: 3600}, SECOND], ("relative-time", "error")),
        ([{**FIRST, -3: 2**63}, SECOND], ("time-impossible", "error")),
        ([{**FIRST, -2: bytes.fromhex("78563412")}, SECOND], ("base-name", "error")),
        ([{**FIRST, -2: 12345678}, SECOND], ("base-name", "error")),
        ([{**FIRST, -2: "1234567"}, SECOND], ("base-name", "error")),
        ([{**FIRST, -1: 10}, SECOND], ("base-version", "info")),
        ([{**FIRST, -1: 11}, SECOND], ("base-version", "error")),
        ([FIRST, {**SECOND, -2: "87654321"}], ("several-meters", "error")),
        ([FIRST, {**SECOND, -2: "12345678"}], ("base-field-repeated", "error")),
        ([FIRST, {**SECOND, -3: T0}], ("base-field-repeated", "error")),
        ([{**FIRST, -4: "kWh"}, SECOND], ("unit-or-base-value", "warning")),
        ([{**FIRST, -5: 1}, SECOND], ("unit-or-base-value", "error")),
        ([FIRST, {**SECOND, 2: 1}], ("unexpected-label", "warning")),
        ([FIRST, {**SECOND, "x": 1}], ("unknown-label", "info")),
        ([FIRST, {**SECOND, "x_": 1}], ("unknown-label", "error")),
        ([FIRST, VERSION, VERSION], ("duplicate-version", "error")),
        ([FIRST, {**VERSION, 6: 0}], ("version-record-time", "error")),
        ([VERSION], ("no-readout", "error")),
        ([{**FIRST, 8: DATA[6:]}, SECOND], ("missing-field", "error")),
        ([FIRST, {6: -3600, 8: DATA[6:]}], ("missing-field", "error")),
        ([FIRST, {6: -3600, 8: EXTENDED}], ("structure", "warning")),
        ([FIRST, SECOND, {6: -7200, 8: DATA}], ("structure", "warning")),
        ([{**FIRST, 8: bytes.fromhex("0C7878563412") + DATA}], ("id-in-data", "warning")),
        ([{**FIRST, 8: bytes.fromhex("0C7821436587") + DATA}], ("id-in-data", "error")),
        ([{**FIRST, 8: bytes.fromhex("046D00147C2B") + DATA}], ("time-in-data", "warning")),
        ([{**FIRST, 8: bytes.fromhex("046D00157C2B") + DATA}], ("time-in-data", "error")),
    ],
)
def test_deviation_is_a_finding(records: list[dict[Any, Any]], expected: tuple[str, str]) -> None:
    assert expected in found(read(*records))


def test_a_broken_readout_does_not_lose_the_others() -> None:
    telegram = read(FIRST, {6: -3600, 8: DATA[:-1]}, {6: -7200, 8: ENERGY})
    assert [r.energy and r.energy.value for r in telegram.readouts] == [Decimal(12345678), None, Decimal(12341234)]
    assert telegram.readouts[1].time == datetime(2019, 11, 28, 19, 0, tzinfo=UTC)
    assert [f.text for f in telegram.errors] == [
        "record 2: data value: byte 28: record 02 FD17 needs 2 data bytes, only 1 follow"
    ]


def test_a_relative_time_is_kept_but_not_valid() -> None:
    readout = read({**FIRST, -3: 3600}).newest
    assert readout.time == datetime(1970, 1, 1, 1, 0, tzinfo=UTC)
    assert not readout.time_valid


def test_base_name_in_m_bus_bytes_is_read_least_significant_byte_first() -> None:
    assert read({**FIRST, -2: bytes.fromhex("78563412")}).newest.meter_id == "12345678"


def test_bcd_data_is_reported_once_for_the_pack_not_once_for_each_readout() -> None:
    bcd = bytes.fromhex("0C0678563412")
    telegram = read({**FIRST, 8: bcd + DATA[6:]}, {6: -3600, 8: bcd}, {6: -7200, 8: bcd})
    assert found(telegram) == [("data-type", "warning")]
    assert {str(r.energy) for r in telegram.readouts} == {"12345678 kWh"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (cbor2.dumps([FIRST]) + b"\x00", "trailing-bytes"),
        (b"\x9f" + cbor2.dumps(FIRST) + b"\xff", "indefinite-length"),
        (b"\x98\x01" + cbor2.dumps(FIRST), "not-shortest"),
        (b"\x82" + cbor2.dumps(FIRST) + b"\xa3\x06\x39\x0e\x0f\x06\x00\x08\x46" + ENERGY, "duplicate-key"),
    ],
)
def test_odd_cbor_is_a_finding_and_the_values_are_read(data: bytes, code: str) -> None:
    telegram = decode(data)
    assert [f.code for f in telegram.findings] == [code]
    assert telegram.newest.energy == Quantity(Decimal(12345678), "kWh")


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({}, "a SenML pack is a CBOR array"),
        (0, "a SenML pack is a CBOR array"),
        ([], "empty"),
        ([1], "record 1 of the pack is no map"),
        ([FIRST, []], "record 2 of the pack is no map"),
        ([FIRST] * 9000, "stores no more than 8000"),
    ],
)
def test_what_is_no_pack_is_refused(item: object, why: str) -> None:
    with pytest.raises(PayloadError, match=why):
        decode_senml(cbor2.dumps(item))
