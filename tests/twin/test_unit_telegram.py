"""Telegrams of the twin unit, octet by octet, from the examples and tables of manual 7.4."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from unit_lab import READY, world

from bench.twin.cmi6110.telegram import EXTENDED, JSON, MBUS, SENML_CBOR, STANDARD, Reading, TelegramWriter

EXAMPLE = Reading(
    time=datetime(2019, 11, 28, 20, 0),  # noqa: DTZ001 - the meter knows no zone
    meter_id="12345678", energy=Decimal("12345.678"), energy_unit="MWh", volume_m3=Decimal("3456.7"),
    power_kw=Decimal("5.012"), flow_m3ph=Decimal("0.212"), forward_c=Decimal("80.3"), return_c=Decimal("53.8"),
    error_flags=0x4012, tariffs=(Decimal("1.000"), Decimal("2.000"), None), missing_time_h=123)
"""The readout of the manual's SenML example (7.4.2.3); tariffs and missing time are ours."""

REGISTERS = "04064E61BC00" "041507870000" "022B9413" "023BD400" "025A2303" "025E1A02" "02FD171240"
"""The example's data value as printed: 33 octets."""

TARIFFS = "841006E8030000" "842006D0070000" "84300600000000"
MISSING_TIME = "3C2223010000"    # 8 digits BCD (C06)


def one(reading: Reading, encoding: int, message_format: int = STANDARD, utc_offset: int = 0) -> bytes:
    ((telegram, carried),) = TelegramWriter(encoding, message_format, utc_offset).telegrams([reading])
    assert carried == [reading]
    return telegram


def test_m_bus_standard_is_these_45_octets() -> None:
    # 28 November 2019, 20:00, type F: minute 00, hour 14, day 28 and year low 3 << 5, month 11 and year high 2 << 4
    telegram = one(EXAMPLE, MBUS)
    assert telegram.hex().upper() == "046D00147C2B" "0C7878563412" + REGISTERS
    assert len(telegram) == 45


def test_m_bus_extended_is_these_72_octets() -> None:
    telegram = one(EXAMPLE, MBUS, EXTENDED)
    assert telegram.hex().upper() == "046D00147C2B" "0C7878563412" + REGISTERS + TARIFFS + MISSING_TIME
    assert len(telegram) == 72


def test_senml_standard_is_the_manuals_example() -> None:
    assert one(EXAMPLE, SENML_CBOR).hex().upper() == (
        "82" "A3" "21683132333435363738" "221A5DE02740" "085821" + REGISTERS + "A20061560200")


def test_a_pack_of_senml_has_one_base_time_and_offsets_to_it() -> None:
    readings = [replace(EXAMPLE, time=EXAMPLE.time - timedelta(hours=hours)) for hours in (2, 1, 0)]
    ((pack, carried),) = TelegramWriter(SENML_CBOR, STANDARD, 0).telegrams(readings)
    assert set(map(id, carried)) == set(map(id, readings))
    assert pack.hex().upper() == (
        "84" "A3" "21683132333435363738" "221A5DE02740" "085821" + REGISTERS + "A20061560200"
        + "A206390E0F085821" + REGISTERS           # -3600
        + "A206391C1F085821" + REGISTERS)          # -7200


@pytest.mark.parametrize(("message_format", "octets"), [(STANDARD, 1014), (EXTENDED, 1662)])
def test_a_day_of_hourly_readouts_is_as_long_as_calculated(message_format: int, octets: int) -> None:
    """25 items: 24 readouts and the version record (notes 4.2)."""
    day = [replace(EXAMPLE, time=EXAMPLE.time - timedelta(hours=hours)) for hours in range(24)]
    writer = TelegramWriter(SENML_CBOR, message_format, 0)
    pack = writer.senml(day)
    assert pack[:2] == b"\x98\x19"
    assert len(pack) == octets


def test_more_readouts_than_fit_become_several_packs_none_too_long_and_none_lost() -> None:
    readings = [replace(EXAMPLE, time=EXAMPLE.time + timedelta(hours=hours)) for hours in range(100)]
    packs = list(TelegramWriter(SENML_CBOR, STANDARD, 0).telegrams(readings))
    assert len(packs) > 1
    assert all(len(payload) <= 1100 for payload, _ in packs)
    assert all(b"\x21\x6812345678" in payload[:16] for payload, _ in packs), "each names the meter"
    assert [one for _, carried in packs for one in sorted(carried, key=lambda one: one.time)] == readings


