"""Which rows of the packs a changed twin turns: ``python -m bench.commands.certify.turns``, and ``make turns``.

``turns.toml`` says of each defect which rows it must turn into an indication of non-conformity, and of each variant
that it is legal. A defect that turns fewer rows, or others, is not understood: either a row looks at too little, or it
looks at something else than it says.

A defect's own rows are all tried, and with them some others of its family, drawn by the seed; ``--all``: all rows of
all packs; ``--families``: all rows of its family. A family is a set of rows that each of its defects was tried against
when the table was made.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files

from pydantic import BaseModel, ConfigDict, Field

from bench.commands.certify.command import Chooser
from bench.commands.collect import Collector
from bench.commands.order import Order, default_run_dir
from bench.commands.prove.trial import Outcome, Trial
from bench.commands.prove.trials import Trials
from bench.commands.run import would_run
from bench.errors import unknown
from bench.manual import pack as packs
from bench.manual.pack import Row
from bench.toml_file import read_toml
from bench.twin.defects import DEFECTS
from bench.twin.variants import VARIANTS

OTHERS = 3
"""So many rows that must not turn are tried beside a defect's own."""


class Turns(BaseModel):
    """``families``: name -> rows, as "en18031-1 AUM-6"; ``defects``: family -> defect -> the rows that it turns;
    ``variants``: name -> family."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    families: dict[str, tuple[str, ...]] = Field(min_length=1)
    defects: dict[str, dict[str, tuple[str, ...]]]
    variants: dict[str, str]

    @property
    def own(self) -> dict[str, tuple[str, ...]]:
        """The rows that each change turns; none of a variant."""
        found = {name: rows for family in self.defects.values() for name, rows in family.items()}
        return {**found, **dict.fromkeys(self.variants, ())}

    def family_of(self, name: str) -> tuple[str, ...]:
        return self.families[self.variants.get(name) or next(
            family for family, defects in self.defects.items() if name in defects)]


@dataclass(frozen=True, slots=True)
class Turned:
    """What a change came to: the rows that ``should`` turn and did not, and those that did and should not.
    ``unfit``: why nothing can be said."""

    name: str
    should: tuple[str, ...]
    should_not: tuple[str, ...]
    tried: int
    unfit: str = ""

    @property
    def is_right(self) -> bool:
        return not (self.should or self.should_not or self.unfit)

    def __str__(self) -> str:
        if self.is_right:
            return f"✔ {self.name}: {self.tried} rows tried"
        parts = [self.unfit, f"not turned: {', '.join(self.should)}" if self.should else "",
                 f"turned beside: {', '.join(self.should_not)}" if self.should_not else ""]
        return f"✘ {self.name}: " + "; ".join(filter(None, parts))


def load() -> Turns:
    """The table. Raises ``BenchError`` for names that there are not."""
    with as_file(files("bench.commands.certify").joinpath("turns.toml")) as path:
        turns = Turns.model_validate(read_toml(path, "turns.toml", "correct the bench's files"))
    DEFECTS.find([name for family in turns.defects.values() for name in family])
    VARIANTS.find(turns.variants)
    rows = all_rows()
    for name, named in {**turns.families, **turns.own}.items():
        for row in named:
            if row not in rows:
                raise unknown(f"turns.toml, {name}", row, rows, "correct the table")
    return turns


def all_rows() -> dict[str, Row]:
    """The rows of all packs that have tests, by pack and id."""
    return {f"{name} {row.id}": row for name in packs.names() for row in packs.load(name).rows
            if row.tests or row.requirements or row.ets}


def trials(turns: Turns, chooser: Chooser, names: Sequence[str], seed: int, *, everything: bool,
           family: bool = False) -> Iterator[Trial]:
    """A trial for each change: its own rows' tests, and those of others: some, the ``family``'s, or ``everything``."""
    chance, rows = random.Random(seed), all_rows()
    for name in names:
        own = turns.own[name]
        others = [row for row in (rows if everything else turns.family_of(name)) if row not in own]
        tried = [*own, *(others if everything or family else chance.sample(others, min(OTHERS, len(others))))]
        tests = dict.fromkeys(test for row in tried for test in chooser.select(rows[row]))
        is_variant = name in turns.variants
        yield Trial(name=name, tests=list(tests), defects=() if is_variant else (name,),
                    variants=(name,) if is_variant else ())


def judge(outcome: Outcome, own: Sequence[str], chooser: Chooser, rows: Mapping[str, Row]) -> Turned:
    """A row has turned when one of its tests failed. Only rows whose tests were all tried are looked at; cases of the
    ETS are not, for their tests are those of many rows."""
    ran = {one.test: one.verdict for one in outcome.seen}
    tried = {name: tests for name, row in rows.items()
             if not row.ets and (tests := chooser.select(row)) and ran.keys() >= set(tests)}
    turned = {name for name, tests in tried.items() if any(ran[test] == "fail" for test in tests)}
    faults = sorted(test for test, verdict in ran.items() if verdict == "error")
    unfit = outcome.unfit or (f"the bench's fault in {faults[0]}" if faults and not turned else "")
    return Turned(outcome.trial.name, tuple(sorted(set(own) - turned)), tuple(sorted(turned - set(own))), len(tried),
                  unfit)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sample", type=int, help="so many of them, drawn by the seed")
    parser.add_argument("--name", action="append", help="this one only; may be repeated")
    parser.add_argument("--all", action="store_true", help="try all rows, not some of the others")
    parser.add_argument("--families", action="store_true", help="try all rows of a change's family")
    parser.add_argument("-n", "--jobs", type=int, default=2)
    asked = parser.parse_args(arguments)
    turns = load()
    collector: Collector = would_run(Order("all", default_run_dir("turns")))
    chooser, rows, wrong = Chooser(collector), all_rows(), 0
    names = [name for name in turns.own if not asked.name or name in asked.name]
    if asked.sample is not None:
        names = random.Random(asked.seed).sample(names, min(asked.sample, len(names)))
    print(f"seed {asked.seed}: {len(names)} of {len(turns.own)} changes", flush=True)
    with Trials(asked.jobs) as running:
        for outcome in running.run(trials(turns, chooser, names, asked.seed, everything=asked.all,
                                          family=asked.families)):
            turned = judge(outcome, turns.own[outcome.trial.name], chooser, rows)
            wrong += not turned.is_right
            print(f"{turned} ({outcome.seconds:.0f} s)", flush=True)
    print(f"{wrong} are not as the table says" if wrong else "all are as the table says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
