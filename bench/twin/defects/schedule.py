"""Defects of readouts and transmissions on their schedules that show late, seldom, or at some settings only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.readouts import RETRY_S, Readouts
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.settings import Settings, Value
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading
from bench.twin.defects.registry import defect

_DAY_S = 86_400.0

# -- readouts


@defect("no-readout-at-midnight", "SCH-07", "SCH-20", wire="mdm")
class NoReadoutAtMidnight(Life):
    """The readout of 00:00 is left out each day."""

    async def read(self, *, extra: bool) -> None:
        now = self.readouts.meter.clock_now()
        if extra or (now.hour, now.minute) != (0, 0):
            await super().read(extra=extra)


@defect("two-readouts-at-midnight", "SCH-07", wire="mdm")
class TwoReadoutsAtMidnight(Life):
    """At 00:00 the meter is read twice."""

    async def read(self, *, extra: bool) -> None:
        await super().read(extra=extra)
        now = self.readouts.meter.clock_now()
        if not extra and (now.hour, now.minute) == (0, 0):
            await super().read(extra=extra)


@defect("even-hours-are-odd", "SCH-03", "SCH-07", wire="mdm")
class EvenHoursAreOdd(Schedule):
    """An interval of two hours is counted from 01:00."""

    def seconds_to_grid(self, interval_min: int) -> float:
        wait_s = super().seconds_to_grid(60)
        hour = (self.clock_now().hour + 1) % 24
        return wait_s + 3600.0 * (hour % 2 == 0) if interval_min == 120 else super().seconds_to_grid(interval_min)


@defect("daily-readout-at-noon", "SCH-05", "SCH-07", wire="mdm")
class DailyReadoutAtNoon(Schedule):
    """The readout of a day is made at noon."""

    def seconds_to_grid(self, interval_min: int) -> float:
        wait_s = super().seconds_to_grid(interval_min)
        daily = interval_min == 1440 == self.settings.number("readout_interval")
        to_noon_s = (wait_s + _DAY_S / 2) % _DAY_S
        return wait_s if not daily else to_noon_s if to_noon_s > 1.0 else to_noon_s + _DAY_S


@defect("five-minutes-are-ten", "SCH-04", "SCH-24", wire="mdm")
class FiveMinutesAreTen(Schedule):
    """An interval below ten minutes counts as ten."""

    def seconds_to_grid(self, interval_min: int) -> float:
        return super().seconds_to_grid(max(interval_min, 10))


@defect("readouts-a-minute-late", "SCH-02", "SCH-07", wire="mdm")
class ReadoutsAMinuteLate(Schedule):
    """Readouts are made a minute after their moment."""

    def seconds_to_grid(self, interval_min: int) -> float:
        late_s = 60.0 * (interval_min == self.settings.number("readout_interval"))
        return super().seconds_to_grid(interval_min) + late_s


@defect("readouts-drift", "SCH-07", "SCH-02", wire="mdm")
class ReadoutsDrift(Schedule):
    """Each readout is made twenty seconds more than an interval after the one before."""

    began = False

    def seconds_to_grid(self, interval_min: int) -> float:
        if interval_min != self.settings.number("readout_interval") or not self.began:
            self.began = True
            return super().seconds_to_grid(interval_min)
        return interval_min * 60.0 + 20.0


@defect("readouts-end-after-a-day", "SCH-02", "SCH-07", wire="mdm")
class ReadoutsEndAfterADay(Schedule):
    """After 25 hours the meter is not read any more."""

    began_s = -1.0

    def seconds_to_grid(self, interval_min: int) -> float:
        now_s = self.clock.time()
        self.began_s = now_s if self.began_s < 0 else self.began_s
        late = now_s - self.began_s > 25 * 3600.0 and interval_min == self.settings.number("readout_interval")
        return super().seconds_to_grid(interval_min) + 1e7 * late


@defect("outage-stops-readouts-after-an-hour", "SCH-23", "RETX-10", wire="cell")
class OutageStopsReadoutsAfterAnHour(Life):
    """After an hour without a network the meter is not read."""

    lost_s = 0.0

    def network_lost(self) -> None:
        self.lost_s = self.clock.time()
        super().network_lost()

    async def read(self, *, extra: bool) -> None:
        if self.modem.attached or self.clock.time() - self.lost_s < 3600.0:
            await super().read(extra=extra)


@defect("search-replaces-a-readout", "SCH-23", wire="cell")
class SearchReplacesAReadout(Life):
    """While the unit looks for a network at that very moment the meter is not read."""

    async def read(self, *, extra: bool) -> None:
        if self.modem.state != "searching":
            await super().read(extra=extra)


@defect("report-interval-halved", "SCH-21", wire="mdm")
class ReportIntervalHalved(Storage):
    """Of the report interval half counts."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return super().unsent(now, max_age, max(report_interval_min // 2, 1))


