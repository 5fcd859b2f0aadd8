"""Life of a registration at the DM server: register, keep alive, notify, expire; manual 6.2, OMA LwM2M 5.3 to 5.5."""

import re
from itertools import pairwise

import pytest

from bench.manual.paths import ConnectivityMonitoring, Device, McmConfig, NbIotStatus, Server1
from fixtures.judging import first_of
from fixtures.outcomes import DmRefused, Event
from fixtures.words import device_time, ets, in_regression, minutes, needs, of_any_client, req, s

LIFETIME = 600


def events(dm, after):
    """What happened to registrations after that bench time."""
    return [(one.event, one.registration.location) for one in dm.history(after)]


def live_with(bench, dm, bootstrap, **contents):
    """Let a bootstrap change the account; the registration that follows."""
    bootstrap.give(**contents)
    before = bench.clock.time()
    dm.execute(bootstrap.trigger)
    return dm.wait_for_registration(10 * minutes, after=before)


def object_of(path):
    """The object that a resource is in: "/3"."""
    return "/" + path.split("/")[1]


def set_at(dm, path):
    """The attributes that a server has set there, as numbers."""
    return {name: float(value) for name, value in dm.attributes(path)[path].items()
            if name in ("pmin", "pmax", "gt", "lt", "st")}


def times(observation):
    return [notification.time_s for notification in observation.notifications]


# -- registering


@req("ACT-14", "CMP-10", "NET-01", "CMP-06")
@device_time("1 h")
@needs("cell.outage", "panel.button")
@in_regression
def test_a_unit_presents_itself_alike_at_each_registration(joined_unit, bench, dm, bootstrap, cell):
    """After an outage, a restart, a bootstrap, and when the server has lost it."""
    def presented():
        one = dm.registration
        return one.endpoint, one.lifetime_s, one.binding, one.lwm2m_version, one.queue_mode, one.objects

    first = presented()
    assert "U" in first[2], f"the binding is {first[2]!r}, which is not UDP"
    for why in ("an outage", "a restart", "a registration that the server has lost", "a bootstrap", "an outage"):
        before = bench.clock.time()
        if why == "an outage":
            cell.off()
            bench.clock.sleep(30 * s)
            cell.on()
        if why in ("an outage", "a restart"):
            joined_unit.press_button(6 * s)
        elif why == "a bootstrap":
            dm.execute(bootstrap.trigger)
        else:
            bootstrap.give(dm_lifetime_s=LIFETIME)
            dm.execute(bootstrap.trigger)
            dm.wait_for_registration(15 * minutes, after=before)
            first, before = presented(), bench.clock.time()
            dm.forget_registration()
        dm.wait_for_registration(30 * minutes, after=before)
        assert presented() == first, f"after {why} the unit presents itself as {presented()}, before as {first}"


@req("ACT-14", "DM-01", "CMP-06")
@ets("int-101")
@device_time("1 min")
@of_any_client
def test_a_registration_has_all_that_lwm2m_asks_of_it(joined_unit, dm, bootstrap, bench, device):
    registration = dm.registration
    asked = bootstrap.last_sequence().endpoint
    name = registration.endpoint
    assert name.upper().endswith(joined_unit.deveui.upper()), f"registered as {name!r}"
    assert name == asked, f"registered as {name!r}, bootstrapped as {asked!r}"
    assert registration.lwm2m_version in ("1.0", "1.1", "1.2"), f"LwM2M {registration.lwm2m_version!r}"
    assert registration.binding in ("U", "UQ"), f"binding {registration.binding!r}"
    assert registration.lifetime_s > 0, "no lifetime"
    instances = [link.path for link in registration.objects if link.target != "/"]
    assert len(set(instances)) == len(instances), "an instance is named twice"
    assert all(1 <= len(path) <= 2 for path in instances), f"no objects or instances: {instances}"
    missing = {*device.objects} - {path[0] for path in instances}
    assert not missing, f"objects that are not registered: {sorted(missing)}"
    assert not [path for path in instances if path[0] == 0], "object 0 is never registered"
    deviations = [seen.data["text"] for seen in bench.timeline.select("dm", "deviation")]
    assert not deviations, deviations[0]


