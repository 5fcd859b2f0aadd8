"""A place as the supervisor sees it: its process, the unit in it, and what the pages show."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.commands.order import RESULTS, Order
from bench.commands.station.place import Place
from bench.measure import Verdict
from bench.policies.facts import Decision

OFF, STARTING, READY, PROMPT, PUT, RUNNING, SEALING = "off", "starting", "ready", "prompt", "put", "running", "sealing"
VERDICT, LOCKED = "verdict", "locked"
"""What a place is doing. *put*: a unit is to be put in and started; *sealing*: it has its record, and the next run's
process is being loaded."""

BUSY = (PROMPT, PUT, RUNNING, SEALING)

POLL_S, BACK_S = 0.25, 2.0
"""Real seconds: between two looks at a run's events; until a place's process that has died is started anew."""

_LINES = 1 << 20
"""Octets of the longest line that a place's process may say."""

Row = dict[str, Any]


@dataclass
class Shown:
    """What a page shows of a place, as JSON has it; it says all there is, however many units there have been."""

    number: int
    name: str
    state: str = OFF
    unit: str = ""
    kind: str = ""    # golden, known-bad; empty: of production
    prompt: Row | None = None
    stage: str = ""
    stage_number: int = 0
    stages: list[str] = field(default_factory=list)
    failed_stages: list[str] = field(default_factory=list)
    ends: float = 0.0    # when physics says so, seconds since 1970
    began: float = 0.0
    took_s: float = 0.0
    verdict: str = ""
    attempt: int = 0
    first_fail: Row | None = None
    measurements: list[Row] = field(default_factory=list)
    message: str = ""
    lid: str = ""    # why its lid contact can't be read
    next: str = ""    # what to do, a word of the language files
    locks: list[Row] = field(default_factory=list)    # why no unit of production is started here

    def to_json(self) -> Row:
        return dict(self.__dict__)


