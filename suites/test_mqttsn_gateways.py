"""The unit at gateways of other kinds, its two ways to be connected, and gateways that are silent, lossy or elsewhere.

Public gateways differ from each other and from MQTT-SN 1.2 (``GatewayPolicy``). That nothing is lost or sent twice is a
verdict; what the unit says to each is written down as a step. What "optimized" and "compliant" mean is not printed
anywhere (notes, G13): each is held against what its name promises.
"""

from datetime import timedelta
from itertools import pairwise

import pytest

from bench.manual.paths import Device, McmConfig, MdmServer
from fixtures.gateway import (
    PRESETS,
    ClientIs,
    Expiry,
    GatewayPolicy,
    Puback,
    ToExcessOctets,
    ToReservedType,
    ToStranger,
    ToUnknownTopic,
)
from fixtures.judging import first_of
from fixtures.mqttsn import all_arrives, ask, join_quietly, readouts_of, received, steps, twice
from fixtures.outcomes import NetworkEvent, Status
from fixtures.words import days, device_time, hours, in_regression, minutes, needs, req, s

pytestmark = pytest.mark.usefixtures("nothing_by_itself")

# -- gateways of other kinds

KINDS = {
    "a stranger gets no answer": GatewayPolicy(to_stranger=ToStranger.SILENCE),
    "a stranger gets DISCONNECT if it was known": GatewayPolicy(to_stranger=ToStranger.DISCONNECT_IF_KNOWN),
    "a stranger's PINGREQ is answered": GatewayPolicy(pings_strangers_back=True),
    "another protocol id gets no answer": GatewayPolicy(refuses_other_protocols=False),
    "client ids of 1 to 23 characters only": GatewayPolicy(takes_any_client_id=False),
    "a known name gets a new id": GatewayPolicy(gives_new_id_to_known_name=True),
    "any topic name is accepted": GatewayPolicy(takes_any_topic_name=True),
    "PUBACK has topic id 0": GatewayPolicy(acknowledges_with_topic_id_0=True),
    "an unknown topic id gets no answer": GatewayPolicy(
        to_unknown_topic=ToUnknownTopic.SILENCE, to_unknown_topic_at_qos_0=ToUnknownTopic.SILENCE),
    "an unknown predefined id ends the session": GatewayPolicy(
        to_unknown_predefined_topic=ToUnknownTopic.END_OF_SESSION),
    "the reserved topic id type is accepted": GatewayPolicy(to_reserved_topic_type=ToReservedType.ACCEPTED),
    "the reserved topic id type gets no answer": GatewayPolicy(to_reserved_topic_type=ToReservedType.SILENCE),
    "QoS 2 is refused": GatewayPolicy(takes_qos_2=False),
    "a CONNECT in the long form is not understood": GatewayPolicy(takes_long_connect=False),
    "QoS 0 is acknowledged": GatewayPolicy(acknowledges_qos_0=True),
    "excess octets end the session": GatewayPolicy(to_excess_octets=ToExcessOctets.END_OF_SESSION),
    "topics end with the session": GatewayPolicy(topics_survive_session=False),
    "a client is known by its address": GatewayPolicy(client_is=ClientIs.ADDRESS),
    "CONNACK comes late": GatewayPolicy(connack_after_s=5),
    "only what meters send is understood": GatewayPolicy(takes_only_meter_messages=True),
    "repetitions count as new": GatewayPolicy(takes_repetition_for_new=True),
    "a session lasts for the keep-alive time": GatewayPolicy(expiry=Expiry.KEEP_ALIVE),
    "a session lasts for 7 days": GatewayPolicy(expiry=Expiry.FIXED),
} | {f"like {name}": policy for name, policy in PRESETS.items() if name != "patient"}
"""Each row of what public gateways were seen to do, and those gateways as a whole."""


