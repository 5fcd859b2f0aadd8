"""What the twin unit draws from its supply: a list of steps, integrated exactly, rendered only where somebody looks.

A day at 50 kS/s is 4.3e9 samples, so samples are never kept. The unit says what each of its components draws at
3.6 V; an instrument asks for a window and gets means, minima and maxima per period. Noise belongs to the instrument.

The figures of ``Waveform`` are a model from public data of NB-IoT modems (nRF9160, SARA-N2), not a measurement of a
CMi6110.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.clock import Clock
from bench.twin.signal import Signal

Amperes = NDArray[np.float64]

REFERENCE_V = 3.6
"""The supply voltage at which the components' currents are stated; the unit draws constant power."""

_CHUNK = 1 << 16
"""Bins, and edges of repeating patterns, that one step of rendering may hold in memory."""


class Waveform:
    """Currents (A at 3.6 V) and times (s) of the unit's activities."""

    floor_a: float = 5.2e-6             # power saving mode
    tick_a: float = 0.3e-3              # real-time clock
    tick_s: float = 0.1e-3
    tick_period_s: float = 1.0
    readout_a: float = 2e-3             # meter readout
    readout_s: float = 1.5
    wake_a: float = 8e-3                # controller wakes, modem boots
    boot_spike_a: float = 25e-3
    boot_spike_s: float = 5e-3
    boot_spike_period_s: float = 0.05
    wake_s: float = 0.4
    receive_a: float = 46e-3            # search and synchronisation, downlink
    search_s: float = 0.6               # of each period, when there is no network yet
    search_period_s: float = 1.0
    synchronise_s: tuple[float, float, float] = (0.35, 1.5, 5.0)      # after power saving, by coverage level
    transmit_a: float = 220e-3          # 23 dBm
    transmit_peak_a: float = 250e-3
    peak_s: float = 8e-3
    ramp_s: float = 2e-3                # the transmitter comes on and goes off in one step between
    random_access_s: float = 0.05       # preambles before the data
    block_s: tuple[float, float, float] = (0.032, 0.064, 0.256)       # by coverage level
    block_pause_s: float = 0.04
    connected_a: float = 6e-3           # connected, between the receive windows of C-DRX
    connected_receive_s: float = 12e-3
    connected_period_s: float = 0.256
    idle_a: float = 15e-6               # idle with eDRX, between paging time windows
    paging_s: float = 20e-3             # one paging occasion
    paging_period_s: float = 2.56       # between occasions inside the paging time window
    led_a: float = 3e-3                 # each LED
    inrush_a: float = 350e-3
    inrush_s: float = 2e-3              # its time constant


