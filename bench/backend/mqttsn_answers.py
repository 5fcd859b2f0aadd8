"""The gateway's side of MQTT-SN 1.2 without any I/O: a message in, the messages to answer with out.

Source: MQTT-SN protocol specification version 1.2, section 6. Where gateways differ, a ``GatewayPolicy`` says what this
one does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace

from bench.backend.gateway_policy import (
    PATIENT,
    ClientIs,
    Expiry,
    GatewayPolicy,
    ToReservedType,
    ToStranger,
    ToUnknownTopic,
)
from bench.backend.mqttsn_client import (
    HERE,
    Delivery,
    Place,
    ReceivedTelegram,
    Session,
    SessionState,
    Will,
    matches,
)
from bench.journal import Journal
from bench.protocols.mqttsn import (
    Connack,
    Connect,
    Disconnect,
    Flags,
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
    Willmsg,
    Willmsgreq,
    Willmsgresp,
    Willmsgupd,
    Willtopic,
    Willtopicreq,
    Willtopicresp,
    Willtopicupd,
)

GATEWAY_ID = 1

PROTOCOL_ID = 1
"""The only one there is (section 5.3.8)."""


class MqttSnAnswers:
    """All clients of one gateway. Topic ids count up from 1 for each client.

    ``telegrams`` has each payload once, ``repetitions`` the PUBLISHes with DUP that repeated one of them, ``wills``
    what was published for lost clients. ``predefined_topics`` are the ids that count for every client.
    ``outbox`` fills with messages to other clients than the one that is answered; who sends them empties it.
    ``on_telegram`` hears of each telegram and will. ``host_of(place)`` tells an address without its port.
    """

    def __init__(self, predefined_topics: dict[int, str] | None = None, policy: GatewayPolicy = PATIENT,
                 host_of: Callable[[Place], Hashable] = lambda place: place) -> None:
        self.predefined_topics = dict(predefined_topics or {})
        self.sessions: dict[str, Session] = {}
        self.telegrams: Journal[ReceivedTelegram] = Journal()
        self.repetitions: Journal[ReceivedTelegram] = Journal()
        self.wills: Journal[ReceivedTelegram] = Journal()
        self.outbox: list[tuple[Place, Message]] = []
        self.on_telegram: Callable[[ReceivedTelegram], None] = lambda telegram: None
        self._policy = policy
        self._host_of = host_of
        self._by_source: dict[Hashable, Session] = {}
        self._prompted: dict[Place, tuple[Connect, Will | None]] = {}

    @property
    def policy(self) -> GatewayPolicy:
        """May be changed at any time: sessions live on under the new one."""
        return self._policy

    @policy.setter
    def policy(self, policy: GatewayPolicy) -> None:
        self._policy = policy
        self._by_source = {self._source(session.place): session for session in self.sessions.values()}

    def session_of(self, place: Place) -> Session | None:
        """The session that a message from there belongs to, if there is one that has not ended."""
        session = self._by_source.get(self._source(place))
        return session if session is not None and session.state in HERE else None

    def forget_all(self) -> None:
        """As after a restart of the gateway: nobody is known, and nobody was."""
        self.sessions.clear()
        self._by_source.clear()
        self._prompted.clear()

    def handle(self, place: Place, message: Message, time_s: float) -> list[Message]:
        """Act upon a message and give the answers to send to ``place``, in their order. Raises nothing."""
        self.expire(time_s)
        if self._policy.takes_only_meter_messages and not isinstance(message, Connect | Register | Publish | Pingreq):
            return []
        session = self.session_of(place)
        if session is not None:
            session.heard_at_s = time_s
        match message:
            case Connect():
                return self._connect(place, message, time_s)
            case Willtopic() | Willmsg():
                return self._prompt(place, message, time_s)
            case Searchgw():
                return [Gwinfo(GATEWAY_ID)]
            case Publish() if message.flags.qos is QoS.MINUS_ONE:
                self._publish_without_connection(session, message, time_s)
                return []
            case Pingreq() if message.client_id:
                return self._wake(place, message.client_id, time_s)
            case (Register() | Publish() | Pubrel() | Pingreq() | Disconnect() | Subscribe() | Unsubscribe()
                  | Willtopicupd() | Willmsgupd()):
                if session is None:
                    return self._to_stranger(place, message)
                return self._in_session(session, message, time_s)
            case Puback() | Pubrec() | Pubcomp() | Regack() if session is not None:
                return self._fall_asleep_again(session, session.answered(message, self.predefined_topics))
            case _:
                # What only a gateway sends, or an acknowledgement of nothing: an answer could start a loop.
                return []

    def expire(self, time_s: float) -> float | None:
        """Take the clients for lost whose time is over, and publish their wills; when the next one is to be."""
        if self._policy.expiry is Expiry.NEVER:
            return None
        ends = [(end, session) for session in self.sessions.values()
                if (end := session.ends_at_s(self._policy)) is not None]
        for end, session in ends:
            if end <= time_s:
                session.state = SessionState.LOST
                if session.will is not None:
                    will = session.will
                    self._published(ReceivedTelegram(end, session.client_id, will.topic, will.qos, False, 0,
                                                     will.payload, will.retain), self.wills)
        return min((end for end, _ in ends if end > time_s), default=None)

    def end_session(self, place: Place) -> None:
        """The gateway drops the client."""
        session = self.session_of(place)
        if session is not None:
            session.state = SessionState.DISCONNECTED

    def publish(self, client_id: str, topic: str, payload: bytes, qos: QoS = QoS.ZERO) -> None:
        """Publish to a client, whether it has subscribed or not; to a sleeping one when it wakes. Fills ``outbox``.
        Raises KeyError for a client that never connected."""
        session = self.sessions[client_id]
        session.waiting.append(Delivery(topic, payload, qos))
        if session.state is SessionState.ACTIVE:
            self.outbox += [(session.place, message) for message in session.deliver(self.predefined_topics)]

    # -- connecting

    def _connect(self, place: Place, connect: Connect, time_s: float) -> list[Message]:
        policy = self._policy
        if connect.protocol_id != PROTOCOL_ID:
            return [Connack(ReturnCode.NOT_SUPPORTED)] if policy.refuses_other_protocols else []
        if not 1 <= len(connect.client_id) <= 23 and not policy.takes_any_client_id:
            return [Connack(ReturnCode.NOT_SUPPORTED)]
        self._prompted.pop(place, None)
        if connect.flags.will and not policy.takes_only_meter_messages:
            self._prompted[place] = connect, None
            return [Willtopicreq()]
        return self._connected(place, connect, None, time_s)

    def _prompt(self, place: Place, message: Willtopic | Willmsg, time_s: float) -> list[Message]:
        """The client's answers to WILLTOPICREQ and WILLMSGREQ (section 6.3); without a will topic there is no will."""
        connect, will = self._prompted.get(place, (None, None))
        if connect is None:
            return []
        if isinstance(message, Willtopic) and message.flags is not None:
            will = Will(message.will_topic, message.flags.qos, message.flags.retain)
            self._prompted[place] = connect, will
            return [Willmsgreq()]
        if isinstance(message, Willmsg):
            if will is None:
                return []
            will = replace(will, payload=message.will_message)
        del self._prompted[place]
        return self._connected(place, connect, will, time_s)

    def _connected(self, place: Place, connect: Connect, will: Will | None, time_s: float) -> list[Message]:
        source = self._source(place)
        before = self._by_source.get(source)
        if before is not None and before.client_id != connect.client_id:
            before.state = SessionState.DISCONNECTED
        session = self.sessions.get(connect.client_id)
        if session is not None and self._by_source.get(self._source(session.place)) is session:
            del self._by_source[self._source(session.place)]
        if session is None or connect.flags.clean_session:
            session = Session(connect.client_id, place, connect.duration, time_s, time_s)
        elif session.state not in HERE and not self._policy.topics_survive_session:
            session.topics.clear()
        session.place, session.keep_alive_s = place, connect.duration
        session.connected_at_s = session.heard_at_s = time_s
        session.state = SessionState.ACTIVE
        if connect.flags.will:
            session.will = will
        self.sessions[connect.client_id] = session
        self._by_source[source] = session
        return [Connack(ReturnCode.ACCEPTED), *session.deliver_again(self.predefined_topics)]

    def _source(self, place: Place) -> Hashable:
        return self._host_of(place) if self._policy.client_is is ClientIs.ADDRESS else place

    def _to_stranger(self, place: Place, message: Message) -> list[Message]:
        if isinstance(message, Pingreq) and self._policy.pings_strangers_back:
            return [Pingresp()]
        was_known = self._source(place) in self._by_source
        disconnects = self._policy.to_stranger is ToStranger.DISCONNECT or (
            self._policy.to_stranger is ToStranger.DISCONNECT_IF_KNOWN and was_known)
        return [Disconnect()] if disconnects else []

    # -- asleep and awake (section 6.14)

    def _wake(self, place: Place, client_id: str, time_s: float) -> list[Message]:
        session = self.sessions.get(client_id)
        if session is None or session.state not in HERE:
            return self._to_stranger(place, Pingreq(client_id))
        session.heard_at_s = time_s
        if session.state is SessionState.ACTIVE:
            return [Pingresp()]
        session.state = SessionState.AWAKE
        return self._fall_asleep_again(session, session.deliver_again(self.predefined_topics))

    def _fall_asleep_again(self, session: Session, messages: list[Message]) -> list[Message]:
        """A client that is awake gets PINGRESP when it has got, and acknowledged, all that was stored for it."""
        if session.state is SessionState.AWAKE and session.outstanding is None:
            session.state = SessionState.ASLEEP
            return [*messages, Pingresp()]
        return messages

    # -- in a session

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
                session.asleep_s = message.duration or 0
                return [Disconnect()]
            case Subscribe():
                return [self._subscribe(session, message)]
            case Unsubscribe():
                session.subscriptions.pop(self._filter(message) or "", None)
                return [Unsuback(message.message_id)]
            case Willtopicupd():
                session.will = None if message.flags is None else replace(
                    session.will or Will(""), topic=message.will_topic, qos=message.flags.qos,
                    retain=message.flags.retain)
                return [Willtopicresp(ReturnCode.ACCEPTED)]
            case Willmsgupd():
                if session.will is None:
                    return [Willmsgresp(ReturnCode.NOT_SUPPORTED)]
                session.will = replace(session.will, payload=message.will_message)
                return [Willmsgresp(ReturnCode.ACCEPTED)]
            case _:
                return []

    def _register(self, session: Session, register: Register) -> Regack:
        name = register.topic_name
        if (not name or "#" in name or "+" in name) and not self._policy.takes_any_topic_name:
            return Regack(0, register.message_id, ReturnCode.NOT_SUPPORTED)
        known = session.topic_id(name)
        if known is None or self._policy.gives_new_id_to_known_name:
            known = session.new_topic_id(name)
        if known is None:
            return Regack(0, register.message_id, ReturnCode.CONGESTION)
        return Regack(known, register.message_id, ReturnCode.ACCEPTED)

    def _subscribe(self, session: Session, subscribe: Subscribe) -> Suback:
        name = self._filter(subscribe)
        if name is None:
            return Suback(Flags(), 0, subscribe.message_id, ReturnCode.INVALID_TOPIC_ID)
        session.subscriptions[name] = subscribe.flags.qos
        topic_id: int | None = 0
        if isinstance(subscribe.topic, int):
            topic_id = subscribe.topic
        elif subscribe.flags.topic_id_type is TopicIdType.NORMAL and not {"+", "#"} & set(name):
            topic_id = session.topic_id(name) or session.new_topic_id(name)
        return Suback(Flags(qos=subscribe.flags.qos), topic_id or 0, subscribe.message_id, ReturnCode.ACCEPTED)

    def _filter(self, message: Subscribe | Unsubscribe) -> str | None:
        topic = message.topic
        return self.predefined_topics.get(topic) if isinstance(topic, int) else topic or None

    def _publish(self, session: Session, publish: Publish, time_s: float) -> list[Message]:
        flags, message_id = publish.flags, publish.message_id
        topic = self._topic(session, publish)
        if topic is None:
            return self._to_unknown_topic(session, publish)
        if flags.qos is QoS.TWO and not self._policy.takes_qos_2:
            return [self._puback(publish, ReturnCode.NOT_SUPPORTED)]
        telegram = ReceivedTelegram(time_s, session.client_id, topic, flags.qos, flags.dup, message_id, publish.data,
                                    flags.retain)
        if flags.qos is QoS.ZERO:
            self._published(telegram, self.telegrams)
            return [self._puback(publish, ReturnCode.ACCEPTED)] if self._policy.acknowledges_qos_0 else []
        this = (publish.topic_id, message_id, publish.data)
        repeated = this == session.last_message and (flags.dup or message_id in session.unreleased)
        if repeated:
            self.repetitions.append(telegram)
        if not repeated or self._policy.takes_repetition_for_new:
            self._published(telegram, self.telegrams)
        session.last_message = this
        if flags.qos is QoS.ONE:
            return [self._puback(publish, ReturnCode.ACCEPTED)]
        session.unreleased.add(message_id)
        return [Pubrec(message_id)]

    def _publish_without_connection(self, session: Session | None, publish: Publish, time_s: float) -> None:
        """QoS -1 is never answered, not even when the topic is unknown (section 6.8)."""
        if publish.flags.topic_id_type not in (TopicIdType.PREDEFINED, TopicIdType.SHORT_NAME):
            return
        topic = self._topic(None, publish)
        if topic is not None:
            self._published(ReceivedTelegram(
                time_s, session.client_id if session else None, topic, QoS.MINUS_ONE, publish.flags.dup,
                publish.message_id, publish.data, publish.flags.retain), self.telegrams)

    def _published(self, telegram: ReceivedTelegram, kept: Journal[ReceivedTelegram]) -> None:
        kept.append(telegram)
        self.on_telegram(telegram)
        for session in self.sessions.values():
            granted = [qos for wanted, qos in session.subscriptions.items() if matches(wanted, telegram.topic)]
            if granted and session.state in HERE:
                qos = QoS(max(0, min(max(granted), telegram.qos)))
                self.publish(session.client_id, telegram.topic, telegram.payload, qos)

    def _to_unknown_topic(self, session: Session, publish: Publish) -> list[Message]:
        policy, kind = self._policy, publish.flags.topic_id_type
        if kind is TopicIdType.RESERVED:
            if policy.to_reserved_topic_type is ToReservedType.SILENCE:
                return []
            accepted = policy.to_reserved_topic_type is ToReservedType.ACCEPTED
            return [self._puback(publish, ReturnCode.ACCEPTED if accepted else ReturnCode.INVALID_TOPIC_ID)]
        if kind is TopicIdType.PREDEFINED:
            decided = policy.to_unknown_predefined_topic
        elif publish.flags.qos is QoS.ZERO:
            decided = policy.to_unknown_topic_at_qos_0    # 6.12: else the client would never learn it
        else:
            decided = policy.to_unknown_topic
        match decided:
            case ToUnknownTopic.SILENCE:
                return []
            case ToUnknownTopic.INVALID_TOPIC_ID:
                return [self._puback(publish, ReturnCode.INVALID_TOPIC_ID)]
            case ToUnknownTopic.END_OF_SESSION:
                session.state = SessionState.DISCONNECTED
                return [Disconnect()]

    def _puback(self, publish: Publish, code: ReturnCode) -> Puback:
        return Puback(0 if self._policy.acknowledges_with_topic_id_0 else publish.topic_id, publish.message_id, code)

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
