"""The MQTT-SN gateway that the unit sends its meter data to (the manual's meter data server, MDM)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.backend.mqttsn_sessions import MqttSnSessions, ReceivedTelegram, Session
from bench.backend.server_socket import ServerSocket
from bench.clock import Clock
from bench.protocols.mqttsn import Message, MqttSnError, RawMessage, decode


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with these messages instead; the message itself has no effect (a refused PUBLISH is no telegram)."""

    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Delay:
    """Act upon the message at once, but send the answers ``seconds`` later."""

    seconds: float


class Drop:
    """The type of DROP."""

    def __repr__(self) -> str:
        return "DROP"


DROP = Drop()
"""Treat the message as if it had been lost on the way."""

OnMessage = Callable[[Message], Answer | Delay | Drop | None]
"""Decides about a message of the unit; None leaves it to the gateway."""


class MqttSnGateway:
    """One gateway for several units. What it is sent never stops it: what is no message is seen on the timeline only.

    ``telegrams`` has each payload once; ``repetitions`` the PUBLISHes that repeated one of them, and were answered
    again. Assign ``on_message`` to script refusals, for instance a gateway that is congested once::

        answers = iter([Answer([Puback(1, 7, ReturnCode.CONGESTION)])])
        gateway.on_message = lambda message: next(answers, None) if isinstance(message, Publish) else None
    """

    def __init__(self, clock: Clock, socket: ServerSocket, predefined_topics: dict[int, str] | None = None) -> None:
        self.on_message: OnMessage | None = None
        self._clock = clock
        self._socket = socket
        self._sessions = MqttSnSessions(predefined_topics)
        socket.on_datagram = self._received

    async def start(self, host: str, port: int) -> None:
        """Raises BenchError when the address can't be bound."""
        await self._socket.open(host, port)

    def stop(self) -> None:
        """Frees the port; answers that were delayed are not sent any more."""
        self._socket.close()

    @property
    def telegrams(self) -> list[ReceivedTelegram]:
        return self._sessions.telegrams

    @property
    def repetitions(self) -> list[ReceivedTelegram]:
        return self._sessions.repetitions

    @property
    def sessions(self) -> dict[str, Session]:
        """The clients that ever connected, by their ids."""
        return self._sessions.sessions

    def _received(self, peer: int, data: bytes) -> None:
        try:
            message = decode(data)
        except MqttSnError:
            return
        decision = self.on_message(message) if self.on_message is not None else None
        if decision is DROP:
            return
        if isinstance(decision, Answer):
            self._send(peer, decision.messages)
            return
        answers = self._sessions.handle(peer, message, self._clock.time())
        if isinstance(decision, Delay):
            self._clock.loop.call_later(decision.seconds, self._send, peer, answers)
        else:
            self._send(peer, answers)

    def _send(self, peer: int, messages: Sequence[Message]) -> None:
        for message in messages:
            self._socket.send(peer, message.encode(), allow_empty=isinstance(message, RawMessage))
