"""Whether two sets of samples are of the same kind, by how much they differ, and which difference would be found.

Ten samples or so on each side are held against each other by the two-sample test of Kolmogorov and Smirnov with its
exact distribution: it supposes nothing of the shape of what it compares, and sees another spread as well as another
level. Fewer can't become certain in that way; from ten in all on, three on a side at least, a t-test stands in, with
a spread that is never taken for smaller than a fiftieth of the value. Less than that is undecided, whatever it looks
like.

Samples of one run that resemble each other more than those of other runs do (analysis of variance) count once for the
run. With one run on a side that can't be known.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = NDArray[np.float64]

FALSE_ALARMS = 0.001
"""At most in so many comparisons in all, whatever is compared, is anything named that chance has made."""

FOUND = 0.99
"""A difference of the resolvable size is found at least so often."""

_FEWEST, _FEWEST_IN_ALL = 3, 10
_LEAST_SPREAD = 0.02
_CLEAR = 0.8
"""Cliff's delta beyond which two sides are not called the same, whatever p is."""
_ALIKE = 0.01
"""Runs whose samples are alike by more than this (p) count once each."""

_TRIALS, _MOST = 200, 60


class Outcome(StrEnum):
    SAME = "same"
    CHANGED = "changed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Judged:
    """``old`` and ``new`` are medians, ``shift`` is from one to the other with its 95 % confidence interval; ``effect``
    is Cliff's delta (-1 to 1: how much more often a new sample is the larger one). ``resolvable``: a shift of that size
    would be found, None where none would. Counts are of what counted."""

    outcome: Outcome
    old: float
    new: float
    shift: float
    interval: tuple[float, float]
    effect: float
    p: float
    resolvable: float | None
    counts: tuple[int, int]
    spreads: tuple[float, float]


def judge(old: Sequence[Sequence[float]], new: Sequence[Sequence[float]], alpha: float, resolution: float) -> Judged:
    """Samples by run on each side; ``alpha`` is the part of the false alarms that this question has."""
    one, other = _samples(old, resolution), _samples(new, resolution)
    p, resolvable, decided = _test(one, other, alpha, resolution)
    moved = float(stats.wasserstein_distance(one, other)) > resolution
    before, after, effect = float(np.median(one)), float(np.median(other)), _cliff(one, other)
    # A single stray sample on each side hides a shift that would be found without it.
    hidden = moved and abs(effect) > _CLEAR
    outcome = (Outcome.CHANGED if decided and p < alpha and moved else
               Outcome.UNDECIDED if not decided or hidden else Outcome.SAME)
    return Judged(outcome, before, after, after - before, _interval(one, other), effect, p, resolvable,
                  (len(one), len(other)), (_spread(one), _spread(other)))


def can_be_decided(old: int, new: int, alpha: float) -> bool:
    """Whether so many samples can."""
    return min(old, new) >= _FEWEST and (_needed(old, new, alpha) is not None or old + new >= _FEWEST_IN_ALL)


def _samples(runs: Sequence[Sequence[float]], resolution: float) -> Numbers:
    """All samples, or the median of each run where those of a run are alike, and runs further apart than what would be
    called different."""
    kept = [np.asarray(run, np.float64) for run in runs if len(run)]
    whole = np.sort(np.concatenate(kept))
    if len(kept) < 2 or max(map(len, kept)) < 2 or float(np.ptp([np.median(run) for run in kept])) <= resolution:
        return whole
    within = sum(float(((run - run.mean()) ** 2).sum()) for run in kept)
    between = sum(len(run) * float(run.mean() - whole.mean()) ** 2 for run in kept)
    freedom = (len(kept) - 1, len(whole) - len(kept))
    if freedom[1] < 1:
        return whole
    alike = within == 0.0 or stats.f.sf(between / freedom[0] / (within / freedom[1]), *freedom) < _ALIKE
    return np.sort(np.array([median(run.tolist()) for run in kept])) if alike else whole


def _test(one: Numbers, other: Numbers, alpha: float, resolution: float) -> tuple[float, float | None, bool]:
    """p, the resolvable shift, and whether there were samples enough."""
    if min(len(one), len(other)) < _FEWEST:
        return 1.0, None, False
    if _needed(len(one), len(other), alpha) is not None:
        return _apart(one, other)[1], _resolvable(one, other, alpha, resolution), True
    if len(one) + len(other) >= _FEWEST_IN_ALL:
        return _t_test(one, other, alpha, resolution)
    return 1.0, None, False


