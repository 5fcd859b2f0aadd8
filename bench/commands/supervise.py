"""``mcm-bench run``: the parent process of a run. It stays when all else fails.

The run itself is a child in a process group of its own (``bench/commands/child.py``). Whatever becomes of that, the
parent ends what is left of it, brings the station into its safe state by its own way to supply and panel, and sees to
it that a record is written and that the exit code is its verdict. It imports neither pytest nor the servers.

The three promises:

* exit 0 only with a whole record, exit 1 only with a failed judgement in it;
* results of tests that ended are in the record, whatever happened after them;
* the supply is off and the button free, or the record says that they may not be.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from rich.console import Console
from rich.text import Text

from bench.commands.lock import StationLock
from bench.commands.order import EXIT_CODES, RESULTS, Order, evidence_in, prepare
from bench.commands.progress import Story
from bench.errors import BenchError
from bench.interruption import WAYS_OUT
from bench.measure import Verdict
from bench.processes import Mark

if TYPE_CHECKING:    # SQLAlchemy is loaded for who has a store
    from bench.commands.shared.keeper import Wanted
    from bench.commands.shared.place import TakenPlace
    from bench.store.deposit import Depot
    from bench.store.store import Stored

SILENCE_S = 1800.0
"""Real seconds that a run may go on without a word where no test runs: while it collects, restores a unit, draws."""

KILLED_S = 10.0
"""Real seconds within which a killed process is gone."""

_PR_SET_CHILD_SUBREAPER = 36
_PLACE = re.compile(r'\(most recent call first\):\n  File "(.*?)", line (\d+) in (\w+)')


STATION = "station.toml"
"""In the directory of a run at a place: the station file that was made of its template."""

NOBODY_KNOWS = ("the run's process ended before it had said that the unit was restored",)
"""What is not as delivered, in the record of a run whose process did not live to write its own."""


@dataclass(frozen=True)
class Outcome:
    """``code``: the exit code of what stands in the ``record``. ``stored``: where that is in the store; ``not_stored``:
    why it is not there, yet or for good; both empty where the run has no store."""

    code: int
    record: Mapping[str, Any]
    stored: Stored | None = None
    not_stored: str = ""


def supervise(order: Order, console: Console, lock: StationLock | None = None, wanted: Wanted | None = None) -> int:
    """Run ``order`` in a child process; the exit code of what stands in the record. ``lock``: that of its station file.
    With a ``wanted`` place its station file is a template for that place.

    Raises ``BenchError`` when there is nothing to have a record of: the station is in use, or the run directory is
    another run's.
    """
    if wanted is not None:
        return _at_a_place(order, console, wanted)
    with ExitStack() as stack:
        locks: Sequence[int] = ()
        refusal = ""
        if order.station is not None:
            lock = lock or StationLock(order.station, f"run {order.profile}")
            try:
                order = order.read()
            except BenchError as error:
                refusal = str(error)
            else:
                if order.file is not None:
                    lock.hold(order.file)
                locks = stack.enter_context(lock).descriptors
        depot = _depot(order, console)
        prepare(order.run_dir)
        run = _Run(order, console, stack, depot)
        return (run.refused(refusal) if refusal else run.to_its_end(lambda: Child(locks))).code


def attend(order: Order, console: Console, child: Child) -> Outcome:
    """Run ``order`` in ``child``, which waits for it; the station, its file read, is held by who calls. Raises
    ``BenchError`` as ``supervise`` does."""
    with ExitStack() as stack:
        depot = _depot(order, console)
        prepare(order.run_dir)
        return _Run(order, console, stack, depot).to_its_end(lambda: child)


class Child:
    """The process of one run, with all signals waiting until it can end in order. It loads what it needs at once, and
    waits for its order: who starts it early does not wait for that. ``locks`` are those that it holds, too."""

    def __init__(self, locks: Sequence[int] = ()) -> None:
        self.mark = Mark("MCM_BENCH_RUN")
        order_out, self._lifeline = os.pipe()
        self.heard, progress = os.pipe()
        self.trace = os.memfd_create("trace")    # no disk can be too full for it
        descriptors = (order_out, progress, self.trace, *locks)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WAYS_OUT)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.commands.child", *map(str, descriptors)], stdin=subprocess.DEVNULL,
                pass_fds=descriptors, start_new_session=True, env=self.mark.environment())
        except BaseException:
            self.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(order_out)
            os.close(progress)

    def order(self, order: Order) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._lifeline, TypeAdapter(Order).dump_json(order) + b"\n")

    def end(self) -> None:
        """Nothing is left of it and its group when this returns."""
        _end_group(self.process)
        self.mark.kill_all()    # a unit's process has a group of its own

    def close(self) -> None:
        """Let go of it, at the end of this process or its own: it ends when nobody holds its lifeline."""
        for descriptor in (self._lifeline, self.heard, self.trace):
            os.close(descriptor)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _at_a_place(order: Order, console: Console, wanted: Wanted) -> int:
    """As ``supervise``. A run that got no place has a record, too; the place is let go of once that is written."""
    from bench.commands.shared.place import TakenPlace, station_file
    from bench.commands.shared.template import station_text

    template = order.station
    assert template is not None
    with ExitStack() as stack:
        station = order.run_dir / STATION
        order = replace(order, station=station)
        prepare(order.run_dir)
        place, locks, refusal = None, [], ""
        try:
            place = stack.enter_context(TakenPlace(wanted, console))
            console.print(Text(f"place {place.held.place} is {place.held.owner.partition(':')[0]}'s", "dim"),
                          soft_wrap=True)
            order = replace(order, file=station_file(station, station_text(template, place.held), template))
            assert order.file is not None
            lock = stack.enter_context(StationLock(station, f"run {order.profile}"))
            lock.hold(order.file)
            locks = [*lock.descriptors, place.lifeline]
            place.uses(order.file)
            order = replace(order, store=None if order.is_part else order.store or order.file.store_address())
            depot = _depot(order, console)
        except BenchError as error:
            refusal, depot = str(error), None
        run = _Run(order, console, stack, depot, place)
        return (run.refused(refusal) if refusal else run.to_its_end(lambda: Child(locks))).code


@dataclass
class _Asked:
    """Signals that this process was sent; each is handed on to the child, which knows what to do with the second."""

    child: subprocess.Popen[bytes] | None = None
    signals: list[signal.Signals] = field(default_factory=list)
    at: float = 0.0

    def hear(self, signum: int, frame: FrameType | None) -> None:
        self.at = self.at or time.monotonic()
        self.signals.append(signal.Signals(signum))
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signum)

    def hand_on(self, child: subprocess.Popen[bytes]) -> None:
        """From now on to ``child``; also what came before."""
        self.child = child
        for number in self.signals:
            child.send_signal(number)


class _Run:
    def __init__(self, order: Order, console: Console, stack: ExitStack, depot: Depot | None,
                 place: TakenPlace | None = None) -> None:
        self._order = order
        self._place_held = place
        self._depot = depot
        self._console = console
        self._stack = stack
        self._story = Story(order.record())
        self._asked = _Asked()
        self._began = time.monotonic()
        self._directory = order.run_dir.stat()
        self._journal = stack.enter_context((order.run_dir / RESULTS).open("ab", buffering=0))
        self._child: Child | None = None
        self._fault = ""    # what the parent itself has to say
        self._lost = ""     # why the place is not the run's any more

    def refused(self, why: str) -> Outcome:
        """The record of a run that could not begin."""
        return self._write(replace(self._story.record, fault=why).to_json(self._order.run_dir))

    def to_its_end(self, start: Callable[[], Child]) -> Outcome:
        for number in WAYS_OUT:
            signal.signal(number, self._asked.hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAYS_OUT)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)    # suspended, nobody would look after the station
        _adopt_orphans()
        code = self._listen_to_its_end(start)
        from bench.commands.safe_state import make_safe

        state = make_safe(self._order.file) if self._order.file is not None else None
        record = self._record(code)
        if not self._is_same_directory():
            blame(record, "the run directory was removed or replaced while the run went on")
        if self._place_held is not None:
            self._place_held.tell_of(record)
        if state is not None:
            record["safe_state"] = state.to_json()
            if state.problems:
                blame(record, f"the station could not be made safe: {'; '.join(state.problems)}")
            elif state.supply not in ("off", "none") and record["verdict"] != Verdict.ERROR:
                blame(record, f"the run left the supply {state.supply}")
        return self._write(record)

    # -- the child

    def _listen_to_its_end(self, start: Callable[[], Child]) -> int:
        """The child's exit code, as Popen has it. When this returns nothing is left of the child and its group."""
        try:
            child = self._child = self._stack.enter_context(start())
            self._asked.hand_on(child.process)
            child.order(self._order)
            import bench.commands.safe_state  # noqa: F401 - while the child loads, too; later it might not be possible

            return self._watch(child)
        except Exception as error:    # no process to be had, no memory, ...
            self._fault = f"the run could not be looked after: {type(error).__name__}: {error}"
            return 2
        finally:
            if self._child is not None:
                self._child.end()

    def _watch(self, child: Child) -> int:
        """Listen until the child has ended, of itself or because it took too long; its exit code as Popen has it."""
        told_to_end = 0.0
        is_open, process = True, child.process
        while process.poll() is None:
            if is_open:
                is_open = self._listen(child, 0.2)
            else:
                time.sleep(0.2)
            now = time.monotonic()
            if not told_to_end and self._place_held is not None and self._place_held.look():
                self._fault = self._lost = self._place_held.lost    # the child only knows that it was told to end
                told_to_end = now
                process.send_signal(signal.SIGTERM)
            elif told_to_end:
                if now - told_to_end > self._order.patience_s:
                    process.kill()
            elif self._is_overdue(now):
                told_to_end = now
                self._tell_to_end(child)
        while is_open and select.select([child.heard], [], [], 0)[0]:
            is_open = self._listen(child, 0)
        return process.returncode

    def _listen(self, child: Child, wait_s: float) -> bool:
        """Take in what the child says within ``wait_s``; whether it may say more."""
        if not select.select([child.heard], [], [], wait_s)[0]:
            return True
        data = os.read(child.heard, 65536)
        self._story.hear(data)
        with contextlib.suppress(OSError):    # a full disk; then it is in memory only
            self._journal.write(data)
        return bool(data)

    def _is_overdue(self, now: float) -> bool:
        patience_s = self._order.patience_s
        if self._asked.at and not self._story.is_finishing:
            return now - self._asked.at > patience_s
        return self._story.overdue_s(now, SILENCE_S) > patience_s

    def _tell_to_end(self, child: Child) -> None:
        """The child is too late: ask where it is, then to end in order."""
        child.process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        what = f"{', '.join(self._story.running)} did not end" if self._story.running else "the run went on in silence"
        self._fault = f"{what} within its time{self._place()}"
        child.process.send_signal(signal.SIGTERM)

    def _place(self) -> str:
        """Where the child said last that it was."""
        trace = os.pread(self._child.trace, 1 << 20, 0).decode("utf-8", "replace") if self._child is not None else ""
        current = trace.rpartition("Current thread")[2] or trace
        places = _PLACE.findall(current)
        if not places:
            return ""
        file, line, function = places[0]
        return f", at {Path(file).name}:{line} in {function}"

    # -- the record

    def _record(self, code: int) -> dict[str, Any]:
        """The child's own record if that is whole, else one made of what it told."""
        reason, record = self._judge(code)
        if not reason and record is not None:
            return record
        story, run_dir = self._story, self._order.run_dir
        made = replace(story.record, tests=[*story.record.tests, *story.cut_off()],
                       fault=self._lost or story.record.fault or reason, wall_time_s=time.monotonic() - self._began,
                       not_delivered=story.record.not_delivered or (NOBODY_KNOWS if story.record.tests or story.running
                                                                    else ()))
        try:
            return replace(made, artifacts=evidence_in(run_dir)).to_json(run_dir)
        except OSError:    # what there is of evidence can't be read
            return made.to_json(run_dir)

    def _judge(self, code: int) -> tuple[str, dict[str, Any] | None]:
        """Why the child's record can't stand (empty when it can), and that record if there is one."""
        record = read_record(self._order.run_dir / "record.json")
        if self._fault:
            return self._fault, record
        if self._story.fault:
            return self._story.fault, record
        if self._story.verdict is None:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            running = f" while {', '.join(self._story.running)} ran" if self._story.running else " before the run did"
            asked = f"the run was ended by {self._asked.signals[0].name}: " if self._asked.signals else ""
            return f"{asked}the run's process {how}{running}{self._place()}", record
        if record is None:
            return "the record is gone", record
        if record["verdict"] != self._story.verdict or code != EXIT_CODES[self._story.verdict]:
            return f"the run's process ended with exit code {code}, and its record says {record['verdict']}", record
        if self._story.verdict is Verdict.FAIL and not any(test["verdict"] == Verdict.FAIL for test in record["tests"]):
            return "the record says fail, and no judgement in it does", record
        return "", record

    def _is_same_directory(self) -> bool:
        try:
            return os.path.samestat(self._order.run_dir.stat(), self._directory)
        except OSError:
            return False

    def _write(self, record: dict[str, Any]) -> Outcome:
        """Write ``record`` where it can be written, and store it."""
        for number, folder in enumerate(self._folders()):
            if number:
                blame(record, f"the record could not be written to {self._order.run_dir}")
            try:
                write_record(record, folder)
            except (OSError, BenchError):
                continue
            if number:
                self._say(f"the record is in {folder}: it could not be written to {self._order.run_dir}")
            is_childs = self._story.verdict is not None and record["verdict"] == self._story.verdict
            if is_childs or not self._story.record.tests:
                with contextlib.suppress(OSError):
                    (self._order.run_dir / RESULTS).unlink()
            if not is_childs:    # the child has said its own
                self._say(record["message"])
            verdict = Verdict(record["verdict"])
            is_told = self._write_junit(record)
            if self._depot is None:
                return Outcome(EXIT_CODES[verdict if is_told else Verdict.ERROR], record)
            stored, why_not = self._store(record, folder, self._depot)
            codes = _NOT_STORED if stored is None else EXIT_CODES
            return Outcome(codes[verdict if is_told else Verdict.ERROR], record, stored, why_not)
        nowhere = "the record could not be written anywhere: look for room on the disk"
        self._say(nowhere)
        return Outcome(EXIT_CODES[Verdict.ERROR], record, not_stored=nowhere)

    def _write_junit(self, record: dict[str, Any]) -> bool:
        """Write the file that a CI asked for; whether it is there. Without it nobody may take the run for a good one.
        """
        if self._order.junit is None:
            return True
        from reports.junit import write_junit

        try:
            write_junit(record, self._order.junit)
        except BenchError as error:
            self._say(str(error))
            return False
        return True

    def _store(self, record: dict[str, Any], folder: Path, depot: Depot) -> tuple[Stored | None, str]:
        """Put ``record`` into the store, and only then say the verdict; as what it is there, or why not. What could not
        be stored before is stored with it, and told."""
        from bench.store.deposit import body_of

        body = body_of(folder, record, "run")
        try:
            done = depot.deposit(body)
        except BenchError as error:
            self._say(f"NOT STORED: {error}")
            return None, str(error)
        for run_id, why in done.refused.items():
            self._say(f"NOT STORED: run {ascii(run_id)[1:-1]}: {why}")
        if done.away:
            self._say(f"NOT STORED, waits in {depot.spool.folder}: {done.away}")
        for one in done.stored:
            if one.clock_back_s > CLOCK_BACK_S:
                self._say(f"the clock was set back by {one.clock_back_s:.0f} s since the last record; set it right")
            is_mine = one.run_id == body["run_id"]
            style = _STYLES.get(one.verdict, "bold black on yellow") if is_mine else "dim"
            self._console.print(Text.assemble((f" {one.verdict.upper()} ", style), f" unit {one.unit or 'unknown'}, "
                                f"attempt {one.attempt}, entry {one.head.sequence} of the store"), soft_wrap=True)
        return done.of(body["run_id"]), done.refused.get(body["run_id"], done.away)

    def _folders(self) -> Iterator[Path]:
        """Where the record may go, best first."""
        run_dir = self._order.run_dir
        yield run_dir
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        yield Path(state).expanduser() / "mcm-bench" / run_dir.name
        yield Path(tempfile.gettempdir()) / f"mcm-bench-{os.getuid()}" / run_dir.name

    def _say(self, fault: str) -> None:
        self._console.print(Text(f"BENCH FAULT  {fault}", "bold magenta"), soft_wrap=True)


