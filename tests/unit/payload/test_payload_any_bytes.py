"""Whatever comes in, the decoders answer: readouts, findings or a PayloadError, in time."""

from __future__ import annotations

import contextlib
import gc
import json
import time
from io import StringIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from bench.payload.decode import MAX_BYTES, decode, detect
from bench.payload.mbus import decode_long_frame, wired_telegram
from bench.payload.optical import OpticalReadout, parse_optical
from bench.payload.readout import PayloadError, Telegram
from bench.payload.table import exit_code, render, to_json

ENCODINGS = (None, "mbus", "json", "senml-cbor")

# A loaded machine may be slow: only the test below, which counts process time, judges speed.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

DIFS = ("04", "02", "0C", "0B", "0A", "3C", "84", "8C", "C4", "06", "0D", "0F", "2F")
DIB = st.tuples(st.sampled_from(DIFS), st.binary(max_size=10)).map(lambda parts: bytes.fromhex(parts[0]) + parts[1])


def show(found: Telegram | OpticalReadout) -> None:
    """Every view of it: JSON in ASCII, and the table on a terminal that knows only ASCII."""
    json.dumps(to_json(found)).encode("ascii")
    output = StringIO()
    Console(file=output, width=120).print(render(found))
    output.getvalue().encode("utf-8")
    assert exit_code(found) == any(f.severity == "error" for f in found.findings)


@unhurried
@given(st.binary(max_size=200) | st.lists(DIB, max_size=8).map(b"".join), st.sampled_from(ENCODINGS))
def test_any_bytes_give_a_telegram_or_a_payload_error(data: bytes, encoding: str | None) -> None:
    try:
        telegram = decode(data, encoding)
    except PayloadError:
        return
    assert telegram.raw == data
    show(telegram)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
KEYS = (
    "TS", "ID", "E", "U", "V", "VU", "P", "PU", "F", "FU", "FT", "TU", "RT", "RU", "EF",
    "T1", "U1", "T2", "U2", "T3", "U3", "MT", "MU", "x",
)  # fmt: skip


@unhurried
@given(st.dictionaries(st.sampled_from(KEYS), JSON_VALUES, max_size=24))
def test_any_values_of_the_json_keys_give_a_telegram_or_a_payload_error(fields: dict[str, object]) -> None:
    try:
        telegram = decode(json.dumps(fields).encode(), "json")
    except PayloadError:
        return
    show(telegram)


@unhurried
@given(st.text("0123456789.*&()-/!#FkWhMGJm3pC\r\n", max_size=200) | st.binary(max_size=80))
def test_any_text_gives_an_optical_readout_or_a_payload_error(text: str | bytes) -> None:
    try:
        readout = parse_optical(text)
    except PayloadError:
        return
    show(readout)
    readout.to_readout()


@unhurried
@given(st.binary(max_size=120))
def test_any_body_of_a_long_frame_is_read_or_refused(body: bytes) -> None:
    inner = b"\x08\x05\x72\x78\x56\x34\x12\xa7\x32\x04\x04\x01\x00\x00\x00" + body
    frame = bytes((0x68, len(inner), len(inner), 0x68)) + inner + bytes((sum(inner) & 0xFF, 0x16))
    try:
        wired_telegram([decode_long_frame(frame)])
    except PayloadError:
        return


N = MAX_BYTES
HEAVY = {
    "arrays in arrays": b"\x81" * N,
    "endless arrays": b"\x9f\xa0" + b"\x9f" * (N - 2),
    "maps in maps": b"\x81" + b"\xa1\x00" * (N // 2 - 1),
    "tags": b"\x81\xa1\x08" + b"\xc1" * (N - 3),
    "an array of 2^64 items": b"\x9b" + b"\xff" * 8 + b"\xa0" * (N - 9),
    "a byte string of 2^64": b"\x81\xa1\x08\x5b" + b"\xff" * 8,
    "empty records": b"\x9f" + b"\xa0" * (N - 2) + b"\xff",
    "long integers": b"\x9f" + b"\xa1\x18\x06\x18\x00" * 8000 + b"\xff",
    "one key again and again": b"\x81\xb9\x7f\xf0" + b"\x06\x00" * 0x7FF0,
    "versions": b"\x9f" + b"\xa2\x00\x61V\x02\x00" * 8000 + b"\xff",
    "fillers": b"\x2f" * N,
    "records without data": b"\x00\x06" * (N // 2),
    "unknown records": b"\x00\x7a" * (N // 2),
    "times": b"\x04\x6d\xff\xff\xff\xff" * (N // 6),
    "lists in JSON": b"[" * N,
    "objects in JSON": b'{"a":' * (N // 5),
    "a long number": b'{"E":' + b"9" * (N - 6) + b"}",
    "a huge exponent": b'{"E":1e999999999,"U":"MWh"}',
    "many keys": b"{" + b",".join(b'"%d":1' % n for n in range(6500)) + b"}",
    "one key in JSON again and again": b"{" + b",".join([b'"U2":1'] * (N // 8)) + b"}",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("what", HEAVY)
def test_64_kib_made_to_be_slow_take_less_than_10_ms_a_kilobyte(what: str, encoding: str | None) -> None:
    data = HEAVY[what]
    assert len(data) <= MAX_BYTES
    limit_s = max(0.010 * len(data) / 1024, 0.050)
    assert any(cpu_time(data, encoding) < limit_s for _ in range(3)), f"{what} as {encoding} took more each time"


def cpu_time(data: bytes, encoding: str | None) -> float:
    """Of this process, not of the clock, and without the collector's way through all that other tests have left: a busy
    machine and an old process are not the decoder's fault."""
    gc.disable()
    try:
        started = time.process_time()
        with contextlib.suppress(PayloadError):
            to_json(decode(data, encoding))
        return time.process_time() - started
    finally:
        gc.enable()


def test_more_than_64_kib_and_an_unknown_encoding_are_refused() -> None:
    with pytest.raises(PayloadError, match="65537 bytes are too many"):
        decode(bytes(MAX_BYTES + 1))
    with pytest.raises(PayloadError, match="unknown encoding 'xml'"):
        decode(b"\x04", "xml")


@pytest.mark.parametrize(
    ("start", "encoding"),
    [
        ("046D", "mbus"),
        ("8410", "mbus"),
        ("84A0", "senml-cbor"),
        ("9818A3", "senml-cbor"),
        ("9FA3", "senml-cbor"),
        ("8240", "mbus"),
        ("7B", "json"),
        ("EFBBBF7B", "json"),
        ("0D0A207B", "json"),
        ("5B", "json"),
        ("00", "mbus"),
    ],
)
def test_encoding_is_found_from_the_first_bytes(start: str, encoding: str) -> None:
    assert detect(bytes.fromhex(start)) == encoding
