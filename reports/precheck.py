"""Certification packs against what runs came to: a row, its verdict word, its evidence, or why there is none.

A pre-check and no conformity assessment. All views of a pack (page, PDF, JSON, terminal) are views of a ``Dossier``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.evidence import number_of
from bench.manifest import Instrument, Software
from bench.manual.pack import RISKS, SOURCES, Pack, Row
from bench.manual.pics import Condition, Declaration
from reports.matrix import Coverage, TraceRow
from reports.run import Measurement, Run, Test
from reports.text import limits, name_of_test, quantity

SCHEMA = 1

DISCLAIMER = "Pre-check, not a conformity assessment."


class Word(StrEnum):
    """What a row comes to; the order is that of what a reader should look at first."""

    NON_CONFORMITY = "indication of non-conformity"
    INCONCLUSIVE = "inconclusive"
    LABORATORY = "needs laboratory"
    CONFORMITY = "indication of conformity"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Seen:
    """A test of a row: what it came to and where its evidence is. ``verdict``: of the test, or "not run"; ``why``:
    what it says, or why it did not run; ``folder``: that of its run, relative to the pack's."""

    test: str
    verdict: str
    why: str = ""
    folder: str = ""
    number: int = 0
    evidence: tuple[tuple[str, str], ...] = ()
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True, slots=True)
class RowResult:
    """``reasons``: why it is that word, as sentences; ``document``: name and edition."""

    row: Row
    document: str
    word: Word
    reasons: tuple[str, ...]
    seen: tuple[Seen, ...] = ()

    @property
    def measured(self) -> list[Measurement]:
        return [one for seen in self.seen for one in seen.measurements]

    @property
    def measured_in_words(self) -> list[str]:
        """What decides the row, each with the test's case, and its uncertainty where it has one (k = 2)."""
        words = []
        for seen in self.seen:
            case = "".join(seen.test.partition("[")[1:])
            for one in seen.measurements:
                if self.row.measures(one.name):
                    width = float(f"{one.uncertainty or self.row.guard_of(one.name):.2g}")
                    around = f" ± {quantity(width, one.unit)}" if width else ""
                    words.append(f"{one.name}{case} = {quantity(one.value, one.unit)}{around} "
                                 f"({limits(one.low, one.high, one.unit)})")
        return words


@dataclass(frozen=True, slots=True)
class PackResult:
    pack: Pack
    rows: tuple[RowResult, ...]

    def counts(self) -> dict[Word, int]:
        counted = Counter(row.word for row in self.rows)
        return {word: counted[word] for word in Word}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a reader must know before the tables. ``risk``: high, medium, low."""

    risk: str
    text: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that a pack of paper says. ``cover``: what spoils it or must be known first; ``set_aside``: runs that do not
    count, with the reason; ``coverage``: of the manual's statements, by the same runs."""

    unit: str
    firmware: tuple[str, ...]
    simulated: bool
    changed: tuple[str, ...]
    station: str
    began: str
    ended: str
    operator: str
    software: Software
    declaration: Declaration
    shown: Mapping[str, Any]
    packs: tuple[PackResult, ...]
    cover: tuple[str, ...]
    findings: tuple[Finding, ...]
    instruments: tuple[Instrument, ...]
    coverage: Coverage
    uncovered: tuple[TraceRow, ...]
    files: tuple[tuple[str, str], ...]
    inputs: Mapping[str, str]

    @property
    def worst(self) -> Word:
        return next(word for word in Word if any(pack.counts()[word] for pack in self.packs))


# -- rows


def judge_pack(pack: Pack, declaration: Declaration, shown: Mapping[str, Any], results: Results) -> PackResult:
    """``shown``: what the unit has shown of what is declared."""
    rows = []
    for row in pack.rows:
        document = pack.document_of(row)
        word, reasons, seen = _judge_row(row, declaration, shown, results)
        rows.append(RowResult(row, f"{document.name} {document.edition}", word, tuple(reasons), seen))
    return PackResult(pack, tuple(rows))


def applies(row: Row, declaration: Declaration,
            shown: Mapping[str, Any] = MappingProxyType({})) -> tuple[bool | None, str]:
    """Whether the row is for the unit, and why not, or why nobody knows. What was not declared goes by what the unit
    shows."""
    values = {**shown, **declaration.declared}
    for text in row.applies:
        condition = Condition.of(text)
        holds = condition.holds(values)
        if holds is None:
            return None, f"the declaration says nothing of {condition.name}, on which it depends"
        if not holds:
            how = "declared" if condition.name in declaration.declared else "the unit shows"
            return False, f"{row.otherwise.rstrip('.')} ({how}: {condition.name} = {_said(values[condition.name])})"
    return True, ""


