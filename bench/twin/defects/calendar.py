"""Defects that show at some dates, seasons and UTC offsets only (manual 7.3.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.meter_time import MeterTime
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import JSON, MBUS, SENML_CBOR, Reading, TelegramWriter
from bench.twin.defects.registry import defect

_HOUR = timedelta(hours=1)


def _is_summer(local: datetime) -> bool:
    """From the last Sunday of March to that of October, as Central Europe has it."""
    begin, end = (datetime(local.year, month, 31, 2) for month in (3, 10))  # noqa: DTZ001 - local
    return (begin - timedelta(days=begin.isoweekday() % 7)) <= local < (end - timedelta(days=end.isoweekday() % 7))


# -- summer time


@defect("dst-in-stamps", "TIME-19", "TIME-08", wire="mdm")
class DstInStamps(TelegramWriter):
    """In summer stamps are an hour ahead."""

    def sent_time(self, reading: Reading) -> datetime:
        return super().sent_time(reading) + _HOUR * _is_summer(reading.time)


@defect("dst-in-json-stamps", "TIME-19", "TIME-20", "PAY-JSON-03", wire="mdm")
class DstInJsonStamps(TelegramWriter):
    """In summer the stamps of JSON telegrams are an hour ahead."""

    def sent_time(self, reading: Reading) -> datetime:
        return super().sent_time(reading) + _HOUR * (self.encoding == JSON and _is_summer(reading.time))


@defect("dst-from-network", "TIME-02", "TIME-10", wire="meter")
class DstFromNetwork(MeterTime):
    """From April to October the network sets the meter to daylight saving time."""

    def network_time(self) -> datetime:
        network = super().network_time()
        return network + _HOUR * (4 <= network.month <= 10)


@defect("dst-from-everybody", "TIME-02", "TIME-14", "TIME-12", wire="meter")
class DstFromEverybody(MeterTime):
    """In summer whoever sets the clock sets it an hour ahead."""

    def set_clock(self, local: datetime) -> None:
        super().set_clock(local + _HOUR * _is_summer(local))


@defect("dst-night-skipped", "TIME-02", "TIME-12", "TIME-14", wire="meter")
class DstNightSkipped(MeterTime):
    """Between two and three of the night in which summer time begins the clock is set to an hour later."""

    def set_clock(self, local: datetime) -> None:
        skipped = not _is_summer(local) and _is_summer(local + _HOUR) and local.month == 3
        super().set_clock(local + _HOUR * skipped)


@defect("autumn-hour-left-out", "TIME-19", "SCH-07", wire="mdm")
class AutumnHourLeftOut(Schedule):
    """In the night in which summer time ends the readouts between two and three are left out."""

    def seconds_to_grid(self, interval_min: int) -> float:
        wait_s = super().seconds_to_grid(interval_min)
        moment = self.clock_now() + timedelta(seconds=wait_s)
        ends = _is_summer(moment - timedelta(hours=2)) and not _is_summer(moment)
        return wait_s + 3600.0 * (ends and interval_min < 60)


# -- ends of months and years


@defect("old-year-dropped", "RETX-02", "RETX-18", wire="mdm")
class OldYearDropped(Storage):
    """At New Year unsent readouts of the old year are forgotten."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return [one for one in super().unsent(now, max_age, report_interval_min) if one.time.year == now.year]


@defect("old-month-dropped", "RETX-02", "RETX-18", wire="mdm")
class OldMonthDropped(Storage):
    """Unsent readouts of the month before are forgotten, but for those of December."""

    def unsent(self, now: datetime, max_age: timedelta, report_interval_min: int) -> list[Reading]:
        return [one for one in super().unsent(now, max_age, report_interval_min)
                if one.time.month == now.month or one.time.month == 12]


@defect("no-readout-at-the-first", "SCH-07", "RETX-18", wire="mdm")
class NoReadoutAtTheFirst(Life):
    """The readout of 00:00 on the first of a month is left out."""

    async def read(self, *, extra: bool) -> None:
        now = self.readouts.meter.clock_now()
        if extra or (now.day, now.hour, now.minute) != (1, 0, 0):
            await super().read(extra=extra)


@defect("no-readout-at-new-year", "SCH-07", "RETX-18", wire="mdm")
class NoReadoutAtNewYear(Life):
    """The first readout of a year is left out."""

    async def read(self, *, extra: bool) -> None:
        now = self.readouts.meter.clock_now()
        if extra or (now.month, now.day, now.hour, now.minute) != (1, 1, 0, 0):
            await super().read(extra=extra)


@defect("no-leap-day", "TIME-08", "PAY-MBUS-01", wire="mdm")
class NoLeapDay(TelegramWriter):
    """29 February is sent as 1 March in M-Bus."""

    def date_time(self, reading: Reading) -> bytes:
        sent, shift = self.sent_time(reading), timedelta(days=1)
        leap = (sent.month, sent.day) == (2, 29)
        return super().date_time(_moved(reading, shift) if leap else reading)


