"""One client as the gateway knows it, and what the gateway still has to tell it."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from bench.backend.gateway_policy import Expiry, GatewayPolicy
from bench.protocols.mqttsn import (
    Flags,
    Message,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    QoS,
    Regack,
    Register,
    ReturnCode,
    TopicIdType,
)

LAST_TOPIC_ID = 0xFFFE
"""0x0000 and 0xFFFF are reserved (section 5.3.11)."""

Place = Hashable
"""Where a client is: a peer's number, or that of a forwarder with the client's node id."""


class SessionState(StrEnum):
    """The state of a client as the gateway sees it (section 6.14)."""

    ACTIVE = "active"
    ASLEEP = "asleep"
    AWAKE = "awake"
    DISCONNECTED = "disconnected"
    LOST = "lost"


HERE = (SessionState.ACTIVE, SessionState.ASLEEP, SessionState.AWAKE)
"""The states of a client that need not connect."""


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
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Will:
    """What is published for a client that is lost."""

    topic: str
    qos: QoS = QoS.ZERO
    retain: bool = False
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something to publish to a client."""

    topic: str
    payload: bytes
    qos: QoS


@dataclass(slots=True)
class Session:
    """What the gateway knows of a client. ``place`` is where its last CONNECT came from."""

    client_id: str
    place: Place
    keep_alive_s: int
    connected_at_s: float
    heard_at_s: float
    state: SessionState = SessionState.ACTIVE
    asleep_s: int = 0
    topics: dict[int, str] = field(default_factory=dict)
    last_topic_id: int = 0
    subscriptions: dict[str, QoS] = field(default_factory=dict)
    will: Will | None = None
    last_message: tuple[int, int, bytes] | None = None
    """Topic id, message id and payload of the last PUBLISH with QoS 1 or 2: what a repetition must equal."""
    unreleased: set[int] = field(default_factory=set)
    """Message ids of QoS 2 that wait for their PUBREL."""
    waiting: deque[Delivery] = field(default_factory=deque)
    outstanding: Message | None = None
    """What the gateway has sent and the client is still to answer: one at a time (section 6.12)."""
    last_message_id: int = 0

    def ends_at_s(self, policy: GatewayPolicy) -> float | None:
        """When the client counts as lost if nothing more is heard of it; None: never (section 7.2)."""
        if self.state not in HERE or policy.expiry is Expiry.NEVER:
            return None
        if policy.expiry is Expiry.FIXED:
            return self.heard_at_s + policy.lifetime_s
        promised_s = self.keep_alive_s if self.state is SessionState.ACTIVE else self.asleep_s
        return self.heard_at_s + promised_s * (1.1 if promised_s > 60 else 1.5) if promised_s else None

    def new_topic_id(self, name: str) -> int | None:
        """None when all ids are taken."""
        if self.last_topic_id == LAST_TOPIC_ID:
            return None
        self.last_topic_id += 1
        self.topics[self.last_topic_id] = name
        return self.last_topic_id

    def topic_id(self, name: str) -> int | None:
        """The id that the client has for the topic."""
        return next((topic_id for topic_id, known in self.topics.items() if known == name), None)

    # -- downlink

    def deliver(self, predefined: Mapping[int, str]) -> list[Message]:
        """The next messages to the client, up to one that it must answer. A topic that it does not know is
        registered first."""
        messages: list[Message] = []
        while self.waiting and self.outstanding is None:
            delivery = self.waiting[0]
            kind, topic_id = self._address(delivery.topic, predefined)
            if topic_id is None:
                new = self.new_topic_id(delivery.topic)
                if new is None:
                    self.waiting.popleft()
                    continue
                self.outstanding = Register(new, self._next_message_id(), delivery.topic)
                messages.append(self.outstanding)
                continue
            message_id = self._next_message_id() if delivery.qos is not QoS.ZERO else 0
            publish = Publish(Flags(qos=delivery.qos, topic_id_type=kind), topic_id, message_id, delivery.payload)
            messages.append(publish)
            if delivery.qos is QoS.ZERO:
                self.waiting.popleft()
            else:
                self.outstanding = publish
        return messages

    def answered(self, answer: Message, predefined: Mapping[int, str]) -> list[Message]:
        """What follows when the client answers; nothing when it answers what was not asked."""
        match self.outstanding, answer:
            case Register() as asked, Regack() if asked.message_id == answer.message_id:
                if answer.return_code != ReturnCode.ACCEPTED:
                    del self.topics[asked.topic_id]
                    self.waiting.popleft()
                    self.subscriptions.pop(asked.topic_name, None)
            case Publish() as asked, Puback() if asked.message_id == answer.message_id:
                self.waiting.popleft()
            case Publish() as asked, Pubrec() if asked.message_id == answer.message_id:
                self.outstanding = Pubrel(answer.message_id)
                return [self.outstanding]
            case Pubrel() as asked, Pubcomp() if asked.message_id == answer.message_id:
                self.waiting.popleft()
            case _:
                return []
        self.outstanding = None
        return self.deliver(predefined)

    def deliver_again(self, predefined: Mapping[int, str]) -> list[Message]:
        """The client is back: what it has not answered is repeated."""
        if self.outstanding is None:
            return self.deliver(predefined)
        if isinstance(self.outstanding, Publish):
            self.outstanding = replace(self.outstanding, flags=replace(self.outstanding.flags, dup=True))
        return [self.outstanding]

    def _address(self, topic: str, predefined: Mapping[int, str]) -> tuple[TopicIdType, int | None]:
        known = self.topic_id(topic)
        if known is not None:
            return TopicIdType.NORMAL, known
        for topic_id, name in predefined.items():
            if name == topic:
                return TopicIdType.PREDEFINED, topic_id
        if len(topic.encode()) == 2:
            return TopicIdType.SHORT_NAME, int.from_bytes(topic.encode(), "big")
        return TopicIdType.NORMAL, None

    def _next_message_id(self) -> int:
        self.last_message_id = self.last_message_id % 0xFFFF + 1
        return self.last_message_id


def matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT topic filter with the wildcards + and # takes ``topic``."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(levels) or level not in ("+", levels[number]):
            return False
    return len(wanted) == len(levels)
