"""What a CMW500 measures of an NB-IoT unit: transmitter (option KM300), block errors and the unit's own words (KS300).

Sources: the pages of the maker's help on NB-IoT measurements and on NB-IoT signalling, by the first eight digits of
their names. Replies have the fields of those pages. From memory: the values of the emission mask after *RST, how long a
measurement takes, with what an application that is not installed is refused.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Protocol

from bench.clock import Clock
from bench.twin.radio.burst import Allocation, Burst, Capability
from bench.twin.scpi import Boolean, Choice, Number, Parameters, ScpiError, ScpiInstrument, command
from bench.twin.scpi.syntax import read_boolean, read_number

_SIGN = "NIOT:SIGNaling<i>"
_MEAS = "NIOT:MEASurement<i>"
_MEV = f"{_MEAS}:MEValuation"
_CONF = f"CONFigure:{_MEV}"
_LINK = f"CONFigure:{_SIGN}"
_BLER = f"{_SIGN}:BLER"
_UE = f"SENSe:{_SIGN}:UECapability:TRANsfer"

BASE = "rscmw-base 4.0.250"
APPLICATION = "NB-IoT Sig1"
"""The signalling application, as others name it."""

AREAS = 12
_MASK = ((0.0, 100e3, 26.0, -5.0), (100e3, 150e3, -5.0, -8.0), (150e3, 300e3, -8.0, -29.0),
         (300e3, 500e3, -29.0, -35.0), (500e3, 1.7e6, -35.0, -35.0))
_STEP_HZ = 3.75e3
_BANDS_OF_THE_LIST = (1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 30, 31,
                      65, 66, 68, 70)
"""Those that the page of UECapability:TRANsfer:RF:BANDs? has: of bands 71 and 85 the instrument has no word."""
_UPLINK = {("SC1", "MI0", "NRU02"): range(12), ("SC1", "MI3", "NRU01"): range(12),
           ("SC3", "MI5", "NRU01"): range(0, 10, 3), ("SC6", "MI5", "NRU01"): range(0, 7, 6),
           ("SC12", "MI5", "NRU01"): range(1)}
"""The reference channels of the uplink and the subcarriers that they may begin at."""
_UNIT_MS = {1: 8, 3: 4, 6: 2, 12: 1}
"""How long a resource unit is (3GPP TS 36.211, table 10.1.2.3-1)."""
_BLOCK_S = 0.032
"""From one block of the downlink's reference channel to the next."""


def _measurements(name: str) -> str:
    return f"R&S CMW help, NB-IoT measurements, page {name}"


def _signaling(name: str) -> str:
    return f"R&S CMW help, NB-IoT signaling, page {name}"


class Air(Protocol):
    """What it needs of the radio between cell and unit."""

    @property
    def rrc_connected(self) -> bool: ...

    def burst(self, sent: Allocation) -> Burst | None: ...

    def block_errors(self) -> float | None: ...

    def capability(self) -> Capability | None: ...


