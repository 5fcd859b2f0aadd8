"""What the unit draws in each of its phases, as energies (mJ) and powers (mW): those are the same at any voltage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bench.analysis.battery_life import LIFE_YEARS
from bench.analysis.current_capture import CurrentCapture
from bench.analysis.current_phases import Kind, Phase, find_phases, sessions
from bench.analysis.shown.fact import Area, Seen
from bench.errors import BenchError

SLEEP, READOUT, SESSION = "sleep, power", "readout, energy", "radio session, energy"

_WINDOW_S = 1.0
"""Sleep is looked at in windows of this length."""

_SETTLES_S = 1.0

_PART = 5e-3
"""Of a value: what an instrument's calibration may change in it between two runs, at most."""


def energy(capture: CurrentCapture) -> Iterator[Seen]:
    """Of one capture. One with gaps tells of no phase."""
    try:
        phases = find_phases(capture)
    except BenchError:
        return
    volts = capture.voltage_v if math.isfinite(capture.voltage_v) else 1.0
    for phase in phases:
        if phase.kind is Kind.SLEEP:
            yield from (_of(SLEEP, power * volts * 1e3, "mW") for power in _windows(capture, phase))
            continue
        whole = phase.start_s > 0 and phase.end_s < capture.duration_s
        mean_w = phase.charge_c / phase.duration_s * volts
        if phase.kind is Kind.TRANSMIT:
            yield _of("transmit, peak power", phase.peak_a * volts * 1e3, "mW")
            yield _of("transmit, energy of a block", phase.charge_c * volts * 1e3, "mJ")
        elif phase.kind in (Kind.SEARCH, Kind.READOUT, Kind.WAKE) and whole:
            yield _of(f"{phase.kind}, energy", phase.charge_c * volts * 1e3, "mJ")
        elif phase.duration_s > _WINDOW_S:
            yield _of(f"{phase.kind}, power", mean_w * 1e3, "mW")
    for session in sessions(phases):
        if session[0].start_s > 0 and session[-1].end_s < capture.duration_s:
            yield _of(SESSION, sum(phase.charge_c for phase in session) * volts * 1e3, "mJ")


def _of(name: str, value: float, unit: str) -> Seen:
    return Seen(Area.ENERGY, name, float(value), unit, abs(float(value)) * _PART)


def _windows(capture: CurrentCapture, phase: Phase) -> list[float]:
    """The mean current (A) in each window of a sleep."""
    first = round((phase.start_s + _SETTLES_S) / capture.period_s)
    last = round((phase.end_s - _SETTLES_S) / capture.period_s)
    count = max(round(_WINDOW_S / capture.period_s), 1)
    return [float(np.mean(capture.mean_a[begin:begin + count])) for begin in range(first, last - count + 1, count)]


@dataclass(frozen=True, slots=True)
class Day:
    """The energy (J) of a day with a readout each hour and one telegram, and the battery's life relative to a unit
    that keeps to the manual's 7+1 years with ``reference_j``."""

    energy_j: float

    def life_years(self, reference_j: float) -> float:
        return LIFE_YEARS * reference_j / self.energy_j


def day(means: Mapping[str, float]) -> Day | None:
    """From the means of the facts above; None where one is missing."""
    if not {SLEEP, SESSION} <= means.keys():
        return None
    return Day((means[SLEEP] * 86_400 + means.get(READOUT, 0.0) * 24 + means[SESSION]) / 1e3)
