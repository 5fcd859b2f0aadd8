"""A run that is spread over all free places of a tag: each takes a part, then the next, until every test has run once.

A place that fails in the middle is asked no more; what it left goes to the others. A test that ended as the bench's
error is run once more, at another place: if that can judge it, the first place is to blame.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.commands.order import EXIT_CODES, Order, prepare
from bench.commands.shared.coordinator import Coordinator, Place, resources_of
from bench.commands.shared.keeper import Wanted
from bench.commands.shared.merge import DOUBTFUL, Night, Part
from bench.commands.shared.owner import Owner
from bench.commands.shared.part import PART
from bench.commands.shared.place import station_file
from bench.commands.shared.template import Held, station_text
from bench.errors import BenchError
from bench.evidence import number_of
from bench.interruption import WAYS_OUT
from bench.manifest import LeftOut, begin
from bench.measure import Verdict
from bench.record import Record
from bench.station_file import StationFile

PARTS = 4
"""So many parts for each place: fewer, and who is done early has nothing to do; more, and starting takes the time."""


LEAST = 4
"""Tests in a part, but for the last: to start a run takes longer than most tests."""

MOST_PLACES = 2
"""A test that is the bench's error at so many places is none of theirs."""


@dataclass(frozen=True, slots=True)
class _Work:
    """Tests that one place shall run, none of ``tried``."""

    tests: tuple[str, ...]
    tried: frozenset[str] = frozenset()


class _Queue:
    """What is still to do, and which places still work. ``take`` blocks while others may yet leave something."""

    def __init__(self, work: Sequence[_Work], places: Sequence[str]) -> None:
        self.places = list(places)
        self._work = list(work)
        self._busy = 0
        self._changed = threading.Condition()
        self.ended = ""

    def take(self, place: str) -> _Work | None:
        """The next for ``place``, or None when there will be none."""
        with self._changed:
            while True:
                if self.ended or place not in self.places:
                    return None
                found = next((one for one in self._work if place not in one.tried), None)
                if found is not None:
                    self._work.remove(found)
                    self._busy += 1
                    return found
                if not self._busy:
                    return None
                self._changed.wait()

    def done(self, left: Sequence[_Work]) -> None:
        """The work that was taken is done, but for ``left``. What no place is left for is dropped."""
        with self._changed:
            self._busy -= 1
            self._work += left
            self._changed.notify_all()

    def retire(self, place: str) -> None:
        with self._changed:
            if place in self.places:
                self.places.remove(place)
            self._changed.notify_all()

    def end(self, why: str) -> None:
        with self._changed:
            self.ended = self.ended or why
            self._changed.notify_all()


def spread(order: Order, wanted: Wanted, console: Console) -> int:
    """Run ``order`` at all free places with the tags; the exit code of what stands in the one record. Raises
    ``BenchError`` when there is nothing to have a record of."""
    prepare(order.run_dir)
    return _Spread(order, wanted, console).to_its_end()


