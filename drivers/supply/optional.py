"""Libraries of instruments that not every station has."""

from __future__ import annotations

import importlib
from typing import Any

from bench.errors import BenchError


def library(name: str, extra: str) -> Any:
    """The module ``name``. Raises ``BenchError`` that tells how to install it when it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BenchError(f"library {name.partition('.')[0]}", expected="it to be installed", seen=str(error),
                         do=f"pip install 'mcm-bench[{extra}]'") from error
