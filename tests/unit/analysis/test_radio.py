"""What counted blocks say, and how well a level is known. The oracles: a table of exact binomial bounds, and a budget
that was added up by hand, both of the pages on which the bench's rules stand; and Monte Carlo."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis import radio
from bench.analysis.radio import Curve, Point, Term, decide, expanded, level_budget
from bench.errors import NotObserved


@pytest.mark.parametrize(("sent", "good_up_to", "bad_from"), [
    (59, 0, 7), (100, 1, 10), (200, 4, 16), (500, 16, 34), (1000, 38, 63)])
def test_so_many_errors_decide(sent, good_up_to, bad_from):
    assert [decide(lost, sent) for lost in (good_up_to, good_up_to + 1, bad_from - 1, bad_from)] == [
        "good", "open", "open", "bad"]


@given(st.integers(1, 1500), st.data())
def test_more_errors_never_make_it_better(sent, data):
    lost = data.draw(st.integers(0, sent))
    order = {"good": 0, "open": 1, "bad": 2}
    assert order[decide(lost, sent)] <= order[decide(min(lost + 1, sent), sent)]
    assert decide(sent, sent) in ("bad", "open")


@given(st.sampled_from([100, 200, 500]), st.integers(0, 2**32))
def test_a_receiver_at_the_limit_is_decided_wrongly_in_one_of_twenty_cases_at_most(sent, seed):
    chance = random.Random(seed)
    lost = [sum(chance.random() < radio.LOST_AT_MOST for _ in range(sent)) for _ in range(40)]
    assert sum(decide(one, sent) == "good" for one in lost) <= 10
    assert sum(decide(one, sent) == "bad" for one in lost) <= 10


def test_the_budget_of_a_level_is_that_of_the_page():
    budget = level_budget(tester_db=0.6, path_db=0.15, unit_vswr=1.5, cable_vswr=1.2, tester_vswr=1.2)
    assert [round(term.standard_db, 2) for term in budget[:4]] == [0.35, 0.07, 0.11, 0.05]
    assert expanded(budget) == pytest.approx(0.77, abs=0.01)
    assert expanded(level_budget(tester_db=1.0, path_db=0.15, unit_vswr=1.5, cable_vswr=1.2, tester_vswr=1.2)
                    ) == pytest.approx(1.2, abs=0.02)
    assert expanded([Term("one", 3.0, 1.0), Term("other", 4.0, 1.0)]) == 10.0


def test_the_frequency_is_known_by_the_reference_and_the_measurement():
    assert radio.frequency_uncertainty_ppm(0.01, 897.5e6) == pytest.approx(math.hypot(0.01, 0.0167), abs=1e-4)


def points(knee_dbm: float, *, step: float = 0.5, sent: int = 500) -> list[Point]:
    return [Point(level / 2, 0 if level / 2 > knee_dbm + step else sent if level / 2 < knee_dbm else 25, sent)
            for level in range(-220, -260, -1)]


@given(st.integers(-125, -112))
def test_the_sensitivity_lies_between_where_it_is_good_and_where_it_is_bad(knee):
    level, spread = Curve.of(points(knee)).sensitivity_dbm()
    assert abs(level - radio.TOTAL_ABOVE_EPRE_DB - knee) <= spread + 0.5
    assert 0 < spread <= 1.5


def test_a_hole_above_the_knee_is_where_the_receiver_ends():
    with_hole = [Point(one.epre_dbm, 300, 500) if one.epre_dbm == -113.0 else one for one in points(-120)]
    level, _ = Curve.of(with_hole).sensitivity_dbm()
    assert level - radio.TOTAL_ABOVE_EPRE_DB == pytest.approx(-112.75)


def test_a_receiver_that_hears_nothing_is_the_units_fault():
    with pytest.raises(NotObserved, match=r"saw none down from -99\.2 dBm"):
        Curve.of([Point(-110.0, 500, 500)]).sensitivity_dbm()


def test_minus_108_2_dbm_in_the_carrier_is_minus_119_in_a_resource_element():
    assert pytest.approx(-119.0, abs=0.01) == -108.2 - radio.TOTAL_ABOVE_EPRE_DB
