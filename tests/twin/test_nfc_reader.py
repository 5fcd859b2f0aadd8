"""The NFC reader and its twin: unmodified nfcpy over a real pseudo-terminal, in virtual time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nfc_lab import NfcLab, nfc_lab

from bench.clock import WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.nfc.pn532 import Pn532
from bench.twin.nfc.type2tag import Type2Tag
from drivers.nfc.pn532_reader import Pn532Reader
from drivers.nfc.tag_session import NoTagError, TagFormatError, TagLostError


@pytest.fixture
def lab() -> Iterator[NfcLab]:
    with nfc_lab() as lab:
        yield lab


def test_the_chip_says_who_it_is(lab: NfcLab) -> None:
    assert lab.reader.identify() == "PN532v1.6"


def test_the_tag_says_what_it_is(lab: NfcLab) -> None:
    with lab.reader.tap() as tag:
        assert tag.identity.uid == "04A1B2C3D4E580"
        assert tag.identity.product == "NXP NTAG I2C plus 1k (NT3H2111)"
        assert tag.identity.ndef_capacity == 868


@pytest.mark.parametrize("length", [1, 200, 254, 255, 600, 867])
def test_a_message_of_any_length_comes_back_as_written(lab: NfcLab, length: int) -> None:
    message = bytes(index % 251 for index in range(length))
    lab.clock.call(lab.service.stop)
    with lab.reader.tap() as tag:
        tag.write_ndef(message)
    with lab.reader.tap() as tag:
        assert tag.read_ndef() == message
    assert lab.tag.ndef == message


def test_who_ends_a_run_while_nfcpy_sets_a_speed_is_heard(lab: NfcLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                          ) -> None:
    stty = tmp_path / "stty"
    stty.write_text(f"#!/bin/sh\nkill -INT {os.getpid()}\nexec /bin/stty \"$@\"\n")
    stty.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(KeyboardInterrupt):
        lab.reader.identify()


def test_a_message_too_long_for_the_tag_is_refused_and_changes_nothing(lab: NfcLab) -> None:
    before = lab.tag.ndef
    with lab.reader.tap() as tag, pytest.raises(TagFormatError, match="room for an NDEF message of 869 bytes"):
        tag.write_ndef(bytes(869))
    assert lab.tag.ndef == before


def test_raw_commands_pass_and_a_refusal_is_one_byte(lab: NfcLab) -> None:
    with lab.reader.tap() as tag:
        assert tag.transceive(bytes.fromhex("60")) == bytes.fromhex("0004040502021303")
        assert tag.transceive(bytes.fromhex("3003"))[:4] == bytes.fromhex("E1106D00")
        assert tag.transceive(bytes.fromhex("C2FF")) == b"\x0a"
    with lab.reader.tap() as tag:
        assert tag.transceive(bytes.fromhex("30FE")) == b"\x00"


def test_the_field_is_on_only_during_a_tap(lab: NfcLab) -> None:
    assert not lab.tag.field.value
    with lab.reader.tap():
        assert lab.tag.field.value
    assert not lab.tag.field.value


def test_the_field_goes_off_when_the_test_fails_inside_a_tap(lab: NfcLab) -> None:
    with pytest.raises(FileNotFoundError), lab.reader.tap():
        raise FileNotFoundError
    assert not lab.tag.field.value


def test_one_tap_switches_the_field_on_once(lab: NfcLab) -> None:
    edges: list[bool] = []
    lab.clock.call(lambda: lab.tag.field.follow(edges.append))
    lab.otc.read()
    assert edges == [True, False]


def test_forty_taps_in_a_row(lab: NfcLab) -> None:
    for minutes in range(100, 140):
        assert lab.otc.write({"transmit_interval": minutes}).status == 0
        assert lab.otc.read().values["transmit_interval"] == minutes


def test_the_reader_can_be_closed_and_opened_again(lab: NfcLab) -> None:
    for _ in range(3):
        assert lab.otc.read().values["meter_id"] == "12345678"
        lab.reader.close()
        lab.reader.close()
    assert lab.twin.baud == 115200


@pytest.mark.parametrize("baud", [921600, 460800, 230400])
def test_a_chip_left_at_a_higher_speed_is_brought_back(lab: NfcLab, baud: int) -> None:
    lab.twin.baud = baud
    assert lab.reader.identify() == "PN532v1.6"


def test_no_tag_says_that_it_may_be_one_that_this_reader_cannot_read(lab: NfcLab) -> None:
    lab.remove_tag()
    with pytest.raises(NoTagError, match=r"no ISO 14443 tag found in 1 s.*ISO 15693 \(Type 5\)"):
        lab.otc.read()
    assert lab.timeline.select("nfc", "mute")[0].data["seen"] == "no ISO 14443 tag found in 1 s"
    assert lab.clock.time() == pytest.approx(1.0, abs=0.001)


def test_nfc_switched_off_in_the_unit_looks_like_no_tag(lab: NfcLab) -> None:
    lab.tag.enabled = False
    with pytest.raises(NoTagError):
        lab.otc.read()
    lab.tag.enabled = True
    assert lab.otc.read().values["utc_offset"] == 0


def test_a_tag_that_comes_late_is_found(lab: NfcLab) -> None:
    lab.remove_tag()
    lab.clock.call(lambda: lab.clock.loop.call_later(0.45, lab.twin.place, lab.tag))
    assert lab.otc.read().identity.deveui == "94193A0401000001"


def test_a_tag_removed_in_the_middle_is_lost_and_the_next_tap_works(lab: NfcLab) -> None:
    def read() -> None:
        with lab.reader.tap() as tag:
            lab.remove_tag()
            tag.read_ndef()

    with pytest.raises(TagLostError, match="hold the unit still"):
        read()
    lab.place_tag()
    assert lab.otc.read().values["max_meter_retries"] == 255


def test_a_reader_unplugged_between_taps_is_the_benchs_fault(lab: NfcLab) -> None:
    lab.otc.read()
    lab.unplug()
    with pytest.raises(BenchError, match=f"NFC reader at {lab.twin.wire.path}.*expected an answering PN532"):
        lab.otc.read()
    assert lab.timeline.select("nfc", "mute")


def test_a_reader_unplugged_during_a_tap_is_the_benchs_fault(lab: NfcLab) -> None:
    def read() -> None:
        with lab.reader.tap() as tag:
            lab.unplug()
            tag.read_ndef()

    with pytest.raises(BenchError, match="expected an answering PN532"):
        read()


def test_closing_an_unplugged_reader_does_not_fail(lab: NfcLab) -> None:
    lab.otc.read()
    lab.unplug()
    lab.reader.close()


def test_a_mute_reader_is_the_benchs_fault(lab: NfcLab) -> None:
    lab.twin.mute = True
    with pytest.raises(BenchError, match="expected an answering PN532, saw no answer"):
        lab.reader.identify()


def test_wrong_checksums_are_the_benchs_fault_and_do_not_stay(lab: NfcLab) -> None:
    lab.reader.identify()
    lab.twin.bad_checksum = True
    with pytest.raises(BenchError, match="expected an answering PN532"):
        lab.otc.read()
    lab.twin.bad_checksum = False
    assert lab.otc.read().values["meter_id"] == "12345678"


@settings(max_examples=60, deadline=None)
@given(answers=st.lists(st.one_of(st.none(), st.binary(max_size=20), st.integers(0, 12)), min_size=1, max_size=40),
       opened=st.booleans())
def test_a_chip_that_talks_nonsense_is_the_benchs_fault_whatever_nfcpy_raises(
        answers: list[bytes | int | None], opened: bool) -> None:
    # nfcpy raises IndexError, TypeError and ValueError, too.
    with nfc_lab() as lab:
        if opened:
            lab.reader.identify()
        left = list(answers)

        def spoil(data: bytes) -> bytes:
            answer = left.pop(0) if left else None
            return data if answer is None else data[:answer] if isinstance(answer, int) else data[:2] + answer

        lab.twin.spoil = spoil
        with contextlib.suppress(BenchError):
            lab.otc.read()
        lab.twin.spoil = bytes
        assert lab.otc.read().values["meter_id"] == "12345678"
        assert not lab.tag.field.value


def test_a_second_user_of_the_port_is_refused_and_the_first_notices_nothing(lab: NfcLab) -> None:
    with lab.reader.tap() as tag:
        with pytest.raises(BenchError, match="saw a port that another program has open"):
            Pn532Reader(lab.twin.wire.path, lab.clock, lab.timeline).identify()
        assert tag.read_ndef()


def test_a_machine_under_load_makes_no_reader_dead(lab: NfcLab) -> None:
    lab.clock.loop.call_soon_threadsafe(time.sleep, 1.5)       # nfcpy's patience is 0.1 s, ours 0.5 s
    assert lab.otc.read().values["meter_id"] == "12345678"


def test_a_loop_that_is_late_after_each_answer_makes_no_reader_dead(lab: NfcLab) -> None:
    def late(data: bytes) -> bytes:
        lab.clock.loop.call_soon(time.sleep, 0.05)      # until then it does not see what the host sends next
        return data

    lab.twin.spoil = late
    for _ in range(3):
        assert lab.reader.identify() == "PN532v1.6"
        lab.reader.close()


def test_a_port_that_is_not_there_is_the_benchs_fault(lab: NfcLab) -> None:
    reader = Pn532Reader("/dev/mcm-bench-no-such-port", lab.clock, lab.timeline)
    with pytest.raises(BenchError, match="saw no such file or directory"):
        reader.identify()


@pytest.mark.parametrize("port", [
    "/dev/ttyUSB0; reboot", "/dev/$(id)", "ttyUSB0", "", "/dev/ttyUSB0\n", "tty:USB0:pn532"])
def test_a_port_that_would_reach_a_shell_is_refused(lab: NfcLab, port: str) -> None:
    with pytest.raises(BenchError, match="correct the port in the station file"):
        Pn532Reader(port, lab.clock, lab.timeline)


@settings(max_examples=200, deadline=None)
@given(noise=st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([
    b"\x00\x00\xff", b"\x00\xff\xff\xff\x01\x08\xf7", b"\x00\xff\x00\xff\x00",
    bytes.fromhex("0000ff02fed4022a00")])), max_size=8))
def test_noise_on_the_line_never_breaks_the_twin(noise: list[bytes]) -> None:
    with WarpClock() as clock:
        twin = clock.call(lambda: Pn532(clock, Type2Tag()))
        terminal = os.open(twin.wire.path, os.O_RDWR | os.O_NOCTTY)
        try:
            twin.baud = twin.wire.baud
            for piece in noise:
                os.write(terminal, piece)
            clock.settle()
        finally:
            os.close(terminal)
            clock.call(twin.close)


@settings(max_examples=300, deadline=None)
@given(commands=st.lists(st.one_of(st.binary(max_size=8), st.builds(
    lambda code, page, data: bytes((code, page)) + data,
    st.sampled_from([0x30, 0x3A, 0xA2, 0xC2]), st.integers(0, 255), st.binary(max_size=4)))))
def test_no_command_breaks_the_tag(commands: list[bytes]) -> None:
    tag = Type2Tag()
    for command in commands:
        tag.select()
        tag.command(command)
    assert isinstance(tag.ndef, bytes)


def test_timeline_and_clock_are_untouched_by_opening(lab: NfcLab) -> None:
    timeline: Timeline = lab.timeline
    lab.reader.identify()
    assert len(timeline) == 0
    assert lab.clock.time() == 0
