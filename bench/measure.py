"""Measurements, their limits, and verdicts.

Limits live in ``suites/limits/*.toml``, never in test code::

    ["led.joined.green"]
    unit = "s"
    low = 7.5
    high = 8.5
    clause = "5.3.5"
    note = "8 s; the tolerance is the bench's"

A physical quantity has both ends, for an instrument that shows nothing, or the opposite, must not pass. An end may be
missing of a count, and where ``one_sided`` says why. ``possible`` are the bounds of what there is at all: a value
outside of them, and what is no number, says something of the instrument and is the bench's fault::

    ["power.sleep.current"]
    unit = "uA"
    high = 6.6
    possible = [0.5, 1e6]

A limit with ``guard = true`` is judged with a guard band: the uncertainty of the value comes off it on both sides
(ISO 14253-1), so that what passes keeps to the printed limit whatever the instrument's error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from bench.errors import BenchError
from bench.toml_file import read_toml
from bench.verdict import Verdict as Verdict
from bench.verdict import of_a_test as of_a_test
from bench.verdict import worst as worst

COUNTS = ("1", "octets")
"""Units of what is counted: there is nothing below 0, and no instrument that could show it."""


class Limit(BaseModel):
    """What a measured value must keep to: ``low <= value <= high``. ``guard``: the uncertainty of the value must be
    known, and comes off. ``one_sided``: why the other end is left open. ``possible``: lowest and highest value that
    there is at all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    unit: str
    low: float | None = None
    high: float | None = None
    possible: Annotated[tuple[float, float] | None, Field(strict=False)] = None    # TOML knows arrays only
    guard: bool = False
    one_sided: str = ""
    clause: str
    note: str = ""

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        if self.low is None and self.high is None:
            raise ValueError("low or high, or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low not above high")
        if self.possible is not None and not self.possible[0] < self.possible[1]:
            raise ValueError("the lowest possible value below the highest")
        one_sided = (self.low is None or self.high is None) and self.possible is None
        if one_sided and self.unit not in COUNTS and not self.one_sided.strip():
            raise ValueError("both ends, or possible = [lowest, highest], or one_sided = \"the reason\"")
        return self


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of the unit against its limits, both in ``unit``. The limits are those it was judged by: ``guard`` has
    come off them. ``uncertainty`` (k = 2, in ``unit``): what the test has said of it, 0 where it said nothing."""

    name: str
    value: float
    unit: str
    low: float | None
    high: float | None
    verdict: Verdict
    guard: float = 0.0
    uncertainty: float = 0.0

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            limits = f"at most {_number(self.high)}" if self.low is None else f"at least {_number(self.low)}"
        else:
            limits = f"limits {_number(self.low)} ... {_number(self.high)}"
        band = f", guard band {_number(self.guard)}" if self.guard else ""
        return f"{self.name} = {_number(self.value)} {self.unit} ({limits}{band})"


def _number(value: float | None) -> str:
    return "no limit" if value is None else f"{value:.6g}"


class Limits:
    """The limits of all measurements, by name."""

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self._limits = dict(limits)

    @classmethod
    def load(cls, place: Path) -> Limits:
        """Read a file, or all ``*.toml`` of a folder. Raises ``BenchError`` for a file that isn't right."""
        limits: dict[str, Limit] = {}
        for file in sorted(place.glob("*.toml")) if place.is_dir() else [place]:
            try:
                rows = TypeAdapter(dict[str, Limit]).validate_python(
                    read_toml(file, f"limits file {file.name}", "put a file of limits there"))
            except ValidationError as error:
                first = error.errors()[0]
                raise BenchError(f"limits file {file.name}, {' '.join(map(str, first['loc']))}",
                                 expected="unit, clause, low and high, and what else limits have",
                                 seen=first["msg"], do="correct the file") from error
            twice = sorted(rows.keys() & limits.keys())
            if twice:
                raise BenchError(f"limits file {file.name}", expected="each measurement once",
                                 seen=f"{twice[0]} in another file too", do="remove one of them")
            limits |= rows
        return cls(limits)

    def replaced_by(self, others: Limits) -> Limits:
        """These, with ``others`` in place of those of the same name. Raises ``BenchError`` for a name that is not among
        these: it would limit nothing."""
        unknown = sorted(others._limits.keys() - self._limits.keys())
        if unknown:
            raise BenchError(f"limit {unknown[0]}", expected="a measurement that there is", seen="none of that name",
                             do="correct the name, or take it out")
        for name, other in others._limits.items():
            if other.unit != self._limits[name].unit:
                raise BenchError(f"limit {name}", expected=f"one in {self._limits[name].unit}", seen=other.unit,
                                 do="give it in the unit in which the value is measured")
        return Limits({**self._limits, **others._limits})

    def tolerance(self, name: str) -> float:
        """Half the width between the limits of ``name``, or where there is one the limit itself; in its unit."""
        return _tolerance(self._limits[name])

    def judge(self, name: str, value: float | Decimal, uncertainty: float | None = None) -> Measurement:
        """Hold ``value`` (in the limit's unit) against the limits of ``name``.

        ``uncertainty`` (k = 2, in the same unit) is for limits with a guard band. Raises ``BenchError`` for a
        measurement without limits: it would pass whatever it is; for a value that is no number, or outside what is
        possible; and when the uncertainty is missing, or too large to judge by.
        """
        limit = self._limits.get(name)
        if limit is None:
            raise BenchError(f"measurement {name}", expected="limits in suites/limits", seen="none of that name",
                             do="add them")
        number = float(value)
        least, most = limit.possible or (-math.inf, math.inf)
        if not math.isfinite(number) or not least <= number <= most:
            span = f"from {least:g} to {most:g} {limit.unit}" if limit.possible else "that is finite"
            raise BenchError(f"measurement {name}", expected=f"a number {span}", seen=f"{number:g} {limit.unit}",
                             do="check the instrument and its wiring: no unit gives such a value")
        guard = _guard(name, limit, number, uncertainty) if limit.guard else 0.0
        low = None if limit.low is None else limit.low + guard
        high = None if limit.high is None else limit.high - guard
        inside = _is_within(number, low, high)
        if not inside and guard > GUARD_THAT_FAILS * _tolerance(limit) and _is_within(number, limit.low, limit.high):
            raise BenchError(f"uncertainty of {name}", seen=f"{guard:.3g} {limit.unit}", do=_BETTER,
                             expected=f"to know whether {_number(number)} {limit.unit} keeps to the limit")
        return Measurement(name, number, limit.unit, low, high, Verdict.PASS if inside else Verdict.FAIL, guard,
                           float(uncertainty or 0.0))


