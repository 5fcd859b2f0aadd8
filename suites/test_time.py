"""The meter's clock, who sets it, and what setting it does to the schedule, manual 7.3.1 and 7.3.2."""

from datetime import UTC, datetime, timedelta

import pytest

from bench.analysis.clocks import difference_s
from bench.manual.paths import Device, McmConfig, NbIotStatus
from fixtures.words import beginning, days, device_time, hours, in_regression, in_short, minutes, needs, req, s

HOURLY = {"utc_offset": 0, "time_sync_source": "Manual", "message_encoding": "M-Bus", "readout_interval": 60,
          "report_interval": 60, "transmit_interval": 60, "transmit_offset": 2, "transmit_delay": 10,
          "auto_upload_order": "Oldest first", "max_uploads_per_transmission": 20, "power_saving_mode": "Disabled"}
"""Each readout comes within minutes in a telegram of its own; the DM server reaches the unit at any time."""
QUARTERLY = HOURLY | {"readout_interval": 15, "report_interval": 15, "transmit_interval": 15, "transmit_delay": 5}


@pytest.fixture
def local_time(bench):
    """Local standard time, naive, as the meter should show it."""
    return lambda: (bench.clock.utc() + bench.local_standard_offset).replace(tzinfo=None)


@pytest.fixture
def clock_is_set(history, unit, dm):
    """Set the unit's and the meter's clock to a naive local time, by one of the ways of 7.3.1; the meter follows."""
    def over_dm(shown):
        dm.write(Device.CURRENT_TIME, shown.replace(tzinfo=UTC))    # the UTC offset is 0

    def by_adjusting(shown):
        dm.write(McmConfig.ADJUST_TIME, round((shown - history.meter_time).total_seconds()))

    def over_nfc(shown):
        unit.write_settings({"synchronize_meter_time": shown})

    ways = {"DM": over_dm, "adjusting": by_adjusting, "NFC": over_nfc}

    def set_to(shown, way="DM"):
        with history.sets_time(f"by {way}"):
            ways[way](shown)
        assert abs((history.meter_time - shown).total_seconds()) < 60, \
            f"set to {shown:%H:%M} by {way}, the meter shows {history.meter_time:%H:%M}"

    return set_to


def begin_at(history, clock_is_set, hour, minute, settings=HOURLY):
    """The meter's clock at that time of tomorrow, with nothing left over from before."""
    history.begin(settings)
    tomorrow = history.meter_time.date() + timedelta(days=1)
    clock_is_set(datetime(tomorrow.year, tomorrow.month, tomorrow.day, hour, minute))  # noqa: DTZ001 - the meter's
    history.pass_time(45 * s)
    history.begin_anew(settings)
    history.may_read("the time that the test began with", within=60)    # it may wait for a window (U04)
    return history.meter_time


def on(moment, hour, minute=0, *, day=0):
    return moment.replace(hour=hour, minute=minute, second=0, microsecond=0) + timedelta(days=day)


# -- who sets the clock

in_all_seasons = beginning({
    "winter": "2027-01-14 12:00", "summer": "2027-07-15 12:00", "summer-time-begins": "2027-03-28 01:50",
    "summer-time-ends": "2028-10-29 01:50", "new-year": "2027-12-31 23:50", "leap-day": "2028-02-28 23:50"})
"""Standard time is shown in all of them."""


@req("TIME-02", "TIME-10", "OTC-T10-09")
@device_time("10 min")
@needs("meter.simulator", "meter.optical", "cell.detach")
@in_all_seasons
@in_regression
def test_network_time_sets_the_meter_to_local_standard_time(joined_unit, cell, meter, meter_simulator, bench, measure,
                                                            local_time):
    meter_simulator.set_clock(local_time() - timedelta(minutes=5))
    cell.detach()
    bench.clock.sleep(5 * minutes)
    before = local_time()
    measure("time.synchronized", difference_s(meter.read().meter_time, before, local_time()))


