"""The server's side of a handshake, from a ClientHello on that has shown its cookie."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from enum import Enum, auto
from typing import ClassVar

from bench.protocols.dtls.alerts import AlertDescription
from bench.protocols.dtls.association import Association, KeyLog, ProtocolFault, Random
from bench.protocols.dtls.handshake import (
    ClientHello,
    ClientKeyExchange,
    ExtensionType,
    Finished,
    Fragment,
    HandshakeMessage,
    HandshakeType,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
)
from bench.protocols.dtls.keys import KEY_OCTETS
from bench.protocols.dtls.options import Reaction, ServerOptions
from bench.protocols.dtls.records import DTLS_1_2
from bench.protocols.dtls.suites import EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite

_HIGHEST_START = 2**47
"""Leaves room to count on, whatever number a ClientHello's record had; numbers have 48 bits."""

KeyOf = Callable[[bytes], bytes | None]
"""The key of an identity (raw octets), or None for an unknown one."""


class _Awaiting(Enum):
    CLIENT_KEY_EXCHANGE = auto()
    FINISHED = auto()


class ServerAssociation(Association):
    """One client of a ``DtlsServer``, which makes these objects. Methods and events: see ``Association``.

    ``address`` is where its datagrams go; with connection ids it follows the client. ``identity`` is what the client
    calls itself, known before it is proven: until ``established`` it is a claim.
    """

    _role: ClassVar = b"server"
    _peer_role: ClassVar = b"client"

    def __init__(self, options: ServerOptions, key_of: KeyOf, random: Random, key_log: KeyLog | None, *,
                 address: Hashable, connection_id: bytes, begun: float) -> None:
        super().__init__(options, random, key_log, options.timeouts_s)
        self.address = address
        self.begun = begun
        self._server_options = options
        self._key_of = key_of
        self._connection_id_offer = connection_id
        self._awaiting = _Awaiting.CLIENT_KEY_EXCHANGE

    @property
    def client_random(self) -> bytes:
        """It tells one ClientHello from another; no secret."""
        return self._client_random

    @property
    def connection_id(self) -> bytes:
        """What the client puts into its records; empty for nothing."""
        return self._own_connection_id

    def accept(self, hello: ClientHello, whole: Fragment, record_sequence: int, now: float) -> None:
        """Answer a ClientHello. ``whole`` is its message, ``record_sequence`` the number of its record."""
        self._client_random = hello.random
        self._server_random = self._random(32)
        # The server has kept nothing of what it said before, so it goes on from the client's numbers (RFC 6347
        # sections 4.2.1 and 4.2.2).
        self._sequence[0] = min(record_sequence, _HIGHEST_START)
        self._recent.append(record_sequence)
        self._message_sequence = whole.sequence
        self._reassembly.expected = whole.sequence + 1
        self._transcript.update(whole.encode())
        try:
            answer = self._negotiate(hello)
        except ProtocolFault as fault:
            self._fail(fault.alert, str(fault))
            return
        hint = self._server_options.identity_hint
        hints = () if hint is None else (ServerKeyExchange(hint),)
        self._begin_flight(4, answer, *hints, ServerHelloDone())
        self._transmit(now)
        self._expect_answer(now)

    def hello_again(self, record_sequence: int, now: float) -> str | None:
        """The ClientHello has come once more: the client hasn't got the answer. Gives why it is dropped, if it is."""
        if record_sequence in self._recent:
            return "replayed record"
        self._recent.append(record_sequence)
        self.resend(now)
        return None

    def _negotiate(self, hello: ClientHello) -> ServerHello:
        # Versions of DTLS count downwards.
        if hello.version > DTLS_1_2:
            raise ProtocolFault(AlertDescription.PROTOCOL_VERSION, f"client version 0x{hello.version:04x}")
        if 0 not in hello.compression:
            raise ProtocolFault(AlertDescription.ILLEGAL_PARAMETER, "no null compression")
        self.suite = next((suite for suite in self._options.suites if suite in hello.suites), None)
        if self.suite is None:
            raise ProtocolFault(AlertDescription.HANDSHAKE_FAILURE, "no cipher suite in common, offered: "
                                + ", ".join(_suite_name(suite) for suite in hello.suites[:32]))
        offered = dict(hello.extensions)
        given: list[tuple[int, bytes]] = []
        if EMPTY_RENEGOTIATION_INFO_SCSV in hello.suites or ExtensionType.RENEGOTIATION_INFO in offered:
            if offered.get(ExtensionType.RENEGOTIATION_INFO, b"\0") != b"\0":
                raise ProtocolFault(AlertDescription.HANDSHAKE_FAILURE, "renegotiation info of a first handshake")
            given.append((ExtensionType.RENEGOTIATION_INFO, b"\0"))
        if self._options.extended_master_secret and ExtensionType.EXTENDED_MASTER_SECRET in offered:
            self._extended_master_secret = True
            given.append((ExtensionType.EXTENDED_MASTER_SECRET, b""))
        connection_id = offered.get(ExtensionType.CONNECTION_ID)
        if connection_id is not None and self._connection_id_offer:
            if not connection_id or len(connection_id) != 1 + connection_id[0]:
                raise ProtocolFault(AlertDescription.DECODE_ERROR, "malformed connection id")
            self._peer_connection_id = connection_id[1:]
            self._own_connection_id = self._connection_id_offer
            given.append((ExtensionType.CONNECTION_ID,
                          bytes([len(self._own_connection_id)]) + self._own_connection_id))
        return ServerHello(self._server_random, self.suite, tuple(given))

    def _is_flight_again(self, message_type: int) -> bool:
        return self.established and message_type == HandshakeType.FINISHED

    def _message(self, message: HandshakeMessage, now: float) -> None:
        match self._awaiting, message:
            case _Awaiting.CLIENT_KEY_EXCHANGE, ClientKeyExchange():
                self._awaiting = _Awaiting.FINISHED
                self._identify(message.identity, now)
            case _Awaiting.FINISHED, Finished():
                self._check_finished(message)
                self._begin_flight(6)
                self._finish_flight(now)
                self._establish(now)
            case _:
                raise ProtocolFault(AlertDescription.UNEXPECTED_MESSAGE, f"unexpected {type(message).__name__}")

    def _identify(self, identity: bytes, now: float) -> None:
        self.identity = identity
        key = self._key_of(identity)
        if key is None:
            reason = f"unknown identity {identity[:128]!r}"
            if self._server_options.unknown_identity is Reaction.ALERT:
                raise ProtocolFault(AlertDescription.UNKNOWN_PSK_IDENTITY, reason)
            self._end(reason)
            return
        if len(key) not in KEY_OCTETS:
            raise ProtocolFault(AlertDescription.INTERNAL_ERROR,
                                f"the key of this identity has {len(key)} octets, 16 to 64 are possible")
        self._derive(key)
        self._take_early(now)

    def _bad_record(self) -> None:
        if self._server_options.wrong_key is Reaction.ALERT:
            raise ProtocolFault(AlertDescription.BAD_RECORD_MAC, "record doesn't authenticate, wrong key?")


def _suite_name(suite: int) -> str:
    try:
        return CipherSuite(suite).name
    except ValueError:
        return f"0x{suite:04x}"
