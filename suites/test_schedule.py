"""Readouts and transmissions on their schedules, manual 7.3."""

from contextlib import suppress
from datetime import timedelta
from itertools import pairwise, permutations

import pytest

from bench.analysis.current_phases import Kind, find_phases, share
from bench.analysis.randomness import FALSE_ALARMS, chance_of_coincidences, doubts
from bench.analysis.schedule import transmissions
from bench.manual.paths import McmConfig
from fixtures.outcomes import DmRefused, Status
from fixtures.words import (
    beginning,
    days,
    device_time,
    everywhere,
    hours,
    in_regression,
    in_short,
    minutes,
    needs,
    req,
    s,
)

EVERY = {"time_sync_source": "Manual", "power_saving_mode": "Disabled", "max_uploads_per_transmission": 255}
"""No readouts for a synchronisation, the DM server reaches the unit, and no readout is left behind."""


@req("SCH-01", "SCH-02", "SCH-09", "SCH-19", "SCH-20", "PAY-SENML-28", "PAY-SENML-05")
@device_time("8 d")
@in_regression
def test_seven_days_of_the_default_schedule(unit, gateway, bench, measure):
    unit.make_joined()
    bench.sleep_until_hour(6)    # after the window of the day, and before that of the next
    first = gateway.count
    bench.clock.sleep(7 * days)
    arrivals = gateway.arrivals(since=first)
    bursts = transmissions(arrival.time for arrival in arrivals)
    assert len(bursts) == 7, "one transmission a day"

    stamps = [readout.time for arrival in arrivals for readout in arrival.telegram.readouts]
    on_the_hour = sorted(stamp for stamp in stamps if stamp.minute == 0)
    assert len(stamps) == len(set(stamps)), "a readout was sent twice"
    assert {later - earlier for earlier, later in pairwise(on_the_hour)} == {timedelta(hours=1)}, \
        "an hourly readout is missing"
    assert len(on_the_hour) >= 6 * 24, "not seven days of readouts"

    planned = bench.clock.epoch.replace(hour=0, minute=0) - bench.local_standard_offset    # a midnight of the meter
    delays = [(bench.clock.epoch + timedelta(seconds=burst[0]) - planned).total_seconds() / 60 % 1440
              for burst in bursts]
    measure("schedule.earliest", min(delays))
    measure("schedule.latest", max(delays))


@req("SCH-22", "LWM2M-33906.0.10")
@device_time("1 min")
@everywhere
def test_a_readout_can_be_triggered_over_dm(joined_unit, dm, gateway, bench, measure):
    arrived, asked = gateway.count, bench.clock.time()
    dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
    measure("schedule.trigger", gateway.wait_for_telegram(timeout=15 * minutes, after=arrived).time - asked)


@req("SCH-24", "SCH-04", "OTC-T11-03", "OTC-T11-05")
@device_time("12 min")
@everywhere
def test_new_intervals_take_effect_without_a_reboot(joined_unit, gateway, panel, bench):
    changed = bench.clock.time()
    joined_unit.write_settings({"readout_interval": 5, "report_interval": 5, "transmit_interval": 5,
                                "transmit_offset": 1, "transmit_delay": 1})
    arrived = gateway.count
    arrival = gateway.wait_for_telegram(timeout=5 * minutes + 2 * minutes + 60 * s, after=arrived)
    assert arrival.telegram.newest.time.minute % 5 == 0, "the readout is not on the grid of five minutes"
    assert not panel.red.pulses(since=changed), "the unit started up"


