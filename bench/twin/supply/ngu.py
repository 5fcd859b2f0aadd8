"""Rohde & Schwarz NGU201 and NGU401 source/measure units, and the NGM202, their relative with two channels.

Sources are at the lines. Accuracy from memory of the data sheets, noise assumed: no page says it. The fast log gives
its data in chunks of 250 ms at any rate and overwrites one that is not fetched within about 20 ms (the maker's example
for the NGM, version 2 of 2025-11-17); what it answers when nothing is ready is said nowhere: here an empty block.
"""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import (
    Boolean,
    Choice,
    Number,
    Parameters,
    ScpiError,
    ScpiInstrument,
    StatusGroup,
    command,
    read_boolean,
)
from bench.twin.signal import Signal
from bench.twin.supply.measuring import CurrentInput, InputRange

MANUAL = "R&S NGU user manual 1179.2531.02"
PACKAGE = "RsNgx 3.1.0.49"
EXAMPLE = "R&S example for the fast log of the NGM, version 2 (2025-11-17)"
NGU = ("NGU201", "NGU401")

RANGES = (
    InputRange(10e-6, 0.025e-2, 15e-9, 2e-9),
    InputRange(100e-6, 0.025e-2, 25e-9, 6e-9),
    InputRange(1e-3, 0.025e-2, 150e-9, 25e-9),
    InputRange(10e-3, 0.025e-2, 1.5e-6, 0.25e-6),
    InputRange(0.1, 0.025e-2, 15e-6, 2.5e-6),
    InputRange(8.0, 0.025e-2, 500e-6, 60e-6),
)
NGM_RANGES = (
    InputRange(10e-3, 0.05e-2, 5e-6, 0.25e-6),
    InputRange(0.1, 0.05e-2, 25e-6, 2.5e-6),
    InputRange(1.0, 0.05e-2, 500e-6, 25e-6),
    InputRange(10.0, 0.05e-2, 2e-3, 100e-6),
)
"""Noise is of a mean over 20 ms."""
_NOISE_TIME_S = 0.02
_SAMPLE_S = 2e-6
_OVERRANGE = 1.02
_VOLT_GAIN, _VOLT_OFFSET_V, _VOLT_NOISE_V = 0.02e-2, 2e-3, 50e-6
_TYPICAL = 0.6

_RATES = {f"S{name}": 500_000 / 2**power for power, name in enumerate((
    "500K", "250K", "125K", "62K5", "31K25", "15K625", "7K812", "3K906", "1K953", "976", "488", "244", "122", "61",
    "30", "15"))}
"""Samples per second by their names, of the NGU401 and newer firmware of the NGM (public scripts for the NGU401)."""
_FIRST_RATES = {"S100": 100.0, "S001k": 1e3, "S010k": 10e3, "S050k": 50e3, "S250k": 250e3, "S500k": 500e3}
"""The same of the NGM's firmware 03.034 (its example, and the enumeration of RsNgx)."""
_CHUNK_S = 0.25
_KEPT_S, _KEPT_IN_REAL_TIME_S = 0.02, 0.2
"""How long a chunk waits to be fetched. In real time the twin shares its computer with the bench, and what others do
there must not make it forget."""
_AVAILABLE, _SKIPPED = 1 << 12, 1 << 11
"""Bits of the summary register of a channel: fast log data available (operation), skipped (questionable)."""
_INSTRUMENT = 1 << 13


class _Rate(Choice):
    """A sample rate by a name that this firmware knows; the highest by default."""

    def __get__(self, instrument: Any, owner: type) -> Any:
        if instrument is None:
            return self
        return instrument.__dict__.get(self._name, max(instrument.rates, key=instrument.rates.__getitem__))

    def on_set(self, instrument: Any, parameters: Parameters) -> None:
        parameters.expect(1)
        asked = parameters.values[0].upper()
        for name in instrument.rates:       # all of a name counts: it has no short form
            if name.upper() == asked:
                self.__set__(instrument, name)
                return
        raise ScpiError(-224, asked[:20])


