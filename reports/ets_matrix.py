"""OMA's ETS cases -> tests -> verdict, and what the manual has otherwise.

A case of kind M is held to the manual; its note says what OMA expects instead. A check before certification: the
verdict that counts is OMA's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from bench.manual.ets import Case, load
from reports.matrix import STYLES, say_what_was_chosen, tests_by_name, verdict_of, verdicts_by_test
from reports.run import Run
from reports.text import WORDS

KINDS = {"A": "as it is", "M": "by the manual", "C": "depends on the unit", "-": "not for this unit"}


@dataclass(frozen=True, slots=True)
class EtsRow:
    """One case with the ids of its tests."""

    case: Case
    tests: tuple[str, ...]
    verdict: str

    @property
    def kind(self) -> str:
        """``case.kind`` in words."""
        return KINDS[self.case.kind]


def ets_rows(records: Sequence[Run], collected: Mapping[str, Sequence[str]]) -> list[EtsRow]:
    """One row for each case, in the order of the list. ``collected``: test id -> the cases that it names."""
    tests = tests_by_name(collected, ((test.id, test.ets) for run in records for test in run.tests))
    verdicts = verdicts_by_test(records)
    all_chosen = not say_what_was_chosen(records)
    return [EtsRow(case, tuple(tests.get(case.id, ())), verdict_of(tests.get(case.id, ()), verdicts,
                                                                   all_chosen=all_chosen))
            for case in load().values()]


def to_json(rows: Sequence[EtsRow]) -> list[dict[str, Any]]:
    """The key ``ets`` of ``mcm-bench trace --json``."""
    return [{"id": row.case.id, "title": row.case.title, "kind": row.case.kind, "note": row.case.note,
             "tests": list(row.tests), "verdict": row.verdict} for row in rows]


def summary_line(rows: Sequence[EtsRow]) -> str:
    """``ETS: 61 cases apply: 58 pass, 3 without a test``."""
    applying = [row for row in rows if row.case.kind in "AM"]
    counts = Counter(row.verdict for row in applying)
    return (f"ETS: {len(applying)} cases apply: "
            + ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common()))


def table(rows: Sequence[EtsRow]) -> Table:
    """The cases that are for the unit, for a terminal."""
    view = Table(title="OMA ETS case → tests → verdict", caption=summary_line(rows), title_justify="left",
                 caption_justify="left", expand=True)
    view.add_column("case", no_wrap=True)
    view.add_column("title", ratio=2)
    view.add_column("applies", no_wrap=True)
    view.add_column("note", ratio=3)
    view.add_column("tests", ratio=2, overflow="fold")
    view.add_column("verdict", no_wrap=True)
    for row in rows:
        if row.case.kind != "-":
            names = "\n".join(dict.fromkeys(name.rsplit("::", 1)[-1].partition("[")[0] for name in row.tests))
            view.add_row(Text(row.case.id), Text(row.case.title), Text(row.kind), Text(row.case.note), Text(names),
                         Text(WORDS[row.verdict], style=STYLES[row.verdict]))
    return view
