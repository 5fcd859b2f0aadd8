"""Bootstrap: when the unit asks for it, what it takes, what it makes of short and wrong contents; manual 6.2.

A bootstrap that fails may leave the unit with its old account or without one; it must ask again by itself, and a sound
bootstrap must bring it back.
"""

from itertools import pairwise

import pytest

from bench.manual.paths import Device, McmConfig, MdmServer, Security0, Server1
from fixtures.bootstrap import codes
from fixtures.judging import last_of
from fixtures.outcomes import BootstrapOutcome, Delete, Discover, Event, Finish, Path, Read, Write, WriteRaw
from fixtures.words import device_time, ets, hours, in_regression, minutes, needs, of_any_client, req, s

FINISHED, REFUSED, UNFINISHED = BootstrapOutcome.FINISHED, BootstrapOutcome.REFUSED, BootstrapOutcome.UNFINISHED
TLV = 11542


def accounts(bootstrap):
    """The paths of the DM server's account in objects 0 and 1."""
    return f"/0/{bootstrap.account.instance_id}", str(bootstrap.account)


def bootstrap_again(bench, dm, bootstrap):
    """Execute the trigger; when that was."""
    before = bench.clock.time()
    dm.execute(bootstrap.trigger)
    return before


# -- when


@req("LWM2M-1.0.9", "ACT-13")
@ets("int-5")
@device_time("5 min")
@of_any_client
def test_the_trigger_brings_a_bootstrap_and_a_registration(joined_unit, bench, dm, bootstrap):
    before = bootstrap_again(bench, dm, bootstrap)
    sequence = bootstrap.wait_for_request(2 * minutes, after=before)
    registration = dm.wait_for_registration(5 * minutes, after=sequence.started_at)
    assert sequence.outcome is FINISHED, f"the bootstrap is {sequence.outcome.value}"
    assert registration.registered_at > sequence.finished_at, "registered before the bootstrap's end"


@req("ACT-12", "ACT-13", "ACT-14")
@ets("int-0")
@device_time("5 min")
@needs("panel.button")
@in_regression
def test_an_activated_unit_asks_for_its_servers_by_its_name(passive_unit, panel, dm, bootstrap):
    _, released = passive_unit.hold_button(until=panel.green.on)
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=released)
    name = sequence.endpoint
    assert name.upper().endswith(passive_unit.deveui), \
        f"the unit {passive_unit.deveui} asks for its servers as {name!r}"
    registered = [one for one in dm.history(released) if one.event is Event.REGISTERED]
    assert all(one.time_s > sequence.started_at for one in registered), "a registration before the bootstrap"
    dm.wait_for_registration(5 * minutes, after=released)


@req("ACT-12", "ACT-04")
@device_time("10 min")
@needs("panel.button", "settings.nfc.write")
@in_regression
@pytest.mark.parametrize("how", ["button", "NFC"])
def test_a_unit_that_knows_its_servers_asks_again_when_it_is_activated(joined_unit, bench, dm, bootstrap, how):
    """"Upon activation" (6.2): each time."""
    joined_unit.switch_off()
    bench.clock.sleep(30 * s)
    begun = bench.clock.time()
    if how == "button":
        joined_unit.press_button(6 * s)
    else:
        joined_unit.activate()
    registration = dm.wait_for_registration(15 * minutes, after=begun)
    sequence = last_of(bootstrap.sequences(begun), "a bootstrap before the registration")
    assert sequence.started_at < registration.registered_at, "registered before it asked the bootstrap server"


@req("ACT-18", "ACT-13")
@ets("int-6")
@device_time("10 min")
@of_any_client
def test_a_provisioned_unit_registers_again_and_may_bootstrap_first(joined_unit, bench, dm, bootstrap):
    """OMA has it keep its account; the manual says only that a unit bootstraps when it is activated."""
    before = bench.clock.time()
    dm.execute(Device.REBOOT)
    registration = dm.wait_for_registration(10 * minutes, after=before)
    sequences = bootstrap.sequences(before)
    bench.step(f"{len(sequences)} bootstrap(s) after a reboot")
    assert all(one.outcome is FINISHED for one in sequences), "a bootstrap that did not finish"
    assert all(one.finished_at < registration.registered_at for one in sequences), "registered before the bootstrap"


