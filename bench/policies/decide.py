"""The decision: may a unit be started, and what is done with it after its run. Pure functions of policies, question and
facts: the same values, the same answer. The limits of a decision are its facts; ``history.py`` finds those."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bench.measure import Verdict
from bench.policies import golden, sampling
from bench.policies.facts import Answer, Attempt, Decision, Facts, More, Next, Override, Question, Reason
from bench.policies.file import Policies
from bench.policies.people import Role

CLOCKS_DIFFER_S = 300.0
"""By so much the clocks of PCs that share a store may differ."""


def before(policies: Policies, question: Question, facts: Facts) -> Decision:
    """May the unit be started? Without a unit: is the place ready?"""
    locks, notes = _place(policies, question, facts)
    reference = policies.golden_unit(question.unit)
    if reference is None:
        golden_locks, golden_notes = golden.standing(policies, question, facts)
        locks, notes = [*locks, *golden_locks], [*notes, *golden_notes]
    against = [*locks, *(_unit(policies, question, facts) if question.unit else ())]
    left, overrides = _allow(against, question)
    # Which of the policy's reasons it was is a matter of its own.
    left += [one for override in overrides if (one := _unlisted(policies, override)) is not None]
    answer = Answer.LOCKED if any(one.locks for one in left) else Answer.REFUSED if left else Answer.ALLOWED
    plan = next((one for one in policies.sampling if one.name == question.more), None)
    more = () if plan is not None or reference is not None or not question.unit else (
        sampling.plans_for(policies, question, facts))
    return Decision(answer, tuple(sorted(left, key=lambda one: not one.locks)), tuple(notes),
                    plan.profile if plan is not None else policies.profile, plan.tests if plan is not None else (),
                    _job(policies, question, more, overrides), more, tuple(overrides))


def after(policies: Policies, question: Question, facts: Facts) -> Decision:
    """What is done with the unit whose run at the place has ended? Its record is among the facts by now."""
    locks, notes = _place(policies, question, facts)
    golden_locks, golden_notes = golden.standing(policies, question, facts)
    process = _process(policies, question)
    last = next((one for one in reversed(facts.attempts) if one.process == process), None)
    more: tuple[More, ...] = ()
    if last is None:
        follows, about = Next.WAIT, Reason("store.missing", "the unit's record is not in the store",
                                           "keep the unit apart; mcm-bench records flush, or records add RUN_DIR")
    elif not last.is_stored:
        follows, about = Next.WAIT, Reason("store.waits", "the unit's record waits to be stored",
                                           "keep the unit apart until it is", {"away": facts.away})
    elif policies.golden_unit(question.unit) is not None:
        follows, about = Next.REFERENCE, Reason("golden.ran", "this was a reference unit", "put it back into its box")
    else:
        follows, about, more = _follows(policies, question, facts, last)
    reasons = [*locks, *golden_locks]
    return Decision(Answer.LOCKED if reasons else Answer.ALLOWED, tuple(reasons), (about, *notes, *golden_notes),
                    more=more, next=follows)


# -- the place

def _place(policies: Policies, question: Question, facts: Facts) -> tuple[list[Reason], list[Reason]]:
    """What locks the place but for reference units, and what is to be said of it."""
    found = [*_clock(question, facts), *_away(policies, question, facts), *_calibration(policies, question, facts),
             *_fixture(policies, facts), *_errors(policies, facts)]
    return [one for one in found if one.locks], [one for one in found if not one.locks]


def _clock(question: Question, facts: Facts) -> Iterator[Reason]:
    if facts.newest is not None and (facts.newest - question.now).total_seconds() > CLOCKS_DIFFER_S:
        yield Reason("clock.back", f"the clock of this PC says {_time(question)}, and the newest record is of "
                     f"{facts.newest.astimezone(question.now.tzinfo):%Y-%m-%d %H:%M}", "set the clock",
                     {"now": question.now.isoformat(), "newest": facts.newest.isoformat()}, locks=True)


def _away(policies: Policies, question: Question, facts: Facts) -> Iterator[Reason]:
    if facts.away_since is None:
        return
    minutes = max(0.0, (question.now - facts.away_since).total_seconds() / 60)
    is_long = minutes > policies.away.minutes
    data = {"since": facts.away_since.isoformat(), "minutes": round(minutes, 1), "away": facts.away}
    if is_long:
        yield Reason("away.long", f"the record store has been away for {minutes:.0f} minutes", "see to the store; what "
                     "waits is stored when it is back", data, locks=True)
    else:
        yield Reason("away.short", "the record store is away; records wait on this PC", "keep the units apart until "
                     "they are stored", data)


def _calibration(policies: Policies, question: Question, facts: Facts) -> Iterator[Reason]:
    today = question.now.astimezone(ZoneInfo(policies.time_zone)).date()
    due: dict[str, date | None] = {**facts.calibration_due, **question.calibration_due}
    for name, day in sorted(due.items(), key=lambda one: (one[1] or date.max, one[0])):
        data: dict[str, Any] = {"instrument": name, "due": day.isoformat() if day is not None else None}
        may = policies.calibration.may
        if day is None:
            if policies.calibration.unknown == "lock":
                yield Reason("calibration.unknown", f"nobody knows until when the {name} is calibrated",
                             "write the day into the station file, [calibration] due", data, True, may)
        elif day < today:
            yield Reason("calibration.overdue", f"the {name} was to be calibrated on {day}", "have it calibrated", data,
                         True, may)
        elif day <= today + timedelta(days=policies.calibration.warn_days):
            yield Reason("calibration.soon", f"the {name} is calibrated until {day}", "have it calibrated", data)


def _fixture(policies: Policies, facts: Facts) -> Iterator[Reason]:
    policy = policies.fixture
    if policy is None or facts.cycles < policy.warn_at:
        return
    data = {"cycles": facts.cycles, "lock_at": policy.lock_at}
    if facts.cycles >= policy.lock_at:
        yield Reason("fixture.worn", f"the fixture has made {facts.cycles} cycles of {policy.lock_at}", "put in new "
                     f"contacts; {policy.reset.with_article} says so then", data, True, policy.may)
    else:
        yield Reason("fixture.soon", f"the fixture has made {facts.cycles} cycles of {policy.lock_at}", "have new "
                     "contacts ready", data)


def _errors(policies: Policies, facts: Facts) -> Iterator[Reason]:
    if facts.errors_in_row >= policies.errors.lock_after:
        yield Reason("errors.in-row", f"the bench has erred {facts.errors_in_row} times in a row at this place",
                     "run mcm-bench doctor with its station file, and mend what it names; "
                     f"{policies.errors.unlock.with_article} unlocks it then", {"errors": facts.errors_in_row},
                     locks=True)


# -- the unit

def _unit(policies: Policies, question: Question, facts: Facts) -> Iterator[Reason]:
    elsewhere = next((one for one in question.running if one.unit == question.unit), None)
    if elsewhere is not None:
        yield Reason("place.running", f"unit {question.unit} is being tested at {elsewhere.place}",
                     "look at the label, and scan the unit that is here", {"place": elsewhere.place})
    if policies.start.badge and question.person is None:
        yield Reason("start.badge", "nobody has shown a badge", "scan your badge")
    if policies.golden_unit(question.unit) is not None:
        yield from _reference(policies, question)
        return
    if policies.start.work_order and not question.work_order:
        yield Reason("start.work-order", "no work order was scanned", "scan the work order")
    yield from _route(policies, facts)
    if question.more:
        yield from _more(policies, question, facts)
    yield from _attempts(policies, question, facts)


def _reference(policies: Policies, question: Question) -> Iterator[Reason]:
    needed = policies.golden.needs if policies.golden is not None else Role.NOBODY
    if (question.person is not None and not question.person.role.may(needed)) or (
            question.person is None and policies.people is not None and needed is not Role.OPERATOR):
        yield Reason("golden.needs", f"a reference unit is started by {needed.with_article}",
                     "have them scan their badge, or scan another unit", {"needs": needed})


def _route(policies: Policies, facts: Facts) -> Iterator[Reason]:
    for step in policies.route.after if policies.route is not None else ():
        last = next((one for one in reversed(facts.attempts) if one.process == step and one.is_judged), None)
        if last is None or last.verdict is not Verdict.PASS:
            assert policies.route is not None
            seen = "has not been through it" if last is None else "has failed in it"
            yield Reason("route.before", f"the unit must have passed {step}, and {seen}", f"bring it to {step}",
                         {"step": step, "seen": last.run_id if last is not None else None}, may=policies.route.may)


def _more(policies: Policies, question: Question, facts: Facts) -> Iterator[Reason]:
    if not any(one.name == question.more for one in policies.sampling):
        yield Reason("sampling.unknown", "there is no sampling plan of that name", "look into the policies",
                     {"plan": question.more})
    if not _so_far(policies, facts, policies.process).is_good:
        yield Reason("sampling.first", "the unit has not passed the line yet", "run it on the line first")


@dataclass(frozen=True)
class _SoFar:
    """What a unit's judged attempts in a process come to. ``retests``: since it has failed first."""

    judged: tuple[Attempt, ...]
    retests: int
    passes: int
    needed: int
    most: int

    @property
    def is_good(self) -> bool:
        return bool(self.judged) and self.passes >= self.needed

    @property
    def is_spent(self) -> bool:
        """It has failed, and can't become good any more."""
        return not self.is_good and bool(self.judged) and self.needed > self.passes + self.most - self.retests


