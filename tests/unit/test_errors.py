"""The two kinds of blame: one sentence each, and never mixed."""

from __future__ import annotations

import pickle

import pytest

from bench.errors import BenchError, HangError, LimitError, NotObserved


def test_a_fault_of_the_bench_is_one_sentence_and_its_parts() -> None:
    error = BenchError("supply at X", expected="an answer", seen="silence", do="switch it on.")
    assert str(error) == "supply at X: expected an answer, saw silence; switch it on."
    assert (error.subject, error.expected, error.seen) == ("supply at X", "an answer", "silence")


def test_the_units_faults_are_assertions_and_the_benchs_are_not() -> None:
    assert issubclass(LimitError, AssertionError)
    assert issubclass(NotObserved, AssertionError)
    assert issubclass(HangError, BenchError)
    assert not issubclass(BenchError, AssertionError)


def test_a_fault_of_the_bench_needs_all_its_parts() -> None:
    with pytest.raises(TypeError):
        BenchError("supply", expected="an answer")  # type: ignore[call-arg]


def test_a_fault_of_the_bench_that_another_process_tells_is_the_same() -> None:
    """A pool whose worker raises what can't be read from its pipe calls that worker dead."""
    error = pickle.loads(pickle.dumps(HangError("loop", expected="a step", seen="none", do="look at what blocks it")))
    assert isinstance(error, HangError)
    assert str(error) == "loop: expected a step, saw none; look at what blocks it."
    assert error.do == "look at what blocks it"
