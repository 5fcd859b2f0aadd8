"""M-Bus telegrams: strict, exact, and every deviation is a finding."""

# ruff: noqa: DTZ001 - the meter sends no zone

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.payload.mbus import decode_long_frame, decode_mbus, decode_records, wired_telegram
from bench.payload.readout import PayloadError, Quantity, Record

TIME = "046D27147C2B"  # 2019-11-28 20:39
ID = "0C7878563412"
DATA = "04064E61BC00041507870000022B9413023BD400025A2303025E1A0202FD170000"
STANDARD = TIME + ID + DATA
EXTENDED = STANDARD + "84100601000000" + "84200602000000" + "84300603000000" + "3C2272670100"


def one(block: str) -> Record:
    (record,) = decode_records(bytes.fromhex(block))
    return record


def codes(block: str) -> list[str]:
    return [f.code for f in decode_mbus(bytes.fromhex(block)).findings]


# PAY-MBUS-14, PAY-MBUS-15
def test_standard_telegram_is_45_bytes_without_findings() -> None:
    data = bytes.fromhex(STANDARD)
    telegram = decode_mbus(data)
    assert len(data) == 45
    assert telegram.findings == ()
    assert telegram.raw == data
    assert telegram.newest.time == datetime(2019, 11, 28, 20, 39, tzinfo=UTC)
    assert telegram.newest.time_valid
    assert telegram.newest.meter_id == "12345678"
    assert b"".join(r.raw for r in telegram.newest.records) == data


# PAY-MBUS-10, PAY-MBUS-11, PAY-MBUS-12, PAY-MBUS-13, PAY-MBUS-16
def test_extended_telegram_is_72_bytes_without_findings() -> None:
    data = bytes.fromhex(EXTENDED)
    telegram = decode_mbus(data)
    assert len(data) == 72
    assert telegram.findings == ()
    assert [str(t) for t in telegram.newest.tariffs] == ["1 kWh", "2 kWh", "3 kWh"]
    assert telegram.newest.missing_time == Quantity(Decimal(16772), "h")


# Manual Table 6, data 1234 in each: the value that the manual's factor gives.
TABLE_6 = {
    "0406": ("1.234", "MWh"), "0407": ("12.34", "MWh"), "04FB00": ("123.4", "MWh"), "04FB01": ("1234", "MWh"),
    "040E": ("1.234", "GJ"), "040F": ("12.34", "GJ"), "04FB08": ("123.4", "GJ"), "04FB09": ("1234", "GJ"),
    "0413": ("1.234", "m3"), "0414": ("12.34", "m3"), "0415": ("123.4", "m3"), "0416": ("1234", "m3"),
    "022B": ("1.234", "kW"), "022C": ("12.34", "kW"), "022D": ("123.4", "kW"), "022E": ("1234", "kW"),
    "023B": ("1.234", "m3/h"), "023C": ("12.34", "m3/h"), "023D": ("123.4", "m3/h"), "023E": ("1234", "m3/h"),
    "025A": ("123.4", "C"), "025B": ("1234", "C"), "025E": ("123.4", "C"), "025F": ("1234", "C"),
    "841003": ("1234", "Wh"), "841004": ("12340", "Wh"), "841005": ("123400", "Wh"), "842006": ("1234", "kWh"),
    "842007": ("12340", "kWh"), "84300E": ("1234", "MJ"), "84300F": ("12340", "MJ"),
}  # fmt: skip
FACTORS = {"Wh": "1", "kWh": "1000", "MWh": "1000000", "MJ": "1", "GJ": "1000", "W": "0.001", "kW": "1"}


# PAY-MBUS-03, PAY-MBUS-04, PAY-MBUS-05, PAY-MBUS-06, PAY-MBUS-07, PAY-MBUS-08, PAY-MBUS-20
@pytest.mark.parametrize("header", TABLE_6)
def test_every_header_of_table_6_has_the_manuals_factor(header: str) -> None:
    size = 2 if header.startswith("02") else 4
    record = one(header + (1234).to_bytes(size, "little").hex())
    value, unit = TABLE_6[header]
    assert isinstance(record.value, Decimal)
    assert record.value * Decimal(FACTORS.get(record.unit, "1")) == Decimal(value) * Decimal(FACTORS.get(unit, "1"))
    assert record.findings == ()


