"""The comparison of a sent readout with the meter: nothing wrong gets past, and nothing right is called wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bench.payload.compare import differences
from bench.payload.decode import decode
from bench.payload.mbus import decode_mbus
from bench.payload.optical import OpticalReadout, parse_optical
from bench.payload.readout import EXTENDED_FIELDS, Quantity, Readout

METER = {
    "6.8": "12345.678*MWh", "6.26": "03456.70*m3", "9.20": "12345678", "9.21": "00073600", "F": "0",
    "6.4": "0005.0*kW", "6.27": "000.212*m3ph", "6.29": "080.3*C", "6.28": "053.8*C", "6.32": "0000005*h",
    "6.8.1": "0001.000*MWh", "6.8.2": "0002.000*MWh", "6.8.3": "0003.000*MWh", "6.8.4": "0004.000*MWh", "6.8.5": "",
    "9.36": "2019-11-28&20:39:17",
}  # fmt: skip


def meter(**changes: str) -> OpticalReadout:
    """The meter's readout; a register is given as r6_8 for 6.8."""
    registers = METER | {name[1:].replace("_", "."): value for name, value in changes.items() if name != "F"}
    if "F" in changes:
        registers["F"] = changes["F"]
    return parse_optical("\n".join(f"{code}({value})" for code, value in registers.items()) + "\n!")


def telegram(
    *,
    time: str = "27137C2B",  # 19:39, the meter's 20:39 with an offset of 60 min
    id: str = "0C7878563412",
    energy: str = "04064E61BC00",
    volume: str = "041446460500",
    power: str = "022B8813",
    flow: str = "023BD400",
    forward: str = "025A2303",
    ret: str = "025E1A02",
    flags: str = "02FD170000",
    tariffs: str = "841006E8030000842006D0070000843006B80B0000",
    missing: str = "3C2205000000",
) -> Readout:
    sent = decode_mbus(
        bytes.fromhex("046D" + time + id + energy + volume + power + flow + forward + ret + flags + tariffs + missing)
    )
    assert sent.errors == ()
    return sent.newest


def compare(
    sent: Readout, before: OpticalReadout | Readout, after: OpticalReadout | Readout | None = None, **options: Any
) -> list[str]:
    return differences(sent, before, after, **({"utc_offset_min": 60, "fields": EXTENDED_FIELDS} | options))


def test_a_right_readout_has_no_differences() -> None:
    assert compare(telegram(), meter()) == []
    assert compare(telegram(), meter(), meter()) == []


def test_a_right_readout_in_json_has_no_differences() -> None:
    sent = {
        "TS": "2019-11-28T19:39Z", "ID": 12345678, "E": 12345.678, "U": "MWh", "V": 3456.7, "VU": "m3",
        "P": 5, "PU": "kW", "F": 212, "FU": "l/h", "FT": 80.3, "TU": "C", "RT": 53.8, "RU": "C", "EF": "0x0000",
        "T1": 1, "U1": "MWh", "T2": 2000, "U2": "kWh", "T3": 3, "U3": "MWh", "MT": 5, "MU": "h",
    }  # fmt: skip
    assert compare(decode(json.dumps(sent).encode()).newest, meter()) == []


