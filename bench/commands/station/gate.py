"""The one way to the policies of the line and to the store's history: may this unit be tested here, now, by this
person?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from bench.commands.station.place import Place
from bench.errors import BenchError
from bench.measure import Verdict
from bench.policies.people import People, Person, Role
from bench.policies.scan import Badge, Shapes, Unit, WorkOrder, read
from bench.store.deposit import Depot
from bench.store.errors import StoreAway
from bench.store.tables import RUN

__all__ = ["Gate", "Person", "Refused", "Role"]

REASONS = ("re-seated", "other place", "after repair", "bench fault suspected")

MOST_ATTEMPTS = 3


class Refused(Exception):  # noqa: N818 - reads as a sentence
    """What somebody asked for is refused: in words, and with a ``code`` and facts by which a page says it in another
    language."""

    def __init__(self, code: str, sentence: str, **facts: Any) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.facts = code, sentence, facts

    def to_json(self) -> dict[str, Any]:
        return {"code": self.code, "text": self.sentence, **self.facts}


class Gate:
    """``people``: the list of the line, None where everybody may do everything."""

    def __init__(self, depot: Depot, *, simulated: bool, people: People | None = None,
                 shapes: Shapes | None = None) -> None:
        self.simulated = simulated
        self.reasons = REASONS
        self._depot = depot
        self._people = people
        self._shapes = shapes or Shapes()

    @property
    def has_people(self) -> bool:
        return self._people is not None

    def read(self, typed: str) -> Unit | WorkOrder | Badge:
        """What a scanner typed. Raises ``Refused``."""
        try:
            return read(typed, self._shapes)
        except BenchError as error:
            raise Refused("no label", str(error), seen=error.seen) from None

    def whose(self, badge: Badge) -> Person:
        """Raises ``Refused``."""
        if self._people is None:
            raise Refused("no people", "this line has no list of people")
        try:
            return self._people.whose(badge)
        except BenchError as error:
            raise Refused("strange badge", str(error)) from None

    def before(self, unit: Unit, place: Place, last_unit: str, person: Person | None, reason: str,
               kind: str) -> Mapping[str, str]:
        """What is to be said of the run in its record. Raises ``Refused`` where it may not be."""
        try:
            with self._depot.open().reading() as connection:
                rows = connection.execute(select(RUN.c.verdict, RUN.c.slot).where(
                    RUN.c.unit_serial == unit.deveui, RUN.c.process == "line", RUN.c.complete == 1,
                    RUN.c.verdict.in_((Verdict.PASS, Verdict.FAIL))).order_by(RUN.c.sequence)).all()
        except StoreAway:
            return {}
        if not rows:
            return {}
        if rows[-1].verdict == Verdict.PASS:
            raise Refused("has passed", f"unit {unit.deveui} has passed already", unit=unit.deveui)
        if len(rows) >= MOST_ATTEMPTS:
            raise Refused("no more retests", f"unit {unit.deveui} has failed {len(rows)} times; it goes to repair",
                          unit=unit.deveui, attempts=len(rows))
        if not reason:
            raise Refused("retest", f"unit {unit.deveui} has failed before; a lead says why it is tested again",
                          unit=unit.deveui)
        if reason not in self.reasons:
            raise Refused("no reason", "choose a reason from the list")
        if self.has_people and (person is None or not person.role.may(Role.LEAD)):
            raise Refused("role", "that takes the badge of a lead", role=str(Role.LEAD))
        return {"retest_reason": reason}

    def after(self, said: Mapping[str, Any]) -> None:
        """A run has its record."""

    def locks(self) -> list[str]:
        """Why no unit of production may be tested now; empty when they may."""
        return []

    def note(self, kind: str, body: Mapping[str, Any]) -> None:
        """Put down in the store what somebody has decided. Raises ``Refused`` where it can't be."""
        try:
            self._depot.open().add_event(kind, body)
        except BenchError as error:
            raise Refused("not noted", str(error)) from None

    def verdict_of(self, run_id: str) -> str:
        """As what a run is stored; empty when it is not."""
        try:
            with self._depot.open().reading() as connection:
                return str(connection.execute(select(RUN.c.verdict).where(RUN.c.run_id == run_id)).scalar() or "")
        except BenchError:
            return ""
