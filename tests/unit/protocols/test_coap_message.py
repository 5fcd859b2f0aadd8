"""CoAP datagrams: what is refused, how they are described, which fields they have."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols.coap_message import CoapError, describe, fields, parse

# By hand from RFC 7252: CON POST 0x1234, token AB, Uri-Path rd (11), Content-Format 40 (12),
# Uri-Query ep=94 (15), payload "</3/0>".
REGISTER = bytes.fromhex("41 02 1234 AB B2 7264 11 28 35 65703D3934 FF") + b"</3/0>"
# ACK 2.01 0x1234, token AB, Location-Path rd, 5 (8).
CREATED = bytes.fromhex("61 41 1234 AB 82 7264 01 35")
# NON 2.05, token 01, Observe 7 (6), Content-Format 11542 (12), Block2 1/more/512 (23), payload.
NOTIFICATION = bytes.fromhex("51 45 0001 01 61 07 62 2D16 B1 1D FF 00")


def test_a_registration_and_its_answer_are_one_line() -> None:
    assert describe(parse(REGISTER)) == "CON POST /rd?ep=94 6 B format 40"
    assert describe(parse(REGISTER), parse(CREATED)) == (
        "CON POST /rd?ep=94 6 B format 40 -> ACK 2.01 Created at /rd/5")
    assert describe(parse(NOTIFICATION)) == "NON 2.05 Content observe 7 block2 1/1/512 1 B format 11542"
    assert describe(parse(bytes.fromhex("60 00 1234"))) == "ACK empty"
    assert describe(parse(bytes.fromhex("70 00 1234"))) == "RST empty"
    assert describe(parse(bytes.fromhex("40 1F 0001"))) == "CON 0.31 /"


def test_the_fields_of_a_registration_have_names() -> None:
    assert fields(REGISTER) == {
        "type": "CON", "code": "POST", "message_id": 0x1234, "token": "ab", "payload_length": 6,
        "options": [[11, "7264"], [12, "28"], [15, "65703d3934"]],
        "uri_path": "/rd", "uri_query": ["ep=94"], "content_format": 40}


def test_the_fields_of_a_notification_have_names() -> None:
    assert fields(NOTIFICATION) == {
        "type": "NON", "code": "2.05 Content", "message_id": 1, "token": "01", "payload_length": 1,
        "options": [[6, "07"], [12, "2d16"], [23, "1d"]],
        "content_format": 11542, "observe": 7, "block2": {"number": 1, "more": True, "size": 512}}


def test_control_characters_of_the_peer_are_escaped() -> None:
    assert describe(parse(bytes.fromhex("40 01 0001 B3 610A62"))) == "CON GET /a\\nb"


def test_a_payload_never_appears() -> None:
    assert "3/0>" not in describe(parse(REGISTER)) + json.dumps(fields(REGISTER))


@pytest.mark.parametrize(("datagram", "complaint"), [
    ("", "0 octet(s), a CoAP header has 4"),
    ("40 01 00", "3 octet(s), a CoAP header has 4"),
    ("00 01 0001", "octet 0: version 0 instead of 1"),
    ("C0 01 0001", "octet 0: version 3 instead of 1"),
    ("49 01 0001 010203040506070809", "octet 0: token length 9 is reserved"),
    ("42 01 0001 01", "octet 4: token needs 2 octet(s), 1 left"),
    ("40 21 0001", "octet 1: code class 1 is reserved"),
    ("40 E1 0001", "octet 1: code class 7 is reserved"),
    ("41 00 0001 AB", "octet 4: an empty message ends with the message id"),
    ("40 01 0001 FF", "octet 4: payload marker without payload"),
    ("40 01 0001 B1 61 FF", "octet 6: payload marker without payload"),
])
def test_a_format_error_says_what_and_where(datagram: str, complaint: str) -> None:
    with pytest.raises(CoapError) as error:
        parse(bytes.fromhex(datagram))
    assert str(error.value) == complaint


@pytest.mark.parametrize("options", ["B3 61", "F1 61", "BF 61", "BD", "BE 00", "B1 FF"])
def test_broken_options_are_a_format_error(options: str) -> None:
    with pytest.raises(CoapError, match="octet 4: options can't be read"):
        parse(bytes.fromhex("40 01 0001") + bytes.fromhex(options))


def test_an_option_value_that_ends_in_ff_is_no_payload_marker() -> None:
    assert parse(bytes.fromhex("40 01 0001 41 FF")).payload == b""
    assert fields(bytes.fromhex("40 01 0001 4D 00") + bytes(12) + b"\xff")["etag"] == ["00" * 12 + "ff"]


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\x41\x01" + rest))
def test_no_datagram_raises_anything_but_a_codec_error(datagram: bytes) -> None:
    try:
        message = parse(datagram)
    except CoapError:
        return
    assert len(describe(message).splitlines()) <= 1
    json.dumps(fields(datagram))