# PAY-MBUS-21
@pytest.mark.parametrize(
    ("block", "value"),
    [
        ("025A9CFF", "-10.0"),
        ("025AFFFF", "-0.1"),
        ("022BFF7F", "32767"),
        ("022B0080", "-32768"),
        ("0406FFFFFF7F", "2147483647"),
        ("040600000080", "-2147483648"),
        ("0B3B0100F0", "-0.001"),
        ("0A5A00F1", "-10.0"),
        ("0C06999999F9", "-9999999"),
        ("010680", "-128"),
        ("03060000FF", "-65536"),
        ("06060000000000FF", "-1099511627776"),
        ("0706FFFFFFFFFFFFFF7F", "9223372036854775807"),
        ("0E06563412907856", "567890123456"),
        ("05060000C03F", "1.5"),
        ("051300000035", "0.000000000476837158203125"),
    ],
)
def test_value_and_sign_are_exact(block: str, value: str) -> None:
    assert one(block).value == Decimal(value)


@pytest.mark.parametrize("block", ["0C06A0000000", "0C060000A000", "0C06000000E0", "0C06FFFFFFFF", "3C220A000000"])
def test_digit_that_is_not_bcd_gives_no_value_and_an_error(block: str) -> None:
    record = one(block)
    assert record.value is None
    assert [(f.code, f.severity) for f in record.findings] == [("bcd-digit", "error")]


# PAY-MBUS-13
def test_missing_time_is_read_by_its_dif_not_by_the_tables_type_column() -> None:
    assert one("3C2272670100").value == Decimal(16772)
    assert one("342284410000").value == Decimal(16772)
    assert codes(EXTENDED.replace("3C2272670100", "342284410000")) == ["data-type"]
    assert decode_mbus(bytes.fromhex(EXTENDED.replace("3C22", "3C23"))).newest.missing_time == Quantity(
        Decimal(16772), "days"
    )


def test_operating_time_is_not_taken_for_missing_time() -> None:
    telegram = decode_mbus(bytes.fromhex(STANDARD + "0C2272670100"))
    assert telegram.newest.missing_time is None
    assert [f.code for f in telegram.findings] == ["extra-record"]


# PAY-MBUS-01, PAY-MBUS-23
@pytest.mark.parametrize(
    ("raw", "time", "valid", "found"),
    [
        ("27147C2B", datetime(2019, 11, 28, 20, 39), True, []),
        ("A7147C2B", datetime(2019, 11, 28, 20, 39), False, ["time-invalid"]),
        ("67147C2B", datetime(2019, 11, 28, 20, 39), False, ["time-reserved-bit"]),
        ("27947C2B", datetime(2019, 11, 28, 20, 39), True, ["summer-time"]),
        ("27347C2B", datetime(2019, 11, 28, 20, 39), True, []),  # century 1 says 2019 as well
        ("27547C2B", datetime(2119, 11, 28, 20, 39), True, ["century"]),
        ("27147CCB", datetime(1999, 11, 28, 20, 39), True, ["century"]),
        ("27147CDB", None, False, ["time-impossible"]),  # year 107
        ("00004100", None, False, ["time-impossible"]),  # month 0
        ("3C004121", None, False, ["time-impossible"]),  # minute 60
        ("001E4121", None, False, ["time-impossible"]),  # hour 30
        ("00005E22", None, False, ["time-impossible"]),  # 30 February
        ("FFFFFFFF", None, False, ["time-unset"]),
        ("00000000", None, False, ["time-unset"]),
        ("80000000", None, False, ["time-unset"]),
        ("3F1FFCFB", None, False, ["time-unset"]),  # each minute of 28 November of each year
    ],
)
def test_date_and_time_of_type_f(raw: str, time: datetime | None, valid: bool, found: list[str]) -> None:
    record = one("046D" + raw)
    assert record.value == time
    assert sorted(f.code for f in record.findings) == sorted(found)
    readout = decode_mbus(bytes.fromhex("046D" + raw + ID + DATA)).newest
    assert readout.time == (None if time is None else time.replace(tzinfo=UTC))
    assert readout.time_valid is valid


