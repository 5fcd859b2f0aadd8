"""Supply and current, manual chapter 8."""

import pytest

from bench.analysis.current import peak_current, sleep_current
from fixtures.words import device_time, everywhere, in_regression, minutes, needs, req, s


@req("PWR-05")
@device_time("90 s")
@needs("supply.current")
@everywhere
def test_a_passive_unit_draws_no_more_than_the_sleep_current(passive_unit, supply, bench, measure, watch):
    bench.clock.sleep(5 * s)
    log = supply.log(watch, period_s=0.02)
    measure("power.passive.current", sleep_current(log.mean_a, log.maximum_a, log.period_s).mean_a * 1e6)


@req("PWR-04", "PWR-20", "NET-12", "LED-10")
@device_time("4 min")
@needs("supply.current", "nfc")
@everywhere
def test_a_joined_unit_sleeps_at_6_ua(unit, supply, bench, measure, watch):
    # A short active timer brings the sleep soon; the readout interval keeps readouts out of most of the watch.
    unit.make_joined({"t3324_timer": 10})
    bench.clock.sleep(60 * s)
    log = supply.log(watch, period_s=0.02)
    sleep = sleep_current(log.mean_a, log.maximum_a, log.period_s)
    measure("power.sleep.current", sleep.mean_a * 1e6)
    measure("power.sleep.overall", sleep.overall_a * 1e6)


@req("PWR-03")
@device_time("2 min")
@needs("supply.current")
@everywhere
def test_the_peak_of_an_activation_stays_below_400_ma(passive_unit, supply, measure):
    passive_unit.write_settings({"power_mode": "Active"})
    measure("power.peak.current", peak_current(supply.log(60 * s, period_s=0.001).maximum_a) * 1e3)


@req("PWR-01", "PWR-02", "PWR-07")
@device_time("3 min")
@needs("supply.voltage")
@in_regression
@pytest.mark.parametrize("volts", [2.4, 3.0, 3.6, 4.2])
def test_a_unit_joins_and_reports_at_the_corners_of_its_supply(unit, gateway, volts):
    unit.power_up(volts)
    unit.make_joined()
    assert gateway.count >= 1


@req("PWR-14", "STO-04")
@device_time("10 min")
@needs("supply.voltage", "nfc")
@in_regression
def test_a_power_cut_loses_neither_settings_nor_the_active_state(joined_unit, supply, gateway, dm, bench):
    joined_unit.write_settings({"readout_interval": 30})
    before = bench.clock.time()
    supply.output_off()
    bench.clock.sleep(10 * s)
    supply.output_on()
    dm.wait_for_registration(timeout=5 * minutes, after=before)
    assert dm.read("/33906/0/0") == 30
