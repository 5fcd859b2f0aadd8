"""Defects of what is sent again, and of special ways to send it (manual 7.3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import SENML_CBOR, Reading, TelegramWriter
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect

Telegram = tuple[bytes, list[Reading]]

# -- a special way works on the good day only


@defect("long-dtls-telegram-dropped", "RETX-01", "RETX-18", wire="mdm")
class LongDtlsTelegramDropped(Transmissions):
    """With DTLS a telegram of more than 1,000 octets is dropped as if it were acknowledged."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        secured = self.connection.servers.mdm_security == 0
        return (secured and len(payload) > 1000) or await super().upload(payload, last=last)


@defect("long-lwm2m-telegram-dropped", "RETX-18", "NET-38", wire="dm")
class LongLwm2mTelegramDropped(Transmissions):
    """With LwM2M a telegram of more than 1,000 octets is dropped as if it were acknowledged."""

    async def report(self, payload: bytes) -> bool:
        return len(payload) > 1000 or await super().report(payload)


@defect("lwm2m-second-telegram-dropped", "RETX-18", "NET-38", wire="dm")
class Lwm2mSecondTelegramDropped(Transmissions):
    """With LwM2M only the first telegram of a transmission is sent, and the others count as sent."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        if self.settings.number("upload_protocol") == 1 and not last and self.sent_some:
            return True
        self.sent_some = not last
        return await super().upload(payload, last=last)

    sent_some = False


@defect("json-compliant-drops-the-last", "RETX-18", "RETX-02", wire="mdm")
class JsonCompliantDropsTheLast(Transmissions):
    """JSON with a Compliant connection marks the last telegram of several as sent without sending it."""

    sent_some = False

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        compliant = self.settings.number("mqttsn_connection") == 1 and self.settings.number("message_encoding") == 1
        several, self.sent_some = self.sent_some, not last
        return (compliant and several and last) or await super().upload(payload, last=last)


@defect("mbus-dtls-drops-the-first", "RETX-18", "RETX-02", wire="mdm")
class MbusDtlsDropsTheFirst(Transmissions):
    """M-Bus with DTLS marks the first telegram of a transmission of several as sent without sending it."""

    begun = False

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        special = self.settings.number("message_encoding") == 2 and self.connection.servers.mdm_security == 0
        first, self.begun = not self.begun, not last
        return (special and first and not last) or await super().upload(payload, last=last)


@defect("lwm2m-ignores-the-limit", "RETX-06", "NET-38", wire="dm")
class Lwm2mIgnoresTheLimit(Transmissions):
    """With LwM2M the limit of uploads does not count."""

    def most_uploads(self) -> int:
        return 10_000 if self.settings.number("upload_protocol") == 1 else super().most_uploads()


@defect("lwm2m-ignores-the-order", "RETX-04", "NET-38", wire="dm")
class Lwm2mIgnoresTheOrder(Transmissions):
    """With LwM2M the oldest readouts go first, whatever the order."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        if self.settings.number("upload_protocol") == 0:
            return super().pending_telegrams()
        return self.writer().telegrams(self.storage.unsent(
            self.meter.clock_now(), timedelta(minutes=self.settings.number("auto_upload_max_age")),
            self.settings.number("report_interval")))


@defect("lwm2m-ignores-the-age", "RETX-05", "NET-38", wire="dm")
class Lwm2mIgnoresTheAge(Transmissions):
    """With LwM2M readouts of any age are sent."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        if self.settings.number("upload_protocol") == 0:
            return super().pending_telegrams()
        pending = self.storage.unsent(self.meter.clock_now(), timedelta.max, self.settings.number("report_interval"))
        return self.writer().telegrams(pending[::-1] if self.settings.number("auto_upload_order") == 1 else pending)


# -- losses and repetitions


@defect("second-failure-drops", "RETX-01", "RETX-18", wire="mdm")
class SecondFailureDrops(Transmissions):
    """A telegram that could not be delivered in two transmissions is given up."""

    failed = 0

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        sent = await super().upload(payload, last=last)
        self.failed = 0 if sent else self.failed + 1
        return sent or self.failed >= 2


@defect("failure-drops-the-rest", "RETX-02", "RETX-18", wire="mdm")
class FailureDropsTheRest(Transmissions):
    """After a telegram that nobody took the others of the transmission count as sent."""

    async def run(self) -> None:
        before = [readings for _, readings in self.pending_telegrams()][1:self.most_uploads()]
        await super().run()
        if self.mdm.failures:
            for readings in before:
                self.storage.mark_sent(readings)


@defect("first-after-outage-dropped", "RETX-02", "RETX-18", wire="cell")
class FirstAfterOutageDropped(Life):
    """When the network returns the oldest readout that waits is dropped."""

    def network_lost(self) -> None:
        super().network_lost()
        self.drops = True

    async def read(self, *, extra: bool) -> None:
        await super().read(extra=extra)
        storage = self.readouts.storage
        if self.drops and self.modem.attached:
            self.drops = False
            storage.mark_sent(storage.unsent(datetime.max, timedelta.max, 1)[:1])    # noqa: DTZ901 - naive

    drops = False


@defect("last-is-sent-again", "RETX-18", wire="mdm")
class LastIsSentAgain(Storage):
    """The last readout of a transmission of several is sent once more with the next."""

    def mark_sent(self, readings: Iterable[Reading]) -> None:
        sent = list(readings)
        super().mark_sent(sent)
        if len(sent) > 1:
            super().add(sent[-1], extra=False)


@defect("backlog-without-a-limit-after-outage", "RETX-06", wire="mdm")
class BacklogWithoutALimitAfterOutage(Transmissions):
    """The first transmission after an outage has as many telegrams as wait."""

    waited = 0

    def most_uploads(self) -> int:
        waiting = len(self.storage.unsent(self.meter.clock_now(), timedelta.max, 1))
        before, self.waited = self.waited, waiting
        return 1000 if waiting > before + 8 else super().most_uploads()


@defect("limit-counts-readouts", "RETX-06", "RETX-13", wire="mdm")
class LimitCountsReadouts(Transmissions):
    """The limit of uploads counts readouts and not telegrams."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        left = self.most_uploads()
        for payload, readings in super().pending_telegrams():
            if left > 0:
                yield payload, readings
            left -= len(readings)


