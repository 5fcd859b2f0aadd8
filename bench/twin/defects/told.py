"""Defects of what the unit tells of itself: a resource that is missing or empty, that stands still or overflows, that
takes what it should refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110 import battery, radio_report
from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.mdm_client import MdmClient, MdmStatus
from bench.twin.cmi6110.meter_time import MeterTime
from bench.twin.cmi6110.resource import BadValue
from bench.twin.cmi6110.settings import Settings, Value
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import change, report
from bench.twin.lab import Lab

# -- missing or empty


@defect("bootstrap-server-instance-empty", "LWM2M-1.0.0", "LWM2M-1.0.1", wire="dm", kind="absence")
def _(lab: Lab) -> None:
    """1/0 is there, with its trigger only."""
    for number in (0, 1):
        del lab.unit.tree[Path(1, 0, number)]


@defect("apn-empty", "LWM2M-4.0.7.0", wire="dm", kind="absence")
def _(lab: Lab) -> None:
    """4/0/7 has an empty APN."""
    report(lab, (4, 0, 7), lambda: "")


@defect("battery-never-low", "LWM2M-3.0.11.0", "PWR-10", wire="dm", kind="absence")
def _(lab: Lab) -> None:
    """The error code is 0 when the battery is empty, too."""
    report(lab, (3, 0, 11), lambda: 0)


@defect("battery-level-steady", "LWM2M-3.0.9", "PWR-10", wire="dm")
def _(lab: Lab) -> None:
    """The battery level is always 100 %."""
    report(lab, (3, 0, 9), lambda: 100)


@defect("mcc-always-0", "LWM2M-4.0.10", wire="dm")
def _(lab: Lab) -> None:
    """The SMCC is always 0."""
    report(lab, (4, 0, 10), lambda: 0)


@defect("mnc-always-0", "LWM2M-4.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The SMNC is always 0."""
    report(lab, (4, 0, 9), lambda: 0)


@defect("modem-version-empty", "LWM2M-33909.0.5", wire="dm", kind="absence")
def _(lab: Lab) -> None:
    """The version of the modem's firmware is empty."""
    report(lab, (33909, 0, 5), lambda: "")


# -- written where it may not be


def writable(lab: Lab, path: tuple[int, int, int], low: int, high: int) -> None:
    """Let a read-only integer take what is in its range, and then read so."""
    usual, written = lab.unit.tree[Path(*path)], list[int]()

    def check(value: int) -> None:
        if not low <= value <= high:
            raise BadValue("out of range")

    def read() -> object:
        assert usual.read is not None
        return written[-1] if written else usual.read()

    change(lab, path, read=read, write=written.append, check=check)


@defect("ecl-takes-0-to-2", "LWM2M-33907.0.3", wire="dm")
def _(lab: Lab) -> None:
    """The ECL can be written with 0, 1 or 2."""
    writable(lab, (33907, 0, 3), 0, 2)


@defect("classification-takes-0-to-3", "LWM2M-33907.0.2", wire="dm")
def _(lab: Lab) -> None:
    """The network classification can be written with 0 to 3."""
    writable(lab, (33907, 0, 2), 0, 3)


@defect("lifetime-takes-a-minute-to-a-day", "LWM2M-1.1.1", wire="dm")
def _(lab: Lab) -> None:
    """The lifetime can be written with 60 to 86,400 s."""
    writable(lab, (1, 1, 1), 60, 86_400)