@req("RETX-02")
@device_time("15 min")
@needs("cell.outage", "meter.optical")
@everywhere
def test_what_an_outage_held_back_is_sent_at_a_later_transmission(ways, way, cell, telegrams, meter, bench):
    ways.join(way, {"readout_interval": 5, "report_interval": 5, "transmit_interval": 5, "transmit_offset": 1,
                    "transmit_delay": 1})
    cell.off()
    now = meter.read().meter_time
    missed = now.replace(second=0) + timedelta(minutes=5 - now.minute % 5)
    arrived = telegrams.count
    bench.clock.sleep((missed - now).total_seconds() + 2.5 * minutes)    # beyond its transmission window
    assert telegrams.count == arrived, "a telegram without a network"
    cell.on()
    telegrams.wait_for_readout(missed - timedelta(minutes=way.utc_offset), timeout=11 * minutes)


# -- on which moments


@pytest.mark.parametrize(("interval", "transmit", "hours_passed"), [
    pytest.param(60, 60, 6, id="60-min", marks=[req("SCH-02"), device_time("7 h")]),
    pytest.param(120, 60, 8, id="120-min", marks=[req("SCH-03"), device_time("9 h")]),
    pytest.param(5, 5, 3, id="5-min", marks=[req("SCH-04", "SCH-26", "OTC-T11-05"), device_time("4 h")]),
    pytest.param(50, 100, 30, id="50-min", marks=[req("SCH-07"), device_time("31 h")]),
    pytest.param(100, 50, 30, id="100-min", marks=[req("SCH-07"), device_time("31 h")]),
    pytest.param(1440, 1440, 60, id="a-day", marks=[req("SCH-05", "SCH-26", "OTC-T11-05"), device_time("61 h")])])
@req("SCH-07", "SCH-08", "SCH-25", "OTC-T11-03", "LWM2M-33906.0.0", "LWM2M-33906.0.18")
@needs("meter.optical")
@in_regression
def test_readouts_and_transmissions_are_on_the_grid_from_midnight(history, way, interval, transmit, hours_passed):
    history.begin(EVERY | {"readout_interval": interval, "report_interval": interval, "transmit_interval": transmit,
                           "transmit_offset": 1, "transmit_delay": 2}, way)
    history.pass_time(hours_passed * hours)
    history.check()
    moments = [stamp.hour * 60 + stamp.minute for stamp in history.stamps]
    assert len(moments) >= hours_passed * 60 / interval - 1, "readouts are missing"
    assert all(moment % interval == 0 for moment in moments), "a readout is not on the grid from 00:00"


@beginning({
    "new-year": "2026-12-31 19:20", "another-new-year": "2027-12-31 19:20", "end-of-february": "2027-02-28 19:20",
    "leap-day": "2028-02-28 19:20", "after-leap-day": "2028-02-29 19:20", "summer-time-begins": "2027-03-27 19:20",
    "summer-time-ends": "2027-10-30 19:20", "first-of-a-month": "2027-08-31 19:20", "spring": "2028-04-30 19:20"})
@req("SCH-07", "SCH-08", "SCH-23", "RETX-02", "RETX-18", "TIME-09", "TIME-19", "STO-04")
@device_time("16 h")
@needs("meter.optical", "cell.outage")
@in_regression
def test_the_schedule_goes_over_an_edge_of_the_calendar_with_and_without_a_network(history, way):
    """Without one from nine to a quarter past midnight, and with one from then on, over the hours of summer time."""
    history.begin(EVERY | {"readout_interval": 30, "report_interval": 30, "transmit_interval": 60, "transmit_offset": 5,
                           "transmit_delay": 20, "auto_upload_order": "Oldest first", "search_period": 60,
                           "restart_backoff": "5-5"}, way)
    history.pass_time_until(21)
    history.lose_network(3.25 * hours)
    history.pass_time(11 * hours)
    history.check()
    moments = {stamp.hour * 60 + stamp.minute for stamp in history.stamps}
    missing = set(range(0, 24 * 60, 30)) - set(range(10 * 60, 21 * 60, 30)) - moments
    assert not missing, f"no readout at {sorted(missing)} min of the day"


