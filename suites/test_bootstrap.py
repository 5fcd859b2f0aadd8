"""Bootstrap: when the unit asks for it, what it takes, what it makes of short and wrong contents; manual 6.2.

A bootstrap that fails may leave the unit with its old account or without one; it must ask again by itself, and a sound
bootstrap must bring it back.
"""

from itertools import pairwise

import pytest

from fixtures.bootstrap import codes
from fixtures.outcomes import BootstrapOutcome, Delete, Discover, Finish, Path, Read, WriteRaw
from fixtures.words import device_time, ets, hours, in_regression, minutes, needs, req, s

FINISHED, REFUSED, UNFINISHED = BootstrapOutcome.FINISHED, BootstrapOutcome.REFUSED, BootstrapOutcome.UNFINISHED
TRIGGER = "/1/0/9"
QUICK = {"sequence_retry_delay": 60, "communication_retry_delay": 60, "coap_ack_timeout": 5}
"""A unit that gives a server up within minutes, not days (Table 9)."""
TLV = 11542


def bootstrap_again(bench, dm):
    """Execute the trigger; when that was."""
    before = bench.clock.time()
    dm.execute(TRIGGER)
    return before


# -- when


@req("LWM2M-1.0.9", "ACT-13")
@ets("int-5")
@device_time("5 min")
@in_regression
def test_the_trigger_brings_a_bootstrap_and_a_registration(joined_unit, bench, dm, bootstrap):
    before = bootstrap_again(bench, dm)
    sequence = bootstrap.wait_for_request(2 * minutes, after=before)
    registration = dm.wait_for_registration(5 * minutes, after=sequence.started_at)
    assert sequence.outcome is FINISHED
    assert registration.registered_at > sequence.finished_at


@req("ACT-12", "ACT-13", "ACT-14")
@ets("int-0")
@device_time("5 min")
@needs("panel.button")
@in_regression
def test_an_activated_unit_asks_for_its_servers_by_its_name(passive_unit, panel, dm, bootstrap):
    _, released = passive_unit.hold_button(until=panel.green.on)
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=released)
    assert sequence.endpoint.upper().endswith(passive_unit.deveui)
    assert not dm.server.history, "a registration before the bootstrap"
    dm.wait_for_registration(5 * minutes, after=released)


@req("ACT-18", "ACT-13")
@ets("int-6")
@device_time("10 min")
@in_regression
def test_a_provisioned_unit_registers_without_a_bootstrap(joined_unit, bench, dm, bootstrap):
    before = bench.clock.time()
    dm.execute("/3/0/4")
    dm.wait_for_registration(10 * minutes, after=before)
    assert not bootstrap.sequences(before)


@req("NET-26", "NET-27", "NET-43")
@ets("int-7")
@device_time("1 h")
@needs("nfc")
@in_regression
def test_an_unreachable_dm_server_leads_back_to_the_bootstrap_server(unit, bench, dm, bootstrap):
    unit.make_joined(QUICK)
    bootstrap.give(dm_uri=bootstrap.silent_uri)
    first = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm))
    bootstrap.give_usual()
    again = bootstrap.wait_for(FINISHED, 1 * hours, after=first.finished_at)
    dm.wait_for_registration(5 * minutes, after=again.started_at)


@req("NET-27", "NET-26")
@device_time("1 h")
@needs("nfc")
@in_regression
def test_sequences_of_attempts_are_as_far_apart_as_set(unit, bench, dm, bootstrap):
    """Whether the count names attempts or retries is not printed (NET-27): two or three before the back-off."""
    unit.make_joined(QUICK | {"sequence_retry_delay": 600, "sequence_retry_count": 2, "sequence_backoff": "40-50"})
    bootstrap.server.known = frozenset()
    before = bootstrap_again(bench, dm)
    bench.clock.sleep(3 * hours)
    bootstrap.server.known = None
    asked = [seen.time for seen in bench.timeline.select(kind="refused", source="bootstrap", after=before)]
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    sequences = next((number for number, gap in enumerate(gaps, 1) if gap > 30 * minutes), None)
    assert sequences, f"no back-off between the attempts, which came after {gaps} s"
    assert sequences in (2, 3)
    assert all(abs(gap - 600) <= 60 for gap in gaps[:sequences - 1]), gaps
    assert 40 * minutes - 60 <= gaps[sequences - 1] <= 50 * minutes + 60, gaps


@req("ACT-13", "ACT-14", "NET-28")
@device_time("30 min")
@in_regression
def test_a_dm_server_that_does_not_know_the_unit_leads_back_to_the_bootstrap_server(joined_unit, bench, dm, bootstrap):
    usual, dm.server.endpoint_check = dm.server.endpoint_check, lambda identity, endpoint: False
    try:
        first = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm))
        again = bootstrap.wait_for(FINISHED, 30 * minutes, after=first.finished_at)
    finally:
        dm.server.endpoint_check = usual
    dm.wait_for_registration(30 * minutes, after=again.started_at)