@req("CMP-07")
@device_time("30 min")
@in_regression
@pytest.mark.parametrize("kind", KINDS)
def test_data_get_through_to_a_gateway_of_another_kind(joined_unit, bench, dm, gateway, kind):
    """At first contact, in a session, and after the gateway has lost the session, or the topic. What the unit makes of
    it is written down; what it has once tried to send must arrive."""
    first = gateway.count
    gateway.behave_like(KINDS[kind])
    gateway.disconnect(joined_unit.deveui)
    for what in ("connects", "sends again", "has been forgotten", "has lost its topic"):
        if what == "has been forgotten":
            gateway.restart()
        if what == "has lost its topic":
            gateway.forget_topics(joined_unit.deveui)
        count, mark = gateway.count, ask(dm, bench)
        asked = bench.clock.time()
        gateway.wait_for_a_word(5 * minutes, since=mark)
        dm.stay_in_touch(5 * minutes)
        arrived = [f"{arrival.time - asked:.0f} s" for arrival in gateway.arrivals(count)]
        bench.step(f"{kind}; the unit {what}: {gateway.conversation(mark)}; arrived after "
                   f"{', '.join(arrived) or '(not at all)'}")
        all_arrives(gateway, dm, bench, mark)
    if not KINDS[kind].takes_repetition_for_new:
        again = twice(received(gateway, first))
        assert not again, f"readouts that came twice: {again}"


@req("CMP-07", "RETX-18")
@device_time("4 d")
@in_regression
@pytest.mark.parametrize("connection", ["Optimized", "Compliant"])
def test_a_daily_unit_outlives_the_keep_alive_time_of_its_gateway(unit, bench, gateway, connection):
    """A unit that reports once a day and promises to be heard within 18 h is lost each day to a gateway that counts."""
    join_quietly(unit, gateway, {"mqtt_sn_connection": connection})
    gateway.behave_like(GatewayPolicy(expiry=Expiry.KEEP_ALIVE))
    count, mark = gateway.count, bench.mark()
    bench.clock.sleep(3 * days)
    keep_alive = first_of(gateway.heard("CONNECT"), "a CONNECT").fields["duration"]
    bench.step(f"keep-alive {keep_alive} s; the unit says {gateway.conversation(mark)}")
    stamps = [stamp for stamp in received(gateway, count) if stamp.minute == 0]
    assert len(stamps) >= 2 * 24, f"{len(stamps)} readouts of three days"
    assert steps(stamps) == {timedelta(hours=1)}, "a readout is missing, or came twice"


# -- optimized and compliant (hypotheses, to be settled on hardware)


OFTEN = {"readout_interval": 15, "report_interval": 15, "transmit_interval": 15, "transmit_offset": 1,
         "transmit_delay": 1}
OPTIMIZED, COMPLIANT = 0, 1


@req("NET-36", "OTC-T11-09", "LWM2M-33905.0.10")
@device_time("4 h")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize("restarted", [False, True], ids=["at once", "after a restart"])
def test_both_kinds_of_connection_are_told_apart_by_what_the_unit_says(unit, bench, dm, gateway, restarted):
    """What each says is not printed (G13): that a compliant unit says more, or else, is what the setting is for."""
    join_quietly(unit, gateway, {"mqtt_sn_connection": "Optimized", "power_saving_mode": "eDRX"} | OFTEN)
    said = {}
    for kind in (OPTIMIZED, COMPLIANT):
        dm.write(MdmServer.CONNECTION_CONFIG, kind)
        if restarted:
            _, began = unit.press_button(6 * s)
            dm.wait_for_registration(5 * minutes, after=began)
        bench.clock.sleep(30 * minutes)    # what the change itself leads to is over
        count, mark = gateway.count, bench.mark()
        bench.clock.sleep(1 * hours)
        assert gateway.count >= count + 3, f"{gateway.count - count} telegrams in an hour"
        said[kind] = sorted(set(gateway.conversation(mark).split()) - {"PUBLISH"})
        bench.step(f"{'Compliant' if kind else 'Optimized'}: {gateway.conversation(mark)}")
    assert said[OPTIMIZED] != said[COMPLIANT], f"Compliant and Optimized are the same: PUBLISH and {said[OPTIMIZED]}"


@req("NET-36", "OTC-T11-09", "LWM2M-33905.0.10", "CMP-07")
@device_time("4 d")
@in_regression
def test_a_compliant_unit_publishes_in_a_living_session_only(unit, bench, gateway):
    """After 1.1 times the keep-alive time of silence the client of a gateway that follows the specification is lost
    (MQTT-SN 1.2, 7.2)."""
    join_quietly(unit, gateway, {"mqtt_sn_connection": "Compliant"})
    count = gateway.count
    bench.clock.sleep(3 * days + 5 * hours)    # a transmission's window is four hours long
    assert gateway.count >= count + 3, f"{gateway.count - count} telegrams in three days"
    said = gateway.heard()
    connects = [number for number, one in enumerate(said) if one.name == "CONNECT"]
    said = said[first_of(connects, "a CONNECT"):]
    alive_s, last = 0, first_of(said, "a message").time
    for one in said:
        if one.name == "CONNECT":
            alive_s = one.fields["duration"]
        assert one.name != "PUBLISH" or one.time - last <= 1.1 * alive_s, f"PUBLISH after {one.time - last:.0f} s"
        last = one.time
    bench.step(f"compliant: {' '.join(one.name for one in said)}")
    for earlier, later in pairwise(said):
        if earlier.name == "DISCONNECT":
            assert later.name == "CONNECT", f"{later.name} after DISCONNECT"


