"""Signals end what goes on, in order and once; they wait for what must not be cut short."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from bench.interruption import WAYS_OUT, end_in_order, interrupt, is_interrupted, uninterrupted


@pytest.fixture(autouse=True)
def _in_order() -> Iterator[None]:
    numbers = (*WAYS_OUT, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    end_in_order()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", WAYS_OUT, ids=lambda number: number.name)
def test_the_first_signal_says_which_it_was_and_the_second_does_nothing(number: signal.Signals) -> None:
    assert not is_interrupted()
    with pytest.raises(KeyboardInterrupt, match=f"^ended by {number.name}$"):
        signal.raise_signal(number)
    for again in WAYS_OUT:
        signal.raise_signal(again)
    assert is_interrupted()


def test_a_signal_waits_for_what_must_not_be_cut_short() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
            done.append("all")

    with pytest.raises(KeyboardInterrupt, match="ended by SIGHUP"):
        work()
    assert done == ["all"]
    signal.raise_signal(signal.SIGTERM)    # the second: it has come already


def test_it_waits_for_the_outermost_and_whatever_was_raised_there() -> None:
    done = []

    @uninterrupted()
    def work() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        done.append("outer")
        raise OSError("what happened besides")

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert done == ["outer"]
    assert isinstance(caught.value.__context__, OSError)


def test_a_time_limit_waits_too() -> None:
    rung = []
    signal.signal(signal.SIGALRM, lambda number, frame: rung.append("now"))
    with uninterrupted():
        signal.raise_signal(signal.SIGALRM)
        assert rung == []
    assert rung == ["now"]


def test_another_thread_can_say_why() -> None:
    def parent_has_gone() -> None:
        with uninterrupted():    # signals don't reach this thread
            interrupt("because of that")

    def work() -> None:
        thread = threading.Thread(target=parent_has_gone)
        thread.start()
        thread.join()
        os.read(os.pipe()[0], 1)

    with pytest.raises(KeyboardInterrupt, match=r"^ended because of that$"):
        work()


def test_signals_that_were_blocked_arrive() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, WAYS_OUT)
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match="ended by SIGTERM"):
        end_in_order()