@defect("limit-in-four-bits", "RETX-06", "OTC-T11-08", "LWM2M-33906.0.21", wire="mdm")
class LimitInFourBits(Transmissions):
    """Of the limit of uploads four bits count."""

    def most_uploads(self) -> int:
        return super().most_uploads() % 16 or 16


@defect("order-within-the-transmission-only", "RETX-03", wire="mdm")
class OrderWithinTheTransmissionOnly(Transmissions):
    """With the oldest first the newest readouts are chosen and sent in the order of their age."""

    def pending_telegrams(self) -> Iterator[Telegram]:
        telegrams = list(super().pending_telegrams())
        if self.settings.number("auto_upload_order") == 1:
            return iter(telegrams)
        return iter(telegrams[-self.most_uploads():])


@defect("age-in-sixteen-bits", "RETX-05", "OTC-T11-11", "LWM2M-33906.0.44", wire="mdm")
class AgeInSixteenBits(Storage):
    """An age limit beyond 65,535 min wraps."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return super().unsent(now, timedelta(minutes=max_age / timedelta(minutes=1) % 0x10000), report_interval_min)


@defect("age-limit-at-least-three-hours", "RETX-05", wire="mdm")
class AgeLimitAtLeastThreeHours(Storage):
    """An age limit below three hours counts as three hours."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return super().unsent(now, max(max_age, timedelta(hours=3)), report_interval_min)


@defect("age-counts-from-the-day", "RETX-05", wire="mdm")
class AgeCountsFromTheDay(Storage):
    """Readouts of the day before are too old from the half of the age limit on."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return [one for one in super().unsent(now, max_age, report_interval_min)
                if one.time.date() == now.date() or now - one.time <= max_age / 2]


@defect("extra-readouts-are-not-repeated", "RETX-02", "TIME-15", wire="mdm")
class ExtraReadoutsAreNotRepeated(Storage):
    """A readout off the grid that is not sent within the hour is never sent."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return [one for one in super().unsent(now, max_age, report_interval_min)
                if one.time.minute % 5 == 0 or now - one.time < timedelta(seconds=5)]


# -- packs


@defect("second-pack-has-the-time-of-the-first", "PAY-SENML-33", "RETX-15", "PAY-SENML-05", wire="mdm")
class SecondPackHasTheTimeOfTheFirst(TelegramWriter):
    """The second pack of a transmission has the base time of the first."""

    def telegrams(self, readings: Sequence[Reading]) -> Iterator[Telegram]:
        first: list[Reading] = []
        for payload, carried in super().telegrams(readings):
            if first and self.encoding == SENML_CBOR:
                yield self._with_time(payload, carried, first[0]), carried
            else:
                yield payload, carried
            first = first or carried

    def _with_time(self, payload: bytes, carried: list[Reading], first: Reading) -> bytes:
        own, other = (round(self.sent_time(one).timestamp()) for one in (carried[0], first))
        return payload.replace(own.to_bytes(4, "big"), other.to_bytes(4, "big"), 1)


@defect("packs-half-full", "PAY-SENML-34", "RETX-13", wire="mdm")
class PacksHalfFull(TelegramWriter):
    """Each second pack is filled to a half only."""

    number = 0

    def telegrams(self, readings: Sequence[Reading]) -> Iterator[Telegram]:
        whole = list(readings)
        if self.encoding != SENML_CBOR:
            yield from super().telegrams(whole)
            return
        while whole:
            for payload, carried in super().telegrams(whole):
                half = carried[:len(carried) // 2] if self.number % 2 and len(carried) > 3 else carried
                self.number += 1
                yield (payload if half is carried else self.senml(half)), half
                gone = set(map(id, half))
                whole = [one for one in whole if id(one) not in gone]
                break
