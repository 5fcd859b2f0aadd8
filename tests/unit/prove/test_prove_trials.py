"""Trials of the real twin by the real suites: a healthy unit passes, a bad one fails, a mutant is what it says."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.commands.prove.mutation import Mutation, mutations
from bench.commands.prove.trial import Outcome, Trial
from bench.commands.prove.trials import Trials
from bench.commands.prove.worker import TWIN

LIGHT = "suites/test_led.py::test_green_lights_when_the_button_has_been_held_for_5_s"
DARK = "suites/test_led.py::test_a_passive_unit_shows_no_light"


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    with Trials(1) as trials:
        yield trials


def one(trials: Trials, trial: Trial) -> Outcome:
    (outcome,) = trials.run([trial])
    return outcome


def change(file: str, function: str, before: str, after: str) -> Mutation:
    return next(one for one in mutations(TWIN / file)
                if (one.function, one.before, one.after) == (function, before, after))


def test_the_tests_are_those_of_the_suites_with_what_they_say_of_themselves(trials: Trials) -> None:
    assert "LED-01" in trials.tests[LIGHT].requirements
    assert set(trials.tests[LIGHT].profiles) <= {"acceptance", "regression", "certification"}
    assert {test.partition("::")[0] for test in trials.tests} > {"suites/test_otc.py", "suites/test_schedule.py"}


def test_one_trial_leaves_nothing_to_the_next(trials: Trials) -> None:
    bad = one(trials, Trial(name="bad", tests=[LIGHT, DARK], defects=["leds-swapped"], until_failure=True))
    assert [(seen.test, seen.verdict) for seen in bad.seen] == [(LIGHT, "fail")]
    assert bad.seen[0].message
    good = one(trials, Trial(name="good", tests=[LIGHT, DARK], until_failure=True))
    assert [seen.verdict for seen in good.seen] == ["pass", "pass"]


def test_the_others_are_tried_only_when_none_of_the_first_fails(trials: Trials) -> None:
    missed = one(trials, Trial(name="missed", tests=[DARK], otherwise=[LIGHT, DARK], defects=["leds-swapped"]))
    assert [(seen.test, seen.verdict) for seen in missed.seen] == [(DARK, "pass"), (LIGHT, "fail")]
    caught = one(trials, Trial(name="caught", tests=[LIGHT], otherwise=[DARK], defects=["leds-swapped"]))
    assert [seen.test for seen in caught.seen] == [LIGHT]


def test_the_same_seed_gives_the_same_outcome_and_the_twin_is_seen_at_work(trials: Trials) -> None:
    traced = [one(trials, Trial(name="traced", tests=[LIGHT, DARK], traced=True)) for _ in range(2)]
    assert [seen.verdict for seen in traced[0].seen] == ["pass", "pass"]
    pressed, _ = (seen.reached for seen in traced[0].seen)
    (zone,) = {place for place in pressed if place[0] == "cmi6110/front.py" and "reboot_from_s" in _line(*place[:2])}
    assert [[zone in seen.reached for seen in outcome.seen] for outcome in traced] == [[True, False]] * 2


def _line(file: str, line: int) -> str:
    return (TWIN / file).read_text("utf-8").splitlines()[line - 1]


def test_a_mutant_is_killed_by_the_verdict_of_a_test_and_changes_no_other_trial(trials: Trials) -> None:
    mutation = change("cmi6110/front.py", "Front", "reboot_from_s = 5.0", "reboot_from_s = 6.0")
    killed = one(trials, Trial(name=mutation.id, tests=[DARK, LIGHT], until_failure=True, mutation=mutation))
    assert [(seen.test, seen.verdict) for seen in killed.seen] == [(DARK, "pass"), (LIGHT, "fail")]
    assert killed.unfit == ""
    healthy = one(trials, Trial(name="healthy", tests=[LIGHT]))
    assert healthy.of("pass") == (LIGHT,)


def test_a_mutant_that_raises_is_unfit_and_not_killed(trials: Trials) -> None:
    mutation = change("cmi6110/front.py", "Front._button", "held_s = self.clock.time() - self._pressed_at", "pass")
    outcome = one(trials, Trial(name=mutation.id, tests=[DARK, LIGHT], until_failure=True, mutation=mutation))
    assert outcome.unfit.startswith("raises NameError: name 'held_s' is not defined")
    assert [(seen.test, seen.verdict) for seen in outcome.seen] == [(DARK, "pass")]


def test_a_mutant_that_can_not_be_loaded_is_unfit(trials: Trials) -> None:
    mutation = replace(mutations(TWIN / "cmi6110" / "front.py")[0], number=1_000_000)
    outcome = one(trials, Trial(name="no such change", tests=[LIGHT], until_failure=True, mutation=mutation))
    assert outcome.unfit.startswith("can't be loaded")
    assert outcome.seen == []


PARENT = """
from bench.commands.prove.trial import Trial
from bench.commands.prove.trials import Trials

if __name__ == "__main__":
    with Trials(1) as trials:
        tests = list(trials.tests)
        print("collected", flush=True)
        list(trials.run([Trial(name="all", tests=tests)]))
"""


def test_nobody_goes_on_when_the_one_who_asked_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "collected\n"
        until(lambda: len(descendants(parent.pid)) >= 3)    # the tracker of resources, the process, its trial
        started = descendants(parent.pid)
        parent.kill()
    until(lambda: not any(map(is_alive, started)))


def until(condition: Callable[[], bool], patience_s: float = 60.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def descendants(process: int) -> list[int]:
    """The processes that ``process`` has started, and theirs."""
    told = Path(f"/proc/{process}/task/{process}/children").read_text("ascii")
    children = [int(child) for child in told.split()]
    return [*children, *(grandchild for child in children for grandchild in descendants(child))]


def is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return False
