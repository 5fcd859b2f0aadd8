"""The unit's modem: how it finds the network, what it agrees on with it, and when it listens.

Its sockets are in ``modem_socket.py``. Through the air (latency and rate of the coverage level, closed while the unit
sleeps) a datagram goes first, then through a real UDP socket on loopback.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import os
import random
from collections import deque
from collections.abc import Callable

from bench.clock import Clock
from bench.twin.cmi6110.modem_socket import ModemSocket
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.transmitter import Capabilities, Receiver, Transmitter
from bench.twin.radio.cell import COVERAGES, Cell, Coverage
from bench.twin.radio.nas import T3324_STEPS, T3412_EXTENDED_STEPS, T3412_UNLESS_EXTENDED_S, PowerSaving, not_below

SPENT_PORTS = 200

AUTOMATIC_EDRX = 0x15
"""What the modem asks for when eDRX is automatic: window 5.12 s, cycle 81.92 s. The manual has no value."""

SIGNALLING_BYTES = 60
"""Of a tracking area update."""

MOST_REPEATS = 4
"""How often the radio link control sends a packet again; then it gets through."""


class Modem:
    """The unit's modem, as far as the network can tell: attached or not, connected, idle, asleep.

    ``bands`` are searched first (none are all), ``granted`` is what it got of what it ``asks`` the network for.
    ``on_state`` hears of each state (off, searching, connected, idle, psm), ``on_transmit(seconds)`` of each uplink.
    """

    narrow_search_s = 600.0
    """How long ``bands`` are searched alone, at most half of the search. The manual has no time."""
    assisted_release_s = 2.0
    """From the last downlink to the release, when the unit has said that no more is to come."""

    address = str(ipaddress.IPv4Address("127.192.0.0") + os.getpid() % (1 << 22))
    """The unit's own, as the test core sees it: nobody else on this machine has it."""

    def __init__(self, clock: Clock, cell: Cell, rng: random.Random, settings: Settings) -> None:
        self.clock = clock
        self.cell = cell
        self.rng = rng
        self.settings = settings
        self.transmitter, self.receiver, self.capabilities = Transmitter(), Receiver(), Capabilities()
        self.state = "off"
        self.attached = False
        self.refused = False    # by the network, at the last search
        self.apn = ""
        self.bands: frozenset[int] = frozenset()
        self.granted = PowerSaving()
        self.registrations = 0
        self.last_registration_s = 0.0
        self.attached_at = 0.0
        self.on_state: Callable[[str], None] = lambda state: None
        self.on_transmit: Callable[[float], None] = lambda seconds: None
        self.on_lost: Callable[[], None] = lambda: None
        self.sockets: list[ModemSocket] = []
        self._assisting = False
        self._spent: deque[asyncio.DatagramTransport] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._periodic: asyncio.TimerHandle | None = None
        self._uplink_free_at = 0.0
        self._downlink_free_at = 0.0
        cell.subscriber = self

    # -- network connection

    async def attach(self, apn: str | None, search_s: float) -> bool:
        """Search and attach; False when the network refuses, or when ``search_s`` seconds pass without. ``apn`` None
        leaves it to the network.
        """
        started = self.clock.time()
        self.refused = False
        self._enter("searching")
        while True:
            searched_s = self.clock.time() - started
            bands = self.bands_to_search(searched_s, search_s)
            scan_s = self.rng.uniform(*self._conditions_in(bands).attach_s)
            await asyncio.sleep(min(scan_s, max(search_s - searched_s, 1.0)))
            band = self.hears(bands)
            if band is not None:
                break
            if self.clock.time() - started >= search_s:
                self._enter("off")
                return False
        wanted = apn or self.cell.default_apn
        granted = self.register(band, wanted)
        if granted is None:
            self.refused = True
            self._enter("off")
            return False
        self.apn, self.granted = wanted, granted
        self.attached = True
        self.attached_at = self.clock.time()
        self.registrations += 1
        self.last_registration_s = self.attached_at - started
        self.touch()
        return True

    def bands_to_search(self, searched_s: float, search_s: float) -> frozenset[int]:
        """Those that are set come first; when nothing is found there, all."""
        return self.bands if searched_s < min(self.narrow_search_s, search_s / 2) else frozenset()

    def hears(self, bands: frozenset[int]) -> int | None:
        """The band of the strongest cell in reach, among ``bands`` (none are all); None: there is none."""
        return self.cell.strongest(bands)

    def register(self, band: int, apn: str) -> PowerSaving | None:
        """Ask the network in; what it grants, or None: it refuses."""
        return self.cell.attach(band, apn, self.asks())

    def asks(self) -> PowerSaving:
        """What the settings of Table 10 make it ask for. Times that a timer can't hold become the next longer."""
        settings = self.settings
        use_edrx, use_psm = settings.number("power_saving_mode") & 1, settings.number("power_saving_mode") & 2
        edrx = settings.number("edrx_value") if settings.number("edrx_mode") == 1 else AUTOMATIC_EDRX
        return PowerSaving(
            t3324_s=not_below(settings.number("t3324"), T3324_STEPS) if use_psm else None,
            t3412_s=not_below(settings.number("t3412"), T3412_EXTENDED_STEPS) if use_psm else None,
            edrx=edrx if use_edrx else None)

    def _conditions_in(self, bands: frozenset[int]) -> Coverage:
        return COVERAGES[0] if self.cell.strongest(bands) is None else self.cell.conditions

    def renegotiate(self) -> None:
        """The unit wants something else of the network: a tracking area update says so."""
        if self.attached:
            self.uplink_delay(SIGNALLING_BYTES)
            self.granted = self.cell.update(self.asks())

    def detach(self) -> None:
        """Leave the network, and say so."""
        self._left()

    def lost_network(self) -> None:
        if self.attached:
            self._left()
            self.on_lost()

    def power_off(self) -> None:
        self._left()
        for socket in list(self.sockets):
            socket.close()

    def _left(self) -> None:
        self.attached = False
        self._enter("off")
        self._stop_periodic()
        self.cell.left()

    # -- radio states

    def touch(self) -> None:
        """There is traffic: be connected and start the network's inactivity timer again."""
        self._enter("connected")
        self._stop_periodic()
        self._start_timer(self.cell.inactivity_s, self.released)

    def released(self) -> None:
        """The radio connection is over: idle for T3324, asleep until T3412, and then a periodic update."""
        self._assisting = False
        self._enter("idle")
        if self.granted.t3324_s is not None:
            self._start_timer(float(self.granted.t3324_s), self._enter_psm)
        t3412_s = T3412_UNLESS_EXTENDED_S if self.granted.t3412_s is None else self.granted.t3412_s
        if t3412_s:
            self._periodic = self.clock.loop.call_later(t3412_s, self.renegotiate)

    def _enter_psm(self) -> None:
        self._enter("psm")

    def _enter(self, state: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if state != self.state:
            self.state = state
            if state in ("connected", "idle", "psm"):
                self.cell.enter(state)
            self.on_state(state)

    def _start_timer(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds < math.inf:
            self._timer = self.clock.loop.call_later(seconds, then)

    def _stop_periodic(self) -> None:
        if self._periodic is not None:
            self._periodic.cancel()
            self._periodic = None

    # -- datagrams

    async def open(self, on_datagram: Callable[[bytes], None]) -> ModemSocket:
        """A UDP socket of the unit. ``on_datagram(data)`` hears of what comes in."""
        socket = ModemSocket(self, on_datagram)
        await socket.bind()
        self.sockets.append(socket)
        return socket

    def closed(self, socket: ModemSocket) -> None:
        if socket in self.sockets:
            self.sockets.remove(socket)

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

    def indicates(self, release_assistance: int) -> int:
        """What the network is told of the release assistance that a datagram is sent with."""
        return release_assistance

    def uplink_delay(self, size: int, release_assistance: int = 0) -> float:
        """Seconds until a datagram of ``size`` octets, sent now, is through the air. One at a time."""
        conditions = self.cell.conditions
        was_asleep = self.state != "connected"
        air_s = size / conditions.uplink_bytes_per_s
        self.touch()
        self._assisting = release_assistance != 0
        free_at = max(self.clock.time(), self._uplink_free_at)
        for latency_s in self._latencies(conditions, conditions.first_packet_s if was_asleep else conditions.packet_s):
            free_at += latency_s + air_s
            self.clock.loop.call_later(free_at - air_s - self.clock.time(), self._transmits, air_s)
        self._uplink_free_at = free_at
        return free_at - self.clock.time()

    @property
    def sending_for_s(self) -> float:
        """How long what was sent will still be on the air."""
        return max(self._uplink_free_at - self.clock.time(), 0.0)

    def downlink_delay(self, size: int) -> float | None:
        """Seconds until a datagram for the unit reaches it; None: it is lost (asleep, or not there)."""
        if not (self.attached and self.cell.power) or self.state == "psm":
            return None
        conditions = self.cell.conditions
        # Who is being paged already is not paged once more: what comes meanwhile follows on its heels.
        is_idle = self.state == "idle" and self._downlink_free_at <= self.clock.time()
        air_s = size / conditions.downlink_bytes_per_s
        delay = sum(latency_s + air_s for latency_s in self._latencies(
            conditions, conditions.first_packet_s if is_idle else conditions.packet_s))
        if is_idle:
            delay += self.rng.uniform(0.0, self.granted.edrx_cycle_s)
        # The radio link delivers in order, so a datagram never overtakes the one before it.
        self._downlink_free_at = max(self.clock.time() + delay, self._downlink_free_at)
        return self._downlink_free_at - self.clock.time()

    def _latencies(self, conditions: Coverage, first_s: tuple[float, float]) -> list[float]:
        """What passes before a packet is sent (s), and before each time that the radio link control repeats it."""
        latencies = [self.rng.uniform(*first_s)]
        while len(latencies) <= MOST_REPEATS and self.rng.random() < conditions.repeat:
            latencies.append(self.rng.uniform(*conditions.packet_s))
        return latencies

    def _transmits(self, air_s: float) -> None:
        if self.attached:
            self.on_transmit(air_s)

    def heard(self) -> None:
        """A datagram has come in. If it was the one that release assistance spoke of, the network lets go soon."""
        assisted = self._assisting
        self.touch()
        if assisted:
            self._start_timer(min(self.assisted_release_s, self.cell.inactivity_s), self.released)
