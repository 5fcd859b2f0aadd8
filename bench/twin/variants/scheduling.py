"""Units that read and send at other moments that the manual leaves them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.meter_time import MeterTime
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.telegram import Reading
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.variants.registry import variant

Telegram = tuple[bytes, list[Reading]]

# -- readouts


@variant("reads-3-s-after-the-moment", place="a readout takes its time")
class Reads3SAfterTheMoment(Readouts):
    """The meter is read three seconds after the moment of the grid."""

    async def read(self, *, extra: bool) -> None:
        await asyncio.sleep(0.0 if extra else 3.0)
        await super().read(extra=extra)


@variant("readout-takes-12-s", place="a readout takes its time")
class ReadoutTakes12S(Readouts):
    """A readout of the meter takes twelve seconds."""

    async def read(self, *, extra: bool) -> None:
        await asyncio.sleep(12.0)
        await super().read(extra=extra)


@variant("sync-readout-in-the-window", place="U04")
class SyncReadoutInTheWindow(Life):
    """The extra readout after a new time is made at once, and sent with the next planned transmission."""

    def read_anew(self) -> None:
        if self.schedule.transmits:
            self.jobs.do(self.read(extra=True))
        else:
            super().read_anew()


@variant("sync-readout-10-s-later", place="U04")
class SyncReadout10SLater(Life):
    """The extra readout after a new time is made ten seconds later."""

    def read_anew(self) -> None:
        self.clock.loop.call_later(10.0, super().read_anew)


@variant("sync-readout-at-each-attach", place="U04")
class SyncReadoutAtEachAttach(MeterTime):
    """Each attach sets the meter's clock, also where it is right, and is followed by a readout."""

    def synchronize_from_network(self) -> bool:
        if self.settings.number("time_sync_source") == 1:
            self.set_clock(self.network_time())
            return True
        return False


@variant("clock-is-set-from-2-s-on", place="U03")
class ClockIsSetFrom2SOn(MeterTime):
    """The network corrects the meter's clock where the two differ by two seconds or more."""

    def synchronize_from_network(self) -> bool:
        off_s = abs((self.network_time() - self.meter.clock_now()).total_seconds())
        return off_s >= 2.0 and super().synchronize_from_network()


@variant("network-time-in-whole-seconds", place="U03")
class NetworkTimeInWholeSeconds(MeterTime):
    """NITZ has whole seconds."""

    def network_time(self) -> datetime:
        return super().network_time().replace(microsecond=0)


@variant("meter-is-asked-again-after-10-s", place="Table 8: between quick retries")
class MeterIsAskedAgainAfter10S(Readouts):
    """Between two attempts to read the meter ten seconds pass."""

    async def read(self, *, extra: bool) -> None:
        for attempt in range(1 + self.settings.number("max_meter_retries")):
            await asyncio.sleep(10.0 if attempt else 0.0)
            if self.read_once(extra=extra or attempt > 0) is not None:
                return


@variant("meter-is-asked-again-after-half-a-second", place="Table 8: between quick retries")
class MeterIsAskedAgainAfterHalfASecond(Readouts):
    """Between two attempts to read the meter half a second passes."""

    async def read(self, *, extra: bool) -> None:
        for attempt in range(1 + self.settings.number("max_meter_retries")):
            await asyncio.sleep(0.5 if attempt else 0.0)
            if self.read_once(extra=extra or attempt > 0) is not None:
                return


# -- transmissions


@variant("moments-in-whole-minutes", place="7.3.3: random in the window")
class MomentsInWholeMinutes(Schedule):
    """The random delay is a whole number of minutes."""

    def random_delay_s(self) -> float:
        begin_s, end_s = self.window_s()
        return self.rng.randint(round(begin_s / 60), round(end_s / 60)) * 60.0


@variant("moments-in-whole-seconds", place="7.3.3: random in the window")
class MomentsInWholeSeconds(Schedule):
    """The random delay is a whole number of seconds."""

    def random_delay_s(self) -> float:
        begin_s, end_s = self.window_s()
        return float(self.rng.randint(round(begin_s), round(end_s)))


@variant("moments-from-another-generator", place="7.3.3: random in the window")
class MomentsFromAnotherGenerator(Schedule):
    """Each random delay is drawn from a generator of its own."""

    def random_delay_s(self) -> float:
        return random.Random(self.rng.getrandbits(64)).uniform(*self.window_s())


@variant("what-was-read-before-the-plan", place="SCH-20")
class WhatWasReadBeforeThePlan(Transmissions):
    """A transmission carries what was read on schedule before its planned moment; what was read in between goes at
    once."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        interval = self.settings.number("transmit_interval")
        now = self.meter.clock_now()
        planned = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
            minutes=(now.hour * 60 + now.minute) // interval * interval)
        waiting = [one for _, carried in super().pending_telegrams() for one in carried]
        grid = self.settings.number("readout_interval")
        return self.writer().telegrams([one for one in waiting if one.time < planned or (
            one.time.hour * 60 + one.time.minute) % grid])


@variant("ten-seconds-between-telegrams", place="U10")
class TenSecondsBetweenTelegrams(Transmissions):
    """Between two telegrams of a transmission ten seconds pass."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        sent = await super().upload(payload, last=last)
        await asyncio.sleep(0.0 if last or not sent else 10.0)
        return sent


@variant("age-at-the-plan", place="U09")
class AgeAtThePlan(Transmissions):
    """The age of a readout counts at the planned moment of its transmission."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        interval = self.settings.number("transmit_interval")
        now = self.meter.clock_now()
        late = timedelta(minutes=(now.hour * 60 + now.minute) % interval, seconds=now.second)
        pending = self.storage.unsent(now - late, timedelta(minutes=self.settings.number("auto_upload_max_age")),
                                      self.settings.number("report_interval"))
        return self.writer().telegrams(pending[::-1] if self.settings.number("auto_upload_order") == 1 else pending)


@variant("age-limit-itself-is-too-old", place="U09")
class AgeLimitItselfIsTooOld(Transmissions):
    """A readout that is as old as the age limit is too old."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        age = timedelta(minutes=self.settings.number("auto_upload_max_age")) - timedelta(seconds=60)
        pending = self.storage.unsent(self.meter.clock_now(), age, self.settings.number("report_interval"))
        return self.writer().telegrams(pending[::-1] if self.settings.number("auto_upload_order") == 1 else pending)


@variant("report-interval-without-effect", place="C22")
class ReportIntervalWithoutEffect(Transmissions):
    """All readouts are sent, whatever the report interval."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        pending = self.storage.unsent(self.meter.clock_now(), timedelta(
            minutes=self.settings.number("auto_upload_max_age")), 1)
        return self.writer().telegrams(pending[::-1] if self.settings.number("auto_upload_order") == 1 else pending)


@variant("packs-of-latest-first-rise", place="RETX-04")
class PacksOfLatestFirstRise(Transmissions):
    """With the latest first the newest readouts are chosen, and their packs go in the order of time."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        telegrams = super().pending_telegrams()
        if self.settings.number("auto_upload_order") == 0 or self.settings.number("message_encoding") != 0:
            return telegrams
        chosen = [one for _, one in zip(range(self.most_uploads()), telegrams, strict=False)]
        return iter(chosen[::-1])


@variant("first-readout-after-14-min", place="U11")
class FirstReadoutAfter14Min(Life):
    """The readout after joining is sent 14 min later."""

    first_readout_delay_s = 840.0
