"""The NB-IoT cell the unit attaches to: one small protocol. One file per instrument."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Protocol

from pydantic import Field

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline

_POLL_S = 0.5

STANDARD_LEVEL_DBM = -85.0
"""Good coverage, level 0."""

POOR_LEVEL_DBM = -105.0
"""Below it a unit repeats what it sends (coverage levels 1 and 2; where exactly is up to the network)."""
PINGS = 10

EARFCNS = {3: range(1200, 1950), 8: range(3450, 3800), 20: range(6150, 6450)}
"""The downlink channel numbers of the bands that the module is certified for (3GPP TS 36.101, table 5.7.3-1)."""
Band = Literal[3, 8, 20]
"""Option of a cell: one of the bands that the module is certified for."""
Level = Annotated[float, Field(ge=-140.0, le=-40.0)]
"""Option of a cell: NRSRP at the unit (dBm)."""


class CellState(StrEnum):
    """The unit as the network sees it. Which of these an instrument can tell apart, its driver says."""

    OFF = "off"
    """The cell is off."""
    ON = "on"
    """The cell is on, no unit is attached."""
    ATTACHED = "attached"
    """A unit is attached; whether it is connected is not known."""
    CONNECTED = "connected"
    """A unit is attached and has an RRC connection."""
    IDLE = "idle"
    """A unit is attached and has no RRC connection."""
    PSM = "psm"
    """A unit is attached and in power saving mode."""


class NetworkEvent(StrEnum):
    """What the network's log tells of, in the words of 3GPP TS 24.301 and TS 36.331."""

    ATTACH_REQUEST = "attach request"
    ATTACH_ACCEPT = "attach accept"
    ATTACH_REJECT = "attach reject"
    UPDATE_REQUEST = "tracking area update request"
    UPDATE_ACCEPT = "tracking area update accept"
    DETACH_REQUEST = "detach request"
    DATA_TRANSPORT = "esm data transport"
    """A datagram of the unit, as user data of the control plane."""
    RRC_REQUEST = "rrc connection request"
    RRC_RELEASE = "rrc connection release"


@dataclass(frozen=True, slots=True)
class RadioEvent:
    """One message between unit and network; ``time`` is bench time (s). None: the element is not in the message.

    Timers in seconds; ``edrx`` is the octet of the extended DRX parameters; ``release_assistance`` the indication;
    ``destination`` is where a datagram goes, "192.0.2.1:5683" (None: that can't be told).
    """

    time: float
    event: NetworkEvent
    t3324_s: int | None = None
    t3412_s: int | None = None
    edrx: int | None = None
    cause: int | None = None
    release_assistance: int | None = None
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class NetworkTime:
    """The time that the network tells units: ``utc`` (aware), and how far its zone is ahead of it; None: not known."""

    utc: datetime
    utc_offset_minutes: int | None = None


