"""Joining and joining again: searches, pauses, outages of network and servers (manual 5.3.5, 6.2, Tables 9 to 12)."""

from datetime import timedelta
from itertools import pairwise

import pytest

from bench.analysis.backoff import RetryRules, attempts_of, deviations, outside, pauses_of, places_of
from bench.analysis.randomness import doubts
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, profile, req, s

DEFAULT_RESTARTS = "0-5,5-15,15-60,60-360,360-1440,1300-1600"
DEFAULT_SEQUENCES = "0-5,60-120,1300-1600,1300-1600,1300-1600,1300-1600"
TOLERANCE = 1 * minutes
"""A unit may count whole minutes, and its modem takes its time to start."""
LONGEST_FLASH = 0.5 * s
BETWEEN_FLASHES = 5 * s

SHORT_SEARCH = {"search_period": 30}


def searches(panel, since):
    """The searches for a network since then, as the green flashes show them."""
    flashes = [pulse for pulse in panel.green.pulses(since) if pulse.duration < LONGEST_FLASH]
    return attempts_of("network", [moment for flash in flashes for moment in (flash.start, flash.end)],
                       quiet_s=BETWEEN_FLASHES)


def after_searches(count, bench, panel, since, timeout):
    """Let time pass until that many searches are over; all of them."""
    deadline = bench.clock.time() + timeout
    while bench.clock.time() < deadline and len(searches(panel, since)) <= count:
        bench.clock.sleep(timeout / 50)
    found = searches(panel, since)[:count]
    assert len(found) == count, f"{len(found)} searches in {timeout / hours:.1f} h, expected {count}"
    return found


def wait_after_power_cut(supply, panel, bench, timeout):
    """Cut the supply for 10 s; how long (s) the unit then waits before it searches."""
    supply.output_off()
    bench.clock.sleep(10 * s)
    on = bench.clock.time()
    supply.output_on()
    return after_searches(1, bench, panel, on, timeout)[0].begin - on


def attempts_at(bench, servers, since, quiet):
    """The attempts of the unit to reach silent servers, in order."""
    found = []
    for server in servers:
        heard = [seen.time for seen in bench.timeline.select(server, "datagram", after=since, direction="in")]
        found += attempts_of(server, heard, quiet_s=quiet)
    return sorted(found, key=lambda attempt: attempt.begin)


def activate_without_network(unit, cell, bench, settings):
    """Activate a passive unit where there is no cell; when that was."""
    unit.make_passive()
    unit.write_settings(settings)
    cell.off()
    activated = bench.clock.time()
    unit.write_settings({"power_mode": "Active"})
    return activated


# -- the network


@req("ACT-08", "ACT-09", "NET-29", "OTC-T11-13", "LWM2M-33906.0.40")
@device_time("6 d")
@needs("cell.outage", "panel.leds", "nfc")
@profile("regression", "certification")
def test_failed_joins_are_repeated_with_the_default_pauses(unit, cell, panel, bench, dm):
    activated = activate_without_network(unit, cell, bench, {"search_period": 30, "restart_backoff": DEFAULT_RESTARTS})
    found = after_searches(9, bench, panel, activated, timeout=8 * days)
    # The first range begins at 0: two searches so close show as one of twice the length.
    hidden = [0.0] if found[0].end - found[0].begin > 1.5 * 30 * s else []
    assert not outside(hidden + pauses_of(found), DEFAULT_RESTARTS, TOLERANCE)
    cell.on()
    dm.wait_for_registration(1600 * minutes + 10 * minutes, after=activated)


@req("ACT-08", "NET-29", "LWM2M-33906.0.40")
@device_time("2 h")
@needs("cell.outage", "panel.leds", "nfc")
@in_regression
def test_pauses_follow_a_short_list_and_stay_at_its_last_range(unit, cell, panel, bench):
    pauses_set = "2-4,8-10,14-16"
    activated = activate_without_network(unit, cell, bench, SHORT_SEARCH | {"restart_backoff": pauses_set})
    pauses = pauses_of(after_searches(7, bench, panel, activated, timeout=3 * hours))
    assert not outside(pauses, pauses_set, TOLERANCE)


