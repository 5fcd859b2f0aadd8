"""What a bench sees of a unit's schedule: the input of the reference model (bench/analysis/retransmission.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bench.analysis.meter_clock import MeterClock
from bench.analysis.readouts import Extra


@dataclass(frozen=True, slots=True)
class Arrived:
    """A telegram: when (bench time, s) and the stamps (meter time) of its readouts as sent. ``acknowledged``: False
    where the bench withheld the acknowledgement, so that it may come again."""

    time_s: float
    stamps: tuple[datetime, ...]
    acknowledged: bool = True


@dataclass(frozen=True, slots=True)
class Outage:
    """Without a network from ``since_s`` to ``until_s`` (bench time)."""

    since_s: float
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """What lies between the unit's moments and the bench's, in seconds."""

    early: float = 5.0
    """The meter's clock is read from a display."""
    latency: float = 120.0
    """From the start of a transmission to the telegram: connecting, DTLS, repetitions of the radio (SCH-10)."""
    step: float = 30.0
    """Between two telegrams of a transmission, where another window is open that the second may belong to."""
    extra: float = 900.0
    """Until a telegram that was asked for (ACT-06)."""
    reconnect: float = 900.0
    """From the return of the network to the unit's first transmission in it: search and back-off."""
    age: float = 60.0
    """Whether the limit itself is within the limit is open (U09)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was done to the unit and seen of it from ``since_s`` to ``until_s`` (bench time)."""

    clock: MeterClock
    since_s: float
    until_s: float
    arrivals: Sequence[Arrived]
    outages: Sequence[Outage] = ()
    extras: Sequence[Extra] = ()
