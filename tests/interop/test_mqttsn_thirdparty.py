"""Our MQTT-SN codec against mqtt-sn-12 from PyPI, an independent client: its frames with ours, ours with its.

The client talks over loopback UDP to a gateway of a few lines that knows nothing but our codec.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from bench.protocols import mqttsn
from bench.protocols.mqttsn import Flags, QoS, ReturnCode, TopicIdType
from bench.protocols.udp import Address, UdpEndpoint

packets = pytest.importorskip("mqttsn12.packets")
client_module = pytest.importorskip("mqttsn12.client.MqttSnClient")

PAYLOAD_700 = bytes(range(256)) * 2 + bytes(188)


class Gateway:
    """Answers as the specification says and keeps what it got; an undecodable datagram is kept as its error."""

    def __init__(self) -> None:
        self.seen: list[mqttsn.Message | str] = []
        self.topics: list[str] = []
        self.port = 0
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Gateway:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop_serving)
        self._thread.join(10)

    def _stop_serving(self) -> None:
        assert self._stop is not None
        self._stop.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._udp = await UdpEndpoint.open("127.0.0.1", 0, self._received)
        self.port = self._udp.port
        self._ready.set()
        await self._stop.wait()
        self._udp.close()

    def _received(self, peer: Address, data: bytes) -> None:
        try:
            message = mqttsn.decode(data)
        except mqttsn.MqttSnError as error:
            self.seen.append(str(error))
            return
        self.seen.append(message)
        for answer in self._answers(message):
            self._udp.send(peer, answer.encode())

    def _answers(self, message: mqttsn.Message) -> Iterator[mqttsn.Message]:
        match message:
            case mqttsn.Connect(flags=Flags(will=True)):
                yield mqttsn.Willtopicreq()
            case mqttsn.Willtopic():
                yield mqttsn.Willmsgreq()
            case mqttsn.Connect() | mqttsn.Willmsg():
                yield mqttsn.Connack(ReturnCode.ACCEPTED)
            case mqttsn.Register():
                self.topics.append(message.topic_name)
                yield mqttsn.Regack(len(self.topics), message.message_id, ReturnCode.ACCEPTED)
            case mqttsn.Publish(flags=Flags(qos=QoS.ONE)):
                yield mqttsn.Puback(message.topic_id, message.message_id, ReturnCode.ACCEPTED)
            case mqttsn.Publish(flags=Flags(qos=QoS.TWO)):
                yield mqttsn.Pubrec(message.message_id)
            case mqttsn.Pubrel():
                yield mqttsn.Pubcomp(message.message_id)
            case mqttsn.Subscribe():
                yield mqttsn.Suback(message.flags, 9, message.message_id, ReturnCode.ACCEPTED)
                yield mqttsn.Publish(Flags(), 9, 0, PAYLOAD_700)
            case mqttsn.Unsubscribe():
                yield mqttsn.Unsuback(message.message_id)
            case mqttsn.Pingreq():
                yield mqttsn.Pingresp()
            case mqttsn.Willtopicupd():
                yield mqttsn.Willtopicresp(ReturnCode.ACCEPTED)
            case mqttsn.Willmsgupd():
                yield mqttsn.Willmsgresp(ReturnCode.ACCEPTED)
            case mqttsn.Disconnect():
                yield mqttsn.Disconnect()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[object]:
    client = client_module.MqttSnClient()
    client.set_client_id("94193A04010020B8")
    client.set_timeout(10)
    client.set_keep_alive(64800)
    client.open("127.0.0.1", gateway.port)
    yield client
    client.close()


@pytest.mark.parametrize(("qos", "payload"), [(0, b"hello"), (1, b"hello"), (2, b"hello"), (1, PAYLOAD_700)])
def test_a_third_partys_client_publishes_through_our_codec(client: object, gateway: Gateway, qos: int,
                                                           payload: bytes) -> None:
    client.send_connect()  # type: ignore[attr-defined]
    client.send_publish("mr/94193A04010020B8/standard/json", payload, qos)  # type: ignore[attr-defined]
    client.send_disconnect()  # type: ignore[attr-defined]
    release = [mqttsn.Pubrel(2)] if qos == 2 else []
    assert gateway.seen == [
        mqttsn.Connect(Flags(clean_session=True), 1, 64800, "94193A04010020B8"),
        mqttsn.Register(0, 1, "mr/94193A04010020B8/standard/json"),
        mqttsn.Publish(Flags(qos=QoS(qos)), 1, 2 if qos else 0, payload), *release, mqttsn.Disconnect()]


def test_a_third_partys_client_takes_our_will_subscribe_ping_and_sleep(client: object, gateway: Gateway) -> None:
    arrived: list[bytes] = []

    class Listener:
        def message_arrived(self, message: object) -> None:
            arrived.append(message.get_payload())  # type: ignore[attr-defined]

    client.set_will("will/topic", "gone", 1, True)  # type: ignore[attr-defined]
    client.send_connect()  # type: ignore[attr-defined]
    client.send_subscribe("a/+", 1, Listener())  # type: ignore[attr-defined]
    client.datagram_socket.setblocking(True)  # type: ignore[attr-defined]
    published = client.wait_for(True, 0x0C)  # type: ignore[attr-defined]
    client.send_unsubscribe("a/+")  # type: ignore[attr-defined]
    client.send_ping_req()  # type: ignore[attr-defined]
    client.send_disconnect(3600)  # type: ignore[attr-defined]
    theirs = packets.PublishPacket()
    theirs.decode(published)
    assert theirs.get_data() == PAYLOAD_700
    connect, will_topic, will_message, subscribe, unsubscribe, ping, disconnect = gateway.seen
    assert connect == mqttsn.Connect(Flags(clean_session=True, will=True), 1, 64800, "94193A04010020B8")
    assert will_topic == mqttsn.Willtopic(Flags(qos=QoS.ONE, retain=True), "will/topic")
    assert will_message == mqttsn.Willmsg(b"gone")
    assert subscribe == mqttsn.Subscribe(Flags(qos=QoS.ONE), 1, "a/+")
    assert isinstance(unsubscribe, mqttsn.Unsubscribe)
    assert unsubscribe.topic == "a/+"
    assert ping == mqttsn.Pingreq()
    assert disconnect == mqttsn.Disconnect(3600)


def decoded(kind: str, message: mqttsn.Message) -> object:
    theirs = getattr(packets, kind)()
    theirs.decode(message.encode())
    return theirs


def test_their_packet_classes_read_our_frames() -> None:
    advertise = decoded("AdvertisePacket", mqttsn.Advertise(7, 900))
    assert (advertise.gwID, advertise.duration) == (7, 900)  # type: ignore[attr-defined]
    connect = decoded("ConnectPacket", mqttsn.Connect(Flags(will=True), 1, 64800, "94193A04010020B8"))
    assert (connect.flags, connect.duration, connect.client_id) == (  # type: ignore[attr-defined]
        0x08, 64800, "94193A04010020B8")
    register = decoded("RegisterPacket", mqttsn.Register(3, 4, "a/b"))
    assert (register.topic_id, register.message_id, register.topic_name) == (  # type: ignore[attr-defined]
        3, 4, b"a/b")
    puback = decoded("PubAckPacket", mqttsn.Puback(3, 4, ReturnCode.INVALID_TOPIC_ID))
    assert (puback.topic_id, puback.message_id, puback.return_code) == (3, 4, 2)  # type: ignore[attr-defined]
    suback = decoded("SubAckPacket", mqttsn.Suback(Flags(qos=QoS.TWO), 3, 4, ReturnCode.CONGESTION))
    assert (suback.flags, suback.topic_id, suback.message_id, suback.return_code) == (  # type: ignore[attr-defined]
        0x40, 3, 4, 1)
    for payload in (b"x" * 248, b"x" * 249, PAYLOAD_700):
        publish = decoded("PublishPacket", mqttsn.Publish(Flags(dup=True, qos=QoS.ONE), 3, 4, payload))
        assert (publish.flags, publish.topic_id, publish.message_id, publish.data) == (  # type: ignore[attr-defined]
            0xA0, 3, 4, payload)


def test_our_codec_reads_the_frames_of_their_packet_classes() -> None:
    short = packets.PublishPacket()
    short.set_flags(0x62)
    short.set_topic_id(0x6162)
    short.set_message_id(0)
    short.set_data(b"hi")
    assert mqttsn.decode(short.encode()) == mqttsn.Publish(
        Flags(qos=QoS.MINUS_ONE, topic_id_type=TopicIdType.SHORT_NAME), 0x6162, 0, b"hi")
    search = packets.SearchGatewayPacket()
    search.set_radius(2)
    assert mqttsn.decode(bytes(search.encode())) == mqttsn.Searchgw(2)
    regack = packets.RegackPacket()
    regack.set_topic_id(1)
    regack.set_message_id(0x0CD3)  # their encoder takes ids up to 0x7FFF only
    regack.set_return_code(0)
    assert mqttsn.decode(bytes(regack.encode())) == mqttsn.Regack(1, 0x0CD3, ReturnCode.ACCEPTED)
    ping = packets.PingReqPacket()
    ping.client_id = "dev"  # their setter stores octets, which their encoder can't encode
    assert mqttsn.decode(ping.encode()) == mqttsn.Pingreq("dev")
