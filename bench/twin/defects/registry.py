"""What a defect is, and the list of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.errors import BenchError
from bench.twin.lab import Spoil


@dataclass(frozen=True, slots=True)
class Defect:
    """``text`` says what is wrong with the unit, in a few words."""

    name: str
    wire: str
    requirements: tuple[str, ...]
    text: str
    spoil: Spoil


DEFECTS: dict[str, Defect] = {}


def find(names: Iterable[str]) -> list[Defect]:
    """The defects called so. Raises ``BenchError`` for a name that is none."""
    unknown = sorted(set(names) - DEFECTS.keys())
    if unknown:
        raise BenchError(f"defect {unknown[0]}", expected="one of " + ", ".join(sorted(DEFECTS)), seen="that name",
                         do="choose a name from the list")
    return [DEFECTS[name] for name in names]


def defect(name: str, *requirements: str, wire: str) -> Callable[[Spoil], Spoil]:
    """Register the decorated function as the defect ``name``; its docstring says what is wrong."""
    def register(spoil: Spoil) -> Spoil:
        if name in DEFECTS:
            raise ValueError(f"two defects are called {name}")
        DEFECTS[name] = Defect(name, wire, requirements, (spoil.__doc__ or "").strip().rstrip("."), spoil)
        return spoil
    return register
