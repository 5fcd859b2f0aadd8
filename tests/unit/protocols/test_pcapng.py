"""The capture writer, octet by octet; tests/interop/test_tshark.py has an independent reader read it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols.pcapng import PcapngWriter


def blocks(capture: bytes) -> list[tuple[int, bytes]]:
    """Type and body of each block, with both length fields checked."""
    found = []
    while capture:
        kind, length = struct.unpack("<II", capture[:8])
        assert length % 4 == 0
        assert struct.unpack("<I", capture[length - 4:length]) == (length,)
        found.append((kind, capture[8:length - 4]))
        capture = capture[length:]
    return found


def ones_complement_sum(octets: bytes) -> int:
    total = 0
    for index in range(0, len(octets), 2):
        total += int.from_bytes(octets[index:index + 2].ljust(2, b"\0"), "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_a_capture_has_a_section_and_an_interface_for_each_server() -> None:
    stream = io.BytesIO()
    PcapngWriter(stream).close()
    section, *interfaces = blocks(stream.getvalue())
    assert section == (0x0A0D0D0A, bytes.fromhex("4D3C2B1A 0100 0000 FFFFFFFFFFFFFFFF"))
    assert [kind for kind, _ in interfaces] == 6 * [1]
    # Link type 101; option 2 if_name "dm", padded; option 9 if_tsresol 9, padded; end of options.
    assert interfaces[1][1] == bytes.fromhex("6500 0000 00000000 0200 0200 646D0000 0900 0100 09000000 0000 0000")


def test_a_packet_is_an_ip_datagram_with_time_comment_and_direction() -> None:
    stream = io.BytesIO()
    with PcapngWriter(stream, epoch_s=1_000_000_000) as writer:
        writer.packet("mdm", 2.5, ("10.0.0.2", 49152), ("10.0.0.1", 1883), b"\x02\x16", comment="dropped",
                      inbound=True)
    kind, body = blocks(stream.getvalue())[-1]
    assert kind == 6
    interface, high, low, captured, length = struct.unpack("<IIIII", body[:20])
    assert (interface, captured, length) == (2, 30, 30)
    assert high << 32 | low == 1_000_000_002_500_000_000
    # IPv4: 0x45, 30 octets, TTL 64, UDP. UDP: 10 octets.
    assert body[20:50] == bytes.fromhex("4500001E00000000 4011 66CD 0A000002 0A000001 C000 075B 000A 2266 0216")
    assert body[52:] == bytes.fromhex("0100 0700") + b"dropped\0" + bytes.fromhex("0200 0400 01000000 0000 0000")


@given(st.binary(max_size=200), st.integers(0, 65535), st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_checksums_add_up_to_ffff(payload: bytes, port: int, source: object, destination: object) -> None:
    stream = io.BytesIO()
    PcapngWriter(stream).packet("dm", 0, (str(source), port), (str(destination), 5683), payload, inbound=False)
    body = blocks(stream.getvalue())[-1][1]
    packet = body[20:20 + 28 + len(payload)]
    assert ones_complement_sum(packet[:20]) == 0xFFFF
    pseudo_header = packet[12:20] + struct.pack("!HH", 17, 8 + len(payload))
    assert ones_complement_sum(pseudo_header + packet[20:]) == 0xFFFF
    assert packet[26:28] != b"\0\0"
    assert packet[28:] == payload


def test_secrets_carry_a_tls_key_log() -> None:
    stream = io.BytesIO()
    PcapngWriter(stream).secrets("CLIENT_RANDOM 00 11\n")
    assert blocks(stream.getvalue())[-1] == (10, bytes.fromhex("4B534C54 14000000") + b"CLIENT_RANDOM 00 11\n")


def test_secrets_can_be_forgotten_and_what_came_after_them_stays() -> None:
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    first = writer.secrets("CLIENT_RANDOM 00 11\n")
    writer.secrets("CLIENT_RANDOM 22 33\n")
    writer.packet("dm", 0, ("10.0.0.1", 1), ("10.0.0.2", 2), b"abc", inbound=False)
    before = blocks(stream.getvalue())
    writer.forget(first)
    after = blocks(stream.getvalue())
    assert after[:-3] == before[:-3] and after[-2:] == before[-2:]
    assert after[-3] == (10, bytes.fromhex("4B534C54 14000000") + b"#" + 18 * b" " + b"\n")


def test_equal_calls_write_equal_octets(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with PcapngWriter(tmp_path / name, epoch_s=5) as writer:
            writer.packet("bootstrap", 0.000001, ("10.0.0.1", 1), ("10.0.0.2", 2), b"x", inbound=False)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_microseconds_survive_sixteen_years_of_virtual_time() -> None:
    stream = io.BytesIO()
    PcapngWriter(stream).packet("dm", 500_000_000.000001, ("10.0.0.1", 1), ("10.0.0.2", 2), b"", inbound=False)
    _, high, low, *_ = struct.unpack("<IIIII", blocks(stream.getvalue())[-1][1][:20])
    assert high << 32 | low == 500_000_000_000_001_000


@pytest.mark.parametrize(("interface", "address", "size"), [
    ("wan", "10.0.0.1", 1), ("dm", "::1", 1), ("dm", "host", 1), ("dm", "10.0.0.1", 65508)])
def test_what_no_packet_can_hold_is_refused_and_leaves_no_octet(interface: str, address: str, size: int) -> None:
    stream = io.BytesIO()
    writer = PcapngWriter(stream)
    before = stream.getvalue()
    with pytest.raises(ValueError):
        writer.packet(interface, 0, (address, 1), ("10.0.0.2", 2), bytes(size), inbound=True)
    assert stream.getvalue() == before