@req("NET-26", "NET-27", "NET-43")
@ets("int-7")
@device_time("1 h")
@of_any_client
def test_an_unreachable_dm_server_leads_back_to_the_bootstrap_server(unit, bench, dm, bootstrap):
    unit.make_impatient()
    bootstrap.give(dm_uri=bootstrap.silent_uri)
    first = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    bootstrap.give_usual()
    again = bootstrap.wait_for(FINISHED, 1 * hours, after=first.finished_at)
    dm.wait_for_registration(5 * minutes, after=again.started_at)


@req("NET-27", "NET-26")
@device_time("1 h")
@in_regression
def test_sequences_of_attempts_are_as_far_apart_as_set(unit, bench, dm, bootstrap):
    """Whether the count names attempts or retries is not printed (NET-27): two or three before the back-off."""
    unit.make_joined({"sequence_retry_delay": 600, "communication_retry_delay": 60, "coap_ack_timeout": 5,
                      "sequence_retry_count": 2, "sequence_backoff": "40-50"})
    bootstrap.server.known = frozenset()
    before = bootstrap_again(bench, dm, bootstrap)
    bench.clock.sleep(3 * hours)
    bootstrap.server.known = None
    asked = [seen.time for seen in bench.seen(kind="refused", source="bootstrap", after=before)]
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    sequences = next((number for number, gap in enumerate(gaps, 1) if gap > 30 * minutes), None)
    assert sequences, f"no back-off between the attempts, which came after {gaps} s"
    assert sequences in (2, 3), f"two or three sequences are due before the back-off, and {sequences} came"
    assert all(abs(gap - 600) <= 60 for gap in gaps[:sequences - 1]), gaps
    assert 40 * minutes - 60 <= gaps[sequences - 1] <= 50 * minutes + 60, gaps


@req("ACT-13", "ACT-14", "NET-28")
@device_time("30 min")
@of_any_client
def test_a_dm_server_that_does_not_know_the_unit_leads_back_to_the_bootstrap_server(joined_unit, bench, dm, bootstrap):
    usual, dm.server.endpoint_check = dm.server.endpoint_check, lambda identity, endpoint: False
    try:
        first = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
        again = bootstrap.wait_for(FINISHED, 30 * minutes, after=first.finished_at)
    finally:
        dm.server.endpoint_check = usual
    dm.wait_for_registration(30 * minutes, after=again.started_at)


@req("NET-28")
@device_time("2 h")
@of_any_client
def test_without_a_bootstrap_server_the_unit_asks_again_and_again(unit, bench, dm, bootstrap):
    unit.make_impatient()
    bootstrap.server.known = frozenset()
    bootstrap_again(bench, dm, bootstrap)
    bench.clock.sleep(1 * hours)
    bootstrap.server.known = None
    before = bench.clock.time()
    bootstrap.wait_for(FINISHED, 1 * hours, after=before)
    dm.wait_for_registration(5 * minutes, after=before)


# -- what it brings