@req("SCH-08", "SCH-09", "SCH-10", "SCH-11", "SCH-25", "SCH-02", "OTC-T11-06", "OTC-T11-07", "LWM2M-33906.0.19",
     "LWM2M-33906.0.20")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize(("interval", "offset", "delay"), [
    pytest.param(60, 15, 30, id="as-written", marks=device_time("49 h")),
    pytest.param(10, 2, 7, id="one-to-six", marks=[device_time("9 h"), in_short])])
def test_48_transmissions_are_spread_at_random_over_their_window(history, way, measure, interval, offset, delay):
    """A healthy unit fails it in less than one of a million runs."""
    history.begin(EVERY | {"readout_interval": interval, "report_interval": interval, "transmit_interval": interval,
                           "transmit_offset": offset, "transmit_delay": delay}, way)
    history.pass_time(48 * interval * minutes)
    history.check()
    places = history.places()
    assert len(places) >= 47, f"48 transmissions are due, and {len(places)} came"
    if interval == 60:
        measure("schedule.window.first", min(places) * delay + offset)
        measure("schedule.window.last", max(places) * delay + offset)
    # A minute of the window: a unit may choose whole minutes, and a telegram takes its time.
    assert not doubts(places, slack=1 / delay), "; ".join(doubts(places, slack=1 / delay))


@req("SCH-08", "SCH-09", "SCH-10", "SCH-11", "OTC-T11-06", "OTC-T11-07")
@device_time("12 d")
@needs("meter.optical")
@in_regression
def test_a_long_offset_and_delay_are_kept_to(history, way):
    """Both beyond eight bits: from 5 h to 11 h 40 min after midnight and noon."""
    history.begin(EVERY | {"readout_interval": 120, "report_interval": 120, "transmit_interval": 720,
                           "transmit_offset": 300, "transmit_delay": 400}, way)
    history.pass_time(12 * days)
    history.check()
    found = doubts(history.places(), slack=1 / 400)
    assert not found, "; ".join(found)


@req("SCH-09", "SCH-10")
@device_time("13 h")
@needs("settings.nfc.write")
@in_regression
def test_what_is_planned_anew_before_the_offset_waits_for_it(unit, gateway, bench):
    """New settings between the planned moment and its offset. Whether they count in this hour is not printed."""
    unit.make_joined(EVERY | {"readout_interval": 60, "report_interval": 60, "transmit_interval": 60,
                              "transmit_offset": 30, "transmit_delay": 10})
    for delay in (11, 12, 13, 14, 15, 16):
        now = bench.local_standard_time
        bench.clock.sleep((5 - now.minute) % 60 * minutes + 60 * minutes)
        count = gateway.count
        unit.write_settings({"transmit_delay": delay})
        bench.clock.sleep(22 * minutes)
        assert gateway.count == count, "a transmission came between the planned moment and the offset"
        gateway.wait_for_telegram(timeout=80 * minutes, after=count)


@req("SCH-12", "SCH-11")
@device_time("3 h")
@needs("meter.optical", "panel.button")
@in_regression
def test_after_a_restart_the_moments_are_others(history, unit, way):
    """A unit that draws the same moments after each start would have them in common with all others."""
    settings = EVERY | {"readout_interval": 5, "report_interval": 5, "transmit_interval": 5, "transmit_offset": 1,
                        "transmit_delay": 4}
    series = []
    for _ in range(2):
        history.begin(settings, way)
        history.pass_time(1 * hours)
        history.check()
        series.append(history.places())
        unit.press_button(6 * s)
        history.pass_time(10 * minutes)
    for shift in (-1, 0, 1):    # the first one may fall before the observation
        one, other = series[0][max(shift, 0):], series[1][max(-shift, 0):]
        assert chance_of_coincidences(one, other, tolerance=5 / 240) > FALSE_ALARMS, \
            "after a restart the unit transmits at the same moments again"


@pytest.mark.parametrize("how", [pytest.param("NFC", marks=[req("SCH-13"), needs("settings.nfc.write")]),
                                 pytest.param("DM", marks=req("SCH-14"))])