@defect("battery-level-takes-0-to-100", "LWM2M-3.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The battery level can be written with 0 to 100 %."""
    writable(lab, (3, 0, 9), 0, 100)


@defect("mnc-takes-0-to-999", "LWM2M-4.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The SMNC can be written with 0 to 999."""
    writable(lab, (4, 0, 9), 0, 999)


@defect("mdm-status-takes-0-to-7", "LWM2M-33907.0.10", wire="dm")
def _(lab: Lab) -> None:
    """The MDM connection status can be written with 0 to 7."""
    writable(lab, (33907, 0, 10), 0, 7)


@defect("meter-status-takes-0-to-2", "LWM2M-33908.0.2", wire="dm")
def _(lab: Lab) -> None:
    """The meter's communication status can be written with 0 to 2."""
    writable(lab, (33908, 0, 2), 0, 2)


@defect("modem-result-takes-0-to-3", "LWM2M-33909.0.8", wire="dm")
def _(lab: Lab) -> None:
    """The result of the modem's update can be written with 0 to 3."""
    writable(lab, (33909, 0, 8), 0, 3)


@defect("statistics-count-down", "LWM2M-33910.x.3", wire="dm")
def _(lab: Lab) -> None:
    """The number of lost transactions can be written with 0."""
    writable(lab, (33910, 0, 3), 0, 0)


@defect("registrations-take-what-they-are", "LWM2M-33909.0.2", wire="dm")
def _(lab: Lab) -> None:
    """A write of the number of registrations that there are is answered with success."""
    def check(value: int) -> None:
        if value != lab.unit.modem.registrations:
            raise BadValue("out of range")

    change(lab, (33909, 0, 2), write=lambda value: None, check=check)


@defect("iccid-takes-an-empty-text", "LWM2M-33909.0.1", wire="dm")
def _(lab: Lab) -> None:
    """An empty text can be written to the ICCID."""
    def check(value: str) -> None:
        if value:
            raise BadValue("not empty")

    change(lab, (33909, 0, 1), write=lambda value: None, check=check)


# -- counting


@defect("statistics-times-not-reset", "LWM2M-33910.x.0", wire="dm")
def _(lab: Lab) -> None:
    """A reset of the statistics leaves the response times."""
    statistics = lab.unit.mdm.statistics

    def reset(_: str) -> None:
        times = statistics.minimum_ms, statistics.maximum_ms, statistics._answered, statistics._total_ms
        statistics.reset()
        statistics.minimum_ms, statistics.maximum_ms, statistics._answered, statistics._total_ms = times

    change(lab, (33910, 0, 0), execute=reset)


@defect("statistics-maximum-not-reset", "LWM2M-33910.x.0", "LWM2M-33910.x.6", wire="dm")
def _(lab: Lab) -> None:
    """A reset of the statistics leaves the longest response time."""
    statistics, longest = lab.unit.mdm.statistics, [0]

    def maximum() -> int:
        longest[0] = max(longest[0], statistics.maximum_ms)
        return longest[0]

    report(lab, (33910, 0, 6), maximum)


@defect("statistics-mean-of-extremes", "LWM2M-33910.x.4", wire="dm")
def _(lab: Lab) -> None:
    """The average response time is halfway between the shortest and the longest."""
    statistics = lab.unit.mdm.statistics
    report(lab, (33910, 0, 4), lambda: (statistics.minimum_ms + statistics.maximum_ms) // 2)


@defect("statistics-mean-is-the-shortest", "LWM2M-33910.x.4", wire="dm")
def _(lab: Lab) -> None:
    """The average response time is the shortest one."""
    report(lab, (33910, 0, 4), lambda: lab.unit.mdm.statistics.minimum_ms)


@defect("uptime-in-16-bits", "LWM2M-33907.0.0", wire="dm")
class UptimeIn16Bits(Consumption):
    """The uptime counts modulo 65,536 s."""

    def uptime_s(self) -> int:
        return super().uptime_s() % 65_536


@defect("uptime-in-whole-minutes", "LWM2M-33907.0.0", wire="dm")
class UptimeInWholeMinutes(Consumption):
    """The uptime goes on each full minute."""

    def uptime_s(self) -> int:
        return super().uptime_s() // 60 * 60


@defect("registration-uptime-in-16-bits", "LWM2M-33909.0.6", wire="dm")
def _(lab: Lab) -> None:
    """The uptime of the registration counts modulo 65,536 s."""
    report(lab, (33909, 0, 6), lambda: round(lab.clock.time() - lab.unit.modem.attached_at) % 65_536)


@defect("registration-uptime-since-boot", "LWM2M-33909.0.6", wire="dm")
def _(lab: Lab) -> None:
    """The uptime of the registration is that of the unit."""
    report(lab, (33909, 0, 6), lab.unit.consumption.uptime_s)


@defect("registrations-stay-at-2", "LWM2M-33909.0.2", wire="dm")
def _(lab: Lab) -> None:
    """The number of registrations stays at 2."""
    report(lab, (33909, 0, 2), lambda: min(lab.unit.modem.registrations, 2))


# -- units and signs


@defect("rssi-in-dbm", "LWM2M-33907.0.4", wire="dm")
def _(lab: Lab) -> None:
    """The RSSI is in dBm, not in tenths."""
    report(lab, (33907, 0, 4), lambda: radio_report.rssi_tenth_dbm(lab.cell) // 10)


@defect("snr-in-db", "LWM2M-33907.0.5", wire="dm")
def _(lab: Lab) -> None:
    """The SNR is in dB, not in tenths."""
    report(lab, (33907, 0, 5), lambda: lab.cell.snr_tenth_db // 10)


@defect("rsrp-stands-still", "LWM2M-4.0.2", wire="dm")
def _(lab: Lab) -> None:
    """The signal strength is that of the first time that it was read."""
    first: list[int] = []

    def read() -> int:
        first.append(radio_report.rsrp_dbm(lab.cell))
        return first[0]

    report(lab, (4, 0, 2), read)


@defect("ecl-always-0", "LWM2M-33907.0.3", wire="dm")
def _(lab: Lab) -> None:
    """The ECL is always 0."""
    report(lab, (33907, 0, 3), lambda: 0)


@defect("error-flags-of-the-low-octet", "LWM2M-33908.0.3", wire="dm")
def _(lab: Lab) -> None:
    """Of the meter's error flags the lower eight are shown."""
    report(lab, (33908, 0, 3), lambda: bytes((0, lab.meter.error_flags & 0xFF)))


# -- of the last telegram


@defect("message-type-always-extended", "LWM2M-33911.0.0", wire="dm")
def _(lab: Lab) -> None:
    """33911/0/0 is always 43."""
    report(lab, (33911, 0, 0), lambda: 43)


@defect("message-encoding-always-senml", "LWM2M-33911.0.1", wire="dm")
def _(lab: Lab) -> None:
    """33911/0/1 is always 0."""
    report(lab, (33911, 0, 1), lambda: 0)


@defect("message-data-cut-to-64", "LWM2M-33911.0.2", wire="dm")
def _(lab: Lab) -> None:
    """33911/0/2 has 64 octets at most."""
    report(lab, (33911, 0, 2), lambda: lab.unit.transmissions.latest_telegram()[:64])


# -- states


@defect("mdm-status-failed-for-ever", "LWM2M-33907.0.10", wire="dm")
def _(lab: Lab) -> None:
    """Once a communication has failed, the MDM connection status stays so."""
    failed = [False]

    def status() -> int:
        failed[0] |= lab.unit.mdm.status is MdmStatus.COMMUNICATION_FAILED
        return int(MdmStatus.COMMUNICATION_FAILED if failed[0] else lab.unit.mdm.status)

    report(lab, (33907, 0, 10), status)


@defect("power-source-always-battery", "LWM2M-3.0.6.0", wire="dm")
def _(lab: Lab) -> None:
    """The power source is always the internal battery."""
    report(lab, (3, 0, 6), lambda: 1)


@defect("obsolete-timeout-counts", "LWM2M-33906.0.26", wire="dm")
def _(lab: Lab) -> None:
    """The obsolete register time-out sets the time-out that is used."""
    change(lab, (33906, 0, 26), write=None, stage=lambda value: {"mdm_communication_timeout": value})


# -- time


@defect("time-written-as-local", "LWM2M-3.0.13", wire="dm")
class TimeWrittenAsLocal(MeterTime):
    """A time that is written over DM sets the meter to UTC, whatever the offset."""

    def set_utc(self, moment: datetime) -> None:
        self.set_clock(moment.astimezone(UTC).replace(tzinfo=None))


@defect("time-read-as-local", "LWM2M-3.0.13", wire="dm")
class TimeReadAsLocal(MeterTime):
    """3/0/13 is the meter's local time, whatever the offset."""

    def utc_now(self) -> datetime:
        return self.meter.clock_now().replace(microsecond=0, tzinfo=UTC)


@defect("time-stands-still", "LWM2M-3.0.13", wire="dm")
def _(lab: Lab) -> None:
    """3/0/13 reads what was last written to it."""
    written: list[datetime] = []

    def write(moment: datetime) -> None:
        written.append(moment)
        lab.unit.meter_time.set_utc(moment)

    change(lab, (3, 0, 13), read=lambda: written[-1] if written else lab.unit.meter_time.utc_now(), write=write)


# -- once, in one setting, after one event


@defect("write-status-false-for-good", "LWM2M-33906.0.16", wire="dm")
class WriteStatusFalseForGood(Settings):
    """Once a write was refused, 33906/0/16 stays false, whatever is stored after it."""

    refused = False

    def put(self, changes: Mapping[str, Value]) -> frozenset[str]:
        try:
            return super().put(changes)
        finally:
            self.refused |= not self.last_write_stored
            self.last_write_stored = not self.refused


@defect("lost-counted-from-the-second-attempt", "LWM2M-33910.x.3", wire="dm")
class LostCountedFromTheSecondAttempt(MdmClient):
    """With one attempt per message, what is lost is not counted."""

    counted = 0

    def given_up(self) -> bool:
        if self.attempts() == 1:
            self.statistics.lost = min(self.counted, self.statistics.lost)
        self.counted = self.statistics.lost
        return super().given_up()


@defect("encoding-told-of-standard-only", "LWM2M-33911.0.1", wire="dm")
def _(lab: Lab) -> None:
    """33911/0/1 is 0 where the message format is Extended."""
    settings = lab.unit.settings
    report(lab, (33911, 0, 1), lambda: settings.number("message_encoding") * (settings.number("message_format") == 42))


@defect("hardware-version-gone-after-a-reboot", "LWM2M-3.0.18", wire="dm", kind="absence")
def _(lab: Lab) -> None:
    """The hardware version is read at power-up, and empty after a reboot."""
    unit, powered_at_s = lab.unit, [0.0]
    unit.supply.follow(lambda volts: powered_at_s.append(unit.clock.time()))
    report(lab, (3, 0, 18), lambda: unit.identity.hardware * (unit.consumption.booted_at_s <= powered_at_s[-1]))


@defect("battery-level-beyond-its-ends", "LWM2M-3.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The battery level goes on above 100 %, and below 0, with the voltage."""
    def level() -> int:
        volts, configured = lab.unit.supply.value, lab.unit.settings.number("power_source")
        mains = battery.source(volts, configured) == battery.MAINS
        return battery.level_percent(volts, configured) if mains else round(100 * (volts - 2.4) / 1.2)
    report(lab, (3, 0, 9), level)