@req("ACT-13", "LWM2M-1.1.0", "LWM2M-1.1.1", "LWM2M-0.1.0", "LWM2M-0.1.10")
@device_time("5 min")
@of_any_client
@pytest.mark.parametrize(("short_server_id", "lifetime_s"), [(4711, 7200), (2, 120), (65534, 100_000), (40000, 86401)])
def test_the_account_that_was_written_is_the_one_in_use(joined_unit, bench, dm, bootstrap, short_server_id,
                                                        lifetime_s):
    """Short server ids are 1 to 65534 by the manual; the first is the bootstrap server's own here."""
    bootstrap.give(dm_short_server_id=short_server_id, dm_lifetime_s=lifetime_s)
    registration = dm.wait_for_registration(5 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    assert registration.lifetime_s == lifetime_s, f"registered for {registration.lifetime_s} s"
    account = dm.read(str(bootstrap.account / 0)), dm.read(str(bootstrap.account / 1))
    assert account == (short_server_id, lifetime_s), f"short server id and lifetime: {account}"


@req("LWM2M-33905.0.10", "LWM2M-33905.0.11", "NET-36", "NET-37", "ACT-13", "OTC-09")
@device_time("10 min")
@in_regression
@pytest.mark.parametrize("connection", [1, 0], ids=["Compliant", "Optimized"])
def test_the_connection_and_topic_of_a_bootstrap_are_those_in_use(joined_unit, bench, dm, bootstrap, connection):
    """The last writer wins (U23): what was written over DM before is gone."""
    dm.write(MdmServer.INSTANCE, {10: 1 - connection, 11: "written/over/dm"})
    bootstrap.give(mdm_connection_config=connection, mdm_topic="given/by/bootstrap")
    dm.wait_for_registration(5 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    in_use = dm.read(MdmServer.CONNECTION_CONFIG), dm.read(MdmServer.TOPIC)
    assert in_use == (connection, "given/by/bootstrap"), f"connection and topic: {in_use}"


@req("LWM2M-0.0.0", "LWM2M-0.0.2", "ACT-13")
@device_time("10 min")
@in_regression
@pytest.mark.parametrize("step", [
    Write(Security0.INSTANCE, {Security0.LWM2M_SERVER_URI: "coap://192.0.2.1:5683", Security0.BOOTSTRAP_SERVER: True,
                               Security0.SECURITY_MODE: 3}),
    Write(Device.INSTANCE, {Device.MANUFACTURER: "Somebody"}),
    Write(McmConfig.INSTANCE, {McmConfig.METER_READOUT_INTERVAL: 5}),
    Delete(Security0.INSTANCE), Delete(Device.INSTANCE), Delete(Path(3)), Delete(McmConfig.INSTANCE)],
    ids=["its own account", "the device", "a setting", "delete its own account", "delete the device",
         "delete the device's object", "delete the settings"])
def test_a_bootstrap_server_changes_what_is_its_to_change_only(unit, bench, dm, bootstrap, step):
    """Table 1 has the DM account writable by the bootstrap server, and nothing else but 33905."""
    unit.make_impatient()
    interval = dm.read(McmConfig.METER_READOUT_INTERVAL)
    bootstrap.run_script(step, *bootstrap.steps())
    before = bootstrap_again(bench, dm, bootstrap)
    sequence = bootstrap.wait_for_request(5 * minutes, after=before)
    bench.expect(lambda: sequence.outcome is not BootstrapOutcome.RUNNING or None, 10 * minutes, "the end of it")
    asked = sequence.steps[0]
    dm.expect_refusal(asked.code or "", ("4.05", "4.04"), f"{asked.request} at bootstrap")
    bootstrap.give_usual()
    sound = bootstrap.wait_for(FINISHED, 2 * hours, after=before)
    dm.wait_for_registration(10 * minutes, after=sound.started_at)
    dm.expect(Device.MANUFACTURER, "Elvaco")
    dm.expect(McmConfig.METER_READOUT_INTERVAL, interval, "a setting has changed")
    again = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    assert again.outcome is FINISHED, "the bootstrap account is another"


@req("ACT-13", "NET-39", "LWM2M-33905.0.0", "NET-37")
@device_time("5 min")
@in_regression
def test_a_bootstrap_can_move_the_meter_data_elsewhere(joined_unit, bench, dm, gateway, bootstrap):
    bootstrap.give(mdm_topic="moved/by/bootstrap")
    before = bootstrap_again(bench, dm, bootstrap)
    arrived = gateway.count
    dm.wait_for_registration(5 * minutes, after=before)
    arrival = gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    assert arrival.topic == "moved/by/bootstrap", f"the topic given was moved/by/bootstrap, used is {arrival.topic!r}"
    dm.expect(MdmServer.URI, bench.backend.uris.mdm)


@req("LWM2M-0.1.0", "LWM2M-0.1.2", "LWM2M-0.1.4", "DM-05")
@ets("int-221")
@device_time("2 min")
@of_any_client
def test_the_dm_server_can_not_touch_the_accounts(joined_unit, dm, bootstrap, readings):
    """The manual marks most of object 0 as readable, for whom it does not say (U07); OMA closes it with 4.01."""
    own = f"/0/{bootstrap.account.instance_id}"
    for path, value in ((f"{own}/0", "coap://192.0.2.1:5683"), (f"{own}/2", 3), (f"{own}/4", b"0123456789abcdef"),
                        (f"{own}/5", b"0123456789abcdef"), (Security0.LWM2M_SERVER_URI, "coap://192.0.2.1:5683")):
        dm.expect_refusal(dm.refusal(path, value), ("4.01", "4.04", "4.05"), f"writing {path}")
    for path in (Security0.SECRET_KEY, "/0/0/5", f"{own}/4", f"{own}/5"):
        dm.expect_refusal(dm.read_refusal(path), ("4.01", "4.04", "4.05"), f"reading the key {path}")
    for path in ("/0", Security0.INSTANCE, own, f"{own}/0"):
        code = dm.read_refusal(path)
        readings.takes("U07", "refused" if code else "readable but for the keys")
        if code:
            dm.expect_refusal(code, ("4.01",), f"reading {path}")


@req("LWM2M-0.0.0", "LWM2M-0.0.1", "ACT-13")
@ets("int-4")
@device_time("10 min")
@of_any_client
def test_a_delete_of_everything_spares_the_bootstrap_account_and_deletes_the_other(joined_unit, bench, dm, bootstrap):
    security, server = accounts(bootstrap)
    bootstrap.run_script(Discover(), Delete(), Discover(), *bootstrap.steps())
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    before, after = ({link.target for link in step.links} for step in sequence.steps if step.request == "GET /")
    assert {security, server} <= before, f"before the Delete there are {sorted(before)}"
    left = {security, server} & after
    assert not left, f"{sorted(left)} outlived the Delete of everything"
    assert str(Security0.INSTANCE) in after, "the bootstrap account is gone"
    dm.wait_for_registration(5 * minutes, after=sequence.started_at)
    bootstrap.give_usual()
    again = bootstrap_again(bench, dm, bootstrap)
    bootstrap.wait_for(FINISHED, 10 * minutes, after=again)


@req("ACT-13", "LWM2M-1.1.0", "LWM2M-0.1.0", "LWM2M-0.1.10")
@ets("int-4")
@device_time("10 min")
@of_any_client
@pytest.mark.parametrize("short_server_id", [2, 65534])
def test_a_discover_shows_the_accounts_that_have_just_been_written(joined_unit, bench, dm, bootstrap,
                                                                   short_server_id):
    """OMA has each account named with its short server id, from LwM2M 1.2 on with its URI, too."""
    steps = bootstrap.steps(security={10: short_server_id}, server={0: short_server_id})
    bootstrap.run_script(*steps[:-1], Discover(), Discover(Path(0)), Discover(Path(1)), Finish())
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    everything, security, server = ({link.target: link.attributes for link in step.links if link.target != "/"}
                                    for step in sequence.steps if step.request.startswith("GET"))
    of_security, of_server = accounts(bootstrap)
    for links, path in ((everything, of_security), (everything, of_server), (security, of_security),
                        (server, of_server)):
        assert path in links, f"{path} was written, and shown are {sorted(links)}"
        shown = links[path].get("ssid")
        assert shown == str(short_server_id), f"{path} is shown with the short server id {shown}"
        uri = links[path].get("uri")
        assert uri in (None, bench.backend.uris.dm), f"{path} is shown with the URI {uri}"
    strangers = [path for path in security if not path.startswith("/0/")] + [
        path for path in server if not path.startswith("/1/")]
    assert not strangers, f"a Discover of one object shows {strangers}"
    dm.wait_for_registration(5 * minutes, after=sequence.started_at)
    dm.expect(f"{of_server}/0", short_server_id, "another short server id than was shown")


@req("LWM2M-1.1.0", "LWM2M-1.1.1", "SEC-12", "LWM2M-0.1.4")
@ets("int-8")
@device_time("5 min")
@of_any_client
def test_a_bootstrap_server_may_read_object_1(joined_unit, bench, dm, bootstrap):
    """From LwM2M 1.1 on; a unit that refuses is not wrong. It never gives object 0 away."""
    bootstrap.run_script(Read(Path(1)), Read(Path(0)), *bootstrap.steps())
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    server, security = sequence.steps[:2]
    assert server.problem == "", f"read of /1 at bootstrap: {server.problem}"
    if server.code == "2.05":
        missing = {0, 1} - {path.resource_id for path in server.values}
        assert not missing, f"object 1 at bootstrap lacks {sorted(missing)}"
    else:
        dm.expect_refusal(server.code or "", ("4.01", "4.05"), "reading /1 at bootstrap")
    dm.expect_refusal(security.code or "", ("4.00", "4.01", "4.05"), "reading /0, with the keys, at bootstrap")


@req("ACT-13")
@ets("int-0")
@device_time("5 min")
@of_any_client
def test_every_step_of_a_bootstrap_is_answered_with_success(joined_unit, bench, dm, bootstrap):
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    refused = [step for step in codes(sequence) if step[1] not in ("2.02", "2.04", "2.05")]
    assert not refused, f"steps that were not taken: {refused}"


# -- short and wrong contents


WRONG = {
    "no account": {"without": 0},
    "no server": {"without": 1},
    "another short server id": {"server": {0: 99}},
    "a short server id of 0": {"security": {10: 0}, "server": {0: 0}},
    "a short server id of 65535": {"security": {10: 65535}, "server": {0: 65535}},
    "no uri": {"security": {0: ""}},
    "a uri of http": {"security": {0: "http://192.0.2.1:80"}},
    "a security mode that does not exist": {"security": {2: 7}},
    "a lifetime of nothing": {"server": {1: 0}},
}


@req("ACT-13", "ACT-14")
@ets("int-9")
@device_time("30 min")
@of_any_client
@pytest.mark.parametrize("fault", WRONG)
def test_contents_that_do_not_fit_together_do_not_cut_the_unit_off(unit, bench, dm, bootstrap, fault):
    unit.make_impatient()
    bootstrap.run_script(*bootstrap.steps(**WRONG[fault]))
    before = bootstrap_again(bench, dm, bootstrap)
    bootstrap.wait_for(REFUSED, 10 * minutes, after=before)
    bootstrap.give_usual()
    sequence = bootstrap.wait_for(FINISHED, 2 * hours, after=before)
    dm.wait_for_registration(10 * minutes, after=sequence.started_at)


@req("ACT-13", "ACT-14", "LWM2M-1.1.1")
@ets("int-9")
@device_time("30 min")
@of_any_client
def test_an_account_without_notification_storing_is_taken_or_refused_as_a_whole(unit, bench, dm, bootstrap):
    """OMA makes 1/x/6 mandatory, the manual does not list it: what is refused is not used, and with it it is taken."""
    unit.make_impatient()
    lifetime = dm.registration.lifetime_s
    bootstrap.give(dm_stores_notifications=None, dm_lifetime_s=lifetime + 1000)
    before = bootstrap_again(bench, dm, bootstrap)
    sequence = bootstrap.wait_for_request(5 * minutes, after=before)
    bench.expect(lambda: sequence.outcome is not BootstrapOutcome.RUNNING or None, 10 * minutes, "the end of it")
    if sequence.outcome is FINISHED:
        registration = dm.wait_for_registration(10 * minutes, after=before)
        assert registration.lifetime_s == lifetime + 1000, f"taken, and registered for {registration.lifetime_s} s"
    else:
        step, code = last_of(codes(sequence), "a step of the bootstrap")
        dm.expect_refusal(code or "", ("4.06", "4.00"), f"{step} of an account without 1/x/6")
        bench.clock.sleep(3 * minutes)
        used = [one for one in dm.history(before) if one.registration.lifetime_s == lifetime + 1000]
        assert not used, "an account that was refused is in use"
    bootstrap.give_usual()
    whole = bootstrap_again(bench, dm, bootstrap) if sequence.outcome is FINISHED else bench.clock.time()
    sound = bootstrap.wait_for(FINISHED, 2 * hours, after=whole)
    registration = dm.wait_for_registration(10 * minutes, after=sound.started_at)
    assert registration.lifetime_s == lifetime, f"registered for {registration.lifetime_s} s"


@req("ACT-13")
@ets("int-9")
@device_time("10 min")
@of_any_client
def test_an_inconsistent_bootstrap_is_refused_at_its_end(unit, bench, dm, bootstrap):
    unit.make_impatient()
    bootstrap.run_script(*bootstrap.steps(server={0: 99}))
    sequence = bootstrap.wait_for(REFUSED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    step, code = last_of(codes(sequence), "a step of the bootstrap")
    assert step == "POST /bs", f"the last step was {step}"
    dm.expect_refusal(code or "", ("4.06",), "the end of an inconsistent bootstrap")


RAW = {
    "no TLV": (0, b"\xff\xff\xff\xff", TLV),
    "TLV that ends too soon": (0, bytes.fromhex("c8001a636f"), TLV),
    "an empty instance": (0, b"", None),
    "a text for a number": (1, bytes.fromhex("c803000061626364")[:6], TLV),
    "an unknown format": (0, b"x", 65000),
    "an object that is not for it": (3, bytes.fromhex("c10058"), TLV),
}
"""What is written: to which object, as which octets, in which content format."""


@req("ACT-13", "DM-04")
@device_time("30 min")
@of_any_client
@pytest.mark.parametrize("fault", RAW)
def test_garbage_in_a_bootstrap_is_refused_and_the_unit_asks_again(unit, bench, dm, bootstrap, fault):
    unit.make_impatient()
    number, octets, content_format = RAW[fault]
    instance = Device.INSTANCE if number == 3 else Path(number, bootstrap.account.instance_id)
    bootstrap.run_script(WriteRaw(instance, octets, content_format), Finish())
    before = bootstrap_again(bench, dm, bootstrap)
    sequence = bootstrap.wait_for_request(5 * minutes, after=before)
    bench.expect(lambda: sequence.outcome is not BootstrapOutcome.RUNNING or None, 10 * minutes, "the end of it")
    dm.expect_refusal(sequence.steps[0].code or "", ("4.00", "4.05", "4.15"), f"{fault} at bootstrap")
    bootstrap.give_usual()
    sound = bootstrap.wait_for(FINISHED, 2 * hours, after=before)
    dm.wait_for_registration(10 * minutes, after=sound.started_at)


@req("ACT-13", "NET-27")
@device_time("30 min")
@of_any_client
def test_a_bootstrap_without_an_end_changes_nothing_and_is_asked_for_again(unit, bench, dm, bootstrap):
    unit.make_impatient()
    lifetime = dm.registration.lifetime_s
    bootstrap.run_script(*bootstrap.steps(server={1: lifetime + 1000})[:-1])
    before = bootstrap_again(bench, dm, bootstrap)
    bootstrap.wait_for(UNFINISHED, 10 * minutes, after=before)
    bootstrap.give_usual()
    sequence = bootstrap.wait_for(FINISHED, 2 * hours, after=before)
    seen = dm.wait_for_registration(10 * minutes, after=sequence.started_at).lifetime_s
    assert seen == lifetime, f"an account that came without an end changed the lifetime from {lifetime} s to {seen} s"


@req("ACT-13")
@device_time("30 min")
@needs("supply.voltage")
@in_regression
def test_a_bootstrap_cut_off_by_a_power_cut_leaves_the_old_account(unit, bench, dm, supply, bootstrap):
    unit.make_impatient()
    lifetime = dm.registration.lifetime_s
    bootstrap.run_script(*bootstrap.steps(server={1: lifetime + 1000})[:-1])
    bootstrap.wait_for(UNFINISHED, 10 * minutes, after=bootstrap_again(bench, dm, bootstrap))
    supply.output_off()
    bench.clock.sleep(10 * s)
    bootstrap.give_usual()
    unit.power_up()
    registration = dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    seen = registration.lifetime_s
    assert seen == lifetime, f"an account that came without an end changed the lifetime from {lifetime} s to {seen} s"
    dm.expect(Server1.LIFETIME, lifetime)


@req("OTC-T9-02", "OTC-T9-01")
@device_time("10 min")
@needs("settings.nfc.write", "cell.nas")
@in_regression
@pytest.mark.parametrize("port", [1, 5683, 32_769, 40_001, 65_535])
def test_the_unit_calls_the_bootstrap_port_that_is_set(unit, bench, radio, port):
    """Nobody answers there: the network sees where the datagrams go."""
    unit.make_passive()
    host = unit.commissioning()["bootstrap_ip"]
    unit.write_settings({"bootstrap_port": port})
    activated = unit.activate()
    bench.clock.sleep(5 * minutes)
    called = radio.destinations(activated)
    assert f"{host}:{port}" in called, f"called were {', '.join(sorted(called)) or 'nobody'}, set is port {port}"
