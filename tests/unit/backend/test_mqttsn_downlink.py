"""Will, subscriptions, sleeping clients and what the gateway publishes: octets in, octets out, after MQTT-SN 1.2."""

from __future__ import annotations

import pytest
from gateway_octets import Gateway

from bench.backend.gateway_policy import SPECIFICATION
from bench.backend.mqttsn_client import matches
from bench.protocols.mqttsn import QoS

CONNECT, CONNECT_WILL, CONNECT_AGAIN = "080404010064" + "6162", "08040c010064" + "6162", "080400010064" + "6162"
"""Client "ab", keep-alive 100 s."""


@pytest.fixture
def gateway() -> Gateway:
    return Gateway({17: "mr/predefined"}, SPECIFICATION)


@pytest.fixture
def connected(gateway: Gateway) -> Gateway:
    gateway.sent(CONNECT)
    return gateway


# -- will (6.3, 6.4)


def test_a_will_is_asked_for_and_published_when_the_client_is_lost(gateway):
    assert gateway.sent(CONNECT_WILL) == ["0206"]
    assert gateway.sent("0707" + "30" + "77696c6c") == ["0208"]
    assert gateway.sent("0609" + "676f6e65") == ["030500"]
    gateway.sessions.expire(209.0)
    assert gateway.sessions.wills == []
    gateway.sessions.expire(211.0)
    will, = gateway.sessions.wills
    assert (will.time_s, will.client_id, will.topic, will.qos, will.retain, will.payload) == (
        pytest.approx(210.0), "ab", "will", QoS.ONE, True, b"gone")


def test_an_empty_will_topic_connects_without_a_will(gateway):
    gateway.sent(CONNECT_WILL)
    assert gateway.sent("0207") == ["030500"]
    gateway.sessions.expire(1000.0)
    assert gateway.sessions.wills == []


def test_a_will_can_be_changed_and_deleted(connected):
    assert connected.sent("041c" + "6e6f") == ["031d03"], "a message for no will"
    assert connected.sent("071a" + "00" + "77696c6c") == ["031b00"]
    assert connected.sent("051c" + "6e6577") == ["031d00"]
    connected.sessions.expire(1000.0)
    assert [(will.topic, will.payload) for will in connected.sessions.wills] == [("will", b"new")]
    connected.sent(CONNECT_AGAIN)
    assert connected.sent("021a") == ["031b00"]
    connected.sessions.expire(5000.0)
    assert len(connected.sessions.wills) == 1


def test_a_will_message_that_nobody_asked_for_is_not_answered(gateway):
    assert gateway.sent("0609" + "676f6e65") == []
    gateway.sent(CONNECT_WILL)
    assert gateway.sent("0609" + "676f6e65") == []


def test_who_says_good_bye_leaves_no_will(gateway):
    gateway.sent(CONNECT_WILL)
    gateway.sent("0707" + "00" + "77696c6c")
    gateway.sent("0609" + "676f6e65")
    gateway.sent("0218")
    gateway.sessions.expire(1000.0)
    assert gateway.sessions.wills == []


# -- subscriptions (6.9, 6.10)


@pytest.mark.parametrize(("subscribe", "suback"), [
    pytest.param("0812" + "20" + "0007" + "6d722f", "0813" + "20" + "0001" + "0007" + "00", id="a name gets an id"),
    pytest.param("0712" + "20" + "0007" + "2b2f", "0813" + "20" + "0000" + "0007" + "00", id="a wildcard gets none"),
    pytest.param("0712" + "22" + "0007" + "6d72", "0813" + "20" + "0000" + "0007" + "00", id="a short name, none"),
    pytest.param("0712" + "21" + "0007" + "0011", "0813" + "20" + "0011" + "0007" + "00", id="a predefined id"),
    pytest.param("0712" + "21" + "0007" + "0012", "0813" + "00" + "0000" + "0007" + "02", id="an unknown one"),
    pytest.param("0512" + "20" + "0007", "0813" + "00" + "0000" + "0007" + "02", id="no name at all")])
def test_a_subscription_is_granted_with_the_id_of_its_topic(connected, subscribe, suback):
    assert connected.sent(subscribe) == [suback]


