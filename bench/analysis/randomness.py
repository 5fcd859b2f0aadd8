"""Whether moments are random in their windows (manual 7.3.3), with a false-alarm rate that is known.

Each question is a test with a proven bound, no approximation for many samples: a healthy unit is blamed by one of them
in at most ``FALSE_ALARMS`` of the cases, by all of them together in less than one of a million.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

FALSE_ALARMS = 1e-7
"""How often one test may blame what is uniform and independent."""


def doubts(places: Sequence[float], slack: float = 0.0) -> list[str]:
    """Why ``places`` (each from 0, a window's beginning, to 1, its end) are not uniform and independent; empty when
    nothing speaks against it. ``slack``: how far (in windows) latency and whole minutes may move a place."""
    found = []
    if (far := distance_from_uniform(places)) > (bound := farthest(len(places)) + slack):
        found.append(f"{len(places)} moments are not spread over their windows: their distribution is {far:.2f} from "
                     f"the uniform one, {bound:.2f} is the bound")
    steps = [(later - earlier) % 1.0 for earlier, later in pairwise(places)]
    if steps and (far := distance_from_uniform(steps)) > (bound := farthest(len(steps)) + slack):
        found.append(f"{len(places)} moments follow from one another: the steps between them are {far:.2f} from "
                     f"the uniform distribution, {bound:.2f} is the bound")
    if len(places) > 1 and (chance := chance_of_spread(max(places) - min(places) - slack, len(places))) < FALSE_ALARMS:
        found.append(f"{len(places)} moments lie within {max(places) - min(places):.3f} of a window; by chance "
                     f"{chance:.1g} of all units would")
    half = len(places) // 2    # a unit may begin, or cease, to be random
    for name, some in (("first", places[:half]), ("last", places[-half:])):
        if half > 3 and (chance := 2 * chance_of_spread(max(some) - min(some) + slack, half)) < FALSE_ALARMS:
            found.append(f"the {name} {half} of {len(places)} moments lie within {max(some) - min(some):.3f} of a "
                         f"window; by chance {chance:.1g} of all units would")
    gap = max((later - earlier for earlier, later in pairwise([0.0, *sorted(places), 1.0])), default=0.0)
    if places and (chance := chance_of_gap(gap - 2 * slack, len(places))) < FALSE_ALARMS:
        found.append(f"none of {len(places)} moments lies in a part of {gap:.2f} of the window; by chance {chance:.1g} "
                     "of all units would leave such a gap")
    return found


def distance_from_uniform(places: Sequence[float]) -> float:
    """The Kolmogorov-Smirnov distance of ``places`` from the uniform distribution on [0, 1]."""
    count = len(places)
    return max((max((index + 1) / count - place, place - index / count) for index, place in enumerate(sorted(places))),
               default=0.0)


def farthest(count: int, rate: float = FALSE_ALARMS) -> float:
    """The distance that ``count`` uniform places exceed at most at that rate: P(D > d) <= 2 exp(-2 n d^2), for every
    n (Dvoretzky, Kiefer, Wolfowitz; the constant by Massart, 1990)."""
    return math.sqrt(math.log(2.0 / rate) / (2 * count)) if count else math.inf


def chance_of_spread(spread: float, count: int) -> float:
    """How probable it is that ``count`` uniform places lie within ``spread`` of each other (exact)."""
    width = min(max(spread, 0.0), 1.0)
    return count * width ** (count - 1) - (count - 1) * width ** count


def chance_of_gap(gap: float, count: int) -> float:
    """How probable it is at most that ``count`` uniform places leave a gap of that size between two of them or at an
    end: each of the ``count`` + 1 spacings is as long with (1 - gap) ** count."""
    return min((count + 1) * (1.0 - min(max(gap, 0.0), 1.0)) ** count, 1.0)


def chance_of_coincidences(first: Sequence[float], second: Sequence[float], tolerance: float) -> float:
    """How probable it is that two independent series of places agree, pair by pair within ``tolerance``, at least as
    often as these do (exact binomial tail)."""
    pairs = list(zip(first, second, strict=False))
    seen = sum(abs(one - other) <= tolerance for one, other in pairs)
    each = min(1.0, 2 * tolerance - tolerance * tolerance)
    return sum(math.comb(len(pairs), number) * each ** number * (1 - each) ** (len(pairs) - number)
               for number in range(seen, len(pairs) + 1))
