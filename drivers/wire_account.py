"""Whether anything more will come from the twin on a serial wire: what a time-out is in virtual time."""

from __future__ import annotations

import time

from bench.clock import Clock, WireCounts

_LOOK_S = 0.0005
_LOADED_MACHINE_S = 60.0
"""Real seconds for which the twin in this process may be busy with what it was told, on a machine under load."""


class WireAccount:
    """What a driver has written to and read from ``port``, held against what the twin's end says (``Clock.wires``).

    In virtual time all that will come has come when the twin has taken everything that was written, and everything that
    it gave was read. So no machine is too slow for a healthy twin, and its silence is known at once. With a real
    instrument, or in real time, a deadline is a deadline.
    """

    def __init__(self, port: str, clock: Clock | None) -> None:
        self._port = port
        self._clock = clock
        counts = self._twin or WireCounts()
        self._written, self._read = counts.taken, counts.given

    def written(self, count: int) -> None:
        """So many bytes are about to be written."""
        self._written += count

    def read(self, count: int) -> None:
        self._read += count

    def discarded(self) -> None:
        """All that had come was thrown away."""
        self._read = (self._twin or WireCounts()).given

    def wait_until_taken(self, give_up_at: float | None = None) -> None:
        """Wait until the twin has taken everything; with a real instrument until ``give_up_at`` (``time.monotonic``),
        or not at all.
        """
        end = time.monotonic() + _LOADED_MACHINE_S
        while (counts := self._twin) is not None and counts.taken < self._written and time.monotonic() < end:
            time.sleep(_LOOK_S)
        if counts is None and give_up_at is not None:
            time.sleep(max(0.0, give_up_at - time.monotonic()))

    def is_over(self, deadline: float) -> bool:
        """Whether nothing more is to be waited for. ``deadline``: as ``time.monotonic`` counts."""
        counts = self._twin
        if counts is None or self._clock is None or not self._clock.is_virtual:
            return time.monotonic() > deadline
        has_come = counts.taken >= self._written and self._read >= counts.given
        return has_come or time.monotonic() > deadline + _LOADED_MACHINE_S

    @property
    def _twin(self) -> WireCounts | None:
        return self._clock.wires.get(self._port) if self._clock is not None else None