class Cell(Protocol):
    """A test cell. Every method raises ``BenchError`` when the instrument fails, or can't do what it is asked for.

    Datagrams are lost on the servers' side (``bench.backend.loss``): no instrument loses them both ways.

    ``abilities`` names what it can do, in the words that tests ask for:

    ==================  ============================================================
    cell.outage         ``off`` and ``on`` at will
    cell.level          ``set_level``, and so the coverage level
    cell.state          ``state``
    cell.detach         ``detach``
    cell.release        ``release_rrc``
    cell.bands          ``use_bands``: another band, one at a time
    cell.bands.several  ``use_bands`` with more than one
    cell.noise          ``set_noise``
    cell.timers         ``grant``
    cell.nas            ``events``
    cell.assistance     ``events`` with the release assistance of data
    ==================  ============================================================
    """

    abilities: frozenset[str]
    identity: str

    @property
    def level_dbm(self) -> float:
        """The level that is set now; asks nothing of the instrument."""

    def on(self) -> None:
        """The cell transmits when this returns."""

    def off(self) -> None: ...

    def state(self) -> CellState: ...

    def detach(self) -> None:
        """The network detaches the unit, or forgets it: a unit that is awake attaches again."""

    def release_rrc(self) -> None:
        """The network releases the RRC connection now, not only after its inactivity timer."""

    def set_level(self, level_dbm: float) -> None:
        """Downlink level: NRS energy per resource element at the unit, dBm/15 kHz."""

    def set_noise(self, snr_db: float | None) -> None:
        """Noise so much below the level; None: no more than there is by itself."""

    def use_bands(self, *bands: int) -> None:
        """Be on the air in these bands and no others; the cell goes off and on for it."""

    def grant(self, t3324_s: int | None, t3412_s: int | None) -> None:
        """The timers that units are granted from now on; None: what they ask for."""

    def events(self, since: float) -> list[RadioEvent]:
        """What the network's log tells of the time after ``since`` (bench time), oldest first."""

    def network_time(self) -> NetworkTime | None:
        """What the network has for the time; None for an instrument that does not tell."""

    def pings_lost(self, host: str) -> int | None:
        """How many of ``PINGS`` echo requests from the network to ``host``, an IP address, are not answered; None for
        an instrument that sends none."""

    def restore(self) -> None:
        """Take back what tests have changed: level, noise, bands, timers."""

    def close(self) -> None: ...


class CellDriver:
    """What the drivers share: the note of each change of state, and a ``BenchError`` for what an instrument can't do.

    A driver says in ``abilities`` what it overrides.
    """

    abilities: frozenset[str] = frozenset()
    subject = "cell"

    def __init__(self, clock: Clock, timeline: Timeline) -> None:
        self._clock = clock
        self._timeline = timeline
        self._state: CellState | None = None
        self._level_dbm = STANDARD_LEVEL_DBM

    @property
    def level_dbm(self) -> float:
        return self._level_dbm

    def state(self) -> CellState:
        raise self._cannot("cell.state")

    def detach(self) -> None:
        raise self._cannot("cell.detach")

    def release_rrc(self) -> None:
        raise self._cannot("cell.release")

    def set_noise(self, snr_db: float | None) -> None:
        raise self._cannot("cell.noise")

    def use_bands(self, *bands: int) -> None:
        raise self._cannot("cell.bands")

    def grant(self, t3324_s: int | None, t3412_s: int | None) -> None:
        raise self._cannot("cell.timers")

    def events(self, since: float) -> list[RadioEvent]:
        raise self._cannot("cell.nas")

    def network_time(self) -> NetworkTime | None:
        return None

    def pings_lost(self, host: str) -> int | None:
        return None

    def _cannot(self, ability: str) -> BenchError:
        return BenchError(self.subject, expected=ability, seen="an instrument without",
                          do=f"let the test name it with needs({ability!r}), or use another [cell] driver")

    def _check_bands(self, bands: tuple[int, ...], known: Collection[int], most: int) -> None:
        """Raises ``BenchError`` for bands that the instrument can't be in."""
        unknown = [band for band in bands if band not in known]
        if unknown or not 1 <= len(bands) <= most:
            raise BenchError(self.subject, expected=f"1 to {most} of the bands {sorted(known)}", seen=str(list(bands)),
                             do="correct the test, or the instrument's configuration")

    def _note(self, state: CellState, at: float | None = None) -> CellState:
        """Put ``state``, seen now or ``at`` that time, on the timeline if it is another than before."""
        if state is not self._state:
            self._state = state
            self._timeline.append("cell", "state", {"state": str(state)}, at=at)
        return state

    def _await_state(self, wanted: str, ask: Callable[[], str], timeout_s: float, do: str) -> None:
        """Ask the instrument until it answers ``wanted``."""
        try:
            self._clock.poll(lambda: ask() == wanted or None, timeout=timeout_s, every=_POLL_S)
        except DeadlinePassed:
            raise BenchError(self.subject, expected=f"cell state {wanted} within {timeout_s:g} s", seen=ask(),
                             do=do) from None
