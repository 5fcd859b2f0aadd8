"""The client's side of a handshake."""

from __future__ import annotations

import hashlib
from enum import Enum, auto
from typing import ClassVar

from bench.protocols.dtls.alerts import AlertDescription
from bench.protocols.dtls.association import Association, KeyLog, ProtocolFault, Random
from bench.protocols.dtls.events import Event
from bench.protocols.dtls.handshake import (
    ClientHello,
    ClientKeyExchange,
    Extensions,
    ExtensionType,
    Finished,
    HandshakeMessage,
    HandshakeType,
    HelloVerifyRequest,
    ServerHello,
    ServerHelloDone,
    ServerKeyExchange,
)
from bench.protocols.dtls.options import ClientOptions
from bench.protocols.dtls.records import DTLS_1_2
from bench.protocols.dtls.suites import EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite

MAX_VERIFY_REQUESTS = 5


class _Awaiting(Enum):
    SERVER_HELLO = auto()
    SERVER_KEY_EXCHANGE = auto()
    SERVER_HELLO_DONE = auto()
    FINISHED = auto()


class DtlsClient(Association):
    """One attempt to reach a server, and the association that comes of it. ``start`` begins; a new attempt is a new
    object. Methods and events: see ``Association``.
    """

    _role: ClassVar = b"client"
    _peer_role: ClassVar = b"server"

    def __init__(self, options: ClientOptions, random: Random, key_log: KeyLog | None = None) -> None:
        super().__init__(options, random, key_log, (options.min_timeout_s, options.max_timeout_s))
        self.identity = options.identity
        self.identity_hint: bytes | None = None
        self._client_options = options
        self._awaiting = _Awaiting.SERVER_HELLO
        self._hello = ClientHello(b"", ())
        self._verify_requests = 0

    def start(self, now: float) -> list[Event]:
        """Send the first ClientHello."""
        self._client_random = self._random(32)
        extensions: list[tuple[int, bytes]] = []
        if self._options.extended_master_secret:
            extensions.append((ExtensionType.EXTENDED_MASTER_SECRET, b""))
        connection_id = self._client_options.connection_id
        if connection_id is not None:
            self._own_connection_id = connection_id
            extensions.append((ExtensionType.CONNECTION_ID, bytes([len(connection_id)]) + connection_id))
        self._hello = ClientHello(self._client_random, (*self._options.suites, EMPTY_RENEGOTIATION_INFO_SCSV),
                                  extensions=tuple(extensions))
        self._begin_flight(1, self._hello)
        self._transmit(now)
        self._expect_answer(now)
        return self.take_events()

    def _is_flight_again(self, message_type: int) -> bool:
        return message_type == HandshakeType.SERVER_HELLO_DONE and self._awaiting is _Awaiting.FINISHED \
            and not self.established

    def _message(self, message: HandshakeMessage, now: float) -> None:
        match self._awaiting, message:
            case _Awaiting.SERVER_HELLO, HelloVerifyRequest():
                self._verify(message, now)
            case _Awaiting.SERVER_HELLO, ServerHello():
                self._negotiate(message)
                self._awaiting = _Awaiting.SERVER_KEY_EXCHANGE
            case _Awaiting.SERVER_KEY_EXCHANGE, ServerKeyExchange():
                self.identity_hint = message.identity_hint
                self._awaiting = _Awaiting.SERVER_HELLO_DONE
            case (_Awaiting.SERVER_KEY_EXCHANGE | _Awaiting.SERVER_HELLO_DONE), ServerHelloDone():
                self._awaiting = _Awaiting.FINISHED
                self._begin_flight(5, ClientKeyExchange(self._client_options.identity))
                self._derive(self._client_options.key)
                self._finish_flight(now)
                self._expect_answer(now)
                self._take_early(now)
            case _Awaiting.FINISHED, Finished():
                self._check_finished(message)
                self._establish(now)
            case _:
                raise ProtocolFault(AlertDescription.UNEXPECTED_MESSAGE, f"unexpected {type(message).__name__}")

    def _verify(self, request: HelloVerifyRequest, now: float) -> None:
        self._verify_requests += 1
        if self._verify_requests > MAX_VERIFY_REQUESTS:
            raise ProtocolFault(AlertDescription.HANDSHAKE_FAILURE,
                                f"more than {MAX_VERIFY_REQUESTS} HelloVerifyRequests")
        self._hello = ClientHello(self._hello.random, self._hello.suites, request.cookie, self._hello.extensions)
        # The first ClientHello and the request are not part of the handshake's hash (RFC 6347 section 4.2.1).
        self._transcript = hashlib.sha256()
        self._begin_flight(3, self._hello)
        self._transmit(now)
        self._expect_answer(now)

    def _negotiate(self, hello: ServerHello) -> None:
        if hello.version != DTLS_1_2:
            raise ProtocolFault(AlertDescription.PROTOCOL_VERSION, f"server version 0x{hello.version:04x}")
        if hello.suite not in self._options.suites:
            raise ProtocolFault(AlertDescription.ILLEGAL_PARAMETER, f"cipher suite 0x{hello.suite:04x} not offered")
        if hello.compression != 0:
            raise ProtocolFault(AlertDescription.ILLEGAL_PARAMETER, "compression not offered")
        self.suite = CipherSuite(hello.suite)
        self._server_random = hello.random
        self._extend(hello.extensions)

    def _extend(self, extensions: Extensions) -> None:
        offered = {kind for kind, _ in self._hello.extensions} | {ExtensionType.RENEGOTIATION_INFO}
        given = dict(extensions)
        if not given.keys() <= offered:
            raise ProtocolFault(AlertDescription.UNSUPPORTED_EXTENSION, "an extension that was not offered")
        if given.get(ExtensionType.RENEGOTIATION_INFO, b"\0") != b"\0":
            raise ProtocolFault(AlertDescription.HANDSHAKE_FAILURE, "renegotiation info of a first handshake")
        self._extended_master_secret = ExtensionType.EXTENDED_MASTER_SECRET in given
        connection_id = given.get(ExtensionType.CONNECTION_ID)
        if connection_id is None:
            self._own_connection_id = b""
            return
        if not connection_id or len(connection_id) != 1 + connection_id[0]:
            raise ProtocolFault(AlertDescription.DECODE_ERROR, "malformed connection id")
        self._peer_connection_id = connection_id[1:]
