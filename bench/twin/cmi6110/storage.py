"""The unit's memory of readouts: which there are, and which have been sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.twin.cmi6110.telegram import Reading

CAPACITY = 8000


@dataclass(frozen=True, slots=True)
class Stored:
    """``extra``: taken off the grid (joining, time sync, trigger), so the report interval doesn't thin it out."""

    reading: Reading
    extra: bool


class Storage:
    """Up to ``capacity`` readouts, in the order in which they were made; the oldest make room for new ones (G02).
    Survives reboot and power loss.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._stored: deque[Reading] = deque()
        self._unsent: dict[int, Stored] = {}    # by the identity of the reading: a stored one is a thing, not a value

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def latest(self) -> Reading | None:
        return self._stored[-1] if self._stored else None

    def add(self, reading: Reading, *, extra: bool) -> None:
        self._stored.append(reading)
        self._unsent[id(reading)] = Stored(reading, extra)
        if len(self._stored) > self.capacity:
            self.forget(self._stored.popleft())

    def forget(self, reading: Reading) -> None:
        self._unsent.pop(id(reading), None)

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        """What waits to be sent, oldest first: not too old, and on the grid of the report interval."""
        return [stored.reading for stored in self._unsent.values()
                if now - stored.reading.time <= max_age
                and (stored.extra or _minute_of_day(stored.reading.time) % report_interval_min == 0)]

    def mark_sent(self, readings: Iterable[Reading]) -> None:
        for reading in readings:
            self.forget(reading)

    def history(self) -> list[Reading]:
        """All that is kept, sent or not, oldest first."""
        return list(self._stored)


def _minute_of_day(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute
