"""What installed packages add to the bench: offered under the bench's entry-point groups, found by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

from bench.errors import BenchError

T = TypeVar("T")


def offered(group: str) -> set[str]:
    """The names under which installed packages offer something in ``group``."""
    return set(entry_points(group=group).names)


def load(group: str, name: str, then: Callable[[Any], T]) -> T:
    """What ``then`` makes of what is offered in ``group`` as ``name``. Raises ``BenchError`` when that can't be had, or
    two packages offer different things: which of them is meant nobody knows."""
    found, *others = entry_points(group=group, name=name)
    packages = " and ".join(sorted({one.dist.name if one.dist is not None else one.module for one in (found, *others)}))
    if any(other.value != found.value for other in others):
        raise BenchError(f"{name} in {group}", expected="one package that offers it", seen=packages,
                         do="remove all but one")
    try:
        return then(found.load())
    except BenchError:
        raise
    except Exception as error:    # a stranger's module may raise anything
        raise BenchError(f"{name} of the package {packages}", expected=f"to load {found.value}",
                         seen=f"{type(error).__name__}: {error}", do="install it anew, or ask who made it") from error
