"""Measurements, their limits, and verdicts.

Limits live in ``suites/limits/*.toml``, never in test code::

    ["led.joined.green"]
    unit = "s"
    low = 7.5
    high = 8.5
    clause = "5.3.5"
    note = "8 s; the tolerance is the bench's"

A limit with ``guard = true`` is judged with a guard band: the uncertainty of the value comes off it on both sides
(ISO 14253-1), so that what passes keeps to the printed limit whatever the instrument's error.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from bench.errors import BenchError


class Verdict(StrEnum):
    """Of a test, or of a run. ``fail`` blames the unit, ``error`` the bench."""

    SKIPPED = "skipped"
    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"

    @property
    def severity(self) -> int:
        return list(Verdict).index(self)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe verdict; of nothing at all: ``error``, for a run that tested nothing must not pass.

    A run in which everything was skipped has tested nothing either.
    """
    most = max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.ERROR)
    return Verdict.ERROR if most is Verdict.SKIPPED else most


class Limit(BaseModel):
    """What a measured value must keep to: ``low <= value <= high``, either may be open. ``guard``: the uncertainty of
    the value must be known, and comes off."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    unit: str
    low: float | None = None
    high: float | None = None
    guard: bool = False
    clause: str
    note: str = ""

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if not low <= high or (math.isinf(low) and math.isinf(high)):
            raise ValueError("low and high, of which one may be left out, and low not above high")
        return self


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of the unit against its limits, both in ``unit``. The limits are those it was judged by: ``guard`` has
    come off them."""

    name: str
    value: float
    unit: str
    low: float | None
    high: float | None
    verdict: Verdict
    guard: float = 0.0

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
    def load(cls, folder: Path) -> Limits:
        """Read all of ``folder/*.toml``. Raises ``BenchError`` for a file that isn't right."""
        limits: dict[str, Limit] = {}
        for file in sorted(folder.glob("*.toml")):
            try:
                rows = TypeAdapter(dict[str, Limit]).validate_python(tomllib.loads(file.read_text("utf-8")))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise BenchError(f"limits file {file.name}", expected="TOML", seen=str(error),
                                 do="correct the file") from error
            except ValidationError as error:
                first = error.errors()[0]
                raise BenchError(f"limits file {file.name}, {' '.join(map(str, first['loc']))}",
                                 expected="unit, clause, low or high or both, and a note if there is one",
                                 seen=first["msg"], do="correct the file") from error
            twice = sorted(rows.keys() & limits.keys())
            if twice:
                raise BenchError(f"limits file {file.name}", expected="each measurement once",
                                 seen=f"{twice[0]} in another file too", do="remove one of them")
            limits |= rows
        return cls(limits)

    def judge(self, name: str, value: float | Decimal, uncertainty: float | None = None) -> Measurement:
        """Hold ``value`` (in the limit's unit) against the limits of ``name``. What is no number fails.

        ``uncertainty`` (k = 2, in the same unit) is for limits with a guard band. Raises ``BenchError`` for a
        measurement without limits: it would pass whatever it is; and when the uncertainty is missing, or too large to
        judge by.
        """
        limit = self._limits.get(name)
        if limit is None:
            raise BenchError(f"measurement {name}", expected="limits in suites/limits", seen="none of that name",
                             do="add them")
        number = float(value)
        guard = _guard(name, limit, number, uncertainty) if limit.guard and math.isfinite(number) else 0.0
        low = None if limit.low is None else limit.low + guard
        high = None if limit.high is None else limit.high - guard
        inside = (not math.isnan(number) and (low is None or number >= low) and (high is None or number <= high))
        return Measurement(name, number, limit.unit, low, high, Verdict.PASS if inside else Verdict.FAIL, guard)


GUARD_AT_MOST = 0.25
"""An instrument whose uncertainty is more than this part of the tolerance can't judge (the 4:1 rule)."""


def _guard(name: str, limit: Limit, number: float, uncertainty: float | None) -> float:
    """The width of the guard band. None is needed for what is outside whatever the error."""
    ends = [end for end in (limit.low, limit.high) if end is not None]
    most = GUARD_AT_MOST * (abs(ends[0]) if len(ends) == 1 else (ends[1] - ends[0]) / 2)
    if uncertainty is not None and 0 <= uncertainty <= most:
        return float(uncertainty)    # numpy's numbers can't travel from an xdist worker to the controller
    if uncertainty is not None and ((limit.high is not None and number - uncertainty > limit.high)
                                    or (limit.low is not None and number + uncertainty < limit.low)):
        return 0.0
    raise BenchError(f"uncertainty of {name}", expected=f"at most {most:.3g} {limit.unit}, a quarter of the tolerance",
                     seen="none" if uncertainty is None else f"{uncertainty:.3g} {limit.unit}",
                     do="measure in a lower range, for longer, or with a better instrument")
