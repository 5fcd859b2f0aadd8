"""Rohde & Schwarz CMW500 with NB-IoT signalling (options KM300/KS300).

Source: the maker's help on NB-IoT signalling, firmware V3.7.30; pages in ``docs/instruments/rohde-schwarz-cmw500.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers import Timeout
from drivers.assumption import Assumption
from drivers.radio import PINGS, STANDARD_LEVEL_DBM, Band, CellDriver, CellState, Level, NetworkTime
from drivers.radio.cmw500_tester import Cmw500Tester
from drivers.radio.sim import SimKeys
from drivers.radio.tester import RfPath
from drivers.visa import VisaInstrument

_SWITCHING_TIMEOUT_S = 60.0
_SLOWEST_ANSWER_S = 40.0
"""Switching the cell and releasing a connection may keep the instrument busy for 30 s (the maker's driver for LTE)."""
_RELEASE_TIMEOUT_S = 30.0
PING_S = 0.2
"""Between two echo requests; the shortest that there is."""
_POLL_S = 0.5

CHANNELS = {3: 1575, 8: 3625, 20: 6300}
"""The downlink channel (EARFCN) in the middle of each band that the module is certified for (3GPP TS 36.101)."""

INACTIVITY_S = 10
"""After so long without traffic the connection is released, as in public networks."""

_IN_USE = (
    "CONF:NIOT:SIGN:CONN:CTYP DAPP", "CONF:NIOT:SIGN:CONN:DAPP:CIOT CPL", "CONF:NIOT:SIGN:CONN:DAPP:IPV IPV4",
    "CONF:NIOT:SIGN:CONN:RRC:KEEP OFF", f"CONF:NIOT:SIGN:CONN:RRC:TIM {INACTIVITY_S}", "CONF:NIOT:SIGN:CONN:PSM ON",
    "CONF:NIOT:SIGN:CONN:EDRX:IMOD:PTW W5K12", "CONF:NIOT:SIGN:CONN:EDRX:IMOD:CLEN L4K",
    "CONF:NIOT:SIGN:CONN:EDRX:IMOD:ENAB ON")
_MEASURING = (
    "CONF:NIOT:SIGN:CONN:CTYP TEST", "CONF:NIOT:SIGN:CONN:TMOD ON", "CONF:NIOT:SIGN:CONN:RRC:KEEP ON",
    "CONF:NIOT:SIGN:CONN:PSM OFF", "CONF:NIOT:SIGN:CONN:EDRX:IMOD:ENAB OFF")
"""A unit that is measured sleeps never and sends what the tester tells it."""

USUAL_PMAX_DBM = 24
"""What the instrument allows units as it is delivered."""

MODULE_T3412_S = 252000
"""What the module asks for as it is delivered. The instrument can't grant what is asked for, only what it is told."""

_T3324_STEPS = (range(2, 63, 2), range(120, 1861, 60), range(2160, 11161, 360))
_T3412_STEPS = _T3324_STEPS
_T3412_EXTENDED_STEPS = (range(2, 63, 2), range(90, 931, 30), range(960, 1861, 60), range(2400, 18601, 600),
                         range(21600, 111601, 3600), range(144000, 1116001, 36000), range(1152000, 35712001, 1152000))
"""In seconds."""

_SHORT = {"ATTACHED": "ATT", "CESTABLISHED": "CEST", "DISCONNECT": "DISC", "CONNECTING": "CONN", "CONNECTED": "CONN",
          "SIGNALING": "SIGN", "SMESSAGE": "SMES", "RMESSAGE": "RMES", "PENDING": "PEND", "ADJUSTED": "ADJ"}
"""Answers that a firmware may spell out."""


Plmn = Annotated[str, Field(pattern=r"^[0-9]{5,6}$")]
SignalPath = Annotated[str, Field(pattern=r"^[A-Z0-9]+(,[A-Z0-9]+){4}$")]


class Cmw500Cell(CellDriver):
    """One NB-IoT cell of a CMW500, with a data application unit (DAU) for the unit's way to the servers.

    ::

        [cell]
        driver = "cmw500"
        address = "TCPIP0::192.0.2.7::hislip0::INSTR"
        band = 20
        plmn = "00101"
        sim = "sim.toml"
        signal_path = "SUA1,RF1C,RX1,RF1C,TX1"

    ``plmn`` is the network's code, MCC and MNC. ``sim`` names a file with the keys of the unit's SIM; without it the
    instrument keeps those that it has. ``signal_path`` is signalling unit, receiving connector and module, sending
    connector and module; without it the path stays as it is set. The DAU's own IP addresses belong to the lab's network
    and are set at the instrument.

    The instrument sees no difference between a unit in power saving mode and an idle one: both are
    ``CellState.IDLE``. Unless ``grant`` says otherwise it grants T3324 as the unit asks for it, a T3412 of
    ``MODULE_T3412_S``, and the eDRX values of the module's default (window 5.12 s, cycle 40.96 s). What the unit asks
    for it does not tell. It has one unit at a time, so slots can't share it, and it weakens the downlink only.

    With ``path`` (``drivers/radio/tester.py``), the way to the unit, levels are those at the unit, and ``tester``
    measures its transmitter and its receiver. That takes the options KM300 and KS300.

    NB-IoT has no command to detach a unit (LTE has). ``detach`` switches the cell off and on with another tracking area
    code: a unit that is awake updates its tracking area, is not known any more, and attaches.
    """

    kind = "cell"
    abilities = frozenset({"cell.outage", "cell.state", "cell.detach", "cell.release", "cell.level", "cell.noise",
                           "cell.bands", "cell.timers"})
    assumptions = (
        Assumption("model", "the model in the identity begins with CMW", r"\*IDN\?", r"Rohde ?& ?Schwarz, ?CMW.*"),
        Assumption("one unit", "a signalling application has one unit at a time"),
        Assumption("steps", "a value between two steps is refused, not rounded"),
        Assumption("lowest channel", "a change of the band sets its lowest channel"),
        Assumption("clock", "units are told the instrument's own time and zone, whose hours and minutes have one sign"),
        Assumption("options", "the list of options names KM300 and KS300 as such"),
        Assumption("calibration", "the day of the last calibration begins with the year", r"CAL:BASE:LAT\?",
                   r'"?\d{4}\D\d{1,2}\D\d{1,2}.*'),
        Assumption("event log", "what an empty event log answers, and its texts but 'RRC Connection Established'"))

    @staticmethod
    def abilities_with(options: Mapping[str, Any]) -> frozenset[str]:
        return Cmw500Cell.abilities | ({"cell.measures"} if options.get("path") is not None else set())

    def __init__(self, address: str, *, clock: Clock, timeline: Timeline, band: Band = 20,
                 level_dbm: Level = STANDARD_LEVEL_DBM, plmn: Plmn = "00101",
                 sim: Annotated[Path, Field(strict=False)] | None = None, signal_path: SignalPath | None = None,
                 path: RfPath | None = None, shared: bool = False, timeout_s: Timeout = 10.0) -> None:
        super().__init__(clock, timeline)
        self._check_bands((band,), CHANNELS, 1)
        if shared:
            raise BenchError(f"cell at {address}, key cell.shared", expected="a CMW500 for one slot",
                             seen="one that slots share",
                             do="give each slot a CMW500 of its own: it has one unit at a time")
        self._first_band: int = band
        self._band: int = band
        self._first_level_dbm = self._level_dbm = level_dbm
        self._plmn, self._signal_path = plmn, signal_path
        self._sim = None if sim is None else SimKeys.load(sim)
        self._snr_db: float | None = None
        self._timers: tuple[int | None, int | None] = (None, None)
        self._tracking_area = 1
        self._path = path
        self._measures = False
        self._tester: Cmw500Tester | None = None
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
            self._configure()
            self._slowly("SOUR:NIOT:SIGN:CELL:STAT ON")
        self._await("ON,ADJ")

    def off(self) -> None:
        self._slowly("SOUR:NIOT:SIGN:CELL:STAT OFF")
        self._await("OFF,ADJ")

    def state(self) -> CellState:
        packet_switched = self._packet_switched()
        connected = self._word("SENS:NIOT:SIGN:RRCS?") == "CONN"
        match packet_switched:
            case "OFF":
                return self._note(CellState.OFF)
            case "ON" | "SIGN":          # signalling before the unit is attached
                return self._note(CellState.ON)
            case "CEST" | "CONN" | "DISC" | "SMES" | "RMES":    # the last two: a short message is on its way
                return self._note(CellState.CONNECTED)
            case "ATT":
                return self._note(CellState.CONNECTED if connected else CellState.IDLE)
        raise BenchError(self.subject, expected="a known packet-switched state", seen=repr(packet_switched[:40]),
                         do="check the firmware against the driver")

    def detach(self) -> None:
        self._need("an attached unit", "ATT", "CEST")
        self.off()
        self._tracking_area = 3 - self._tracking_area    # 1, 2, 1, ...
        self.on()

    def release_rrc(self) -> None:
        self._need("a unit with an RRC connection", "CEST")
        self._slowly("CALL:NIOT:SIGN:PSW:ACT DISC")
        try:
            self._clock.poll(lambda: self._packet_switched() not in ("CEST", "DISC") or None,
                             timeout=_RELEASE_TIMEOUT_S, every=_POLL_S)
        except DeadlinePassed:
            raise BenchError(self.subject, expected=f"the RRC connection to end within {_RELEASE_TIMEOUT_S:g} s",
                             seen=self._last_event(), do="try again without traffic of the unit") from None
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
        """T3324 None is what the unit asks for; T3412 None is ``MODULE_T3412_S``. Other values must be ones that the
        information elements can hold."""
        t3324 = "OFF" if t3324_s is None else self._step("T3324", t3324_s, _T3324_STEPS)
        wanted_s = MODULE_T3412_S if t3412_s is None else t3412_s
        is_plain = any(wanted_s in steps for steps in _T3412_STEPS)
        periodic = str(wanted_s) if is_plain else self._step("T3412", wanted_s, _T3412_EXTENDED_STEPS)
        self._visa.configure(f"CONF:NIOT:SIGN:CELL:TOUT:T3324 {t3324}",
                             f"CONF:NIOT:SIGN:CELL:TOUT:T3412 {periodic if is_plain else 'OFF'}",
                             f"CONF:NIOT:SIGN:CELL:TOUT:TEXT {'OFF' if is_plain else periodic}")
        self._timers = (t3324_s, t3412_s)

    def network_time(self) -> NetworkTime:
        """That of the instrument, which it tells units unless somebody has given it another to tell."""
        while True:
            date = self._numbers("SYST:DATE:UTC?", 3)
            time_of_day = self._numbers("SYST:TIME:UTC?", 3)
            if self._numbers("SYST:DATE:UTC?", 3) == date:    # it was not midnight in between
                break
        hours, minutes = self._numbers("SYST:TZON?", 2)
        try:
            (year, month, day), (hour, minute, second) = date, time_of_day
            utc = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            raise BenchError(self.subject, expected="a date and a time of day", seen=f"{date} {time_of_day}",
                             do="check the firmware against the driver") from None
        return NetworkTime(utc, hours * 60 + (minutes if hours >= 0 else -abs(minutes)))

    def pings_lost(self, host: str) -> int:
        self._need_data_unit()
        self._visa.configure(f'CONF:DATA:MEAS:PING:DIP "{host}"', f"CONF:DATA:MEAS:PING:PCO {PINGS}",
                             f"CONF:DATA:MEAS:PING:INT {PING_S:g}")
        self._slowly("INIT:DATA:MEAS:PING")
        self._await_state("RDY", lambda: self._word("FETC:DATA:MEAS:PING:STAT?"), PINGS * 2.0,
                          "check the data application unit")
        return self._numbers("FETC:DATA:MEAS:PING:NRC?", 1)[0]

    # -- measuring --------------------------------------------------------------------------------------------------

    @property
    def tester(self) -> Cmw500Tester:
        """What it measures of the unit. Raises ``BenchError`` where the way to the unit is not known, or an option is
        not installed."""
        if self._path is None:
            raise self._cannot("cell.measures")
        if self._tester is None:
            self._tester = Cmw500Tester(self._visa, self._clock, self._path, begin=self._begin_measuring,
                                        end=self._end_measuring, is_connected=self._is_connected,
                                        set_level=self.set_level)
        return self._tester

    def _begin_measuring(self, band: int) -> None:
        self._check_bands((band,), CHANNELS, 1)
        self.off()
        self._band, self._measures = band, True
        self.on()

    def _end_measuring(self) -> None:
        if self._measures:
            self.off()
            self._measures, self._band = False, self._first_band
            self._level_dbm = self._first_level_dbm
            self._visa.configure(f"CONF:NIOT:SIGN:UL:PMAX {USUAL_PMAX_DBM}", "CONF:NIOT:SIGN:UL:NPUS:ULNP 23")
            self.on()

    def _is_connected(self) -> bool:
        return self._packet_switched() == "CEST" and self._word("SENS:NIOT:SIGN:RRCS?") == "CONN"

    def restore(self) -> None:
        self._end_measuring()
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

    # -- inside -----------------------------------------------------------------------------------------------------

    def _configure(self) -> None:
        if self._signal_path is not None:
            self._visa.configure(f"ROUT:NIOT:SIGN:SCEN:SCEL {self._signal_path}")
        if not self._measures:
            self._need_data_unit()
        if self._path is not None:
            self._visa.configure(f"CONF:NIOT:SIGN:RFS:EATT:INP {self._loss('uplink', self._path.uplink_db):g}",
                                 f"CONF:NIOT:SIGN:RFS:EATT:OUTP {self._loss('downlink', self._path.downlink_db):g}")
        self._visa.configure(
            f"CONF:NIOT:SIGN:BAND OB{self._band}", f"CONF:NIOT:SIGN:RFS:CHAN:DL {CHANNELS[self._band]}",
            f"CONF:NIOT:SIGN:CELL:MCC {self._plmn[:3]}",
            f"CONF:NIOT:SIGN:CELL:MNC:DIG {'TWO' if len(self._plmn) == 5 else 'THR'}",
            f"CONF:NIOT:SIGN:CELL:MNC {self._plmn[3:]}", f"CONF:NIOT:SIGN:CELL:TAC {self._tracking_area}",
            *(_MEASURING if self._measures else _IN_USE))
        if self._sim is not None:
            self._tell_keys(self._sim)
        self.set_level(self._level_dbm)
        self.grant(*self._timers)

    def _loss(self, way: str, by_band: Mapping[str, float]) -> float:
        if str(self._band) not in by_band:
            raise BenchError(f"station file, cell.path.{way}_db", expected=f"what the way loses in band {self._band}",
                             seen=f"bands {', '.join(by_band) or 'none'}", do="measure it, and add it")
        return by_band[str(self._band)]

    def _tell_keys(self, sim: SimKeys) -> None:
        """The errors of this exchange show no key."""
        try:
            self._visa.configure("CONF:NIOT:SIGN:CELL:SEC:AUTH ON", f"CONF:NIOT:SIGN:CELL:SEC:SKEY #H{sim.key}",
                                 *([f"CONF:NIOT:SIGN:CELL:SEC:OPC #H{sim.opc}"] if sim.opc is not None else []),
                                 f"CONF:NIOT:SIGN:CELL:SEC:MIL {'OFF' if sim.opc is None else 'ON'}")
        except BenchError as error:
            raise BenchError(self.subject, expected="to take the keys of the SIM", seen=sim.hide(error.seen),
                             do="check the connection, and the firmware against the driver") from None

    def _need_data_unit(self) -> None:
        """Without it no datagram of the unit gets anywhere."""
        seen = self._word("SOUR:DATA:CONT:STAT?")
        if seen != "ON":
            raise BenchError(self.subject, expected="a data application unit that is on", seen=repr(seen[:40]),
                             do="switch the DAU on at the instrument and give it time to boot")

    def _need(self, expected: str, *states: str) -> None:
        seen = self._packet_switched()
        if seen not in states:
            raise BenchError(self.subject, expected=expected, seen=f"packet-switched state {seen[:40]}",
                             do="wait until the unit is there")

    def _step(self, name: str, seconds: int, steps: tuple[range, ...]) -> str:
        if not any(seconds in one for one in steps):
            near = min((value for one in steps for value in one), key=lambda value: abs(value - seconds))
            raise BenchError(self.subject, expected=f"a {name} that its information element can hold",
                             seen=f"{seconds} s", do=f"correct the test: {near} s is the next one")
        return str(seconds)

    def _packet_switched(self) -> str:
        return self._word("FETC:NIOT:SIGN:PSW:STAT?")

    def _word(self, query: str) -> str:
        """The answer's short form."""
        return ",".join(_SHORT.get(word, word)
                        for word in self._visa.query(query).strip('" ').upper().replace(" ", "").split(","))

    def _numbers(self, query: str, count: int) -> list[int]:
        answer = self._visa.query(query)
        try:
            numbers = [int(one) for one in answer.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) != count:
            raise BenchError(self.subject, expected=f"{count} whole numbers in answer to {query}",
                             seen=repr(answer[:40]), do="check the firmware against the driver")
        return numbers

    def _switched(self) -> str:
        return self._word("SOUR:NIOT:SIGN:CELL:STAT:ALL?")

    def _slowly(self, command: str) -> None:
        """Send a command that keeps the instrument busy, and make sure that it took it."""
        self._visa.write(command)
        self._visa.query("*OPC?", timeout_s=_SLOWEST_ANSWER_S)
        self._visa.check_errors()

    def _last_event(self) -> str:
        return f"in its event log {self._visa.query('SENS:NIOT:SIGN:ELOG:LAST?')[:120]}"

    def _await(self, wanted: str) -> None:
        self._await_state(wanted, self._switched, _SWITCHING_TIMEOUT_S,
                          "check the instrument's licence and signal paths, and its event log")
        self.state()
