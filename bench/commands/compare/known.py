"""Known issues: what is known to differ, or to be flaky, as data with an expiry::

    [[known]]
    what = "verdict suites/test_led.py::*"      # area and name as compare prints them, * for anything
    until = 2027-03-31                          # the last day on which it counts
    reason = "LED driver of the new board, fixed in 2.5"
    issue = "FW-1234"                           # optional

A known issue takes a difference out of what the policy judges; it stays in every report. One that has expired counts no
more, and one that no difference has met is told, so that the list does not outlive what is on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.commands.compare.comparison import Change, Difference
from bench.errors import BenchError
from bench.toml_file import read_toml


class Known(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str = Field(min_length=3)
    until: date
    reason: str = Field(min_length=3)
    issue: str = ""

    def is_meant(self, one: Difference) -> bool:
        name = f"{one.area} {one.name}"
        # Names of tests have brackets, which are no pattern here.
        return fnmatchcase(name, self.what.replace("[", "[[]"))

    def __str__(self) -> str:
        return f"{self.reason}{f' ({self.issue})' if self.issue else ''}, until {self.until}"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    known: tuple[Known, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """The changes with what is known of them, and what there is to say about the list."""

    changes: Sequence[Change]
    notes: Sequence[str]


def load(path: Path) -> tuple[Known, ...]:
    """Raises ``BenchError``."""
    try:
        return _File.model_validate(read_toml(path, f"known issues {path.name}", "name a file of known issues")).known
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"known issues {path.name}, {' '.join(map(str, first['loc']))}",
                         expected="what, until (a date) and reason of each", seen=str(first["msg"]),
                         do="correct the file") from error


def apply(changes: Sequence[Change], issues: Sequence[Known], today: date) -> Applied:
    """A change is known when all its differences are."""
    valid = [issue for issue in issues if issue.until >= today]
    marked, met = [], set()
    for change in changes:
        of_each = [next((issue for issue in valid if issue.is_meant(one)), None) for one in change.differences]
        met |= {issue.what for issue in of_each if issue is not None}
        first = of_each[0]
        marked.append(replace(change, known=str(first)) if first is not None and all(of_each) else change)
    expired = [f"known issue {issue.what} expired on {issue.until}: it counts again ({issue.reason})"
               for issue in issues if issue.until < today]
    unmet = [f"known issue {issue.what} was not met: take it out if it is fixed" for issue in valid
             if issue.what not in met]
    return Applied(marked, [*expired, *unmet])
