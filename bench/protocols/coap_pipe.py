"""CoAP endpoints over any pipe of datagrams: the one place where the house touches aiocoap's inside.

The same endpoint serves the bench's servers over UDP sockets, the twin unit's client over the twin's cell, and both
over DTLS: the pipe decides. aiocoap is pinned, for the call that attaches a transport to a context is private
(``Context._append_tokenmanaged_messagemanaged_transport``); a test guards it.

Time is the running loop's time. Message ids, tokens and retransmission times come from the global ``random``,
which aiocoap draws from; whoever wants equal runs seeds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from aiocoap import error, interfaces
from aiocoap.message import Message
from aiocoap.numbers.constants import TransportTuning
from aiocoap.protocol import Context

from bench.protocols.coap_message import CoapError, parse

__all__ = ["CoapEndpoint", "CoapError", "DatagramPipe", "Observation", "transport_tuning"]

_VERSION_1_CON = 0b0100
_RST = 0b0111_0000


class DatagramPipe(Protocol):
    """Where an endpoint's datagrams leave. Incoming ones are handed to ``CoapEndpoint.datagram_received``."""

    def send(self, peer: Any, data: bytes) -> None:
        """Send one datagram. ``peer`` is any hashable: an address, or the session that outlives one."""


def transport_tuning(*, ack_timeout_s: float = 2.0, ack_random_factor: float = 1.5, max_retransmit: int = 4,
                     empty_ack_delay_s: float = 0.1, confirmable: bool | None = None) -> TransportTuning:
    """Timers of one message (RFC 7252 section 4.8), for ``Message(transport_tuning=...)``.

    ``confirmable`` chooses CON or NON where the message leaves it open; None keeps aiocoap's choice.
    """
    tuning = TransportTuning()
    tuning.ACK_TIMEOUT = ack_timeout_s
    tuning.ACK_RANDOM_FACTOR = ack_random_factor
    tuning.MAX_RETRANSMIT = max_retransmit
    tuning.EMPTY_ACK_DELAY = empty_ack_delay_s
    tuning.reliability = confirmable
    return tuning


class CoapEndpoint:
    """Client and server at one end of a pipe; requests may go to whoever has ever sent a datagram, or be the first.

    Create it in the loop in which it shall live. ``block_size`` (16 to 1024 octets, a power of 2) bounds what goes
    into one message. ``on_malformed(peer, data, error)`` gets what is no CoAP; such a CON is answered with RST
    (RFC 7252 section 4.2), the rest with silence.
    """

    def __init__(self, pipe: DatagramPipe, site: interfaces.Resource | None, name: str, *, block_size: int = 1024,
                 on_malformed: Callable[[Any, bytes, CoapError], None] | None = None) -> None:
        if block_size not in (16, 32, 64, 128, 256, 512, 1024):
            raise ValueError(f"block size {block_size} is not a power of 2 from 16 to 1024")
        self.name = name
        self.block_size = block_size
        self._pipe = pipe
        self._on_malformed = on_malformed
        self._context: Any = Context(loop=asyncio.get_running_loop(),  # type: ignore[no-untyped-call,unused-ignore]
                                     serversite=site, loggername=name)
        self._interface: _PipeInterface | None = None

    @classmethod
    async def create(cls, pipe: DatagramPipe, site: interfaces.Resource | None = None, name: str = "coap", *,
                     block_size: int = 1024,
                     on_malformed: Callable[[Any, bytes, CoapError], None] | None = None) -> CoapEndpoint:
        """An endpoint of the running loop; without ``site`` it answers each request with 4.04."""
        endpoint = cls(pipe, site, name, block_size=block_size, on_malformed=on_malformed)

        async def attach(manager: Any) -> _PipeInterface:
            endpoint._interface = _PipeInterface(endpoint, pipe, manager)
            return endpoint._interface

        await endpoint._context._append_tokenmanaged_messagemanaged_transport(attach)
        return endpoint

    @property
    def context(self) -> Any:
        """aiocoap's ``Context``, for what this class doesn't offer."""
        return self._context

    def remote(self, peer: Hashable) -> Remote:
        """The address object that aiocoap knows ``peer`` by, as found in ``message.remote``."""
        return Remote(self, peer)

    def datagram_received(self, peer: Hashable, data: bytes) -> None:
        """Feed a datagram that came from ``peer``. Never raises for what is in it."""
        if self._interface is None or self._interface.closed:
            return
        try:
            message = parse(data)
        except CoapError as malformed:
            if self._on_malformed is not None:
                self._on_malformed(peer, data, malformed)
            if len(data) >= 4 and data[0] >> 4 == _VERSION_1_CON:
                self._pipe.send(peer, bytes([_RST, 0]) + data[2:4])
            return
        message.remote = Remote(self, peer)
        self._interface.manager.dispatch_message(message)

    def peer_gone(self, peer: Hashable, reason: Exception | str) -> None:
        """The session with ``peer`` is over: its requests fail with NetworkError, its observations end."""
        if self._interface is not None and not self._interface.closed:
            self._interface.manager.dispatch_error(error.RemoteServerShutdown(str(reason)), Remote(self, peer))

    async def request(self, peer: Hashable, message: Message) -> Message:
        """Send a request and give its response, long ones block by block (RFC 7959).

        A response with an error code is a response. Raises ``aiocoap.error.NetworkError`` when none comes:
        ``ConRetransmitsExceeded`` after the last retransmission, ``RemoteServerShutdown`` after ``peer_gone``,
        ``LibraryShutdown`` after ``shutdown``.
        """
        message.remote = Remote(self, peer)
        response: Message = await self._context.request(message).response
        return response

    async def observe(self, peer: Hashable, message: Message,
                      on_notification: Callable[[Message], None],
                      on_end: Callable[[Exception], None] | None = None) -> Observation:
        """Ask for a resource and its changes (RFC 7641). Raises as ``request``.

        ``on_notification`` gets every notification, none is skipped; one that comes in blocks is handed on as its
        first block. ``on_end`` gets the reason when the other side ends it.
        """
        message.remote = Remote(self, peer)
        message.opt.observe = 0
        request = self._context.request(message, handle_blockwise=False)
        request.observation.register_callback(on_notification, _suppress_deprecation=True)
        if on_end is not None:
            request.observation.register_errback(on_end, _suppress_deprecation=True)
        return Observation(await request.response, request.observation)

    async def shutdown(self) -> None:
        """End all requests and observations. The pipe stays open. Doing it twice does no harm."""
        if self._interface is not None and not self._interface.closed:
            await self._context.shutdown()


