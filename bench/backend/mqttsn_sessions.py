"""The gateway's side of MQTT-SN 1.2 without any I/O: a message in, the messages to answer with out.

Source: MQTT-SN protocol specification version 1.2, section 6. Where it leaves the choice, the answers are those that a
public gateway for this unit gives: a session never expires, whatever the keep-alive time; a message from an unknown
source is answered with DISCONNECT, an unknown topic with PUBACK 02; the topics of a client survive a CONNECT without
CleanSession; a known name that is registered again keeps its id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from bench.protocols.mqttsn import (
    Connack,
    Connect,
    Disconnect,
    Gwinfo,
    Message,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    QoS,
    Regack,
    Register,
    ReturnCode,
    Searchgw,
    Suback,
    Subscribe,
    TopicIdType,
    Unsuback,
    Unsubscribe,
    Willmsgresp,
    Willmsgupd,
    Willtopicresp,
    Willtopicupd,
)

GATEWAY_ID = 1

PROTOCOL_ID = 1
"""The only one there is (section 5.3.8)."""

LAST_TOPIC_ID = 0xFFFE
"""0x0000 and 0xFFFF are reserved (section 5.3.11)."""


class SessionState(StrEnum):
    """The state of a client as the gateway sees it (section 6.14; without a supervised keep-alive nobody is lost)."""

    ACTIVE = "active"
    ASLEEP = "asleep"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class ReceivedTelegram:
    """The payload of a PUBLISH, received ``time_s`` seconds after the timeline began.

    ``client_id`` is None for QoS -1 from a source without a session. ``topic`` is the registered, predefined or
    short name. ``dup`` is the flag as received: true on the first one, too, when earlier
    transmissions were lost.
    """

    time_s: float
    client_id: str | None
    topic: str
    qos: QoS
    dup: bool
    message_id: int
    payload: bytes


@dataclass(slots=True)
class Session:
    """What the gateway knows of a client. ``peer`` is where its last CONNECT came from."""

    client_id: str
    peer: int
    keep_alive_s: int
    connected_at_s: float
    state: SessionState = SessionState.ACTIVE
    topics: dict[int, str] = field(default_factory=dict)
    last_topic_id: int = 0
    last_message: tuple[int, int, bytes] | None = None
    """Topic id, message id and payload of the last PUBLISH with QoS 1 or 2: what a repetition must equal."""
    unreleased: set[int] = field(default_factory=set)
    """Message ids of QoS 2 that wait for their PUBREL."""


class MqttSnSessions:
    """All clients of one gateway. Topic ids count up from 1 for each client.

    ``telegrams`` has each payload once, ``repetitions`` the PUBLISHes with DUP that repeated one of them.
    ``predefined_topics`` are the ids that count for every client; a PUBLISH to another one is refused.
    """

    def __init__(self, predefined_topics: dict[int, str] | None = None) -> None:
        self.predefined_topics = dict(predefined_topics or {})
        self.sessions: dict[str, Session] = {}
        self.telegrams: list[ReceivedTelegram] = []
        self.repetitions: list[ReceivedTelegram] = []
        self._by_peer: dict[int, Session] = {}

    def session_of(self, peer: int) -> Session | None:
        """The session of a peer, if it has one that is not ended."""
        session = self._by_peer.get(peer)
        return session if session is not None and session.state is not SessionState.DISCONNECTED else None

    def handle(self, peer: int, message: Message, time_s: float) -> list[Message]:
        """Act upon a message and give the answers to send to ``peer``, in their order. Raises nothing."""
        match message:
            case Connect():
                return [self._connect(peer, message, time_s)]
            case Searchgw():
                return [Gwinfo(GATEWAY_ID)]
            case Publish() if message.flags.qos is QoS.MINUS_ONE:
                self._publish_without_connection(peer, message, time_s)
                return []
            case (Register() | Publish() | Pubrel() | Pingreq() | Disconnect() | Subscribe() | Unsubscribe()
                  | Willtopicupd() | Willmsgupd()):
                session = self.session_of(peer)
                return [Disconnect()] if session is None else self._in_session(session, message, time_s)
            case _:
                # An acknowledgement, or a message that only a gateway sends: an answer could start a loop.
                return []

    def _connect(self, peer: int, connect: Connect, time_s: float) -> Connack:
        if connect.protocol_id != PROTOCOL_ID or connect.flags.will:
            return Connack(ReturnCode.NOT_SUPPORTED)
        before = self._by_peer.get(peer)
        if before is not None and before.client_id != connect.client_id:
            before.state = SessionState.DISCONNECTED
        session = self.sessions.get(connect.client_id)
        if session is not None and self._by_peer.get(session.peer) is session:
            del self._by_peer[session.peer]
        if session is None or connect.flags.clean_session:
            session = Session(connect.client_id, peer, connect.duration, time_s)
        session.peer, session.keep_alive_s, session.connected_at_s = peer, connect.duration, time_s
        session.state = SessionState.ACTIVE
        self.sessions[connect.client_id] = session
        self._by_peer[peer] = session
        return Connack(ReturnCode.ACCEPTED)

    def _in_session(self, session: Session, message: Message, time_s: float) -> list[Message]:
        match message:
            case Register():
                return [self._register(session, message)]
            case Publish():
                return self._publish(session, message, time_s)
            case Pubrel():
                session.unreleased.discard(message.message_id)
                return [Pubcomp(message.message_id)]
            case Pingreq():
                return [Pingresp()]
            case Disconnect():
                session.state = SessionState.DISCONNECTED if message.duration is None else SessionState.ASLEEP
                return [Disconnect()]
            case Subscribe():
                # Nothing is published to units.
                return [Suback(message.flags, 0, message.message_id, ReturnCode.NOT_SUPPORTED)]
            case Unsubscribe():
                return [Unsuback(message.message_id)]
            case Willtopicupd():
                return [Willtopicresp(ReturnCode.NOT_SUPPORTED)]
            case Willmsgupd():
                return [Willmsgresp(ReturnCode.NOT_SUPPORTED)]
            case _:
                return []

    def _register(self, session: Session, register: Register) -> Regack:
        name = register.topic_name
        if not name or "#" in name or "+" in name:
            return Regack(0, register.message_id, ReturnCode.NOT_SUPPORTED)
        for topic_id, known in session.topics.items():
            if known == name:
                return Regack(topic_id, register.message_id, ReturnCode.ACCEPTED)
        if session.last_topic_id == LAST_TOPIC_ID:
            return Regack(0, register.message_id, ReturnCode.CONGESTION)
        session.last_topic_id += 1
        session.topics[session.last_topic_id] = name
        return Regack(session.last_topic_id, register.message_id, ReturnCode.ACCEPTED)

    def _publish(self, session: Session, publish: Publish, time_s: float) -> list[Message]:
        flags, message_id = publish.flags, publish.message_id
        topic = self._topic(session, publish)
        if topic is None:
            # Also with QoS 0 (section 6.12), or the client would never learn it.
            return [Puback(publish.topic_id, message_id, ReturnCode.INVALID_TOPIC_ID)]
        telegram = ReceivedTelegram(time_s, session.client_id, topic, flags.qos, flags.dup, message_id, publish.data)
        if flags.qos is QoS.ZERO:
            self.telegrams.append(telegram)
            return []
        this = (publish.topic_id, message_id, publish.data)
        repeated = this == session.last_message and (flags.dup or message_id in session.unreleased)
        (self.repetitions if repeated else self.telegrams).append(telegram)
        session.last_message = this
        if flags.qos is QoS.ONE:
            return [Puback(publish.topic_id, message_id, ReturnCode.ACCEPTED)]
        session.unreleased.add(message_id)
        return [Pubrec(message_id)]

    def _publish_without_connection(self, peer: int, publish: Publish, time_s: float) -> None:
        """QoS -1 is never answered, not even when the topic is unknown (section 6.8)."""
        if publish.flags.topic_id_type not in (TopicIdType.PREDEFINED, TopicIdType.SHORT_NAME):
            return
        topic = self._topic(None, publish)
        if topic is not None:
            session = self.session_of(peer)
            self.telegrams.append(ReceivedTelegram(time_s, session.client_id if session else None, topic,
                                                   QoS.MINUS_ONE, publish.flags.dup, publish.message_id, publish.data))

    def _topic(self, session: Session | None, publish: Publish) -> str | None:
        match publish.flags.topic_id_type:
            case TopicIdType.NORMAL:
                return session.topics.get(publish.topic_id) if session is not None else None
            case TopicIdType.PREDEFINED:
                return self.predefined_topics.get(publish.topic_id)
            case TopicIdType.SHORT_NAME:
                return publish.short_topic_name
            case _:
                return None