@dataclass(slots=True)
class _Pattern:
    """``level`` (pA) for ``on`` of every ``period`` from ``start`` to ``end`` (us)."""

    level: int
    on: int
    period: int
    start: int
    end: float = math.inf

    def on_time(self, moment: float) -> float:
        """Microseconds the pattern has been on from its start to ``moment``."""
        since = min(moment, self.end) - self.start
        if since <= 0:
            return 0.0
        whole, rest = divmod(since, self.period)
        return whole * self.on + min(rest, self.on)

    def edges(self, begin: float, end: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Times and steps (pA) within [begin, end); the step at ``begin`` is the level there."""
        begin, end = max(begin, self.start), min(end, self.end)
        if begin >= end:
            return np.empty(0), np.empty(0, np.int64)
        first, last = int((begin - self.start) // self.period), int((end - self.start) // self.period)
        ons = self.start + np.arange(first, last + 1, dtype=np.float64) * self.period
        offs = np.minimum(ons + self.on, end)
        kept = (ons < end) & (offs > begin)
        ons, offs = np.maximum(ons[kept], begin), offs[kept]
        steps = np.full(len(ons), self.level, np.int64)
        return np.concatenate((ons, offs)), np.concatenate((steps, -steps))


class CurrentTrace:
    """The current into the unit over time. Use it in the loop's thread.

    Each component (a free name: "floor", "modem", "led.red") draws a level at 3.6 V, until it is set anew. The sum is
    scaled with 3.6 V / actual voltage while ``supply`` is above 0 V and is zero without supply. When the supply goes
    away, everything that was set or planned is forgotten: an unpowered unit runs nothing.

    Currents are kept in whole picoamperes and times in whole microseconds, so that a year of steps adds up exactly.
    With ``retention_s`` steps older than that are forgotten now and then; their charge is kept.
    """

    def __init__(self, clock: Clock, supply: Signal[float], *, retention_s: float | None = None) -> None:
        self._clock = clock
        self._retention_us = None if retention_s is None else _us(retention_s)
        self._begin = self._horizon = _us(clock.time())
        self._forgotten_c = 0.0
        self._level_before = 0
        self._times: list[int] = []
        self._steps: list[int] = []
        self._levels: dict[str, int] = {}
        self._changed: dict[str, int] = {}
        self._patterns: dict[str, _Pattern] = {}
        self._ended: list[_Pattern] = []
        self._voltage_times: list[int] = [self._begin]
        self._voltages: list[float] = [supply.value]
        self._followers: list[Callable[[], None]] = []
        supply.follow(self._voltage_changed)

    # -- what the unit says ---------------------------------------------------------------------------------------

    def set(self, component: str, amps: float, at: float | None = None) -> None:
        """``component`` draws ``amps`` (at 3.6 V) from ``at`` (default: now) on. Ends its repeating pattern.

        Raises ``ValueError`` for a negative current, and for a time before the component's previous change.
        """
        moment = self._moment(component, at)
        level = _pa(amps)
        pattern = self._patterns.pop(component, None)
        if pattern is not None:
            pattern.end = moment
            self._ended.append(pattern)
        step = level - self._levels.get(component, 0)
        if step:
            self._insert(moment, step)
        self._levels[component] = level
        self._changed[component] = moment
        self._tell()

    def pulse(self, component: str, amps: float, duration_s: float, at: float | None = None) -> None:
        """``component`` draws ``amps`` more than it otherwise does for ``duration_s`` seconds from ``at`` on."""
        moment = self._moment(component, at)
        level, duration = _pa(amps), _us(duration_s)
        if duration < 0:
            raise ValueError(f"a pulse can't last {duration_s} s")
        if level and duration:
            self._insert(moment, level)
            self._insert(moment + duration, -level)
            self._tell()

    def repeat(self, component: str, amps: float, on_s: float, period_s: float, at: float | None = None) -> None:
        """``component`` draws ``amps`` for ``on_s`` of every ``period_s``, from ``at`` until it is set anew."""
        on, period = _us(on_s), _us(period_s)
        if not 0 < on <= period:
            raise ValueError(f"a pattern can't be on for {on_s} s of {period_s} s")
        level = _pa(amps)
        self.set(component, 0.0, at)
        if level:
            self._patterns[component] = _Pattern(level, on, period, self._changed[component])
            self._tell()

    def follow(self, follower: Callable[[], None]) -> None:
        """Call ``follower()`` whenever the unit begins or plans to draw something else."""
        self._followers.append(follower)

    def forget(self, before: float) -> None:
        """Drop the steps before that time. They can't be rendered any more; their charge is kept."""
        moment = min(_us(before), _us(self._clock.time()))
        if moment <= self._horizon:
            return
        self._forgotten_c += self._charge(self._horizon, moment)
        count = bisect_right(self._times, moment)
        self._level_before += sum(self._steps[:count])
        del self._times[:count], self._steps[:count]
        kept = bisect_right(self._voltage_times, moment) - 1
        del self._voltage_times[:kept], self._voltages[:kept]
        self._ended = [pattern for pattern in self._ended if pattern.end > moment]
        self._horizon = moment

    # -- what an instrument asks ----------------------------------------------------------------------------------

    def at(self, moment: float) -> float:
        """The current (A) at ``moment``."""
        when = self._known(moment)
        level = self._level(when) + sum(pattern.level for pattern in self._all_patterns()
                                        if pattern.start <= when < pattern.end
                                        and (when - pattern.start) % pattern.period < pattern.on)
        return level * 1e-12 * _scale(self._voltages[bisect_right(self._voltage_times, when) - 1])

    def charge(self, t0: float, t1: float) -> float:
        """The charge (C) drawn from ``t0`` to ``t1``, integrated exactly.

        ``t0`` may lie before what has been forgotten only if it is the trace's beginning or earlier.
        """
        if t1 < t0:
            raise ValueError(f"the window ends at {t1} s before it begins at {t0} s")
        if _us(t0) <= self._begin < self._horizon <= _us(t1):
            return self._forgotten_c + self._charge(self._horizon, _us(t1))
        return self._charge(self._known(t0), self._known(t1))

    def render(self, t0: float, t1: float, period: float) -> tuple[Amperes, Amperes, Amperes]:
        """Mean, minimum and maximum (A) of each whole ``period`` (s) from ``t0`` to ``t1``: three arrays (n,)."""
        if not period > 0:
            raise ValueError(f"a period can't be {period} s")
        count = math.floor((t1 - t0) / period + 1e-6)
        if count < 1:
            return np.empty(0), np.empty(0), np.empty(0)
        self._known(t0)
        # To the nanosecond: an edge that float noise puts just before a step would show the level before it.
        begin, step = round(t0 * 1e6, 3), round(period * 1e6, 3)
        edges_per_us = sum(2 / pattern.period for pattern in self._all_patterns())
        bins = max(1, min(_CHUNK, int(_CHUNK / (edges_per_us * step)) if edges_per_us else _CHUNK))
        parts = [self._render(begin + np.arange(first, min(first + bins, count) + 1, dtype=np.float64) * step)
                 for first in range(0, count, bins)]
        if len(parts) == 1:
            return parts[0]
        mean, minimum, maximum = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        return mean, minimum, maximum

    # -- inside -----------------------------------------------------------------------------------------------------

    def _moment(self, component: str, at: float | None) -> int:
        moment = _us(self._clock.time() if at is None else at)
        earliest = max(self._changed.get(component, self._horizon), self._horizon)
        if moment < earliest:
            raise ValueError(f"{component} can't change at {moment / 1e6} s: it changed at {earliest / 1e6} s")
        return moment

    def _known(self, moment: float) -> int:
        when = _us(moment)
        if when < self._horizon:
            raise ValueError(f"the current at {moment} s is forgotten; it is known from {self._horizon / 1e6} s on")
        return when

    def _tell(self) -> None:
        for follower in self._followers:
            follower()

    def _insert(self, moment: int, step: int) -> None:
        if not self._times or moment >= self._times[-1]:
            self._times.append(moment)
            self._steps.append(step)
        else:
            place = bisect_right(self._times, moment)
            self._times.insert(place, moment)
            self._steps.insert(place, step)
        if self._retention_us is not None:
            now = _us(self._clock.time())
            if self._times[0] < now - 2 * self._retention_us:
                self.forget((now - self._retention_us) / 1e6)

    def _voltage_changed(self, voltage_v: float) -> None:
        now = _us(self._clock.time())
        self._voltage_times.append(now)
        self._voltages.append(voltage_v)
        if voltage_v <= 0:
            self._power_lost(now)

    def _power_lost(self, now: int) -> None:
        planned = bisect_right(self._times, now)
        del self._times[planned:], self._steps[planned:]
        level = self._level(now)
        if level:
            self._insert(now, -level)
        for pattern in self._patterns.values():
            pattern.end = now
            self._ended.append(pattern)
        self._patterns.clear()
        self._levels.clear()
        self._changed.clear()

    def _all_patterns(self) -> Iterator[_Pattern]:
        yield from self._ended
        yield from self._patterns.values()

    def _level(self, moment: float) -> int:
        return self._level_before + sum(self._steps[:bisect_right(self._times, moment)])

    def _charge(self, begin: int, end: int) -> float:
        """Coulombs between two times (us), one piece per supply voltage."""
        first = bisect_right(self._voltage_times, begin) - 1
        total = 0.0
        for index in range(first, len(self._voltages)):
            start = max(begin, self._voltage_times[index])
            stop = min(end, self._voltage_times[index + 1]) if index + 1 < len(self._voltages) else end
            if start >= end:
                break
            if self._voltages[index] > 0 and stop > start:
                picoampere_us = self._steps_charge(start, stop) + sum(
                    pattern.level * (pattern.on_time(stop) - pattern.on_time(start))
                    for pattern in self._all_patterns())
                total += picoampere_us * 1e-18 * _scale(self._voltages[index])
        return total

    def _steps_charge(self, begin: int, end: int) -> int:
        first, last = bisect_right(self._times, begin), bisect_left(self._times, end)
        level = self._level_before + sum(self._steps[:first])
        moment, total = begin, 0
        for index in range(first, last):
            total += level * (self._times[index] - moment)
            moment = self._times[index]
            level += self._steps[index]
        return total + level * (end - moment)

    def _pieces(self, begin: float, end: float) -> tuple[NDArray[np.float64], Amperes]:
        """The piecewise constant current in a window: where each piece begins (us), and its current (A)."""
        first, last = bisect_right(self._times, begin), bisect_left(self._times, end)
        level = self._level_before + sum(self._steps[:first])
        parts = [(np.array(self._times[first:last], np.float64), np.array(self._steps[first:last], np.int64))]
        parts += [pattern.edges(begin, end) for pattern in self._all_patterns()]
        times = np.concatenate([part[0] for part in parts])
        steps = np.concatenate([part[1] for part in parts])
        order = np.argsort(times, kind="stable")
        times, levels = times[order], level + np.cumsum(steps[order])

        first_voltage = bisect_right(self._voltage_times, begin) - 1
        last_voltage = bisect_left(self._voltage_times, end)
        voltage_times = np.array([begin, *self._voltage_times[first_voltage + 1:last_voltage]], np.float64)
        scales = np.array([_scale(voltage) for voltage in self._voltages[first_voltage:max(last_voltage,
                                                                                           first_voltage + 1)]])
        starts = np.unique(np.concatenate(([begin], times, voltage_times)))
        index = np.searchsorted(times, starts, side="right")
        drawn = np.concatenate(([level], levels))[index]
        scale = scales[np.searchsorted(voltage_times, starts, side="right") - 1]
        return starts, drawn * 1e-12 * scale

    def _render(self, edges: NDArray[np.float64]) -> tuple[Amperes, Amperes, Amperes]:
        starts, current = self._pieces(float(edges[0]), float(edges[-1]))
        charge = np.concatenate(([0.0], np.cumsum(current[:-1] * np.diff(starts))))
        piece = np.searchsorted(starts, edges, side="right") - 1
        charge_at = charge[piece] + current[piece] * (edges - starts[piece])
        mean = np.diff(charge_at) / np.diff(edges)
        # Each bin looks at the pieces from the one that holds its first edge to the last that begins before its end.
        ends = np.searchsorted(starts, edges[1:], side="left")
        bounds = np.column_stack((piece[:-1], ends)).ravel()
        padded = np.append(current, current[-1])
        minimum = np.minimum.reduceat(padded, bounds)[::2]
        maximum = np.maximum.reduceat(padded, bounds)[::2]
        return np.clip(mean, minimum, maximum), minimum, maximum     # the sums' rounding is some 1e-12 A


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _pa(amps: float) -> int:
    if not (math.isfinite(amps) and amps >= 0):
        raise ValueError(f"a component can't draw {amps} A")
    return round(amps * 1e12)


def _scale(voltage_v: float) -> float:
    return REFERENCE_V / voltage_v if voltage_v > 0 else 0.0
