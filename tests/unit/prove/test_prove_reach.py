"""Who reaches a change: no test that might see it may be left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.commands.prove.mutants import unreached
from bench.commands.prove.mutation import Mutation, mutations
from bench.commands.prove.reach import FEWEST_TESTS, Reach
from bench.commands.prove.tracer import Place
from bench.commands.prove.worker import TWIN
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.telegram import TelegramWriter
from bench.twin.lab import Change

MANY = [f"suites/test_led.py::test_{number}" for number in range(60)]


def line_of(file: str, text: str) -> int:
    (line,) = (number for number, line in enumerate((TWIN / file).read_text("utf-8").splitlines(), 1) if text in line)
    return line


def reach_of(*places: tuple[str, str, list[int]]) -> Reach:
    """Of each place (a file and what its line says) the numbers of the tests that reach it."""
    at: dict[Place, int] = {(file, line_of(file, text), False): sum(1 << number for number in tests)
                            for file, text, tests in places}
    return Reach(dict.fromkeys(MANY, 0.1), at)


def mutation(file: str, which: Callable[[Mutation], bool]) -> Mutation:
    return next(one for one in mutations(TWIN / file) if which(one))


def numbers(tests: list[str]) -> list[int]:
    return [MANY.index(test) for test in tests]


def test_a_change_in_a_function_is_reached_by_those_who_run_its_line() -> None:
    reach = reach_of(("cmi6110/front.py", "held_s = self.clock.time()", [3, 5]),
                     ("cmi6110/front.py", "self.on_release(held_s)", [7]))
    assert numbers(reach.of_mutation(mutation("cmi6110/front.py", lambda one: "held_s = " in one.before))) == [3, 5]


def test_a_change_that_nobody_reaches_is_reached_by_nobody() -> None:
    reach = reach_of(("cmi6110/front.py", "self.on_release(held_s)", [7]))
    assert reach.of_mutation(mutation("cmi6110/front.py", lambda one: "held_s = " in one.before)) == []


def test_a_number_of_a_class_is_reached_where_its_name_is_mentioned() -> None:
    reach = reach_of(("cmi6110/front.py", "await asyncio.sleep(self.joined_green_s)", [1, 4]))
    change = mutation("cmi6110/front.py", lambda one: "joined_green_s = " in one.before)
    assert numbers(reach.of_mutation(change)) == [1, 4]


def test_a_constant_that_makes_another_one_is_reached_with_it() -> None:
    """``_WEEK_MIN`` is in a rule of ``RULES``, which settings are made of when the module is imported."""
    reach = reach_of(("cmi6110/settings.py", "rule = self.rules.get(name)", [2]))
    week = mutation("cmi6110/settings.py", lambda one: one.before.startswith("_WEEK_MIN ="))
    assert week.names == ("_WEEK_MIN",)
    assert 2 in numbers(reach.of_mutation(week))


def test_what_is_made_at_import_and_mentioned_nowhere_is_tried_with_all_that_reach_its_file() -> None:
    reach = reach_of(("cmi6110/front.py", "self.on_release(held_s)", [7]))
    change = mutation("cmi6110/front.py", lambda one: "joined_green_s = " in one.before)
    assert numbers(reach.of_mutation(change)) == [7]


class Brief(Front):
    """The green light of a joined unit is brief."""

    joined_green_s = 1.0


class Wordy(TelegramWriter):
    """Packs are large."""

    def senml(self, readings):  # type: ignore[no-untyped-def]
        return super().senml(readings)


def test_what_replaces_a_number_is_reached_where_its_name_is_mentioned() -> None:
    reach = reach_of(("cmi6110/front.py", "await asyncio.sleep(self.joined_green_s)", list(range(FEWEST_TESTS))))
    assert numbers(reach.of_change(Change(name="brief", text="brief", parts=(Brief,)))) == list(range(FEWEST_TESTS))


def test_what_replaces_a_method_is_reached_where_the_healthy_one_runs() -> None:
    line = max(line for _, _, line in TelegramWriter.senml.__code__.co_lines() if line is not None)
    reach = Reach(dict.fromkeys(MANY, 0.1), {("cmi6110/telegram.py", line, False): (1 << 30) - 1})
    assert numbers(reach.of_change(Change(name="wordy", text="wordy", parts=(Wordy,)))) == list(range(30))


@pytest.mark.parametrize("change", [
    Change(name="few", text="few", parts=(Brief,)),
    Change(name="anything", text="anything", prepare=lambda lab: None),
    Change(name="both", text="both", parts=(Brief,), prepare=lambda lab: None)], ids=lambda change: change.name)
def test_few_tests_or_a_change_that_can_not_be_told_mean_all_tests(change: Change) -> None:
    reach = reach_of(("cmi6110/front.py", "await asyncio.sleep(self.joined_green_s)", [1, 4]))
    assert reach.of_change(change) == MANY


def test_a_line_that_no_test_reaches_is_named() -> None:
    there = reach_of(("cmi6110/front.py", "self.on_release(held_s)", [7]))
    named = {(one.file, one.lines[0]) for one in unreached(there)}
    assert ("bench/twin/cmi6110/front.py", line_of("cmi6110/front.py", "held_s = self.clock.time()")) in named
    assert ("bench/twin/cmi6110/front.py", line_of("cmi6110/front.py", "self.on_release(held_s)")) not in named
