"""The conversation of the unit with its MQTT-SN gateway: what it says, and how it takes silence and refusals.

Manual 6.1 and Table 12, MQTT-SN 1.2. The manual has no word on the conversation itself (notes, G13): what the
specification demands and what loses no data is a verdict, everything else is written down as a step.
"""

from itertools import pairwise

import pytest

from fixtures.gateway import (
    Connack,
    Connect,
    Flags,
    Pingreq,
    Puback,
    Publish,
    QoS,
    RawMessage,
    Regack,
    Register,
    ReturnCode,
)
from fixtures.mqttsn import PATIENCE, all_arrives, ask, received, twice
from fixtures.words import device_time, in_regression, minutes, needs, req, s

TIMEOUT = 92 * s
"""33906/0/24 as delivered."""
COMMUNICATION_FAILED = 4
MDM_STATUS = "/33907/0/10"


def first_series(messages):
    """The transmissions of one exchange: those that follow each other within a time-out or so."""
    series = messages[:1]
    for earlier, later in pairwise(messages):
        if later.time - earlier.time > 1.5 * TIMEOUT:
            break
        series.append(later)
    return series


# -- what it says


@req("CMP-07", "NET-02", "NET-36", "NET-42", "ACT-15")
@device_time("3 min")
@in_regression
def test_the_messages_are_those_of_mqtt_sn_1_2(joined_unit, bench, dm, gateway):
    """And as real units were seen to send them: the DevEUI as client id, QoS 1, protocol 1."""
    count = gateway.count
    gateway.restart()
    mark = ask(dm, bench)
    gateway.wait_for_telegram(5 * minutes, after=count)
    assert not bench.timeline.select("mdm", "malformed")
    assert not [seen.data for seen in bench.timeline.select("mdm", "message") if seen.data.get("deviations")]
    connect = gateway.heard("CONNECT", since=mark)[0].fields
    assert (connect["client_id"], connect["protocol_id"], connect["will"]) == (joined_unit.deveui, 1, False)
    bench.step(f"keep-alive {connect['duration']} s, clean session {connect['clean_session']}")
    register = gateway.heard("REGISTER", since=mark)[0].fields
    assert register["topic_id"] == 0 and register["message_id"] > 0
    publish = gateway.heard("PUBLISH", since=mark)[-1].fields
    assert publish["qos"] == 1, f"QoS {publish['qos']}"
    assert not publish["dup"], "DUP on a message that is sent for the first time"
    assert not publish["retain"]


@req("CMP-07", "NET-02")
@device_time("5 min")
@in_regression
def test_each_publish_has_a_message_id_of_its_own(joined_unit, bench, dm, gateway):
    mark = bench.mark()
    for _ in range(4):
        count = gateway.count
        ask(dm, bench)
        gateway.wait_for_telegram(5 * minutes, after=count)
    ids = [message.fields["message_id"] for message in gateway.heard("PUBLISH", since=mark)]
    assert len(set(ids)) == len(ids), f"message ids {ids}"


# -- lost messages (notes, S27)


@req("NET-31", "NET-32", "RETX-19", "OTC-T12-01", "LWM2M-33906.0.24", "LWM2M-33906.0.25")
@device_time("6 min")
@in_regression
@pytest.mark.parametrize(("lost", "name"), [(Connack, "CONNECT"), (Regack, "REGISTER"), (Puback, "PUBLISH")],
                         ids=["CONNACK", "REGACK", "PUBACK"])
def test_a_message_whose_answer_is_lost_is_repeated_after_92_s(joined_unit, bench, dm, gateway, measure, lost, name):
    count = gateway.count
    if lost is not Puback:
        gateway.restart()
    gateway.next(lost).drop()
    mark = ask(dm, bench)
    first = gateway.wait_for_message(name, 2 * TIMEOUT, since=mark)
    if lost is Puback:
        first = gateway.wait_for_message(name, 2 * TIMEOUT, since=mark)
    again = gateway.wait_for_message(name, 2 * TIMEOUT, since=mark, count=2)
    measure("mqttsn.timeout", again.time - first.time)
    gateway.wait_for_telegram(5 * minutes, after=count)
    changed = {key for key in first.fields if first.fields[key] != again.fields[key]} - {"text"}
    assert changed == ({"dup"} if name == "PUBLISH" else set()), f"the repetition differs in {sorted(changed)}"
    bench.clock.sleep(5 * minutes)
    assert gateway.count == count + 1, "the telegram came more than once"
    assert gateway.repeated == (1 if lost is Puback else 0)