class _Spread:
    def __init__(self, order: Order, wanted: Wanted, console: Console) -> None:
        assert order.station is not None
        self._order, self._wanted, self._console = order, wanted, console
        self._inputs = {name: path for name, path in order.inputs.items() if name != "station file"} | {
            "station template": order.station}
        self._night = Night({})
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[bytes]] = []
        self._began = time.monotonic()
        self._queue = _Queue((), ())

    def to_its_end(self) -> int:
        for number in WAYS_OUT:
            signal.signal(number, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WAYS_OUT)
        record = self._order.record()
        record.manifest = begin(self._inputs, self._order.chosen_by)
        left_out: list[LeftOut] = []
        try:
            places, file = self._free_places()
            record = replace(record, simulated=file.simulated, unit="")
            self._order = replace(self._order, store=self._order.store or file.store_address())
            numbers, times, left_out = self._collect(file)
            self._night = Night(numbers)
            self._queue = _Queue(list(_in_parts(numbers, times, PARTS * len(places))), places)
            self._say(f"{len(numbers)} tests over {len(places)} places: {', '.join(places)}")
            workers = [threading.Thread(target=self._work, args=(place,)) for place in places]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            fault = self._queue.ended
        except BenchError as error:
            fault = str(error)
        merged = self._night.merged(record, self._order.run_dir, left_out, self._inputs)
        merged.wall_time_s = time.monotonic() - self._began
        merged.fault = merged.fault or fault
        return self._write(merged)

    def _free_places(self) -> tuple[list[str], StationFile]:
        """The free places, and the station file of the first. Raises ``BenchError``."""
        tags = self._wanted.tags
        with Coordinator(self._wanted.coordinator, Owner.of_this_process().name) as coordinator:
            fitting = [place for _, place in sorted(coordinator.places.items()) if tags.items() <= place.tags.items()]
            free = [place for place in fitting if not place.reservation
                    and (not place.owner or Owner.read(place.owner).is_gone)]
            if not free:
                raise BenchError(str(self._wanted), expected="one at least that is free",
                                 seen=f"{len(fitting)}, none free" if fitting else "none",
                                 do="look at mcm-bench benches")
            return [place.name for place in free], self._file(coordinator, free[0])

    def _file(self, coordinator: Coordinator, place: Place) -> StationFile:
        """What the tests are collected by, before any place is taken."""
        assert self._order.station is not None
        resources = {name: {"kind": one.kind, "path": str(one), "parameters": one.parameters}
                     for name, one in resources_of(place, coordinator.resources)}
        shared: dict[str, Any] = {}
        from bench.commands.shared.keeper import shared_instruments

        for name in shared_instruments(place):
            if name in coordinator.places:
                shared |= {key: {"kind": one.kind, "path": str(one), "parameters": one.parameters}
                           for key, one in resources_of(coordinator.places[name], coordinator.resources)}
        held = Held(place.name, "", place.tags, (), shared | resources)
        text = station_text(self._order.station, held)
        return station_file(self._order.run_dir / "station.toml", text, self._order.station)

    def _collect(self, file: StationFile) -> tuple[dict[str, int], dict[str, float], list[LeftOut]]:
        """The tests that are to run, each with its number and its device time (s), and what was left out."""
        from bench.commands.run import would_run

        found = would_run(replace(self._order, file=file))
        left_out = list(found.plan.left_out) if found.plan is not None else []
        return dict(found.order), dict(found.device_times), left_out

    def _work(self, place: str) -> None:
        """What one place does, in a thread of its own."""
        count = 0
        while (work := self._queue.take(place)) is not None:
            count += 1
            left: list[_Work] = []
            try:
                left = self._one(place, count, work)
            except Exception as error:    # of any class: the other places go on
                with self._lock:
                    self._night.findings.append(f"place {place} failed: {type(error).__name__}: {error}")
                self._queue.retire(place)
                left = [replace(work, tried=work.tried | {place})]
            finally:
                self._queue.done(left)

    def _one(self, place: str, count: int, work: _Work) -> list[_Work]:
        """Run a part; what of it another place must do."""
        run_dir = self._order.run_dir / "places" / place / f"{count:03d}"
        part = self._run(place, run_dir, work.tests)
        with self._lock:
            before = {test: self._night.results[test] for test in work.tests if test in self._night.results}
            again = self._night.take_in(part)
            self._blame_others(part, before)
            judged = len(work.tests) - len(again)
            told = f"place {place}: {judged} of {len(work.tests)} tests judged"
            if part.fault:
                self._night.findings.append(f"place {place} was asked no more: {part.fault}")
                told += f"; asked no more: {part.fault}"
                self._queue.retire(place)
            asked_enough = len(work.tried) + 1 >= MOST_PLACES and not part.fault
            again = [test for test in again if not (asked_enough and test in self._night.results)]
        self._say(told)
        return [_Work(tuple(again), work.tried | {place})] if again else []

    def _blame_others(self, part: Part, before: dict[str, Any]) -> None:
        """A place whose error another place has now judged is asked no more."""
        for test, (_, other) in before.items():
            result, now = self._night.results[test]
            if now is part and result.verdict not in DOUBTFUL and not other.fault and other.place in self._queue.places:
                self._night.findings.append(f"place {other.place} was asked no more: {test} was an error there, and "
                                            f"{result.verdict} at place {part.place}")
                self._queue.retire(other.place)

    def _run(self, place: str, run_dir: Path, tests: tuple[str, ...]) -> Part:
        order = replace(self._order, run_dir=run_dir, files=tests, expression="", max_device_time_s=None,
                        requirements=(), is_part=True, run_id=Record("", "", 0, True).run_id)
        run_dir.mkdir(parents=True)
        with (run_dir / "output.txt").open("wb") as output:
            child = subprocess.Popen([sys.executable, "-m", "bench.commands.shared.part"], stdin=subprocess.PIPE,
                                     stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
            self._children.append(child)
            if self._queue.ended:    # since this part was taken
                child.send_signal(signal.SIGTERM)
            child.communicate(PART.dump_json((order, replace(self._wanted, place=place, tags={}))))
        try:
            record = json.loads((run_dir / "record.json").read_text("utf-8"))
        except (OSError, ValueError):
            record = None
        return Part(place, run_dir, tests, record)

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        """End all parts in order; what they have is merged."""
        threading.Thread(target=self._queue.end, args=(f"the run was ended by {signal.Signals(signum).name}",)).start()
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)

    def _write(self, record: Record) -> int:
        """Record and page; the exit code."""
        from bench.manual import requirements
        from reports.page import write_page
        from reports.run import Run
        from reports.summary import summary

        run_dir = self._order.run_dir
        whole = (run_dir / "places").glob("*/*/evidence/*")    # of no one test: captures of a part's whole life
        record.artifacts = [*sorted((run_dir / "evidence").glob("*")), run_dir / "timeline.jsonl",
                            *sorted((run_dir / "places").glob("*/*/record.json")),
                            *sorted(path for path in whole if number_of(path) is None)]
        try:
            record.write(run_dir)
            kept = Run.load(run_dir)
            page = write_page(kept, list(requirements.load().values()))
            if kept.tests:
                self._console.print(summary(kept, page, verdict_follows=self._order.store is not None))
        except BenchError as error:
            record.fault = record.fault or str(error)
            record.write(run_dir)
        if record.fault:
            self._console.print(Text(f"BENCH FAULT  {record.fault}", "bold magenta"), soft_wrap=True)
        if self._order.store is not None and not self._stored(record):
            return EXIT_CODES[Verdict.INCOMPLETE if record.verdict is Verdict.PASS else record.verdict]
        return EXIT_CODES[record.verdict]

    def _stored(self, record: Record) -> bool:
        """Whether the record is in the store; the records of the parts are not kept by themselves."""
        from bench.store.deposit import Depot, body_of

        assert self._order.store is not None
        body = body_of(self._order.run_dir, json.loads((self._order.run_dir / "record.json").read_text("utf-8")), "run")
        try:
            done = Depot(self._order.store).deposit(body)
        except BenchError as error:
            self._say(f"NOT STORED: {error}")
            return False
        for why in filter(None, [*done.refused.values(), done.away]):
            self._say(f"NOT STORED: {why}")
        return done.of(body["run_id"]) is not None

    def _say(self, sentence: str) -> None:
        self._console.print(Text(sentence, "dim"), soft_wrap=True)


def _in_parts(numbers: dict[str, int], times: dict[str, float], count: int) -> Iterator[_Work]:
    """The tests in order, those of one file together, in about ``count`` parts of equal device time; a long file is
    parted itself."""
    limit_s = sum(times[test] for test in numbers) / count
    least = max(LEAST, len(numbers) // count)
    batch: list[str] = []
    for _, tests in groupby(numbers, key=lambda test: test.partition("::")[0]):
        for test in tests:
            batch.append(test)
            if len(batch) >= least and sum(times[one] for one in batch) >= limit_s:
                yield _Work(tuple(batch))
                batch = []
    if batch:
        yield _Work(tuple(batch))
