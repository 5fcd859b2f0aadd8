"""CoAP endpoints over any pipe of datagrams: the one place where the house reaches into aiocoap.

The same endpoint serves the bench's servers over UDP sockets, the twin unit's client over the twin's cell, and both
over DTLS: the pipe decides. aiocoap is pinned, for what is used here is private or unpromised: how a transport is
put together, the end of an observation, its token, the clock for the order of notifications, and the fetching of the
rest of a notification. A test guards each.

Time is the running loop's time. Message ids, tokens and retransmission times come from the global ``random``,
which aiocoap draws from; whoever wants equal runs seeds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from aiocoap import error, interfaces, messagemanager, protocol, tokenmanager
from aiocoap.message import Message
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.constants import TransportTuning
from aiocoap.numbers.types import ACK, NON, RST
from aiocoap.pipe import Pipe
from aiocoap.tokenmanager import TokenManager

from bench.protocols.coap_message import CoapError, parse

__all__ = ["CoapEndpoint", "CoapError", "DatagramPipe", "Observation", "transport_tuning"]

# aiocoap has no type annotations to check calls against.
_protocol: Any = protocol
_Pipe: Any = Pipe
_TokenManager: Any = TokenManager

_VERSION_1_CON = 0b0100
_VERSION_1_RST = 0b0111_0000
_NOTIFICATIONS_KEPT = 1000
"""How many NON notifications are remembered, in case they are refused by RST."""


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


def seed_chance(seed: int) -> None:
    """Let the message ids, tokens and time-outs of all endpoints made from now on follow from ``seed``.

    aiocoap takes them from the global generator, of which others take too, and not in each process alike (pyvisa-py
    numbers its first session from it). So it gets one of its own.
    """
    chance = random.Random(seed)
    for module in (messagemanager, tokenmanager):
        vars(module)["random"] = chance


class _LoopTime:
    """aiocoap's clock for the order of notifications (RFC 7641 section 3.4: after 128 s whatever comes is newer): that
    of the loop they come in, as all its other times are. It takes the wall's, which stands still in virtual time."""

    def time(self) -> float:
        return asyncio.get_running_loop().time()


