"""Readouts and transmissions on their schedules, manual 7.3."""

from datetime import timedelta
from itertools import pairwise

from bench.analysis.schedule import transmissions
from fixtures.words import days, device_time, everywhere, in_regression, minutes, needs, req, s


@req("SCH-01", "SCH-02", "SCH-09", "SCH-19", "SCH-20", "PAY-SENML-28", "PAY-SENML-05")
@device_time("7 d")
@in_regression
def test_seven_days_of_the_default_schedule(unit, gateway, bench, measure):
    unit.make_joined()
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
    dm.execute("/33906/0/10")
    measure("schedule.trigger", gateway.wait_for_telegram(timeout=15 * minutes, after=arrived).time - asked)


@req("SCH-24", "SCH-04", "OTC-T11-03", "OTC-T11-05")
@device_time("12 min")
@needs("nfc")
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
@needs("cell.outage", "nfc", "meter.optical")
@everywhere
def test_what_an_outage_held_back_is_sent_at_a_later_transmission(unit, cell, gateway, meter, bench):
    unit.make_joined({"readout_interval": 5, "report_interval": 5, "transmit_interval": 5, "transmit_offset": 1,
                      "transmit_delay": 1, "utc_offset": 0})
    cell.off()
    now = meter.read().meter_time
    missed = now.replace(second=0) + timedelta(minutes=5 - now.minute % 5)
    arrived = gateway.count
    bench.clock.sleep((missed - now).total_seconds() + 2.5 * minutes)    # beyond its transmission window
    assert gateway.count == arrived, "a telegram without a network"
    cell.on()
    gateway.wait_for_readout(missed, timeout=11 * minutes)
