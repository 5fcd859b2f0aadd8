"""Defects of the store of readouts and of what is sent again (manual 7.3.4 and chapter 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report
from bench.twin.lab import Lab

# -- the order and the amount of what is sent


@defect("order-swapped", "RETX-03", "RETX-04", wire="mdm")
class OrderSwapped(Storage):
    """FIFO and LIFO are swapped."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return super().unsent(now, max_age, report_interval_min)[::-1]


@defect("age-limit-ignored", "RETX-05", wire="mdm")
class AgeLimitIgnored(Storage):
    """Readouts of any age are sent."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return super().unsent(now, timedelta.max, report_interval_min)


@defect("age-limit-a-day-longer", "RETX-05", wire="mdm")
class AgeLimitADayLonger(Storage):
    """Readouts may be a day older than the age limit."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return super().unsent(now, max_age + timedelta(days=1), report_interval_min)


@defect("uploads-unlimited", "RETX-06", wire="mdm")
class UploadsUnlimited(Transmissions):
    """The limit of uploads per transmission is ignored."""

    def most_uploads(self) -> int:
        return 10_000


@defect("uploads-one-too-few", "RETX-08", "RETX-09", "RETX-11", wire="mdm")
class UploadsOneTooFew(Transmissions):
    """A transmission has one telegram less than the limit allows."""

    def most_uploads(self) -> int:
        return max(super().most_uploads() - 1, 1)


@defect("sent-twice", "RETX-18", wire="mdm")
class SentTwice(Storage):
    """Each readout is sent in two transmissions."""

    def __init__(self) -> None:
        super().__init__()
        self.sent_once = dict[int, Reading]()

    def mark_sent(self, readings: Iterable[Reading]) -> None:
        for reading in readings:
            if id(reading) in self.sent_once:
                super().mark_sent([reading])
            self.sent_once[id(reading)] = reading


@defect("lost-after-silence", "RETX-01", "RETX-19", wire="mdm")
class LostAfterSilence(Transmissions):
    """A telegram that nobody has acknowledged counts as sent."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        await super().upload(payload, last=last)
        return True


@defect("backlog-at-once", "RETX-25", wire="cell")
class BacklogAtOnce(Schedule):
    """When the network is back, the backlog is sent at once and not in the window."""

    def plan_transmissions(self, *, sent_just_now: bool = False) -> None:
        super().plan_transmissions(sent_just_now=sent_just_now)
        if not sent_just_now:
            self.transmit()


# -- the store


@defect("outage-loses-readouts", "RETX-02", wire="cell")
class OutageLosesReadouts(Storage):
    """Readouts that could not be sent are forgotten."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return super().unsent(now, max_age, report_interval_min)[-1:]


@defect("capacity-800", "STO-01", wire="mdm")
def _(lab: Lab) -> None:
    """The store has room for 800 readouts."""
    lab.unit.storage.capacity = 800


@defect("store-of-three-days", "STO-06", wire="mdm")
class StoreOfThreeDays(Storage):
    """Readouts older than three days are forgotten, whatever the age limit says."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return super().unsent(now, min(max_age, timedelta(days=3)), report_interval_min)


@defect("standard-registers-only", "STO-03", wire="mdm")
class StandardRegistersOnly(Readouts):
    """In the Standard format the registers of the Extended one are not stored."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        standard = self.settings.number("message_format") == 42
        return replace(reading, tariffs=(None, None, None)) if standard else reading


@defect("store-lost-at-power-cut", "STO-05", "RETX-23", wire="supply")
class StoreLostAtPowerCut(Power):
    """A power cut empties the store."""

    def down(self) -> None:
        super().down()
        self.life.readouts.storage.clear()


@defect("marks-lost-at-power-cut", "RETX-23", wire="supply")
class MarksLostAtPowerCut(Power):
    """After a power cut all that is stored counts as not sent."""

    def down(self) -> None:
        super().down()
        storage = self.life.readouts.storage
        kept = storage.history()
        storage.clear()
        for reading in kept:
            storage.add(reading, extra=False)


# -- the history


@defect("resend-drops-the-first", "RETX-21", wire="mdm")
class ResendDropsTheFirst(Storage):
    """The historic resend leaves out the first readout."""

    def history(self) -> list[Reading]:
        return super().history()[1:]


@defect("resend-within-age-limit", "RETX-21", wire="mdm")
class ResendWithinAgeLimit(Transmissions):
    """The historic resend brings nothing beyond the age limit."""

    def history(self) -> list[Reading]:
        limit = timedelta(minutes=self.settings.number("auto_upload_max_age"))
        return [reading for reading in super().history() if self.meter.clock_now() - reading.time <= limit]


@defect("resend-lost-in-outage", "STO-07", wire="cell")
class ResendLostInOutage(Life):
    """A historic resend that an outage cuts off is forgotten."""

    def network_lost(self) -> None:
        self.transmissions.resending.clear()
        super().network_lost()


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


@defect("failed-telegram-above-the-limit", "RETX-06", wire="mdm")
class FailedTelegramAboveTheLimit(Transmissions):
    """A telegram that has failed the time before does not count against the limit of uploads."""

    failed = False

    def most_uploads(self) -> int:
        return super().most_uploads() + self.failed

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        self.failed = not await super().upload(payload, last=last)
        return not self.failed


@defect("history-telegram-without-an-answer-dropped", "RETX-19", "RETX-21", wire="mdm")
class HistoryTelegramWithoutAnAnswerDropped(Transmissions):
    """A telegram of a historic resend that is not acknowledged is not sent another time."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        taken = await super().upload(payload, last=last)
        return taken or bool(self.resending and self.resending[0][0] is payload)


@defect("latest-first-after-a-failure", "LWM2M-33906.0.45", "RETX-04", wire="mdm")
class LatestFirstAfterAFailure(Transmissions):
    """The first telegram after one that failed is that of the latest readouts, whatever the order."""

    failed = False

    def pending_telegrams(self) -> Iterator[tuple[bytes, list[Reading]]]:
        if not self.failed:
            return super().pending_telegrams()
        pending = self.storage.unsent(
            self.meter.clock_now(), timedelta(minutes=self.settings.number("auto_upload_max_age")),
            self.settings.number("report_interval"))
        return self.writer().telegrams(pending[::-1])

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        self.failed = not await super().upload(payload, last=last)
        return not self.failed
