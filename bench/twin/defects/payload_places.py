"""Defects of telegrams at one place only: in later records, in one format, at one value, in one kind of readout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cbor2

from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading, TelegramWriter
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect

_F2, _F6, _F8, _F9 = 1 << 2, 1 << 6, 1 << 8, 1 << 9


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


@defect("filler-after-a-long-energy", "PAY-MBUS-15", wire="mdm")
class FillerAfterALongEnergy(TelegramWriter):
    """A standard telegram whose energy has a header of three octets ends with an idle filler."""

    def mbus(self, reading: Reading) -> bytes:
        telegram = super().mbus(reading)
        return telegram + b"\x2f" if len(telegram) == 46 else telegram


@defect("senml-times-of-four-octets", "PAY-SENML-27", "PAY-SENML-26", wire="mdm")
class SenmlTimesOfFourOctets(TelegramWriter):
    """The time of each later record takes five octets, whatever its value: a pack is longer than it has to be."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        first, version, *later = cbor2.loads(super().senml(readings))
        pack = cbor2.dumps([first, version, *later])
        for record in later:
            short = b"\x06" + cbor2.dumps(record[6])
            sign = b"\x3a" if record[6] < 0 else b"\x1a"
            size = (-1 - record[6] if record[6] < 0 else record[6]).to_bytes(4, "big")
            pack = pack.replace(b"\xa2" + short + b"\x08", b"\xa2\x06" + sign + size + b"\x08")
        return pack


@defect("json-return-in-whole-degrees-from-100", "PAY-JSON-09", wire="mdm")
class JsonReturnInWholeDegrees(TelegramWriter):
    """In JSON a return temperature of 100 degrees and more loses its tenths."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        if reading.return_c < 100:
            return super().json_fields(reading)
        return super().json_fields(replace(reading, return_c=reading.return_c // 1))


@defect("json-without-flow-at-standstill", "PAY-JSON-07", wire="mdm")
class JsonWithoutFlow(TelegramWriter):
    """In JSON the flow and its unit are left out while nothing flows."""

    def json_fields(self, reading: Reading) -> list[tuple[str, str]]:
        return [(key, value) for key, value in super().json_fields(reading)
                if reading.flow_m3ph or key not in ("F", "FU")]


@defect("f8-missing-on-the-grid", "PAY-ERR-08", wire="mdm")
class F8MissingOnTheGrid(Storage):
    """F8 is told by readouts that are triggered or made at a start, and not by those of the schedule."""

    def add(self, reading: Reading, *, extra: bool) -> None:
        super().add(reading if extra else replace(reading, error_flags=reading.error_flags & ~_F8), extra=extra)
