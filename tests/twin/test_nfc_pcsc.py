"""The PC/SC reader's driver and nfcpy's tags above the twin's reader, APDU by APDU, without pcscd and pyscard.

With them: tests/interop/test_pcsc.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import nfc.clf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nfc_lab import PAK_HEX, DictStore

from bench.clock import Clock, WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.cmi6110.otc import OtcService
from bench.twin.nfc.pcsc_reader import Firmware, PcscReader
from bench.twin.nfc.pn532 import Pn532
from bench.twin.nfc.type2tag import Type2Tag
from bench.twin.nfc.type5tag import Type5Tag
from drivers.nfc.bench_otc import BenchOtcCodec
from drivers.nfc.pcsc_reader import activate
from drivers.nfc.pn532_reader import Pn532Reader
from drivers.nfc.tag_session import NoTagError, TagFormatError, TagLostError, TagSession
from drivers.nfc.type5_tag import Type5Ndef
from drivers.nfc.type5_tag import Type5Tag as DriversType5Tag

NAMES: dict[Firmware, str] = {"ACR122U": "ACS ACR122U PICC Interface 00 00", "ACR1552U": "ACS ACR1552 PICC 00 00"}


class Place:
    """A unit's tag on a reader of this firmware, and what the driver makes of it."""

    def __init__(self, clock: Clock, tag: Type2Tag, firmware: Firmware) -> None:
        self.clock, self.tag, self.firmware = clock, tag, firmware
        self.reader = PcscReader(tag, firmware)
        self.apdus: list[bytes] = []

    def transmit(self, apdu: bytes) -> tuple[bytes, int]:
        self.apdus.append(apdu)
        answer = self.clock.call(lambda: self.reader.apdu(apdu))
        if self.reader.tag is None:
            raise nfc.clf.TimeoutError("removed")
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def again(self) -> None:
        self.clock.call(lambda: (self.reader.power(False), self.reader.power(True)))

    def session(self, name: str | None = None) -> TagSession:
        self.again()
        tag = activate(name or NAMES[self.firmware], self.reader.atr, self.transmit, self.again)
        return TagSession(tag, lambda error: BenchError("reader", expected="none", seen=repr(error), do="look"),
                          lambda: self.clock.call(lambda: self.reader.power(False)))


@contextmanager
def place(tag: Type2Tag, firmware: Firmware) -> Iterator[Place]:
    with WarpClock() as clock:
        yield Place(clock, tag, firmware)


TAGS: list[Any] = [(Type2Tag, "ACR122U"), (Type2Tag, "ACR1552U"), (Type5Tag, "ACR1552U")]


@pytest.mark.parametrize(("kind", "firmware"), TAGS)
@pytest.mark.parametrize("length", [1, 200, 254, 255, 600, 867])
def test_a_message_of_any_length_comes_back_as_written(kind: type[Type2Tag], firmware: Firmware, length: int) -> None:
    message = bytes(index % 251 for index in range(length))
    with place(kind(), firmware) as here:
        here.session().write_ndef(message)
        assert here.tag.ndef == message
        assert here.session().read_ndef() == message


@pytest.mark.parametrize(("kind", "firmware", "product"), [
    (Type2Tag, "ACR122U", "NXP NTAG I2C plus 1k (NT3H2111)"), (Type2Tag, "ACR1552U", "NXP NTAG I2C plus 1k (NT3H2111)"),
    (Type5Tag, "ACR1552U", "ISO 15693 tag (Type 5)")])
def test_the_tag_says_what_it_is(kind: type[Type2Tag], firmware: Firmware, product: str) -> None:
    with place(kind(), firmware) as here:
        identity = here.session().identity
        assert (identity.uid, identity.product, identity.ndef_capacity) == (here.tag.uid.hex().upper(), product, 868)


def test_a_reader_that_sends_no_raw_commands_reads_and_writes_a_type_2_tag_nevertheless() -> None:
    with place(Type2Tag(), "ACR122U") as here:
        session = here.session("Generic NFC reader 00 00")
        session.write_ndef(b"settings")
        assert here.tag.ndef == b"settings"
        assert not any(apdu[:4] == bytes.fromhex("FF000000") for apdu in here.apdus)
        with pytest.raises(TagLostError):
            session.transceive(b"\x60")


def test_the_apdus_are_those_of_the_makers_guide() -> None:
    with place(Type2Tag(), "ACR122U") as here:
        here.session("Generic").write_ndef(b"abcd")
        assert here.apdus[0] == bytes.fromhex("FFCA000000")
        assert bytes.fromhex("FFB0000310") in here.apdus or bytes.fromhex("FFB0000010") in here.apdus
        assert here.apdus[-1][:5] == bytes.fromhex("FFD6000404")


