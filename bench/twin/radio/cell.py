"""The NB-IoT network of the twin: a cell in each of its bands, one core network, one unit.

The radio model: attach, RRC connected and idle, active timer T3324, PSM, and the latencies of ``Coverage``. The core
network knows routes: a datagram to an address without a route vanishes, as it would in a closed network; a route leads
to a socket on this machine only. Every datagram of the unit crosses a real UDP socket on its way to the servers.
"""

from __future__ import annotations

import ipaddress
import math
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bench.clock import Clock
from bench.twin.radio.burst import Allocation, Burst, Capability
from bench.twin.radio.nas import (
    T3324_STEPS,
    T3412_EXTENDED_STEPS,
    AirMessage,
    PowerSaving,
    not_below,
    udp_packet,
)

Address = tuple[str, int]

SECOND_APN = "second.bench"
"""Leads where the default APN leads."""
NAT_APN = "nat.bench"
"""Leads there too, through an address translation that forgets."""
DEAD_END_APN = "dead-end.bench"
"""The network takes it, but no datagram gets anywhere from there."""

NAT_TIMEOUT_S = 120.0
"""RFC 4787, REQ-5: at least 2 min for UDP. Operators use about 30 to 300 s."""

SENSITIVITY_DBM = -137.0
"""A cell that is weaker is not there for the unit (the manual has -135 dBm)."""

THERMAL_NOISE_DBM = -125.0
"""In a receiver of 15 kHz with a noise figure of 7 dB."""

ILLEGAL_UE = 3
"""The cause with which a unit is turned away whose SIM has another key than the network (TS 24.301, 9.9.3.9)."""
ESM_FAILURE = 19
"""The same for a unit whose APN the network doesn't know."""

NetworkKey = tuple[str, str | None]
"""The key K of a SIM in hexadecimal digits, and OPc; None: the SIM has the test algorithm of 3GPP TS 34.108."""
TEST_SIM_KEY = "000102030405060708090A0B0C0D0E0F"
"""Of the test SIMs that testers of several makers come with."""

LOG_LENGTH = 20_000


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a coverage enhancement level means for the unit. Pairs are (shortest, longest) in seconds.

    ``down_to_dbm``: the weakest NRSRP of the level (rsrp-ThresholdsPrachInfoList, 3GPP TS 36.331). ``repeat``: the
    chance that a packet gets through only when the radio link control sends it again.
    Rates follow from the transport blocks of TS 36.213; times are those that users of modems wrote down, and estimates.
    """

    level: int
    down_to_dbm: float
    attach_s: tuple[float, float]
    first_packet_s: tuple[float, float]
    packet_s: tuple[float, float]
    uplink_bytes_per_s: float
    downlink_bytes_per_s: float
    repeat: float


COVERAGES = (
    Coverage(0, -105.0, (5.0, 15.0), (0.4, 2.0), (0.15, 0.4), 1875, 2500, 0.005),
    Coverage(1, -115.0, (20.0, 60.0), (1.0, 5.0), (0.5, 2.0), 125, 250, 0.02),
    Coverage(2, SENSITIVITY_DBM, (60.0, 180.0), (4.0, 16.0), (3.0, 10.0), 12.5, 37, 0.07),
)
"""Level 2 has the air rate of 32 repetitions, 100 bit/s: 250 bytes take 20 s, and a day of readouts 80 s."""


class Subscriber(Protocol):
    """The unit's modem as the network sees it."""

    def lost_network(self) -> None: ...

    def released(self) -> None: ...

    @property
    def transmitter(self) -> _Transmitter: ...

    @property
    def receiver(self) -> _Receiver: ...

    @property
    def capabilities(self) -> _Capabilities: ...


class _Transmitter(Protocol):
    def burst(self, sent: Allocation) -> Burst: ...


class _Receiver(Protocol):
    def block_errors(self, epre_dbm: float, noise_dbm: float) -> float: ...


class _Capabilities(Protocol):
    def told(self) -> Capability: ...


