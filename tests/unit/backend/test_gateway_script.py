"""Messages that go wrong on purpose, over real loopback sockets in virtual time."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from backend_lab import Lab

from bench.backend.gateway_policy import PATIENT, Expiry, GatewayPolicy, ToExcessOctets
from bench.protocols.mqttsn import (
    Connack,
    Connect,
    Message,
    Pingreq,
    Puback,
    Publish,
    QoS,
    RawMessage,
    Register,
    ReturnCode,
    Subscribe,
)

CONNECT = bytes.fromhex("080404010064") + b"ab"
CONNECT_LONG = bytes.fromhex("01000a0404010064") + b"ab"
REGISTER = bytes.fromhex("080a00000001") + b"mr"
PUBLISH = bytes.fromhex("090c20000100077b7d")
AGAIN = bytes.fromhex("090ca0000100077b7d")
PUBACK, CONGESTED = "070d0001000700", "070d0001000701"


class Client:
    """A client "ab" that is connected and has the topic 1."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.socket = lab.client(2)
        self.gateway = lab.backend.gateway
        self.asked(CONNECT)
        self.asked(REGISTER)

    def asked(self, datagram: bytes) -> str:
        self.socket.send(datagram)
        return self.socket.recv(2048).hex()

    def hears(self, seconds: float) -> list[str]:
        """What comes within that time of the bench."""
        self.lab.clock.sleep(seconds)
        self.socket.setblocking(False)
        heard = []
        try:
            while True:
                heard.append(self.socket.recv(2048).hex())
        except BlockingIOError:
            self.socket.settimeout(5)
            return heard

    def told(self, datagram: bytes, seconds: float = 0.001) -> list[str]:
        self.lab.tell(self.socket, datagram)
        return self.hears(seconds)


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(predefined_topics={17: "mr/predefined"})
    yield lab
    lab.close()


@pytest.fixture
def client(lab) -> Client:
    return Client(lab)


def faults(lab: Lab) -> list[str]:
    return [seen.data["text"] for seen in lab.timeline.select("mdm", "fault")]


def test_a_message_of_the_unit_that_is_dropped_has_no_effect(lab, client):
    client.gateway.script.next(Publish).drop()
    assert client.told(PUBLISH, 100) == []
    assert client.gateway.telegrams == []
    assert client.told(AGAIN) == [PUBACK]
    assert faults(lab) == ["PUBLISH QoS 1 topic 1 message 7 2 B: dropped"]


def test_a_message_of_the_gateway_that_is_dropped_has_had_its_effect(lab, client):
    client.gateway.script.next(Puback).drop()
    assert client.told(PUBLISH, 100) == []
    assert client.told(AGAIN) == [PUBACK]
    assert (len(client.gateway.telegrams), len(client.gateway.repetitions)) == (1, 1)


@pytest.mark.parametrize(("kind", "datagram"), [(Publish, PUBLISH), (Puback, PUBLISH)])
def test_a_message_that_is_delayed_comes_then(client, kind, datagram):
    client.gateway.script.next(kind).delay(91)
    assert client.told(datagram, 90.5) == []
    assert client.hears(1) == [PUBACK]


@pytest.mark.parametrize(("kind", "telegrams"), [(Publish, 2), (Puback, 1)])
def test_a_duplicate_arrives_or_leaves_twice(client, kind, telegrams):
    """A copy without DUP is another telegram."""
    client.gateway.script.next(kind).duplicate(after_s=2)
    assert client.told(PUBLISH, 1) == [PUBACK]
    assert client.hears(2) == [PUBACK]
    assert len(client.gateway.telegrams) == telegrams


def test_a_refusal_has_the_code_and_is_no_telegram(client):
    client.gateway.script.next(Publish, times=2).refuse(ReturnCode.CONGESTION)
    assert [client.asked(PUBLISH) for _ in range(3)] == [CONGESTED, CONGESTED, PUBACK]
    assert len(client.gateway.telegrams) == 1


@pytest.mark.parametrize(("kind", "datagram", "answer"), [
    (Connect, CONNECT, "030503"), (Register, REGISTER, "070b0000000103"), (Publish, PUBLISH, "070d0001000703"),
    (Subscribe, bytes.fromhex("0712200007") + b"mr", "0813200000000703")])
def test_what_has_an_answer_with_a_code_can_be_refused(client, kind, datagram, answer):
    client.gateway.script.next(kind).refuse(ReturnCode.NOT_SUPPORTED)
    assert client.asked(datagram) == answer


def test_what_has_no_answer_with_a_code_can_not_be_refused(client):
    with pytest.raises(ValueError, match="PINGREQ can't be refused"):
        client.gateway.script.next(Pingreq).refuse(3)


def test_another_answer_can_be_given(client):
    client.gateway.script.next(Publish).answer(Puback(0xFFFF, 0, 0x77), RawMessage(b"\xff"))
    assert client.told(PUBLISH) == ["070dffff000077", "ff"]
    assert client.gateway.telegrams == []


def test_something_can_follow_an_answer(client):
    client.gateway.script.next(Puback).follow_with(Register(7, 1, "down"), RawMessage(b""))
    assert client.told(PUBLISH) == [PUBACK, "0a0a00070001" + b"down".hex(), ""]


def test_a_rule_for_all_messages_is_silence_until_it_is_cleared(lab, client):
    rule = client.gateway.script.every(Message)
    rule.drop()
    assert client.told(PUBLISH, 3600) == []
    assert client.told(CONNECT, 3600) == []
    assert [type(message) for message in rule.hits] == [Publish, Connect]
    client.gateway.script.clear()
    assert client.asked(AGAIN) == PUBACK