def _so_far(policies: Policies, facts: Facts, process: str) -> _SoFar:
    # A plan of single tests is no whole profile, and its verdicts count for the plan all the same.
    parts = {plan.name for plan in policies.sampling if plan.tests}
    judged = tuple(one for one in facts.attempts if one.process == process and (
        one.is_judged or (process in parts and one.verdict in (Verdict.PASS, Verdict.FAIL))))
    failed = next((number for number, one in enumerate(judged) if one.verdict is Verdict.FAIL), None)
    passes = 0
    while passes < len(judged) and judged[-1 - passes].verdict is Verdict.PASS:
        passes += 1
    retest = policies.retest
    if failed is None:
        return _SoFar(judged, 0, passes, 1, retest.most)
    return _SoFar(judged, len(judged) - 1 - failed, passes, retest.passes or max(1, retest.most), retest.most)


def _attempts(policies: Policies, question: Question, facts: Facts) -> Iterator[Reason]:
    """Duplicates and retests."""
    so_far = _so_far(policies, facts, _process(policies, question))
    if not so_far.judged:
        return
    last = so_far.judged[-1]
    data = {"attempts": len(so_far.judged), "run_id": last.run_id, "at": last.at.isoformat(), "place": last.place,
            "first_fail": last.first_fail}
    if so_far.is_good:
        yield Reason("duplicates.passed", f"the unit has passed already, on {_day(last, question)}",
                     "put it with the good ones, or look at its label", data, may=policies.duplicates.may)
        return
    if so_far.is_spent:
        yield Reason("retest.spent", f"the unit has failed{_in(_failed(so_far))}, and is not tested again",
                     "put it into the red bin", data)
        return
    said = f"the unit has failed{_in(last)}" if last.verdict is Verdict.FAIL else (
        f"the unit has failed once{_in(_failed(so_far))}, and must pass {so_far.needed - so_far.passes} more time")
    yield Reason("retest.again", f"{said}; retest {so_far.retests + 1} of {so_far.most}",
                 f"{policies.retest.needs.with_article} allows it and chooses a reason",
                 {**data, "retest": so_far.retests + 1, "most": so_far.most, "reasons": list(policies.retest.reasons)},
                 may=policies.retest.needs)
    if policies.retest.elsewhere and last.place == question.place and not question.reseated:
        yield Reason("retest.same-place", "a retest is made at another place, or with the unit seated anew",
                     "take it to another place, or take it out, look at the contacts, and put it in again",
                     {"place": last.place})


