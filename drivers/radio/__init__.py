"""The NB-IoT cell the unit attaches to: one small protocol. One file per instrument."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline

_POLL_S = 0.5

STANDARD_LEVEL_DBM = -85.0
"""Good coverage, level 0."""


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
    """Only those that carry release assistance."""
    RRC_REQUEST = "rrc connection request"
    RRC_RELEASE = "rrc connection release"


@dataclass(frozen=True, slots=True)
class RadioEvent:
    """One message between unit and network; ``time`` is bench time (s). None: the element is not in the message.

    Timers in seconds; ``edrx`` is the octet of the extended DRX parameters; ``release_assistance`` the indication.
    """

    time: float
    event: NetworkEvent
    t3324_s: int | None = None
    t3412_s: int | None = None
    edrx: int | None = None
    cause: int | None = None
    release_assistance: int | None = None


class Cell(Protocol):
    """A test cell. Every method raises ``BenchError`` when the instrument fails, or can't do what it is asked for.

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
    cell.loss           ``set_loss``
    ==================  ============================================================
    """

    abilities: frozenset[str]
    identity: str

    def on(self) -> None:
        """The cell transmits when this returns."""

    def off(self) -> None: ...

    def state(self) -> CellState: ...

    def detach(self) -> None:
        """The network detaches the unit."""

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

    def set_loss(self, percent: int) -> None:
        """Lose so many of the datagrams, each way."""

    def restore(self) -> None:
        """Take back what tests have changed: level, noise, bands, timers, loss."""

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

    def set_loss(self, percent: int) -> None:
        raise self._cannot("cell.loss")

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
