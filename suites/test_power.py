"""What the unit draws from its supply, manual chapter 8."""

from datetime import timedelta

import pytest

from bench.analysis.battery_life import daily_charge
from bench.analysis.current import charge, peak_current, sleep_current
from bench.analysis.current_phases import TRANSMIT_A, Kind, active_timers, find_phases, share
from bench.manual.paths import McmConfig, NbIotStatus
from fixtures.words import days, device_time, everywhere, hours, in_regression, minutes, needs, profile, req, s

BATTERY_V = 3.0
"""In the middle of what the battery connector takes."""


@req("PWR-05")
@device_time("90 s")
@needs("supply.current")
@everywhere
def test_a_passive_unit_draws_no_more_than_the_sleep_current(passive_unit, power, bench, measure, watch):
    bench.clock.sleep(5 * s)
    asleep = sleep_current(power.capture(watch), at_least_s=watch)
    measure("power.passive.current", asleep.overall_a * 1e6, asleep.uncertainty_a * 1e6)


@req("PWR-04", "LED-10")
@device_time("4 min")
@needs("supply.current")
@everywhere
def test_a_joined_unit_sleeps_at_6_ua(unit, power, bench, measure, watch):
    before = power.zero()
    # A short active timer brings the sleep soon; without NFC it has the one that it was delivered with, two minutes.
    # Over a poor path its telegram may need another time-out.
    short = unit.can_set("t3324_timer")
    unit.make_joined({"t3324_timer": 10} if short else None)
    bench.clock.sleep(60 * s if short and not bench.is_path_poor else 4 * minutes)
    bench.keep_clear_of_the_hour(watch)
    capture = power.capture(watch)
    asleep = sleep_current(capture.less(power.zero_since(before).offset_a), at_least_s=watch)
    measure("power.sleep.current", asleep.mean_a * 1e6, asleep.uncertainty_a * 1e6)
    measure("power.sleep.median", asleep.median_a * 1e6, asleep.uncertainty_a * 1e6)
    measure("power.sleep.overall", asleep.overall_a * 1e6)
    measure("power.sleep.wakes", len(asleep.wakes))
    bench.step(f"asleep for {asleep.asleep_s:.0f} s, floor {asleep.floor_a * 1e6:.2f} uA")


@req("PWR-04")
@device_time("12 min")
@needs("supply.current", "supply.battery", "settings.nfc.write")
@in_regression
def test_a_unit_on_its_battery_sleeps_at_6_ua(unit, power, bench, measure):
    unit.make_joined({"t3324_timer": 10}, volts=BATTERY_V)
    bench.clock.sleep(60 * s)
    asleep = sleep_current(power.capture(10 * minutes))
    measure("power.sleep.current", asleep.mean_a * 1e6, asleep.uncertainty_a * 1e6)


