"""What of a message that carries a key is written down."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.backend.masks import Masks, is_secret, secrets_in
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
