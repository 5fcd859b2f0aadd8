"""Optical readouts: the generic splitter and the fields of the UH50."""

# ruff: noqa: DTZ001 - the meter sends no zone

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from bench.payload.optical import parse_optical
from bench.payload.readout import PayloadError, Quantity

EXTENDED = (
    "/LUGCUH50\r\n"
    "6.8(0071.873*MWh)6.26(01804.89*m3)9.21(00073600)\r\n"
    "6.4(-000.2*kW)6.27(000.212*m3ph)6.29(080.3*C)6.28(053.8*C)6.30(026.5*C)\r\n"
    "F(0)9.20(66935074)6.32(0000339*h)\r\n"
    "6.8.1(0001.000*MWh)6.8.2()6.8.3()9.4(098.5*C&096.1*C)9.2(&&)\r\n"
    "9.36(2019-11-28&20:39:17)\r\n"
    "!\r\n"
)


def test_fields_of_the_extended_readout() -> None:
    optical = parse_optical(EXTENDED)
    assert optical.ident == "LUGCUH50"
    assert optical.findings == ()
    assert optical.power == Quantity(Decimal("-0.2"), "kW")
    assert optical.flow == Quantity(Decimal("0.212"), "m3/h")
    assert optical.forward_temperature == Quantity(Decimal("80.3"), "C")
    assert optical.return_temperature == Quantity(Decimal("53.8"), "C")
    assert optical.meter_time == datetime(2019, 11, 28, 20, 39, 17)
    assert (optical.fabrication_number, optical.property_number) == ("66935074", "00073600")
    assert optical.error_display == "0"


def test_registers_are_split_generically() -> None:
    registers = parse_optical(EXTENDED.encode()).registers
    assert registers["9.4"] == (("098.5", "C"), ("096.1", "C"))
    assert registers["9.2"] == (("", None), ("", None), ("", None))
    assert registers["6.8.2"] == ()
    assert len(registers) == 17


def test_readout_takes_the_number_that_33906_54_selects() -> None:
    optical = parse_optical(EXTENDED)
    assert optical.to_readout().meter_id == "66935074"
    assert optical.to_readout("property").meter_id == "00073600"
    assert [str(t) for t in optical.to_readout().tariffs] == ["1.000 MWh", "None", "None"]


def test_resolution_is_kept_in_the_digits() -> None:
    energy = parse_optical(EXTENDED).energy
    assert energy is not None
    assert str(energy) == "71.873 MWh"


def test_error_display_other_than_0_gives_no_flags() -> None:
    assert parse_optical(EXTENDED).to_readout().error_flags == 0
    assert parse_optical(EXTENDED.replace("F(0)", "F(4)")).to_readout().error_flags is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("0071.873*MWh", "0071,873*MWh"), "energy"),
        (("0071.873*MWh", "-------*MWh"), "energy"),
        (("0071.873*MWh", "0071.873"), "energy"),
        (("2019-11-28", "2000-00-00"), "meter_time"),
        (("&20:39:17", ""), "meter_time"),
    ],
)
def test_register_that_is_no_value_gives_none(change: tuple[str, str], field: str) -> None:
    assert getattr(parse_optical(EXTENDED.replace(*change)), field) is None


def test_missing_end_mark_and_double_register_are_findings() -> None:
    assert [f.code for f in parse_optical("6.8(1*kWh)").findings] == ["no-end-mark"]
    twice = parse_optical("6.8(1*kWh)\n6.8(2*kWh)\n!")
    assert [f.code for f in twice.findings] == ["duplicate-register"]
    assert twice.energy == Quantity(Decimal(1), "kWh")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no register"),
        ("/LUGCUH50\r\n!\r\n", "no register"),
        (b"6.8(1*kWh)\xff", "byte 10: FF is not 7-bit text"),
        ("6.8(1*kWh", "line 1, column 1"),
        ("6.8(1*kWh)x", "line 1, column 11"),
        ("6.8((1*kWh))", "line 1, column 1"),
        ("\x026.8(1*kWh)\r\n!\r\n\x03", "line 1, column 1"),
        ("6.8(1*kWh)\r\n!\r\n6.26(1*m3)", "line 3: '6.26(1*m3)' follows the end mark"),
        ("6.8(1*kWh)\r\n/LUGCUH50\r\n!", "line 2, column 1"),
    ],
)
def test_damaged_block_is_refused_with_the_place(text: str | bytes, why: str) -> None:
    with pytest.raises(PayloadError) as refused:
        parse_optical(text)
    assert why in str(refused.value)
