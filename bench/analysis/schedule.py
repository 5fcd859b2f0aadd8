"""When a unit reads its meter and when it transmits, by its settings (manual 7.3.2 and 7.3.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bench.analysis.meter_clock import MeterClock, grid

BURST_GAP_S = 600.0
"""Telegrams of one transmission follow each other within this time: twice the unit's patience with a silent gateway
(92 s x 2 attempts) and the latencies of poor coverage."""


class Order(StrEnum):
    """In which order unsent readouts are sent (33906/0/45)."""

    FIFO = "oldest first"
    LIFO = "latest first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The settings that 7.3 speaks of, in minutes. ``readouts_per_telegram``: 1 for M-Bus and JSON; None where the
    limit of a telegram is not known."""

    readout_min: int = 60
    report_min: int = 60
    transmit_min: int = 1440
    offset_min: int = 30
    delay_min: int = 240
    order: Order = Order.LIFO
    age_limit_min: int = 10080
    uploads: int = 4
    readouts_per_telegram: int | None = None

    @property
    def offset(self) -> timedelta:
        return timedelta(minutes=self.offset_min)

    @property
    def delay(self) -> timedelta:
        return timedelta(minutes=self.delay_min)


@dataclass(frozen=True, slots=True)
class Window:
    """One planned transmission: planned at ``planned`` (T1, meter time; ``planned_s`` on the bench's axis), to start
    between ``opens_s`` and ``closes_s``. ``certain``: False where a clock change or the edge of what was observed
    leaves open whether the unit planned it."""

    planned: datetime
    planned_s: float
    opens_s: float
    closes_s: float
    certain: bool = True

    def __str__(self) -> str:
        opens = self.planned + timedelta(seconds=self.opens_s - self.planned_s)
        closes = self.planned + timedelta(seconds=self.closes_s - self.planned_s)
        return f"{opens:%Y-%m-%d %H:%M} to {closes:%H:%M}"


def windows(schedule: Schedule, clock: MeterClock, since_s: float, until_s: float) -> list[Window]:
    """All windows [T1 + offset, T1 + offset + delay] that reach into a time, in order of their opening."""
    found: list[Window] = []
    late = schedule.offset + schedule.delay
    for span in clock.spans(since_s, until_s):
        # T1 itself may lie before the span: the unit may have planned by the time that the clock now shows.
        for planned in grid(schedule.transmit_min, span.shows - late - timedelta(seconds=1), span.ends_at):
            planned_s = span.when(planned)
            opens_s = planned_s + schedule.offset.total_seconds()
            closes_s = opens_s + schedule.delay.total_seconds()
            if opens_s > span.until_s:
                continue
            found.append(Window(planned, planned_s, opens_s, closes_s,
                                certain=planned_s > span.since_s and closes_s <= span.until_s))
    return sorted(found, key=lambda window: window.opens_s)


def transmissions(arrivals_s: Iterable[float], gap_s: float = BURST_GAP_S) -> list[list[float]]:
    """Arrival times (s) in bursts: a new one begins where more than ``gap_s`` seconds passed since the last arrival."""
    bursts: list[list[float]] = []
    for moment in sorted(arrivals_s):
        if bursts and moment - bursts[-1][-1] <= gap_s:
            bursts[-1].append(moment)
        else:
            bursts.append([moment])
    return bursts