@req("TIME-02", "TIME-10", "OTC-T10-09")
@device_time("1 h")
@needs("meter.simulator", "meter.optical", "cell.detach")
@in_regression
def test_network_time_sets_a_meter_that_is_slow_or_fast_by_little_or_much(joined_unit, cell, meter, meter_simulator,
                                                                          bench, measure, local_time, subtests):
    for seconds in (45, -45, 240, -3500, 3700, -26 * 3600, 400 * 86_400, -33 * 86_400):
        with subtests.test(f"{seconds} s"):
            meter_simulator.set_clock(local_time() + timedelta(seconds=seconds))
            bench.clock.sleep(2 * minutes)
            cell.detach()
            bench.clock.sleep(5 * minutes)
            before = local_time()
            measure("time.synchronized", difference_s(meter.read().meter_time, before, local_time()))


@req("TIME-11", "OTC-T10-09", "LWM2M-33906.0.46")
@device_time("130 min")
@needs("meter.simulator", "meter.optical", "cell.detach")
@in_regression
def test_with_manual_time_the_network_does_not_set_the_clock(unit, cell, meter, meter_simulator, bench, measure,
                                                             local_time):
    unit.make_joined({"time_sync_source": "Manual"})
    meter_simulator.set_clock(local_time() - timedelta(minutes=10))
    for _ in range(2):
        cell.detach()
        bench.clock.sleep(1 * hours)
    before = local_time() - timedelta(minutes=10)
    measure("time.left_alone", difference_s(meter.read().meter_time, before, local_time() - timedelta(minutes=10)))


@pytest.mark.parametrize("seconds", [1, 90, 3604, 40_000, 70_001, 30 * 86_400])
@req("TIME-13", "LWM2M-33906.0.6")
@device_time("2 min")
@needs("meter.optical")
@in_regression
def test_adjust_time_moves_the_clock_by_seconds(unit, dm, meter, bench, measure, seconds):
    """Forth and back again, by little and by much: no width of a number shows."""
    unit.make_joined({"time_sync_source": "Manual", "power_saving_mode": "Disabled"})
    for adjustment in (seconds, -seconds):
        before, read_at = meter.read().meter_time, bench.clock.time()
        dm.write(McmConfig.ADJUST_TIME, adjustment)
        moved = (meter.read().meter_time - before).total_seconds() - (bench.clock.time() - read_at)
        measure("time.adjusted", moved - adjustment)


@pytest.mark.parametrize("offset", [60, -300, 345, -720, 720, -37])
@req("TIME-12", "TIME-02", "LWM2M-3.0.13")
@device_time("4 min")
@needs("meter.optical")
@in_all_seasons
@in_regression
def test_a_time_written_over_dm_is_utc_and_the_meter_shows_standard_time(unit, dm, meter, bench, measure, offset):
    """U18: 3/0/13 is UTC, the UTC offset makes local standard time of it."""
    unit.make_joined({"time_sync_source": "Manual", "power_saving_mode": "Disabled", "utc_offset": offset})
    for ahead in (timedelta(hours=1), timedelta(0)):
        sent = bench.clock.utc().replace(microsecond=0) + ahead
        dm.write(Device.CURRENT_TIME, sent)
        local = (sent + timedelta(minutes=offset)).replace(tzinfo=None)
        measure("time.synchronized", difference_s(meter.read().meter_time, local, local + timedelta(seconds=5)))
        measure("time.dm_difference", (dm.read(Device.CURRENT_TIME) - bench.clock.utc() - ahead).total_seconds())
    dm.write(Device.CURRENT_TIME, (bench.clock.utc() + bench.local_standard_offset - timedelta(minutes=offset)
                         ).replace(microsecond=0))    # the meter shows the time of its place again


