"""Reading a TOML file that a person wrote: whatever it holds, what is wrong with it is one sentence."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import BenchError

LARGEST = 1 << 20
"""Octets; no file of a station has a hundredth of it."""


def read_toml(path: Path, subject: str, do: str, *, check: Callable[[os.stat_result], None] | None = None,
              secret: bool = False) -> dict[str, Any]:
    """The content of ``path``. Raises ``BenchError`` about ``subject`` for a file that is not there (``do`` says what
    to do then) or is no TOML.

    ``check`` may refuse the open file by its owner and mode before a single octet is read; then a link is refused, too.
    ``secret``: errors don't show what stands in the file.
    """
    try:
        # A pipe is not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if check else 0))
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                seen = "is a directory" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
                raise BenchError(subject, expected="a file", seen=seen, do=do)
            if check is not None:
                check(found)
            content = file.read(LARGEST + 1)
    except OSError as error:
        seen = "a symbolic link" if check is not None and path.is_symlink() else (error.strerror or str(error)).lower()
        raise BenchError(subject, expected="a file", seen=seen, do=do) from error
    wrong = ""
    if len(content) > LARGEST:
        wrong = f"more than {LARGEST} octets"
    else:
        try:
            table = tomllib.loads(content.decode("utf-8"))
            if not _has_huge_integer(table):
                return table
            wrong = "an integer of more than 64 bits"
        except RecursionError:
            wrong = "arrays or tables nested too deep"
        except ValueError as error:    # no TOML, no UTF-8, or a number of thousands of digits
            wrong = str(error)
    raise BenchError(subject, expected="TOML", seen="something else" if secret else wrong, do="correct the file")


def _has_huge_integer(table: dict[str, Any]) -> bool:
    """TOML 1.0.0: what 64 bits don't hold is an error; tomllib lets it pass."""
    values: list[Any] = [table]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += value.values()
        elif isinstance(value, list):
            values += value
        elif isinstance(value, int) and not -2**63 <= value < 2**63:
            return True
    return False