_STYLES = {Verdict.PASS: "bold white on green", Verdict.FAIL: "bold white on red"}

_NOT_STORED = {**EXIT_CODES, Verdict.PASS: EXIT_CODES[Verdict.INCOMPLETE]}
"""A unit has not passed before its record is in the store."""

CLOCK_BACK_S = 2.0
"""Seconds by which clocks of machines that share a store may differ unsaid."""


def _depot(order: Order, console: Console) -> Depot | None:
    """The store, looked at before anything is tested. Raises ``BenchError`` when it will not take this run."""
    if order.store is None:
        return None
    from bench.store.deposit import Depot

    depot = Depot(order.store)
    record = order.record()
    away = depot.await_run(simulated=record.simulated or bool(record.defects))
    if away:
        console.print(Text(f"the record will wait: {away}", "yellow"), soft_wrap=True)
    return depot


def blame(record: dict[str, Any], fault: str) -> None:
    """The bench is to blame, whatever the tests say."""
    record["verdict"] = Verdict.ERROR
    if fault not in record["message"]:
        record["message"] = f"{record['message']}; {fault}" if record["message"] else fault


def read_record(path: Path) -> dict[str, Any] | None:
    """The record there, if it is one."""
    try:
        record = json.loads(path.read_text("utf-8"))
        _ = Verdict(record["verdict"]), [test["verdict"] for test in record["tests"]], str(record["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(record)


def write_record(record: dict[str, Any], folder: Path) -> None:
    """``record.json``, whole or not at all, and on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / "record.json.part"
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(record, file, indent=1, ensure_ascii=False, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / "record.json")
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _adopt_orphans() -> None:
    """What the child started becomes this process's when the child dies: so it can be known when the last has ended."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it left running: it may hold the ports. Waits until the last has gone, but not for one
    that even SIGKILL does not end: it hangs in the kernel, in a dead port, say."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + KILLED_S
    with contextlib.suppress(subprocess.TimeoutExpired, ChildProcessError):
        child.wait(KILLED_S)
        while time.monotonic() < deadline:
            if os.waitpid(-child.pid, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
