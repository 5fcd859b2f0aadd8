"""The process of one place. It holds the place's lock and instruments, has a run's process loaded and waiting, and
tells the supervisor what became of each run: lines of JSON on both ways.

Each run is an *opened* order on the disk before anything moves, and is closed when its record is in the store, or in
the spool. Whoever opens the place next, after whatever death, closes what was left open with exactly one record: the
one that the store has, or one that says that the run was broken off.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console

from bench.commands.lock import StationLock
from bench.commands.order import RESULTS, Order, evidence_in
from bench.commands.progress import Story
from bench.commands.supervise import NOBODY_KNOWS, Child, Outcome, attend, blame, read_record, write_record
from bench.commands.terminal import plain
from bench.errors import BenchError
from bench.interruption import WAYS_OUT
from bench.measure import Verdict
from bench.station_file import StationFile
from bench.store.deposit import Depot, body_of
from bench.store.errors import StoreAway
from bench.store.files import write_durably
from bench.store.search import show
from bench.store.store import Stored

OPENED, LAST = "opened.json", "last.json"
"""In the place's folder: the order that is not sealed yet; what became of the one before."""

BROKEN_OFF = "the place's process was killed before the verdict was known"

WAIT_S = 0.5


@dataclass(frozen=True)
class Place:
    """What a place is made of: its ``number`` from 1, its ``folder`` for runs; without ``station`` it is the twin's."""

    number: int
    folder: Path
    station: Path | None = None


class PlaceProcess:
    """``tell`` sends a line to the supervisor."""

    def __init__(self, place: Place, console: Console) -> None:
        self._place = place
        self._console = console
        self._orders: queue.Queue[Order | None] = queue.Queue()
        self._is_running = False
        self._is_told_to_end = False
        self._file = StationFile.load(place.station) if place.station is not None else None

    def live(self) -> int:
        """Until the supervisor has gone or says so."""
        threading.Thread(target=self._listen, daemon=True).start()
        with self._lock() as lock, _station_lock(self._place.station, self._file) as station:
            locks = [lock, *(station.descriptors if station is not None else ())]
            self._close_what_is_open()
            child = Child(locks)
            self._tell("ready")
            while (order := self._next()) is not None:
                if child.process.poll() is not None:    # it waited, and somebody has killed it
                    child.close()
                    child = Child(locks)
                self._run(order, child)
                child = Child(locks)
                self._tell("ready")
            child.close()
        return 0

    def _tell(self, what: str, **facts: Any) -> None:
        with contextlib.suppress(OSError):    # the supervisor has gone; then this ends, too
            print(json.dumps({"event": what, **facts}, default=str), flush=True)

    # -- what the supervisor says

    def _listen(self) -> None:
        for line in sys.stdin:
            self._orders.put(TypeAdapter(Order).validate_json(line))
        self._is_told_to_end = True
        self._orders.put(None)
        if self._is_running:
            os.kill(os.getpid(), signal.SIGTERM)    # the run ends in order, and is sealed

    def _next(self) -> Order | None:
        for number in WAYS_OUT:
            signal.signal(number, signal.SIG_IGN)    # who waits has nothing to end; it ends with its supervisor
        while True:
            with contextlib.suppress(queue.Empty):
                return None if self._is_told_to_end else self._orders.get(timeout=WAIT_S)

    # -- one run

    def _file_now(self) -> StationFile | None:
        """The station file, as it was when its instruments were locked. Raises ``BenchError``."""
        if self._place.station is None:
            return None
        file = StationFile.load(self._place.station)
        if file != self._file:
            raise BenchError(f"station file {self._place.station}", expected="to stay as it was when the station began",
                             seen="another one", do="end the station, and start it again")
        return file

    def _run(self, order: Order, child: Child) -> None:
        try:
            order = replace(order, file=self._file_now())
            write_durably(self._place.folder / OPENED, json.dumps(TypeAdapter(Order).dump_python(order, mode="json")))
            self._is_running = True
            outcome = attend(order, self._console, child)
        except (BenchError, OSError) as error:
            child.end()
            if (order.run_dir / "evidence").is_dir():    # it had begun
                self._close_what_is_open()
                return
            child.close()
            (self._place.folder / OPENED).unlink(missing_ok=True)
            self._tell("refused", run_id=order.run_id, message=str(error))
            return
        finally:
            self._is_running = False
        self._seal(order, outcome)

    def _seal(self, order: Order, outcome: Outcome) -> None:
        last = {"unit": order.unit, "run_id": order.run_id, "run_dir": str(order.run_dir),
                "verdict": outcome.record["verdict"], "message": outcome.record["message"],
                "first_fail": first_fail(outcome.record), "job": dict(order.job),
                "attempt": outcome.stored.attempt if outcome.stored is not None else 0,
                "not_stored": outcome.not_stored, "ended": time.time()}
        with contextlib.suppress(OSError):    # a full disk: the record is where supervise could put it
            write_durably(self._place.folder / LAST, json.dumps(last))
            (self._place.folder / OPENED).unlink(missing_ok=True)
        self._tell("ended", **last)

    def _last(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self._place.folder / LAST).read_text("utf-8")))
        except (OSError, ValueError):
            return {}

    # -- what was broken off

    def _close_what_is_open(self) -> None:
        path = self._place.folder / OPENED
        try:
            order = TypeAdapter(Order).validate_json(path.read_bytes())
        except FileNotFoundError:
            if last := self._last():
                self._tell("ended", **last, again=True)
            return
        except (OSError, ValueError) as error:
            raise BenchError(f"place {self._place.number}, {path}", expected="the run that was broken off",
                             seen=type(error).__name__, do="look at the newest run directory, then remove the file"
                             ) from error
        self._tell("closing", unit=order.unit, run_id=order.run_id)
        while (outcome := self._outcome_of(order)) is None:
            if self._is_told_to_end:
                raise SystemExit(0)
            time.sleep(4 * WAIT_S)
        self._seal(order, outcome)

    def _outcome_of(self, order: Order) -> Outcome | None:
        """What became of a run whose process was killed. None: only the store knows, and it is away."""
        depot = Depot(order.store) if order.store is not None else None
        if depot is not None:
            try:
                depot.flush()
                stored = _in_store(depot, order.run_id)
            except StoreAway as error:
                self._tell("waits", message=str(error))
                return None
            if stored is not None:
                return stored
        if order.file is not None:
            from bench.commands.safe_state import make_safe

            make_safe(order.file)
        record = record_of_broken(order)
        with contextlib.suppress(OSError):
            write_record(record, order.run_dir)
        if depot is None:
            return Outcome(2, record)
        try:
            done = depot.deposit(body_of(order.run_dir, record, "found"))
        except BenchError as error:
            return Outcome(2, record, not_stored=str(error))
        return Outcome(2, record, done.of(order.run_id), done.refused.get(order.run_id, done.away))

    # -- locks

    @contextlib.contextmanager
    def _lock(self) -> Iterator[int]:
        """One process for a place; also the run's process holds it, so that nobody begins while that still ends."""
        self._place.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._place.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            told = False
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if self._is_told_to_end:
                        raise SystemExit(0) from None
                    if not told:
                        self._tell("waits", message=str(_taken(self._place)))
                    told = True
                    time.sleep(WAIT_S)
            yield descriptor
        finally:
            os.close(descriptor)