@defect("leap-day-each-year", "TIME-08", "TIME-20", "PAY-SENML-04", wire="mdm")
class LeapDayEachYear(TelegramWriter):
    """SenML times count a leap day in each year from March on."""

    def sent_time(self, reading: Reading) -> datetime:
        sent = super().sent_time(reading)
        wrong = self.encoding == SENML_CBOR and sent.month >= 3 and sent.year % 4 != 0
        return sent + timedelta(days=1) * wrong


@defect("senml-a-day-early-at-the-end-of-a-year", "TIME-08", "PAY-SENML-04", wire="mdm")
class SenmlADayEarly(TelegramWriter):
    """SenML times of 31 December are a day early."""

    def sent_time(self, reading: Reading) -> datetime:
        sent = super().sent_time(reading)
        return sent - timedelta(days=1) * (self.encoding == SENML_CBOR and (sent.month, sent.day) == (12, 31))


@defect("json-year-of-the-meter", "TIME-08", "PAY-JSON-03", wire="mdm")
class JsonYearOfTheMeter(TelegramWriter):
    """JSON stamps have the year of the meter's date, also where the shift crosses New Year."""

    def sent_time(self, reading: Reading) -> datetime:
        sent = super().sent_time(reading)
        return sent.replace(year=reading.time.year, day=min(sent.day, 28)) if (
            self.encoding == JSON and sent.year != reading.time.year) else sent


@defect("mbus-day-of-the-meter", "TIME-08", "PAY-MBUS-01", wire="mdm")
class MbusDayOfTheMeter(TelegramWriter):
    """M-Bus stamps keep the meter's day where the shift crosses midnight."""

    def sent_time(self, reading: Reading) -> datetime:
        sent = super().sent_time(reading)
        return datetime.combine(reading.time.date(), sent.timetz()) if self.encoding == MBUS else sent


@defect("midnight-as-24-00", "PAY-JSON-03", "TIME-08", wire="mdm")
class MidnightAs24(TelegramWriter):
    """JSON stamps of midnight say 24:00 of the day before."""

    def json(self, reading: Reading) -> bytes:
        sent = self.sent_time(reading)
        if (sent.hour, sent.minute) != (0, 0):
            return super().json(reading)
        before = sent - timedelta(days=1)
        return super().json(reading).replace(f"{sent:%Y-%m-%dT%H}".encode(), f"{before:%Y-%m-%d}T24".encode(), 1)


@defect("year-of-six-bits", "PAY-MBUS-23", wire="mdm")
class YearOfSixBits(TelegramWriter):
    """After 2063 M-Bus years begin again."""

    def date_time(self, reading: Reading) -> bytes:
        time = reading.time
        return super().date_time(_in_year(reading, 2000 + time.year % 100 % 64))


@defect("month-of-three-bits", "PAY-MBUS-01", "TIME-08", wire="mdm")
class MonthOfThreeBits(TelegramWriter):
    """In M-Bus the month is one of three bits: October to December are sent as February to April."""

    def date_time(self, reading: Reading) -> bytes:
        dib = super().date_time(reading)
        month = dib[5] & 0x0F
        return dib[:5] + bytes([dib[5] & 0xF0 | (month - 8 if month > 9 else month)])


# -- offsets


@defect("json-offset-in-whole-hours", "TIME-06", "TIME-08", "TIME-20", "PAY-JSON-03", wire="mdm")
class JsonOffsetInWholeHours(TelegramWriter):
    """JSON stamps are shifted by whole hours."""

    def sent_time(self, reading: Reading) -> datetime:
        hours = int(self.utc_offset_minutes / 60)
        return _shifted(reading, 60 * hours) if self.encoding == JSON else super().sent_time(reading)


@defect("senml-offset-without-sign", "TIME-04", "TIME-20", "PAY-SENML-04", wire="mdm")
class SenmlOffsetWithoutSign(TelegramWriter):
    """A negative UTC offset is taken as a positive one in SenML."""

    def sent_time(self, reading: Reading) -> datetime:
        offset = self.utc_offset_minutes
        return _shifted(reading, abs(offset) if self.encoding == SENML_CBOR else offset)


@defect("offset-of-a-minute-lost", "TIME-06", "TIME-08", wire="mdm")
class OffsetOfAMinuteLost(TelegramWriter):
    """UTC offsets count in quarters of an hour."""

    def sent_time(self, reading: Reading) -> datetime:
        return _shifted(reading, int(self.utc_offset_minutes / 15) * 15)


@defect("offset-at-most-ten-hours", "TIME-06", "TIME-08", wire="mdm")
class OffsetAtMostTenHours(TelegramWriter):
    """A UTC offset beyond ten hours counts as ten."""

    def sent_time(self, reading: Reading) -> datetime:
        return _shifted(reading, max(min(self.utc_offset_minutes, 600), -600))