# -- topics

TOPICS = {"one letter": "h", "capitals": "Bench/Heat/A1", "65 letters": "bench/" + "x" * 59, "128 letters": "bench/"
          + "y" * 122, "letters beyond ASCII": "w\u00e4rme/\u03b1"}


@req("NET-37", "LWM2M-33905.0.11", "OTC-T11-10")
@device_time("10 min")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize("written", [pytest.param("over NFC", marks=needs("settings.nfc.write")), "over DM"])
@pytest.mark.parametrize("topic", TOPICS)
def test_telegrams_come_on_the_topic_that_is_set(joined_unit, bench, dm, gateway, topic, written):
    """At once and after a restart; a topic that the unit does not take is none that is set."""
    if written == "over NFC":
        taken = joined_unit.try_settings({"mqtt_sn_topic": TOPICS[topic]}).status is Status.OK
    else:
        taken = not dm.refusal(MdmServer.TOPIC, TOPICS[topic])
    if not taken:
        bench.step(f"a topic of {len(TOPICS[topic])} letters is refused {written}")
        return
    for when in ("at once", "after a restart"):
        if when == "after a restart":
            _, began = joined_unit.press_button(6 * s)
            dm.wait_for_registration(5 * minutes, after=began)
        count = gateway.count
        ask(dm, bench)
        come = gateway.wait_for_telegram(15 * minutes, after=count).topic
        assert come == TOPICS[topic], f"{when} the telegram comes on {come!r}, {TOPICS[topic]!r} is set"


@req("NET-37", "LWM2M-33906.0.1", "LWM2M-33906.0.2")
@device_time("15 min")
@needs("panel.button")
@in_regression
@pytest.mark.parametrize("changed", [{1: 1}, {1: 2}, {2: 43}], ids=["JSON", "M-Bus", "Extended"])
def test_a_change_leads_to_the_topic_that_a_restart_leads_to(joined_unit, bench, dm, gateway, changed):
    """What the topic is that the unit makes up is not printed (G13), but it is one for one set of settings."""
    topics = []
    dm.write(McmConfig.INSTANCE, changed)
    for restarted in (False, True):
        if restarted:
            _, began = joined_unit.press_button(6 * s)
            dm.wait_for_registration(5 * minutes, after=began)
        count = gateway.count
        ask(dm, bench)
        topics.append(gateway.wait_for_telegram(15 * minutes, after=count).topic)
    assert topics[0] == topics[1], f"after the change telegrams come on {topics[0]}, after a restart on {topics[1]}"


# -- outage and move (notes, S29)


@req("NET-30", "RETX-01", "RETX-02", "LWM2M-33906.0.41")
@device_time("4 h")
@in_regression
def test_after_an_outage_of_the_gateway_everything_arrives(unit, bench, gateway):
    join_quietly(unit, gateway, OFTEN)
    count, last = gateway.count, gateway.last_ever()
    assert last is not None, "the unit has not sent a telegram after joining"
    before, mark = last.telegram.newest.stamp, bench.mark()
    with gateway.silent():
        bench.clock.sleep(3 * hours)
        assert gateway.count == count, "a telegram came though the gateway is silent"
    bench.clock.sleep(1 * hours)
    tried = {stamp for message in gateway.heard("PUBLISH", since=mark) for stamp in readouts_of(message)}
    stamps = received(gateway, count)
    assert tried <= set(stamps), "a readout that was tried is missing"
    stamps = [stamp for stamp in stamps if stamp.replace(tzinfo=None) > before.replace(tzinfo=None)
              and stamp.minute % 15 == 0]
    assert len(stamps) >= 12, f"{len(stamps)} readouts of three hours"
    assert steps(stamps) == {timedelta(minutes=15)}, "a readout of the outage is missing, or came twice"


