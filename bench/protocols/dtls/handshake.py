"""The handshake messages of DTLS 1.2 with PSK key exchange, as data (RFC 6347 section 4.2, RFC 4279).

A message encodes whatever it holds, also what no sane peer would send: negative tests bend fields with
``dataclasses.replace``. Decoding is strict and raises ``HandshakeError``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, TypeAlias

from bench.protocols.dtls.records import DTLS_1_0, DTLS_1_2

Extensions: TypeAlias = tuple[tuple[int, bytes], ...]


class HandshakeError(ValueError):
    """Octets that are no such message."""


class HandshakeType(IntEnum):
    HELLO_REQUEST = 0
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    HELLO_VERIFY_REQUEST = 3
    NEW_SESSION_TICKET = 4
    SERVER_KEY_EXCHANGE = 12
    SERVER_HELLO_DONE = 14
    CLIENT_KEY_EXCHANGE = 16
    FINISHED = 20


class ExtensionType(IntEnum):
    EXTENDED_MASTER_SECRET = 23
    CONNECTION_ID = 54
    RENEGOTIATION_INFO = 0xFF01


@dataclass(frozen=True, slots=True)
class ClientHello:
    TYPE: ClassVar = HandshakeType.CLIENT_HELLO

    random: bytes
    suites: tuple[int, ...]
    cookie: bytes = b""
    extensions: Extensions = ()
    session_id: bytes = b""
    compression: bytes = b"\0"
    version: int = DTLS_1_2

    def encode(self) -> bytes:
        suites = b"".join(suite.to_bytes(2, "big") for suite in self.suites)
        return (self.version.to_bytes(2, "big") + self.random + _vector(self.session_id, 1) + _vector(self.cookie, 1)
                + _vector(suites, 2) + _vector(self.compression, 1) + _encode_extensions(self.extensions))

    @classmethod
    def decode(cls, body: bytes) -> ClientHello:
        reader = _Reader(body)
        version, random = reader.number(2), reader.take(32)
        session_id, cookie = reader.vector(1), reader.vector(1)
        suites = reader.vector(2)
        if len(suites) % 2:
            raise HandshakeError("a list of cipher suites of odd length")
        hello = cls(random, tuple(int.from_bytes(suites[at:at + 2], "big") for at in range(0, len(suites), 2)),
                    cookie, session_id=session_id, compression=reader.vector(1), version=version,
                    extensions=_decode_extensions(reader))
        reader.end()
        return hello


@dataclass(frozen=True, slots=True)
class HelloVerifyRequest:
    TYPE: ClassVar = HandshakeType.HELLO_VERIFY_REQUEST

    cookie: bytes
    version: int = DTLS_1_0
    """RFC 6347 section 4.2.1 asks for 1.0, whatever is negotiated later."""

    def encode(self) -> bytes:
        return self.version.to_bytes(2, "big") + _vector(self.cookie, 1)

    @classmethod
    def decode(cls, body: bytes) -> HelloVerifyRequest:
        reader = _Reader(body)
        version = reader.number(2)
        request = cls(reader.vector(1), version)
        reader.end()
        return request


@dataclass(frozen=True, slots=True)
class ServerHello:
    TYPE: ClassVar = HandshakeType.SERVER_HELLO

    random: bytes
    suite: int
    extensions: Extensions = ()
    session_id: bytes = b""
    compression: int = 0
    version: int = DTLS_1_2

    def encode(self) -> bytes:
        return (self.version.to_bytes(2, "big") + self.random + _vector(self.session_id, 1)
                + self.suite.to_bytes(2, "big") + bytes([self.compression]) + _encode_extensions(self.extensions))

    @classmethod
    def decode(cls, body: bytes) -> ServerHello:
        reader = _Reader(body)
        version, random, session_id = reader.number(2), reader.take(32), reader.vector(1)
        hello = cls(random, reader.number(2), session_id=session_id, compression=reader.number(1), version=version,
                    extensions=_decode_extensions(reader))
        reader.end()
        return hello


@dataclass(frozen=True, slots=True)
class ServerKeyExchange:
    """Sent only when there is an identity hint."""

    TYPE: ClassVar = HandshakeType.SERVER_KEY_EXCHANGE

    identity_hint: bytes

    def encode(self) -> bytes:
        return _vector(self.identity_hint, 2)

    @classmethod
    def decode(cls, body: bytes) -> ServerKeyExchange:
        reader = _Reader(body)
        exchange = cls(reader.vector(2))
        reader.end()
        return exchange


@dataclass(frozen=True, slots=True)
class ServerHelloDone:
    TYPE: ClassVar = HandshakeType.SERVER_HELLO_DONE

    def encode(self) -> bytes:
        return b""

    @classmethod
    def decode(cls, body: bytes) -> ServerHelloDone:
        _Reader(body).end()
        return cls()


@dataclass(frozen=True, slots=True)
class ClientKeyExchange:
    TYPE: ClassVar = HandshakeType.CLIENT_KEY_EXCHANGE

    identity: bytes

    def encode(self) -> bytes:
        return _vector(self.identity, 2)

    @classmethod
    def decode(cls, body: bytes) -> ClientKeyExchange:
        reader = _Reader(body)
        exchange = cls(reader.vector(2))
        reader.end()
        return exchange


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """Read only: the engine never resumes, for a resumption changes what a unit's handshake costs."""

    TYPE: ClassVar = HandshakeType.NEW_SESSION_TICKET

    body: bytes

    def encode(self) -> bytes:
        return self.body

    @classmethod
    def decode(cls, body: bytes) -> NewSessionTicket:
        return cls(body)