@req("LWM2M-1.1.1", "DM-01", "ACT-13")
@ets("int-107")
@device_time("3 d")
@of_any_client
@pytest.mark.parametrize("lifetime", [120, LIFETIME, 86_400, 100_000])
def test_updates_come_before_the_lifetime_ends(joined_unit, bench, dm, bootstrap, lifetime):
    """A day is what most servers use; 100,000 s do not fit into 16 bits. How long before the end is the unit's to say;
    more than ten in a lifetime would empty a battery."""
    registration = live_with(bench, dm, bootstrap, dm_lifetime_s=lifetime)
    assert registration.lifetime_s == lifetime, f"registered for {registration.lifetime_s} s"
    told = dm.read(str(bootstrap.account / 1))
    assert told == lifetime, f"{bootstrap.account / 1} is {told}, not the lifetime of the account"
    bench.clock.sleep(3 * lifetime)
    seen = events(dm, registration.registered_at)
    assert {event for event, _ in seen} == {Event.UPDATED}, f"not only updates: {seen}"
    assert {location for _, location in seen} == {registration.location}, "an update of another registration"
    updates = [registration.registered_at, *(one.time_s for one in dm.history(registration.registered_at))]
    gaps = [later - earlier for earlier, later in pairwise(updates)]
    assert len(gaps) >= 2, f"{len(gaps)} update(s) in three lifetimes"
    assert max(gaps) < lifetime, f"{max(gaps):.0f} s between updates of a registration for {lifetime} s"
    assert len(gaps) <= 30, f"{len(gaps)} updates in three lifetimes"


@req("LWM2M-1.1.1", "DM-05")
@ets("int-102")
@device_time("1 min")
@of_any_client
def test_a_lifetime_that_the_dm_server_writes_is_refused_or_told_with_an_update(joined_unit, bench, dm, bootstrap,
                                                                                device):
    """OMA has 1/x/1 writable, and an update with the new lt; by the manual of the CMi6110 it is read-only."""
    before, path = bench.clock.time(), str(bootstrap.account / 1)
    lifetime = dm.read(path)
    for wanted in (3600, 60, lifetime):
        code = dm.refusal(path, wanted)
        if device.lifetime_writable:
            assert not code, f"a lifetime of {wanted} s was refused with {code}"
            bench.expect(lambda wanted=wanted: dm.registration.lifetime_s == wanted or None, 2 * minutes,
                         f"an update with a lifetime of {wanted} s")
        else:
            dm.expect_refusal(code, ("4.05",), f"writing {wanted} s to {path}")
            dm.expect(path, lifetime, "the lifetime has changed")
    kinds = {event for event, _ in events(dm, before)}
    assert kinds <= ({Event.UPDATED} if device.lifetime_writable else set()), f"the registration has changed: {kinds}"


@req("LWM2M-1.1.8")
@ets("int-104")
@device_time("2 min")
@of_any_client
def test_the_trigger_updates_the_registration_there_is(joined_unit, bench, dm, bootstrap):
    before, location = bench.clock.time(), dm.registration.location
    dm.execute(str(bootstrap.account / 8))
    bench.expect(lambda: events(dm, before) or None, 2 * minutes, "a registration update")
    seen = events(dm, before)
    assert seen == [(Event.UPDATED, location)], f"the trigger led to {seen}"


@req("LWM2M-1.1.1", "ACT-14")
@ets("int-105")
@device_time("20 min")
@of_any_client
def test_a_registration_that_the_server_has_lost_is_made_again(joined_unit, bench, dm, bootstrap):
    live_with(bench, dm, bootstrap, dm_lifetime_s=LIFETIME)
    before = bench.clock.time()
    bench.clock.sleep(1 * minutes)
    dm.forget_registration()
    dm.wait_for_registration(LIFETIME + 5 * minutes, after=before + 1 * minutes)
    assert dm.answers(60 * s), "registered again, and does not answer"
    bench.clock.sleep(2 * LIFETIME)
    kinds = [event for event, _ in events(dm, before) if event is not Event.UPDATED]
    assert kinds[:2] == [Event.FORGOTTEN, Event.REGISTERED], f"after the loss: {kinds}"
    assert Event.UPDATED in {event for event, _ in events(dm, before)}, "the new registration is not kept alive"


