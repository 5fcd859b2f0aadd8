"""The DTLS engine against OpenSSL, GnuTLS and libcoap, as server and as client, over loopback UDP.

The peers are Debian's programs (openssl, gnutls-bin, libcoap3-bin) and pyOpenSSL in this process. Each handshake
datagram is lost once, in either direction. The time is real here, for the peers know no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from aiocoap import CONTENT, GET, resource
from aiocoap.message import Message

from bench.protocols.coap_pipe import CoapEndpoint
from bench.protocols.dtls import (
    ALL_SUITES,
    CipherSuite,
    ClientOptions,
    Closed,
    DtlsClient,
    DtlsServer,
    Established,
    Event,
    ServerOptions,
)
from bench.protocols.dtls.pipe import DtlsClientPipe, DtlsServerPipe
from bench.protocols.udp import UdpEndpoint

IDENTITY = b"94193A04010020B8"
NAME = IDENTITY.decode()
KEY = bytes.fromhex("404142434445464748494a4b4c4d4e4f")
DEADLINE_S = 30
LOST_ONCE_S = 6.0
"""A lost datagram costs one time-out of the client, which begins at 1 s (libcoap: 2 s)."""

OPENSSL_NAMES = {
    CipherSuite.TLS_PSK_WITH_AES_128_CCM_8: "PSK-AES128-CCM8",
    CipherSuite.TLS_PSK_WITH_AES_128_CCM: "PSK-AES128-CCM",
    CipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256: "PSK-AES128-GCM-SHA256",
    CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256: "PSK-AES128-CBC-SHA256",
}
GNUTLS_NAMES = {
    CipherSuite.TLS_PSK_WITH_AES_128_CCM_8: "+AES-128-CCM-8",
    CipherSuite.TLS_PSK_WITH_AES_128_CCM: "+AES-128-CCM",
    CipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256: "+AES-128-GCM",
    CipherSuite.TLS_PSK_WITH_AES_128_CBC_SHA256: "+AES-128-CBC:+SHA256",
}

Direction = Literal["up", "down"]
Loss = tuple[Direction, int] | None
"""The datagram that is lost: "up" is to the server, numbers from 0. None: none is."""

Resource: Any = resource.Resource


def tool(name: str, package: str) -> str:
    program = shutil.which(name)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing: apt-get install {package}")
        pytest.skip(f"{name} is missing (apt-get install {package}): OUR DTLS IS NOT CHECKED AGAINST IT")
    return program


class LossyPipe:
    """A UDP socket, seen from the server or the client, that loses one datagram."""

    def __init__(self, udp: UdpEndpoint, side: Literal["server", "client"], loss: Loss) -> None:
        self.udp = udp
        self.receive: Callable[[Any, bytes], None] = lambda peer, data: None
        self.counts: dict[Direction, int] = {"up": 0, "down": 0}
        self._out: Direction = "down" if side == "server" else "up"
        self._in: Direction = "up" if side == "server" else "down"
        self._loss = loss
        udp.on_datagram = self._received

    def send(self, peer: Any, data: bytes) -> None:
        if self._passes(self._out):
            self.udp.send(peer, data)

    def _received(self, peer: Any, data: bytes) -> None:
        if self._passes(self._in):
            self.receive(peer, data)

    def _passes(self, direction: Direction) -> bool:
        number = self.counts[direction]
        self.counts[direction] += 1
        return self._loss != (direction, number)


class OurServer:
    """The engine as a server on a port of its own. It answers application data with the same in upper case."""

    def __init__(self, udp: UdpEndpoint, options: ServerOptions, keys: dict[bytes, bytes], loss: Loss) -> None:
        self.port = udp.port
        self.events: list[Event] = []
        self.lossy = LossyPipe(udp, "server", loss)
        self.established = asyncio.get_running_loop().create_future()
        self.in_handshake: dict[Direction, int] = {}
        """Datagrams until the handshake was finished."""
        self.pipe = DtlsServerPipe(self.lossy, DtlsServer(options, keys.get, os.urandom), on_event=self._on_event,
                                   on_datagram=lambda peer, data: self.pipe.send(peer, data.upper()))
        self.lossy.receive = self.pipe.datagram_received

    def _on_event(self, each: Any) -> None:
        self.events.append(each.event)
        if isinstance(each.event, Established) and not self.established.done():
            self.in_handshake = dict(self.lossy.counts)
            self.established.set_result(each.event)


@asynccontextmanager
async def our_server(options: ServerOptions | None = None, keys: dict[bytes, bytes] | None = None,
                     loss: Loss = None) -> AsyncIterator[OurServer]:
    udp = await UdpEndpoint.open("127.0.0.1", 0)
    server = OurServer(udp, options or ServerOptions(), keys or {IDENTITY: KEY}, loss)
    try:
        yield server
    finally:
        server.pipe.close()
        udp.close()


class Program:
    """A running peer: its output so far, and its input."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = b""

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)

    async def until(self, pattern: bytes) -> None:
        """Read the output until it has ``pattern``. Fails with the output when that doesn't come."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(DEADLINE_S):
                while re.search(pattern, self.output) is None:
                    more = await self.process.stdout.read(65536)
                    assert more, f"{pattern!r} isn't in {self.output!r}"
                    self.output += more
        except TimeoutError:
            pytest.fail(f"{pattern!r} isn't in {self.output!r}")


@asynccontextmanager
async def program(*command: str) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        yield Program(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


# -- our server, their clients


def s_client(port: int, suite: CipherSuite, identity: str = NAME, key: bytes = KEY) -> list[str]:
    return [tool("openssl", "openssl"), "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{port}", "-psk", key.hex(),
            "-psk_identity", identity, "-cipher", f"{OPENSSL_NAMES[suite]}:@SECLEVEL=0"]


def gnutls_cli(port: int, suite: CipherSuite, identity: str = NAME, key: bytes = KEY) -> list[str]:
    priority = f"NONE:+VERS-DTLS1.2:+PSK:{GNUTLS_NAMES[suite]}:+AEAD:+SIGN-ALL:+COMP-ALL"
    return [tool("gnutls-cli", "gnutls-bin"), "--udp", "-p", str(port), "127.0.0.1", "--priority", priority,
            "--pskusername", identity, "--pskkey", key.hex()]


CLIENTS: dict[str, Callable[..., list[str]]] = {"openssl s_client": s_client, "gnutls-cli": gnutls_cli}


async def exchange_as_server(client: str, suite: CipherSuite, loss: Loss = None, key: bytes = KEY,
                             options: ServerOptions | None = None) -> OurServer:
    async with our_server(options, {IDENTITY: key}, loss) as server, \
            program(*CLIENTS[client](server.port, suite, key=key)) as peer:
        established = await asyncio.wait_for(server.established, DEADLINE_S)
        assert (established.identity, established.suite) == (IDENTITY, suite)
        peer.write(b"hello from the peer\n")
        await peer.until(b"HELLO FROM THE PEER")
        return server


@pytest.mark.parametrize("suite", ALL_SUITES)
@pytest.mark.parametrize("client", CLIENTS)
def test_clients_of_debian_reach_our_server_with_every_suite(client: str, suite: CipherSuite) -> None:
    server = asyncio.run(exchange_as_server(client, suite))
    assert server.established.result().extended_master_secret
    assert server.in_handshake == {"up": server.in_handshake["up"], "down": 3}


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_of_debian_reach_our_server_without_cookies_and_extended_master_secret(client: str) -> None:
    server = asyncio.run(exchange_as_server(
        client, ALL_SUITES[0],
        options=ServerOptions(cookies=False, extended_master_secret=False, identity_hint=b"mdm", fragment_size=20)))
    assert not server.established.result().extended_master_secret


@pytest.mark.parametrize("octets", [32, 64])
@pytest.mark.parametrize("client", CLIENTS)
def test_long_keys_work_with_clients_of_debian(client: str, octets: int) -> None:
    asyncio.run(exchange_as_server(client, ALL_SUITES[0], key=bytes(range(1, octets + 1))))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("packed", [True, False])
def test_clients_of_debian_reach_our_server_whichever_handshake_datagram_is_lost(client: str, packed: bool) -> None:
    async def each() -> None:
        options = ServerOptions(pack_flights=packed, timeouts_s=None if packed else (1.0, 8.0))
        whole = await exchange_as_server(client, ALL_SUITES[0], options=options)
        losses: list[Loss] = [(way, number) for way, count in whole.in_handshake.items() for number in range(count)]
        assert len(losses) >= 6

        async def timed(loss: Loss) -> float:
            started = time.monotonic()
            await exchange_as_server(client, ALL_SUITES[0], loss, options=options)
            return time.monotonic() - started

        took = await asyncio.gather(*(timed(loss) for loss in losses))
        print(f"\n{client}: " + ", ".join(f"{loss} lost {each_took:.2f} s"
                                          for loss, each_took in zip(losses, took, strict=True)))
        assert max(took) < LOST_ONCE_S

    asyncio.run(each())


@pytest.mark.parametrize("client", CLIENTS)
def test_a_wrong_key_of_a_client_of_debian_ends_in_silence(client: str) -> None:
    async def run() -> None:
        async with our_server() as server, program(*CLIENTS[client](server.port, ALL_SUITES[0], key=bytes(16))):
            while not any("doesn't authenticate" in str(event) for event in server.events):
                await asyncio.sleep(0.01)
            assert not server.established.done()
            assert not [event for event in server.events if isinstance(event, Closed)]

    asyncio.run(asyncio.wait_for(run(), DEADLINE_S))


def test_openssl_reads_our_alert_for_an_unknown_identity() -> None:
    async def run() -> None:
        async with our_server() as server, program(*s_client(server.port, ALL_SUITES[0], "nobody")) as peer:
            await peer.until(rb"unknown.psk.identity|alert number 115")

    asyncio.run(run())


class Hello(Resource):  # type: ignore[misc]
    async def render_get(self, request: Message) -> Message:
        return Message(code=CONTENT, payload=b"hello " + request.remote.peer.identity)  # type: ignore[union-attr]


async def coap_get(client: str, loss: Loss = None) -> OurServer:
    """libcoap's client gets /hello from aiocoap over our server."""
    async with our_server(loss=loss) as server:
        site = resource.Site()
        site.add_resource(["hello"], Hello())
        coap = await CoapEndpoint.create(server.pipe, site)
        server.pipe.on_datagram, server.pipe.on_closed = coap.datagram_received, coap.peer_gone
        command = [tool(client, "libcoap3-bin"), "-m", "get", "-u", NAME, "-k", KEY.decode(), "-B", str(DEADLINE_S),
                   f"coaps://127.0.0.1:{server.port}/hello"]
        async with program(*command) as peer:
            await peer.until(b"hello " + IDENTITY)
        await coap.shutdown()
        return server


@pytest.mark.parametrize("client", ["coap-client-openssl", "coap-client-gnutls"])
def test_libcoap_gets_a_resource_whichever_handshake_datagram_is_lost(client: str) -> None:
    async def each() -> None:
        whole = await coap_get(client)
        losses: list[Loss] = [(way, number) for way, count in whole.in_handshake.items() for number in range(count)]

        async def timed(loss: Loss) -> float:
            started = time.monotonic()
            await coap_get(client, loss)
            return time.monotonic() - started

        took = await asyncio.gather(*(timed(loss) for loss in losses))
        print(f"\n{client} ({whole.established.result().suite.name}): "
              + ", ".join(f"{loss} lost {each_took:.2f} s" for loss, each_took in zip(losses, took, strict=True)))
        assert max(took) < LOST_ONCE_S

    asyncio.run(each())


# -- their servers, our client


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def free_pairs_of_ports(count: int) -> list[int]:
    """libcoap's server takes a port for CoAP and the next one for DTLS."""
    pairs: list[int] = []
    with contextlib.ExitStack() as held:
        while len(pairs) < count:
            first, second = (held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                pairs.append(port)
    return pairs


async def bound(port: int) -> None:
    """Wait until somebody has the port."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    return
            await asyncio.sleep(0.01)


def s_server(suite: CipherSuite, directory: Path) -> tuple[list[str], int]:
    port = free_port()
    return [tool("openssl", "openssl"), "s_server", "-dtls1_2", "-accept", f"127.0.0.1:{port}", "-nocert", "-psk",
            KEY.hex(), "-psk_identity", NAME, "-cipher", f"{OPENSSL_NAMES[suite]}:@SECLEVEL=0"], port


def gnutls_serv(suite: CipherSuite, directory: Path) -> tuple[list[str], int]:
    port = free_port()
    keys = directory / f"keys{port}"
    keys.write_text(f"{NAME}:{KEY.hex()}\n")
    return [tool("gnutls-serv", "gnutls-bin"), "--udp", "--echo", "-p", str(port), "--pskpasswd", str(keys),
            "--priority", f"NONE:+VERS-DTLS1.2:+PSK:{GNUTLS_NAMES[suite]}:+AEAD:+SIGN-ALL:+COMP-ALL"], port


SERVERS: dict[str, Callable[[CipherSuite, Path], tuple[list[str], int]]] = {
    "openssl s_server": s_server, "gnutls-serv": gnutls_serv}


@asynccontextmanager
async def our_client(port: int, suite: CipherSuite | None, loss: Loss = None, **options: Any) \
        -> AsyncIterator[tuple[DtlsClientPipe, LossyPipe, asyncio.Queue[bytes]]]:
    udp = await UdpEndpoint.open("127.0.0.1", 0)
    lossy = LossyPipe(udp, "client", loss)
    received: asyncio.Queue[bytes] = asyncio.Queue()
    client = DtlsClient(ClientOptions(identity=IDENTITY, key=KEY, suites=ALL_SUITES if suite is None else (suite,),
                                      **options), os.urandom)
    pipe = DtlsClientPipe(lossy, ("127.0.0.1", port), client,
                          on_datagram=lambda peer, data: received.put_nowait(data))
    lossy.receive = pipe.datagram_received
    try:
        yield pipe, lossy, received
    finally:
        pipe.close()
        udp.close()


async def exchange_as_client(server: str, suite: CipherSuite, directory: Path, loss: Loss = None,
                             **options: Any) -> dict[Direction, int]:
    command, port = SERVERS[server](suite, directory)
    async with program(*command) as peer:
        await bound(port)
        async with our_client(port, suite, loss, **options) as (pipe, lossy, received), \
                asyncio.timeout(DEADLINE_S):
            established = await pipe.connect()
            counts = dict(lossy.counts)
            assert established.suite is suite
            pipe.send(("127.0.0.1", port), b"hello from the bench\n")
            if server == "gnutls-serv":
                assert await received.get() == b"hello from the bench\n"
            else:
                await peer.until(b"hello from the bench")
                peer.write(b"and back\n")
                assert await received.get() == b"and back\n"
            return counts


@pytest.mark.parametrize("suite", ALL_SUITES)
@pytest.mark.parametrize("server", SERVERS)
def test_our_client_reaches_servers_of_debian_with_every_suite(server: str, suite: CipherSuite,
                                                               tmp_path: Path) -> None:
    asyncio.run(exchange_as_client(server, suite, tmp_path))


@pytest.mark.parametrize("server", SERVERS)
def test_our_client_without_extended_master_secret_reaches_servers_of_debian(server: str, tmp_path: Path) -> None:
    asyncio.run(exchange_as_client(server, ALL_SUITES[0], tmp_path, extended_master_secret=False))


def test_our_client_in_fragments_reaches_openssl(tmp_path: Path) -> None:
    """GnuTLS's server takes a whole ClientHello only, for it keeps nothing before the cookie has come back."""
    asyncio.run(exchange_as_client("openssl s_server", ALL_SUITES[0], tmp_path, fragment_size=10))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("packed", [True, False])
def test_our_client_reaches_servers_of_debian_whichever_handshake_datagram_is_lost(server: str, packed: bool,
                                                                                   tmp_path: Path) -> None:
    async def each() -> None:
        counts = await exchange_as_client(server, ALL_SUITES[0], tmp_path, pack_flights=packed)
        losses: list[Loss] = [(way, number) for way, count in counts.items() for number in range(count)]

        async def timed(loss: Loss) -> float:
            started = time.monotonic()
            await exchange_as_client(server, ALL_SUITES[0], tmp_path, loss, pack_flights=packed)
            return time.monotonic() - started

        took = await asyncio.gather(*(timed(loss) for loss in losses))
        print(f"\n{server}: " + ", ".join(f"{loss} lost {each_took:.2f} s"
                                          for loss, each_took in zip(losses, took, strict=True)))
        assert max(took) < LOST_ONCE_S

    asyncio.run(each())


async def coap_get_from(server: str, port: int, loss: Loss = None) -> dict[Direction, int]:
    """aiocoap gets /time from libcoap's server over our client."""
    async with program(tool(server, "libcoap3-bin"), "-A", "127.0.0.1", "-p", str(port), "-k", KEY.decode()):
        await bound(port + 1)
        async with our_client(port + 1, None, loss) as (pipe, lossy, _), asyncio.timeout(DEADLINE_S):
            coap = await CoapEndpoint.create(pipe)
            pipe.on_datagram, pipe.on_closed = coap.datagram_received, coap.peer_gone
            await pipe.connect()
            counts = dict(lossy.counts)
            response = await coap.request(("127.0.0.1", port + 1), Message(code=GET, uri_path=("time",)))
            assert response.code == CONTENT
            assert re.fullmatch(rb"\w{3} \d\d \d\d:\d\d:\d\d", response.payload)
            await coap.shutdown()
            return counts


@pytest.mark.parametrize("server", ["coap-server-openssl", "coap-server-gnutls"])
def test_our_client_gets_a_resource_of_libcoap_whichever_handshake_datagram_is_lost(server: str) -> None:
    """GnuTLS inside libcoap answers only the third repetition of its last flight: 7 s."""

    async def each() -> None:
        counts = await coap_get_from(server, free_pairs_of_ports(1)[0])
        losses: list[Loss] = [(way, number) for way, count in counts.items() for number in range(count)]
        ports = free_pairs_of_ports(len(losses))
        await asyncio.gather(*(coap_get_from(server, port, loss) for port, loss in zip(ports, losses, strict=True)))

    asyncio.run(each())
