"""The unit's memory of readouts: which there are, and which have been sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench.twin.cmi6110.telegram import Reading

CAPACITY = 8000


@dataclass(slots=True)
class Stored:
    """``extra``: taken off the grid (joining, time sync, trigger), so the report interval doesn't thin it out."""

    reading: Reading
    extra: bool
    sent: bool = False


class Storage:
    """Up to 8000 readouts; the oldest make room for new ones. Survives reboot and power loss."""

    def __init__(self) -> None:
        self._stored: deque[Stored] = deque(maxlen=CAPACITY)
        self._unsent: dict[int, Stored] = {}
        self._next = 0
        self._history: deque[Reading] = deque()

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def latest(self) -> Reading | None:
        return self._stored[-1].reading if self._stored else None

    def add(self, reading: Reading, *, extra: bool) -> None:
        if len(self._stored) == CAPACITY:
            self._unsent.pop(self._next - CAPACITY, None)
        stored = Stored(reading, extra)
        self._stored.append(stored)
        self._unsent[self._next] = stored
        self._next += 1

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        """What waits to be sent, oldest first: not too old, and on the grid of the report interval."""
        return [stored.reading for stored in self._unsent.values()
                if now - stored.reading.time <= max_age
                and (stored.extra or _minute_of_day(stored.reading.time) % report_interval_min == 0)]

    def mark_sent(self, readings: Iterable[Reading]) -> None:
        done = {id(reading) for reading in readings}
        for key in [key for key, stored in self._unsent.items() if id(stored.reading) in done]:
            self._unsent.pop(key).sent = True

    def queue_history(self) -> None:
        """All readouts are to be sent (again), whatever their age."""
        self._history = deque(stored.reading for stored in self._stored)

    def queued_history(self) -> int:
        return len(self._history)

    def take_history(self, count: int) -> list[Reading]:
        return [self._history.popleft() for _ in range(min(count, len(self._history)))]


def _minute_of_day(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute
