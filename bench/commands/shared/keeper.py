"""The process that holds a place for a run: it outlives whoever is killed, and then lets go of the place.

As a program: ``python -m bench.commands.shared.keeper``. It takes a line of JSON each from its standard input and says
one each on its standard output. Its input is open as long as any process of the run lives; the end of it, without the
word ``release``, means that all of them are gone. Then the keeper brings the station into its safe state itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bench.commands.shared.coordinator import (
    Coordinator,
    Place,
    Reservation,
    Resource,
    ResourcePath,
    resources_of,
    since,
)
from bench.commands.shared.owner import Owner
from bench.errors import BenchError, unknown
from bench.interruption import WAYS_OUT

LOOK_S = 0.5
"""Real seconds between two looks at what the coordinator has told."""

LOST_S = 30.0
"""Real seconds for which a resource may be gone: an exporter that was started again has its own back after ten."""

AGAIN_S = 2.0
"""Real seconds between two attempts to reach a coordinator that has gone."""

LET_GO_S = 600.0
"""Real seconds for which the keeper tries to let go of a place at a coordinator that is away."""

SHARES = "shares"
"""Tags whose names begin so name the places of instruments that a bench shares with others."""


class RunGone(Exception):  # noqa: N818 - it is nobody's fault
    """No process of the run is left."""


@dataclass(frozen=True)
class Wanted:
    """``place``, or any with all of ``tags``, within ``wait_s`` (real seconds)."""

    coordinator: str
    place: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0

    def __str__(self) -> str:
        return f"place {self.place}" if self.place else f"place with {_said(self.tags)}"


class Keeper:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._me = Owner.of_this_process()
        self._until = time.monotonic() + wanted.wait_s
        self._held: list[str] = []
        self._resources: dict[str, Resource] = {}
        self._missing: dict[ResourcePath, float] = {}
        self._awaited: set[ResourcePath] = set()     # of exporters that a new coordinator has not heard of yet
        self._away_since = 0.0
        self._rest = b""
        self._is_lost = False
        self._station = ""
        self.doctor = ""
        self._coordinator = Coordinator(wanted.coordinator, self._me.name)

    # -- take

    def take(self) -> None:
        """Take the bench, and the instruments that it shares with others, in the order of their names. Raises
        ``BenchError``; then nothing is held."""
        try:
            bench = self._take_one(self._wanted.place, self._wanted.tags)
            for name in shared_instruments(bench):
                self._take_one(name, {})
            for name in self._held:
                self._know(self._coordinator.places[name])
        except BaseException:
            self._let_go()
            raise
        say(held={"place": bench.name, "tags": dict(bench.tags), "owner": self._me.name, "shared": self._held[1:],
                  "resources": {name: {"kind": one.kind, "path": str(one), "parameters": dict(one.parameters)}
                                for name, one in self._resources.items()}})

    def _take_one(self, name: str, tags: Mapping[str, str]) -> Place:
        """The place once it is held."""
        candidates = self._candidates(name, tags)
        self._free_what_nobody_holds(candidates)
        waiting = self._coordinator.reserve({"name": name} if name else tags)
        try:
            allocated = self._wait_for(waiting, candidates)
            self._coordinator.acquire(allocated)
            self._held.append(allocated)
        except BenchError as error:
            raise self._explained(error, candidates) from None
        finally:    # who holds the place needs no reservation, and one that is left would keep others out for a minute
            with contextlib.suppress(BenchError):
                self._coordinator.cancel(waiting.token)
        return self._coordinator.places[allocated]

    def _candidates(self, name: str, tags: Mapping[str, str]) -> list[Place]:
        places = self._coordinator.places
        if name:
            if name not in places:
                raise unknown(self._coordinator.subject, name, places, "look at mcm-bench benches") if places else (
                    BenchError(self._coordinator.subject, expected=f"place {name}", seen="no place at all",
                               do="make one with labgrid-client create"))
            return [places[name]]
        found = [place for place in places.values() if tags.items() <= place.tags.items()]
        if not found:
            raise BenchError(self._coordinator.subject, expected=f"a place with {_said(tags)}",
                             seen=f"none among {len(places)}", do="look at mcm-bench benches")
        return found

    def _free_what_nobody_holds(self, places: list[Place]) -> None:
        """Take off the locks of processes that were killed together with their keeper."""
        for place in places:
            owner = Owner.read(place.owner)
            if place.owner and owner.is_gone:
                self._coordinator.release(place.name, place.owner)
                say(finding=f"place {place.name} was still locked by {owner}, since {since(place)}, which has ended; "
                            "the lock was taken off")

    def _wait_for(self, waiting: Reservation, candidates: list[Place]) -> str:
        """The name of the place once it is this run's turn."""
        told = False
        while not waiting.place:
            if time.monotonic() >= self._until:
                raise BenchError(str(self._wanted), expected="to be free", seen="it is not", do="--wait")
            if not told:
                told = True
                say(waiting=f"waiting for {self._who_has(candidates)}")
            self._hear(AGAIN_S / 2)
            if self._coordinator.gone:
                raise BenchError(self._coordinator.subject, expected="to say whose turn it is",
                                 seen=self._coordinator.gone, do="start it again, then run again")
            waiting = self._coordinator.poll(waiting.token)
        return waiting.place

    def _explained(self, error: BenchError, candidates: list[Place]) -> BenchError:
        """Why the place could not be had, from what the coordinator tells of it now."""
        if self._coordinator.gone:
            return BenchError(self._coordinator.subject, expected=f"to give {self._wanted}",
                              seen=self._coordinator.gone, do="start it again, then run again")
        now = [place for one in candidates if (place := self._coordinator.places.get(one.name)) is not None]
        if any(place.owner or place.reservation for place in now):
            waited = f" within {self._wanted.wait_s:g} s" if self._wanted.wait_s else ""
            subject = f"place {now[0].name}" if len(now) == 1 else str(self._wanted)
            return BenchError(subject, expected=f"to be free{waited}", seen=self._who_has(now),
                              do="wait for it with --wait, or take another one; mcm-bench benches shows them, and "
                                 "--free takes a lock off")
        for place in now:
            mine = {one.path for _, one in resources_of(place, self._coordinator.resources)}
            for other in self._coordinator.places.values():
                theirs = {one.path for _, one in resources_of(other, self._coordinator.resources)}
                if other.owner and other.name != place.name and mine & theirs:
                    return BenchError(f"place {place.name}", expected="its resources to be free",
                                      seen=f"{'/'.join(min(mine & theirs))} in use at place {other.name}, which "
                                           f"{Owner.read(other.owner)} has",
                                      do="make the shared instrument a place of its own, and name it in a tag "
                                         f"{SHARES} of both")
        return error

    def _who_has(self, places: list[Place]) -> str:
        now = [self._coordinator.places.get(place.name, place) for place in places]
        return "; ".join(f"place {place.name}, which {Owner.read(place.owner)} has since {since(place)}" if place.owner
                         else f"place {place.name}, which is reserved for somebody else" if place.reservation
                         else f"place {place.name}" for place in now)

    def _know(self, place: Place) -> None:
        """Note the resources of ``place``. Raises ``BenchError`` where one is missing, or two have one name."""
        found = list(resources_of(place, self._coordinator.resources))
        for match in place.matches:
            if not any(match.fits(one) for _, one in found):
                raise BenchError(f"place {place.name}", expected=f"resource {match}", seen="no exporter that offers it",
                                 do="start its exporter; labgrid-client resources shows what there is")
        for name, one in found:
            if not one.available:
                raise BenchError(f"place {place.name}", expected=f"resource {one}", seen="its exporter has lost it",
                                 do="look at the cable and at the exporter's log")
            if name in self._resources:
                raise BenchError(f"place {place.name}", expected="resources of different names",
                                 seen=f"{self._resources[name]} and {one}, both called {name}",
                                 do="give one another name, with labgrid-client add-named-match")
            self._resources[name] = one

    # -- hold

    def hold(self) -> None:
        """Hold until the run says that it has ended, and say what happens to the place. Raises ``RunGone``."""
        while not self._hear(LOOK_S):
            why = "" if self._is_lost else self._look()
            if why:
                self._is_lost = True
                say(lost=why)

    def _look(self) -> str:
        """Why the run can't go on with the place; empty where it can."""
        now = time.monotonic()
        if self._coordinator.gone:
            if not self._away_since:
                self._away_since = now
                say(finding=f"the {self._coordinator.subject} went away while the run held place {self._held[0]} "
                            f"({self._coordinator.gone})")
            return self._back() if now - self._away_since > AGAIN_S else ""
        for name in self._held:
            place = self._coordinator.places.get(name)
            if place is None or place.owner != self._me.name:
                whose = f"it is {Owner.read(place.owner)}'s" if place is not None and place.owner else "it is nobody's"
                return str(BenchError(f"place {name}", expected="to stay this run's", seen="it was taken by force; "
                                      + (whose if place is not None else "it was removed"),
                                      do="ask who did that; mcm-bench benches shows who has what"))
        there = self._coordinator.resources
        for one in self._resources.values():
            is_there = one.path in there and there[one.path].available
            if is_there:
                self._awaited.discard(one.path)
                self._missing.pop(one.path, None)
            elif one.path not in self._awaited and now - self._missing.setdefault(one.path, now) > LOST_S:
                return str(BenchError(f"place {self._held[0]}", expected=f"to keep resource {one}",
                                      seen=f"its exporter has not offered it for {LOST_S:g} s",
                                      do="look at the cable, and whether the exporter runs"))
        return ""

    def _back(self) -> str:
        """Look for the coordinator, and take the places again: one that was started again has forgotten all locks."""
        try:
            found = Coordinator(self._wanted.coordinator, self._me.name)
        except BenchError:
            return ""
        self._coordinator.close()
        self._coordinator = found
        away_s, self._away_since = time.monotonic() - self._away_since, 0.0
        self._awaited, self._missing = {one.path for one in self._resources.values()}, {}
        for name in self._held:
            place = found.places.get(name)
            if place is not None and not place.owner:
                try:
                    found.acquire(name)
                except BenchError as error:
                    return str(error)
        held = ", ".join(self._held)
        say(finding=f"the {found.subject} is back after {away_s:.0f} s; place {held} is still the run's")
        return ""

    # -- let go

    def let_go(self, doctor: str = "") -> None:
        """Let go of all places. ``doctor``: what it said of the bench, for all who look at it."""
        until = time.monotonic() + LET_GO_S
        told = False
        while self._held and time.monotonic() < until:
            if not self._coordinator.gone:
                if doctor:
                    with contextlib.suppress(BenchError):
                        self._coordinator.tag(self._held[0], {"doctor": doctor})
                    doctor = ""
                self._let_go()
                if not self._held:
                    break
            if not told:
                told = True
                say(released=False)
            time.sleep(AGAIN_S)
            try:
                found = Coordinator(self._wanted.coordinator, self._me.name)
            except BenchError:
                continue
            self._coordinator.close()
            self._coordinator = found
        if not told:
            say(released=not self._held)

    def _let_go(self) -> None:
        for name in reversed(list(self._held)):
            try:
                self._coordinator.release(name, self._me.name)
            except BenchError:
                if self._coordinator.gone:
                    continue
                if name in self._coordinator.places:    # it may have gone to somebody else, or be removed
                    continue
            self._held.remove(name)

    def make_safe(self) -> None:
        """What the run's own processes do, where one of them is left to do it. A place that is somebody else's by now
        is left alone."""
        if self._station and not self._is_lost:
            subprocess.run([sys.executable, "-m", "bench.commands.safe_state", self._station], check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _hear(self, wait_s: float) -> bool:
        """Whether the run said within ``wait_s`` that it has ended. Raises ``RunGone``."""
        if not select.select([0], [], [], wait_s)[0]:
            return False
        data = os.read(0, 1 << 16)
        if not data:
            raise RunGone
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "station" in told:
                self._station = told["station"]
            if "release" in told:
                self.doctor = str(told["release"])
                return True
        return False

    def wait_for_the_end(self) -> None:
        """Until no process of the run uses the place."""
        try:
            while not self._hear(LOOK_S):
                pass
        except RunGone:
            self.make_safe()


def shared_instruments(place: Place) -> Iterator[str]:
    """The places of the instruments that ``place`` shares with others, in one order for all who want them: so nobody
    waits for somebody who waits for him."""
    yield from sorted({value for key, value in place.tags.items() if key.startswith(SHARES)})


def say(**told: object) -> None:
    """Tell the run. It may not be there any more."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(told).encode() + b"\n")


def _said(tags: Mapping[str, str]) -> str:
    return " and ".join(f"{key}={value}" for key, value in tags.items())


def _first_line() -> bytes:
    """No octet more: the rest is for ``Keeper``."""
    line = b""
    while not line.endswith(b"\n"):
        octet = os.read(0, 1)
        if not octet:
            raise RunGone
        line += octet
    return line


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, WAYS_OUT)    # it ends with its input
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    keeper = None
    try:
        keeper = Keeper(Wanted(**json.loads(_first_line())))
        keeper.take()
        keeper.hold()
        keeper.let_go(keeper.doctor)
    except BenchError as error:
        say(refused={"subject": error.subject, "expected": error.expected, "seen": error.seen, "do": error.do})
    except RunGone:
        if keeper is not None:
            keeper.make_safe()
            keeper.let_go()
    except BaseException as error:    # of any class: nobody else lets go of the place
        say(lost=f"the process that holds the place failed: {type(error).__name__}: {error}")
        if keeper is not None:
            keeper.wait_for_the_end()
            keeper.let_go()
    os._exit(0)    # no thread of gRPC keeps it


if __name__ == "__main__":
    main()
