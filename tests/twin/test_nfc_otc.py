"""Settings over NFC: driver and codec against the unit's side, over the reader, in virtual time."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import cbor2
import ndef
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nfc_lab import DELIVERED, PAK_HEX, NfcLab, nfc_lab

from bench.errors import BenchError, NotObserved
from bench.manual.settings import Value
from drivers.nfc import Pak, Status
from drivers.nfc.bench_otc import BenchOtcCodec
from drivers.nfc.otc import Otc, load_codec
from drivers.nfc.tag_session import TagFormatError, TagLostError, TagSession

PAK = Pak.from_hex(PAK_HEX)
WRONG_PAK = Pak.from_hex("00" * 16)


@pytest.fixture
def lab() -> Iterator[NfcLab]:
    with nfc_lab() as lab:
        yield lab


@pytest.fixture
def locked(lab: NfcLab) -> NfcLab:
    assert lab.otc.write({"configuration_lock": "Locked"}).status is Status.OK
    return lab


def test_all_46_readable_settings_are_read_with_their_names(lab: NfcLab) -> None:
    snapshot = lab.otc.read()
    assert len(snapshot.values) == 46
    assert snapshot.values["message_encoding"] == "SenML/CBOR"
    assert snapshot.values["power_saving_mode"] == "eDRX+PSM"
    assert snapshot.values["bootstrap_security"] == "DTLS"
    assert snapshot.values["t3412_timer"] == 252000
    assert snapshot.values["reconnect_backoff"] == "0-5,5-15,15-60,60-360,360-1440,1300-1600"
    assert (snapshot.identity.model, snapshot.identity.deveui, snapshot.identity.firmware) == (
        "CMi6110", "94193A0401000001", "1.4.0")
    assert snapshot.locked is False
    assert snapshot.unknown == {}


def test_all_of_the_tags_memory_is_read_behind_the_message_too(lab: NfcLab) -> None:
    hidden = bytes(range(0x60, 0x70))
    lab.clock.call(lambda: lab.tag.put(0xDE, hidden))
    memory = lab.otc.memory()
    assert memory.startswith(lab.tag.uid)
    assert hidden in memory
    assert b"bench.example:otc-cfg" in memory


def test_a_setting_of_each_type_is_written(lab: NfcLab) -> None:
    result = lab.otc.write({"transmit_interval": 720, "message_encoding": "M-Bus", "apn": "iot.example",
                            "restart_backoff": "0-1,1-2", "utc_offset": -300})
    assert result.status is Status.OK
    assert set(result.per_setting.values()) == {Status.OK}
    assert {number: lab.store.values[number] for number in (1105, 1102, 1002, 1113, 805)} == {
        1105: 720, 1102: 2, 1002: "iot.example", 1113: "0-1,1-2", 805: -300}
    assert lab.otc.read().values["message_encoding"] == "M-Bus"


def test_one_bad_value_refuses_the_whole_write(lab: NfcLab) -> None:
    result = lab.otc.write({"utc_offset": 60, "transmit_interval": 1441})
    assert result.status is Status.RANGE
    assert result.per_setting == {"utc_offset": Status.OK, "transmit_interval": Status.RANGE}
    assert lab.store.values == DELIVERED


@pytest.mark.parametrize(("key", "value", "status"), [
    ("readout_interval", 4, Status.RANGE),
    ("readout_interval", "sixty", Status.TYPE),
    ("message_encoding", "XML", Status.TYPE),
    ("meter_id", "1", Status.READ_ONLY),
])
def test_a_bad_value_goes_out_and_is_refused_by_the_unit(lab: NfcLab, key: str, value: int | str,
                                                         status: Status) -> None:
    assert lab.otc.write({key: value}).status is status
    assert lab.store.values == DELIVERED


def test_a_key_that_is_no_setting_is_refused_before_anything_is_written(lab: NfcLab) -> None:
    with pytest.raises(BenchError, match=r"'transmit_intervall'; use .*transmit_delay"):
        lab.otc.write({"transmit_intervall": 60})
    assert len(lab.timeline) == 0


def test_the_meters_clock_is_set_to_local_standard_time(lab: NfcLab) -> None:
    assert lab.otc.write({"synchronize_meter_time": datetime(2026, 3, 2, 10, 30)}).status is Status.OK  # noqa: DTZ001
    assert lab.store.times == [datetime(2026, 3, 2, 10, 30)]  # noqa: DTZ001


def test_a_factory_reset_brings_back_what_was_delivered(lab: NfcLab) -> None:
    lab.otc.write({"utc_offset": 60})
    assert lab.otc.write({"factory_reset": None}).status is Status.OK
    assert lab.store.values == DELIVERED
    assert lab.otc.write({"factory_reset": None, "utc_offset": 60}).status is Status.RULE_CONFLICT


def test_flash_that_fails_is_told_and_changes_nothing(lab: NfcLab) -> None:
    lab.store.flash_is_broken = True
    assert lab.otc.write({"utc_offset": 60}).status is Status.FLASH_WRITE_FAILED
    assert lab.store.values == DELIVERED


def test_a_unit_without_power_can_be_read_but_answers_no_write(lab: NfcLab) -> None:
    lab.clock.call(lab.service.stop)
    assert lab.otc.read().values["utc_offset"] == 0
    with pytest.raises(NotObserved, match="no answer to a write of utc_offset over NFC within 3 s"):
        lab.otc.write({"utc_offset": 60})
    lab.clock.call(lab.service.start)
    assert lab.otc.read().values["utc_offset"] == 0


def test_a_change_made_elsewhere_is_read_after_a_refresh(lab: NfcLab) -> None:
    lab.store.values[1105] = 60
    lab.clock.call(lab.service.refresh)
    assert lab.otc.read().values["transmit_interval"] == 60


# -- lock and PAK -----------------------------------------------------------------------------------------------------

def test_a_locked_unit_is_read_without_pak_and_written_only_with_it(locked: NfcLab) -> None:
    otc = locked.otc
    assert otc.read().locked is True
    assert len(otc.read().values) == 46
    assert otc.write({"utc_offset": 60}).status is Status.AUTH_REQUIRED
    assert otc.write({"utc_offset": 60}, pak=WRONG_PAK).status is Status.AUTH_FAILED
    assert locked.store.values[805] == 0
    assert otc.write({"utc_offset": 60}, pak=PAK).status is Status.OK
    assert locked.store.values[805] == 60


@pytest.mark.parametrize("key", ["configuration_lock", "synchronize_meter_time", "factory_reset"])
def test_unlocking_and_commands_need_the_pak_too(locked: NfcLab, key: str) -> None:
    value = {"configuration_lock": "Open", "synchronize_meter_time": "2026-03-02T10:30:00", "factory_reset": None}[key]
    assert locked.otc.write({key: value}).status is Status.AUTH_REQUIRED
    assert locked.otc.write({key: value}, pak=PAK).status is Status.OK


def test_an_unauthorised_write_does_not_tell_whether_the_values_were_good(locked: NfcLab) -> None:
    result = locked.otc.write({"readout_interval": 4})
    assert (result.status, result.per_setting) == (Status.AUTH_REQUIRED, {})


def test_three_wrong_paks_block_for_60_s_and_then_for_twice_as_long(locked: NfcLab) -> None:
    otc = locked.otc
    for block_s in (60, 120):
        for _ in range(3):
            assert otc.write({"utc_offset": 60}, pak=WRONG_PAK).status is Status.AUTH_FAILED
        locked.clock.sleep(block_s - 2)
        assert otc.write({"utc_offset": 60}, pak=PAK).status is Status.AUTH_BLOCKED
        locked.clock.sleep(2)
    assert otc.write({"utc_offset": 60}, pak=PAK).status is Status.OK


def test_a_replayed_request_is_answered_but_not_applied_again(lab: NfcLab) -> None:
    requests = lab.overhear()
    lab.otc.write({"utc_offset": 60})
    assert len(lab.store.applied) == 1

    _send(lab, requests[0])                         # at once: the same answer as before
    assert _answer(lab)[1] == Status.OK
    assert len(lab.store.applied) == 1

    lab.otc.write({"utc_offset": 120})
    _send(lab, requests[0])                         # later: stale
    assert _answer(lab)[1] == Status.STALE
    assert lab.store.values[805] == 120


def test_a_recorded_request_with_a_good_mac_is_worth_nothing_later(locked: NfcLab) -> None:
    requests = locked.overhear()
    locked.otc.write({"utc_offset": 60}, pak=PAK)
    forged = cbor2.loads(_payload(requests[0], "otc-req"))
    forged[1] += 1                                  # the right sequence number, but the old nonce
    forged[0] = bytes(8)
    _send(locked, _message("otc-req", cbor2.dumps(forged, canonical=True)))
    assert _answer(locked)[1] == Status.AUTH_FAILED


@pytest.mark.parametrize("payload", [
    b"", b"\xa0", b"\x81" * 600, bytes.fromhex("a20001ff"),
    cbor2.dumps({0: bytes(8), 1: 1, 2: {}}, canonical=True),                    # nothing to change
    cbor2.dumps({0: bytes(7), 1: 1, 2: {805: 60}}, canonical=True),             # short transaction id
    cbor2.dumps({0: bytes(8), 1: True, 2: {805: 60}}, canonical=True),          # no sequence number
    cbor2.dumps({0: bytes(8), 1: 1, 2: {805: 1.5}}, canonical=True),            # no integer, no text
    cbor2.dumps({0: bytes(8), 1: 1, 2: {805: 60}, 9: 0}, canonical=True),       # unknown field
    cbor2.dumps({2: {805: 60}, 1: 1, 0: bytes(8)}),                             # keys out of order
    cbor2.dumps({0: bytes(8), 1: 1, 2: {805: 60}}, canonical=True) + b"\x00",   # bytes left over
])
def test_a_malformed_request_is_answered_with_bad_format(lab: NfcLab, payload: bytes) -> None:
    _send(lab, _message("otc-req", payload))
    assert _answer(lab)[1] == Status.BAD_FORMAT
    assert lab.store.values == DELIVERED


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(message=st.one_of(st.binary(min_size=1, max_size=60),
                         st.binary(max_size=60).map(lambda payload: _message("otc-req", payload))))
def test_no_message_breaks_the_unit_or_changes_a_setting(lab: NfcLab, message: bytes) -> None:
    _send(lab, message)
    assert lab.otc.read().values["utc_offset"] == 0
    assert lab.store.values == DELIVERED


# -- torn transactions ------------------------------------------------------------------------------------------------

def test_a_tag_removed_at_any_write_leaves_all_old_or_all_new(lab: NfcLab) -> None:
    old, new = {805: 0, 1105: 1440}, {805: 60, 1105: 720}
    outcomes = []
    for writes in range(1, 40):
        lab.clock.call(lab.service.start)
        lab.store.values.update(old)
        lab.twin.remove_tag_after_writes = writes
        try:
            lab.otc.write({"utc_offset": 60, "transmit_interval": 720})
        except TagLostError:
            lab.place_tag()
        else:
            break                                   # fewer writes than that are needed
        lab.clock.sleep(1)
        seen = {number: lab.store.values[number] for number in new}
        outcomes.append(seen)
        assert lab.otc.read().values["utc_offset"] == seen[805]
    assert len(outcomes) > 10
    assert outcomes == [old] * (len(outcomes) - 1) + [new]      # the length, written last, is what commits


def test_a_torn_write_is_undone_on_the_tag(lab: NfcLab) -> None:
    before = lab.tag.ndef
    lab.twin.remove_tag_after_writes = 3
    with pytest.raises(TagLostError):
        lab.otc.write({"utc_offset": 60})
    assert lab.tag.ndef == before
    assert lab.timeline.select("nfc", "mute")[0].data["expected"] == "answers until the end of the transaction"


@pytest.mark.parametrize(("pages", "taken"), [(0, False), (1, False), (5, False), (60, True)])
def test_the_bench_itself_tears_a_write_by_its_field(lab: NfcLab, pages: int, taken: bool) -> None:
    assert lab.otc.write_torn({"utc_offset": 60, "transmit_interval": 720}, pages) is taken
    assert lab.twin.tag is lab.tag, "the tag stays where it is"
    assert not lab.tag.field.value
    lab.clock.sleep(1)
    assert lab.otc.read().values["utc_offset"] == (60 if taken else 0)
    assert lab.otc.write({"utc_offset": 30}).status is Status.OK        # the next write is whole again


# -- replay -----------------------------------------------------------------------------------------------------------

def test_a_recorded_write_is_sent_again_octet_for_octet_and_the_unit_refuses_it(locked: NfcLab) -> None:
    heard = locked.overhear()
    locked.otc.write({"utc_offset": 60}, pak=PAK)
    recording = locked.otc.recorded
    locked.otc.write({"utc_offset": 0}, pak=PAK)
    locked.otc.replay(recording)
    assert heard[2] == heard[0]
    assert locked.otc.read().values["utc_offset"] == 0
    assert repr(recording) == "Recording()"


def test_before_the_first_write_there_is_nothing_to_replay(lab: NfcLab) -> None:
    with pytest.raises(BenchError, match="write first"):
        _ = lab.otc.recorded


# -- what the bench refuses -------------------------------------------------------------------------------------------

def test_writing_in_a_format_that_is_not_the_vendors_is_refused_on_a_real_unit(lab: NfcLab) -> None:
    otc = Otc(lab.reader, BenchOtcCodec(), lab.clock, lab.timeline)
    with pytest.raises(BenchError, match=r"NOT Elvaco's OTC format.*reference_tag"):
        otc.write({"utc_offset": 60})
    assert otc.read().values["utc_offset"] == 0
    assert otc.identify().uid == "04A1B2C3D4E580"
    assert lab.store.values == DELIVERED


@pytest.mark.parametrize("message", [b"", b"\xd1\x01\x04T\x02enA", b"\xff\xff\xff"])
def test_a_tag_with_something_else_on_it_is_told_and_not_overwritten(lab: NfcLab, message: bytes) -> None:
    def foreign() -> None:
        lab.service.stop()
        lab.tag.ndef = message

    lab.clock.call(foreign)
    with pytest.raises(TagFormatError, match="settings codec in the station file"):
        lab.otc.read()
    with pytest.raises(TagFormatError, match="expected a tag in the format bench-otc"):
        lab.otc.write({"utc_offset": 60})
    assert lab.tag.ndef == message


def test_the_built_in_codec_says_that_it_is_not_the_vendors() -> None:
    info = load_codec().info
    assert (info.name, info.vendor_format) == ("bench-otc", False)
    assert "NOT Elvaco's OTC format" in info.note


def test_a_codec_that_is_not_installed_is_told() -> None:
    with pytest.raises(BenchError, match=r"expected one of bench-otc.*saw 'elvaco-otc'"):
        load_codec("elvaco-otc")


def test_a_codec_whose_maker_stands_for_it_may_write_to_a_real_unit(lab: NfcLab) -> None:
    class Supplied(BenchOtcCodec):
        info = replace(BenchOtcCodec.info, vendor_format=True)

    assert Otc(lab.reader, Supplied(), lab.clock, lab.timeline).write({"utc_offset": 60}).status is Status.OK


def test_a_codec_that_fails_is_never_the_units_fault_and_tells_no_secret(lab: NfcLab) -> None:
    class Careless(BenchOtcCodec):
        def write(self, tag: TagSession, changes: Mapping[str, Value], pak: Pak | None) -> bytes:
            raise AssertionError(PAK_HEX)

    otc = Otc(lab.reader, Careless(), lab.clock, lab.timeline, reference_tag=True)
    with pytest.raises(BenchError, match=r"codec bench-otc: .* saw AssertionError in test_nfc_otc\.py, line") as told:
        otc.write({"utc_offset": 60}, pak=PAK)
    assert PAK_HEX not in str(told.getrepr())


# -- secrets ----------------------------------------------------------------------------------------------------------

def test_no_secret_reaches_logs_timeline_or_reprs(locked: NfcLab, caplog: pytest.LogCaptureFixture, tmp_path: Path,
                                                   capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    requests = locked.overhear()
    nonce = cbor2.loads(_payload(locked.tag.ndef, "otc-id"))[6]
    locked.otc.write({"utc_offset": 60}, pak=PAK)
    locked.otc.write({"utc_offset": 60}, pak=WRONG_PAK)
    locked.twin.remove_tag_after_writes = 3
    with pytest.raises(TagLostError) as lost:
        locked.otc.write({"utc_offset": 60}, pak=PAK)
    mac = cbor2.loads(_payload(requests[0], "otc-req"))[3]

    locked.timeline.write_jsonl(tmp_path / "timeline.jsonl")
    written = (tmp_path / "timeline.jsonl").read_text()
    out, err = capfd.readouterr()
    everything = " ".join([caplog.text, written, out, err, repr(PAK), str(PAK), f"{PAK!r}", str(lost.value),
                           repr(locked.otc.__dict__)]).lower()
    for secret in (PAK_HEX, nonce.hex(), mac.hex(), repr(bytes.fromhex(PAK_HEX)).lower()):
        assert secret not in everything
    assert repr(PAK) == "Pak(redacted)"


@pytest.mark.parametrize("text", ["not hexadecimal", "aabbcc", "", "zz" * 16])
def test_a_bad_pak_is_told_without_showing_it(text: str) -> None:
    with pytest.raises(BenchError, match="correct the key file") as bad:
        Pak.from_hex(text)
    assert not text or text not in str(bad.value)


def test_reads_and_writes_are_on_the_timeline(lab: NfcLab) -> None:
    lab.otc.write({"utc_offset": 60, "message_encoding": "JSON"})
    lab.otc.read()
    write, read = lab.timeline
    assert (write.source, write.kind, dict(write.data)) == (
        "nfc", "write", {"utc_offset": 60, "message_encoding": "JSON", "status": "OK"})
    assert (read.source, read.kind, read.data["message_encoding"]) == ("nfc", "read", "JSON")
    assert len(read.data) == 46
    assert json.loads(read.to_json())["data"]["utc_offset"] == 60


def test_equal_runs_give_equal_timelines() -> None:
    lines = []
    for _ in range(2):
        with nfc_lab() as lab:
            lab.otc.write({"configuration_lock": "Locked"})
            lab.otc.write({"utc_offset": 60}, pak=PAK)
            lab.otc.read()
            lines.append([observation.to_json() for observation in lab.timeline])
    assert lines[0] == lines[1]


def _message(name: str, payload: bytes) -> bytes:
    return b"".join(ndef.message_encoder([ndef.Record(f"urn:nfc:ext:bench.example:{name}", "", payload)]))


def _payload(message: bytes, name: str) -> bytes:
    return next(bytes(record.data) for record in ndef.message_decoder(message) if record.type.endswith(f":{name}"))


def _send(lab: NfcLab, message: bytes) -> None:
    with lab.reader.tap() as tag:
        tag.write_ndef(message)
    lab.clock.sleep(0.2)


def _answer(lab: NfcLab) -> dict[int, object]:
    answer = cbor2.loads(_payload(lab.tag.ndef, "otc-res"))
    assert isinstance(answer, dict)
    return answer
