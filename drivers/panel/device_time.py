"""From the time stamps of an instrument to bench time."""

from __future__ import annotations

from dataclasses import dataclass

RATE_SPAN_US = 600_000_000
"""A drift is estimated from points at least this far apart (box time); shorter spans say little about it."""

_FIRST_SPAN_US = 10_000_000


@dataclass(frozen=True, slots=True)
class _Point:
    """At box time ``stamp_us`` it was bench time ``bench_us``, or up to ``error_us`` earlier."""

    stamp_us: int
    bench_us: int
    error_us: float


class DeviceTime:
    """Follows the clock of an instrument that stamps what it sends.

    A line arrives later than it was stamped, never earlier, by a delay that changes (0.3 to 15 ms on USB). So the
    points (stamp, arrival) lie on or above the true line, and their **lower envelope** is the best estimate of it:
    a point below the line in use moves the line down. Upwards the line moves only for a point that is known better
    than the line: an answer, whose delay is within its round trip, or any point once the crystal may have drifted
    further than ``worst_delay_s``. The drift follows from the first such point and the newest, when they are far
    enough apart; until then it is zero within the crystal's stated tolerance. Whole microseconds throughout: where
    nothing is ever late (``worst_delay_s`` = 0, virtual time) the result is exact.
    """

    def __init__(self, crystal_ppm: float, worst_delay_s: float) -> None:
        self._worst_delay_us = round(worst_delay_s * 1e6)
        self._first: _Point | None = None
        self._anchor: _Point | None = None
        self._newest_us = 0
        self._rate = 1.0                        # bench seconds per box second
        self._rate_error = crystal_ppm * 1e-6
        self._rate_known = False

    @property
    def drift_ppm(self) -> float | None:
        """How much the box clock is fast (negative: slow), in parts per million; None while unknown."""
        return (1.0 / self._rate - 1.0) * 1e6 if self._rate_known else None

    @property
    def uncertainty_s(self) -> float:
        """How far ``to_bench`` of the newest stamp may be off: the delay of the point that the line goes through, and
        what the box clock may have drifted since. Infinite before the first point."""
        return float("inf") if self._anchor is None else self._error_us(self._newest_us, self._anchor) * 1e-6

    def interval_uncertainty_s(self, duration_s: float) -> float:
        """How far ``duration_s`` between two stamps may be off: by the rate, and by what the line has moved between
        them, which is never more than it may be off itself."""
        return self.uncertainty_s + duration_s * self._rate_error

    def to_bench(self, stamp_us: int) -> float:
        """The bench time (seconds) of a stamp. Raises ``ValueError`` before the first point."""
        if self._anchor is None:
            raise ValueError("no stamp has arrived yet")
        return self._line_us(stamp_us, self._anchor) / 1e6

    def arrived(self, stamp_us: int, arrival_us: int, asked_us: int | None = None) -> float:
        """A line stamped ``stamp_us`` (box time) arrived at ``arrival_us`` (bench time).

        ``asked_us`` is the bench time at which it was asked for; then the delay is within the round trip. Returns how
        far (seconds) this contradicts the crystal's stated tolerance; 0 when it does not.
        """
        delay_us = self._worst_delay_us if asked_us is None else arrival_us - asked_us
        point = _Point(stamp_us, arrival_us, delay_us)
        self._newest_us = max(self._newest_us, stamp_us)
        if self._anchor is None:
            self._first = self._anchor = point
            return 0.0
        late_us = arrival_us - self._line_us(stamp_us, self._anchor)
        error_us = self._error_us(stamp_us, self._anchor)
        too_late_us = late_us - delay_us - error_us
        contradiction_us = -late_us - error_us
        if asked_us is not None:
            contradiction_us = max(contradiction_us, too_late_us)
        if late_us < 0:
            left_us = error_us + late_us
            self._move_to(_Point(stamp_us, arrival_us, left_us if left_us >= 0 else delay_us))
        elif delay_us < error_us and (asked_us is not None or too_late_us <= 0):
            self._move_to(point)
        return max(contradiction_us, 0.0) * 1e-6

    def _move_to(self, anchor: _Point) -> None:
        self._anchor = anchor
        if self._first is None or anchor.stamp_us - self._first.stamp_us < _FIRST_SPAN_US:
            self._first = anchor if self._first is None or anchor.error_us <= self._first.error_us else self._first
            return
        span_us = anchor.stamp_us - self._first.stamp_us
        error = (self._first.error_us + anchor.error_us + 1.0) / span_us
        if span_us >= RATE_SPAN_US and error < self._rate_error:
            self._rate = (anchor.bench_us - self._first.bench_us) / span_us
            self._rate_error = error
            self._rate_known = True

    def _line_us(self, stamp_us: int, anchor: _Point) -> int:
        return anchor.bench_us + round((stamp_us - anchor.stamp_us) * self._rate)

    def _error_us(self, stamp_us: int, anchor: _Point) -> float:
        return anchor.error_us + abs(stamp_us - anchor.stamp_us) * self._rate_error
