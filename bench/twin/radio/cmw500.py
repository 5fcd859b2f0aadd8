"""A Rohde & Schwarz CMW500 with NB-IoT signalling: its SCPI tree in front of the twin's radio.

Source of each line: the page of the maker's help on NB-IoT signalling, firmware V3.7.30, by the first eight digits of
its name. From memory: with what a value outside its steps or its list is answered, the texts of the event log but for
"RRC Connection Established", and what an empty one is.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from bench.clock import Clock
from bench.twin.radio.cell import THERMAL_NOISE_DBM
from bench.twin.radio.cmw500_measurements import AREAS, BASE, Air, Measurements
from bench.twin.radio.nas import AirMessage
from bench.twin.scpi import (
    Boolean,
    Choice,
    Command,
    Number,
    Parameters,
    ScpiError,
    Setting,
    command,
    read_choice,
)
from bench.twin.scpi.declare import Writer
from bench.twin.scpi.syntax import read_number

_SIGN = "NIOT:SIGNaling<i>"
_CONFIGURE = f"CONFigure:{_SIGN}"
_SECURITY = f"{_CONFIGURE}:CELL:SECurity"
_EDRX = f"{_CONFIGURE}:CONNection:EDRX:IMODe"
_UPLINK_OFFSET = 18000
"""Between a downlink channel number and its uplink's (3GPP TS 36.101, FDD bands below 65)."""

SWITCHING_S = 2.0
"""How long the cell's signal takes to appear."""
WIRED_TO = "RF1C"
"""The connector that the unit is at, both ways."""

_BANDS = (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 30, 31, 65, 66, 68)
_CHANNELS = {1: (0, 599), 3: (1200, 1949), 8: (3450, 3799), 20: (6150, 6449), 28: (9210, 9659)}
"""The downlink channel numbers of a band (3GPP TS 36.101, table 5.7.3-1), as far as the bench has to do with it."""

T3324_STEPS = ((2, 62, 2), (120, 1860, 60), (2160, 11160, 360))
T3412_STEPS = T3324_STEPS
T3412_EXTENDED_STEPS = ((2, 62, 2), (90, 930, 30), (960, 1860, 60), (2400, 18600, 600), (21600, 111600, 3600),
                        (144000, 1116000, 36000), (1152000, 35712000, 1152000))
"""(first, last, step) in seconds."""

_WINDOWS = ("W2K56", "W5K12", "W7K68", "W10K", "W12K", "W15K", "W17K", "W20K", "W23K", "W25K", "W28K", "W30K", "W33K",
            "W35K", "W38K", "W40K")
_CYCLES = {"L2K": 2, "L4K": 3, "L8K": 5, "L16K": 9, "L32K": 10, "L65K": 11, "L0M1": 12, "L0M2": 13, "L0M5": 14,
           "L1M": 15}
"""The upper half of the octet of the extended DRX parameters is the place in the first list, the lower half is here."""

DEFAULT_KEY = "000102030405060708090A0B0C0D0E0F"
_SHORTENED_KEY = re.compile(r"#H([0-9A-F]{1,32})", re.IGNORECASE)
_PATH = re.compile(r"SU[A-Z]?\d{1,2},RF\d[A-Z],RX\d{1,2},RF\d[A-Z],TX\d{1,2}")

_EVENTS = {"RRC connection request": "RRC Connection Established", "RRC connection release": "RRC Connection Released"}


DAU = "rscmwdau 3.7.51.26"
_PING = "DATA:MEASurement<i>:PING"


def _page(name: str) -> str:
    return f"R&S CMW help, NB-IoT signaling, page {name}"


class RadioModel(Air, Protocol):
    """What the instrument needs of the radio between cell and unit."""

    power: bool
    """Whether the cell transmits."""
    level_dbm: float
    """NRS energy per resource element, dBm/15 kHz."""
    noise_dbm: float
    """Of the same unit."""
    band: int
    mcc: int
    mnc: int
    user_plane: bool
    """Whether a unit's datagrams get anywhere."""
    network_key: tuple[str, str | None] | None
    """The key that the network shares with a SIM, and OPc; None: it doesn't ask for a proof."""
    inactivity_s: float
    psm_allowed: bool
    edrx_allowed: bool
    edrx_grant: int | None
    t3324_grant_s: int | None
    """What the network grants; ``None``: what the unit asks for. The same for the next, where 0 is no such timer."""
    t3412_grant_s: int | None

    utc_offset_minutes: int
    """The zone that the network tells units."""

    def utc(self) -> datetime:
        """The network's clock, aware."""

    def answers_ping(self, host: str) -> bool:
        """Whether an echo request to ``host`` comes back."""

    @property
    def log(self) -> Iterable[AirMessage]: ...

    @property
    def state(self) -> str:
        """off, on, attached, connected, idle, or psm."""

    def release(self) -> None:
        """The network releases the RRC connection."""


