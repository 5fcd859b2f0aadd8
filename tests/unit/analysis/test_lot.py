"""Keys of a lot: what is told of them, and that no key is."""

import random

import pytest

from bench.analysis.lot import findings

CHANCE = random.Random(5)


def a_lot(units: int = 40) -> dict[str, dict[str, bytes]]:
    return {f"94193A04010000{number:02X}": {kind: CHANCE.randbytes(16) for kind in ("pak", "bootstrap", "dm", "mdm")}
            for number in range(units)}


def test_random_keys_have_nothing_against_them() -> None:
    assert findings(a_lot()) == []


def test_a_large_lot_is_looked_through_in_no_time() -> None:
    lot = {f"{number:016X}": {"pak": CHANCE.randbytes(16)} for number in range(5000)}
    lot["94193A0401000001"] = {"pak": lot["0000000000000007"]["pak"]}
    assert findings(lot) == ["one key for all of 0000000000000007 pak, 94193A0401000001 pak"]


@pytest.mark.parametrize(("kind", "make", "said"), [
    ("pak", lambda lot, unit: lot["94193A0401000000"]["pak"], "one key for all of"),
    ("dm", lambda lot, unit: lot[unit]["mdm"], "one key for all of"),
    ("dm", lambda lot, unit: bytes(16), "one or two different octets"),
    ("dm", lambda lot, unit: lot[unit]["pak"][:13], "104 bit"),
    ("dm", lambda lot, unit: bytes.fromhex(unit) + b"12345678", "own name"),
    ("dm", lambda lot, unit: unit.encode(), "own name"),
    ("dm", lambda lot, unit: lot["94193A0401000000"]["dm"][:-1] + bytes((lot["94193A0401000000"]["dm"][-1] ^ 3,)),
     "differ in 2 bits only"),
])
def test_each_fault_is_told_without_a_key(kind, make, said) -> None:  # type: ignore[no-untyped-def]
    lot = a_lot()
    unit = "94193A0401000009"
    lot[unit][kind] = make(lot, unit)
    found = findings(lot)
    assert len(found) == 1, found
    assert said in found[0]
    assert unit in found[0]
    assert not any(octets.hex() in found[0] for own in lot.values() for octets in own.values())


def test_many_are_counted() -> None:
    lot = {f"{number:016X}": {"pak": bytes(16)} for number in range(60)}
    assert findings(lot)[-1] == "and 42 more"
