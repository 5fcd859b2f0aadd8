"""The facts of a decision, from the record store and from what waits on this machine to be stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from bench.errors import BenchError
from bench.measure import Verdict
from bench.policies.facts import Attempt, Facts, GoldenRun, Question
from bench.policies.file import GoldenUnit, Policies
from bench.store.deposit import Depot
from bench.store.errors import StoreAway
from bench.store.rows import rows_of, searchable
from bench.store.store import head_of
from bench.store.tables import EVENT, INSTRUMENT, LEDGER, MEASUREMENT, PHASE, RUN

FIXTURE_RESET = "fixture reset"
UNLOCKED = "place unlocked"
OVERRIDE = "override"
"""Kinds of events in the ledger."""

BENCH = ("bench_commit", "limits_sha256", "sequence_sha256")
"""What a run was judged by, as columns of table ``run``."""


@dataclass
class History:
    """What ``depot`` knows, for the decisions of one process. While the store is away what was known last of each place
    stands, and what waits in the spool counts."""

    depot: Depot
    policies: Policies
    _known: dict[str, Facts] = field(default_factory=dict)
    _away_since: datetime | None = None

    def facts(self, question: Question) -> Facts:
        """Raises ``BenchError`` for a store that was never reached, or is not the one that it was."""
        away = ""
        try:
            with self.depot.open().reading() as connection:
                found = _facts(connection, self.policies, question)
            self._away_since = None
            self._known[question.place] = replace(found, attempts=())
        except StoreAway as error:
            if question.place not in self._known and self.depot.anchor.read() is None:
                raise
            away = str(error)
            self._away_since = self._away_since or question.now
            found = replace(self._known.get(question.place, Facts()), away=away, away_since=self._away_since)
        return _with_waiting(found, self._waiting(), question)

    def _waiting(self) -> list[Mapping[str, Any]]:
        """The runs in the spool, oldest first."""
        bodies: list[Mapping[str, Any]] = []
        for path in self.depot.spool.waiting():
            try:
                body = self.depot.spool.read(path)
            except (OSError, ValueError):    # records flush tells of it
                continue
            if body is not None and "event" not in body:
                bodies.append(body)
        return bodies


def _facts(connection: Connection, policies: Policies, question: Question) -> Facts:
    unit, place = searchable(question.unit), searchable(question.place)
    runs = connection.execute(_runs().where(RUN.c.unit_serial == unit).order_by(RUN.c.sequence)).all() if unit else []
    newest = head_of(connection)[1]
    first = next((run.sequence for run in runs if run.process == policies.process), None)
    units_before, lot_before = _units_before(connection, policies, question, first)
    return Facts(
        attempts=tuple(_attempt(run) for run in runs),
        golden=tuple(found for one in (policies.golden.unit if policies.golden is not None else ())
                     for found in _golden_runs(connection, policies, one, place)),
        cycles=_cycles(connection, place), errors_in_row=_errors_in_row(connection, place, policies.errors.lock_after),
        calibration_due=_calibration_due(connection, place), units_before=units_before, lot_before=lot_before,
        known=_known(connection, policies, [searchable(one.unit) for one in question.running]),
        newest=datetime.fromisoformat(newest) if newest else None)


def _runs() -> Any:
    return select(RUN.c.sequence, RUN.c.run_id, RUN.c.unit_serial, RUN.c.process, RUN.c.station, RUN.c.verdict,
                  RUN.c.work_order, RUN.c.first_fail, RUN.c.sampling, RUN.c.complete, LEDGER.c.stored_at,
                  *(RUN.c[name] for name in BENCH)).join(LEDGER, LEDGER.c.sequence == RUN.c.sequence)


def _attempt(run: Row[Any]) -> Attempt:
    return Attempt(run.run_id, run.unit_serial, run.process, run.station, Verdict(run.verdict),
                   datetime.fromisoformat(run.stored_at), run.work_order, run.first_fail, run.sampling,
                   bool(run.complete))


def _units_before(connection: Connection, policies: Policies, question: Question, first: int | None) -> tuple[int, int]:
    """Different units of the process, and of the work order in it, that were stored before this one."""
    if not policies.sampling:
        return 0, 0
    of_process: list[ColumnElement[bool]] = [RUN.c.process == searchable(policies.process)]
    if first is not None:
        of_process.append(RUN.c.sequence < first)
    counted = select(func.count(RUN.c.unit_serial.distinct()))
    of_lot = [*of_process, RUN.c.work_order == searchable(question.work_order)]
    return (connection.execute(counted.where(*of_process)).scalar_one(),
            connection.execute(counted.where(*of_lot)).scalar_one())


def _known(connection: Connection, policies: Policies, units: Sequence[str]) -> frozenset[str]:
    if not units:
        return frozenset()
    return frozenset(connection.execute(select(RUN.c.unit_serial).where(
        RUN.c.unit_serial.in_(units), RUN.c.process == searchable(policies.process))).scalars())


def _since(connection: Connection, kind: str, place: str) -> int:
    """The newest event of that kind at the place; 0: none ever."""
    return connection.execute(select(func.max(EVENT.c.sequence)).where(
        EVENT.c.kind == kind, EVENT.c.place == place)).scalar() or 0


def _cycles(connection: Connection, place: str) -> int:
    """Each run closes the fixture once."""
    return connection.execute(select(func.count()).select_from(RUN).where(
        RUN.c.station == place, RUN.c.sequence > _since(connection, FIXTURE_RESET, place))).scalar_one()


def _errors_in_row(connection: Connection, place: str, most: int) -> int:
    verdicts = connection.execute(select(RUN.c.verdict).where(
        RUN.c.station == place, RUN.c.sequence > _since(connection, UNLOCKED, place)).order_by(
            RUN.c.sequence.desc()).limit(most)).scalars().all()
    return next((number for number, verdict in enumerate(verdicts) if verdict != Verdict.ERROR), len(verdicts))


def _calibration_due(connection: Connection, place: str) -> dict[str, date | None]:
    """As the newest run at the place has it that has looked at instruments."""
    newest = connection.execute(select(func.max(RUN.c.sequence)).join(
        INSTRUMENT, INSTRUMENT.c.sequence == RUN.c.sequence).where(RUN.c.station == place)).scalar()
    if newest is None:
        return {}
    return {row.name: _day(row.calibration_due) for row in connection.execute(
        select(INSTRUMENT.c.name, INSTRUMENT.c.calibration_due).where(INSTRUMENT.c.sequence == newest))}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _golden_runs(connection: Connection, policies: Policies, unit: GoldenUnit, place: str) -> list[GoldenRun]:
    """The newest judged run of the unit at the place, and where any place counts the newest of all."""
    golden = policies.golden
    assert golden is not None
    of_unit = and_(RUN.c.unit_serial == unit.unit, RUN.c.process == searchable(golden.process), RUN.c.complete == 1,
                   RUN.c.verdict.in_((Verdict.PASS, Verdict.FAIL)))
    here = of_unit if golden.per == "line" else and_(of_unit, RUN.c.station == place)
    run = connection.execute(_runs().where(here).order_by(RUN.c.sequence.desc()).limit(1)).one_or_none()
    if run is None:
        return []
    measured = connection.execute(select(MEASUREMENT.c.name, MEASUREMENT.c.value, MEASUREMENT.c.verdict).where(
        MEASUREMENT.c.sequence == run.sequence)).all()
    tests = connection.execute(select(PHASE.c.name).where(
        PHASE.c.sequence == run.sequence, PHASE.c.verdict == Verdict.FAIL)).scalars().all()
    before = {name: _values_before(connection, and_(here, RUN.c.verdict == Verdict.PASS), name, run.sequence,
                                   wanted.runs)
              for name, wanted in unit.correlation.items() if wanted.sigma is not None}
    return [GoldenRun(unit.unit, run.station, Verdict(run.verdict), datetime.fromisoformat(run.stored_at),
                      frozenset({*tests, *(row.name for row in measured if row.verdict == Verdict.FAIL)}),
                      {row.name: row.value for row in measured if row.name in unit.correlation}, before,
                      {name: getattr(run, name) for name in BENCH if getattr(run, name)})]


def _values_before(connection: Connection, runs: ColumnElement[bool], name: str, sequence: int, most: int) -> (
        tuple[float, ...]):
    """Of a measurement in the passes before, oldest first."""
    values = connection.execute(select(MEASUREMENT.c.value).join(RUN, RUN.c.sequence == MEASUREMENT.c.sequence).where(
        runs, MEASUREMENT.c.name == name, MEASUREMENT.c.value.is_not(None), RUN.c.sequence < sequence).order_by(
            RUN.c.sequence.desc()).limit(most)).scalars().all()
    return tuple(reversed([value for value in values if value is not None]))


def _with_waiting(facts: Facts, bodies: Sequence[Mapping[str, Any]], question: Question) -> Facts:
    """``facts`` and what the runs that wait add to them. A run that another process stores meanwhile counts once."""
    attempts, cycles, errors = list(facts.attempts), facts.cycles, facts.errors_in_row
    there = {one.run_id for one in attempts}
    for body in bodies:
        try:
            (row,) = rows_of(0, "run", {"attempt": 1, "retest_of": "", **body})["run"]
        except BenchError:
            continue
        if row["station"] == question.place:
            cycles += 1
            errors = errors + 1 if row["verdict"] == Verdict.ERROR else 0
        if row["unit_serial"] == question.unit and row["run_id"] not in there:
            attempts.append(Attempt(row["run_id"], row["unit_serial"], row["process"], row["station"],
                                    Verdict(row["verdict"]), _moment(row["ended_at"] or row["started_at"]),
                                    row["work_order"], row["first_fail"], row["sampling"], bool(row["complete"]),
                                    is_stored=False))
    return replace(facts, attempts=tuple(attempts), cycles=cycles, errors_in_row=errors)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.now(UTC)
