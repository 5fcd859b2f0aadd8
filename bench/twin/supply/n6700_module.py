"""A module in a channel of a Keysight N6700C or N6705C mainframe: an N678x source/measure unit, or a plain supply.

Sources are at the lines. What the guide doesn't print: the order of the fields of a log record (that of the
N6900/N7900 guide p. 161, current first), the codes of refusals. Accuracy and noise: N6700 specifications guide, from
memory where no page is named; check them against the guide.
"""

from __future__ import annotations

import math
import random
from datetime import timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import Boolean, Choice, Number, Parameters, ScpiError, ScpiModule, Writer, command
from bench.twin.signal import Signal
from bench.twin.supply.measuring import CurrentInput, InputRange

Values = NDArray[np.float64]

GUIDE = "Keysight N6700C Operating and Service Guide"
N6705_GUIDE = "Keysight N6705C Operating and Service Guide"
CONFIRMED = f"{GUIDE}, looked up 2026-11-29, page not noted"
QCODES = "qcodes 0.58.0, Keysight_N6705B"
IVI = "IVI-C driver of the N6700 modules (agn6k7k), attribute table"

SMU = ("N6781A", "N6782A", "N6784A", "N6785A", "N6786A")
SEAMLESS = ("N6781A", "N6782A", "N6785A", "N6786A")
PLAIN = ("N6731B", "N6732B", "N6733B", "N6734B", "N6751A", "N6752A", "N6761A", "N6762A", "N6773A", "N6775A")

RANGES = (
    InputRange(10e-6, 0.025e-2, 8e-9, 20e-9),
    InputRange(1e-3, 0.025e-2, 100e-9, 306e-9),
    InputRange(0.1, 0.025e-2, 10e-6, 5.4e-6),
    InputRange(3.0, 0.03e-2, 250e-6, 160e-6),
)
"""Noise is of a mean over 102.4 us. Seamless ranging uses all but the lowest, which must be chosen by hand."""
_NOISE_TIME_S = 102.4e-6
_SEAMLESS_FROM = 1
_OVERRANGE = 1.02
_SAMPLE_S = 5.12e-6
_VOLT_GAIN, _VOLT_OFFSET_V, _VOLT_NOISE_V = 0.025e-2, 1.2e-3, 70e-6

_TYPICAL = 0.6
"""Of its specification, a unit in calibration uses this part."""

SHORTEST_S = 102.4e-6
"""The shortest log period of one parameter; it counts for each one that is logged (guide p. 145)."""

OV, OC, PF, CP_PLUS, OT, CP_MINUS, OV_MINUS, INH, PROT, OSC = 1, 2, 4, 8, 16, 32, 64, 512, 2048, 4096
"""Bits of the questionable status register (N6705C guide p. 350)."""


class Mainframe(Writer, Protocol):
    """What a module needs of its mainframe."""

    @property
    def data_format(self) -> str: ...

    @property
    def byte_order(self) -> str: ...

    @property
    def resolution_s(self) -> float:
        """Log periods are multiples of it."""

    def block(self, data: bytes) -> bytes: ...

    def watch(self) -> None:
        """The watchdog counts again."""

    def check_log(self, new: N6700Module) -> None:
        """Raise ``ScpiError`` when ``new`` can't log beside the modules that do."""