@pytest.mark.parametrize(("interval", "first", "then"), [
    pytest.param(60, 50, 10, id="of-an-hour", marks=device_time("13 h")),
    pytest.param(15, 11, 5, id="of-a-quarter", marks=[device_time("4 h"), in_short])])
@req("OTC-T11-06", "OTC-T11-07", "LWM2M-33906.0.19", "LWM2M-33906.0.20")
@needs("meter.optical")
@in_regression
def test_offset_and_delay_move_the_window_by_minutes(history, unit, dm, way, how, interval, first, then):
    """A window of two minutes, first from 50 on, then from 10 on: seconds would be found out (C01)."""
    settings = EVERY | {"readout_interval": interval, "report_interval": interval, "transmit_interval": interval}
    for offset in (first, then):
        change = {"transmit_offset": offset, "transmit_delay": 2}
        if how == "NFC" or offset == first:
            history.begin(settings | change, way)
            dm.expect(McmConfig.METER_TRANSMIT_OFFSET, offset)
            dm.expect(McmConfig.METER_TRANSMIT_DELAY, 2)
        else:
            dm.write(McmConfig.INSTANCE, {19: offset, 20: 2})
            unit.expect_settings({"transmit_offset": offset, "transmit_delay": 2}, "written over DM")
            history.begin_anew(way.settings | settings | change)
        history.pass_time(6 * interval * minutes)
        count = len(history.check().transmissions)
        assert count >= 5, f"six transmissions are due, and {count} came"


@pytest.mark.parametrize(("key", "path"), [("readout_interval", McmConfig.METER_READOUT_INTERVAL),
                                           ("report_interval", McmConfig.METER_REPORT_INTERVAL),
                                           ("transmit_interval", McmConfig.METER_TRANSMIT_INTERVAL)])
@req("SCH-06", "DM-04")
@device_time("2 min")
@in_regression
def test_an_interval_outside_5_to_1440_is_refused(joined_unit, dm, key, path):
    before = dm.read(path)
    for beyond in (0, 4, 1441, -1, 65536):
        assert dm.refusal(path, beyond).startswith("4."), f"{beyond} was not refused over DM"
        if 0 <= beyond <= 65535:
            assert joined_unit.try_settings({key: beyond}).status is Status.RANGE, f"{beyond} was not refused"
        dm.expect(path, before, f"the refused {beyond} changed the value")


@req("SCH-21", "OTC-T11-04", "LWM2M-33906.0.17")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize(("interval", "delay"), [
    pytest.param(60, 20, id="of-an-hour", marks=device_time("6 h")),
    pytest.param(15, 5, id="of-a-quarter", marks=[device_time("100 min"), in_short])])
def test_the_report_interval_chooses_among_the_readouts(history, way, readings, interval, delay):
    """What the two intervals are for is unclear (C22)."""
    history.begin(EVERY | {"readout_interval": 5, "report_interval": interval, "transmit_interval": interval,
                           "transmit_offset": 5, "transmit_delay": delay}, way)
    history.pass_time(5 * interval * minutes)
    history.check()
    minutes_sent, chosen = {stamp.minute for stamp in history.stamps}, set(range(0, 60, interval))
    assert minutes_sent in (chosen, set(range(0, 60, 5))), f"readouts of the minutes {sorted(minutes_sent)} are sent"
    readings.takes("C22", "spaces what is sent" if minutes_sent == chosen else "without effect")


@pytest.mark.parametrize("retries", [0, 1, 4])
@req("SCH-27", "LWM2M-33906.0.43")
@device_time("25 min")
@needs("meter.simulator", "meter.optical", "supply.charge")
@in_regression
def test_a_silent_meter_is_not_asked_more_often_than_is_set(unit, power, meter_simulator, history, retries):
    """Each attempt draws a little current."""
    unit.make_joined({"readout_interval": 5, "report_interval": 5, "max_meter_retries": retries, "t3324_timer": 10})
    history.begin_anew({"readout_interval": 5})
    history.pass_time_until_minute(4.5, of=5)
    meter_simulator.disconnect()
    attempts = share(find_phases(power.capture(90 * s, period=0.01 * s)), Kind.READOUT).count
    meter_simulator.connect()
    assert 1 <= attempts <= 1 + retries, f"{attempts} attempts to read the meter, {retries} retries are set"


