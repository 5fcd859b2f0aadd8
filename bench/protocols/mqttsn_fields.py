"""The fields of MQTT-SN messages: enumerations, the Flags octet, and how each field stands on the wire.

Source: MQTT-SN protocol specification version 1.2, section 5.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, Protocol


class MqttSnError(ValueError):
    """The octets are no MQTT-SN message, or the message can't be put into octets."""


class QoS(IntEnum):
    """Quality of service; -1 needs no connection, and takes only predefined ids and short topic names."""

    MINUS_ONE = -1
    ZERO = 0
    ONE = 1
    TWO = 2


class TopicIdType(IntEnum):
    """What the TopicId field holds; in SUBSCRIBE and UNSUBSCRIBE, ``NORMAL`` means a topic name."""

    NORMAL = 0
    PREDEFINED = 1
    SHORT_NAME = 2
    RESERVED = 3


class ReturnCode(IntEnum):
    """Codes 4 to 255 are reserved; a message that holds one has it as a plain int."""

    ACCEPTED = 0
    CONGESTION = 1
    INVALID_TOPIC_ID = 2
    NOT_SUPPORTED = 3


@dataclass(frozen=True, slots=True)
class Flags:
    """The Flags octet, whole: a message type uses only some of it, the rest is normally zero."""

    dup: bool = False
    qos: QoS = QoS.ZERO
    retain: bool = False
    will: bool = False
    clean_session: bool = False
    topic_id_type: TopicIdType = TopicIdType.NORMAL

    def to_octet(self) -> int:
        return (self.dup << 7 | (self.qos & 3) << 5 | self.retain << 4 | self.will << 3
                | self.clean_session << 2 | self.topic_id_type)

    @classmethod
    def from_octet(cls, octet: int) -> Flags:
        qos = octet >> 5 & 3
        return cls(dup=bool(octet & 0x80), qos=QoS.MINUS_ONE if qos == 3 else QoS(qos),
                   retain=bool(octet & 0x10), will=bool(octet & 0x08), clean_session=bool(octet & 0x04),
                   topic_id_type=TopicIdType(octet & 3))


# How a field is laid out. A layout takes its value off the reader and puts a value into octets.

class Reader:
    def __init__(self, octets: bytes, position: int) -> None:
        self.octets = octets
        self.position = position

    @property
    def at_end(self) -> bool:
        return self.position == len(self.octets)

    def take(self, count: int, what: str) -> bytes:
        taken = self.octets[self.position:self.position + count]
        if len(taken) < count:
            raise MqttSnError(f"octet {self.position}: {what} needs {count} octet(s), {len(taken)} left")
        self.position += count
        return taken

    def rest(self) -> bytes:
        return self.take(len(self.octets) - self.position, "rest")


class Layout(Protocol):
    def take(self, reader: Reader, what: str) -> Any: ...
    def put(self, value: Any, what: str) -> bytes: ...


class Integer:
    def __init__(self, size: int, *, optional: bool = False) -> None:
        self.size = size
        self.optional = optional

    def take(self, reader: Reader, what: str) -> int | None:
        if self.optional and reader.at_end:
            return None
        return int.from_bytes(reader.take(self.size, what), "big")

    def put(self, value: int | None, what: str) -> bytes:
        if value is None and self.optional:
            return b""
        if value is None or not 0 <= value < 256 ** self.size:
            raise MqttSnError(f"{what} {value!r} doesn't fit {self.size} octet(s)")
        return int(value).to_bytes(self.size, "big")


class ReturnCodeOctet(Integer):
    def take(self, reader: Reader, what: str) -> int | None:
        code = super().take(reader, what)
        return ReturnCode(code) if code is not None and code in set(ReturnCode) else code


class FlagsLayout:
    def __init__(self, *, optional: bool = False) -> None:
        self.optional = optional

    def take(self, reader: Reader, what: str) -> Flags | None:
        if self.optional and reader.at_end:
            return None
        return Flags.from_octet(reader.take(1, what)[0])

    def put(self, value: Flags | None, what: str) -> bytes:
        return b"" if value is None else bytes([value.to_octet()])


class Utf8:
    def take(self, reader: Reader, what: str) -> str:
        start = reader.position
        try:
            return reader.rest().decode("utf-8")
        except UnicodeDecodeError as error:
            raise MqttSnError(f"octet {start + error.start}: {what} is not UTF-8") from None

    def put(self, value: str, what: str) -> bytes:
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise MqttSnError(f"{what} {value!r} can't be written as UTF-8") from None


class Rest:
    def take(self, reader: Reader, what: str) -> bytes:
        return reader.rest()

    def put(self, value: bytes, what: str) -> bytes:
        return bytes(value)


U8 = Annotated[int, Integer(1)]
U16 = Annotated[int, Integer(2)]
OptionalU16 = Annotated[int | None, Integer(2, optional=True)]
Code = Annotated[int, ReturnCodeOctet(1)]
FlagsOctet = Annotated[Flags, FlagsLayout()]
OptionalFlags = Annotated[Flags | None, FlagsLayout(optional=True)]
Text = Annotated[str, Utf8()]
Octets = Annotated[bytes, Rest()]
