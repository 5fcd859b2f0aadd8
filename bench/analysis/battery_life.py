"""From the charge of a day to the life of a battery: manual, chapter 8, 7+1 years at one transmission a day.

The manual doesn't say what the battery holds, so its figures are parameters of the station.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analysis.current_phases import Kind, Phase, sessions, share

LIFE_YEARS = 8.0
"""7+1 years."""

_DAYS_PER_YEAR = 365.25
_COULOMBS_PER_AH = 3600.0
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Battery:
    """``capacity_ah`` when new, ``usable`` the part of it that can be drawn before the voltage is too low,
    ``self_discharge`` the part of it that is lost each year. Raises ``ValueError`` for what no battery is."""

    capacity_ah: float
    usable: float = 1.0
    self_discharge: float = 0.0

    def __post_init__(self) -> None:
        if not (self.capacity_ah > 0 and 0 < self.usable <= 1 and 0 <= self.self_discharge < 1):
            raise ValueError("a battery has a capacity above 0 Ah, of which 0 to 100 % can be used and less than 100 % "
                             f"is lost in a year, not {self}")

    def life_years(self, charge_per_day_c: float) -> float:
        """How long it lasts at this charge per day."""
        drawn_ah = charge_per_day_c * _DAYS_PER_YEAR / _COULOMBS_PER_AH
        lost_ah = self.self_discharge * self.capacity_ah
        return self.usable * self.capacity_ah / (drawn_ah + lost_ah) if drawn_ah + lost_ah > 0 else float("inf")

    def charge_per_day_c(self, years: float = LIFE_YEARS) -> float:
        """The charge (C) that a day may cost if it is to last ``years``; below 0 when it loses all by itself sooner."""
        left_ah = self.capacity_ah * (self.usable - self.self_discharge * years)
        return left_ah * _COULOMBS_PER_AH / (years * _DAYS_PER_YEAR)


@dataclass(frozen=True, slots=True)
class DailyCharge:
    """The charge of a day (C) by what it goes into. ``wakes_c``: readouts, and whatever else wakes the controller."""

    sleep_c: float
    wakes_c: float
    reports_c: float
    active_timer_c: float

    @property
    def total_c(self) -> float:
        return self.sleep_c + self.wakes_c + self.reports_c + self.active_timer_c

    def __str__(self) -> str:
        parts = {"sleep": self.sleep_c, "readouts": self.wakes_c, "reports": self.reports_c,
                 "active timer": self.active_timer_c}
        return (f"{self.total_c:.3g} C a day ("
                + ", ".join(f"{name} {part / _COULOMBS_PER_AH * 1e6:.0f} uAh" for name, part in parts.items()) + ")")


def daily_charge(phases: Sequence[Phase], *, reports: float) -> DailyCharge:
    """The charge of a day with ``reports`` transmissions, from a capture that holds one at least.

    What is not part of a transmission goes on at the rate at which it was seen, so the capture must hold a whole
    number of readout intervals. Raises ``ValueError`` when it holds no transmission, or no sleep.
    """
    seen = [phase for session in sessions(phases) for phase in session]
    idle = share(phases, Kind.IDLE)
    count = len(sessions(phases))
    sleep, readouts = share(phases, Kind.SLEEP), share(phases, Kind.READOUT)
    if not count or not sleep.duration_s:
        raise ValueError(f"{count} transmissions and {sleep.duration_s:g} s of sleep are no picture of a day")
    session_s = sum(phase.duration_s for phase in seen)
    session_c = sum(phase.charge_c for phase in seen)
    wakes_c = share(phases, Kind.WAKE).charge_c + readouts.charge_c - sum(
        phase.charge_c for phase in seen if phase.kind is Kind.WAKE)
    wakes_s = share(phases, Kind.WAKE).duration_s + readouts.duration_s - sum(
        phase.duration_s for phase in seen if phase.kind is Kind.WAKE)
    rest_s = _DAY_S - reports * (session_s + idle.duration_s) / count
    rate = rest_s / (sleep.duration_s + wakes_s)
    return DailyCharge(sleep_c=sleep.charge_c * rate, wakes_c=wakes_c * rate, reports_c=session_c / count * reports,
                       active_timer_c=idle.charge_c / count * reports)
