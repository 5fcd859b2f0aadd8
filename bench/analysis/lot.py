"""Whether the units of a lot have keys of their own: what no single unit can show (SEC-03, EN 18031-1 CCK-3).

Keys are compared and never told: findings name units and kinds of keys only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise

LEAST_UNITS = 2
STRONG_OCTETS = 14
"""112 bit, EN 18031-1 CCK-1 (from memory)."""
ALIKE_BITS = 24
"""Two random keys of 128 bit differ in about 64 bits. In so few they differ where a counter, or a number with something
before it, was taken for a key."""
LISTED = 20


def findings(lot: Mapping[str, Mapping[str, bytes]], most: int = LISTED) -> list[str]:
    """What is wrong with the keys of a lot (unit -> kind of key -> octets), as sentences; of many the first. A kind is
    "pak", "dm" and so on."""
    found = list(_all(lot))
    return found[:most] + ([f"and {len(found) - most} more"] if len(found) > most else [])


def _all(lot: Mapping[str, Mapping[str, bytes]]) -> Iterator[str]:
    keys = [(unit, kind, octets) for unit, own in sorted(lot.items()) for kind, octets in sorted(own.items())]
    holders: dict[bytes, list[str]] = {}
    for unit, kind, octets in keys:
        holders.setdefault(octets, []).append(f"{unit} {kind}")
        yield from _of_one(unit, kind, octets)
    yield from (f"one key for all of {_listed(names)}" for names in holders.values() if len(names) > 1)
    for kind in sorted({kind for _, kind, _ in keys}):
        same_kind = [(unit, octets) for unit, each, octets in keys if each == kind]
        yield from _alike(kind, same_kind)


def _of_one(unit: str, kind: str, octets: bytes) -> Iterator[str]:
    if len(set(octets)) <= 2:
        yield f"{unit} {kind}: a key of one or two different octets"
    elif len(octets) < STRONG_OCTETS:
        yield f"{unit} {kind}: a key of {8 * len(octets)} bit"
    try:
        name = bytes.fromhex(unit)
    except ValueError:
        return
    if name and any(part in octets or part in octets[::-1] for part in (name, unit.encode(), unit.lower().encode())):
        yield f"{unit} {kind}: the unit's own name is in the key"


def _alike(kind: str, keys: Sequence[tuple[str, bytes]]) -> Iterator[str]:
    """Neighbours in the order of delivery and of their values: in a large lot not each pair is compared."""
    by_value = sorted(keys, key=lambda one: one[1])
    pairs = combinations(keys, 2) if len(keys) <= 100 else (*pairwise(keys), *pairwise(by_value))
    for (one, first), (other, second) in pairs:
        if first != second and len(first) == len(second) and _distance(first, second) <= ALIKE_BITS:
            yield f"{kind} of {one} and {other} differ in {_distance(first, second)} bits only"


def _distance(first: bytes, second: bytes) -> int:
    return (int.from_bytes(first, "big") ^ int.from_bytes(second, "big")).bit_count()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
