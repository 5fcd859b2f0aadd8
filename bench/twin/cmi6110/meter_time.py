"""The unit and the meter's clock, which is the only one that counts (manual 7.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.twin.cmi6110.resource import BadValue
from bench.twin.cmi6110.settings import Settings
from bench.twin.meter.uh50 import UH50
from bench.twin.parts import Part
from bench.twin.radio.cell import Cell


@dataclass(eq=False, repr=False)
class MeterTime(Part):
    """Sets it from the network, from a phone, and over device management. Local times are naive: standard time."""

    settings: Settings
    meter: UH50
    cell: Cell

    def network_time(self) -> datetime:
        """What the network says: local standard time."""
        return self.cell.local_standard_time()

    def synchronize_from_network(self) -> bool:
        """Set the meter's clock from the network when the two differ; whether they did."""
        network = self.network_time()
        if self.settings.number("time_sync_source") != 1 or abs(
                (network - self.meter.clock_now()).total_seconds()) < 1.0:
            return False
        self.set_clock(network)
        return True

    def set_clock(self, local: datetime) -> None:
        self.meter.set_clock(local)

    def utc_now(self) -> datetime:
        return (self.meter.clock_now() - self._offset()).replace(microsecond=0, tzinfo=UTC)

    def set_utc(self, moment: datetime) -> None:
        self.set_clock(moment.astimezone(UTC).replace(tzinfo=None) + self._offset())

    def adjust(self, seconds: int) -> None:
        """33906/0/6. Raises BadValue for what is beyond all calendars."""
        try:
            self.set_clock(self.meter.clock_now() + timedelta(seconds=seconds))
        except OverflowError as error:
            raise BadValue(f"adjust by {seconds} s") from error

    def _offset(self) -> timedelta:
        return timedelta(minutes=self.settings.number("utc_offset"))
