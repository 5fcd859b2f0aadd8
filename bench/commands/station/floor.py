"""All places, and what people do with them: scans, keys, badges. It decides nothing about a unit: policies do that
before (``gate.py``), judges after.

Whatever is refused is refused in a sentence, with a ``code`` by which the pages have it in their own language.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from bench.commands.order import Order
from bench.commands.station.gate import Asked, Gate, Person, Refused, Role, next_of
from bench.commands.station.lid import Lid
from bench.commands.station.place import Place
from bench.commands.station.places import (
    BUSY,
    LOCKED,
    OFF,
    PROMPT,
    PUT,
    READY,
    VERDICT,
    PlaceHandle,
    Row,
    Shown,
)
from bench.commands.station.prompts import Prompts
from bench.policies.facts import Decision, More, Running
from bench.policies.scan import Badge, Unit, WorkOrder
from bench.record import new_run_id
from bench.station_file import LidTable, StationFile
from bench.store.deposit import Depot

FLUSH_S = 5.0
"""Real seconds between two attempts to store what waits."""

LOCKS_S = 15.0
"""Real seconds between two looks at what locks places."""

_TRIED = 3
"""So many free places are asked for, where the first ones may not have the unit."""

_OF_THE_PLACE = {"retest.again", "retest.same-place", "golden.missing", "golden.shift", "golden.expired",
                 "golden.changed", "calibration.overdue", "calibration.unknown", "fixture.worn", "errors.in-row"}
"""Refusals that another place may not have."""

_COMMAND = re.compile(r"#(START|DONE|NO|CANCEL|PLACE|LID|OUT)(?:[ -]?(\d{1,2}))?", re.IGNORECASE)
"""What is printed on the operator's sheet as codes, and what a fixture's contact types."""


@dataclass(frozen=True)
class Twin:
    """Places without hardware. ``defects``: of which units, by DevEUI."""

    real_time: bool = False
    defects: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a station has. ``stations``: the station file of each place and what stood in it, None for one of the twin.
    ``start``: what starts a unit that has been scanned: the scan itself, the page (a key, a button or a code), or the
    fixture's lid."""

    name: str
    folder: Path
    stations: Sequence[tuple[Path, StationFile] | None]
    start: str = "scan"
    twin: Twin = field(default_factory=Twin)
    prompts: Prompts = field(default_factory=Prompts)


