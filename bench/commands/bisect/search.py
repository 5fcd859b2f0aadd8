"""The search for the first bad one of several builds, by tests that may tell of what is bad only now and then.

What is sought is a number: the first bad build, of which all later ones are bad, too. A build that fails is bad. One
that passes is good only where a bad one fails each time; where it fails now and then, as many passes are needed as the
confidence asks for. All of it follows from Bayes' rule over the numbers and, where nobody knows it, how often a
bad build fails; the next build to be run is the one whose outcome is worth most bits (as in Horstein 1963; Waeber,
Frazier and Henderson 2013). Pure: it runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log2

CERTAIN = (1.0,)
"""A bad build fails each time."""


def flaky(one_in: float) -> tuple[float, ...]:
    """How often a bad build may fail that does so in one of ``one_in`` runs at least."""
    return tuple(sorted({0.9, 0.6, 1 / one_in} if one_in > 1 else CERTAIN, reverse=True))


@dataclass
class Search:
    """Of ``builds``, in their order, the first is said to be good and the last bad. ``rates``: how often a bad build
    may fail, each as likely as the others; ``confidence``: with which a build is named."""

    builds: int
    rates: tuple[float, ...] = CERTAIN
    confidence: float = 0.999
    untestable: set[int] = field(default_factory=set)
    passes: dict[int, int] = field(default_factory=dict)
    fails: dict[int, int] = field(default_factory=dict)

    def tell(self, build: int, *, failed: bool) -> None:
        """What a run of ``build`` came to."""
        count = self.fails if failed else self.passes
        count[build] = count.get(build, 0) + 1

    def skip(self, build: int) -> None:
        """It can't be tested: nobody knows whether it is bad."""
        self.untestable.add(build)

    def posterior(self) -> dict[int, float]:
        """How likely each build is the first bad one; empty where no such order fits what was seen."""
        weights: dict[int, float] = {}
        for (first, _), weight in self._joint().items():
            weights[first] = weights.get(first, 0.0) + weight
        return weights

    def next(self) -> int | None:
        """The build whose next run is worth most; None when no run is worth anything."""
        joint = self._joint()
        best, worth = None, 1e-9
        for build in range(1, self.builds):
            if build not in self.untestable:
                bits = self._bits(joint, build)
                if bits > worth:
                    best, worth = build, bits
        return best

    @property
    def found(self) -> tuple[int, float] | None:
        """The first bad build and with which confidence, once that is reached."""
        weights = self.posterior()
        if not weights:
            return None
        first = max(weights, key=weights.__getitem__)
        return (first, weights[first]) if weights[first] >= self.confidence and self.fails else None

    def _joint(self) -> dict[tuple[int, float], float]:
        """How likely each first bad build is together with each rate."""
        joint = {}
        for first in range(1, self.builds):
            if any(build < first for build in self.fails):
                continue
            for rate in self.rates:
                passes = sum(count for build, count in self.passes.items() if build >= first)
                fails = sum(count for build, count in self.fails.items() if build >= first)
                weight = rate ** fails * (1 - rate) ** passes
                if weight:
                    joint[first, rate] = weight
        total = sum(joint.values())
        return {key: weight / total for key, weight in joint.items()}

    @staticmethod
    def _bits(joint: dict[tuple[int, float], float], build: int) -> float:
        """What the outcome of a run of ``build`` tells of the first bad one."""
        weight: dict[int, float] = {}
        failing: dict[int, float] = {}
        for (first, rate), one in joint.items():
            weight[first] = weight.get(first, 0.0) + one
            failing[first] = failing.get(first, 0.0) + (one * rate if first <= build else 0.0)
        left = sum(one * _entropy(failing[first] / one) for first, one in weight.items())
        return _entropy(sum(failing.values())) - left


def _entropy(chance: float) -> float:
    """Of an outcome that has this chance, in bits."""
    if chance <= 0 or chance >= 1:
        return 0.0
    return -chance * log2(chance) - (1 - chance) * log2(1 - chance)
