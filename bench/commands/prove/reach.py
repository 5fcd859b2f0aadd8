"""Which tests reach which lines of the twin: recorded once on the healthy twin, and kept as long as neither changes."""

from __future__ import annotations

import ast
import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.commands.prove.mutation import Mutation, Where
from bench.commands.prove.show import Show
from bench.commands.prove.tracer import Place
from bench.commands.prove.trial import Seen, Trial
from bench.commands.prove.trials import Trials
from bench.commands.prove.worker import TWIN
from bench.errors import BenchError
from bench.manifest import PROJECT
from bench.twin.lab import Change

FEWEST_TESTS = 20
"""A change that fewer tests reach is tried with all of them: rather the reach is not seen than the unit is not."""

CHANGES = ("defects", "variants", "faults")
"""Folders of the twin that a healthy one does without."""

_AT_ONCE = 12
"""Tests of a trial: so many share a process, and its loss."""


@dataclass(frozen=True)
class Reach:
    """``seconds``: of each test that the healthy twin passes, how long it takes. ``at``: who reaches a place, as bits
    in the order of ``seconds``."""

    seconds: Mapping[str, float]
    at: Mapping[Place, int]

    @classmethod
    def of_all(cls, tests: Iterable[str]) -> Reach:
        """Where nothing needs to be recorded: every test is tried."""
        return cls(dict.fromkeys(tests, 0.0), {})

    def of_mutation(self, mutation: Mutation) -> list[str]:
        """The tests that reach what is changed; none if nobody does."""
        file = mutation.file.removeprefix("bench/twin/")
        if mutation.names:
            return self._tests(self._of_names(mutation.names) or self._of_file(file))
        places = ((file, line, mutation.in_lambda) for line in mutation.lines)
        return self._tests(next((self.at[place] for place in places if place in self.at), 0))

    def of_change(self, change: Change) -> list[str]:
        """The tests that reach what a defect or a variant replaces. All, where that can't be told, and where those that
        can be told are few."""
        bits = 0
        for part in change.parts:
            for name in set(vars(part)) - {"__module__", "__doc__", "__qualname__", "__annotations__"}:
                bits |= self._of_attribute(part.__mro__[1:], name)
        tests = self._tests(bits)
        return tests if change.parts and len(tests) >= FEWEST_TESTS else list(self.seconds)

    def _of_attribute(self, bases: Sequence[type], name: str) -> int:
        owner = next((base for base in bases if name in vars(base)), None)
        code = _code_of(vars(owner)[name]) if owner is not None else None
        if code is None:
            return self._of_names([name])
        file, bits = Path(code.co_filename), 0
        if not file.is_relative_to(TWIN):
            return -1
        for _, _, line in code.co_lines():
            bits |= self.at.get((file.relative_to(TWIN).as_posix(), line or 0, False), 0)
        return bits

    def _of_names(self, names: Iterable[str]) -> int:
        bits, seen, waiting = 0, set[str](), list(names)
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                for place in _mentions().places[name]:
                    bits |= self.at.get(place, 0)
                waiting += _mentions().other_names[name]
        return bits

    def _of_file(self, file: str) -> int:
        bits = 0
        for (where, _, _), reached in self.at.items():
            if where == file:
                bits |= reached
        return bits

    def _tests(self, bits: int) -> list[str]:
        return [test for number, test in enumerate(self.seconds) if bits >> number & 1]


class _Mentions:
    """Where the twin mentions a name: the places that run, and what else is made with it when a module is imported."""

    def __init__(self) -> None:
        self.places: defaultdict[str, set[Place]] = defaultdict(set)
        self.other_names: defaultdict[str, set[str]] = defaultdict(set)
        for path in _files(TWIN, CHANGES):
            if path.suffix == ".py":
                self._look(ast.parse(path.read_text("utf-8")), Where(), path.relative_to(TWIN).as_posix())

    def _look(self, node: ast.AST, where: Where, file: str) -> None:
        for field, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if not isinstance(child, ast.AST):
                    continue
                there = where.down(node, field, child)
                match child:
                    case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                        self._note(name, there, file)
                self._look(child, there, file)

    def _note(self, name: str, where: Where, file: str) -> None:
        if where.runs:
            self.places[name] |= {(file, line, where.in_lambda) for line in where.lines}
        else:
            self.other_names[name] |= set(where.names)


@cache
def _mentions() -> _Mentions:
    return _Mentions()


def _code_of(member: Any) -> Any:
    """The code object of a function or a property; None for anything else."""
    if isinstance(member, property):
        member = member.fget
    return getattr(getattr(member, "__func__", member), "__code__", None)


def recorded(trials: Trials, folder: Path, show: Show) -> Reach:
    """What ``folder`` has of this twin and these suites, or else recorded now, which takes some minutes. A test that
    the healthy twin does not pass is left out: it can't tell anything of another one."""
    path = folder / f"reach-{digest_of_reach()}.json"
    if not path.exists():
        reach = _record(trials, show)
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        at = [[*place, f"{bits:x}"] for place, bits in sorted(reach.at.items())]
        draft.write_text(json.dumps({"seconds": reach.seconds, "at": at}), "utf-8")
        draft.replace(path)
    kept = json.loads(path.read_text("utf-8"))
    return Reach(kept["seconds"], {tuple(place): int(bits, 16) for *place, bits in kept["at"]})


def seconds_known(folder: Path) -> Mapping[str, float]:
    """How long tests took when that was last recorded, be it of other suites: enough to try the quick ones first."""
    newest = max(folder.glob("reach-*.json"), key=lambda path: path.stat().st_mtime, default=None)
    seconds: Mapping[str, float] = json.loads(newest.read_text("utf-8"))["seconds"] if newest is not None else {}
    return seconds


def _record(trials: Trials, show: Show) -> Reach:
    names = list(trials.tests)
    chunks = [names[begin:begin + _AT_ONCE] for begin in range(0, len(names), _AT_ONCE)]
    waiting = (Trial(name="the healthy twin", tests=chunk, traced=True) for chunk in chunks)
    seen: dict[str, Seen] = {}
    for outcome in show.each("recording what each test reaches", trials.run(waiting), len(chunks)):
        if outcome.unfit:
            raise BenchError("the healthy twin", expected="every test to end", seen=outcome.unfit, do="mend it first")
        seen |= {one.test: one for one in outcome.seen}
    passed = [seen[name] for name in names if seen[name].verdict == "pass"]
    for name in names:
        if seen[name].verdict in ("fail", "error"):
            show.line(False, f"the healthy twin does not pass {name}, which is left out: {seen[name].message}")
    at: defaultdict[Place, int] = defaultdict(int)
    for number, one in enumerate(passed):
        for place in one.reached:
            at[place] |= 1 << number
    return Reach({one.test: round(one.seconds, 3) for one in passed}, at)


def digest_of_reach() -> str:
    """Of what decides which tests there are and what they reach."""
    return _digest("bench/twin", "fixtures", "suites")


def digest_of_all(*, but: Collection[str] = ("commands", *CHANGES)) -> str:
    """Of everything that may change a verdict; ``but`` are names of folders."""
    return _digest("bench", "drivers", "fixtures", "suites", but=but)


def _digest(*folders: str, but: Collection[str] = CHANGES) -> str:
    found = hashlib.sha256()
    for folder in folders:
        for path in _files(PROJECT / folder, but):
            found.update(path.relative_to(PROJECT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def _files(folder: Path, but: Collection[str]) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".toml") and not {*path.relative_to(folder).parts} & {*but}:
            yield path