class Observation:
    """A running observation and the ``first`` response; ``active`` is false once either side has ended it."""

    def __init__(self, first: Message, observation: Any) -> None:
        self.first = first
        self._observation = observation

    @property
    def active(self) -> bool:
        return not self._observation.cancelled

    def cancel(self) -> None:
        """Forget it: the next notification is answered with RST, which ends it at the other side."""
        if self.active:
            self._observation.cancel()


class Remote(interfaces.EndpointAddress):
    """A peer as aiocoap wants it. Two of them are equal when endpoint and peer are."""

    scheme = "coap"
    is_multicast = False
    is_multicast_locally = False

    def __init__(self, endpoint: CoapEndpoint, peer: Hashable) -> None:
        self.endpoint = endpoint
        self.peer = peer
        # aiocoap lowers it on the remote of a request while it negotiates.
        self._maximum_block_size_exp = endpoint.block_size.bit_length() - 5

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self.endpoint is other.endpoint and self.peer == other.peer

    def __hash__(self) -> int:
        return hash(self.peer)

    def __repr__(self) -> str:
        return f"<{self.endpoint.name} peer {self.hostinfo}>"

    @property
    def hostinfo(self) -> str:
        match self.peer:
            case (str(host), int(port), *_):
                return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            case _:
                return str(self.peer)

    @property
    def hostinfo_local(self) -> str:
        return self.endpoint.name

    @property
    def uri_base(self) -> str:
        return f"{self.scheme}://{self.hostinfo}"

    @property
    def uri_base_local(self) -> str:
        return f"{self.scheme}://{self.hostinfo_local}"

    @property
    def blockwise_key(self) -> Hashable:
        return self.peer

    @property
    def maximum_block_size_exp(self) -> int:
        return self._maximum_block_size_exp

    @maximum_block_size_exp.setter
    def maximum_block_size_exp(self, exponent: int) -> None:
        self._maximum_block_size_exp = exponent

    @property
    def maximum_payload_size(self) -> int:
        return int(2 ** (self._maximum_block_size_exp + 4))


class _PipeInterface(interfaces.MessageInterface):
    """What aiocoap sends through."""

    def __init__(self, endpoint: CoapEndpoint, pipe: DatagramPipe, manager: Any) -> None:
        self.endpoint = endpoint
        self.manager = manager
        self.closed = False
        self._pipe = pipe

    def send(self, message: Any) -> None:
        if self.closed:
            return
        try:
            self._pipe.send(message.remote.peer, message.encode())
        except OSError as refused:
            # Later, for aiocoap is in the middle of its book-keeping for this very message.
            asyncio.get_running_loop().call_soon(self._report, error.NetworkError(str(refused)), message.remote)

    def _report(self, reason: Exception, remote: Remote) -> None:
        if not self.closed:
            self.manager.dispatch_error(reason, remote)

    async def recognize_remote(self, remote: Any) -> bool:
        return isinstance(remote, Remote) and remote.endpoint is self.endpoint

    async def determine_remote(self, message: Message) -> None:
        """None: no name is ever looked up here; requests name their peer."""
        return

    async def shutdown(self) -> None:
        self.closed = True
