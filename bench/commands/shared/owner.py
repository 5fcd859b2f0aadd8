"""In whose name a place is held.

labgrid's lock belongs to a name, ``host/user``, and outlives the program that took it. So the name says which process
holds the place, too: a second run of the same user is somebody else, and a lock whose process is gone can be known.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"(?P<host>[^/]+)/(?P<user>[^/]+):(?P<pid>\d+)-(?P<started>\d+)-(?P<machine>[0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Owner:
    """``pid`` and ``started`` (clock ticks since the machine's start) are one process for ever, among those of
    ``machine``. All three are empty for a name that labgrid's own client has taken a place in."""

    host: str
    user: str
    pid: int = 0
    started: int = 0
    machine: str = ""

    @classmethod
    def of_this_process(cls) -> Owner:
        """``LG_HOSTNAME`` and ``LG_USERNAME`` stand in place of the real names, as for labgrid's client."""
        host = os.environ.get("LG_HOSTNAME") or socket.gethostname()
        user = os.environ.get("LG_USERNAME") or _user()
        return cls(host.replace("/", "-"), user.replace("/", "-"), os.getpid(), _started(os.getpid()) or 0, _machine())

    @classmethod
    def read(cls, name: str) -> Owner:
        """The owner by its name at the coordinator."""
        found = _NAME.fullmatch(name)
        if found is None:
            host, _, user = name.partition("/")
            return cls(host, user)
        return cls(found["host"], found["user"], int(found["pid"]), int(found["started"]), found["machine"])

    @property
    def name(self) -> str:
        """The name at the coordinator; with one slash, which labgrid's client parts it at."""
        return f"{self.host}/{self.user}:{self.pid}-{self.started}-{self.machine}"

    @property
    def is_gone(self) -> bool:
        """Whether the process was one of this machine, since its last start, and has ended. Of others nobody knows."""
        return self.machine != "" and self.machine == _machine() and _started(self.pid) != self.started

    def __str__(self) -> str:
        return f"{self.user} on {self.host}" + (f", process {self.pid}" if self.pid else "")


def _started(pid: int) -> int | None:
    """When the process was started, None where there is none (proc(5), stat, field 22)."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return None if state in "ZX" else int(fields[18])
    except (OSError, ValueError, IndexError):
        return None


def _machine() -> str:
    """Names what process numbers are counted in: a kernel since its start, and in it a container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return hashlib.sha256(f"{boot} {Path('/proc/self/ns/pid').readlink()}".encode()).hexdigest()[:8]
    except OSError:
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user{os.getuid()}"
