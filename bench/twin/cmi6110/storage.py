"""The unit's memory of readouts: which there are, and which have been sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from bench.twin.cmi6110.telegram import Reading

CAPACITY = 8000


@dataclass(frozen=True, slots=True)
class Stored:
    """``extra``: taken off the grid (joining, time sync, trigger), so the report interval doesn't thin it out.
    ``number``: how many were stored before it."""

    reading: Reading
    extra: bool
    number: int


class Storage:
    """Up to ``capacity`` readouts, in the order in which they were made; the oldest make room for new ones (G02).
    Survives reboot and power loss. Those that have been sent are kept as text: a tenth of the memory.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self._stored: deque[Reading | str] = deque()
        self._made_room = 0    # how many were the oldest once
        self._unsent: dict[int, Stored] = {}    # by the identity of the reading: a stored one is a thing, not a value

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def latest(self) -> Reading | None:
        return _reading(self._stored[-1]) if self._stored else None

    def add(self, reading: Reading, *, extra: bool) -> None:
        self._unsent[id(reading)] = Stored(reading, extra, self._made_room + len(self._stored))
        self._stored.append(reading)
        if len(self._stored) > self.capacity:
            oldest = self._stored.popleft()
            self._made_room += 1
            self._unsent.pop(id(oldest), None)

    def clear(self) -> None:
        """Forget everything."""
        self._stored.clear()
        self._unsent.clear()

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        """What waits to be sent, oldest first: not too old, and on the grid of the report interval."""
        return [stored.reading for stored in self._unsent.values()
                if now - stored.reading.time <= max_age
                and (stored.extra or _minute_of_day(stored.reading.time) % report_interval_min == 0)]

    def mark_sent(self, readings: Iterable[Reading]) -> None:
        for reading in readings:
            stored = self._unsent.pop(id(reading), None)
            if stored is not None:
                self._stored[stored.number - self._made_room] = _text(reading)

    def history(self) -> list[Reading]:
        """All that is kept, sent or not, oldest first."""
        return [_reading(one) for one in self._stored]


def _text(reading: Reading) -> str:
    return "\t".join((reading.time.isoformat(), reading.meter_id, reading.energy_unit, str(reading.error_flags),
                     str(reading.missing_time_h), *(str(value) for value in (
                         reading.energy, reading.volume_m3, reading.power_kw, reading.flow_m3ph, reading.forward_c,
                         reading.return_c, *reading.tariffs))))


def _reading(stored: Reading | str) -> Reading:
    if not isinstance(stored, str):
        return stored
    time, meter_id, energy_unit, error_flags, missing_time_h, *texts = stored.split("\t")
    energy, volume_m3, power_kw, flow_m3ph, forward_c, return_c = map(Decimal, texts[:6])
    first, second, third = (None if text == "None" else Decimal(text) for text in texts[6:])
    return Reading(datetime.fromisoformat(time), meter_id, energy, energy_unit, volume_m3, power_kw, flow_m3ph,
                   forward_c, return_c, int(error_flags), (first, second, third), int(missing_time_h))


def _minute_of_day(moment: datetime) -> int:
    return moment.hour * 60 + moment.minute
