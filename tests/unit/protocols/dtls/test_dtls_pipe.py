"""The pipes: CoAP over both roles through real UDP sockets, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from aiocoap import CONTENT, GET, NOT_FOUND, error, resource
from aiocoap.message import Message
from dtls_world import DEV_EUI, KEY, client_options

from bench.clock import WarpClock
from bench.protocols.coap_pipe import CoapEndpoint
from bench.protocols.dtls import DtlsClient, DtlsServer, Established, ServerAssociation, ServerOptions
from bench.protocols.dtls.pipe import DtlsClientPipe, DtlsServerPipe
from bench.protocols.udp import UdpEndpoint

Resource: Any = resource.Resource


class Who(Resource):  # type: ignore[misc]
    """Says by whom it is asked."""

    async def render_get(self, request: Message) -> Message:
        peer: ServerAssociation = request.remote.peer  # type: ignore[union-attr]
        assert peer.identity is not None
        return Message(code=CONTENT, payload=peer.identity)


class Ends:
    """A CoAP server and a CoAP client, each on a socket, with DTLS between."""

    async def open(self, **options: Any) -> Ends:
        chance = random.Random(3)
        self.server_socket = await UdpEndpoint.open("127.0.0.1", 0)
        self.client_socket = await UdpEndpoint.open("127.0.0.1", 0)
        self.address = ("127.0.0.1", self.server_socket.port)
        self.server = DtlsServerPipe(self.server_socket,
                                     DtlsServer(ServerOptions(), {DEV_EUI: KEY}.get, chance.randbytes))
        self.client = DtlsClientPipe(self.client_socket, self.address,
                                     DtlsClient(client_options(**options), chance.randbytes))
        self.server_socket.on_datagram = self.server.datagram_received
        self.client_socket.on_datagram = self.client.datagram_received
        site = resource.Site()
        site.add_resource(["who"], Who())
        self.server_coap = await CoapEndpoint.create(self.server, site)
        self.client_coap = await CoapEndpoint.create(self.client)
        self.closed: list[tuple[Any, str]] = []
        self.server.on_datagram = self.server_coap.datagram_received
        self.server.on_closed = lambda peer, reason: self.closed.append((peer, reason))
        self.client.on_datagram, self.client.on_closed = (self.client_coap.datagram_received,
                                                          self.client_coap.peer_gone)
        return self

    async def close(self) -> None:
        for each in (self.client_coap, self.server_coap):
            await each.shutdown()
        for pipe in (self.client, self.server):
            pipe.close()
            pipe.close()
        for socket in (self.client_socket, self.server_socket):
            socket.close()


def run(coroutine: Coroutine[Any, Any, None]) -> float:
    """Gives the virtual time at the end."""
    with WarpClock() as clock:
        clock.run(coroutine, timeout=1000)
        return clock.time()


def test_coap_passes_through_both_pipes() -> None:
    async def scene() -> None:
        ends = await Ends().open()
        assert isinstance(await ends.client.connect(), Established)
        response = await ends.client_coap.request(ends.address, Message(code=GET, uri_path=("who",)))
        assert response.payload == DEV_EUI
        session, = ends.server.server.sessions
        back = await ends.server_coap.request(session, Message(code=GET, uri_path=("nothing",)))
        assert back.code == NOT_FOUND
        ends.client.close()
        await asyncio.sleep(1)
        assert ends.closed == [(session, "closed by the peer")]
        await ends.close()

    assert run(scene()) < 2


def test_the_pipe_waits_60_and_90_s_in_virtual_time_and_names_the_failure() -> None:
    async def scene() -> None:
        ends = await Ends().open(min_timeout_s=60.0, max_timeout_s=90.0)
        ends.server_socket.on_datagram = None
        with pytest.raises(ConnectionError, match="no answer to flight 1, sent 2 times"):
            await ends.client.connect()
        with pytest.raises(ConnectionError, match="not established"):
            ends.client.send(ends.address, b"data")
        await ends.close()

    assert run(scene()) == pytest.approx(150, abs=1e-3)


def test_a_request_fails_when_the_server_closes_the_session() -> None:
    async def scene() -> None:
        ends = await Ends().open()
        await ends.client.connect()
        await ends.client_coap.request(ends.address, Message(code=GET, uri_path=("who",)))
        session, = ends.server.server.sessions
        ends.server.on_datagram = lambda peer, data: ends.server.disconnect(peer)
        with pytest.raises(error.NetworkError):
            await ends.client_coap.request(ends.address, Message(code=GET, uri_path=("who",)))
        assert ends.closed == [(session, "closed by this end")]
        with pytest.raises(ConnectionError, match="over"):
            ends.server.send(session, b"data")
        await ends.close()

    assert run(scene()) < 1


def test_the_client_pipe_sends_to_its_peer_only_and_hears_it_only() -> None:
    async def scene() -> None:
        ends = await Ends().open()
        await ends.client.connect()
        with pytest.raises(ConnectionError, match="another peer"):
            ends.client.send(("127.0.0.1", 9), b"data")
        stranger = await UdpEndpoint.open("127.0.0.1", 0)
        stranger.send(("127.0.0.1", ends.client_socket.port), bytes.fromhex("15fefd0000000000000000000202 28"))
        await asyncio.sleep(1)
        await ends.client_coap.request(ends.address, Message(code=GET, uri_path=("who",)))
        stranger.close()
        await ends.close()

    run(scene())
