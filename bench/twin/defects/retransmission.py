"""Defects of the store of readouts and of what is sent again (manual 7.3.4 and chapter 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading
from bench.twin.cmi6110.unit import BROWN_OUT_V
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import read_as, report
from bench.twin.lab import Lab

# -- the order and the amount of what is sent


@defect("order-swapped", "RETX-03", "RETX-04", wire="mdm")
def _(lab: Lab) -> None:
    """FIFO and LIFO are swapped."""
    storage = lab.unit.storage
    unsent = storage.unsent
    storage.unsent = lambda now, max_age, report_interval_min: (  # type: ignore[method-assign]
        unsent(now, max_age, report_interval_min)[::-1])


@defect("age-limit-ignored", "RETX-05", wire="mdm")
def _(lab: Lab) -> None:
    """Readouts of any age are sent."""
    _age(lab, lambda max_age: timedelta.max)


@defect("age-limit-a-day-longer", "RETX-05", wire="mdm")
def _(lab: Lab) -> None:
    """Readouts may be a day older than the age limit."""
    _age(lab, lambda max_age: max_age + timedelta(days=1))


@defect("uploads-unlimited", "RETX-06", wire="mdm")
def _(lab: Lab) -> None:
    """The limit of uploads per transmission is ignored."""
    lab.unit.transmissions.most_uploads = lambda: 10_000  # type: ignore[method-assign]


@defect("uploads-one-too-few", "RETX-08", "RETX-09", "RETX-11", wire="mdm")
def _(lab: Lab) -> None:
    """A transmission has one telegram less than the limit allows."""
    transmissions = lab.unit.transmissions
    most = transmissions.most_uploads
    transmissions.most_uploads = lambda: max(most() - 1, 1)  # type: ignore[method-assign]


@defect("sent-twice", "RETX-18", wire="mdm")
def _(lab: Lab) -> None:
    """Each readout is sent in two transmissions."""
    storage = lab.unit.storage
    mark_sent, once = storage.mark_sent, dict[int, Reading]()

    def mark_the_second_time(readings: Iterable[Reading]) -> None:
        for reading in readings:
            if id(reading) in once:
                mark_sent([reading])
            once[id(reading)] = reading
    storage.mark_sent = mark_the_second_time  # type: ignore[method-assign]


@defect("lost-after-silence", "RETX-01", "RETX-19", wire="mdm")
def _(lab: Lab) -> None:
    """A telegram that nobody has acknowledged counts as sent."""
    transmissions = lab.unit.transmissions
    upload = transmissions.upload

    async def sent(payload: bytes, *, last: bool) -> bool:
        await upload(payload, last=last)
        return True
    transmissions.upload = sent  # type: ignore[method-assign]


@defect("backlog-at-once", "RETX-25", wire="cell")
def _(lab: Lab) -> None:
    """When the network is back, the backlog is sent at once and not in the window."""
    unit = lab.unit
    plan = unit.schedule.plan_transmissions

    def plan_and_send(*, sent_just_now: bool = False) -> None:
        plan(sent_just_now=sent_just_now)
        if not sent_just_now:
            unit.trigger_readout()
    unit.schedule.plan_transmissions = plan_and_send  # type: ignore[method-assign]


# -- the store


@defect("outage-loses-readouts", "RETX-02", wire="cell")
def _(lab: Lab) -> None:
    """Readouts that could not be sent are forgotten."""
    storage = lab.unit.storage
    unsent = storage.unsent
    storage.unsent = lambda now, max_age, report_interval_min: (  # type: ignore[method-assign]
        unsent(now, max_age, report_interval_min)[-1:])


@defect("capacity-800", "STO-01", wire="mdm")
def _(lab: Lab) -> None:
    """The store has room for 800 readouts."""
    lab.unit.storage.capacity = 800


@defect("oldest-kept", "STO-02", wire="mdm")
def _(lab: Lab) -> None:
    """A full store takes no new readouts."""
    storage = lab.unit.storage
    add = storage.add

    def add_if_there_is_room(reading: Reading, *, extra: bool) -> None:
        if len(storage) < storage.capacity:
            add(reading, extra=extra)
    storage.add = add_if_there_is_room  # type: ignore[method-assign]


@defect("store-of-three-days", "STO-06", wire="mdm")
def _(lab: Lab) -> None:
    """Readouts older than three days are forgotten, whatever the age limit says."""
    _age(lab, lambda max_age: min(max_age, timedelta(days=3)))


@defect("standard-registers-only", "STO-03", wire="mdm")
def _(lab: Lab) -> None:
    """In the Standard format the registers of the Extended one are not stored."""
    def without_tariffs(reading: Reading) -> Reading:
        standard = lab.unit.settings.number("message_format") == 42
        return replace(reading, tariffs=(None, None, None)) if standard else reading
    read_as(lab, without_tariffs)


@defect("store-lost-at-power-cut", "STO-05", "RETX-23", wire="supply")
def _(lab: Lab) -> None:
    """A power cut empties the store."""
    _at_power_cut(lab, lambda: setattr(lab.unit, "storage", Storage()))


@defect("marks-lost-at-power-cut", "RETX-23", wire="supply")
def _(lab: Lab) -> None:
    """After a power cut all that is stored counts as not sent."""
    def forget_marks() -> None:
        kept, lab.unit.storage = lab.unit.storage.history(), Storage()
        for reading in kept:
            lab.unit.storage.add(reading, extra=False)
    _at_power_cut(lab, forget_marks)


# -- the history


@defect("resend-drops-the-first", "RETX-21", wire="mdm")
def _(lab: Lab) -> None:
    """The historic resend leaves out the first readout."""
    storage = lab.unit.storage
    history = storage.history
    storage.history = lambda: history()[1:]  # type: ignore[method-assign]


@defect("resend-within-age-limit", "RETX-21", wire="mdm")
def _(lab: Lab) -> None:
    """The historic resend brings nothing beyond the age limit."""
    unit = lab.unit
    history = unit.storage.history

    def young() -> list[Reading]:
        limit = timedelta(minutes=unit.settings.number("auto_upload_max_age"))
        return [reading for reading in history() if unit.meter.clock_now() - reading.time <= limit]
    unit.storage.history = young  # type: ignore[method-assign]


@defect("resend-lost-in-outage", "STO-07", wire="cell")
def _(lab: Lab) -> None:
    """A historic resend that an outage cuts off is forgotten."""
    lost = lab.unit.modem.on_lost

    def forget_history() -> None:
        lab.unit.transmissions.resending.clear()
        lost()
    lab.unit.modem.on_lost = forget_history


@defect("resend-status-never-0", "RETX-22", "LWM2M-33906.0.14", wire="dm")
def _(lab: Lab) -> None:
    """The historic resend status is one too high."""
    report(lab, (33906, 0, 14), lambda: len(lab.unit.transmissions.resending) + 1)


@defect("resend-status-counts-up", "RETX-22", "LWM2M-33906.0.14", wire="dm")
def _(lab: Lab) -> None:
    """The historic resend status says how many messages have been sent."""
    asked = [0]

    def sent() -> int:
        left = len(lab.unit.transmissions.resending)
        asked[0] = max(asked[0], left)
        return asked[0] - left
    report(lab, (33906, 0, 14), sent)


def _age(lab: Lab, other: Callable[[timedelta], timedelta]) -> None:
    """Let another age limit count."""
    storage = lab.unit.storage
    unsent = storage.unsent
    storage.unsent = lambda now, max_age, report_interval_min: (  # type: ignore[method-assign]
        unsent(now, other(max_age), report_interval_min))


def _at_power_cut(lab: Lab, damage: Callable[[], None]) -> None:
    lab.unit.supply.follow(lambda volts: damage() if volts < BROWN_OUT_V else None)
