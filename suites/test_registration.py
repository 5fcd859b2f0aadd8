"""Life of a registration at the DM server: register, keep alive, notify, expire; manual 6.2, OMA LwM2M 5.3 to 5.5."""

from itertools import pairwise

import pytest

from fixtures.outcomes import DmRefused, Event
from fixtures.words import device_time, ets, hours, in_regression, minutes, needs, req, s

LIFETIME = 600
UPTIME, BAND, VOLTAGE = "/33907/0/0", "/33907/0/11", "/3/0/7"


def events(dm, after):
    """What happened to registrations after that bench time."""
    return [(one.event, one.registration.location) for one in dm.server.history if one.time_s > after]


def live_with(bench, dm, bootstrap, **contents):
    """Let a bootstrap change the account; the registration that follows."""
    bootstrap.give(**contents)
    before = bench.clock.time()
    dm.execute("/1/0/9")
    return dm.wait_for_registration(10 * minutes, after=before)


def times(observation):
    return [notification.time_s for notification in observation.notifications]


# -- registering


@req("ACT-14", "DM-01", "CMP-06")
@ets("int-101")
@device_time("1 min")
@in_regression
def test_a_registration_has_all_that_lwm2m_asks_of_it(joined_unit, dm):
    registration = dm.registration
    assert registration.endpoint.upper().endswith(joined_unit.deveui)
    assert registration.lwm2m_version in ("1.0", "1.1", "1.2")
    assert registration.binding in ("U", "UQ")
    assert registration.lifetime_s > 0
    instances = [link.path for link in registration.objects if link.target != "/"]
    assert len(set(instances)) == len(instances), "an instance is named twice"
    assert all(1 <= len(path) <= 2 for path in instances)
    assert {path[0] for path in instances} >= {1, 3, 4, 5, 10, 11}
    assert not [path for path in instances if path[0] == 0], "object 0 is never registered"


@req("LWM2M-1.1.1", "DM-01")
@ets("int-107")
@device_time("1 h")
@in_regression
def test_updates_come_before_the_lifetime_ends(joined_unit, bench, dm, bootstrap):
    registration = live_with(bench, dm, bootstrap, dm_lifetime_s=LIFETIME)
    assert registration.lifetime_s == LIFETIME
    bench.clock.sleep(1 * hours)
    seen = events(dm, registration.registered_at)
    assert {event for event, _ in seen} == {Event.UPDATED}, seen
    assert {location for _, location in seen} == {registration.location}
    updates = [one.time_s for one in dm.server.history if one.time_s >= registration.registered_at]
    assert max(later - earlier for earlier, later in pairwise(updates)) < LIFETIME


@req("LWM2M-1.1.1", "DM-05")
@ets("int-102")
@device_time("1 min")
@in_regression
def test_the_dm_server_can_not_change_the_lifetime(joined_unit, bench, dm):
    """OMA has 1/x/1 writable, and an update with the new lt; by the manual it is read-only."""
    before, lifetime = bench.clock.time(), dm.read("/1/1/1")
    code = dm.refusal("/1/1/1", 3600)
    bench.step(f"write of /1/1/1: {code or 'taken'}; OMA expects it to be taken")
    assert code == "4.05"
    assert dm.read("/1/1/1") == lifetime
    assert not events(dm, before)


@req("LWM2M-1.1.8")
@ets("int-104")
@device_time("2 min")
@in_regression
def test_the_trigger_updates_the_registration_there_is(joined_unit, bench, dm):
    before, location = bench.clock.time(), dm.registration.location
    dm.execute("/1/1/8")
    bench.expect(lambda: events(dm, before) or None, 2 * minutes, "a registration update")
    assert events(dm, before) == [(Event.UPDATED, location)]


@req("LWM2M-1.1.1", "ACT-14")
@ets("int-105")
@device_time("20 min")
@in_regression
def test_a_registration_that_the_server_has_lost_is_made_again(joined_unit, bench, dm, bootstrap):
    live_with(bench, dm, bootstrap, dm_lifetime_s=LIFETIME)
    before = bench.clock.time()
    bench.clock.sleep(1 * minutes)
    dm.forget_registration()
    dm.wait_for_registration(LIFETIME + 5 * minutes, after=before + 1 * minutes)
    assert dm.answers(60 * s)
    bench.clock.sleep(2 * LIFETIME)
    assert [event for event, _ in events(dm, before)][:2] == [Event.FORGOTTEN, Event.REGISTERED]
    assert Event.UPDATED in {event for event, _ in events(dm, before)}, "the new registration is not kept alive"


