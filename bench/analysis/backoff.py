"""Whether pauses between attempts are those of a setting: back-off lists, retries and sequences (Tables 9, 11 and 12).

A list is "min0-max0,min1-max1,..." in minutes: the first pause lies in the first range, the next in the second, and
those beyond the list in its last one. Moments are what a wire showed; nothing here knows how the unit draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, pairwise

AT_ONCE_S = 60.0
"""What follows within this time follows at once: a server's answer, a reboot and a join fit in."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to reach ``target``: from the first sign of it to the last (bench time, seconds)."""

    target: str
    begin: float
    end: float


def attempts_of(target: str, moments: Iterable[float], quiet_s: float) -> list[Attempt]:
    """The attempts that ``moments`` show: signs no more than ``quiet_s`` seconds apart belong to one."""
    found: list[Attempt] = []
    for moment in sorted(moments):
        if found and moment - found[-1].end <= quiet_s:
            found[-1] = Attempt(target, found[-1].begin, moment)
        else:
            found.append(Attempt(target, moment, moment))
    return found


def pauses_of(attempts: Sequence[Attempt]) -> list[float]:
    """From the end of each attempt to the beginning of the next (s)."""
    return [later.begin - earlier.end for earlier, later in pairwise(attempts)]


def ranges_s(setting: str) -> list[tuple[float, float]]:
    """The ranges of a back-off list in seconds. Raises ``ValueError`` for a text that is none."""
    parts = [part.split("-") for part in setting.split(",")]
    found = [(float(low) * 60, float(high) * 60) for low, high in parts]
    if any(low > high for low, high in found):
        raise ValueError(f"{setting!r}: a range that ends before it begins")
    return found


def range_of(setting: str, number: int) -> tuple[float, float]:
    """The range (s) of pause ``number``, counted from 0."""
    found = ranges_s(setting)
    return found[min(number, len(found) - 1)]


def outside(pauses_s: Sequence[float], setting: str, tolerance_s: float) -> list[str]:
    """What is wrong with pauses that should follow a back-off list from its beginning, in words."""
    wrong = []
    for number, pause in enumerate(pauses_s):
        low, high = range_of(setting, number)
        if not low - tolerance_s <= pause <= high + tolerance_s:
            wrong.append(f"pause {number + 1} lasted {pause / 60:.1f} min, the list has "
                         f"{low / 60:g} to {high / 60:g} min")
    return wrong


def places_of(pauses_s: Sequence[float], setting: str) -> list[float]:
    """Where in its range each pause lies: 0 is the shortest, 1 the longest. Ranges of one moment are left out."""
    ranges = [range_of(setting, number) for number in range(len(pauses_s))]
    return [(pause - low) / (high - low) for pause, (low, high) in zip(pauses_s, ranges, strict=True) if high > low]


@dataclass(frozen=True, slots=True)
class RetryRules:
    """Table 9: how often a server is tried, and the pauses. ``backoff`` is for when all servers have failed."""

    retry_count: int
    retry_delay_s: float
    sequence_count: int
    sequence_delay_s: float
    backoff: str


class Pause(StrEnum):
    """Between two attempts."""

    NEXT_SERVER = "next server"
    RETRY = "retry delay"
    SEQUENCE = "sequence delay"
    BACKOFF = "back-off"


def deviations(attempts: Sequence[Attempt], rules: RetryRules, tolerance_s: float) -> list[str]:
    """What is wrong with attempts to reach several servers of which none answers, in words.

    The first attempt is the first after the servers fell silent. The last visit to a server may be cut off. The
    rules' delays and back-off ranges must lie further apart than ``tolerance_s``, or pauses can't be told apart. Counts
    may name attempts or retries (C21): either will do, but the same each time.
    """
    pauses = pauses_of(attempts)
    kinds = [_kind(earlier, later, pause, rules, tolerance_s, attempts[0].target)
             for (earlier, later), pause in zip(pairwise(attempts), pauses, strict=True)]
    waits = [pause for pause, kind in zip(pauses, kinds, strict=True) if kind is Pause.BACKOFF]
    wrong = outside(waits, rules.backoff, tolerance_s)
    visits = [list(visit) for ends, visit in groupby(kinds, lambda kind: kind in (Pause.NEXT_SERVER, Pause.BACKOFF))
              if not ends]
    if visits and kinds[-1] not in (Pause.NEXT_SERVER, Pause.BACKOFF):
        visits.pop()
    between_visits = sum(kind in (Pause.NEXT_SERVER, Pause.BACKOFF) for kind in kinds)
    shapes = {" ".join(visit) for visit in visits} | ({""} if len(visits) < between_visits else set())
    allowed = _shapes(rules)
    wrong += [f"a server was tried with the pauses [{shape}]" for shape in sorted(shapes - allowed)]
    if len(shapes) > 1:
        wrong.append("servers were not tried alike: " + "; ".join(f"[{shape}]" for shape in sorted(shapes)))
    return wrong


def _kind(earlier: Attempt, later: Attempt, pause_s: float, rules: RetryRules, tolerance_s: float, first: str) -> Pause:
    """Back at the ``first`` server all have failed, however short the pause was: a range may begin at 0."""
    if earlier.target != later.target:
        return Pause.NEXT_SERVER if pause_s <= AT_ONCE_S and later.target != first else Pause.BACKOFF
    if abs(pause_s - rules.retry_delay_s) <= tolerance_s:
        return Pause.RETRY
    return Pause.SEQUENCE if abs(pause_s - rules.sequence_delay_s) <= tolerance_s else Pause.BACKOFF


def _shapes(rules: RetryRules) -> set[str]:
    """The pauses within one visit to a server, as text, for each reading of the counts."""
    found = set()
    for attempts in {max(rules.retry_count, 1), rules.retry_count + 1}:
        for sequences in (rules.sequence_count, rules.sequence_count + 1):
            sequence = [str(Pause.RETRY)] * (attempts - 1)
            visit = list(sequence)
            for _ in range(sequences - 1):
                visit += [str(Pause.SEQUENCE), *sequence]
            found.add(" ".join(visit))
    return found
