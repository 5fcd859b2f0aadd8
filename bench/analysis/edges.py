"""From edges to the times in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pulse:
    """``channel`` was on from ``start`` to ``end`` (bench time, seconds). ``is_open``: it was still on at ``end``."""

    channel: str
    start: float
    end: float
    is_open: bool = False

    @property
    def duration(self) -> float:
        """Seconds; of an open pulse, so far."""
        return round(self.end - self.start, 6)

    def __str__(self) -> str:
        return f"{self.channel} {'still on after' if self.is_open else 'for'} {self.duration:.3f} s"


def pulses_of(channel: str, edges: Iterable[tuple[float, bool]], until: float | None) -> list[Pulse]:
    """The pulses of the edges ``(time, on)``, in the order of time.

    A channel that is on without having gone on counts from its first edge, so an edge that repeats the level changes
    nothing. What is still on at the end is open until ``until`` (or the last edge). Edges after ``until`` don't count.
    """
    pulses: list[Pulse] = []
    start: float | None = None
    last = 0.0
    for time, on in sorted(edges, key=lambda edge: edge[0]):
        if until is not None and time > until:
            break
        last = time
        if on and start is None:
            start = time
        elif not on and start is not None:
            pulses.append(Pulse(channel, start, time))
            start = None
    if start is not None:
        pulses.append(Pulse(channel, start, last if until is None else until, is_open=True))
    return pulses