vars(protocol)["time"] = _LoopTime()


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
        self._context = _protocol.Context(loop=asyncio.get_running_loop(), serversite=site, loggername=name)
        self._interface: _PipeInterface | None = None
        # Fetching the rest of long notifications.
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def create(cls, pipe: DatagramPipe, site: interfaces.Resource | None = None, name: str = "coap", *,
                     block_size: int = 1024,
                     on_malformed: Callable[[Any, bytes, CoapError], None] | None = None) -> CoapEndpoint:
        """An endpoint of the running loop; without ``site`` it answers each request with 4.04."""
        endpoint = cls(pipe, site, name, block_size=block_size, on_malformed=on_malformed)

        tokens = _Tokens(endpoint._context)
        messages = _Messages(tokens)
        messages.message_interface = endpoint._interface = _PipeInterface(endpoint, pipe, messages)
        tokens.token_interface = messages
        endpoint._context.request_interfaces.append(tokens)
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
                self._reset(peer, data)
            return
        message.remote = Remote(self, peer)
        # aiocoap knows the refusal of a notification by RST (RFC 7641 section 3.6) for CON only, both ways.
        if message.mtype is RST:
            self._interface.end_observation(message)
        elif self._interface.is_unasked(message):
            self._reset(peer, data)
            return
        try:
            self._interface.manager.dispatch_message(message)
        except AssertionError as confused:    # aiocoap's of itself: an observation, not the end of a server
            if self._on_malformed is not None:
                self._on_malformed(peer, data, CoapError(f"aiocoap can't go on with it: {confused}"))

    def _reset(self, peer: Any, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._pipe.send(peer, bytes([_VERSION_1_RST, 0]) + data[2:4])

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

        ``on_notification`` gets every notification after the first response, none is skipped; the rest of a long
        one is fetched first (and if that fails, it is handed on as the part that came, ``block2.more`` set).
        ``on_end`` gets the reason when the other side ends it, or never accepted it.
        """
        message.remote = Remote(self, peer)
        message.opt.observe = 0
        request: Any = self._context.request(message, handle_blockwise=False)

        def received(notification: Message) -> None:
            block2 = notification.opt.block2
            if block2 is None or not block2.more:
                on_notification(notification)
                return
            task = asyncio.get_running_loop().create_task(fetched(notification))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        async def fetched(notification: Message) -> None:
            with contextlib.suppress(error.Error):
                notification = await self._whole(message, notification)
            on_notification(notification)

        request.observation.register_callback(received, _suppress_deprecation=True)
        if on_end is not None:
            request.observation.register_errback(on_end, _suppress_deprecation=True)
        return Observation(self, message, request, await self._whole(message, await request.response))

    async def _whole(self, request: Message, response: Message) -> Message:
        """``response`` with the blocks that follow it."""
        whole: Message = await _protocol.BlockwiseRequest._complete_by_requesting_block2(
            self._context, request, response, self._context.log)
        return whole

    async def shutdown(self) -> None:
        """End all requests and observations. The pipe stays open. Doing it twice does no harm."""
        for task in self._tasks:
            task.cancel()
        if self._interface is not None and not self._interface.closed:
            await self._context.shutdown()


class Observation:
    """A running observation and the ``first`` response; ``active`` is false once either side has ended it."""

    def __init__(self, endpoint: CoapEndpoint, message: Message, request: Any, first: Message) -> None:
        self.first = first
        self._endpoint = endpoint
        self._message = message
        self._request = request

    @property
    def active(self) -> bool:
        return not self._request.observation.cancelled

    def cancel(self) -> None:
        """Forget it: the next notification is answered with RST, which ends it at the other side."""
        if self.active:
            self._request.observation.cancel()
            self._request._stop_interest()

    async def cancel_by_request(self) -> Message:
        """End it by the same request with Observe 1 and the same token (RFC 7641 section 3.6). Raises as ``request``.
        """
        self.cancel()
        context = self._endpoint.context
        tokens = context.request_interfaces[0]
        original: Any = self._message
        message = original.copy(observe=1, mid=None)
        pipe = _Pipe(message, context.log)
        request = _protocol.Request(pipe, context.loop, context.log)
        kept, tokens._token = tokens._token, (int.from_bytes(self._message.token, "big") - 1) % 2**64
        tokens.request(pipe)
        tokens._token = kept
        response: Message = await request.response
        return response


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


class _Tokens(_TokenManager):  # type: ignore[misc]
    """aiocoap's requests by token, made safe against a request that is cancelled at the very instant at which its
    response, its last time-out or the shutdown comes: that raises InvalidStateError, and aiocoap leaves it to the
    loop. In virtual time such instants are common.
    """

    def process_response(self, response: Any) -> bool:
        try:
            return bool(super().process_response(response))
        except asyncio.InvalidStateError:
            return True

    def dispatch_error(self, exception: Exception, remote: Any) -> None:
        try:
            super().dispatch_error(exception, remote)
        except asyncio.InvalidStateError:
            # The others at this remote have not been told yet.
            self.loop.call_soon(self.dispatch_error, exception, remote)

    async def shutdown(self) -> None:
        try:
            await super().shutdown()
        except asyncio.InvalidStateError:
            await self.shutdown()


_MessageManager: Any = MessageManager


class _Messages(_MessageManager):  # type: ignore[misc]
    """aiocoap's messages by id, made safe against a peer whose message id is the next one of our own.

    aiocoap keeps what it answers to a message, to say it again to a repetition, and knows it by the id alone. So a
    request of ours with that id was taken for the answer, and failed as one when the peer repeated its message
    (``messageerror_monitor needs to be set for CONs``). An answer with the id of the peer is an ACK or an RST; CON and
    NON have ids of our own (RFC 7252 section 4.4).
    """

    def _store_response_for_duplicates(self, message: Any) -> None:
        if message.mtype in (ACK, RST):
            super()._store_response_for_duplicates(message)


class _PipeInterface(interfaces.MessageInterface):
    """What aiocoap sends through."""

    def __init__(self, endpoint: CoapEndpoint, pipe: DatagramPipe, manager: Any) -> None:
        self.endpoint = endpoint
        self.manager = manager
        self.closed = False
        self._pipe = pipe
        self._notifications: dict[tuple[Remote, int], bytes] = {}

    def is_unasked(self, message: Any) -> bool:
        """Whether it is a NON response to a token that nobody waits for."""
        return (message.mtype is NON and message.code.is_response()
                and (message.token, message.remote) not in self.manager.token_manager.outgoing_requests)

    def end_observation(self, rst: Any) -> None:
        """Stop notifying a peer that has refused a NON notification."""
        token = self._notifications.pop((rst.remote, rst.mid), None)
        if token is not None:
            _, stop = self.manager.token_manager.incoming_requests.get((token, rst.remote), (None, None))
            if stop is not None:
                stop()

    def send(self, message: Any) -> None:
        if self.closed:
            return
        if message.mtype is NON and message.opt.observe is not None and message.code.is_response():
            self._notifications[message.remote, message.mid] = message.token
            if len(self._notifications) > _NOTIFICATIONS_KEPT:
                del self._notifications[next(iter(self._notifications))]
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
