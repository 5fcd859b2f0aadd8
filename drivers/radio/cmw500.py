"""Rohde & Schwarz CMW500 with NB-IoT signalling (options KM300/KS300).

Sources: CMW-KM300/-KS300 user manual, programming examples "Setting Up a Connection" and "Configuring General
Connection Settings". DISConnect and DETach in the NB-IoT tree are taken from the LTE tree: check on the instrument.
"""

from __future__ import annotations

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.radio import CellState
from drivers.visa import VisaInstrument

_SWITCHING_TIMEOUT_S = 60.0
_POLL_S = 0.5


class Cmw500Cell:
    """One NB-IoT cell of a CMW500.

    ::

        [cell]
        driver = "cmw500"
        address = "TCPIP0::192.0.2.7::5025::SOCKET"
        band = 20
        channel = 6300

    The instrument sees no difference between a unit in power saving mode and an idle one: both are
    ``CellState.IDLE``. It grants the unit the PSM timers that it asks for, and the eDRX values of the module's
    default (window 5.12 s, cycle 40.96 s).
    """

    abilities = frozenset({"cell.outage", "cell.detach", "cell.release", "cell.level"})

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, band: int = 20, channel: int = 6300,
                 level_dbm: float = -85.0, timeout_s: float = 10.0) -> None:
        self._clock = clock
        self._timeline = timeline
        self._band, self._channel, self._level_dbm = band, channel, level_dbm
        self._visa = VisaInstrument(address, subject="cell", timeout_s=timeout_s)
        self.identity = self._visa.identity
        self._state: CellState | None = None
        if "CMW" not in self.identity:
            self._visa.close()
            raise BenchError(self._visa.subject, expected="a Rohde & Schwarz CMW500", seen=repr(self.identity[:120]),
                             do="correct driver or address in the station file")

    def on(self) -> None:
        """Configure the cell (only possible while it is off), switch it on and wait for its signal."""
        if not self._visa.query("SOUR:NIOT:SIGN:CELL:STAT:ALL?").startswith("ON"):
            self._visa.configure(
                f"CONF:NIOT:SIGN:BAND OB{self._band}", f"CONF:NIOT:SIGN:RFS:CHAN:DL {self._channel}",
                f"CONF:NIOT:SIGN:DL:NRS:LEV {self._level_dbm:g}",
                "CONF:NIOT:SIGN:CONN:RRC:KEEP OFF", "CONF:NIOT:SIGN:CONN:PSM ON",
                "CONF:NIOT:SIGN:CELL:TOUT:T3324 OFF", "CONF:NIOT:SIGN:CELL:TOUT:T3412 OFF",
                "CONF:NIOT:SIGN:CELL:TOUT:TEXT OFF",
                "CONF:NIOT:SIGN:CONN:EDRX:IMOD:PTW W5K12", "CONF:NIOT:SIGN:CONN:EDRX:IMOD:CLEN L4K",
                "CONF:NIOT:SIGN:CONN:EDRX:IMOD:ENAB ON", "SOUR:NIOT:SIGN:CELL:STAT ON")
        self._await("ON,ADJ")

    def off(self) -> None:
        self._visa.configure("SOUR:NIOT:SIGN:CELL:STAT OFF")
        self._await("OFF,ADJ")

    def state(self) -> CellState:
        packet_switched = self._visa.query("FETC:NIOT:SIGN:PSW:STAT?")
        connected = self._visa.query("SENS:NIOT:SIGN:RRCS?") == "CONN"
        match packet_switched:
            case "OFF":
                state = CellState.OFF
            case "ON" | "SIGN":          # signalling before the unit is attached
                state = CellState.ON
            case "CEST" | "CONN" | "DISC":
                state = CellState.CONNECTED
            case "ATT":
                state = CellState.CONNECTED if connected else CellState.IDLE
            case _:
                raise BenchError(self._visa.subject, expected="a known packet-switched state",
                                 seen=repr(packet_switched[:40]), do="check the firmware against the driver")
        if state is not self._state:
            self._state = state
            self._timeline.append("cell", "state", {"state": str(state)})
        return state

    def detach(self) -> None:
        self._visa.configure("CALL:NIOT:SIGN:PSW:ACT DET")
        self.state()

    def release_rrc(self) -> None:
        self._visa.configure("CALL:NIOT:SIGN:PSW:ACT DISC")
        self.state()

    def set_level(self, level_dbm: float) -> None:
        self._visa.configure(f"CONF:NIOT:SIGN:DL:NRS:LEV {level_dbm:g}")
        self._level_dbm = level_dbm

    def close(self) -> None:
        self._visa.close()

    def _await(self, wanted: str) -> None:
        try:
            self._clock.poll(lambda: self._visa.query("SOUR:NIOT:SIGN:CELL:STAT:ALL?") == wanted or None,
                             timeout=_SWITCHING_TIMEOUT_S, every=_POLL_S)
        except DeadlinePassed:
            seen = self._visa.query("SOUR:NIOT:SIGN:CELL:STAT:ALL?")
            raise BenchError(self._visa.subject, expected=f"cell state {wanted} within {_SWITCHING_TIMEOUT_S:g} s",
                             seen=seen, do="check the instrument's licence and signal paths") from None
        self.state()
