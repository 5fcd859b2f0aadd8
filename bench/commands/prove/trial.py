"""A trial: tests of the suites against a changed twin, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.commands.prove.mutation import Mutation
from bench.commands.prove.tracer import Place


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """A test of the suites, as it was collected."""

    requirements: tuple[str, ...]
    profiles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What of the twin is changed, and the ``tests`` that are run one after the other, ``until_failure`` where that is
    asked for. ``otherwise``: those that are run, until one fails, when none of ``tests`` has. ``name`` is for whoever
    ordered it.

    Of a mutant ``usual_s`` says how long tests take (real), to know when one hangs. ``traced``: note which lines of the
    twin each test reaches.
    """

    name: str
    tests: Sequence[str]
    otherwise: Sequence[str] = ()
    until_failure: bool = False
    seed: int = 1
    profile: str | None = None
    defects: Sequence[str] = ()
    variants: Sequence[str] = ()
    lab: str | None = None
    mutation: Mutation | None = None
    usual_s: Mapping[str, float] = field(default_factory=dict)
    traced: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a test came to. ``reached``: the places of the twin, in a traced trial; ``device_time_s``: of the unit."""

    test: str
    verdict: str
    message: str
    seconds: float
    reached: frozenset[Place] = frozenset()
    device_time_s: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What a trial came to. ``unfit``: why its twin is no unit that can be judged: it raises, it hangs, it can't be
    loaded. ``seconds`` are real ones."""

    trial: Trial
    seen: list[Seen] = field(default_factory=list)
    unfit: str = ""
    seconds: float = 0.0

    def of(self, verdict: str) -> tuple[str, ...]:
        """The tests that came to ``verdict``."""
        return tuple(one.test for one in self.seen if one.verdict == verdict)
