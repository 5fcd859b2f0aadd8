"""The calendar day on which the life of a twin begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from suite_run import ONE_OF_EACH, run_suite

from fixtures.epoch import EDGES, PLAIN, at, epoch_of


def test_the_same_seed_gives_the_same_moment_and_all_days_come() -> None:
    begun = [epoch_of(seed) for seed in range(400)]
    assert begun == [epoch_of(seed) for seed in range(400)]
    assert {(moment + timedelta(hours=1)).date() + timedelta(days=1) for moment in begun} == {*EDGES, *PLAIN}


def test_summer_time_begins_and_ends_on_sundays() -> None:
    nights = [day for day in EDGES if day.month in (3, 10) and day.day > 24]
    assert [day.isoweekday() for day in nights] == [7, 7, 7, 7]


def test_the_time_is_local_standard_time_in_winter_and_summer() -> None:
    assert at(datetime(2027, 7, 1, 0, 30)) == datetime(2027, 6, 30, 23, 30, tzinfo=UTC)  # noqa: DTZ001 - naive


def test_a_test_with_a_life_of_its_own_begins_when_it_says(tmp_path: Path) -> None:
    text = f"""
from fixtures.words import beginning

@beginning({{"near": "2027-12-31 23:00"}})
{ONE_OF_EACH}def test_new_year_is_near(bench):
    assert bench.local_standard_time.isoformat()[:13] == "2027-12-31T23"
"""
    assert run_suite(tmp_path, text).verdicts() == {"test_new_year_is_near[near]": "pass"}