class _Switched(Setting):
    """A number that OFF and ON switch without a change of it; setting one switches it on. In Python: (on, number).

    Without ``steps`` any number from ``low`` to ``high``.
    """

    def __init__(self, pattern: str, number: float, *, low: float, high: float, unit: str, source: str,
                 steps: tuple[tuple[int, int, int], ...] = ()) -> None:
        super().__init__(pattern, (False, number), source=source, changed="_apply")
        self._low, self._high, self._unit, self._steps = low, high, unit, steps

    def shape(self) -> str:
        steps = ", ".join(f"{first} to {last} by {step}" for first, last, step in self._steps)
        return f"{steps or f'{self._low:g} to {self._high:g}'} {self._unit}, OFF or ON"

    def on_set(self, instrument: Writer, parameters: Parameters) -> None:
        parameters.expect(1)
        text = parameters.values[0].upper()
        _, number = self.__get__(instrument, type(instrument))
        self.__set__(instrument, (text == "ON", number) if text in ("ON", "OFF") else (True, self._number(text)))

    def _number(self, text: str) -> float:
        number = read_number(text, self._unit)
        if not self._low <= number <= self._high or (self._steps and not any(
                first <= number <= last and (number - first) % step == 0 for first, last, step in self._steps)):
            raise ScpiError(-222)
        return number

    def on_query(self, instrument: Writer, parameters: Parameters) -> str:
        parameters.expect(0)
        on, number = self.__get__(instrument, type(instrument))
        return "OFF" if not on else str(round(number)) if self._steps else instrument.number(number)


class _Key(Setting):
    """128 bits in hexadecimal digits."""

    def shape(self) -> str:
        return "#H and 1 to 32 hexadecimal digits"

    def read(self, text: str) -> str:
        match = _SHORTENED_KEY.fullmatch(text)
        if match is None:
            raise ScpiError(-104)
        return match[1].upper().zfill(32)

    def write(self, instrument: Writer, value: str) -> str:
        return f"#H{value}"