@req("ACT-18", "LWM2M-3.0.4")
@ets("int-241")
@device_time("5 min")
@of_any_client
def test_a_reboot_answers_first_and_registers_then(joined_unit, bench, dm, device):
    before = bench.clock.time()
    observation = dm.observe(device.counter)
    dm.execute(Device.REBOOT)
    dm.wait_for_registration(10 * minutes, after=before)
    kinds = [event for event, _ in events(dm, before)]
    assert kinds[-1] is Event.REGISTERED, f"after a reboot: {kinds}"
    assert set(kinds) <= {Event.REPLACED, Event.DEREGISTERED, Event.REGISTERED}, f"after a reboot: {kinds}"
    assert not observation.active, "an observation outlived its registration"
    assert dm.read(device.counter) <= bench.clock.time() - before, "the uptime is from before the reboot"


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
    seen = events(dm, cut)
    assert seen == [(Event.EXPIRED, registration.location)], \
        f"without power the registration expires, and seen is {seen}"
    joined_unit.power_up()
    dm.wait_for_registration(30 * minutes, after=cut)


@req("ACT-11", "OTC-T8-02")
@device_time("20 min")
@in_regression
def test_a_unit_made_passive_does_not_keep_its_registration(joined_unit, bench, dm, bootstrap):
    live_with(bench, dm, bootstrap, dm_lifetime_s=LIFETIME)
    before = bench.clock.time()
    joined_unit.switch_off()
    bench.expect(lambda: dm.registration is None or None, LIFETIME + 1 * minutes, "the end of the registration")
    seen = {event for event, _ in events(dm, before)}
    assert seen <= {Event.EXPIRED, Event.DEREGISTERED, Event.UPDATED}, f"a passive unit registers no more: {seen}"


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
    assert dm.answers(60 * s), "it has given a sign of life, and does not answer"


@req("DM-09")
@ets("int-108", "int-109")
@device_time("15 min")
@of_any_client
def test_in_queue_mode_a_request_waits_for_the_unit_to_wake(joined_unit, bench, dm, bootstrap):
    registration = live_with(bench, dm, bootstrap, dm_binding="UQ", dm_lifetime_s=300)
    if not registration.queue_mode:
        pytest.skip("the unit has no queue mode")
    bench.clock.sleep(150 * s)    # longer than it listens
    asked = bench.clock.time()
    serial = dm.read(Device.SERIAL_NUMBER)
    assert serial.upper() == joined_unit.serial.upper(), f"the serial number is {serial!r}"
    woken = [one.time_s for one in dm.history(asked)]
    assert woken, "an answer before the unit was awake"
    assert bench.clock.time() >= woken[0], "an answer before the unit was awake"


@req("DM-09", "LWM2M-1.1.8")
@ets("int-108", "int-109")
@device_time("15 min")
@of_any_client
def test_queue_mode_outlives_an_update_of_the_registration(joined_unit, bench, dm, bootstrap):
    """From LwM2M 1.1 on an update has no word of queue mode; one of 1.0 that names the binding says it again."""
    registration = live_with(bench, dm, bootstrap, dm_binding="UQ", dm_lifetime_s=300)
    if not registration.queue_mode:
        pytest.skip("the unit has no queue mode")
    updated = bench.clock.time()
    dm.execute(str(bootstrap.account / 8))
    bench.expect(lambda: events(dm, updated) or None, 2 * minutes, "a registration update")
    assert events(dm, updated) == [(Event.UPDATED, registration.location)], "no update of the registration there was"
    assert dm.registration.queue_mode, "an update took the queue mode back"
    bench.clock.sleep(150 * s)    # longer than it listens
    asked = bench.clock.time()
    serial = dm.read(Device.SERIAL_NUMBER)
    assert serial.upper() == joined_unit.serial.upper(), f"the serial number is {serial!r}"
    assert dm.history(asked), "an answer before the unit was awake"


@req("NET-23", "NET-24", "LWM2M-33906.0.30", "LWM2M-33906.0.31", "OTC-T9-04", "OTC-T9-05")
@device_time("40 min")
@needs("settings.nfc.write")
@in_regression
def test_a_report_that_is_not_answered_is_repeated_by_the_same_timers(unit, bench, dm):
    """An LwM2M Send is a CoAP request as a registration is."""
    unit.make_joined({"coap_ack_timeout": 20, "coap_max_retransmit": 2, "power_saving_mode": "Disabled",
                      "readout_interval": 5, "report_interval": 5, "transmit_interval": 5, "transmit_offset": 1,
                      "transmit_delay": 1})
    dm.write(McmConfig.UPLOAD_PROTOCOL, 1)
    bench.clock.sleep(1 * minutes)
    with dm.silent():
        silent = bench.clock.time()
        bench.clock.sleep(12 * minutes)
        heard = bench.seen("dm", "datagram", after=silent, direction="in")
    first = first_of(heard, "a report to the silent server")
    sent = [seen.time for seen in heard if seen.data["hex"] == first.data["hex"]]
    assert len(sent) == 3, f"sent {len(sent)} times, set are 2 repetitions"
    assert 20 - 3 <= sent[1] - sent[0] <= 30 + 5, f"repeated after {sent[1] - sent[0]:.0f} s, set are 20 s"


