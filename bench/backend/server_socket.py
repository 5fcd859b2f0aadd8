"""The UDP socket of a server: numbers its peers and shows every datagram to the tap."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bench.backend.flood import FloodGate
from bench.backend.tap import Tap
from bench.clock import Clock
from bench.protocols.udp import Address, UdpEndpoint

PEERS_REMEMBERED = 50_000
"""Beyond them the one that has been silent for longest is forgotten; it gets a new number when it comes back."""


class ServerSocket:
    """Peers are numbered from 1 in the order in which they appear; above this class nobody sees an address.

    It is the pipe of a CoapEndpoint and the wire of the MQTT-SN gateway. ``on_datagram(peer, data)`` is set by the
    server before ``open``. A flood is dropped, and noted once when it begins and once when it is over.
    """

    def __init__(self, tap: Tap, clock: Clock) -> None:
        self.on_datagram: Callable[[int, bytes], None] = lambda peer, data: None
        self.gate = FloodGate()
        self._tap = tap
        self._clock = clock
        self._endpoint: UdpEndpoint | None = None
        self._count = 0
        self._numbers: dict[Address, int] = {}
        self._addresses: dict[int, Address] = {}
        self._heard: dict[int, float] = {}

    async def open(self, host: str, port: int) -> None:
        """Bind an IP address and a port (0: any free one). Raises BenchError when that's impossible."""
        self._endpoint = await UdpEndpoint.open(host, port, self._received)

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before ``open``."""
        return self._endpoint.port if self._endpoint is not None else 0

    def send(self, peer: int, data: bytes, *, allow_empty: bool = False) -> None:
        """Send one datagram to a peer that has been heard. An empty one takes ``allow_empty``, else ValueError."""
        address = self._addresses.get(peer)
        if self._endpoint is None or address is None:
            return
        # Written down first: whoever has got an answer finds it on the timeline.
        self._tap.saw("out", peer, data)
        self._endpoint.send(address, data, allow_empty=allow_empty)

    def heard_at(self, peer: int) -> float:
        """When the last datagram of ``peer`` came, in seconds of the clock; minus infinity if it isn't known."""
        return self._heard.get(peer, float("-inf"))

    def identity_of(self, peer: int) -> bytes | None:
        """The identity that ``peer`` has proved; None over plain UDP, which proves nothing."""
        return None

    def hide(self, payload: bytes, secrets: Iterable[bytes] | None = None) -> None:
        """``payload`` is about to be sent and carries keys: see ``Masks.hide``."""
        self._tap.masks.hide(payload, secrets)

    def note(self, kind: str, **data: Any) -> None:
        """An observation of the server that owns the socket."""
        self._tap.note(kind, **data)

    def close(self) -> None:
        """Doing it twice does no harm."""
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def _received(self, address: Address, data: bytes) -> None:
        now = self._clock.time()
        peer = self._numbered(address)
        over = self.gate.next_window(now)
        if over:
            self.note("flood", text=f"over: {over} datagram(s) were dropped")
        if not self.gate.admits(peer):
            if self.gate.refused == 1:
                self.note("flood", peer=peer, text=f"more than {self.gate.per_peer} datagrams of one peer or "
                          f"{self.gate.in_all} in all within {self.gate.window_s:g} s: the rest is dropped")
            return
        self._heard[peer] = now
        self._tap.saw("in", peer, data)
        self.on_datagram(peer, data)

    def _numbered(self, address: Address) -> int:
        peer = self._numbers.pop(address, 0)
        if not peer:
            self._count += 1
            peer = self._count
            self._addresses[peer] = address
        self._numbers[address] = peer    # the last heard stands last
        if len(self._numbers) > PEERS_REMEMBERED:
            silent = self._numbers.pop(next(iter(self._numbers)))
            del self._addresses[silent]
            self._heard.pop(silent, None)
        return peer
