"""What the unit publishes through the gateway arrives at a real MQTT broker: Debian's mosquitto, asked by paho-mqtt."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.backend.backend import Backend
from bench.backend.mqtt_forwarder import MqttForwarder
from bench.backend.mqttsn_client import ReceivedTelegram
from bench.clock import WallClock
from bench.errors import BenchError
from bench.protocols.lwm2m import Path as LwPath
from bench.protocols.lwm2m import Type
from bench.protocols.mqttsn import QoS
from bench.timeline import Timeline
from fixtures.bench import Bench
from fixtures.bootstrap import Bootstrap
from fixtures.dm import Dm
from fixtures.gateway import Gateway
from fixtures.panel import Panel
from fixtures.unit import Unit

paho = pytest.importorskip("paho.mqtt.client")
mqttsn12 = pytest.importorskip("mqttsn12.client.MqttSnClient")

pytestmark = pytest.mark.timeout(60)

Received = list[tuple[str, bytes, int]]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def until(there: Callable[[], object], patience_s: float = 30) -> None:
    """Wait in real time, for what is outside the bench."""
    deadline = time.monotonic() + patience_s
    while not there():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.01)


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Broker:
    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", "ascii")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is None:
            if os.environ.get("CI") == "true":
                pytest.fail("mosquitto is missing: apt-get install mosquitto")
            pytest.skip("mosquitto is missing (apt-get install mosquitto): FORWARDING IS NOT CHECKED BY A THIRD PARTY")
        self._process = subprocess.Popen([program, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        until(lambda: answers(self.port))

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path, free_port())
    yield broker
    broker.stop()


@pytest.fixture
def subscribe(broker: Broker) -> Iterator[Callable[[], Received]]:
    """A subscriber of the broker to all topics: topic, payload and QoS of what comes."""
    clients = []

    def subscribed() -> Received:
        received: Received = []
        granted: list[object] = []
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        clients.append(client)
        client.on_message = lambda client, userdata, message: received.append(
            (message.topic, message.payload, message.qos))
        client.on_subscribe = lambda *arguments: granted.append(arguments)
        client.connect("127.0.0.1", broker.port)
        client.subscribe("#", qos=2)
        client.loop_start()
        until(lambda: granted)
        return received

    yield subscribed
    for client in clients:
        client.disconnect()
        client.loop_stop()


def test_the_broker_gets_what_the_unit_publishes(broker: Broker, subscribe: Callable[[], Received]) -> None:
    """The twin's unit in virtual time, the broker in real time."""
    broker.start()
    received = subscribe()
    bench = Bench.on_twin(1)
    forwarder = MqttForwarder("127.0.0.1", broker.port)
    try:
        gateway = Gateway(bench)
        bench.clock.call(lambda: gateway.server.forward_to(forwarder.forward))
        unit = Unit(bench, Panel(bench), Dm(bench), gateway, Bootstrap(bench))
        unit.make_joined({"transmit_interval": 60, "transmit_offset": 1, "transmit_delay": 1})
        bench.clock.sleep(3 * 3600)
        arrivals = gateway.arrivals()
        assert len(arrivals) >= 4
        until(lambda: len(received) >= len(arrivals))
        assert received == [(f"mr/{unit.deveui}/standard/senml", arrival.payload, 1) for arrival in arrivals]
    finally:
        assert forwarder.stop() == []
        assert bench.close() == []


def test_the_broker_gets_what_a_third_partys_client_sends(broker: Broker, subscribe: Callable[[], Received]) -> None:
    broker.start()
    received = subscribe()

    def type_of(path: LwPath) -> Type:
        return Type.OPAQUE

    with WallClock() as clock:
        backend = Backend(clock, Timeline(clock.time, clock.nudge), type_of)
        clock.run(backend.start())
        forwarder = MqttForwarder("127.0.0.1", broker.port)
        backend.gateway.forward_to(forwarder.forward)
        client = mqttsn12.MqttSnClient()
        try:
            client.set_client_id("meter")
            client.set_keep_alive(600)
            client.set_timeout(10)
            client.open("127.0.0.1", backend.ports[2])
            client.send_connect()
            for qos in (0, 1, 2):
                client.send_publish("mr/meter", bytes(range(256)) * 3 + bytes([qos]), qos)
            until(lambda: len(received) == 3)
        finally:
            client.close()
            assert forwarder.stop() == []
            clock.run(backend.stop())
    assert received == [("mr/meter", bytes(range(256)) * 3 + bytes([qos]), max(qos, 1)) for qos in (0, 1, 2)]


def telegram(number: int, topic: str = "mr/meter") -> ReceivedTelegram:
    return ReceivedTelegram(0.0, "meter", topic, QoS.ONE, False, number, str(number).encode())


def test_telegrams_wait_for_a_broker_that_is_away(broker: Broker, subscribe: Callable[[], Received]) -> None:
    forwarder = MqttForwarder("127.0.0.1", broker.port)
    forwarder.forward(telegram(1))
    broker.start()
    received = subscribe()
    forwarder.forward(telegram(2))
    until(lambda: len(received) == 2)
    assert forwarder.stop() == []
    assert [payload for _, payload, _ in received] == [b"1", b"2"]


def test_what_was_not_handed_on_is_told(broker: Broker) -> None:
    forwarder = MqttForwarder("127.0.0.1", broker.port)
    forwarder.forward(telegram(1, "mr/#"))
    forwarder.forward(telegram(2))
    wildcard, left = forwarder.stop(patience_s=0.1)
    assert "'mr/#' was not handed on" in wildcard
    assert left == f"MQTT broker 127.0.0.1:{broker.port} has not got 1 telegram(s)"


@pytest.mark.parametrize(("uri", "wrong"), [
    ("127.0.0.1:1883", "mqtt://HOST:PORT"), ("http://127.0.0.1", "mqtt://HOST:PORT"), ("mqtt://", "mqtt://HOST:PORT"),
    ("mqtt://me:secret@127.0.0.1", "without user or password"), ("mqtt://127.0.0.1:none", "mqtt://HOST:PORT"),
    ("mqtt://8.8.8.8", "a public address"), ("mqtt://broker", "a host name")])
def test_a_broker_that_may_not_be_is_refused(uri: str, wrong: str) -> None:
    with pytest.raises(BenchError, match=wrong) as refused:
        MqttForwarder.to(uri)
    assert "secret" not in str(refused.value)
