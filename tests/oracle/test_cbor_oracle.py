"""The CBOR reader against cbor2."""

from __future__ import annotations

import io
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.payload.cbor import decode_cbor
from bench.payload.readout import PayloadError

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

scalars = (
    st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=300)
    | st.text(max_size=40)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.none()
)
items = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=30)
        | st.dictionaries(st.integers(-(2**40), 2**40) | st.text(max_size=8), inner, max_size=30)
    ),
    max_leaves=20,
)


@unhurried
@given(items)
def test_what_cbor2_writes_is_read_back_without_findings(item: Any) -> None:
    value, findings = decode_cbor(cbor2.dumps(item))
    assert value == item
    assert findings == ()


@unhurried
@given(items, st.data())
def test_a_cut_item_is_refused_as_cbor2_refuses_it(item: Any, data: st.DataObject) -> None:
    whole = cbor2.dumps(item)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(cbor2.CBORDecodeError):
        cbor2.loads(cut)
    with pytest.raises(PayloadError):
        decode_cbor(cut)


@unhurried
@given(st.binary(max_size=60))
def test_any_bytes_that_we_read_without_findings_are_read_the_same_by_cbor2(data: bytes) -> None:
    try:
        value, findings = decode_cbor(data)
    except PayloadError:
        return
    if findings or "Tag(" in repr(value) or "Simple(" in repr(value):
        return
    stream = io.BytesIO(data)
    assert repr(cbor2.load(stream)) == repr(value)
    assert stream.tell() == len(data)


@pytest.mark.parametrize(
    ("data", "code", "value"),
    [
        ("1801", "not-shortest", 1),
        ("190001", "not-shortest", 1),
        ("1A0000FFFF", "not-shortest", 0xFFFF),
        ("1B00000000FFFFFFFF", "not-shortest", 0xFFFFFFFF),
        ("5801AA", "not-shortest", b"\xaa"),
        ("9801F6", "not-shortest", [None]),
        ("9F01FF", "indefinite-length", [1]),
        ("BF0102FF", "indefinite-length", {1: 2}),
        ("5F41AA41BBFF", "indefinite-length", b"\xaa\xbb"),
        ("7F61616162FF", "indefinite-length", "ab"),
        ("A201020103", "duplicate-key", {1: 2}),
        ("0100", "trailing-bytes", 1),
    ],
)
def test_odd_encoding_that_cbor2_hides_is_a_finding(data: str, code: str, value: object) -> None:
    read, findings = decode_cbor(bytes.fromhex(data))
    assert read == value
    assert [f.code for f in findings] == [code]
    if code != "duplicate-key":  # of which cbor2 keeps the last one
        assert cbor2.loads(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "byte 0: premature end"),
        ("1C", "byte 0: 1C is reserved"),
        ("1F", "byte 0: 1F is reserved"),
        ("DF", "byte 0: DF is reserved"),
        ("FF", "byte 0: a stop code"),
        ("82FF01", "byte 1: a stop code"),
        ("5F6161FF", "byte 1: a chunk of another kind"),
        ("5F5F41AAFFFF", "byte 1: a chunk of another kind"),
        ("9F01", "byte 2: premature end"),
        ("BF01", "byte 2: premature end"),
        ("5F41AA", "byte 3: premature end"),
        ("A1F601", "byte 1: a map key"),
        ("A1F501", "byte 1: a map key"),
        ("A1810101", "byte 1: a map key"),
        ("62C328", "byte 0: a text that is not UTF-8"),
        ("7F61C361A9FF", "byte 1: a text that is not UTF-8"),
        ("F800", "byte 0: simple value 0 in two bytes"),
        ("9818A0", "byte 3: premature end, the array at byte 0 announces 24 items, 1 are there"),
        ("B818A0A0", "byte 2: a map key"),
        ("81" * 40 + "01", "byte 17: nested deeper than 16"),
        ("C1" * 40 + "01", "byte 17: nested deeper than 16"),
    ],
)
def test_malformed_cbor_is_refused_with_the_place(data: str, why: str) -> None:
    with pytest.raises(PayloadError) as refused:
        decode_cbor(bytes.fromhex(data))
    assert why in str(refused.value)
