"""labgrid's own programs, in an environment of their own as the guide makes it, on loopback."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.commands.shared.benches import benches
from bench.commands.shared.coordinator import Coordinator

PROJECT = Path(__file__).parents[2]
GUIDE = PROJECT / "docs" / "how-to" / "share-benches.md"
PATIENCE_S = 600.0


def blocks() -> list[tuple[str, str]]:
    """The guide's blocks of code, each with its language."""
    return re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


def install(shared: Path) -> Path:
    """The environment that the guide's first block makes, once for all processes that test."""
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "installed").exists():
            shutil.rmtree(shared / "labgrid", ignore_errors=True)
            done = subprocess.run(["bash", "-ec", blocks()[0][1]], cwd=shared, capture_output=True, text=True,
                                  timeout=900, check=False,
                                  env=os.environ | {"PIP_CONSTRAINT": str(PROJECT / "constraints.txt")})
            assert done.returncode == 0, done.stderr[-2000:]
            (shared / "installed").touch()
    return shared / "labgrid" / "bin"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until(true: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@dataclass
class Labgrid:
    """A coordinator with its exporters in ``folder``."""

    bin: Path
    folder: Path
    port: int = field(default_factory=free_port)
    coordinator: subprocess.Popen[bytes] | None = None
    exporters: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    runs: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def environment(self, user: str = "alice") -> dict[str, str]:
        return {**os.environ, "LG_COORDINATOR": self.address, "LG_USERNAME": user,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def start(self) -> None:
        log = (self.folder / "coordinator.log").open("ab")
        self.coordinator = subprocess.Popen([self.bin / "labgrid-coordinator", "-l", self.address], cwd=self.folder,
                                            stdout=log, stderr=log)
        wait_until(self._is_there, "no coordinator")

    def _is_there(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def kill(self) -> None:
        assert self.coordinator is not None
        self.coordinator.kill()
        self.coordinator.wait()

    def export(self, name: str, groups: Mapping[str, Mapping[str, Mapping[str, object]]]) -> None:
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(groups), "utf-8")    # JSON is YAML
        self.start_exporter(name)

    def start_exporter(self, name: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self.exporters[name] = subprocess.Popen(
            [self.bin / "labgrid-exporter", "-n", name, "--hostname", "127.0.0.1", f"{name}.yaml"], cwd=self.folder,
            stdout=log, stderr=log, env=self.environment())

    def client(self, *words: str, user: str = "alice") -> str:
        done = subprocess.run([self.bin / "labgrid-client", *words], capture_output=True, text=True, timeout=PATIENCE_S,
                              check=False, env=self.environment(user))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def place(self, name: str, match: str = "", **tags: str) -> None:
        """As labgrid's client makes one, which the guide uses; this takes a tenth of the time."""
        with Coordinator(self.address, "test/test") as coordinator:
            for call, values in (("AddPlace", {"name": name}),
                                 ("AddPlaceMatch", {"placename": name, "pattern": match})):
                if all(values.values()):
                    coordinator._call(call, name, coordinator._ask(call, **values))
            coordinator.tag(name, tags)

    def benches(self) -> dict[str, dict[str, Any]]:
        """What ``mcm-bench benches`` prints, by name."""
        printed = StringIO()
        with contextlib.redirect_stdout(printed):
            benches(self.address, (), True, Console())
        return {row["name"]: row for row in json.loads(printed.getvalue())["benches"]}

    def stop(self) -> None:
        there = [*self.runs, *self.exporters.values(), *filter(None, [self.coordinator])]
        for process in there:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in there:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def labgrid(programs: Path, folder: Path) -> Iterator[Labgrid]:
    lab = Labgrid(programs, folder)
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()


TEMPLATE = f"""
name = "${{place}}"
simulated = true
[unit]
driver = "process"
endpoint = "${{tag.endpoint}}"
profile = "{PROJECT}/docs/examples/lwm2m_device.toml"
command = ["{sys.executable}", "{PROJECT}/docs/examples/lwm2m_device.py", "--endpoint", "{{endpoint}}", "--bootstrap", \
"{{bootstrap}}", "--tick", "{{tick}}"]
virtual_time = true
[backend]
listen = "${{network.address}}"
"""
"""Of a bench whose unit is a process: fast, and with a wire that differs from bench to bench."""


def example_benches(lab: Labgrid, count: int) -> None:
    """Benches bench-1 ... of two exporters, all with the tag kind=example, at addresses that other tests have not."""
    for exporter in range(min(2, count)):
        lab.export(f"pc{exporter}", {f"bench-{number}": {"network": {
            "cls": "NetworkService", "address": f"127.77.{lab.port >> 8}.{number}", "username": "", "port": 5683}}
            for number in range(1, count + 1) if number % 2 == exporter})
    for number in range(1, count + 1):
        lab.place(f"bench-{number}", f"*/bench-{number}/*", kind="example", endpoint=f"unit-{number}")
    wait_until(lambda: all(row["resources"] for row in lab.benches().values()), "no resources")
    (lab.folder / "template.toml").write_text(TEMPLATE)
    (lab.folder / "slow.toml").write_text(TEMPLATE.replace("virtual_time = true", "virtual_time = false"))


def run(lab: Labgrid, run_dir: Path, *words: str, user: str = "alice", template: str = "template.toml",
        profile: str = "client") -> subprocess.Popen[str]:
    lab.runs.append(subprocess.Popen(
        [sys.executable, "-m", "bench.cli", "run", profile, "--station", str(lab.folder / template), "--run-dir",
         str(run_dir), *words], cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=lab.environment(user)))
    return lab.runs[-1]


def record_of(run_dir: Path) -> dict[str, Any]:
    return dict(json.loads((run_dir / "record.json").read_text("utf-8")))
