"""A Keysight N6705C with an N6781A source/measure unit in channel 1.

Sources: Keysight N6700C guide p. 143-146 (external data log), N6700 user's guide (average measurements, 21 ms);
the order of the fields of a log record is that of the N6900/N7900 guide p. 161 (current first), the N6700C guide
doesn't print it. Accuracy and noise: N6700 specifications guide, from memory where no page is named; check them
against the guide.
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
from bench.twin.scpi import Boolean, Choice, Number, Parameters, ScpiError, ScpiInstrument, command
from bench.twin.signal import Signal

Values = NDArray[np.float64]

RANGES = (
    InputRange(10e-6, 0.025e-2, 8e-9, 20e-9),
    InputRange(1e-3, 0.025e-2, 100e-9, 306e-9),
    InputRange(0.1, 0.025e-2, 10e-6, 5.4e-6),
    InputRange(3.0, 0.03e-2, 250e-6, 160e-6),
)
"""Noise is of a mean over 102.4 us. Seamless ranging uses all but the lowest, which must be chosen by hand."""
_NOISE_TIME_S = 102.4e-6
_SEAMLESS = 1
_OVERRANGE = 1.02
_SAMPLE_S = 5.12e-6
_VOLT_GAIN, _VOLT_OFFSET_V, _VOLT_NOISE_V = 0.025e-2, 1.2e-3, 70e-6

_TYPICAL = 0.6
"""Of its specification, a unit in calibration uses this part."""

_SHORTEST_S = 102.4e-6
_RESOLUTION_S = {"RES20": 20.48e-6, "RES40": 40.96e-6}
_OVERVOLTAGE = 0x01


class N6705(ScpiInstrument):
    """Drives ``supply`` (V, 0.0 while off) and measures ``current``.

    Offsets, gains and noise follow from ``rng``. Faults for tests besides those of every SCPI instrument:
    ``input.offset_a`` (added to every current), ``fifo_s`` (seconds that the external data log holds before it
    silently overwrites), ``range_locked`` (seamless ranging stays off), ``calibrated`` (the day of it).
    """

    installed_channels = frozenset({1})

    voltage_v = Number("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", 0.0, low=0.0, high=20.4, unit="V",
                       channels=True, changed="_drive")
    limit_a = Number("[SOURce:]CURRent:LIMit[:POSitive][:IMMediate][:AMPLitude]", 0.3, low=0.0, high=3.06, unit="A",
                     channels=True)
    protection_v = Number("[SOURce:]VOLTage:PROTection[:LEVel]", 24.0, low=0.0, high=24.0, unit="V", channels=True,
                          changed="_drive")
    priority = Choice("[SOURce:]FUNCtion", ("VOLTage", "CURRent"), channels=True)
    output = Boolean("OUTPut[:STATe]", False, channels=True, changed="_drive")
    interval_s = Number("SENSe:SWEep:TINTerval", 20.48e-6, low=5.12e-6, high=40e3, unit="S", channels=True)
    points = Number("SENSe:SWEep:POINts", 1024, low=1, high=512 * 1024, whole=True, channels=True)
    resolution = Choice("SENSe:SWEep:TINTerval:RESolution", ("RES20", "RES40"))
    range_a = Number("SENSe:CURRent[:DC]:RANGe[:UPPer]", 3.0, low=0.0, high=3.06, unit="A", channels=True)
    range_auto = Boolean("SENSe:CURRent[:DC]:RANGe:AUTO", False, channels=True)
    log_range_a = Number("SENSe:ELOG:CURRent[:DC]:RANGe[:UPPer]", 3.0, low=0.0, high=3.06, unit="A", channels=True)
    log_range_auto = Boolean("SENSe:ELOG:CURRent[:DC]:RANGe:AUTO", False, channels=True, changed="_range_chosen")
    log_current = Boolean("SENSe:ELOG:FUNCtion:CURRent", True, channels=True)
    log_current_extremes = Boolean("SENSe:ELOG:FUNCtion:CURRent:MINMax", False, channels=True)
    log_voltage = Boolean("SENSe:ELOG:FUNCtion:VOLTage", False, channels=True)
    log_voltage_extremes = Boolean("SENSe:ELOG:FUNCtion:VOLTage:MINMax", False, channels=True)
    log_period_s = Number("SENSe:ELOG:PERiod", 0.1, low=_SHORTEST_S, high=60.0, unit="S", channels=True,
                          changed="_round_period")
    log_trigger = Choice("TRIGger:ELOG:SOURce", ("BUS", "IMMediate"), channels=True)
    data_format = Choice("FORMat[:DATA]", ("ASCII", "REAL"))
    byte_order = Choice("FORMat:BORDer", ("NORMal", "SWAPped"))

    def __init__(self, clock: Clock, supply: Signal[float], current: CurrentTrace, rng: random.Random) -> None:
        super().__init__()
        self.identity = "Keysight Technologies,N6705C,TWIN0001,E.02.11"
        self.calibrated = clock.utc().date() - timedelta(days=182)
        self.fifo_s = 20.0
        self.range_locked = False
        self._clock = clock
        self._supply = supply
        self._current = current
        self.input = CurrentInput(RANGES, noise_time_s=_NOISE_TIME_S, sample_s=_SAMPLE_S, overrange=_OVERRANGE,
                                  rng=rng)
        self._volt_gain = rng.uniform(-_TYPICAL, _TYPICAL) * _VOLT_GAIN
        self._volt_offset = rng.uniform(-_TYPICAL, _TYPICAL) * _VOLT_OFFSET_V
        self._tripped = False
        self._output_since = clock.time()
        self._armed = False
        self._log_start: float | None = None
        self._log_fetched = 0

    def reset(self) -> None:
        self._tripped = False
        self._abort_log()
        self._drive()

    def questionable_condition(self) -> int:
        return _OVERVOLTAGE if self._tripped else 0

    # -- output -----------------------------------------------------------------------------------------------------

    def _drive(self) -> None:
        if self.output and self.voltage_v > self.protection_v:
            self._tripped = True
        voltage = self.voltage_v if self.output and not self._tripped else 0.0
        if voltage != self._supply.value:
            self._output_since = self._clock.time()
            self._supply.set(voltage)

    @command("OUTPut:PROTection:CLEar", channels=True)
    def _clear_protection(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._tripped = False
        self._drive()

    @command("SYSTem:CHANnel:MODel?", channels=True)
    def _model(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return '"N6781A"'

    @command("SYSTem:CHANnel[:COUNt]?")
    def _count(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(len(self.installed_channels))

    @command("STATus:QUEStionable:CONDition?", channels=True)
    def _questionable_of_channel(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.questionable_condition())

    @command("CALibration:DATE?", channels=True)
    def _calibration_date(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f'"{self.calibrated}"'

    def _range_chosen(self) -> None:
        if self.range_locked and self.log_range_auto:
            self.log_range_auto = False

    # -- average measurements ---------------------------------------------------------------------------------------

    @command("MEASure[:SCALar]:VOLTage[:DC]?", channels=True)
    def _measure_voltage(self, parameters: Parameters) -> str:
        parameters.expect(0)
        noise = _VOLT_NOISE_V * float(self.input.noise.standard_normal())
        return self.number(self._supply.value * (1 + self._volt_gain) + self._volt_offset + noise)

    @command("MEASure[:SCALar]:CURRent[:DC]?", channels=True)
    def _measure_current(self, parameters: Parameters) -> str:
        """The mean over the aperture that ends now: time may stand still while the answer is awaited."""
        parameters.expect(0)
        now = self._clock.time()
        aperture = self.interval_s * self.points
        begin = max(now - aperture, self._output_since)
        if now - begin > 1e-6:
            drawn = self._current.render(begin, now, now - begin)
        else:
            drawn = (np.array([self._current.at(now)]),) * 3
        mean, _, _ = self._measured(*drawn, aperture, self.range_auto, self.range_a)
        return self.number(float(mean[0]))

    # -- external data log --------------------------------------------------------------------------------------------

    def _round_period(self) -> None:
        step = _RESOLUTION_S[self.resolution]
        rounded = max(round(self.log_period_s / step), 1) * step
        if rounded != self.log_period_s:
            self.log_period_s = rounded

    def _parameters_logged(self) -> int:
        current = (1 + 2 * self.log_current_extremes) if self.log_current else 0
        voltage = (1 + 2 * self.log_voltage_extremes) if self.log_voltage else 0
        return current + voltage

    @command("INITiate[:IMMediate]:ELOG", channels=True)
    def _initiate(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if self._armed or self._log_start is not None:
            raise ScpiError(-213)
        count = self._parameters_logged()
        shortest = count * _SHORTEST_S * (1 if self.data_format == "REAL" else 5)
        if count == 0 or self.log_period_s < shortest * 0.999 or (self.resolution == "RES20" and count > 4):
            raise ScpiError(-221, "too many parameters for the period")
        self._armed = True
        if self.log_trigger == "IMM":
            self._start_log()

    @command("TRIGger:ELOG[:IMMediate]", channels=True)
    def _trigger(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if not self._armed:
            raise ScpiError(-211)
        self._start_log()

    @command("*TRG")
    def _bus_trigger(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if not self._armed or self.log_trigger != "BUS":
            raise ScpiError(-211)
        self._start_log()

    def _start_log(self) -> None:
        self._armed = False
        self._log_start = self._clock.time()
        self._log_fetched = 0

    @command("ABORt:ELOG", channels=True)
    def _abort(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._abort_log()

    def _abort_log(self) -> None:
        self._armed = False
        self._log_start = None

    @command("FETCh:ELOG?", channels=True)
    def _fetch(self, parameters: Parameters) -> str | bytes:
        parameters.expect(1)
        try:
            most = int(parameters.values[0])
        except ValueError:
            raise ScpiError(-104) from None
        if not 1 <= most <= 4096:
            raise ScpiError(-222)
        if self._log_start is None:
            raise ScpiError(-230)
        period = self.log_period_s
        complete = math.floor((self._clock.time() - self._log_start) / period + 1e-6)
        held = max(1, int(self.fifo_s / period))
        self._log_fetched = max(self._log_fetched, complete - held)     # the oldest are overwritten, silently
        count = min(most, complete - self._log_fetched)
        records = self._records(self._log_start + self._log_fetched * period, count, period)
        self._log_fetched += count
        if self.data_format == "REAL":
            return self.block(records.astype(">f4" if self.byte_order == "NORM" else "<f4").tobytes())
        return ",".join(self.number(value) for value in records.ravel())

    def _records(self, begin: float, count: int, period: float) -> Values:
        """``count`` log records from ``begin`` on, a row each."""
        if count == 0:
            return np.empty((0, self._parameters_logged()))
        columns: list[Values] = []
        if self.log_current:
            # Half a period more, so that rounding can't cost the last bin.
            drawn = self._current.render(begin, begin + (count + 0.5) * period, period)
            current = self._measured(*drawn, period, self.log_range_auto, self.log_range_a)
            columns += current if self.log_current_extremes else current[:1]
        if self.log_voltage:
            mean = self._supply.value * (1 + self._volt_gain) + self._volt_offset
            voltage = mean + _VOLT_NOISE_V * self.input.noise.standard_normal(count)
            columns += [voltage, voltage, voltage] if self.log_voltage_extremes else [voltage]
        return np.column_stack(columns)

    def _measured(self, mean: Values, minimum: Values, maximum: Values, time_s: float, auto: bool,
                  range_a: float) -> tuple[Values, Values, Values]:
        """What the instrument makes of the true current: limit, range, gain, offset and noise."""
        mean, minimum, maximum = (np.minimum(values, self.limit_a) for values in (mean, minimum, maximum))
        index = (self.input.finest(maximum, _SEAMLESS) if auto and not self.range_locked
                 else self.input.fixed(range_a, len(mean)))
        return (self.input.means(mean, maximum, index, time_s),
                *self.input.extremes(minimum, maximum, index, time_s))
