"""From a log of the supply current to facts: sleep current, wakes, peak, charge.

All functions take the arrays of a log of contiguous averages (A), one value per ``period_s``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Amperes = NDArray[np.float64]

WAKE_A = 1e-3
"""A unit that draws more than this is awake. The ticks of its real-time clock stay below, a meter readout, a modem
or an LED is above (reference/instruments.md, section 1.6)."""


@dataclass(frozen=True, slots=True)
class Wake:
    """One stretch in which the unit was awake. Times in seconds from the start of the log."""

    start_s: float
    duration_s: float
    peak_a: float
    charge_c: float


@dataclass(frozen=True, slots=True)
class SleepCurrent:
    """The sleep current three ways, with the wakes told apart.

    ``mean_a`` is the mean over the time asleep and is what PWR-04 and PWR-05 judge; ``median_a`` and ``floor_a`` (5th
    percentile) are of the averages of that time; ``overall_a`` is the mean over everything, wakes included;
    ``asleep_s`` is how long the unit slept. A unit that never slept has no sleep current: the three are ``nan``.
    """

    mean_a: float
    median_a: float
    floor_a: float
    overall_a: float
    asleep_s: float
    wakes: tuple[Wake, ...]


def sleep_current(mean_a: Amperes, maximum_a: Amperes, period_s: float, *, wake_a: float = WAKE_A) -> SleepCurrent:
    """The sleep current in a log. A period with a sample above ``wake_a`` belongs to a wake.

    A current that stays below ``wake_a`` counts as sleep however long it lasts, so that a unit which half-wakes fails.
    """
    _check(mean_a, maximum_a)
    awake = maximum_a > wake_a
    asleep = mean_a[~awake]
    return SleepCurrent(
        mean_a=_or_nan(np.mean, asleep), median_a=_or_nan(np.median, asleep),
        floor_a=float(np.percentile(asleep, 5)) if len(asleep) else float("nan"),
        overall_a=float(mean_a.mean()), asleep_s=len(asleep) * period_s,
        wakes=wakes(mean_a, maximum_a, period_s, wake_a=wake_a))


def wakes(mean_a: Amperes, maximum_a: Amperes, period_s: float, *, wake_a: float = WAKE_A) -> tuple[Wake, ...]:
    """The stretches in which the current exceeded ``wake_a``. The charge includes the sleep current below it."""
    _check(mean_a, maximum_a)
    awake = np.concatenate(([False], maximum_a > wake_a, [False]))
    starts, = np.nonzero(~awake[:-1] & awake[1:])
    ends, = np.nonzero(awake[:-1] & ~awake[1:])
    return tuple(Wake(start * period_s, (end - start) * period_s, float(maximum_a[start:end].max()),
                      float(mean_a[start:end].sum() * period_s))
                 for start, end in zip(starts.tolist(), ends.tolist(), strict=True))


def peak_current(maximum_a: Amperes) -> float:
    """The largest sample (A), for PWR-03. It is stricter than the 100 us mean that the requirement asks for."""
    if not len(maximum_a):
        raise ValueError("an empty log has no peak")
    return float(maximum_a.max())


def charge(mean_a: Amperes, period_s: float, *, gap_free: bool) -> float:
    """The charge (C). Raises ``ValueError`` for a log with gaps: a burst in a gap is up to half the charge of a day."""
    if not gap_free:
        raise ValueError("the charge of a log with gaps is unknown")
    return float(mean_a.sum() * period_s)


def _check(mean_a: Amperes, maximum_a: Amperes) -> None:
    if not len(mean_a) or len(mean_a) != len(maximum_a):
        raise ValueError(f"a log has as many means as maxima, and at least one: {len(mean_a)} and {len(maximum_a)}")


def _or_nan(function: object, values: Amperes) -> float:
    return float(function(values)) if len(values) else float("nan")  # type: ignore[operator]
