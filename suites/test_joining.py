"""Joining and joining again: searches, pauses, outages of network and servers (manual 5.3.5, 6.2, Tables 9 to 12)."""

from datetime import timedelta
from itertools import dropwhile, pairwise

import pytest

from bench.analysis.backoff import RetryRules, attempts_of, deviations, outside, pauses_of, places_of
from bench.analysis.current_phases import listening
from bench.analysis.randomness import doubts
from bench.manual.paths import Device, McmConfig, MdmServer
from fixtures.outcomes import CellState, NetworkEvent
from fixtures.radio import ONE_SEARCH, REFUSED
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, profile, req, s

DEFAULT_RESTARTS = "0-5,5-15,15-60,60-360,360-1440,1300-1600"
DEFAULT_SEQUENCES = "0-5,60-120,1300-1600,1300-1600,1300-1600,1300-1600"
TOLERANCE = 1 * minutes
"""A unit may count whole minutes, and its modem takes its time to start."""
SHORT_SEARCH = {"search_period": 30}
GOODBYE = 1 * minutes
"""A unit that is switched off may take so long to leave: nothing is printed."""


def drawn(capture):
    """The searches that the supply current shows while there is no network."""
    return attempts_of("network", listening(capture), quiet_s=ONE_SEARCH)


def after_searches(count, bench, radio, since, timeout):
    """Let time pass until the network has refused the unit in so many searches; all of them."""
    deadline = bench.clock.time() + timeout
    while bench.clock.time() < deadline and len(radio.searches(since)) <= count:
        bench.clock.sleep(timeout / 50)
    found = radio.searches(since)[:count]
    assert len(found) == count, f"{len(found)} searches in {timeout / hours:.1f} h, expected {count}"
    return found


def activate_refused(unit, settings):
    """Activate a passive unit that the network refuses; when that was."""
    unit.make_passive(REFUSED | settings)
    return unit.activate()


def power_cut(bench, supply, unit, for_s):
    """When the supply was back."""
    supply.output_off()
    bench.clock.sleep(for_s)
    back = bench.clock.time()
    unit.power_up()
    return back


def attempts_at(bench, servers, since, quiet):
    """The attempts of the unit to reach silent servers, in order."""
    found = []
    for server in servers:
        heard = [seen.time for seen in bench.seen(server, "datagram", after=since, direction="in")]
        found += attempts_of(server, heard, quiet_s=quiet)
    return sorted(found, key=lambda attempt: attempt.begin)


# -- the network


@req("ACT-08", "ACT-09", "NET-29", "OTC-T11-13", "LWM2M-33906.0.40")
@device_time("6 d")
@needs("cell.nas", "settings.nfc.write")
@profile("regression", "certification")
def test_failed_joins_are_repeated_with_the_default_pauses(unit, radio, bench, dm):
    activated = activate_refused(unit, SHORT_SEARCH | {"restart_backoff": DEFAULT_RESTARTS})
    found = after_searches(9, bench, radio, activated, timeout=8 * days)
    # The first range begins at 0: two searches so close show as one. A first pause of about 5 min may be of either.
    may_hide = found[0].end - found[0].begin > ONE_SEARCH or found[1].begin - found[0].end > 5 * minutes
    seen = pauses_of(found)
    wrong = min((outside(pauses, DEFAULT_RESTARTS, TOLERANCE) for pauses in [seen, [0.0, *seen]][:1 + may_hide]),
                key=len)
    assert not wrong, "; ".join(wrong)
    unit.write_settings({"apn_mode": "Auto"})
    dm.wait_for_registration(1600 * minutes + 10 * minutes, after=activated)


