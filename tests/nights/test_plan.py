"""The choice of tests for a night."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.commands.nights.plan import JUDGED_S, Candidate, Coverage, device_seconds, plan
from bench.errors import BenchError

NAMES = st.sampled_from([f"R-{number}" for number in range(8)])


@st.composite
def some_tests(draw: st.DrawFn) -> list[Candidate]:
    """Those that watch the same have the same time, as ``candidates`` makes them."""
    rows = []
    for number in range(draw(st.integers(1, 25))):
        watch = draw(st.sampled_from(["", "", "a", "b"]))
        rows.append(Candidate(f"suites/test_x.py::test_{draw(st.integers(0, 8))}[{number}]",
                              tuple(draw(st.sets(NAMES, min_size=1, max_size=3))),
                              500.0 if watch else draw(st.floats(0, 5000)), must=draw(st.integers(0, 5)) == 0,
                              watch=watch, in_short=draw(st.booleans())))
    return rows


@settings(deadline=None, max_examples=25)
@given(some_tests(), st.integers(1, 3), st.floats(700, 20000))
def test_a_plan_keeps_to_its_budget_and_leaves_nothing_out_in_silence(tests: list[Candidate], units: int,
                                                                      budget_s: float) -> None:
    try:
        made = plan(tests, budget_s, units=units)
    except BenchError:
        return
    assert all(device_seconds(place) <= budget_s - 600 + 1e-6 for place in made.places)
    assert sorted([*made.ids, *made.left_out]) == sorted(test.id for test in tests)
    assert {test.id for test in tests if test.must} <= set(made.ids)
    assert made.proven <= made.covered <= made.coverage.tested


def test_a_statement_is_covered_when_all_cases_of_a_sense_have_run() -> None:
    tests = [Candidate("f::test_a[1]", ("X",), 1), Candidate("f::test_a[2]", ("X",), 1),
             Candidate("f::test_a[short]", ("X",), 1, in_short=True), Candidate("f::test_a[3]", ("Y",), 1)]
    coverage = Coverage.of(tests)
    assert coverage.in_a_sense(["f::test_a[1]"]) == []
    assert coverage.in_a_sense(["f::test_a[1]", "f::test_a[2]"]) == ["X"]
    assert coverage.in_a_sense(["f::test_a[short]"]) == ["X"]
    assert coverage.in_every_sense(["f::test_a[1]", "f::test_a[2]"]) == []


def test_what_is_watched_once_is_paid_once() -> None:
    tests = [Candidate(f"f::test_{number}", (f"X-{number}",), 1000, watch="a day") for number in range(10)]
    assert device_seconds(tests) == 1000 + 9 * JUDGED_S
    assert plan(tests, 1700).covered == 10


@pytest.mark.parametrize(("budget_s", "said"), [(300, "restore the unit"), (610, "shortest"), (2000, "must run")])
def test_a_budget_that_is_too_small_is_one_sentence(budget_s: float, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        plan([Candidate("f::test_a", ("X",), 5000 if said == "must run" else 60, must=said == "must run")], budget_s)


def test_what_has_run_does_not_run_again_and_counts() -> None:
    tests = [Candidate(f"f::test_{number}", (f"X-{number}",), 100) for number in range(4)]
    made = plan(tests, 1000, ran={"f::test_0", "f::test_gone"})
    assert "f::test_0" not in made.ids
    assert made.covered == 4
    with pytest.raises(BenchError, match="not run yet"):
        plan(tests, 1000, ran={test.id for test in tests})
