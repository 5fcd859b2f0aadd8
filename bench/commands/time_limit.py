"""A test's time limit: running over it is the bench's fault, and says where."""

from __future__ import annotations

import signal
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bench.errors import BenchError


class TimeLimit:
    """A pytest plugin in the place of pytest-timeout's own timer.

    That one prints stacks to a terminal reporter, and without one fails an assertion of pytest's: the unit would be
    blamed.
    """

    @pytest.hookimpl(tryfirst=True)
    def pytest_timeout_set_timer(self, item: Any, settings: Any) -> bool:
        def over(signum: int, frame: FrameType | None) -> None:
            raise BenchError(f"test {item.name}", expected=f"its end within {settings.timeout:g} s",
                             seen=f"it still {_place(frame, item.path)}",
                             do="look at what it waited for there; if all is well, give it more time")

        def cancel() -> None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

        item.cancel_timeout = cancel    # pytest-timeout calls it
        signal.signal(signal.SIGALRM, over)
        signal.setitimer(signal.ITIMER_REAL, settings.timeout)
        return True


def _place(frame: FrameType | None, suite: Path) -> str:
    """Where the test was, and what it had called there."""
    frames = traceback.extract_stack(frame)
    if not frames:
        return "somewhere"
    last = frames[-1]
    where = f"at {Path(last.filename).name}:{last.lineno} in {last.name}"
    own = [one for one in frames if one.filename == str(suite)]
    return where if not own or own[-1] is last else f"{where}, called from line {own[-1].lineno} of {suite.name}"
