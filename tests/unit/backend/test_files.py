"""The file server, block by block, with datagrams written by hand (RFC 7252, RFC 7959)."""

from __future__ import annotations

import hashlib

import pytest
from aiocoap import Message
from backend_lab import Lab
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.backend.files import FileServer, ServedFile

IMAGE = bytes(range(256)) * 10
ETAG = hashlib.sha256(IMAGE).digest()[:4]


@pytest.fixture
def lab():
    lab = Lab()
    yield lab
    lab.close()


def get(name: str, block2: int | None = None, *, first: int = 0x40, code: int = 1, more: bytes = b"") -> bytes:
    """A GET with message id 7; ``block2`` is the option's value in at most 2 octets, ``more`` follows it."""
    octets = bytes([first, code, 0, 7]) + bytes([0xB0 | len(name)]) + name.encode()
    if block2 is not None:
        octets += b"\xc2" + block2.to_bytes(2, "big")    # 11 + 12 = 23
    return octets + more


def block(number: int, size_exponent: int) -> int:
    return number << 4 | size_exponent


def answered(lab: Lab, datagram: bytes) -> Message:
    client = lab.client(3)
    client.send(datagram)
    return Message.decode(client.recv(2048))


def test_the_first_block_says_how_long_the_file_is(lab):
    lab.backend.files.files["fw"] = ServedFile(IMAGE)
    answer = answered(lab, get("fw"))
    assert (answer.code.dotted, answer.mtype, answer.mid, answer.payload) == ("2.05", 2, 7, IMAGE[:512])
    assert (answer.opt.etag, answer.opt.size2, answer.opt.content_format) == (ETAG, 2560, 42)
    assert (answer.opt.block2.block_number, answer.opt.block2.more, answer.opt.block2.size) == (0, True, 512)


def test_any_block_is_answered_for_itself_and_from_any_port(lab):
    lab.backend.files.files["fw"] = ServedFile(IMAGE)
    for number in (4, 1, 4):
        answer = answered(lab, get("fw", block(number, 5)))
        assert (answer.payload, answer.opt.etag, answer.opt.block2.more) == (
            IMAGE[number * 512:number * 512 + 512], ETAG, number < 4)
        assert answer.opt.size2 is None


@pytest.mark.parametrize(("exponent", "size"), [(0, 16), (2, 64), (6, 1024)])
def test_the_unit_chooses_the_size_of_blocks(lab, exponent, size):
    lab.backend.files.files["fw"] = ServedFile(IMAGE)
    answer = answered(lab, get("fw", block(1, exponent)))
    assert (answer.payload, answer.opt.block2.size) == (IMAGE[size:2 * size], size)


def test_a_non_request_gets_a_non_answer(lab):
    lab.backend.files.files["fw"] = ServedFile(IMAGE)
    assert answered(lab, get("fw", first=0x50)).mtype == 1


def test_an_empty_file_is_one_empty_block(lab):
    lab.backend.files.files["fw"] = ServedFile(b"")
    answer = answered(lab, get("fw"))
    assert (answer.code.dotted, answer.payload, answer.opt.size2) == ("2.05", b"", 0)


@pytest.mark.parametrize(("datagram", "code"), [
    pytest.param(get("no"), "4.04", id="no such file"),
    pytest.param(get("fw", code=2), "4.05", id="POST"),
    pytest.param(get("fw", block(5, 5)), "4.00", id="a block beyond the end"),
    pytest.param(get("fw", block(0, 7)), "4.00", id="the reserved size exponent"),
    pytest.param(get("fw", more=b"\x61\x3c"), "4.06", id="Accept CBOR"),
    pytest.param(get("fw", more=b"\x61\x2a"), "2.05", id="Accept octet-stream"),
    pytest.param(get("fw", more=b"\xe1\x10\x01\x01"), "4.02", id="a critical option nobody knows"),
    pytest.param(get("fw", more=b"\xe1\x10\x00\x01"), "2.05", id="an elective option nobody knows")])