@req("NET-29", "ACT-09")
@device_time("26 h")
@needs("cell.outage", "panel.leds", "nfc")
@in_regression
def test_pauses_are_random_in_their_range(unit, cell, panel, bench):
    pauses_set = "10-110"
    activated = activate_without_network(unit, cell, bench, {"search_period": 10, "restart_backoff": pauses_set})
    pauses = pauses_of(after_searches(25, bench, panel, activated, timeout=60 * hours))
    assert not outside(pauses, pauses_set, TOLERANCE)
    assert not doubts(places_of(pauses, pauses_set), slack=0.01)


@req("NET-29", "ACT-08")
@device_time("2 h")
@needs("cell.outage", "panel.leds", "nfc")
@in_regression
def test_after_an_outage_the_pauses_begin_with_the_first_range_again(unit, cell, panel, bench, dm):
    pauses_set = "2-4,8-10,14-16"
    unit.make_joined(SHORT_SEARCH | {"restart_backoff": pauses_set})
    for _ in range(2):
        lost = bench.clock.time()
        cell.off()
        found = after_searches(4, bench, panel, lost, timeout=2 * hours)
        assert not outside(pauses_of(found), pauses_set, TOLERANCE)
        back = bench.clock.time()
        cell.on()
        dm.wait_for_registration(20 * minutes, after=back)


@req("ACT-10", "BTN-09", "NET-20")
@device_time("1 h")
@needs("cell.outage", "panel.leds", "panel.button", "nfc")
@in_regression
@pytest.mark.parametrize("how", ["button", "NFC"])
def test_a_new_join_cycle_begins_at_once(unit, cell, panel, bench, measure, how):
    pauses_set = "1-2,40-45"
    activated = activate_without_network(unit, cell, bench, SHORT_SEARCH | {"restart_backoff": pauses_set})
    after_searches(2, bench, panel, activated, timeout=10 * minutes)
    bench.clock.sleep(2 * minutes)    # in the long pause now
    assert len(searches(panel, activated)) == 2
    if how == "button":
        _, asked = unit.press_button(6 * s)
    else:
        unit.write_settings({"power_mode": "Passive"})
        asked = bench.clock.time()
        unit.write_settings({"power_mode": "Active"})
    found = after_searches(2, bench, panel, asked, timeout=10 * minutes)
    measure("joining.new_cycle", found[0].begin - asked)
    assert not outside(pauses_of(found), pauses_set, TOLERANCE), "the new cycle did not begin with the first range"


@req("NET-20", "OTC-T10-11", "LWM2M-33906.0.39")
@device_time("1 h")
@needs("cell.outage", "panel.leds", "nfc")
@in_regression
@pytest.mark.parametrize("period", [120, 1800], ids=lambda period: f"{period} s")
def test_a_search_ends_with_the_search_period(unit, cell, panel, bench, measure, period):
    activated = activate_without_network(unit, cell, bench, {"search_period": period, "restart_backoff": "20-25"})
    bench.clock.sleep(period + 15 * minutes)
    found = searches(panel, activated)
    assert len(found) == 1, "no pause after a search without success"
    measure("joining.search.excess", found[0].end - found[0].begin - period)


@req("OTC-T10-11")
@device_time("7 h")
@needs("cell.outage", "panel.leds")
@profile("certification")
def test_a_search_lasts_six_hours_at_most_by_default(passive_unit, cell, panel, bench, measure):
    activated = activate_without_network(passive_unit, cell, bench, {"restart_backoff": "20-25"})
    bench.clock.sleep(21600 + 15 * minutes)
    found = searches(panel, activated)
    assert len(found) == 1, "no pause after a search without success"
    measure("joining.search.excess", found[0].end - found[0].begin - 21600)


@req("NET-19", "PWR-14", "OTC-T10-10", "LWM2M-33906.0.38")
@device_time("2 h")
@needs("supply.voltage", "panel.leds", "nfc", "cell.outage")
@in_regression
def test_after_a_power_cut_the_unit_waits_at_random_up_to_the_brown_out_delay(
        unit, supply, cell, panel, bench, measure):
    delay = 300 * s
    unit.make_joined({"brown_out_delay": int(delay), "search_period": 10, "restart_backoff": "1300-1600"})
    cell.off()
    waits = [wait_after_power_cut(supply, panel, bench, timeout=delay + 2 * minutes) for _ in range(16)]
    measure("joining.brown_out.latest", max(waits))
    assert not doubts([min(wait / delay, 1.0) for wait in waits], slack=0.05)
    unit.write_settings({"brown_out_delay": 0})
    measure("joining.brown_out.none", wait_after_power_cut(supply, panel, bench, timeout=2 * minutes))