def test_impossible_time_that_is_marked_invalid_is_no_error() -> None:
    assert [f.severity for f in one("046D80004100").findings] == ["warning", "warning"]
    assert [f.severity for f in one("046D00004100").findings] == ["error"]


@pytest.mark.parametrize(("block", "severity"), [
    ("426CFFFF", "info"), ("426C0000", "info"),            # as meters send a due date that nobody has set
    ("426CFFFC", "info"), ("426C212F", "info"), ("426C2021", "info"),     # each year, each month, each day
    ("446DFFFFFFFF", "warning"), ("046DFFFFFFFF", "warning"), ("066DFFFFFFFFFFFF", "warning"),
    ("066D000000000000", "warning")])
def test_a_date_that_nobody_has_set_is_no_error_of_who_passes_it_on(block: str, severity: str) -> None:
    record = one(block)
    assert record.value is None
    assert [(finding.code, finding.severity) for finding in record.findings] == [("time-unset", severity)]


def test_a_telegram_whose_own_time_is_not_set_lacks_its_time() -> None:
    assert "time is missing" in [f.text for f in decode_mbus(bytes.fromhex("046DFFFFFFFF" + ID + DATA)).errors]


@given(st.binary(min_size=2, max_size=2))
def test_any_date_of_two_bytes_is_a_date_or_one_finding(raw: bytes) -> None:
    record = one("426C" + raw.hex())
    assert isinstance(record.value, date) is not bool(record.findings)
    assert len(record.findings) <= 1


@given(st.binary(min_size=4, max_size=4))
def test_any_time_of_four_bytes_has_a_value_or_says_why(raw: bytes) -> None:
    record = one("046D" + raw.hex())
    missing = {"time-impossible", "time-unset"} & {finding.code for finding in record.findings}
    assert isinstance(record.value, datetime) is not bool(missing)


def test_date_of_type_g_and_time_of_type_i() -> None:
    assert one("426C0101").value == date(2000, 1, 1)
    assert one("426CFFFF").value is None
    assert one("066D0C080AF42500").value == datetime(2023, 5, 20, 10, 8, 12)
    assert [f.code for f in one("066D0C880AF42500").findings] == ["time-invalid"]


# PAY-MBUS-09
@pytest.mark.parametrize(
    ("raw", "flags", "bits"),
    [("1200", 0x0012, None), ("0080", 0x8000, "bit 15"), ("0630", 0x3006, "bits 12, 13"), ("FF0F", 0x0FFF, None)],
)
def test_error_flags_are_16_bits_and_undefined_ones_are_reported(raw: str, flags: int, bits: str | None) -> None:
    telegram = decode_mbus(bytes.fromhex(TIME + ID + DATA[:-4] + raw))
    assert telegram.newest.error_flags == flags
    assert telegram.errors == ()
    assert [bits in f.text for f in telegram.findings if bits] == ([True] if bits else [])


# PAY-MBUS-02
def test_meter_id_keeps_leading_zeros_and_must_have_8_digits() -> None:
    assert decode_mbus(bytes.fromhex(TIME + "0C7800360700" + DATA)).newest.meter_id == "00073600"
    wrong = decode_mbus(bytes.fromhex(TIME + "0C78A7654321" + DATA))
    assert wrong.newest.meter_id is None
    assert {f.code for f in wrong.errors} == {"bcd-digit", "missing-field"}
    too_long = decode_mbus(bytes.fromhex(TIME + "0E78563412907856" + DATA))
    assert "meter-id" in [f.code for f in too_long.errors]