@pytest.mark.parametrize(("retries", "comes"), [(0, False), (255, True)])
@req("SCH-27", "SCH-28", "LWM2M-33906.0.43")
@device_time("25 min")
@needs("meter.simulator", "meter.optical")
@in_regression
def test_a_meter_that_is_silent_for_a_minute_is_read_again_as_often_as_is_set(
        history, way, meter_simulator, bench, retries, comes):
    """Between the retries is a time that is not printed; 255 of them last for more than a minute."""
    history.begin(EVERY | {"readout_interval": 5, "report_interval": 5, "transmit_interval": 5, "transmit_offset": 1,
                           "transmit_delay": 2, "max_meter_retries": retries}, way)
    silent = history.pass_time_until_minute(4, of=5)
    meter_simulator.disconnect()
    bench.clock.sleep(2 * minutes)
    meter_simulator.connect()
    bench.clock.sleep(14 * minutes)
    stamps = history.stamps
    missed = silent.replace(second=0, microsecond=0) + timedelta(minutes=1)
    late = [stamp for stamp in stamps if missed <= stamp < missed + timedelta(minutes=4)]
    assert bool(late) is comes, f"with {retries} retries the readout of {missed:%H:%M} " + (
        "was not made when the meter was back" if comes else "came, though the meter was silent")
    assert missed + timedelta(minutes=5) in stamps, "the readouts have ended"


@pytest.mark.parametrize("interval", [10, 60, 240])
@req("SCH-17", "LWM2M-33906.0.19", "LWM2M-33906.0.20")
@device_time("1 min")
@in_regression
def test_a_transmit_interval_that_becomes_too_short_sets_offset_and_delay(joined_unit, dm, interval):
    dm.write(McmConfig.INSTANCE, {18: 1440, 19: 30, 20: 240})
    dm.write(McmConfig.METER_TRANSMIT_INTERVAL, interval)
    found = (dm.read(McmConfig.METER_TRANSMIT_OFFSET), dm.read(McmConfig.METER_TRANSMIT_DELAY))
    assert found == (0, interval), f"offset and delay are {found} with an interval of {interval} min"


@req("SCH-18", "SCH-16", "SCH-17", "LWM2M-33906.0.19", "LWM2M-33906.0.20")
@device_time("3 min")
@in_regression
def test_interval_offset_and_delay_are_consistent_in_whatever_order_they_are_written(joined_unit, dm):
    def stored():
        return tuple(dm.read(f"/33906/0/{number}") for number in target)

    before, target = {18: 1440, 19: 30, 20: 240}, {18: 60, 19: 15, 20: 45}
    for order in permutations(target):
        dm.write(McmConfig.INSTANCE, before)
        dm.write(McmConfig.INSTANCE, {number: target[number] for number in order})
        assert stored() == tuple(target.values()), f"written at once in the order {order}"
        dm.write(McmConfig.INSTANCE, before)
        for number in order:
            with suppress(DmRefused):    # by the rule, as the others stand at that time
                dm.write(f"/33906/0/{number}", target[number])
            interval, offset, delay = stored()
            assert offset + delay <= interval, f"{interval}/{offset}/{delay} after {number} in the order {order}"
    for number in (19, 20):    # the delay reaches to the end of the interval
        dm.write(McmConfig.INSTANCE, target)
        with suppress(DmRefused):
            dm.write(f"/33906/0/{number}", target[number] + 1)
        interval, offset, delay = stored()
        assert offset + delay <= interval, f"{interval}/{offset}/{delay} after a minute more in {number}"