@pytest.mark.parametrize(
    ("field", "block", "words"),
    [
        ("energy", "04064F61BC00", "energy: sent 12345679 kWh, the meter shows 12345.678 MWh; it is too large"),
        ("energy", "04064D61BC00", "energy: sent 12345677 kWh, the meter shows 12345.678 MWh; it is too small"),
        (
            "energy",
            "04074E61BC00",
            "energy: sent 123456.78 MWh, the meter shows 12345.678 MWh; it is 10 times too large",
        ),
        (
            "energy",
            "04034E61BC00",
            "energy: sent 12345678 Wh, the meter shows 12345.678 MWh; it is 1000 times too small",
        ),
        ("energy", "0406B29E43FF", "energy: sent -12345678 kWh, the meter shows 12345.678 MWh; the sign is wrong"),
        ("energy", "040E4E61BC00", "energy: sent 12345678 MJ, the meter shows 12345.678 MWh; it is too small"),
        ("volume", "041346460500", "volume: sent 345.670 m3, the meter shows 3456.70 m3; it is 10 times too small"),
        ("power", "022BEC13", None),  # 5.1 kW: one step of the display
        ("power", "022BED13", "power: sent 5101 W, the meter shows 5.0 kW; it is too large"),
        ("flow", "023B2CFF", "flow: sent -0.212 m3/h, the meter shows 0.212 m3/h; the sign is wrong"),
        ("forward", "025A1A02", "forward temperature: sent 53.8 C, the meter shows 80.3 C; it is too small"),
        ("forward", "025A2403", "forward temperature: sent 80.4 C, the meter shows 80.3 C; it is too large"),
        ("forward", "025A2503", "forward temperature: sent 80.5 C, the meter shows 80.3 C; it is too large"),
        ("forward", "025B5000", None),  # a step of 1 degree
        ("forward", "025B5200", "forward temperature: sent 82 C, the meter shows 80.3 C; it is too large"),
        ("ret", "025E2303", "return temperature: sent 80.3 C, the meter shows 53.8 C; it is too large"),
        (
            "id",
            "0C7800360700",
            "meter id: sent 00073600, the meter's fabrication number is 12345678; it is the property number",
        ),
        ("id", "0C7811111111", "meter id: sent 11111111, the meter's fabrication number is 12345678"),
        ("flags", "02FD170200", "error flags: sent 0x0002, the meter's state is 0x0000 (bit 1 differs)"),
        ("missing", "3C2206000000", "missing time: sent 6 h, the meter shows 5 h; it is too large"),
        ("missing", "3C2300000000", None),  # days: a step of 24 h
        ("missing", "3C2302000000", "missing time: sent 2 days, the meter shows 5 h; it is too large"),
    ],
)
def test_what_differs_is_said_in_words(field: str, block: str, words: str | None) -> None:
    assert compare(telegram(**{field: block}), meter()) == ([] if words is None else [words])


def test_swapped_tariffs_are_named_with_the_register_that_holds_the_value() -> None:
    swapped = telegram(tariffs="841006D0070000842006E8030000843006B80B0000")
    assert compare(swapped, meter()) == [
        "tariff 1: sent 2000 kWh, the meter shows 1.000 MWh; it is too large; register 6.8.2 has this value",
        "tariff 2: sent 1000 kWh, the meter shows 2.000 MWh; it is too small; register 6.8.1 has this value",
    ]


def test_tariff_map_is_configurable_and_unused_registers_may_be_0_or_absent() -> None:
    sister = telegram(tariffs="841006E8030000842006A00F000084300600000000")
    assert compare(sister, meter(), tariff_registers=(1, 4, 5)) == []
    assert compare(sister, meter()) != []
    unused = meter(r6_8_1="", r6_8_2="", r6_8_3="")
    for tariffs in ("", "841006000000008420060000000084300600000000"):
        sent = decode_mbus(bytes.fromhex("3C2205000000" + tariffs)).newest
        assert compare(sent, unused, fields=["tariffs"]) == []
    assert compare(telegram(), unused, fields=["tariffs"])[0] == (
        "tariff 1: sent 1000 kWh, but register 6.8.1 of the meter is empty"
    )


def test_the_property_number_is_right_when_33906_54_selects_it() -> None:
    assert compare(telegram(id="0C7800360700"), meter(), identification="property") == []


# PAY-MBUS-24
@pytest.mark.parametrize(("sent", "good"), [(99, False), (100, True), (101, True), (102, True), (103, False)])
def test_cumulative_register_lies_between_before_and_after(sent: int, good: bool) -> None:
    readout = telegram(energy="0406" + sent.to_bytes(4, "little").hex())
    found = compare(readout, meter(r6_8="0000.100*MWh"), meter(r6_8="0000.102*MWh"), fields=["energy"])
    assert (found == []) is good
    if not good:
        assert "the meter showed 0.100 MWh before and 0.102 MWh after" in found[0]


@pytest.mark.parametrize(("sent", "good"), [(8, False), (9, False), (10, True), (11, True), (12, False)])
def test_a_coarser_vif_may_cut_or_round_within_its_step(sent: int, good: bool) -> None:
    readout = telegram(energy="0407" + sent.to_bytes(4, "little").hex())  # 0.01 MWh
    found = compare(readout, meter(r6_8="0000.105*MWh"), fields=["energy"])
    assert (found == []) is good


def test_a_finer_vif_may_show_digits_that_the_display_cuts() -> None:
    finer = telegram(volume="0413" + (3456_709).to_bytes(4, "little").hex())
    assert compare(finer, meter(), fields=["volume"]) == []
    too_far = telegram(volume="0413" + (3456_710).to_bytes(4, "little").hex())
    assert compare(too_far, meter(), fields=["volume"]) != []