def test_customer_number_counts_as_meter_id_and_its_vif_is_reported() -> None:
    telegram = decode_mbus(bytes.fromhex(TIME + "0CFD1178563412" + DATA))
    assert telegram.newest.meter_id == "12345678"
    assert [f.code for f in telegram.findings] == ["vif-not-in-manual"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((TIME, ""), "missing-field"),
        ((ID, ""), "missing-field"),
        (("04064E61BC00", ""), "missing-field"),
        (("02FD170000", ""), "missing-field"),
        ((TIME, TIME + TIME), "duplicate-record"),
        (("04064E61BC00", "04064E61BC0004064E61BC00"), "duplicate-record"),
        (("022B9413", "0B2B125000"), "data-type"),
        (("04064E61BC00", "34064E61BC00"), "error-state"),
        (("04064E61BC00", "04034E61BC00"), "vif-not-in-manual"),
        ((TIME + ID, ID + TIME), "dib-order"),
        ((TIME, "2F" + TIME), "extra-record"),
        ((DATA, DATA + "0F0102"), "extra-record"),
        ((DATA, DATA + "44064E61BC00"), "extra-record"),
        ((DATA, DATA + "847F064E61BC00"), "extra-record"),
        ((DATA, DATA + "02FD180000"), "unknown-vif"),
        ((DATA, DATA + "04863B00000000"), "unknown-vif"),
        ((DATA, DATA + "0AFC0348522574D411"), "unknown-vif"),
        ((DATA, DATA + "84100601000000"), "missing-field"),
    ],
)
def test_deviation_from_table_6_is_a_finding(change: tuple[str, str], code: str) -> None:
    assert STANDARD.count(change[0]) == 1
    assert set(codes(STANDARD.replace(*change))) == {code}


def test_stored_and_unknown_values_are_never_taken_for_the_current_one() -> None:
    for block in ("44064E61BC00", "14064E61BC00", "84400600000001", "04867F4E61BC00", "84500600000001"):
        readout = decode_mbus(bytes.fromhex(block)).newest
        assert readout.energy is None
        assert readout.tariffs == (None, None, None)


def test_plain_text_unit_is_kept() -> None:
    record = one("0AFC0348522574D411")
    assert (record.quantity, record.unit, record.value) == ("unknown", "%RH", None)


def test_message_of_a_module_without_a_meter_has_no_readout() -> None:
    telegram = decode_mbus(bytes.fromhex("0E00"))
    assert telegram.readouts == ()
    assert [(f.code, f.severity) for f in telegram.findings] == [("no-meter-data", "error")]
    with pytest.raises(PayloadError, match="no readout"):
        _ = telegram.newest


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ("", "empty"),
        ("04", "no VIF after the DIF 04"),
        ("84", "announces an extension"),
        ("0406", "needs 4 data bytes, only 0 follow"),
        ("04064E61BC", "needs 4 data bytes, only 3 follow"),
        ("0486", "announces an extension"),
        ("84" + "80" * 10 + "00", "more than 10 DIF extensions"),
        ("04" + "80" * 11 + "00", "more than 10 VIF extensions"),
        ("3F", "DIF 3F is reserved"),
        ("7F", "DIF 7F is reserved"),
        ("047C05414243", "plain-text VIF runs past the end"),
        ("0D78", "length byte"),
        ("0D78F0", "variable length F0 is reserved"),
        ("0D7805414243", "needs 6 data bytes, only 4 follow"),
    ],
)
def test_broken_structure_is_refused_with_the_place(block: str, why: str) -> None:
    with pytest.raises(PayloadError, match=why):
        decode_mbus(bytes.fromhex(block))


def framed(body: str) -> bytes:
    inner = bytes.fromhex(body)
    return bytes((0x68, len(inner), len(inner), 0x68)) + inner + bytes((sum(inner) & 0xFF, 0x16))


