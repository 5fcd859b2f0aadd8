"""The facts of decisions, as the store and the spool have them; and what people do at a station, in the ledger."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from postgres import Server
from records import START, body
from sqlalchemy import select
from test_store import verified

from bench.errors import BenchError
from bench.measure import Verdict
from bench.policies import record
from bench.policies.decide import after, before
from bench.policies.facts import Allowance, Answer, Decision, Next, Question, Running
from bench.policies.file import Policies
from bench.policies.history import History
from bench.policies.people import Person, Role
from bench.store.address import StoreAddress
from bench.store.deposit import Depot
from bench.store.store import create
from bench.store.tables import EVENT

LENA, ERIK = Person("lena", Role.LEAD), Person("erik", Role.ENGINEER)
UNIT = "94193A0400000001"


def rules(text: str = "") -> Policies:
    return Policies.model_validate({"name": "line 1", **tomllib.loads(text)})


NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def now() -> datetime:
    return NOW


@pytest.fixture
def depot(address: StoreAddress) -> Depot:
    """An empty store for real runs, at nine in the morning."""
    depot = Depot(address, now)
    depot.accept(create(address, simulated=False, now=now))
    return depot


def ask(history: History, **more: Any) -> Decision:
    question = Question(**{"unit": UNIT, "place": "place 1", "now": now(), **more})
    return before(history.policies, question, history.facts(question))


def codes(decision: Decision) -> list[str]:
    return [one.code for one in decision.reasons]


def run(number: int, verdict: str = "pass", unit: int | None = None, place: str = "place 1", **job: str) -> (
        dict[str, Any]):
    unit_name = f"94193A04{number if unit is None else unit:08X}"
    return body(number, verdict, unit=unit_name, station=place, job={"process": "line", **job})


def test_a_unit_is_known_by_its_runs(depot: Depot) -> None:
    history = History(depot, rules())
    assert ask(history).answer is Answer.ALLOWED
    depot.deposit(run(1, "error", unit=1))
    depot.deposit(run(2, "incomplete", unit=1))
    assert ask(history).answer is Answer.ALLOWED
    depot.deposit(run(3, "fail", unit=1))
    refused = ask(history)
    assert codes(refused) == ["retest.again", "retest.same-place"]
    assert refused.reasons[0].data["first_fail"] == "power.sleep.current"
    allowed = ask(history, reseated=True, allowance=Allowance(LENA, "other", frozenset({"retest.again"})))
    assert allowed.answer is Answer.ALLOWED
    record.note_overrides(depot, allowed.overrides)
    depot.deposit(run(4, "fail", unit=1))
    question = Question(UNIT, "place 1", now())
    assert after(history.policies, question, history.facts(question)).next is Next.RED_BIN
    with depot.open().reading() as connection:
        events = connection.execute(select(EVENT.c.kind, EVENT.c.who, EVENT.c.role, EVENT.c.what, EVENT.c.why,
                                           EVENT.c.place, EVENT.c.unit).where(EVENT.c.kind == "override")).all()
    assert events == [("override", "lena", "lead", "retest.again", "other", "place 1", UNIT)]
    report = verified(depot)
    assert (report.findings, report.vouched) == ([], True)


def test_a_place_has_cycles_errors_and_instruments(depot: Depot) -> None:
    policies = rules("[fixture]\nwarn_at = 2\nlock_at = 4")
    history = History(depot, policies)
    for number, place in enumerate(("place 1", "place 2", "place 1", "place 1"), start=1):
        depot.deposit(run(number, place=place))
    assert [one.code for one in ask(history, unit="").notes if one.code.startswith("fixture")] == ["fixture.soon"]
    depot.deposit(run(5, "error"))
    assert codes(ask(history, unit="")) == ["fixture.worn"]
    with pytest.raises(BenchError, match=r"expected an engineer, saw lena \(lead\)"):
        record.fixture_was_renewed(depot, policies, LENA, "place 1", "new pogo pins")
    record.fixture_was_renewed(depot, policies, ERIK, "place 1", "new pogo pins")
    assert codes(ask(history, unit="")) == []
    depot.deposit(run(6, "error"))
    assert codes(ask(history, unit="")) == ["errors.in-row"]
    assert codes(ask(history, unit="", place="place 2")) == []
    record.unlock(depot, policies, LENA, "place 1", "a plug was loose")
    assert codes(ask(history, unit="")) == []
    # records.py has a supply that is due on 2027-01-01, and a panel that does not tell.
    late = datetime(2027, 1, 2, tzinfo=UTC)
    assert codes(ask(history, unit="", now=late)) == ["calibration.overdue"]
    assert codes(ask(history, unit="", now=late, calibration_due={"supply": date(2028, 1, 1)})) == []
    assert codes(ask(history, unit="", place="place 9", now=late)) == []


GOLDEN = """
[golden]
[[golden.unit]]
unit = "94193A04000000A1"
is = "good"
correlation = { "power.sleep.current" = [5.0, 5.2], "led.hold.green" = { sigma = 3, runs = 5 } }
[[golden.unit]]
unit = "94193A04000000B1"
is = "bad"
fails = "power.sleep.current"
"""


def test_reference_units_open_a_place(depot: Depot) -> None:
    history = History(depot, rules(GOLDEN))
    assert codes(ask(history)) == ["golden.missing", "golden.missing"]
    for number in range(7):
        depot.deposit(run(number, unit=0xA1, process="golden"))
    assert codes(ask(history)) == ["golden.missing"]
    depot.deposit(run(10, "fail", unit=0xB1, process="golden"))
    assert ask(history).answer is Answer.ALLOWED
    assert ask(history, place="place 2").answer is Answer.LOCKED
    assert codes(ask(history, bench={"limits_sha256": "2" * 64})) == ["golden.changed", "golden.changed"]
    assert codes(ask(history, now=now() + timedelta(hours=13))) == ["golden.expired", "golden.expired"]
    depot.deposit(run(11, "pass", unit=0xB1, process="golden"))
    depot.deposit(run(12, "fail", unit=0xA1, process="golden"))
    assert codes(ask(history)) == ["golden.failed", "golden.passed"]
    assert ask(history).reasons[0].data["failed"] == ["power.sleep.current", "suites/line/test_power.py::test_sleep"]


def test_units_are_counted_for_sampling(depot: Depot) -> None:
    history = History(depot, rules('[[sampling]]\nname = "third"\nevery = 3\n[[sampling]]\nname = "lot"\nper_lot = 1'))
    depot.deposit(run(1, work_order="W1"))
    depot.deposit(run(2, "fail", unit=1, work_order="W1"))
    new = "94193A0400000009"
    assert ask(history, unit=new, work_order="W1").more == ()
    assert [one.plan for one in ask(history, unit=new, work_order="W2").more] == ["lot"]
    running = (Running("place 2", "94193A0400000002", "W1"), Running("place 3", UNIT, "W1"))
    assert [one.plan for one in ask(history, unit=new, work_order="W1", running=running).more] == ["third"]
    depot.deposit(run(9, work_order="W1", sampling="third"))
    question = Question(new, "place 1", now(), work_order="W1")
    ended = after(history.policies, question, history.facts(question))
    assert (ended.next, [one.plan for one in ended.more]) == (Next.MORE, ["third"])
    depot.deposit(body(20, "pass", unit=new, job={"process": "third"}, profile="acceptance"))
    assert after(history.policies, question, history.facts(question)).next is Next.DONE


def test_a_clock_set_back_is_told(depot: Depot) -> None:
    depot.deposit(run(1))
    history = History(depot, rules())
    assert codes(ask(history, unit="", now=START)) == ["clock.back"]


def test_while_postgresql_is_gone_for_an_hour(postgres: Server, tmp_path: Path) -> None:
    depot = Depot(StoreAddress.of(postgres.database(), tmp_path / "outside"), now)
    depot.accept(create(depot.address, simulated=False, now=now))
    policies = rules("[fixture]\nwarn_at = 3\nlock_at = 100")
    history = History(depot, policies)
    depot.deposit(run(1))
    assert ask(history, unit="").answer is Answer.ALLOWED
    postgres.kill()
    try:
        gone = ask(history, unit="94193A0400000002")
        assert (gone.answer, [one.code for one in gone.notes]) == (Answer.ALLOWED, ["away.short"])
        assert depot.deposit(run(2, "fail")).away
        refused = ask(history, unit="94193A0400000002", place="place 2")
        assert (refused.answer, codes(refused)) == (Answer.REFUSED, ["retest.again"]), "it waits on this machine"
        record.note_overrides(depot, ask(history, unit="94193A0400000002", place="place 2", allowance=Allowance(
            LENA, "other", frozenset({"retest.again"}))).overrides)
        assert depot.deposit(run(3, unit=2)).away
        question = Question("94193A0400000002", "place 1", now())
        waits = after(policies, question, history.facts(question))
        assert (waits.next, waits.notes[0].code) == (Next.WAIT, "store.waits")
        assert [one.code for one in ask(history, unit="").notes] == ["away.short", "fixture.soon"]
        assert codes(ask(history, unit="", now=now() + timedelta(minutes=61))) == ["away.long"]
    finally:
        postgres.start()
    assert [one.run_id for one in depot.flush().stored] == ["run-2", "run-3"]
    assert ask(history, unit="").answer is Answer.ALLOWED
    question = Question("94193A0400000002", "place 1", now())
    assert [(one.verdict, one.is_stored) for one in history.facts(question).attempts] == [
        (Verdict.FAIL, True), (Verdict.PASS, True)]
    report = verified(depot)
    assert (report.findings, report.entries) == ([], 5)
