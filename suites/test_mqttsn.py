"""The conversation of the unit with its MQTT-SN gateway: what it says, and how it takes silence and refusals.

Manual 6.1 and Table 12, MQTT-SN 1.2. The manual has no word on the conversation itself (notes, G13): what the
specification demands and what loses no data is a verdict, everything else is written down as a step.
"""

import re
from itertools import pairwise

import pytest

from bench.manual.paths import McmConfig, NbIotStatus
from fixtures.gateway import (
    Connack,
    Connect,
    Disconnect,
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
from fixtures.judging import first_of, last_of
from fixtures.mqttsn import AFTER_A_JOIN, PATIENCE, all_arrives, ask, join_quietly, received, twice
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, profile, req, s

pytestmark = pytest.mark.usefixtures("nothing_by_itself")

TIMEOUT = 92 * s
"""33906/0/24 as delivered."""
COMMUNICATION_FAILED = 4


def first_series(messages):
    """The transmissions of one exchange: those that follow each other within a time-out or so."""
    series = messages[:1]
    for earlier, later in pairwise(messages):
        if later.time - earlier.time > 1.5 * TIMEOUT:
            break
        series.append(later)
    return series


# -- what it says


@req("CMP-07", "NET-02", "NET-42", "ACT-15")
@device_time("3 min")
@in_regression
def test_the_messages_are_those_of_mqtt_sn_1_2(joined_unit, bench, dm, gateway):
    """And as real units were seen to send them: the DevEUI as client id, QoS 1, protocol 1."""
    count = gateway.count
    gateway.restart()
    mark = ask(dm, bench)
    gateway.wait_for_telegram(5 * minutes, after=count)
    assert not bench.seen("mdm", "malformed"), "a datagram that is no message of MQTT-SN"
    deviations = [seen.data for seen in bench.seen("mdm", "message") if seen.data.get("deviations")]
    assert not deviations, f"messages that deviate from MQTT-SN 1.2: {deviations[:3]}"
    connect = first_of(gateway.heard("CONNECT", since=mark), "a CONNECT").fields
    found = connect["client_id"], connect["protocol_id"], connect["will"]
    assert found == (joined_unit.deveui, 1, False), f"client id, protocol id and will of CONNECT are {found}"
    bench.step(f"keep-alive {connect['duration']} s, clean session {connect['clean_session']}")
    register = first_of(gateway.heard("REGISTER", since=mark), "a REGISTER").fields
    assert register["topic_id"] == 0, f"REGISTER has the topic id {register['topic_id']}"
    publish = last_of(gateway.heard("PUBLISH", since=mark), "a PUBLISH").fields
    assert publish["qos"] == 1, f"QoS {publish['qos']}"
    assert not publish["dup"], "DUP on a message that is sent for the first time"
    assert not publish["retain"], "a telegram is to be retained"
    ids = {one.name: one.fields["message_id"] for one in gateway.heard(since=mark) if "message_id" in one.fields}
    assert all(ids.values()), f"a message id of 0: {ids}"


@req("CMP-07", "NET-02")
@device_time("20 h")
@in_regression
def test_each_message_has_a_message_id_of_its_own_and_none_is_0(unit, bench, dm, gateway):
    """Over more than ids of one octet would do for."""
    join_quietly(unit, gateway, {"message_encoding": "M-Bus", "readout_interval": 5, "report_interval": 5,
                                 "transmit_interval": 5, "transmit_offset": 1, "transmit_delay": 1})
    mark = bench.mark()
    bench.clock.sleep(25 * hours)
    ids = ids_of(gateway.heard("PUBLISH", since=mark))
    assert len(ids) > 270, f"{len(ids)} telegrams in 25 h with one each 5 min"
    assert 0 not in ids, "a PUBLISH with the message id 0, which stands for one without"
    again = {number for number in ids if ids.count(number) > 1}
    assert not again, f"message ids that came twice within {len(ids)} telegrams: {sorted(again)[:5]}"


@req("NET-02")
@device_time("7 d")
@profile("certification")
def test_behind_the_last_message_id_comes_one_that_is_not_0(unit, bench, dm, gateway):
    """A round has 65,535 ids: the history is sent again and again until a number is smaller than the one before."""
    join_quietly(unit, gateway, {"message_encoding": "M-Bus", "readout_interval": 5, "report_interval": 5,
                                 "transmit_interval": 5, "transmit_offset": 1, "transmit_delay": 1,
                                 "power_saving_mode": "eDRX"})
    mark = bench.mark()
    bench.clock.sleep(2 * days)
    while begins_anew(ids := ids_of(gateway.heard("PUBLISH", since=mark))) is None:
        assert len(ids) < 70_000, "70,000 telegrams, and the message ids have not begun anew"
        dm.execute(McmConfig.HISTORIC_RESEND_TRIGGER)
        gateway.wait_for_quiet(5 * minutes)
    at = begins_anew(ids)
    assert 0 not in ids, f"behind the message id {ids[at - 1]} comes {ids[at]}, which stands for a message without one"


def ids_of(messages):
    return [message.fields["message_id"] for message in messages]


def begins_anew(ids):
    """Where a number is smaller than the one before it; None: nowhere."""
    return next((at for at in range(1, len(ids)) if ids[at] < ids[at - 1]), None)


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
    due = 1 if lost is Puback else 0
    assert gateway.repeated == due, f"{due} PUBLISH with DUP is due, and {gateway.repeated} came"


@req("NET-32", "RETX-01", "RETX-19", "OTC-T12-02", "LWM2M-33906.0.25", "LWM2M-33907.0.10", "NET-31", "NET-44")
@device_time("30 min")
@in_regression
@pytest.mark.parametrize(("kind", "attempts"), [(Connect, 2), (Register, 2), (Publish, 1), (Publish, 2), (Publish, 4),
                                                (Publish, 9)],
                         ids=["CONNECT", "REGISTER", "PUBLISH 1 attempt", "PUBLISH", "PUBLISH 4 attempts",
                              "PUBLISH 9 attempts"])
def test_after_the_attempts_it_gives_up_and_keeps_the_readout(unit, bench, dm, gateway, readings, measure, kind,
                                                              attempts):
    """Table 12 counts retries, 33906/0/25 attempts in all (C20): either passes, but the same each time."""
    join_quietly(unit, gateway, {"mdm_communication_attempts": attempts, "reconnect_backoff": "10-10"})
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
    assert len(sent) in (attempts, attempts + 1), f"{len(sent)} transmissions with {attempts} attempts"
    readings.takes("C20", "attempts" if len(sent) == attempts else "retries")
    for earlier, later in pairwise(sent):
        measure("mqttsn.timeout", later.time - earlier.time)
    status = dm.read(NbIotStatus.MDM_CONNECTION_STATUS)
    assert status == COMMUNICATION_FAILED, f"the connection status is {status}, and communication has failed"
    assert gateway.count == count, "a telegram came though the gateway answers nothing"
    gateway.obey()
    all_arrives(gateway, dm, bench, mark)


@req("NET-31", "NET-44", "OTC-T12-01", "LWM2M-33906.0.24")
@device_time("15 min")
@in_regression
@pytest.mark.parametrize("timeout", [1, 30, 301])
@pytest.mark.parametrize("written", [pytest.param("over NFC", marks=needs("settings.nfc.write")), "over DM"])
def test_another_timeout_takes_effect(unit, bench, dm, gateway, measure, written, timeout):
    """Over DM while a session lasts; a repetition at once comes as soon as a radio that had to connect lets it."""
    join_quietly(unit, gateway, {"mdm_communication_timeout": timeout} if written == "over NFC" else {})
    if written == "over DM":
        ask(dm, bench)
        gateway.wait_for_telegram(2 * minutes)
        dm.write(McmConfig.MQTT_SN_COMMUNICATION_TIMEOUT, timeout)
    gateway.next(Puback, times=2 if timeout == 1 else 1).drop()
    mark = ask(dm, bench)
    first = gateway.wait_for_message("PUBLISH", 2 * minutes, since=mark)
    again = gateway.wait_for_message("PUBLISH", 10 * minutes, since=mark, count=2)
    measure("mqttsn.timeout_excess", again.time - first.time - timeout)


@req("NET-45", "NET-44", "NET-33", "OTC-T12-03", "OTC-T12-04")
@device_time("10 min")
@needs("dtls")
@in_regression
def test_with_dtls_a_telegram_is_repeated_by_one_of_both_timers(security, bench, dm, gateway, readings, measure):
    """Table 12 names both (U34)."""
    security.join("mdm", settings={"mdm_communication_timeout": 100, "mdm_dtls_min_timeout": 20,
                                   "mdm_dtls_max_timeout": 40})
    gateway.wait_for_quiet(AFTER_A_JOIN)
    gateway.next(Puback).drop()
    mark = ask(dm, bench)
    first = gateway.wait_for_message("PUBLISH", 2 * minutes, since=mark)
    again = gateway.wait_for_message("PUBLISH", 5 * minutes, since=mark, count=2)
    by_dtls = again.time - first.time < 60 * s
    readings.takes("U34", "DTLS timers" if by_dtls else "communication timeout")
    measure("mqttsn.timeout_excess", again.time - first.time - (20 if by_dtls else 100))


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
    with_dup = gateway.repeated - repeated
    assert with_dup == transmissions - 1, f"{transmissions} transmissions of a telegram, and {with_dup} have DUP"
    if delay <= 20:
        assert transmissions == 1, "repeated though the PUBACK came"
    elif delay > TIMEOUT:
        assert transmissions == 2, \
            f"one repetition is due after {TIMEOUT:g} s, and {transmissions} transmission(s) came"


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
    repeated = gateway.repeated
    all_arrives(gateway, dm, bench, mark)
    dm.stay_in_touch(2 * TIMEOUT)
    assert gateway.repeated == repeated, f"after {extra} the unit does not hear the gateway any more"
    again = twice(received(gateway, count))
    assert not again, f"readouts that came twice: {again}"


@req("RETX-19", "NET-32")
@device_time("10 min")
@in_regression
def test_the_puback_of_another_message_is_none_of_this_one(joined_unit, bench, dm, gateway):
    """Such as a late one for the telegram before."""
    count = gateway.count
    ask(dm, bench)
    gateway.wait_for_telegram(2 * minutes, after=count)
    before = last_of(gateway.heard("PUBLISH"), "a PUBLISH").fields
    gateway.next(Publish).answer(Puback(before["topic_id"], before["message_id"], ReturnCode.ACCEPTED))
    mark = ask(dm, bench)
    gateway.wait_for_telegram(5 * minutes, after=count + 1)
    all_arrives(gateway, dm, bench, mark)


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
    refused = first_of((number for number, one in enumerate(said)
                        if isinstance(rule.hits[0], kind) and one.name == kind.__name__.upper()
                        and (kind is not Publish or one.fields["message_id"] == rule.hits[0].message_id)),
                       "the refused message")
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
    assert re.search(r"PUBLISH (DISCONNECT )?(CONNECT )?REGISTER PUBLISH$", said), (
        f"after an invalid topic id the unit says {said}")


@req("NET-37", "OTC-T11-10")
@device_time("30 min")
@in_regression
@pytest.mark.parametrize("trouble", ["an invalid topic id", "a restart", "a disconnect", "silence"])
def test_the_configured_topic_is_that_of_the_next_session_too(unit, bench, dm, gateway, trouble):
    unit.make_joined({"mqtt_sn_topic": "bench/heat", "mdm_communication_timeout": 10, "reconnect_backoff": "1-2",
                      "power_saving_mode": "Disabled"})
    gateway.wait_for_quiet(AFTER_A_JOIN)
    count = gateway.count
    match trouble:
        case "an invalid topic id":
            gateway.next(Publish).refuse(ReturnCode.INVALID_TOPIC_ID)
        case "a restart":
            gateway.restart()
        case "a disconnect":
            gateway.disconnect(unit.deveui)
        case _:
            with gateway.silent():
                ask(dm, bench)
                bench.clock.sleep(3 * minutes)
    for _ in range(2):
        ask(dm, bench)
        bench.clock.sleep(1 * minutes)
    gateway.wait_for_telegram(15 * minutes, after=count)
    topics = {arrival.topic for arrival in gateway.arrivals(since=count)}
    assert topics == {"bench/heat"}, f"after {trouble} telegrams come under {', '.join(sorted(topics))}"


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
    assert re.match(r"(PUBLISH )?CONNECT (REGISTER )?PUBLISH", said), f"after a DISCONNECT the unit says {said}"


@req("ACT-15", "CMP-07", "RETX-01")
@device_time("20 min")
@in_regression
@pytest.mark.parametrize("asked", [Connect, Register], ids=["CONNECT", "REGISTER"])
def test_a_disconnect_in_answer_to_its_first_words_loses_no_data(joined_unit, bench, dm, gateway, asked):
    """Whether the unit goes on at once or after a pause (33906/0/41) is its own; without CONNECT it has no session."""
    count = gateway.count
    gateway.disconnect(joined_unit.deveui)
    rule = gateway.next(asked)
    rule.answer(Disconnect())
    mark = ask(dm, bench)
    gateway.wait_for_telegram(20 * minutes, after=count)
    assert rule.hits, f"the unit has sent no {asked.__name__.upper()}"
    said = gateway.conversation(mark)
    assert re.search(r"CONNECT (REGISTER )?PUBLISH$", said), f"after a DISCONNECT the unit says {said}"
    assert said.count("CONNECT") >= 2, f"a session that the gateway has ended goes on: {said}"


@req("RETX-01", "RETX-19", "NET-32")
@device_time("20 min")
@in_regression
def test_after_giving_up_it_does_not_go_on_in_the_old_session(joined_unit, bench, dm, gateway):
    """MQTT-SN 1.2, 6.13: the connection counts as lost, and the client connects again."""
    count = gateway.count
    with gateway.silent():
        mark = ask(dm, bench)
        gateway.wait_for_a_word(5 * minutes, since=mark)
        dm.stay_in_touch(4 * TIMEOUT)
    mark = ask(dm, bench)
    gateway.wait_for_telegram(PATIENCE, after=count)
    said = gateway.conversation(mark)
    assert re.match(r"(DISCONNECT )?CONNECT", said), f"after it had given up the unit says {said}"