@req("NET-28")
@device_time("2 h")
@needs("nfc")
@in_regression
def test_without_a_bootstrap_server_the_unit_asks_again_and_again(unit, bench, dm, bootstrap):
    unit.make_joined(QUICK)
    bootstrap.server.known = frozenset()
    bootstrap_again(bench, dm)
    bench.clock.sleep(1 * hours)
    bootstrap.server.known = None
    before = bench.clock.time()
    bootstrap.wait_for(FINISHED, 1 * hours, after=before)
    dm.wait_for_registration(5 * minutes, after=before)


# -- what it brings


@req("ACT-13", "LWM2M-1.1.0", "LWM2M-1.1.1", "LWM2M-0.1.0")
@device_time("5 min")
@in_regression
def test_the_account_that_was_written_is_the_one_in_use(joined_unit, bench, dm, bootstrap):
    bootstrap.give(dm_short_server_id=4711, dm_lifetime_s=7200)
    registration = dm.wait_for_registration(5 * minutes, after=bootstrap_again(bench, dm))
    assert registration.lifetime_s == 7200
    assert (dm.read("/1/1/0"), dm.read("/1/1/1")) == (4711, 7200)


@req("ACT-13", "NET-39", "LWM2M-33905.0.0", "NET-37")
@device_time("5 min")
@in_regression
def test_a_bootstrap_can_move_the_meter_data_elsewhere(joined_unit, bench, dm, gateway, bootstrap):
    bootstrap.give(mdm_topic="moved/by/bootstrap")
    before = bootstrap_again(bench, dm)
    arrived = gateway.count
    dm.wait_for_registration(5 * minutes, after=before)
    arrival = gateway.wait_for_telegram(timeout=15 * minutes, after=arrived)
    assert arrival.topic == "moved/by/bootstrap"
    assert dm.read("/33905/0/0") == bench.backend.uris.mdm


@req("LWM2M-0.1.0", "LWM2M-0.1.2", "LWM2M-0.1.4", "DM-05")
@ets("int-221")
@device_time("2 min")
@in_regression
def test_the_dm_server_can_not_touch_the_accounts(joined_unit, dm):
    """The manual marks most of object 0 as readable, for whom it does not say; OMA closes it with 4.01."""
    for path, value in (("/0/1/0", "coap://192.0.2.1:5683"), ("/0/1/2", 3), ("/0/1/4", b"0123456789abcdef"),
                        ("/0/1/5", b"0123456789abcdef"), ("/0/0/0", "coap://192.0.2.1:5683")):
        assert dm.refusal(path, value) in ("4.01", "4.04", "4.05"), path
    for path in ("/0", "/0/0", "/0/1", "/0/1/0"):
        assert dm.read_refusal(path) == "4.01", path
    assert dm.read_refusal("/0/0/4") in ("4.01", "4.04", "4.05")


@req("LWM2M-0.0.0", "LWM2M-0.0.1", "ACT-13")
@ets("int-4")
@device_time("10 min")
@in_regression
def test_a_delete_of_everything_spares_the_bootstrap_account_and_deletes_the_other(joined_unit, bench, dm, bootstrap):
    bootstrap.run_script(Discover(), Delete(), Discover(), *bootstrap.steps())
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm))
    before, after = ({link.path for link in step.links if len(link.path) == 2 and link.path[0] in (0, 1)}
                     for step in sequence.steps if step.request == "GET /")
    assert Path(0, 1) in before
    assert Path(0, 1) not in after
    assert Path(1, 1) not in after
    assert Path(0, 0) in after, "the bootstrap account is gone"
    dm.wait_for_registration(5 * minutes, after=sequence.started_at)
    bootstrap.give_usual()
    again = bootstrap_again(bench, dm)
    bootstrap.wait_for(FINISHED, 10 * minutes, after=again)


@req("LWM2M-1.1.0", "LWM2M-1.1.1")
@ets("int-8")
@device_time("5 min")
@in_regression
def test_a_bootstrap_server_may_read_object_1(joined_unit, bench, dm, bootstrap):
    """From LwM2M 1.1 on; a unit that refuses is not wrong. It never gives object 0 away."""
    bootstrap.run_script(Read(Path(1)), Read(Path(0)), *bootstrap.steps())
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm))
    server, security = sequence.steps[:2]
    assert server.problem == ""
    if server.code == "2.05":
        assert {path.resource_id for path in server.values} >= {0, 1}
    else:
        assert server.code in ("4.01", "4.05")
        bench.step(f"read of /1 at bootstrap: {server.code}")
    assert security.code in ("4.00", "4.01", "4.05")


@req("ACT-13")
@ets("int-0")
@device_time("5 min")
@in_regression
def test_every_step_of_a_bootstrap_is_answered_with_success(joined_unit, bench, dm, bootstrap):
    sequence = bootstrap.wait_for(FINISHED, 10 * minutes, after=bootstrap_again(bench, dm))
    assert [code for _, code in codes(sequence)] == ["2.02", "2.04", "2.04", "2.04", "2.04"], codes(sequence)


