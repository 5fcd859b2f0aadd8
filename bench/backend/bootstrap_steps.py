"""The requests that a bootstrap is made of, as a script says them.

Source: OMA LightweightM2M 1.0 section 5.2.6 and 1.1 core section 6.1.7 (bootstrap interface).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.protocols.lwm2m import ContentFormat, Path, Value

ROOT = Path()


@dataclass(frozen=True, slots=True)
class Discover:
    """GET with Accept 40. A unit that refuses it is bootstrapped all the same."""

    path: Path = ROOT


@dataclass(frozen=True, slots=True)
class Read:
    """GET (LwM2M 1.1, objects 1 and 2 only). A unit that refuses it is bootstrapped all the same."""

    path: Path
    accept: ContentFormat | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE; the root deletes all but the bootstrap account."""

    path: Path = ROOT


@dataclass(frozen=True, slots=True)
class Write:
    """PUT of resources by their full paths. ``content_format`` None: what the sequence writes in."""

    path: Path
    values: Mapping[Path, Value] = field(repr=False)
    content_format: ContentFormat | None = None


@dataclass(frozen=True, slots=True)
class WriteRaw:
    """PUT of octets as they are, for contents that are wrong on purpose. None of them are written down."""

    path: Path
    payload: bytes = field(repr=False)
    content_format: int | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """POST /bs."""


Step = Discover | Read | Delete | Write | WriteRaw | Finish
