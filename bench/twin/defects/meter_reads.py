"""Defects of reading a meter that does not answer (33906/0/43)."""

from __future__ import annotations

from bench.twin.cmi6110.readouts import Readouts
from bench.twin.defects.registry import defect


@defect("meter-retried-once-more", "SCH-27", "LWM2M-33906.0.43", wire="supply")
class OnceMore(Readouts):
    """A meter that does not answer is asked once more than is set."""

    def retries(self) -> int:
        return super().retries() + 1


@defect("meter-retried-three-times-at-least", "SCH-27", "LWM2M-33906.0.43", wire="supply")
class ThreeTimesAtLeast(Readouts):
    """A meter that does not answer is asked again three times at least."""

    def retries(self) -> int:
        return max(super().retries(), 3)


@defect("meter-retried-three-times-at-most", "SCH-27", "LWM2M-33906.0.43", wire="supply")
class ThreeTimesAtMost(Readouts):
    """A meter that does not answer is asked again three times at most."""

    def retries(self) -> int:
        return min(super().retries(), 3)


@defect("meter-retried-without-end", "SCH-27", "LWM2M-33906.0.43", wire="supply")
class WithoutEnd(Readouts):
    """A meter that does not answer is asked again and again, unless no retries are set."""

    def retries(self) -> int:
        return 10_000 if super().retries() else 0
