"""What the LEDs showed, as lengths of single lights: at each start, at each press, and otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bench.analysis.edges import Pulse
from bench.analysis.leds import LONG_LIGHT_S, pulses
from bench.analysis.shown.fact import Area, Seen
from bench.timeline import Observation

_RESOLUTION_S = 2e-3
"""What a sensor of light adds to an edge."""

_TOGETHER_S = 0.2
"""Two LEDs that go on within this begin a start-up."""

_LOOK_S = 120.0

_HANDS = (("panel", "button"), ("supply", "output"), ("nfc", "write"))
"""After what a unit starts, or does not any more."""


def lights(observations: Sequence[Observation]) -> Iterator[Seen]:
    """All of them; a light that was on when the observation ends has no length."""
    green, red = pulses(observations, "green"), pulses(observations, "red")
    presses = [(one.time, bool(one.data["pressed"])) for one in observations
               if one.source == "panel" and one.kind == "button"]
    starts = sorted({one.start for one in green if any(abs(one.start - other.start) < _TOGETHER_S for other in red)})
    used: set[Pulse] = set()
    for number, start in enumerate(starts):
        until = min(start + _LOOK_S, starts[number + 1] if number + 1 < len(starts) else start + _LOOK_S)
        until = min([until, *(time for time, pressed in presses if pressed and time > start)])
        yield from _start(green, red, start, until, used)
    held = [(time, next((other for other, pressed in presses if not pressed and other > time), None))
            for time, pressed in presses if pressed]
    for pressed, released in held:
        if released is not None:
            yield from _press(green, red, pressed, released, used)
    hands = [one.time for one in observations if (one.source, one.kind) in _HANDS]
    for released in (released for _, released in held if released is not None):
        after = [start for start in starts if released <= start < released + _LOOK_S]
        if after and not any(released < hand < after[0] for hand in hands):    # else that one has started the unit
            yield _s("release to start-up", after[0] - released)
    for one in [*green, *red]:
        if one not in used and not one.is_open:
            yield _s(f"{one.channel} {_class(one)} at other times, length", one.duration)


def _s(name: str, value: float) -> Seen:
    return Seen(Area.LIGHT, name, value, "s", _RESOLUTION_S)


def _class(one: Pulse) -> str:
    return "long light" if one.duration >= LONG_LIGHT_S else "flash" if one.duration < 0.6 else "light"


def _start(green: Sequence[Pulse], red: Sequence[Pulse], start: float, until: float,
           used: set[Pulse]) -> Iterator[Seen]:
    mine = {name: [one for one in channel if start - _TOGETHER_S < one.start < until and not one.is_open]
            for name, channel in (("green", green), ("red", red))}
    if not mine["green"] or not mine["red"]:
        return
    both_green, both_red = mine["green"][0], mine["red"][0]
    used.update(one for channel in mine.values() for one in channel)
    yield _s("start-up, green", both_green.duration)
    yield _s("start-up, red", both_red.duration)
    yield _s("start-up, red after green", both_red.start - both_green.start)
    later = mine["green"][1:]
    flashes = [one for one in later if one.duration < LONG_LIGHT_S]
    long = [one for one in later if one.duration >= LONG_LIGHT_S]
    if flashes:
        yield _s("start-up to the first flash", flashes[0].start - both_green.end)
    for one in flashes:
        yield _s("flash while joining, length", one.duration)
    for one, other in pairwise(flashes):
        yield _s("flash while joining, from one to the next", other.start - one.start)
    for one in long:
        yield _s("green when joined, length", one.duration)
    shape = ["both", *(["flashes"] if flashes else []), *(["long green"] if long else []),
             *(["red"] if mine["red"][1:] else [])]
    if long or mine["red"][1:]:
        yield Seen(Area.LIGHT, "lights of a start", ", ".join(shape))


def _press(green: Sequence[Pulse], red: Sequence[Pulse], pressed: float, released: float,
           used: set[Pulse]) -> Iterator[Seen]:
    for name, channel in (("green", green), ("red", red)):
        inside = [one for one in channel if pressed < one.start < released and one not in used]
        used.update(inside)
        if inside:
            yield _s(f"press to {name}", inside[0].start - pressed)
    greens = [one for one in green if pressed < one.start < released]
    reds = [one for one in red if pressed < one.start < released]
    if greens and reds:
        yield _s("press, green to red", reds[0].start - greens[0].end)
