"""Debian's PostgreSQL, started by a test: not as root, on loopback, with its data in a folder of /tmp."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


class Server:
    """A server with nothing in it. Databases are made with ``database``."""

    def __init__(self) -> None:
        self._user = "postgres" if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="mcm-pg-", dir="/tmp"))    # a socket's path must be short
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._count = 0
        self._run("initdb", "-D", str(self._folder / "data"), "-U", "bench", "--auth=trust", "-E", "UTF8",
                  "--locale=C", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self._folder} -c shared_buffers=16MB"
        self._control("-l", str(self._folder / "log"), "-o", options, "start")

    def kill(self) -> None:
        """All of its processes at once, with SIGKILL. Returns when none has its memory any more."""
        pid_file = self._folder / "data" / "postmaster.pid"
        first = int(pid_file.read_text("ascii").split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split()
        pids = [first, *map(int, children)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(_is_alive(pid) for pid in pids):
            time.sleep(0.01)
        for lock in (pid_file, *self._folder.glob(".s.PGSQL.*.lock")):
            lock.unlink()    # its number is taken for as long as nobody has asked after the dead process

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-t", "600", *arguments)

    def database(self) -> str:
        """The URL of a new one."""
        self._count += 1
        name = f"records{self._count}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench", name)
        return f"postgresql://bench@127.0.0.1:{self.port}/{name}"

    def remove(self) -> None:
        self._control("-m", "immediate", "stop")
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        with tempfile.TemporaryFile() as said:
            done = subprocess.run([BINARIES[-1] / program, *arguments], stdin=subprocess.DEVNULL, stdout=said,
                                  stderr=said, cwd="/", user=self._user, group=self._user, extra_groups=[] if
                                  self._user else None, check=False)
            said.seek(0)
            assert done.returncode == 0, f"{program}: {said.read().decode()}"


def _is_alive(pid: int) -> bool:
    """One that is dead, and that nobody has asked for yet, is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
