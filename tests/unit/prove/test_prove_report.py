"""What prove says: caught for the right reason only, legal units left alone, survivors argued for, and not too many."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from itertools import combinations

import pytest
from rich.console import Console

from bench.commands.prove import mutants
from bench.commands.prove.defects import proof_of, trials
from bench.commands.prove.legal import Spared, healthy_trials, long_trials, quick_trials, spared, unit_trials
from bench.commands.prove.mutants import Mutant
from bench.commands.prove.reach import Reach
from bench.commands.prove.report import Report, area_of, spread
from bench.commands.prove.trial import Outcome, Seen, SuiteTest, Trial
from bench.twin.defects import DEFECTS
from bench.twin.variants import VARIANTS

DEFECT = DEFECTS["mqttsn-one-attempt"]    # of NET-32
TESTS = {"a::names": SuiteTest(("NET-32", "NET-01"), ("regression",)),
         "a::too": SuiteTest(("NET-32",), ("regression",)),
         "b::other": SuiteTest(("LED-01",), ("acceptance", "regression"))}


def outcome(trial: Trial, **verdicts: str) -> Outcome:
    return Outcome(trial, [Seen(name.replace("__", "::"), verdict, "", 0.1) for name, verdict in verdicts.items()])


def the_trial(*, first: bool = True) -> Trial:
    (trial,) = trials([DEFECT], TESTS, {}, {}, first=first, lab=None)
    return trial


def printed(report: Report) -> str:
    console = Console(file=StringIO(), width=200)
    for text in report.texts():
        console.print(text)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


# -- defects


def test_the_tests_that_name_what_is_broken_come_first_and_the_others_only_if_none_of_them_fails() -> None:
    trial = the_trial()
    assert (sorted(trial.tests), trial.otherwise, trial.until_failure) == (["a::names", "a::too"], ["b::other"], True)


def test_what_caught_it_last_time_is_tried_first() -> None:
    (trial,) = trials([DEFECT], TESTS, {DEFECT.name: "a::too"}, {"a::names": 0.0, "a::too": 9.0}, first=True, lab=None)
    assert trial.tests == ["a::too", "a::names"]


def test_what_is_learned_never_makes_a_test_one_that_names_what_is_broken() -> None:
    (trial,) = trials([DEFECT], TESTS, {DEFECT.name: "b::other"}, {}, first=True, lab=None)
    assert "b::other" not in trial.tests


def test_a_defect_of_which_no_test_names_what_is_broken_can_only_be_found_by_accident() -> None:
    (trial,) = trials([DEFECT], {"b::other": TESTS["b::other"]}, {}, {}, first=True, lab=None)
    assert (trial.tests, trial.otherwise) == ([], ["b::other"])
    assert not proof_of(outcome(trial, b__other="fail"), TESTS).right_reason


def test_only_a_test_that_names_the_broken_statement_is_the_right_reason() -> None:
    right = proof_of(outcome(the_trial(), a__names="fail", b__other="fail"), TESTS)
    assert (right.caught_by, right.others, right.right_reason) == (("a::names",), ("b::other",), True)
    accident = proof_of(outcome(the_trial(), a__names="pass", a__too="error", b__other="fail"), TESTS)
    assert (accident.others, accident.errors, accident.right_reason) == (("b::other",), ("a::too",), False)
    report = Report(proofs=[right, replace(accident)])
    assert not report.good
    assert "1 of 2 defects caught by accident only: mqttsn-one-attempt" in printed(report)
    kept = report.to_json()["defects"]
    assert [one["right_reason"] for one in kept] == [True, False]
    assert kept[1]["also_failed"] == ["b::other"]


def test_a_bench_that_blames_itself_has_caught_nothing() -> None:
    missed = proof_of(outcome(the_trial(), a__names="error", a__too="error", b__other="pass"), TESTS)
    assert not Report(proofs=[missed]).good
    assert "1 of 1 defects survived: mqttsn-one-attempt" in printed(Report(proofs=[missed]))


def test_the_spread_counts_each_defect_once_and_shows_what_is_bare() -> None:
    console = Console(file=StringIO(), width=120)
    console.print(spread([DEFECT], whole=True))
    assert isinstance(console.file, StringIO)
    rows = {line.split("┃")[0].split("│")[0].strip(): line for line in console.file.getvalue().splitlines()}
    assert area_of(DEFECT) == "network"
    assert rows["network"].split("│")[-1].strip() == "1"
    assert rows["storage"].split("│")[-1].strip() == "0"
    assert rows["all"].split("│")[-1].strip() == "1"


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=lambda defect: defect.name)
def test_each_defect_has_an_area_and_a_kind(defect: object) -> None:
    assert area_of(defect)  # type: ignore[arg-type]
    assert defect.kind  # type: ignore[attr-defined]


# -- what is healthy or legal


def test_acceptance_leaves_nothing_out() -> None:
    (trial,) = healthy_trials(1, TESTS)
    assert (trial.tests, trial.profile) == (["b::other"], "acceptance")
    assert spared(outcome(trial, b__other="skipped")).wrong == ("b::other",)


def test_a_variant_may_lack_what_a_test_needs_and_must_not_be_blamed() -> None:
    (trial,) = long_trials([VARIANTS["senml-oldest-first"]], REACH)
    one = spared(outcome(trial, a__names="skipped", a__too="error", b__other="pass"))
    assert (one.wrong, one.count) == (("a::too",), 3)
    report = Report(variants=[one, Spared("b", (), 25)])
    assert not report.good
    assert "1 of 2 legal variants pass, each 3 to 25 tests" in printed(report)


def test_good_units_live_other_lives_with_variants_that_have_not_met() -> None:
    variants = [replace(VARIANTS["senml-oldest-first"], name=str(number), place=f"U{number % 9}")
                for number in range(18)]
    units = unit_trials(6, TESTS, variants)
    assert [unit.seed for unit in units] == [1, 2, 3, 4, 5, 6]
    pairs = [pair for unit in units for pair in combinations(sorted(unit.variants), 2)]
    assert len(set(pairs)) == len(pairs)
    assert all(len({int(name) % 9 for name in unit.variants}) == len(unit.variants) > 1 for unit in units)
    assert units == unit_trials(6, TESTS, variants)


def test_the_bound_is_that_of_no_false_alarm() -> None:
    assert Report(healthy=[Spared(str(number), (), 5) for number in range(60)]).bound == pytest.approx(0.0487, abs=1e-4)
    assert Report(healthy=[Spared("1", (), 5), Spared("2", ("a::names",), 5)]).bound is None


REACH = Reach(dict.fromkeys(TESTS, 0.1), {})


def test_the_tests_of_a_sample_follow_from_its_seed() -> None:
    many = {f"a::{number}": TESTS["a::too"] for number in range(300)}
    chosen = list(VARIANTS.values())[:2]
    drawn = [[trial.tests for trial in quick_trials(chosen, many, seed)] for seed in (5, 5, 6)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] != drawn[0][1]
    assert len(set(drawn[0][0])) == 50


# -- mutants


def mutant(result: str, change: str = "a  →  b") -> Mutant:
    return Mutant("00000000", "some.py", 3, "Some.part", change, result, "", "", 5, 1.0)


ARGUED = {("some.py", "Some.part", "a  →  b"): "nobody can tell"}


def test_a_survivor_is_good_when_somebody_has_said_why_and_not_too_many_are() -> None:
    killed = [mutant("killed", "x  →  y")] * 17
    assert Report(mutants=[*killed, mutant("unfit"), *[mutant("survived")] * 3], reasons=ARGUED).good
    assert not Report(mutants=[*killed, *[mutant("survived")] * 4], reasons=ARGUED).good
    assert not Report(mutants=[*killed, mutant("survived", "c  →  d")], reasons=ARGUED).good


def test_the_figure_counts_neither_the_equivalent_nor_the_unfit() -> None:
    drawn = [*[mutant("killed")] * 8, mutant("survived"), mutant("survived", "c  →  d"), *[mutant("unfit")] * 5]
    report = Report(mutants=drawn, reasons=ARGUED)
    assert "8 of 10 mutants killed, 1 equivalent: 88.9% of 9; 5 more were unfit" in printed(report)
    said = report.to_json()["mutants"]
    assert (said["count"], said["killed"], len(said["survived"]), len(said["equivalent"])) == (10, 8, 1, 1)


def test_a_killed_mutant_needs_no_argument() -> None:
    assert "1 of 1 mutants killed, 0 equivalent" in printed(Report(mutants=[mutant("killed")], reasons=ARGUED))


def test_each_equivalent_is_a_mutant_of_this_twin_and_has_a_reason() -> None:
    there = {(one.file, one.function, one.change) for one in mutants.all_mutations()}
    assert set(mutants.equivalents()) <= there
