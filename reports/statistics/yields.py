"""Yield: how many units passed at once, and how many in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import polars as pl
from scipy.special import betaincinv

from reports.statistics.lot import JUDGED, Lot

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``of``; ``low`` and ``high`` bound the share that is behind it with 95 % confidence
    (Clopper and Pearson). None where there is nothing to take a share of."""

    count: int
    of: int

    @property
    def share(self) -> float | None:
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        if not self.of:
            return None
        tail, others = (1 - CONFIDENCE) / 2, self.of - self.count
        return (float(betaincinv(self.count, others + 1, tail)) if self.count else 0.0,
                float(betaincinv(self.count + 1, others, 1 - tail)) if others else 1.0)


@dataclass(frozen=True, slots=True)
class Yield:
    """Of one process. ``first_pass``: units that passed at their first attempt, of all that were judged.
    ``final``: units that passed at their last attempt, whenever that was, of the same. ``faults``: runs that the bench
    spoilt, of all that were complete: they say nothing of units. ``incomplete``: runs of which a part was left out, or
    ordered; they count nowhere else. ``unknown``: judged runs without a unit's name, each of which counts as a unit."""

    process: str
    first_pass: Share
    final: Share
    faults: Share
    incomplete: int
    unknown: int


def yields(lot: Lot) -> list[Yield]:
    """The yield of each process, by its name."""
    return [_yield(process, lot.runs.filter(pl.col("process") == process)) for process in lot.processes]


def _yield(process: str, runs: pl.DataFrame) -> Yield:
    whole = runs.filter(pl.col("complete") == 1)
    judged = whole.filter(pl.col("verdict").is_in(JUDGED))
    unknown = judged.filter(pl.col("unit") == "")
    known = judged.filter(pl.col("unit") != "")
    first = known.filter(pl.col("attempt") == 1).unique("unit", keep="first", maintain_order=True)
    # The last attempt is the one that was stored last; a unit whose first was not in this time is not this time's.
    last = known.join(first.select("unit"), on="unit", how="semi").sort("sequence").unique("unit", keep="last")
    nameless = _passed(unknown)
    units = len(first) + len(unknown)
    return Yield(process, Share(_passed(first) + nameless, units), Share(_passed(last) + nameless, units),
                 Share(len(whole.filter(pl.col("verdict") == "error")), len(whole)), len(runs) - len(whole),
                 len(unknown))


def _passed(runs: pl.DataFrame) -> int:
    return len(runs.filter(pl.col("verdict") == "pass"))


def rolled_throughput(found: Sequence[Yield]) -> float | None:
    """The share of units that pass every process at once, if one says nothing of another. None for a single one."""
    shares = [one.first_pass.share for one in found]
    return prod(share for share in shares if share is not None) if len(shares) > 1 and None not in shares else None
