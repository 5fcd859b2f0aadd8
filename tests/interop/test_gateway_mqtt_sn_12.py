"""The client of the package mqtt-sn-12 talks to our gateway over loopback in real time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mqttsn12.client.MqttSnClient import MqttSnClient
from mqttsn12.client.MqttSnClientException import MqttSnClientException

from bench.backend.backend import Backend
from bench.backend.mqttsn_gateway import Answer
from bench.clock import WallClock
from bench.protocols.lwm2m import Path, Type
from bench.protocols.mqttsn import Connack, Connect, Puback, Publish, QoS, ReturnCode
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
    backend.gateway.on_message = lambda message: (Answer([Connack(ReturnCode.CONGESTION)])
                                                  if isinstance(message, Connect) else None)
    with pytest.raises(MqttSnClientException, match="congestion"):
        new_client("a")


def test_the_client_sees_a_scripted_refusal_of_its_publish(backend, new_client):
    client = new_client("a")
    topic = client.send_register("mr/standard")
    backend.gateway.on_message = lambda message: (
        Answer([Puback(message.topic_id, message.message_id, ReturnCode.CONGESTION)])
        if isinstance(message, Publish) else None)
    with pytest.raises(MqttSnClientException, match="congestion"):
        client.send_publish_with_id(topic, 0, b"x", 1)
    assert backend.gateway.telegrams == []
