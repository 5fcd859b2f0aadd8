"""The UDP socket of a server: numbers its peers and shows every datagram to the tap."""

from __future__ import annotations

from collections.abc import Callable

from bench.backend.tap import Tap
from bench.protocols.udp import Address, UdpEndpoint


class ServerSocket:
    """Peers are numbered from 1 in the order in which they appear; above this class nobody sees an address.

    It is the pipe of a CoapEndpoint and the wire of the MQTT-SN gateway. ``on_datagram(peer, data)`` is set by the
    server before ``open``.
    """

    def __init__(self, tap: Tap) -> None:
        self.on_datagram: Callable[[int, bytes], None] = lambda peer, data: None
        self._tap = tap
        self._endpoint: UdpEndpoint | None = None
        self._numbers: dict[Address, int] = {}
        self._addresses: dict[int, Address] = {}

    async def open(self, host: str, port: int) -> None:
        """Bind an IP address and a port (0: any free one). Raises BenchError when that's impossible."""
        self._endpoint = await UdpEndpoint.open(host, port, self._received)

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before ``open``."""
        return self._endpoint.port if self._endpoint is not None else 0

    def send(self, peer: int, data: bytes, *, allow_empty: bool = False) -> None:
        """Send one datagram to a peer that has been heard. An empty one takes ``allow_empty``, else ValueError."""
        if self._endpoint is None:
            return
        # Written down first: whoever has got an answer finds it on the timeline.
        self._tap.saw("out", peer, data)
        self._endpoint.send(self._addresses[peer], data, allow_empty=allow_empty)

    def close(self) -> None:
        """Doing it twice does no harm."""
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None

    def _received(self, address: Address, data: bytes) -> None:
        peer = self._numbers.get(address)
        if peer is None:
            peer = self._numbers[address] = len(self._numbers) + 1
            self._addresses[peer] = address
        self._tap.saw("in", peer, data)
        self.on_datagram(peer, data)
