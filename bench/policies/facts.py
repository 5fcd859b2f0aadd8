"""What is known when a decision is made: of a unit, of a place, of the reference units. Data only; from the store, and
from what waits to be stored on this machine (``history.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from bench.measure import Verdict
from bench.policies.people import Person, Role


@dataclass(frozen=True, slots=True)
class Running:
    """A unit that is being tested now, at another place of this station or on its way there."""

    place: str
    unit: str
    work_order: str = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Somebody allows what a policy leaves to them: the reasons with these ``codes``, which they have read. ``why``:
    for a retest one of the policy's reasons."""

    by: Person
    why: str
    codes: frozenset[str]


@dataclass(frozen=True)
class Question:
    """May ``unit`` be started at ``place`` (the name of its station file)? Asked again with the same values, and the
    same facts, it has the same answer.

    ``now`` has a time zone. ``person``: whose badge was shown last. ``allowance``: what a lead says to a refusal.
    ``reseated``: the unit was taken out and put in anew. ``more``: the sampling plan whose run it is, after the line's.
    ``running``: at the other places, in the order in which they
    started. ``calibration_due``: by instrument, from the station file; what the store knows comes besides.
    ``bench``: what the run would be judged by (``bench_commit``, ``limits_sha256``, ``sequence_sha256``), as far as it
    is known.
    """

    unit: str
    place: str
    now: datetime
    person: Person | None = None
    work_order: str = ""
    allowance: Allowance | None = None
    reseated: bool = False
    more: str = ""
    running: tuple[Running, ...] = ()
    calibration_due: Mapping[str, date] = field(default_factory=dict)
    bench: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("a time with its zone")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A run of a unit that is kept. ``first_fail``: what it failed in first; ``is_complete``: of its whole profile;
    ``is_stored``: else it still waits on this machine."""

    run_id: str
    unit: str
    process: str
    place: str
    verdict: Verdict
    at: datetime
    work_order: str = ""
    first_fail: str = ""
    sampling: str = ""
    is_complete: bool = True
    is_stored: bool = True

    @property
    def is_judged(self) -> bool:
        return self.is_complete and self.verdict in (Verdict.PASS, Verdict.FAIL)


@dataclass(frozen=True, slots=True)
class GoldenRun:
    """The newest judged run of a reference unit at a place. ``failed``: names of tests and measurements; ``values`` of
    measurements; ``before``: those of the passes before, by measurement; ``bench``: as in the question."""

    unit: str
    place: str
    verdict: Verdict
    at: datetime
    failed: frozenset[str] = frozenset()
    values: Mapping[str, float | None] = field(default_factory=dict)
    before: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    bench: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """``attempts`` of the unit, oldest first. ``golden``: newest runs of reference units, by unit and place.
    ``cycles`` of the fixture since it was renewed; ``errors_in_row`` at the place since somebody has looked.
    ``calibration_due``: by instrument, as the newest run at the place has it (None: nobody knows the day).
    ``units_before``, ``lot_before``: different units of this process, and of the work order in it, that came before
    this one. ``known``: those of the running units that are among them. ``newest``: when the newest entry was stored.
    ``away_since``: since when the store can't be reached; what it knew last of the place still stands."""

    attempts: tuple[Attempt, ...] = ()
    golden: tuple[GoldenRun, ...] = ()
    cycles: int = 0
    errors_in_row: int = 0
    calibration_due: Mapping[str, date | None] = field(default_factory=dict)
    units_before: int = 0
    lot_before: int = 0
    known: frozenset[str] = frozenset()
    newest: datetime | None = None
    away_since: datetime | None = None
    away: str = ""


class Answer(StrEnum):
    """``refused`` is about this unit, ``locked`` about the place: no unit is started there."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    LOCKED = "locked"


class Next(StrEnum):
    """What is done with a unit after its run."""

    DONE = "done"                  # it has passed all that it must
    RED_BIN = "red bin"            # it has failed, and is not tested again
    RETEST = "retest"              # it may be tested again, if somebody allows it
    AGAIN = "again"                # the bench has spoilt the run: the same unit, the same place
    MORE = "more"                  # it has passed, and goes through more than others
    WAIT = "wait"                  # its record is not stored yet
    REFERENCE = "reference"        # a reference unit: back into its box


@dataclass(frozen=True, slots=True)
class Reason:
    """``code``: table of the file and which rule of it, stable; ``says``, ``do``: for people; ``data``: for programs.
    ``locks``: no unit is started at the place; else it is about this unit. ``may``: who may allow it all the same."""

    code: str
    says: str
    do: str
    data: Mapping[str, Any] = field(default_factory=dict)
    locks: bool = False
    may: Role = Role.NOBODY

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "says": self.says, "do": self.do, "data": dict(self.data), "locks": self.locks,
                "may": self.may}


@dataclass(frozen=True, slots=True)
class More:
    """What a unit goes through besides, after it has passed: ``profile``, or only ``tests`` of it (files or ids).
    ``plan`` is its name, and the process under which its run is stored."""

    plan: str
    profile: str
    tests: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"plan": self.plan, "profile": self.profile, "tests": list(self.tests)}


@dataclass(frozen=True)
class Override:
    """What is to be written into the store before the unit starts (``Depot.note``): somebody allowed it all the
    same."""

    by: Person
    what: str
    why: str
    place: str
    unit: str

    def to_json(self) -> dict[str, str]:
        return {"who": self.by.name, "role": self.by.role, "what": self.what, "why": self.why, "place": self.place,
                "unit": self.unit}


@dataclass(frozen=True)
class Decision:
    """Before a run: ``reasons``: all that speaks against it, the gravest first; ``notes``: what is to be said besides.
    ``profile``, ``tests``, ``job`` (``bench.record.JOB``): the run that is started. ``more``: what comes after it, if
    the unit passes. ``overrides``: to be stored first.

    After a run: ``next``: what is done with the unit, and ``notes`` begins with that in words; ``reasons``: what locks
    the place now; ``more``: what the unit still has to go through."""

    answer: Answer
    reasons: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()
    profile: str = ""
    tests: tuple[str, ...] = ()
    job: Mapping[str, str] = field(default_factory=dict)
    more: tuple[More, ...] = ()
    overrides: tuple[Override, ...] = ()
    next: Next | None = None

    def __str__(self) -> str:
        """For people: what is the matter, and what to do."""
        said = self.notes[:1] if self.next is not None else self.reasons[:1]
        return f"{said[0].says}; {said[0].do}." if said else "The unit may be started."

    def to_json(self) -> dict[str, Any]:
        return {"answer": self.answer, "reasons": [one.to_json() for one in self.reasons],
                "notes": [one.to_json() for one in self.notes], "profile": self.profile, "tests": list(self.tests),
                "job": dict(self.job), "more": [one.to_json() for one in self.more],
                "overrides": [one.to_json() for one in self.overrides], "next": self.next}