def test_json_standard_is_the_manuals_example() -> None:
    reading = replace(EXAMPLE, time=datetime(2019, 11, 28, 20, 39), meter_id="87654321")  # noqa: DTZ001
    assert one(reading, JSON) == (
        b'{"TS":"2019-11-28T20:39Z","ID":87654321,"E":12345.678,"U":"MWh","V":3456.7,"VU":"m3","P":5012,"PU":"W",'
        b'"F":212,"FU":"l/h","FT":80.3,"TU":"C","RT":53.8,"RU":"C","EF":"0x4012"}')


def test_json_extended_adds_tariffs_and_missing_time() -> None:
    assert one(EXAMPLE, JSON, EXTENDED).endswith(
        b'"EF":"0x4012","T1":1.000,"U1":"MWh","T2":2.000,"U2":"MWh","T3":0,"U3":"MWh","MT":123,"MU":"h"}')


@pytest.mark.parametrize(("offset", "stamp", "mbus"), [
    (60, b"2019-11-28T19:00Z", "046D00137C2B"), (-300, b"2019-11-29T01:00Z", "046D00017D2B"),
    (720, b"2019-11-28T08:00Z", "046D00087C2B")])
def test_the_offset_is_subtracted_in_every_encoding(offset: int, stamp: bytes, mbus: str) -> None:
    assert stamp in one(EXAMPLE, JSON, utc_offset=offset)
    assert one(EXAMPLE, MBUS, utc_offset=offset).hex().upper().startswith(mbus)
    seconds = 0x5DE02740 - offset * 60
    assert b"\x22\x1a" + seconds.to_bytes(4, "big") in one(EXAMPLE, SENML_CBOR, utc_offset=offset)


@pytest.mark.parametrize(("energy", "unit", "dib"), [
    ("12345678", "kWh", "04064E61BC00"), ("12345.678", "MWh", "04064E61BC00"), ("123456.78", "MWh", "04074E61BC00"),
    ("1234567.8", "MWh", "04FB004E61BC00"), ("12345678", "MWh", "04FB014E61BC00"), ("12345678", "MJ", "040E4E61BC00"),
    ("12345.678", "GJ", "040E4E61BC00"), ("123456.78", "GJ", "040F4E61BC00"), ("1234567.8", "GJ", "04FB084E61BC00"),
    ("12345678", "GJ", "04FB094E61BC00")])
def test_energy_has_the_vif_of_its_resolution(energy: str, unit: str, dib: str) -> None:
    reading = replace(EXAMPLE, energy=Decimal(energy), energy_unit=unit, tariffs=(None, None, None))
    assert one(reading, MBUS).hex().upper()[24:].startswith(dib)


def test_reversed_flow_is_negative() -> None:
    reading = replace(EXAMPLE, power_kw=Decimal("-5.012"), flow_m3ph=Decimal("-0.212"))
    assert "022B6CEC" "023B2CFF" in one(reading, MBUS).hex().upper()
    assert b'"P":-5012,"PU":"W","F":-212,' in one(reading, JSON)


@pytest.mark.parametrize(("encoding", "message_format", "topic"), [
    (0, 42, "standard/senml"), (1, 43, "extended/json"), (2, 42, "standard/mbus")])
def test_the_topic_names_identity_format_and_encoding(encoding: int, message_format: int, topic: str) -> None:
    with world(**READY, message_encoding=encoding, message_format=message_format) as made:
        made.supply()
        made.clock.wait_for(lambda: made.gateway.telegrams, 300)
        assert made.gateway.topics == [f"mr/94193A0401000001/{topic}"]
        made.set(mqttsn_topic="a/topic")
        made.clock.call(made.unit.life.trigger_readout)
        made.clock.wait_for(lambda: len(made.gateway.telegrams) == 2, 300)
        assert made.gateway.topics[1:] == ["a/topic"]