class Floor:
    """``tell`` is told of whatever the pages show."""

    def __init__(self, plan: Plan, gate: Gate, depot: Depot, tell: Callable[[Row], None]) -> None:
        self.plan = plan
        self.gate = gate
        self.depot = depot
        self.person: Person | None = None
        self.work_order = ""
        self.waiting: dict[str, Row] = {}    # units whose records wait for the store, by run
        self.stored: deque[Row] = deque(maxlen=8)    # of those, what the store took since
        self.done = 0
        self._tell = tell
        self._tasks: set[asyncio.Task[Any]] = set()
        self._more: dict[str, More] = {}    # units that have passed, and go through more
        self._due: dict[int, Mapping[str, date]] = {}
        self._was: dict[int, str] = {}
        self._lids: list[Lid] = []
        self.places: dict[int, PlaceHandle] = {}
        for number, station in enumerate(plan.stations, start=1):
            path, name = (None, f"{plan.name} {number}") if station is None else (station[0], station[1].name)
            self._due[number] = {} if station is None else station[1].calibration.due
            self.places[number] = PlaceHandle(Place(number, plan.folder / f"place-{number}", path), name,
                                              self._changed, self._ended)

    # -- from start to end

    async def start(self) -> None:
        for place in self.places.values():
            await place.start()
        self._begin(self._keep_storing())
        self._begin(self._keep_locks())
        self._lids = [self._lid(number, station[1].lid) for number, station in enumerate(self.plan.stations, start=1)
                      if self.plan.start == "lid" and station is not None and station[1].lid is not None]

    def _lid(self, number: int, table: LidTable) -> Lid:
        loop = asyncio.get_running_loop()

        async def closed() -> None:
            with contextlib.suppress(Refused):    # nothing waits there: somebody has closed an empty fixture
                await self.press_start(number, by_lid=True)

        return Lid(table, lambda: asyncio.run_coroutine_threadsafe(closed(), loop),
                   lambda sentence: loop.call_soon_threadsafe(self._lid_is_lost, number, sentence))

    def _lid_is_lost(self, number: int, sentence: str) -> None:
        place = self.places[number]
        if place.shown.lid != sentence:
            place.show(lid=sentence)

    async def stop(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(lid.stop) for lid in self._lids))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*(place.end() for place in self.places.values()))

    def _begin(self, job: Any) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _changed(self, shown: Shown) -> None:
        self._tell({"place": shown.to_json()})
        before, self._was[shown.number] = self._was.get(shown.number), shown.state
        if shown.state == READY and before != READY and self._tasks:    # none before ``start``
            self._begin(self._look_at_locks(self.places[shown.number]))

    def header(self) -> Row:
        """What is above the places."""
        return {"name": self.plan.name, "start": self.plan.start, "work_order": self.work_order, "done": self.done,
                "person": {"name": self.person.name, "role": str(self.person.role)} if self.person else None,
                "simulated": self.gate.simulated, "waiting": list(self.waiting.values()), "stored": list(self.stored),
                "now": time.time()}

    def tell_header(self) -> None:
        self._tell({"station": self.header()})

    # -- what people do

    async def scan(self, text: str, place: int | None = None) -> Row:
        """What a scanner typed. ``place``: the one that is chosen on the page. Raises ``Refused``."""
        text = text.strip()
        if not text:
            return await self.press_start(place)
        if command := _COMMAND.fullmatch(text):
            return await self._obey(command[1].upper(), int(command[2]) if command[2] else place)
        found = self.gate.read(text)
        if isinstance(found, Badge):
            self.person = await asyncio.to_thread(self.gate.whose, found)
            self.tell_header()
            return {"code": "hello", "name": self.person.name, "role": str(self.person.role)}
        if isinstance(found, WorkOrder):
            self.work_order = found.number
            self.tell_header()
            return {"code": "order", "order": found.number}
        return await self.put(found, place)

    async def _obey(self, word: str, place: int | None) -> Row:
        if word == "PLACE":
            return {"code": "chosen", "place": self._place(place).shown.number}
        if word in ("DONE", "NO"):
            return await self.answer(self._asking(place), yes=word == "DONE")
        if word == "CANCEL":
            return self.cancel(place)
        if word == "OUT":
            self.person = None
            self.tell_header()
            return {"code": "goodbye"}
        return await self.press_start(place, by_lid=word == "LID")

    async def put(self, unit: Unit, number: int | None = None, *, why: str = "", codes: Sequence[str] = (),
                  reseated: bool = False) -> Row:
        """A unit was scanned; it goes to that place, or to the next free one. ``why``: what somebody says to refusals
        with these ``codes``. ``reseated``: it was taken out and put in anew. Raises ``Refused``."""
        there = next((one for one in self.places.values() if one.shown.unit == unit.deveui
                      and one.shown.state in BUSY), None)
        if there is not None:
            raise Refused("unit is in", f"unit {unit.deveui} is at place {there.shown.number} now", unit=unit.deveui,
                          place=there.shown.number)
        if any(row["unit"] == unit.deveui for row in self.waiting.values()):
            raise Refused("unit waits", f"the record of unit {unit.deveui} waits for the store; keep it apart",
                          unit=unit.deveui)
        free = self._free(number)
        more = self._more.get(unit.deveui)
        refused: Refused | None = None
        for place in free[:_TRIED]:
            place.is_asked = True    # nobody else puts a unit here meanwhile
            try:
                decision = await asyncio.to_thread(self.gate.before, Asked(
                    unit.deveui, place.shown.name, self.person, self.work_order, why, codes, reseated,
                    more.plan if more else "", self._running(), self._due[place.shown.number]))
                return await self._seat(place, unit, decision)
            except Refused as error:
                refused = refused or error
                if error.code not in _OF_THE_PLACE:
                    break
            finally:
                place.is_asked = False
        assert refused is not None
        refused.facts["place"] = free[0].shown.number
        raise refused

    async def _seat(self, place: PlaceHandle, unit: Unit, decision: Decision) -> Row:
        prompt = self.plan.prompts.first()
        place.answers, place.decision = [], decision
        place.show(state=PROMPT if prompt else PUT, unit=unit.deveui, kind=self.gate.kind_of(unit.deveui), verdict="",
                   attempt=0, first_fail=None, measurements=[], message="; ".join(one.says for one in decision.notes),
                   stage="", failed_stages=[], prompt=prompt, next="answer" if prompt else f"put in {self.plan.start}")
        if not prompt and self.plan.start == "scan":
            await self._run(place)
        return {"code": "goes to", "unit": unit.deveui, "place": place.shown.number}

    def _running(self) -> list[Running]:
        busy = sorted((one for one in self.places.values() if one.shown.state in BUSY), key=lambda one: one.shown.began)
        return [Running(one.shown.name, one.shown.unit, self.work_order) for one in busy]

    async def press_start(self, number: int | None = None, *, by_lid: bool = False) -> Row:
        """Start the unit that waits to be: by the page, or because the lid was closed. Raises ``Refused``."""
        waiting = [one for one in self.places.values() if one.shown.state == PUT]
        place = self.places.get(number) if number is not None else waiting[0] if len(waiting) == 1 else None
        if place is None or place.shown.state != PUT:
            raise Refused("nothing waits", "no unit waits to be started there; scan one, or choose its place")
        if self.plan.start == "lid" and not by_lid:
            raise Refused("close lid", f"place {place.shown.number} starts when its lid is closed",
                          place=place.shown.number)
        await self._run(place)
        return {"code": "started", "place": place.shown.number}

    async def answer(self, number: int, *, yes: bool) -> Row:
        """Answer what the place asks. A *no* takes the unit out again. Raises ``Refused``."""
        place = self._place(number)
        if place.shown.state != PROMPT or place.shown.prompt is None:
            raise Refused("nothing asked", f"place {number} asks nothing", place=number)
        place.answers.append({"asked": place.shown.prompt["id"], "answer": "yes" if yes else "no",
                              "by": self.person.name if self.person else "", "at": _now()})
        if not yes:
            return self.cancel(number)
        prompt = self.plan.prompts.after(place.shown.prompt["id"])
        place.show(state=PROMPT if prompt else PUT, prompt=prompt,
                   next="answer" if prompt else f"put in {self.plan.start}")
        if not prompt and self.plan.start == "scan":
            await self._run(place)
        return {"code": "answered", "place": number}

    def cancel(self, number: int | None) -> Row:
        """Take a unit out that was not started. Raises ``Refused``."""
        waiting = [one.shown.number for one in self.places.values() if one.shown.state in (PROMPT, PUT)]
        place = self._place(number if number is not None else waiting[0] if len(waiting) == 1 else None)
        if place.shown.state not in (PROMPT, PUT):
            raise Refused("not now", f"place {place.shown.number} has no unit that was not started",
                          place=place.shown.number)
        place.show(state=READY, unit="", prompt=None, next="scan", kind="")
        return {"code": "cancelled", "place": place.shown.number}

    async def end_place(self, number: int) -> Row:
        """End a place alone; a unit in it gets the record of a run that was ended. Raises ``Refused``."""
        place = self._place(number)
        self._need(Role.LEAD)
        self._begin(place.end())
        return {"code": "ending", "place": number}

    async def start_place(self, number: int) -> Row:
        self._need(Role.LEAD)
        await self._place(number).start()
        return {"code": "starting", "place": number}

    async def unlock(self, number: int, reason: str) -> Row:
        """A place that had locked itself goes on. Who said so, and why, is in the store. Raises ``Refused``."""
        place = self._place(number)
        if place.shown.state != LOCKED:
            raise Refused("not locked", f"place {number} is not locked", place=number)
        if not reason.strip():
            raise Refused("say why", "say what was done about it")
        await asyncio.to_thread(self.gate.unlock, place.shown.name, self.person, reason[:200])
        place.show(state=READY, message="", verdict="", unit="", next="scan")
        return {"code": "unlocked", "place": number}

    def _need(self, role: Role) -> None:
        """Where there is a list of people. Raises ``Refused``."""
        if self.gate.people is not None and (self.person is None or not self.person.role.may(role)):
            raise Refused("role", f"that takes the badge of {role.with_article}", role=str(role))

    # -- places

    def _place(self, number: int | None) -> PlaceHandle:
        place = self.places.get(number) if number is not None else None
        if place is None:
            raise Refused("no place", "there is no such place; choose one of the page", place=number or 0)
        return place

    def _asking(self, number: int | None) -> int:
        asking = [one.shown.number for one in self.places.values() if one.shown.state == PROMPT]
        if number is not None:
            return number
        if len(asking) == 1:
            return asking[0]
        raise Refused("which place", "no place asks, or several do: choose one")

    def _free(self, number: int | None) -> list[PlaceHandle]:
        """The places that may be taken, best first."""
        if number is not None:
            place = self._place(number)
            state = place.shown.state
            if state in (READY, VERDICT) and not place.is_asked:
                return [place]
            if state == LOCKED:
                raise Refused("locked", f"place {number} has locked itself after faults of the bench; a lead looks at "
                              "it and unlocks it", place=number)
            if state == OFF:
                raise Refused("off", f"place {number} is off; start it", place=number)
            raise Refused("busy", f"place {number} is busy", place=number)
        free = [one for one in self.places.values() if one.shown.state in (READY, VERDICT) and not one.is_asked]
        if not free:
            raise Refused("all busy", "no place is free now; wait, and scan again")
        return sorted(free, key=lambda one: (bool(one.shown.locks), one.shown.state != READY, one.shown.began))

    async def _run(self, place: PlaceHandle) -> None:
        unit, number, run_id = place.shown.unit, place.shown.number, new_run_id()
        folder = place.place.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{unit}-{run_id[-6:]}"
        decision = place.decision
        assert decision is not None
        job = {"slot": str(number), "location": self.plan.name, "work_order": self.work_order,
               "operator": self.person.name if self.person else "", **decision.job}
        if place.answers:
            try:
                folder.mkdir(parents=True)
                (folder / "answers.json").write_text(json.dumps(place.answers), "ascii")
            except OSError as error:
                raise Refused("no room", f"the run can't be written to {place.place.folder}: {error.strerror}; make "
                              "room there") from None
        is_twin = place.place.station is None
        await place.run(Order(
            decision.profile, folder, station=place.place.station, place=place.shown.name, files=decision.tests,
            unit=unit, run_id=run_id, store=self.depot.address,
            seed=int(unit, 16) % (1 << 31) if is_twin else 1, job={name: said for name, said in job.items() if said},
            defects=tuple(self.plan.twin.defects.get(unit, ())) if is_twin else (),
            real_time=is_twin and self.plan.twin.real_time))

    # -- records

    def _ended(self, place: PlaceHandle, said: Mapping[str, Any]) -> None:
        if not said.get("again"):
            self.done += 1
        if said["not_stored"]:
            self.waiting[said["run_id"]] = {"unit": said["unit"] or "", "run_id": said["run_id"],
                                            "place": place.shown.number, "verdict": said["verdict"]}
        self._begin(self._decide_after(place, said["unit"] or ""))
        self.tell_header()

    async def _decide_after(self, place: PlaceHandle, unit: str) -> None:
        """What is done with the unit, and whether the place may have another."""
        decision = await asyncio.to_thread(self.gate.after, unit, place.shown.name, self._due[place.shown.number])
        self._more.pop(unit, None)
        if decision is not None and decision.more:
            self._more[unit] = decision.more[0]
        locks = [one.to_json() for one in decision.reasons] if decision is not None else []
        if place.shown.unit == unit and place.shown.state not in BUSY[:-1]:
            place.show(next=next_of(decision), kind=self.gate.kind_of(unit), locks=locks)
            if any(one["code"] == "errors.in-row" for one in locks):
                place.show(state=LOCKED, next="locked")
        if self.gate.kind_of(unit):    # it may have opened other places, too, or closed them
            for other in self.places.values():
                await self._look_at_locks(other)

    async def _keep_locks(self) -> None:
        """Reference units expire, and so do calibrations."""
        while True:
            for place in self.places.values():
                await self._look_at_locks(place)
            await asyncio.sleep(LOCKS_S)

    async def _look_at_locks(self, place: PlaceHandle) -> None:
        """Whether the place may have a unit of production."""
        if place.shown.state not in (READY, VERDICT):
            return
        locks = await asyncio.to_thread(self.gate.locks, place.shown.name, self._due[place.shown.number])
        if place.shown.state in (READY, VERDICT) and locks != place.shown.locks:
            place.show(locks=locks)
        if place.shown.state == READY and any(one["code"] == "errors.in-row" for one in locks):
            place.show(state=LOCKED, next="locked")

    async def _keep_storing(self) -> None:
        """What waits is stored when the store is back; then it is said which units those were."""
        while True:
            await asyncio.sleep(FLUSH_S)
            if not self.waiting:
                continue
            done = await asyncio.to_thread(self.depot.flush)
            here = dict.fromkeys(self.waiting) if not done.away else {one.run_id: None for one in done.stored}
            for run_id in here:
                row = self.waiting.pop(run_id, None)
                if row is None:
                    continue
                verdict = await asyncio.to_thread(self.gate.verdict_of, run_id) or "error"
                self.stored.appendleft({**row, "verdict": verdict, "at": time.time()})
                shown = self.places[row["place"]].shown
                if shown.unit == row["unit"] and shown.state in (VERDICT, LOCKED):
                    self.places[row["place"]].show(verdict=verdict, message="")
                    await self._decide_after(self.places[row["place"]], row["unit"])
            self.tell_header()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
