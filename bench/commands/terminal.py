"""Where a command prints. A terminal that has gone, or a full disk behind a redirection, never ends a run."""

from __future__ import annotations

import io
import os
import sys
from typing import IO, Any, TextIO, cast

from rich.console import Console


class Terminal(io.TextIOBase):
    """``stream``, until it fails; from then on nothing at all."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute there
        return self._stream.encoding

    def _give_up(self) -> None:
        """Let what is still buffered go nowhere: at its end Python would make exit code 120 of it."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def plain(**options: Any) -> Console:
    """A console that takes text as it is: what units, tests and files are called may look like rich's markup."""
    return Console(markup=False, **options)


def terminal() -> Console:
    """The console of a command that must not fail for want of one."""
    hold_standard_streams()
    return plain(file=cast(IO[str], Terminal(sys.stdout))) if sys.stdout is not None else plain(quiet=True)


def hold_standard_streams() -> None:
    """Put nothing where a standard stream was closed, here and in children: the next file that is opened would become
    one."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
