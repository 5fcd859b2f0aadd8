"""A comparison for people in the terminal, for programs as JSON, and for CI as JUnit."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.commands.compare.comparison import Change, Comparison, Difference
from bench.commands.compare.sides import Side
from bench.commands.compare.statistics import FALSE_ALARMS, FOUND, Judged
from reports.exports.document import clean

SCHEMA = 1

_SHOWN = 12
"""Of what is undecided or follows so many lines are in the terminal; the page and JSON have all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A comparison judged by a policy."""

    comparison: Comparison
    regressions: Sequence[str]
    notes: Sequence[str]

    @property
    def exit_code(self) -> int:
        """0 no regression, 1 one at least, 3 nothing could be compared."""
        return 1 if self.regressions else 0 if self.comparison.tests else 3

    @property
    def verdict(self) -> str:
        return {0: "NO REGRESSION", 1: "REGRESSION", 3: "NOTHING TO COMPARE"}[self.exit_code]


def side_text(side: Side) -> str:
    """Which runs, in a line."""
    seeds = sorted({run.seed for run in side.runs if run.seed is not None})
    world = "simulated" if all(run.simulated for run in side.runs) else "real"
    return (f"{len(side.runs)} {'run' if len(side.runs) == 1 else 'runs'} of "
            f"{', '.join(sorted({run.profile for run in side.runs}))}, unit {side.unit}, "
            f"firmware {side.firmware or 'unknown'}, {world}, seeds {', '.join(map(str, seeds[:6]))}"
            f"{', ...' if len(seeds) > 6 else ''}")


def figures(judged: Judged, unit: str) -> str:
    """Effect, confidence and what would have been found, in words."""
    low, high = judged.interval
    resolvable = f"resolvable {judged.resolvable:.3g} {unit}" if judged.resolvable is not None else (
        f"not resolvable with {judged.counts[0]} and {judged.counts[1]} samples")
    return (f"by {judged.shift:+.4g} {unit} (95 %: {low:+.4g} to {high:+.4g}), delta {judged.effect:+.2f}, "
            f"p {judged.p:.1g}, {resolvable}")


def print_comparison(finding: Finding, console: Console) -> None:
    said = finding.comparison

    def line(text: str, style: str = "") -> None:
        console.print(Text(text, style), soft_wrap=True)

    for side in (said.old, said.new):
        line(f"{side.name}: {side_text(side)}", "dim")
    for caution in said.cautions:
        line(f" ! {caution.text}", "yellow")
    regressing = set(finding.regressions)
    for change in said.changes:
        _print_change(change, regressing, line)
    for title, rest in (("undecided, too few samples or not alike within a side", said.undecided),
                        ("flaky, or not to be laid to the firmware", said.flaky)):
        if rest:
            line(f"{title}:", "bold")
        for one in rest[:_SHOWN]:
            line(f"   {_short(one)}", "dim")
        if len(rest) > _SHOWN:
            line(f"   and {len(rest) - _SHOWN} more", "dim")
    if said.battery is not None:
        line(f"battery: a day takes {said.battery.old_j:.4g} J, then {said.battery.new_j:.4g} J: its life is "
             f"{said.battery.ratio * 100:.1f} % of the old one's", "dim")
    moved = [row for row in said.requirements if row.old != row.new]
    line(f"requirements: {len(said.requirements)} tested, {len(moved)} with another verdict", "dim")
    for note in finding.notes:
        line(f" ! {note}", "yellow")
    style = {0: "bold green", 1: "bold red"}.get(finding.exit_code, "bold yellow")
    line(f"{finding.verdict}  {len(said.changes)} changes, {len(finding.regressions)} regressions by policy; "
         f"{said.compared} facts of {said.tests} tests compared", style)


def _print_change(change: Change, regressing: set[str], line: Any) -> None:
    first = change.first
    is_regression = any(str(one) in regressing for one in change.differences)
    mark = "known" if change.known else "✘" if is_regression else "·"
    line(f" {mark} {_short(first)}", "dim" if change.known else "red" if is_regression else "")
    if change.known:
        line(f"     {change.known}", "dim")
    if first.judged is not None:
        line(f"     {figures(first.judged, first.unit)}", "dim")
    for one in change.differences[1:4]:
        line(f"     with it: {_short(one)}", "dim")
    if len(change.differences) > 4:
        line(f"     and {len(change.differences) - 4} more", "dim")


def _short(one: Difference) -> str:
    old, new = (text if len(text) <= 120 else f"{text[:117]}..." for text in (one.old, one.new))
    where = f" in {len(one.tests)} tests" if len(one.tests) > 1 else ""
    return f"{one.area} {one.name}: {old} -> {new}{where}{f' ({one.note})' if one.note else ''}"


# -- for programs


def to_json(finding: Finding) -> dict[str, Any]:
    """Its form is an interface: keys are added, never changed."""
    said = finding.comparison
    return {
        "schema": SCHEMA, "verdict": finding.verdict.lower(), "regressions": list(finding.regressions),
        "notes": list(finding.notes), "cautions": [one.text for one in said.cautions],
        "old": _side(said.old), "new": _side(said.new), "facts": said.compared, "tests": said.tests,
        "confidence": {"false_alarms": FALSE_ALARMS, "found": FOUND},
        "changes": [{"known": change.known, "differences": [_difference(one) for one in change.differences]}
                    for change in said.changes],
        "undecided": [_difference(one) for one in said.undecided], "flaky": [_difference(one) for one in said.flaky],
        "numbers": [{"area": area, "name": name, "unit": unit, **_judged(judged)}
                    for area, name, unit, judged in said.numbers],
        "requirements": [{"id": row.id, "old": row.old, "new": row.new} for row in said.requirements],
        "battery": None if said.battery is None else {
            "old_j_per_day": said.battery.old_j, "new_j_per_day": said.battery.new_j, "life_ratio": said.battery.ratio},
        "only_in": {name: list(tests) for name, tests in said.only.items()},
    }


def _side(side: Side) -> dict[str, Any]:
    return {"runs": [str(run.directory) for run in side.runs], "unit": side.unit, "firmware": side.firmware,
            "profiles": sorted({run.profile for run in side.runs}), "seeds": [run.seed for run in side.runs]}


def _difference(one: Difference) -> dict[str, Any]:
    return {"area": one.area, "name": one.name, "outcome": one.outcome, "old": one.old, "new": one.new,
            "unit": one.unit, "tests": list(one.tests), "note": one.note,
            "judged": _judged(one.judged) if one.judged is not None else None}


def _judged(judged: Judged) -> dict[str, Any]:
    return {"outcome": judged.outcome, "old": judged.old, "new": judged.new, "shift": judged.shift,
            "interval": list(judged.interval), "effect": judged.effect, "p": judged.p, "resolvable": judged.resolvable,
            "samples": list(judged.counts), "spreads": list(judged.spreads)}


def write_junit(finding: Finding, path: Path) -> None:
    """A test case for each change and for each test that is on both sides without one: a regression is a failure, what
    is known is skipped, and what could not be compared an error of the bench."""
    said, regressing = finding.comparison, set(finding.regressions)
    cases: list[Xml.Element] = []

    def case(group: str, name: str) -> Xml.Element:
        element = Xml.Element("testcase", classname=f"compare.{group}", name=clean(name), time="0")
        cases.append(element)
        return element

    failures = skipped = errors = 0
    for change in said.changes:
        element = case(change.area.value, change.first.name)
        text = "\n".join(clean(str(one)) for one in change.differences)
        if change.known:
            Xml.SubElement(element, "skipped", message=clean(change.known))
            skipped += 1
        elif any(str(one) in regressing for one in change.differences):
            Xml.SubElement(element, "failure", message=clean(str(change.first)), type="regression").text = text
            failures += 1
        else:
            Xml.SubElement(element, "system-out").text = text
    mentioned = {str(one) for change in said.changes for one in change.differences}
    for sentence in finding.regressions:
        if sentence not in mentioned:
            Xml.SubElement(case("policy", sentence), "failure", message=clean(sentence), type="regression")
            failures += 1
    if not said.tests:
        Xml.SubElement(case("sides", "both have tests in common"), "error", message="nothing to compare", type="bench")
        errors += 1
    elif not cases:
        case("sides", f"{said.compared} facts of {said.tests} tests")
    suite = Xml.Element("testsuite", name="mcm-bench compare", tests=str(len(cases)), failures=str(failures),
                        errors=str(errors), skipped=str(skipped), time="0")
    suite.extend(cases)
    whole = Xml.Element("testsuites")
    whole.append(suite)
    Xml.indent(whole)
    Xml.ElementTree(whole).write(path, encoding="utf-8", xml_declaration=True)