@req("ACT-18", "LWM2M-3.0.4")
@ets("int-241")
@device_time("5 min")
@in_regression
def test_a_reboot_answers_first_and_registers_then(joined_unit, bench, dm):
    before = bench.clock.time()
    observation = dm.observe(UPTIME)
    dm.execute("/3/0/4")
    dm.wait_for_registration(10 * minutes, after=before)
    kinds = [event for event, _ in events(dm, before)]
    assert kinds[-1] is Event.REGISTERED
    assert set(kinds) <= {Event.REPLACED, Event.DEREGISTERED, Event.REGISTERED}
    assert not observation.active, "an observation outlived its registration"
    assert dm.read(UPTIME) < bench.clock.time() - before


@req("ACT-11", "LWM2M-1.1.1")
@device_time("20 min")
@needs("supply.voltage")
@in_regression
def test_a_unit_without_power_is_gone_when_its_lifetime_is_over(joined_unit, bench, dm, supply, bootstrap):
    registration = live_with(bench, dm, bootstrap, dm_lifetime_s=LIFETIME)
    bench.clock.sleep(1 * minutes)
    cut = bench.clock.time()
    supply.output_off()
    bench.expect(lambda: dm.registration is None or None, LIFETIME + 1 * s, "the end of the registration")
    assert events(dm, cut) == [(Event.EXPIRED, registration.location)]
    joined_unit.power_up()
    dm.wait_for_registration(30 * minutes, after=cut)


@req("ACT-11", "OTC-T8-02")
@device_time("20 min")
@needs("nfc")
@in_regression
def test_a_unit_made_passive_does_not_keep_its_registration(joined_unit, bench, dm, bootstrap):
    live_with(bench, dm, bootstrap, dm_lifetime_s=LIFETIME)
    before = bench.clock.time()
    joined_unit.write_settings({"power_mode": "Passive"})
    bench.expect(lambda: dm.registration is None or None, LIFETIME + 1 * minutes, "the end of the registration")
    assert {event for event, _ in events(dm, before)} <= {Event.EXPIRED, Event.DEREGISTERED, Event.UPDATED}


@req("DM-09", "ACT-14")
@device_time("30 min")
@needs("cell.outage")
@in_regression
def test_after_an_outage_the_unit_is_in_reach_again(joined_unit, bench, dm, cell):
    cell.off()
    bench.clock.sleep(15 * minutes)
    cell.on()
    before = bench.clock.time()
    bench.expect(lambda: [event for event, _ in events(dm, before)
                          if event in (Event.REGISTERED, Event.UPDATED)] or None, 30 * minutes, "a sign of life")
    assert dm.answers(60 * s)


@req("DM-09")
@ets("int-108", "int-109")
@device_time("15 min")
@in_regression
def test_in_queue_mode_a_request_waits_for_the_unit_to_wake(joined_unit, bench, dm, bootstrap):
    registration = live_with(bench, dm, bootstrap, dm_binding="UQ", dm_lifetime_s=300)
    if not registration.queue_mode:
        pytest.skip("the unit has no queue mode")
    bench.clock.sleep(150 * s)    # longer than it listens
    asked = bench.clock.time()
    assert dm.read("/3/0/2").upper() == joined_unit.deveui
    woken = [one.time_s for one in dm.server.history if one.time_s > asked]
    assert woken, "an answer before the unit was awake"
    assert bench.clock.time() >= woken[0]


# -- observing


@req("DM-08", "LWM2M-33907.0.0")
@ets("int-301")
@device_time("5 min")
@in_regression
def test_notifications_keep_the_minimum_period(joined_unit, bench, dm):
    observation = dm.observe(UPTIME, {"pmin": 20})
    bench.clock.sleep(110 * s)
    observation.cancel()
    gaps = [later - earlier for earlier, later in pairwise(times(observation))]
    assert len(gaps) >= 3, f"{len(gaps) + 1} notifications in 110 s"
    assert all(gap >= 20 - 2 for gap in gaps), gaps


@req("DM-08", "LWM2M-33907.0.11")
@ets("int-301")
@device_time("5 min")
@in_regression
def test_what_does_not_change_is_notified_at_the_maximum_period(joined_unit, bench, dm):
    observation = dm.observe(BAND, {"pmin": 5, "pmax": 30})
    bench.clock.sleep(140 * s)
    observation.cancel()
    gaps = [later - earlier for earlier, later in pairwise(times(observation))]
    assert len(gaps) >= 3, f"{len(gaps) + 1} notifications in 140 s"
    assert all(abs(gap - 30) <= 3 for gap in gaps), gaps


