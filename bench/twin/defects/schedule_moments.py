"""Defects of the schedule and of age at some settings or in some moments only."""

from __future__ import annotations

from datetime import datetime, timedelta

from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect


@defect("transmits-an-hour-late-between-6-h-and-a-day", "SCH-08", wire="mdm")
class AnHourLate(Schedule):
    """With a transmit interval of more than six hours and less than a day transmissions are planned an hour late."""

    def random_delay_s(self) -> float:
        late_s = 3600.0 if 360 < self.settings.number("transmit_interval") < 1440 else 0.0
        return super().random_delay_s() + late_s


@defect("extra-readouts-of-any-age", "RETX-05", wire="mdm")
class ExtraReadoutsOfAnyAge(Storage):
    """Readouts off the grid (of a start, a trigger, a new time) are sent again whatever their age."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        kept = set(map(id, super().unsent(now, max_age, report_interval_min)))
        return [stored.reading for stored in self._unsent.values() if stored.extra or id(stored.reading) in kept]


@defect("uploads-one-transmission-late", "OTC-02", wire="nfc")
class UploadsOneTransmissionLate(Transmissions):
    """Another number of uploads counts from the second transmission on."""

    before: int | None = None

    def most_uploads(self) -> int:
        now = super().most_uploads()
        before, self.before = self.before, now
        return now if before is None else before


@defect("offset-left-out-in-an-open-window", "SCH-09", wire="mdm")
class OffsetLeftOut(Schedule):
    """Where plans are made between the planned moment and the offset the transmission may come before the offset."""

    def _rest_of_delay_s(self) -> float:
        return self.rng.uniform(0.0, self.window_s()[1] - self._late_s())