def test_a_frame_of_iso_15693_is_sent_as_it_was_tried() -> None:
    with place(Type5Tag(), "ACR1552U") as here:
        session = here.session()
        session.read_ndef()
        assert here.apdus[1:5] == [bytes.fromhex(apdu) for apdu in (
            "FFC2000002810000", "FFC20002048F02020300", "FFC20001059503422000" "00", "FFC2000002820000")]
        session.write_ndef(b"x")
        assert bytes.fromhex("FFC2000110" "5F460440420F00" "9507022101" "030178FE" "00") in here.apdus


@pytest.mark.parametrize(("kind", "name", "seen"), [
    (Type5Tag, "Generic NFC reader 00 00", r"of ISO 15693 \(Type 5\) on the reader Generic.*an ACR1552U reads Type 5"),
    (Type5Tag, "ACS ACR1252 1S CL Reader", r"of ISO 15693 \(Type 5\)")])
def test_a_tag_that_a_reader_can_not_read_has_a_clear_answer(kind: type[Type2Tag], name: str, seen: str) -> None:
    with place(kind(), "ACR1552U") as here, pytest.raises(TagFormatError, match=seen):
        here.session(name)


def test_a_tag_of_type_4_is_sent_to_another_reader() -> None:
    with place(Type2Tag(), "ACR122U") as here, pytest.raises(TagFormatError, match="a PN532 board Type 4"):
        activate("ACR122U", bytes.fromhex("3B80800101"), here.transmit, here.again)


def test_a_pn532_does_not_see_a_tag_of_iso_15693_and_says_what_does() -> None:
    with WarpClock() as clock:
        twin = clock.call(lambda: Pn532(clock, Type5Tag()))
        reader = Pn532Reader(twin.wire.path, clock, Timeline(clock.time))
        with pytest.raises(NoTagError, match=r"\(Type 5\) can't be read with this reader, but with an ACR1552U"):
            reader.tap().__enter__()
        reader.close()
        clock.call(twin.close)


@pytest.mark.parametrize(("kind", "firmware"), TAGS)
@pytest.mark.parametrize("after", [1, 2, 5, 20])
def test_a_tag_removed_in_the_middle_is_lost(kind: type[Type2Tag], firmware: Firmware, after: int) -> None:
    with place(kind(), firmware) as here:
        session = here.session()
        here.reader.remove_tag_after_apdus = after
        with pytest.raises(TagLostError, match="hold the unit still"):
            session.write_ndef(b"~" * 500)


@pytest.mark.parametrize(("kind", "firmware"), TAGS)
def test_settings_are_read_and_written_as_with_the_pn532(kind: type[Type2Tag], firmware: Firmware) -> None:
    with place(kind(), firmware) as here:
        service = here.clock.call(
            lambda: OtcService(here.clock, here.tag, DictStore(), bytes.fromhex(PAK_HEX), random.Random(1)))
        here.clock.call(service.start)
        codec = BenchOtcCodec()
        assert codec.read(here.session()).values["meter_id"] == "12345678"
        session = here.session()
        ticket = codec.write(session, {"transmit_interval": 720}, None)
        here.clock.sleep(0.5)
        result = codec.result(session, ticket)
        assert result is not None
        assert result.status == 0


def test_a_torn_write_is_possible_with_each_kind_of_tag() -> None:
    with place(Type2Tag(), "ACR122U") as here:
        session = here.session()
        session.tear_after(3)
        with pytest.raises(TagLostError):
            session.write_ndef(b"~" * 100)
        assert here.tag.ndef == b""


@settings(max_examples=150, deadline=None)
@given(garbage=st.binary(min_size=2, max_size=30), kind=st.sampled_from(TAGS))
def test_whatever_a_reader_answers_is_a_bench_error(garbage: bytes, kind: tuple[type[Type2Tag], Firmware]) -> None:
    with place(kind[0](), kind[1]) as here:
        session = here.session()
        here.reader.garbage = garbage
        try:
            session.read_ndef(again=True)
            session.dump()
        except BenchError:
            return


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_any_memory_of_a_type_5_tag_holds_a_message_or_a_protocol_error(memory: bytes) -> None:
    blocks = memory + bytes(872 - len(memory))

    def exchange(frame: bytes) -> bytes:
        at = (frame[2] - 1) * 4
        return bytes(2) + blocks[at:at + 4]

    ndef = Type5Ndef(DriversType5Tag(b"\xe0" + bytes(7), exchange), capacity=872, is_writeable=True)
    try:
        assert len(ndef.octets) <= 872
    except nfc.clf.ProtocolError:
        return