@req("ACT-08", "NET-29", "LWM2M-33906.0.40")
@device_time("3 h")
@needs("cell.nas", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize("pauses_set", ["2-4,8-10,14-16", "1-2,3-4,5-6,7-8,9-10,11-12,13-14,15-16"])
def test_pauses_follow_their_list_and_stay_at_its_last_range(unit, radio, bench, pauses_set):
    activated = activate_refused(unit, SHORT_SEARCH | {"restart_backoff": pauses_set})
    wrong = outside(pauses_of(after_searches(10, bench, radio, activated, timeout=4 * hours)), pauses_set, TOLERANCE)
    assert not wrong, "; ".join(wrong)


@req("NET-29", "ACT-09")
@device_time("26 h")
@needs("cell.nas", "settings.nfc.write")
@in_regression
def test_pauses_are_random_in_their_range(unit, radio, bench):
    pauses_set = "10-110"
    activated = activate_refused(unit, SHORT_SEARCH | {"restart_backoff": pauses_set})
    pauses = pauses_of(after_searches(25, bench, radio, activated, timeout=60 * hours))
    wrong = outside(pauses, pauses_set, TOLERANCE)
    assert not wrong, "; ".join(wrong)
    unlikely = doubts(places_of(pauses, pauses_set), slack=0.01)
    assert not unlikely, "; ".join(unlikely)


@req("NET-29", "ACT-10")
@device_time("16 h")
@needs("cell.nas", "settings.nfc.write", "panel.button")
@in_regression
def test_pauses_are_drawn_anew_in_each_cycle(unit, radio, bench):
    """Two units, or two cycles, that pause alike would meet again and again."""
    began = activate_refused(unit, SHORT_SEARCH | {"restart_backoff": "5-60,60-120,120-180"})
    cycles = []
    for _ in range(2):
        cycles.append(pauses_of(after_searches(4, bench, radio, began, timeout=8 * hours)))
        _, began = unit.press_button(6 * s)
    apart = [abs(one - other) for one, other in zip(*cycles, strict=True)]
    assert max(apart) > ONE_SEARCH, f"two cycles paused alike: {cycles} s"


@req("ACT-08")
@device_time("9 h")
@needs("cell.nas", "settings.nfc.write")
@in_regression
def test_a_unit_goes_on_trying_after_260_searches_in_vain(unit, radio, bench, dm):
    """More than a counter of eight bits holds."""
    activated = activate_refused(unit, SHORT_SEARCH | {"restart_backoff": "1-1"})
    after_searches(260, bench, radio, activated, timeout=12 * hours)
    unit.write_settings({"apn_mode": "Auto"})
    dm.wait_for_registration(10 * minutes, after=activated)


@req("NET-29", "ACT-08", "LWM2M-33906.0.40")
@device_time("2 h")
@needs("cell.outage", "supply.current")
@in_regression
def test_after_an_outage_the_pauses_begin_with_the_first_range_again(unit, cell, power, bench, dm):
    """A list that was written since is the one that counts."""
    unit.make_joined(SHORT_SEARCH | {"restart_backoff": "1-1"})
    for pauses_set in ("2-4,8-10,14-16", "5-7,11-13,17-19"):
        dm.write(McmConfig.MODEM_RESTART_BACK_OFF_INTERVALS, pauses_set)
        cell.off()
        found = drawn(power.capture(50 * minutes, period=1 * s))
        assert len(found) >= 4, f"{len(found)} searches in 50 min, expected 4"
        wrong = outside(pauses_of(found[:4]), pauses_set, TOLERANCE)
        assert not wrong, "; ".join(wrong)
        back = bench.clock.time()
        cell.on()
        dm.wait_for_registration(20 * minutes, after=back)


@req("ACT-10", "BTN-09", "NET-20")
@device_time("1 h")
@needs("cell.nas", "panel.button", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize("how", ["button", "NFC"])
def test_a_new_join_cycle_begins_at_once(unit, radio, bench, measure, how):
    pauses_set = "1-2,40-45"
    activated = activate_refused(unit, SHORT_SEARCH | {"restart_backoff": pauses_set})
    after_searches(2, bench, radio, activated, timeout=10 * minutes)
    bench.clock.sleep(2 * minutes)    # in the long pause now
    assert len(radio.searches(activated)) == 2, "the unit has searched again within a pause of 40 min"
    if how == "button":
        _, asked = unit.press_button(6 * s)
    else:
        unit.write_settings({"power_mode": "Passive"})
        bench.clock.sleep(GOODBYE)
        asked = bench.clock.time()
        unit.write_settings({"power_mode": "Active"})
    found = after_searches(2, bench, radio, asked, timeout=10 * minutes)
    measure("joining.new_cycle", found[0].begin - asked)
    assert not outside(pauses_of(found), pauses_set, TOLERANCE), "the new cycle did not begin with the first range"


@req("BTN-09", "BTN-03", "BTN-04")
@device_time("30 min")
@needs("cell.outage", "panel.button", "panel.leds", "supply.voltage", "supply.current")
@in_regression
@pytest.mark.parametrize("when", ["in a search", "in the hold-off after a power cut"])
def test_the_button_is_obeyed_at_any_time(unit, bench, cell, panel, supply, power, when):
    """Rebooted, and then switched off, while the unit has something else to do for hours."""
    unit.make_joined({"brown_out_delay": 21600, "search_period": 21600})
    cell.off()
    bench.clock.sleep(2 * minutes)
    if when != "in a search":
        power_cut(bench, supply, unit, 10 * s)
        bench.clock.sleep(30 * s)
    for _ in range(2):
        _, released = unit.press_button(6 * s)
        bench.clock.sleep(1 * minutes)
        assert panel.red.pulses(since=released), f"a press {when} did not reboot the unit"
    assert drawn(power.capture(1 * minutes, period=1 * s)), "the unit does not search after its reboot"
    unit.press_button(17.5 * s)
    bench.clock.sleep(GOODBYE)
    found = drawn(power.capture(2 * minutes, period=1 * s))
    assert not found, f"a press {when} did not switch the unit off: it goes on searching"


@req("NET-20", "OTC-T10-11", "LWM2M-33906.0.39")
@device_time("1 h")
@needs("cell.outage", "supply.current")
@in_regression
@pytest.mark.parametrize("period", [61, 300, 1800], ids=lambda period: f"{period} s")
def test_a_search_ends_with_the_search_period(unit, cell, power, measure, period):
    unit.make_passive({"search_period": period, "restart_backoff": "20-25"})
    cell.off()
    unit.activate()
    found = drawn(power.capture(period + 15 * minutes, period=1 * s))
    assert len(found) == 1, f"{len(found)} searches and no pause of 20 min after the first"
    measure("joining.search.excess", found[0].end - found[0].begin - period)


@req("OTC-T10-11")
@device_time("7 h")
@needs("cell.outage", "supply.current")
@profile("certification")
def test_a_search_lasts_six_hours_at_most_by_default(passive_unit, cell, power, measure):
    passive_unit.make_passive({"restart_backoff": "20-25"})
    cell.off()
    passive_unit.activate()
    found = drawn(power.capture(21600 * s + 15 * minutes, period=5 * s))
    assert len(found) == 1, f"{len(found)} searches and no pause of 20 min after the first"
    measure("joining.search.excess", found[0].end - found[0].begin - 21600)


# -- the supply


@req("NET-19", "PWR-14", "OTC-T10-10", "LWM2M-33906.0.38")
@device_time("10 h")
@needs("supply.voltage", "cell.nas", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize(("delay", "cuts"), [(900, 16), (5001, 10)])
def test_after_a_power_cut_the_unit_waits_up_to_the_brown_out_delay(unit, supply, bench, radio, readings, measure,
                                                                    delay, cuts):
    """Random or fixed is not printed (U02)."""
    unit.make_joined({"brown_out_delay": delay})
    waits = []
    for _ in range(cuts):
        back = power_cut(bench, supply, unit, 10 * s)
        asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, back, delay + 2 * minutes, every=30 * s)
        waits.append(asked.time - back)
    measure("joining.brown_out.excess", max(waits) - delay)
    if max(waits) - min(waits) < ONE_SEARCH and min(waits) >= delay:
        readings.takes("U02", "fixed")
    else:
        readings.takes("U02", "random")
        unlikely = doubts([min(wait / delay, 1.0) for wait in waits], slack=0.05)
        assert not unlikely, "; ".join(unlikely)
    unit.write_settings({"brown_out_delay": 0})
    back = power_cut(bench, supply, unit, 10 * s)
    measure("joining.brown_out.none",
            radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, back, 5 * minutes).time - back)


@req("NET-19", "OTC-T10-10")
@device_time("7 h")
@needs("supply.voltage", "cell.nas")
@profile("certification")
def test_the_default_brown_out_delay_is_six_hours_at_most(unit, supply, bench, radio, measure):
    unit.make_joined({"brown_out_delay": 21600})
    back = power_cut(bench, supply, unit, 10 * s)
    asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, back, 21600 * s + 2 * minutes, every=60 * s)
    measure("joining.brown_out.excess", asked.time - back - 21600)


