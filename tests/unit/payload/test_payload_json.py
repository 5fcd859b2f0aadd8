"""JSON telegrams: the keys of manual Table 7, read without losing a digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bench.payload.decode import decode
from bench.payload.json_telegram import decode_json
from bench.payload.readout import PayloadError, Quantity

STANDARD = (
    '{"TS":"2019-11-28T20:39Z","ID":87654321,"E":12345.678,"U":"MWh","V":3456.7,"VU":"m3","P":5012,"PU":"W",'
    '"F":212,"FU":"l/h","FT":80.3,"TU":"C","RT":53.8,"RU":"C","EF":"0x0012"}'
)
TARIFFS = '"T1":1.5,"U1":"MWh","T2":2.5,"U2":"MWh","T3":3.5,"U3":"MWh","MT":7,"MU":"h"'
EXTENDED = STANDARD[:-1] + "," + TARIFFS + "}"


def found(text: str) -> list[tuple[str, str]]:
    return [(f.code, f.severity) for f in decode_json(text.encode()).findings]


# PAY-JSON-01, PAY-JSON-16
@pytest.mark.parametrize("text", [STANDARD, EXTENDED, "\r\n " + STANDARD + "\n"])
def test_good_telegram_has_no_findings(text: str) -> None:
    telegram = decode(text.encode())
    assert telegram.encoding == "json"
    assert telegram.findings == ()


# PAY-JSON-11, PAY-JSON-12, PAY-JSON-13, PAY-JSON-14
def test_extended_telegram_has_tariffs_and_missing_time() -> None:
    readout = decode_json(EXTENDED.encode()).newest
    assert [str(t) for t in readout.tariffs] == ["1.5 MWh", "2.5 MWh", "3.5 MWh"]
    assert readout.missing_time == Quantity(Decimal(7), "h")


# PAY-JSON-13
def test_second_u2_is_the_unit_of_tariff_3_as_table_7_prints_it() -> None:
    text = EXTENDED.replace('"U3"', '"U2"').replace('"T2":2.5,"U2":"MWh"', '"T2":2.5,"U2":"kWh"')
    telegram = decode_json(text.encode())
    assert [str(t) for t in telegram.newest.tariffs] == ["1.5 MWh", "2.5 kWh", "3.5 MWh"]
    assert [(f.code, f.severity) for f in telegram.findings] == [("tariff-3-unit-key", "warning")]


# PAY-JSON-02
def test_leading_zeros_that_a_number_loses_are_put_back() -> None:
    assert decode_json(STANDARD.replace("87654321", "73600").encode()).newest.meter_id == "00073600"


def test_unused_tariff_may_be_empty() -> None:
    for empty in ("null", '""'):
        text = EXTENDED.replace('"T3":3.5', f'"T3":{empty}')
        assert decode_json(text.encode()).newest.tariffs[2] is None
        assert found(text) == [("empty-register", "info")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('"E":12345.678,', ""), ("missing-field", "error")),
        (('"U":"MWh",', ""), ("missing-field", "error")),
        (('"E":12345.678', '"E":12345.678,"E":1'), ("duplicate-key", "error")),
        (('"E":12345.678', '"E":"12345.678"'), ("number-as-text", "warning")),
        (('"E":12345.678', '"E":"12345,678"'), ("wrong-type", "error")),
        (('"E":12345.678', '"E":null'), ("wrong-type", "error")),
        (('"E":12345.678', '"E":true'), ("wrong-type", "error")),
        (('"E":12345.678', '"E":[1]'), ("wrong-type", "error")),
        (('"E":12345.678', '"E":1e400'), ("number-too-long", "error")),
        (('"E":12345.678', '"E":' + "1" * 40), ("number-too-long", "error")),
        (('"U":"MWh"', '"U":"mwh"'), ("unknown-unit", "error")),
        (('"U":"MWh"', '"U":"\\ud800"'), ("unknown-unit", "error")),
        (('"U":"MWh"', '"U":7'), ("wrong-type", "error")),
        (('"TU":"C"', '"TU":"K"'), ("unknown-unit", "error")),
        (("87654321", '"87654321"'), ("id-as-text", "info")),
        (("87654321", "876543210"), ("meter-id", "error")),
        (("87654321", "-1"), ("meter-id", "error")),
        (("87654321", "8765.4"), ("meter-id", "error")),
        (("20:39Z", "20:39:00Z"), ("time-with-seconds", "info")),
        (("20:39Z", "20:39"), ("time-form", "error")),
        (("20:39Z", "20:39+01:00"), ("time-form", "error")),
        (("2019-11-28T", "2019-11-28 "), ("time-form", "error")),
        (("2019-11-28", "2019-02-30"), ("time-impossible", "error")),
        (('"2019-11-28T20:39Z"', '"0001-01-01T00:00+23:59"'), ("time-impossible", "error")),
        (('"2019-11-28T20:39Z"', "1574973540"), ("wrong-type", "error")),
        (('"0x0012"', '"0012"'), ("error-flags", "error")),
        (('"0x0012"', '"0x10012"'), ("error-flags", "error")),
        (('"0x0012"', "18"), ("error-flags", "error")),
        (('"0x0012"', '"0xF012"'), ("undefined-error-flag", "warning")),
        (('"EF"', '"XX":1,"EF"'), ("unknown-key", "warning")),
        (("}", "} x"), ("trailing-bytes", "error")),
        (("}", "}" + STANDARD), ("trailing-bytes", "error")),
        (("}", "}\0"), ("trailing-bytes", "error")),
        (("{", "\ufeff{"), ("byte-order-mark", "error")),
        (("}", "," + TARIFFS[: TARIFFS.index(',"MU"')] + "}"), ("missing-field", "error")),
    ],
)
def test_deviation_is_one_finding(change: tuple[str, str], expected: tuple[str, str]) -> None:
    assert STANDARD.count(change[0]) == 1
    assert found(STANDARD.replace(*change)) == [expected]


def test_time_with_an_offset_is_the_same_moment_in_utc() -> None:
    text = STANDARD.replace("20:39Z", "20:39+01:00")
    assert decode_json(text.encode()).newest.time == datetime(2019, 11, 28, 19, 39, tzinfo=UTC)


# PAY-JSON-19
def test_every_digit_is_kept() -> None:
    text = STANDARD.replace("12345.678", "9007199254740993.000100")
    energy = decode_json(text.encode()).newest.energy
    assert energy is not None
    assert str(energy) == "9007199254740993.000100 MWh"


def test_empty_object_carries_no_readout() -> None:
    telegram = decode_json(b"{}")
    assert telegram.readouts == ()
    assert [f.code for f in telegram.errors] == ["no-meter-data"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"{", "character 1"),
        (b'{"E":01}', "character 6"),
        (b'{"E":NaN}', "NaN is no JSON number"),
        (b'{"E":-Infinity}', "-Infinity is no JSON number"),
        (b'{"E":"\xff"}', "byte 6: not UTF-8"),
        (b'{"E":"\n"}', "character 6"),
        (b"[]", "not one object"),
        (b"[{}]", "not one object"),
        (b"[" * 60000, "nested too deep"),
        (b'{"a":' * 10000, "nested too deep"),
    ],
)
def test_what_is_no_json_object_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(PayloadError, match=why):
        decode(data, "json")
