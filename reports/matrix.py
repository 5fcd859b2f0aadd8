"""Requirement -> tests -> verdict: what was proven, what failed, and what nobody looked at.

The verdict of a requirement is the worst of its tests: fail, then error, then "not run", then pass. So it is "pass"
only when all its tests that were chosen ran and passed; a test is chosen when it is of the profile of one of the runs,
whether it then was left out or not. A requirement that no test names is "no test", with a reason if it is closed so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rich.table import Table
from rich.text import Text

from bench.manual.requirements import Requirement, load
from reports.run import Run
from reports.text import WORDS

ORDER = ("fail", "error", "pass", "not run", "no test")
"""The verdicts of a requirement, the worst first."""

_WORST_FIRST = ("fail", "error", "not run", "pass")

LINE = "suites/line/"

STYLES = {"pass": "green", "incomplete": "yellow", "fail": "bold red", "error": "bold yellow", "skipped": "dim",
          "not run": "yellow", "no test": "dim"}


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One requirement with the ids of its tests. ``reason`` is given where it is closed without a test.

    ``on_station``: those of the tests that the station in question has the abilities for. ``heard``: a test of it has
    passed in which the unit itself was heard or seen.
    """

    id: str
    clause: str
    statement: str
    tests: tuple[str, ...]
    verdict: str
    reason: str | None
    on_station: tuple[str, ...] = ()
    heard: bool = False


def trace(records: Sequence[Run], collected: Mapping[str, Sequence[str]], closed: Mapping[str, str],
          requirements: Sequence[Requirement] | None = None, *,
          on_station: Collection[str] | None = None) -> list[TraceRow]:
    """One row per requirement, in the order of the catalogue. ``on_station``: the tests that a station can run; None
    takes all.

    ``collected``: test id -> the requirement ids it names, whether it ran or not; ``closed``: requirement id -> reason.
    A requirement id that is not in the catalogue is ignored here: collection refuses it.
    """
    verdicts = verdicts_by_test(records)
    tests = tests_by_name(collected, chain(
        ((test.id, test.requirements) for run in records for test in run.tests),
        ((one.what, one.requirements) for run in records for one in run.left_out)))
    heard = {test.id for run in records for test in run.tests if test.verdict == "pass" and test.heard}
    rows = []
    for requirement in requirements if requirements is not None else load().values():
        names = tuple(tests.get(requirement.id, ()))
        verdict = verdict_of(names, verdicts, all_chosen=not say_what_was_chosen(records))
        reason = closed.get(requirement.id) if not names else None
        rows.append(TraceRow(
            requirement.id, requirement.clause, requirement.statement, names, verdict, reason,
            on_station=tuple(name for name in names if on_station is None or name in on_station),
            heard=any(name in heard for name in names)))
    return rows


def verdicts_by_test(records: Sequence[Run]) -> dict[str, list[str]]:
    """What each test that was chosen came to in each run; left out is "not run", as skipped is."""
    verdicts: dict[str, list[str]] = {}
    for run in records:
        for one in run.left_out:
            verdicts.setdefault(one.what, []).append("not run")
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


def say_what_was_chosen(records: Sequence[Run]) -> bool:
    """Whether the records name what was left out: those of schema 1 don't."""
    return all(run.manifest is not None for run in records)


def verdict_of(tests: Iterable[str], verdicts: Mapping[str, Sequence[str]], *, all_chosen: bool = False) -> str:
    """The worst of those of ``tests`` that were chosen (``all_chosen``: each of them was), "not run" where none was;
    "no test" where there are none.

    A test that ran in one run need not have run in another.
    """
    names = list(tests)
    seen = set()
    for name in names:
        if name in verdicts or all_chosen:
            seen |= set(verdicts.get(name, ())) - {"not run"} or {"not run"}
    return next((one for one in _WORST_FIRST if one in seen), "not run" if names else "no test")


def to_json(rows: Sequence[TraceRow]) -> dict[str, Any]:
    """The form of ``mcm-bench trace --json``."""
    return {"requirements": [{"id": row.id, "clause": row.clause, "statement": row.statement, "tests": list(row.tests),
                              "verdict": row.verdict, "reason": row.reason, "on_station": list(row.on_station),
                              "heard": row.heard} for row in rows]}


def station_line(rows: Sequence[TraceRow], station: str) -> str:
    """What a station can prove: ``bench 1 can prove 475 of 535 tested statements, 402 of them with all their tests``.
    """
    tested = [row for row in rows if row.tests]
    some = [row for row in tested if row.on_station]
    whole = sum(row.on_station == row.tests for row in some)
    heard = sum(row.verdict == "pass" and row.heard for row in rows)
    return (f"{station} can prove {len(some)} of {len(tested)} tested statements, {whole} of them with all their "
            f"tests; {heard} have passed in a test that heard the unit")


@dataclass(frozen=True, slots=True)
class OnLine:
    """Ids of the requirements that the line proves at a station, and of those that it ``lacks`` there and proves at a
    station of another kind."""

    requirements: tuple[str, ...]
    lacks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{len(self.requirements)} statements" + (
            f"; not at this kind of station: {', '.join(self.lacks)}" if self.lacks else "")


def line_of(collected: Mapping[str, Sequence[str]], on_station: Collection[str]) -> OnLine:
    """What the judges of the line (``suites/line``) among the tests ``collected`` come to, of which a station has the
    abilities for those ``on_station``."""
    judges = {test: ids for test, ids in collected.items() if test.startswith(LINE)}
    all_ids = {name for ids in judges.values() for name in ids}
    here = {name for test, ids in judges.items() if test in on_station for name in ids}
    return OnLine(tuple(sorted(here)), tuple(sorted(all_ids - here)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many statements of the manual were judged: all views of runs count against the same ``statements``."""

    statements: int
    passed: int
    failed: int
    error: int
    tested: int | None = None
    closed: int | None = None

    @classmethod
    def of(cls, rows: Sequence[TraceRow], *, knows_all_tests: bool = True) -> Coverage:
        """``rows``: those of the whole catalogue. ``knows_all_tests``: they name every test there is, whether it ran or
        not; else nothing is said of what could be judged."""
        counts = Counter(row.verdict for row in rows)
        return cls(len(rows), counts["pass"], counts["fail"], counts["error"],
                   sum(bool(row.tests) for row in rows) if knows_all_tests else None,
                   sum(row.reason is not None for row in rows) if knows_all_tests else None)

    @property
    def not_judged(self) -> int:
        return self.statements - self.passed - self.failed - self.error

    def __str__(self) -> str:
        text = (f"of {self.statements} statements of the manual {self.passed} passed, {self.failed} failed, "
                f"{self.error} ended as the bench's fault, {self.not_judged} were not judged")
        if self.tested is None:
            return text
        return f"{text}; {self.tested} have a test on this bench, {self.closed} are closed without one"

    @property
    def sentence(self) -> str:
        text = str(self)
        return f"{text[0].upper()}{text[1:]}."

    def to_json(self) -> dict[str, int | None]:
        return {"statements": self.statements, "passed": self.passed, "failed": self.failed, "error": self.error,
                "not_judged": self.not_judged, "tested": self.tested, "closed": self.closed}


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
