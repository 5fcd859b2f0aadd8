"""Rohde & Schwarz CMW500 with NB-IoT signalling (options KM300/KS300).

Sources: CMW-KM300/-KS300 user manual, programming examples "Setting Up a Connection" and "Configuring General
Connection Settings". DISConnect and DETach in the NB-IoT tree are taken from the LTE tree: check on the instrument.
"""

from __future__ import annotations

from bench.clock import Clock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.radio import STANDARD_LEVEL_DBM, CellDriver, CellState
from drivers.visa import VisaInstrument

_SWITCHING_TIMEOUT_S = 60.0

CHANNELS = {3: 1575, 8: 3500, 20: 6300}
"""A downlink channel (EARFCN) in the middle of each band that the module is certified for."""

_LONGEST_T3412_S = 11160
"""What the plain T3412 takes; longer ones are extended."""


class Cmw500Cell(CellDriver):
    """One NB-IoT cell of a CMW500.

    ::

        [cell]
        driver = "cmw500"
        address = "TCPIP0::192.0.2.7::5025::SOCKET"
        band = 20

    The instrument sees no difference between a unit in power saving mode and an idle one: both are
    ``CellState.IDLE``. It grants the unit the PSM timers that it asks for unless ``grant`` says otherwise, and the
    eDRX values of the module's default (window 5.12 s, cycle 40.96 s). What the unit asks for it does not tell.
    """

    abilities = frozenset({"cell.outage", "cell.state", "cell.detach", "cell.release", "cell.level", "cell.noise",
                           "cell.bands", "cell.timers"})

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, band: int = 20,
                 level_dbm: float = STANDARD_LEVEL_DBM, timeout_s: float = 10.0) -> None:
        super().__init__(clock, timeline)
        self._check_bands((band,), CHANNELS, 1)
        self._first_band = self._band = band
        self._first_level_dbm = self._level_dbm = level_dbm
        self._snr_db: float | None = None
        self._timers: tuple[int | None, int | None] = (None, None)
        self._visa = VisaInstrument(address, subject="cell", timeout_s=timeout_s)
        self.subject = self._visa.subject
        self.identity = self._visa.identity
        if "CMW" not in self.identity:
            self._visa.close()
            raise BenchError(self._visa.subject, expected="a Rohde & Schwarz CMW500", seen=repr(self.identity[:120]),
                             do="correct driver or address in the station file")

    def on(self) -> None:
        """Configure the cell (only possible while it is off), switch it on and wait for its signal."""
        if not self._switched().startswith("ON"):
            self._visa.configure(
                f"CONF:NIOT:SIGN:BAND OB{self._band}", f"CONF:NIOT:SIGN:RFS:CHAN:DL {CHANNELS[self._band]}",
                "CONF:NIOT:SIGN:CONN:RRC:KEEP OFF", "CONF:NIOT:SIGN:CONN:PSM ON",
                "CONF:NIOT:SIGN:CONN:EDRX:IMOD:PTW W5K12", "CONF:NIOT:SIGN:CONN:EDRX:IMOD:CLEN L4K",
                "CONF:NIOT:SIGN:CONN:EDRX:IMOD:ENAB ON")
            self.set_level(self._level_dbm)
            self.grant(*self._timers)
            self._visa.configure("SOUR:NIOT:SIGN:CELL:STAT ON")
        self._await("ON,ADJ")

    def off(self) -> None:
        self._visa.configure("SOUR:NIOT:SIGN:CELL:STAT OFF")
        self._await("OFF,ADJ")

    def state(self) -> CellState:
        packet_switched = self._visa.query("FETC:NIOT:SIGN:PSW:STAT?")
        connected = self._visa.query("SENS:NIOT:SIGN:RRCS?") == "CONN"
        match packet_switched:
            case "OFF":
                return self._note(CellState.OFF)
            case "ON" | "SIGN":          # signalling before the unit is attached
                return self._note(CellState.ON)
            case "CEST" | "CONN" | "DISC":
                return self._note(CellState.CONNECTED)
            case "ATT":
                return self._note(CellState.CONNECTED if connected else CellState.IDLE)
        raise BenchError(self.subject, expected="a known packet-switched state", seen=repr(packet_switched[:40]),
                         do="check the firmware against the driver")

    def detach(self) -> None:
        self._visa.configure("CALL:NIOT:SIGN:PSW:ACT DET")
        self.state()

    def release_rrc(self) -> None:
        self._visa.configure("CALL:NIOT:SIGN:PSW:ACT DISC")
        self.state()

    def set_level(self, level_dbm: float) -> None:
        self._visa.configure(f"CONF:NIOT:SIGN:DL:NRS:LEV {level_dbm:g}")
        self._level_dbm = level_dbm
        if self._snr_db is not None:
            self.set_noise(self._snr_db)

    def set_noise(self, snr_db: float | None) -> None:
        self._visa.configure("CONF:NIOT:SIGN:DL:AWGN OFF" if snr_db is None
                             else f"CONF:NIOT:SIGN:DL:AWGN {self._level_dbm - snr_db:g}")
        self._snr_db = snr_db

    def use_bands(self, *bands: int) -> None:
        self._check_bands(bands, CHANNELS, 1)
        self.off()
        self._band = bands[0]
        self.on()

    def grant(self, t3324_s: int | None, t3412_s: int | None) -> None:
        extended = t3412_s if t3412_s is not None and t3412_s > _LONGEST_T3412_S else None
        plain = t3412_s if extended is None else None
        self._visa.configure(*(f"CONF:NIOT:SIGN:CELL:TOUT:{name} {'OFF' if seconds is None else seconds}"
                               for name, seconds in (("T3324", t3324_s), ("T3412", plain), ("TEXT", extended))))
        self._timers = (t3324_s, t3412_s)

    def restore(self) -> None:
        if self._snr_db is not None:
            self.set_noise(None)
        if self._timers != (None, None):
            self.grant(None, None)
        if self._level_dbm != self._first_level_dbm:
            self.set_level(self._first_level_dbm)
        if self._band != self._first_band:
            self.use_bands(self._first_band)

    def close(self) -> None:
        self._visa.close()

    def _switched(self) -> str:
        return self._visa.query("SOUR:NIOT:SIGN:CELL:STAT:ALL?")

    def _await(self, wanted: str) -> None:
        self._await_state(wanted, self._switched, _SWITCHING_TIMEOUT_S,
                          "check the instrument's licence and signal paths")
        self.state()