@req("NET-32", "RETX-01", "RETX-19", "OTC-T12-02", "LWM2M-33906.0.25", "LWM2M-33907.0.10", "NET-31")
@device_time("30 min")
@needs("nfc")
@in_regression
@pytest.mark.parametrize(("kind", "attempts"), [(Connect, 2), (Register, 2), (Publish, 2), (Publish, 4)],
                         ids=["CONNECT", "REGISTER", "PUBLISH", "PUBLISH 4 attempts"])
def test_after_the_attempts_it_gives_up_and_keeps_the_readout(unit, bench, dm, gateway, measure, kind, attempts):
    """Table 12 counts retries, 33906/0/25 attempts in all (notes, C20): either passes, which one is written down."""
    unit.make_joined({"mdm_communication_attempts": attempts, "reconnect_backoff": "10-10"})
    count = gateway.count
    if kind is not Publish:
        gateway.restart()
    gateway.every(kind).drop()
    mark = ask(dm, bench)
    name = kind.__name__.upper()
    first = gateway.wait_for_message(name, PATIENCE, since=mark)
    dm.stay_in_touch((attempts + 2) * TIMEOUT)
    sent = first_series([one for one in gateway.heard(name, since=mark) if one.time >= first.time])
    if kind is Publish:
        sent = [one for one in sent if one.fields["message_id"] == first.fields["message_id"]]
    bench.step(f"{attempts} attempts are {len(sent)} transmissions")
    assert len(sent) in (attempts, attempts + 1), f"{len(sent)} transmissions"
    for earlier, later in pairwise(sent):
        measure("mqttsn.timeout", later.time - earlier.time)
    assert dm.read(MDM_STATUS) == COMMUNICATION_FAILED
    assert gateway.count == count
    gateway.obey()
    all_arrives(gateway, dm, bench, mark)


@req("NET-31", "OTC-T12-01", "LWM2M-33906.0.24")
@device_time("3 min")
@needs("nfc")
@in_regression
def test_another_timeout_takes_effect(unit, bench, dm, gateway, measure):
    unit.make_joined({"mdm_communication_timeout": 30})
    gateway.next(Puback).drop()
    mark = ask(dm, bench)
    first = gateway.wait_for_message("PUBLISH", 2 * minutes, since=mark)
    again = gateway.wait_for_message("PUBLISH", 2 * minutes, since=mark, count=2)
    measure("mqttsn.timeout_30", again.time - first.time)


@req("NET-31", "OTC-T12-01")
@device_time("5 min")
@in_regression
@pytest.mark.parametrize("delay", [1, 5, 10, 20, 60, 91, 93])
def test_a_late_puback_is_taken(joined_unit, bench, dm, gateway, delay):
    """By then the radio may be idle: a downlink waits for the next paging window, up to 41 s with eDRX. So nothing is
    repeated up to 20 s, something is beyond 92 s, and between them either is right."""
    count, repeated = gateway.count, gateway.repeated
    gateway.next(Puback).delay(delay)
    mark = ask(dm, bench)
    gateway.wait_for_telegram(2 * minutes, after=count)
    bench.clock.sleep(4 * TIMEOUT)
    transmissions = len(gateway.heard("PUBLISH", since=mark))
    bench.step(f"PUBACK after {delay} s: {transmissions} transmission(s)")
    assert gateway.count == count + 1, "the telegram was sent anew"
    assert gateway.repeated - repeated == transmissions - 1
    if delay <= 20:
        assert transmissions == 1, "repeated though the PUBACK came"
    elif delay > TIMEOUT:
        assert transmissions == 2


@req("CMP-07")
@device_time("5 min")
@in_regression
@pytest.mark.parametrize("extra", ["a second PUBACK", "a late second PUBACK", "REGISTER", "PINGREQ", "PUBLISH",
                                   "an empty datagram", "a malformed message"])
def test_what_comes_beside_the_puback_does_no_harm(joined_unit, bench, dm, gateway, extra):
    """An empty datagram is said to hang older units."""
    count, rule = gateway.count, gateway.next(Puback)
    match extra:
        case "a second PUBACK":
            rule.duplicate()
        case "a late second PUBACK":
            rule.duplicate(after_s=60)
        case "REGISTER":
            rule.follow_with(Register(7, 1, "bench/downlink"))
        case "PINGREQ":
            rule.follow_with(Pingreq())
        case "PUBLISH":
            rule.follow_with(Publish(Flags(qos=QoS.ONE), 7, 2, b"bench"))
        case "an empty datagram":
            rule.follow_with(RawMessage(b""))
        case _:
            rule.follow_with(RawMessage(b"\xff\x0d"))
    mark = ask(dm, bench)
    gateway.wait_for_telegram(2 * minutes, after=count)
    dm.stay_in_touch(4 * minutes)
    bench.step(f"{extra}: the unit says {gateway.conversation(mark)}")
    assert gateway.count == count + 1, "the telegram was sent anew"
    all_arrives(gateway, dm, bench, mark)
    assert not twice(received(gateway, count))


