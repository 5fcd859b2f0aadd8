"""A unit, as far as NFC sees it, on the twin's reader, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from bench.clock import Clock, WarpClock
from bench.timeline import Timeline
from bench.twin.cmi6110.otc import FlashWriteError, OtcService, RawValue, Status
from bench.twin.nfc.pn532 import Pn532
from bench.twin.nfc.type2tag import FIRST_PAGE, Type2Tag
from drivers.nfc.bench_otc import BenchOtcCodec
from drivers.nfc.otc import Otc
from drivers.nfc.pn532_reader import Pn532Reader

PAK_HEX = "c0ffee00112233445566778899aabbcc"

DELIVERED: dict[int, RawValue] = {
    801: "12345678", 802: 0, 803: 0, 805: 0, 806: 255,
    901: "84.19.147.226", 902: 5694, 903: 0, 904: 60, 905: 1, 906: 60, 907: 90, 908: 1, 909: 3600, 910: 2, 911: 86400,
    912: "0-5,60-120,1300-1600,1300-1600,1300-1600,1300-1600",
    1001: 1, 1002: "", 1003: 0, 1004: 3, 1005: 120, 1006: 252000, 1007: 1, 1008: 19, 1009: 1, 1010: 21600, 1011: 21600,
    1101: 42, 1102: 0, 1103: 60, 1104: 60, 1105: 1440, 1106: 30, 1107: 240, 1108: 4, 1109: 0, 1110: "", 1111: 10080,
    1112: 1, 1113: "0-5,5-15,15-60,60-360,360-1440,1300-1600",
    1201: 92, 1202: 2, 1203: 60, 1204: 90, 1205: "0-5,5-15,15-60,60-360,360-1440,1300-1600",
}


@dataclass
class DictStore:
    """Settings in a dict, with the checks that the tests speak of."""

    values: dict[int, RawValue] = field(default_factory=lambda: dict(DELIVERED))
    deveui: bytes = bytes.fromhex("94193A0401000001")
    firmware: str = "1.4.0"
    flash_is_broken: bool = False
    times: list[datetime] = field(default_factory=list)
    applied: list[dict[int, RawValue]] = field(default_factory=list)

    @property
    def locked(self) -> bool:
        return self.values[803] == 1

    def read_all(self) -> Mapping[int, RawValue]:
        return dict(self.values)

    def check(self, changes: Mapping[int, RawValue]) -> Mapping[int, Status]:
        return {number: status for number, value in changes.items() if (status := self._status(number, value))}

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        if self.flash_is_broken:
            raise FlashWriteError
        self.applied.append(dict(changes))
        self.values.update(changes)

    def synchronize_time(self, local: datetime) -> None:
        self.times.append(local)

    def factory_reset(self) -> None:
        self.values = dict(DELIVERED)

    def _status(self, number: int, value: RawValue) -> Status:
        if number in (804, 807):
            return Status.OK
        if number not in self.values:
            return Status.UNKNOWN_SETTING
        if number == 801:
            return Status.READ_ONLY
        if type(value) is not type(self.values[number]):
            return Status.TYPE
        if number in (1103, 1104, 1105) and not 5 <= int(value) <= 1440:
            return Status.RANGE
        return Status.OK


@dataclass
class NfcLab:
    clock: Clock
    timeline: Timeline
    tag: Type2Tag
    twin: Pn532
    store: DictStore
    service: OtcService
    reader: Pn532Reader
    otc: Otc

    def overhear(self) -> list[bytes]:
        """From now on, the NDEF messages that a reader has completed."""
        heard: list[bytes] = []
        self.clock.call(lambda: self.tag.follow_pages(
            lambda page: heard.append(self.tag.ndef) if page == FIRST_PAGE and self.tag.ndef else None))
        return heard

    def unplug(self) -> None:
        self.clock.call(self.twin.close)

    def remove_tag(self) -> None:
        self.clock.call(self.twin.remove)

    def place_tag(self) -> None:
        self.clock.call(lambda: self.twin.place(self.tag))


@contextmanager
def nfc_lab() -> Iterator[NfcLab]:
    with WarpClock() as clock:
        timeline = Timeline(clock.time, clock.nudge)
        store = DictStore()

        def build() -> tuple[Type2Tag, Pn532, OtcService]:
            tag = Type2Tag()
            service = OtcService(clock, tag, store, bytes.fromhex(PAK_HEX), random.Random(1))
            service.start()
            return tag, Pn532(clock, tag), service

        tag, twin, service = clock.call(build)
        reader = Pn532Reader(twin.wire.path, clock, timeline)
        otc = Otc(reader, BenchOtcCodec(), clock, timeline, reference_tag=True)
        try:
            yield NfcLab(clock, timeline, tag, twin, store, service, reader, otc)
        finally:
            reader.close()
            clock.call(twin.close)
