"""How a signal ends what the bench does: in order, and never in the middle of making the station safe.

Python and pytest leave on SIGTERM without tearing down: the supply would stay on.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

WAYS_OUT = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
"""The signals by which somebody asks a program to end."""

_reason = ""
_is_interrupted = False


def end_in_order() -> None:
    """From now on the first of ``WAYS_OUT`` raises ``KeyboardInterrupt`` in the main thread, which says why; those
    after it are ignored, for they must not cut the tear-down short. Those that were blocked until now arrive.
    """
    global _reason, _is_interrupted
    _reason, _is_interrupted = "", False
    for number in WAYS_OUT:
        signal.signal(number, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WAYS_OUT)


def _stop(signum: int, frame: object) -> None:
    global _is_interrupted
    _is_interrupted = True
    for number in WAYS_OUT:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt(f"ended {_reason or f'by {signal.Signals(signum).name}'}")


def interrupt(reason: str) -> None:
    """End this process in order, from any of its threads; ``reason`` follows the word "ended"."""
    global _reason
    _reason = reason
    os.kill(os.getpid(), signal.SIGTERM)


def is_interrupted() -> bool:
    """Whether the end has been asked for."""
    return _is_interrupted


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let signals wait, those of a test's time limit among them: what is done here is done to its end. Then the first
    that came does what it would have done. May be nested; does nothing outside the main thread, which signals leave
    alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    handlers = {number: signal.signal(number, lambda signum, frame: waiting.append(signum))
                for number in (*WAYS_OUT, signal.SIGALRM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:    # None: not set by Python, and not to be set by it
                signal.signal(number, handler)
        for signum in waiting:
            signal.raise_signal(signum)