GUARD_AT_MOST = 0.25
"""An instrument whose uncertainty is more than this part of the tolerance can't judge (the 4:1 rule)."""


GUARD_THAT_FAILS = 0.05
"""What is inside the printed limits, but not by the uncertainty, fails. With a guard band wider than this part of the
tolerance that is the instrument's doing, and no unit is failed for it."""

_BETTER = "measure in a lower range, for longer, or with a better instrument"


def _is_within(number: float, low: float | None, high: float | None) -> bool:
    return not math.isnan(number) and (low is None or number >= low) and (high is None or number <= high)


def _tolerance(limit: Limit) -> float:
    ends = [end for end in (limit.low, limit.high) if end is not None]
    return abs(ends[0]) if len(ends) == 1 else (ends[1] - ends[0]) / 2


def _guard(name: str, limit: Limit, number: float, uncertainty: float | None) -> float:
    """The width of the guard band. None is needed for what is outside whatever the error."""
    most = GUARD_AT_MOST * _tolerance(limit)
    if uncertainty is not None and 0 <= uncertainty <= most:
        return float(uncertainty)    # numpy's numbers can't travel from an xdist worker to the controller
    if uncertainty is not None and ((limit.high is not None and number - uncertainty > limit.high)
                                    or (limit.low is not None and number + uncertainty < limit.low)):
        return 0.0
    raise BenchError(f"uncertainty of {name}", expected=f"at most {most:.3g} {limit.unit}, a quarter of the tolerance",
                     seen="none" if uncertainty is None else f"{uncertainty:.3g} {limit.unit}",
                     do=_BETTER)
