"""The twin's heat meter, a Landis+Gyr UH50: one state that the module interface and both of its ports show.

Values are functions of time, worked out when somebody asks; nothing runs in between. The same seed gives the same
meter and, at the same time, the same values.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from bench.clock import Clock

Step = Literal[
    "kWh", "0.001 MWh", "0.01 MWh", "0.1 MWh", "MWh", "MJ", "0.001 GJ", "0.01 GJ", "0.1 GJ", "GJ",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class EnergyUnit:
    """The unit in which an energy register counts, and its last digit's worth in that unit."""

    symbol: str
    step: Decimal
    kwh: float
    """What one ``symbol`` is in kWh."""


_GJ = 1000 / 3.6
ENERGY_UNITS: dict[Step, EnergyUnit] = {
    "kWh": EnergyUnit("kWh", Decimal(1), 1.0),
    "0.001 MWh": EnergyUnit("MWh", Decimal("0.001"), 1000.0),
    "0.01 MWh": EnergyUnit("MWh", Decimal("0.01"), 1000.0),
    "0.1 MWh": EnergyUnit("MWh", Decimal("0.1"), 1000.0),
    "MWh": EnergyUnit("MWh", Decimal(1), 1000.0),
    "MJ": EnergyUnit("MJ", Decimal(1), _GJ / 1000),
    "0.001 GJ": EnergyUnit("GJ", Decimal("0.001"), _GJ),
    "0.01 GJ": EnergyUnit("GJ", Decimal("0.01"), _GJ),
    "0.1 GJ": EnergyUnit("GJ", Decimal("0.1"), _GJ),
    "GJ": EnergyUnit("GJ", Decimal(1), _GJ),
}
"""The energy steps that the manual's Table 6 knows (kWh is the same step as 0.001 MWh, MJ as 0.001 GJ)."""

DIGITS = 7
"""Energy and volume registers have seven digits and then begin again at zero (optical telegrams of real meters)."""

FLAG_BITS = 12
STOPS_COUNTING = 0b0011_1110_1111
"""The flags of manual Table 3 with which the meter measures nothing: all but F41 (battery), F0V and F7V2."""

_HEAT_CAPACITY = 1.163
"""kWh per m3 and K, water."""
_VOLUME_STEP = Decimal("0.01")
_TENTH = Decimal("0.1")
_THOUSANDTH = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Registers:
    """All registers of the meter at one moment, each at the register's own resolution.

    Those of the last set day, of the last month and the maxima belong to the meter's past; they don't move.
    """

    clock: datetime
    """Naive: the meter's local standard time."""
    fabrication_number: str
    property_number: str
    error_flags: int
    """Bits 0 to 11 of manual Table 3."""

    energy_unit: EnergyUnit
    energy: Decimal
    """In ``energy_unit``, as are the tariffs and the stored energies."""
    volume_m3: Decimal
    power_kw: Decimal
    flow_m3_h: Decimal
    forward_c: Decimal
    return_c: Decimal
    difference_k: Decimal
    tariffs: tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None, Decimal | None]
    """Registers 6.8.1 to 6.8.5; None where a register is not used."""
    operating_h: int
    flow_h: int
    missing_time_h: int

    year_energy: Decimal
    year_volume_m3: Decimal
    month_energy: Decimal
    month_volume_m3: Decimal
    max_power_kw: Decimal
    max_flow_m3_h: Decimal
    max_forward_c: Decimal
    max_return_c: Decimal


