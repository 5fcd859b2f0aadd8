"""Finding again the processes that the bench has started, wherever they have gone: each has a mark in its environment,
and hands it on to what it starts itself. A process may leave its group and its session, but not its mark.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROCESSES = Path("/proc")
"""Where Linux shows them. On another system only process groups are ended."""


@dataclass(frozen=True)
class Mark:
    """``name`` of a variable of the environment, with a value that is this mark's own."""

    name: str
    value: str = field(default_factory=lambda: secrets.token_hex(16))

    def environment(self) -> Mapping[str, str]:
        """For a process that is to be found again."""
        return {**os.environ, self.name: self.value}

    def kill_all(self) -> list[int]:
        """Kill every process with the mark, those among them that start others meanwhile; which they were."""
        killed: list[int] = []
        while found := [pid for pid in self._living() if pid not in killed]:
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            killed += found
        return killed

    def _living(self) -> list[int]:
        wanted, found = f"{self.name}={self.value}".encode(), []
        with contextlib.suppress(OSError):
            for folder in PROCESSES.iterdir():
                if folder.name.isdigit() and int(folder.name) != os.getpid():
                    with contextlib.suppress(OSError):    # another user's, or gone by now
                        if wanted in (folder / "environ").read_bytes().split(b"\0"):
                            found.append(int(folder.name))
        return found