@defect("readouts-on-the-hour-of-utc", "TIME-09", "SCH-07", wire="mdm")
class ReadoutsOnTheHourOfUtc(Schedule):
    """The grid is that of UTC and not that of the meter's clock."""

    def seconds_to_grid(self, interval_min: int) -> float:
        offset_s = self.settings.number("utc_offset") * 60
        now = self.clock_now()
        since_s = (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() - offset_s + 0.5
        return max(interval_min * 60 - since_s % (interval_min * 60) + 0.5, 0.001)


# -- the clock itself


@defect("dm-time-is-taken-as-local", "TIME-12", "LWM2M-3.0.13", wire="dm")
class DmTimeIsTakenAsLocal(MeterTime):
    """3/0/13 sets the meter to UTC."""

    def set_utc(self, moment: datetime) -> None:
        self.set_clock(moment.astimezone(UTC).replace(tzinfo=None))


@defect("dm-time-shows-local", "TIME-12", "LWM2M-3.0.13", wire="dm")
class DmTimeShowsLocal(MeterTime):
    """3/0/13 shows the meter's time as if it were UTC."""

    def utc_now(self) -> datetime:
        return self.meter.clock_now().replace(microsecond=0, tzinfo=UTC)


@defect("dm-time-in-whole-minutes", "TIME-12", "LWM2M-3.0.13", wire="dm")
class DmTimeInWholeMinutes(MeterTime):
    """A time that is written over DM loses its seconds."""

    def set_utc(self, moment: datetime) -> None:
        super().set_utc(moment.replace(second=0))


@defect("adjust-time-16-bits", "TIME-13", "LWM2M-33906.0.6", wire="dm")
class AdjustTime16Bits(MeterTime):
    """Adjust time wraps at 16 bits."""

    def adjust(self, seconds: int) -> None:
        super().adjust((seconds + 0x8000) % 0x10000 - 0x8000)


@defect("adjust-time-at-most-a-day", "TIME-13", "LWM2M-33906.0.6", wire="dm")
class AdjustTimeAtMostADay(MeterTime):
    """Adjust time is cut to a day."""

    def adjust(self, seconds: int) -> None:
        super().adjust(max(min(seconds, 86_400), -86_400))


@defect("adjust-time-in-tens", "TIME-13", "LWM2M-33906.0.6", wire="dm")
class AdjustTimeInTens(MeterTime):
    """Adjust time is rounded to ten seconds."""

    def adjust(self, seconds: int) -> None:
        super().adjust(round(seconds / 10) * 10)


@defect("adjust-time-never-back", "TIME-13", "TIME-17", wire="dm")
class AdjustTimeNeverBack(MeterTime):
    """By more than an hour the clock is not set back."""

    def adjust(self, seconds: int) -> None:
        super().adjust(max(seconds, -3600))


@defect("network-sets-once", "TIME-10", wire="meter")
class NetworkSetsOnce(MeterTime):
    """The network's time is taken once after power, and not at a later attach."""

    taken = False

    def synchronize_from_network(self) -> bool:
        if self.taken:
            return False
        self.taken = True
        return super().synchronize_from_network()


@defect("network-sets-hours-only", "TIME-10", "TIME-02", wire="meter")
class NetworkSetsHoursOnly(MeterTime):
    """The network corrects the meter only when it is off by more than ten minutes."""

    def synchronize_from_network(self) -> bool:
        off_s = abs((self.network_time() - self.meter.clock_now()).total_seconds())
        return off_s > 600 and super().synchronize_from_network()


@defect("network-time-truncated", "TIME-10", "TIME-02", wire="meter")
class NetworkTimeTruncated(MeterTime):
    """The network's time loses its seconds."""

    def network_time(self) -> datetime:
        return super().network_time().replace(second=0, microsecond=0)

    def synchronize_from_network(self) -> bool:
        off_s = abs((self.network_time() - self.meter.clock_now()).total_seconds())
        return off_s > 60 and super().synchronize_from_network()


@defect("sync-read-late", "TIME-15", wire="dm")
class SyncReadLate(Life):
    """The extra readout after a new time comes twenty minutes later."""

    def read_anew(self) -> None:
        self.clock.loop.call_later(1200.0, super().read_anew)


@defect("sync-readout-on-old-clock", "TIME-15", "TIME-16", wire="dm")
class SyncReadoutOnOldClock(Readouts):
    """The first readout after a new time has the old time."""

    shown: datetime | None = None
    at_s = 0.0

    def take_registers(self) -> Reading:
        reading, now_s = super().take_registers(), self.consumption.uptime_s()
        old, before_s = self.shown, self.at_s
        self.shown, self.at_s = reading.time, now_s
        if old is None or now_s < before_s:
            return reading
        expected = old + timedelta(seconds=now_s - before_s)
        jumped = abs((reading.time - expected).total_seconds()) > 120
        return _moved(reading, expected.replace(second=0) - reading.time) if jumped else reading


def _moved(reading: Reading, by: timedelta) -> Reading:
    return _at(reading, reading.time + by)


def _in_year(reading: Reading, year: int) -> Reading:
    return _at(reading, reading.time.replace(year=year, day=min(reading.time.day, 28)))


def _at(reading: Reading, time: datetime) -> Reading:
    return replace(reading, time=time)


def _shifted(reading: Reading, offset_min: int) -> datetime:
    return (reading.time - timedelta(minutes=offset_min)).replace(tzinfo=UTC)
