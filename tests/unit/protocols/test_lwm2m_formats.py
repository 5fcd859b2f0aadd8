"""The content formats with names, the plain ones, and what all formats have in common."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols.lwm2m import (
    ContentFormat,
    Lwm2mError,
    ObjLink,
    Path,
    Record,
    Type,
    Unsigned,
    Value,
    decode,
    decode_records,
    encode,
    encode_records,
    type_of_value,
)

NAMED = (ContentFormat.TLV, ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR, ContentFormat.JSON,
         ContentFormat.LWM2M_CBOR)
SINGLE = (ContentFormat.TEXT, ContentFormat.CBOR)

times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(  # noqa: DTZ001 - the zone is set below
    lambda time: time.replace(microsecond=0, tzinfo=UTC))
ids = st.integers(0, 65535)
values: st.SearchStrategy[Value] = st.one_of(
    st.booleans(), st.integers(-2**63, 2**63 - 1), st.integers(0, 2**64 - 1).map(Unsigned),
    st.floats(allow_nan=False, allow_infinity=False), st.text(),
    st.binary(max_size=300), times, st.builds(ObjLink, ids, ids))
small = st.integers(0, 300)


@st.composite
def readings(draw: st.DrawFn) -> dict[Path, Value]:
    """Resources of one object, some with instances."""
    found: dict[Path, Value] = {}
    for instance, resource in draw(st.sets(st.tuples(small, small), min_size=1, max_size=6)):
        if draw(st.booleans()):
            found[Path(3, instance, resource)] = draw(values)
        else:
            sample = draw(values)
            for index in draw(st.sets(small, min_size=1, max_size=3)):
                found[Path(3, instance, resource, index)] = sample
    return found


def types_of(found: dict[Path, Value]) -> dict[Path, Type]:
    return {path.resource: type_of_value(value) for path, value in found.items()}


def exact(found: dict[Path, Value]) -> dict[Path, tuple[type, Value]]:
    """With their Python types, for 1 == 1.0 == True."""
    return {path: (type(value), value) for path, value in found.items()}


@pytest.mark.parametrize("content_format", NAMED)
@given(found=readings())
def test_readings_survive_every_named_format(content_format: ContentFormat, found: dict[Path, Value]) -> None:
    payload = encode(found, Path(3), content_format)
    assert exact(decode(payload, Path(3), content_format, types_of(found).__getitem__)) == exact(found)


@pytest.mark.parametrize("content_format", NAMED + SINGLE)
@given(value=values)
def test_one_value_survives_every_format(content_format: ContentFormat, value: Value) -> None:
    path = Path(3, 0, 9)
    payload = encode({path: value}, path, content_format)
    assert exact(decode(payload, path, content_format, lambda path: type_of_value(value))) == exact({path: value})


@pytest.mark.parametrize("content_format", NAMED + SINGLE + (ContentFormat.OPAQUE,))
@given(payload=st.binary(max_size=60), kind=st.sampled_from(Type))
def test_no_octets_raise_anything_but_a_codec_error(content_format: ContentFormat, payload: bytes,
                                                    kind: Type) -> None:
    with contextlib.suppress(Lwm2mError):
        decode(payload, Path(3, 0, 9), content_format, lambda path: kind)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    | st.sampled_from(["/3/0/9", "/3/0/", "9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([-3, -2, -1, 0, 2, 3, 4, 6, 8, "bn", "n", "v", "vs", "vlo", "e", "sv", "ov", "bv"]), inner,
        max_size=4), max_leaves=8)


@given(document=json_like, kind=st.sampled_from(Type))
def test_no_cbor_document_raises_anything_but_a_codec_error(document: Any, kind: Type) -> None:
    for content_format in (ContentFormat.SENML_CBOR, ContentFormat.CBOR):
        with contextlib.suppress(Lwm2mError):
            decode(cbor2.dumps(document), Path(3, 0, 9), content_format, lambda path: kind)


@given(document=json_like, kind=st.sampled_from(Type))
def test_no_json_document_raises_anything_but_a_codec_error(document: Any, kind: Type) -> None:
    try:
        payload = json.dumps(document, skipkeys=True).encode()
    except TypeError:
        return
    for content_format in (ContentFormat.SENML_JSON, ContentFormat.JSON):
        with contextlib.suppress(Lwm2mError):
            decode(payload, Path(3, 0, 9), content_format, lambda path: kind)


# Shapes as seen from other stacks: Anjay puts the slash into the name, Wakaama into the base name.
@pytest.mark.parametrize("text", [
    '[{"bn":"/3/0","n":"/0","vs":"Elvaco"},{"n":"/9","v":95}]',
    '[{"bn":"/3/0/","n":"0","vs":"Elvaco"},{"n":"9","v":95}]',
    '[{"n":"/3/0/0","vs":"Elvaco"},{"n":"/3/0/9","v":95.0}]',
    '[{"bn":"/3/0/0","vs":"Elvaco"},{"bn":"/3/0/9","v":95,"unknown":1}]',
])
def test_base_name_and_name_are_put_together_as_they_stand(text: str) -> None:
    types = {Path(3, 0, 0): Type.STRING, Path(3, 0, 9): Type.INTEGER}
    assert decode(text.encode(), Path(3, 0), ContentFormat.SENML_JSON, types.__getitem__) == {
        Path(3, 0, 0): "Elvaco", Path(3, 0, 9): 95}


def test_senml_json_is_written_as_the_specification_shows_it() -> None:
    found: dict[Path, Value] = {Path(3, 0, 0): "Elvaco", Path(3, 0, 6, 0): 1, Path(3, 0, 22): ObjLink(10, 3),
                                Path(3, 0, 23): b"\xfb\xff", Path(3, 0, 24): True}
    assert encode(found, Path(3, 0), ContentFormat.SENML_JSON).decode() == (
        '[{"bn":"/3/0/","n":"0","vs":"Elvaco"},{"n":"6/0","v":1},{"n":"22","vlo":"10:3"},{"n":"23","vd":"-_8"},'
        '{"n":"24","vb":true}]')
    assert encode({Path(3, 0, 9): 95}, Path(3, 0, 9), ContentFormat.SENML_JSON) == b'[{"bn":"/3/0/9","v":95}]'


def test_senml_cbor_has_integer_labels_and_vlo_as_text() -> None:
    found: dict[Path, Value] = {Path(3, 0, 0): "A", Path(3, 0, 22): ObjLink(10, 3), Path(3, 0, 23): b"\x01"}
    # 83: array of 3; A3 21 ("bn" -2) 65 "/3/0/" 00 ("n") 61 "0" 03 ("vs") 61 "A"; A2 00 62 "22" 63 "vlo" 64 "10:3";
    # A2 00 62 "23" 08 ("vd") 41 01.
    assert encode(found, Path(3, 0), ContentFormat.SENML_CBOR).hex(" ") == (
        "83 a3 21 65 2f 33 2f 30 2f 00 61 30 03 61 41 a2 00 62 32 32 63 76 6c 6f 64 31 30 3a 33 "
        "a2 00 62 32 33 08 41 01")


def test_records_of_a_send_keep_their_times_and_may_repeat_a_path() -> None:
    records = [Record(Path(33911, 0, 2), b"\x01", 1792652400), Record(Path(33911, 0, 2), b"\x02", 1792656000)]
    for content_format in (ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR):
        payload = encode_records(records, Path(), content_format)
        assert decode_records(payload, Path(), content_format, lambda path: Type.OPAQUE) == records
        with pytest.raises(Lwm2mError, match="/33911/0/2 occurs twice"):
            decode(payload, Path(), content_format, lambda path: Type.OPAQUE)


def test_base_time_and_time_add_up_and_small_ones_are_relative() -> None:
    payload = b'[{"bn":"/3/0/9","bt":1792652400,"v":1},{"t":-3600,"v":2},{"bt":0,"t":-5,"v":3}]'
    records = decode_records(payload, Path(), ContentFormat.SENML_JSON, lambda path: Type.INTEGER)
    assert [(record.time, record.is_time_relative) for record in records] == [
        (1792652400, False), (1792648800, False), (-5, True)]


@pytest.mark.parametrize(("text", "complaint"), [
    ("{", "character 1: no JSON (Expecting property name enclosed in double quotes)"),
    ("{}", "a SenML pack is an array of maps"),
    ("[1]", "a SenML pack is an array of maps"),
    ('[{"n":"/3/0/9","v":NaN}]', "NaN is no JSON"),
    ('[{"n":"/3/0/9","v":1,"v":2}]', "a JSON object has a key twice"),
    ('[{"n":"/3/0/9"}]', "SenML record 0: 0 values, expected one of v, vs, vb, vd, vlo"),
    ('[{"n":"/3/0/9","v":1,"vs":"1"}]', "SenML record 0: 2 values, expected one of v, vs, vb, vd, vlo"),
    ('[{"n":"/3/0/9","v":true}]', "SenML record 0: no number where Integer is expected"),
    ('[{"n":"/3/0/9","v":1.5}]', "SenML record 0: a fraction where Integer is expected"),
    ('[{"n":"/3/0/9","v":9223372036854775808}]', "SenML record 0: an Integer has at most 64 bits"),
    ('[{"n":"/3/0/9","vs":"1"}]', "SenML record 0: vs with a str where Integer is expected"),
    ('[{"n":"/3/0","v":1}]', "SenML record 0: /3/0 is no resource"),
    ('[{"n":"/4/0/9","v":1}]', "SenML record 0: /4/0/9 is not under /3/0"),
    ('[{"n":"/3/0/x","v":1}]', "SenML record 0: '/3/0/x' is no path such as /3/0/6"),
    ('[{"n":"/3/0/9","v":1},{"n":5,"v":1}]', "SenML record 1: n holds a int"),
    ('[{"n":"/3/0/9","v":1,"new_":1}]', "SenML record 0: label 'new_' must be understood (it ends with _)"),
    ('[{"bv":5,"n":"/3/0/9","v":1}]', "SenML record 0: base values and base sums are not used by LwM2M"),
    ('[{"bver":11,"n":"/3/0/9","v":1}]', "SenML record 0: SenML version is not 10"),
])
def test_an_error_in_senml_says_what_and_where(text: str, complaint: str) -> None:
    with pytest.raises(Lwm2mError) as error:
        decode(text.encode(), Path(3, 0), ContentFormat.SENML_JSON, lambda path: Type.INTEGER)
    assert str(error.value) == complaint


@pytest.mark.parametrize("payload", [
    "81 a1 00 66 2f 33 2f 30 2f 39 00", "", "81", "ff", "81 a2 00 61 39 00 61 39",
    "81 a2 61 6e 66 2f 33 2f 30 2f 39 02 01",
], ids=["left over", "empty", "cut off", "break", "duplicate key", "text label"])
def test_bad_cbor_is_refused(payload: str) -> None:
    with pytest.raises(Lwm2mError):
        decode(bytes.fromhex(payload), Path(3, 0), ContentFormat.SENML_CBOR, lambda path: Type.INTEGER)


# LwM2M 1.0 section 6.4.4, shortened.
def test_lwm2m_json_reads_with_and_without_base_name() -> None:
    types = {Path(3, 0, 0): Type.STRING, Path(3, 0, 6): Type.INTEGER, Path(3, 0, 13): Type.TIME,
             Path(3, 0, 22): Type.OBJLNK, Path(3, 0, 23): Type.OPAQUE}
    elements = ('"e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"6/0","v":1},{"n":"6/1","v":5},'
                '{"n":"13","v":1367491215},{"n":"22","ov":"10:3"},{"n":"23","sv":"+/8="}]}')
    expected: dict[Path, Value] = {Path(3, 0, 0): "Open Mobile Alliance", Path(3, 0, 6, 0): 1, Path(3, 0, 6, 1): 5,
                Path(3, 0, 13): datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC), Path(3, 0, 22): ObjLink(10, 3),
                Path(3, 0, 23): b"\xfb\xff"}
    for text in ('{"bn":"/3/0/",' + elements, "{" + elements):
        assert decode(text.encode(), Path(3, 0), ContentFormat.JSON, types.__getitem__) == expected
    assert encode(expected, Path(3, 0), ContentFormat.JSON).decode() == '{"bn":"/3/0/",' + elements


@pytest.mark.parametrize(("value", "text"), [
    (True, "1"), (-5, "-5"), (1.5, "1.5"), ("Ä", "Ä"), (b"\xfb\xff", "+/8="), (ObjLink(10, 3), "10:3"),
    (datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC), "1367491215"),
])
def test_plain_text_says_each_type(value: Value, text: str) -> None:
    path = Path(3, 0, 9)
    assert encode({path: value}, path, ContentFormat.TEXT) == text.encode()
    assert decode(text.encode(), path, ContentFormat.TEXT, lambda path: type_of_value(value)) == {path: value}


@pytest.mark.parametrize(("text", "kind"), [
    ("", Type.INTEGER), (" 5", Type.INTEGER), ("5\n", Type.INTEGER), ("1_0", Type.INTEGER), ("0x1", Type.INTEGER),
    ("٣", Type.INTEGER), ("nan", Type.FLOAT), ("1e999", Type.FLOAT), ("true", Type.BOOLEAN), ("2", Type.BOOLEAN),
    ("10", Type.OBJLNK), ("10:65536", Type.OBJLNK), ("10:-1", Type.OBJLNK), ("=", Type.OPAQUE), ("A", Type.OPAQUE),
])
def test_text_that_is_not_of_its_type_is_refused(text: str, kind: Type) -> None:
    with pytest.raises(Lwm2mError):
        decode(text.encode(), Path(3, 0, 9), ContentFormat.TEXT, lambda path: kind)


@pytest.mark.parametrize(("payload", "kind", "value"), [
    ("185f", Type.INTEGER, 95), ("f93e00", Type.FLOAT, 1.5), ("f5", Type.BOOLEAN, True), ("6141", Type.STRING, "A"),
    ("4101", Type.OPAQUE, b"\x01"), ("6431303a33", Type.OBJLNK, ObjLink(10, 3)),
    ("1a5182428f", Type.TIME, datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC)),
    ("c11a5182428f", Type.TIME, datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC)),
])
def test_a_single_cbor_item_is_read(payload: str, kind: Type, value: Value) -> None:
    path = Path(3, 0, 9)
    assert decode(bytes.fromhex(payload), path, ContentFormat.CBOR, lambda path: kind) == {path: value}


def test_opaque_takes_octets_only() -> None:
    path = Path(33911, 0, 2)
    assert encode({path: b"\x00\x01"}, path, ContentFormat.OPAQUE) == b"\x00\x01"
    assert decode(b"\x00\x01", path, ContentFormat.OPAQUE, lambda path: Type.OPAQUE) == {path: b"\x00\x01"}
    with pytest.raises(Lwm2mError):
        encode({path: "text"}, path, ContentFormat.OPAQUE)
    with pytest.raises(Lwm2mError):
        decode(b"5", path, ContentFormat.OPAQUE, lambda path: Type.INTEGER)


@pytest.mark.parametrize("content_format", NAMED)
def test_no_values_are_an_empty_payload_of_the_format(content_format: ContentFormat) -> None:
    payload = encode({}, Path(3, 0), content_format)
    assert decode(payload, Path(3, 0), content_format, lambda path: Type.INTEGER) == {}


@pytest.mark.parametrize("content_format", NAMED + SINGLE)
def test_a_value_elsewhere_than_asked_for_is_refused(content_format: ContentFormat) -> None:
    with pytest.raises(Lwm2mError):
        encode({Path(4, 0, 1): 1}, Path(3, 0), content_format)


def test_a_resource_with_a_value_and_instances_is_refused() -> None:
    with pytest.raises(Lwm2mError, match="has a value and resource instances"):
        encode({Path(3, 0, 6): 1, Path(3, 0, 6, 0): 1}, Path(3), ContentFormat.TLV)


@pytest.mark.parametrize("content_format", [40, 11545, 99])
def test_a_format_without_resource_values_is_refused(content_format: int) -> None:
    with pytest.raises(Lwm2mError, match="holds no resource values"):
        encode({Path(3, 0, 9): 1}, Path(3, 0, 9), content_format)
    with pytest.raises(Lwm2mError, match="holds no resource values"):
        decode(b"", Path(3, 0, 9), content_format, lambda path: Type.INTEGER)


def test_paths_parse_print_and_compare() -> None:
    assert Path.parse("/3/0/6/0") == Path(3, 0, 6, 0) == Path(3, 0) / 6 / 0
    assert Path.parse("3/0/") == Path(3, 0)
    assert str(Path(3, 0, 6, 0)) == "/3/0/6/0"
    assert str(Path()) == "/"
    assert Path.parse("/") == Path()
    assert Path(3, 0, 6).is_under(Path(3))
    assert not Path(33, 0).is_under(Path(3))
    assert not Path(3).is_under(Path(3, 0))
    assert (Path(3, 0).object_id, Path(3, 0).instance_id, Path(3, 0).resource_id) == (3, 0, None)


@pytest.mark.parametrize("text", ["/3/0/6/0/0", "/-1", "/65536", "/3//0", "/3/x", "//", "/٣", "/ 3", "/000003"])
def test_a_text_that_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(Lwm2mError):
        Path.parse(text)


# -- numbers in every form that SenML and LwM2M name

MAY = datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC)


@pytest.mark.parametrize("item", ["021A5182428F", "02C11A5182428F", "02C074323031332D30352D30325431303A34303A31355A",
                                  "03C074323031332D30352D30325431303A34303A31355A", "02C482001A5182428F"])
def test_a_time_in_senml_cbor_may_be_a_number_or_a_date_time(item: str) -> None:
    """LwM2M core 1.1.1, tables C.1 and C.2; RFC 8949 3.4.1 and 3.4.2; RFC 8428 section 6."""
    payload = bytes.fromhex("81A221672F332F302F3133" + item)
    for kind in (Type.TIME, None):
        known = decode(payload, Path(3), ContentFormat.SENML_CBOR, lambda path, kind=kind: kind)
        assert known in ({Path(3, 0, 13): MAY}, {Path(3, 0, 13): int(MAY.timestamp())})
    assert decode(payload, Path(3), ContentFormat.SENML_CBOR, lambda path: Type.TIME) == {Path(3, 0, 13): MAY}


@pytest.mark.parametrize(("item", "kind", "value"), [
    ("C482211908F7", Type.FLOAT, 22.95), ("C482211908F7", None, 22.95), ("C4820117", Type.INTEGER, 230),
    ("C48221190898", Type.INTEGER, 22)])
def test_a_decimal_fraction_is_a_number(item: str, kind: Type | None, value: float) -> None:
    """RFC 8428 section 6: tag 4, also in a single CBOR item."""
    path = Path(3303, 0, 5700)
    pack = bytes.fromhex("81A2216C2F333330332F302F3537303002" + item)
    assert decode(pack, path, ContentFormat.SENML_CBOR, lambda _: kind) == {path: value}
    assert decode(bytes.fromhex(item), path, ContentFormat.CBOR, lambda _: kind) == {path: value}


@pytest.mark.parametrize(("item", "kind"), [
    ("C482211908F7", Type.INTEGER), ("C4821A3B9ACA0001", Type.INTEGER), ("C4821903E701", Type.FLOAT),
    ("C4823903FF01", Type.FLOAT), ("C11A5182428F", Type.INTEGER), ("C11A5182428F", Type.FLOAT)])
def test_what_is_no_such_number_is_refused(item: str, kind: Type) -> None:
    path = Path(3303, 0, 5700)
    with pytest.raises(Lwm2mError):
        decode(bytes.fromhex("81A2216C2F333330332F302F3537303002" + item), path, ContentFormat.SENML_CBOR,
               lambda _: kind)


def test_a_base_time_may_be_a_decimal_fraction_and_a_date_time_is_named() -> None:
    def pack(base_time: str) -> bytes:
        return bytes.fromhex("81A3216C2F333330332F302F3537303022" + base_time + "0201")

    record, = decode_records(pack("C482001A5182428F"), Path(3303), ContentFormat.SENML_CBOR, lambda _: Type.FLOAT)
    assert record.time == MAY.timestamp()
    with pytest.raises(Lwm2mError, match=r"bt holds a date/time \(tag 0 or 1\)"):
        decode_records(pack("C11A5182428F"), Path(3303), ContentFormat.SENML_CBOR, lambda _: Type.FLOAT)
