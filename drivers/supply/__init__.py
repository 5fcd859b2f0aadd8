"""Supplying the unit, and measuring what it draws: two small protocols. One file per instrument family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

SMALLEST_LIMIT_A = 0.5
"""No supply of the bench limits the current below this: the manual allows the unit 400 mA (clause 8), and a peak that
the supply clips there would look like a pass."""


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
    """The current as a row of contiguous averages: arrays of shape (n,), one value per ``period_s`` from ``start_s``
    (bench time) on. ``uncertainty_a`` is the largest error of each mean by the instrument's specification."""

    start_s: float
    period_s: float
    mean_a: NDArray[np.float64]
    minimum_a: NDArray[np.float64]
    maximum_a: NDArray[np.float64]
    gap_free: bool
    uncertainty_a: NDArray[np.float64]


class Supply(Protocol):
    """A voltage source. Every method raises ``BenchError`` when the instrument fails."""

    def set_voltage(self, voltage_v: float) -> None: ...

    def set_current_limit(self, limit_a: float) -> None: ...

    def output_on(self) -> None: ...

    def output_off(self) -> None: ...

    def voltage(self) -> float:
        """The voltage (V) measured at the terminals."""

    def make_safe(self) -> None:
        """Output off, and checked to be off."""


class Ammeter(Protocol):
    """A meter of the unit's supply current. Bench time passes while it measures."""

    def mean_current(self, duration_s: float) -> CurrentReading: ...

    def log(self, duration_s: float, period_s: float) -> CurrentLog: ...
