"""That the unit changes nothing in the meter but its clock: a meter under MID must measure the same with and without
it.

The meter stands still, so that whatever moves but the clock and its hours has been moved; a real meter needs still
water. What it displays and gives out as pulses is not seen by the bench.
"""

import pytest

from bench.manual.paths import Device, McmConfig
from fixtures.words import device_time, in_regression, minutes, needs, req, s

OF_TIME = {"9.36", "6.31", "6.28", "6.29", "6.30", "9.4"}
"""Registers that move by themselves: date and clock, hours of operation, temperatures and their maxima."""


def stands_still(meter, meter_simulator, bench):
    """The registers of a meter in which nothing flows, but those that move by themselves. They have got values that
    whoever writes into them would overwrite."""
    meter_simulator.set_numbers(fabrication="61234567", customer="12345678")
    meter_simulator.set_tariffs("1.234", "2.345")
    meter_simulator.set_load(0)
    bench.clock.sleep(1 * s)
    return registers_of(meter)


def registers_of(meter):
    return {code: items for code, items in meter.read().registers.items() if code not in OF_TIME}


def moved(before, after):
    return sorted(code for code in before.keys() | after.keys() if before.get(code) != after.get(code))


@req("CMP-01")
@device_time("30 min")
@needs("meter.simulator", "meter.optical")
@in_regression
@pytest.mark.parametrize("doing", ["reading", "asked for telegrams", "rebooting", "asleep"])
def test_the_meter_has_the_same_registers_whatever_the_unit_does(joined_unit, dm, gateway, meter, meter_simulator,
                                                                bench, doing):
    before = stands_still(meter, meter_simulator, bench)
    match doing:
        case "reading":
            joined_unit.make_joined({"readout_interval": 5, "report_interval": 5})
            bench.clock.sleep(16 * minutes)
        case "asked for telegrams":
            for _ in range(10):
                arrived = gateway.count
                dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
                gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
        case "rebooting":
            for _ in range(3):
                registered = bench.clock.time()
                dm.execute(Device.REBOOT)
                dm.wait_for_registration(10 * minutes, after=registered)
        case _:
            bench.clock.sleep(25 * minutes)
    after = registers_of(meter)
    assert not moved(before, after), "registers of the meter that the unit has moved: " + ", ".join(
        f"{code} from {before.get(code)} to {after.get(code)}" for code in moved(before, after))


@req("CMP-01")
@device_time("10 min")
@needs("meter.simulator", "meter.optical", "settings.dm")
@in_regression
def test_settings_of_the_unit_are_none_of_the_meters(joined_unit, dm, meter, meter_simulator, bench):
    before = stands_still(meter, meter_simulator, bench)
    for path, values in ((McmConfig.REPORT_DATA_ENCODING, (0, 1, 2)), (McmConfig.REPORT_FRAME_TYPE, (42, 43)),
                         (McmConfig.METER_IDENTIFICATION_SOURCE, (0, 1))):
        for value in values:
            dm.write(path, value)
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    bench.clock.sleep(2 * minutes)
    after = registers_of(meter)
    changed = moved(before, after)
    assert not changed, f"registers of the meter that settings have moved: {', '.join(changed)}"
