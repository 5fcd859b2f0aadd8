"""What a legal variant is, and the list of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.twin.catalogue import Catalogue, Made, contents
from bench.twin.lab import Change
from bench.twin.like import Like


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant(Change):
    """``place``: the open place of the manual (as docs/open-in-the-manual.md numbers it) or the tolerance that lets a
    unit be so.
    """

    place: str
    ordered: Mapping[str, int | str] = field(default_factory=dict)
    """Settings that were ordered with the unit: the station file says so, as an order sheet would."""


LIKE = "like:"
"""A variant called so, with the path of a file: the twin is like the unit that the file was learned from."""


class Variants(Catalogue[Variant]):
    """Legal variants by their name, and units that were learned by their file."""

    def find(self, names: Iterable[str]) -> list[Variant]:
        """Raises ``BenchError`` for a name that is none, and for a file that is no unit's."""
        found: list[Variant] = []
        for name in names:
            found += self._learned(name) if name.startswith(LIKE) else super().find([name])
        return found

    def _learned(self, name: str) -> list[Variant]:
        """The legal variants that the unit is like, and what of it is its own."""
        like = Like.load(Path(name.removeprefix(LIKE)))
        own = Variant(name=name, text="like a unit that was recorded", place="as recorded", parts=like.parts,
                      prepare=like.prepare, ordered=like.ordered)
        return [*super().find(like.readings), own]


VARIANTS = Variants("variant", group="mcm_bench.variants")


def variant(name: str, *, place: str, beside: tuple[type, ...] = (),
            ordered: Mapping[str, int | str] | None = None) -> Callable[[Made], Made]:
    """Register the decorated class or function as the variant ``name``; its docstring says what is different. A class
    replaces the part that it is a subclass of, a function gets the lab before it is switched on. ``beside``: classes
    that replace other parts, where it takes two.
    """
    def register(made: Made) -> Made:
        own = contents(made)
        parts = (*own.pop("parts", ()), *beside)
        VARIANTS.add(Variant(name=name, place=place, parts=parts, ordered=ordered or {}, **own))
        return made
    return register
