"""What of a message that carries a key is written down."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.backend.masks import Masks, is_secret, secrets_in
from bench.backend.tap import explain_coap, explain_mqttsn
from bench.protocols.coap_message import parse
from bench.protocols.lwm2m import Path

KEY = bytes.fromhex("fd0c5e7a81b24496")
PUT = bytes.fromhex("41030001aa") + b"\xff"


def shown(masks: Masks, data: bytes) -> bytes:
    return masks.sent(1, data, parse(data))


@pytest.mark.parametrize(("path", "secret"), [
    ("/0/1/5", True), ("/0/1/4", True), ("/33905/0/5", True), ("/33905/0/5/0", True), ("/11/1/6", True),
    ("/0/1/3", False), ("/0/1", False), ("/3/0/5", False)])
def test_keys_are_known_by_their_paths(path, secret):
    assert is_secret(Path.parse(path)) is secret


def test_only_keys_are_picked_of_what_is_written():
    assert secrets_in({Path(0, 1, 0): "coap://x", Path(0, 1, 5): KEY, Path(33905, 0, 5): "text"}) == [KEY, b"text"]


@pytest.mark.parametrize("form", [KEY, base64.b64encode(KEY), base64.urlsafe_b64encode(KEY).rstrip(b"=")])
def test_a_key_becomes_zeros_in_each_of_its_forms(form):
    masks = Masks()
    masks.hide(b"uri" + form + b"end", [KEY])
    assert shown(masks, PUT + b"uri" + form + b"end") == PUT + b"uri" + bytes(len(form)) + b"end"


def test_what_carries_no_key_stays_as_it_is():
    masks = Masks()
    masks.hide(b"uri" + KEY, [KEY])
    assert shown(masks, PUT + b"uri" + KEY[:-1] + b"\x00") == PUT + b"uri" + KEY[:-1] + b"\x00"


def test_a_key_that_cannot_be_found_hides_the_whole_payload():
    masks = Masks()
    masks.hide(b'{"key":"escaped"}', [KEY])
    assert shown(masks, PUT + b'{"key":"escaped"}') == PUT + bytes(17)


def test_the_answer_to_a_read_of_a_key_does_not_show():
    masks = Masks()
    read = bytes.fromhex("41010001aa") + b"\xb533905\x010\x015"
    assert shown(masks, read) == read
    answer = bytes.fromhex("61450001aa") + b"\xff" + KEY
    assert masks.received(1, answer, parse(answer)) == answer[:6] + bytes(8)
    assert masks.received(2, answer, parse(answer)) == answer
    other = bytes.fromhex("61450001ab") + b"\xff" + KEY
    assert masks.received(1, other, parse(other)) == other


def test_a_unit_that_gives_a_written_key_back_does_not_show_it():
    masks = Masks()
    masks.hide(b"uri" + KEY, [KEY])
    answer = bytes.fromhex("61450001ab") + b"\xff" + b"\xc8\x05\x08" + KEY + b"rest"
    assert masks.received(1, answer, parse(answer)) == answer[:6] + b"\xc8\x05\x08" + bytes(8) + b"rest"


@given(st.binary(max_size=60), st.binary(min_size=8, max_size=64), st.binary(max_size=60))
def test_no_key_ever_shows_and_the_length_stays(before, key, after):
    masks = Masks()
    payload = before + key + after
    masks.hide(payload, [key])
    seen = shown(masks, PUT + payload)
    assert len(seen) == len(PUT + payload)
    assert key not in seen[6:] or not any(key)


def written(key: bytes) -> dict[str, bytes]:
    """A key as somebody might publish it."""
    lower = key.hex()
    return {"lower": lower.encode(), "upper": lower.upper().encode(), "colons": key.hex(":").encode(),
            "blanks": key.hex(" ").upper().encode(), "dashes in words": key.hex("-", 4).encode(),
            "C": ", ".join(f"0x{octet:02x}" for octet in key).encode(),
            "escaped": "".join(f"\\x{octet:02X}" for octet in key).encode(),
            "mixed case": "".join(a + b for a, b in zip(lower[::2], lower[1::2].upper(), strict=True)).encode(),
            "lines": key.hex("\n", 4).encode(),
            **{f"base64 of {shift} octets more": base64.b64encode(bytes(range(1, shift + 1)) + key + b"after")
               for shift in range(4)},
            "base64 for urls": base64.urlsafe_b64encode(b"\xff" + key + b"\xff")}


LONG_KEY = bytes.fromhex("fd0c5e7a81b24496c0ffee00fbfeff3e")


@pytest.mark.parametrize("form", written(LONG_KEY))
def test_a_published_key_does_not_show_in_whatever_form(form):
    payload = b'{"a": "' + written(LONG_KEY)[form] + b'", "b": 1}'
    seen = shown(Masks({LONG_KEY: None}), PUT + payload)
    assert len(seen) == len(PUT + payload)
    assert seen.startswith(PUT + b'{"a": "')
    assert seen.endswith(b'", "b": 1}')
    text = seen[len(PUT) + 7:-10]
    assert text.count(0) >= len(text) - 12, "what is left is of the neighbours in base64"


@given(st.binary(max_size=30), st.binary(min_size=16, max_size=64).filter(any), st.binary(max_size=30),
       st.sampled_from(" :-"))
def test_no_key_shows_in_hex_or_base64_of_something_longer(before, key, after, separator):
    masks = Masks({key: None})
    whole = before + key + after
    hexed = masks.without_keys(b"x" + whole.hex(separator).upper().encode())
    digits = hexed.translate(None, (separator + "\0").encode()).lower()
    assert key.hex().encode() not in digits
    assert not any(key[2:-2]) or base64.b64encode(whole) != masks.without_keys(base64.b64encode(whole))


def test_a_key_in_an_odd_place_among_digits_does_not_show():
    masks = Masks({KEY: None})
    assert KEY.hex().encode() not in masks.without_keys(b"a" + KEY.hex().encode() + b"b")
    assert masks.without_keys(b"a" + KEY.hex().encode() + b"b") == b"a" + bytes(16) + b"b"


def test_a_key_in_an_option_of_the_unit_does_not_show():
    masks = Masks({KEY: None})
    register = bytes.fromhex("41020001aa") + b"\xb2rd" + b"\x4d\x06" + b"ep=" + KEY.hex().encode()
    assert masks.received(1, register, parse(register)) == register[:-16] + bytes(16)
    assert KEY.hex() not in str(explain_coap("in", 1, register, masks))


def test_an_mqtt_sn_unit_that_publishes_a_key_does_not_show_it():
    masks = Masks({KEY: None})
    data = bytes([7 + 16]) + bytes.fromhex("0c2000010001") + KEY.hex().upper().encode()
    told, _, fields = explain_mqttsn("in", 1, data, masks)
    assert told == data[:7] + bytes(16)
    assert KEY.hex() not in f"{fields}".lower()
    assert fields["data"] == "00" * 16


def test_of_very_many_payloads_the_newest_are_remembered():
    masks = Masks()
    for number in range(1001):
        masks.hide(b"%04d" % number + KEY[:7], [KEY[:7]])    # too short to be looked for everywhere
    assert shown(masks, PUT + b"0000" + KEY[:7]) == PUT + b"0000" + KEY[:7]
    assert shown(masks, PUT + b"0001" + KEY[:7]) == PUT + b"0001" + bytes(7)
    assert shown(masks, PUT + b"1000" + KEY[:7]) == PUT + b"1000" + bytes(7)


def test_a_known_key_does_not_show_where_nobody_expects_it():
    masks = Masks({KEY: None})
    assert shown(masks, PUT + b"name" + KEY) == PUT + b"name" + bytes(8)
    assert masks.without_keys(b"\xff\xff" + KEY) == b"\xff\xff" + bytes(8)
