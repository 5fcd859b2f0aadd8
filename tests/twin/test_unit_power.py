"""The twin unit and its supply: what survives a power cut, and what follows one."""

from __future__ import annotations

import pytest
from unit_lab import JSON, READY, World, world


def supplied(made: World) -> float:
    """From supply to the first search for a network."""
    began = made.clock.time()
    made.supply()
    return made.until("searching") - began


def test_a_power_cut_keeps_settings_and_readouts() -> None:
    with world(**READY, readout_interval=5) as made:
        made.air(False)
        made.supply()
        made.clock.sleep(3600)
        before = made.readouts()
        assert len(before) == 12
        made.set(t3324=77, mqttsn_topic="a/b")
        made.supply(0)
        made.clock.sleep(60)
        made.supply()
        made.clock.sleep(60)
        assert made.readouts() == before
        assert (made.unit.settings["t3324"], made.unit.settings["mqttsn_topic"]) == (77, "a/b")
        assert made.unit.settings["power_mode"] == 1


def test_a_power_cut_takes_the_unit_off_the_air_and_ends_its_sessions() -> None:
    with world(**READY) as made:
        made.supply()
        made.clock.wait_for(lambda: made.gateway.telegrams, 300)
        made.supply(0)
        assert (made.unit.modem.state, made.unit.modem.attached, made.lab.cell.state) == ("off", False, "on")
        heard = len(made.gateway.heard)
        made.clock.sleep(86400)
        assert len(made.gateway.heard) == heard
        made.supply()
        made.clock.wait_for(lambda: len(made.gateway.telegrams) == 2, 300)
        assert made.gateway.count(0x04) == 2, "a new CONNECT"


def test_readouts_stop_while_there_is_no_supply() -> None:
    with world(**READY, readout_interval=5) as made:
        made.air(False)
        made.supply()
        made.clock.sleep(600)
        made.supply(0)
        made.clock.sleep(3600)
        assert len(made.readouts()) == 2


@pytest.mark.parametrize(("volts", "runs"), [(4.2, True), (2.4, True), (2.2, False), (0.0, False)])
def test_the_unit_runs_down_to_the_lowest_battery_voltage(volts: float, runs: bool) -> None:
    with world(**READY) as made:
        made.supply(volts)
        made.clock.sleep(60)
        assert made.unit.modem.attached == runs


def test_a_dip_above_the_lowest_voltage_goes_unnoticed() -> None:
    with world(**READY) as made:
        made.supply()
        made.until("psm")
        made.supply(2.5)
        made.supply(3.6)
        made.clock.sleep(60)
        assert made.unit.modem.state == "psm"
        assert len(made.lit("red")) == 1


def test_a_passive_unit_stays_passive_after_a_power_cut() -> None:
    with world() as made:
        made.supply()
        made.clock.sleep(10)
        made.supply(0)
        made.clock.sleep(10)
        made.supply()
        made.clock.sleep(86400)
        assert made.unit.modem.state == "off"
        assert made.edges == []


def test_without_brown_out_delay_the_unit_is_on_the_air_at_once() -> None:
    with world(**READY) as made:
        assert supplied(made) < 5


def test_the_brown_out_delay_is_a_random_time_up_to_its_setting() -> None:
    delays = []
    for seed in range(12):
        with world(seed, **{**READY, "brown_out_delay": 21600}) as made:
            delays.append(supplied(made))
    assert len(set(delays)) == 12
    assert all(0 < delay < 21600 + 5 for delay in delays)
    assert min(delays) < 7200 < 14400 < max(delays)


def test_the_meter_is_read_while_the_brown_out_delay_lasts() -> None:
    with world(3, **{**READY, "brown_out_delay": 86400}, readout_interval=60) as made:
        delay = supplied(made)
        assert delay > 6 * 3600
        assert len(made.readouts()) == int((delay + 1800) // 3600)


def test_activation_does_not_wait_for_the_brown_out_delay() -> None:
    with world(brown_out_delay=21600) as made:
        made.supply()
        made.clock.sleep(10)
        made.unit.life.bootstraps_on_activation = False
        made.set(power_mode=1)
        began = made.clock.time()
        assert made.until("searching") - began < 5


def test_readouts_of_before_the_cut_are_sent_after_it() -> None:
    with world(**READY, **JSON, readout_interval=5, transmit_interval=5, transmit_offset=0, transmit_delay=1,
               report_interval=5) as made:
        made.air(False)
        made.supply()
        made.clock.sleep(900)                       # 10:30 to 10:45 on the meter's clock
        made.supply(0)
        made.air(True)
        made.clock.sleep(1)
        made.supply()
        made.clock.sleep(900)
        stamps = made.gateway.stamps()
        assert {f"2026-03-02T10:{minute}Z" for minute in (35, 40, 45)} <= set(stamps)
