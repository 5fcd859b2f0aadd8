"""A Rohde & Schwarz CMW500 with NB-IoT signalling: its SCPI tree in front of the twin's radio.

Sources: CMW-KM300/-KS300 user manual, command reference and programming examples ("Setting Up a Connection",
"Configuring General Connection Settings", "Network Settings"); the NB-IoT forms of DISConnect and DETach, and the
answer IDLE of RRCState?, are taken from the LTE tree and want checking on an instrument.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from bench.clock import Clock
from bench.twin.cell import THERMAL_NOISE_DBM
from bench.twin.nas import T3324_STEPS, T3412_EXTENDED_STEPS, not_below
from bench.twin.scpi import Boolean, Choice, Number, Parameters, ScpiError, ScpiInstrument, command, read_choice

_SIGN = "NIOT:SIGNaling<i>"
_CONFIGURE = f"CONFigure:{_SIGN}"
_UPLINK_OFFSET = 18000
"""Between a downlink channel number and its uplink's (3GPP TS 36.101, FDD bands below 65)."""

SWITCHING_S = 2.0
"""How long the cell's signal takes to appear."""

_WINDOWS = {"W5K12": 1, "W2K56": 0, "W7K68": 2, "W10K24": 3, "W12K8": 4, "W15K36": 5, "W17K92": 6, "W20K48": 7,
            "W23K04": 8, "W25K6": 9, "W28K16": 10, "W30K72": 11, "W33K28": 12, "W35K84": 13, "W38K4": 14, "W40K96": 15}
_CYCLES = {"L4K": 3, "L2K": 2, "L8K": 5, "L16K": 9, "L32K": 10, "L65K": 11, "L131K": 12, "L262K": 13, "L524K": 14,
           "L1048K": 15}
"""The upper and the lower half of the octet of the extended DRX parameters."""


class RadioModel(Protocol):
    """What the instrument needs of the radio between cell and unit."""

    power: bool
    """Whether the cell transmits."""
    level_dbm: float
    """NRS energy per resource element, dBm/15 kHz."""
    noise_dbm: float
    """Of the same unit."""
    band: int
    psm_allowed: bool
    edrx_allowed: bool
    edrx_grant: int | None
    t3324_grant_s: int | None
    """What the network grants; ``None``: what the unit asks for. The same for the next."""
    t3412_grant_s: int | None

    @property
    def state(self) -> str:
        """off, on, attached, connected, idle, or psm."""

    @property
    def rrc_connected(self) -> bool: ...

    def detach(self) -> None:
        """The network detaches the unit."""

    def release(self) -> None:
        """The network releases the RRC connection."""