class Results:
    """What the tests of a pack's runs came to, and of those that did not run why. ``select``: the ids of a row's tests,
    of all there are."""

    def __init__(self, runs: Iterable[Run], root: Path, select: Callable[[Row], Sequence[str]],
                 not_run: Mapping[str, str]) -> None:
        self._root = root
        self.select = select
        self._not_run = dict(not_run)
        self._tests: dict[str, Seen] = {}
        for run in runs:
            evidence: dict[int, list[tuple[str, str]]] = {}
            for artifact in run.artifacts:
                number = number_of(Path(artifact.path))
                if number is not None:
                    evidence.setdefault(number, []).append((artifact.path, artifact.sha256))
            left_out = {one.what: one.reason for one in run.left_out}
            measured: dict[str, list[Measurement]] = {}
            for one in run.measurements:
                measured.setdefault(one.test, []).append(one)
            self._not_run |= left_out
            for test in run.tests:
                if test.verdict == "skipped" and test.id in self._tests:
                    continue
                self._tests[test.id] = self._of(run, test, evidence, left_out, measured)

    def _of(self, run: Run, test: Test, evidence: Mapping[int, Sequence[tuple[str, str]]],
            left_out: Mapping[str, str], measured: Mapping[str, Sequence[Measurement]]) -> Seen:
        folder = run.directory.relative_to(self._root).as_posix()
        if test.verdict == "skipped":
            why = left_out.get(test.id) or test.reason or "no reason given"
            return Seen(test.id, "not run", why.splitlines()[0], folder, test.number)
        return Seen(test.id, test.verdict, (test.message.strip().splitlines() or [""])[0], folder, test.number,
                    tuple(evidence.get(test.number, ())), tuple(measured.get(test.id, ())))

    def of(self, row: Row) -> tuple[Seen, ...]:
        """The row's tests, in order."""
        return tuple(self._tests.get(test) or Seen(test, "not run", self._not_run.get(test, "did not run"))
                     for test in self.select(row))


def _judge_row(row: Row, declaration: Declaration, shown: Mapping[str, Any],
               results: Results) -> tuple[Word, list[str], tuple[Seen, ...]]:
    is_for_unit, why = applies(row, declaration, shown)
    if is_for_unit is False:
        return Word.NOT_APPLICABLE, [why], ()
    if not row.is_for_the_bench:
        return Word.LABORATORY, [f"For {row.to}: {row.left}"], ()
    seen = results.of(row)
    against, doubts = _of_tests(row, seen)
    for text in row.demands:
        condition = Condition.of(text)
        holds = condition.holds(shown)
        if holds is None:
            doubts.append(f"the unit has not shown its {condition.name}")
        elif not holds:
            against.append(f"the unit shows {condition.name} = {_said(shown[condition.name])}; the row demands: {text}")
    if against:
        return Word.NON_CONFORMITY, against, seen
    if why:
        doubts.append(why)
    if not seen and not row.demands:
        doubts.append("no test of this bench was for it")
    if doubts:
        return Word.INCONCLUSIVE, doubts, seen
    passed = f"{len(seen)} test{'s' * (len(seen) != 1)} passed" if seen else "the unit shows what is demanded"
    return Word.CONFORMITY, [passed], seen


def _of_tests(row: Row, seen: Sequence[Seen]) -> tuple[list[str], list[str]]:
    """What speaks against the unit, and what leaves it open."""
    against: list[str] = []
    doubts: list[str] = []
    not_run: dict[str, list[str]] = {}
    for one in seen:
        name = name_of_test(one.test)
        outside, near = _measured(row, one)
        doubts += near
        if one.verdict == "fail":
            if near and not outside and one.why.startswith(OUTSIDE):
                continue    # it failed by what lies within the uncertainty, and by nothing else
            against.append(f"{name}: {one.why or 'failed'}")
        elif one.verdict == "error":
            doubts.append(f"{name}: the bench is to blame: {one.why}")
        elif one.verdict == "not run":
            not_run.setdefault(one.why, []).append(name)
    for why, names in not_run.items():
        doubts.append(f"{names[0]}: did not run: {why}" if len(names) == 1 else
                      f"{len(names)} of {len(seen)} tests did not run: {why}")
    return against, doubts


OUTSIDE = "outside its limits: "
"""How the message of a test begins that failed by its measurements alone (``fixtures/measure.py``)."""


def _measured(row: Row, seen: Seen) -> tuple[list[str], list[str]]:
    """Of the row's measurements: those that are outside by more than their uncertainty, and those that are nearer to a
    limit than that. Any other measurement of the test that is outside counts as it is."""
    outside: list[str] = []
    near: list[str] = []
    for one in seen.measurements:
        width = (one.uncertainty or row.guard_of(one.name)) if row.measures(one.name) else 0.0
        if one.value is None:
            continue
        away = min((distance for distance in (
            None if one.low is None else one.value - one.low, None if one.high is None else one.high - one.value)
            if distance is not None), default=float("inf"))
        said = f"{one.name} = {quantity(one.value, one.unit)} ({limits(one.low, one.high, one.unit)})"
        if width and -width <= away < width:
            near.append(f"{said} is nearer to its limit than its uncertainty of {quantity(width, one.unit)}")
        elif away < 0:
            outside.append(said)
    return outside, near


# -- what the unit shows


def shown_by(runs: Iterable[Run]) -> dict[str, Any]:
    """What the unit has shown of what is declared; of what it has shown twice the last."""
    return {name: value for run in runs for test in run.tests for name, value in test.shown.items()}


