"""Readouts that were sent, each held against what the meter had told the unit at its time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from bench.payload.compare import differences
from bench.payload.optical import OpticalReadout
from bench.payload.readout import EXTENDED_FIELDS, Readout

_MINUTE = timedelta(minutes=1)
_NOT_COMPARED = ("time", "meter_id")
_COUNTED = ("energy", "volume", "tariffs", "missing_time")


@dataclass(frozen=True, slots=True)
class Told:
    """The meter's registers when the unit read them: ``readout`` with the meter's clock (as if it were UTC) and its
    fabrication number, and the other number that may be sent in its place."""

    readout: Readout
    property_number: str

    @property
    def minute(self) -> datetime:
        """Naive: as the meter's clock showed it."""
        assert self.readout.time is not None
        return self.readout.time.replace(tzinfo=None, second=0, microsecond=0)


class Log:
    """What the meter has told the unit. ``oldest``: its clock (naive) at the first answer that anybody remembers;
    ``has_forgotten(first, last)``: there were others while its clock showed these minutes. Clocks are set back, so what
    is older than the oldest answer can't be known by the clock."""

    def __init__(self, told: Iterable[Told], oldest: datetime | None,
                 has_forgotten: Callable[[datetime, datetime], bool] = lambda first, last: False) -> None:
        self._by_minute: dict[datetime, list[Told]] = {}
        for one in told:
            self._by_minute.setdefault(one.minute, []).append(one)
        self._oldest = oldest
        self._has_forgotten = has_forgotten

    def fault_of(self, sent: Readout, utc_offsets_min: Sequence[int]) -> str:
        """What is wrong with the values of ``sent``, as a sentence; empty when nothing is, or nobody can tell.

        ``utc_offsets_min``: those that the unit may have taken off the meter's clock. A unit may take a stamp a minute
        before or after the moment of its read.
        """
        if sent.time is None or not sent.time_valid:
            return ""
        stamp = sent.time.astimezone(UTC).replace(tzinfo=None)
        minutes = [stamp + timedelta(minutes=offset) for offset in utc_offsets_min]
        candidates = [one for minute in minutes for near in (minute, minute - _MINUTE, minute + _MINUTE)
                      for one in self._by_minute.get(near, ())]
        remembered = self._oldest is not None and all(minute > self._oldest + _MINUTE for minute in minutes)
        if not candidates:
            return f"the readout of {stamp:%Y-%m-%d %H:%M}: the meter was not read then" if remembered else ""
        found = min((_differences(sent, one) for one in candidates), key=len)
        if found and any(self._has_forgotten(minute - _MINUTE, minute + _MINUTE) for minute in minutes):
            return ""    # of two answers in a minute one may be forgotten
        return f"the readout of {stamp:%Y-%m-%d %H:%M}: {'; '.join(found)}" if found else ""


def _differences(sent: Readout, told: Told) -> list[str]:
    fields = [field for field in EXTENDED_FIELDS if field not in _NOT_COMPARED and _is_there(sent, field)]
    found = differences(sent, told.readout, error_flags=told.readout.error_flags, fields=fields)
    if sent.meter_id not in (None, told.readout.meter_id, told.property_number):
        found.append(f"meter id: sent {sent.meter_id}, the meter's numbers are {told.readout.meter_id} and "
                     f"{told.property_number}")
    return found


def _is_there(sent: Readout, field: str) -> bool:
    if field == "tariffs":
        return any(tariff is not None for tariff in sent.tariffs)
    return getattr(sent, field) is not None


class Reads:
    """The meter as the bench itself read it now and then, in order, where nothing stands between meter and unit: what
    the meter counts must lie between the reads before and after."""

    def __init__(self, reads: Iterable[OpticalReadout]) -> None:
        timed = [(read.meter_time, read) for read in reads if read.meter_time is not None]
        self._spans = list(pairwise(timed))

    def fault_of(self, sent: Readout, utc_offsets_min: Sequence[int]) -> str:
        """As ``Log.fault_of``. The meter's other number may be sent, and its power, flow and temperatures change."""
        if sent.time is None or not sent.time_valid:
            return ""
        stamp = sent.time.astimezone(UTC).replace(tzinfo=None)
        clocks = [stamp + timedelta(minutes=offset) for offset in utc_offsets_min]
        fields = [field for field in _COUNTED if _is_there(sent, field)]
        found = [differences(sent, before, after, fields=fields)
                 for (begin, before), (end, after) in self._spans for clock in clocks
                 if begin <= clock and clock + _MINUTE <= end]
        least = min(found, key=len, default=[])
        return f"the readout of {stamp:%Y-%m-%d %H:%M}: {'; '.join(least)}" if least else ""
