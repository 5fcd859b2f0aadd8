"""A unit that keeps to manual 7.3 to the letter, in forty lines: what the reference model is tried on.

It knows nothing of the model. Times are minutes of bench time; the meter's clock shows ``MIDNIGHT`` at 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random

from bench.analysis.meter_clock import MeterClock
from bench.analysis.observed import Arrived, Observed, Outage

MIDNIGHT = datetime.fromisoformat("2026-03-02T00:00")


def shown(minute: float) -> datetime:
    return MIDNIGHT + timedelta(minutes=minute)


def history(*, days: float, read: int = 60, transmit: int = 60, offset: int = 15, delay: int = 30, uploads: int = 4,
            age: int = 4320, per_telegram: int = 1, lifo: bool = False, off: tuple[float, float] | None = None,
            place: float | Random = 0.5, age_at_plan: bool = False, loses: Iterable[int] = ()) -> Observed:
    """``off``: without network in these minutes. ``place``: where in its window it transmits, from 0 to 1.
    ``loses``: minutes of readouts that it never makes."""
    end = days * 1440
    unsent: list[int] = []
    arrivals: list[Arrived] = []
    stored = 0
    for planned in range(0, int(end) + 1, transmit):
        moment = planned + offset + delay * (place if isinstance(place, float) else place.random())
        if moment > end:
            break
        while stored + read <= moment:
            stored += read
            if stored not in loses:
                unsent.append(stored)
        if off is not None and off[0] <= moment < off[1]:
            continue
        now = planned if age_at_plan else moment
        chosen = sorted((minute for minute in unsent if now - minute <= age), reverse=lifo)[:uploads * per_telegram]
        for number in range(0, len(chosen), per_telegram):
            part = chosen[number:number + per_telegram]
            arrivals.append(Arrived(moment * 60 + 2 + number, tuple(shown(minute) for minute in part)))
        unsent = [minute for minute in unsent if minute not in chosen]
    outages = (Outage(off[0] * 60, off[1] * 60),) if off is not None else ()
    return Observed(clock=MeterClock(0.0, MIDNIGHT), since_s=0.0, until_s=end * 60, arrivals=tuple(arrivals),
                    outages=outages)
