"""One LwM2M resource of the unit, and the answers with which the unit refuses an operation on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.protocols.lwm2m import Type


class NotAllowed(Exception):  # noqa: N818 - an answer to the server
    """4.05: the resource does not support the operation."""


class BadValue(Exception):  # noqa: N818 - an answer to the server
    """4.00: the value is of the wrong type or out of range."""


@dataclass(slots=True)
class Resource:
    """One resource; what is None is not allowed. A ``multiple`` resource has the one instance 0."""

    type: Type | None
    read: Callable[[], Any] | None = None
    write: Callable[[Any], None] | None = None
    execute: Callable[[str], None] | None = None
    multiple: bool = False