# -- short and wrong contents


WRONG = {
    "no account": {"without": Path(0, 1)},
    "no server": {"without": Path(1, 1)},
    "another short server id": {"server": {0: 99}},
    "no uri": {"security": {0: ""}},
    "a uri of http": {"security": {0: "http://192.0.2.1:80"}},
    "a security mode that does not exist": {"security": {2: 7}},
    "a lifetime of nothing": {"server": {1: 0}},
}


@req("ACT-13", "ACT-14")
@ets("int-9")
@device_time("30 min")
@needs("nfc")
@in_regression
@pytest.mark.parametrize("fault", WRONG)
def test_contents_that_do_not_fit_together_do_not_cut_the_unit_off(unit, bench, dm, bootstrap, fault):
    unit.make_joined(QUICK)
    bootstrap.run_script(*bootstrap.steps(**WRONG[fault]))
    before = bootstrap_again(bench, dm)
    bootstrap.wait_for(REFUSED, 10 * minutes, after=before)
    bootstrap.give_usual()
    sequence = bootstrap.wait_for(FINISHED, 2 * hours, after=before)
    dm.wait_for_registration(10 * minutes, after=sequence.started_at)


@req("ACT-13")
@ets("int-9")
@device_time("10 min")
@needs("nfc")
@in_regression
def test_an_inconsistent_bootstrap_is_refused_at_its_end(unit, bench, dm, bootstrap):
    unit.make_joined(QUICK)
    bootstrap.run_script(*bootstrap.steps(server={0: 99}))
    sequence = bootstrap.wait_for(REFUSED, 10 * minutes, after=bootstrap_again(bench, dm))
    assert codes(sequence)[-1] == ("POST /bs", "4.06")


RAW = {
    "no TLV": WriteRaw(Path(0, 1), b"\xff\xff\xff\xff", TLV),
    "TLV that ends too soon": WriteRaw(Path(0, 1), bytes.fromhex("c8001a636f"), TLV),
    "an empty instance": WriteRaw(Path(0, 1), b"", None),
    "a text for a number": WriteRaw(Path(1, 1), bytes.fromhex("c803000061626364")[:6], TLV),
    "an unknown format": WriteRaw(Path(0, 1), b"x", 65000),
    "an object that is not for it": WriteRaw(Path(3, 0), bytes.fromhex("c10058"), TLV),
}


@req("ACT-13", "DM-04")
@device_time("30 min")
@needs("nfc")
@in_regression
@pytest.mark.parametrize("fault", RAW)
def test_garbage_in_a_bootstrap_is_refused_and_the_unit_asks_again(unit, bench, dm, bootstrap, fault):
    unit.make_joined(QUICK)
    bootstrap.run_script(RAW[fault], Finish())
    before = bootstrap_again(bench, dm)
    sequence = bootstrap.wait_for_request(5 * minutes, after=before)
    bench.expect(lambda: sequence.outcome is not BootstrapOutcome.RUNNING or None, 10 * minutes, "the end of it")
    assert sequence.steps[0].code is not None, "no answer"
    assert sequence.steps[0].code.startswith("4."), codes(sequence)
    bootstrap.give_usual()
    sound = bootstrap.wait_for(FINISHED, 2 * hours, after=before)
    dm.wait_for_registration(10 * minutes, after=sound.started_at)


@req("ACT-13", "NET-27")
@device_time("30 min")
@needs("nfc")
@in_regression
def test_a_bootstrap_without_an_end_changes_nothing_and_is_asked_for_again(unit, bench, dm, bootstrap):
    unit.make_joined(QUICK)
    lifetime = dm.registration.lifetime_s
    bootstrap.run_script(*bootstrap.steps(server={1: lifetime + 1000})[:-1])
    before = bootstrap_again(bench, dm)
    bootstrap.wait_for(UNFINISHED, 10 * minutes, after=before)
    bootstrap.give_usual()
    sequence = bootstrap.wait_for(FINISHED, 2 * hours, after=before)
    assert dm.wait_for_registration(10 * minutes, after=sequence.started_at).lifetime_s == lifetime


@req("ACT-13")
@device_time("30 min")
@needs("nfc", "supply.voltage")
@in_regression
def test_a_bootstrap_cut_off_by_a_power_cut_leaves_the_old_account(unit, bench, dm, supply, bootstrap):
    unit.make_joined(QUICK)
    lifetime = dm.registration.lifetime_s
    bootstrap.run_script(*bootstrap.steps(server={1: lifetime + 1000})[:-1])
    bootstrap.wait_for(UNFINISHED, 10 * minutes, after=bootstrap_again(bench, dm))
    supply.output_off()
    bench.clock.sleep(10 * s)
    bootstrap.give_usual()
    unit.power_up()
    registration = dm.wait_for_registration(30 * minutes, after=bench.clock.time())
    assert registration.lifetime_s == lifetime
    assert dm.read("/1/1/1") == lifetime
