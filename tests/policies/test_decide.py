"""The decision: a policy, a question, facts, and what comes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.measure import Verdict
from bench.policies.decide import after, before
from bench.policies.facts import Allowance, Answer, Attempt, Decision, Facts, GoldenRun, Next, Question, Running
from bench.policies.file import Policies
from bench.policies.people import Person, Role

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
UNIT, GOOD, BAD = "94193A0401020304", "94193A04000000A1", "94193A04000000B1"
ANNA, LENA, ERIK = Person("anna", Role.OPERATOR), Person("lena", Role.LEAD), Person("erik", Role.ENGINEER)
PASS, FAIL, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.ERROR

GOLDEN = f"""
shifts = ["06:00", "14:00", "22:00"]
[golden]
each_shift = true
[[golden.unit]]
unit = "{GOOD}"
is = "good"
correlation = {{ "power.sleep.current" = [4.6, 5.4], "led.hold.green" = {{ sigma = 3, runs = 5 }} }}
[[golden.unit]]
unit = "{BAD}"
is = "bad"
fails = "power.sleep.current"
"""


def rules(text: str = "") -> Policies:
    """As the file would be read."""
    import tomllib

    return Policies.model_validate({"name": "line 1", **tomllib.loads(text)})


def ask(**more: object) -> Question:
    return replace(Question(UNIT, "place 1", NOW), **more)    # type: ignore[arg-type]


def attempts(*verdicts: Verdict, place: str = "place 1", process: str = "line", **more: object) -> tuple[Attempt, ...]:
    one = Attempt("run", UNIT, process, place, PASS, NOW)
    return tuple(replace(one, run_id=f"{process}-{number}", verdict=verdict, at=NOW - timedelta(hours=2 - number / 100),
                         first_fail="led.hold.green" if verdict is FAIL else "", **more)    # type: ignore[arg-type]
                 for number, verdict in enumerate(verdicts))


def codes(decision: Decision) -> list[str]:
    return [one.code for one in decision.reasons]


def lead(why: str = "other", *allowed: str, by: Person = LENA) -> Allowance:
    return Allowance(by, why, frozenset(allowed or ("retest.again",)))


def test_a_new_unit_is_started() -> None:
    decision = before(rules(), ask(person=ANNA, work_order="W17"), Facts())
    assert (decision.answer, decision.reasons, decision.profile) == (Answer.ALLOWED, (), "line")
    assert decision.job == {"process": "line", "work_order": "W17", "operator": "anna"}
    assert str(decision) == "The unit may be started."


def test_a_unit_that_failed_is_tested_again_only_if_a_lead_says_so_elsewhere_for_a_reason_of_the_list() -> None:
    facts = Facts(attempts=attempts(FAIL))
    refused = before(rules(), ask(person=ANNA), facts)
    assert (refused.answer, codes(refused)) == (Answer.REFUSED, ["retest.again", "retest.same-place"])
    assert refused.reasons[0].says == "the unit has failed in led.hold.green; retest 1 of 2"
    assert refused.reasons[0].data["reasons"][0] == "not seated well"
    assert codes(before(rules(), ask(reseated=True), facts)) == ["retest.again"]
    assert codes(before(rules(), ask(place="place 2"), facts)) == ["retest.again"]
    for allowance, code in ((lead(by=ANNA), "retest.again"), (lead("because"), "retest.reason"),
                            (lead("  "), "retest.again"), (lead("other", "duplicates.passed"), "retest.again")):
        assert codes(before(rules(), ask(place="place 2", allowance=allowance), facts)) == [code]
    allowed = before(rules(), ask(person=ANNA, reseated=True, allowance=lead("contact or cable")), facts)
    assert allowed.answer is Answer.ALLOWED
    assert allowed.job == {"process": "line", "operator": "anna", "retest_reason": "contact or cable"}
    assert [one.to_json() for one in allowed.overrides] == [
        {"who": "lena", "role": "lead", "what": "retest.again", "why": "contact or cable", "place": "place 1",
         "unit": UNIT}]


@pytest.mark.parametrize(("verdicts", "text", "follows", "code"), [
    ([PASS], "", Next.DONE, "duplicates.passed"),
    ([FAIL], "", Next.RETEST, "retest.again"),
    ([FAIL, FAIL], "", Next.RED_BIN, "retest.spent"),           # two passes can't be had any more
    ([FAIL, PASS], "", Next.RETEST, "retest.again"),            # one pass of two
    ([FAIL, PASS, PASS], "", Next.DONE, "duplicates.passed"),
    ([FAIL, PASS, FAIL], "", Next.RED_BIN, "retest.spent"),
    ([FAIL, FAIL], "[retest]\npasses = 1", Next.RETEST, "retest.again"),
    ([FAIL, FAIL, PASS], "[retest]\npasses = 1", Next.DONE, "duplicates.passed"),
    ([FAIL, FAIL, FAIL], "[retest]\npasses = 1", Next.RED_BIN, "retest.spent"),
    ([FAIL], "[retest]\nmost = 0", Next.RED_BIN, "retest.spent"),
    ([FAIL, PASS], "[retest]\nmost = 1", Next.DONE, "duplicates.passed"),
    ([PASS, FAIL], "", Next.RETEST, "retest.again"),            # a lead had it tested again
    ([FAIL, ERROR], "", Next.AGAIN, "retest.again"),
    ([ERROR], "", Next.AGAIN, ""),
])
def test_what_a_unit_s_attempts_come_to(verdicts: list[Verdict], text: str, follows: Next, code: str) -> None:
    facts = Facts(attempts=attempts(*verdicts))
    assert after(rules(text), ask(), facts).next is follows
    assert codes(before(rules(text), ask(place="place 2"), facts)) == ([code] if code else [])


def test_who_may_has_a_passed_unit_tested_again() -> None:
    facts = Facts(attempts=attempts(PASS))
    assert before(rules(), ask(allowance=lead("customer asks", "duplicates.passed")), facts).answer is Answer.ALLOWED
    strict = rules('[duplicates]\nmay = "nobody"')
    asked = ask(allowance=lead("customer asks", "duplicates.passed", by=ERIK))
    assert codes(before(strict, asked, facts)) == ["duplicates.passed"]


def test_one_unit_is_not_on_two_places() -> None:
    decision = before(rules(), ask(running=(Running("place 3", UNIT),), allowance=lead("x", "place.running")), Facts())
    assert codes(decision) == ["place.running"]
    assert str(decision) == (f"unit {UNIT} is being tested at place 3; look at the label, and scan the unit that is "
                             "here.")


def test_a_unit_must_come_from_the_step_before() -> None:
    text = '[route]\nafter = ["assembly", "flashing"]\nmay = "engineer"'
    through = attempts(PASS, process="assembly")
    assert codes(before(rules(text), ask(), Facts(attempts=through))) == ["route.before"]
    failed = Facts(attempts=(*through, *attempts(PASS, FAIL, process="flashing")))
    assert before(rules(text), ask(), failed).reasons[0].says == (
        "the unit must have passed flashing, and has failed in it")
    assert before(rules(text), ask(allowance=lead("pilot lot", "route.before", by=ERIK)), failed).answer is (
        Answer.ALLOWED)
    passed = Facts(attempts=(*through, *attempts(FAIL, PASS, process="flashing")))
    assert before(rules(text), ask(), passed).answer is Answer.ALLOWED


def golden(verdict: Verdict = PASS, unit: str = GOOD, **more: object) -> GoldenRun:
    good = GoldenRun(unit, "place 1", verdict, NOW - timedelta(hours=1), values={
        "power.sleep.current": 5.0, "led.hold.green": 5.0}, before={"led.hold.green": (5.0, 5.1, 4.9, 5.0, 5.05)})
    if unit == BAD:
        good = replace(good, values={}, before={}, failed=frozenset({"power.sleep.current", "tests/a.py::test_sleep"}))
    return replace(good, **more)    # type: ignore[arg-type]


@pytest.mark.parametrize(("runs", "locked"), [
    ([], ["golden.missing", "golden.missing"]),
    ([golden(), golden(FAIL, BAD)], []),
    ([golden()], ["golden.missing"]),
    ([golden(place="place 2"), golden(FAIL, BAD)], ["golden.missing"]),
    ([golden(at=NOW - timedelta(hours=4)), golden(FAIL, BAD)], ["golden.shift"]),
    ([golden(FAIL, failed=frozenset({"led.hold.green"})), golden(FAIL, BAD)], ["golden.failed"]),
    ([golden(), golden(PASS, BAD)], ["golden.passed"]),
    ([golden(), golden(FAIL, BAD, failed=frozenset({"led.hold.green"}))], ["golden.other-failure"]),
    ([golden(values={"power.sleep.current": 5.5, "led.hold.green": 5.0}), golden(FAIL, BAD)], ["golden.correlation"]),
    ([golden(values={"power.sleep.current": 5.0, "led.hold.green": 5.3}), golden(FAIL, BAD)], ["golden.correlation"]),
    ([golden(values={"power.sleep.current": 5.0}), golden(FAIL, BAD)], ["golden.not-measured"]),
    ([golden(bench={"limits_sha256": "1"}), golden(FAIL, BAD)], ["golden.changed"]),
])
def test_reference_units_lock_a_place_for_all_but_themselves(runs: list[GoldenRun], locked: list[str]) -> None:
    """06:00 UTC is when this shift began; the runs are an hour old."""
    policies, facts = rules(GOLDEN), Facts(golden=tuple(runs))
    asked = ask(bench={"limits_sha256": "2"}, person=LENA)
    decision = before(policies, asked, facts)
    assert codes(decision) == locked
    assert decision.answer is (Answer.LOCKED if locked else Answer.ALLOWED)
    assert before(policies, replace(asked, unit=GOOD), facts).answer is Answer.ALLOWED
    assert before(policies, replace(asked, unit=GOOD), facts).job["process"] == "golden"
    assert codes(before(policies, replace(asked, unit=""), facts)) == locked
    allowed = before(policies, replace(asked, allowance=lead("now", *locked, by=ERIK) if locked else None), facts)
    assert codes(allowed) == locked, "nobody may"


def test_reference_units_expire_and_may_count_for_the_line() -> None:
    text = GOLDEN.replace("each_shift = true", 'max_age_h = 2\nper = "line"')
    runs = (golden(place="place 7"), golden(FAIL, BAD, place="place 7"))
    assert codes(before(rules(text), ask(), Facts(golden=runs))) == []
    assert codes(before(rules(text), ask(now=NOW + timedelta(hours=2)), Facts(golden=runs))) == ["golden.expired"] * 2


def test_an_unjudged_correlation_is_told() -> None:
    runs = (golden(before={"led.hold.green": (5.0, 5.1)}), golden(FAIL, BAD))
    decision = before(rules(GOLDEN), ask(), Facts(golden=runs))
    assert (decision.answer, [one.code for one in decision.notes]) == (Answer.ALLOWED, ["golden.few-runs"])


def test_reference_units_are_for_leads() -> None:
    policies = rules(GOLDEN).model_copy(update={"people": Path("people.toml")})
    for person, expected in ((None, ["golden.needs"]), (ANNA, ["golden.needs"]), (LENA, []), (ERIK, [])):
        assert codes(before(policies, ask(unit=GOOD, person=person), Facts())) == expected
    ended = after(policies, ask(unit=GOOD), Facts(attempts=(
        Attempt("run-1", GOOD, "golden", "place 1", PASS, NOW),), golden=(golden(), golden(FAIL, BAD))))
    assert (ended.answer, ended.next) == (Answer.ALLOWED, Next.REFERENCE)


def test_out_of_calibration_a_place_is_locked() -> None:
    def of(day: date | None, text: str = "", **more: object) -> Decision:
        return before(rules(text), ask(calibration_due={"panel": date(2027, 12, 1)}, **more),
                      Facts(calibration_due={"supply": day, "panel": date(2020, 1, 1)}))

    assert codes(of(date(2026, 11, 29))) == ["calibration.overdue"]
    assert of(date(2026, 11, 29)).answer is Answer.LOCKED
    assert [one.code for one in of(date(2026, 11, 30)).notes] == ["calibration.soon"]
    assert of(date(2026, 12, 15)).notes == ()
    assert of(None).answer is Answer.ALLOWED
    assert codes(of(None, '[calibration]\nunknown = "lock"')) == ["calibration.unknown"]
    late = 'time_zone = "Pacific/Auckland"'    # it is the 1st there at noon
    assert codes(of(date(2026, 11, 30), late, now=NOW + timedelta(hours=3))) == ["calibration.overdue"]
    may = '[calibration]\nmay = "engineer"'
    allowed = of(date(2026, 11, 29), may, allowance=lead("due tomorrow", "calibration.overdue", by=ERIK))
    assert (allowed.answer, [one.what for one in allowed.overrides]) == (Answer.ALLOWED, ["calibration.overdue"])


def test_contacts_wear() -> None:
    policies = rules("[fixture]\nwarn_at = 90\nlock_at = 100")
    assert before(policies, ask(), Facts(cycles=89)).notes == ()
    assert [one.code for one in before(policies, ask(), Facts(cycles=90)).notes] == ["fixture.soon"]
    assert codes(before(policies, ask(), Facts(cycles=100))) == ["fixture.worn"]


def test_a_place_that_errs_twice_locks_itself() -> None:
    assert before(rules(), ask(), Facts(errors_in_row=1)).answer is Answer.ALLOWED
    decision = before(rules(), ask(), Facts(errors_in_row=2))
    assert (decision.answer, codes(decision)) == (Answer.LOCKED, ["errors.in-row"])
    assert "mcm-bench doctor" in str(decision)
    ended = after(rules(), ask(), Facts(attempts=attempts(ERROR), errors_in_row=2))
    assert (ended.answer, ended.next, codes(ended)) == (Answer.LOCKED, Next.AGAIN, ["errors.in-row"])


def test_a_clock_that_was_set_back_locks() -> None:
    facts = Facts(newest=NOW)
    assert before(rules(), ask(now=NOW - timedelta(minutes=4)), facts).answer is Answer.ALLOWED
    assert codes(before(rules(), ask(now=NOW - timedelta(minutes=6)), facts)) == ["clock.back"]


def test_the_line_goes_on_for_a_while_without_its_store() -> None:
    facts = Facts(away_since=NOW - timedelta(minutes=50), away="connection refused")
    decision = before(rules(), ask(), facts)
    assert (decision.answer, [one.code for one in decision.notes]) == (Answer.ALLOWED, ["away.short"])
    decision = before(rules(), ask(now=NOW + timedelta(minutes=11)), facts)
    assert (decision.answer, codes(decision)) == (Answer.LOCKED, ["away.long"])
    waits = after(rules(), ask(), Facts(attempts=attempts(PASS, is_stored=False)))
    assert waits.next is Next.WAIT
    assert after(rules(), ask(), Facts()).next is Next.WAIT


def test_badges_and_work_orders_may_be_needed() -> None:
    policies = rules("[start]\nbadge = true\nwork_order = true")
    assert codes(before(policies, ask(), Facts())) == ["start.badge", "start.work-order"]
    assert codes(before(policies, ask(person=ANNA, work_order="W1"), Facts())) == []


SAMPLING = """
[[sampling]]
name = "tenth"
every = 10
[[sampling]]
name = "first of a lot"
profile = "regression"
tests = ["suites/test_power.py"]
per_lot = 2
[[sampling]]
name = "by chance"
one_in = 4
seed = 3
"""


def test_the_tenth_unit_goes_through_more_and_stays_the_tenth() -> None:
    policies = rules(SAMPLING.split("[[sampling]]\nname = \"first")[0])
    running = (Running("place 2", "94193A0400000001"), Running("place 3", "94193A0400000002"),
               Running("place 4", "94193A0400000003"))
    counted = [bool(before(policies, ask(running=running), Facts(
        units_before=count, known=frozenset({"94193A0400000003"}))).more) for count in range(20)]
    assert [number for number, is_drawn in enumerate(counted) if is_drawn] == [7, 17]
    decision = before(policies, ask(running=running), Facts(units_before=7, known=frozenset({"94193A0400000003"})))
    assert (decision.job["sampling"], decision.more[0].profile) == ("tenth", "acceptance")
    passed = attempts(PASS, sampling="tenth")
    ended = after(policies, ask(), Facts(attempts=passed, units_before=6))
    assert (ended.next, [one.plan for one in ended.more]) == (Next.MORE, ["tenth"])
    besides = before(policies, ask(more="tenth"), Facts(attempts=passed))
    assert (besides.answer, besides.profile, besides.job) == (Answer.ALLOWED, "acceptance", {"process": "tenth"})
    assert codes(before(policies, ask(more="tenth"), Facts())) == ["sampling.first"]
    assert codes(before(policies, ask(more="eleventh"), Facts(attempts=passed))) == ["sampling.unknown"]
    both = Facts(attempts=(*passed, *attempts(PASS, process="tenth")))
    assert after(policies, ask(more="tenth"), both).next is Next.DONE
    failed = Facts(attempts=(*passed, *attempts(FAIL, process="tenth")))
    assert after(policies, ask(more="tenth"), failed).next is Next.RETEST


def test_units_of_a_lot_and_by_chance() -> None:
    policies = rules(SAMPLING)
    plans = [one.plan for one in before(policies, ask(work_order="W1"), Facts(lot_before=1)).more]
    assert "first of a lot" in plans
    assert "first of a lot" not in before(policies, ask(work_order="W1"), Facts(lot_before=2)).job.get("sampling", "")
    drawn = sum("by chance" in before(policies, ask(unit=f"94193A04{number:08X}"), Facts()).job.get("sampling", "")
                for number in range(1000))
    assert 200 < drawn < 300
    spread = rules('[[sampling]]\nname = "spread"\nper_lot = 5\nlot_size = 50')
    numbers = [count for count in range(60) if before(spread, ask(work_order="W1"), Facts(lot_before=count)).more]
    assert len(numbers) == 5
    assert max(numbers) >= 5


VERDICTS = st.lists(st.sampled_from([PASS, FAIL, ERROR, Verdict.INCOMPLETE]), max_size=6)


@given(VERDICTS, st.integers(0, 2), st.sampled_from([None, 1, 2]), st.booleans(), st.integers(0, 3))
def test_no_failure_is_ever_followed_by_a_start_that_nobody_allowed(
        verdicts: list[Verdict], most: int, passes: int | None, reseated: bool, errors: int) -> None:
    if passes is not None and passes > most:
        return
    text = f"[retest]\nmost = {most}" + (f"\npasses = {passes}" if passes is not None else "")
    policies, facts = rules(text), Facts(attempts=attempts(*verdicts), errors_in_row=errors)
    decision = before(policies, ask(reseated=reseated), facts)
    assert decision == before(policies, ask(reseated=reseated), facts)
    judged = [one for one in verdicts if one in (PASS, FAIL)]
    if decision.answer is Answer.ALLOWED:
        assert judged == []
        assert errors < 2
    if verdicts:
        ended = after(policies, ask(), facts)
        if ended.next is Next.DONE:
            assert verdicts[-1] is PASS
            if FAIL in judged:
                since = judged[judged.index(FAIL):]
                assert since[-(passes or max(1, most)):] == [PASS] * (passes or max(1, most))
    retests = len(judged) - 1 - judged.index(FAIL) if FAIL in judged else 0
    if FAIL in judged and retests >= most:
        allowed = before(policies, ask(place="place 9", allowance=lead()), facts)
        assert allowed.answer is not Answer.ALLOWED