@req("NET-19")
@device_time("10 min")
@needs("cell.nas", "panel.button")
@in_regression
@pytest.mark.parametrize("how", ["button", "DM", "activation"])
def test_without_a_power_cut_there_is_no_brown_out_delay(unit, bench, dm, radio, measure, how):
    unit.make_joined({"brown_out_delay": 21600})
    began = bench.clock.time()
    match how:
        case "button":
            _, began = unit.press_button(6 * s)
        case "DM":
            dm.execute(Device.REBOOT)
        case _:
            unit.switch_off()
            bench.clock.sleep(GOODBYE)
            began = unit.activate()
    asked = radio.wait_for_event(NetworkEvent.ATTACH_REQUEST, began, 5 * minutes)
    measure("joining.new_cycle", asked.time - began)


CUTS = {"100 ms": 0.1 * s, "1 s": 1 * s, "5 s": 5 * s, "1 min": 1 * minutes, "10 min": 10 * minutes, "1 day": 1 * days}


@req("PWR-14", "NET-39")
@device_time("1 d")
@needs("supply.voltage")
@in_regression
@pytest.mark.parametrize("cut", CUTS)
def test_a_unit_is_at_work_again_after_a_power_cut_of(joined_unit, bench, supply, dm, bootstrap, gateway,
                                                      second_gateway, cut):
    """As it was before: active, with its servers, of which one was named over DM; a unit that asks the bootstrap server
    at each start has the one that it names."""
    dm.write(MdmServer.URI, second_gateway.uri)
    for _ in range(2):
        counts = {one: one.count for one in (gateway, second_gateway)}
        back = power_cut(bench, supply, joined_unit, CUTS[cut])
        dm.wait_for_registration(10 * minutes, after=back)
        told = gateway if bootstrap.sequences(back) else second_gateway
        told.wait_for_telegram(15 * minutes, after=counts[told])
    dm.write(MdmServer.URI, gateway.uri)
    assert joined_unit.power_mode == "Active", "the power cut has made the unit passive"