@req("TIME-14", "OTC-T8-04", "TIME-02")
@device_time("3 min")
@needs("meter.optical", "meter.simulator", "settings.nfc.write")
@in_all_seasons
@in_regression
def test_a_phone_sets_the_meter_to_local_standard_time(unit, meter, meter_simulator, measure, local_time):
    unit.make_joined({"time_sync_source": "Manual"})
    meter_simulator.set_clock(local_time() - timedelta(hours=1, minutes=7))
    sent = local_time().replace(microsecond=0)
    unit.write_settings({"synchronize_meter_time": sent})
    measure("time.synchronized", difference_s(meter.read().meter_time, sent, local_time()))


@req("TIME-22")
@device_time("1 min")
@in_regression
def test_there_are_two_sources_of_time_network_and_manual(joined_unit, dm, bench):
    """A time server, which 7.3.1 names too, can't be chosen (C29)."""
    refused = [number for number in (0, 1) if dm.refusal(McmConfig.TIME_SYNC_SOURCE, number)]
    assert not refused, f"sources of time that are printed and refused: {refused}"
    assert dm.refusal(McmConfig.TIME_SYNC_SOURCE, 2).startswith("4."), "a third source of time"
    with bench.step("finding: C29: time comes from the network, the DM server or a phone; no time server can be set"):
        pass


# -- what a new time does


@pytest.mark.parametrize("way", ["DM", "adjusting", pytest.param("NFC", marks=needs("settings.nfc.write"))])
@req("TIME-15", "TIME-18", "LWM2M-33906.0.6", "LWM2M-3.0.13", "OTC-T8-04")
@device_time("3 h")
@needs("meter.optical")
@in_regression
def test_a_new_time_is_followed_by_one_readout_and_a_new_plan(history, clock_is_set, gateway, way):
    """From 10:10 to 10:50: the next readout on the hour comes ten minutes later."""
    start = begin_at(history, clock_is_set, 10, 10)
    arrived = gateway.count
    clock_is_set(on(start, 10, 50), way)
    gateway.wait_for_telegram(timeout=30 * minutes, after=arrived)    # at once, or in the window after 11:00 (U04)
    history.pass_time_until(12, 30)
    history.check()
    stamps = sorted(stamp for stamp in history.stamps if stamp > start + timedelta(minutes=5))
    assert stamps[1:] == [on(start, 11), on(start, 12)], f"readouts of {[f'{stamp:%H:%M}' for stamp in stamps]}"
    assert abs(stamps[0] - on(start, 10, 50)) <= timedelta(minutes=1), "no readout at the new time"


@req("TIME-15", "TIME-10")
@device_time("2 h")
@needs("meter.optical", "meter.simulator", "cell.detach")
@in_regression
def test_a_correction_by_the_network_is_followed_by_one_readout(history, cell, meter_simulator, local_time):
    history.begin(HOURLY | {"time_sync_source": "Network"})
    history.pass_time_until_minute(20, of=60)
    with history.sets_time("at the meter", within=5 * minutes):
        meter_simulator.set_clock(local_time() - timedelta(minutes=4))
    history.pass_time(6 * minutes)
    with history.sets_time("from the network", within=5 * minutes):
        cell.detach()
        history.pass_time(5 * minutes)
    history.pass_time(80 * minutes)
    history.check()
    assert abs((history.meter_time - local_time()).total_seconds()) < 5, "the network did not set the clock"


@req("TIME-16", "TIME-15", "TIME-17", "SCH-07")
@device_time("4 h")
@needs("meter.optical")
@in_regression
def test_a_jump_over_midnight_still_gives_a_value_and_one_back_does_no_harm(history, clock_is_set, dm):
    """From 23:58 to 00:02, and back; 00:00 is skipped first and then read."""
    start = begin_at(history, clock_is_set, 23, 50)
    booted = dm.read(NbIotStatus.UPTIME)
    history.pass_time_until(23, 57)    # a unit that sleeps hears of it a minute later
    clock_is_set(on(start, 0, 2, day=1))
    history.pass_time(25 * minutes)
    clock_is_set(on(start, 23, 58))
    history.pass_time(100 * minutes)
    history.check()
    stamps = [stamp for stamp in history.stamps if stamp >= on(start, 23, 58)]
    assert on(start, 0, 2, day=1) in stamps, "no value for what the jump went past"
    for due in (on(start, 23, 58), on(start, 0, day=1), on(start, 1, day=1)):
        assert due in stamps, f"no readout of {due:%H:%M} after the clock was set back"
    assert dm.read(NbIotStatus.UPTIME) > booted, "the unit has started anew"