class Ngu201(ScpiInstrument, source=PACKAGE):
    """Drives ``supply`` (V, 0.0 while off) and measures ``current``.

    Faults for tests besides those of every SCPI instrument: ``input.offset_a``, ``fifo_s`` (the time after which a
    chunk of the fast log is overwritten), ``range_locked`` (autorange stays off), ``calibrated`` (the day of it),
    ``rate_factor`` (of the fast log's samples per second, by what their name says), ``lost_samples`` (so many of the
    next chunk are NaN).
    """

    error_format = '{code},"{text}"'
    number_format = ".6E"
    model = "NGU201"
    firmware = "03.068"
    ranges: ClassVar[tuple[InputRange, ...]] = RANGES
    rates = _RATES
    voltage_v = Number("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", 0.0, low=0.0, high=20.0, unit="V",
                       changed="_drive")
    limit_a = Number("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", 0.1, low=0.0, high=8.0, unit="A")
    protection_v = Number("[SOURce:]VOLTage:PROTection:LEVel", 22.0, low=0.0, high=22.0, unit="V", changed="_drive")
    protected = Boolean("[SOURce:]VOLTage:PROTection[:STATe]", False, changed="_drive")
    general = Boolean("OUTPut:GENeral[:STATe]", False, changed="_drive")
    selected = Boolean("OUTPut:SELect", False, changed="_drive")
    fast_transient = Boolean("OUTPut:FTResponse", False)
    channel = Number("INSTrument:NSELect", 1, low=1, high=1, whole=True, changed="_channel_chosen")
    range_auto = Boolean("SENSe:CURRent:RANGe:AUTO", True, changed="_range_chosen")
    range_a = Number("SENSe:CURRent:RANGe[:UPPer]", 8.0, low=0.0, high=8.0, unit="A")
    lowest_range_a = Number("SENSe:CURRent:RANGe:AUTO:DOWN:MINimum", 1e-3, low=10e-6, high=0.1, unit="A",
                            models=NGU, source=f"{MANUAL} p. 139")
    down_after_s = Number("SENSe:CURRent:RANGe:AUTO:DOWN:THReshold", 1.5e-3, low=2e-6, high=0.13, unit="S",
                          models=NGU, source=f"{MANUAL} p. 139")
    approach = Choice("SENSe:CURRent:RANGe:AUTO:UP:APPRoach", ("DEFault", "TOP", "STEPwise"), models=NGU,
                      source=f"{MANUAL} p. 139")
    power_line_cycles = Number("SENSe:NPLCycles", 1.0, low=0.01, high=10.0)
    log_running = Boolean("FLOG[:STATe]", False, changed="_log_switched", source=f"{MANUAL} p. 182")
    log_rate = _Rate("FLOG:SRATe", tuple(_RATES),
                     source=f"public scripts for the NGU401; firmware 03.034: {EXAMPLE}; {PACKAGE}")
    log_target = Choice("FLOG:TARGet", ("SCPI", "USB"), source=f"{EXAMPLE}; {PACKAGE}")
    operation = StatusGroup("STATus:OPERation", source=EXAMPLE, looked="_look")
    operation_instrument = StatusGroup("STATus:OPERation:INSTrument", looked="_look")
    operation_channel = StatusGroup("STATus:OPERation:INSTrument:ISUMmary<i>", looked="_look")
    questionable = StatusGroup("STATus:QUEStionable", source="SCPI-1999 volume 2", looked="_look")
    questionable_instrument = StatusGroup("STATus:QUEStionable:INSTrument", looked="_look")
    questionable_channel = StatusGroup("STATus:QUEStionable:INSTrument:ISUMmary<i>", looked="_look")

    def __init__(self, clock: Clock, supply: Signal[float], current: CurrentTrace, rng: random.Random) -> None:
        super().__init__()
        self.identity = f"Rohde&Schwarz,{self.model},3639.3763k02/100001,{self.firmware}"
        self.calibrated = clock.utc().date() - timedelta(days=182)
        self.fifo_s = _KEPT_S if clock.is_virtual else _KEPT_IN_REAL_TIME_S
        self.range_locked = False
        self.rate_factor = 1.0
        self.lost_samples = 0
        self._clock = clock
        self._supply = supply
        self._current = current
        self.input = CurrentInput(self.ranges, noise_time_s=_NOISE_TIME_S, sample_s=_SAMPLE_S, overrange=_OVERRANGE,
                                  rng=rng)
        self._volt_gain = rng.uniform(-_TYPICAL, _TYPICAL) * _VOLT_GAIN
        self._volt_offset = rng.uniform(-_TYPICAL, _TYPICAL) * _VOLT_OFFSET_V
        self._tripped = False
        self._log_start: float | None = None
        self._chunk_seen = 0          # the last one that the status registers know of
        self._chunk_fetched = 0
        self._needed: NDArray[np.intp] = np.empty(0, np.intp)    # by the samples just before the next fetch

    def reset(self) -> None:
        self._tripped = False
        self._log_start = None
        self._drive()

    # -- output -----------------------------------------------------------------------------------------------------

    def _drive(self) -> None:
        on = self.general and self.selected
        if on and self.protected and self.voltage_v > self.protection_v:
            self._tripped = True
        self._supply.set(self.voltage_v if on and not self._tripped else 0.0)

    def _channel_chosen(self) -> None: ...

    @command("OUTPut[:STATe]", takes="ON or OFF")
    def _switch(self, parameters: Parameters) -> None:
        parameters.expect(1)
        on = read_boolean(parameters.values[0])
        self.selected = on
        self.general = on

    @command("OUTPut[:STATe]?", answer="1 or 0")
    def _is_on(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.boolean(self.general and self.selected and not self._tripped)

    @command("[SOURce:]VOLTage:PROTection:TRIPped?", answer="1 or 0")
    def _is_tripped(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.boolean(self._tripped)

    @command("[SOURce:]VOLTage:PROTection:CLEar")
    def _clear_protection(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._tripped = False
        self._drive()

    @command("CALibration:DATE?", answer="three numbers, in no documented order")
    def _calibration_date(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f"{self.calibrated.year},{self.calibrated.month},{self.calibrated.day}"

    # -- measurements -----------------------------------------------------------------------------------------------

    @command("MEASure[:SCALar]:VOLTage[:DC]?", answer="V, or nan")
    def _measure_voltage(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.number(float(self._voltages(1)[0]))

    @command("MEASure[:SCALar]:CURRent[:DC]?", answer="A, or nan")
    def _measure_current(self, parameters: Parameters) -> str:
        """The mean over the power line cycles that end now."""
        parameters.expect(0)
        now = self._clock.time()
        aperture = self.power_line_cycles * 0.02
        if now > aperture:
            mean, _, maximum = self._current.render(now - aperture, now, aperture)
        else:
            mean = maximum = np.array([self._current.at(now)])
        self._needed = self._needed[:0]
        return self.number(float(self.input.means(mean, maximum, self._ranges(maximum, aperture), aperture)[0]))

    def _range_chosen(self) -> None:
        if self.range_locked and self.range_auto:
            self.range_auto = False

    def _voltages(self, count: int) -> NDArray[np.float64]:
        mean = self._supply.value * (1 + self._volt_gain) + self._volt_offset
        voltages: NDArray[np.float64] = mean + _VOLT_NOISE_V * self.input.noise.standard_normal(count)
        return voltages

    # -- fast log -----------------------------------------------------------------------------------------------------

    def _log_switched(self) -> None:
        self._log_start = self._clock.time() if self.log_running else None
        self._chunk_seen = self._chunk_fetched = 0
        self._needed = self._needed[:0]

    def _chunk(self) -> tuple[int, float]:
        """The number of chunks that are complete, and for how long (s) the last one has been."""
        if self._log_start is None:
            return 0, 0.0
        elapsed = self._clock.time() - self._log_start
        chunk = math.floor(elapsed / _CHUNK_S + 1e-6)
        return chunk, elapsed - chunk * _CHUNK_S

    def _look(self) -> None:
        """Bring the status registers up to date."""
        chunk, age_s = self._chunk()
        overwritten = chunk - 1 - self._chunk_fetched + (age_s > self.fifo_s + 1e-6 and chunk > self._chunk_fetched)
        if overwritten > 0:
            self._chunk_fetched += overwritten
            self.questionable_channel.pulse(_SKIPPED)
        if chunk > self._chunk_seen:
            self._chunk_seen = chunk
            self.operation_channel.pulse(_AVAILABLE)
        self.questionable_instrument.set(self.questionable_channel.summary << 1)
        self.operation_instrument.set(self.operation_channel.summary << 1)
        self.questionable.set(_INSTRUMENT if self.questionable_instrument.summary else 0)
        self.operation.set(_INSTRUMENT if self.operation_instrument.summary else 0)

    def status_byte(self) -> int:
        self._look()
        status = super().status_byte() & ~0x48
        status |= (0x80 if self.operation.summary else 0) | (0x08 if self.questionable.summary else 0)
        return status | (0x40 if status & self._service_enable else 0)

    @command("FLOG:DATA?", source=f"{MANUAL} p. 182; {EXAMPLE}",
             answer="a definite-length block: pairs of voltage and current, little-endian single precision")
    def _log_data(self, parameters: Parameters) -> bytes:
        parameters.expect(0)
        self._look()
        chunk, _ = self._chunk()
        if self._log_start is None or chunk <= self._chunk_fetched:
            return self.block(b"")
        self._chunk_fetched = chunk
        rate = self.rates[self.log_rate] * self.rate_factor
        first, last = math.ceil((chunk - 1) * _CHUNK_S * rate - 1e-6), math.ceil(chunk * _CHUNK_S * rate - 1e-6)
        count = last - first
        if not count:
            return self.block(b"")
        begin = self._log_start + first / rate
        # Half a period more, so that rounding can't cost the last sample.
        mean, _, maximum = self._current.render(begin, begin + (count + 0.5) / rate, 1 / rate)
        mean, maximum = np.minimum(mean, self.limit_a), np.minimum(maximum, self.limit_a)
        pairs = np.empty((count, 2), "<f4")
        pairs[:, 0] = self._voltages(count)
        pairs[:, 1] = self.input.means(mean, maximum, self._ranges(maximum, 1 / rate), 1 / rate)
        pairs[:self.lost_samples] = np.nan
        self.lost_samples = 0
        return self.block(pairs.tobytes())

    def _ranges(self, maximum: NDArray[np.float64], period: float) -> NDArray[np.intp]:
        """The range of each sample: up at once, down by one step for each ``down_after_s`` of low current."""
        if not self.range_auto or self.range_locked:
            return self.input.fixed(self.range_a, len(maximum))
        lowest = int(self.input.finest(np.array([self.lowest_range_a * 0.99]))[0]) if self.model in NGU else 0
        needed = self.input.finest(maximum, lowest)
        if self.approach in ("DEF", "TOP"):
            before = np.concatenate((self._needed[-1:] if len(self._needed) else needed[:1], needed[:-1]))
            needed = np.where(needed > before, len(self.ranges) - 1, needed)
        wait = max(1, math.ceil(self.down_after_s / period))
        kept = wait * len(self.ranges)
        padded = np.concatenate((np.full(kept - len(self._needed), lowest), self._needed, needed))
        self._needed = padded[-kept:]
        taken = padded
        for steps_down in range(len(self.ranges) - lowest):
            taken = np.maximum(taken, _largest_of_last(padded, 1 + (steps_down + 1) * wait) - steps_down)
        return taken[kept:]


class Ngu401(Ngu201):
    """The same with four quadrants; nothing of what it adds is here."""

    model = "NGU401"


class Ngm202(Ngu201, source=PACKAGE):
    """Two channels behind a cursor (INST:NSEL); the unit is at channel 1. Its ranges are coarser and it has no lowest
    one to choose; ``firmware`` 03.034 knows other names for the rates."""

    model = "NGM202"
    ranges = NGM_RANGES
    channel = Number("INSTrument:NSELect", 1, low=1, high=2, whole=True, changed="_channel_chosen")
    _OF_A_CHANNEL = ("_voltage_v", "_limit_a", "_protection_v", "_protected", "_selected")

    def __init__(self, clock: Clock, supply: Signal[float], current: CurrentTrace, rng: random.Random,
                 firmware: str = "03.068") -> None:
        self.firmware = firmware
        self.rates = _FIRST_RATES if firmware == "03.034" else _RATES
        self._chosen = 1
        self._kept: dict[int, dict[str, Any]] = {1: {}, 2: {}}
        super().__init__(clock, supply, current, rng)

    def reset(self) -> None:
        self._chosen = 1
        self._kept = {1: {}, 2: {}}
        super().reset()

    def _channel_chosen(self) -> None:
        self._kept[self._chosen] = {name: self.__dict__.pop(name) for name in self._OF_A_CHANNEL
                                    if name in self.__dict__}
        self._chosen = self.channel
        self.__dict__.update(self._kept[self._chosen])

    def _drive(self) -> None:
        if self._chosen == 1:
            super()._drive()
        else:
            unit = self._kept[1]
            on = self.general and unit.get("_selected", False) and not self._tripped
            self._supply.set(unit.get("_voltage_v", 0.0) if on else 0.0)


def _largest_of_last(values: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """For each of ``values`` the largest of it and the ``count - 1`` before it."""
    found = values.copy()
    span = 1
    while span < count:
        step = min(span, count - span)
        found[step:] = np.maximum(found[step:], found[:-step])
        span += step
    return found