@req("PWR-04", "PWR-01")
@device_time("31 h")
@needs("supply.current", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize(("volts", "later"), [(4.2, 0), (3.6, 30 * hours)])
def test_the_sleep_is_as_deep_at_other_voltages_later_and_after_readouts(unit, power, bench, measure, volts, later):
    """From ten minutes after a readout on."""
    unit.make_joined({"t3324_timer": 10}, volts=volts)
    bench.clock.sleep(later + 60 * s)
    now = bench.local_standard_time
    bench.clock.sleep((10 - now.minute) % 60 * minutes)
    asleep = sleep_current(power.capture(10 * minutes))
    measure("power.sleep.current", asleep.mean_a * 1e6, asleep.uncertainty_a * 1e6)
    measure("power.sleep.wakes", len(asleep.wakes))


@req("PWR-03")
@device_time("2 min")
@needs("supply.current")
@pytest.mark.parametrize("volts", [
    pytest.param(3.6, marks=everywhere), pytest.param(3.0, marks=in_regression),
    pytest.param(4.2, marks=in_regression)])
def test_the_peak_of_an_activation_stays_below_400_ma(unit, power, measure, volts):
    unit.make_passive()
    unit.power_up(volts)
    unit.activate()
    for _ in range(5):    # in poor coverage the search alone takes up to three minutes
        capture = power.capture_peaks(60 * s)
        if capture.maximum_a.max() > TRANSMIT_A:
            break
    else:
        pytest.fail("the unit did not transmit")
    at_peak = capture.uncertainty_a[capture.maximum_a.argmax()]
    measure("power.peak.current", peak_current(capture) * 1e3, at_peak * 1e3)


@req("NET-13", "PWR-15")
@device_time("6 min")
@needs("supply.charge")
@in_regression
def test_the_current_falls_to_the_sleep_level_when_the_active_timer_ends(unit, bench, power, measure):
    bench.keep_clear_of_the_hour(8 * minutes)
    unit.make_joined(bench.transmitting_half_a_day_from_now())
    capture = power.capture(5 * minutes)
    timers = active_timers(find_phases(capture))
    assert timers, "in five minutes after a transmission the unit was not released, or did not fall asleep"
    measure("power.active_timer", timers[0].duration_s)
    asleep_s = timers[0].sleep_s + 10 * s
    minute = capture.part(asleep_s, asleep_s + 1 * minutes)
    measure("power.after_active_timer.current", minute.mean_a.mean() * 1e6, minute.uncertainty_a.mean() * 1e6)


@req("PWR-20", "LWM2M-33906.0.49")
@device_time("12 min")
@needs("supply.charge")
@in_regression
def test_without_power_saving_the_unit_draws_ten_times_as_much(unit, power, bench, measure):
    unit.make_joined({"power_saving_mode": "Disabled"})
    bench.clock.sleep(60 * s)
    capture = power.capture(5 * minutes)
    measure("power.idle.current", charge(capture) / capture.duration_s * 1e6)


@req("PWR-21", "BTN-04")
@device_time("1 h")
@needs("supply.current", "panel.button")
@in_regression
@pytest.mark.parametrize("state", [
    "at rest", pytest.param("in a search", marks=needs("cell.outage")), "in a transmission"])
def test_a_unit_switched_off_by_the_button_draws_no_more_than_the_sleep_current(joined_unit, cell, dm, power, bench,
                                                                                measure, state):
    if state == "in a search":
        cell.off()
        bench.clock.sleep(20 * s)
    elif state == "in a transmission":
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    joined_unit.press_button(17.5 * s)
    for wait in (60 * s, 30 * minutes):    # and it stays so
        bench.clock.sleep(wait)
        asleep = sleep_current(power.capture(10 * minutes))
        measure("power.off.current", asleep.overall_a * 1e6, asleep.uncertainty_a * 1e6)


@req("PWR-06", "LWM2M-33907.0.1")
@device_time("25 min")
@needs("supply.charge")
@in_regression
def test_the_unit_reports_the_mean_current_that_the_ammeter_measures(unit, supply, power, dm, bench, measure):
    # Without power saving the unit can be asked at any time, and what the asking costs weighs little.
    unit.make_joined({"power_saving_mode": "Disabled"})
    supply.output_off()
    bench.clock.sleep(10 * s)
    supply.output_on()
    started = bench.clock.time()
    capture = power.capture(20 * minutes, period=0.1 * s)
    reported_ua = dm.read(NbIotStatus.AVERAGE_CURRENT_CONSUMPTION)
    uptime_s = dm.read(NbIotStatus.UPTIME)
    assert uptime_s <= bench.clock.time() - started + 5 * s, "the unit's mean began before it was switched on"
    measured_ua = charge(capture) / capture.duration_s * 1e6
    bench.step(f"measured {measured_ua:.1f} uA, reported {reported_ua} uA")
    measure("power.reported.error", (reported_ua / measured_ua - 1) * 100)


@req("PWR-11", "PWR-17", "ACT-17")
@device_time("1 d")
@needs("supply.charge", "supply.battery", "battery")
@profile("certification", "regression")
def test_the_battery_lasts_8_years_with_the_default_configuration(unit, dm, gateway, power, bench, measure):
    """The hour in which the daily transmission falls, from which the other hours follow."""
    # The window of the default is four hours; its beginning is enough.
    unit.make_joined({"transmit_delay": 1}, volts=BATTERY_V)
    if dm.read(NbIotStatus.ECL) != 0:
        pytest.skip("the claim is for ECL 0, and the cell is received too poorly for it")
    # The report, and an update of the registration once in its lifetime.
    sessions_a_day = 1 + days / dm.registration.lifetime_s
    sleep_until(bench, "00:25")
    arrived = gateway.count
    hour = find_phases(power.capture(1 * hours))
    assert gateway.count > arrived, "no daily transmission, without a hand on the unit, from 00:30 on"
    day = daily_charge(hour, reports=sessions_a_day)
    bench.step(f"{day}; {power.battery.charge_per_day_c():.3g} C would be gone in 8 years")
    readouts = share(hour, Kind.READOUT)
    assert readouts.count, "no hourly readout"
    measure("power.readout.charge", readouts.charge_c / readouts.count * 1e3)
    measure("power.battery.life", power.battery.life_years(day.total_c))

    unit.write_settings({"transmit_interval": 60})
    arrived = gateway.count
    sleep_until(bench, "02:25")
    changed = daily_charge(find_phases(power.capture(10 * minutes)), reports=24)
    assert gateway.count > arrived, "no transmission at 02:30, as the changed interval wants it"
    bench.step(f"with a transmission an hour {changed}")
    assert day.total_c < changed.total_c, "a transmission an hour costs no more than one a day"


@req("PWR-18", "LWM2M-33906.0.3")
@device_time("12 min")
@needs("supply.charge")
@in_regression
def test_eco_mode_is_switched_and_what_it_changes_is_written_down(joined_unit, dm, power, bench):
    before = dm.read(McmConfig.ECO_MODE_ENABLED)
    for eco in (not before, before):    # as it was in the end
        dm.write(McmConfig.ECO_MODE_ENABLED, eco)
        dm.expect(McmConfig.ECO_MODE_ENABLED, eco)
        dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
        capture = power.capture(1 * minutes)
        bench.step(f"eco mode {'on' if eco else 'off'}: {charge(capture) * 1e3:.0f} mC in a minute with a transmission")


def sleep_until(bench, clock: str) -> None:
    """Let time pass until the meter's clock shows so much."""
    now = bench.clock.epoch + timedelta(seconds=bench.clock.time()) + bench.local_standard_offset
    hour, minute = map(int, clock.split(":"))
    left = now.replace(hour=hour, minute=minute, second=0, microsecond=0) - now
    bench.clock.sleep(left.total_seconds() % days)
