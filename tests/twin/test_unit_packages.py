"""The twin's firmware packages, and the attributes of its observations."""

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.attributes import Attributes, is_due
from bench.twin.cmi6110.package import HEADER_SIZE, DamagedPackage, NoPackage, Package
from bench.twin.cmi6110.resource import BadValue

PACKAGE = Package("CMi6110", "1B", "2.4.0", b"program")
WRITTEN_OUT = (b"MCMF\x01" + b"CMi6110".ljust(16, b"\0") + b"1B".ljust(8, b"\0") + b"2.4.0".ljust(12, b"\0")
               + b"\x00\x00\x00\x07")


def test_a_package_is_laid_out_as_described() -> None:
    crc = binascii.crc32(WRITTEN_OUT + b"program").to_bytes(4, "big")
    assert PACKAGE.encode() == WRITTEN_OUT + crc + b"program"
    assert len(WRITTEN_OUT) + 4 == HEADER_SIZE
    assert Package.decode(WRITTEN_OUT + crc + b"program") == PACKAGE


@given(st.integers(0, len(PACKAGE.encode()) - 1), st.integers(1, 255))
def test_a_change_of_any_octet_is_found(position: int, difference: int) -> None:
    content = bytearray(PACKAGE.encode())
    content[position] ^= difference
    with pytest.raises((NoPackage, DamagedPackage)):
        Package.decode(bytes(content))


@given(st.binary(max_size=200))
def test_nothing_else_is_a_package(content: bytes) -> None:
    with pytest.raises((NoPackage, DamagedPackage)):
        Package.decode(content)
    with pytest.raises(DamagedPackage):
        Package.decode(b"MCMF" + content)


@pytest.mark.parametrize("size", [5, HEADER_SIZE - 1, HEADER_SIZE, HEADER_SIZE + 6])
def test_a_truncated_package_is_damaged(size: int) -> None:
    with pytest.raises(DamagedPackage):
        Package.decode(PACKAGE.encode()[:size])


def test_attributes_of_a_resource_go_before_those_of_its_instance_and_object() -> None:
    attributes = Attributes()
    attributes.write(Path(3), ["pmin=10", "pmax=60"])
    attributes.write(Path(3, 0), ["pmin=20"])
    attributes.write(Path(3, 0, 7), ["pmin=30", "st=5"])
    assert attributes.of(Path(3, 0, 7)) == {"pmin": 30, "pmax": 60, "st": 5}
    assert attributes.of(Path(3, 0, 0)) == {"pmin": 20, "pmax": 60}
    assert attributes.at(Path(3, 0, 7)) == ";pmin=30;st=5"


@pytest.mark.parametrize("query", [["pmin=x"], ["pmin=-1"], ["colour=1"], ["gt=1", "lt=2"], ["pmin=1", "what"]])
def test_senseless_attributes_change_nothing(query: list[str]) -> None:
    attributes = Attributes()
    attributes.write(Path(3, 0, 7), ["pmin=30"])
    with pytest.raises(BadValue):
        attributes.write(Path(3, 0, 7), query)
    assert attributes.of(Path(3, 0, 7)) == {"pmin": 30}


@pytest.mark.parametrize(("attributes", "last", "now", "since_s", "due"), [
    ({}, 1, 1, 1000, False), ({}, 1, 2, 1, True),
    ({"pmin": 10}, 1, 2, 9, False), ({"pmin": 10}, 1, 2, 10, True),
    ({"pmax": 30}, 1, 1, 29, False), ({"pmax": 30}, 1, 1, 30, True),
    ({"st": 5}, 10, 14, 1, False), ({"st": 5}, 10, 15, 1, True), ({"st": 5}, 10, 5, 1, True),
    ({"gt": 20}, 10, 20, 1, False), ({"gt": 20}, 10, 21, 1, True), ({"gt": 20}, 21, 20, 1, True),
    ({"gt": 20}, 21, 25, 1, False), ({"lt": 5}, 10, 5, 1, False), ({"lt": 5}, 10, 4, 1, True),
    ({"lt": 5}, 4, 3, 1, False), ({"st": 5}, "a", "b", 1, True),
])
def test_when_a_value_is_notified(attributes: dict[str, float], last: object, now: object, since_s: float,
                                  due: bool) -> None:
    assert is_due(attributes, last, now, since_s) is due
