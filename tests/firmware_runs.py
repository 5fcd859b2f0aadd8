"""Runs of the twin as several firmwares, each in a process that is forked when all is loaded, and how compare and learn
do with them. By hand, with make:

    python tests/firmware_runs.py planted [PAIRS]     ten planted differences are found, and nothing else
    python tests/firmware_runs.py learned [UNITS]     twins learned of legal variants are told from them in nothing
"""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.analysis.shown.fact import Area
from bench.commands.compare.comparison import Comparison, compare
from bench.commands.compare.sides import Side
from bench.commands.order import Order
from bench.commands.run import run
from bench.twin.variants import VARIANTS

RUNS = 2
"""On each side of a pair."""

TESTS = "not outage and not pak and not printed_bytes and not printed_json and not encoder and not additional"
"""Of acceptance, in which little is left out that a comparison would see."""

DEFECTS = {"bearer-wrong": "test_object_4_says_how_the_unit_is_connected",
           "supply-voltage-misreported": "test_the_reported_voltage_follows_the_supply",
           "intervals-after-reboot": "test_new_intervals_take_effect_without_a_reboot"}
"""Of the three planted verdicts, and the test that each of them turns."""


def forked(order: Order) -> Path:
    """The run directory."""
    child = multiprocessing.get_context("fork").Process(target=_run, args=(order,))
    child.start()
    child.join()
    assert (order.run_dir / "record.json").exists(), f"exit code {child.exitcode}"
    return order.run_dir


def _run(order: Order) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    with Path(os.devnull).open("w") as sink:
        run(order, Console(file=sink))


FILES = tuple(f"suites/test_{name}.py" for name in ("activation", "led", "button", "telegram", "resources", "power"))
"""Of the tests that a twin is learned from: with all of acceptance twenty units take hours."""


def side(folder: Path, name: str, seeds: Sequence[int], *, defects: Sequence[str] = (), variants: Sequence[str] = (),
         files: Sequence[str] = ()) -> Side:
    orders = [Order(profile="acceptance", run_dir=folder / f"{name}-{seed}", seed=seed, report=False, doctor=False,
                    expression="" if files else TESTS, files=files, defects=defects, variants=variants)
              for seed in seeds]
    return Side.of(name, [forked(order) for order in orders])


# -- ten planted differences


@dataclass(frozen=True)
class Planted:
    """A difference by its area and a part of the name that it must be called by."""

    area: Area
    name: str


PLANTED = (*(Planted(Area.VERDICT, test) for test in DEFECTS.values()),
           Planted(Area.TIMING, "mdm CONNACK to mdm REGISTER"), Planted(Area.TIMING, "to dm answer"),
           Planted(Area.ENERGY, "sleep, "), Planted(Area.ENERGY, "transmit, "),
           Planted(Area.TELEGRAM, "missing_time"), Planted(Area.DEFAULT, "setting mdm_communication_timeout"),
           Planted(Area.ORDER, "joining"))


def resolvable(pair: Comparison, name: str) -> float:
    found = next(judged.resolvable for _, one, _, judged in pair.numbers if one == name)
    assert found is not None, f"{name} is not resolvable"
    return found


def firmware(pair: Comparison, folder: Path, factor: float = 1.5) -> Path:
    """A unit file with the planted times, energies, default and order, ``factor`` times what ``pair`` of healthy runs
    says is resolvable."""
    register_s = factor * resolvable(pair, "mdm CONNACK to mdm REGISTER")
    answer_s = factor * resolvable(pair, "dm GET to dm answer")
    floor_a = 5.2e-6 + factor * resolvable(pair, "sleep, power") * 1e-3 / 3.6
    block = next(judged for _, one, _, judged in pair.numbers if one == "transmit, energy of a block")
    transmit_a = 220e-3 * (1 - factor * resolvable(pair, "transmit, energy of a block") / block.old)
    path = folder / "firmware.toml"
    path.write_text(f"""readings = ["missing-time-in-days"]
[delays]
register = [{register_s}, {register_s}]
answer = [{answer_s}, {answer_s}]
[currents]
floor_a = {floor_a}
transmit_a = {transmit_a}
[settings]
mdm_communication_timeout = 100
[ordered]
mdm_communication_timeout = 100
[order]
joining = "meter data first but after a bootstrap"
""", encoding="utf-8")
    return path


