"""Defects of schedules and of time (manual 7.3.1 to 7.3.3)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bench.twin.cmi6110.telegram import Reading
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import resource
from bench.twin.lab import Lab

_SCHEDULE = frozenset({"readout_interval", "transmit_interval", "transmit_offset", "transmit_delay"})

# -- readouts


@defect("interval-from-boot", "SCH-02", "SCH-07", wire="mdm")
def _(lab: Lab) -> None:
    """Intervals count from start-up, not from the meter's midnight."""
    unit = lab.unit
    unit.schedule.seconds_to_grid = lambda interval_min: (  # type: ignore[method-assign]
        interval_min * 60.0 - unit.uptime_s() % (interval_min * 60))


@defect("midnight-off-the-grid", "SCH-07", wire="mdm")
def _(lab: Lab) -> None:
    """An interval that does not divide a day does not begin anew at midnight."""
    unit = lab.unit

    def seconds(interval_min: int) -> float:
        since = (unit.meter.clock_now() - datetime(2020, 1, 1)).total_seconds() + 0.5  # noqa: DTZ001
        return max(interval_min * 60.0 - since % (interval_min * 60.0) + 0.5, 0.001)
    unit.schedule.seconds_to_grid = seconds  # type: ignore[method-assign]


@defect("readouts-stop-offline", "SCH-23", "RETX-10", wire="cell")
def _(lab: Lab) -> None:
    """The meter is not read while there is no network."""
    unit = lab.unit
    read = unit.read_meter
    unit.read_meter = lambda *, extra: read(extra=extra) if unit.modem.attached else None  # type: ignore[method-assign]


@defect("failed-readout-ends-schedule", "SCH-28", wire="meter")
def _(lab: Lab) -> None:
    """After a readout that failed there is none any more."""
    unit = lab.unit
    read, failed = unit.read_meter, [False]

    def once_failed(*, extra: bool) -> Reading | None:
        failed[0] = failed[0] or not unit.meter.connected
        return None if failed[0] else read(extra=extra)
    unit.read_meter = once_failed  # type: ignore[method-assign]


@defect("stale-readout", "SCH-28", wire="meter")
def _(lab: Lab) -> None:
    """When the meter does not answer, the last values are stored with a new time."""
    unit = lab.unit
    read = unit.read_meter

    def read_or_remember(*, extra: bool) -> Reading | None:
        last = unit.storage.latest
        if unit.meter.connected or last is None:
            return read(extra=extra)
        stale = replace(last, time=unit.meter.clock_now().replace(second=0, microsecond=0))
        unit.storage.add(stale, extra=extra)
        return stale
    unit.read_meter = read_or_remember  # type: ignore[method-assign]


@defect("report-interval-ignored", "SCH-21", wire="mdm")
def _(lab: Lab) -> None:
    """All readouts are sent, whatever the report interval."""
    storage = lab.unit.storage
    unsent = storage.unsent
    storage.unsent = lambda now, max_age, report_interval_min: unsent(now, max_age, 1)  # type: ignore[method-assign]


@defect("intervals-after-reboot", "SCH-24", wire="nfc")
def _(lab: Lab) -> None:
    """New intervals take effect at the next reboot."""
    settings = lab.unit.settings
    changed = settings.on_change
    settings.on_change = lambda names: changed(names - _SCHEDULE)


# -- windows


@defect("window-too-late", "SCH-10", wire="mdm")
def _(lab: Lab) -> None:
    """The random delay may be twice as long as is set."""
    settings, rng = lab.unit.settings, lab.unit.rng
    lab.unit.schedule.random_delay_s = lambda: 60 * (  # type: ignore[method-assign]
        settings.number("transmit_offset") + rng.uniform(0.0, 2.0) * settings.number("transmit_delay"))


@defect("delay-constant", "SCH-11", wire="mdm")
def _(lab: Lab) -> None:
    """The random delay is always the same."""
    settings = lab.unit.settings
    lab.unit.schedule.random_delay_s = lambda: 60 * (  # type: ignore[method-assign]
        settings.number("transmit_offset") + 0.4 * settings.number("transmit_delay"))


@defect("delay-in-first-tenth", "SCH-11", wire="mdm")
def _(lab: Lab) -> None:
    """The random delay is always in the first tenth of its range."""
    settings, rng = lab.unit.settings, lab.unit.rng
    lab.unit.schedule.random_delay_s = lambda: 60 * (  # type: ignore[method-assign]
        settings.number("transmit_offset") + rng.uniform(0.0, 0.1) * settings.number("transmit_delay"))


@defect("delays-alike", "SCH-12", wire="mdm")
def _(lab: Lab) -> None:
    """All units draw the same random delays, and the same again after each start."""
    settings, schedule = lab.unit.settings, lab.unit.schedule
    plan = schedule.plan_transmissions

    def plan_with_the_same_delays(*, sent_just_now: bool = False) -> None:
        rng = random.Random(1)
        schedule.random_delay_s = lambda: 60 * (  # type: ignore[method-assign]
            settings.number("transmit_offset") + rng.random() * settings.number("transmit_delay"))
        plan(sent_just_now=sent_just_now)
    schedule.plan_transmissions = plan_with_the_same_delays  # type: ignore[method-assign]


