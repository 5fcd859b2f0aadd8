"""A Keithley DMM6500 multimeter in series with a supply.

Sources are at the lines; data sheet p. 13 for the burden voltages; accuracy and noise from memory of the data sheet.
That the buffer of a loaded trigger model can't be deleted is from memory too. There is no HiSLIP: port 5025 only.
"""

from __future__ import annotations

import math
import random

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import (
    OVERLOAD,
    Boolean,
    Choice,
    Number,
    Parameters,
    ScpiError,
    ScpiInstrument,
    command,
    read_choice,
)
from bench.twin.signal import Signal
from bench.twin.supply.measuring import CurrentInput, InputRange

Values = NDArray[np.float64]

MANUAL = "DMM6500-901-01 (reference manual), looked up 2026-11-29, page not noted"
SISTER = "2450-901-01 (reference manual of the 2450) p. 6-30"
PYMEASURE = "pymeasure 0.16.0, keithleyDMM6500"
QCODES = "qcodes 0.58.0, Keithley_7510"
SCRIPTS = "public scripts for the DMM6500 and the DAQ6510 (TRIG:BLOC, DIG)"
LANGUAGES = ("SCPI", "TSP", "SCPI2000", "SCPI34401")

RANGES = (
    InputRange(10e-6, 0.05e-2, 3e-9, 0.3e-9),
    InputRange(100e-6, 0.05e-2, 10e-9, 1e-9),
    InputRange(1e-3, 0.05e-2, 60e-9, 10e-9),
    InputRange(10e-3, 0.05e-2, 2e-6, 0.1e-6),
    InputRange(0.1, 0.05e-2, 5e-6, 1e-6),
    InputRange(1.0, 0.1e-2, 200e-6, 10e-6),
    InputRange(3.0, 0.15e-2, 1.2e-3, 60e-6),
)
"""Integrating measurements; noise is of a mean over one power line cycle (50 Hz)."""
DIGITIZER_RANGES = tuple(InputRange(one.full_scale_a, 2 * one.gain, one.full_scale_a * 0.06e-2,
                                    one.full_scale_a * 20e-6) for one in RANGES)
"""The digitizer is coarser; noise is of one sample at 1 MS/s."""
_RESISTANCE_OHM = (10e3, 1e3, 100.0, 10.0, 1.3, 0.6, 0.55)
"""Shunt and fuse."""
_OVERRANGE = 1.2
_CYCLE_S = 0.02
_SETTLING_S = 0.025
_UNSETTLED = 0.01
"""Of the full scale: how far off a reading is that is taken before a new range has settled."""

_HOLDS_S = 0.05
"""How long the capacitor at the unit's connector bridges a shunt that lets too little through."""
_LEAST_V = 2.3
_RECOVERY_S = 0.2


