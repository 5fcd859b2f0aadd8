"""What the unit does, found in the trace of its current alone: sleep, readout, wake, search, transmit, connected, idle.

Thresholds lie in the wide gaps between the levels of public modems (nRF9160, SARA-N2); a current is scaled by the
supply voltage (2.4 to 4.2 V) without crossing one. A trace shows no names: what precedes the first transmission of a
session is called search, what follows it until the release connected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bench.analysis.current import WAKE_A, stretches
from bench.analysis.current_capture import Amperes, CurrentCapture
from bench.errors import BenchError

READOUT_A = 5e-3
"""Awake, and less than this on average: the controller reads the meter. More: it boots, or lights LEDs."""

RECEIVE_A = 30e-3
"""More than this: a receiver is on (39 to 69 mA); the spikes of a boot stay below."""

TRANSMIT_A = 100e-3
"""More than this: the transmitter is on (188 to 330 mA)."""

_TOGETHER_S = 0.5
"""Pauses shorter than this don't end what goes on: a search listens with pauses of less."""

_PAGING_S = 0.5
"""A reception without transmission that is shorter than this is a paging occasion, a longer one a search."""

_BLOCK_C = 1e-3
"""A transmission takes more than this: its shortest block is 6 ms. The inrush when the supply comes takes less."""

_BOOT_A = 10e-3
"""What a boot draws is not counted for it."""

_SETTLED_S = 2.0
"""How much of a sleep must be seen before its beginning counts."""

_STEP_A = 1e-6
_STEP_PART = 0.3
"""The fall from idle to power saving mode is at least this much, and at least this part of the sleep current."""


class Kind(StrEnum):
    """What the unit does. ``idle``: the network has released it and may page it, while the active timer T3324 runs."""

    SLEEP = "sleep"
    READOUT = "readout"
    WAKE = "wake"
    SEARCH = "search"
    TRANSMIT = "transmit"
    CONNECTED = "connected"
    IDLE = "idle"