@req("PWR-14")
@device_time("30 min")
@needs("supply.voltage", "cell.outage", "cell.state")
@in_regression
@pytest.mark.parametrize("when", ["in a search", "in a transmission", "in the hold-off", "in the start"])
def test_a_unit_is_at_work_again_after_a_power_cut(unit, bench, supply, cell, dm, gateway, radio, when):
    unit.make_joined({"brown_out_delay": 60 if when == "in the hold-off" else 0})
    match when:
        case "in a search":
            cell.off()
            bench.clock.sleep(20 * s)
        case "in a transmission":
            dm.execute(McmConfig.INSTANTANEOUS_READOUT_TRIGGER)
            radio.wait_for(CellState.CONNECTED, timeout=1 * minutes, every=0.1 * s)
        case _:
            power_cut(bench, supply, unit, 10 * s)
            bench.clock.sleep(0.5 * s if when == "in the start" else 2 * s)
    count, back = gateway.count, power_cut(bench, supply, unit, 10 * s)
    cell.on()
    dm.wait_for_registration(20 * minutes, after=back)
    gateway.wait_for_telegram(15 * minutes, after=count)
    assert unit.power_mode == "Active", f"a power cut {when} has made the unit passive"


# -- device management and bootstrap servers


SETTLED = {"readout_interval": 60, "transmit_interval": 60, "transmit_offset": 5, "transmit_delay": 10}
"""A telegram each hour."""


