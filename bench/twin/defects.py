"""Deliberate faults of the twin. The bench must catch every one of them (``mcm-bench prove``).

A defect is a name, the wire on which it shows, the requirements that it breaks, and a few lines that spoil a healthy
lab after it is built and before it is switched on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.twin.lab import Lab

Spoil = Callable[["Lab"], None]


@dataclass(frozen=True, slots=True)
class Defect:
    """``text`` says what is wrong with the unit, in a few words."""

    name: str
    wire: str
    requirements: tuple[str, ...]
    text: str
    spoil: Spoil


DEFECTS: dict[str, Defect] = {}


def defect(name: str, *requirements: str, wire: str) -> Callable[[Spoil], Spoil]:
    """Register the decorated function as the defect ``name``; its docstring says what is wrong."""
    def register(spoil: Spoil) -> Spoil:
        if name in DEFECTS:
            raise ValueError(f"two defects are called {name}")
        DEFECTS[name] = Defect(name, wire, requirements, (spoil.__doc__ or "").strip().rstrip("."), spoil)
        return spoil
    return register
