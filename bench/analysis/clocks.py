"""Comparing clocks that take time to read."""

from __future__ import annotations

from datetime import datetime, timedelta

DISPLAY = timedelta(seconds=1)
"""Clocks show whole seconds: what they show may be up to this much older than what they mean."""


def difference_s(shown: datetime, before: datetime, after: datetime) -> float:
    """How far (s) a clock that was read between ``before`` and ``after`` was off; 0 when it may have been right.

    Positive: the clock is fast. The three times are all naive in one zone, or all aware.
    """
    if shown > after:
        return (shown - after).total_seconds()
    if shown + DISPLAY < before:
        return (shown + DISPLAY - before).total_seconds()
    return 0.0