def contradictions(declaration: Declaration, shown: Mapping[str, Any]) -> list[str]:
    """Where the unit shows something else than was declared of it, as sentences."""
    found = []
    for name, declared in declaration.declared.items():
        if name in shown and _plain(shown[name]) != _plain(declared):
            found.append(f"declared: {name} = {_said(declared)}; the unit shows {_said(shown[name])}")
    return found


def _plain(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, list | tuple) else value


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


said = _said


def editions(packs: Iterable[Pack], declaration: Declaration) -> list[tuple[str, str]]:
    """Documents whose declared edition is not that of the rows: risk and sentence."""
    found = []
    for pack in packs:
        for document in pack.documents:
            declared = declaration.editions.get(document.name)
            if declared is None or declared == document.edition:
                continue
            if declared in document.known:
                found.append(("low", f"{document.name}: declared {declared}, the rows follow {document.edition}"
                                     f"{'; ' + document.note if document.note else ''}"))
            else:
                found.append(("medium", f"{document.name}: the declared edition {declared} is not known to this bench; "
                                        f"the rows follow {document.edition}"))
    return found


def ranked(packs: Sequence[PackResult], others: Iterable[tuple[str, str]]) -> tuple[Finding, ...]:
    """Findings by their risk: non-conformities, contradictions, editions."""
    found = [Finding(row.row.risk, f"{pack.pack.name} {row.row.id}, {row.row.title}: {row.reasons[0]}")
             for pack in packs for row in pack.rows if row.word is Word.NON_CONFORMITY]
    found += [Finding(risk, text) for risk, text in others]
    return tuple(sorted(found, key=lambda one: RISKS.index(one.risk)))


# -- what was altered


def altered(run_dir: Path) -> list[str]:
    """What of the files that a run's record names is not as it was recorded, as sentences. Raises ``BenchError`` for a
    record that nobody can read."""
    run = Run.load(run_dir)
    found = []
    for artifact in run.artifacts:
        digest = sha256(run_dir / artifact.path)
        if digest != artifact.sha256:
            found.append(f"{run_dir.name}/{artifact.path} is {'gone' if digest is None else 'not as it was recorded'}")
    return found


def sha256(path: Path) -> str | None:
    """None of a file that can't be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


# -- JSON


def to_json(dossier: Dossier) -> dict[str, Any]:
    """``pack.json``: an interface, keep it stable. Nothing in it depends on when it was made."""
    return {
        "schema": SCHEMA, "notice": DISCLAIMER, "unit": dossier.unit, "firmware": list(dossier.firmware),
        "simulated": dossier.simulated, "changed": list(dossier.changed), "station": dossier.station,
        "began": dossier.began, "ended": dossier.ended, "operator": dossier.operator,
        "bench": {"version": dossier.software.version, "commit": dossier.software.commit,
                  "modified": dossier.software.modified},
        "inputs": dict(dossier.inputs), "cover": list(dossier.cover),
        "findings": [{"risk": one.risk, "text": one.text} for one in dossier.findings],
        "declared": dict(dossier.declaration.declared), "shown": dict(dossier.shown),
        "editions": dict(dossier.declaration.editions),
        "instruments": [{"name": one.name, "identity": one.identity, "serial": one.serial, "firmware": one.firmware,
                         "calibrated": one.calibrated, "calibration_due": one.calibration_due}
                        for one in dossier.instruments],
        "coverage": dossier.coverage.to_json(),
        "packs": [_pack_json(pack) for pack in dossier.packs],
        "files": [{"path": path, "sha256": digest} for path, digest in dossier.files],
    }


def _pack_json(result: PackResult) -> dict[str, Any]:
    pack = result.pack
    return {
        "name": pack.name, "title": pack.title, "scope": pack.scope,
        "documents": [{"name": one.name, "edition": one.edition, "source": one.source, "note": one.note}
                      for one in pack.documents],
        "counts": {str(word): count for word, count in result.counts().items()},
        "rows": [{
            "id": one.row.id, "title": one.row.title, "document": one.document, "source": one.row.source,
            "verdict": str(one.word), "reasons": list(one.reasons), "risk": one.row.risk, "bench": one.row.bench,
            "left": one.row.left, "to": one.row.to, "uncertainty": one.row.uncertainty, "note": one.row.note,
            "destructive": one.row.destructive,
            "measurements": [{"name": taken.name, "value": taken.value, "unit": taken.unit, "low": taken.low,
                              "high": taken.high, "uncertainty": taken.uncertainty or one.row.guard_of(taken.name)}
                             for taken in one.measured],
            "tests": [{"id": seen.test, "verdict": seen.verdict, "why": seen.why, "run": seen.folder,
                       "number": seen.number, "evidence": [{"path": path, "sha256": digest}
                                                           for path, digest in seen.evidence]}
                      for seen in one.seen]} for one in result.rows]}


def by_area(rows: Iterable[TraceRow]) -> dict[str, list[str]]:
    """Ids by the part in front of their first hyphen."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.id.partition("-")[0], []).append(row.id)
    return found


def source_in_words(row: Row) -> str:
    return SOURCES[row.source]

