"""A reference model of manual 7.3: what must arrive, when and in which order, from settings, outages and clock changes.

``judge`` goes through what arrived, transmission by transmission, with the readouts that the unit must then have in
its store. It draws nothing and predicts no moment: each transmission is held against what the rules leave it.

Rules: readouts on the grid of the meter's clock and beside it where time was set or a readout was asked for; windows
[T1 + offset, T1 + offset + delay]; at most so many telegrams a transmission, and that many as long as something is
left; FIFO or LIFO; nothing beyond the age limit; nothing twice. Where the manual is open, each ``ManualReading`` of
it is tried, the first without a fault holds, and which one it was is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import pairwise, product

from bench.analysis.observed import Observed, Tolerances
from bench.analysis.readouts import Store, due_readouts
from bench.analysis.replay import Replay, Transmission
from bench.analysis.schedule import Schedule, Window, windows


class Cut(StrEnum):
    """Which readouts a transmission may carry (unclear in SCH-20)."""

    TRANSMISSION = "a transmission carries what was read until it starts"
    PLAN = "a transmission carries what was read until its planned moment T1"
    BEFORE_PLAN = "a transmission carries what was read before its planned moment T1"


class Age(StrEnum):
    """When the age of a readout counts (U09)."""

    TRANSMISSION = "the age of a readout counts when the transmission starts"
    PLAN = "the age of a readout counts at the planned moment T1"


class Spacing(StrEnum):
    """What the report interval does (C22)."""

    REPORT = "the report interval spaces the readouts that are sent"
    READOUT = "all readouts are sent, whatever the report interval"


@dataclass(frozen=True, slots=True)
class ManualReading:
    """One way to read the manual where it is open."""

    cut: Cut = Cut.TRANSMISSION
    age: Age = Age.TRANSMISSION
    spacing: Spacing = Spacing.REPORT


@dataclass(frozen=True, slots=True)
class Judgement:
    """``faults``: what breaks the rules, in words, in order of time; ``findings``: what the unit makes of an open place
    of the manual, by the number it has in the requirement notes."""

    faults: tuple[str, ...]
    findings: tuple[str, ...]
    transmissions: tuple[Transmission, ...]
    windows: tuple[Window, ...]
    never_sent: tuple[datetime, ...]
    """Readouts that grew too old in the store."""
    waiting: tuple[datetime, ...]
    """Readouts that still wait at the end."""
    readings: tuple[ManualReading, ...] = field(default=())

    def catch_up(self, since_s: float) -> list[Transmission]:
        """The transmissions after a bench time, up to the first that leaves nothing behind."""
        found: list[Transmission] = []
        for transmission in self.transmissions:
            if transmission.time_s > since_s and transmission.is_planned:
                found.append(transmission)
                if transmission.left == 0:
                    break
        return found


def judge(schedule: Schedule, seen: Observed, tolerances: Tolerances | None = None) -> Judgement:
    """Hold what was seen against the rules. ``ValueError`` for arrivals that are not in order of time."""
    if any(later.time_s < earlier.time_s for earlier, later in pairwise(seen.arrivals)):
        raise ValueError("arrivals must be in order of time")
    allowed = tolerances or Tolerances()
    planned = windows(schedule, seen.clock, seen.since_s, seen.until_s)
    tried: list[tuple[ManualReading, Replay]] = []
    for reading in _readings(schedule):
        every = schedule.report_min if reading.spacing is Spacing.REPORT else None
        store = Store(due_readouts(schedule.readout_min, seen.clock, seen.since_s, seen.until_s, seen.extras, every))
        replay = Replay(schedule, seen, allowed, planned, store, cut_at_plan=reading.cut is not Cut.TRANSMISSION,
                        cut_before=reading.cut is Cut.BEFORE_PLAN, age_at_plan=reading.age is Age.PLAN)
        replay.run()
        tried.append((reading, replay))
    best = min((replay for _, replay in tried), key=lambda replay: len(replay.faults))
    fitting = [reading for reading, replay in tried if not replay.faults]
    return Judgement(tuple(best.faults), (*best.findings, *_told(schedule, fitting)), tuple(best.transmissions),
                     tuple(planned), tuple(best.never_sent()), tuple(best.waiting()), tuple(fitting))


def _readings(schedule: Schedule) -> Iterable[ManualReading]:
    spacings = Spacing if schedule.report_min != schedule.readout_min else [Spacing.READOUT]
    return (ManualReading(cut, age, spacing) for spacing, age, cut in product(spacings, Age, Cut))


def _told(schedule: Schedule, fitting: Sequence[ManualReading]) -> Iterable[str]:
    """What the run says about the manual's open places: only where one answer alone fits."""
    questions: list[tuple[str, set[StrEnum]]] = [("SCH-20", {reading.cut for reading in fitting}),
                                                 ("U09", {reading.age for reading in fitting})]
    if schedule.report_min != schedule.readout_min:
        questions.append(("C22", {reading.spacing for reading in fitting}))
    for number, answers in questions:
        if len(answers) == 1:
            yield f"{number}: {next(iter(answers))}"
