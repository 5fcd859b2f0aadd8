"""The search for the first bad build, without builds: what a run comes to is drawn."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.commands.bisect.command import Bisection, Run, Task, Told
from bench.commands.bisect.search import Search, flaky
from bench.errors import BenchError


def packages(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"build{number:02d}.bin" for number in range(count)]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def drawn(first: int, rate: float, seed: int, untestable: frozenset[int] = frozenset()) -> Callable[[Run], Told]:
    chance = random.Random(seed)

    def run(one: Run) -> Told:
        build = int(one.package.stem[-2:])
        if build in untestable:
            return Told("untestable", "it does not start")
        return Told("fail" if build >= first and chance.random() < rate else "pass")
    return run


@pytest.mark.parametrize("stumbles_at", [None, 1, 4])
@pytest.mark.parametrize("first", [1, 2, 9, 16, 30, 31])
def test_32_builds_take_seven_runs(tmp_path: Path, first: int, stumbles_at: int | None) -> None:
    """Also where the bench could not do one of them; and the ends of what is named have been seen."""
    usual = drawn(first, 1.0, 1)
    search = Bisection(Task(packages(tmp_path, 32), tmp_path / "runs"),
                       lambda one: Told("untestable") if one.number == stumbles_at else usual(one), lambda text: None)
    assert search.to_its_end() == (first, 1.0)
    assert search.runs <= 7 + (first == 1 and stumbles_at is not None)
    assert search.search.fails[first] >= 1
    assert max(build for build in search.search.passes if build < first) == first - 1


def test_of_flaky_ones_most_are_found_and_none_is_a_wrong_one(tmp_path: Path) -> None:
    paths, found = packages(tmp_path, 32), 0
    for seed in range(5):
        first = random.Random(seed).randrange(1, 32)
        search = Bisection(Task(paths, tmp_path / str(seed), one_in=3), drawn(first, 1 / 3, seed), lambda text: None)
        answer = search.to_its_end()
        assert answer is None or answer[0] == first
        assert search.runs <= 60
        found += answer is not None
    assert found >= 4


def test_builds_that_can_not_be_tested_are_left_out(tmp_path: Path) -> None:
    run = drawn(9, 1.0, 1, frozenset({7, 8, 10}))
    search = Bisection(Task(packages(tmp_path, 16), tmp_path / "runs"), run, lambda text: None)
    assert search.to_its_end() is None    # 7, 8 or 9: nobody can tell
    assert {build for build, chance in search.search.posterior().items() if chance > 0} == {7, 8, 9}


def test_a_search_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    paths, made = packages(tmp_path, 32), list[int]()

    def run(one: Run) -> Told:
        made.append(one.number)
        if len(made) == 4:
            raise KeyboardInterrupt
        return Told("fail" if int(one.package.stem[-2:]) >= 20 else "pass")

    task = Task(paths, tmp_path / "runs")
    with pytest.raises(KeyboardInterrupt):
        Bisection(task, run, lambda text: None).to_its_end()
    assert Bisection(task, run, lambda text: None).to_its_end() == (20, 1.0)
    assert made == [1, 2, 3, 4, 4, 5, 6, 7] or len(made) <= 8


@pytest.mark.parametrize(("first", "said"), [(0, "the good build.*it fails"), (40, "the bad build.*it passes")])
def test_ends_that_are_not_as_said_are_one_sentence(tmp_path: Path, first: int, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        Bisection(Task(packages(tmp_path, 8), tmp_path / "runs"), drawn(first, 1.0, 1), lambda text: None).to_its_end()


def test_what_fits_no_order_is_found_out() -> None:
    search = Search(8, flaky(1))
    search.tell(3, failed=True)
    search.tell(5, failed=False)
    assert search.posterior() == {}
