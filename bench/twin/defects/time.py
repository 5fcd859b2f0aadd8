"""Defects of schedules and of time (manual 7.3.1 to 7.3.3)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.meter_time import MeterTime
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.settings import Settings, Value
from bench.twin.cmi6110.telegram import Reading
from bench.twin.defects.registry import defect
from bench.twin.lab import Lab

_SCHEDULE = frozenset({"readout_interval", "transmit_interval", "transmit_offset", "transmit_delay"})

# -- readouts


@defect("interval-from-boot", "SCH-02", "SCH-07", wire="mdm")
class IntervalFromBoot(Schedule):
    """Intervals count from start-up, not from the meter's midnight."""

    began = 0.0

    def plan_readouts(self) -> None:
        self.began = self.began or self.clock.time()
        super().plan_readouts()

    def seconds_to_grid(self, interval_min: int) -> float:
        return interval_min * 60.0 - (self.clock.time() - self.began) % (interval_min * 60.0)


@defect("midnight-off-the-grid", "SCH-07", wire="mdm")
class MidnightOffTheGrid(Schedule):
    """An interval that does not divide a day does not begin anew at midnight."""

    def seconds_to_grid(self, interval_min: int) -> float:
        since = (self.clock_now() - datetime(2020, 1, 1)).total_seconds() + 0.5  # noqa: DTZ001
        return max(interval_min * 60.0 - since % (interval_min * 60.0) + 0.5, 0.001)


@defect("readouts-stop-offline", "SCH-23", "RETX-10", wire="cell")
class ReadoutsStopOffline(Life):
    """The meter is not read while there is no network."""

    async def read(self, *, extra: bool) -> None:
        if self.modem.attached:
            await super().read(extra=extra)


@defect("failed-readout-ends-schedule", "SCH-28", wire="meter")
class FailedReadoutEndsSchedule(Readouts):
    """After a readout that failed there is none any more."""

    failed = False

    def read_once(self, *, extra: bool) -> Reading | None:
        self.failed = self.failed or not self.meter.connected
        return None if self.failed else super().read_once(extra=extra)


@defect("stale-readout", "SCH-28", wire="meter")
class StaleReadout(Readouts):
    """When the meter does not answer, the last values are stored with a new time."""

    def read_once(self, *, extra: bool) -> Reading | None:
        last = self.storage.latest
        if self.meter.connected or last is None:
            return super().read_once(extra=extra)
        stale = replace(last, time=self.meter.clock_now().replace(second=0, microsecond=0))
        self.storage.add(stale, extra=extra)
        return stale


@defect("intervals-after-reboot", "SCH-24", wire="nfc")
class IntervalsAfterReboot(Life):
    """New intervals take effect at the next reboot."""

    def settings_changed(self, names: frozenset[str]) -> None:
        super().settings_changed(names - _SCHEDULE)


# -- windows


@defect("window-too-late", "SCH-10", wire="mdm")
class WindowTooLate(Schedule):
    """The random delay may be twice as long as is set."""

    def random_delay_s(self) -> float:
        begin_s, end_s = self.window_s()
        return begin_s + self.rng.uniform(0.0, 2.0) * (end_s - begin_s)


@defect("delay-constant", "SCH-11", wire="mdm")
class DelayConstant(Schedule):
    """The random delay is always the same."""

    def random_delay_s(self) -> float:
        begin_s, end_s = self.window_s()
        return begin_s + 0.4 * (end_s - begin_s)


@defect("delay-in-first-tenth", "SCH-11", wire="mdm")
class DelayInFirstTenth(Schedule):
    """The random delay is always in the first tenth of its range."""

    def random_delay_s(self) -> float:
        begin_s, end_s = self.window_s()
        return begin_s + self.rng.uniform(0.0, 0.1) * (end_s - begin_s)


@defect("delays-alike", "SCH-12", wire="mdm")
class DelaysAlike(Schedule):
    """All units draw the same random delays, and the same again after each start."""

    def plan_transmissions(self, *, sent_just_now: bool = False) -> None:
        self.rng = random.Random(1)
        super().plan_transmissions(sent_just_now=sent_just_now)


@defect("window-rule-unchecked", "SCH-16", wire="nfc")
class WindowRuleUnchecked(Settings):
    """Offset and delay beyond the transmit interval are taken."""

    def check_window(self, changes: Mapping[str, Value]) -> dict[str, str]:
        return {}


@defect("window-not-clamped", "SCH-17", wire="nfc")
class WindowNotClamped(Settings):
    """Offset and delay stay when the transmit interval becomes shorter than both."""

    def clamp(self, changes: Mapping[str, Value]) -> dict[str, Value]:
        return {}


@defect("every-third-transmission-missing", "SCH-08", wire="mdm")
class EveryThirdTransmissionMissing(Schedule):
    """Each third planned transmission is left out."""

    planned = 0

    def seconds_to_grid(self, interval_min: int) -> float:
        wait_s = super().seconds_to_grid(interval_min)
        if interval_min == self.settings.number("transmit_interval"):
            self.planned += 1
            wait_s += interval_min * 60 if self.planned % 3 == 0 else 0
        return wait_s


# -- time


