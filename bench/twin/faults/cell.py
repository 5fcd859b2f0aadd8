"""Faults of the test network: cell, attenuation, clock, the way to the servers."""

from __future__ import annotations

from datetime import datetime, timedelta

from bench.twin.faults.registry import fault
from bench.twin.lab import Lab
from bench.twin.radio.cell import Address, Cell
from bench.twin.radio.cmw500 import Cmw500

ATTACH_LATE_S = 20.0


@fault("cell-dead", instrument="cell")
def _(lab: Lab) -> None:
    """The cell's instrument takes the connection and never answers."""
    lab.cmw500.dead = True


@fault("cell-other-instrument", instrument="cell")
def _(lab: Lab) -> None:
    """Another instrument answers at the cell's address."""
    lab.cmw500.identity = "Rohde&Schwarz,SMBV100A,TWIN0001,1.0"


@fault("cell-late-answer", instrument="cell")
def _(lab: Lab) -> None:
    """The first answer of the cell comes after the time-out."""
    lab.cmw500.late_replies = 1


@fault("cell-answers-end-with-crlf", instrument="cell")
def _(lab: Lab) -> None:
    """Each answer of the cell ends with CR LF."""
    lab.cmw500.line_end = b"\r\n"


@fault("cell-answers-end-with-blanks", instrument="cell")
def _(lab: Lab) -> None:
    """Each answer of the cell has blanks before its end."""
    lab.cmw500.line_end = b"   \n"


@fault("cell-without-data-unit", instrument="cell")
def _(lab: Lab) -> None:
    """The cell has no data application unit: no datagram of the unit gets anywhere."""
    lab.cmw500.has_data_unit = False


@fault("cell-clock-a-minute-fast", instrument="cell")
def _(lab: Lab) -> None:
    """The clock of the network is a minute fast."""
    lab.cell.clock_error_s = 60.0


@fault("cell-clock-a-day-slow", instrument="cell")
def _(lab: Lab) -> None:
    """The clock of the network is a day slow."""
    lab.cell.clock_error_s = -86400.0


@fault("cell-clock-in-local-time", instrument="cell")
def _(lab: Lab) -> None:
    """The network has local time where it should have UTC."""
    lab.cell.clock_error_s = 3600.0


@fault("cell-clock-drifts", instrument="cell")
class ClockDrifts(Cell):
    """The clock of the network gains half a second a minute from the tenth minute on."""

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=max(0.0, self.clock.time() / 60 - 10) * 0.5)


@fault("cell-in-another-time-zone", instrument="cell")
def _(lab: Lab) -> None:
    """The network tells units the time zone of New York."""
    lab.cell.utc_offset_minutes = -300


@fault("cell-off-does-nothing", instrument="cell")
class OffDoesNothing(Cmw500):
    """The cell says that it is off, and goes on."""

    def transmit(self, on: bool) -> None:
        super().transmit(True)


@fault("cell-never-comes-on", instrument="cell")
def _(lab: Lab) -> None:
    """The cell is told to come on, and its signal does not appear."""
    lab.cmw500.switching_s = 1e9


@fault("cell-says-attached-20-s-late", instrument="cell")
class SaysAttachedLate(Cmw500):
    """The cell says 20 s late that a unit has attached."""

    since: float | None = None

    def state_of_unit(self) -> str:
        state = super().state_of_unit()
        now = self._clock.time()
        if state in ("off", "on"):
            self.since = None
            return state
        self.since = now if self.since is None else self.since
        return state if now - self.since >= ATTACH_LATE_S else "on"


@fault("cell-never-says-attached", instrument="cell")
class NeverSaysAttached(Cmw500):
    """The cell never says that a unit has attached."""

    def state_of_unit(self) -> str:
        return "on"


@fault("cell-shows-another-unit", instrument="cell")
class ShowsAnotherUnit(Cmw500):
    """The state that the cell shows is that of another unit, which is attached all the time."""

    def state_of_unit(self) -> str:
        return "idle"


@fault("path-loss-20-db-more", instrument="attenuator")
class Weaker(Cell):
    """A cable or step of the attenuator loses 20 dB more than the station file knows."""

    @property
    def rsrp_dbm(self) -> float:
        return super().rsrp_dbm - 20.0


@fault("path-loss-40-db-more", instrument="attenuator")
class MuchWeaker(Cell):
    """The attenuator stands at 40 dB where it was told nothing."""

    @property
    def rsrp_dbm(self) -> float:
        return super().rsrp_dbm - 40.0


@fault("path-loss-20-db-less", instrument="attenuator")
class Stronger(Cell):
    """The attenuator loses 20 dB less than the station file knows."""

    @property
    def rsrp_dbm(self) -> float:
        return super().rsrp_dbm + 20.0


@fault("servers-unreachable", instrument="network path")
class NoRoute(Cell):
    """The network leads no datagram to the servers."""

    def route(self, destination: Address, apn: str = "") -> Address | None:
        return None


@fault("path-loses-a-tenth", instrument="network path")
class LosesATenth(Cell):
    """One of ten datagrams is lost between network and servers."""

    led = 0

    def route(self, destination: Address, apn: str = "") -> Address | None:
        self.led += 1
        return super().route(destination, apn) if self.led % 10 else None


@fault("path-loses-half", instrument="network path")
class LosesHalf(Cell):
    """Each second datagram is lost between network and servers."""

    led = 0

    def route(self, destination: Address, apn: str = "") -> Address | None:
        self.led += 1
        return super().route(destination, apn) if self.led % 2 else None