_KINDS = tuple(Kind)
_READOUT = _KINDS.index(Kind.READOUT)
_SESSION = frozenset({Kind.WAKE, Kind.SEARCH, Kind.TRANSMIT, Kind.CONNECTED})


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of one kind. ``start_s`` counts from the start of the capture."""

    kind: Kind
    start_s: float
    duration_s: float
    charge_c: float
    peak_a: float

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s


@dataclass(frozen=True, slots=True)
class Share:
    """All phases of one kind, or of several, together."""

    count: int
    duration_s: float
    charge_c: float

    @property
    def mean_a(self) -> float:
        """``nan`` without any."""
        return self.charge_c / self.duration_s if self.duration_s else float("nan")


@dataclass(frozen=True, slots=True)
class ActiveTimer:
    """From the release of a radio connection to power saving mode (s from the start of the capture): T3324."""

    release_s: float
    sleep_s: float

    @property
    def duration_s(self) -> float:
        return self.sleep_s - self.release_s


def find_phases(capture: CurrentCapture) -> tuple[Phase, ...]:
    """The phases of a capture, in order and without gaps between them, so that their charges add up to its charge.

    Raises ``BenchError`` for a capture with gaps.
    """
    if not capture.gap_free:
        raise BenchError("phases of the current", expected="a log without gaps", seen="records that were lost",
                         do="log again, with a longer period or a faster connection")
    labels = _labels(capture)
    edges = np.concatenate(([0], np.flatnonzero(np.diff(labels)) + 1, [len(labels)]))
    charges = np.add.reduceat(capture.mean_a, edges[:-1]) * capture.period_s
    peaks = np.maximum.reduceat(capture.maximum_a, edges[:-1])
    return tuple(Phase(_KINDS[labels[first]], first * capture.period_s, (last - first) * capture.period_s,
                       float(charge), float(peak))
                 for first, last, charge, peak in zip(edges[:-1].tolist(), edges[1:].tolist(), charges, peaks,
                                                      strict=True))


def share(phases: Sequence[Phase], *kinds: Kind) -> Share:
    """What phases of these kinds come to."""
    chosen = [phase for phase in phases if phase.kind in kinds]
    return Share(len(chosen), sum(phase.duration_s for phase in chosen), sum(phase.charge_c for phase in chosen))


def listening(capture: CurrentCapture) -> list[float]:
    """The moments (bench time, s) at which a receiver was on. Without a network these are those of its searches."""
    heard, = np.nonzero(capture.maximum_a > RECEIVE_A)
    return [capture.start_bench_s + int(number) * capture.period_s for number in heard]


def sessions(phases: Sequence[Phase]) -> list[Sequence[Phase]]:
    """The phases of each radio session, from the wake before it to the release."""
    found: list[list[Phase]] = [[]]
    for phase in phases:
        if phase.kind in _SESSION:
            found[-1].append(phase)
        elif found[-1]:
            found.append([])
    return [session for session in found if any(phase.kind is not Kind.WAKE for phase in session)]


def active_timers(phases: Sequence[Phase]) -> list[ActiveTimer]:
    """Each time that a radio connection was released and the unit fell asleep after it, both within the capture."""
    found = []
    release_s: float | None = None
    for before, phase in zip([None, *phases], [*phases, None], strict=True):
        if before is not None and before.kind in (Kind.CONNECTED, Kind.TRANSMIT) and (
                phase is not None and phase.kind not in _SESSION):
            release_s = phase.start_s
        elif phase is not None and phase.kind in _SESSION:
            release_s = None
        if release_s is not None and phase is not None and phase.kind is Kind.SLEEP:
            found.append(ActiveTimer(release_s, phase.start_s))
            release_s = None
    return found


# -- labels of the periods


def _labels(capture: CurrentCapture) -> NDArray[np.int8]:
    """The number of its kind for each period."""
    labels = np.full(len(capture), _KINDS.index(Kind.SLEEP), np.int8)
    mean_a, maximum_a, period_s = capture.mean_a, capture.maximum_a, capture.period_s
    awake = maximum_a > WAKE_A
    bursts = _joined(stretches(awake), _TOGETHER_S / period_s)
    idle_from: int | None = None
    paged = 0
    for first, last in bursts:
        kinds = _burst(mean_a[first:last], maximum_a[first:last], period_s, from_start=first == 0)
        if kinds is None:                           # a paging occasion
            idle_from = 0 if idle_from is None and not paged else idle_from
            paged = last
            continue
        if kinds[0] != _READOUT and idle_from is not None:
            _label_idle(labels, capture, awake, idle_from, max(paged, idle_from), first)
            idle_from = None
        labels[first:last] = kinds
        if kinds[-1] in (_KINDS.index(Kind.CONNECTED), _KINDS.index(Kind.TRANSMIT)):
            idle_from = paged = last
    if idle_from is not None:
        _label_idle(labels, capture, awake, idle_from, max(paged, idle_from), len(capture))
    return labels


def _joined(parts: Sequence[tuple[int, int]], pause: float) -> list[tuple[int, int]]:
    """Stretches with pauses of at most ``pause`` periods between them, as one."""
    joined: list[tuple[int, int]] = []
    for first, last in parts:
        if joined and first - joined[-1][1] <= pause:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _burst(mean_a: Amperes, maximum_a: Amperes, period_s: float, *, from_start: bool) -> NDArray[np.int8] | None:
    """The kinds within one burst of activity; None for a paging occasion. ``from_start``: the capture begins in it."""
    kinds = np.full(len(mean_a), _KINDS.index(Kind.WAKE), np.int8)
    strong = stretches(maximum_a > TRANSMIT_A)
    sending = [(first, last) for first, last in strong
               if np.maximum(mean_a[first:last] - _BOOT_A, 0.0).sum() * period_s > _BLOCK_C]
    listening = maximum_a > RECEIVE_A
    for first, last in strong:
        listening[first:last] &= (first, last) in sending
    receiving = np.flatnonzero(listening)
    if sending:
        first_sent = sending[0][0]
        listens = int(receiving[0]) if len(receiving) else first_sent
        if from_start and listens * period_s < _TOGETHER_S:
            listens, first_sent = 0, 0
        kinds[listens:first_sent] = _KINDS.index(Kind.SEARCH)
        kinds[first_sent:] = _KINDS.index(Kind.CONNECTED)
        for first, last in sending:
            kinds[first:last] = _KINDS.index(Kind.TRANSMIT)
    elif len(receiving):
        if len(mean_a) * period_s < _PAGING_S:
            return None
        if from_start and receiving[0] * period_s < _TOGETHER_S:     # the tail of a session
            return np.full(len(mean_a), _KINDS.index(Kind.CONNECTED), np.int8)
        kinds[receiving[0]:receiving[-1] + 1] = _KINDS.index(Kind.SEARCH)
    elif mean_a.mean() < READOUT_A:
        kinds[:] = _KINDS.index(Kind.READOUT)
    return kinds


def _label_idle(labels: NDArray[np.int8], capture: CurrentCapture, awake: NDArray[np.bool_], release: int, paged: int,
                end: int) -> None:
    """Between the release and the next activity: idle until the current falls to that of sleep."""
    asleep = np.flatnonzero(~awake[release:end]) + release
    fall = _fall(capture.mean_a[asleep], max(round(_SETTLED_S / capture.period_s), 1))
    if fall is not None:
        sleep = max(int(asleep[fall]), paged)
    elif (end - paged) * capture.period_s > 60.0:       # paging has ended, and the idle level is that of sleep
        sleep = paged
    else:
        sleep = end
    part = labels[release:sleep]
    part[part == _KINDS.index(Kind.SLEEP)] = _KINDS.index(Kind.IDLE)


def _fall(current_a: Amperes, settled: int) -> int | None:
    """Where the current falls from one level to a lower one for good: the split with the least squares."""
    if len(current_a) < settled + 2:
        return None
    clipped = np.minimum(current_a, 3 * np.median(current_a[-settled:]) + 10 * _STEP_A)
    count = np.arange(1, len(clipped))
    sums = np.cumsum(clipped)
    before = sums[:-1] / count
    after = (sums[-1] - sums[:-1]) / (len(clipped) - count)
    explained = (before - after) * np.abs(before - after) * count * (len(clipped) - count)
    explained[len(clipped) - settled:] = -np.inf
    best = int(explained.argmax())
    fell = before[best] - after[best]
    return best + 1 if fell > max(_STEP_A, _STEP_PART * after[best]) else None
