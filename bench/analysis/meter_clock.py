"""The meter's clock on the bench's time axis. The unit's schedules follow it, also when it is set (manual 7.3.1)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

QUARTZ_PPM = 25.0
"""How wrong a good meter's clock may go: some 2 s a day."""


@dataclass(frozen=True, slots=True)
class Span:
    """The meter's clock runs undisturbed from ``since_s`` to ``until_s`` (bench time), and shows ``shows`` at its
    beginning (naive: local standard time)."""

    since_s: float
    until_s: float
    shows: datetime

    def at(self, time_s: float) -> datetime:
        return self.shows + timedelta(seconds=time_s - self.since_s)

    def when(self, shown: datetime) -> float:
        """The bench time (s) at which the clock shows that."""
        return self.since_s + (shown - self.shows).total_seconds()

    @property
    def ends_at(self) -> datetime:
        return self.at(self.until_s)


class MeterClock:
    """What the meter's clock shows at any bench time: ``shows`` at ``time_s``, and again after each ``set``."""

    def __init__(self, time_s: float, shows: datetime) -> None:
        self._times = [time_s]
        self._shows = [shows]

    def set(self, time_s: float, shows: datetime) -> None:
        """From ``time_s`` on it shows something else. Raises ``ValueError`` for a time before the last change."""
        if time_s < self._times[-1]:
            raise ValueError(f"the clock was set at {self._times[-1]:g} s already, {time_s:g} s is before that")
        self._times.append(time_s)
        self._shows.append(shows)

    def at(self, time_s: float) -> datetime:
        index = max(bisect_right(self._times, time_s) - 1, 0)
        return self._shows[index] + timedelta(seconds=time_s - self._times[index])

    def off_by_s(self, time_s: float) -> float:
        """By how much it may be off at a bench time: a quartz that nobody has looked at since it was set."""
        return QUARTZ_PPM * 1e-6 * max(time_s - self._times[max(bisect_right(self._times, time_s) - 1, 0)], 0.0)

    @property
    def changes_s(self) -> list[float]:
        """When (bench time) the clock was set."""
        return self._times[1:]

    def spans(self, since_s: float, until_s: float) -> list[Span]:
        """The undisturbed parts of a time, in order."""
        edges = [since_s, *(change for change in self.changes_s if since_s < change < until_s), until_s]
        return [Span(start, end, self.at(start)) for start, end in pairwise(edges)]


def grid(interval_min: int, since: datetime, until: datetime) -> Iterable[datetime]:
    """The moments after ``since``, up to ``until``, that are whole intervals from a midnight (manual 7.4: "always
    related to meter's clock at time 00:00:00"); where an interval does not divide the day, each midnight begins anew.
    """
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight <= until:
        for minute in range(0, 24 * 60, interval_min):
            moment = midnight + timedelta(minutes=minute)
            if since < moment <= until:
                yield moment
        midnight += timedelta(days=1)
