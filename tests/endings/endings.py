"""Ends a run in every way we could think of, and prints what became of supply, button, record and exit code.

``python tests/endings/endings.py [NAME...]``, or ``make endings``. The twin runs in a process of its own
(``mcm-bench twin --log``); its log is the witness. Each run has two tests: one that ends, and one that does not.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.commands.lock import StationLock
from bench.errors import BenchError
from bench.station import WATCHDOG_S
from bench.station_file import StationFile

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
DARK_S = 1.5 * WATCHDOG_S
"""Real seconds until a watchdog has switched the unit off."""

PATIENCE_S = 120.0
"""Real seconds for what takes a few."""


def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Look until ``condition`` is true; what it gave."""
    deadline = time.monotonic() + patience_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {patience_s:g} s"
        time.sleep(0.02)


class Twin:
    """The lab in another process."""

    def __init__(self, folder: Path, supply: str = "n6705") -> None:
        folder.mkdir()
        self.supply = supply
        self.station, self._log = folder / "station.toml", folder / "log.ndjson"
        self._said = (folder / "stderr.txt").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.cli", "twin", "--station-out", str(self.station), "--log", str(self._log),
             "--supply", supply], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=self._said,
            env=os.environ | {"PYTHONFAULTHANDLER": "1"})
        until(lambda: self.station.exists() or self.process.poll() is not None, "the twin's station file")
        text = re.sub(r"_port = \d+", "_port = 0", self.station.read_text("utf-8"))    # any that are free
        self.station.write_text(text, "utf-8")

    @property
    def log(self) -> list[dict[str, Any]]:
        """Supply and button at each change."""
        return [json.loads(line) for line in self._log.read_text("ascii").splitlines(keepends=True) if "\n" in line]

    @property
    def last(self) -> dict[str, Any]:
        """Supply and button as they are."""
        return self.log[-1]

    @property
    def is_safe(self) -> bool:
        return self.last["supply_v"] == 0 and not self.last["pressed"]

    def stop(self) -> None:
        """A twin that does not end is no fault of the run that is looked at: it says where it hangs, as a warning."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            self._said.seek(0)
            warnings.warn(f"the twin did not end:\n{self._said.read()}", stacklevel=2)
        self._said.close()


@dataclass
class World:
    """One run and the twin that it is on."""

    twin: Twin
    folder: Path
    process: subprocess.Popen[bytes] = field(init=False)
    terminal: int | None = None

    @property
    def run_dir(self) -> Path:
        return self.folder / "run"

    def start(self, test: str, *, on_a_terminal: bool = False, on_a_small_disk: bool = False) -> None:
        suite = self.folder / "test_small.py"
        shutil.copy(HERE / "suite.py", suite)
        command = [sys.executable, str(HERE / "small_run.py"), str(self.twin.station), str(self.run_dir),
                   f"{suite}::test_finished", f"{suite}::{test}"]
        if on_a_small_disk:
            self.run_dir.mkdir()
            command = ["unshare", "--map-root-user", "--mount", "sh", "-c",
                       f"mount -t tmpfs -o size=512k none {self.run_dir} && exec \"$@\"", "sh", *command]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "XDG_STATE_HOME": str(self.folder / "state")}
        output = (self.folder / "output").open("wb")
        if on_a_terminal:
            self.terminal, line = pty.openpty()
            self.process = subprocess.Popen(
                command, env=environment, stdin=line, stdout=line, stderr=line, start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            os.close(line)
        else:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT)

    def reached(self, mark: str) -> None:
        """Wait until the test has left that mark."""
        until(lambda: (self.folder / mark).exists() or self.process.poll() is not None, mark)
        assert (self.folder / mark).exists(), f"the run ended before it was {mark}:\n{self.output}"

    @property
    def child(self) -> int:
        """The process id of the run itself: the only one whose parent is the parent."""
        def find() -> int:
            for entry in Path("/proc").iterdir():
                try:
                    if entry.name.isdecimal() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == (
                            self.process.pid):
                        return int(entry.name)
                except OSError:
                    continue
            return 0
        found: int = until(find, "the child")
        return found

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text("utf-8", "replace")

    def is_free(self) -> bool:
        """Whether another run could begin: nobody has the station any more."""
        try:
            with StationLock(self.twin.station, "ending") as lock:
                lock.hold(StationFile.load(self.twin.station))
        except BenchError:
            return False
        return True

    @property
    def record(self) -> dict[str, Any] | None:
        for folder in (self.run_dir, self.folder / "state" / "mcm-bench" / "run"):
            try:
                record: dict[str, Any] = json.loads((folder / "record.json").read_text("utf-8"))
                return record
            except OSError:
                continue
        return None


Act = Callable[[World], None]


@dataclass(frozen=True)
class Way:
    """One ending. ``act`` is done when the test has left its ``mark``. ``code`` and ``says`` (in the record's message)
    are what must come of it; without ``says`` there can be no record. ``is_quick``: also in ``make test``."""

    name: str
    test: str
    says: str | None
    act: Act = lambda world: None
    mark: str = "ready"
    code: int = 2
    verdict: str = "error"
    is_quick: bool = False
    on_a_terminal: bool = False
    on_a_small_disk: bool = False
    safe_within_s: float = 10.0
    and_then: str = ""    # a mark that must be there in the end
    supply: str = "n6705"


def send(number: signal.Signals, times: int = 1) -> Act:
    def act(world: World) -> None:
        for _ in range(times):
            world.process.send_signal(number)
    return act


def kill_child(world: World) -> None:
    os.kill(world.child, signal.SIGKILL)


def kill_child_and_ask(world: World) -> None:
    """The signals come while the parent makes the station safe."""
    kill_child(world)
    send(signal.SIGTERM, 2)(world)


def kill_parent(world: World) -> None:
    world.process.kill()


def kill_both(world: World) -> None:
    child = world.child
    world.process.send_signal(signal.SIGSTOP)    # it must not see the other one die
    os.kill(child, signal.SIGKILL)
    world.process.kill()


def close_terminal(world: World) -> None:
    assert world.terminal is not None
    os.close(world.terminal)


def kill_twin(world: World) -> None:
    world.twin.process.kill()
    world.twin.process.wait()


def _ways() -> Iterator[Way]:
    yield Way("all is well", "test_finished", "", code=3, verdict="incomplete", mark="", is_quick=True)
    yield Way("the unit fails", "test_fails", "", code=1, verdict="fail", is_quick=True)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        by = f"ended by {number.name}"
        yield Way(f"{number.name}", "test_waits", by, send(number))
        yield Way(f"{number.name} twice", "test_waits", by, send(number, 2), is_quick=number is signal.SIGINT)
        yield Way(f"{number.name} while made safe", "test_is_made_safe_slowly", by, send(number, 2), "making safe",
                  is_quick=number is signal.SIGHUP)
        yield Way(f"{number.name} while restored", "test_is_restored_slowly", by, send(number, 2), "restoring",
                  and_then="restored", is_quick=number is signal.SIGTERM)
    yield Way("SIGTERM while written", "test_is_written_slowly", "", send(signal.SIGTERM, 2), "writing", code=0,
              verdict="pass")
    yield Way("SIGKILL of the child, then SIGTERM", "test_waits", "killed by SIGKILL", kill_child_and_ask)
    yield Way("SIGQUIT", "test_waits", "ended by SIGQUIT", send(signal.SIGQUIT))
    yield Way("os._exit(0)", "test_exits_with_0", "ended with exit code 0", is_quick=True)
    yield Way("os._exit(1)", "test_exits_with_1", "ended with exit code 1")
    yield Way("abort", "test_aborts", "killed by SIGABRT")
    yield Way("segmentation fault", "test_reads_from_nowhere", "killed by SIGSEGV")
    yield Way("a process that keeps the ports", "test_dies_and_leaves_a_process_with_its_ports",
              "ended with exit code 1", is_quick=True)
    yield Way("the child kills its group", "test_kills_its_group", "killed by SIGKILL")
    yield Way("SIGKILL of the child", "test_waits", "killed by SIGKILL", kill_child)
    yield Way("SIGKILL of the parent", "test_waits", "its parent process has gone", kill_parent, code=-9,
              is_quick=True)
    yield Way("SIGKILL of the parent, deaf child", "test_swallows_its_time_limit", None, kill_parent, code=-9)
    yield Way("SIGKILL of the parent, child hung in C", "test_hangs_in_c", None, kill_parent, code=-9,
              safe_within_s=DARK_S)
    yield Way("SIGKILL of both", "test_waits", None, kill_both, code=-9, safe_within_s=DARK_S)
    yield Way("SIGKILL of both, relay only", "test_waits", None, kill_both, code=-9, safe_within_s=DARK_S,
              supply="ngu")    # has no output watchdog
    yield Way("disk full", "test_fills_the_disk", "could not be written", on_a_small_disk=True, is_quick=True)
    yield Way("file size limit", "test_may_write_no_more", "File too large")
    yield Way("terminal closed", "test_waits", "ended by SIGHUP", close_terminal, on_a_terminal=True)
    yield Way("no descriptors", "test_has_no_descriptors", "Too many open files")
    yield Way("all descriptors closed", "test_closes_all_descriptors", "")
    yield Way("run directory removed", "test_removes_the_run_directory", "removed or replaced")
    yield Way("twin killed", "test_waits", "could not be made safe", kill_twin)
    yield Way("hung in the clock", "test_waits_too_long", "", is_quick=True)
    yield Way("hung in C", "test_hangs_in_c", "did not end within its time", is_quick=True)
    yield Way("swallows its time limit", "test_swallows_its_time_limit", "did not end within its time")
    yield Way("stopped", "test_stops_itself", "", code=2)
    yield Way("an exception of no known class", "test_raises_something_odd", "")
    yield Way("SystemExit", "test_leaves_with_system_exit", "")
    yield Way("the loop's thread dies", "test_loses_the_thread_of_its_loop", "")


WAYS = {way.name: way for way in _ways()}


def end(way: Way, world: World) -> list[str]:
    """End a run that way; what is not as it must be."""
    before = len(world.twin.log)
    world.start(way.test, on_a_terminal=way.on_a_terminal, on_a_small_disk=way.on_a_small_disk)
    if way.mark:
        world.reached(way.mark)
    way.act(world)
    code = world.process.wait(PATIENCE_S)
    wrong = [] if code == way.code else [f"exit code {code}"]
    if way.name != "twin killed":
        try:
            until(lambda: world.twin.is_safe, "safe", way.safe_within_s)
        except AssertionError:
            wrong.append(f"supply and button {world.twin.last}")
        if way.mark and not any(seen["supply_v"] > 3 and seen["pressed"] for seen in world.twin.log[before:]):
            wrong.append("never supplied and held")
    try:
        until(world.is_free, "free", way.safe_within_s)
    except AssertionError:
        wrong.append("the station is still in use")
    record = world.record
    wrong += _wrong_with(record, way, code)
    if way.and_then and not (world.folder / way.and_then).exists():
        wrong.append(f"not {way.and_then}")
    return wrong


def _wrong_with(record: dict[str, Any] | None, way: Way, code: int) -> list[str]:
    if record is None:
        return [] if way.says is None and code not in (0, 1) else ["no record"]
    wrong = []
    verdicts = {test["id"].rpartition("::")[2]: test["verdict"] for test in record["tests"]}
    if record["verdict"] != way.verdict or (way.says and way.says not in record["message"]):
        wrong.append(f"record says {record['verdict']}: {record['message']}")
    if verdicts.get("test_finished") != "pass" or way.test not in verdicts:
        wrong.append(f"results {verdicts}")
    if code == 1 and "fail" not in verdicts.values():
        wrong.append("exit code 1 without a failed judgement")
    return wrong


@contextmanager
def a_world(folder: Path, twin: Twin) -> Iterator[World]:
    folder.mkdir()
    world = World(twin, folder)
    try:
        yield world
    finally:
        if world.process.poll() is None:
            world.process.kill()
            world.process.wait()


def main() -> int:
    chosen = [WAYS[name] for name in sys.argv[1:]] or list(WAYS.values())
    print(f"{'way':40} {'supply':7} {'button':9} {'code':>4}  record", flush=True)
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        twin = Twin(Path(scratch) / "twin")
        try:
            for number, way in enumerate(chosen):
                if twin.process.poll() is not None or twin.supply != way.supply:
                    twin.stop()
                    twin = Twin(Path(scratch) / f"twin{number}", way.supply)
                with a_world(Path(scratch) / str(number), twin) as world:
                    wrong = end(way, world)
                    last, record = twin.last, world.record
                    told = f"{record['verdict']}: {record['message']}" if record else "none"
                    seen = ("off" if last["supply_v"] == 0 else f"{last['supply_v']:g} V",
                            "pressed" if last["pressed"] else "released")
                    supply, button = seen if twin.process.poll() is None else ("-", "-")
                    print(f"{way.name:40} {supply:7} {button:9} "
                          f"{world.process.returncode:4}  {told[:120]}", flush=True)
                    if wrong:
                        bad += 1
                        print("   WRONG: " + "; ".join(wrong) + "\n" + world.output, flush=True)
        finally:
            twin.stop()
    print(f"{len(chosen) - bad} of {len(chosen)} ways end as they must")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
