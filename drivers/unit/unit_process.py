"""A unit that is a process of this machine: started, watched and ended by the bench."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from bench.clock import Clock, WarpClock
from bench.errors import BenchError
from bench.processes import Mark
from bench.timeline import Timeline
from drivers.unit.log_lines import LogLines
from drivers.unit.tick_socket import HELLO_S, TickListener, TickSocket

TERMINATION_S = 3.0
"""Real seconds that a process has to end after a SIGTERM."""


class UnitProcess:
    """``command`` is a program and its arguments; ``{words}`` in it are filled in at each start.

    What it writes to its standard output and error is its log: on the timeline (``unit``/``log``), line by line. That
    it ends without being told to is there, too (``unit``/``ended``, ``code``: its exit code, or minus a signal).
    ``virtual_time``: time does not pass without it (``WarpClock`` only).
    """

    def __init__(self, command: Sequence[str], clock: Clock, timeline: Timeline, *, virtual_time: bool = False) -> None:
        self._command = tuple(command)
        self._clock = clock
        self._timeline = timeline
        self._virtual_time = virtual_time
        self._process: subprocess.Popen[bytes] | None = None
        self._ticks: TickSocket | None = None
        self._log = LogLines(timeline)
        self._mark = Mark("MCM_BENCH_UNIT")
        self.on_end: Callable[[int | None], None] = lambda code: None

    @property
    def subject(self) -> str:
        return f"unit's process {Path(self._command[0]).name}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, words: Mapping[str, str]) -> None:
        """Start it; what may be left of it is ended first. Raises ``BenchError``, and ``UnitError`` never: whether the
        unit does what it should its servers will see."""
        self.end()
        listener = TickListener() if self._virtual_time else None
        try:
            known = {**words, "tick": listener.address if listener is not None else ""}
            command = [_filled(part, known) for part in self._command]
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    start_new_session=True, env=self._mark.environment())
            except OSError as error:
                raise BenchError(self.subject, expected="to start", seen=(error.strerror or str(error)).lower(),
                                 do="correct unit.command in the station file") from error
            self._watch()
            if listener is not None:
                self._join(listener)
        finally:
            if listener is not None:
                listener.close()

    def end(self) -> None:
        """End it, and all that it has started. Idempotent."""
        process, self._process = self._process, None
        ticks, self._ticks = self._ticks, None
        if ticks is not None and isinstance(self._clock, WarpClock):
            self._clock.part(ticks)
            ticks.close()
        if process is None:
            return
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(TERMINATION_S)
        _signal(process, signal.SIGKILL)
        self._mark.kill_all()
        process.wait()
        output = process.stdout
        assert output is not None
        self._clock.call(lambda: self._clock.loop.remove_reader(output))
        output.close()

    def make_safe(self) -> None:
        self.end()

    def close(self) -> None:
        self.end()

    # -- what it says

    def _watch(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        output = process.stdout
        os.set_blocking(output.fileno(), False)
        self._log = LogLines(self._timeline)
        self._clock.call(lambda: self._clock.loop.add_reader(output, self._read, process, output))

    def _read(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> bool:
        """What it has said since the last time; whether there may be more."""
        try:
            octets = os.read(output.fileno(), 65536)
        except BlockingIOError:
            return False
        self._log.take(octets)
        if not octets:
            self._log.end()
            self._clock.loop.remove_reader(output)
            if process is self._process:
                code = _exit_code(process)
                self._timeline.append("unit", "ended", {"code": code})
                self.on_end(code)
        return bool(octets)

    # -- its time

    def _join(self, listener: TickListener) -> None:
        deadline = time.monotonic() + HELLO_S
        while self.is_running and time.monotonic() < deadline:
            self._ticks = listener.accept(self._clock.epoch)
            if self._ticks is not None:
                assert isinstance(self._clock, WarpClock)
                self._ticks.on_gone = self._is_ending
                self._clock.join(self._ticks)
                return
        self._clock.call(self._hear_out)
        seen = f"nothing for {HELLO_S:g} s" if self.is_running else "that it ended"
        raise BenchError(self.subject, expected="to connect to its tick socket", seen=seen + self._last_words,
                         do="see docs/foreign-units.md; without {tick} in its command and unit.virtual_time = true it "
                         "lives in real time")


    def _is_ending(self) -> None:
        """It has let go of its tick socket: time does not pass until it has ended."""
        process = self._process
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TERMINATION_S)
            self._clock.loop.call_soon_threadsafe(self._hear_out)    # not inside the loop's look at its wires

    def _hear_out(self) -> None:
        process = self._process
        if process is not None and process.stdout is not None:
            while self._read(process, process.stdout):
                continue

    @property
    def _last_words(self) -> str:
        return "".join(f" after {one.data['text']!r}" for one in self._timeline.select("unit", "log")[-1:])


def _filled(part: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        part = part.replace(f"{{{name}}}", value)
    return part


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """None while it only has closed its output."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(0.2)
    return None


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)