class Cell:
    """The network as an operator sees it: what its instruments show and set, and what the unit's modem uses.

    ``state`` is off, on (nobody attached), attached, connected, idle or psm: of the one unit. ``carriers`` are the
    bands in which it is on the air, with the NRS energy per resource element (dBm/15 kHz) at which each is sent.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.state = "on"
        self.carriers: dict[int, float] = {8: -85.0}
        self.attenuation_db = 0.0    # between the cell and the unit
        self._noise_dbm = THERMAL_NOISE_DBM
        self.uplink_attenuation_db = 0.0    # of the unit, before the cell's receiver
        self.mcc = 1
        self.mnc = 1
        self.cell_id = 0x01A2D101
        self.user_plane = True       # whether datagrams get anywhere
        self.sim_key: NetworkKey = (TEST_SIM_KEY, None)    # of the unit's SIM
        self.network_key: NetworkKey | None = None         # what the network asks a proof of; None: of nothing
        self.psm_allowed = True
        self.edrx_allowed = True
        self.edrx_grant: int | None = None    # None grants what the unit asks for; the same for the next
        self.t3324_grant_s: int | None = None
        self.t3412_grant_s: int | None = None    # 0: units get no such timer
        self.inactivity_s = 10.0     # infinite: a connection is kept until the operator releases it
        self.clock_error_s = 0.0     # a fault: the network's clock is so much fast
        self.utc_offset_minutes = 0  # the standard-time zone that the network tells the unit (NITZ)
        self.default_apn = "iot.bench"    # what a unit gets that asks for none
        self.apns = frozenset({"iot.bench", SECOND_APN, NAT_APN, DEAD_END_APN})
        self.dead_end_apns = frozenset({DEAD_END_APN})
        self.routes: dict[Address, Address] = {}
        self.subscriber: Subscriber | None = None
        self.on_levels: Callable[[], None] = lambda: None    # something of what the unit receives has changed
        self.log: deque[AirMessage] = deque(maxlen=LOG_LENGTH)
        self.logged = 0    # in all, of which the log keeps the last
        self.apn = ""      # that of the attached unit
        self.lost_datagrams = 0
        self._serving: int | None = None
        self._power = True

    # -- on the air

    @property
    def power(self) -> bool:
        """Whether the network is on the air. A unit that is attached notices at once when it goes off."""
        return self._power

    @power.setter
    def power(self, on: bool) -> None:
        if on == self._power:
            return
        self._power = on
        self.levels_changed()
        if self.state in ("off", "on"):
            self.state = "on" if on else "off"

    @property
    def band(self) -> int:
        """That in which the unit is attached, else the strongest."""
        return self._serving or max(self.carriers, key=self.carriers.__getitem__)

    @band.setter
    def band(self, band: int) -> None:
        """One cell, in this band, as strong as the cell before."""
        self.carriers = {band: self.level_dbm}
        self.levels_changed()

    @property
    def level_dbm(self) -> float:
        return self.carriers.get(self.band, max(self.carriers.values()))

    @level_dbm.setter
    def level_dbm(self, level_dbm: float) -> None:
        self.carriers[self.band] = level_dbm
        self.levels_changed()

    @property
    def noise_dbm(self) -> float:
        return self._noise_dbm

    @noise_dbm.setter
    def noise_dbm(self, noise_dbm: float) -> None:
        self._noise_dbm = noise_dbm
        self.levels_changed()

    @property
    def rsrp_dbm(self) -> float:
        """NRSRP at the unit."""
        return self.level_dbm - self.attenuation_db

    @property
    def snr_tenth_db(self) -> int:
        """As a receiver reports it: nothing beyond 30 dB either way."""
        return round(max(min(self.rsrp_dbm - self.noise_dbm, 30.0), -30.0) * 10)

    @property
    def conditions(self) -> Coverage:
        """The coverage level in use."""
        return next((one for one in COVERAGES if self.rsrp_dbm >= one.down_to_dbm), COVERAGES[-1])

    def strongest(self, bands: Collection[int] = ()) -> int | None:
        """The band of the strongest cell in reach, among ``bands`` (none are all); None: there is none."""
        heard = {band: level for band, level in self.carriers.items()
                 if self._power and (not bands or band in bands) and level - self.attenuation_db >= SENSITIVITY_DBM}
        return max(heard, key=heard.__getitem__) if heard else None

    def levels_changed(self) -> None:
        """To be called when a carrier, the attenuation or the power has changed."""
        if self._serving is not None and self.strongest({self._serving}) is None and self.subscriber is not None:
            self.subscriber.lost_network()
        self.on_levels()

    # -- the unit, as its modem tells

    def attach(self, band: int, apn: str, asked: PowerSaving) -> PowerSaving | None:
        """The unit asks to be attached; what it is granted, or None: it is turned away."""
        self._serving = band
        self.enter("attached")
        self._note("NAS", True, "Attach request", _elements(asked))
        cause = ESM_FAILURE if apn not in self.apns else ILLEGAL_UE if self.network_key not in (None, self.sim_key) \
            else None
        if cause is not None:
            self._note("NAS", False, "Attach reject", {"cause": cause})
            self.left()
            return None
        self.apn = apn
        granted = self.grant(asked)
        self._note("NAS", False, "Attach accept", _elements(granted))
        return granted

    def update(self, asked: PowerSaving) -> PowerSaving:
        """A tracking area update, periodic or because the unit wants something else; what it is granted."""
        self._note("NAS", True, "Tracking area update request", _elements(asked))
        granted = self.grant(asked)
        self._note("NAS", False, "Tracking area update accept", _elements(granted))
        return granted

    def grant(self, asked: PowerSaving) -> PowerSaving:
        """Nothing that the unit has not asked for; the network's values go before the unit's."""
        t3324_s = asked.t3324_s if self.psm_allowed else None
        if t3324_s is not None:
            t3324_s = not_below(t3324_s if self.t3324_grant_s is None else self.t3324_grant_s, T3324_STEPS)
        t3412_s = self.t3412_grant_s
        if t3412_s is None and asked.t3412_s is not None:
            t3412_s = not_below(asked.t3412_s, T3412_EXTENDED_STEPS)
        edrx = asked.edrx if self.edrx_allowed else None
        if edrx is not None and self.edrx_grant is not None:
            edrx = self.edrx_grant
        return PowerSaving(t3324_s, t3412_s, edrx)

    def enter(self, state: str) -> None:
        """The unit's state has changed to attached, connected, idle or psm."""
        connected = state in ("attached", "connected")
        if connected != self.rrc_connected:
            self._note("RRC", connected, "RRC connection request" if connected else "RRC connection release")
        self.state = state

    def left(self) -> None:
        """The unit has detached, or is out of reach."""
        if self.rrc_connected:
            self._note("RRC", False, "RRC connection release")
        self._serving = None
        self.state = "on" if self._power else "off"

    def carries(self, destination: Address, data: bytes, release_assistance: int) -> None:
        """A datagram of the unit, which goes as user data of the control plane (3GPP TS 24.301, 8.3.25). Release
        assistance with it (9.9.4.25): 2, one downlink is still to come; 0 is none."""
        self._note("NAS", True, "ESM data transport",
                   {"release assistance": release_assistance} if release_assistance else {},
                   udp_packet(*destination, data))

    def _note(self, layer: str, uplink: bool, message: str, details: Mapping[str, int] | None = None,
              packet: bytes = b"") -> None:
        self.log.append(AirMessage(self.clock.time(), layer, uplink, message, details or {}, packet))
        self.logged += 1

    @property
    def rrc_connected(self) -> bool:
        return self.state in ("attached", "connected")

    # -- what a tester measures

    def burst(self, sent: Allocation) -> Burst | None:
        """What the unit sends when it is let, at its antenna connector; None: it is not connected."""
        return self.subscriber.transmitter.burst(sent) if self.subscriber is not None and self.rrc_connected else None

    def block_errors(self) -> float | None:
        """The part of single blocks that the unit does not acknowledge; None: it is not connected."""
        if self.subscriber is None or not self.rrc_connected:
            return None
        added_dbm = self.noise_dbm if self.noise_dbm > THERMAL_NOISE_DBM else -math.inf
        return min(self.subscriber.receiver.block_errors(self.rsrp_dbm, added_dbm), 1.0)

    def capability(self) -> Capability | None:
        """What the attached unit has told of itself."""
        return self.subscriber.capabilities.told() if self.subscriber is not None and self._serving else None

    # -- what the operator does

    def detach(self) -> None:
        """The network throws the unit out (it will attach again)."""
        if self.subscriber is not None and self.state not in ("off", "on"):
            self._note("NAS", False, "Detach request")
            self.subscriber.lost_network()

    def release(self) -> None:
        """The network releases the radio connection now."""
        if self.subscriber is not None and self.state == "connected":
            self.subscriber.released()

    def local_standard_time(self) -> datetime:
        """Network time as the unit gets it: naive local standard time."""
        return (self.utc() + timedelta(minutes=self.utc_offset_minutes)).replace(tzinfo=None)

    def utc(self) -> datetime:
        """The network's own clock, aware."""
        return self.clock.utc() + timedelta(seconds=self.clock_error_s)

    def route(self, destination: Address, apn: str = "") -> Address | None:
        """Where a datagram to ``destination`` goes on this machine from a bearer of ``apn``; None: nowhere."""
        if apn in self.dead_end_apns or not self.user_plane:
            return None
        routed = self.routes.get(destination)
        if routed is None and ipaddress.ip_address(destination[0]).is_loopback:
            routed = destination
        if routed is not None and not ipaddress.ip_address(routed[0]).is_loopback:
            raise ValueError(f"route {destination} -> {routed}: the twin sends to loopback addresses only")
        return routed

    def answers_ping(self, host: str) -> bool:
        """Whether an echo request of the core network to ``host`` comes back."""
        return self.route(next((known for known in self.routes if known[0] == host), (host, 0))) is not None

    def nat_timeout_s(self, apn: str) -> float | None:
        """How long a bearer of ``apn`` keeps a source port without traffic; None: for ever."""
        return NAT_TIMEOUT_S if apn == NAT_APN else None


def _elements(saving: PowerSaving) -> dict[str, int]:
    """The information elements that are there."""
    elements = {"T3324": saving.t3324_s, "T3412 extended": saving.t3412_s, "eDRX": saving.edrx}
    return {name: value for name, value in elements.items() if value is not None}
