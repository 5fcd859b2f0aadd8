"""Defects of the memory of 8000 readouts (manual 7.3 and chapter 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report
from bench.twin.lab import Lab

# -- how much is kept


@defect("capacity-7990", "STO-01", wire="mdm")
def _(lab: Lab) -> None:
    """The store has room for 7990 readouts."""
    lab.unit.storage.capacity = 7990


@defect("full-store-is-emptied", "STO-01", "STO-02", wire="mdm")
class FullStoreIsEmptied(Storage):
    """When the store is full it begins anew."""

    def add(self, reading: Reading, *, extra: bool) -> None:
        if len(self) == self.capacity:
            self.clear()
        super().add(reading, extra=extra)


@defect("full-store-loses-a-day", "STO-01", "STO-02", wire="mdm")
class FullStoreLosesADay(Storage):
    """The history of a full store leaves out the newest day."""

    def history(self) -> list[Reading]:
        kept = super().history()
        return kept[:-288] if len(kept) == self.capacity else kept


@defect("sent-readouts-are-not-kept", "STO-01", "RETX-21", wire="mdm")
class SentReadoutsAreNotKept(Storage):
    """What has been sent is not in the history any more."""

    sent = 0

    def mark_sent(self, readings: Iterable[Reading]) -> None:
        sent = list(readings)
        super().mark_sent(sent)
        self.sent += len(sent)

    def history(self) -> list[Reading]:
        return super().history()[self.sent:]


@defect("history-of-three-hours", "STO-01", "RETX-21", wire="mdm")
class HistoryOfThreeHours(Storage):
    """The history reaches back three hours."""

    def history(self) -> list[Reading]:
        kept = super().history()
        newest = max((one.time for one in kept), default=datetime(1, 1, 1))  # noqa: DTZ001 - the meter's
        return [one for one in kept if newest - one.time <= timedelta(hours=3)]


@defect("history-without-the-newest", "STO-01", "RETX-21", wire="mdm")
class HistoryWithoutTheNewest(Storage):
    """The history ends an hour ago."""

    def history(self) -> list[Reading]:
        return super().history()[:-12]


@defect("history-each-second", "RETX-21", wire="mdm")
class HistoryEachSecond(Storage):
    """Of the history each second readout is sent."""

    def history(self) -> list[Reading]:
        return super().history()[::2]


@defect("history-twice", "RETX-21", wire="mdm")
class HistoryTwice(Storage):
    """The history comes twice over."""

    def history(self) -> list[Reading]:
        return 2 * super().history()


@defect("history-of-extra-readouts-missing", "RETX-21", wire="mdm")
class HistoryOfExtraReadoutsMissing(Storage):
    """The history has what is on the grid of five minutes only."""

    def history(self) -> list[Reading]:
        return [one for one in super().history() if one.time.minute % 5 == 0]


@defect("resend-one-transmission", "RETX-21", "STO-07", wire="mdm")
class ResendOneTransmission(Transmissions):
    """A historic resend keeps to the limit of uploads, and ends with it."""

    def queue_history(self) -> None:
        super().queue_history()
        while len(self.resending) > self.most_uploads():
            self.resending.pop()


@defect("resend-needs-mqtt-sn", "RETX-21", "NET-38", wire="dm")
class ResendNeedsMqttSn(Transmissions):
    """With upload protocol LwM2M nothing is sent again."""

    def queue_history(self) -> None:
        if self.settings.number("upload_protocol") == 0:
            super().queue_history()


@defect("resend-status-at-most-1", "RETX-22", "LWM2M-33906.0.14", wire="dm")
def _(lab: Lab) -> None:
    """The historic resend status is 1 as long as anything is left."""
    report(lab, (33906, 0, 14), lambda: min(len(lab.unit.transmissions.resending), 1))


@defect("resend-status-in-eight-bits", "RETX-22", "LWM2M-33906.0.14", wire="dm")
def _(lab: Lab) -> None:
    """The historic resend status is one octet."""
    report(lab, (33906, 0, 14), lambda: len(lab.unit.transmissions.resending) % 256)


@defect("resend-status-counts-readouts", "RETX-22", "LWM2M-33906.0.14", wire="dm")
def _(lab: Lab) -> None:
    """The historic resend status counts readouts and not messages."""
    report(lab, (33906, 0, 14), lambda: sum(len(readings) for _, readings in lab.unit.transmissions.resending))


# -- what power and restarts do to it


@defect("power-cut-loses-the-last-hour", "STO-05", "RETX-23", wire="supply")
class PowerCutLosesTheLastHour(Power):
    """What was read in the last hour before a power cut is lost."""

    def down(self) -> None:
        super().down()
        _keep(self.life.readouts, lambda kept: kept[:-12])


@defect("power-cut-loses-the-oldest", "STO-05", "RETX-23", wire="supply")
class PowerCutLosesTheOldest(Power):
    """A power cut loses the oldest of the unsent readouts."""

    def down(self) -> None:
        super().down()
        storage = self.life.readouts.storage
        storage.mark_sent(storage.unsent(datetime.max, timedelta.max, 1)[:4])    # noqa: DTZ901 - naive


@defect("second-power-cut-empties", "STO-05", "RETX-23", wire="supply")
class SecondPowerCutEmpties(Power):
    """The second power cut empties the store."""

    cuts = 0

    def down(self) -> None:
        super().down()
        self.cuts += 1
        if self.cuts % 2 == 0:
            self.life.readouts.storage.clear()


@defect("reboot-empties-the-store", "RETX-23", "STO-05", wire="cell")
class RebootEmptiesTheStore(Life):
    """A reboot forgets what was not sent."""

    def reboot(self) -> None:
        _forget(self.readouts)
        super().reboot()


@defect("reboot-forgets-marks", "RETX-23", "RETX-18", wire="mdm")
class RebootForgetsMarks(Life):
    """After a reboot the last four telegrams are sent again."""

    def reboot(self) -> None:
        super().reboot()
        kept = self.readouts.storage.history()
        for reading in kept[-4:]:
            self.readouts.storage.add(replace(reading), extra=False)


@defect("registration-marks-as-sent", "RETX-02", "RETX-18", wire="cell")
class RegistrationMarksAsSent(Life):
    """When the network is lost the readout that waits first counts as sent."""

    def network_lost(self) -> None:
        storage = self.readouts.storage
        storage.mark_sent(storage.unsent(datetime.max, timedelta.max, 1)[:1])    # noqa: DTZ901 - naive
        super().network_lost()


# -- what settings do to it


@defect("format-change-forgets", "STO-03", "STO-04", wire="mdm")
class FormatChangeForgets(Life):
    """A new message format forgets what was not sent."""

    def settings_changed(self, names: frozenset[str]) -> None:
        if "message_format" in names:
            _forget(self.readouts)
        super().settings_changed(names)


@defect("encoding-change-forgets", "STO-03", "RETX-18", wire="mdm")
class EncodingChangeForgets(Life):
    """A new encoding forgets what was not sent."""

    def settings_changed(self, names: frozenset[str]) -> None:
        if "message_encoding" in names:
            _forget(self.readouts)
        super().settings_changed(names)


@defect("interval-change-forgets", "SCH-24", "STO-04", wire="mdm")
class IntervalChangeForgets(Life):
    """A new readout interval forgets what was not sent."""

    def settings_changed(self, names: frozenset[str]) -> None:
        if "readout_interval" in names:
            _forget(self.readouts)
        super().settings_changed(names)


@defect("protocol-change-forgets", "NET-38", "STO-04", wire="mdm")
class ProtocolChangeForgets(Life):
    """Another upload protocol forgets what was not sent."""

    def settings_changed(self, names: frozenset[str]) -> None:
        if "upload_protocol" in names:
            _forget(self.readouts)
        super().settings_changed(names)


@defect("missing-time-not-stored", "STO-03", "PAY-MBUS-19", wire="mdm")
class MissingTimeNotStored(Readouts):
    """Missing time is stored in the Extended format only."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        return replace(reading, missing_time_h=0) if self.settings.number("message_format") == 42 else reading


def _forget(readouts: Readouts) -> None:
    """All that waits counts as sent."""
    storage = readouts.storage
    storage.mark_sent(storage.unsent(datetime.max, timedelta.max, 1))    # noqa: DTZ901 - naive


def _keep(readouts: Readouts, chosen: Callable[[list[Reading]], list[Reading]]) -> None:
    """Of all that waits only what is ``chosen``."""
    storage = readouts.storage
    waiting = storage.unsent(datetime.max, timedelta.max, 1)    # noqa: DTZ901 - naive
    kept = set(map(id, chosen(waiting)))
    storage.mark_sent([one for one in waiting if id(one) not in kept])


@defect("history-without-flagged-readouts", "RETX-21", wire="mdm")
class HistoryWithoutFlaggedReadouts(Storage):
    """The history leaves out readouts with an error flag."""

    def history(self) -> list[Reading]:
        return [reading for reading in super().history() if not reading.error_flags]
