"""Does a test that names the broken statement turn red?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.commands.prove.memory import in_order
from bench.commands.prove.trial import Outcome, SuiteTest, Trial
from bench.twin.defects import DEFECTS, Defect

OTHERS_TRIED = 40
"""So many tests that name nothing of what a missed defect breaks are tried, to say whether it shows by accident."""


@dataclass(frozen=True, slots=True)
class Proof:
    """``caught_by``: tests that failed and name a statement that the defect breaks; ``others``: tests that failed
    besides, which is an accident; ``errors``: tests in which the bench itself failed."""

    defect: Defect
    caught_by: tuple[str, ...]
    others: tuple[str, ...]
    errors: tuple[str, ...]
    seconds: float

    @property
    def right_reason(self) -> bool:
        return bool(self.caught_by)


def trials(chosen: Sequence[Defect], tests: Mapping[str, SuiteTest], learned: Mapping[str, str],
           seconds: Mapping[str, float], *, first: bool, lab: str | None) -> Iterator[Trial]:
    """The trial of each defect: the tests that name what it breaks, and only if none of them fails some of the others
    that have to do with it, until one does by accident. ``learned``: which test to try first; ``seconds``: how long
    tests take, as far as is known."""
    for defect in chosen:
        broken = set(defect.requirements)
        naming = [test for test, about in tests.items() if broken & set(about.requirements)]
        about = f"{defect.name} {defect.text}"
        others = in_order(tests.keys() - set(naming), (), seconds, about)[:OTHERS_TRIED]
        yield Trial(name=defect.name, tests=in_order(naming, [learned.get(defect.name)], seconds, about),
                    otherwise=others, until_failure=first, defects=[defect.name], lab=lab)


def proof_of(outcome: Outcome, tests: Mapping[str, SuiteTest]) -> Proof:
    """What the trial of a defect shows."""
    defect, failed = DEFECTS[outcome.trial.name], outcome.of("fail")
    broken = set(defect.requirements)
    caught = tuple(test for test in failed if broken & set(tests[test].requirements))
    return Proof(defect, caught, tuple(test for test in failed if test not in caught),
                 (*outcome.of("error"), *filter(None, [outcome.unfit])), outcome.seconds)
