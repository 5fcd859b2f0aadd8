"""Voltages of the supply and of the battery, and what happens when they fail: manual chapter 8, 5.3.2, Table 10."""

import re

import pytest

from bench.manual.paths import Device, McmConfig, NbIotStatus
from fixtures.words import device_time, hours, in_regression, minutes, needs, req, s


@req("PWR-01", "PWR-16", "PWR-07", "ACT-19")
@device_time("3 min")
@needs("supply.voltage", "panel.button")
@in_regression
@pytest.mark.parametrize("volts", [3.0, 3.6, 4.2])
def test_a_unit_joins_and_reports_on_a_supply_of(unit, supply, gateway, bench, dm, volts):
    _activate_by_button(unit, supply, bench, volts)
    _reports(gateway, bench, dm)
    assert _source_when_set_to(dm, 1) == 6, "mains"


@req("PWR-02", "PWR-07", "PWR-16", "PWR-12", "ACT-19")
@device_time("3 min")
@needs("supply.voltage", "supply.battery", "panel.button")
@in_regression
@pytest.mark.parametrize("volts", [2.4, 3.0, 3.4])
def test_a_unit_joins_and_reports_on_a_battery_of(unit, supply, gateway, bench, dm, volts):
    _activate_by_button(unit, supply, bench, volts)
    _reports(gateway, bench, dm)
    assert _source_when_set_to(dm, 0) in (1, 2), "internal or external battery"
    version = dm.read(Device.FIRMWARE_VERSION)
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    assert numbers >= (1, 3), f"firmware {version} does not know the battery, 1.03 does"


def _source_when_set_to(dm, power_source: int) -> int:
    """What the unit reports as its source; the setting counts where the hardware can't tell by itself."""
    before = dm.read(McmConfig.POWER_SOURCE)
    dm.write(McmConfig.POWER_SOURCE, power_source)
    try:
        return dm.read(Device.AVAILABLE_POWER_SOURCES / 0)
    finally:
        dm.write(McmConfig.POWER_SOURCE, before)


def _activate_by_button(unit, supply, bench, volts: float) -> None:
    """From no supply on, at that voltage."""
    unit.make_passive()
    supply.output_off()
    bench.clock.sleep(10 * s)
    unit.power_up(volts)
    unit.press_button(6 * s)


def _reports(gateway, bench, dm) -> None:
    """It joins, its first telegram arrives, and it has not started anew since."""
    began, count = bench.clock.time(), gateway.count
    dm.wait_for_registration(5 * minutes, after=began)
    gateway.wait_for_telegram(15 * minutes, after=count)
    uptime_s = dm.read(NbIotStatus.UPTIME)
    bench.clock.sleep(5 * s)
    later_s = dm.read(NbIotStatus.UPTIME)
    assert later_s > uptime_s, f"the unit has started anew: it was up for {uptime_s} s, and then for {later_s} s"


@req("PWR-13")
@device_time("2 min")
@needs("supply.voltage", "meter.optical")
@in_regression
def test_a_unit_starts_on_a_meter_that_runs_already(unit, supply, meter, gateway):
    supply.output_off()
    assert meter.read().energy is not None, "the meter is to run before the unit"
    unit.make_joined()
    assert gateway.count >= 1, "it has joined, and no telegram came"


KEPT = {"readout_interval": 30, "message_format": "Extended", "utc_offset": 345, "mdm_communication_timeout": 33,
        "auto_upload_order": "Oldest first"}


@req("PWR-14", "STO-04", "NET-38")
@device_time("2 h")
@needs("supply.voltage")
@in_regression
@pytest.mark.parametrize("cuts", [(1 * s,), (10 * s,), (1 * minutes,), (10 * minutes,), (2 * hours,), (5 * s, 5 * s)],
                         ids=lambda cuts: "-".join(f"{cut:g}-s" for cut in cuts))
def test_a_power_cut_loses_neither_settings_nor_the_active_state(unit, supply, dm, telegrams, bench, cuts):
    unit.make_joined(KEPT)
    dm.write(McmConfig.UPLOAD_PROTOCOL, 1)
    for cut in cuts:
        supply.output_off()
        bench.clock.sleep(cut)
        before, arrived = bench.clock.time(), telegrams.count
        supply.output_on()
        bench.clock.sleep(20 * s)
    dm.wait_for_registration(timeout=5 * minutes, after=before)
    dm.expect(McmConfig.UPLOAD_PROTOCOL, 1, "meter data go by MQTT-SN after the power cut")
    unit.expect_settings(KEPT, "after the power cut")
    telegrams.wait_for_telegram(timeout=15 * minutes, after=arrived)
    assert unit.power_mode == "Active", f"an active unit is {unit.power_mode} after the power cut"


@req("PWR-19")
@device_time("35 min")
@needs("supply.voltage", "supply.battery")
@in_regression
def test_a_unit_comes_back_after_its_battery_has_sunk_to_2_v(unit, supply, gateway, dm, bench):
    unit.make_joined({"readout_interval": 30}, volts=3.0)
    before, arrived = bench.clock.time(), gateway.count
    supply.ramp(2.0, 15 * minutes)
    supply.ramp(3.0, 15 * minutes)
    dm.wait_for_registration(timeout=10 * minutes, after=before)
    gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    assert unit.power_mode == "Active", f"an active unit is {unit.power_mode} after its battery had sunk"
    unit.expect_settings({"readout_interval": 30}, "after its battery had sunk")
