"""Which readouts there must be: those of the grid, and those that something asked for besides (manual 7.3.2).

Stamps are what the meter's clock showed, naive, in local standard time: the UTC offset is taken off before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.analysis.meter_clock import MeterClock, grid

MINUTE = timedelta(minutes=1)
"""M-Bus and JSON stamps have no seconds, and a read takes some."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A readout beside the grid. ``time_s``: when it was caused; it is made within ``within_s``. ``required``: it must
    be made, and sent within 15 minutes where there is a network; else it may."""

    time_s: float
    reason: str
    within_s: float = 60.0
    required: bool = True


@dataclass(frozen=True, slots=True)
class Due:
    """A readout that must be (``certain``) or may be in the unit's store. ``time_s``: when it is made at the earliest.
    ``stamp``: the first stamp that it may have, ``latest`` the last."""

    time_s: float
    stamp: datetime
    latest: datetime
    certain: bool
    extra: Extra | None = None

    def __str__(self) -> str:
        return f"{self.stamp:%Y-%m-%d %H:%M}" + (f" ({self.extra.reason})" if self.extra else "")


def due_readouts(interval_min: int, clock: MeterClock, since_s: float, until_s: float,
                 extras: Sequence[Extra] = (), every_min: int | None = None) -> list[Due]:
    """All readouts of a time, as they are made. ``every_min``: only those on that grid, too, go into telegrams."""
    found: list[Due] = []
    for span in clock.spans(since_s, until_s):
        wanted = set(grid(every_min, span.shows, span.ends_at)) if every_min else None
        for moment in grid(interval_min, span.shows, span.ends_at):
            if wanted is None or moment in wanted:
                time_s = span.when(moment)
                # At an edge it is open which of the two times the unit goes by.
                certain = min(time_s - span.since_s, span.until_s - time_s) >= MINUTE.total_seconds()
                found.append(Due(time_s, moment, moment + MINUTE, certain))
    for extra in extras:
        shown = clock.at(extra.time_s)
        found.append(Due(extra.time_s, shown.replace(second=0, microsecond=0),
                         shown + timedelta(seconds=extra.within_s), extra.required, extra))
    return sorted(found, key=lambda due: (due.time_s, due.stamp))


class Store:
    """The readouts that are due, to be found by what a telegram says."""

    def __init__(self, readouts: Sequence[Due]) -> None:
        self.readouts = readouts
        self._by_minute: dict[datetime, list[int]] = {}
        for index, due in enumerate(readouts):
            minute = due.stamp
            while minute < due.latest or minute == due.stamp:
                self._by_minute.setdefault(minute, []).append(index)
                minute += MINUTE

    def find(self, stamp: datetime, before_s: float) -> list[int]:
        """The numbers of the readouts that ``stamp`` may mean, made before a bench time; the certain ones first, and of
        those the ones of the grid."""
        numbers = self._by_minute.get(stamp.replace(second=0, microsecond=0), [])
        return sorted((number for number in numbers if self.readouts[number].time_s <= before_s),
                      key=lambda number: (not self.readouts[number].certain, self.readouts[number].extra is not None))
