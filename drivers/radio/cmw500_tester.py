"""The measurements of a Rohde & Schwarz CMW500: NB-IoT transmitter (option KM300), block errors (KS300).

Source: the maker's help on NB-IoT measurements (V3.5.10) and on NB-IoT signalling (V3.7.30); pages in
``docs/instruments/rohde-schwarz-cmw500.md``. Measured is through the signalling application ("combined signal path"),
which sets frequency, level and trigger by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date

from bench.clock import Clock, DeadlinePassed
from bench.errors import BenchError
from drivers.radio.tester import Blocks, MaskArea, RfPath, Transmission, UnitCapability
from drivers.visa import VisaInstrument

OPTIONS = ("KM300", "KS300")
_SLOTS = {1: 240, 3: 80, 6: 40, 12: 20}
"""What EVM is averaged over (3GPP TS 36.101, 6.5.2F.1.1): 240 slots divided by the tones. The statistic count is in
slots."""
_SHAPES = {1: "MI3,NRU01,NR1", 3: "MI5,NRU01,NR1", 6: "MI5,NRU01,NR1", 12: "MI5,NRU01,NR1"}
"""Those of the reference channels that carry QPSK."""
_TRIGGER_S, _MEASURE_S, _BLOCK_S = 5, 60, 0.2
"""The trigger's own time-out (0.1 s) is too short for what NB-IoT leaves between two transmissions."""
_AREAS = 12
_RELIABILITY = {1: "time-out", 2: "capture buffer overflow", 3: "overdriven", 4: "underdriven", 6: "trigger time-out",
                7: "acquisition error", 8: "synchronisation error", 9: "uncalibrated", 15: "reference frequency error",
                16: "RF not available"}
"""What the reliability indicator says. Only 0 is a good result."""
_NO_RESULT = ("INV", "NAV", "NCAP", "OFL", "UFL", "OFF", "DC")