class Cmw500(ScpiInstrument):
    """The instrument. ``switching_s`` is how long the cell takes to come on."""

    error_format = '{code},"{text}"'
    number_format = ".6E"
    boolean_words = ("OFF", "ON")

    downlink_channel = Number(f"{_CONFIGURE}:RFSettings:CHANnel:DL", 6300, low=0, high=46589, whole=True)
    level_dbm = Number(f"{_CONFIGURE}:DL:NRSepre:LEVel", -85.0, low=-150.0, high=-30.0, unit="DBM", changed="_apply")
    psm_allowed = Boolean(f"{_CONFIGURE}:CONNection:PSMallowed", False, changed="_apply")
    edrx = Boolean(f"{_CONFIGURE}:CONNection:EDRX:IMODe:ENABle", False, changed="_apply")
    edrx_window = Choice(f"{_CONFIGURE}:CONNection:EDRX:IMODe:PTWindow", _WINDOWS, changed="_apply")
    edrx_cycle = Choice(f"{_CONFIGURE}:CONNection:EDRX:IMODe:CLENgth", _CYCLES, changed="_apply")
    noise_dbm = Number(f"{_CONFIGURE}:DL:AWGN", None, low=-150.0, high=-30.0, optional=True, unit="DBM",
                       changed="_apply")
    rrc_keep = Boolean(f"{_CONFIGURE}:CONNection:RRC:KEEP", False)
    rrc_timer_s = Number(f"{_CONFIGURE}:CONNection:RRC:TIMer", 4, low=0, high=255, whole=True, unit="S")
    t3324_s = Number(f"{_CONFIGURE}:CELL:TOUT:T3324", None, low=2, high=11160, whole=True, optional=True, unit="S",
                     changed="_apply")
    t3412_s = Number(f"{_CONFIGURE}:CELL:TOUT:T3412", None, low=2, high=11160, whole=True, optional=True, unit="S",
                     changed="_apply")
    t3412_extended_s = Number(f"{_CONFIGURE}:CELL:TOUT:TEXT", None, low=0, high=35712000, whole=True, optional=True,
                              unit="S", changed="_apply")

    def __init__(self, clock: Clock, radio: RadioModel, *, switching_s: float = SWITCHING_S) -> None:
        super().__init__()
        self.identity = "Rohde&Schwarz,CMW,1201.0002k50/TWIN0001,V3.8.20"
        self._clock = clock
        self._radio = radio
        self._switching_s = switching_s
        self._wanted = False
        self._switching: asyncio.TimerHandle | None = None
        self._apply()

    def reset(self) -> None:
        self._switch(False)
        self._apply()

    # -- cell -------------------------------------------------------------------------------------------------------

    @command(f"SOURce:{_SIGN}:CELL:STATe")
    def _set_state(self, parameters: Parameters) -> None:
        parameters.expect(1)
        self._switch(read_choice(parameters.values[0], ("ON", "OFF")) == "ON")

    @command(f"SOURce:{_SIGN}:CELL:STATe?")
    def _state(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.boolean(self._wanted)

    @command(f"SOURce:{_SIGN}:CELL:STATe:ALL?")
    def _state_all(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f"{self.boolean(self._wanted)},{'PEND' if self._switching else 'ADJ'}"

    def _switch(self, on: bool) -> None:
        if on == self._wanted:
            return
        self._wanted = on
        if self._switching is not None:
            self._switching.cancel()
            self._switching = None
        if on:
            self._switching = self._clock.loop.call_later(self._switching_s, self._switched_on)
        else:
            self._radio.power = False

    def _switched_on(self) -> None:
        self._switching = None
        self._radio.power = True

    # -- settings ---------------------------------------------------------------------------------------------------

    def _apply(self) -> None:
        radio = self._radio
        radio.level_dbm = self.level_dbm
        radio.psm_allowed = self.psm_allowed
        radio.edrx_allowed = self.edrx
        radio.edrx_grant = _WINDOWS[self.edrx_window] << 4 | _CYCLES[self.edrx_cycle]
        radio.noise_dbm = max(self.noise_dbm or THERMAL_NOISE_DBM, THERMAL_NOISE_DBM)
        radio.t3324_grant_s = _timer(self.t3324_s, T3324_STEPS)
        radio.t3412_grant_s = (_timer(self.t3412_extended_s, T3412_EXTENDED_STEPS)
                               or _timer(self.t3412_s, T3324_STEPS))

    @command(f"{_CONFIGURE}:BAND")
    def _set_band(self, parameters: Parameters) -> None:
        parameters.expect(1)
        text = parameters.values[0].upper()
        if not (text.startswith("OB") and text.isascii() and text[2:].isdigit() and 1 <= int(text[2:4]) <= 85
                and len(text) <= 4):
            raise ScpiError(-224, text[:20])
        self._radio.band = int(text[2:])

    @command(f"{_CONFIGURE}:BAND?")
    def _band(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f"OB{self._radio.band}"

    @command(f"{_CONFIGURE}:RFSettings:CHANnel:UL?")
    def _uplink_channel(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.downlink_channel + _UPLINK_OFFSET)

    # -- the unit ---------------------------------------------------------------------------------------------------

    @command(f"FETCh:{_SIGN}:PSWitched:STATe?")
    def _packet_switched(self, parameters: Parameters) -> str:
        """PSM and idle look alike from the network's side: the unit is attached and silent."""
        parameters.expect(0)
        if not self._radio.power:
            return "OFF"
        if self._radio.rrc_connected:
            return "SIGN" if self._radio.state in ("off", "on") else "CEST"
        return "ON" if self._radio.state in ("off", "on") else "ATT"

    @command(f"SENSe:{_SIGN}:RRCState?")
    def _rrc_state(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "CONN" if self._radio.rrc_connected else "IDLE"

    @command(f"CALL:{_SIGN}:PSWitched:ACTion")
    def _action(self, parameters: Parameters) -> None:
        parameters.expect(1)
        action = read_choice(parameters.values[0], ("CONNect", "DISConnect", "DETach"))
        if not self._radio.power or self._radio.state in ("off", "on"):
            raise ScpiError(-221, "no unit is attached")
        if action == "CONN" and not self._radio.rrc_connected:
            raise ScpiError(-221, "the unit can't be paged")
        if action == "DISC":
            self._radio.release()
        elif action == "DET":
            self._radio.detach()


def _timer(seconds: float | None, steps: tuple[tuple[int, int, int], ...]) -> int | None:
    return None if seconds is None else not_below(seconds, steps)
