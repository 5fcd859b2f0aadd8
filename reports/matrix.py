"""Requirement -> tests -> verdict: what was proven, what failed, and what nobody looked at.

The verdict of a requirement is the worst of its tests: fail, then error, then pass. Tests that were skipped or not
selected make it "not run", and a requirement that no test names is "no test", with a reason if it is closed that way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from bench.manual.requirements import Requirement, load
from reports.run import Run
from reports.text import WORDS

ORDER = ("fail", "error", "pass", "not run", "no test")
"""The verdicts of a requirement, the worst first."""

STYLES = {"pass": "green", "fail": "bold red", "error": "bold yellow", "skipped": "dim", "not run": "yellow",
          "no test": "dim"}


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One requirement with the ids of its tests. ``reason`` is given where it is closed without a test."""

    id: str
    clause: str
    statement: str
    tests: tuple[str, ...]
    verdict: str
    reason: str | None


def trace(records: Sequence[Run], collected: Mapping[str, Sequence[str]], closed: Mapping[str, str],
          requirements: Sequence[Requirement] | None = None) -> list[TraceRow]:
    """One row per requirement, in the order of the catalogue.

    ``collected``: test id -> the requirement ids it names, whether it ran or not; ``closed``: requirement id -> reason.
    A requirement id that is not in the catalogue is ignored here: collection refuses it.
    """
    verdicts = verdicts_by_test(records)
    tests = tests_by_name(collected, ((test.id, test.requirements) for run in records for test in run.tests))
    rows = []
    for requirement in requirements if requirements is not None else load().values():
        names = tuple(tests.get(requirement.id, ()))
        verdict = verdict_of(names, verdicts)
        reason = closed.get(requirement.id) if not names else None
        rows.append(TraceRow(requirement.id, requirement.clause, requirement.statement, names, verdict, reason))
    return rows


def verdicts_by_test(records: Sequence[Run]) -> dict[str, list[str]]:
    """What each test came to in each run."""
    verdicts: dict[str, list[str]] = {}
    for run in records:
        for test in run.tests:
            verdicts.setdefault(test.id, []).append("not run" if test.verdict == "skipped" else test.verdict)
    return verdicts


def tests_by_name(collected: Mapping[str, Sequence[str]], ran: Iterable[tuple[str, Sequence[str]]],
                  ) -> dict[str, dict[str, None]]:
    """The ids of the tests that name something, in their order: of the tests that are there, and of those that ran."""
    tests: dict[str, dict[str, None]] = {}
    for test_id, names in (*collected.items(), *ran):
        for name in names:
            tests.setdefault(name, {})[test_id] = None
    return tests


def verdict_of(tests: Iterable[str], verdicts: Mapping[str, Sequence[str]]) -> str:
    """The worst of ``tests``; "no test" where there are none."""
    seen = {verdict for name in tests for verdict in verdicts.get(name, ["not run"])}
    return next((one for one in ORDER if one in seen), "no test")


def to_json(rows: Sequence[TraceRow]) -> dict[str, Any]:
    """The form of ``mcm-bench trace --json``."""
    return {"requirements": [{"id": row.id, "clause": row.clause, "statement": row.statement, "tests": list(row.tests),
                              "verdict": row.verdict, "reason": row.reason} for row in rows]}


def summary_line(rows: Sequence[TraceRow]) -> str:
    """One line that counts everything: ``565 requirements: 120 pass, 2 fail, ...``."""
    counts = Counter(row.verdict for row in rows)
    closed = sum(row.reason is not None for row in rows)
    parts = [f"{counts[verdict]} {verdict}" for verdict in ORDER[:4]]
    parts += [f"{closed} closed without a test", f"{counts['no test'] - closed} without a test"]
    return f"{len(rows)} requirements: " + ", ".join(parts)


def table(rows: Sequence[TraceRow]) -> Table:
    """The matrix for a terminal."""
    view = Table(title="Requirement → tests → verdict", caption=summary_line(rows), title_justify="left",
                 caption_justify="left", expand=True)
    view.add_column("id", no_wrap=True)
    view.add_column("clause", max_width=12)
    view.add_column("statement", ratio=3)
    view.add_column("tests", ratio=2, overflow="fold")
    view.add_column("verdict", no_wrap=True)
    for row in rows:
        names = "\n".join(name.rsplit("::", 1)[-1] for name in row.tests) or (row.reason or "")
        verdict = "CLOSED" if row.reason else WORDS[row.verdict]
        view.add_row(Text(row.id), Text(row.clause), Text(row.statement), Text(names),
                     Text(verdict, style=STYLES[row.verdict]))
    return view