@defect("trigger-sends-the-last-one", "SCH-22", "LWM2M-33906.0.10", wire="dm")
class TriggerSendsTheLastOne(Life):
    """A triggered readout sends what is stored, and reads nothing."""

    def trigger_readout(self) -> None:
        self.jobs.do(self.transmissions.run())


@defect("trigger-waits-for-the-window", "SCH-22", "LWM2M-33906.0.10", wire="dm")
class TriggerWaitsForTheWindow(Life):
    """A triggered readout is made, and sent with the next planned transmission."""

    def trigger_readout(self) -> None:
        self.jobs.do(self.read(extra=True))


# -- retries of the meter


@defect("three-more-meter-retries", "SCH-27", "LWM2M-33906.0.43", wire="meter")
class ThreeMoreMeterRetries(Readouts):
    """The meter is asked three times more often than is set."""

    async def read(self, *, extra: bool) -> None:
        for attempt in range(4 + self.settings.number("max_meter_retries")):
            await asyncio.sleep(RETRY_S if attempt else 0)
            if self.read_once(extra=extra or attempt > 0) is not None:
                return


@defect("meter-retries-at-most-ten", "SCH-27", "LWM2M-33906.0.43", wire="meter")
class MeterRetriesAtMostTen(Readouts):
    """The meter is asked ten times at most."""

    async def read(self, *, extra: bool) -> None:
        for attempt in range(min(1 + self.settings.number("max_meter_retries"), 10)):
            await asyncio.sleep(RETRY_S if attempt else 0)
            if self.read_once(extra=extra or attempt > 0) is not None:
                return


@defect("no-meter-retries", "SCH-27", "LWM2M-33906.0.43", wire="meter")
class NoMeterRetries(Readouts):
    """A meter that does not answer is not asked again."""

    async def read(self, *, extra: bool) -> None:
        self.read_once(extra=extra)


# -- windows


@defect("delay-fixed-after-a-day", "SCH-11", wire="mdm")
class DelayFixedAfterADay(Schedule):
    """The random delay is the same from the second day on."""

    began_s = -1.0

    def random_delay_s(self) -> float:
        now_s = self.clock.time()
        self.began_s = now_s if self.began_s < 0 else self.began_s
        begin_s, end_s = self.window_s()
        return begin_s + 0.7 * (end_s - begin_s) if now_s - self.began_s > _DAY_S else super().random_delay_s()


@defect("delay-follows-from-the-hour", "SCH-12", "SCH-11", wire="mdm")
class DelayFollowsFromTheHour(Schedule):
    """The random delay follows from the hour of the day."""

    def random_delay_s(self) -> float:
        begin_s, end_s = self.window_s()
        return begin_s + (self.clock_now().hour * 37 % 60 + self.clock_now().minute) % 60 / 60 * (end_s - begin_s)


@defect("delay-at-both-ends", "SCH-11", wire="mdm")
class DelayAtBothEnds(Schedule):
    """The random delay is at either end of its range."""

    def random_delay_s(self) -> float:
        begin_s, end_s = self.window_s()
        place = self.rng.uniform(0.0, 0.2)
        return begin_s + (place if self.rng.random() < 0.5 else 1 - place) * (end_s - begin_s)


@defect("delay-starts-at-the-hour", "SCH-09", "SCH-25", wire="mdm")
class DelayStartsAtTheHour(Schedule):
    """The random delay counts from the planned moment, and not from the offset on."""

    def random_delay_s(self) -> float:
        return self.rng.uniform(0.0, self.window_s()[1])


