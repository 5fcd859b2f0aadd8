"""From a capture of the supply current to facts: sleep current, wakes, peak, charge, zero offset.

Traps behind the figures here: one wake of 8 ms lifts the mean of a minute by 6 uA and that of ten minutes by 0.6 uA, so
sleep is measured for minutes and apart from wakes; a charge is right only from a capture without gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.analysis.current_capture import Amperes, CurrentCapture
from bench.errors import BenchError

WAKE_A = 1e-3
"""A unit that draws more than this is awake. The ticks of its real-time clock stay below, a meter readout, a modem
or an LED is above."""

SLEEP_S = 600.0
"""A sleep current wants at least this long a capture: one wake of 8 ms at 46 mA adds 6.1 uA to the mean of a minute,
0.6 uA to that of ten."""

ZERO_MOVES_A = 0.3e-6
"""An ammeter whose zero moves by more than this from before to after a measurement can't judge 6 uA."""

PEAK_LIMIT_A = 0.4
"""Manual, chapter 8: the most that the unit may draw, and so the least that a supply must be able to give."""

_CLIPPED = 0.98
"""A sample this near to the limit, as a part of it, may have been clipped by it."""

_BIN_A = 0.1e-6


@dataclass(frozen=True, slots=True)
class Wake:
    """One stretch in which the unit was awake. Times in seconds from the start of the capture."""

    start_s: float
    duration_s: float
    peak_a: float
    charge_c: float


@dataclass(frozen=True, slots=True)
class SleepCurrent:
    """The sleep current three ways, with the wakes told apart.

    ``mean_a`` is the mean over the time asleep and is what PWR-04 and PWR-05 judge; ``median_a`` and ``floor_a`` (the
    most frequent value: the mode of a histogram) are of the averages of that time; ``overall_a`` is the mean over
    everything, wakes included; ``asleep_s`` is how long the unit slept; ``uncertainty_a`` is that of ``mean_a``. A
    unit that never slept has no sleep current: the first three and the uncertainty are ``nan``.
    """

    mean_a: float
    median_a: float
    floor_a: float
    overall_a: float
    asleep_s: float
    uncertainty_a: float
    wakes: tuple[Wake, ...]


def sleep_current(capture: CurrentCapture, *, at_least_s: float = SLEEP_S, wake_a: float = WAKE_A) -> SleepCurrent:
    """The sleep current in a capture. A period with a sample above ``wake_a`` belongs to a wake.

    A current that stays below ``wake_a`` counts as sleep however long it lasts, so that a unit which half-wakes fails.
    Raises ``BenchError`` for a capture shorter than ``at_least_s``, in which a single wake would weigh too much.
    """
    if capture.duration_s < at_least_s * (1 - 1e-9) - capture.period_s:
        raise BenchError("sleep current", expected=f"a capture of at least {at_least_s:g} s",
                         seen=f"{capture.duration_s:g} s", do="log the current for longer")
    sleeping = capture.maximum_a <= wake_a
    asleep = capture.mean_a[sleeping]
    return SleepCurrent(
        mean_a=float(asleep.mean()) if len(asleep) else float("nan"),
        median_a=float(np.median(asleep)) if len(asleep) else float("nan"),
        floor_a=_mode(asleep) if len(asleep) else float("nan"),
        overall_a=float(capture.mean_a.mean()), asleep_s=len(asleep) * capture.period_s,
        uncertainty_a=float(capture.uncertainty_a[sleeping].mean()) if len(asleep) else float("nan"),
        wakes=wakes(capture, wake_a=wake_a))


def wakes(capture: CurrentCapture, *, wake_a: float = WAKE_A) -> tuple[Wake, ...]:
    """The stretches in which the current exceeded ``wake_a``. The charge includes the sleep current below it."""
    mean_a, maximum_a, period_s = capture.mean_a, capture.maximum_a, capture.period_s
    return tuple(Wake(start * period_s, (end - start) * period_s, float(maximum_a[start:end].max()),
                      float(mean_a[start:end].sum() * period_s))
                 for start, end in stretches(maximum_a > wake_a))


def stretches(flags: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Where ``flags`` are set: (first, one past the last) of each unbroken row of them."""
    padded = np.concatenate(([False], flags, [False]))
    starts, = np.nonzero(~padded[:-1] & padded[1:])
    ends, = np.nonzero(padded[:-1] & ~padded[1:])
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def peak_current(capture: CurrentCapture) -> float:
    """The largest sample (A), for PWR-03. It is stricter than the 100 us mean that the requirement asks for.

    Raises ``BenchError`` when the supply could not have given more than the manual allows, or when the peak reaches
    what it gives: what was clipped must not be taken for a pass.
    """
    if capture.limit_a <= PEAK_LIMIT_A:
        raise BenchError("peak current", expected=f"a supply that gives more than {PEAK_LIMIT_A:g} A",
                         seen=f"a limit of {capture.limit_a:g} A", do="raise the current limit of the supply")
    peak_a = float(capture.maximum_a.max())
    if peak_a >= capture.limit_a * _CLIPPED:
        raise BenchError("peak current", expected=f"a peak well below the limit of {capture.limit_a:g} A",
                         seen=f"{peak_a:g} A, where supply and ammeter end",
                         do="raise the current limit of the supply, or look for a short circuit")
    return peak_a


def charge(capture: CurrentCapture) -> float:
    """The charge (C).

    Raises ``BenchError`` for a capture with gaps: a burst in a gap may be half the charge of a day.
    """
    if not capture.gap_free:
        raise BenchError("charge", expected="a log without gaps", seen="records that were lost",
                         do="log again, with a longer period or a faster connection")
    return float(capture.mean_a.sum() * capture.period_s)


@dataclass(frozen=True, slots=True)
class ZeroOffset:
    """What the ammeter shows without a current (A), before and after a measurement."""

    before_a: float
    after_a: float

    @property
    def offset_a(self) -> float:
        """What is to be taken off the readings in between."""
        return (self.before_a + self.after_a) / 2


def zero_offset(before: CurrentCapture, after: CurrentCapture) -> ZeroOffset:
    """The zero of the ammeter from captures without a current. Raises ``BenchError`` when it has moved."""
    zero = ZeroOffset(float(before.mean_a.mean()), float(after.mean_a.mean()))
    moved = abs(zero.after_a - zero.before_a)
    if moved > ZERO_MOVES_A:
        raise BenchError("zero of the ammeter", expected=f"a change of at most {ZERO_MOVES_A * 1e6:g} uA",
                         seen=f"{zero.before_a * 1e6:.3g} uA before and {zero.after_a * 1e6:.3g} uA after",
                         do="let the instrument warm up, clean cable and fixture, and measure again")
    return zero


def _mode(values: Amperes) -> float:
    """The middle of the fullest bin of a histogram, as the mean of what is in it."""
    bins = np.floor(values / _BIN_A + 0.5).astype(np.int64)
    found, counts = np.unique(bins, return_counts=True)
    return float(values[bins == found[counts.argmax()]].mean())