@defect("window-rule-unchecked", "SCH-16", wire="nfc")
def _(lab: Lab) -> None:
    """Offset and delay beyond the transmit interval are taken."""
    lab.unit.settings.check_window = lambda changes: {}  # type: ignore[method-assign]


@defect("window-not-clamped", "SCH-17", wire="nfc")
def _(lab: Lab) -> None:
    """Offset and delay stay when the transmit interval becomes shorter than both."""
    lab.unit.settings.clamp = lambda changes: {}  # type: ignore[method-assign]


@defect("every-third-transmission-missing", "SCH-08", wire="mdm")
def _(lab: Lab) -> None:
    """Each third planned transmission is left out."""
    schedule = lab.unit.schedule
    seconds, planned = schedule.seconds_to_grid, [0]

    def to_grid(interval_min: int) -> float:
        wait_s = seconds(interval_min)
        if interval_min == lab.unit.settings.number("transmit_interval"):
            planned[0] += 1
            wait_s += interval_min * 60 if planned[0] % 3 == 0 else 0
        return wait_s
    schedule.seconds_to_grid = to_grid  # type: ignore[method-assign]


# -- time


@defect("clock-not-synchronised", "TIME-10", wire="meter")
def _(lab: Lab) -> None:
    """The meter's clock is not set from the network, and is a minute slow."""
    lab.unit.synchronize_from_network = lambda: False  # type: ignore[method-assign]
    lab.meter.set_clock(lab.meter.clock_now().replace(minute=lab.meter.clock_now().minute - 1))


@defect("sync-without-readout", "TIME-15", "TIME-16", wire="dm")
def _(lab: Lab) -> None:
    """A new time is followed by no extra readout."""
    lab.meter.on_clock_set = lab.unit.schedule.plan_anew


@defect("sync-read-twice", "TIME-15", wire="dm")
def _(lab: Lab) -> None:
    """A new time is followed by two extra readouts, two minutes apart."""
    meter, clock = lab.meter, lab.clock
    heard = meter.on_clock_set

    def twice() -> None:
        heard()
        clock.loop.call_later(120.0, heard)
    meter.on_clock_set = twice


@defect("sync-without-replanning", "TIME-18", "TIME-17", wire="dm")
def _(lab: Lab) -> None:
    """After a new time the next readout is still made when it was planned."""
    unit = lab.unit
    heard, plan_anew = lab.meter.on_clock_set, unit.schedule.plan_anew

    def without_planning() -> None:
        unit.schedule.plan_anew = lambda: None  # type: ignore[method-assign]
        heard()
        unit.schedule.plan_anew = plan_anew  # type: ignore[method-assign]
    lab.meter.on_clock_set = without_planning


@defect("set-back-loses-readouts", "TIME-17", wire="dm")
def _(lab: Lab) -> None:
    """When the clock is set back, nothing is read until it shows again what it showed before."""
    unit = lab.unit
    seconds, furthest = unit.schedule.seconds_to_grid, [unit.meter.clock_now()]

    def to_grid(interval_min: int) -> float:
        now = unit.meter.clock_now()
        furthest[0] = max(furthest[0], now)
        return seconds(interval_min) + (furthest[0] - now).total_seconds()
    unit.schedule.seconds_to_grid = to_grid  # type: ignore[method-assign]


@defect("daylight-saving-time", "TIME-02", "TIME-10", "TIME-19", wire="meter")
def _(lab: Lab) -> None:
    """The meter is set to daylight saving time, an hour ahead of standard time."""
    local = lab.cell.local_standard_time
    lab.cell.local_standard_time = lambda: local() + timedelta(hours=1)  # type: ignore[method-assign]


@defect("network-time-though-manual", "TIME-11", wire="meter")
def _(lab: Lab) -> None:
    """The meter is set from the network though the time sync source is Manual."""
    unit = lab.unit

    def synchronize() -> bool:
        network = unit.cell.local_standard_time()
        if abs((network - unit.meter.clock_now()).total_seconds()) >= 1.0:
            unit.meter.set_clock(network)
        return True
    unit.synchronize_from_network = synchronize  # type: ignore[method-assign]


@defect("adjust-time-backwards", "TIME-13", wire="dm")
def _(lab: Lab) -> None:
    """Adjust time has the wrong sign."""
    target = resource(lab, (33906, 0, 6))
    adjust: Callable[[int], None] = lab.unit.adjust_time
    target.write = lambda seconds: adjust(-seconds)


@defect("sync-every-hour", "TIME-24", wire="mdm")
def _(lab: Lab) -> None:
    """The network's time is taken each hour, with an extra readout each time."""
    unit = lab.unit

    def again() -> None:
        lab.clock.loop.call_later(3600.0, again)
        if unit.schedule.transmits:
            lab.meter.on_clock_set()
    lab.clock.loop.call_later(1800.0, again)
