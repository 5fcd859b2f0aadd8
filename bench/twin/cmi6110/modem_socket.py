"""A UDP socket of the unit: through the air, then through a real socket on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from bench.clock import Clock
from bench.twin.radio.cell import Address, Cell


class Air(Protocol):
    """What a socket needs of the modem that it is of."""

    clock: Clock
    cell: Cell
    address: str
    attached: bool
    apn: str

    def indicates(self, release_assistance: int) -> int: ...

    def uplink_delay(self, size: int, release_assistance: int = 0) -> float: ...

    def downlink_delay(self, size: int) -> float | None: ...

    def heard(self) -> None: ...

    def keep(self, transport: asyncio.DatagramTransport) -> None: ...

    def closed(self, socket: ModemSocket) -> None: ...


class ModemSocket:
    """Behind an address translation its source port changes after a silence (``Cell.nat_timeout_s``); what is then
    sent to the old one is lost.
    """

    def __init__(self, modem: Air, on_datagram: Callable[[bytes], None]) -> None:
        self._modem = modem
        self._on_datagram = on_datagram
        self._port: _Port | None = None
        self._closed = False
        self._forgotten: asyncio.TimerHandle | None = None

    async def bind(self) -> None:
        """Take a new source port."""
        port = _Port(self._from_network)
        await self._modem.clock.loop.create_datagram_endpoint(lambda: port, local_addr=(self._modem.address, 0))
        if self._port is not None:
            self._modem.keep(self._port.transport)
        self._port = port

    def send(self, destination: Address, data: bytes, *, release_assistance: int = 0) -> None:
        """Send ``data``; it is lost when the unit is not attached or the network has no route. What is on its way when
        the socket is closed still leaves.

        ``release_assistance`` 2 tells the network that one datagram is still to come, and nothing after it.
        """
        modem = self._modem
        if not modem.attached:
            return
        told = modem.indicates(release_assistance)
        delay = modem.uplink_delay(len(data), told)
        modem.cell.carries(destination, data, told)
        modem.clock.loop.call_later(delay, self._leave, destination, data)

    def _leave(self, destination: Address, data: bytes) -> None:
        modem = self._modem
        routed = modem.cell.route(destination, modem.apn)
        port = self._port
        if (routed is None or not modem.cell.power or not modem.attached or port is None
                or port.transport.is_closing()):
            modem.cell.lost_datagrams += 1
        else:
            port.transport.sendto(data, routed)
            self._keep_port()

    def _from_network(self, port: _Port, data: bytes) -> None:
        listening = port is self._port and not self._closed
        delay = self._modem.downlink_delay(len(data)) if listening else None
        if delay is None:
            self._modem.cell.lost_datagrams += 1
        else:
            self._keep_port()
            self._modem.clock.loop.call_later(delay, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if self._modem.attached and not self._closed:
            self._modem.heard()
            self._on_datagram(data)

    def _keep_port(self) -> None:
        """There was traffic: the network's address translation waits anew before it forgets."""
        self._stop_waiting()
        timeout_s = self._modem.cell.nat_timeout_s(self._modem.apn)
        if timeout_s is not None and not self._closed:
            clock = self._modem.clock
            self._forgotten = clock.loop.call_later(timeout_s, lambda: clock.spawn(self.bind()))

    def _stop_waiting(self) -> None:
        if self._forgotten is not None:
            self._forgotten.cancel()
            self._forgotten = None

    def close(self) -> None:
        """Idempotent."""
        self._stop_waiting()
        if self._port is not None and not self._closed:
            self._modem.keep(self._port.transport)
        self._closed = True
        self._modem.closed(self)


class _Port(asyncio.DatagramProtocol):
    """One source port, for as long as the network keeps it."""

    transport: asyncio.DatagramTransport

    def __init__(self, received: Callable[[_Port, bytes], None]) -> None:
        self._received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: Address) -> None:
        self._received(self, data)

    def error_received(self, exc: Exception) -> None:
        """A port without a listener answers with ICMP; the unit doesn't hear of it."""
