"""Capability: how well what a process makes keeps inside its limits (ISO 22514-2; Montgomery, chapter 8).

Cp and Cpk take the spread within: of one unit against the next at the same place (mean moving range over 1.128). Pp and
Ppk take all of the spread. Both say something of values that are roughly normal only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import polars as pl
from scipy.special import chdtri, ndtri

from reports.statistics.lot import Lot
from reports.statistics.values import Values, in_force

LEAST = 30
"""Of fewer values no index is given: its interval would hold good and bad processes alike."""

CAPABLE = 1.33
"""What is asked of Cpk; below it the page raises its voice."""

D2 = 1.128
"""The mean range of two normal values, in standard deviations (ISO 7870-2, table 2)."""

CONFIDENCE = 0.95

_NEWEST, _DISCRETE, _SKEWED = 1000, 10, 1.0


@dataclass(frozen=True, slots=True)
class Index:
    """A capability index, and the bounds between which it is with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Capability:
    """Of one measurement in one process: first attempts, units that passed and those that failed.

    ``unit``, ``low``, ``high``: the limits in force, as printed. ``count``: values held against them, of which
    ``outside`` don't keep to them. ``missing``: values that are no numbers. ``older``: values that were judged by other
    limits, and are not in any figure. ``cp`` and ``pp`` are None for one-sided limits. ``why_not``: the sentence that
    stands in place of indices; ``notes``: what to know before one believes them.
    """

    process: str
    name: str
    unit: str
    low: float | None
    high: float | None
    count: int
    outside: int
    missing: int
    older: int
    mean: float | None = None
    least: float | None = None
    most: float | None = None
    spread_within: float | None = None
    spread_overall: float | None = None
    cp: Index | None = None
    cpk: Index | None = None
    pp: Index | None = None
    ppk: Index | None = None
    why_not: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_capable(self) -> bool | None:
        """None where nobody knows."""
        return None if self.cpk is None else self.cpk.value >= CAPABLE


def capabilities(lot: Lot) -> list[Capability]:
    """The capability of each measurement of each process, by their names."""
    return [_capability(values) for values in in_force(lot)]


def _capability(held: Values) -> Capability:
    value = held.all["value"]
    count, outside = len(value), 0
    for beyond in ([] if held.low is None else [value < held.low]) + ([] if held.high is None else [value > held.high]):
        outside += int(beyond.sum())
    head = Capability(held.process, held.name, held.unit, held.low, held.high, count, outside, held.missing, held.older)
    if not count:
        return replace(head, why_not="no value is a number")
    moves = pl.concat([place["value"].diff().abs().drop_nulls() for place in held.places])
    mean, overall = _float(value.mean()), _float(value.std()) if count > 1 else None
    within = _float(moves.mean()) / D2 if len(moves) else None
    head = replace(head, mean=mean, least=_float(value.min()), most=_float(value.max()), spread_overall=overall,
                   spread_within=within)
    head = replace(head, why_not=_why_not(head))
    if head.why_not:
        return head
    cp, cpk = indices(held.low, held.high, mean, within, count, len(moves))
    pp, ppk = indices(held.low, held.high, mean, overall, count, count - 1)
    return replace(head, cp=cp, cpk=cpk, pp=pp, ppk=ppk, notes=tuple(_notes(value, within)))


def _float(value: object) -> float:
    """Of a column of numbers that is not empty, whatever polars says of its kind."""
    assert isinstance(value, float)
    return value


def indices(low: float | None, high: float | None, mean: float, spread: float | None, count: int, freedom: int) -> (
        tuple[Index | None, Index | None]):
    """The index of the width (None for one-sided limits) and that of the nearer limit, of ``count`` values whose
    standard deviation ``spread`` was estimated with ``freedom`` degrees of freedom. The interval of the first is that
    of chi-squared, that of the second Bissell's."""
    if not spread or freedom < 1:
        return None, None
    sides = ([] if low is None else [mean - low]) + ([] if high is None else [high - mean])
    nearer = min(sides) / (3 * spread)
    about = float(ndtri((1 + CONFIDENCE) / 2)) * sqrt(1 / (9 * count) + nearer**2 / (2 * freedom))
    to_nearer = Index(nearer, nearer - about, nearer + about)
    if low is None or high is None:
        return None, to_nearer
    width, tail = (high - low) / (6 * spread), (1 - CONFIDENCE) / 2
    ends = [width * sqrt(float(chdtri(freedom, share)) / freedom) for share in (1 - tail, tail)]
    return Index(width, ends[0], ends[1]), to_nearer


def _why_not(one: Capability) -> str:
    if one.low is None and one.high is None:
        return "it has no limits"
    if one.low == one.high:
        return "both limits are the same: there is no tolerance to keep to"
    if one.count < LEAST:
        return f"{one.count} value{'s' if one.count > 1 else ''}; an index takes {LEAST}"
    if one.least == one.most:
        return f"all {one.count} values are equal: there is no spread"
    return ""


def _notes(value: pl.Series, within: float | None) -> list[str]:
    notes, different, skewness = [], value.tail(_NEWEST).n_unique(), value.skew(bias=False) or 0.0
    if not within:
        notes.append("one unit after another gave the same value: no Cp, no Cpk")
    if different < _DISCRETE:
        notes.append(f"only {different} different values: the indices are rough")
    elif abs(skewness) > _SKEWED:
        notes.append(f"far from normal (skewness {skewness:.1f}): the indices are rough")
    return notes
