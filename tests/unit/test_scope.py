"""One test's part of the bench's life: what it puts back, in which order, and what becomes of a put-back that fails."""

from __future__ import annotations

import pytest

from bench.errors import BenchError, NotObserved
from bench.scope import Scope


def test_the_latest_change_is_taken_back_first_and_each_once() -> None:
    scope, done = Scope(0.0, 0), []
    scope.put_back_later("cell", lambda: done.append("cell"))
    scope.put_back_later("gateway", lambda: done.append("gateway"))
    scope.put_back_later("cell", lambda: done.append("cell again"))
    assert scope.put_back_bench_side() == []
    assert done == ["gateway", "cell"]
    assert scope.put_back_bench_side() == []
    assert done == ["gateway", "cell"]


def test_a_put_back_that_fails_keeps_none_of_the_others_from_being_tried() -> None:
    def fails() -> None:
        raise NotObserved("expected a light, saw none")

    def fails_without_a_word() -> None:
        raise ZeroDivisionError

    scope, done = Scope(0.0, 0), []
    scope.put_back_later("cell", lambda: done.append("cell"))
    scope.put_back_later("gateway", fails)
    scope.put_back_later("meter simulator", fails_without_a_word)
    assert scope.put_back_bench_side() == ["meter simulator: ZeroDivisionError", "gateway: expected a light, saw none"]
    assert done == ["cell"]


def test_what_only_the_unit_can_take_back_waits_until_it_is_joined() -> None:
    scope, done = Scope(0.0, 0), []
    scope.put_back_later("/33906/0/48", lambda: done.append("48"), over_dm=True)
    scope.put_back_later("attributes", lambda: done.append("attributes"), over_dm=True)
    assert scope.put_back_bench_side() == []
    assert scope.needs_dm
    assert done == []
    scope.put_back_over_dm()
    assert done == ["attributes", "48"]
    assert not scope.needs_dm


def test_a_unit_that_does_not_take_something_back_ends_the_attempt() -> None:
    def fails() -> None:
        raise BenchError("unit", expected="an answer", seen="none", do="look at it")

    scope, done = Scope(0.0, 0), []
    scope.put_back_later("first", lambda: done.append("first"), over_dm=True)
    scope.put_back_later("second", fails, over_dm=True)
    with pytest.raises(BenchError):
        scope.put_back_over_dm()
    assert done == []
