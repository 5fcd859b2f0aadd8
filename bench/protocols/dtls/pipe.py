"""DTLS between a pipe of datagrams and what speaks on it, CoapEndpoint or MQTT-SN, in the running loop's time.

```
UdpEndpoint  <->  DtlsServerPipe or DtlsClientPipe  <->  CoapEndpoint
```

Downwards a pipe needs ``send`` and gets ``datagram_received``; upwards it offers ``send`` and calls ``on_datagram``:

    udp = await UdpEndpoint.open(host, port)
    pipe = DtlsServerPipe(udp, server)
    udp.on_datagram = pipe.datagram_received
    coap = await CoapEndpoint.create(pipe, site)
    pipe.on_datagram, pipe.on_closed = coap.datagram_received, coap.peer_gone
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from bench.protocols.dtls.association import NotEstablished
from bench.protocols.dtls.client import DtlsClient
from bench.protocols.dtls.events import Closed, Data, Established, Event, Send
from bench.protocols.dtls.server import DtlsServer, ServerEvent
from bench.protocols.dtls.server_association import ServerAssociation


class LowerPipe(Protocol):
    """What carries the records: a UdpEndpoint, or the twin's way through the cell."""

    def send(self, peer: Any, data: bytes) -> None: ...


class DtlsServerPipe:
    """All clients of a server. A peer is its ``ServerAssociation``, which outlives a change of address.

    ``on_datagram(peer, data)`` gets application data; ``on_closed(peer, reason)`` the end of an established peer
    (``CoapEndpoint.peer_gone`` fits); ``on_event`` everything, and first, for the timeline.
    """

    def __init__(self, lower: LowerPipe, server: DtlsServer, *,
                 on_datagram: Callable[[Any, bytes], None] | None = None,
                 on_closed: Callable[[Any, str], None] | None = None,
                 on_event: Callable[[ServerEvent], None] | None = None) -> None:
        self.server = server
        self.on_datagram = on_datagram
        self.on_closed = on_closed
        self.on_event = on_event
        self._lower = lower
        self._closed = False
        self._timer = _Timer(self._on_timer)

    def send(self, peer: ServerAssociation, data: bytes) -> None:
        """Raises ConnectionError when the peer's association is over."""
        try:
            self._handle(self.server.send(peer, data, self._timer.now()))
        except NotEstablished:
            raise ConnectionError("the DTLS association is over") from None

    def ask_to_renegotiate(self, peer: ServerAssociation) -> None:
        """Raises ConnectionError when the peer's association is over."""
        try:
            self._handle(self.server.ask_to_renegotiate(peer, self._timer.now()))
        except NotEstablished:
            raise ConnectionError("the DTLS association is over") from None

    def disconnect(self, peer: ServerAssociation) -> None:
        """Say close_notify to one peer."""
        self._handle(self.server.close(peer, self._timer.now()))

    def forget_sessions(self) -> None:
        """Lose all sessions without a word, as after a restart."""
        self._handle(self.server.forget_sessions())

    def close(self) -> None:
        """Say close_notify to everybody and end. The lower pipe stays open; what comes from it is ignored."""
        for peer in self.server.sessions:
            self.disconnect(peer)
        self._timer.close()
        self._closed = True

    def datagram_received(self, address: Any, datagram: bytes) -> None:
        """Feed what has come from below. Never raises for what is in it."""
        if not self._closed:
            self._handle(self.server.receive(address, datagram, self._timer.now()))

    def _on_timer(self, now: float) -> None:
        self._handle(self.server.timeout(now))

    def _handle(self, events: list[ServerEvent]) -> None:
        for each in events:
            if self.on_event is not None:
                self.on_event(each)
            match each.event:
                case Send(datagram):
                    with contextlib.suppress(OSError):
                        self._lower.send(each.address, datagram)
                case Data(data) if self.on_datagram is not None:
                    self.on_datagram(each.association, data)
                case Closed(reason) if self.on_closed is not None:
                    assert each.association is not None
                    if each.association.established:
                        self.on_closed(each.association, reason)
        self._timer.set(self.server.next_timeout)


class DtlsClientPipe:
    """One association with the server at ``peer``. ``await connect()`` comes before ``send``.

    For the next attempt make a new client and a new pipe. ``on_datagram(peer, data)``, ``on_closed(peer, reason)``
    and ``on_event(event)`` are as those of the server's pipe.
    """

    def __init__(self, lower: LowerPipe, peer: Any, client: DtlsClient, *,
                 on_datagram: Callable[[Any, bytes], None] | None = None,
                 on_closed: Callable[[Any, str], None] | None = None,
                 on_event: Callable[[Event], None] | None = None) -> None:
        self.client = client
        self.on_datagram = on_datagram
        self.on_closed = on_closed
        self.on_event = on_event
        self._lower = lower
        self._closed = False
        self._peer = peer
        self._timer = _Timer(self._on_timer)
        self._connected: asyncio.Future[Established] | None = None

    async def connect(self) -> Established:
        """Do the handshake. Raises ConnectionError with the reason when it fails; call it once."""
        self._connected = asyncio.get_running_loop().create_future()
        self._handle(self.client.start(self._timer.now()))
        return await self._connected

    def send(self, peer: Any, data: bytes) -> None:
        """Raises ConnectionError when the association isn't established, or for another peer."""
        if peer != self._peer:
            raise ConnectionError("this DTLS association leads to another peer")
        try:
            self._handle(self.client.send(data, self._timer.now()))
        except NotEstablished:
            raise ConnectionError("the DTLS association is not established") from None

    def close(self) -> None:
        """Say close_notify and end. The lower pipe stays open; what comes from it is ignored."""
        self._handle(self.client.close(self._timer.now()))
        self._timer.close()
        self._closed = True

    def datagram_received(self, address: Any, datagram: bytes) -> None:
        """Feed what has come from below. Never raises for what is in it."""
        if address == self._peer and not self._closed:
            self._handle(self.client.receive(datagram, self._timer.now()))

    def _on_timer(self, now: float) -> None:
        self._handle(self.client.timeout(now))

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            if self.on_event is not None:
                self.on_event(event)
            match event:
                case Send(datagram):
                    with contextlib.suppress(OSError):
                        self._lower.send(self._peer, datagram)
                case Data(data) if self.on_datagram is not None:
                    self.on_datagram(self._peer, data)
                case Established() if self._connected is not None and not self._connected.done():
                    self._connected.set_result(event)
                case Closed(reason):
                    if self._connected is not None and not self._connected.done():
                        self._connected.set_exception(ConnectionError(reason))
                    elif self.on_closed is not None:
                        self.on_closed(self._peer, reason)
        self._timer.set(self.client.next_timeout)


class _Timer:
    """One timer of the running loop, moved as the engine asks."""

    def __init__(self, on_time: Callable[[float], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_time = on_time
        self._handle: asyncio.TimerHandle | None = None
        self._closed = False

    def now(self) -> float:
        return self._loop.time()

    def set(self, when: float | None) -> None:
        if self._handle is not None:
            if self._handle.when() == when and not self._handle.cancelled():
                return
            self._handle.cancel()
            self._handle = None
        if when is not None and not self._closed:
            self._handle = self._loop.call_at(when, self._fire, when)

    def _fire(self, when: float) -> None:
        self._handle = None
        # The loop calls up to one clock resolution early; the engine compares exactly.
        self._on_time(max(when, self._loop.time()))

    def close(self) -> None:
        self._closed = True
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
