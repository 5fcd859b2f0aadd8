"""What an exporter is, and what it may answer instead of taking a document."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from bench.errors import BenchError
from reports.exports.document import Document


class TargetAway(BenchError):  # noqa: N818 - reads as a sentence: target away
    """It did not take the document, and may take it later: it is not there, not well, or does not let us in."""


class TargetUnwell(TargetAway):
    """It is there, and this document made it stumble: perhaps it takes others."""


class TargetRefuses(BenchError):  # noqa: N818 - reads as a sentence: target refuses
    """It will never take this document as it is."""


class Exporter(Protocol):
    """Made with the options of its target and the folder that their paths are relative to; raises ``BenchError`` for
    options that are wrong. It is told of each document once, and again only when ``send`` did not return.
    ``OPTIONS``: their names; others in the file of exports are refused."""

    OPTIONS: ClassVar[Collection[str]]

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None: ...

    def send(self, document: Document) -> None:
        """Return when the target has the document for good. Raises ``TargetAway``, ``TargetUnwell`` or
        ``TargetRefuses``."""
