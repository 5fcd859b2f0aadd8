"""Verdicts. A module of its own: what only counts them (store, statistics) does not wait for all that limits need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum


class Verdict(StrEnum):
    """Of a test, or of a run. ``fail`` blames the unit, ``error`` the bench. ``incomplete`` is a run's alone: what was
    tested passed, and something was left out."""

    SKIPPED = "skipped"
    PASS = "pass"
    INCOMPLETE = "incomplete"
    FAIL = "fail"
    ERROR = "error"

    @property
    def severity(self) -> int:
        return list(Verdict).index(self)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe verdict; of nothing at all: ``error``, for a run that tested nothing must not pass.

    A run in which everything was skipped has tested nothing either.
    """
    most = max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.ERROR)
    return Verdict.ERROR if most is Verdict.SKIPPED else most


def of_a_test(phases: Sequence[Verdict], *, refused: bool) -> Verdict:
    """What set-up, call and tear-down of a test come to. What a unit was found to fail in stands when it then refuses
    to be put back (``refused``, in the last of them); any other fault of the bench makes it doubtful."""
    if Verdict.SKIPPED in phases and not {Verdict.FAIL, Verdict.ERROR} & set(phases):
        return Verdict.SKIPPED
    stands = Verdict.FAIL in phases and refused and Verdict.ERROR not in phases[:-1]
    return Verdict.FAIL if stands else worst(phases)
