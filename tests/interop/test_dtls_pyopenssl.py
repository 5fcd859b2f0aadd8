"""The DTLS engine against OpenSSL in this process (pyOpenSSL): 1,000 handshakes, without a socket.

PSK is not in pyOpenSSL's interface; the callbacks are set through its private binding.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bench.protocols.dtls import (
    ALL_SUITES,
    CipherSuite,
    ClientOptions,
    Data,
    DtlsClient,
    DtlsServer,
    Established,
    Event,
    Send,
    ServerOptions,
)

try:
    from OpenSSL import SSL
    binding: Any = SSL._lib  # type: ignore[attr-defined,unused-ignore]
    ffi: Any = SSL._ffi  # type: ignore[attr-defined,unused-ignore]
    binding.SSL_CTX_set_psk_server_callback  # noqa: B018
except (ImportError, AttributeError):
    if os.environ.get("CI") == "true":
        raise
    pytest.skip("pyOpenSSL with PSK is missing (pip install pyOpenSSL): OUR DTLS IS NOT CHECKED AGAINST IT IN PROCESS",
                allow_module_level=True)

IDENTITY = b"94193A04010020B8"
KEY = bytes.fromhex("404142434445464748494a4b4c4d4e4f")
HANDSHAKES = 1000
OPENSSL_NAMES = {
    CipherSuite.TLS_PSK_WITH_AES_128_CCM_8: b"PSK-AES128-CCM8",
    CipherSuite.TLS_PSK_WITH_AES_128_CCM: b"PSK-AES128-CCM",
    CipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256: b"PSK-AES128-GCM-SHA256",
    CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256: b"PSK-AES128-CBC-SHA256",
}


@ffi.callback("unsigned int(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)")  # type: ignore[untyped-decorator,unused-ignore]
def _client_psk(ssl: Any, hint: Any, identity: Any, identity_size: int, key: Any, key_size: int) -> int:
    ffi.memmove(identity, IDENTITY + b"\0", len(IDENTITY) + 1)
    ffi.memmove(key, KEY, len(KEY))
    return len(KEY)


@ffi.callback("unsigned int(SSL *, const char *, unsigned char *, unsigned int)")  # type: ignore[untyped-decorator,unused-ignore]
def _server_psk(ssl: Any, identity: Any, key: Any, key_size: int) -> int:
    if ffi.string(identity) != IDENTITY:
        return 0
    ffi.memmove(key, KEY, len(KEY))
    return len(KEY)


class Peer:
    """OpenSSL on memory BIOs."""

    def __init__(self, context: Any, role: str) -> None:
        self.connection: Any = SSL.Connection(context)
        getattr(self.connection, f"set_{role}_state")()
        self.connection.set_ciphertext_mtu(1200)

    def step(self) -> list[bytes]:
        """Go on with the handshake as far as it goes, and give the datagrams to send."""
        with contextlib.suppress(SSL.WantReadError):
            self.connection.do_handshake()
        return self.sent()

    def feed(self, datagram: bytes) -> None:
        self.connection.bio_write(datagram)

    def sent(self) -> list[bytes]:
        try:
            return list(_records(self.connection.bio_read(65536)))
        except SSL.WantReadError:
            return []

    def read(self) -> bytes:
        data: bytes = self.connection.recv(65536)
        return data


def _records(octets: bytes) -> Iterator[bytes]:
    """Memory BIOs forget where datagrams ended; each record may as well have one."""
    while octets:
        end = 13 + int.from_bytes(octets[11:13], "big")
        yield octets[:end]
        octets = octets[end:]


def context_of(method: int, suite: CipherSuite, key_log: list[bytes] | None = None) -> Any:
    context = SSL.Context(method)
    context.set_cipher_list(OPENSSL_NAMES[suite] + b":@SECLEVEL=0")
    context.set_options(SSL.OP_NO_QUERY_MTU)
    binding.SSL_CTX_set_psk_client_callback(context._context, _client_psk)
    binding.SSL_CTX_set_psk_server_callback(context._context, _server_psk)
    if key_log is not None:
        context.set_keylog_callback(lambda connection, line: key_log.append(line))
    return context


def sends(events: list[Event]) -> list[bytes]:
    return [event.datagram for event in events if isinstance(event, Send)]


def serve(server: DtlsServer, context: Any, address: object) -> Established:
    """A handshake and an exchange of OpenSSL's client with our server."""
    peer = Peer(context, "connect")
    seen: list[Event] = []
    for _ in range(6):
        for datagram in peer.step():
            events = [each.event for each in server.receive(address, datagram, 0)]
            seen += events
            for answer in sends(events):
                peer.feed(answer)
    established, = [event for event in seen if isinstance(event, Established)]
    peer.connection.send(b"from OpenSSL")
    for datagram in peer.sent():
        seen += [each.event for each in server.receive(address, datagram, 0)]
    assert Data(b"from OpenSSL") in seen
    session, = [each for each in server.sessions if each.address == address]
    for each in server.send(session, b"from the bench", 0):
        assert isinstance(each.event, Send)
        peer.feed(each.event.datagram)
    assert peer.read() == b"from the bench"
    return established