@defect("offset-in-eight-bits", "SCH-09", "OTC-T11-06", wire="mdm")
class OffsetInEightBits(Schedule):
    """Of the transmit offset eight bits count."""

    def window_s(self) -> tuple[float, float]:
        offset, delay = self.settings.number("transmit_offset") % 256, self.settings.number("transmit_delay")
        return offset * 60.0, (offset + delay) * 60.0


@defect("delay-in-eight-bits", "SCH-11", "OTC-T11-07", wire="mdm")
class DelayInEightBits(Schedule):
    """Of the transmit delay eight bits count."""

    def window_s(self) -> tuple[float, float]:
        offset, delay = self.settings.number("transmit_offset"), self.settings.number("transmit_delay") % 256
        return offset * 60.0, (offset + delay) * 60.0


@defect("each-second-day-without-transmission", "SCH-08", "SCH-19", wire="mdm")
class EachSecondDayWithoutTransmission(Schedule):
    """A daily transmission is left out on even days."""

    def seconds_to_grid(self, interval_min: int) -> float:
        wait_s = super().seconds_to_grid(interval_min)
        daily = interval_min == 1440 == self.settings.number("transmit_interval")
        return wait_s + _DAY_S * (daily and self.clock_now().day % 2 == 1)


@defect("window-of-midnight-missing", "SCH-08", wire="mdm")
class WindowOfMidnightMissing(Schedule):
    """The transmission planned for 00:00 is left out where others follow in the day."""

    def seconds_to_grid(self, interval_min: int) -> float:
        wait_s = super().seconds_to_grid(interval_min)
        transmits = interval_min == self.settings.number("transmit_interval") < 1440
        return wait_s + interval_min * 60.0 * (transmits and self.clock_now().hour == 23
                                               and wait_s > 3600.0 - 61 - self.clock_now().minute * 60)


@defect("rule-counts-one-more", "SCH-15", "SCH-16", "SCH-18", wire="dm")
class RuleCountsOneMore(Settings):
    """Offset and delay that are together as long as the transmit interval are refused."""

    def check_window(self, changes: Mapping[str, Value]) -> dict[str, str]:
        touched = changes.keys() & {"transmit_offset", "transmit_delay"}
        after = {name: int(changes.get(name, self[name]))
                 for name in ("transmit_offset", "transmit_delay", "transmit_interval")}
        equal = after["transmit_offset"] + after["transmit_delay"] == after["transmit_interval"]
        return dict.fromkeys(touched, "rule") if equal else super().check_window(changes)


@defect("rule-allows-a-minute-more", "SCH-16", "SCH-18", wire="dm")
class RuleAllowsAMinuteMore(Settings):
    """Offset and delay may be a minute longer together than the transmit interval."""

    def check_window(self, changes: Mapping[str, Value]) -> dict[str, str]:
        touched = changes.keys() & {"transmit_offset", "transmit_delay"}
        after = {name: int(changes.get(name, self[name]))
                 for name in ("transmit_offset", "transmit_delay", "transmit_interval")}
        if not touched or sum(after.values()) - 2 * after["transmit_interval"] <= 1:
            return {}
        return dict.fromkeys(touched, "rule")


@defect("short-interval-keeps-the-offset", "SCH-17", wire="nfc")
class ShortIntervalKeepsTheOffset(Settings):
    """A shorter transmit interval cuts the delay and leaves the offset."""

    def clamp(self, changes: Mapping[str, Value]) -> dict[str, Value]:
        clamped = super().clamp(changes)
        offset, interval = self.number("transmit_offset"), int(changes.get("transmit_interval", 0))
        return {"transmit_offset": offset, "transmit_delay": interval - offset} if clamped and offset < interval else (
            clamped)


@defect("short-interval-keeps-the-delay", "SCH-17", wire="nfc")
class ShortIntervalKeepsTheDelay(Settings):
    """A shorter transmit interval sets the offset to 0 and the delay to a half of it."""

    def clamp(self, changes: Mapping[str, Value]) -> dict[str, Value]:
        clamped = super().clamp(changes)
        return clamped and {**clamped, "transmit_delay": max(int(clamped["transmit_delay"]) // 2, 1)}
