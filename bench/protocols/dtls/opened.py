"""Reading along: what passes in sessions that a capture shows from their beginning, with their master secrets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from bench.protocols.dtls.ciphers import BadRecord, RecordCipher, unprotect
from bench.protocols.dtls.handshake import (
    ClientHello,
    ExtensionType,
    HandshakeError,
    HandshakeType,
    ServerHello,
    split_fragments,
)
from bench.protocols.dtls.keys import record_ciphers
from bench.protocols.dtls.records import DTLS_1_0, DTLS_1_2, ContentType, Record, split
from bench.protocols.dtls.suites import CipherSuite


def is_dtls(datagram: bytes) -> bool:
    return len(datagram) >= 13 and datagram[0] in tuple(ContentType) and \
        int.from_bytes(datagram[1:3], "big") in (DTLS_1_0, DTLS_1_2)


@dataclass
class _Session:
    client: Hashable
    client_random: bytes
    connection_ids: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    """The length of the ids in what goes to the server (True) and to the client, in octets."""
    ciphers: tuple[RecordCipher, RecordCipher] | None = None


class Reader:
    """``secrets``: master secrets by their clients' randoms, as a key log has them."""

    def __init__(self, secrets: Mapping[bytes, bytes]) -> None:
        self._secrets = secrets
        self._sessions: dict[frozenset[Hashable], _Session] = {}

    def read(self, source: Hashable, destination: Hashable, datagram: bytes) -> list[bytes] | None:
        """The application data in the next datagram; None when it has some that can't be opened."""
        pair = frozenset((source, destination))
        session = self._sessions.get(pair)
        length = session.connection_ids[source == session.client] if session is not None else 0
        opened: list[bytes] = []
        for record in split(datagram, length)[0]:
            if not record.epoch:
                self._see_hello(pair, source, record)
            elif record.content_type in (ContentType.APPLICATION_DATA, ContentType.TLS12_CID):
                session = self._sessions.get(pair)
                if session is None or session.ciphers is None:
                    return None
                try:
                    kind, content = unprotect(session.ciphers[source != session.client], record)
                except BadRecord:
                    return None
                if kind == ContentType.APPLICATION_DATA:
                    opened.append(content)
        return opened

    def _see_hello(self, pair: frozenset[Hashable], source: Hashable, record: Record) -> None:
        if record.content_type != ContentType.HANDSHAKE:
            return
        try:
            for fragment in filter(lambda one: one.is_whole, split_fragments(record.body)):
                if fragment.message_type == HandshakeType.CLIENT_HELLO:
                    hello = ClientHello.decode(fragment.data)
                    self._sessions[pair] = _Session(source, hello.random)
                    self._sessions[pair].connection_ids[False] = _id_length(dict(hello.extensions))
                elif fragment.message_type == HandshakeType.SERVER_HELLO and pair in self._sessions:
                    self._answered(self._sessions[pair], ServerHello.decode(fragment.data))
        except (HandshakeError, ValueError):
            return

    def _answered(self, session: _Session, hello: ServerHello) -> None:
        extensions = dict(hello.extensions)
        if ExtensionType.CONNECTION_ID in extensions:
            session.connection_ids[True] = _id_length(extensions)
        else:
            session.connection_ids[False] = 0
        master = self._secrets.get(session.client_random)
        if master is not None:
            session.ciphers = record_ciphers(CipherSuite(hello.suite), master, session.client_random, hello.random,
                                             lambda count: bytes(count))


def _id_length(extensions: Mapping[int, bytes]) -> int:
    return max(len(extensions.get(ExtensionType.CONNECTION_ID, b"")) - 1, 0)