class N6700Module(ScpiModule, source=CONFIRMED):
    """Drives ``supply`` (V, 0.0 while off) and measures ``current``.

    Offsets, gains and noise follow from ``rng``. A protection that trips is latched: the output is off while OUTP? says
    what was programmed, and clearing the protection turns it on again. Faults for tests: ``input.offset_a`` (added to
    every current), ``fifo_s`` (seconds that the external data log holds before it silently overwrites),
    ``range_locked`` (seamless ranging stays off), ``calibrated`` (the day of it), ``causes`` (bits of protections that
    can't be cleared yet), ``time_base`` (its seconds in one), ``copies`` (of each record), ``jammed`` (the output stays
    as it is, whatever it says), ``volt_offset_v``.
    """

    voltage_v = Number("[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]", 0.0, low=0.0, high=20.4, unit="V",
                       changed="drive", source=QCODES)
    current_a = Number("[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]", 0.3, low=0.0, high=3.06, unit="A",
                       source=QCODES)
    limit_a = Number("[SOURce:]CURRent:LIMit[:POSitive][:IMMediate][:AMPLitude]", 0.3, low=0.0, high=3.06, unit="A",
                     models=SMU, source=IVI)
    protection_v = Number("[SOURce:]VOLTage:PROTection[:LEVel]", 24.0, low=0.0, high=24.0, unit="V", changed="drive",
                          models=PLAIN, source=f"{GUIDE} p. 304: does not apply to N678xA; {QCODES}")
    remote_protection_v = Number("[SOURce:]VOLTage:PROTection:REMote[:POSitive]", 22.0, low=0.0, high=22.0, unit="V",
                                 changed="drive", models=SMU, source=f"{GUIDE} p. 304")
    priority = Choice("[SOURce:]FUNCtion", ("VOLTage", "CURRent"), models=SMU, source=IVI)
    output = Boolean("OUTPut[:STATe]", False, changed="drive", source=QCODES)
    interval_s = Number("SENSe:SWEep:TINTerval", 20.48e-6, low=5.12e-6, high=40e3, unit="S", source=IVI)
    points = Number("SENSe:SWEep:POINts", 1024, low=1, high=512 * 1024, whole=True, source=IVI)
    range_a = Number("SENSe:CURRent[:DC]:RANGe[:UPPer]", 3.0, low=0.0, high=3.06, unit="A", source=IVI)
    range_auto = Boolean("SENSe:CURRent[:DC]:RANGe:AUTO", False, models=SEAMLESS, source=IVI)
    log_range_a = Number("SENSe:ELOG:CURRent[:DC]:RANGe[:UPPer]", 3.0, low=0.0, high=3.06, unit="A",
                         source=f"{GUIDE} p. 143; {IVI}")
    log_range_auto = Boolean("SENSe:ELOG:CURRent[:DC]:RANGe:AUTO", False, changed="_range_chosen", models=SEAMLESS,
                             source=f"{GUIDE} p. 143; {IVI}")
    log_current = Boolean("SENSe:ELOG:FUNCtion:CURRent", True, source=f"N6700 user's guide p. 91; {IVI}")
    log_current_extremes = Boolean("SENSe:ELOG:FUNCtion:CURRent:MINMax", False,
                                   source=f"N6700 user's guide p. 91; {IVI}")
    log_voltage = Boolean("SENSe:ELOG:FUNCtion:VOLTage", False, source=f"N6700 user's guide p. 91; {IVI}")
    log_voltage_extremes = Boolean("SENSe:ELOG:FUNCtion:VOLTage:MINMax", False,
                                   source=f"N6700 user's guide p. 91; {IVI}")
    log_period_s = Number("SENSe:ELOG:PERiod", 0.1, low=SHORTEST_S, high=60.0, unit="S", changed="_round_period",
                          source=f"{GUIDE} p. 144-145; {IVI}")
    log_trigger = Choice("TRIGger:ELOG:SOURce", ("BUS", "IMMediate"), source=f"{GUIDE} p. 145; {IVI}")

    def __init__(self, mainframe: Mainframe, clock: Clock, supply: Signal[float], current: CurrentTrace,
                 rng: random.Random, model: str = "N6781A") -> None:
        if model not in SMU + PLAIN:
            raise ValueError(f"{model}: not one of {', '.join(SMU + PLAIN)}")
        self.mainframe: Mainframe = mainframe
        self.model = model
        self.calibrated = f"{clock.utc().date() - timedelta(days=182)}"
        self.fifo_s = 20.0
        self.range_locked = False
        self.time_base = 1.0
        self.copies = 1
        self.jammed = False
        self.tripped = 0
        self.causes = 0
        self._clock = clock
        self._supply = supply
        self._current = current
        self.input = CurrentInput(RANGES, noise_time_s=_NOISE_TIME_S, sample_s=_SAMPLE_S, overrange=_OVERRANGE,
                                  rng=rng)
        self._volt_gain = rng.uniform(-_TYPICAL, _TYPICAL) * _VOLT_GAIN
        self.volt_offset_v = rng.uniform(-_TYPICAL, _TYPICAL) * _VOLT_OFFSET_V
        self._output_since = clock.time()
        self._armed = False
        self._log_start: float | None = None
        self._log_fetched = 0

    def reset(self) -> None:
        self.tripped = self.causes
        self._abort_log()
        self.drive()

    # -- output -----------------------------------------------------------------------------------------------------

    def drive(self) -> None:
        protection = self.remote_protection_v if self.model in SMU else self.protection_v
        if self.output and self.voltage_v > protection:
            self.tripped |= OV
        voltage = self.voltage_v if self.output and not self.tripped else 0.0
        if voltage != self._supply.value and not self.jammed:
            self._output_since = self._clock.time()
            self._supply.set(voltage)

    def trip(self, bit: int) -> None:
        """A protection disables the output."""
        self.tripped |= bit
        self.drive()

    @command("OUTPut:PROTection:CLEar", source=f"{GUIDE} p. 158")
    def _clear_protection(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self.tripped = self.causes
        self.drive()
        self.mainframe.watch()

    @command("SYSTem:CHANnel:MODel?", answer="the model")
    def _model(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f'"{self.model}"'

    @command("STATus:QUEStionable:CONDition?", source=f"{N6705_GUIDE} p. 350", answer="the bits, decimal")
    def _questionable(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return str(self.tripped)

    @command("CALibrate:DATE?", answer="free text")
    def _calibration_date(self, parameters: Parameters) -> str:
        parameters.expect(0)
        return f'"{self.calibrated}"'

    def _range_chosen(self) -> None:
        if self.range_locked and self.log_range_auto:
            self.log_range_auto = False

    # -- average measurements ---------------------------------------------------------------------------------------

    @command("MEASure[:SCALar]:VOLTage[:DC]?", source=QCODES, answer="V")
    def _measure_voltage(self, parameters: Parameters) -> str:
        parameters.expect(0)
        noise = _VOLT_NOISE_V * float(self.input.noise.standard_normal())
        return self.number(self._supply.value * (1 + self._volt_gain) + self.volt_offset_v + noise)

    @command("MEASure[:SCALar]:CURRent[:DC]?", source=QCODES, answer="A")
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
        step = self.mainframe.resolution_s
        rounded = max(round(self.log_period_s / step), 1) * step
        if rounded != self.log_period_s:
            self.log_period_s = rounded

    @property
    def is_logging(self) -> bool:
        return self._armed or self._log_start is not None

    def parameters_logged(self) -> int:
        current = (1 + 2 * self.log_current_extremes) if self.log_current else 0
        voltage = (1 + 2 * self.log_voltage_extremes) if self.log_voltage else 0
        return current + voltage

    @command("INITiate[:IMMediate]:ELOG", source=f"{GUIDE} p. 146")
    def _initiate(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if self.is_logging:
            raise ScpiError(-213)
        self.mainframe.check_log(self)
        self._armed = True
        if self.log_trigger == "IMM":
            self._start_log()

    @command("TRIGger:ELOG[:IMMediate]", source=f"{GUIDE} p. 145-146")
    def _trigger(self, parameters: Parameters) -> None:
        parameters.expect(0)
        if not self._armed:
            raise ScpiError(-211)
        self._start_log()

    def bus_trigger(self) -> bool:
        """Begin the log that waits for *TRG. Whether there was one."""
        if not self._armed or self.log_trigger != "BUS":
            return False
        self._start_log()
        return True

    def _start_log(self) -> None:
        self._armed = False
        self._log_start = self._clock.time()
        self._log_fetched = 0

    @command("ABORt:ELOG", source=f"{GUIDE} p. 146")
    def _abort(self, parameters: Parameters) -> None:
        parameters.expect(0)
        self._abort_log()

    def _abort_log(self) -> None:
        self._armed = False
        self._log_start = None

    @command("FETCh:ELOG?", source=f"{GUIDE} p. 146", takes="the most records, 1 to 4096",
             answer="records of current mean, minimum, maximum, then voltage; ASCII or a definite-length block")
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
        elapsed_s = (self._clock.time() - self._log_start) * self.time_base
        complete = math.floor(elapsed_s / period + 1e-6) * self.copies
        held = max(1, int(self.fifo_s / period))
        self._log_fetched = max(self._log_fetched, complete - held)     # the oldest are overwritten, silently
        count = min(most, complete - self._log_fetched)
        begin_s = self._log_start + self._log_fetched // self.copies * period / self.time_base
        records = self._records(begin_s, -(-count // self.copies), period / self.time_base)
        records = np.repeat(records, self.copies, axis=0)[:count]
        self._log_fetched += count
        if self.mainframe.data_format == "REAL":
            order = ">f4" if self.mainframe.byte_order == "NORM" else "<f4"
            return self.mainframe.block(records.astype(order).tobytes())
        return ",".join(self.number(value) for value in records.ravel())

    def _records(self, begin: float, count: int, period: float) -> Values:
        """``count`` log records from ``begin`` on, a row each."""
        if count == 0:
            return np.empty((0, self.parameters_logged()))
        columns: list[Values] = []
        if self.log_current:
            # Half a period more, so that rounding can't cost the last bin.
            drawn = self._current.render(begin, begin + (count + 0.5) * period, period)
            current = self._measured(*drawn, period, self.log_range_auto, self.log_range_a)
            columns += current if self.log_current_extremes else current[:1]
        if self.log_voltage:
            mean = self._supply.value * (1 + self._volt_gain) + self.volt_offset_v
            voltage = mean + _VOLT_NOISE_V * self.input.noise.standard_normal(count)
            columns += [voltage, voltage, voltage] if self.log_voltage_extremes else [voltage]
        return np.column_stack(columns)

    def _measured(self, mean: Values, minimum: Values, maximum: Values, time_s: float, auto: bool,
                  range_a: float) -> tuple[Values, Values, Values]:
        """What the instrument makes of the true current: limit, range, gain, offset and noise."""
        limit_a = self.limit_a if self.model in SMU else self.current_a
        mean, minimum, maximum = (np.minimum(values, limit_a) for values in (mean, minimum, maximum))
        index = (self.input.finest(maximum, _SEAMLESS_FROM) if auto and not self.range_locked
                 else self.input.fixed(range_a, len(mean)))
        return (self.input.means(mean, maximum, index, time_s),
                *self.input.extremes(minimum, maximum, index, time_s))
