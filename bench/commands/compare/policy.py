"""Which changes are a regression: the policy that gives ``mcm-bench compare`` its exit code.

A file has the areas as compare prints them, each with what of it is a regression; what it leaves out is as below::

    verdict = "worse"           # "any", "worse" (pass became fail), "none"
    "reading of an open place" = "any"
    light = "any"
    timing = "any"              # or a part by which the new one may be slower: "10 %"; faster is no regression then
    energy = "2 %"              # a part by which it may be more; less is no regression then
    measurement = "any"
    "telegram field" = "any"
    "LwM2M tree" = "any"
    default = "any"
    answer = "any"
    message = "any"
    "order of messages" = "any"
    requirement = "worse"       # a statement that was proven and is not any more, by tests that ran on both sides
    flaky = "none"              # "any": a test that has had several verdicts, or one that can't be laid to the firmware
    undecided = "none"          # "any": also what looks different with too few samples to say
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis.shown.fact import Area
from bench.commands.compare.comparison import Comparison, Difference
from bench.errors import BenchError, unknown
from bench.toml_file import read_toml

_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*")
_ALLOWED = "\"any\", \"worse\", \"none\", or of numbers a part such as \"10 %\""
_NUMBERS = (Area.LIGHT, Area.TIMING, Area.ENERGY, Area.MEASUREMENT)


@dataclass(frozen=True, slots=True)
class Policy:
    """By area, what is a regression."""

    rules: Mapping[str, str]

    @classmethod
    def load(cls, path: Path | None) -> Policy:
        """The usual one without a file. Raises ``BenchError`` for a rule that is none."""
        usual = {area.value: "any" for area in Area} | {
            "verdict": "worse", "requirement": "worse", "flaky": "none", "undecided": "none"}
        own: Mapping[str, Any] = {}
        if path is not None:
            own = read_toml(path, f"policy {path.name}", "name a policy file")
        for name, rule in own.items():
            if name not in usual:
                raise unknown(f"policy {name}", name, usual, "take it out, or correct it")
            is_part = isinstance(rule, str) and _PART.fullmatch(rule) and name in _NUMBERS
            is_worse = rule == "worse" and name in ("verdict", "requirement")
            if rule not in ("any", "none") and not is_part and not is_worse:
                raise BenchError(f"policy {name}", expected=_ALLOWED, seen=repr(rule), do="correct the file")
        return cls({**usual, **own})

    def is_regression(self, one: Difference) -> bool:
        rule = self.rules[one.area]
        part = _PART.fullmatch(rule)
        if part is not None and one.judged is not None:
            return one.judged.shift > abs(one.judged.old) * float(part[1]) / 100
        return rule == "any" or bool(part) or (rule == "worse" and one.worse)

    def regressions(self, comparison: Comparison) -> list[str]:
        """All of them, each a sentence. What is known is none."""
        found = [str(one) for change in comparison.changes if not change.known
                 for one in change.differences if self.is_regression(one)]
        if self.rules["requirement"] != "none":
            found += [f"requirement {row.id}: {row.old} became {row.new}" for row in comparison.requirements
                      if (row.old, row.new) == ("pass", "fail") and not _is_known(comparison, row.id)]
        for name, differences in (("flaky", comparison.flaky), ("undecided", comparison.undecided)):
            if self.rules[name] == "any":
                found += [f"{name}: {one}" for one in differences]
        return found


def _is_known(comparison: Comparison, requirement: str) -> bool:
    """Whether the tests that fail with a requirement are known to."""
    known = {test for change in comparison.changes if change.known for one in change.differences for test in one.tests}
    judged_apart = {test for one in comparison.flaky for test in one.tests}
    failing = {test.id for run in comparison.new.runs for test in run.tests
               if test.verdict == "fail" and requirement in test.requirements}
    return failing <= known | judged_apart
