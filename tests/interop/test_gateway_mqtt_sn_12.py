"""The client of the package mqtt-sn-12 talks to our gateway over loopback in real time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mqttsn12.client.MqttSnClient import MqttSnClient
from mqttsn12.client.MqttSnClientException import MqttSnClientException
from mqttsn12.packets import PublishPacket

from bench.backend.backend import Backend
from bench.backend.gateway_policy import PRESETS, Expiry, GatewayPolicy
from bench.clock import WallClock
from bench.protocols.lwm2m import Path, Type
from bench.protocols.mqttsn import Connect, Publish, QoS, ReturnCode
from bench.timeline import Timeline

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def clock() -> Iterator[WallClock]:
    with WallClock() as clock:
        yield clock


@pytest.fixture
def backend(clock) -> Iterator[Backend]:
    def type_of(path: Path) -> Type:
        return Type.OPAQUE

    backend = Backend(clock, Timeline(clock.time, clock.nudge), type_of, predefined_topics={17: "mr/predefined"})
    clock.run(backend.start())
    yield backend
    clock.run(backend.stop())


@pytest.fixture
def new_client(backend) -> Iterator:
    opened: list[MqttSnClient] = []

    def connect(client_id: str, *, clean_session: bool = True) -> MqttSnClient:
        client = MqttSnClient()
        opened.append(client)
        client.set_client_id(client_id)
        client.set_clean_session(clean_session)
        client.set_keep_alive(600)
        client.set_timeout(10)
        client.open("127.0.0.1", backend.ports[2])
        client.send_connect()
        return client

    yield connect
    for client in opened:
        client.close()


@pytest.mark.parametrize("qos", [1, 2])
def test_an_acknowledged_publish_arrives(backend, new_client, qos):
    client = new_client("94193A04010020B8")
    client.send_publish("mr/94193A04010020B8/standard/json", b'{"E":184}', qos)
    telegram, = backend.gateway.telegrams
    assert (telegram.client_id, telegram.topic, telegram.qos, telegram.dup, telegram.payload) == (
        "94193A04010020B8", "mr/94193A04010020B8/standard/json", QoS(qos), False, b'{"E":184}')


@pytest.mark.parametrize("qos", [-1, 0])
def test_a_publish_without_acknowledgement_arrives(clock, backend, new_client, qos):
    new_client("a").send_publish_predefined(17, b"x", qos)
    clock.wait_for(lambda: backend.gateway.telegrams, timeout=10)
    telegram, = backend.gateway.telegrams
    assert (telegram.topic, telegram.qos, telegram.payload) == ("mr/predefined", QoS(qos), b"x")


def test_a_payload_that_needs_the_long_length_arrives_whole(backend, new_client):
    payload = bytes(range(256)) * 4
    new_client("a").send_publish("mr/standard", payload, 1)
    assert backend.gateway.telegrams[0].payload == payload


def test_a_short_topic_name_arrives(backend, new_client):
    new_client("a").send_publish("mr", b"x", 1)
    assert backend.gateway.telegrams[0].topic == "mr"


def test_two_clients_have_their_own_topics(backend, new_client):
    one, two = new_client("one"), new_client("two")
    assert one.send_register("mr/one") == 1
    assert two.send_register("mr/two") == 1
    two.send_publish_with_id(1, 0, b"2", 1)
    one.send_publish_with_id(1, 0, b"1", 1)
    assert [(one.client_id, one.topic, one.payload) for one in backend.gateway.telegrams] == [
        ("two", "mr/two", b"2"), ("one", "mr/one", b"1")]


def test_an_unknown_topic_id_is_refused(backend, new_client):
    with pytest.raises(MqttSnClientException, match="invalid topic ID"):
        new_client("a").send_publish_with_id(9, 0, b"x", 1)
    assert backend.gateway.telegrams == []


def test_ping_and_disconnect_are_answered(backend, new_client):
    client = new_client("a")
    client.send_ping_req()
    client.send_disconnect()
    assert backend.gateway.sessions["a"].state == "disconnected"


def test_topics_survive_a_connect_without_clean_session(backend, new_client):
    assert new_client("a").send_register("mr/standard") == 1
    new_client("a", clean_session=False).send_publish_with_id(1, 0, b"x", 1)
    assert backend.gateway.telegrams[0].topic == "mr/standard"


def test_the_client_sees_a_scripted_refusal_of_its_connect(backend, new_client):
    backend.gateway.script.next(Connect).refuse(ReturnCode.CONGESTION)
    with pytest.raises(MqttSnClientException, match="congestion"):
        new_client("a")


def test_the_client_sees_a_scripted_refusal_of_its_publish(backend, new_client):
    client = new_client("a")
    topic = client.send_register("mr/standard")
    backend.gateway.script.next(Publish).refuse(ReturnCode.CONGESTION)
    with pytest.raises(MqttSnClientException, match="congestion"):
        client.send_publish_with_id(topic, 0, b"x", 1)
    assert backend.gateway.telegrams == []


@pytest.mark.parametrize("name", ["RSMB", "Paho", "Utilitarian", "specification"])
def test_the_client_gets_along_with_each_kind_of_gateway(clock, backend, new_client, name):
    clock.call(lambda: setattr(backend.gateway, "policy", PRESETS[name]))
    client = new_client("a")
    client.send_publish("mr/standard", b"x", 1)
    client.send_publish("mr/standard", b"y", 0)
    client.send_ping_req()
    clock.wait_for(lambda: len(backend.gateway.telegrams) == 2, timeout=10)
    assert [one.payload for one in backend.gateway.telegrams] == [b"x", b"y"]


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("wanted", ["mr/+/json", "mr/meter/json"])
def test_a_subscriber_gets_what_another_client_publishes(backend, new_client, wanted, qos):
    """With a wildcard the gateway registers the topic at the subscriber first, which that client answers by itself."""
    payload = bytes(range(256)) * 2
    subscriber, publisher = new_client("subscriber"), new_client("publisher")
    subscriber.send_subscribe(wanted, 2, object())
    publisher.send_publish("mr/meter/json", payload, qos)
    subscriber.datagram_socket.setblocking(True)
    theirs = PublishPacket()
    theirs.decode(subscriber.wait_for(True, 0x0C))
    assert (theirs.get_data(), theirs.get_flags() >> 5 & 3) == (payload, qos)
    assert backend.gateway.sessions["subscriber"].topics == {1: "mr/meter/json"}


def test_the_will_of_a_client_that_is_lost_is_published(clock, backend):
    client = MqttSnClient()
    client.set_client_id("a")
    client.set_keep_alive(1)
    client.set_timeout(10)
    client.set_will("will/topic", "gone", 1, True)
    clock.call(lambda: setattr(backend.gateway, "policy", GatewayPolicy(expiry=Expiry.KEEP_ALIVE)))
    client.open("127.0.0.1", backend.ports[2])
    try:
        client.send_connect()
        clock.wait_for(lambda: backend.gateway.wills, timeout=10)
    finally:
        client.close()
    will, = backend.gateway.wills
    assert (will.topic, will.qos, will.retain, will.payload) == ("will/topic", QoS.ONE, True, b"gone")


def test_a_client_that_sleeps_is_known_as_asleep(backend, new_client):
    new_client("a").send_disconnect(3600)
    session = backend.gateway.sessions["a"]
    assert (session.state, session.asleep_s) == ("asleep", 3600)