class Cmw500Tester:
    """What measures through the cell of ``visa``. ``begin`` and ``end`` are the cell's."""

    def __init__(self, visa: VisaInstrument, clock: Clock, path: RfPath, *, begin: Callable[[int], None],
                 end: Callable[[], None], is_connected: Callable[[], bool],
                 set_level: Callable[[float], None]) -> None:
        self.path = path
        self.begin, self.end, self.is_connected = begin, end, is_connected
        self._set_level = set_level
        self._visa, self._clock = visa, clock
        self._mask: tuple[MaskArea, ...] = ()
        listed = visa.query("SYST:BASE:OPT:LIST?").upper()
        missing = [option for option in OPTIONS if option not in listed]
        if missing:
            raise BenchError(visa.subject, expected=f"the options {' and '.join(OPTIONS)}",
                             seen=f"none called {' nor '.join(missing)}",
                             do="install the option, or take cell.path out of the station file")

    def calibrated_on(self) -> date | None:
        told = re.search(r"(\d{4})\D(\d{1,2})\D(\d{1,2})", self._visa.query("CAL:BASE:LAT?"))
        try:
            return date(*map(int, told.groups())) if told else None
        except ValueError:
            return None

    def transmission(self, tones: int, start: int, mask: Sequence[MaskArea], *, wanted_dbm: float,
                     allowed_dbm: float) -> Transmission:
        slots = _SLOTS[tones]
        self._visa.configure(
            "ROUT:NIOT:MEAS:SCEN:CSP 'NB-IoT Sig1'", "CONF:NIOT:SIGN:RFS:ENPM ULPC", "CONF:NIOT:SIGN:CONN:STYP ULRM",
            f"CONF:NIOT:SIGN:CONN:RMC:UL SC{tones},{start},{_SHAPES[tones]}", f"CONF:NIOT:SIGN:UL:PMAX {allowed_dbm:g}",
            f"CONF:NIOT:SIGN:UL:NPUS:ULNP {wanted_dbm:g}", f"CONF:NIOT:MEAS:MEV:RES:ALL {','.join(['ON'] * 10)}",
            "CONF:NIOT:MEAS:MEV:REP SING", "CONF:NIOT:MEAS:MEV:SCON NONE", f"CONF:NIOT:MEAS:MEV:SCO:MOD {slots}",
            f"CONF:NIOT:MEAS:MEV:SCO:POW {slots}", f"CONF:NIOT:MEAS:MEV:SCO:SPEC:SEM {slots}",
            f"CONF:NIOT:MEAS:MEV:SCO:SPEC:ACLR {slots}", "CONF:NIOT:MEAS:MEV:SPEC:ACLR:ENAB ON,ON",
            f"CONF:NIOT:MEAS:MEV:NSL {_slots_captured(tones)}", f"TRIG:NIOT:MEAS:MEV:TOUT {_TRIGGER_S}",
            f"CONF:NIOT:MEAS:MEV:TOUT {_MEASURE_S}")
        self._set_mask(tuple(mask))
        self._visa.configure("INIT:NIOT:MEAS:MEV")
        self._await("FETC:NIOT:MEAS:MEV:STAT:ALL?", _MEASURE_S)
        modulation = self._results("MOD:AVER?", 19)
        dynamics = self._results("PDYN:AVER?", 6)
        leakage = self._results("ACLR:AVER?", 6)
        margins = self._margins(len(mask))
        return Transmission(
            power_dbm=modulation[11], frequency_error_hz=modulation[9], evm_percent=modulation[2],
            leakage_dbc=modulation[8], off_dbm=(dynamics[2], dynamics[5]),
            in_band_margin_db=self._results("IEM:MARG:AVER?", 3)[2], occupied_hz=self._results("SEM:AVER?", 4)[2],
            mask_margins_db=margins, gsm_db=(leakage[2], leakage[4]), utra_db=(leakage[1], leakage[5]))

    def blocks(self, epre_dbm: float, samples: int) -> Blocks:
        self._set_level(epre_dbm)
        longest_s = max(60.0, samples * _BLOCK_S)
        self._visa.configure("CONF:NIOT:SIGN:CONN:STYP DLRM", "CONF:NIOT:SIGN:CONN:RMC:DL SC12,0,MI6,NSF01,NR1",
                             "CONF:NIOT:SIGN:BLER:REP SING", "CONF:NIOT:SIGN:BLER:ERC ERC1",
                             f"CONF:NIOT:SIGN:BLER:SAMP {samples}", f"CONF:NIOT:SIGN:BLER:TOUT {longest_s:g}",
                             "INIT:NIOT:SIGN:BLER")
        self._await("FETC:NIOT:SIGN:BLER:STAT:ALL?", longest_s)
        _, good, refused, sent, _, _, unanswered = self._numbers("FETC:NIOT:SIGN:BLER:ABS?", 7)
        counted = Blocks(round(good), round(refused), round(unanswered))
        if counted.sent != round(sent) or counted.sent != samples:
            raise BenchError(self._visa.subject, expected=f"what became of {samples} blocks", seen=f"of {counted.sent}",
                             do="check that the unit stays connected")
        return counted

    def capability(self) -> UnitCapability:
        """The instrument's word for category and release is the same for all units of Release 13, and its firmware has
        no other: what it says of them tells nothing (help, d485d4d1 and 5aef6cab)."""
        category = self._visa.query("SENS:NIOT:SIGN:UEC:TRAN:CAT?").strip().upper()
        release = self._visa.query("SENS:NIOT:SIGN:UEC:TRAN:REL?").strip().upper()
        words = self._visa.query("SENS:NIOT:SIGN:UEC:TRAN:RF:BAND:ALL?").upper().replace(" ", "").split(",")
        pairs = list(zip(words[::2], words[1::2], strict=False))
        if len(words) % 2 or not pairs or not all(re.fullmatch(r"OB\d+", band) and weak in ("YES", "NO")
                                                  for band, weak in pairs):
            raise BenchError(self._visa.subject, expected="pairs of a band and YES or NO",
                             seen=repr(",".join(words)[:60]),
                             do="wait until the unit is attached, and check the firmware against the driver")
        told = re.fullmatch(r"R(\d+)", release)
        only_word = category == "NB1" and release == "R13"
        return UnitCapability(None if only_word else category, None if only_word or told is None else int(told[1]),
                              {int(band[2:]): weak == "YES" for band, weak in pairs})

    # -- inside -----------------------------------------------------------------------------------------------------

    def _set_mask(self, mask: tuple[MaskArea, ...]) -> None:
        """The limits that margins are counted from are the bench's, not those that the instrument has by itself."""
        if mask == self._mask:
            return
        for number in range(1, _AREAS + 1):
            area = mask[number - 1] if number <= len(mask) else None
            values = "OFF,0,0,0,0" if area is None else ",".join(["ON", *(f"{value:g}" for value in area)])
            self._visa.configure(f"CONF:NIOT:MEAS:MEV:LIM:SEM:LIM{number} {values}")
        self._mask = mask

    def _await(self, query: str, longest_s: float) -> None:
        try:
            self._clock.poll(lambda: self._visa.query(query).upper().startswith("RDY") or None,
                             timeout=longest_s + 10.0, every=0.1)
        except DeadlinePassed:
            raise BenchError(self._visa.subject, expected=f"a result within {longest_s:g} s",
                             seen=self._visa.query(query)[:40],
                             do="check that the unit is connected, and the signal path") from None

    def _results(self, query: str, count: int) -> list[float]:
        return self._numbers(f"FETC:NIOT:MEAS:MEV:{query}", count)

    def _margins(self, areas: int) -> tuple[tuple[float, float], ...]:
        """Of the average trace: after reliability and tolerance two lists of 12 (now), then two (average)."""
        words = self._words("FETC:NIOT:MEAS:MEV:SEM:MARG:ALL?", 2 + 6 * _AREAS)
        lower, upper = (words[2 + part * _AREAS:2 + part * _AREAS + areas] for part in (2, 3))
        return tuple((self._number("margin", one), self._number("margin", other))
                     for one, other in zip(lower, upper, strict=True))

    def _numbers(self, query: str, count: int) -> list[float]:
        return [self._number(query, word) for word in self._words(query, count)]

    def _words(self, query: str, count: int) -> list[str]:
        words = [word.strip().upper() for word in self._visa.query(query).split(",")]
        if words[0] != "0":
            raise BenchError(self._visa.subject, expected=f"a reliable result of {query}",
                             seen=f"reliability {words[0]} ({_RELIABILITY.get(_whole(words[0]), 'not in the list')})",
                             do="check that the unit sends, the signal path and the expected power")
        if len(words) != count:
            raise BenchError(self._visa.subject, expected=f"{count} fields in answer to {query}",
                             seen=f"{len(words)}", do="check the firmware against the driver")
        return words

    def _number(self, what: str, word: str) -> float:
        """A value; what is none, an overflow or a NaN, is never taken for 0."""
        try:
            value = float(word) if word not in _NO_RESULT else float("nan")
        except ValueError:
            value = float("nan")
        if not abs(value) < 9e37:
            raise BenchError(self._visa.subject, expected=f"a number in each field of {what}", seen=word[:20],
                             do="check that the unit sends, and the signal path")
        return value


def _slots_captured(tones: int) -> int:
    """One resource unit, and the slot after it for the power when nothing is sent."""
    return {1: 17, 3: 9, 6: 5, 12: 3}[tones]


def _whole(word: str) -> int:
    return int(word) if re.fullmatch(r"\d{1,3}", word) else -1