def test_long_frame_gives_header_and_records() -> None:
    frame = decode_long_frame(framed("08 05 72 78563412 A732 04 04 2A 10 0000 0C0608230300 1F0102"))
    assert frame.header is not None
    assert (frame.header.identification, frame.header.manufacturer) == ("12345678", "LUG")
    assert (frame.header.version, frame.header.medium, frame.header.access_number) == (4, 4, 42)
    assert (frame.address, frame.header.status, frame.more_follows) == (5, 0x10, True)
    assert wired_telegram([frame]).newest.energy == Quantity(Decimal(32308), "kWh")


HEADER = "08 01 72 44332211 A732 04 04 05 00 0000 "
FIRST, SECOND = "0C06 34120000 0C14 55474108", "0B2D 020000 0B3B 180000 0A5A 5103 0A5E 5203 02FD17 0000"


def test_the_parts_of_a_readout_are_joined_and_one_alone_is_named() -> None:
    first, second = (decode_long_frame(framed(HEADER + data)) for data in (FIRST + "1F", SECOND))
    joined = wired_telegram([first, second])
    assert joined.findings == ()
    readout = joined.newest
    assert (readout.energy, readout.power) == (Quantity(Decimal(1234), "kWh"), Quantity(Decimal("0.2"), "kW"))
    assert readout.error_flags == 0
    (alone,) = wired_telegram([first]).findings
    assert (alone.code, alone.severity) == ("part", "warning")
    assert len(wired_telegram([second, first]).readouts) == 2
    assert [f.code for f in wired_telegram([second, first]).findings] == ["part"]


def test_parts_of_two_meters_are_not_joined() -> None:
    first = decode_long_frame(framed(HEADER + FIRST + "1F"))
    other = decode_long_frame(framed(HEADER.replace("44332211", "44332212") + SECOND))
    telegram = wired_telegram([first, other])
    assert [(readout.energy is None, readout.power is None) for readout in telegram.readouts] == [
        (False, True), (True, False)]
    assert [finding.code for finding in telegram.findings] == ["part"]


def test_what_is_odd_about_a_readout_is_found_on_the_wired_path_too() -> None:
    frame = decode_long_frame(framed(HEADER + "0C0634120000 0C0635120000 02FD171040"))
    assert [finding.code for finding in wired_telegram([frame]).findings] == ["undefined-error-flag",
                                                                             "duplicate-record"]


@pytest.mark.parametrize(("data", "text"), [
    ("", "0: unspecified"), ("00", "0: unspecified"), ("08", "8: application too busy for a readout"),
    ("09", "9: too many readouts: the meter limits them"), ("07", "7: reserved"), ("FE", "254: reserved")])
def test_an_application_error_is_the_meter_speaking(data: str, text: str) -> None:
    # libmbus test/error-frames has application_busy and too_many_readouts; without data the error is unspecified.
    telegram = wired_telegram([decode_long_frame(framed("080170" + data))])
    assert telegram.readouts == ()
    assert [(f.code, f.severity) for f in telegram.findings] == [("meter-error", "error")]
    assert telegram.findings[0].text.endswith("application error " + text)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "at least 9 bytes"),
        (framed("08057278563412A732040401000000")[:-1], "asks for"),
        (framed("08057278563412A732040401000000") + b"\0", "asks for"),
        (framed("08057278563412A732040401000000").replace(b"\x16", b"\x17"), "stop byte 17"),
        (b"\x68\x09\x0a\x68" + bytes(11), "the two lengths differ"),
        (framed("08057278563412A732040401000000")[:-2] + b"\x00\x16", "checksum 00, expected"),
        (framed("53057278563412A732040401000000"), "control field 53"),
        (framed("08057378563412A732040401000000"), "CI field 73"),
        (framed("080572785634"), "data header has"),
        (framed("08057278563412A732040401000005"), "encrypted"),
        (b"\x10\x7b\x00\x7b\x16" + bytes(5), "no long frame"),
    ],
)
def test_broken_long_frame_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(PayloadError, match=why):
        decode_long_frame(data)
