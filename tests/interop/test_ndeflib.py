"""Third parties read the twin's tag: ndeflib its message, nfcpy alone (none of our drivers) the tag itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

import cbor2
import ndef
import nfc.clf
import pytest
from nfc.clf import pn532, transport

from bench.clock import WarpClock
from bench.twin.cmi6110.otc import OtcService, RawValue, Status
from bench.twin.nfc.pn532 import Pn532
from bench.twin.nfc.type2tag import Type2Tag


class FewSettings:
    """A settings store of three settings."""

    locked = False
    deveui = bytes.fromhex("94193A0401000001")
    firmware = "1.4.0"

    def read_all(self) -> Mapping[int, RawValue]:
        return {1105: 1440, 805: -60, 1002: "iot.example"}

    def check(self, changes: Mapping[int, RawValue]) -> Mapping[int, Status]:
        return {}

    def apply(self, changes: Mapping[int, RawValue]) -> None: ...

    def synchronize_time(self, local: datetime) -> None: ...

    def factory_reset(self) -> None: ...


@contextmanager
def twin_reader() -> Iterator[tuple[WarpClock, Pn532, Type2Tag]]:
    with WarpClock() as clock:
        def build() -> tuple[Pn532, Type2Tag]:
            tag = Type2Tag()
            OtcService(clock, tag, FewSettings(), bytes(16), random.Random(1)).start()
            return Pn532(clock, tag), tag

        twin, tag = clock.call(build)
        try:
            yield clock, twin, tag
        finally:
            clock.call(twin.close)


def test_ndeflib_reads_the_twin_tags_message_strictly() -> None:
    with twin_reader() as (_, _, tag):
        records = list(ndef.message_decoder(tag.ndef, errors="strict"))
    assert [record.type for record in records] == [
        "urn:nfc:ext:bench.example:otc-id", "urn:nfc:ext:bench.example:otc-cfg"]
    identity = cbor2.loads(records[0].data)
    assert (identity[1], identity[2].hex(), identity[4]) == ("CMi6110", "94193a0401000001", False)
    assert cbor2.loads(records[1].data) == {1105: 1440, 805: -60, 1002: "iot.example"}


def test_nfcpy_alone_reads_and_writes_the_twin_tag_over_the_twin_reader() -> None:
    with twin_reader() as (_, twin, tag):
        frontend = nfc.clf.ContactlessFrontend()
        frontend.device = pn532.init(transport.TTY(twin.wire.path))
        try:
            found = frontend.connect(rdwr={"targets": ["106A"], "iterations": 1, "on-connect": lambda tag: False})
            assert found.type == "Type2Tag"
            assert found.identifier.hex() == "04a1b2c3d4e580"
            assert found.is_present
            assert found.ndef.octets == tag.ndef
            assert found.ndef.capacity == 868
            found.ndef.records = [ndef.TextRecord("hello")]
            assert [record.text for record in ndef.message_decoder(tag.ndef)] == ["hello"]
            assert found.dump()[3].startswith("003: e1 10 6d 00")
        finally:
            frontend.close()


@pytest.mark.parametrize("length", [1, 254, 255, 700])
def test_nfcpy_reads_messages_of_both_length_forms(length: int) -> None:
    with twin_reader() as (clock, twin, tag):
        message = b"".join(ndef.message_encoder([ndef.Record("text/plain", "", bytes(length))]))
        clock.call(lambda: setattr(tag, "ndef", message))
        frontend = nfc.clf.ContactlessFrontend()
        frontend.device = pn532.init(transport.TTY(twin.wire.path))
        try:
            found = frontend.connect(rdwr={"targets": ["106A"], "iterations": 1, "on-connect": lambda tag: False})
            assert found.ndef.octets == message
        finally:
            frontend.close()
