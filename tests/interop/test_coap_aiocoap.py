"""CoapEndpoint over loopback UDP against stock aiocoap (its own udp6 transport), as client and as server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiocoap import CHANGED, CONTENT, CREATED, GET, POST, PUT, error, resource
from aiocoap.message import Message
from aiocoap.protocol import Context

from bench.protocols.coap_pipe import CoapEndpoint, transport_tuning
from bench.protocols.udp import UdpEndpoint

StockContext: Any = Context


ObservableResource: Any = resource.ObservableResource
Resource: Any = resource.Resource


class Value(ObservableResource):  # type: ignore[misc]
    def __init__(self, value: bytes) -> None:
        super().__init__()
        self.value = value

    async def render_get(self, request: Message) -> Message:
        return Message(payload=self.value)

    async def render_put(self, request: Message) -> Message:
        self.value = request.payload
        self.updated_state()
        return Message(code=CHANGED)

    async def render_post(self, request: Message) -> Message:
        return Message(code=CREATED, location_path=("rd", "5"), payload=request.payload[::-1])


class Registration(Resource):  # type: ignore[misc]
    """Keeps where a registration came from."""

    def __init__(self) -> None:
        super().__init__()
        self.peer: Any = None

    async def render_post(self, request: Message) -> Message:
        assert request.remote is not None
        self.peer = request.remote.peer
        return Message(code=CREATED, location_path=("rd", "5"))


def site_with(path: str, what: Any) -> resource.Site:
    site = resource.Site()
    site.add_resource(path.split("/"), what)
    return site


async def stock(site: resource.Site) -> tuple[Any, int]:
    """A stock aiocoap client and server on a port of its own."""
    context = await StockContext.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"])
    transport = context.request_interfaces[0].token_interface.message_interface.transport
    return context, transport.get_extra_info("socket").getsockname()[1]


async def ours(site: resource.Site | None = None, block_size: int = 1024) -> tuple[CoapEndpoint, UdpEndpoint]:
    udp = await UdpEndpoint.open("127.0.0.1", 0)
    endpoint = await CoapEndpoint.create(udp, site, "bench", block_size=block_size)
    udp.on_datagram = endpoint.datagram_received
    return endpoint, udp


BIG = bytes(range(256)) * 20


@pytest.mark.parametrize("block_size", [512, 1024])
def test_our_client_gets_puts_and_posts_long_and_short_at_a_stock_server(block_size: int) -> None:
    async def scenario() -> None:
        context, port = await stock(site_with("3/0", Value(b"short")))
        endpoint, udp = await ours(block_size=block_size)
        peer = ("127.0.0.1", port)
        short = await endpoint.request(peer, Message(code=GET, uri_path=("3", "0")))
        assert (short.code, short.payload) == (CONTENT, b"short")
        put = await endpoint.request(peer, Message(code=PUT, uri_path=("3", "0"), payload=BIG))
        assert put.code == CHANGED
        assert (await endpoint.request(peer, Message(code=GET, uri_path=("3", "0")))).payload == BIG
        posted = await endpoint.request(peer, Message(code=POST, uri_path=("3", "0"), payload=BIG))
        assert (posted.code, posted.opt.location_path, posted.payload) == (CREATED, ("rd", "5"), BIG[::-1])
        missing = await endpoint.request(peer, Message(code=GET, uri_path=("9",)))
        assert str(missing.code) == "4.04 Not Found"
        await endpoint.shutdown()
        udp.close()
        await context.shutdown()

    asyncio.run(scenario())


def test_a_stock_client_gets_puts_and_posts_long_and_short_at_our_server() -> None:
    async def scenario() -> None:
        endpoint, udp = await ours(site_with("3/0", Value(b"short")))
        context, _ = await stock(resource.Site())
        uri = f"coap://127.0.0.1:{udp.port}/3/0"
        assert (await context.request(Message(code=GET, uri=uri)).response).payload == b"short"
        put = await context.request(Message(code=PUT, uri=uri, payload=BIG)).response
        assert put.code == CHANGED
        assert (await context.request(Message(code=GET, uri=uri)).response).payload == BIG
        posted = await context.request(Message(code=POST, uri=uri, payload=BIG)).response
        assert (posted.code, posted.opt.location_path, posted.payload) == (CREATED, ("rd", "5"), BIG[::-1])
        await context.shutdown()
        await endpoint.shutdown()
        udp.close()

    asyncio.run(scenario())


def test_our_client_observes_a_stock_server() -> None:
    async def scenario() -> None:
        value = Value(b"0")
        context, port = await stock(site_with("4/0/2", value))
        endpoint, udp = await ours()
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        observation = await endpoint.observe(("127.0.0.1", port), Message(code=GET, uri_path=("4", "0", "2")),
                                             lambda message: heard.put_nowait(message.payload))
        assert observation.first.payload == b"0"
        for number in (b"1", b"2", b"3"):
            await endpoint.request(("127.0.0.1", port), Message(code=PUT, uri_path=("4", "0", "2"), payload=number))
            assert await asyncio.wait_for(heard.get(), 10) == number
        assert (await observation.cancel_by_request()).payload == b"3"
        assert not value._observations
        await endpoint.shutdown()
        udp.close()
        await context.shutdown()

    asyncio.run(scenario())


def test_a_stock_client_observes_our_server() -> None:
    async def scenario() -> None:
        value = Value(b"0")
        endpoint, udp = await ours(site_with("4/0/2", value))
        context, _ = await stock(resource.Site())
        request = context.request(Message(code=GET, uri=f"coap://127.0.0.1:{udp.port}/4/0/2", observe=0))
        assert (await request.response).payload == b"0"
        notifications = aiter(request.observation)
        for number in (b"1", b"2", b"3"):
            value.value = number
            value.updated_state()
            assert (await asyncio.wait_for(anext(notifications), 10)).payload == number
        await context.shutdown()
        await endpoint.shutdown()
        udp.close()

    asyncio.run(scenario())


def test_our_server_sends_requests_to_a_registered_stock_client_from_the_port_it_registered_at() -> None:
    async def scenario() -> None:
        registration = Registration()
        endpoint, udp = await ours(site_with("rd", registration))
        device = Value(b"0")
        client, port = await stock(site_with("3/0", device))
        created = await client.request(Message(code=POST, uri=f"coap://127.0.0.1:{udp.port}/rd?ep=94193A04010020B8",
                                               payload=b"</3/0>")).response
        assert created.code == CREATED
        assert registration.peer == ("127.0.0.1", port)
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        observation = await endpoint.observe(registration.peer, Message(code=GET, uri_path=("3", "0")),
                                             lambda message: heard.put_nowait(message.payload))
        assert observation.first.payload == b"0"
        put = await endpoint.request(registration.peer, Message(code=PUT, uri_path=("3", "0"), payload=BIG))
        assert put.code == CHANGED
        assert device.value == BIG
        assert await asyncio.wait_for(heard.get(), 10) == BIG
        await client.shutdown()
        await endpoint.shutdown()
        udp.close()

    asyncio.run(scenario())


def test_a_peer_that_is_not_there_ends_in_a_network_error() -> None:
    async def scenario() -> None:
        endpoint, udp = await ours()
        absent = await UdpEndpoint.open("127.0.0.1", 0)
        tuning = transport_tuning(ack_timeout_s=0.01, max_retransmit=1)
        with pytest.raises(error.NetworkError):
            await endpoint.request(("127.0.0.1", absent.port), Message(code=GET, transport_tuning=tuning))
        absent.close()
        await endpoint.shutdown()
        udp.close()

    asyncio.run(scenario())