@dataclass(frozen=True, slots=True)
class Finished:
    TYPE: ClassVar = HandshakeType.FINISHED

    verify_data: bytes

    def encode(self) -> bytes:
        return self.verify_data

    @classmethod
    def decode(cls, body: bytes) -> Finished:
        if len(body) != 12:
            raise HandshakeError(f"{len(body)} octets of verify data")
        return cls(body)


@dataclass(frozen=True, slots=True)
class ChangeCipherSpec:
    """Not a handshake message by its framing (it is a record type of its own), but a part of flights."""

    value: int = 1


HandshakeMessage: TypeAlias = (ClientHello | HelloVerifyRequest | ServerHello | ServerKeyExchange | ServerHelloDone
                               | ClientKeyExchange | NewSessionTicket | Finished)

_DECODERS: dict[int, Callable[[bytes], HandshakeMessage]] = {
    kind.TYPE: kind.decode
    for kind in (ClientHello, HelloVerifyRequest, ServerHello, ServerKeyExchange, ServerHelloDone, ClientKeyExchange,
                 NewSessionTicket, Finished)}


def decode(message_type: int, body: bytes) -> HandshakeMessage:
    """Raises HandshakeError, also for a type that has no place in a PSK handshake."""
    decoder = _DECODERS.get(message_type)
    if decoder is None:
        raise HandshakeError(f"handshake message of type {message_type} in a PSK handshake")
    return decoder(body)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a handshake message, or the whole of it; ``length`` is the whole's."""

    message_type: int
    length: int
    sequence: int
    offset: int
    data: bytes

    def encode(self) -> bytes:
        return (bytes([self.message_type]) + self.length.to_bytes(3, "big") + self.sequence.to_bytes(2, "big")
                + self.offset.to_bytes(3, "big") + len(self.data).to_bytes(3, "big") + self.data)

    @property
    def is_whole(self) -> bool:
        return len(self.data) == self.length

    @property
    def is_last(self) -> bool:
        return self.offset + len(self.data) == self.length


def split_fragments(body: bytes) -> list[Fragment]:
    """The fragments in the body of a record; there may be several. Raises HandshakeError."""
    reader = _Reader(body)
    fragments: list[Fragment] = []
    while not reader.at_end or not fragments:
        message_type, length = reader.number(1), reader.number(3)
        sequence, offset = reader.number(2), reader.number(3)
        data = reader.vector(3)
        if offset + len(data) > length:
            raise HandshakeError("a fragment beyond the end of its message")
        fragments.append(Fragment(message_type, length, sequence, offset, data))
    return fragments


class _Reader:
    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._octets):
            raise HandshakeError("handshake message cut short")
        taken, self._at = self._octets[self._at:end], end
        return taken

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def vector(self, length_octets: int) -> bytes:
        return self.take(self.number(length_octets))

    @property
    def at_end(self) -> bool:
        return self._at == len(self._octets)

    def end(self) -> None:
        if not self.at_end:
            raise HandshakeError("octets behind the end of a handshake message")


def _vector(octets: bytes, length_octets: int) -> bytes:
    return len(octets).to_bytes(length_octets, "big") + octets


def _encode_extensions(extensions: Extensions) -> bytes:
    if not extensions:
        return b""
    return _vector(b"".join(kind.to_bytes(2, "big") + _vector(data, 2) for kind, data in extensions), 2)


def _decode_extensions(reader: _Reader) -> Extensions:
    if reader.at_end:
        return ()
    inner = _Reader(reader.vector(2))
    extensions: list[tuple[int, bytes]] = []
    while not inner.at_end:
        extensions.append((inner.number(2), inner.vector(2)))
    if len({kind for kind, _ in extensions}) != len(extensions):
        raise HandshakeError("an extension given twice")
    return tuple(extensions)
