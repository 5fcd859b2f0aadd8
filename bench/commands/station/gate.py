"""The one way to the policies of the line: may this unit be tested here, now; and what is done with it after?

What people may allow, they allow by name and with a reason, and it is in the store before the unit starts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bench.errors import BenchError
from bench.manifest import PROJECT, fingerprints, software
from bench.policies import decide
from bench.policies.facts import Allowance, Answer, Decision, Next, Question, Running
from bench.policies.file import Policies
from bench.policies.history import History
from bench.policies.people import Person, Role
from bench.policies.record import note_overrides, unlock
from bench.policies.scan import Badge, Unit, WorkOrder, read
from bench.store.deposit import Depot
from bench.store.tables import RUN

__all__ = ["Asked", "Gate", "Person", "Refused", "Role"]

ANYBODY = Person("anybody", Role.OPERATOR)

UNATTENDED: Mapping[str, Any] = {
    "retest": {"needs": Role.OPERATOR}, "duplicates": {"may": Role.NOBODY}, "errors": {"unlock": Role.OPERATOR}}
"""Policies of a line without a file of them: there is nobody to tell apart."""


BENCH_S = 20.0
"""Real seconds for which the bench is taken to be as it was."""


class Refused(Exception):  # noqa: N818 - reads as a sentence
    """What somebody asked for is refused: in words, and with a ``code`` and facts by which a page says it in another
    language. ``may``: whose badge would allow it."""

    def __init__(self, code: str, sentence: str, **facts: Any) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.facts = code, sentence, facts

    def to_json(self) -> dict[str, Any]:
        return {**self.facts, "code": self.code, "text": self.sentence}


@dataclass(frozen=True)
class Asked:
    """``place``: the name of its station file. ``why``: what somebody says to the refusals with these ``codes``."""

    unit: str
    place: str
    person: Person | None = None
    work_order: str = ""
    why: str = ""
    codes: Sequence[str] = ()
    reseated: bool = False
    more: str = ""
    running: Sequence[Running] = ()
    calibration_due: Mapping[str, date] = field(default_factory=dict)


class Gate:
    """Asks ``policies``, with what ``depot`` knows."""

    def __init__(self, depot: Depot, policies: Policies, *, simulated: bool) -> None:
        self.simulated = simulated
        self.policies = policies
        self.people = policies.list_of_people()
        self._shapes = policies.scan.shapes()
        self._depot = depot
        self._history = History(depot, policies)
        self._bench: tuple[float, dict[str, str]] = (-math.inf, {})

    @classmethod
    def of_file(cls, depot: Depot, path: Path | None, *, simulated: bool) -> Gate:
        """Raises ``BenchError``."""
        policies = Policies.load(path) if path else Policies.model_validate({"name": "no file", **UNATTENDED})
        return cls(depot, policies, simulated=simulated)

    def read(self, typed: str) -> Unit | WorkOrder | Badge:
        """What a scanner typed. Raises ``Refused``."""
        try:
            return read(typed, self._shapes)
        except BenchError as error:
            raise Refused("no label", str(error)) from None

    def whose(self, badge: Badge) -> Person:
        """Raises ``Refused``."""
        if self.people is None:
            raise Refused("no people", "this line has no list of people")
        try:
            return self.people.whose(badge)
        except BenchError as error:
            raise Refused("strange badge", str(error)) from None

    def kind_of(self, unit: str) -> str:
        """What sort of reference unit it is; empty for one of production."""
        found = self.policies.golden_unit(unit)
        return "" if found is None else "golden" if found.is_ == "good" else "known-bad"

    def before(self, asked: Asked) -> Decision:
        """The run that is started, with what was allowed noted. Raises ``Refused`` where none may be."""
        question = self._question(asked)
        try:
            decision = decide.before(self.policies, question, self._history.facts(question))
            if decision.answer is Answer.ALLOWED:
                note_overrides(self._depot, decision.overrides)
                return decision
        except BenchError as error:
            raise Refused("policies", str(error)) from None
        raise _refused(decision, question)

    def locks(self, place: str, calibration_due: Mapping[str, date]) -> list[dict[str, Any]]:
        """Why no unit of production is started at the place now; empty when it is."""
        question = self._question(Asked("", place, calibration_due=calibration_due))
        try:
            decision = decide.before(self.policies, question, self._history.facts(question))
        except BenchError as error:
            return [{"code": "policies", "says": str(error), "do": ""}]
        return [one.to_json() for one in decision.reasons if one.locks]

    def after(self, unit: str, place: str, calibration_due: Mapping[str, date]) -> Decision | None:
        """What is done with the unit. None: the policies can't say."""
        question = self._question(Asked(unit, place, calibration_due=calibration_due))
        try:
            return decide.after(self.policies, question, self._history.facts(question))
        except BenchError:
            return None

    def unlock(self, place: str, person: Person | None, why: str) -> None:
        """A place that has erred is used again. Raises ``Refused``."""
        try:
            unlock(self._depot, self.policies, person or ANYBODY, place, why)
        except BenchError as error:
            raise Refused("role", str(error), role=str(self.policies.errors.unlock)) from None

    def verdict_of(self, run_id: str) -> str:
        """As what a run is stored; empty when it is not."""
        try:
            with self._depot.open().reading() as connection:
                return str(connection.execute(select(RUN.c.verdict).where(RUN.c.run_id == run_id)).scalar() or "")
        except BenchError:
            return ""

    def _question(self, asked: Asked) -> Question:
        who = asked.person or (ANYBODY if self.people is None else None)
        allowance = Allowance(who, asked.why, frozenset(asked.codes)) if asked.why and who is not None else None
        return Question(asked.unit, asked.place, datetime.now(UTC), who if self.people is not None else None,
                        asked.work_order, allowance, asked.reseated, asked.more, tuple(asked.running),
                        asked.calibration_due, self._judged_by())

    def _judged_by(self) -> dict[str, str]:
        """What the next run is judged by. Each run reads it anew, for somebody may have changed it."""
        at, known = self._bench
        if time.monotonic() - at > BENCH_S:
            inputs = {"limits_sha256": PROJECT / "suites" / "limits", "sequence_sha256": PROJECT / "suites"}
            known = {**fingerprints(inputs), "bench_commit": software().commit}
            self._bench = time.monotonic(), known
        return known


def _refused(decision: Decision, question: Question) -> Refused:
    first, role = decision.reasons[0], question.person.role if question.person is not None else Role.OPERATOR
    asks = [one for one in decision.reasons if one.may is not Role.NOBODY]
    facts: dict[str, Any] = {**first.data, "unit": question.unit, "at": question.place, "says": first.says,
                             "do": first.do}
    if len(asks) == len([one for one in decision.reasons if one.code != "retest.same-place"]) and asks:
        needed = max((one.may for one in asks), key=lambda one: list(Role).index(one))
        facts |= {"may": str(needed), "allowed": role.may(needed), "codes": [one.code for one in asks],
                  "reasons": next((one.data["reasons"] for one in asks if "reasons" in one.data), []),
                  "reseat": any(one.code == "retest.same-place" for one in decision.reasons)}
    return Refused(first.code, f"{first.says}; {first.do}.", **facts)


def next_of(decision: Decision | None) -> str:
    """What is to be done with the unit, a word of the language files."""
    if decision is None or decision.next is None:
        return "keep"
    return {Next.DONE: "take out", Next.RED_BIN: "red box", Next.RETEST: "retest", Next.AGAIN: "again",
            Next.MORE: "more", Next.WAIT: "keep", Next.REFERENCE: "reference"}[decision.next]