# -- observing


@req("DM-10", "LWM2M-33907.0.0", "LWM2M-1.1.8")
@ets("int-301")
@device_time("40 min")
@in_regression
def test_an_observation_goes_on_over_updates_with_the_value_of_the_moment(unit, bench, dm):
    """Beyond thirty notifications, two updates of the registration, and beside another observation."""
    unit.make_joined({"power_saving_mode": "Disabled"})
    observation = dm.observe(NbIotStatus.UPTIME, {"pmin": 20})
    other = dm.observe(NbIotStatus.CURRENT_RADIO_BAND, {"pmin": 5, "pmax": 60})
    for _ in range(3):
        bench.clock.sleep(5 * minutes)
        dm.execute(Server1.REGISTRATION_UPDATE_TRIGGER)
    bench.clock.sleep(2 * minutes)
    observation.cancel()
    told = [(one.time_s, first_of(one.values.values(), "a value in a notification"))
            for one in observation.notifications]
    assert len(told) >= 35, f"{len(told)} notifications in 17 min, each 20 s"
    assert bench.clock.time() - told[-1][0] < 60, "the last notification is old"
    for (earlier_s, earlier), (later_s, later) in pairwise(told):
        assert abs((later - earlier) - (later_s - earlier_s)) <= 10, (
            f"told {earlier} and {later} s of uptime, {later_s - earlier_s:.0f} s apart")
    assert len(other.notifications) >= 12, f"{len(other.notifications)} of the other in 17 min, one each minute"
    other.cancel()


@req("DM-10", "LWM2M-33907.0.0")
@ets("int-301")
@device_time("5 min")
@of_any_client
def test_notifications_keep_the_minimum_period(joined_unit, bench, dm, device):
    observation = dm.observe(device.counter, {"pmin": 20})
    bench.clock.sleep(110 * s)
    observation.cancel()
    gaps = [later - earlier for earlier, later in pairwise(times(observation))]
    assert len(gaps) >= 3, f"{len(gaps) + 1} notifications in 110 s"
    assert all(gap >= 20 - 2 for gap in gaps), f"notifications {gaps} s apart"


@req("DM-10", "LWM2M-33907.0.11")
@ets("int-301")
@device_time("5 min")
@of_any_client
def test_what_does_not_change_is_notified_at_the_maximum_period(joined_unit, bench, dm, device):
    observation = dm.observe(device.constant, {"pmin": 5, "pmax": 30})
    bench.clock.sleep(140 * s)
    observation.cancel()
    gaps = [later - earlier for earlier, later in pairwise(times(observation))]
    assert len(gaps) >= 3, f"{len(gaps) + 1} notifications in 140 s"
    assert all(abs(gap - 30) <= 6 for gap in gaps), f"notifications {gaps} s apart"


@req("DM-10", "LWM2M-3.0.7.0")
@ets("int-261")
@device_time("5 min")
@needs("supply.voltage")
@in_regression
def test_a_step_smaller_than_asked_for_is_not_notified(joined_unit, bench, dm, supply):
    observation = dm.observe(Device.POWER_SOURCE_VOLTAGE, {"st": 200})
    bench.clock.sleep(5 * s)
    supply.set_voltage(3.5)
    bench.clock.sleep(20 * s)
    assert not observation.notifications, "a step of 100 mV was notified"
    supply.set_voltage(3.2)
    bench.clock.sleep(20 * s)
    assert len(observation.notifications) == 1, "a step of 400 mV"
    observation.cancel()
    supply.set_voltage(3.6)


