"""The twin meter's state: values follow from seed and time alone."""
# ruff: noqa: DTZ001 - a meter's clock knows no zone

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bench.clock import Clock, WarpClock
from bench.twin.meter.uh50 import UH50

EPOCH = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[Clock]:
    with WarpClock(EPOCH) as clock:
        yield clock


def test_the_same_seed_gives_the_same_values_however_often_the_meter_is_read(clock: Clock) -> None:
    often, once, other = UH50(clock, seed=5), UH50(clock, seed=5), UH50(clock, seed=6)
    for _ in range(200):
        clock.sleep(431)
        often.registers()
    assert often.registers() == once.registers()
    assert often.registers() != other.registers()


def test_reads_minutes_apart_differ(clock: Clock) -> None:
    meter = UH50(clock, seed=1)
    before = meter.registers()
    clock.sleep(600)
    after = meter.registers()
    assert after.energy > before.energy
    assert after.volume_m3 > before.volume_m3
    assert after.power_kw != before.power_kw


def test_energy_is_the_integral_of_power(clock: Clock) -> None:
    meter = UH50(clock, seed=2)
    first = meter.registers().energy
    powers = []
    for _ in range(24 * 60):
        clock.sleep(60)
        powers.append(float(meter.registers().power_kw))
    gained_kwh = float(meter.registers().energy - first) * 1000
    assert gained_kwh == pytest.approx(sum(powers) / 60, rel=0.01)


def test_temperatures_flow_and_power_belong_together(clock: Clock) -> None:
    now = UH50(clock, seed=4).registers()
    assert now.difference_k == now.forward_c - now.return_c
    assert float(now.power_kw) == pytest.approx(1.163 * float(now.flow_m3_h) * float(now.difference_k), rel=0.02)


def test_a_reversed_flow_is_negative_and_does_not_count(clock: Clock) -> None:
    meter = UH50(clock, seed=1)
    meter.set_load(-0.5)
    before = meter.registers()
    clock.sleep(7200)
    after = meter.registers()
    assert after.power_kw < 0 and after.flow_m3_h < 0
    assert (after.energy, after.volume_m3) == (before.energy, before.volume_m3)


@pytest.mark.parametrize(("flags", "counts"), [
    (0x002, False),     # F1, a sensor is interrupted
    (0x200, False),     # F9, the electronics
    (0x010, True),      # F41, the battery
    (0x400, True),      # F0V, a prewarning
])
def test_a_fault_stops_the_registers_and_counts_missing_time(clock: Clock, flags: int, counts: bool) -> None:
    meter = UH50(clock, seed=1)
    before = meter.registers()
    meter.set_error_flags(flags)
    clock.sleep(5 * 3600)
    after = meter.registers()
    assert (after.energy > before.energy) is counts
    assert after.missing_time_h - before.missing_time_h == (0 if counts else 5)
    meter.set_error_flags(0)
    clock.sleep(3600)
    assert meter.registers().energy > after.energy


def test_error_flags_have_twelve_bits(clock: Clock) -> None:
    with pytest.raises(ValueError, match="12 bits"):
        UH50(clock).set_error_flags(0x1000)


def test_held_registers_stand_still_and_the_meter_counts_on_behind_them(clock: Clock) -> None:
    meter = UH50(clock, seed=1, energy_step="0.001 GJ")
    before = meter.registers()
    meter.hold(energy=Decimal("328.871"), flow_m3_h=Decimal("-0.120"))
    clock.sleep(86_400)
    held = meter.registers()
    assert (held.energy, held.flow_m3_h) == (Decimal("328.871"), Decimal("-0.120"))
    meter.release()
    released = meter.registers()
    assert released.energy > before.energy
    assert released.flow_m3_h > 0


def test_hold_without_names_holds_all_but_the_clock(clock: Clock) -> None:
    meter = UH50(clock, seed=1)
    before = meter.registers()
    meter.hold()
    clock.sleep(3600)
    after = meter.registers()
    assert after.clock - before.clock == timedelta(hours=1)
    assert (after.energy, after.power_kw, after.forward_c) == (before.energy, before.power_kw, before.forward_c)


def test_a_register_that_does_not_exist_can_not_be_held(clock: Clock) -> None:
    with pytest.raises(ValueError, match="no such register: enrgy"):
        UH50(clock).hold(enrgy=Decimal(1))


@pytest.mark.parametrize(("step", "symbol", "shown"), [
    ("kWh", "kWh", "12345"), ("0.001 MWh", "MWh", "12.345"), ("0.1 MWh", "MWh", "12.3"), ("MWh", "MWh", "12"),
    ("MJ", "MJ", "44444"), ("0.01 GJ", "GJ", "44.44"), ("GJ", "GJ", "44"),
])
def test_one_energy_in_all_units(clock: Clock, step: str, symbol: str, shown: str) -> None:
    now = UH50(clock, energy_step=step, energy_kwh=12_345.678).registers()  # type: ignore[arg-type]
    assert (f"{now.energy:f}", now.energy_unit.symbol) == (shown, symbol)


def test_a_register_of_seven_digits_begins_again(clock: Clock) -> None:
    ten_million_and_36_mj_in_kwh = 2_777_777.8 + 10
    assert UH50(clock, energy_step="MJ", energy_kwh=ten_million_and_36_mj_in_kwh).registers().energy == 36


def test_the_clock_shows_local_standard_time_and_can_be_set(clock: Clock) -> None:
    meter = UH50(clock, utc_offset_min=60)
    assert meter.clock_now() == datetime(2026, 3, 2, 10, 30)
    meter.set_clock(datetime(2030, 1, 1, 23, 59, 30))
    clock.sleep(60)
    assert meter.clock_now() == datetime(2030, 1, 1, 0, 0, 30) + timedelta(days=1)
    meter.set_utc_offset(-300)
    assert meter.clock_now() == datetime(2030, 1, 1, 18, 0, 30)


def test_the_clock_drifts(clock: Clock) -> None:
    meter = UH50(clock, utc_offset_min=0)
    meter.set_drift(100)
    clock.sleep(100_000)
    assert meter.clock_now() - clock.utc().replace(tzinfo=None) == timedelta(seconds=10)


def test_the_clock_takes_no_time_with_a_zone(clock: Clock) -> None:
    with pytest.raises(ValueError, match="naive"):
        UH50(clock).set_clock(EPOCH)
