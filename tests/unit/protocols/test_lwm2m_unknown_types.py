"""Resources whose type nobody knows, and packs of names."""

from __future__ import annotations

import contextlib
import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols.lwm2m import ContentFormat, Lwm2mError, ObjLink, Path, decode, decode_paths, encode_paths


@pytest.mark.parametrize(("payload", "content_format", "value"), [
    (b"12", ContentFormat.TEXT, "12"), (b"\x01\x02", ContentFormat.OPAQUE, b"\x01\x02"),
    (bytes.fromhex("c10912"), ContentFormat.TLV, b"\x12"),
    (b"\x18\x64", ContentFormat.CBOR, 100), (b"\xfb" + bytes.fromhex("3fe0000000000000"), ContentFormat.CBOR, 0.5),
    (b"\x61x", ContentFormat.CBOR, "x"), (b"\x41x", ContentFormat.CBOR, b"x"), (b"\xf5", ContentFormat.CBOR, True),
    (b'{"e":[{"n":"","sv":"x"}],"bn":"/3/0/9"}', ContentFormat.JSON, "x"),
    (b'{"e":[{"v":1.5}],"bn":"/3/0/9"}', ContentFormat.JSON, 1.5),
    (b'{"e":[{"bv":false}],"bn":"/3/0/9"}', ContentFormat.JSON, False),
    (b'{"e":[{"ov":"3:0"}],"bn":"/3/0/9"}', ContentFormat.JSON, ObjLink(3, 0)),
    (b'[{"n":"/3/0/9","v":7}]', ContentFormat.SENML_JSON, 7),
    (b'[{"n":"/3/0/9","v":7.5}]', ContentFormat.SENML_JSON, 7.5),
    (b'[{"n":"/3/0/9","vd":"AP8"}]', ContentFormat.SENML_JSON, b"\x00\xff"),
    (cbor2.dumps([{0: "/3/0/9", "vlo": "3:0"}]), ContentFormat.SENML_CBOR, ObjLink(3, 0))])
def test_a_value_of_unknown_type_is_what_its_format_says(payload, content_format, value):
    (found,) = decode(payload, Path(3, 0, 9), content_format, lambda path: None).values()
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(("payload", "content_format"), [
    (b"\xf6", ContentFormat.CBOR), (b"\x80", ContentFormat.CBOR),
    (b'[{"n":"/3/0/9","v":"7"}]', ContentFormat.SENML_JSON),
    (b'[{"n":"/3/0/9","vb":1}]', ContentFormat.SENML_JSON), (b'{"e":[{"sv":1}],"bn":"/3/0/9"}', ContentFormat.JSON),
    (b"\xff", ContentFormat.TEXT)])
def test_what_is_malformed_stays_malformed(payload, content_format):
    with pytest.raises(Lwm2mError):
        decode(payload, Path(3, 0, 9), content_format, lambda path: None)


def test_names_without_values_are_a_pack():
    paths = [Path(3, 0, 0), Path(4), Path()]
    assert json.loads(encode_paths(paths, 110)) == [{"n": "/3/0/0"}, {"n": "/4"}, {"n": "/"}]
    assert cbor2.loads(encode_paths(paths, 112)) == [{0: "/3/0/0"}, {0: "/4"}, {0: "/"}]


def test_base_names_hold_for_the_records_that_follow():
    assert decode_paths(b'[{"bn":"/3/0/","n":"0"},{"n":"9"},{"bn":"/4"}]', 110) == [
        Path(3, 0, 0), Path(3, 0, 9), Path(4)]


@pytest.mark.parametrize(("payload", "text"), [
    (b'[{"n":"/3/0/0","v":1}]', "a value where only names belong"), (b"{}", "array of maps"),
    (b'[{"n":5}]', "n holds")])
def test_a_pack_of_names_holds_names_only(payload, text):
    with pytest.raises(Lwm2mError, match=text):
        decode_paths(payload, 110)


@given(st.binary(max_size=60), st.sampled_from([110, 112]))
def test_whatever_arrives_as_names_is_read_or_refused(payload, content_format):
    with contextlib.suppress(Lwm2mError):
        decode_paths(payload, content_format)


@given(st.binary(max_size=60), st.sampled_from([0, 42, 60, 110, 112, 11542, 11543]))
def test_whatever_arrives_of_unknown_type_is_read_or_refused(payload, content_format):
    with contextlib.suppress(Lwm2mError):
        decode(payload, Path(3, 0, 9), content_format, lambda path: None)