class UH50:
    """The meter. Use it in the loop's thread.

    ``load`` scales flow and power: 1 is normal, 0 is standstill, -1 is reversed flow, with which power and flow are
    negative and the cumulative registers stand still. ``energy_kwh`` is what the meter has counted before (by default
    the seed says). ``utc_offset_min`` is the meter's own local standard time. ``on_clock_set`` hears of each new
    time, as the module does; ``on_answer`` of what the module is told.
    """

    model = "UH50"
    software = "5.20"
    """Major and minor version, as the meter prints it."""

    def __init__(self, clock: Clock, *, seed: int = 0, energy_step: Step = "0.001 MWh", energy_kwh: float | None = None,
                 utc_offset_min: int = 60, drift_ppm: float = 0.0) -> None:
        self._clock = clock
        chance = random.Random(seed)
        self.fabrication_number = f"{chance.randrange(60_000_000, 70_000_000):08d}"
        self.property_number = self.fabrication_number
        """The customer's number: settable, and on some meters not the fabrication number."""
        self.energy_unit = ENERGY_UNITS[energy_step]
        self.connected = True
        """The module interface: False is a meter that does not answer the module."""
        self.tariffs: tuple[Decimal | None, ...] = (None,) * 5

        self._power_kw = chance.uniform(8, 14)
        self._flow_m3_h = self._power_kw / _HEAT_CAPACITY / chance.uniform(25, 35)
        self._forward_c = chance.uniform(75, 85)
        self._phases = tuple(chance.uniform(0, math.tau) for _ in range(3))

        self._since = clock.time()
        past_kwh = chance.uniform(60_000, 90_000)
        self._energy_kwh = past_kwh if energy_kwh is None else energy_kwh
        self._volume_m3 = chance.uniform(1500, 3500)
        year, month = chance.uniform(0.90, 0.95), chance.uniform(0.97, 0.99)
        self._year = (self._energy_kwh * year, self._volume_m3 * year)
        self._month = (self._energy_kwh * month, self._volume_m3 * month)
        self._operating_s = chance.uniform(20_000, 100_000) * 3600
        self._flow_s = self._operating_s * chance.uniform(0.3, 0.8)
        self._missing_s = chance.uniform(0, 300) * 3600
        self._load = 1.0
        self._error_flags = 0

        self._utc_offset_min = utc_offset_min
        self._drift_ppm = drift_ppm
        self._clock_set_at = clock.time()
        self._clock_set_to = clock.utc().replace(tzinfo=None) + timedelta(minutes=utc_offset_min)
        self._held: dict[str, Any] = {}
        self.on_answer: Callable[[Registers], None] = lambda _: None
        self.on_clock_set: Callable[[], None] = lambda: None

    # -- what the ports and the module see ------------------------------------------------------------------------

    def registers(self) -> Registers:
        """All registers at this moment."""
        now = self._clock.time()
        unit = self.energy_unit
        elapsed = now - self._since
        power, flow, forward = self._profile(now)
        energy_kwh = self._energy_kwh + self._counted(now, self._power_integral)
        volume = self._volume_m3 + self._counted(now, self._flow_integral)
        difference = power / flow / _HEAT_CAPACITY
        computed = Registers(
            clock=self.clock_now(),
            fabrication_number=self.fabrication_number,
            property_number=self.property_number,
            error_flags=self._error_flags,
            energy_unit=unit,
            energy=_counter(energy_kwh / unit.kwh, unit.step),
            volume_m3=_counter(volume, _VOLUME_STEP),
            power_kw=_rounded(power * self._load, _TENTH),
            flow_m3_h=_rounded(flow * self._load, _THOUSANDTH),
            forward_c=_rounded(forward, _TENTH),
            return_c=_rounded(forward - difference, _TENTH),
            difference_k=_rounded(forward, _TENTH) - _rounded(forward - difference, _TENTH),
            tariffs=(self.tariffs[0], self.tariffs[1], self.tariffs[2], self.tariffs[3], self.tariffs[4]),
            operating_h=int((self._operating_s + elapsed) // 3600),
            flow_h=int((self._flow_s + (elapsed if self._counting else 0)) // 3600),
            missing_time_h=int((self._missing_s + (elapsed if self._faulty else 0)) // 3600),
            year_energy=_counter(self._year[0] / unit.kwh, unit.step),
            year_volume_m3=_counter(self._year[1], _VOLUME_STEP),
            month_energy=_counter(self._month[0] / unit.kwh, unit.step),
            month_volume_m3=_counter(self._month[1], _VOLUME_STEP),
            max_power_kw=_rounded(self._power_kw * 1.6, _TENTH),
            max_flow_m3_h=_rounded(self._flow_m3_h * 1.6, _THOUSANDTH),
            max_forward_c=_rounded(self._forward_c + 12, _TENTH),
            max_return_c=_rounded(self._forward_c + 10, _TENTH),
        )
        return replace(computed, **self._held)

    def clock_now(self) -> datetime:
        """The meter's clock: naive, local standard time."""
        held: datetime | None = self._held.get("clock")
        if held is not None:
            return held
        elapsed = self._clock.time() - self._clock_set_at
        return self._clock_set_to + timedelta(seconds=elapsed * (1 + self._drift_ppm / 1e6))

    def set_clock(self, local: datetime) -> None:
        """Set the meter's clock to ``local``: naive, local standard time. Raises ValueError for an aware time."""
        if local.tzinfo is not None:
            raise ValueError("the meter knows no time zone: give its local standard time, naive")
        self._clock_set_at, self._clock_set_to = self._clock.time(), local
        self.on_clock_set()

    def answer_module(self) -> Registers:
        """What the module gets at the module interface."""
        registers = self.registers()
        self.on_answer(registers)
        return registers

    # -- what a test sets -----------------------------------------------------------------------------------------

    @property
    def utc_offset_min(self) -> int:
        return self._utc_offset_min

    def set_utc_offset(self, minutes: int) -> None:
        """Move the meter to another local standard time; its clock moves with it."""
        self.set_clock(self.clock_now() + timedelta(minutes=minutes - self._utc_offset_min))
        self._utc_offset_min = minutes

    @property
    def drift_ppm(self) -> float:
        """How much faster than real time the clock runs, in parts per million."""
        return self._drift_ppm

    def set_drift(self, ppm: float) -> None:
        self._clock_set_at, self._clock_set_to = self._clock.time(), self.clock_now()
        self._drift_ppm = ppm

    @property
    def error_flags(self) -> int:
        """Bits 0 to 11 of manual Table 3. While one of ``STOPS_COUNTING`` is set, missing time counts instead."""
        return self._error_flags

    def set_error_flags(self, flags: int) -> None:
        if not 0 <= flags < 1 << FLAG_BITS:
            raise ValueError(f"error flags have {FLAG_BITS} bits (manual Table 3), not {flags:#x}")
        self._rebase()
        self._error_flags = flags

    @property
    def load(self) -> float:
        return self._load

    def set_load(self, factor: float) -> None:
        self._rebase()
        self._load = factor

    def hold(self, **registers: Any) -> None:
        """Show these registers, by their names in ``Registers``, whatever time does; without names, all as they are
        now except the clock. The meter counts on behind them. Raises ValueError for a name that is none.
        """
        names = {field.name for field in fields(Registers)}
        if unknown := sorted(set(registers) - names):
            raise ValueError(f"no such register: {', '.join(unknown)}")
        if not registers:
            now = self.registers()
            registers = {name: getattr(now, name) for name in names - {"clock"}}
        self._held |= registers

    def release(self) -> None:
        """Show what the meter measures again."""
        self._held.clear()

    # -- the load profile: a mean, a daily swing, and a quicker one so that reads minutes apart differ -------------

    def _profile(self, t: float) -> tuple[float, float, float]:
        """Power in kW, flow in m3/h (both at load 1) and forward temperature in degrees C at time ``t``."""
        day, quick, weather = self._phases
        power = self._power_kw * (1 + 0.3 * math.sin(_DAY * t + day) + 0.1 * math.sin(_QUICK * t + quick))
        flow = self._flow_m3_h * (1 + 0.25 * math.sin(_DAY * t + day) + 0.06 * math.sin(_QUICK * t + quick))
        return power, flow, self._forward_c + 4 * math.sin(_HALF_DAY * t + weather)

    def _power_integral(self, t: float) -> float:
        """kWh from time 0 to ``t`` plus a constant."""
        return self._power_kw / 3600 * self._swing_integral(t, 0.3, 0.1)

    def _flow_integral(self, t: float) -> float:
        """m3 from time 0 to ``t`` plus a constant."""
        return self._flow_m3_h / 3600 * self._swing_integral(t, 0.25, 0.06)

    def _swing_integral(self, t: float, daily: float, quickly: float) -> float:
        day, quick, _ = self._phases
        return t - daily / _DAY * math.cos(_DAY * t + day) - quickly / _QUICK * math.cos(_QUICK * t + quick)

    @property
    def _faulty(self) -> bool:
        return bool(self._error_flags & STOPS_COUNTING)

    @property
    def _counting(self) -> bool:
        return self._load > 0 and not self._faulty

    def _counted(self, now: float, integral: Callable[[float], float]) -> float:
        """What a cumulative register has gained since conditions last changed."""
        return self._load * (integral(now) - integral(self._since)) if self._counting else 0.0

    def _rebase(self) -> None:
        """Conditions change now: add up what was counted under the old ones."""
        now = self._clock.time()
        elapsed = now - self._since
        self._energy_kwh += self._counted(now, self._power_integral)
        self._volume_m3 += self._counted(now, self._flow_integral)
        self._operating_s += elapsed
        self._flow_s += elapsed if self._counting else 0
        self._missing_s += elapsed if self._faulty else 0
        self._since = now


_DAY = math.tau / 86_400
_HALF_DAY = math.tau / 43_200
_QUICK = math.tau / 2_820


def _counter(value: float, step: Decimal) -> Decimal:
    """A register of seven digits that shows whole steps only."""
    return Decimal(int(value / float(step)) % 10**DIGITS) * step


def _rounded(value: float, step: Decimal) -> Decimal:
    return Decimal(value).quantize(step, rounding=ROUND_HALF_UP)