def test_the_oldest_rule_counts_first(client):
    client.gateway.script.next(Publish).refuse(1)
    client.gateway.script.every(Publish).refuse(2)
    assert [client.asked(PUBLISH)[-2:] for _ in range(3)] == ["01", "02", "02"]


def test_a_rule_that_says_nothing_lets_the_message_pass(lab, client):
    client.gateway.script.next(Puback)
    assert client.asked(PUBLISH) == PUBACK
    assert faults(lab) == ["PUBACK topic 1 message 7 accepted: let pass"]


def test_putting_back_takes_rules_and_policy_away(lab, client):
    client.gateway.script.every(Message).drop()

    def change() -> None:
        client.gateway.policy = GatewayPolicy(takes_qos_2=False)
        client.gateway.put_back()
    lab.clock.call(change)
    assert client.gateway.policy is PATIENT
    assert client.asked(PUBLISH) == PUBACK


def test_an_empty_datagram_leaves_on_purpose_only(lab, client):
    lab.clock.call(lambda: client.gateway.send("ab", RawMessage(b"")))
    assert client.hears(0.001) == [""]


def test_the_gateway_can_end_a_session_with_and_without_a_word(lab, client):
    lab.clock.call(lambda: client.gateway.end_session("ab"))
    assert client.hears(0.001) == ["0218"]
    client.asked(CONNECT)
    lab.clock.call(lambda: client.gateway.end_session("ab", silently=True))
    assert client.hears(0.001) == []
    assert client.asked(PUBLISH) == "0218"


def test_after_a_restart_nobody_is_known(lab, client):
    lab.clock.call(client.gateway.restart)
    assert client.asked(PUBLISH) == "0218"
    assert client.gateway.sessions == {}


def test_the_gateway_publishes_to_a_client(lab, client):
    lab.clock.call(lambda: client.gateway.publish("ab", "down/link", b"x", QoS.ONE))
    assert client.hears(0.001) == ["0f0a00020001" + b"down/link".hex()]
    assert client.asked(bytes.fromhex("070b0002000100")) == "080c2000020002" + b"x".hex()


def test_a_connack_may_be_late_by_policy(lab, client):
    lab.clock.call(lambda: setattr(client.gateway, "policy", GatewayPolicy(connack_after_s=5)))
    client.gateway.script.next(Connack).delay(2)
    assert client.told(CONNECT, 6.9) == []
    assert client.hears(0.2) == ["030500"]


def test_a_lost_client_is_noticed_without_a_message(lab, client):
    """Its will is published when its time is over, not when somebody speaks."""
    lab.clock.call(lambda: setattr(client.gateway, "policy", GatewayPolicy(expiry=Expiry.KEEP_ALIVE)))
    client.asked(bytes.fromhex("08040c010064") + b"ab")
    client.asked(bytes.fromhex("070700") + b"will")
    client.asked(bytes.fromhex("0609") + b"gone")
    lab.clock.sleep(109)
    assert client.gateway.wills == []
    lab.clock.sleep(2)
    assert [(will.topic, will.payload) for will in client.gateway.wills] == [("will", b"gone")]
    assert client.gateway.sessions["ab"].state == "lost"


@pytest.mark.parametrize(("decided", "answers", "following"), [
    (ToExcessOctets.SILENCE, [], PUBACK), (ToExcessOctets.DISCONNECT, ["0218"], PUBACK),
    (ToExcessOctets.END_OF_SESSION, ["0218"], "0218")])
def test_excess_octets_are_taken_by_policy(lab, client, decided, answers, following):
    lab.clock.call(lambda: setattr(client.gateway, "policy", GatewayPolicy(to_excess_octets=decided)))
    assert client.told(PUBLISH + b"\x00") == answers
    assert client.asked(PUBLISH) == following
    assert client.told(b"\x00\x01\x02") == [], "a Length of 0 is no Length"


def test_a_long_connect_is_understood_by_policy(lab, client):
    assert client.told(CONNECT_LONG) == ["030500"]
    lab.clock.call(lambda: setattr(client.gateway, "policy", GatewayPolicy(takes_long_connect=False)))
    assert client.told(CONNECT_LONG) == []
    client.asked(REGISTER)
    assert client.told(bytes.fromhex("01000b0c20000100077b7d")) == [PUBACK], "a long PUBLISH is"


def test_a_client_behind_a_forwarder_is_answered_through_it(lab, client):
    """Section 5.5: the forwarder's header has the node's id; two nodes of one forwarder are two clients."""
    for node in (b"\x01", b"\x02"):
        wrapped = bytes([4, 0xFE, 0]) + node
        assert client.asked(wrapped + CONNECT[:-1] + node.hex()[1:].encode()) == (wrapped + b"\x03\x05\x00").hex()
    assert client.told(bytes([4, 0xFE, 0, 1]) + b"\xff") == [], "no message inside"
    assert client.told(bytes([4, 0xFE, 0, 1]) * 2) == [], "a forwarder in a forwarder"
    assert {"a1", "a2"} <= set(client.gateway.sessions)
    assert client.asked(PUBLISH) == PUBACK, "the client without a forwarder is another one"


def test_fifty_units_publish_at_once(lab):
    sockets: list[socket.socket] = [lab.client(2) for _ in range(50)]
    for number, one in enumerate(sockets):
        one.send(CONNECT[:-2] + f"{number:02}".encode())
    for one in sockets:
        assert one.recv(100).hex() == "030500"
        one.send(REGISTER)
    for one in sockets:
        assert one.recv(100).hex() == "070b0001000100"
        one.send(PUBLISH)
    for one in sockets:
        assert one.recv(100).hex() == PUBACK
    assert sorted(telegram.client_id or "" for telegram in lab.backend.gateway.telegrams) == [
        f"{number:02}" for number in range(50)]
