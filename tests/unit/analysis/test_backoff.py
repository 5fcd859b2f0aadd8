"""Pauses against the settings that they should follow: numbers by hand."""

from __future__ import annotations

import pytest

from bench.analysis.backoff import (
    Attempt,
    RetryRules,
    attempts_of,
    deviations,
    outside,
    pauses_of,
    places_of,
    range_of,
    ranges_s,
)

DEFAULT = "0-5,5-15,15-60,60-360,360-1440,1300-1600"
RULES = RetryRules(retry_count=2, retry_delay_s=180, sequence_count=2, sequence_delay_s=420, backoff="10-14,20-24")


def tried(*steps: tuple[str, float]) -> list[Attempt]:
    """Attempts of 10 s each; a step names the server and the pause before it."""
    found: list[Attempt] = []
    now = 0.0
    for server, pause in steps:
        found.append(Attempt(server, now + pause, now + pause + 10))
        now += pause + 10
    return found


def visit(server: str, before: float, *, retry: float = 180, sequence: float = 420) -> list[tuple[str, float]]:
    """Two sequences of two attempts."""
    return [(server, before), (server, retry), (server, sequence), (server, retry)]


def test_signs_close_to_each_other_belong_to_one_attempt() -> None:
    found = attempts_of("dm", [100.0, 103.0, 200.0, 106.0], quiet_s=5.0)
    assert found == [Attempt("dm", 100.0, 106.0), Attempt("dm", 200.0, 200.0)]
    assert pauses_of(found) == [94.0]
    assert attempts_of("dm", [], quiet_s=5.0) == []


def test_a_list_is_read_in_minutes_and_its_last_range_stays() -> None:
    assert ranges_s("0-5,60-120") == [(0.0, 300.0), (3600.0, 7200.0)]
    assert [range_of("0-5,60-120", number) for number in range(4)] == [
        (0.0, 300.0), (3600.0, 7200.0), (3600.0, 7200.0), (3600.0, 7200.0)]


@pytest.mark.parametrize("setting", ["", "5", "1-2,", "5-1", "a-b"])
def test_a_text_that_is_no_list_is_refused(setting: str) -> None:
    with pytest.raises(ValueError):
        ranges_s(setting)


def test_pauses_within_the_default_list_are_right() -> None:
    minutes = [3, 14, 16, 355, 1000, 1310, 1590, 1300]
    assert outside([60.0 * one for one in minutes], DEFAULT, tolerance_s=30) == []


@pytest.mark.parametrize(("minutes", "wrong"), [
    ([10, 20, 70, 400, 1440, 1500], 4),      # the first range skipped: 10, 20, 70 and 400 are beyond theirs
    ([3, 10, 30, 100, 500, 1400, 3], 1),     # from the beginning again
    ([0, 0, 0], 2),                          # minutes taken as seconds
])
def test_pauses_beside_the_list_are_named(minutes: list[float], wrong: int) -> None:
    assert len(outside([60.0 * one for one in minutes], DEFAULT, tolerance_s=30)) == wrong


def test_the_tolerance_counts_at_both_ends() -> None:
    assert outside([590.0, 860.0], "10-14", tolerance_s=30) == []
    assert outside([560.0, 880.0], "10-14", tolerance_s=30) == [
        "pause 1 lasted 9.3 min, the list has 10 to 14 min", "pause 2 lasted 14.7 min, the list has 10 to 14 min"]


def test_places_are_counted_from_the_shortest_pause_to_the_longest() -> None:
    assert places_of([600.0, 1800.0, 1200.0], "10-30") == [0.0, 1.0, 0.5]
    assert places_of([300.0, 900.0], "5-5,10-20") == [0.5]


def test_two_silent_servers_tried_in_two_sequences_each_are_right() -> None:
    attempts = tried(*visit("dm", 0), *visit("bootstrap", 5), *visit("dm", 660), *visit("bootstrap", 5),
                     *visit("dm", 1260), *visit("bootstrap", 5), *visit("dm", 1400))
    assert deviations(attempts, RULES, tolerance_s=60) == []


def test_a_visit_that_is_still_going_on_is_not_judged() -> None:
    attempts = tried(*visit("dm", 0), *visit("bootstrap", 5), ("dm", 700), ("dm", 180))
    assert deviations(attempts, RULES, tolerance_s=60) == []


def test_counts_may_name_retries_instead_of_attempts() -> None:
    """C21: three attempts in each of three sequences."""
    sequence = [180, 180]
    steps = [*sequence, 420, *sequence, 420, *sequence]
    attempts = tried(("dm", 0), *(("dm", pause) for pause in steps), ("bootstrap", 5),
                     *(("bootstrap", pause) for pause in steps), ("dm", 700))
    assert deviations(attempts, RULES, tolerance_s=60) == []


@pytest.mark.parametrize("spoiled", [
    [*visit("dm", 0), *visit("bootstrap", 5), *visit("dm", 1300)],                       # the first range skipped
    [*visit("dm", 0, retry=2), *visit("bootstrap", 5, retry=2), *visit("dm", 700)],      # no pause between attempts
    [("dm", 0), ("dm", 180), *visit("bootstrap", 5), *visit("dm", 700)],                 # one sequence only
    [("dm", 0), ("bootstrap", 5), ("dm", 700)],                                          # one attempt only
    [*visit("dm", 0, sequence=180), *visit("bootstrap", 5), *visit("dm", 700)],          # the wrong pause in between
    [*visit("dm", 0), *visit("bootstrap", 5), *visit("dm", 300)],                        # too soon again
])
def test_what_does_not_follow_the_rules_is_named(spoiled: list[tuple[str, float]]) -> None:
    assert deviations(tried(*spoiled), RULES, tolerance_s=60)


def test_a_back_off_may_be_as_short_as_its_range_allows() -> None:
    rules = RetryRules(1, 3600, 1, 86400, "0-5,60-120")
    attempts = tried(("dm", 0), ("bootstrap", 5), ("dm", 3), ("bootstrap", 5), ("dm", 3700))
    assert deviations(attempts, rules, tolerance_s=60) == []
    too_soon = tried(("dm", 0), ("bootstrap", 5), ("dm", 3), ("bootstrap", 5), ("dm", 3))
    assert len(deviations(too_soon, rules, tolerance_s=60)) == 1


def test_one_attempt_of_each_server_is_right_when_one_is_set() -> None:
    rules = RetryRules(1, 3600, 1, 86400, "10-14")
    assert deviations(tried(("dm", 0), ("bootstrap", 5), ("dm", 700), ("bootstrap", 5)), rules, tolerance_s=60) == []
