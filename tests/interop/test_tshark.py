"""tshark, an independent reader, dissects our captures, and with them our MQTT-SN and LwM2M codecs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiocoap import GET, POST, PUT
from aiocoap.message import Message
from aiocoap.numbers.types import CON

from bench.protocols import mqttsn
from bench.protocols.lwm2m import ContentFormat, Link, Value, encode, format_links
from bench.protocols.lwm2m import Path as LwPath
from bench.protocols.mqttsn import Flags, QoS, ReturnCode, TopicIdType
from bench.protocols.pcapng import PcapngWriter

UNIT = ("10.0.0.2", 49152)
GATEWAY = ("10.0.0.1", 1883)
DM = ("10.0.0.1", 5683)
MQTTSN = ["-d", "udp.port==1883,mqttsn"]
CHECKED = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
FRAMES = Path(__file__).parents[1] / "data" / "elvaco" / "mqttsn_cmi6110_frames.json"

MESSAGES: list[mqttsn.Message] = [
    mqttsn.Advertise(7, 900), mqttsn.Searchgw(0), mqttsn.Gwinfo(7),
    mqttsn.Connect(Flags(clean_session=True), 1, 64800, "94193A04010020B8"), mqttsn.Connack(ReturnCode.CONGESTION),
    mqttsn.Willtopicreq(), mqttsn.Willtopic(Flags(qos=QoS.ONE), "will"), mqttsn.Willmsgreq(),
    mqttsn.Willmsg(b"gone"), mqttsn.Register(0, 0xFFCB, "mr/94193A04010020B8/standard/json"),
    mqttsn.Regack(1, 0xFFCB, ReturnCode.ACCEPTED),
    mqttsn.Publish(Flags(dup=True, qos=QoS.ONE), 1, 0xC792, b"x" * 155),
    mqttsn.Publish(Flags(qos=QoS.ONE), 1, 0xC793, bytes(700)),
    mqttsn.Puback(1, 0xC792, ReturnCode.INVALID_TOPIC_ID), mqttsn.Pubrec(7), mqttsn.Pubrel(7), mqttsn.Pubcomp(7),
    mqttsn.Subscribe(Flags(qos=QoS.TWO), 8, "a/b"),
    mqttsn.Subscribe(Flags(topic_id_type=TopicIdType.PREDEFINED), 8, 5),
    mqttsn.Suback(Flags(qos=QoS.TWO), 5, 8, ReturnCode.ACCEPTED), mqttsn.Unsubscribe(Flags(), 9, "a/b"),
    mqttsn.Unsuback(9), mqttsn.Pingreq(), mqttsn.Pingreq("dev"), mqttsn.Pingresp(), mqttsn.Disconnect(),
    mqttsn.Disconnect(3600), mqttsn.Willtopicupd(Flags(), "will"), mqttsn.Willtopicresp(ReturnCode.ACCEPTED),
    mqttsn.Willmsgupd(b"new"), mqttsn.Willmsgresp(ReturnCode.NOT_SUPPORTED),
]

Tshark = Callable[..., str]


@pytest.fixture(scope="module")
def tshark() -> Tshark:
    program = shutil.which("tshark")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing: apt-get install tshark")
        pytest.skip("tshark is missing (apt-get install tshark): OUR CAPTURES ARE NOT CHECKED BY A THIRD PARTY")

    def run(capture: Path, *options: str) -> str:
        finished = subprocess.run([program, "-n", "-r", str(capture), *CHECKED, *options], capture_output=True,
                                  text=True, timeout=60, check=True)
        return finished.stdout

    return run


def columns(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def write(capture: Path, datagrams: list[bytes], server: tuple[str, int], interface: str) -> Path:
    with PcapngWriter(capture, epoch_s=1_780_000_000) as writer:
        for number, datagram in enumerate(datagrams):
            writer.packet(interface, number * 0.25, UNIT, server, datagram, comment=f"case {number}", inbound=True)
    return capture


def test_every_packet_has_its_time_interface_comment_direction_and_right_checksums(tmp_path: Path,
                                                                                   tshark: Tshark) -> None:
    capture = tmp_path / "run.pcapng"
    with PcapngWriter(capture, epoch_s=1_780_000_000) as writer:
        writer.secrets("# no session yet\n")
        writer.packet("mdm", 0.000001, UNIT, GATEWAY, b"\x02\x16", comment="ping, dropped by bench", inbound=True)
        writer.packet("mdm", 1.5, GATEWAY, UNIT, b"\x02\x17", inbound=False)
        writer.packet("dm", 2, UNIT, DM, b"\x40\x01\x00\x01", comment="Größe µA", inbound=True)
    seen = columns(tshark(
        capture, "-T", "fields", *MQTTSN, "-e", "frame.time_epoch", "-e", "frame.interface_name",
        "-e", "frame.comment", "-e", "frame.packet_flags_direction", "-e", "ip.checksum.status",
        "-e", "udp.checksum.status", "-e", "ip.src", "-e", "udp.dstport"))
    assert seen == [
        ["1780000000.000001000", "mdm", "ping, dropped by bench", "0x00000001", "1", "1", "10.0.0.2", "1883"],
        ["1780000001.500000000", "mdm", "", "0x00000002", "1", "1", "10.0.0.1", "49152"],
        ["1780000002.000000000", "dm", "Größe µA", "0x00000001", "1", "1", "10.0.0.2", "5683"]]


def test_all_mqttsn_messages_dissect_without_complaint(tmp_path: Path, tshark: Tshark) -> None:
    capture = write(tmp_path / "mqttsn.pcapng", [message.encode() for message in MESSAGES], GATEWAY, "mdm")
    seen = columns(tshark(capture, "-T", "fields", *MQTTSN, "-e", "mqttsn.msg.type", "-e", "_ws.malformed"))
    assert seen == [[f"0x{message.TYPE:02x}", ""] for message in MESSAGES]


def test_tshark_reads_the_same_fields_as_were_written(tmp_path: Path, tshark: Tshark) -> None:
    capture = write(tmp_path / "mqttsn.pcapng", [message.encode() for message in MESSAGES], GATEWAY, "mdm")

    def one(number: int, *fields: str) -> list[str]:
        options = [option for field in fields for option in ("-e", f"mqttsn.{field}")]
        return columns(tshark(capture, "-Y", f"frame.number=={number + 1}", "-T", "fields", *MQTTSN, *options))[0]

    assert one(3, "client.id", "keep.alive", "clean.session") == ["94193A04010020B8", "64800", "1"]
    assert one(9, "topic", "msg.id") == ["mr/94193A04010020B8/standard/json", "65483"]
    assert one(11, "dup", "qos", "topic.id", "msg.id") == ["1", "0x01", "1", "51090"]
    assert one(12, "msg.len") == ["709"]
    assert one(13, "return.code") == ["0x02"]


def test_frames_of_real_units_dissect(tmp_path: Path, tshark: Tshark) -> None:
    frames = [bytes.fromhex(frame["hex"]) for frame in json.loads(FRAMES.read_text(encoding="utf-8"))["frames"]]
    capture = write(tmp_path / "real.pcapng", frames, GATEWAY, "mdm")
    seen = columns(tshark(capture, "-T", "fields", *MQTTSN, "-e", "mqttsn.msg.type", "-e", "_ws.malformed"))
    assert seen == [[f"0x{mqttsn.decode(frame).TYPE:02x}", ""] for frame in frames]


def coap(code: object, path: str, payload: bytes = b"", content_format: int | None = None) -> bytes:
    message = Message(_mtype=CON, _mid=1, code=code, uri_path=tuple(path.strip("/").split("/")), payload=payload)
    message.opt.content_format = content_format
    encoded: bytes = message.encode()  # type: ignore[no-untyped-call,unused-ignore]
    return encoded


def test_lwm2m_payloads_dissect_with_the_values_we_put_in(tmp_path: Path, tshark: Tshark) -> None:
    device: dict[LwPath, Value] = {
        LwPath(3, 0, 0): "Elvaco", LwPath(3, 0, 6, 0): 1, LwPath(3, 0, 6, 1): 5, LwPath(3, 0, 9): 95,
        LwPath(3, 0, 13): datetime(2026, 11, 22, tzinfo=UTC)}
    capture = write(tmp_path / "lwm2m.pcapng", [
        coap(GET, "/3/0"),
        coap(PUT, "/3/0", encode(device, LwPath(3, 0), ContentFormat.TLV), ContentFormat.TLV),
        coap(PUT, "/3/0", encode(device, LwPath(3, 0), ContentFormat.SENML_CBOR), ContentFormat.SENML_CBOR),
        coap(PUT, "/3/0", encode(device, LwPath(3, 0), ContentFormat.SENML_JSON), ContentFormat.SENML_JSON),
        coap(PUT, "/3/0", encode(device, LwPath(3, 0), ContentFormat.JSON), ContentFormat.JSON),
        coap(POST, "/rd", format_links([Link("/", {"rt": "oma.lwm2m"}), Link("/3/0")]), ContentFormat.LINK_FORMAT),
    ], DM, "dm")
    assert "Malformed" not in tshark(capture, "-V")
    tlv = tshark(capture, "-Y", "frame.number==2", "-O", "lwm2mtlv")
    for line in ("Manufacturer: Elvaco", "Battery Level: 95", "Available Power Sources: 5",
                 "Current Time: Nov 22, 2026 00:00:00"):
        assert line in tlv, tlv
    cbor = columns(tshark(capture, "-Y", "frame.number==3", "-T", "fields", "-E", "aggregator=|",
                          "-e", "cbor.type.textstring", "-e", "cbor.type.uint", "-e", "cbor.type.nint"))
    assert cbor == [["/3/0/|0|Elvaco|6/0|6/1|9|13", "0|3|0|2|1|0|2|5|0|2|95|0|2|1795305600", "1"]]
    for number in (4, 5):
        assert "Elvaco" in tshark(capture, "-Y", f"frame.number=={number}", "-O", "json")
