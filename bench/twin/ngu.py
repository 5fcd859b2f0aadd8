"""A Rohde & Schwarz NGU201 source/measure unit.

Sources: R&S NGU user manual 1179.2531.02 p. 139 (autorange) and p. 182 (fast log), R&S's package RsNgx 3.1 for the
command tree. Accuracy from memory of the data sheet, noise and the size of the fast log's buffer assumed: no page
says them.
"""

from __future__ import annotations

import math
import random
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.measuring import CurrentInput, InputRange
from bench.twin.scpi import Boolean, Choice, Number, Parameters, ScpiInstrument, command
from bench.twin.signal import Signal

RANGES = (
    InputRange(10e-6, 0.025e-2, 15e-9, 2e-9),
    InputRange(100e-6, 0.025e-2, 25e-9, 6e-9),
    InputRange(1e-3, 0.025e-2, 150e-9, 25e-9),
    InputRange(10e-3, 0.025e-2, 1.5e-6, 0.25e-6),
    InputRange(0.1, 0.025e-2, 15e-6, 2.5e-6),
    InputRange(8.0, 0.025e-2, 500e-6, 60e-6),
)
"""Noise is of a mean over 20 ms."""
_NOISE_TIME_S = 0.02
_SAMPLE_S = 2e-6
_OVERRANGE = 1.02
_VOLT_GAIN, _VOLT_OFFSET_V, _VOLT_NOISE_V = 0.02e-2, 2e-3, 50e-6
_TYPICAL = 0.6

_RATES = ("500K", "250K", "125K", "62K5", "31K25", "15K625", "7K812", "3K906", "1K953", "976", "488", "244", "122",
          "61", "30", "15")
_NEAREST = {"S500K": 0, "S250K": 1, "S100": 2, "S050K": 3, "S010K": 6, "S001K": 9}
"""R&S's own package knows the rates of the NGM's first firmware; each is taken as the nearest of the above."""
_MOST_PAIRS = 2_500_000


class _Rate(Choice):
    """A sample rate by its name."""

    def read(self, text: str) -> str:
        upper = text.upper()
        if upper in _NEAREST:
            return _RATES[_NEAREST[upper]]
        return super().read(text)