@req("CMP-07")
@device_time("10 min")
@in_regression
def test_a_gateway_that_speaks_unasked_does_no_harm(joined_unit, bench, dm, gateway):
    """To a unit whose radio is released, and on a topic that it has never heard of."""
    mark = bench.mark()
    for what in (lambda: gateway.send(joined_unit.deveui, Pingreq()),
                 lambda: gateway.publish(joined_unit.deveui, "bench/downlink", b"bench", QoS.ONE),
                 lambda: gateway.send(joined_unit.deveui, Puback(1, 0xFFFF, 0)),
                 lambda: gateway.send(joined_unit.deveui, RawMessage(b""))):
        bench.clock.sleep(30 * s)
        what()
        dm.stay_in_touch(61 * s)
    bench.step(f"to what was not asked for the unit says {gateway.conversation(mark) or 'nothing'}")
    all_arrives(gateway, dm, bench, mark)


# -- refusals


@req("ACT-15", "CMP-07")
@device_time("20 min")
@in_regression
@pytest.mark.parametrize("code", list(ReturnCode)[1:], ids=lambda code: code.name)
@pytest.mark.parametrize("kind", [Connect, Register, Publish], ids=lambda kind: kind.__name__.upper())
def test_a_refusal_loses_no_data(joined_unit, bench, dm, gateway, kind, code):
    """And after a refused CONNECT nothing is published before one is accepted. With congestion the specification has
    the client wait for more than 5 min (6.5, 6.6): how long this one does is written down."""
    if kind is not Publish:
        gateway.restart()
    rule = gateway.next(kind)
    rule.refuse(code)
    mark = ask(dm, bench)
    bench.expect(lambda: rule.hits, PATIENCE, f"a {kind.__name__.upper()}")
    dm.stay_in_touch(12 * minutes)
    said = gateway.heard(since=mark)
    refused = next(number for number, one in enumerate(said)
                   if isinstance(rule.hits[0], kind) and one.name == kind.__name__.upper()
                   and (kind is not Publish or one.fields["message_id"] == rule.hits[0].message_id))
    following = said[refused + 1:]
    bench.step(f"after {said[refused].name} with {code.name}: " + (", ".join(
        f"{one.name} after {one.time - said[refused].time:.0f} s" for one in following) or "nothing"))
    if kind is Connect:
        until_connect = [one.name for one in following[:next((number for number, one in enumerate(following)
                                                              if one.name == "CONNECT"), len(following))]]
        assert "PUBLISH" not in until_connect and "REGISTER" not in until_connect, "goes on without a connection"
    all_arrives(gateway, dm, bench, mark)


@req("NET-37", "CMP-07")
@device_time("5 min")
@in_regression
def test_an_invalid_topic_id_leads_to_another_registration(joined_unit, bench, dm, gateway):
    """MQTT-SN 1.2, 6.6. It is not a matter of the next transmission."""
    count = gateway.count
    gateway.next(Publish).refuse(ReturnCode.INVALID_TOPIC_ID)
    mark = ask(dm, bench)
    gateway.wait_for_telegram(5 * minutes, after=count)
    said = gateway.conversation(mark)
    assert said.endswith("PUBLISH REGISTER PUBLISH"), said


@req("ACT-15", "CMP-07")
@device_time("5 min")
@in_regression
@pytest.mark.parametrize("when", ["while nothing is going on", "in answer to a PUBLISH"])
def test_after_a_disconnect_of_the_gateway_it_connects_again(joined_unit, bench, dm, gateway, when):
    """As public gateways expect of this unit: upon DISCONNECT it connects, and registers its topic again."""
    count = gateway.count
    if when == "in answer to a PUBLISH":
        gateway.restart()
    else:
        gateway.disconnect(joined_unit.deveui)
    mark = ask(dm, bench)
    gateway.wait_for_telegram(5 * minutes, after=count)
    said = gateway.conversation(mark)
    assert said.removeprefix("PUBLISH ").startswith("CONNECT REGISTER PUBLISH"), said


@req("RETX-01", "RETX-19", "NET-32")
@device_time("20 min")
@in_regression
def test_after_giving_up_it_does_not_go_on_in_the_old_session(joined_unit, bench, dm, gateway):
    """MQTT-SN 1.2, 6.13: the connection counts as lost, and the client connects again."""
    count = gateway.count
    with gateway.silent():
        mark = ask(dm, bench)
        gateway.wait_for_message("PUBLISH", 5 * minutes, since=mark)
        dm.stay_in_touch(4 * TIMEOUT)
    mark = ask(dm, bench)
    gateway.wait_for_telegram(PATIENCE, after=count)
    assert gateway.conversation(mark).startswith("CONNECT"), gateway.conversation(mark)
