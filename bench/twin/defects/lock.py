"""Defects of the lock and its key, and of settings over NFC."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from bench.twin.cmi6110.otc import FlashWriteError, OtcService, RawValue, Request, Status
from bench.twin.cmi6110.otc_settings import OtcSettings
from bench.twin.defects.registry import defect
from bench.twin.lab import Lab

POWER_MODE, TIME = 802, 804

# -- which key


class TakesOtherKeys(OtcService):
    """Whoever has one of ``other_keys`` opens the lock, too."""

    def other_keys(self) -> list[bytes]:
        return []

    def is_authentic(self, request: Request, mac: bytes) -> bool:
        return super().is_authentic(request, mac) or any(
            hmac.compare_digest(hmac.digest(key, request.signed, hashlib.sha256)[:16], mac)
            for key in self.other_keys())


@defect("last-octet-of-the-pak-is-free", "SEC-08", wire="nfc")
class LastOctetIsFree(TakesOtherKeys):
    """The last octet of the PAK does not count."""

    def other_keys(self) -> list[bytes]:
        return [self.pak[:-1] + bytes((last,)) for last in range(256)]


@defect("first-octet-of-the-pak-is-free", "SEC-08", wire="nfc")
class FirstOctetIsFree(TakesOtherKeys):
    """The first octet of the PAK does not count."""

    def other_keys(self) -> list[bytes]:
        return [bytes((first,)) + self.pak[1:] for first in range(256)]


@defect("pak-of-zeros-opens", "SEC-08", wire="nfc")
class PakOfZerosOpens(TakesOtherKeys):
    """A PAK of zeros opens each unit."""

    def other_keys(self) -> list[bytes]:
        return [bytes(16)]


@defect("parity-bits-of-the-pak", "SEC-08", wire="nfc")
class ParityBits(TakesOtherKeys):
    """The lowest bit of the last octet of the PAK does not count."""

    def other_keys(self) -> list[bytes]:
        return [self.pak[:-1] + bytes((self.pak[-1] ^ 1,))]


# -- what it guards


class Free(OtcService):
    """``free`` alone is taken without the PAK."""

    free = 0

    def is_free(self, changes: Mapping[int, RawValue]) -> bool:
        return super().is_free(changes) or set(changes) == {self.free}


@defect("power-mode-by-anybody", "OTC-T8-02", "SEC-08", "OTC-04", wire="nfc")
class PowerModeByAnybody(Free):
    """A locked unit is activated and switched off without the PAK."""

    free = POWER_MODE


@defect("clock-set-by-anybody", "OTC-T8-04", "SEC-08", wire="nfc")
class ClockSetByAnybody(Free):
    """A locked unit sets the meter's clock without the PAK."""

    free = TIME


@defect("unlocked-by-anybody", "OTC-T8-03", "SEC-08", wire="nfc")
class UnlockedByAnybody(Free):
    """A locked unit is opened without the PAK."""

    free = 803


@defect("lock-spares-the-active-unit", "SEC-08", "OTC-04", wire="nfc")
class LockSparesTheActiveUnit(OtcService):
    """The lock guards a passive unit; an active one takes settings from anybody."""

    def is_free(self, changes: Mapping[int, RawValue]) -> bool:
        return super().is_free(changes) or self.store.read_all()[POWER_MODE] == 1


@defect("open-after-five-wrong-paks", "SEC-08", wire="nfc")
class OpenAfterFiveWrongPaks(OtcService):
    """The sixth wrong PAK opens the lock."""

    wrong = 0

    def is_authentic(self, request: Request, mac: bytes) -> bool:
        right = super().is_authentic(request, mac)
        self.wrong += not right
        return right or self.wrong > 5


@defect("open-for-a-while", "SEC-08", "OTC-04", wire="nfc")
class OpenForAWhile(OtcService):
    """Once the PAK was right, the next write needs none."""

    was_right = False

    def is_authentic(self, request: Request, mac: bytes) -> bool:
        self.was_right = super().is_authentic(request, mac)
        return self.was_right

    def is_free(self, changes: Mapping[int, RawValue]) -> bool:
        free, self.was_right = super().is_free(changes) or self.was_right, False
        return free


class RefusedAndStored(OtcService):
    """A write that is answered with ``answer`` is stored all the same."""

    answer_with = Status.AUTH_REQUIRED

    def authorise(self, request: Request) -> Status:
        status = super().authorise(request)
        if status is self.answer_with and not self.store.check(request.changes) and len(request.changes) == 1:
            self.apply(request.changes)
        return status


@defect("refused-and-stored", "SEC-08", "OTC-04", wire="nfc")
class RefusedWithoutAPakAndStored(RefusedAndStored):
    """A write without the PAK is refused, and stored."""

    answer_with = Status.AUTH_REQUIRED


@defect("refused-with-a-wrong-pak-and-stored", "SEC-08", wire="nfc")
class RefusedWithAWrongPakAndStored(RefusedAndStored):
    """A write with a wrong PAK is refused, and stored."""

    answer_with = Status.AUTH_FAILED


@defect("locked-unit-shows-nothing", "OTC-04", "OTC-10", wire="nfc")
class LockedUnitShowsNothing(OtcSettings):
    """A locked unit shows its power mode and its lock, and no other setting."""

    def read_all(self) -> Mapping[int, RawValue]:
        shown = super().read_all()
        return {number: value for number, value in shown.items() if number in (801, 802, 803)} if self.locked else shown


# -- what the tag gives away


@defect("pak-behind-the-message", "SEC-12", wire="nfc")
class PakBehindTheMessage(OtcService):
    """The PAK stands in the tag's memory, behind the NDEF message."""

    def show(self) -> None:
        super().show()
        self.tag.put(0xD8, self.pak)


@defect("mdm-key-in-the-tag", "SEC-12", wire="nfc")
def _(lab: Lab) -> None:
    """The delivered key for meter data stands in the last pages of the tag."""
    lab.unit.tag.put(0xDE, lab.unit.servers.mdm_key)


# -- settings over NFC


@defect("twelve-settings-at-a-time", "OTC-01", wire="nfc")
class TwelveSettingsAtATime(OtcService):
    """Of a write of many settings the first twelve are stored."""

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        super().apply(dict(list(changes.items())[:12]))


@defect("deaf-while-asleep", "OTC-07", wire="nfc")
class DeafWhileAsleep(OtcSettings):
    """A unit whose modem sleeps can't store settings."""

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        if self.is_asleep():
            raise FlashWriteError
        super().apply(changes)


@defect("negative-offset-refused", "OTC-T8-05", wire="nfc")
class NegativeOffsetRefused(OtcSettings):
    """A UTC offset west of Greenwich is refused over NFC."""

    def check(self, changes: Mapping[int, RawValue]) -> Mapping[int, Status]:
        wrong = dict(super().check(changes))
        offset = changes.get(805)
        if isinstance(offset, int) and offset < 0:
            wrong[805] = Status.RANGE
        return wrong


@defect("nfc-lifts-what-dm-wrote", "OTC-09", "DM-07", wire="nfc")
class NfcLiftsWhatDmWrote(OtcSettings):
    """A write over NFC takes the report interval that was written over DM back to its default."""

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        super().apply({1104: 60} | dict(changes))


@defect("readout-interval-free", "OTC-T11-03", "SEC-08", wire="nfc")
class ReadoutIntervalFree(OtcService):
    """A locked unit lets anybody change the readout interval, if nothing else."""

    def is_free(self, changes: Mapping[int, RawValue]) -> bool:
        return changes.keys() == {1103} or super().is_free(changes)