# -- allowances

def _allow(against: list[Reason], question: Question) -> tuple[list[Reason], list[Override]]:
    """What still stands, and what somebody has allowed who may."""
    said = question.allowance
    if said is None:
        return against, []
    left, overrides = [], []
    for one in against:
        if one.code in said.codes and said.by.role.may(one.may) and said.why.strip():
            overrides.append(Override(said.by, one.code, said.why, question.place, question.unit))
        else:
            left.append(one)
    return left, overrides


def _unlisted(policies: Policies, override: Override) -> Reason | None:
    if override.what != "retest.again" or override.why in policies.retest.reasons:
        return None
    return Reason("retest.reason", "the reason of a retest is one of a list", "choose one",
                  {"reasons": list(policies.retest.reasons)})


# -- after

def _follows(policies: Policies, question: Question, facts: Facts, last: Attempt) -> (
        tuple[Next, Reason, tuple[More, ...]]):
    process = _process(policies, question)
    so_far = _so_far(policies, facts, process)
    if last not in so_far.judged:
        return Next.AGAIN, Reason("errors.spoilt", "the bench has spoilt this run; it says nothing of the unit",
                                  "start the unit again", {"run_id": last.run_id, "verdict": last.verdict}), ()
    data = {"run_id": last.run_id, "first_fail": last.first_fail, "retests": so_far.retests}
    if so_far.is_spent:
        return Next.RED_BIN, Reason("retest.spent", f"the unit has failed{_in(_failed(so_far))}",
                                    "put it into the red bin", data), ()
    if not so_far.is_good:
        said = f"the unit has failed{_in(last)}" if last.verdict is Verdict.FAIL else (
            f"the unit has passed now, and must pass {so_far.needed - so_far.passes} more time")
        return Next.RETEST, Reason("retest.again", said, "put it into the red bin, or have "
                                   f"{policies.retest.needs.with_article} allow a retest",
                                   {**data, "retest": so_far.retests + 1, "most": so_far.most}), ()
    open_plans = tuple(one for one in sampling.plans_for(policies, question, facts)
                       if not _so_far(policies, facts, one.plan).is_good)
    if open_plans:
        about = Reason("sampling.more", f"the unit has passed, and goes through {open_plans[0].plan} besides",
                       "leave it in its place", {**data, "plans": [one.plan for one in open_plans]})
        return Next.MORE, about, open_plans
    about = Reason("unit.passed", "the unit has passed", "take it out, and put it with the good ones", data)
    return Next.DONE, about, ()


def _job(policies: Policies, question: Question, more: tuple[More, ...], overrides: list[Override]) -> dict[str, str]:
    retest = next((one.why for one in overrides if one.what == "retest.again"), "")
    said = {"process": _process(policies, question), "work_order": question.work_order,
            "operator": question.person.name if question.person is not None else "",
            "shift": policies.shift(question.now), "retest_reason": retest,
            "sampling": ", ".join(one.plan for one in more)}
    return {name: value for name, value in said.items() if value}


def _process(policies: Policies, question: Question) -> str:
    """Under which the run is stored."""
    if policies.golden is not None and policies.golden_unit(question.unit) is not None:
        return policies.golden.process
    return question.more or policies.process


def _failed(so_far: _SoFar) -> Attempt:
    return next(one for one in reversed(so_far.judged) if one.verdict is Verdict.FAIL)


def _in(attempt: Attempt) -> str:
    return f" in {attempt.first_fail}" if attempt.first_fail else ""


def _time(question: Question) -> str:
    return f"{question.now:%Y-%m-%d %H:%M}"


def _day(attempt: Attempt, question: Question) -> str:
    return f"{attempt.at.astimezone(question.now.tzinfo):%Y-%m-%d at %H:%M}"