class PlaceHandle:
    """``changed`` is told of everything that a page may show anew, ``ended`` of each run that has its record."""

    def __init__(self, place: Place, name: str, changed: Callable[[Shown], None],
                 ended: Callable[[PlaceHandle, Mapping[str, Any]], None]) -> None:
        self.place = place
        self.shown = Shown(place.number, name)
        self.order: Order | None = None
        self.answers: list[Row] = []
        self.decision: Decision | None = None    # what the policies say of the next run
        self.is_asked = False    # whether they are being asked
        self._changed, self._ended = changed, ended
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._is_wanted = False
        self._read: dict[str, int] = {}

    def show(self, **what: Any) -> None:
        self.shown = replace(self.shown, **what)
        self._changed(self.shown)

    # -- its process

    async def start(self) -> None:
        """Start the place's process, and keep it started. Doing it twice does no harm."""
        if not self._is_wanted:
            self._is_wanted = True
            self.show(state=STARTING, message="")
            self._tasks = [asyncio.create_task(self._keep()), asyncio.create_task(self._follow())]

    async def end(self) -> None:
        """End the place alone: a unit in it is ended in order, with a record, and the instruments are made safe."""
        self._is_wanted = False
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks, self._process = [], None
        self.show(state=OFF, unit="", prompt=None, next="")

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def _keep(self) -> None:
        while self._is_wanted:
            place = self.place
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "bench.commands.station.place", str(place.number), str(place.folder),
                    str(place.station or ""), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                    start_new_session=True, limit=_LINES)
            except OSError as error:    # no memory, no descriptors
                self.show(message=f"its process can't be started: {error.strerror}; close other programs", next="wait")
                await asyncio.sleep(BACK_S)
                continue
            assert self._process.stdout is not None
            async for line in self._process.stdout:
                self._hear(json.loads(line))
            code = await self._process.wait()
            if self._is_wanted:
                how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                if self.shown.state != LOCKED:
                    self.show(state=STARTING, message=self.shown.message or f"its process ended by {how}; it is started"
                              " again, and the unit gets the record of a run that was broken off", next="wait")
                await asyncio.sleep(BACK_S)

    def _hear(self, said: Mapping[str, Any]) -> None:
        match said["event"]:
            case "ready":
                if self.shown.state in (STARTING, OFF):
                    self.show(state=READY, message="", next="scan")
                elif self.shown.state == SEALING:
                    self.show(state=VERDICT)
            case "waits" | "broken":
                self.show(message=said["message"], next="wait")
            case "closing":
                self.show(state=STARTING, unit=said["unit"] or "", next="wait")
            case "refused":
                self.order = None
                self.show(state=SEALING, verdict=str(Verdict.ERROR), message=said["message"], next="again")
            case "ended":
                self._hear_end(said)

    def _hear_end(self, said: Mapping[str, Any]) -> None:
        order, self.order = self.order, None
        if order is not None and said["run_id"] != order.run_id:
            # The process died before it had the order: what it says now is of the unit before, and no verdict on this.
            self.show(state=SEALING, verdict=str(Verdict.ERROR), next="again", stage="",
                      message="the place's process ended before the run began; scan the unit again")
            return
        waits = bool(said["not_stored"])
        verdict = "waits" if waits and said["verdict"] == Verdict.PASS else said["verdict"]
        record = _record_in(Path(said["run_dir"]))
        self.show(state=SEALING, unit=said["unit"] or "", verdict=verdict, attempt=said["attempt"], stage="",
                  first_fail=said["first_fail"], measurements=record.get("measurements", []),
                  took_s=round(said["ended"] - self.shown.began, 1) if self.shown.began else 0.0,
                  message=said["not_stored"] or said["message"], next="", prompt=None)
        self._ended(self, said)

    # -- one unit

    async def run(self, order: Order) -> None:
        """Test the unit of ``order`` here."""
        assert self._process is not None
        assert self._process.stdin is not None
        self.order, self._read = order, {}
        self.show(state=RUNNING, unit=order.unit or "", verdict="", attempt=0, first_fail=None, measurements=[],
                  stage="", stage_number=0, failed_stages=[], message="", began=time.time(), ends=0.0, took_s=0.0,
                  next="leave", prompt=None)
        self._process.stdin.write(json.dumps(TypeAdapter(Order).dump_python(order, mode="json")).encode() + b"\n")
        with contextlib.suppress(ConnectionError):    # it has died: it is started again, and says what became of it
            await self._process.stdin.drain()

    async def _follow(self) -> None:
        """Read what the run in here tells of itself, while it goes on."""
        while True:
            await asyncio.sleep(POLL_S)
            if self.order is not None and self.shown.state == RUNNING:
                for line in self._news("events.ndjson"):
                    self._note(line)
                found = [one for line in self._news(RESULTS) if "finished" in line
                         for one in line["finished"]["measurements"]]
                if found:
                    self.show(measurements=[*self.shown.measurements, *found])

    def _news(self, name: str) -> list[Row]:
        assert self.order is not None
        try:
            with (self.order.run_dir / name).open("rb") as file:
                file.seek(self._read.get(name, 0))
                whole, found, _ = file.read(_LINES).rpartition(b"\n")
        except OSError:
            return []
        self._read[name] = self._read.get(name, 0) + len(whole) + len(found)
        try:
            return [json.loads(line) for line in whole.splitlines() if line.strip()]
        except ValueError:
            return []

    def _note(self, event: Row) -> None:
        now = time.time()
        if event.get("event") == "plan":
            self.show(stages=event["stages"], ends=now + event["physics_s"])
        elif event.get("event") == "stage":
            name = event["name"]
            self.show(stage=name, stage_number=self.shown.stages.index(name) + 1 if name in self.shown.stages else 0,
                      ends=now + event["left_s"])
        elif event.get("event") == "stage ended" and event["verdict"] != Verdict.PASS:
            self.show(failed_stages=[*self.shown.failed_stages, event["name"]])


def _record_in(run_dir: Path) -> Row:
    try:
        return dict(json.loads((run_dir / "record.json").read_text("utf-8")))
    except (OSError, ValueError):
        return {}