@req("DM-10", "LWM2M-3.0.7.0")
@ets("int-261")
@device_time("5 min")
@needs("supply.voltage")
@in_regression
@pytest.mark.parametrize(("bound", "crossed"), [({"lt": 3400}, 3.3), ({"gt": 3700}, 3.8)], ids=["lt", "gt"])
def test_a_threshold_is_notified_when_it_is_crossed(joined_unit, bench, dm, supply, bound, crossed):
    observation = dm.observe(Device.POWER_SOURCE_VOLTAGE, bound)
    supply.set_voltage(3.55)
    bench.clock.sleep(20 * s)
    assert not observation.notifications, f"told before {bound} was crossed: {observation.notifications}"
    supply.set_voltage(crossed)
    bench.clock.sleep(20 * s)
    count = len(observation.notifications)
    assert count == 1, f"one notification is due when {bound} is crossed, and {count} came"
    observation.cancel()
    supply.set_voltage(3.6)


@req("DM-10", "DM-03")
@ets("int-260", "int-261")
@device_time("2 min")
@of_any_client
def test_discover_shows_the_attributes_where_they_were_written(joined_unit, dm, device):
    resource = device.threshold
    wanted = {object_of(resource): {"pmin": 10, "pmax": 600}, resource: {"pmin": 20, "gt": 3700, "lt": 3000, "st": 50}}
    for path, written in wanted.items():
        dm.write_attributes(path, written)
    for path, written in wanted.items():
        at = set_at(dm, path)
        assert at == written, f"{path} has {at}, written were {written}"
    for gone in ("gt", "pmin"):
        dm.write_attributes(resource, {gone: None})
        at = set_at(dm, resource)
        assert gone not in at, f"{gone} was taken away, and is still there"
    assert at == {"lt": 3000, "st": 50}, f"with gt and pmin taken away it has {at}"


@req("DM-10")
@ets("int-261")
@device_time("2 min")
@of_any_client
@pytest.mark.parametrize("written", [
    {"pmin": 1, "pmax": 1_000_000}, {"st": 0.00001}, {"gt": 10_000_000.5, "lt": -10_000_000.25}, {"gt": 0.0625}])
def test_attributes_are_shown_in_digits(joined_unit, dm, device, written):
    """OMA's table has digits, with a point where there is a fraction, and no exponent. Six figures are enough for a
    meter; a Float of 32 bits has seven."""
    dm.write_attributes(device.threshold, written)
    shown = dm.attributes(device.threshold)[device.threshold]
    for name, value in written.items():
        text = shown.get(name) or "nothing"
        assert re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text), f"{name} is shown as {text}"
        assert float(text) == pytest.approx(value, rel=1e-6), f"{name} is shown as {text}, written was {value}"


@req("DM-04", "DM-10")
@ets("int-261")
@device_time("2 min")
@of_any_client
@pytest.mark.parametrize("attributes", [
    {"gt": 10, "lt": 20}, {"gt": 20, "lt": 20}, {"gt": 100, "lt": 60, "st": 20}, {"gt": 100, "lt": 90, "st": 20},
    {"pmin": -1}, {"pmax": -1}, {"pmin": float("nan")}, {"frequency": 1}],
    ids=["lt above gt", "lt at gt", "twice st just as wide", "twice st wider", "pmin", "pmax", "no number",
         "another name"])
def test_senseless_attributes_are_refused(joined_unit, dm, device, attributes):
    """OMA: lt + 2 st is below gt. What is refused changes nothing."""
    resource = device.threshold
    dm.write_attributes(resource, {"pmin": 7})
    with pytest.raises(DmRefused) as refusal:
        dm.write_attributes(resource, attributes)
    dm.expect_refusal(refusal.value.code, ("4.00",), f"the attributes {attributes}")
    at = set_at(dm, resource)
    assert at == {"pmin": 7}, f"after {attributes} were refused it has {at}"


@req("DM-10")
@ets("int-261")
@device_time("1 min")
@of_any_client
@pytest.mark.parametrize("attributes", [
    {"gt": 101, "lt": 60, "st": 20}, {"gt": 20.5, "lt": 20}, {"gt": 1, "st": 5000}, {"lt": 5000, "st": 5000},
    {"pmin": 0, "pmax": 0}, {"pmin": 60, "pmax": 20}],
    ids=["twice st just too narrow", "half a step", "gt and st", "lt and st", "no periods", "pmax below pmin"])