class Dmm6500(ScpiInstrument, source=MANUAL):
    """Passes ``source`` (V) on to ``terminals``, and measures ``current``.

    In a low range the shunt starves a unit that wakes: its voltage breaks down, and comes back when it draws nothing.
    In another command set than SCPI it answers commands that begin with an asterisk only. Faults for tests besides
    those of every SCPI instrument: ``offset_a``, ``range_locked`` (the range stays the highest), ``language`` (the
    command set), ``overload`` (what it shows beyond a range).
    """

    error_format = '{code},"{text}"'
    number_format = ".7E"

    function = Choice("[SENSe:]FUNCtion[:ON]", ('"CURRent:DC"', '"CURRent"', '"NONE"'), changed="_function_chosen",
                      source=PYMEASURE)
    digitize = Choice("[SENSe:]DIGitize:FUNCtion[:ON]", ('"NONE"', '"CURRent"'), changed="_digitizer_chosen",
                      source=f"{QCODES}; {SCRIPTS}")
    range_a = Number("[SENSe:]CURRent[:DC]:RANGe[:UPPer]", 3.0, low=0.0, high=3.0, unit="A", changed="_range_chosen",
                     source=PYMEASURE)
    range_auto = Boolean("[SENSe:]CURRent[:DC]:RANGe:AUTO", True, changed="_range_chosen", source=PYMEASURE)
    cycles = Number("[SENSe:]CURRent[:DC]:NPLCycles", 1.0, low=0.0005, high=12.0, source=PYMEASURE)
    autozero = Boolean("[SENSe:]CURRent[:DC]:AZERo[:STATe]", True)
    digitize_range_a = Number("[SENSe:]DIGitize:CURRent:RANGe", 3.0, low=0.0, high=3.0, unit="A",
                              changed="_range_chosen")
    sample_rate = Number("[SENSe:]DIGitize:CURRent:SRATe", 1e6, low=1000, high=1e6, whole=True)
    data_format = Choice("FORMat[:DATA]", ("ASCii", "REAL"))
    byte_order = Choice("FORMat:BORDer", ("SWAPped", "NORMal"))

    def __init__(self, clock: Clock, source: Signal[float], terminals: Signal[float], current: CurrentTrace,
                 rng: random.Random) -> None:
        super().__init__()
        self.identity = "KEITHLEY INSTRUMENTS,MODEL DMM6500,04400001,1.7.12b"
        self.language = LANGUAGES[0]
        self.overload = OVERLOAD
        self.range_locked = False
        self._clock = clock
        self._source = source
        self._terminals = terminals
        self._current = current
        self._integrating = CurrentInput(RANGES, noise_time_s=_CYCLE_S, sample_s=_CYCLE_S, overrange=_OVERRANGE,
                                         rng=rng)
        self._digitizer = CurrentInput(DIGITIZER_RANGES, noise_time_s=1e-6, sample_s=1e-6, overrange=_OVERRANGE,
                                       rng=rng)
        self._digitizing = False
        self._buffers: dict[str, int] = {}
        self._blocks: dict[int, tuple[str, int]] = {}
        self._wanted = 0
        self._started: float | None = None
        self._stopped: float | None = None
        self._range_since = clock.time()
        self._starved = False
        source.follow(lambda _: self._pass_on())
        current.follow(self._loaded)

    @property
    def offset_a(self) -> float:
        return self._integrating.offset_a

    @offset_a.setter
    def offset_a(self, amps: float) -> None:
        self._integrating.offset_a = self._digitizer.offset_a = amps

    def execute(self, message: str) -> bytes | None:
        if self.language != LANGUAGES[0] and not message.lstrip().startswith("*"):
            return None
        return super().execute(message)

    @command("*LANG?", source=PYMEASURE, answer=", ".join(LANGUAGES))
    def _language(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.language

    @command("*LANG", source=PYMEASURE, takes=", ".join(LANGUAGES))
    def _set_language(self, parameters: Parameters) -> None:
        """It counts from the next start on: here nothing happens."""
        parameters.expect(1)
        read_choice(parameters.values[0], LANGUAGES)

    def reset(self) -> None:
        self._digitizing = False
        self._blocks.clear()
        self._started = None
        self._range_chosen()

    # -- the shunt --------------------------------------------------------------------------------------------------

    def _range(self) -> int:
        if self.range_locked or (self.range_auto and not self._digitizing):
            return len(RANGES) - 1
        wanted = self.digitize_range_a if self._digitizing else self.range_a
        return int(self._integrating.fixed(wanted, 1)[0])

    def _range_chosen(self) -> None:
        if self.range_locked and self.range_a != RANGES[-1].full_scale_a:
            self.range_a = RANGES[-1].full_scale_a
        self._range_since = self._clock.time()
        self._loaded()

    def _pass_on(self) -> None:
        self._terminals.set(0.0 if self._starved else self._source.value)

    def _is_overburdened(self) -> bool:
        drop = self._current.at(self._clock.time()) * _RESISTANCE_OHM[self._range()]
        return self._terminals.value > 0 and self._source.value - drop < _LEAST_V

    def _loaded(self) -> None:
        if _RESISTANCE_OHM[self._range()] >= 1 and self._is_overburdened():
            self._clock.loop.call_later(_HOLDS_S, self._break_down)

    def _break_down(self) -> None:
        if self._is_overburdened():
            self._starved = True
            self._pass_on()
            self._clock.loop.call_later(_RECOVERY_S, self._recover)

    def _recover(self) -> None:
        self._starved = False
        self._pass_on()

    # -- measuring --------------------------------------------------------------------------------------------------

    def _function_chosen(self) -> None:
        self._digitizing = False
        self._range_chosen()

    def _digitizer_chosen(self) -> None:
        self._digitizing = self.digitize != '"NONE"'
        self._range_chosen()

    @command("SYSTem:LFRequency?", source=PYMEASURE, answer="50 or 60")
    def _line_frequency(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return "50"

    @command("[SENSe:]AZERo:ONCE")
    def _zero_once(self, parameters: Parameters) -> None:
        parameters.expect(0)

    @command("TRACe:MAKE", source=SCRIPTS, takes="the buffer's name, its size")
    def _make_buffer(self, parameters: Parameters) -> None:
        parameters.expect(2, 3)
        name, size = _name(parameters.values[0]), _count(parameters.values[1])
        if name in self._buffers or not 10 <= size <= 7_000_000:
            raise ScpiError(-221 if name in self._buffers else -222)
        self._buffers[name] = size

    @command("TRACe:DELete", takes="the buffer's name")
    def _delete_buffer(self, parameters: Parameters) -> None:
        parameters.expect(1)
        if _name(parameters.values[0]) in {name for name, _ in self._blocks.values()}:
            raise ScpiError(-221, "the trigger model uses it")
        if self._buffers.pop(_name(parameters.values[0]), None) is None:
            raise ScpiError(-224)

    @command("TRIGger:LOAD", source=SCRIPTS, takes='"EMPTY"')
    def _load(self, parameters: Parameters) -> None:
        parameters.expect(1)
        if _name(parameters.values[0]).upper() != "EMPTY":
            raise ScpiError(-224)
        self._blocks.clear()

    @command("TRIGger:BLOCk:BUFFer:CLEar", source=SCRIPTS, takes="the block's number, the buffer's name")
    def _block_clear(self, parameters: Parameters) -> None:
        parameters.expect(2)
        self._buffer(parameters.values[1])

    @command("TRIGger:BLOCk:MDIGitize", source=SCRIPTS, takes="the block's number, the buffer's name, a count")
    def _block_measure(self, parameters: Parameters) -> None:
        parameters.expect(3)
        name = self._buffer(parameters.values[1])
        self._blocks[_count(parameters.values[0])] = (name, _count(parameters.values[2]))

    def _buffer(self, text: str) -> str:
        name = _name(text)
        if name not in self._buffers:
            raise ScpiError(-224, name[:20])
        return name

    @command("INITiate[:IMMediate]", source=SCRIPTS)
    def _initiate(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if not self._blocks:
            raise ScpiError(-221, "no trigger model")
        if self._started is not None and self._stopped is None and self._taken() < self._wanted:
            raise ScpiError(-213)
        name, count = self._blocks[max(self._blocks)]
        self._wanted = min(count, self._buffers.get(name, 0))
        self._started, self._stopped = self._clock.time(), None

    @command("ABORt", source=SCRIPTS)
    def _abort(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if self._started is not None and self._stopped is None:
            self._stopped = self._clock.time()

    def _interval(self) -> float:
        """Seconds from one reading to the next; with autozero each second one is of the zero."""
        return float(1 / self.sample_rate if self._digitizing else self.cycles * _CYCLE_S * (1 + self.autozero))

    def _taken(self) -> int:
        if self._started is None:
            return 0
        end = self._clock.time() if self._stopped is None else self._stopped
        return min(self._wanted, math.floor((end - self._started) / self._interval() + 1e-6))

    @command("TRACe:ACTual?", source=f"{QCODES}; {SCRIPTS}", takes="the buffer's name", answer="a count")
    def _actual(self, parameters: Parameters) -> str:
        parameters.expect(1)
        self._buffer(parameters.values[0])
        return str(self._taken())

    @command("TRACe:DATA?", source=f"{SISTER}; {QCODES}; {SCRIPTS}",
             takes="first, last, the buffer's name, READ or REL",
             answer="the readings: ASCII, or a block of indefinite length (#0) of double precision and a line feed")
    def _data(self, parameters: Parameters) -> str | bytes:
        parameters.expect(3, 5)
        first, last = (_count(value) for value in parameters.values[:2])
        self._buffer(parameters.values[2])
        columns = [value.upper() for value in parameters.values[3:]] or ["READ"]
        if not 1 <= first <= last <= self._taken() or any(column not in ("READ", "REL") for column in columns):
            raise ScpiError(-222)
        numbers = np.arange(first - 1, last)
        table = np.column_stack([self._readings(first - 1, len(numbers)) if column == "READ"
                                 else numbers * self._interval() for column in columns])
        if self.data_format == "REAL":
            return self.indefinite_block(table.astype("<f8" if self.byte_order == "SWAP" else ">f8").tobytes())
        return ",".join(self.number(value) for value in table.ravel())

    def _readings(self, first: int, count: int) -> Values:
        assert self._started is not None
        interval = self._interval()
        begin = self._started + first * interval
        # Half an interval more, so that rounding can't cost the last reading.
        mean, _, maximum = self._current.render(begin, begin + (count + 0.5) * interval, interval)
        index = np.full(count, self._range())
        meter = self._digitizer if self._digitizing else self._integrating
        # What integrates is overloaded by its mean, what digitizes by each sample.
        shown = meter.means(mean, maximum if self._digitizing else mean, index, interval)
        shown = np.where(shown == OVERLOAD, self.overload, shown)
        unsettled = math.ceil(max(0.0, self._range_since + _SETTLING_S - begin) / interval)
        shown[:unsettled] += _UNSETTLED * meter.full_scale_a[self._range()]
        return shown

    @command("READ?", source=PYMEASURE, answer="A")
    def _read(self, parameters: Parameters) -> str:
        """The mean over the aperture that ends now: time may stand still while the answer is awaited."""
        parameters.expect(0)
        now, aperture = self._clock.time(), self.cycles * _CYCLE_S
        drawn = self._current.render(now - aperture, now, aperture)[0] if now > aperture else np.array(
            [self._current.at(now)])
        return self.number(float(self._integrating.means(drawn, drawn, np.full(1, self._range()), aperture)[0]))


def _name(text: str) -> str:
    return text.strip("\"'")


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ScpiError(-104, text[:20]) from None