def misses(found: Comparison) -> list[str]:
    """Of the planted what was not named, and what else was."""
    named = [(change.first.area, change.first.name) for change in found.changes]
    missing = [f"missing: {one.area} {one.name}" for one in PLANTED
               if not any(area is one.area and one.name in name for area, name in named)]
    return missing + [f"not planted: {change}" for change in found.changes if not any(
        change.area is one.area and one.name in change.first.name for one in PLANTED)]


def planted(pairs: int, folder: Path, first: int = 0) -> int:
    """How many pairs, from the number ``first`` on, were not as they should be. What is planted is in the folder, or
    made of a pair of healthy sides."""
    file, wrong = folder / "firmware.toml", 0
    if not file.exists():
        healthy = compare(side(folder, "healthy", range(1, 1 + RUNS)), side(folder, "also", range(101, 101 + RUNS)))
        print("healthy against healthy:", [str(change) for change in healthy.changes] or "nothing", flush=True)
        wrong += bool(healthy.changes)
        firmware(healthy, folder)
    print(file.read_text("utf-8"))
    for pair in range(first, first + pairs):
        old = side(folder, "old", [1000 + RUNS * pair + run for run in range(RUNS)])
        new = side(folder, "new", [5000 + RUNS * pair + run for run in range(RUNS)], defects=list(DEFECTS),
                   variants=[f"like:{file}"])
        found = compare(old, new)
        problems = misses(found)
        wrong += bool(problems)
        print(f"pair {pair + 1}: {len(found.changes)} changes;", "; ".join(problems) or "all ten and nothing else",
              flush=True)
    print(f"{pairs - wrong} of {pairs} pairs: all ten and nothing else")
    return wrong


# -- learned twins


def learned(units: int, folder: Path, seed: int) -> int:
    """How many of the twins learned of variants are told from these."""
    from bench.commands.learn.fitting import Fitting
    from bench.commands.learn.task import Task
    from bench.commands.learn.unit_file import dump

    drawn = random.Random(seed).sample(sorted(VARIANTS), units)
    healthy = side(folder, "usual", [300], files=FILES)
    told = unlike = 0
    for number, name in enumerate(drawn):
        place = folder / name
        source = side(place, "source", [400 + number], variants=[name], files=FILES)
        task = Task([run.directory for run in source.runs], place / "unit.toml", rounds=5)
        like = Fitting(task, place / "trials", lambda text: None).run()
        task.out.write_text(dump(like), encoding="utf-8")
        original = side(place, "original", [2000 + number], variants=[name], files=FILES)
        twin = side(place, "twin", [7000 + number], variants=[f"like:{task.out}"], files=FILES)
        left = compare(original, twin).changes
        usual = compare(healthy, original).changes
        listed = {(row["area"], row["name"]) for row in like.cannot}
        unlisted = [str(change) for change in left if (change.first.area.value, change.first.name) not in listed]
        told += bool(left)
        unlike += bool(usual)
        print(f"{name}: the usual twin differs in {len(usual)}, the learned one in {len(left)} ({len(unlisted)} not "
              f"listed); readings {', '.join(like.readings) or 'none'}", flush=True)
        for change in left:
            print(f"   {change}"[:300], flush=True)
    print(f"{units - told} of {units} twins can't be told from the unit; of the variants {unlike} could be told from "
          "the usual twin at all")
    return told


def main(what: str, count: str = "20", number: str = "", folder: str = "") -> int:
    """``number``: the first pair, or the seed that draws units; ``folder`` keeps the runs."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(folder or scratch)
        place.mkdir(parents=True, exist_ok=True)
        if what == "planted":
            return int(planted(int(count), place, int(number or 0)) > 0)
        return int(learned(int(count), place, int(number or 1)) > int(count) // 4)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
