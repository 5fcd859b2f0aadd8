"""Of which classes the twin is made. Here a defect or a legal variant puts its own in the place of a healthy one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

T = TypeVar("T")


class Part:
    """What the parts that are dataclasses have in common: a place where a replacement can begin."""

    def __post_init__(self) -> None:
        """Called when the part is built; a replacement that does something here calls ``super()``."""


class Parts:
    """``of(Front)`` is the class to build a front from: Front itself, or what replaces it.

    A replacement is a subclass of the part. Several of one part are layers over each other, the last one outermost, so
    each calls ``super()``. All of it is settled before anything is built: nothing is patched into an object.
    ``built``: the parts that were asked for.
    """

    def __init__(self, replacements: Iterable[type] = ()) -> None:
        self._replacements = tuple(dict.fromkeys(replacements))
        self._unused = set(self._replacements)
        self._made: dict[type, type] = {}
        self.built: set[type] = set()

    def of(self, part: type[T]) -> type[T]:
        self.built.add(part)
        made = self._made.get(part)
        if made is None:
            made = self._made[part] = self._layered(part)
        return cast(type[T], made)

    def _layered(self, part: type) -> type:
        layers = tuple(one for one in reversed(self._replacements) if issubclass(one, part))
        self._unused.difference_update(layers)
        if not layers:
            return part
        return layers[0] if len(layers) == 1 else type(part.__name__, layers, {})

    def check_all_used(self) -> None:
        """Raises TypeError for a replacement of something that is no part of the twin: it would change nothing."""
        for one in self._replacements:
            if one in self._unused:
                raise TypeError(f"{one.__name__} replaces no part of the twin: {one.__mro__[1].__name__} is none")