@req("NET-39", "NET-37", "LWM2M-33905.0.0", "LWM2M-33905.0.11")
@device_time("30 min")
@needs("panel.button", "supply.voltage")
@in_regression
def test_a_unit_that_is_sent_to_another_gateway_goes_there_with_its_new_topic(joined_unit, bench, dm, supply, bootstrap,
                                                                             gateway, second_gateway):
    """While the first one is still there to be talked to; and stays there when it is restarted, by whatever, unless the
    bootstrap server has told it otherwise since."""
    usual = {0: dm.read(MdmServer.URI), 11: dm.read(MdmServer.TOPIC)}
    count, mark = gateway.count, bench.mark()
    dm.write(MdmServer.INSTANCE, {0: second_gateway.uri, 11: "bench/moved"})
    try:
        ask(dm, bench)
        arrival = second_gateway.wait_for_telegram(15 * minutes, after=0)
        found = arrival.topic, arrival.client_id
        assert found == ("bench/moved", joined_unit.deveui), f"topic and client at the second gateway are {found}"
        said = second_gateway.conversation(mark)
        assert said.startswith("CONNECT REGISTER PUBLISH"), f"to the second gateway the unit says {said}"
        for how in ("button", "DM", "power cut"):
            began, moved = bench.clock.time(), second_gateway.count
            match how:
                case "button":
                    joined_unit.press_button(6 * s)
                case "DM":
                    dm.execute(Device.REBOOT)
                case _:
                    supply.output_off()
                    bench.clock.sleep(10 * s)
                    joined_unit.power_up()
            dm.wait_for_registration(10 * minutes, after=began)
            if bootstrap.sequences(began):
                return
            topic = second_gateway.wait_for_telegram(15 * minutes, after=moved).topic
            assert topic == "bench/moved", f"after a restart by {how} telegrams come on the topic {topic}"
        assert gateway.count == count, "a telegram came to the first gateway, too"
        still = {"CONNECT", "REGISTER", "PUBLISH"} & set(gateway.conversation(mark).split())
        assert not still, f"the first gateway still hears {', '.join(sorted(still))}"
    finally:
        dm.write(MdmServer.INSTANCE, usual)
    ask(dm, bench)
    gateway.wait_for_telegram(15 * minutes, after=count)


@req("CMP-07", "RETX-19")
@device_time("30 min")
@in_regression
def test_a_gateway_that_loses_every_other_message_gets_everything_once(joined_unit, bench, dm, gateway):
    """Lost acknowledgements only: each telegram has come the first time."""
    mark, count = bench.mark(), gateway.count
    for _ in range(3):
        gateway.next(Puback).drop()
        ask(dm, bench)
        dm.stay_in_touch(4 * minutes)
    assert gateway.count == count + 3, f"{gateway.count - count} telegrams have come of 3"
    sent = len(gateway.heard("PUBLISH", since=mark))
    assert sent == 6, f"{sent} transmissions of 3 telegrams, each of which was acknowledged the second time"
    assert not twice(received(gateway, count)), f"readouts that came twice: {twice(received(gateway, count))}"


# -- release assistance


@req("NET-35", "RETX-06")
@device_time("40 min")
@needs("cell.assistance")
@in_regression
def test_release_assistance_costs_no_acknowledgement_of_several_uploads(unit, bench, dm, gateway, radio):
    """With several telegrams in a transmission only the last one may say that nothing follows its PUBACK: which ones
    say it is written down; that each is acknowledged the first time is a verdict."""
    join_quietly(unit, gateway, {"message_encoding": "M-Bus", "readout_interval": 5, "report_interval": 5,
                                 "transmit_interval": 15, "transmit_offset": 1, "transmit_delay": 1})
    dm.write(McmConfig.ENABLE_RAI, 1)
    try:
        before, count, mark = bench.clock.time(), gateway.count, bench.mark()
        dm.stay_in_touch(47 * minutes)
    finally:
        dm.write(McmConfig.ENABLE_RAI, 0)
    sent = gateway.heard("PUBLISH", since=mark)
    indicated = [one for one in radio.events(NetworkEvent.DATA_TRANSPORT, before) if one.release_assistance]
    bench.step(f"release assistance with {len(indicated)} of {len(sent)} telegrams")
    assert gateway.count >= count + 6, f"{gateway.count - count} telegrams in 47 min"
    assert len(sent) == gateway.count - count, "a telegram was repeated"