@req("NET-21", "OTC-T9-04", "OTC-T9-05")
@device_time("32 h")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize("restarted", [False, True], ids=["at work", "restarted"])
def test_meter_data_go_on_without_device_management(unit, bench, dm, bootstrap, gateway, measure, restarted):
    """For longer than a day."""
    unit.make_joined(SETTLED | {"coap_ack_timeout": 20, "communication_retry_delay": 60, "sequence_retry_delay": 120,
                                "sequence_backoff": "5-6"})
    began, last = gateway.count, gateway.last_ever()
    assert last is not None, "the unit has not sent a telegram after joining"
    before = last.telegram.newest.stamp
    with dm.silent(), bootstrap.silent():
        if restarted:
            unit.press_button(6 * s)
        bench.clock.sleep(30 * hours)
    stamps = {readout.stamp for arrival in gateway.arrivals(since=began) for readout in arrival.telegram.readouts}
    hourly = sorted(stamp for stamp in stamps if stamp.minute == 0 and stamp > before)
    assert len(hourly) >= 28, f"meter data stopped with device management: {len(hourly)} readouts in 30 h"
    assert all(later - earlier == timedelta(hours=1) for earlier, later in pairwise(hourly)), "a readout is missing"
    back = bench.clock.time()
    if restarted:
        measure("joining.dm.recovered", dm.wait_for_registration(1 * hours, after=back).registered_at - back)


@req("NET-21")
@device_time("32 h")
@in_regression
def test_device_management_goes_on_without_the_gateway(unit, bench, dm, gateway):
    """For longer than a day."""
    unit.make_joined(SETTLED | {"power_saving_mode": "eDRX", "mdm_communication_timeout": 10,
                                "reconnect_backoff": "55-60"})
    registered = dm.registration
    with gateway.silent():
        for hour in range(30):
            bench.clock.sleep(1 * hours)
            assert dm.answers(60 * s), f"device management stopped {hour + 1} h after the gateway"
    assert dm.registration is not None and registered is not None, "the unit has deregistered"
    assert dm.registration.registered_at == registered.registered_at, "the unit has registered anew without a reason"


@req("NET-23", "NET-24", "OTC-T9-04", "OTC-T9-05", "LWM2M-33906.0.30", "LWM2M-33906.0.31")
@device_time("40 min")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize(("timeout", "repetitions"), [(60, 1), (60, 0), (10, 3), (2, 6), (301, 1)],
                         ids=["default", "no repetition", "10 s", "2 s", "301 s"])
def test_repetitions_of_a_request_follow_their_settings(unit, bench, dm, timeout, repetitions):
    unit.make_joined({"coap_ack_timeout": timeout, "coap_max_retransmit": repetitions})
    with dm.silent():
        _, released = unit.press_button(6 * s)
        bench.clock.sleep(30 * minutes)
    heard = [seen.time for seen in bench.seen("dm", "datagram", after=released, direction="in")]
    assert len(heard) == 1 + repetitions, f"{len(heard)} datagrams: one and {repetitions} repetition(s)"
    for doubled, gap in enumerate(later - earlier for earlier, later in pairwise(heard)):    # RFC 7252, 4.2
        assert timeout * 2**doubled - 5 <= gap <= 1.5 * timeout * 2**doubled + 5, (
            f"repetition {doubled + 1} after {gap:.0f} s")


