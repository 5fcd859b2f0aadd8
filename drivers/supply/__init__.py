"""Supplying the unit, and measuring what it draws: two small protocols. One file per instrument family.

A source/measure unit keeps both protocols. A plain supply with an ammeter in series becomes one instrument by
``drivers.supply.in_series``. The station file says which combination it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

SMALLEST_LIMIT_A = 0.5
"""No supply of the bench limits the current below this: the manual allows the unit 400 mA (clause 8), and a peak that
the supply clips there would look like a pass."""


CurrentLimit = Annotated[float, Field(ge=SMALLEST_LIMIT_A, le=3.0)]
"""Option of a supply (A)."""
Overvoltage = Annotated[float, Field(gt=0, le=6.0)]
"""Option of a supply: where its protection trips (V); it refuses to be set as high."""

MEASURES_CHARGE = frozenset({"supply.current", "supply.charge"})
"""Abilities of an instrument that follows a unit from sleep to transmission without a gap."""


@dataclass(frozen=True, slots=True)
class CurrentReading:
    """The current over one stretch of time.

    ``minimum_a`` and ``maximum_a`` are extremes of the instrument's samples, ``samples`` is the number of contiguous
    averages the mean was made of, ``gap_free`` whether nothing in between was missed (charge may only be computed
    then), ``uncertainty_a`` the largest error of ``mean_a`` by the instrument's specification.
    """

    mean_a: float
    minimum_a: float
    maximum_a: float
    duration_s: float
    samples: int
    voltage_v: float
    gap_free: bool
    uncertainty_a: float


@dataclass(frozen=True, slots=True, eq=False)
class CurrentLog:
    """The current as a row of contiguous averages: arrays of shape (n,), one value per ``period_s`` from
    ``start_bench_s`` (bench time) on.

    ``minimum_a`` and ``maximum_a`` are extremes of the instrument's samples; an instrument that only averages gives
    its averages. ``gap_free``: nothing was missed and nothing was beyond its range (charge may only be computed
    then). ``uncertainty_a`` is the largest error of each mean by the instrument's specification, ``full_scale_a`` the
    range in which it was taken. ``limit_a`` is the most that the supply gives and the ammeter shows, ``voltage_v`` the
    voltage at the terminals when the log began (nan: nobody measures it).
    """

    start_bench_s: float
    period_s: float
    mean_a: NDArray[np.float64]
    minimum_a: NDArray[np.float64]
    maximum_a: NDArray[np.float64]
    gap_free: bool
    uncertainty_a: NDArray[np.float64]
    full_scale_a: NDArray[np.float64]
    limit_a: float
    voltage_v: float


class Instrument(Protocol):
    """What every instrument tells of itself. Every method raises ``BenchError`` when the instrument fails."""

    @property
    def identity(self) -> str:
        """Maker, model, serial number and firmware, as the instrument says them."""

    def check(self) -> None:
        """Raise ``BenchError`` when a protection has tripped or the instrument has an error to tell."""

    def self_test(self) -> None:
        """Raise ``BenchError`` when the instrument's own test fails. Switches outputs off on some models."""

    def calibrated_on(self) -> date | None:
        """The day of the last calibration; ``None`` when the instrument doesn't tell."""

    def close(self) -> None: ...


class Supply(Instrument, Protocol):
    """A voltage source. Every method raises ``BenchError`` when the instrument fails."""

    def set_voltage(self, voltage_v: float) -> None:
        """Refuses what is at or above the over-voltage protection."""

    def set_current_limit(self, limit_a: float) -> None:
        """Refuses what is below ``SMALLEST_LIMIT_A``."""

    @property
    def current_limit_a(self) -> float: ...

    def ramp(self, voltage_v: float, duration_s: float) -> None:
        """Bring the voltage evenly to ``voltage_v``; bench time passes."""

    def output_on(self) -> None: ...

    def output_off(self) -> None: ...

    def voltage(self) -> float:
        """The voltage (V) measured at the terminals."""

    def make_safe(self) -> None:
        """Output off, and checked to be off."""


@runtime_checkable
class OutputWatchdog(Protocol):
    """A supply that switches its output off by itself when it has heard nothing for a time."""

    supports_watchdog: bool
    """Whether it may be armed: where others use the same instrument it may not."""

    def arm_watchdog(self, seconds: int) -> None: ...

    def feed_watchdog(self) -> None:
        """Any thread may call it. Raises ``BenchError`` when the watchdog is not armed any more."""

    def disarm_watchdog(self) -> None: ...


class Ammeter(Instrument, Protocol):
    """A meter of the unit's supply current. Bench time passes while it measures."""

    def mean_current(self, duration_s: float) -> CurrentReading: ...

    def log(self, duration_s: float, period_s: float) -> CurrentLog: ...


class MeasuringSupply(Supply, Ammeter, Protocol):
    """A supply that also measures what it delivers: what suites are given."""