@req("DM-08", "LWM2M-3.0.7.0")
@ets("int-261")
@device_time("5 min")
@needs("supply.voltage")
@in_regression
def test_a_step_smaller_than_asked_for_is_not_notified(joined_unit, bench, dm, supply):
    observation = dm.observe(VOLTAGE, {"st": 200})
    bench.clock.sleep(5 * s)
    supply.set_voltage(3.5)
    bench.clock.sleep(20 * s)
    assert not observation.notifications, "a step of 100 mV was notified"
    supply.set_voltage(3.2)
    bench.clock.sleep(20 * s)
    assert len(observation.notifications) == 1, "a step of 400 mV"
    observation.cancel()
    supply.set_voltage(3.6)


@req("DM-08", "LWM2M-3.0.7.0")
@ets("int-261")
@device_time("5 min")
@needs("supply.voltage")
@in_regression
@pytest.mark.parametrize(("bound", "crossed"), [({"lt": 3400}, 3.3), ({"gt": 3700}, 3.8)], ids=["lt", "gt"])
def test_a_threshold_is_notified_when_it_is_crossed(joined_unit, bench, dm, supply, bound, crossed):
    observation = dm.observe(VOLTAGE, bound)
    supply.set_voltage(3.55)
    bench.clock.sleep(20 * s)
    assert not observation.notifications
    supply.set_voltage(crossed)
    bench.clock.sleep(20 * s)
    assert len(observation.notifications) == 1
    observation.cancel()
    supply.set_voltage(3.6)


@req("DM-08", "DM-03")
@ets("int-260", "int-261")
@device_time("2 min")
@in_regression
def test_discover_shows_the_attributes_where_they_were_written(joined_unit, dm):
    dm.write_attributes("/3", {"pmin": 10, "pmax": 600})
    dm.write_attributes("/3/0/7", {"pmin": 20, "gt": 3700, "lt": 3000, "st": 50})
    at = dm.attributes("/3/0/7")["/3/0/7"]
    assert {name: float(value) for name, value in at.items() if name in ("pmin", "gt", "lt", "st")} == {
        "pmin": 20, "gt": 3700, "lt": 3000, "st": 50}
    at = dm.attributes("/3")["/3"]
    assert {name: float(value) for name, value in at.items() if name in ("pmin", "pmax")} == {"pmin": 10, "pmax": 600}
    dm.write_attributes("/3/0/7", {"gt": None})
    assert "gt" not in dm.attributes("/3/0/7")["/3/0/7"]


@req("DM-04", "DM-08")
@ets("int-261")
@device_time("2 min")
@in_regression
def test_senseless_attributes_are_refused(joined_unit, dm):
    for attributes in ({"gt": 10, "lt": 20}, {"pmin": -1}, {"frequency": 1}):
        with pytest.raises(DmRefused, match=r"4\.00"):
            dm.write_attributes("/3/0/7", attributes)


@req("DM-08")
@ets("int-261")
@device_time("3 min")
@in_regression
def test_attributes_of_a_resource_go_before_those_of_its_object(joined_unit, bench, dm):
    dm.write_attributes("/33907", {"pmin": 5})
    observation = dm.observe(UPTIME, {"pmin": 30})
    bench.clock.sleep(70 * s)
    observation.cancel()
    assert len(observation.notifications) == 2, times(observation)


@req("DM-08")
@ets("int-302", "int-303")
@device_time("3 min")
@in_regression
@pytest.mark.parametrize("how", ["RST", "request"])
def test_a_cancelled_observation_is_silent(joined_unit, bench, dm, how):
    observation = dm.observe(UPTIME)
    bench.clock.sleep(10 * s)
    assert observation.notifications
    if how == "RST":
        observation.cancel()
    else:
        bench.clock.run(observation.cancel_by_request(), 60 * s)
    bench.clock.sleep(10 * s)    # for the notification that brings the RST about, and those under way
    mark = bench.mark()
    bench.clock.sleep(60 * s)
    sent = [seen for seen in bench.timeline.since(mark) if seen.source == "dm" and seen.kind == "datagram"]
    assert not sent, f"{len(sent)} datagrams after the end of the observation"


@req("DM-08", "LWM2M-4.0.2")
@ets("int-710")
@device_time("3 min")
@in_regression
def test_the_signal_can_be_observed(joined_unit, bench, dm):
    observation = dm.observe("/4/0/2", {"pmin": 1, "pmax": 20})
    bench.clock.sleep(50 * s)
    observation.cancel()
    assert len(observation.notifications) >= 2
    assert all(-140 <= value <= -44 for notification in observation.notifications
               for value in notification.values.values())
