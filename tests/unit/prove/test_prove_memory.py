"""What prove remembers changes the order of what it does, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.commands.prove.memory import Finished, in_order

TESTS = st.lists(st.builds("{}::{}".format, st.sampled_from("abc"), st.integers(0, 9)), unique=True)


def test_a_long_task_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    path = tmp_path / "some" / "finished.jsonl"
    Finished(path).add("one", {"tests": 3})
    Finished(path).add("two", {"tests": 4})
    with path.open("a") as file:
        file.write('["three", {"tes')
    assert Finished(path).known == {"one": {"tests": 3}, "two": {"tests": 4}}


@given(TESTS, st.lists(st.builds("{}::{}".format, st.sampled_from("abcd"), st.integers(0, 9)) | st.none()),
       st.dictionaries(st.builds("{}::{}".format, st.sampled_from("abc"), st.integers(0, 9)), st.floats(0, 9)),
       st.text())
def test_an_order_has_each_test_once_and_no_other(tests: list[str], first: list[str | None],
                                                  seconds: dict[str, float], about: str) -> None:
    assert sorted(in_order(tests, first, seconds, about)) == sorted(tests)


def test_the_names_that_have_to_do_with_it_come_before_the_others() -> None:
    tests = ["test_apn.py::test_the_mode_is_kept", "test_led.py::test_the_mode_is_shown", "test_led.py::test_all"]
    assert in_order(reversed(tests), [], {}, '"apn_mode": Rule(1001, 1)')[0] == tests[0]


def test_what_caught_it_comes_first_then_the_quick_ones_of_each_file() -> None:
    seconds = {"a::1": 3.0, "a::2": 1.0, "a::3": 2.0, "b::1": 5.0, "b::2": 0.5}
    assert in_order(seconds, ["b::1", None, "gone::1"], seconds) == ["b::1", "b::2", "a::2", "a::3", "a::1"]


def test_a_broken_line_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "finished.jsonl"
    path.write_text('["cut", {"tes')
    Finished(path).add("next", 1)
    assert Finished(path).known == {"next": 1}
    assert json.loads(path.read_text().splitlines()[-1]) == ["next", 1]
