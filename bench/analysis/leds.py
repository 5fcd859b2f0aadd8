"""What the LEDs showed: pulses, and patterns of them described as data (manual 5.3.5 and 5.3.6).

A pattern says which lights follow which and roughly how long, just enough to tell them apart; it stands in
``bench/manual/leds.toml``. The exact limits are held against the measurements that ``match`` gives, and live in
``suites/limits``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import inf
from statistics import median
from types import MappingProxyType
from typing import Any

from bench.analysis.edges import Pulse, pulses_of
from bench.errors import BenchError
from bench.timeline import Observation

CHANNELS = ("green", "red")
CROSSING_S = 0.05
"""Two LEDs that change over may overlap by this much and still count as one after the other."""


def pulses(observations: Iterable[Observation], channel: str, until: float | None = None) -> list[Pulse]:
    """The pulses of the ``channel`` LED ("green" or "red"). One still on at the end is open until ``until``."""
    return pulses_of(channel, [(seen.time, bool(seen.data["on"])) for seen in observations
                               if seen.source == "panel" and seen.kind == "led" and seen.data["channel"] == channel],
                     until)


@dataclass(frozen=True, slots=True)
class Light:
    """One step of a pattern: ``channels`` are lit together while the other LED is dark.

    ``count`` pulses (low, high) per channel, each of them ``each_s`` (low, high) seconds long. Pulses belong to the
    same step when no more than ``gap_s`` apart; with more than one channel, when they begin while all are active.
    """

    name: str
    channels: tuple[str, ...]
    each_s: tuple[float, float]
    count: tuple[int, float] = (1, 1)
    gap_s: float = inf

    def __str__(self) -> str:
        times = "once" if self.count == (1, 1) else f"{_range(self.count)} times"
        return f"{self.name}: {' and '.join(self.channels)} {times}, each {_range(self.each_s)} s"


def _range(limits: tuple[float, float]) -> str:
    low, high = limits
    return f"at most {high:g}" if low == 0 else f"at least {low:g}" if high == inf else f"{low:g} to {high:g}"


@cache
def patterns() -> Mapping[str, tuple[Light, ...]]:
    """The indications of the manual by name, as ``bench/manual/leds.toml`` describes them; read once."""
    rows = tomllib.loads(files("bench.manual").joinpath("leds.toml").read_text(encoding="utf-8"))
    return MappingProxyType({name: tuple(_light(name, step) for step in row["steps"]) for name, row in rows.items()})


def _light(pattern: str, step: dict[str, Any]) -> Light:
    unknown = step.keys() - {each.name for each in fields(Light)}
    if unknown or not set(step["channels"]) <= set(CHANNELS):
        raise BenchError("leds.toml", expected=f"the fields of a step, and {' or '.join(CHANNELS)}",
                         seen=f"{', '.join(unknown) or step['channels']} in {pattern}", do="correct the file")
    for key in step.keys() & {"channels", "each_s", "count"}:
        step[key] = tuple(step[key])
    return Light(**step)


NETWORK_CONNECTION = patterns()["network_connection"]
"""Manual 5.3.5. Match it from the release of the button on (LED-02 to LED-04)."""

REBOOT_ZONE = patterns()["reboot_zone"]
"""Manual 5.3.6, a press of 5 to 15 s. Match it from the press on (LED-01, LED-06)."""

SWITCH_OFF_ZONE = patterns()["switch_off_zone"]
"""Manual 5.3.6, a press of 15 to 20 s. Match it from the press on (LED-07)."""

LONG_LIGHT_S = next(step for step in NETWORK_CONNECTION if step.name == "joined").each_s[0]
"""Green for longer than this (s) tells of the network (LED-05)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value for ``measure``: ``unit`` is "s" or "1" (a count)."""

    name: str
    value: float
    unit: str = "s"


@dataclass(frozen=True, slots=True)
class Match:
    """How a pattern and the pulses compare. ``text`` says what was expected and what was seen, for people.

    ``problem`` is empty when all steps were found. ``measured`` holds what could be measured, of all steps that were
    found. ``end`` is the end (bench time, seconds) of the last of them.
    """

    problem: str
    measured: tuple[Measured, ...]
    end: float
    text: str

    @property
    def found(self) -> bool:
        return not self.problem

    @property
    def names(self) -> tuple[str, ...]:
        """What could be measured."""
        return tuple(measured.name for measured in self.measured)

    def value(self, name: str) -> float:
        """The measured value called ``name``; raises ``KeyError`` when the step was not found."""
        return {measured.name: measured.value for measured in self.measured}[name]


def match(pattern: Sequence[Light], seen: Iterable[Pulse], start: float) -> Match:
    """Compare ``pattern`` with the pulses that begin at or after ``start`` (bench time, seconds).

    Measures of each step: ``NAME.start`` from ``start``, ``NAME.lag`` from the end of the step before (or ``start``),
    ``NAME.CHANNEL.duration`` from its first light to its last; where a step may have several pulses also
    ``NAME.CHANNEL.count``, ``.longest``, and (from two on) ``.period``, the median from one light to the next.
    """
    left = sorted((pulse for pulse in seen if pulse.start >= start), key=lambda pulse: (pulse.start, pulse.channel))
    everything = list(left)
    measured: list[Measured] = []
    problem, end = "", start
    for step in pattern:
        taken = _take(step, left)
        problem = _problem(step, taken, left, everything)
        if problem:
            break
        measured += _measure(step, taken, start, end)
        end = max(pulse.end for pulse in taken)
        left = _without(left, taken)
    return Match(problem, tuple(measured), end, _text(pattern, everything, start, problem))


def _take(step: Light, left: list[Pulse]) -> list[Pulse]:
    """The pulses that belong to ``step``: the next ones of its channels, as far as they go together."""
    chains = [_chain(step, [pulse for pulse in left if pulse.channel == channel]) for channel in step.channels]
    if len(chains) > 1 and all(chains):
        together_until = min(chain[-1].end for chain in chains)
        chains = [[pulse for pulse in chain if pulse.start < together_until] for chain in chains]
    return [pulse for chain in chains for pulse in chain]


def _chain(step: Light, candidates: list[Pulse]) -> list[Pulse]:
    chain: list[Pulse] = []
    for pulse in candidates:
        if len(chain) >= step.count[1] or (chain and pulse.start - chain[-1].end > step.gap_s):
            break
        if chain and not _fits(step, pulse):
            break   # it may be the next step's
        chain.append(pulse)
    return chain


def _without(left: list[Pulse], taken: list[Pulse]) -> list[Pulse]:
    gone = set(taken)
    return [pulse for pulse in left if pulse not in gone]


def _fits(step: Light, pulse: Pulse) -> bool:
    return step.each_s[0] <= pulse.duration <= step.each_s[1]


def _problem(step: Light, taken: list[Pulse], left: list[Pulse], everything: list[Pulse]) -> str:
    """Why ``taken`` is not ``step``, or an empty text."""
    for channel in step.channels:
        mine = [pulse for pulse in taken if pulse.channel == channel]
        if not mine:
            return f"{step.name}: {channel} stays dark"
        for pulse in mine:
            if pulse.is_open:
                return f"{step.name}: {pulse} when the observation ends"
            if not _fits(step, pulse):
                return f"{step.name}: {pulse}"
        if len(mine) < step.count[0]:
            return f"{step.name}: {channel} {len(mine)} times only"
    first, last = min(pulse.start for pulse in taken), max(pulse.end for pulse in taken)
    for pulse in _without(left, taken):
        if pulse.start < first:
            return f"{step.name}: {pulse} before it"
    for pulse in everything:
        overlap = min(pulse.end, last) - max(pulse.start, first)
        if pulse.channel not in step.channels and overlap > CROSSING_S:
            return f"{step.name}: {pulse} at the same time"
    return ""


def _measure(step: Light, taken: list[Pulse], start: float, previous_end: float) -> list[Measured]:
    first = min(pulse.start for pulse in taken)
    values = [Measured(f"{step.name}.start", round(first - start, 6)),
              Measured(f"{step.name}.lag", round(first - previous_end, 6))]
    for channel in step.channels:
        mine = [pulse for pulse in taken if pulse.channel == channel]
        name = f"{step.name}.{channel}"
        values.append(Measured(f"{name}.duration", round(mine[-1].end - mine[0].start, 6)))
        if step.count == (1, 1):
            continue
        values.append(Measured(f"{name}.count", len(mine), "1"))
        values.append(Measured(f"{name}.longest", max(pulse.duration for pulse in mine)))
        if len(mine) > 1:
            periods = [later.start - earlier.start for earlier, later in pairwise(mine)]
            values.append(Measured(f"{name}.period", round(median(periods), 6)))
    return values


def _text(pattern: Sequence[Light], everything: list[Pulse], start: float, problem: str) -> str:
    lines = ["expected", *(f"  {step}" for step in pattern), "seen"]
    shown = everything if len(everything) <= 12 else everything[:6] + everything[-6:]
    for index, pulse in enumerate(shown):
        if len(everything) > 12 and index == 6:
            lines.append(f"  ... {len(everything) - 12} more ...")
        lines.append(f"  {pulse.start - start:+10.3f} s  {pulse}")
    if not everything:
        lines.append("  both LEDs dark")
    return "\n".join([*lines, f"result: {problem or 'as expected'}"])
