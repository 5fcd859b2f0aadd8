"""The MQTT-SN gateway that the unit sends its meter data to (the manual's meter data server, MDM)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable

from bench.backend.gateway_policy import PATIENT, GatewayPolicy, ToExcessOctets
from bench.backend.gateway_script import Rule, Script
from bench.backend.mqttsn_answers import MqttSnAnswers
from bench.backend.mqttsn_client import Place, ReceivedTelegram, Session
from bench.backend.server_socket import ServerSocket
from bench.clock import Clock
from bench.journal import Journal
from bench.protocols.mqttsn import (
    Connack,
    Connect,
    Disconnect,
    Encapsulated,
    Message,
    MqttSnError,
    QoS,
    RawMessage,
    decode,
    describe,
)


class MqttSnGateway:
    """One gateway for several units. What it is sent never stops it: what is no message is seen on the timeline only.

    ``telegrams`` has each payload once; ``repetitions`` the PUBLISHes that repeated one of them, and were answered
    again. ``policy`` is the kind of gateway it is. ``script`` makes single messages go wrong, for instance a gateway
    that is congested once: ``gateway.script.next(Publish).refuse(ReturnCode.CONGESTION)``.
    A rule that has met a message is an observation ``fault``.

    The gateway repeats nothing by a timer: whatever a client has not answered waits until it connects or wakes.
    """

    def __init__(self, clock: Clock, socket: ServerSocket, predefined_topics: dict[int, str] | None = None) -> None:
        self.script = Script()
        self._clock = clock
        self._socket = socket
        self._sessions = MqttSnAnswers(predefined_topics, host_of=self._host_of)
        self._expiry: asyncio.TimerHandle | None = None
        socket.on_datagram = self._received

    async def start(self, host: str, port: int, secure_port: int = 0) -> None:
        """Raises BenchError when an address can't be bound."""
        await self._socket.open(host, port, secure_port)

    def stop(self) -> None:
        """Frees the port; answers that were delayed are not sent any more."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        self._socket.close()

    @property
    def policy(self) -> GatewayPolicy:
        return self._sessions.policy

    @policy.setter
    def policy(self, policy: GatewayPolicy) -> None:
        """To be set in the loop, as it may end sessions."""
        self._sessions.policy = policy
        self._expire()

    @property
    def telegrams(self) -> Journal[ReceivedTelegram]:
        return self._sessions.telegrams

    @property
    def repetitions(self) -> Journal[ReceivedTelegram]:
        return self._sessions.repetitions

    @property
    def wills(self) -> Journal[ReceivedTelegram]:
        """What was published for clients that were lost."""
        return self._sessions.wills

    @property
    def sessions(self) -> dict[str, Session]:
        """The clients that ever connected, by their ids."""
        return self._sessions.sessions

    def forward_to(self, forward: Callable[[ReceivedTelegram], None]) -> None:
        """Call ``forward`` with each telegram and each will."""
        self._sessions.on_telegram = forward

    def put_back(self) -> None:
        """No rules, and the bench's own policy."""
        self.script.clear()
        self.policy = PATIENT

    # -- towards the unit; to be called in the loop

    def send(self, client_id: str, *messages: Message) -> None:
        """Send messages to a client, whatever its state. ``RawMessage(b"")`` is an empty datagram, which hangs some
        units. Raises KeyError for a client that never connected."""
        for message in messages:
            self._transmit(self.sessions[client_id].place, message)

    def publish(self, client_id: str, topic: str, payload: bytes, qos: QoS = QoS.ZERO) -> None:
        """Publish to a client; one that sleeps gets it when it wakes. Raises KeyError as ``send``."""
        self._sessions.publish(client_id, topic, payload, qos)
        self._send_others()

    def end_session(self, client_id: str, *, silently: bool = False) -> None:
        """Drop a client, and tell it by DISCONNECT or not. Raises KeyError as ``send``."""
        place = self.sessions[client_id].place
        self._sessions.end_session(place)
        if not silently:
            self._transmit(place, Disconnect())

    def restart(self) -> None:
        """Forget everybody, without a word."""
        self._sessions.forget_all()

    # -- what comes in

    def _received(self, peer: int, data: bytes) -> None:
        place: Place = peer
        try:
            message = self._decoded(peer, data)
            if isinstance(message, Encapsulated):
                place, message = (peer, message.wireless_node_id), decode(message.datagram)
        except MqttSnError:
            return
        if message is None or isinstance(message, Encapsulated):
            return
        rule = self._rule_for(message)
        if rule is None:
            self._act(place, message)
            return
        if rule.dropped:
            return
        if rule.answers is not None:
            self._answer(place, rule.answers(message))
            return
        self._later(rule.delay_s, self._act, place, message)
        for after_s in rule.copies_after_s:
            self._later(rule.delay_s + after_s, self._act, place, message)

    def _decoded(self, peer: int, data: bytes) -> Message | None:
        """The message, unless this kind of gateway does not understand it. Raises MqttSnError."""
        policy = self.policy
        try:
            message = decode(data)
        except MqttSnError:
            if _is_longer_than_announced(data) and policy.to_excess_octets is not ToExcessOctets.SILENCE:
                if policy.to_excess_octets is ToExcessOctets.END_OF_SESSION:
                    self._sessions.end_session(peer)
                self._answer(peer, [Disconnect()])
            raise
        if isinstance(message, Connect) and data[0] == 0x01 and not policy.takes_long_connect:
            return None
        return message

    def _act(self, place: Place, message: Message) -> None:
        self._answer(place, self._sessions.handle(place, message, self._clock.time()))
        self._send_others()
        if self._expiry is None:
            self._expire()

    def _expire(self) -> None:
        """Look who is lost, and again when the next one would be."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        now = self._clock.time()
        following = self._sessions.expire(now)
        self._send_others()
        if following is not None:
            self._expiry = self._clock.loop.call_later(following - now, self._expire)

    # -- what goes out

    def _send_others(self) -> None:
        outbox, self._sessions.outbox = self._sessions.outbox, []
        for place, message in outbox:
            self._answer(place, [message])

    def _answer(self, place: Place, messages: Iterable[Message]) -> None:
        for message in messages:
            usual_s = self.policy.connack_after_s if isinstance(message, Connack) else 0.0
            rule = self._rule_for(message)
            if rule is None:
                self._later(usual_s, self._transmit, place, message)
                continue
            if rule.dropped:
                continue
            for after_s in (0.0, *rule.copies_after_s):
                self._later(usual_s + rule.delay_s + after_s, self._transmit, place, message)
            for follower in rule.followers:
                self._later(usual_s + rule.delay_s, self._transmit, place, follower)

    def _transmit(self, place: Place, message: Message) -> None:
        datagram = message.encode()
        if isinstance(place, tuple):
            peer, node = place
            datagram = Encapsulated(0, node, datagram).encode()
        else:
            assert isinstance(place, int)
            peer = place
        self._socket.send(peer, datagram, allow_empty=isinstance(message, RawMessage))

    def _rule_for(self, message: Message) -> Rule | None:
        rule = self.script.take(message)
        if rule is not None:
            self._socket.note("fault", text=f"{describe(message)}: {rule}")
        return rule

    def _later(self, seconds: float, act: Callable[[Place, Message], None], place: Place, message: Message) -> None:
        if seconds > 0:
            self._clock.loop.call_later(seconds, act, place, message)
        else:
            act(place, message)

    def _host_of(self, place: Place) -> Hashable:
        peer, node = place if isinstance(place, tuple) else (place, None)
        return self._socket.host_of(peer), node


def _is_longer_than_announced(data: bytes) -> bool:
    length = int.from_bytes(data[1:3], "big") if data[:1] == b"\x01" and len(data) >= 4 else data[0] if data else 0
    return 2 <= length < len(data)
