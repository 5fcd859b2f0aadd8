"""One asyncio UDP socket, and the guard that keeps the bench off the public Internet."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import cast

from bench.errors import BenchError

Address = tuple[str, int]
"""An IP address as text and a port."""


class UdpEndpoint(asyncio.DatagramProtocol):
    """A bound UDP socket of the running loop.

    ``on_datagram(peer, data)`` gets each datagram; it may be set after ``open``, before the next await.
    ``on_error(error)`` gets what the operating system reports. A datagram for which ``loses()`` is true is lost, either
    way.
    """

    def __init__(self, on_datagram: Callable[[Address, bytes], None] | None = None,
                 on_error: Callable[[OSError], None] | None = None,
                 loses: Callable[[], bool] = lambda: False) -> None:
        self.on_datagram = on_datagram
        self.on_error = on_error
        self._loses = loses
        self._socket: socket.socket | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._address: Address = ("", 0)

    @classmethod
    async def open(cls, host: str, port: int, on_datagram: Callable[[Address, bytes], None] | None = None,
                   on_error: Callable[[OSError], None] | None = None,
                   loses: Callable[[], bool] = lambda: False) -> UdpEndpoint:
        """Bind ``host`` (an IP address) and ``port`` (0: any free one). Raises BenchError when it can't."""
        endpoint = cls(on_datagram, on_error, loses)
        endpoint._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            endpoint._socket.setblocking(False)
            endpoint._socket.bind((host, port))
        except OSError as error:
            endpoint._socket.close()
            raise BenchError(f"UDP socket {host}:{port}", expected="to bind it", seen=error.strerror or str(error),
                             do="choose an address of this machine and a port that is free") from error
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: endpoint, sock=endpoint._socket)
        return endpoint

    @property
    def host(self) -> str:
        return self._address[0]

    @property
    def port(self) -> int:
        return self._address[1]

    def send(self, peer: Address, data: bytes, *, allow_empty: bool = False) -> None:
        """Send one datagram. After ``close`` nothing is sent.

        An empty datagram hangs some units, so it takes ``allow_empty`` to send one on purpose; else ValueError.
        """
        if not data and not allow_empty:
            raise ValueError("an empty datagram is sent on purpose only (allow_empty=True)")
        if self._transport is None or self._transport.is_closing() or self._loses():
            return
        if data:
            self._transport.sendto(data, peer)
        elif self._socket is not None:
            # asyncio before Python 3.12 drops an empty datagram without a word.
            self._socket.sendto(data, peer)

    def close(self) -> None:
        """Free the port. Doing it twice does no harm."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.on_datagram is not None and not self._loses():
            self.on_datagram((addr[0], addr[1]), data)

    def error_received(self, exc: Exception) -> None:
        if self.on_error is not None and isinstance(exc, OSError):
            self.on_error(exc)


LAB_NETWORKS = tuple(ipaddress.ip_network(network) for network in (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
    "::1/128", "fc00::/7", "fe80::/10"))
"""Loopback, private use (RFC 1918), link-local (RFC 3927, RFC 4291) and unique local addresses (RFC 4193)."""


def is_public(address: str) -> bool:
    """Whether an IP address is none of a lab's own: what is not in ``LAB_NETWORKS`` may lead out of the house, shared
    (100.64.0.0/10), documentation and test ranges among it. Raises ValueError when it is no IP address.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return not any(parsed in network for network in LAB_NETWORKS)


def refuse_public(address: str, named: Collection[str]) -> None:
    """Raise BenchError when ``address`` is public, or a host name, and the station file doesn't name it.

    A host name is refused because what it stands for may change between two look-ups.
    """
    if address in named:
        return
    try:
        if not is_public(address):
            return
        seen = "a public address"
    except ValueError:
        seen = "a host name"
    raise BenchError(f"peer {address}", expected="a private address, or one that the station file names", seen=seen,
                     do="add it to the station file if the bench shall talk to it")
