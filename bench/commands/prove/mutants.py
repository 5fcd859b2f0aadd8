"""Faults that nobody thought of: single changes of the twin's unit and meter, drawn by a seed.

A mutant is killed by a verdict *fail* of a test that reaches what is changed. One that makes the twin raise, or hang,
or that can't be loaded, is no unit, and another is drawn in its place; so is one of the meter's wires for which the
bench blames itself, and no unit: it has found an instrument that is out of order.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from bench.commands.prove.memory import FOLDER, Finished, in_order
from bench.commands.prove.mutation import Mutation, mutations
from bench.commands.prove.reach import Reach, digest_of_all
from bench.commands.prove.trial import Outcome, Trial
from bench.commands.prove.trials import Trials
from bench.commands.prove.worker import TWIN
from bench.errors import BenchError
from bench.manifest import PROJECT
from bench.twin.defects import DEFECTS

MOST_EQUIVALENT = 0.15
"""Of all mutants so many at most may be argued away."""

MUTATED = ("cmi6110", "meter")
_INSTRUMENTS = "bench/twin/meter/"


@dataclass(frozen=True, slots=True)
class Mutant:
    """What became of a mutant: ``result`` is killed, survived or unfit. ``by``: the test that killed it, and ``text``
    its sentence; of an unfit one ``text`` says why, of a survivor in how many of its ``tests`` the bench failed.
    ``line`` is the one of today."""

    id: str
    file: str
    line: int
    function: str
    change: str
    result: str
    by: str
    text: str
    tests: int
    seconds: float


class Mutants:
    """The first ``count`` mutants that are fit, in the order of ``seed``; with ``chosen`` those of these ids instead.
    What has been found out is kept as long as neither the twin nor the suites change."""

    def __init__(self, count: int, seed: int, chosen: Sequence[str], reach: Reach, learned: Mapping[str, str]) -> None:
        every = all_mutations()
        if chosen:
            by_id = {mutation.id: mutation for mutation in every}
            for name in chosen:
                if name not in by_id:
                    raise BenchError(f"mutant {name}", expected="the id of a mutant of this twin", seen="no such one",
                                     do="take one that prove --mutants has printed")
            every = [by_id[name] for name in chosen]
        else:
            random.Random(seed).shuffle(every)
        self.count = len(every) if chosen else min(count, len(every))
        self.drawn: list[Mutant] = []
        """All that have been tried, the unfit ones among them."""
        self._waiting = iter(every)
        self._under_way: dict[str, Mutation] = {}
        self._reach = reach
        self._finished = Finished(FOLDER / f"mutants-{digest_of_all()}.jsonl")
        self._killers = Finished(FOLDER / "killers.jsonl")
        self._nearby = _catchers_by_function(learned)
        for mutation in every:
            if mutation.id in self._killers.known:
                nearby = self._nearby.setdefault((mutation.file, mutation.function), [])
                nearby.append(self._killers.known[mutation.id])

    @property
    def fit(self) -> list[Mutant]:
        return [mutant for mutant in self.drawn if mutant.result != "unfit"]

    def run(self, trials: Trials) -> Iterator[Mutant]:
        """What is not known yet, as it comes; in the end all are in ``drawn``."""
        for outcome in trials.run_next(self._next):
            mutant = self._judge(self._under_way.pop(outcome.trial.name), outcome)
            self._finished.add(mutant.id, asdict(mutant))
            self.drawn.append(mutant)
            yield mutant

    def _next(self) -> Trial | None:
        """Just as many as are needed: so the same seed gives the same mutants, whatever is ready first."""
        while len(self.fit) + len(self._under_way) < self.count:
            mutation = next(self._waiting, None)
            if mutation is None:
                return None
            if mutation.id in self._finished.known:
                self.drawn.append(Mutant(**self._finished.known[mutation.id]))
                continue
            ahead = [self._killers.known.get(mutation.id), *self._nearby.get((mutation.file, mutation.function), ())]
            tests = in_order(self._reach.of_mutation(mutation), ahead, self._reach.seconds, _about(mutation))
            if not tests:
                self.drawn.append(_mutant(mutation, "survived", text="no test reaches it"))
                continue
            self._under_way[mutation.id] = mutation
            return Trial(name=mutation.id, tests=tests, until_failure=True, mutation=mutation,
                         usual_s={test: self._reach.seconds[test] for test in tests})
        return None

    def _judge(self, mutation: Mutation, outcome: Outcome) -> Mutant:
        failed, errors = [one for one in outcome.seen if one.verdict == "fail"], outcome.of("error")
        result, by = "survived", ""
        text = f"the bench failed in {len(errors)}, first with: {_message(outcome)}" if errors else ""
        if outcome.unfit:
            result, text = "unfit", outcome.unfit
        elif failed:
            result, by, text = "killed", failed[0].test, failed[0].message
            self._killers.add(mutation.id, by)
        elif errors and mutation.file.startswith(_INSTRUMENTS):
            result, text = "unfit", f"the bench blames the meter's wires: {_message(outcome)}"
        return _mutant(mutation, result, by, text, len(outcome.seen), round(outcome.seconds, 1))


def _mutant(mutation: Mutation, result: str, by: str = "", text: str = "", tests: int = 0,
            seconds: float = 0.0) -> Mutant:
    return Mutant(mutation.id, mutation.file, mutation.lines[0], mutation.function, mutation.change, result, by, text,
                  tests, seconds)


def all_mutations() -> list[Mutation]:
    """Of all files in which the unit and the meter are."""
    return [mutation for folder in MUTATED for path in sorted((TWIN / folder).glob("*.py"))
            for mutation in mutations(path)]


def unreached(reach: Reach) -> list[Mutation]:
    """Of each line of unit and meter that no test reaches one change: all of them would survive."""
    lines = {(mutation.file, mutation.lines[0]): mutation for mutation in all_mutations()
             if not reach.of_mutation(mutation)}
    return list(lines.values())


def equivalents() -> dict[tuple[str, str, str], str]:
    """By file, function and change the reason why nobody could tell such a mutant from the twin: a committed list
    (``equivalent.toml``). Raises ``BenchError`` for a row without one of them."""
    rows = tomllib.loads(files(__package__).joinpath("equivalent.toml").read_text("utf-8")).get("mutant", [])
    for row in rows:
        if set(row) != {"file", "function", "change", "reason"} or not row["reason"].strip():
            raise BenchError("equivalent.toml", expected="file, function, change and a reason in each row",
                             seen=str(row), do="complete the row")
    return {(row["file"], row["function"], row["change"]): row["reason"] for row in rows}


def _about(mutation: Mutation) -> str:
    """The words around a change."""
    lines = (PROJECT / mutation.file).read_text("utf-8").splitlines()
    text = [lines[number - 1] for number in mutation.lines]
    return " ".join([Path(mutation.file).stem, mutation.function, mutation.before, *text])


def _message(outcome: Outcome) -> str:
    return next(one.message for one in outcome.seen if one.verdict == "error")


def _catchers_by_function(learned: Mapping[str, str]) -> dict[tuple[str, str], list[str]]:
    """The tests that have caught defects of a function: whoever sees one fault of it may see another."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, test in learned.items():
        for part in DEFECTS[name].parts if name in DEFECTS else ():
            for own in vars(part):
                owner = next((base for base in part.__mro__[1:] if own in vars(base)), None)
                if owner is not None:
                    file = owner.__module__.replace(".", "/") + ".py"
                    found.setdefault((file, f"{owner.__qualname__}.{own}"), []).append(test)
    return found
