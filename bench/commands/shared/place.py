"""The run's side of a place: it takes one, hears what happens to it, and lets go whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.commands.shared.keeper import Wanted
from bench.commands.shared.template import Held
from bench.errors import BenchError
from bench.interruption import WAYS_OUT
from bench.station_file import StationFile

ANSWER_S = 90.0
"""Real seconds within which a keeper that has been told to let go says so."""


DOCTOR = 200
"""Letters of what the doctor said, in a tag of the place."""


class TakenPlace:
    """A place, taken for as long as this lives. ``findings``: what was odd about it; ``lost``: why the run can't go on.

    ``lifeline``: a descriptor for every process that uses the place; once none has it open any more, the place is
    free. Raises ``BenchError`` where the place can't be had, or the run is asked to end while it waits.
    """

    def __init__(self, wanted: Wanted, console: Console) -> None:
        self.findings: list[str] = []
        self.lost = ""
        self._console = console
        self._rest = b""
        self._told: list[dict[str, Any]] = []
        self._doctor = ""
        read, self.lifeline = os.pipe()
        os.set_inheritable(self.lifeline, False)
        self._keeper = subprocess.Popen([sys.executable, "-m", "bench.commands.shared.keeper"], stdin=read,
                                        stdout=subprocess.PIPE, start_new_session=True)
        os.close(read)
        try:
            self._tell(asdict(wanted))
            self.held = self._take(wanted)
        except BaseException:
            self._end()
            raise

    def _take(self, wanted: Wanted) -> Held:
        while True:
            asked = signal.sigpending() & set(WAYS_OUT)
            if asked:
                raise BenchError(str(wanted), expected="to be had before the run was asked to end",
                                 seen=signal.Signals(min(asked)).name, do="run it again when the place is free")
            for told in self._listen(0.2):
                if "held" in told:
                    held = told["held"]
                    return Held(held["place"], held["owner"], held["tags"], tuple(held["shared"]), held["resources"])
                if "refused" in told:
                    raise BenchError(**told["refused"])
                if "waiting" in told:
                    self._console.print(Text(told["waiting"], "dim"), soft_wrap=True)
            if self.lost:
                raise BenchError(str(wanted), expected="to be taken", seen=self.lost, do="report this as a fault of "
                                 "the bench")

    def uses(self, file: StationFile) -> None:
        """From now on the station is in use: who finds it without a run makes it safe."""
        self._tell({"station": file.model_dump_json()})

    def look(self) -> str:
        """What has happened to the place; why the run can't go on, or empty."""
        for _ in self._listen(0):
            pass
        return self.lost

    def tell_of(self, record: dict[str, Any]) -> None:
        """Write into ``record`` whose place it was and what was odd about it; what the doctor said goes to all who look
        at the place."""
        self.look()
        record["place"] = {"name": self.held.place, "owner": self.held.owner, "shared": list(self.held.shared)}
        record["manifest"]["findings"] += self.findings
        said = record["manifest"]["doctor"]
        if said:
            self._doctor = f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ} {said}"[:DOCTOR]

    def _listen(self, wait_s: float) -> list[dict[str, Any]]:
        """What the keeper says within ``wait_s``."""
        assert self._keeper.stdout is not None
        descriptor = self._keeper.stdout.fileno()
        if self.lost or not select.select([descriptor], [], [], wait_s)[0]:
            return []
        data = os.read(descriptor, 1 << 20)
        if not data:
            self.lost = "the process that holds the place has ended"
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        told = [dict(json.loads(line)) for line in lines]
        for one in told:
            if "finding" in one:
                self.findings.append(one["finding"])
            self.lost = self.lost or one.get("lost", "")
        return told

    def _tell(self, what: object) -> None:
        with contextlib.suppress(OSError):    # it has ended, which is heard, too
            os.write(self.lifeline, json.dumps(what).encode() + b"\n")

    def close(self) -> None:
        """Let go. What keeps the place from being free is printed; the keeper goes on trying."""
        self.lost = ""
        self._tell({"release": self._doctor})
        until = time.monotonic() + ANSWER_S
        freed = None
        while freed is None and time.monotonic() < until and not self.lost:
            freed = next((told["released"] for told in self._listen(0.2) if "released" in told), None)
        if not freed:
            self._console.print(Text(f"place {self.held.place} is not free yet: "
                                     + ("the coordinator is away; it is let go of as soon as that is back, within ten "
                                        "minutes" if freed is False else
                                        "the process that holds it has ended; the next run here takes its lock off"),
                                     "yellow"), soft_wrap=True)
        self._end()

    def _end(self) -> None:
        """Leave the keeper to itself; it ends when it has let go."""
        with contextlib.suppress(OSError):
            os.close(self.lifeline)
        if self._keeper.stdout is not None:
            self._keeper.stdout.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(5.0)

    def __enter__(self) -> TakenPlace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()


def station_file(path: Path, text: str, template: Path) -> StationFile:
    """Write ``text`` to ``path`` and read it as a station file; the paths in it are relative to the template."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise BenchError(f"station file {path}", expected="to write it", seen=(error.strerror or str(error)).lower(),
                         do="make room there") from error
    return StationFile.load(path, beside=template)
