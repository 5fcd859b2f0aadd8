"""One LwM2M resource of the unit, and the answers with which the unit refuses an operation on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.protocols.lwm2m import Type
from bench.twin.cmi6110.settings import Value


class NotAllowed(Exception):  # noqa: N818 - an answer to the server
    """4.05: the resource does not support the operation."""


class BadValue(Exception):  # noqa: N818 - an answer to the server
    """4.00: the value is of the wrong type or out of range."""


class NotFound(Exception):  # noqa: N818 - an answer to the server
    """4.04: there is no such resource, or no such instance of it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource; what is None is not allowed. A ``multiple`` resource has the one instance 0.

    A resource that shows a setting has ``stage``: the settings to store for a value. All settings of one write are
    stored together or not at all, and survive a power cut. Any other writable resource has ``write``, and ``check``
    if it doesn't take every value: so the unit knows that it can take all of a write before it takes any.
    """

    type: Type | None
    read: Callable[[], Any] | None = None
    write: Callable[[Any], None] | None = None
    execute: Callable[[str], None] | None = None
    multiple: bool = False
    stage: Callable[[Any], Mapping[str, Value]] | None = None
    check: Callable[[Any], None] | None = None

    @property
    def writable(self) -> bool:
        return self.write is not None or self.stage is not None
