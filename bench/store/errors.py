"""What a store may answer instead of taking a record."""

from __future__ import annotations

from bench.errors import BenchError


class StoreAway(BenchError):  # noqa: N818 - reads as a sentence: store away
    """It can't be reached or can't write now; what is to be stored waits in the spool."""


class StoreRefuses(BenchError):  # noqa: N818 - reads as a sentence: store refuses
    """It will never take this record: not in this store, or not in this form."""