def test_json_must_hold_every_digit_of_the_meter() -> None:
    cut = Readout(energy=Quantity(Decimal("12345.6"), "MWh"))
    assert compare(cut, meter(), fields=["energy"]) == [
        "energy: sent 12345.6 MWh, the meter shows 12345.678 MWh; it is too small"
    ]
    round_value = Readout(energy=Quantity(Decimal("12345.6"), "MWh"))
    assert compare(round_value, meter(r6_8="12345.600*MWh"), fields=["energy"]) == []


def test_instantaneous_value_lies_between_two_reads_in_either_direction() -> None:
    falling = meter(r6_29="081.0*C"), meter(r6_29="079.0*C")
    assert compare(telegram(), *falling, fields=["forward_temperature"]) == []
    hot = telegram(forward="025A2D03")  # 81.3 C
    assert compare(hot, *falling, fields=["forward_temperature"]) != []


# PAY-MBUS-01, PAY-JSON-03, PAY-SENML-04
@pytest.mark.parametrize(
    ("time", "offset", "hint"),
    [
        ("27137C2B", 60, None),
        ("26137C2B", 60, "the readout is at least 1 min old"),
        ("27127C2B", 60, "the readout is at least 60 min old"),
        ("27147C2B", 60, "the meter's local time was sent as if it were UTC"),
        ("27157C2B", 60, "the UTC offset was added, not subtracted"),
        ("28137C2B", 60, ""),
        ("27147C2B", 0, None),
        ("09147C2B", 30, None),
        ("27147C2B", -60, "the meter's local time was sent as if it were UTC"),
    ],
)
def test_sent_time_plus_utc_offset_is_the_meters_minute(time: str, offset: int, hint: str | None) -> None:
    found = compare(telegram(time=time), meter(), fields=["time"], utc_offset_min=offset)
    if hint is None:
        assert found == []
    else:
        assert len(found) == 1
        assert hint in found[0]


def test_time_between_two_reads_is_good_from_the_first_minute_on() -> None:
    after = meter(r9_36="2019-11-28&20:41:03")
    for minute, good in (("26", False), ("27", True), ("28", True), ("29", True), ("2A", False)):
        found = compare(telegram(time=minute + "137C2B"), meter(), after, fields=["time"])
        assert (found == []) is good


def test_time_that_is_marked_invalid_or_absent_is_a_difference() -> None:
    assert compare(telegram(time="A7137C2B"), meter(), fields=["time"]) == [
        "time: 2019-11-28T19:39:00Z is marked as not valid"
    ]
    assert compare(Readout(), meter(), fields=["time"]) == ["time: not sent, or not a possible time"]


def test_flags_in_the_wrong_byte_order_are_named() -> None:
    assert compare(telegram(flags="02FD170200"), meter(F="F8"), fields=["error_flags"], error_flags=0x0200) == [
        "error flags: sent 0x0002, the meter's state is 0x0200 (bit 1, 9 differs); the bytes are in the wrong order"
    ]
    assert compare(telegram(flags="02FD170200"), meter(F="F8"), fields=["error_flags"]) == []


def test_every_field_that_should_have_been_sent_is_missed() -> None:
    found = compare(Readout(), meter())
    assert [words.split(":")[0] for words in found] == [
        "time", "meter id", "energy", "volume", "power", "flow", "forward temperature", "return temperature",
        "error flags", "tariff 1", "tariff 2", "tariff 3", "missing time",
    ]  # fmt: skip
    assert all("not sent" in words for words in found)


def test_one_field_alone_can_be_asked_for_and_an_unknown_one_is_refused() -> None:
    assert compare(telegram(energy="040600000000", ret="025E0000"), meter(), fields=["volume"]) == []
    with pytest.raises(ValueError, match="no field 'colour'"):
        compare(telegram(), meter(), fields=["colour"])


def test_a_value_that_the_plain_readout_does_not_have_is_not_compared() -> None:
    assert compare(telegram(power="022B0000"), meter(r6_4=""), fields=["power"]) == []


def test_a_readout_as_reference_holds_the_meters_clock_as_utc() -> None:
    reference = replace(telegram(), time=datetime(2019, 11, 28, 20, 39, tzinfo=UTC))
    assert compare(telegram(), reference) == []
    wrong = replace(telegram(), energy=Quantity(Decimal(1), "furlong"), meter_id="00000000")
    assert compare(wrong, reference, fields=["energy", "meter_id"]) == [
        "energy: sent 1 furlong: unknown unit 'furlong'",
        "meter id: sent 00000000, the meter's number is 12345678",
    ]