class Measurements(ScpiInstrument):
    """The measuring half of the instrument. ``options`` are those that are installed, ``cable_db`` what the way between
    connector and unit really loses, uplink and downlink, by band; ``calibrated`` is when, and ``disturbed`` the
    reliability that each result has whatever happens.
    """

    band: Choice
    connection_type: Choice

    uplink_loss_db = Number(f"{_LINK}:RFSettings:EATTenuation:INPut", 0.0, low=-50.0, high=90.0,
                            source=_signaling("16b1f11d"))
    downlink_loss_db = Number(f"{_LINK}:RFSettings:EATTenuation:OUTPut", 0.0, low=-50.0, high=90.0, changed="_apply",
                              source=_signaling("e2614ee9"))
    expected_power = Choice(f"{_LINK}:RFSettings:ENPMode", ("ULPC", "MANual"), source=_signaling("b34af73a"))
    scheduling = Choice(f"{_LINK}:CONNection:STYPe", ("ULRMc", "DLRMc", "UDEF"), source=_signaling("2c07de65"))
    test_mode = Boolean(f"{_LINK}:CONNection:TMODe", True, source=_signaling("dfa39add"))
    largest_dbm = Number(f"{_LINK}:UL:PMAX", 24.0, low=-30.0, high=33.0, optional=True, source=_signaling("7650fcf2"))
    nominal_dbm = Number(f"{_LINK}:UL:NPUSch:ULNPower", 23.0, low=-50.0, high=34.0, source=_signaling("5147f469"))
    samples = Number(f"CONFigure:{_BLER}:SAMPles", 100, low=10, high=500_000, whole=True, source=_signaling("83eae376"))
    error_ratio = Choice(f"CONFigure:{_BLER}:ERCalc", ("ERC1", "ERC2", "ERC3", "ERC4"), source=_signaling("4a6ab9a9"))
    blocks_once = Choice(f"CONFigure:{_BLER}:REPetition", ("SINGleshot", "CONTinuous"), source=_signaling("8367adca"))
    blocks_longest_s = Number(f"CONFigure:{_BLER}:TOUT", 0.0, low=0.0, high=1e6, unit="S",
                              source=_signaling("14cd6729"))

    slots = Number(f"{_CONF}:NSLots", 16, low=1, high=256, whole=True, source=_measurements("9007b4cb"))
    once = Choice(f"{_CONF}:REPetition", ("SINGleshot", "CONTinuous"), source=_measurements("7d590684"))
    stop_condition = Choice(f"{_CONF}:SCONdition", ("NONE", "SLFail"), source=_measurements("972ce4ad"))
    modulation_count = Number(f"{_CONF}:SCOunt:MODulation", 20, low=1, high=1000, whole=True,
                              source=_measurements("cd218b6f"))
    power_count = Number(f"{_CONF}:SCOunt:POWer", 1, low=1, high=1000, whole=True, source=_measurements("28478a3b"))
    mask_count = Number(f"{_CONF}:SCOunt:SPECtrum:SEMask", 20, low=1, high=1000, whole=True,
                        source=_measurements("430b1a21"))
    leakage_count = Number(f"{_CONF}:SCOunt:SPECtrum:ACLR", 20, low=1, high=1000, whole=True,
                           source=_measurements("2b42bad7"))
    longest_s = Number(f"{_CONF}:TOUT", 0.0, low=0.0, high=1e6, unit="S", source=_measurements("98aa5879"))
    trigger_s = Number(f"TRIGger:{_MEV}:TOUT", 0.1, low=0.01, high=167772.15, unit="S", optional=True,
                       source=_measurements("1786e315"))

    options: tuple[str, ...] = ("CMW-KS300", "CMW-KM300")
    calibrated: date | None = None
    disturbed = 0

    def __init__(self, clock: Clock, radio: Air) -> None:
        super().__init__()
        self._clock = clock
        self._air = radio
        self.cable_db: dict[int, tuple[float, float]] = {}
        self._chance = random.Random("noise of the tester")
        self._scheduled = ("SC1", 0, "MI0", "NRU02", "NR1")
        self._mask: list[tuple[bool, float, float, float, float]] = []
        self._results = [True] * 10
        self._adjacent = [True, True]
        self._combined = False
        self._ends: float | None = None
        self._got: tuple[int, Burst | None] = (0, None)
        self._blocks_end: float | None = None
        self._blocks: tuple[int, int, int, int] | None = None    # reliability, ACK, NACK, DTX
        self._forget()

    def reset(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._scheduled = ("SC1", 0, "MI0", "NRU02", "NR1")
        self._mask = [(number < len(_MASK), *_MASK[min(number, len(_MASK) - 1)]) for number in range(AREAS)]
        self._results, self._adjacent = [True] * 10, [True, True]
        self._ends = self._blocks_end = None

    def _apply(self) -> None:
        """What is set counts while the cell is on."""

    def loss_db(self, band: int) -> tuple[float, float]:
        """What the cables really lose, uplink and downlink."""
        return self.cable_db.get(band, (0.0, 0.0))

    # -- base system ------------------------------------------------------------------------------------------------

    @command("SYSTem:BASE:OPTion:LIST?", source=BASE, answer="a string with the installed options")
    def _option_list(self, parameters: Parameters) -> str:
        parameters.expect(0, 4)
        return f'"{",".join(self.options)}"' if self.options else '"0"'

    @command("CALibration:BASE:LATest?", source=BASE, answer="date, time, kind of the last calibration")
    def _last_calibration(self, parameters: Parameters) -> str:
        parameters.expect(0, 1)
        day = self.calibrated or self._clock.utc().date().replace(day=1)
        return f'"{day:%Y-%m-%d}","08:00:00",CAL'

    def _need(self, option: str) -> None:
        if f"CMW-{option}" not in self.options:
            raise ScpiError(-241, option)

    # -- what the unit is let send ------------------------------------------------------------------------------------

    @command(f"{_LINK}:CONNection:RMC:UL", source=_signaling("7c904c40"),
             takes="SC1, SC3, SC6, SC12; start; MI0, MI3, MI5; NRU01, NRU02; NR1")
    def _schedule_uplink(self, parameters: Parameters) -> None:
        parameters.expect(5)
        tones, start, index, units, repetitions = (value.upper() for value in parameters.values)
        first = round(read_number(start, ""))
        if repetitions != "NR1" or first not in _UPLINK.get((tones, index, units), ()):
            raise ScpiError(-221, "no reference channel")
        self._scheduled = (tones, first, index, units, repetitions)

    @command(f"{_LINK}:CONNection:RMC:UL?", source=_signaling("7c904c40"), answer="as it is set")
    def _scheduled_uplink(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return ",".join(map(str, self._scheduled))

    @command(f"{_LINK}:CONNection:RMC:DL", source=_signaling("c1c4c8b2"), takes="SC12, 0, MI6, NSF01, NR1")
    def _schedule_downlink(self, parameters: Parameters) -> None:
        parameters.expect(5)
        if [value.upper() for value in parameters.values] != ["SC12", "0", "MI6", "NSF01", "NR1"]:
            raise ScpiError(-221, "no reference channel")

    @command(f"{_LINK}:CONNection:RMC:DL?", source=_signaling("c1c4c8b2"), answer="SC12, 0, MI6, NSF01, NR1")
    def _scheduled_downlink(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "SC12,0,MI6,NSF01,NR1"

    def _allocation(self) -> Allocation | None:
        """What it lets the unit send now; None: nothing, or nothing that it could trigger on."""
        if not (self._combined and self.connection_type == "TEST" and self.test_mode and self.scheduling == "ULRM"):
            return None
        tones, start = int(self._scheduled[0][2:]), self._scheduled[1]
        allowed_dbm = 33.0 if self.largest_dbm is None else self.largest_dbm
        return Allocation(int(self.band[2:]), tones, start, self.nominal_dbm, allowed_dbm)

    # -- multi-evaluation ---------------------------------------------------------------------------------------------

    @command(f"ROUTe:{_MEAS}:SCENario:CSPath", source=_measurements("4a892e79"), takes="the master, as a string")
    def _combine(self, parameters: Parameters) -> None:
        self._need("KM300")
        parameters.expect(1, 2)
        if parameters.values[0].strip("\"'") != APPLICATION:
            raise ScpiError(-224, parameters.values[0][:20])
        self._combined = True

    @command(f"{_CONF}:RESult[:ALL]", source=_measurements("5636f885"), takes="8 to 10 times ON or OFF")
    def _set_results(self, parameters: Parameters) -> None:
        parameters.expect(8, 10)
        flags = [read_boolean(value) for value in parameters.values]
        self._results[:len(flags)] = flags

    @command(f"{_CONF}:RESult[:ALL]?", source=_measurements("5636f885"), answer="ten times ON or OFF")
    def _wanted_results(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return ",".join(self.boolean(flag) for flag in self._results)

    @command(f"{_CONF}:SPECtrum:ACLR:ENABle", source=_measurements("92fb461d"), takes="UTRA, GSM: ON or OFF")
    def _set_adjacent(self, parameters: Parameters) -> None:
        parameters.expect(2)
        self._adjacent = [read_boolean(value) for value in parameters.values]

    @command(f"{_CONF}:LIMit:SEMask:LIMit<no>", source=_measurements("bf3ff855"),
             takes="ON or OFF, two offsets in Hz, two levels in dBm")
    def _set_mask(self, parameters: Parameters) -> None:
        parameters.expect(5)
        enabled, *numbers = parameters.values
        first, last, high, low = (read_number(value, "") for value in numbers)
        if not 0 <= first <= last <= 1.9e6:
            raise ScpiError(-222)
        self._mask[parameters.suffixes[1] - 1] = (read_boolean(enabled), first, last, high, low)

    @command(f"{_CONF}:LIMit:SEMask:LIMit<no>?", source=_measurements("bf3ff855"),
             answer="ON or OFF, two offsets in Hz, two levels in dBm")
    def _mask_area(self, parameters: Parameters) -> str:
        parameters.expect(0)
        enabled, *numbers = self._mask[parameters.suffixes[1] - 1]
        return ",".join([self.boolean(enabled), *map(self.number, numbers)])

    @command(f"INITiate:{_MEV}", source=_measurements("c89a390c"))
    def _measure(self, parameters: Parameters) -> None:
        self._need("KM300")
        parameters.expect(0)
        sent = self._allocation()
        if sent is None or not self._air.rrc_connected:
            self._got = (6, None)
            self._ends = self._clock.time() + (self.trigger_s or 0.0)
            return
        # One slot is half a millisecond, and between two transmissions pass about three times as long as one lasts.
        slots = max(self.modulation_count, self.mask_count, self.leakage_count, self.power_count)
        lasts_s = slots * 0.0005 * 4 + _UNIT_MS[sent.tones] / 1e3 * 4
        too_long = 0 < self.longest_s < lasts_s
        self._got = (1, None) if too_long else (self.disturbed, self._noisy(self._air.burst(sent)))
        self._ends = self._clock.time() + (self.longest_s if too_long else lasts_s)

    def _noisy(self, sent: Burst | None) -> Burst | None:
        """As it is seen in one measurement, whose results stay what they are until the next."""
        noise = self._chance.gauss
        return None if sent is None else replace(
            sent, power_dbm=sent.power_dbm + noise(0.0, 0.02), off_dbm=sent.off_dbm + noise(0.0, 0.1),
            frequency_error_hz=sent.frequency_error_hz + noise(0.0, 1.0),
            evm_percent=sent.evm_percent + noise(0.0, 0.1))

    @command(f"STOP:{_MEV}", source=_measurements("c89a390c"))
    def _stop(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if self._ends is not None:
            self._ends = min(self._ends, self._clock.time())

    @command(f"ABORt:{_MEV}", source=_measurements("c89a390c"))
    def _abort(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._ends = None

    @command(f"FETCh:{_MEV}:STATe?", source=_measurements("de05c7f9"), answer="OFF, RUN or RDY")
    def _state_of_measurement(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self._main_state(self._ends)

    @command(f"FETCh:{_MEV}:STATe:ALL?", source=_measurements("de05c7f9"),
             answer="OFF, RUN or RDY; PEND, ADJ or INV; QUE, ACT or INV")
    def _states_of_measurement(self, parameters: Parameters) -> str:
        parameters.expect(0)
        main = self._main_state(self._ends)
        return f"{main},ADJ,ACT" if main == "RUN" else f"{main},INV,INV"

    def _main_state(self, ends: float | None) -> str:
        return "OFF" if ends is None else "RUN" if self._clock.time() < ends else "RDY"

    def _result(self, flag: int) -> tuple[int, Burst | None]:
        """Reliability and what was sent, once the measurement is over."""
        if self._ends is None or not self._results[flag]:
            return 0, None
        return self._got

    def _answer(self, reliability: int, fields: int, values: Sequence[float] | None) -> str:
        """The fields after the reliability; what there is no value for is NAV (9.91e37 it is not)."""
        texts = ["NAV"] * (fields - 1) if values is None else [self.number(value) for value in values]
        return ",".join([str(reliability), *texts])

    def _shown_dbm(self, power_dbm: float) -> float:
        """A power at the unit as the instrument shows it: what the cables take, and what it believes that they take."""
        band = int(self.band[2:])
        return power_dbm - self.loss_db(band)[0] + float(self.uplink_loss_db)

    @command(f"FETCh:{_MEV}:MODulation:CURRent?", source=_measurements("3d790297"), answer="19 fields")
    @command(f"FETCh:{_MEV}:MODulation:AVERage?", source=_measurements("3d790297"), answer="19 fields")
    def _modulation(self, parameters: Parameters) -> str:
        parameters.expect(0)
        reliability, sent = self._result(5)
        if sent is None:
            return self._answer(reliability, 19, None)
        power, tones = self._shown_dbm(sent.power_dbm), int(self._scheduled[0][2:])
        evm, error = sent.evm_percent, sent.frequency_error_hz
        return self._answer(reliability, 19, [
            0.0, evm, 2.6 * evm, 0.6 * evm, 1.5 * evm, 0.35 * evm, 0.9 * evm, sent.leakage_dbc, error, 12.0, power,
            power + 1.0 + 0.35 * (tones > 1) * 10, power - _in_db(tones), 0.9 * evm, 0.55 * evm, 0.32 * evm, 0.05, 0.1])

    @command(f"FETCh:{_MEV}:PDYNamics:CURRent?", source=_measurements("b989f57c"), answer="6 fields")
    @command(f"FETCh:{_MEV}:PDYNamics:AVERage?", source=_measurements("b989f57c"), answer="6 fields")
    def _dynamics(self, parameters: Parameters) -> str:
        parameters.expect(0)
        reliability, sent = self._result(9)
        if sent is None:
            return self._answer(reliability, 6, None)
        power, off = self._shown_dbm(sent.power_dbm), self._shown_dbm(sent.off_dbm)
        return self._answer(reliability, 6, [0.0, off, power, power + 1.0, off + 0.3])

    @command(f"FETCh:{_MEV}:IEMission:MARGin:CURRent?", source=_measurements("0baed351"), answer="3 fields")
    @command(f"FETCh:{_MEV}:IEMission:MARGin:AVERage?", source=_measurements("0baed351"), answer="3 fields")
    def _in_band(self, parameters: Parameters) -> str:
        parameters.expect(0)
        reliability, sent = self._result(3)
        values = None if sent is None else [100.0 * (sent.in_band_margin_db < 0), sent.in_band_margin_db]
        return self._answer(reliability, 3, values)

    @command(f"FETCh:{_MEV}:SEMask:CURRent?", source=_measurements("f29b23ff"), answer="4 fields")
    @command(f"FETCh:{_MEV}:SEMask:AVERage?", source=_measurements("f29b23ff"), answer="4 fields")
    def _spectrum(self, parameters: Parameters) -> str:
        parameters.expect(0)
        reliability, sent = self._result(6)
        values = None if sent is None else [0.0, sent.occupied_hz, self._shown_dbm(sent.power_dbm)]
        return self._answer(reliability, 4, values)

    @command(f"FETCh:{_MEV}:SEMask:MARGin:ALL?", source=_measurements("41262d8d"),
             answer="74 fields, NCAP of areas off")
    def _mask_margins(self, parameters: Parameters) -> str:
        parameters.expect(0)
        reliability, sent = self._result(6)
        if sent is None:
            return self._answer(reliability, 74, None)
        shift = self._shown_dbm(0.0)
        margins = [_margin(sent.emission, shift, *area[1:]) if area[0] else None for area in self._mask]
        texts = ["NCAP" if margin is None else self.number(margin) for margin in margins]
        outside = 100.0 * any(margin is not None and margin < 0 for margin in margins)
        return ",".join([str(reliability), self.number(outside), *texts * 6])

    @command(f"FETCh:{_MEV}:ACLR:CURRent?", source=_measurements("e2996e86"), answer="6 fields")
    @command(f"FETCh:{_MEV}:ACLR:AVERage?", source=_measurements("e2996e86"), answer="6 fields")
    def _leakage(self, parameters: Parameters) -> str:
        parameters.expect(0)
        reliability, sent = self._result(7)
        if sent is None:
            return self._answer(reliability, 6, None)
        utra, gsm = ([self.number(one) for one in ratios] if wanted else ["NCAP", "NCAP"]
                     for ratios, wanted in zip((sent.utra_db, sent.gsm_db), self._adjacent, strict=True))
        own = self.number(self._shown_dbm(sent.power_dbm))
        return ",".join([str(reliability), utra[0], gsm[0], own, gsm[1], utra[1]])

    # -- block errors -------------------------------------------------------------------------------------------------

    @command(f"INITiate:{_BLER}", source=_signaling("59403f30"))
    def _count_blocks(self, parameters: Parameters) -> None:
        self._need("KS300")
        parameters.expect(0)
        lost = self._air.block_errors() if self.connection_type == "TEST" and self.scheduling == "DLRM" else None
        lasts_s = self.samples * _BLOCK_S
        if lost is None or 0 < self.blocks_longest_s < lasts_s:
            self._blocks = (1, 0, 0, 0)
            self._blocks_end = self._clock.time() + (self.blocks_longest_s or lasts_s)
            return
        wrong = sum(self._chance.random() < lost for _ in range(self.samples))
        silent = round(wrong * lost * 0.5)    # of a unit that hardly hears anything more
        self._blocks = (self.disturbed, self.samples - wrong, wrong - silent, silent)
        self._blocks_end = self._clock.time() + lasts_s

    @command(f"STOP:{_BLER}", source=_signaling("59403f30"))
    @command(f"ABORt:{_BLER}", source=_signaling("59403f30"))
    def _end_blocks(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._blocks_end = self._blocks = None

    @command(f"FETCh:{_BLER}:STATe:ALL?", source=_signaling("dcae5f58"),
             answer="OFF, RUN or RDY; PEND, ADJ or INV; QUE, ACT or INV")
    def _state_of_blocks(self, parameters: Parameters) -> str:
        parameters.expect(0)
        main = self._main_state(self._blocks_end)
        return f"{main},ADJ,ACT" if main == "RUN" else f"{main},INV,INV"

    def _counted(self) -> tuple[int, int, int, int] | None:
        return self._blocks if self._main_state(self._blocks_end) == "RDY" else None

    @command(f"FETCh:{_BLER}:ABSolute?", source=_signaling("f77698df"),
             answer="reliability, ACK, NACK, samples, two throughputs in bit/s, DTX")
    def _blocks_counted(self, parameters: Parameters) -> str:
        parameters.expect(0)
        counted = self._counted()
        if counted is None or counted[0] == 1:
            return self._answer(1 if counted else 0, 7, None)
        reliability, good, bad, silent = counted
        most = 2792.0
        sent = good + bad + silent
        return (f"{reliability},{good},{bad},{sent},{self.number(most * good / sent)},{self.number(most)},{silent}")

    @command(f"FETCh:{_BLER}:RELative?", source=_signaling("a82c6062"),
             answer="reliability; ACK, NACK, BLER, throughput, DTX in percent")
    def _blocks_in_percent(self, parameters: Parameters) -> str:
        parameters.expect(0)
        counted = self._counted()
        if counted is None or counted[0] == 1:
            return self._answer(1 if counted else 0, 6, None)
        reliability, good, bad, silent = counted
        sent = good + bad + silent
        lost = {"ERC1": (bad + silent) / sent, "ERC2": silent / sent, "ERC3": bad / sent,
                "ERC4": bad / max(good + bad, 1)}[self.error_ratio]
        return self._answer(reliability, 6, [100 * part for part in (good / sent, bad / sent, lost, good / sent,
                                                                     silent / sent)])

    # -- what the unit says of itself -------------------------------------------------------------------------------

    def _told(self) -> Capability | None:
        self._need("KS300")
        return self._air.capability()

    @command(f"{_UE}:CATegory?", source=_signaling("d485d4d1"), answer="NB1")
    def _category(self, parameters: Parameters) -> str:
        """It knows Release 13 only, where the value is fixed: whatever the unit tells it."""
        parameters.expect(0)
        return "NAV" if self._told() is None else "NB1"

    @command(f"{_UE}:RELease?", source=_signaling("5aef6cab"), answer="R13")
    def _release(self, parameters: Parameters) -> str:
        """As above."""
        parameters.expect(0)
        return "NAV" if self._told() is None else "R13"

    @command(f"{_UE}:RF:BANDs:ALL?", source=_signaling("c358757e"), answer="band, NO or YES (20 dBm) of each band")
    def _bands_and_classes(self, parameters: Parameters) -> str:
        parameters.expect(0)
        told = self._told()
        if told is None:
            return "NAV"
        return ",".join(f"OB{band},{'YES' if band in told.weak_bands else 'NO'}" for band in told.bands
                        if band in _BANDS_OF_THE_LIST)

    @command(f"{_UE}:RF:BANDs?", source=_signaling("7af46558"), answer="bands")
    def _supported_bands(self, parameters: Parameters) -> str:
        parameters.expect(0)
        told = self._told()
        return "NAV" if told is None else ",".join(f"OB{band}" for band in told.bands if band in _BANDS_OF_THE_LIST)

    @command(f"{_UE}:RF:POWClass?", source=_signaling("936e9fa0"), answer="NO or YES (20 dBm) of each band")
    def _power_classes(self, parameters: Parameters) -> str:
        parameters.expect(0)
        told = self._told()
        return "NAV" if told is None else ",".join(
            "YES" if band in told.weak_bands else "NO" for band in told.bands if band in _BANDS_OF_THE_LIST)


def _in_db(tones: int) -> float:
    return {1: 0.0, 3: 4.77, 6: 7.78, 12: 10.79}[tones]


def _margin(emission: Sequence[tuple[float, float]], shift_db: float, first: float, last: float, high: float,
            low: float) -> float:
    """The least distance (dB) of what is emitted from the line of a mask's area; negative: above it."""
    steps = max(round((last - first) / _STEP_HZ), 1)
    offsets = [first + (last - first) * step / steps for step in range(steps + 1)]
    return min(high + (low - high) * (offset - first) / max(last - first, 1.0)
               - _between(emission, offset) - shift_db for offset in offsets)


def _between(points: Sequence[tuple[float, float]], offset: float) -> float:
    for (start, left), (end, right) in pairwise(points):
        if start <= offset <= end:
            return left + (right - left) * (offset - start) / (end - start)
    return points[-1][1]
