"""Faults of what measures the unit's current."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from bench.twin.faults.registry import fault
from bench.twin.faults.tools import current_input, module
from bench.twin.lab import Lab
from bench.twin.supply.measuring import Flaw, Index, Values

MILLIAMPERE_RANGE, HIGHEST_RANGE = 1, 3


@fault("ammeter-garbage-block", instrument="ammeter")
def _(lab: Lab) -> None:
    """The length of a block of readings is no number."""
    lab.power.measuring.garbage_blocks = 1


@fault("ammeter-wrong-range", instrument="ammeter")
def _(lab: Lab) -> None:
    """The ammeter stays in its highest range, whatever it is told."""
    module(lab).range_locked = True


@fault("ammeter-fifo-overrun", instrument="ammeter")
def _(lab: Lab) -> None:
    """The ammeter overwrites what it has buffered twenty times earlier than it should."""
    module(lab).fifo_s /= 20


@fault("ammeter-offset", instrument="ammeter")
def _(lab: Lab) -> None:
    """The ammeter shows 3 uA without a current."""
    current_input(lab).offset_a = 3e-6


@fault("ammeter-negated", instrument="ammeter")
def _(lab: Lab) -> None:
    """The leads of the ammeter are the wrong way round: every current has the other sign."""
    current_input(lab).is_reversed = True


@fault("ammeter-calibration-overdue", instrument="ammeter")
def _(lab: Lab) -> None:
    """The last calibration was three years ago."""
    module(lab).calibrated = lab.clock.utc().date() - timedelta(days=3 * 365)


@fault("ammeter-time-base-fast", instrument="ammeter")
def _(lab: Lab) -> None:
    """The seconds of the ammeter are 5 % short."""
    module(lab).time_base = 1.05


@fault("ammeter-time-base-slow", instrument="ammeter")
def _(lab: Lab) -> None:
    """The seconds of the ammeter are 5 % long."""
    module(lab).time_base = 0.95


@fault("ammeter-doubles-records", instrument="ammeter")
def _(lab: Lab) -> None:
    """The ammeter gives each record twice."""
    module(lab).copies = 2


class Gain(Flaw):
    """All that is shown is ``factor`` of what it should be, in all ranges or in one."""

    def __init__(self, factor: float, only_in: int | None = None) -> None:
        self.factor, self.only_in = factor, only_in

    def mean(self, shown: Values, index: Index) -> Values:
        return np.where((index == self.only_in) | (self.only_in is None), shown * self.factor, shown)


class Drift(Flaw):
    """From 10 minutes on readings gain ``gain`` (relative) and ``offset_a`` in each minute."""

    def __init__(self, now: Callable[[], float], *, gain: float = 0.0, offset_a: float = 0.0) -> None:
        self.now, self.gain, self.offset_a = now, gain, offset_a

    def mean(self, shown: Values, index: Index) -> Values:
        minutes = max(0.0, self.now() / 60 - 10)
        return shown * (1 + self.gain * minutes) + self.offset_a * minutes


class Noise(Flaw):
    """Much more noise than the specification says."""

    def __init__(self, sigma_a: float) -> None:
        self.sigma_a = sigma_a
        self.chance = np.random.default_rng(1)

    def mean(self, shown: Values, index: Index) -> Values:
        return shown + self.sigma_a * self.chance.standard_normal(len(shown))


class Saturated(Flaw):
    """Nothing above ``most_a`` is shown."""

    def __init__(self, most_a: float) -> None:
        self.most_a = most_a

    def mean(self, shown: Values, index: Index) -> Values:
        return np.minimum(shown, self.most_a)


class Frozen(Flaw):
    """The first reading comes again and again."""

    first: float | None = None

    def mean(self, shown: Values, index: Index) -> Values:
        if self.first is None and len(shown):
            self.first = float(shown[0])
        return np.full_like(shown, self.first or 0.0)


class Spikes(Flaw):
    """A sample of half an ampere now and then that was never there."""

    def highest(self, shown: Values, index: Index) -> Values:
        spiked = shown.copy()
        spiked[len(shown) // 2::1000] += 0.5
        return spiked


class Deaf(Flaw):
    """Zero, whatever flows: the input is on another channel."""

    def mean(self, shown: Values, index: Index) -> Values:
        return shown * 0.0


class Steps(Flaw):
    """Readings have steps of ``step_a``: a converter that has lost its lower bits."""

    def __init__(self, step_a: float) -> None:
        self.step_a = step_a

    def mean(self, shown: Values, index: Index) -> Values:
        return np.round(shown / self.step_a) * self.step_a


def _flawed(name: str, text: str, flaw: Callable[[Lab], Flaw]) -> None:
    """Register the fault of an ammeter whose input has ``flaw``."""
    def prepare(lab: Lab) -> None:
        current_input(lab).flaw = flaw(lab)

    prepare.__doc__ = text
    fault(name, instrument="ammeter")(prepare)


_flawed("ammeter-3-percent-high", "All currents are shown 3 % too high", lambda lab: Gain(1.03))
_flawed("ammeter-3-percent-low", "All currents are shown 3 % too low", lambda lab: Gain(0.97))
_flawed("ammeter-12-percent-high", "All currents are shown 12 % too high", lambda lab: Gain(1.12))
_flawed("ammeter-12-percent-low", "All currents are shown 12 % too low", lambda lab: Gain(0.88))
_flawed("ammeter-low-range-12-percent-low", "The range in which a unit sleeps shows 12 % too little",
        lambda lab: Gain(0.88, only_in=MILLIAMPERE_RANGE))
_flawed("ammeter-high-range-12-percent-low", "The range in which a unit sends shows 12 % too little",
        lambda lab: Gain(0.88, only_in=HIGHEST_RANGE))
_flawed("ammeter-high-range-5-percent-high", "The range in which a unit sends shows 5 % too much",
        lambda lab: Gain(1.05, only_in=HIGHEST_RANGE))
_flawed("ammeter-zero-drifts", "After ten minutes the zero rises by 0.05 uA a minute",
        lambda lab: Drift(lab.clock.time, offset_a=0.05e-6))
_flawed("ammeter-gain-drifts", "After ten minutes the gain falls by 0.5 % a minute",
        lambda lab: Drift(lab.clock.time, gain=-0.005))
_flawed("ammeter-noisy", "The readings have 5 uA of noise", lambda lab: Noise(5e-6))
_flawed("ammeter-very-noisy", "The readings have 1 mA of noise", lambda lab: Noise(1e-3))
_flawed("ammeter-saturates", "Nothing above 0.2 A is shown", lambda lab: Saturated(0.2))
_flawed("ammeter-frozen", "The first reading comes again and again", lambda lab: Frozen())
_flawed("ammeter-spikes", "Half an ampere is shown now and then that nobody drew", lambda lab: Spikes())
_flawed("ammeter-channel-swapped", "The ammeter measures at another channel, where nothing flows", lambda lab: Deaf())
_flawed("ammeter-coarse", "The readings have steps of 1 uA", lambda lab: Steps(1e-6))