def test_attributes_that_make_sense_are_taken(joined_unit, dm, device, attributes):
    """Each just inside the rule that refuses its neighbour; OMA has a pmax below pmin taken, and ignored."""
    dm.write_attributes(device.threshold, attributes)
    at = set_at(dm, device.threshold)
    assert at == attributes, f"of {attributes} it has {at}"


@req("DM-04", "DM-10")
@ets("int-261")
@device_time("1 min")
@of_any_client
@pytest.mark.parametrize("level", [2, 3], ids=["object", "instance"])
def test_only_a_resource_has_thresholds(joined_unit, dm, device, level):
    path = "/".join(device.threshold.split("/")[:level])
    for name in ("gt", "lt", "st"):
        with pytest.raises(DmRefused) as refusal:
            dm.write_attributes(path, {name: 100})
        dm.expect_refusal(refusal.value.code, ("4.00",), f"{name} at {path}")


@req("DM-10", "LWM2M-33907.0.11")
@ets("int-261")
@device_time("3 min")
@of_any_client
def test_a_maximum_period_below_the_minimum_is_ignored(joined_unit, bench, dm, device):
    observation = dm.observe(device.constant, {"pmin": 40, "pmax": 20})
    bench.clock.sleep(100 * s)
    observation.cancel()
    assert not observation.notifications, f"told what had not changed, at {times(observation)}"


@req("DM-10")
@ets("int-261")
@device_time("3 min")
@of_any_client
def test_attributes_of_a_resource_go_before_those_of_its_object(joined_unit, bench, dm, device):
    dm.write_attributes(object_of(device.counter), {"pmin": 5})
    observation = dm.observe(device.counter, {"pmin": 30})
    bench.clock.sleep(70 * s)
    observation.cancel()
    assert len(observation.notifications) == 2, f"notified at {times(observation)} s, each 30 s of 70"


@req("DM-10")
@ets("int-302", "int-303")
@device_time("3 min")
@of_any_client
@pytest.mark.parametrize("how", ["RST", "request"])
def test_a_cancelled_observation_is_silent(joined_unit, bench, dm, device, how):
    observation = dm.observe(device.counter)
    bench.clock.sleep(10 * s)
    assert observation.notifications, "nothing of the uptime in 10 s"
    if how == "RST":
        observation.cancel()
    else:
        bench.clock.run(observation.cancel_by_request(), 60 * s)
    bench.clock.sleep(10 * s)    # for the notification that brings the RST about, and those under way
    mark = bench.mark()
    bench.clock.sleep(60 * s)
    sent = [seen for seen in bench.timeline.since(mark) if seen.source == "dm" and seen.kind == "datagram"]
    assert not sent, f"{len(sent)} datagrams after the end of the observation"


@req("DM-10", "ACT-14")
@device_time("15 min")
@of_any_client
def test_an_observation_ends_with_its_registration(joined_unit, bench, dm, bootstrap, device):
    """OMA: a server observes anew after each Register; who has forgotten the unit has not asked it for anything."""
    live_with(bench, dm, bootstrap, dm_lifetime_s=300)
    observation = dm.observe(device.counter, {"pmin": 10})
    bench.clock.sleep(35 * s)
    assert observation.notifications, "nothing of the uptime in 35 s"
    before = bench.clock.time()
    dm.forget_registration()
    again = dm.wait_for_registration(10 * minutes, after=before)
    bench.clock.sleep(5 * s)    # for what was under way
    settled = bench.clock.time()
    bench.clock.sleep(60 * s)
    heard = bench.seen("dm", "datagram", after=settled, direction="in")
    assert again.registered_at > before, "the unit did not register anew"
    assert not heard, f"{len(heard)} datagrams in a minute after the new registration, for which nobody has asked"


@req("DM-10", "LWM2M-4.0.2")
@ets("int-710")
@device_time("3 min")
@in_regression
def test_the_signal_can_be_observed(joined_unit, bench, dm):
    observation = dm.observe(ConnectivityMonitoring.RADIO_SIGNAL_STRENGTH, {"pmin": 1, "pmax": 20})
    bench.clock.sleep(50 * s)
    observation.cancel()
    count = len(observation.notifications)
    assert count >= 2, f"one notification each 20 s is due at least, and {count} came in 50 s"
    values = [value for notification in observation.notifications for value in notification.values.values()]
    assert all(-140 <= value <= -44 for value in values), f"RSRP is between -140 and -44 dBm, and told is {values}"