def _taken(place: Place) -> BenchError:
    return BenchError(f"place {place.number}", expected="nobody else at it", do="wait; if it stays so, end the other "
                      "station", seen="another station's process, or a run of before that still ends")


@contextlib.contextmanager
def _station_lock(station: Path | None, file: StationFile | None) -> Iterator[StationLock | None]:
    """The instruments of the place, for as long as it is started."""
    if station is None or file is None:
        yield None
        return
    with StationLock(station, "station") as lock:
        lock.hold(file)
        yield lock


def _in_store(depot: Depot, run_id: str) -> Outcome | None:
    with depot.open().reading() as connection:
        try:
            found = show(connection, run_id)
        except BenchError:
            return None
    from bench.store.anchor import Head

    stored = Stored(Head(found["sequence"], found["hash"]), run_id, found["unit_serial"], Verdict(found["verdict"]),
                    found["attempt"], is_new=False)
    return Outcome(0, found["record"], stored)


def record_of_broken(order: Order) -> dict[str, Any]:
    """The record of a run whose processes were killed: what it had told, and never a verdict on the unit."""
    record = read_record(order.run_dir / "record.json")
    if record is not None and record.get("run_id") == order.run_id:
        blame(record, BROKEN_OFF)
        return record
    story = Story(order.record())
    with contextlib.suppress(OSError):
        story.hear((order.run_dir / RESULTS).read_bytes())
    made = replace(story.record, tests=[*story.record.tests, *story.cut_off()],
                   fault=story.record.fault or BROKEN_OFF, not_delivered=story.record.not_delivered or NOBODY_KNOWS)
    try:
        return replace(made, artifacts=evidence_in(order.run_dir)).to_json(order.run_dir)
    except OSError:
        return made.to_json(order.run_dir)


def first_fail(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the unit failed in first, or the bench: its measurement if there is one, and the sentence of its test."""
    verdict = next((one for one in (Verdict.FAIL, Verdict.ERROR)
                    if any(test["verdict"] == one for test in record["tests"])), None)
    if verdict is None:
        return None
    test = next(test for test in record["tests"] if test["verdict"] == verdict)
    measured = next((one for one in record["measurements"] if one["test"] == test["id"] and one["verdict"] == verdict),
                    None)
    said = {"test": test["id"].rpartition("::")[2], "sentence": test["message"].partition("\n")[0][:300]}
    return said | ({name: measured[name] for name in ("name", "value", "unit", "low", "high")} if measured else {})


def main() -> int:
    number, folder, station = sys.argv[1:]
    place = Place(int(number), Path(folder), Path(station) if station else None)
    place.folder.mkdir(parents=True, exist_ok=True)
    # Only this process speaks to the supervisor: what a library or a run prints goes into the place's log.
    log = (place.folder / "log.txt").open("w", encoding="utf-8", buffering=1)
    heard = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    sys.stdout = heard
    try:
        return PlaceProcess(place, plain(file=log, width=120)).live()
    except (BenchError, OSError) as error:
        heard.write(json.dumps({"event": "broken", "message": str(error)}) + "\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
