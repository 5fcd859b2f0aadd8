"""LwM2M CBOR (11544). The octets are those with which Anjay's own tests write and read it, in the forms that differ."""

from __future__ import annotations

import pytest

from bench.protocols.lwm2m import (
    ContentFormat,
    Lwm2mError,
    ObjLink,
    Path,
    Type,
    Unsigned,
    Value,
    decode,
    decode_paths,
    decode_records,
    encode,
    encode_paths,
    encode_records,
)

FORMAT = ContentFormat.LWM2M_CBOR
ROOT = Path()
INTEGERS = {Path(13, 26, 1): 42, Path(13, 26, 2): 21}


def read(octets: str, base: Path = ROOT, kind: Type | None = Type.INTEGER) -> dict[Path, Value]:
    return decode(bytes.fromhex(octets), base, FORMAT, lambda path: kind)


@pytest.mark.parametrize("octets", [
    "A1820D181AA201182A0215", "A2830D181A01182A830D181A0215", "A2820D181AA101182A830D181A0215",
    "A2830D181A01182A820D181AA1810215", "BF0DBF181ABF01182A0215FFFFFF", "BF9F0DFFBF9F181AFFBF9F01FF182A9F02FF15FFFFFF",
    "BF820D181ABF01182A0215FFFF"])
def test_each_form_of_the_same_two_resources_is_read(octets: str) -> None:
    assert read(octets) == INTEGERS
    assert read(octets, Path(13, 26)) == INTEGERS


def test_values_of_every_type_in_one_map() -> None:
    kinds = [Type.UNSIGNED_INTEGER, Type.INTEGER, Type.FLOAT, Type.STRING, Type.OPAQUE, Type.OBJLNK, Type.BOOLEAN]
    payload = bytes.fromhex("A1820D181AA70101022003F94100046474657374054411223344066531323A333407F5")
    wanted = [Unsigned(1), -1, 2.5, "test", bytes.fromhex("11223344"), ObjLink(12, 34), True]
    found = decode(payload, Path(13, 26), FORMAT, lambda path: kinds[path[2] - 1])
    assert list(found.values()) == wanted
    assert [type(value) for value in found.values()] == [type(value) for value in wanted]


def test_what_is_written_has_the_base_as_its_key_and_maps_below() -> None:
    assert encode({Path(13, 26, 1): 42}, Path(13, 26, 1), FORMAT).hex().upper() == "A1830D181A01182A"
    assert encode(INTEGERS, Path(13, 26), FORMAT).hex().upper() == "A1820D181AA201182A0215"
    everywhere: dict[Path, Value] = {Path(13, 26, 1): 1, Path(14, 27, 2): 2}
    assert encode(everywhere, ROOT, FORMAT).hex().upper() == "A20DA1181AA101010EA1181BA10202"


def test_a_decimal_fraction_and_a_multiple_resource() -> None:
    assert read("A1810DA181181AA18101A18102C48220182D", kind=Type.FLOAT) == {Path(13, 26, 1, 2): 4.5}


@pytest.mark.parametrize(("octets", "why"), [
    ("A1820D181AA11A0001000005", "outside 0 to 65535"), ("A1850D181A03040505", "at most 4 ids"),
    ("A10DA1181AA101A102A10304", "at most 4 ids"), ("A20DA180181AA18001182A", "no CBOR|without ids"),
    ("A1830DFB3FD0A3D70A3D70A401182A", "no id"), ("A10DA1623236A101182A", "no id"), ("00", "is a map"),
    ("8401020304", "is a map"), ("A10DA1181A81A101182A", "no resource"), ("A1820D181AA1", "no CBOR"),
    ("A1646465763105", "no id"), ("A1830DF501182A", "no id"), ("A2830D181A0101820D181AA10102", "occurs twice"),
    ("A10DA1181AA18005", "without ids"), ("A1830D181A01F6", "where Integer")])
def test_what_is_no_such_map_is_refused(octets: str, why: str) -> None:
    with pytest.raises(Lwm2mError, match=why):
        read(octets)


@pytest.mark.parametrize("base", [Path(14), Path(13, 27), Path(13, 26, 2), Path(13, 26, 1, 69)])
def test_a_path_outside_the_base_is_refused(base: Path) -> None:
    with pytest.raises(Lwm2mError, match="is not under"):
        read("A1830D181A01182A", base)


def test_records_have_no_times() -> None:
    records = decode_records(encode(INTEGERS, ROOT, FORMAT), ROOT, FORMAT, lambda path: Type.INTEGER)
    assert [(record.path, record.value, record.time) for record in records] == [
        (path, value, None) for path, value in INTEGERS.items()]
    with pytest.raises(Lwm2mError, match="no SenML"):
        encode_records(records, ROOT, FORMAT)


def test_the_paths_of_a_composite_read_are_names_without_values() -> None:
    paths = [Path(3, 0, 0), Path(4), Path(33907, 0)]
    assert decode_paths(encode_paths(paths, FORMAT), FORMAT) == paths
    with pytest.raises(Lwm2mError, match="only names belong"):
        decode_paths(encode(INTEGERS, ROOT, FORMAT), FORMAT)
    assert decode_paths(encode_paths([ROOT], FORMAT), FORMAT) == [ROOT]


# -- Unsigned Integer, in the formats that have it


@pytest.mark.parametrize(("number", "octets"), [
    (0, "C10900"), (200, "C109C8"), (255, "C109FF"), (65535, "C209FFFF"), (2**32 - 1, "C409FFFFFFFF"),
    (2**63, "C809088000000000000000"), (2**64 - 1, "C80908FFFFFFFFFFFFFFFF")])
def test_an_unsigned_integer_in_tlv_has_no_sign(number: int, octets: str) -> None:
    """LwM2M 1.1 core, table C.2: 1, 2, 4 or 8 octets in network byte order."""
    payload = encode({Path(3, 0, 9): Unsigned(number)}, Path(3, 0), ContentFormat.TLV)
    assert payload.hex().upper() == octets
    assert decode(payload, Path(3, 0), ContentFormat.TLV, lambda path: Type.UNSIGNED_INTEGER) == {Path(3, 0, 9): number}


@pytest.mark.parametrize("content_format", [ContentFormat.TEXT, ContentFormat.CBOR, ContentFormat.SENML_JSON,
                                            ContentFormat.SENML_CBOR, ContentFormat.JSON, FORMAT])
def test_a_negative_number_is_no_unsigned_integer(content_format: ContentFormat) -> None:
    path = Path(3, 0, 9)
    payload = encode({path: -1}, path, content_format)
    with pytest.raises(Lwm2mError, match="Unsigned Integer"):
        decode(payload, path, content_format, lambda _: Type.UNSIGNED_INTEGER)
    whole = encode({path: Unsigned(2**64 - 1)}, path, content_format)
    with pytest.raises(Lwm2mError, match="64 bits"):
        decode(whole, path, content_format, lambda _: Type.INTEGER)


@pytest.mark.parametrize("number", [-1, 2**64])
def test_a_number_out_of_range_is_no_unsigned_integer(number: int) -> None:
    with pytest.raises(Lwm2mError, match="not negative"):
        Unsigned(number)
