"""The unit's modem, and the way of a datagram between the unit and the bench's servers.

Through the air (latency, rate and loss of the coverage level, closed while the unit sleeps), then through a real UDP
socket on loopback.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

from bench.clock import Clock
from bench.twin.cell import Address, Cell

SPENT_PORTS = 200

EDRX_CYCLE_S = 40.96
"""The module's default eDRX value 19 = 0x13: paging window 5.12 s in a cycle of 40.96 s."""


class Modem:
    """The unit's modem, as far as the network can tell: attached or not, connected, idle, asleep.

    ``on_state`` hears of each state (off, searching, connected, idle, psm), ``on_transmit(seconds)`` of each uplink.
    """

    def __init__(self, clock: Clock, cell: Cell, rng: random.Random) -> None:
        self.clock = clock
        self.cell = cell
        self.rng = rng
        self.state = "off"
        self.attached = False
        self.apn = ""
        self.bands: frozenset[int] = frozenset()    # those to search in; none are all
        self.t3324_s = 0
        self.t3412_s = 0
        self.use_psm = True
        self.use_edrx = True
        self.registrations = 0
        self.last_registration_s = 0.0
        self.attached_at = 0.0
        self.on_state: Callable[[str], None] = lambda state: None
        self.on_transmit: Callable[[float], None] = lambda seconds: None
        self.on_lost: Callable[[], None] = lambda: None
        self.sockets: list[ModemSocket] = []
        self._spent: deque[asyncio.DatagramTransport] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._uplink_free_at = 0.0
        self._downlink_free_at = 0.0
        cell.subscriber = self

    # -- network connection

    async def attach(self, apn: str | None, search_s: float) -> bool:
        """Search and attach; False when the network refuses, or when ``search_s`` seconds pass without. ``apn`` None
        leaves it to the network.
        """
        started = self.clock.time()
        self._enter("searching")
        while True:
            low, high = self.cell.conditions.attach_s
            await asyncio.sleep(min(self.rng.uniform(low, high), max(search_s, 1.0)))
            wanted = apn or self.cell.default_apn
            in_band = not self.bands or self.cell.band in self.bands
            found = self.cell.power and in_band
            if found and wanted in self.cell.apns:
                break
            if found or self.clock.time() - started >= search_s:
                self._enter("off")
                return False
        self.apn = wanted
        self.attached = True
        self.attached_at = self.clock.time()
        self.registrations += 1
        self.last_registration_s = self.attached_at - started
        self.cell.state = "attached"
        self.touch()
        return True

    def detach(self) -> None:
        self.attached = False
        self._enter("off")
        self.cell.state = "on" if self.cell.power else "off"

    def lost_network(self) -> None:
        if self.attached:
            self.detach()
            self.on_lost()

    def power_off(self) -> None:
        self.detach()
        for socket in list(self.sockets):
            socket.close()

    # -- radio states

    def touch(self) -> None:
        """There is traffic: be connected and start the network's inactivity timer again."""
        self._enter("connected")
        self._start_timer(self.cell.inactivity_s, self.released)

    def released(self) -> None:
        self._enter("idle")
        granted = self.cell.t3324_grant_s if self.cell.t3324_grant_s is not None else self.t3324_s
        if self.use_psm and self.cell.psm_allowed:
            self._start_timer(float(granted), self._enter_psm)

    def _enter_psm(self) -> None:
        self._enter("psm")

    def _enter(self, state: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if state != self.state:
            self.state = state
            if state in ("connected", "idle", "psm"):
                self.cell.state = state
            self.on_state(state)

    def _start_timer(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.clock.loop.call_later(seconds, then)

    # -- datagrams

    async def open(self, on_datagram: Callable[[bytes], None]) -> ModemSocket:
        """A UDP socket of the unit. ``on_datagram(data)`` hears of what comes in."""
        socket = ModemSocket(self, on_datagram)
        await self.clock.loop.create_datagram_endpoint(lambda: socket, local_addr=("127.0.0.1", 0))
        self.sockets.append(socket)
        return socket

    def keep(self, transport: asyncio.DatagramTransport) -> None:
        """Hold a closed socket's port for a while: if the kernel gave it out again, a server would take the new
        socket for the old one, by chance and so not in each run alike.
        """
        self._spent.append(transport)
        if len(self._spent) > SPENT_PORTS:
            self._spent.popleft().close()

    def shut_down(self) -> None:
        """The end of the twin: give all ports back."""
        for socket in list(self.sockets):
            socket.close()
        while self._spent:
            self._spent.popleft().close()

    def uplink_delay(self, size: int) -> float:
        """Seconds until a datagram of ``size`` octets, sent now, is through the air. One at a time."""
        conditions = self.cell.conditions
        was_asleep = self.state != "connected"
        low, high = conditions.first_packet_s if was_asleep else conditions.packet_s
        air_s = size / conditions.uplink_bytes_per_s
        self.touch()
        self.on_transmit(air_s)
        begin = max(self.clock.time(), self._uplink_free_at)
        self._uplink_free_at = begin + self.rng.uniform(low, high) + air_s
        return self._uplink_free_at - self.clock.time()

    def downlink_delay(self, size: int) -> float | None:
        """Seconds until a datagram for the unit reaches it; None: it is lost (asleep, or not there)."""
        if not (self.attached and self.cell.power) or self.state == "psm":
            return None
        conditions = self.cell.conditions
        delay = self.rng.uniform(*conditions.packet_s) + size / conditions.downlink_bytes_per_s
        if self.state == "idle" and self.use_edrx and self.cell.edrx_allowed:
            delay += self.rng.uniform(0.0, EDRX_CYCLE_S)
        # The radio link delivers in order, so a datagram never overtakes the one before it.
        self._downlink_free_at = max(self.clock.time() + delay, self._downlink_free_at)
        return self._downlink_free_at - self.clock.time()


class ModemSocket(asyncio.DatagramProtocol):
    """One UDP socket of the unit: through the air, then through a real socket on loopback."""

    def __init__(self, modem: Modem, on_datagram: Callable[[bytes], None]) -> None:
        self._modem = modem
        self._on_datagram = on_datagram
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def send(self, destination: Address, data: bytes) -> None:
        """Send ``data``; it is lost when the unit is not attached or the network has no route."""
        modem = self._modem
        if not modem.attached:
            return
        delay = modem.uplink_delay(len(data))
        modem.clock.loop.call_later(delay, self._leave, destination, data)

    def _leave(self, destination: Address, data: bytes) -> None:
        modem = self._modem
        routed = modem.cell.route(destination, modem.apn)
        if routed is None or not modem.cell.power or not modem.attached or self._transport is None:
            modem.cell.lost_datagrams += 1
            return
        self._transport.sendto(data, routed)

    def datagram_received(self, data: bytes, address: Address) -> None:
        delay = self._modem.downlink_delay(len(data))
        if delay is None:
            self._modem.cell.lost_datagrams += 1
            return
        self._modem.clock.loop.call_later(delay, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if self._transport is not None and self._modem.attached:
            self._modem.touch()
            self._on_datagram(data)

    def error_received(self, exc: Exception) -> None:
        """A port without a listener answers with ICMP; the unit doesn't hear of it."""

    def close(self) -> None:
        if self._transport is not None:
            self._modem.keep(self._transport)
            self._transport = None
        if self in self._modem.sockets:
            self._modem.sockets.remove(self)
