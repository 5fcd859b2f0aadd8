"""MQTT-SN 1.2 messages: octets to dataclasses and back, without any I/O.

Source: MQTT-SN protocol specification version 1.2, section 5; octets are counted from 0 as in its tables.
``decode`` is strict about structure (lengths, types, UTF-8) and keeps every value that fits the structure, also
a reserved one, so that nothing the unit sends is lost; ``deviations`` lists what the specification forbids.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Annotated, Any, ClassVar, get_type_hints

from bench.protocols.mqttsn_fields import (
    U8,
    U16,
    Code,
    Flags,
    FlagsOctet,
    Integer,
    Layout,
    MqttSnError,
    Octets,
    OptionalFlags,
    OptionalU16,
    QoS,
    Reader,
    Rest,
    ReturnCode,
    Text,
    TopicIdType,
    Utf8,
)

__all__ = [
    "MESSAGE_TYPES", "Advertise", "Connack", "Connect", "Disconnect", "Encapsulated", "Flags", "Gwinfo", "Message",
    "MqttSnError", "Pingreq", "Pingresp", "Puback", "Pubcomp", "Publish", "Pubrec", "Pubrel", "QoS", "RawMessage",
    "Regack", "Register", "ReturnCode", "Searchgw", "Suback", "Subscribe", "TopicIdType", "Unsuback", "Unsubscribe",
    "Willmsg", "Willmsgreq", "Willmsgresp", "Willmsgupd", "Willtopic", "Willtopicreq", "Willtopicresp",
    "Willtopicupd", "decode", "describe", "deviations", "fields",
]

MAX_MESSAGE_LENGTH = 0xFFFF
"""The largest message the 3-octet Length can announce, itself included."""


_LAYOUTS: dict[type[Message], dict[str, Layout]] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """One message, which is one datagram. Fields are in the order of the wire."""

    TYPE: ClassVar[int] = -1

    def encode(self, *, long_length: bool = False) -> bytes:
        """The datagram, with the shortest Length field, or with the 3-octet one. Raises MqttSnError."""
        return _frame(self.TYPE, self._body(), long_length=long_length)

    @classmethod
    def layouts(cls) -> dict[str, Layout]:
        """How each field stands on the wire, by its name and in the order of the wire."""
        if cls not in _LAYOUTS:
            hints = get_type_hints(cls, include_extras=True)
            _LAYOUTS[cls] = {field.name: hints[field.name].__metadata__[0] for field in dataclass_fields(cls)}
        return _LAYOUTS[cls]

    def _body(self) -> bytes:
        name = type(self).__name__
        return b"".join(layout.put(getattr(self, field), f"{name}.{field}")
                        for field, layout in self.layouts().items())

    @classmethod
    def _take(cls, reader: Reader) -> Message:
        return cls(**{field: layout.take(reader, f"{cls.__name__}.{field}")
                      for field, layout in cls.layouts().items()})


@dataclass(frozen=True, slots=True)
class Advertise(Message):
    """Gateway broadcast; ``duration`` in seconds until the next one."""

    TYPE: ClassVar[int] = 0x00
    gateway_id: U8
    duration: U16


@dataclass(frozen=True, slots=True)
class Searchgw(Message):
    """Client broadcast; ``radius`` 0 reaches all nodes."""

    TYPE: ClassVar[int] = 0x01
    radius: U8


@dataclass(frozen=True, slots=True)
class Gwinfo(Message):
    """Answer to SEARCHGW; only a client that answers for a gateway gives its address."""

    TYPE: ClassVar[int] = 0x02
    gateway_id: U8
    gateway_address: Octets = b""


@dataclass(frozen=True, slots=True)
class Connect(Message):
    """``duration`` is the keep-alive time in seconds; uses Will and CleanSession of the flags."""

    TYPE: ClassVar[int] = 0x04
    flags: FlagsOctet
    protocol_id: U8
    duration: U16
    client_id: Text


@dataclass(frozen=True, slots=True)
class Connack(Message):
    TYPE: ClassVar[int] = 0x05
    return_code: Code


@dataclass(frozen=True, slots=True)
class Willtopicreq(Message):
    TYPE: ClassVar[int] = 0x06


@dataclass(frozen=True, slots=True)
class _WithWillTopic(Message):
    flags: OptionalFlags = None
    will_topic: Text = ""

    def __post_init__(self) -> None:
        if self.flags is None and self.will_topic:
            raise MqttSnError(f"{type(self).__name__}: a will topic needs flags")


@dataclass(frozen=True, slots=True)
class Willtopic(_WithWillTopic):
    """Uses QoS and Retain. Without flags and topic it deletes the will."""

    TYPE: ClassVar[int] = 0x07


@dataclass(frozen=True, slots=True)
class Willmsgreq(Message):
    TYPE: ClassVar[int] = 0x08


@dataclass(frozen=True, slots=True)
class Willmsg(Message):
    TYPE: ClassVar[int] = 0x09
    will_message: Octets


@dataclass(frozen=True, slots=True)
class Register(Message):
    """A client sends topic id 0; a gateway sends the id it has given to the name."""

    TYPE: ClassVar[int] = 0x0A
    topic_id: U16
    message_id: U16
    topic_name: Text


@dataclass(frozen=True, slots=True)
class Regack(Message):
    TYPE: ClassVar[int] = 0x0B
    topic_id: U16
    message_id: U16
    return_code: Code


@dataclass(frozen=True, slots=True)
class Publish(Message):
    """Uses DUP, QoS, Retain and TopicIdType; ``message_id`` is 0 for QoS 0 and -1."""

    TYPE: ClassVar[int] = 0x0C
    flags: FlagsOctet
    topic_id: U16
    message_id: U16
    data: Octets

    @property
    def short_topic_name(self) -> str | None:
        """The two characters that stand in the TopicId field, when TopicIdType says so."""
        if self.flags.topic_id_type is not TopicIdType.SHORT_NAME:
            return None
        return self.topic_id.to_bytes(2, "big").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Puback(Message):
    """Topic id and message id are those of the PUBLISH."""

    TYPE: ClassVar[int] = 0x0D
    topic_id: U16
    message_id: U16
    return_code: Code


@dataclass(frozen=True, slots=True)
class Pubcomp(Message):
    TYPE: ClassVar[int] = 0x0E
    message_id: U16


@dataclass(frozen=True, slots=True)
class Pubrec(Message):
    TYPE: ClassVar[int] = 0x0F
    message_id: U16


@dataclass(frozen=True, slots=True)
class Pubrel(Message):
    TYPE: ClassVar[int] = 0x10
    message_id: U16


@dataclass(frozen=True, slots=True)
class _WithTopicFilter(Message):
    flags: FlagsOctet
    message_id: U16
    topic: Annotated[str | int, Rest()]

    def _body(self) -> bytes:
        name = type(self).__name__
        predefined = self.flags.topic_id_type is TopicIdType.PREDEFINED
        if isinstance(self.topic, str) is predefined:
            raise MqttSnError(f"{name}.topic {self.topic!r} doesn't go with {self.flags.topic_id_type.name}")
        layout: Layout = Integer(2) if predefined else Utf8()
        topic = layout.put(self.topic, f"{name}.topic")
        return bytes([self.flags.to_octet()]) + Integer(2).put(self.message_id, f"{name}.message_id") + topic

    @classmethod
    def _take(cls, reader: Reader) -> Message:
        name = cls.__name__
        flags = Flags.from_octet(reader.take(1, f"{name}.flags")[0])
        message_id = int.from_bytes(reader.take(2, f"{name}.message_id"), "big")
        layout: Layout = Integer(2) if flags.topic_id_type is TopicIdType.PREDEFINED else Utf8()
        return cls(flags, message_id, layout.take(reader, f"{name}.topic"))


@dataclass(frozen=True, slots=True)
class Subscribe(_WithTopicFilter):
    """Uses DUP, QoS and TopicIdType; ``topic`` is an int for a predefined id, else the name."""

    TYPE: ClassVar[int] = 0x12


@dataclass(frozen=True, slots=True)
class Suback(Message):
    """The flags hold the granted QoS; the topic id is 0 for wildcards and short names."""

    TYPE: ClassVar[int] = 0x13
    flags: FlagsOctet
    topic_id: U16
    message_id: U16
    return_code: Code


@dataclass(frozen=True, slots=True)
class Unsubscribe(_WithTopicFilter):
    """As SUBSCRIBE."""

    TYPE: ClassVar[int] = 0x14


@dataclass(frozen=True, slots=True)
class Unsuback(Message):
    TYPE: ClassVar[int] = 0x15
    message_id: U16


@dataclass(frozen=True, slots=True)
class Pingreq(Message):
    """With a client id: a sleeping client is awake and asks for what is stored for it."""

    TYPE: ClassVar[int] = 0x16
    client_id: Text = ""


@dataclass(frozen=True, slots=True)
class Pingresp(Message):
    TYPE: ClassVar[int] = 0x17


@dataclass(frozen=True, slots=True)
class Disconnect(Message):
    """``duration`` in seconds: the client goes to sleep for so long. Only a client sends it."""

    TYPE: ClassVar[int] = 0x18
    duration: OptionalU16 = None


@dataclass(frozen=True, slots=True)
class Willtopicupd(_WithWillTopic):
    """As WILLTOPIC."""

    TYPE: ClassVar[int] = 0x1A


@dataclass(frozen=True, slots=True)
class Willtopicresp(Message):
    TYPE: ClassVar[int] = 0x1B
    return_code: Code


@dataclass(frozen=True, slots=True)
class Willmsgupd(Message):
    TYPE: ClassVar[int] = 0x1C
    will_message: Octets


@dataclass(frozen=True, slots=True)
class Willmsgresp(Message):
    TYPE: ClassVar[int] = 0x1D
    return_code: Code


@dataclass(frozen=True, slots=True)
class Encapsulated(Message):
    """A forwarder's wrapping: bits 1 and 0 of ``control`` are the broadcast radius.

    ``datagram`` is the whole message inside; decode it in its own right.
    """

    TYPE: ClassVar[int] = 0xFE
    control: U8
    wireless_node_id: Octets
    datagram: Octets

    def encode(self, *, long_length: bool = False) -> bytes:
        if long_length:
            raise MqttSnError("Encapsulated: the Length of a forwarder's frame has 1 octet")
        control = Integer(1).put(self.control, "Encapsulated.control")
        header = _frame(self.TYPE, control + self.wireless_node_id)
        if header[0] == 0x01:
            raise MqttSnError("Encapsulated.wireless_node_id is longer than 252 octets")
        return header + self.datagram


@dataclass(frozen=True, slots=True)
class RawMessage(Message):
    """Octets sent as they are, for malformed frames on purpose. ``decode`` never returns it."""

    octets: Octets

    def encode(self, *, long_length: bool = False) -> bytes:
        return self.octets


MESSAGE_TYPES: dict[int, type[Message]] = {kind.TYPE: kind for kind in (
    Advertise, Searchgw, Gwinfo, Connect, Connack, Willtopicreq, Willtopic, Willmsgreq, Willmsg, Register,
    Regack, Publish, Puback, Pubcomp, Pubrec, Pubrel, Subscribe, Suback, Unsubscribe, Unsuback, Pingreq, Pingresp,
    Disconnect, Willtopicupd, Willtopicresp, Willmsgupd, Willmsgresp, Encapsulated)}


def _frame(message_type: int, body: bytes, *, long_length: bool = False) -> bytes:
    length = 2 + len(body)
    if length <= 0xFF and not long_length:
        return bytes([length, message_type]) + body
    length += 2
    if length > MAX_MESSAGE_LENGTH:
        raise MqttSnError(f"a message of {length} octets is longer than {MAX_MESSAGE_LENGTH}")
    return b"\x01" + length.to_bytes(2, "big") + bytes([message_type]) + body


def decode(datagram: bytes) -> Message:
    """The message in a datagram; raises MqttSnError naming the octet (counted from 0) where it goes wrong.

    Both forms of the Length field are taken, the 3-octet one also for short messages (section 5.2.1).
    """
    if not datagram:
        raise MqttSnError("octet 0: the datagram is empty")
    reader = Reader(datagram, 0)
    length = reader.take(1, "Length")[0]
    long_length = length == 0x01
    if long_length:
        length = int.from_bytes(reader.take(2, "3-octet Length"), "big")
    if length < reader.position + 1:
        raise MqttSnError(f"octet 0: Length {length} leaves no room for a message type")
    message_type = reader.take(1, "MsgType")[0]
    if message_type == Encapsulated.TYPE and not long_length:
        return _take_encapsulated(reader, length)
    if length != len(datagram):
        raise MqttSnError(f"octet 0: Length says {length} octets, the datagram has {len(datagram)}")
    kind = MESSAGE_TYPES.get(message_type)
    if kind is None or kind is Encapsulated:
        raise MqttSnError(f"octet {reader.position - 1}: message type 0x{message_type:02X} is "
                          + ("not allowed with a 3-octet Length" if kind else "reserved"))
    message = kind._take(reader)
    if not reader.at_end:
        raise MqttSnError(f"octet {reader.position}: {len(datagram) - reader.position} octet(s) too many in "
                          f"{kind.__name__.upper()}")
    return message


def _take_encapsulated(reader: Reader, length: int) -> Encapsulated:
    if not 3 <= length <= len(reader.octets):
        raise MqttSnError(f"octet 0: Length {length} of a forwarder's frame is not 3 to {len(reader.octets)}")
    control = reader.take(1, "Encapsulated.control")[0]
    node = reader.take(length - reader.position, "Encapsulated.wireless_node_id")
    return Encapsulated(control, node, reader.rest())


def deviations(message: Message) -> list[str]:
    """What the specification forbids though the structure is right; empty for a good message."""
    found = []
    if isinstance(message, Connect):
        if message.protocol_id != 1:
            found.append(f"protocol id {message.protocol_id} instead of 1 (5.3.8)")
        if not 1 <= len(message.client_id) <= 23:
            found.append(f"client id of {len(message.client_id)} characters, allowed are 1 to 23 (5.3.1)")
    if isinstance(message, Publish):
        flags = message.flags
        if flags.qos in (QoS.ZERO, QoS.MINUS_ONE) and message.message_id != 0:
            found.append(f"message id {message.message_id} with QoS {flags.qos}, must be 0 (5.4.12)")
        if flags.qos in (QoS.ONE, QoS.TWO) and message.message_id == 0:
            found.append(f"message id 0 with QoS {flags.qos} (5.4.12)")
        if flags.qos is QoS.MINUS_ONE and flags.topic_id_type is TopicIdType.NORMAL:
            found.append("QoS -1 with a normal topic id (6.8)")
    if isinstance(message, Publish | Subscribe | Unsubscribe) and \
            message.flags.topic_id_type is TopicIdType.RESERVED:
        found.append("topic id type 0b11 is reserved (5.3.4)")
    if (isinstance(message, Publish) and message.flags.topic_id_type is not TopicIdType.SHORT_NAME
            and message.topic_id in (0x0000, 0xFFFF)):
        found.append(f"topic id 0x{message.topic_id:04X} is reserved (5.3.11)")
    if isinstance(message, Register) and not message.topic_name:
        found.append("empty topic name")
    code = getattr(message, "return_code", None)
    if code is not None and code not in ReturnCode._value2member_map_:
        found.append(f"return code 0x{code:02X} is reserved (5.3.10)")
    return found


def describe(message: Message) -> str:
    """One line for a person; payloads appear by their length only."""
    if isinstance(message, RawMessage):
        return f"raw octets, {len(message.octets)} B"
    parts = [type(message).__name__.upper()]
    for name in message.layouts():
        value = getattr(message, name)
        if isinstance(value, Flags):
            parts += _describe_flags(message, value)
        elif name == "return_code":
            parts.append(value.name.lower().replace("_", " ") if isinstance(value, ReturnCode)
                         else f"reserved return code 0x{value:02X}")
        elif name == "duration" and value is not None:
            parts.append(f"{value} s")
        elif name in ("topic_id", "topic"):
            short = message.short_topic_name if isinstance(message, Publish) else None
            parts.append(f"topic {json.dumps(short if short is not None else value)}")
        elif name == "message_id":
            parts.append(f"message {value}")
        elif isinstance(value, bytes):
            parts.append(f"{len(value)} B")
        elif isinstance(value, str) and value:
            parts.append(json.dumps(value))
        elif isinstance(value, int):
            parts.append(f"{name.replace('_', ' ')} {value}")
    return " ".join(parts)


def _describe_flags(message: Message, flags: Flags) -> list[str]:
    parts = [f"QoS {int(flags.qos)}"] if not isinstance(message, Connect | Unsubscribe) else []
    parts += [word for word, is_set in (("DUP", flags.dup), ("retain", flags.retain), ("will", flags.will),
                                        ("clean session", flags.clean_session)) if is_set]
    if flags.topic_id_type is not TopicIdType.NORMAL:
        parts.append(flags.topic_id_type.name.lower().replace("_", " "))
    return parts


def fields(message: Message) -> dict[str, Any]:
    """The fields by name, ready for JSON: octets as hex, the flags one by one, ``type`` as in the spec."""
    result: dict[str, Any] = {"type": type(message).__name__.upper()}
    for name in message.layouts():
        value = getattr(message, name)
        if isinstance(value, Flags):
            result |= {"dup": value.dup, "qos": int(value.qos), "retain": value.retain, "will": value.will,
                       "clean_session": value.clean_session, "topic_id_type": int(value.topic_id_type)}
        elif isinstance(value, bytes):
            result[name] = value.hex()
        else:
            result[name] = int(value) if isinstance(value, int) else value
    return result