class Cmw500(Measurements):
    """The instrument. ``switching_s`` is how long the cell takes to come on; ``has_data_unit``: a data application unit
    is in it."""

    error_format = '{code},"{text}"'
    number_format = ".6E"
    instances = frozenset(range(1, AREAS + 1))
    boolean_words = ("OFF", "ON")

    band = Choice(f"{_CONFIGURE}:BAND", [f"OB{band}" for band in _BANDS], changed="_band_changed",
                  source=_page("2a4bed69"))
    level_dbm = Number(f"{_CONFIGURE}:DL:NRSepre:LEVel", -85.0, low=-150.0, high=-30.0, unit="DBM", changed="_apply",
                       source=_page("ce96eef2") + " (the range depends on path and options: a wide one)")
    noise = _Switched(f"{_CONFIGURE}:DL:AWGN", -98.0, low=-150.0, high=-30.0, unit="DBM",
                      source=_page("ec3d8717") + " (the range depends on much: a wide one)")
    mcc = Number(f"{_CONFIGURE}:CELL:MCC", 1, low=0, high=999, whole=True, changed="_apply", source=_page("cbe0ffe1"))
    mnc_digits = Choice(f"{_CONFIGURE}:CELL:MNC:DIGits", ("TWO", "THRee"), source=_page("5bab0e79"))
    mnc = Number(f"{_CONFIGURE}:CELL:MNC", 1, low=0, high=999, whole=True, changed="_apply", source=_page("76f423aa"))
    tracking_area = Number(f"{_CONFIGURE}:CELL:TAC", 1, low=0, high=65535, whole=True, source=_page("8b330435"))
    authentication = Boolean(f"{_SECURITY}:AUTHenticat", True, changed="_apply", source=_page("a66fb66c"))
    integrity = Boolean(f"{_SECURITY}:SECurity", True, source=_page("bda3d0dd"))
    secret_key = _Key(f"{_SECURITY}:SKEY", DEFAULT_KEY, changed="_apply", source=_page("be8982d6"))
    operator_key = _Key(f"{_SECURITY}:OPC", "0" * 32, changed="_apply", source=_page("1dc9bffe"))
    milenage = Boolean(f"{_SECURITY}:MILenage", False, changed="_apply", source=_page("b2e02e2e"))
    connection_type = Choice(f"{_CONFIGURE}:CONNection:CTYPe", ("TESTmode", "DAPPlication"), changed="_type_changed",
                             source=_page("20fe8047"))
    optimization = Choice(f"{_CONFIGURE}:CONNection:DAPPlication:CIOT", ("CPL", "UPL"), source=_page("274e14b5"))
    ip_version = Choice(f"{_CONFIGURE}:CONNection:DAPPlication:IPVersion", ("IPV46", "IPV4", "IPV6"),
                        source=_page("58879bed"))
    psm_allowed = Boolean(f"{_CONFIGURE}:CONNection:PSMallowed", False, changed="_apply", source=_page("6f3fa010"))
    edrx = Boolean(f"{_EDRX}:ENABle", False, changed="_apply", source=_page("c0b62908"))
    edrx_window = Choice(f"{_EDRX}:PTWindow", _WINDOWS, changed="_apply", source=_page("6a702274"))
    edrx_cycle = Choice(f"{_EDRX}:CLENgth", _CYCLES, changed="_apply", source=_page("d3e7da4f"))
    rrc_keep = Boolean(f"{_CONFIGURE}:CONNection:RRC:KEEP", True, changed="_apply", source=_page("ecb934a6"))
    rrc_timer_s = Number(f"{_CONFIGURE}:CONNection:RRC:TIMer", 5, low=1, high=255, whole=True, unit="S",
                         changed="_apply", source=_page("dc9c8c70"))
    t3324 = _Switched(f"{_CONFIGURE}:CELL:TOUT:T3324", 2, low=2, high=11160, unit="S", steps=T3324_STEPS,
                      source=_page("8a36fa10"))
    t3412 = _Switched(f"{_CONFIGURE}:CELL:TOUT:T3412", 2, low=2, high=11160, unit="S", steps=T3412_STEPS,
                      source=_page("8c087180"))
    t3412_extended = _Switched(f"{_CONFIGURE}:CELL:TOUT:TEXT", 2, low=2, high=35712000, unit="S",
                               steps=T3412_EXTENDED_STEPS, source=_page("b5cd175e"))

    ping_count = Number(f"CONFigure:{_PING}:PCOunt", 1, low=1, high=1000, whole=True, source=DAU)
    ping_interval_s = Number(f"CONFigure:{_PING}:INTerval", 1.0, low=0.2, high=10.0, unit="S", source=DAU)

    def __init__(self, clock: Clock, radio: RadioModel, *, switching_s: float = SWITCHING_S) -> None:
        super().__init__(clock, radio)
        self.identity = "Rohde&Schwarz,CMW,1201.0002k50/TWIN0001,V3.8.20"
        self.has_data_unit = True
        self.signal_path = f"SUA1,{WIRED_TO},RX1,{WIRED_TO},TX1"
        self._radio = radio
        self.switching_s = switching_s
        self._channel = _CHANNELS[1][0]
        self._wanted = False
        self._switching: asyncio.TimerHandle | None = None
        self._cleaned_at = 0.0
        self._pinged = "127.0.0.1"
        self._ping_ends: float | None = None

    def reset(self) -> None:
        super().reset()
        self.switch(False)

    def _call(self, found: tuple[Command, tuple[int, ...]], text: str) -> str | bytes | None:
        """Each application is there once; only areas of a mask have other numbers."""
        if found[1] and found[1][0] != 1:
            raise ScpiError(-114)
        return super()._call(found, text)

    # -- cell -------------------------------------------------------------------------------------------------------

    @command(f"SOURce:{_SIGN}:CELL:STATe", source=_page("005d787b"), takes="ON or OFF")
    def _set_state(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self.switch(read_choice(parameters.values[0], ("ON", "OFF")) == "ON")

    @command(f"SOURce:{_SIGN}:CELL:STATe?", source=_page("005d787b"), answer="OFF, PEND or ON")
    def _state(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "PEND" if self._switching else self.boolean(self._wanted)

    @command(f"SOURce:{_SIGN}:CELL:STATe:ALL?", source=_page("04493e41"), answer="OFF or ON, PEND or ADJ")
    def _state_all(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f"{self.boolean(self._wanted)},{'PEND' if self._switching else 'ADJ'}"

    def switch(self, on: bool) -> None:
        if on == self._wanted:
            return
        self._wanted = on
        if self._switching is not None:
            self._switching.cancel()
            self._switching = None
        if on:
            self._switching = self._clock.loop.call_later(self.switching_s, self._switched_on)
        else:
            self.transmit(False)

    def transmit(self, on: bool) -> None:
        """The cell's signal appears or goes."""
        self._radio.power = on

    def _switched_on(self) -> None:
        self._switching = None
        self._radio.band = int(self.band[2:])
        self._apply()
        _, receiver, _, sender, _ = self.signal_path.split(",")
        self.transmit(receiver == sender == WIRED_TO)

    # -- settings ---------------------------------------------------------------------------------------------------

    def _apply(self) -> None:
        """What is set counts while the cell is on."""
        if not self._wanted:
            return
        radio = self._radio
        lost_db = self.loss_db(int(self.band[2:]))[1]
        radio.level_dbm = round(self.level_dbm + self.downlink_loss_db - lost_db, 6)
        with_noise, noise_dbm = self.noise
        radio.noise_dbm = max(noise_dbm, THERMAL_NOISE_DBM) if with_noise else THERMAL_NOISE_DBM
        radio.mcc, radio.mnc = self.mcc, self.mnc
        radio.user_plane = self.connection_type == "DAPP"
        radio.network_key = (self.secret_key, self.operator_key if self.milenage else None) \
            if self.authentication else None
        radio.inactivity_s = math.inf if self.rrc_keep else self.rrc_timer_s
        radio.psm_allowed = self.psm_allowed
        radio.edrx_allowed = self.edrx
        radio.edrx_grant = _WINDOWS.index(self.edrx_window) << 4 | _CYCLES[self.edrx_cycle]
        radio.t3324_grant_s = round(self.t3324[1]) if self.t3324[0] else None
        periodic = self.t3412_extended if self.t3412_extended[0] else self.t3412
        radio.t3412_grant_s = round(periodic[1]) if periodic[0] else 0

    def _type_changed(self) -> None:
        if self.connection_type == "DAPP" and not self.has_data_unit:
            self.connection_type = "TEST"
            raise ScpiError(-241, "DAU")
        self._apply()

    def _band_changed(self) -> None:
        self._channel = _CHANNELS.get(int(self.band[2:]), (0, 0))[0]
        if self._wanted:
            self._radio.band = int(self.band[2:])
            self._apply()

    @command(f"{_CONFIGURE}:RFSettings:CHANnel:DL", source=_page("476402e8"), takes="a channel of the band")
    def _set_channel(self, parameters: Parameters) -> None:
        parameters.expect(1)
        channel = read_number(parameters.values[0], "")
        low, high = _CHANNELS.get(int(self.band[2:]), (0, 65535))
        if not low <= channel <= high:
            raise ScpiError(-222)
        self._channel = round(channel)

    @command(f"{_CONFIGURE}:RFSettings:CHANnel:DL?", source=_page("476402e8"), answer="a channel")
    def _downlink_channel(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self._channel)

    @command(f"{_CONFIGURE}:RFSettings:CHANnel:UL?", source=_page("476402e8"), answer="a channel")
    def _uplink_channel(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self._channel + _UPLINK_OFFSET)

    @command(f"ROUTe:{_SIGN}:SCENario:SCELl", source=_page("fbb82145"),
             takes="signalling unit, RX connector, RX module, TX connector, TX module")
    def _set_path(self, parameters: Parameters) -> None:
        parameters.expect(5)
        path = ",".join(parameters.values).upper()
        if not _PATH.fullmatch(path):
            raise ScpiError(-224, path[:40])
        self.signal_path = path

    @command(f"ROUTe:{_SIGN}:SCENario?", source=_page("83c3921b"), answer="SCEL")
    def _scenario(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "SCEL"

    @command("SOURce:DATA:CONTrol:STATe?", source="R&S CMW help, Data Application Unit, page da82743f",
             answer="OFF, PEND or ON")
    def _data_unit(self, parameters: Parameters) -> str:
        parameters.expect(0)
        if not self.has_data_unit:
            raise ScpiError(-241, "DAU")
        return "ON"

    # -- the data application unit pings ------------------------------------------------------------------------------

    @command(f"CONFigure:{_PING}:DIPaddress", source=DAU, takes="an IP address, as a string")
    def _set_pinged(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self._pinged = parameters.values[0].strip("\"'")

    @command(f"INITiate:{_PING}", source=DAU)
    def _ping(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._data_unit(parameters)
        self._ping_ends = self._clock.time() + self.ping_count * self.ping_interval_s

    @command(f"FETCh:{_PING}:STATe?", source=DAU, answer="OFF, RUN or RDY")
    def _ping_state(self, parameters: Parameters) -> str:
        parameters.expect(0)
        if self._ping_ends is None:
            return "OFF"
        return "RUN" if self._clock.time() < self._ping_ends else "RDY"

    @command(f"FETCh:{_PING}:NRCount?", source=DAU, answer="how many were not answered")
    def _ping_lost(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(sum(not self._radio.answers_ping(self._pinged) for _ in range(round(self.ping_count))))

    # -- its clock ----------------------------------------------------------------------------------------------------

    @command("SYSTem:DATE:UTC?", source=BASE, answer="year, month, day")
    def _date(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f"{self._radio.utc():%Y,%m,%d}"

    @command("SYSTem:TIME:UTC?", source=BASE, answer="hour, minute, second")
    def _time_of_day(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f"{self._radio.utc():%H,%M,%S}"

    @command("SYSTem:TZONe?", source=BASE, answer="hours, minutes ahead of UTC")
    def _zone(self, parameters: Parameters) -> str:
        parameters.expect(0)
        hours, minutes = divmod(abs(self._radio.utc_offset_minutes), 60)
        sign = -1 if self._radio.utc_offset_minutes < 0 else 1
        return f"{sign * hours},{sign * minutes}"

    def state_of_unit(self) -> str:
        """What it knows of it."""
        return self._radio.state

    # -- the unit ---------------------------------------------------------------------------------------------------

    @command(f"FETCh:{_SIGN}:PSWitched:STATe?", source=_page("526f75bb"),
             answer="OFF, ON, ATT, CEST, DISC, CONN or SIGN")
    def _packet_switched(self, parameters: Parameters) -> str:
        """PSM and idle look alike from the network's side: the unit is attached and silent."""
        parameters.expect(0)
        if not self._wanted or self._switching is not None:
            return "OFF"
        state = self.state_of_unit()
        if self._radio.rrc_connected:
            return "SIGN" if state in ("off", "on") else "CEST"
        return "ON" if state in ("off", "on") else "ATT"

    @command(f"SENSe:{_SIGN}:RRCState?", source=_page("a32087ce"), answer="IDLE or CONN")
    def _rrc_state(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "CONN" if self._radio.rrc_connected else "IDLE"

    @command(f"CALL:{_SIGN}:PSWitched:ACTion", source=_page("4ac6ba2a"), takes="CONNect or DISConnect")
    def _action(self, parameters: Parameters) -> None:
        """DISConnect does nothing where there is no connection. The twin can't page, so CONNect has none to set up."""
        parameters.expect(1)
        action = read_choice(parameters.values[0], ("CONNect", "DISConnect"))
        if action == "DISC":
            self._radio.release()
        elif not self._radio.rrc_connected:
            raise ScpiError(-221, "the unit can't be paged")

    # -- event log --------------------------------------------------------------------------------------------------

    @command(f"SENSe:{_SIGN}:ELOG:LAST?", source=_page("fb4fbb6e"), answer="time, category, text")
    def _last_event(self, parameters: Parameters) -> str:
        parameters.expect(0)
        events = self._events()
        return events[-1] if events else '"",INFO,""'

    @command(f"SENSe:{_SIGN}:ELOG:ALL?", source=_page("37d996a5"), answer="time, category, text of each entry")
    def _all_events(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return ",".join(self._events())

    @command(f"CLEan:{_SIGN}:ELOG", source=_page("c5b3babc"))
    def _clean_events(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._cleaned_at = self._clock.time()

    def _events(self) -> list[str]:
        return [f'"{self._clock.epoch + timedelta(seconds=signal.time_s):%H:%M:%S}",INFO,"{_EVENTS[signal.message]}"'
                for signal in self._radio.log if signal.message in _EVENTS and signal.time_s >= self._cleaned_at]
