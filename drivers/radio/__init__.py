"""The NB-IoT cell the unit attaches to: one small protocol. One file per instrument."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


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


class Cell(Protocol):
    """A test cell. Every method raises ``BenchError`` when the instrument fails.

    ``abilities`` names what it can do, in the words that tests ask for: "cell.outage" (off and on at will),
    "cell.detach", "cell.release", "cell.level".
    """

    abilities: frozenset[str]

    def on(self) -> None:
        """The cell transmits when this returns."""

    def off(self) -> None: ...

    def state(self) -> CellState: ...

    def detach(self) -> None:
        """The network detaches the unit."""

    def release_rrc(self) -> None:
        """The network releases the RRC connection now, not only after its inactivity timer."""

    def set_level(self, level_dbm: float) -> None:
        """Downlink level: NRS energy per resource element, dBm/15 kHz."""