@req("NET-19", "OTC-T10-10")
@device_time("7 h")
@needs("supply.voltage", "panel.leds", "nfc", "cell.outage")
@profile("certification")
def test_the_default_brown_out_delay_is_six_hours_at_most(unit, supply, cell, panel, bench):
    unit.make_joined({"brown_out_delay": 21600, "search_period": 10, "restart_backoff": "1300-1600"})
    cell.off()
    wait_after_power_cut(supply, panel, bench, timeout=21600 * s + 2 * minutes)


# -- device management and bootstrap servers


@req("NET-21", "OTC-T9-04", "OTC-T9-05")
@device_time("5 h")
@needs("nfc", "panel.button")
@in_regression
@pytest.mark.parametrize("restarted", [False, True], ids=["at work", "restarted"])
def test_meter_data_go_on_without_device_management(unit, bench, dm, bootstrap, gateway, measure, restarted):
    unit.make_joined({"readout_interval": 60, "transmit_interval": 60, "transmit_offset": 5, "transmit_delay": 10,
                      "coap_ack_timeout": 20, "communication_retry_delay": 60, "sequence_retry_delay": 120,
                      "sequence_backoff": "5-6"})
    began = gateway.count
    with dm.silent(), bootstrap.silent():
        if restarted:
            unit.press_button(6 * s)
        bench.clock.sleep(4 * hours)
    stamps = {readout.time for arrival in gateway.arrivals(since=began) for readout in arrival.telegram.readouts}
    hourly = sorted(stamp for stamp in stamps if stamp.minute == 0)
    assert len(hourly) >= 3, "meter data stopped with device management"
    assert all(later - earlier == timedelta(hours=1) for earlier, later in pairwise(hourly))
    back = bench.clock.time()
    if restarted:
        measure("joining.dm.recovered", dm.wait_for_registration(1 * hours, after=back).registered_at - back)


@req("NET-23", "NET-24", "OTC-T9-04", "OTC-T9-05", "LWM2M-33906.0.30", "LWM2M-33906.0.31")
@device_time("20 min")
@needs("panel.button")
@in_regression
def test_a_request_without_answer_is_repeated_once_after_a_minute_by_default(joined_unit, bench, dm, measure):
    with dm.silent():
        _, released = joined_unit.press_button(6 * s)
        bench.clock.sleep(15 * minutes)
    heard = [seen.time for seen in bench.timeline.select("dm", "datagram", after=released, direction="in")]
    assert len(heard) == 2, f"{len(heard)} datagrams: one and a repetition"
    measure("joining.coap.first_repetition", heard[1] - heard[0])


@req("NET-24", "NET-23", "OTC-T9-04", "OTC-T9-05", "LWM2M-33906.0.30", "LWM2M-33906.0.31")
@device_time("15 min")
@needs("panel.button", "nfc")
@in_regression
def test_repetitions_of_a_request_follow_their_settings(unit, bench, dm):
    unit.make_joined({"coap_ack_timeout": 10, "coap_max_retransmit": 3})
    with dm.silent():
        _, released = unit.press_button(6 * s)
        bench.clock.sleep(10 * minutes)
    heard = [seen.time for seen in bench.timeline.select("dm", "datagram", after=released, direction="in")]
    assert len(heard) == 4, f"{len(heard)} datagrams: one and three repetitions"
    for doubled, gap in enumerate(later - earlier for earlier, later in pairwise(heard)):    # RFC 7252, 4.2
        assert 10 * 2**doubled - 5 <= gap <= 15 * 2**doubled + 5, f"repetition {doubled + 1} after {gap:.0f} s"


@req("NET-26", "NET-27", "NET-28", "NET-43", "OTC-T9-08", "OTC-T9-09", "OTC-T9-10", "OTC-T9-11", "OTC-T9-12",
     "LWM2M-33906.0.34", "LWM2M-33906.0.35", "LWM2M-33906.0.36", "LWM2M-33906.0.37", "LWM2M-33906.0.42")