def test_requests_get_their_code(lab, datagram, code):
    lab.backend.files.files["fw"] = ServedFile(IMAGE)
    assert answered(lab, datagram).code.dotted == code
    assert lab.backend.files.requests[-1].code == code


def test_a_unit_that_has_the_file_is_told_so(lab):
    lab.backend.files.files["fw"] = ServedFile(IMAGE)
    datagram = bytes([0x40, 1, 0, 7]) + b"\x44" + ETAG + b"\x72fw"    # ETag is option 4, Uri-Path 11
    answer = answered(lab, datagram)
    assert (answer.code.dotted, answer.opt.etag, answer.payload) == ("2.03", ETAG, b"")


def test_a_stalled_file_stops_answering_at_its_block(lab):
    lab.backend.files.files["fw"] = ServedFile(IMAGE, stalls_at_block=2)
    assert answered(lab, get("fw", block(1, 5))).payload == IMAGE[512:1024]
    lab.tell(lab.client(3), get("fw", block(2, 5)))
    lab.clock.sleep(300)
    assert len(lab.timeline.select("files", "datagram", direction="out")) == 1
    assert [(request.block, request.code) for request in lab.backend.files.requests] == [(1, "2.05"), (2, None)]


def test_a_file_changes_its_etag_midway(lab):
    lab.backend.files.files["fw"] = ServedFile(IMAGE, other_etag_at_block=3)
    etags = [answered(lab, get("fw", block(number, 5))).opt.etag for number in range(5)]
    assert etags[:3] == [ETAG] * 3
    assert ETAG not in etags[3:]
    assert etags[3] == etags[4]


def test_a_server_is_unavailable_from_a_block_on(lab):
    lab.backend.files.files["fw"] = ServedFile(IMAGE, unavailable_at_block=1)
    assert [answered(lab, get("fw", block(number, 5))).code.dotted for number in (0, 1, 2)] == ["2.05", "5.03", "5.03"]


def test_a_corrupted_file_differs_in_one_octet():
    corrupted = ServedFile(IMAGE).corrupted().content
    assert [(at, octet) for at, octet in enumerate(corrupted) if octet != IMAGE[at]] == [(1280, 0xFF)]
    assert ServedFile(IMAGE).corrupted(3).content[3] == 0xFC


def test_a_truncated_file_announces_the_whole(lab):
    lab.backend.files.files["fw"] = ServedFile(IMAGE).truncated(700)
    first, second = answered(lab, get("fw")), answered(lab, get("fw", block(1, 5)))
    assert (first.opt.size2, second.payload, second.opt.block2.more) == (2560, IMAGE[512:700], False)


def test_a_padded_file_is_too_big():
    padded = ServedFile(IMAGE).padded(3000)
    assert (len(padded.content), padded.content[:2560], set(padded.content[2560:])) == (3000, IMAGE, {0xFF})


def test_ping_and_malformed_confirmables_get_rst(lab):
    for datagram in (b"\x40\x00\x12\x34", b"\x4f\x01\x12\x34", b"\x40\x01\x12\x34\xff"):
        client = lab.client(3)
        client.send(datagram)
        assert client.recv(100) == b"\x70\x00\x12\x34"
    assert len(lab.timeline.select("files", "malformed")) == 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=30).map(lambda rest: get("fw") + rest),
    st.tuples(st.sampled_from([0x40, 0x50, 0x60, 0x70, 0x44]), st.integers(0, 255), st.binary(max_size=30)).map(
        lambda m: bytes([m[0], m[1], 0, 1]) + m[2])), max_size=40))
def test_no_datagram_stops_the_file_server(datagrams):
    lab = Lab()
    try:
        server: FileServer = lab.backend.files
        server.files["fw"] = ServedFile(IMAGE)
        client = lab.client(3)
        for datagram in datagrams:
            lab.tell(client, datagram)
        assert answered(lab, get("fw", block(1, 5))).payload == IMAGE[512:1024]
    finally:
        lab.close()
