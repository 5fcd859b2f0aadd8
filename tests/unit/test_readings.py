"""One unit takes one reading of an open place of the manual, in all its life; the record says which."""

from __future__ import annotations

from pathlib import Path

from suite_run import ONE_OF_EACH, run_suite

SUITE = """
@EACH
def test_sees_one(readings):
    readings.takes("U06", "oldest first")

@EACH
def test_sees_it_again(readings):
    readings.takes("U06", "oldest first")
    readings.takes("U31", "4.04")

@EACH
def test_sees_another(readings):
    readings.takes("U06", "newest first")

@EACH
def test_sees_what_there_is_not(readings):
    readings.takes("U06", "sideways")

@EACH
def test_sees_a_place_that_is_not_open(readings):
    readings.takes("U99", "any")
""".replace("@EACH", ONE_OF_EACH)


def test_a_unit_that_reads_a_place_in_two_ways_fails(tmp_path: Path) -> None:
    run = run_suite(tmp_path, SUITE, "--lab", "run")
    assert run.verdicts() == {"test_sees_one": "pass", "test_sees_it_again": "pass", "test_sees_another": "fail",
                              "test_sees_what_there_is_not": "error", "test_sees_a_place_that_is_not_open": "error"}
    assert run.tests["test_sees_it_again"]["readings"] == {"U06": "oldest first", "U31": "4.04"}
    said = run.tests["test_sees_another"]["message"]
    assert "as 'newest first', and read it as 'oldest first' in " in said
    assert "test_sees_one" in said
    assert "one of its readings (newest first, oldest first), saw sideways" in \
        run.tests["test_sees_what_there_is_not"]["message"]


def test_each_unit_may_have_its_own(tmp_path: Path) -> None:
    run = run_suite(tmp_path, SUITE, "--lab", "test", "-k", "one or another")
    assert set(run.verdicts().values()) == {"pass"}
