"""The NB-IoT network of the twin: one cell, one core network, one unit.

The radio model is that of the reference notes (instruments, section 3.5): attach, RRC connected and idle, active timer
T3324, PSM, latencies of the coverage level. The core network knows routes: a datagram to an address without a route
vanishes, as it would in a closed network; a route leads to a socket on this machine only. Every datagram of the unit
crosses a real UDP socket on its way to the servers.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bench.clock import Clock

Address = tuple[str, int]

SECOND_APN = "second.bench"
"""Leads where the default APN leads."""
DEAD_END_APN = "dead-end.bench"
"""The network takes it, but no datagram gets anywhere from there."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a coverage enhancement level means for the unit. Pairs are (shortest, longest) in seconds."""

    level: int
    attach_s: tuple[float, float]
    first_packet_s: tuple[float, float]
    packet_s: tuple[float, float]
    uplink_bytes_per_s: float
    downlink_bytes_per_s: float
    nrsrp_dbm: int
    snr_tenth_db: int


COVERAGES = (
    Coverage(0, (5.0, 15.0), (0.4, 2.0), (0.15, 0.4), 1875, 2500, -95, 120),
    Coverage(1, (20.0, 60.0), (1.0, 5.0), (0.5, 2.0), 125, 250, -110, 40),
    Coverage(2, (60.0, 180.0), (4.0, 16.0), (3.0, 10.0), 31, 37, -125, -40),
)


class Subscriber(Protocol):
    """The unit's modem as the network sees it."""

    def lost_network(self) -> None: ...

    def released(self) -> None: ...


class Cell:
    """The network as an operator sees it: what the CMW500's twin shows and sets, and what the unit's modem uses.

    ``state`` is off, on (nobody attached), attached, connected, idle or psm: of the one unit.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.state = "on"
        self.level_dbm = -85.0
        self.band = 8
        self.mcc = 1
        self.mnc = 1
        self.cell_id = 0x01A2D101
        self.coverage = 0
        self.psm_allowed = True
        self.edrx_allowed = True
        self.t3324_grant_s: int | None = None  # None grants what the unit asks for
        self.t3412_grant_s: int | None = None
        self.inactivity_s = 10.0
        self.utc_offset_minutes = 0  # the standard-time zone that the network tells the unit (NITZ)
        self.default_apn = "iot.bench"    # what a unit gets that asks for none
        self.apns = frozenset({"iot.bench", SECOND_APN, DEAD_END_APN})
        self.dead_end_apns = frozenset({DEAD_END_APN})
        self.routes: dict[Address, Address] = {}
        self.subscriber: Subscriber | None = None
        self.lost_datagrams = 0
        self._power = True

    @property
    def power(self) -> bool:
        """Whether the cell is on the air."""
        return self._power

    @power.setter
    def power(self, on: bool) -> None:
        if on == self._power:
            return
        self._power = on
        if not on and self.subscriber is not None:
            self.subscriber.lost_network()
        self.state = "on" if on else "off"

    @property
    def conditions(self) -> Coverage:
        return COVERAGES[self.coverage]

    @property
    def rrc_connected(self) -> bool:
        return self.state == "connected"

    def detach(self) -> None:
        """The network throws the unit out (it will attach again)."""
        if self.subscriber is not None:
            self.subscriber.lost_network()

    def release(self) -> None:
        """The network releases the radio connection now."""
        if self.subscriber is not None and self.state == "connected":
            self.subscriber.released()

    def local_standard_time(self) -> datetime:
        """Network time as the unit gets it: naive local standard time."""
        return (self.clock.utc() + timedelta(minutes=self.utc_offset_minutes)).replace(tzinfo=None)

    def route(self, destination: Address, apn: str = "") -> Address | None:
        """Where a datagram to ``destination`` goes on this machine from a bearer of ``apn``; None: nowhere."""
        if apn in self.dead_end_apns:
            return None
        routed = self.routes.get(destination)
        if routed is None and ipaddress.ip_address(destination[0]).is_loopback:
            routed = destination
        if routed is not None and not ipaddress.ip_address(routed[0]).is_loopback:
            raise ValueError(f"route {destination} -> {routed}: the twin sends to loopback addresses only")
        return routed