class Ngu201(ScpiInstrument):
    """Drives ``supply`` (V, 0.0 while off) and measures ``current``.

    Faults for tests besides those of every SCPI instrument: ``input.offset_a``, ``buffer_pairs`` (that the fast log
    holds before it silently overwrites), ``range_locked`` (autorange stays off), ``calibrated`` (the day of it).
    """

    error_format = '{code},"{text}"'
    number_format = ".6E"

    voltage_v = Number("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", 0.0, low=0.0, high=20.0, unit="V",
                       changed="_drive")
    limit_a = Number("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", 0.1, low=0.0, high=8.0, unit="A")
    protection_v = Number("[SOURce:]VOLTage:PROTection:LEVel", 22.0, low=0.0, high=22.0, unit="V", changed="_drive")
    protected = Boolean("[SOURce:]VOLTage:PROTection[:STATe]", False, changed="_drive")
    general = Boolean("OUTPut:GENeral[:STATe]", False, changed="_drive")
    selected = Boolean("OUTPut:SELect", False, changed="_drive")
    fast_transient = Boolean("OUTPut:FTResponse", False)
    channel = Number("INSTrument:NSELect", 1, low=1, high=1, whole=True)
    range_auto = Boolean("SENSe:CURRent:RANGe:AUTO", True, changed="_range_chosen")
    range_a = Number("SENSe:CURRent:RANGe[:UPPer]", 8.0, low=0.0, high=8.0, unit="A")
    lowest_range_a = Number("SENSe:CURRent:RANGe:AUTO:DOWN:MINimum", 1e-3, low=10e-6, high=0.1, unit="A")
    down_after_s = Number("SENSe:CURRent:RANGe:AUTO:DOWN:THReshold", 1.5e-3, low=2e-6, high=0.13, unit="S")
    approach = Choice("SENSe:CURRent:RANGe:AUTO:UP:APPRoach", ("DEFault", "TOP", "STEPwise"))
    power_line_cycles = Number("SENSe:NPLCycles", 1.0, low=0.01, high=10.0)
    log_running = Boolean("FLOG[:STATe]", False, changed="_log_switched")
    log_rate = _Rate("FLOG:SRATe", _RATES)
    log_target = Choice("FLOG:TARGet", ("SCPI", "USB"))
    byte_order = Choice("FORMat:BORDer", ("NORMal", "SWAPped"))

    def __init__(self, clock: Clock, supply: Signal[float], current: CurrentTrace, rng: random.Random) -> None:
        super().__init__()
        self.identity = "Rohde&Schwarz,NGU201,3639.3763k02/100001,03.068"
        self.calibrated = clock.utc().date() - timedelta(days=182)
        self.buffer_pairs = _MOST_PAIRS
        self.range_locked = False
        self._clock = clock
        self._supply = supply
        self._current = current
        self.input = CurrentInput(RANGES, noise_time_s=_NOISE_TIME_S, sample_s=_SAMPLE_S, overrange=_OVERRANGE,
                                  rng=rng)
        self._volt_gain = rng.uniform(-_TYPICAL, _TYPICAL) * _VOLT_GAIN
        self._volt_offset = rng.uniform(-_TYPICAL, _TYPICAL) * _VOLT_OFFSET_V
        self._tripped = False
        self._log_start: float | None = None
        self._log_fetched = 0
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

    @command("OUTPut[:STATe]")
    def _switch(self, parameters: Parameters) -> None:
        parameters.expect(1)
        on = Boolean("", False).read(parameters.values[0])
        self.selected = on
        self.general = on

    @command("OUTPut[:STATe]?")
    def _is_on(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.boolean(self.general and self.selected and not self._tripped)

    @command("[SOURce:]VOLTage:PROTection:TRIPped?")
    def _is_tripped(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.boolean(self._tripped)

    @command("[SOURce:]VOLTage:PROTection:CLEar")
    def _clear_protection(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._tripped = False
        self._drive()

    @command("CALibration:DATE?")
    def _calibration_date(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f"{self.calibrated.year},{self.calibrated.month},{self.calibrated.day}"

    # -- measurements -----------------------------------------------------------------------------------------------

    @command("MEASure[:SCALar]:VOLTage[:DC]?")
    def _measure_voltage(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return self.number(float(self._voltages(1)[0]))

    @command("MEASure[:SCALar]:CURRent[:DC]?")
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
        self._log_fetched = 0
        self._needed = self._needed[:0]

    @command("FLOG:DATA?")
    def _log_data(self, parameters: Parameters) -> bytes:
        parameters.expect(0)
        if self._log_start is None:
            return self.block(b"")
        period = 2.0 ** _RATES.index(self.log_rate) / 500_000
        complete = math.floor((self._clock.time() - self._log_start) / period + 1e-6)
        self._log_fetched = max(self._log_fetched, complete - self.buffer_pairs)    # the oldest are overwritten
        count = complete - self._log_fetched
        if count == 0:
            return self.block(b"")
        begin = self._log_start + self._log_fetched * period
        # Half a period more, so that rounding can't cost the last sample.
        mean, _, maximum = self._current.render(begin, begin + (count + 0.5) * period, period)
        mean, maximum = np.minimum(mean, self.limit_a), np.minimum(maximum, self.limit_a)
        self._log_fetched = complete
        pairs = np.empty((count, 2), "<f4" if self.byte_order == "NORM" else ">f4")
        pairs[:, 0] = self._voltages(count)
        pairs[:, 1] = self.input.means(mean, maximum, self._ranges(maximum, period), period)
        return self.block(pairs.tobytes())

    def _ranges(self, maximum: NDArray[np.float64], period: float) -> NDArray[np.intp]:
        """The range of each sample: up at once, down by one step for each ``down_after_s`` of low current."""
        if not self.range_auto or self.range_locked:
            return self.input.fixed(self.range_a, len(maximum))
        lowest = int(self.input.finest(np.array([self.lowest_range_a * 0.99]))[0])
        needed = self.input.finest(maximum, lowest)
        if self.approach in ("DEF", "TOP"):
            before = np.concatenate((self._needed[-1:] if len(self._needed) else needed[:1], needed[:-1]))
            needed = np.where(needed > before, len(RANGES) - 1, needed)
        wait = max(1, math.ceil(self.down_after_s / period))
        kept = wait * len(RANGES)
        padded = np.concatenate((np.full(kept - len(self._needed), lowest), self._needed, needed))
        self._needed = padded[-kept:]
        taken = padded
        for steps_down in range(len(RANGES) - lowest):
            taken = np.maximum(taken, _largest_of_last(padded, 1 + (steps_down + 1) * wait) - steps_down)
        return taken[kept:]


def _largest_of_last(values: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """For each of ``values`` the largest of it and the ``count - 1`` before it."""
    found = values.copy()
    span = 1
    while span < count:
        step = min(span, count - span)
        found[step:] = np.maximum(found[step:], found[:-step])
        span += step
    return found
