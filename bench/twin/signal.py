"""A physical quantity between two parts of the twin: an LED's light, a contact, a supply voltage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Signal(Generic[T]):
    """A value that parts of the twin set and others follow. Followers hear of changes, at once, in their order."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._followers: list[Callable[[T], None]] = []

    @property
    def value(self) -> T:
        return self._value

    def set(self, value: T) -> None:
        if value != self._value:
            self._value = value
            for follower in list(self._followers):
                follower(value)

    def follow(self, follower: Callable[[T], None]) -> None:
        """Call ``follower(value)`` on each change from now on."""
        self._followers.append(follower)