@device_time("6 h")
@needs("panel.button", "nfc")
@in_regression
@pytest.mark.parametrize("count", [1, 3])
def test_silent_servers_are_tried_in_sequences_with_growing_pauses(unit, bench, dm, bootstrap, count):
    rules = RetryRules(count, 180, 2, 420, "10-14,20-24,40-45")
    unit.make_joined(SHORT_CONTACT | as_settings(rules))
    with dm.silent(), bootstrap.silent():
        _, released = unit.press_button(6 * s)
        bench.clock.sleep(6 * hours)
        tried = attempts_at(bench, ("dm", "bootstrap"), released, quiet=1 * minutes)
    assert not deviations(tried, rules, TOLERANCE)
    assert {attempt.target for attempt in tried} == {"dm", "bootstrap"}
    dm.wait_for_registration(2 * hours, after=bench.clock.time())


@req("NET-28", "NET-43", "OTC-T9-12", "LWM2M-33906.0.42")
@device_time("6 d")
@needs("panel.button", "nfc")
@profile("regression", "certification")
def test_the_pauses_between_sequences_follow_the_default_list(unit, bench, dm, bootstrap):
    rules = RetryRules(1, 1200, 2, 600, DEFAULT_SEQUENCES)
    unit.make_joined(SHORT_CONTACT | as_settings(rules))
    with dm.silent(), bootstrap.silent():
        _, released = unit.press_button(6 * s)
        bench.clock.sleep(7 * days)
    tried = attempts_at(bench, ("dm", "bootstrap"), released, quiet=1 * minutes)
    assert not deviations(tried, rules, TOLERANCE)
    assert sum(pause > 20 * hours for pause in pauses_of(tried)) >= 4


@req("NET-26", "NET-27", "OTC-T9-08", "OTC-T9-09", "OTC-T9-10", "OTC-T9-11")
@device_time("5 d")
@needs("panel.button", "nfc")
@profile("regression", "certification")
def test_the_default_retries_are_an_hour_and_a_day_apart(unit, bench, dm, bootstrap):
    rules = RetryRules(1, 3600, 2, 86400, "10-14")
    unit.make_joined(SHORT_CONTACT | {"sequence_backoff": rules.backoff})
    with dm.silent(), bootstrap.silent():
        _, released = unit.press_button(6 * s)
        bench.clock.sleep(5 * days)
    tried = attempts_at(bench, ("dm", "bootstrap"), released, quiet=1 * minutes)
    assert len(tried) >= 6
    assert not deviations(tried, rules, 5 * minutes)


SHORT_CONTACT = {"coap_ack_timeout": 5, "coap_max_retransmit": 1}


def as_settings(rules):
    return {"communication_retry_count": rules.retry_count, "communication_retry_delay": int(rules.retry_delay_s),
            "sequence_retry_count": rules.sequence_count, "sequence_retry_delay": int(rules.sequence_delay_s),
            "sequence_backoff": rules.backoff}


# -- the meter data server


@req("NET-30", "NET-34", "RETX-01", "OTC-T12-05", "LWM2M-33906.0.41", "LWM2M-33906.0.47")
@device_time("4 h")
@needs("nfc")
@in_regression
def test_a_broken_connection_to_the_gateway_is_taken_up_again_with_growing_pauses(unit, bench, dm, gateway):
    pauses_set = "6-8,15-18,30-35"
    unit.make_joined({"reconnect_backoff": pauses_set, "mdm_communication_timeout": 10,
                      "mdm_communication_attempts": 2, "readout_interval": 60, "transmit_interval": 60,
                      "transmit_offset": 1, "transmit_delay": 2, "auto_upload_order": "Oldest first"})
    dm.write("/33906/0/47", 1)
    began, lost = gateway.count, bench.clock.time()
    with gateway.silent():
        bench.clock.sleep(4 * hours)
        heard = [seen.time for seen in bench.timeline.select("mdm", "datagram", after=lost, direction="in")]
    tried = attempts_of("gateway", heard, quiet_s=1 * minutes)
    assert len(tried) >= 5
    assert not outside(pauses_of(tried), pauses_set, TOLERANCE)
    back = bench.clock.time()
    gateway.wait_for_telegram(2 * hours, after=began)
    bench.clock.sleep(2 * hours)
    stamps = [readout.time for arrival in gateway.arrivals(since=began) for readout in arrival.telegram.readouts]
    assert len(stamps) == len(set(stamps)), "a readout was sent twice"
    assert len([stamp for stamp in stamps if stamp.minute == 0]) >= 4, f"readouts of the outage are missing at {back}"
