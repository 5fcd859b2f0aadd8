"""OMA TLV against the worked example of the specification and hand-made entries."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bench.protocols.lwm2m import ContentFormat, Lwm2mError, ObjLink, Path, Type, Value, decode, encode

# The Device object of LwM2M 1.0 section 6.4.3.1, GET /3/0.
DEVICE_HEX = """
C8 00 14 4F 70 65 6E 20 4D 6F 62 69 6C 65 20 41 6C 6C 69 61 6E 63 65
C8 01 16 4C 69 67 68 74 77 65 69 67 68 74 20 4D 32 4D 20 43 6C 69 65 6E 74
C8 02 09 33 34 35 30 30 30 31 32 33
C3 03 31 2E 30
86 06 41 00 01 41 01 05
88 07 08 42 00 0E D8 42 01 13 88
87 08 41 00 7D 42 01 03 84
C1 09 64
C1 0A 0F
83 0B 41 00 00
C4 0D 51 82 42 8F
C6 0E 2B 30 32 3A 30 30
C1 10 55
"""
DEVICE: dict[Path, Value] = {
    Path(3, 0, 0): "Open Mobile Alliance", Path(3, 0, 1): "Lightweight M2M Client", Path(3, 0, 2): "345000123",
    Path(3, 0, 3): "1.0", Path(3, 0, 6, 0): 1, Path(3, 0, 6, 1): 5, Path(3, 0, 7, 0): 3800, Path(3, 0, 7, 1): 5000,
    Path(3, 0, 8, 0): 125, Path(3, 0, 8, 1): 900, Path(3, 0, 9): 100, Path(3, 0, 10): 15, Path(3, 0, 11, 0): 0,
    Path(3, 0, 13): datetime(2013, 5, 2, 10, 40, 15, tzinfo=UTC), Path(3, 0, 14): "+02:00", Path(3, 0, 16): "U",
}
DEVICE_TYPES = {0: Type.STRING, 1: Type.STRING, 2: Type.STRING, 3: Type.STRING, 6: Type.INTEGER, 7: Type.INTEGER,
                8: Type.INTEGER, 9: Type.INTEGER, 10: Type.INTEGER, 11: Type.INTEGER, 13: Type.TIME,
                14: Type.STRING, 16: Type.STRING}


def device_types(path: Path) -> Type:
    return DEVICE_TYPES[path[2]]


def tlv(text: str, base: Path, kind: Type) -> dict[Path, Value]:
    return decode(bytes.fromhex(text), base, ContentFormat.TLV, lambda path: kind)


def test_the_device_object_of_the_specification_decodes() -> None:
    assert decode(bytes.fromhex(DEVICE_HEX), Path(3, 0), ContentFormat.TLV, device_types) == DEVICE


def test_the_device_object_of_the_specification_encodes_to_the_same_octets() -> None:
    assert encode(DEVICE, Path(3, 0), ContentFormat.TLV) == bytes.fromhex(DEVICE_HEX)


def test_an_object_comes_in_an_instance_entry_with_a_one_octet_length() -> None:
    octets = bytes.fromhex(DEVICE_HEX)
    assert encode(DEVICE, Path(3), ContentFormat.TLV) == bytes([0x08, 0x00, len(octets)]) + octets
    assert decode(bytes([0x08, 0, len(octets)]) + octets, Path(3), ContentFormat.TLV, device_types) == DEVICE


def test_resources_without_an_instance_entry_belong_to_instance_0() -> None:
    assert decode(bytes.fromhex(DEVICE_HEX), Path(3), ContentFormat.TLV, device_types) == DEVICE


# LwM2M 1.0 section 6.4.3.2: two Server instances of the Access Control object, GET /2, ids and links.
def test_two_instances_of_the_access_control_object_decode() -> None:
    payload = ("08 00 0E C1 00 01 C1 01 00 83 02 41 7F 07 C1 03 7F"
               "08 02 12 C1 00 03 C1 01 00 87 02 41 7F 07 61 01 36 01 C1 03 7F")
    assert tlv(payload, Path(2), Type.INTEGER) == {
        Path(2, 0, 0): 1, Path(2, 0, 1): 0, Path(2, 0, 2, 127): 7, Path(2, 0, 3): 127,
        Path(2, 2, 0): 3, Path(2, 2, 1): 0, Path(2, 2, 2, 127): 7, Path(2, 2, 2, 310): 1, Path(2, 2, 3): 127}


@pytest.mark.parametrize(("number", "octets"), [
    (0, "C1 05 00"), (127, "C1 05 7F"), (128, "C2 05 0080"), (-1, "C1 05 FF"), (-128, "C1 05 80"),
    (-129, "C2 05 FF7F"), (32767, "C2 05 7FFF"), (32768, "C4 05 00008000"), (-32769, "C4 05 FFFF7FFF"),
    (2**31 - 1, "C4 05 7FFFFFFF"), (2**31, "C8 05 08 0000000080000000"), (-2**31, "C4 05 80000000"),
    (-2**31 - 1, "C8 05 08 FFFFFFFF7FFFFFFF"), (240011234567890, "C8 05 08 0000DA49F860E6D2"),
    (2**63 - 1, "C8 05 08 7FFFFFFFFFFFFFFF"), (-2**63, "C8 05 08 8000000000000000"),
])
def test_integers_take_1_2_4_or_8_octets_in_twos_complement(number: int, octets: str) -> None:
    assert encode({Path(3, 0, 5): number}, Path(3, 0, 5), ContentFormat.TLV) == bytes.fromhex(octets)
    assert tlv(octets, Path(3, 0, 5), Type.INTEGER) == {Path(3, 0, 5): number}


@pytest.mark.parametrize(("value", "kind", "octets"), [
    (1.5, Type.FLOAT, "C4 05 3FC00000"), (0.1, Type.FLOAT, "C8 05 08 3FB999999999999A"),
    (1e300, Type.FLOAT, "C8 05 08 7E37E43C8800759C"),
    (True, Type.BOOLEAN, "C1 05 01"), (False, Type.BOOLEAN, "C1 05 00"),
    ("", Type.STRING, "C0 05"), ("Ä", Type.STRING, "C2 05 C384"), (b"\x00\xff", Type.OPAQUE, "C2 05 00FF"),
    (ObjLink(10, 3), Type.OBJLNK, "C4 05 000A0003"),
    (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), Type.TIME, "C1 05 FF"),
    (datetime(2026, 11, 22, tzinfo=UTC), Type.TIME, "C4 05 6B023080"),
])
def test_each_type_has_its_octets(value: Value, kind: Type, octets: str) -> None:
    assert encode({Path(3, 0, 5): value}, Path(3, 0, 5), ContentFormat.TLV) == bytes.fromhex(octets)
    assert tlv(octets, Path(3, 0, 5), kind) == {Path(3, 0, 5): value}


@pytest.mark.parametrize(("length", "header"), [
    (0, "C0 05"), (7, "C7 05"), (8, "C8 05 08"), (255, "C8 05 FF"), (256, "D0 05 0100"), (65535, "D0 05 FFFF"),
    (65536, "D8 05 010000"),
])
def test_the_length_field_grows_with_the_value(length: int, header: str) -> None:
    payload = encode({Path(9, 0, 5): bytes(length)}, Path(9, 0, 5), ContentFormat.TLV)
    assert payload == bytes.fromhex(header) + bytes(length)
    assert decode(payload, Path(9, 0), ContentFormat.TLV, lambda path: Type.OPAQUE) == {
        Path(9, 0, 5): bytes(length)}


def test_an_id_above_255_takes_two_octets() -> None:
    assert encode({Path(33911, 256, 5850): 1}, Path(33911), ContentFormat.TLV) == bytes.fromhex(
        "24 0100 E1 16DA 01")


def test_the_low_bits_of_the_type_are_ignored_when_a_length_field_follows() -> None:
    assert tlv("CF 05 02 4142", Path(3, 0), Type.STRING) == {Path(3, 0, 5): "AB"}


def test_a_resource_instance_may_come_bare_or_inside_its_resource() -> None:
    assert tlv("41 01 05", Path(3, 0, 6), Type.INTEGER) == {Path(3, 0, 6, 1): 5}
    assert tlv("41 01 05", Path(3, 0, 6, 1), Type.INTEGER) == {Path(3, 0, 6, 1): 5}
    assert tlv("83 06 41 01 05", Path(3, 0, 6, 1), Type.INTEGER) == {Path(3, 0, 6, 1): 5}
    assert encode({Path(3, 0, 6, 1): 5}, Path(3, 0, 6, 1), ContentFormat.TLV) == bytes.fromhex("41 01 05")


@pytest.mark.parametrize(("payload", "base", "kind", "complaint"), [
    ("C1", Path(3, 0), Type.INTEGER, "octet 1: the header of a TLV entry is cut off"),
    ("C8 05", Path(3, 0), Type.INTEGER, "octet 1: the header of a TLV entry is cut off"),
    ("C1 09 64 C2 05 00", Path(3, 0), Type.INTEGER, "octet 5: TLV entry 5 needs 2 octet(s), 1 left"),
    ("C3 05 000000", Path(3, 0), Type.INTEGER, "octet 2: /3/0/5: Integer has 3 octet(s), allowed are 1, 2, 4 and 8"),
    ("C0 05", Path(3, 0), Type.INTEGER, "octet 2: /3/0/5: Integer has 0 octet(s), allowed are 1, 2, 4 and 8"),
    ("C1 05 02", Path(3, 0), Type.BOOLEAN, "octet 2: /3/0/5: Boolean is 02, allowed are 00 and 01"),
    ("C2 05 3FC0", Path(3, 0), Type.FLOAT, "octet 2: /3/0/5: Float has 2 octet(s), allowed are 4 and 8"),
    ("C1 05 00", Path(3, 0), Type.OBJLNK, "octet 2: /3/0/5: Objlnk has 1 octet(s) instead of 4"),
    ("C2 05 41FF", Path(3, 0), Type.STRING, "octet 2: /3/0/5: String is not UTF-8 at its octet 1"),
    ("C8 05 08 7FFFFFFFFFFFFFFF", Path(3, 0), Type.TIME,
     "octet 3: /3/0/5: time 9223372036854775807 s is outside the years 1 to 9999"),
    ("C1 05 00 C1 05 00", Path(3, 0), Type.INTEGER, "octet 3: /3/0/5 occurs twice"),
    ("C1 05 00", Path(3, 0, 6), Type.INTEGER, "octet 0: /3/0/5 is not under /3/0/6"),
    ("03 01 C1 05 00", Path(3, 0), Type.INTEGER, "octet 0: /3/1 is not under /3/0"),
    ("41 05 00", Path(3, 0), Type.INTEGER, "octet 0: resource instance where a resource belongs"),
    ("83 05 C1 00 00", Path(3, 0), Type.INTEGER, "octet 2: resource inside a multiple resource"),
    ("C1 05 00", Path(), Type.INTEGER, "TLV has no form for the root path"),
])
def test_an_error_says_what_is_wrong_and_where(payload: str, base: Path, kind: Type, complaint: str) -> None:
    with pytest.raises(Lwm2mError) as error:
        tlv(payload, base, kind)
    assert str(error.value) == complaint


@pytest.mark.parametrize("value", [2**63, -2**63 - 1, datetime(2026, 1, 1), "\ud800"])  # noqa: DTZ001 - the naive time is the case
def test_what_no_octets_can_hold_is_refused(value: Value) -> None:
    with pytest.raises(Lwm2mError):
        encode({Path(3, 0, 5): value}, Path(3, 0), ContentFormat.TLV)