@req("NET-26", "NET-27", "NET-28", "NET-43", "OTC-T9-08", "OTC-T9-09", "OTC-T9-10", "OTC-T9-11", "OTC-T9-12",
     "LWM2M-33906.0.34", "LWM2M-33906.0.35", "LWM2M-33906.0.36", "LWM2M-33906.0.37", "LWM2M-33906.0.42")
@device_time("16 h")
@needs("panel.button", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize(("count", "sequences"), [(1, 6), (3, 2), (7, 4)])
def test_silent_servers_are_tried_in_sequences_with_growing_pauses(unit, bench, dm, bootstrap, count, sequences):
    """And after a second outage as after the first."""
    rules = RetryRules(count, 180, sequences, 420, "10-14,20-24,40-45")
    unit.make_joined(SHORT_CONTACT | as_settings(rules))
    for _ in range(2):
        with dm.silent(), bootstrap.silent():
            _, released = unit.press_button(6 * s)
            bench.clock.sleep(6 * hours)
            tried = tries(bench, released)
        wrong = deviations(tried, rules, TOLERANCE)
        assert not wrong, "; ".join(wrong)
        assert {attempt.target for attempt in tried} == {"dm", "bootstrap"}, "not both servers were tried"
        dm.wait_for_registration(2 * hours, after=bench.clock.time())


@req("NET-28", "NET-43", "OTC-T9-12", "LWM2M-33906.0.42")
@device_time("6 d")
@needs("panel.button", "settings.nfc.write")
@profile("regression", "certification")
def test_the_pauses_between_sequences_follow_the_default_list(unit, bench, dm, bootstrap):
    rules = RetryRules(1, 1200, 2, 600, DEFAULT_SEQUENCES)
    unit.make_joined(SHORT_CONTACT | as_settings(rules))
    with dm.silent(), bootstrap.silent():
        _, released = unit.press_button(6 * s)
        bench.clock.sleep(7 * days)
    tried = tries(bench, released)
    wrong = deviations(tried, rules, TOLERANCE)
    assert not wrong, "; ".join(wrong)
    assert sum(pause > 20 * hours for pause in pauses_of(tried)) >= 4, "the servers are not tried about once a day"


@req("NET-26", "NET-27", "OTC-T9-08", "OTC-T9-09", "OTC-T9-10", "OTC-T9-11")
@device_time("7 d")
@needs("panel.button", "settings.nfc.write")
@profile("regression", "certification")
@pytest.mark.parametrize("rules", [RetryRules(1, 3600, 2, 86400, "10-14"), RetryRules(2, 70000, 2, 86400, "10-14")],
                         ids=["default", "70000 s"])
def test_the_retries_are_as_far_apart_as_hours_and_days_are_set(unit, bench, dm, bootstrap, rules):
    unit.make_joined(SHORT_CONTACT | as_settings(rules))
    with dm.silent(), bootstrap.silent():
        _, released = unit.press_button(6 * s)
        bench.clock.sleep(7 * days)
    tried = tries(bench, released)
    assert len(tried) >= 6, f"{len(tried)} attempts in a week"
    wrong = deviations(tried, rules, 5 * minutes)
    assert not wrong, "; ".join(wrong)


SHORT_CONTACT = {"coap_ack_timeout": 5, "coap_max_retransmit": 1}


def tries(bench, since):
    """The attempts to reach both silent servers, from the first one at device management on: a unit that asks the
    bootstrap server at each start has failed there before."""
    tried = attempts_at(bench, ("dm", "bootstrap"), since, quiet=1 * minutes)
    return list(dropwhile(lambda attempt: attempt.target != "dm", tried))


def as_settings(rules):
    return {"communication_retry_count": rules.retry_count, "communication_retry_delay": int(rules.retry_delay_s),
            "sequence_retry_count": rules.sequence_count, "sequence_retry_delay": int(rules.sequence_delay_s),
            "sequence_backoff": rules.backoff}


# -- the meter data server


@req("NET-30", "NET-34", "RETX-01", "OTC-T12-05", "LWM2M-33906.0.41", "LWM2M-33906.0.47")
@device_time("24 h")
@in_regression
@pytest.mark.parametrize("failures", [1, 3, 6])
def test_a_broken_connection_to_the_gateway_is_taken_up_again_with_growing_pauses(unit, bench, dm, gateway, failures):
    """Broken is it after so many failures; until then the unit keeps to its schedule. After a second outage as after
    the first."""
    pauses_set = "6-8,15-18,30-35"
    unit.make_joined({"reconnect_backoff": pauses_set, "restart_backoff": "1-1", "mdm_communication_timeout": 10,
                      "mdm_communication_attempts": 2, "readout_interval": 60, "transmit_interval": 60,
                      "transmit_offset": 1, "transmit_delay": 2, "auto_upload_order": "Oldest first"})
    dm.write(McmConfig.MDM_COMMUNICATION_FAILURES, failures)
    for _ in range(2):
        began, lost = gateway.count, bench.clock.time()
        with gateway.silent():
            bench.clock.sleep((3 + failures) * hours)
            heard = [seen.time for seen in bench.seen("mdm", "datagram", after=lost, direction="in")]
        pauses = pauses_of(attempts_of("gateway", heard, quiet_s=1 * minutes))
        on_schedule, broken = pauses[:failures - 1], pauses[failures - 1:]
        assert len(broken) >= 4, f"{len(pauses)} pauses between attempts in {3 + failures} h"
        assert all(pause > 10 * minutes for pause in on_schedule), (    # or an extra telegram, as one upon a sync
            f"broken before {failures} failures: pauses of {', '.join(f'{pause:.0f} s' for pause in pauses)}")
        wrong = outside(broken, pauses_set, TOLERANCE)
        assert not wrong, "; ".join(wrong)
        gateway.wait_for_telegram(2 * hours, after=began)
        bench.clock.sleep(2 * hours)
        stamps = [readout.stamp for arrival in gateway.arrivals(since=began) for readout in arrival.telegram.readouts]
        assert len(stamps) == len(set(stamps)), "a readout was sent twice"
        assert len([stamp for stamp in stamps if stamp.minute == 0]) >= 4, "readouts of the outage are missing"


@req("NET-46", "NET-30")
@device_time("2 h")
@needs("cell.nas")
@in_regression
def test_a_reconnect_restarts_the_modem_each_time_or_never(unit, bench, dm, gateway, radio, readings):
    """Table 12 speaks of restarts of the modem, Table 2 of reconnects (C37)."""
    unit.make_joined(SETTLED | {"transmit_offset": 1, "transmit_delay": 2, "reconnect_backoff": "6-8",
                                "mdm_communication_timeout": 10})
    dm.write(McmConfig.MDM_COMMUNICATION_FAILURES, 1)
    lost = bench.clock.time()
    with gateway.silent():
        bench.clock.sleep(2 * hours)
        heard = [seen.time for seen in bench.seen("mdm", "datagram", after=lost, direction="in")]
    tried = attempts_of("gateway", heard, quiet_s=1 * minutes)[1:]
    assert len(tried) >= 3, f"{len(tried)} attempts to reach the gateway again in 2 h"
    attached = [any(one.begin - 3 * minutes < event.time < one.begin for event in
                    radio.events(NetworkEvent.ATTACH_REQUEST, lost)) for one in tried]
    assert all(attached) or not any(attached), f"the modem attached anew before some attempts only: {attached}"
    readings.takes("C37", "modem restarted" if all(attached) else "reconnects only")
