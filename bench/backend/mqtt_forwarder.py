"""Hands what the gateway receives on to an MQTT broker, so that a customer sees the data where they expect it.

Needs the package paho-mqtt, which the extra "mqtt" of this project brings. It has a thread and a clock of its own: what
it does is real time, also where the bench's time is virtual, and so nothing of it is on the timeline.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bench.backend.mqttsn_client import ReceivedTelegram
from bench.errors import BenchError
from bench.protocols.udp import refuse_public

if TYPE_CHECKING:
    from paho.mqtt.client import Client

WAITING_AT_MOST = 10_000
"""Telegrams kept while the broker is away."""

PROBLEMS_KEPT = 100
"""The first ones: more of them say nothing new."""


class MqttForwarder:
    """Publishes each telegram under its topic, with QoS 1 at least, as the unit has been told that it arrived::

        forwarder = MqttForwarder("127.0.0.1", 1883)
        gateway.forward_to(forwarder.forward)
        ...
        problems = forwarder.stop()

    While the broker is away telegrams wait. ``forward`` never raises: ``problems`` says what was not handed on.
    """

    def __init__(self, host: str, port: int, client_id: str = "mcm-bench") -> None:
        """Raises BenchError without paho-mqtt."""
        self.problems: list[str] = []
        self._broker = f"MQTT broker {host}:{port}"
        self._changed = threading.Condition()
        self._waiting: set[int] = set()
        self._client = _client(client_id)
        self._client.max_queued_messages_set(WAITING_AT_MOST)
        self._client.on_publish = self._published
        self._client.reconnect_delay_set(1, 60)
        self._client.connect_async(host, port)
        self._client.loop_start()

    @classmethod
    def to(cls, uri: str, allow_public: Collection[str] = ()) -> MqttForwarder:
        """To the broker at ``mqtt://HOST:PORT``. Raises BenchError for another form, and for a public address that is
        not in ``allow_public``."""
        parts = urlsplit(uri)
        try:
            port = parts.port or 1883
        except ValueError:
            port = 0
        if parts.scheme != "mqtt" or not parts.hostname or not port or parts.username is not None:
            # Not what is there: it may hold a password.
            raise BenchError("forward_to in the table [backend] of the station file",
                             expected="mqtt://HOST:PORT, without user or password", seen="something else",
                             do="correct it")
        refuse_public(parts.hostname, allow_public)
        return cls(parts.hostname, port)

    def forward(self, telegram: ReceivedTelegram) -> None:
        """From any thread; returns at once."""
        with self._changed:
            try:
                sent = self._client.publish(telegram.topic, telegram.payload, qos=max(telegram.qos, 1),
                                            retain=telegram.retain)
            except ValueError as error:    # a wildcard or an empty name, and what is longer than MQTT allows
                self._note(f"the topic {telegram.topic!r} was not handed on: {error}")
                return
            if sent.rc == _QUEUE_FULL:
                self._note(f"more than {WAITING_AT_MOST} telegrams wait; one was given up")
            else:
                self._waiting.add(sent.mid)

    def _note(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(f"{self._broker}: {problem}")

    def stop(self, patience_s: float = 5.0) -> list[str]:
        """Wait until the broker has all, for so many real seconds at most; ``problems``, and what it has not got."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, patience_s)
            left = len(self._waiting)
        self._client.disconnect()
        self._client.loop_stop()
        return [*self.problems, *([f"{self._broker} has not got {left} telegram(s)"] if left else [])]

    def _published(self, client: Any, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        with self._changed:
            self._waiting.discard(mid)
            self._changed.notify_all()


_QUEUE_FULL = 15    # MQTT_ERR_QUEUE_SIZE


def _client(client_id: str) -> Client:
    try:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError as error:
        raise BenchError("forwarding to an MQTT broker", expected="the package paho-mqtt", seen="none",
                         do="install this project with its extra \"mqtt\"") from error
    return Client(CallbackAPIVersion.VERSION2, client_id=client_id)
