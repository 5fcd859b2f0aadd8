"""Is what is healthy or legal left alone?"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.commands.doctor import quick_look
from bench.commands.prove.reach import Reach
from bench.commands.prove.trial import Outcome, SuiteTest, Trial
from bench.twin.variants import Variant

VARIANTS_OF_A_UNIT = 4

DRAWN_TESTS = 50
"""Of the tests so many are run with each variant of a sample."""


@dataclass(frozen=True, slots=True)
class Spared:
    """A variant, or a healthy unit, and the tests that blamed it, ``wrong``, of the ``count`` that ran."""

    name: str
    wrong: tuple[str, ...]
    count: int


def healthy_trials(seeds: int, tests: Mapping[str, SuiteTest]) -> Iterator[Trial]:
    """Acceptance, with each of so many seeds."""
    for seed in range(1, seeds + 1):
        yield Trial(name=f"seed {seed}", tests=_acceptance(tests), seed=seed, profile="acceptance")


def quick_trials(variants: Sequence[Variant], tests: Mapping[str, SuiteTest], seed: int | None) -> Iterator[Trial]:
    """Acceptance; with ``seed`` tests of all kinds that it draws, others for each variant."""
    draw = random.Random(seed)
    for variant in variants:
        if seed is None:
            yield Trial(name=variant.name, tests=_acceptance(tests), profile="acceptance", variants=[variant.name])
        else:
            drawn = draw.sample(list(tests), min(DRAWN_TESTS, len(tests)))
            yield Trial(name=variant.name, tests=drawn, variants=[variant.name])


def long_trials(variants: Sequence[Variant], reach: Reach) -> Iterator[Trial]:
    """Every test that reaches what a variant changes."""
    for variant in variants:
        yield Trial(name=variant.name, tests=reach.of_change(variant), variants=[variant.name])


def unit_trials(count: int, tests: Mapping[str, SuiteTest], variants: Sequence[Variant]) -> list[Trial]:
    """So many good units through all of regression, each with a seed of its own, which is another life, and with some
    legal variants of different places: those that have met each other least."""
    met: Counter[frozenset[str]] = Counter()
    regression = [test for test, about in tests.items() if "regression" in about.profiles]
    trials = []
    for seed in range(1, count + 1):
        together: list[Variant] = []
        for variant in random.Random(seed).sample(variants, len(variants)):
            pairs = [frozenset((variant.name, other.name)) for other in together]
            if all(variant.place != other.place for other in together) and not any(met[pair] for pair in pairs):
                together.append(variant)
                met.update(pairs)
            if len(together) == VARIANTS_OF_A_UNIT:
                break
        trials.append(Trial(name=f"unit {seed}", tests=regression, seed=seed, profile="regression",
                            variants=[variant.name for variant in together]))
    return trials


def spared(outcome: Outcome) -> Spared:
    """What a trial shows. Acceptance leaves nothing out: there a test that skips itself is wrong, too."""
    legal = ("pass",) if outcome.trial.profile == "acceptance" else ("pass", "skipped")
    wrong = tuple(one.test for one in outcome.seen if one.verdict not in legal)
    return Spared(outcome.trial.name, (*wrong, *filter(None, [outcome.unfit])), len(outcome.seen))


def healthy(outcome: Outcome) -> Spared:
    """The same of a healthy unit, and what the look at the instruments that comes before a run has against them."""
    one = spared(outcome)
    sick = (str(finding) for finding in quick_look(None, outcome.trial.seed) if not finding.well)
    return replace(one, wrong=(*one.wrong, *sick))


def _acceptance(tests: Mapping[str, SuiteTest]) -> list[str]:
    return [test for test, about in tests.items() if "acceptance" in about.profiles]
