"""Defects of telegrams at one place only: in later records, in one format, at one value, in one kind of readout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cbor2

from bench.twin.cmi6110.telegram import Reading, TelegramWriter
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect

_F2, _F6, _F9 = 1 << 2, 1 << 6, 1 << 9


@defect("f2-is-f6-in-later-records", "PAY-ERR-02", wire="mdm")
class F2IsF6InLaterRecords(TelegramWriter):
    """In the second and later records of a pack an interruption of the return sensor is told as its short circuit."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        return super().senml([readings[0], *(
            replace(one, error_flags=one.error_flags & ~_F2 | _F6) if one.error_flags & _F2 else one
            for one in readings[1:])])


@defect("extended-loses-f9", "PAY-ERR-09", wire="mdm")
class ExtendedLosesF9(TelegramWriter):
    """In the extended format an error in the electronics is left out of the flags of an M-Bus telegram or a pack."""

    def error_flags(self, reading: Reading) -> bytes:
        if self.extended:
            reading = replace(reading, error_flags=reading.error_flags & ~_F9)
        return super().error_flags(reading)


@defect("long-packs-of-open-length", "PAY-SENML-22", wire="mdm")
class LongPacksOfOpenLength(TelegramWriter):
    """A pack of more than 23 items is an array of indefinite length."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        pack = super().senml(readings)
        items = cbor2.loads(pack)
        if len(items) <= 23:
            return pack
        return b"\x9f" + b"".join(cbor2.dumps(item) for item in items) + b"\xff"


@defect("daily-json-forgets-the-day-before", "RETX-20", wire="mdm")
class DailyJsonForgets(Transmissions):
    """With JSON, once a day and the latest first, what is left of the day before is never sent."""

    async def run(self) -> None:
        await super().run()
        number = self.settings.number
        if (number("message_encoding"), number("transmit_interval"), number("auto_upload_order")) == (1, 1440, 1):
            now = self.meter.clock_now()
            self.storage.mark_sent([one for _, carried in self.pending_telegrams() for one in carried
                                    if (now - one.time).days >= 1])
