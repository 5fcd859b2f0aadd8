"""A named list of changes of the twin: its defects, its legal variants, the faults of its instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, TypeVar

from bench import installed
from bench.errors import unknown
from bench.twin.lab import Change, Lab

C = TypeVar("C", bound=Change)
Made = TypeVar("Made", bound=type | Callable[[Lab], None])
"""What a change is made with."""


class Catalogue(dict[str, C]):
    """Changes by their name. ``kind`` is what one of them is called: defect, variant, fault. ``group``: the entry-point
    group in which installed packages offer more of them, each a class or function that is added when it is loaded."""

    def __init__(self, kind: str, group: str = "") -> None:
        super().__init__()
        self.kind = kind
        self.group = group

    def add(self, change: C) -> None:
        if change.name in self:
            raise ValueError(f"two {self.kind}s are called {change.name}")
        self[change.name] = change

    def find(self, names: Iterable[str]) -> list[C]:
        """Those called so. Raises ``BenchError`` for a name that is none."""
        offered = installed.offered(self.group) if self.group else set()
        for name in sorted(set(names) & offered - self.keys()):
            installed.load(self.group, name, then=lambda added: added)
        for name in sorted(set(names) - self.keys()):
            raise unknown(f"{self.kind} {name}", name, {*self, *offered}, f"choose from mcm-bench list {self.kind}s")
        return [self[name] for name in names]


def contents(made: type | Callable[[Lab], None]) -> dict[str, Any]:
    """What a decorated class (it replaces the part that it is a subclass of) or function (it gets the lab once that is
    built) makes of a ``Change``; its docstring says what is different. Raises ValueError for one that changes nothing.
    """
    text = (made.__doc__ or "").strip().rstrip(".")
    if not text:
        raise ValueError(f"{made.__qualname__} does not say in a docstring what is different")
    if not isinstance(made, type):
        return {"text": text, "prepare": made}
    own = {name for name, value in vars(made).items() if not name.startswith("__") or isinstance(value, FunctionType)}
    overridden = {name for name in own if any(hasattr(base, name) for base in made.__bases__)}
    if not overridden or any(name.startswith("__") for name in own - overridden):
        raise ValueError(f"{made.__name__} overrides nothing of {made.__bases__[0].__name__}, or a method that "
                         "nobody calls")
    return {"text": text, "parts": (made,)}