@defect("clock-not-synchronised", "TIME-10", wire="meter")
class ClockNotSynchronised(MeterTime):
    """The meter's clock is not set from the network, and is a minute slow."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.meter.set_clock(self.meter.clock_now() - timedelta(minutes=1))

    def synchronize_from_network(self) -> bool:
        return False


@defect("sync-without-readout", "TIME-15", "TIME-16", wire="dm")
class SyncWithoutReadout(Life):
    """A new time is followed by no extra readout."""

    def clock_set(self) -> None:
        self.schedule.plan_anew()


@defect("sync-read-twice", "TIME-15", wire="dm")
class SyncReadTwice(Life):
    """A new time is followed by two extra readouts, two minutes apart."""

    def clock_set(self) -> None:
        super().clock_set()
        self.clock.loop.call_later(120.0, super().clock_set)


@defect("sync-without-replanning", "TIME-18", "TIME-17", wire="dm")
class SyncWithoutReplanning(Life):
    """After a new time the next readout is still made when it was planned."""

    def clock_set(self) -> None:
        self.read_anew()


@defect("set-back-loses-readouts", "TIME-17", wire="dm")
class SetBackLosesReadouts(Schedule):
    """When the clock is set back, nothing is read until it shows again what it showed before."""

    furthest = datetime(1, 1, 1)  # noqa: DTZ001

    def seconds_to_grid(self, interval_min: int) -> float:
        now = self.clock_now()
        self.furthest = max(self.furthest, now)
        return super().seconds_to_grid(interval_min) + (self.furthest - now).total_seconds()


@defect("daylight-saving-time", "TIME-02", "TIME-10", "TIME-19", wire="meter")
class DaylightSavingTime(MeterTime):
    """The meter is set to daylight saving time, an hour ahead of standard time."""

    def network_time(self) -> datetime:
        return super().network_time() + timedelta(hours=1)


@defect("network-time-though-manual", "TIME-11", wire="meter")
class NetworkTimeThoughManual(MeterTime):
    """The meter is set from the network though the time sync source is Manual."""

    def synchronize_from_network(self) -> bool:
        network = self.network_time()
        if abs((network - self.meter.clock_now()).total_seconds()) >= 1.0:
            self.set_clock(network)
        return True


@defect("adjust-time-backwards", "TIME-13", wire="dm")
class AdjustTimeBackwards(MeterTime):
    """Adjust time has the wrong sign."""

    def adjust(self, seconds: int) -> None:
        super().adjust(-seconds)


@defect("sync-every-hour", "TIME-24", wire="mdm")
def _(lab: Lab) -> None:
    """The network's time is taken each hour, with an extra readout each time."""
    unit = lab.unit

    def again() -> None:
        lab.clock.loop.call_later(3600.0, again)
        if unit.schedule.transmits:
            unit.life.clock_set()
    lab.clock.loop.call_later(1800.0, again)


# -- whose clock


@defect("stamps-of-its-own-clock", "TIME-01", "SCH-02", wire="mdm")
class StampsOfItsOwnClock(Readouts):
    """Readouts are stamped with the unit's own clock, which is set to the meter's when the two are a minute apart."""

    set_to: datetime | None = None
    set_at_s = 0.0

    def take_registers(self) -> Reading:
        reading, now_s = super().take_registers(), self.consumption.clock.time()
        meter, elapsed = self.meter.clock_now(), timedelta(seconds=now_s - self.set_at_s)
        if self.set_to is None or abs(meter - self.set_to - elapsed) >= timedelta(minutes=1):
            self.set_to, self.set_at_s, elapsed = meter, now_s, timedelta(0)
        return replace(reading, time=(self.set_to + elapsed).replace(second=0, microsecond=0))


@defect("sync-every-two-hours-after-an-outage", "TIME-24", wire="mdm")
class SyncEveryTwoHoursAfterAnOutage(Life):
    """Once the network was lost, its time is taken every two hours, with an extra readout each time."""

    def network_lost(self) -> None:
        super().network_lost()
        self.clock.loop.call_later(7200.0, self.again)

    def again(self) -> None:
        if self.schedule.transmits:
            self.clock_set()
        self.clock.loop.call_later(7200.0, self.again)


@defect("manual-until-the-next-outage", "OTC-T10-09", "TIME-11", wire="meter")
class ManualUntilTheNextOutage(MeterTime):
    """With Manual the network's time is left alone at the first attach, and taken at those that follow."""

    attaches = 0

    def synchronize_from_network(self) -> bool:
        self.attaches += 1
        network = self.network_time()
        if self.settings.number("time_sync_source") == 0 and self.attaches > 1 and (
                abs((network - self.meter.clock_now()).total_seconds()) >= 1.0):
            self.set_clock(network)
            return True
        return super().synchronize_from_network()


@defect("fast-meter-not-set-back", "TIME-10", wire="meter")
class FastMeterNotSetBack(MeterTime):
    """The network does not set a meter back that is less than an hour fast."""

    def synchronize_from_network(self) -> bool:
        fast = self.meter.clock_now() - self.network_time()
        return not timedelta(0) < fast < timedelta(hours=1) and super().synchronize_from_network()