@req("TIME-16", "TIME-17", "TIME-18")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize("settings", [
    pytest.param(HOURLY, id="of-an-hour", marks=device_time("10 h")),
    pytest.param(QUARTERLY, id="of-a-quarter", marks=[device_time("3 h"), in_short])])
def test_the_schedule_follows_a_clock_that_goes_back_and_forth(history, clock_is_set, settings):
    start = begin_at(history, clock_is_set, 9, 30, settings)
    for hour, minute in ((11, 10), (10, 40), (14, 59), (13, 1), (13, 0), (16, 30)):
        clock_is_set(on(start, hour, minute))
        history.pass_time(4 / 3 * settings["readout_interval"] * minutes)
    history.check()


@req("TIME-23", "TIME-15")
@device_time("25 h")
@needs("meter.optical")
@in_regression
def test_what_is_read_after_three_new_times_is_told_by_its_stamp(history, clock_is_set):
    """All that is off the grid is extra: 24 h, three new times a few minutes ahead."""
    history.begin(HOURLY)
    for _ in range(3):
        history.pass_time(7 * hours)
        history.pass_time_until_minute(25, of=60)
        clock_is_set(history.meter_time.replace(microsecond=0) + timedelta(minutes=3))
    history.pass_time(2 * hours)
    history.check()
    extra = [stamp for stamp in history.stamps if stamp.minute]
    assert [stamp.minute for stamp in extra] == [28, 28, 28], f"three are extra, {len(extra)} came off the grid"


@req("TIME-01", "SCH-02", "SCH-19")
@device_time("11 h")
@needs("meter.simulator", "meter.optical")
@in_regression
def test_a_meter_that_is_moved_by_seconds_takes_the_unit_with_it(history, bench, meter, meter_simulator, telegrams):
    """The unit keeps no time beside the meter's: readouts are on the meter's grid, stamped as it shows."""
    history.begin(HOURLY | {"readout_interval": 5, "report_interval": 5})
    for seconds in (40, 40, -50, -25, 55):
        meter_simulator.set_clock(meter.read().meter_time + timedelta(seconds=seconds))
        bench.clock.sleep(2 * minutes)
        arrived = telegrams.count
        bench.clock.sleep(125 * minutes)
        stamps = [readout.stamp for one in telegrams.arrivals(since=arrived) for readout in one.telegram.readouts]
        assert len(stamps) >= 10, f"{len(stamps)} readouts in two hours"
        beside = [f"{stamp:%H:%M}" for stamp in stamps if stamp.minute % 5]
        assert len(beside) <= 1, f"beside the grid of the meter, moved by {seconds} s: {', '.join(beside)}"


@req("TIME-24", "SCH-19", "OTC-T10-09")
@device_time("3 d")
@needs("meter.optical")
@in_regression
@pytest.mark.parametrize("outages", [0, pytest.param(2, marks=needs("cell.outage"))])
def test_the_network_brings_no_extra_readouts_where_the_clock_is_right(history, cell, measure, outages):
    """The default settings, for three days; one extra readout for each time that the network is lost."""
    history.begin({})
    begin = history.meter_time
    for _ in range(outages):
        history.pass_time(3 * hours)
        cell.off()
        history.pass_time(5 * minutes)
        cell.on()
    history.pass_time(3 * days)
    judged = history.judge()
    extra = [stamp for stamp in history.stamps if stamp.minute and stamp > begin]
    measure("time.extra_readouts_in_3_days", max(len(extra) - outages, 0))
    assert len(judged.transmissions) >= 2, "a day without a transmission"