def call(client: DtlsClient, context: Any) -> Established:
    """A handshake and an exchange of our client with OpenSSL's server."""
    peer = Peer(context, "accept")
    seen = list(client.start(0))
    up = sends(seen)
    for _ in range(6):
        for datagram in up:
            peer.feed(datagram)
        down = peer.step()
        events = [event for datagram in down for event in client.receive(datagram, 0)]
        seen += events
        up = sends(events)
    established, = [event for event in seen if isinstance(event, Established)]
    for datagram in sends(client.send(b"from the bench", 0)):
        peer.feed(datagram)
    assert peer.read() == b"from the bench"
    peer.connection.send(b"from OpenSSL")
    answers = [event for datagram in peer.sent() for event in client.receive(datagram, 0)]
    assert answers == [Data(b"from OpenSSL")]
    return established


def test_1000_handshakes_of_openssl_in_process_with_our_server() -> None:
    server = DtlsServer(ServerOptions(), {IDENTITY: KEY}.get, os.urandom)
    contexts = {suite: context_of(SSL.DTLS_CLIENT_METHOD, suite) for suite in ALL_SUITES}
    started = time.perf_counter()
    for number in range(HANDSHAKES):
        suite = ALL_SUITES[number % len(ALL_SUITES)]
        established = serve(server, contexts[suite], number)
        assert (established.identity, established.suite) == (IDENTITY, suite)
    took = time.perf_counter() - started
    print(f"\n{HANDSHAKES} handshakes of OpenSSL's client with our server: {took:.2f} s, both ends")
    assert len(server.sessions) == HANDSHAKES


def test_1000_handshakes_of_our_client_with_openssl_in_process() -> None:
    contexts = {suite: context_of(SSL.DTLS_SERVER_METHOD, suite) for suite in ALL_SUITES}
    started = time.perf_counter()
    for number in range(HANDSHAKES):
        suite = ALL_SUITES[number % len(ALL_SUITES)]
        client = DtlsClient(ClientOptions(identity=IDENTITY, key=KEY, suites=(suite,)), os.urandom)
        assert call(client, contexts[suite]).suite is suite
    took = time.perf_counter() - started
    print(f"\n{HANDSHAKES} handshakes of our client with OpenSSL's server: {took:.2f} s, both ends")


@pytest.mark.parametrize("suite", ALL_SUITES)
@pytest.mark.parametrize("extended", [True, False])
def test_openssl_logs_the_same_session_keys(suite: CipherSuite, extended: bool) -> None:
    theirs: list[bytes] = []
    ours: list[str] = []
    server = DtlsServer(ServerOptions(extended_master_secret=extended), {IDENTITY: KEY}.get, os.urandom, ours.append)
    serve(server, context_of(SSL.DTLS_CLIENT_METHOD, suite, theirs), "peer")
    assert [line.strip() for line in ours] == [line.decode() for line in theirs]
