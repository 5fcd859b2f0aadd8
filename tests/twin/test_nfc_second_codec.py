"""The settings codec can be replaced: another format, found by its entry point, behind the same face."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tlv_codec
from tlv_codec import LoraTlvCodec, SupplierCodec, TlvTag

from bench.clock import Clock, WarpClock
from bench.errors import BenchError
from bench.timeline import Timeline
from bench.twin.pn532 import Pn532
from drivers.nfc import Pak, SettingsCodec, Status
from drivers.nfc.otc import Otc, load_codec
from drivers.nfc.pn532_reader import Pn532Reader
from drivers.nfc.tag_session import TagFormatError

PAK = bytes(range(16))
PRINTED = Path(__file__).parents[1] / "data" / "elvaco" / "lorawan_downlink_tlv.json"


class TlvLab:
    """A unit that speaks TLV on the twin's reader."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.timeline = Timeline(clock.time, clock.nudge)
        self.tag = TlvTag(PAK)
        self.twin = clock.call(lambda: Pn532(clock, self.tag))
        self.reader = Pn532Reader(self.twin.wire.path, clock, self.timeline)

    def otc(self, codec: SettingsCodec, *, reference_tag: bool = False) -> Otc:
        return Otc(self.reader, codec, self.clock, self.timeline, reference_tag=reference_tag)


@pytest.fixture
def lab() -> Iterator[TlvLab]:
    with WarpClock() as clock:
        lab = TlvLab(clock)
        yield lab
        lab.reader.close()
        clock.call(lab.twin.close)


def test_a_package_brings_the_codec_and_only_its_name_changes(lab: TlvLab, tmp_path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "lora_tlv-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lora-tlv\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        f"[mcm_bench.otc_codecs]\nelvaco-lora-tlv = {tlv_codec.__name__}:LoraTlvCodec\n")
    monkeypatch.syspath_prepend(tmp_path)
    otc = lab.otc(load_codec("elvaco-lora-tlv"), reference_tag=True)

    assert otc.read().values == {"configuration_lock": "Open", "transmit_interval": 1440, "utc_offset": 0}
    assert otc.write({"transmit_interval": 30, "utc_offset": -60}).status is Status.OK
    assert otc.read().values == {"configuration_lock": "Open", "transmit_interval": 30, "utc_offset": -60}
    assert otc.write({"configuration_lock": "Locked"}).status is Status.OK
    assert otc.write({"transmit_interval": 60}).status is Status.AUTH_REQUIRED
    assert otc.read().values["transmit_interval"] == 30
    assert otc.write({"transmit_interval": 60, "configuration_lock": "Open"}, Pak(PAK)).status is Status.OK
    assert otc.read().values == {"configuration_lock": "Open", "transmit_interval": 60, "utc_offset": -60}


def test_it_writes_the_printed_octets(lab: TlvLab) -> None:
    printed = {row["name"]: row.get("example", "") for row in json.loads(PRINTED.read_text())["registers"]}
    otc = lab.otc(LoraTlvCodec(), reference_tag=True)
    otc.write({"configuration_lock": "Open", "transmit_interval": 30, "utc_offset": -60})
    sent = b"".join(octets[2:] for _, octets in otc.recorded.sent if octets[0] == 0xA2).hex().upper()
    assert printed["Configuration lock"] in sent
    assert printed["Transmit interval"] in sent
    assert "17023C80 (-60)" in printed["UTC offset"]         # the leading 00 is missing in print
    assert "0017023C80" in sent


def test_a_codec_that_its_maker_stands_for_may_write_to_a_real_unit(lab: TlvLab) -> None:
    with pytest.raises(BenchError, match="documented for the LoRaWAN downlink only"):
        lab.otc(LoraTlvCodec()).write({"transmit_interval": 30})
    assert lab.tag.registers[0x06] == (1440).to_bytes(2, "little")
    assert lab.otc(SupplierCodec()).write({"transmit_interval": 30}).status is Status.OK


def test_no_codec_writes_to_a_tag_that_it_does_not_recognise(lab: TlvLab) -> None:
    with pytest.raises(TagFormatError):
        lab.otc(load_codec(), reference_tag=True).write({"transmit_interval": 30})
    lab.clock.call(lambda: setattr(lab.tag, "ndef", b"\xd1\x01\x04T\x02enA"))
    with pytest.raises(TagFormatError):
        lab.otc(SupplierCodec()).write({"transmit_interval": 30})


def test_a_setting_that_the_codec_does_not_have_is_told(lab: TlvLab) -> None:
    with pytest.raises(BenchError, match="expected configuration_lock, transmit_interval or utc_offset, saw apn"):
        lab.otc(LoraTlvCodec(), reference_tag=True).write({"apn": "x"})


def test_a_write_of_raw_pages_is_torn_and_replayed_too(lab: TlvLab) -> None:
    otc = lab.otc(LoraTlvCodec(), reference_tag=True)
    otc.write({"transmit_interval": 30})
    recording = otc.recorded
    otc.write({"transmit_interval": 60})
    otc.replay(recording)
    assert otc.read().values["transmit_interval"] == 30      # this format has no defence against it
    assert repr(recording) == "Recording()"
    assert not otc.write_torn({"transmit_interval": 90}, pages=3)
    assert otc.read().values["transmit_interval"] == 30
    assert otc.write_torn({"transmit_interval": 90}, pages=20)
    assert otc.read().values["transmit_interval"] == 90
