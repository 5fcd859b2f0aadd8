"""What a legal variant is, and the list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.twin.catalogue import Catalogue, Made, contents
from bench.twin.lab import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant(Change):
    """``place``: the open place of the manual (as docs/open-in-the-manual.md numbers it) or the tolerance that lets a
    unit be so.
    """

    place: str
    ordered: Mapping[str, int | str] = field(default_factory=dict)
    """Settings that were ordered with the unit: the station file says so, as an order sheet would."""


VARIANTS: Catalogue[Variant] = Catalogue("variant", group="mcm_bench.variants")


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
