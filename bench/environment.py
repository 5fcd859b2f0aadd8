"""What in a process's surroundings would bend a verdict without anybody saying so: it is refused."""

from __future__ import annotations

import os
import sys

from bench.errors import BenchError

BENDING = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONOPTIMIZE")
"""Variables that change which tests run, what they load, or whether assertions are looked at."""


def refuse_what_bends_verdicts() -> None:
    """Raise ``BenchError`` under ``python -O``, which leaves out assertions, and where a variable of ``BENDING`` is
    set, which changes what a run is without a trace in its record."""
    for name in BENDING:
        if os.environ.get(name):
            raise BenchError(f"environment variable {name}", expected="not to be set", seen="a value",
                             do=f"unset {name}: what a run is stands in its command and its record only")
    if sys.flags.optimize:
        raise BenchError("Python", expected="to run without -O", seen=f"optimization level {sys.flags.optimize}",
                         do="start mcm-bench without it: it leaves out the assertions that tests are made of")