def _apart(one: Numbers, other: Numbers) -> tuple[float, float]:
    """The statistic D and its p; of very many samples by its limit, which is close then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)    # where the exact sum can't be had scipy takes the limit
        test = stats.ks_2samp(one, other, method="exact" if len(one) * len(other) <= 10_000 else "asymp")
    return float(test.statistic), float(test.pvalue)


def _t_test(one: Numbers, other: Numbers, alpha: float, resolution: float) -> tuple[float, float | None, bool]:
    freedom = len(one) + len(other) - 2
    pooled = np.sqrt((one.var(ddof=1) * (len(one) - 1) + other.var(ddof=1) * (len(other) - 1)) / freedom)
    spread = max(float(pooled), resolution, _LEAST_SPREAD * abs(float(np.median(one))))
    error = float(np.sqrt(1 / len(one) + 1 / len(other)))
    t = (float(other.mean()) - float(one.mean())) / (spread * error)
    most = spread * float(np.sqrt(freedom / stats.chi2.ppf(0.05, freedom)))
    needed = float(stats.t.isf(alpha / 2, freedom) + stats.t.isf(1 - FOUND, freedom)) * most * error
    return float(2 * stats.t.sf(abs(t), freedom)), max(needed, 2 * resolution), True


@lru_cache(maxsize=4096)
def _needed(old: int, new: int, alpha: float) -> float | None:
    """How far apart (the statistic D) so many samples must be; None where even apart altogether is not enough."""
    grid = np.arange(old, dtype=np.float64) / old
    low, high = 0, 2 * max(old, new)

    def at(step: int) -> tuple[float, float]:
        moved = np.arange(new, dtype=np.float64) / new + step / max(old, new) + 1e-9
        return _apart(grid, moved)

    if at(high)[1] >= alpha:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at(middle)[1] < alpha else (middle, high)
    return at(high)[0]


def _resolvable(one: Numbers, other: Numbers, alpha: float, resolution: float) -> float | None:
    """The smallest shift that would be found in ``FOUND`` of all trials with samples drawn from these, both ways. The
    spread is taken at the upper end of what so few samples leave open; of many samples a part is drawn, on the safe
    side."""
    rest = np.concatenate((one - np.median(one), other - np.median(other)))
    freedom = max(len(rest) - 2, 1)
    rest = rest * float(np.sqrt(freedom / stats.chi2.ppf(0.05, freedom)))
    counts = min(len(one), _MOST), min(len(other), _MOST)
    needed = _needed(*counts, alpha)
    if needed is None:
        return None
    chance = np.random.default_rng(1)
    drawn = chance.choice(rest, (_TRIALS, counts[0])), chance.choice(rest, (_TRIALS, counts[1]))
    low, high = 0.0, 4 * float(np.ptp(rest)) + 2 * resolution
    for _ in range(14):
        middle = (low + high) / 2
        found = min(float(np.mean(_distance(drawn[0], drawn[1] + way * middle) >= needed - 1e-9)) for way in (1, -1))
        low, high = (low, middle) if found >= FOUND else (middle, high)
    return max(high, 2 * resolution)


def _distance(one: Numbers, other: Numbers) -> Numbers:
    """The statistic D of each row."""
    both = np.concatenate((one, other), axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    steps = np.where(order < one.shape[1], 1 / one.shape[1], -1 / other.shape[1])
    sums = np.cumsum(steps, axis=1)
    values = np.take_along_axis(both, order, axis=1)
    last = np.concatenate((np.diff(values, axis=1) > 0, np.ones((len(both), 1), bool)), axis=1)
    return np.asarray(np.abs(np.where(last, sums, 0.0)).max(axis=1), np.float64)


def _interval(one: Numbers, other: Numbers) -> tuple[float, float]:
    """95 % of the shift between medians, by bootstrap."""
    chance = np.random.default_rng(2)
    shifts = (np.median(chance.choice(other, (400, min(len(other), 400))), axis=1)
              - np.median(chance.choice(one, (400, min(len(one), 400))), axis=1))
    low, high = np.percentile(shifts, (2.5, 97.5))
    return float(low), float(high)


def _cliff(one: Numbers, other: Numbers) -> float:
    larger = np.searchsorted(one, other, side="left").sum()
    smaller = (len(one) - np.searchsorted(one, other, side="right")).sum()
    return float((larger - smaller) / (len(one) * len(other)))


def _spread(samples: Numbers) -> float:
    return float(samples.std(ddof=1)) if len(samples) > 1 else 0.0


def words_differ(old: dict[str, int], new: dict[str, int], alpha: float) -> tuple[Outcome, float]:
    """Of words that chance has a part in: whether they are otherwise distributed, by Fisher's exact test of each word
    against the others."""
    words = sorted({*old, *new})
    sums = sum(old.values()), sum(new.values())
    if len(words) == 1:
        return Outcome.SAME, 1.0
    ps = [_fisher(old.get(word, 0), sums[0], new.get(word, 0), sums[1]) for word in words]
    p = min(1.0, min(ps) * len(words))
    certain = _fisher(sums[0], sums[0], 0, sums[1]) * len(words) < alpha
    return (Outcome.CHANGED if p < alpha else Outcome.SAME if certain else Outcome.UNDECIDED), p


def _fisher(old: int, of_old: int, new: int, of_new: int) -> float:
    return float(stats.fisher_exact(np.array([[old, of_old - old], [new, of_new - new]])).pvalue)
