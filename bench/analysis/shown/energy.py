"""What the unit draws in each of its phases, as energies (mJ) and powers (mW): those are the same at any voltage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
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
            yield from (_power(SLEEP, capture, begin, end, volts) for begin, end in _windows(phase))
            continue
        whole = phase.start_s > 0 and phase.end_s < capture.duration_s
        if phase.kind is Kind.TRANSMIT:
            yield _seen("transmit, peak power", phase.peak_a * volts * 1e3, "mW")
            yield _energy("transmit, energy of a block", capture, [phase], volts)
        elif phase.kind in (Kind.SEARCH, Kind.READOUT, Kind.WAKE) and whole:
            yield _energy(f"{phase.kind}, energy", capture, [phase], volts)
        elif phase.duration_s > _WINDOW_S:
            yield _power(f"{phase.kind}, power", capture, phase.start_s, phase.end_s, volts)
    for session in sessions(phases):
        if session[0].start_s > 0 and session[-1].end_s < capture.duration_s:
            yield _energy(SESSION, capture, session, volts)


def _power(name: str, capture: CurrentCapture, begin_s: float, end_s: float, volts: float) -> Seen:
    part = capture.part(begin_s, end_s)
    return _seen(name, float(np.mean(part.mean_a)) * volts * 1e3, "mW",
                 float(np.mean(part.uncertainty_a)) * volts * 1e3)


def _energy(name: str, capture: CurrentCapture, phases: Sequence[Phase], volts: float) -> Seen:
    part = capture.part(phases[0].start_s, phases[-1].end_s)
    return _seen(name, sum(phase.charge_c for phase in phases) * volts * 1e3, "mJ",
                 float(np.sum(part.uncertainty_a)) * part.period_s * volts * 1e3)


def _seen(name: str, value: float, unit: str, uncertainty: float = 0.0) -> Seen:
    """What is seen is not surer than the instrument, whose error may be another one in the next run."""
    known = uncertainty if math.isfinite(uncertainty) else 0.0
    return Seen(Area.ENERGY, name, float(value), unit, max(known, abs(float(value)) * _PART))


def _windows(phase: Phase) -> Iterator[tuple[float, float]]:
    """Of a sleep, without its edges."""
    begin_s = phase.start_s + _SETTLES_S
    while begin_s + _WINDOW_S <= phase.end_s - _SETTLES_S:
        yield begin_s, begin_s + _WINDOW_S
        begin_s += _WINDOW_S


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
