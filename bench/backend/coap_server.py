"""What the two CoAP servers have in common: one resource for all paths, and timers for NB-IoT."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiocoap import resource
from aiocoap.blockwise import Block1Spool, IncompleteException
from aiocoap.message import Message
from aiocoap.numbers.codes import REQUEST_ENTITY_TOO_LARGE, Code
from aiocoap.numbers.constants import TransportTuning

from bench.backend.server_socket import ServerSocket
from bench.protocols.coap_pipe import CoapEndpoint, transport_tuning

NBIOT_TIMERS: TransportTuning = transport_tuning(ack_timeout_s=15.0, ack_random_factor=1.0, max_retransmit=2)
"""Timers of requests to a unit: sent at 0, 15 and 45 s, given up at 105 s.

A round trip through NB-IoT takes up to 10 s in poor coverage, so the 2 s of RFC 7252 would flood it. Without its random
factor, for one bench collides with nobody and should repeat itself exactly.
"""

SEPARATE_RESPONSE_S = 247.0
"""How long a request waits altogether when the unit acknowledges it and then owes the response: EXCHANGE_LIFETIME of
RFC 7252 section 4.8.2."""

Answer = Callable[[int, Message], Message]
"""The response to a request of a peer, given by the peer's number."""


Note = Callable[..., None]
"""Writes an observation: its kind, and its data by name."""

MAX_BODY = 64 * 1024
"""Octets of a request that comes in blocks. The longest that a unit sends is a Send of some days of readouts."""


class _Blocks(Block1Spool):  # type: ignore[misc,unused-ignore]
    """The blocks of requests, put together. One that is missing is the client's error (RFC 7959, 2.9.2: 4.08)."""

    def feed_and_take(self, req: Any) -> Any:
        try:
            return super().feed_and_take(req)  # type: ignore[no-untyped-call,unused-ignore]
        except ValueError:
            raise IncompleteException from None


class _EveryPath(resource.Resource, resource.PathCapable):  # type: ignore[misc,unused-ignore]
    """Hands every request to one function. A ``Site`` of aiocoap can't route "/"."""

    def __init__(self, answer: Answer, note: Note) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self._block1 = _Blocks()  # type: ignore[no-untyped-call,unused-ignore]
        self._answer = answer
        self._note = note

    async def needs_blockwise_assembly(self, request: Any) -> bool:
        """Blocks are put together by aiocoap, as long as there is an end to them."""
        return not _is_too_large(request)

    async def render(self, request: Any) -> Message:
        if _is_too_large(request):
            self._note("refused", peer=request.remote.peer, text=f"a request body beyond {MAX_BODY} octets")
            return response(REQUEST_ENTITY_TOO_LARGE, size1=MAX_BODY)
        answer = self._answer(request.remote.peer, request)
        answer.opt.no_response = request.opt.no_response
        return answer


def _is_too_large(request: Any) -> bool:
    block1 = request.opt.block1
    return block1 is not None and block1.start + len(request.payload) > MAX_BODY


_Message: Any = Message    # its constructor has no types


def response(code: Code, **options: Any) -> Message:
    """A response; ``options`` by aiocoap's names, such as ``location_path``."""
    message: Message = _Message(code=code, **options)
    return message


def request(code: Code, path: str, payload: bytes = b"", **options: Any) -> Message:
    """A request to a unit, with the timers for NB-IoT; ``path`` such as "/3/0" or "/"."""
    message: Message = _Message(code=code, payload=payload, transport_tuning=NBIOT_TIMERS,
                                uri_path=[part for part in path.split("/") if part], **options)
    return message


def succeeded(code: Code) -> bool:
    """Whether it is one of 2.xx."""
    return int(code) >> 5 == 2


async def open_coap(socket: ServerSocket, name: str, host: str, port: int, secure_port: int,
                    answer: Answer) -> CoapEndpoint:
    """A CoAP endpoint on ``socket``, bound to ``host`` and its ports. Raises BenchError when it can't be bound."""
    endpoint = await CoapEndpoint.create(socket, _EveryPath(answer, socket.note), f"bench-{name}")
    socket.on_datagram, socket.on_gone = endpoint.datagram_received, endpoint.peer_gone
    await socket.open(host, port, secure_port)
    return endpoint


async def close_coap(endpoint: CoapEndpoint | None, socket: ServerSocket) -> None:
    """End what is under way and free the port. Doing it twice does no harm."""
    if endpoint is not None:
        # A request that was cancelled just now takes some turns of the loop to be forgotten; aiocoap's shutdown
        # stumbles over it until then.
        for _ in range(5):
            await asyncio.sleep(0)
        await endpoint.shutdown()
    socket.close()


def query_of(request: Message) -> dict[str, str]:
    """The Uri-Query options by name; one without "=" has the empty value, of equal names the first counts."""
    query: dict[str, str] = {}
    for item in request.opt.uri_query:
        name, _, value = item.partition("=")
        query.setdefault(name, value)
    return query