def test_a_subscriber_gets_what_another_client_publishes(connected):
    connected.sent("0812" + "20" + "0008" + "2b2f6b")           # +/k with QoS 1
    connected.sent("080404010064" + "6364", peer=2)
    connected.sent("090a00000001" + "6d2f6b", peer=2)           # m/k
    assert connected.sent("090c20" + "0001" + "0002" + "7b7d", peer=2) == ["070d0001000200"]
    assert connected.others() == [(1, "090a" + "0001" + "0001" + "6d2f6b")], "the name first: a wildcard matched"
    assert connected.sent("070b" + "0001" + "0001" + "00") == ["090c20" + "0001" + "0002" + "7b7d"]
    assert connected.sent("070d" + "0001" + "0002" + "00") == []
    connected.sent("090c00" + "0001" + "0000" + "5b5d", peer=2)
    assert connected.others() == [(1, "090c00" + "0001" + "0000" + "5b5d")], "QoS 0, and the name is known now"
    assert connected.sent("0814" + "00" + "0009" + "2b2f6b") == ["04150009"]
    connected.sent("090c00" + "0001" + "0000" + "5b5d", peer=2)
    assert connected.others() == []


def test_a_client_that_refuses_a_topic_is_not_told_it_again(connected):
    connected.sent("0812" + "20" + "0008" + "6d2f6b")
    connected.sessions.sessions["ab"].topics.clear()
    connected.sessions.publish("ab", "m/k", b"x")
    assert connected.others() == [(1, "090a" + "0002" + "0001" + "6d2f6b")]
    assert connected.sent("070b" + "0002" + "0001" + "03") == []
    session = connected.sessions.sessions["ab"]
    assert (session.subscriptions, list(session.waiting), session.topics) == ({}, [], {})


def test_qos_2_to_a_client_takes_four_messages(connected):
    connected.sessions.publish("ab", "mr", b"x", QoS.TWO)
    connected.sessions.publish("ab", "mr", b"y", QoS.ZERO)
    assert connected.others() == [(1, "080c42" + "6d72" + "0001" + "78")]
    assert connected.sent("040f0009") == [], "another message id"
    assert connected.sent("040f0001") == ["04100001"]
    assert connected.sent("040e0001") == ["080c02" + "6d72" + "0000" + "79"], "what waited"


@pytest.mark.parametrize(("wanted", "topic", "taken"), [
    ("mr/+/json", "mr/1/json", True), ("mr/+/json", "mr/1/2/json", False), ("mr/#", "mr/1/2", True),
    ("mr/#", "mr", True), ("#", "mr/1", True), ("mr", "mr/1", False), ("mr/1", "mr", False), ("+", "mr", True)])
def test_a_filter_takes_what_mqtt_says(wanted, topic, taken):
    assert matches(wanted, topic) is taken


# -- asleep (6.14)


def test_a_sleeping_client_gets_its_messages_when_it_wakes(connected):
    assert connected.sent("0418" + "012c") == ["0218"]
    connected.sessions.publish("ab", "mr", b"x", QoS.ONE)
    connected.sessions.publish("ab", "mr", b"y", QoS.ZERO)
    assert connected.others() == []
    connected.time_s += 300
    assert connected.sent("0416" + "6162") == ["080c22" + "6d72" + "0001" + "78"]
    assert connected.sessions.sessions["ab"].state == "awake"
    assert connected.sent("070d" + "6d72" + "0001" + "00") == ["080c02" + "6d72" + "0000" + "79", "0217"]
    assert connected.sessions.sessions["ab"].state == "asleep"
    connected.time_s += 300
    assert connected.sent("0416" + "6162") == ["0217"]


def test_what_a_client_has_not_acknowledged_comes_again_with_dup(connected):
    connected.sent("0418" + "012c")
    connected.sessions.publish("ab", "mr", b"x", QoS.ONE)
    connected.sent("0416" + "6162")
    assert connected.sent(CONNECT_AGAIN) == ["030500", "080ca2" + "6d72" + "0001" + "78"]
    assert connected.sessions.sessions["ab"].state == "active"


def test_a_sleeping_client_is_lost_when_it_does_not_wake(connected):
    connected.sent("0418" + "012c")
    connected.sessions.expire(429.0)
    assert connected.sessions.sessions["ab"].state == "asleep"
    connected.sessions.expire(431.0)
    assert connected.sessions.sessions["ab"].state == "lost"


def test_a_ping_with_the_name_of_nobody_is_that_of_a_stranger(gateway):
    assert gateway.sent("0416" + "6162") == ["0218"]
