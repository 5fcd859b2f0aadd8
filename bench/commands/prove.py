"""``mcm-bench prove``: does the bench catch what it must, and spare what is healthy?

Each defect of the twin is run against the tests that name a requirement it breaks; one of them must fail. A healthy
twin is run through the acceptance profile; none may fail.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.commands.run import Order, run
from bench.commands.trace import collect
from bench.errors import BenchError
from bench.measure import Verdict
from bench.twin.defects import DEFECTS, Defect, find


@dataclass(frozen=True, slots=True)
class Proof:
    """``caught_by``: tests that failed and name a requirement of the defect; ``others``: tests that failed besides;
    ``errors``: tests in which the bench itself failed."""

    defect: Defect
    caught_by: tuple[str, ...]
    others: tuple[str, ...]
    errors: tuple[str, ...]
    seconds: float


def prove(names: Sequence[str], seeds: int, jobs: int, as_json: bool, console: Console, *, first: bool = False) -> int:
    """Exit code 0 when all defects are caught and a healthy twin passes. ``first``: of the tests that catch a defect
    find the first only, which takes half the time."""
    chosen = find(names or DEFECTS)
    with _processes(jobs) as pool:
        healthy_runs = [pool.submit(_healthy, seed) for seed in range(1, seeds + 1)] if not names else []
        proofs = []
        try:
            tests = pool.submit(collect).result()
            runs = pool.map(_with_defect, (defect.name for defect in chosen),
                            (_files(defect, tests) for defect in chosen), repeat(first))
            for defect, record in zip(chosen, runs, strict=True):
                proofs.append(_proof(defect, record))
                _say(console, proofs[-1])
            false_alarms = sorted({f"{test} (seed {seed})" for seed, run in enumerate(healthy_runs, 1)
                                   for test in run.result()})
        except BrokenProcessPool as error:
            raise BenchError("a run of prove", expected="a record", seen="its process died",
                             do="report this as a fault of the bench") from error
    survived = [proof.defect.name for proof in proofs if not proof.caught_by]
    if as_json:
        print(json.dumps(_to_json(proofs, len(healthy_runs), false_alarms), indent=1))
    else:
        console.print(_table(proofs))
        for alarm in false_alarms:
            console.print(Text(f" ✘ a healthy twin fails {alarm}", "bold red"))
        console.print(_verdict(proofs, survived, len(healthy_runs), false_alarms))
    return 1 if survived or false_alarms else 0


def _processes(jobs: int) -> ProcessPoolExecutor:
    """Each run gets a process of its own, forked from one that has loaded what all of them need: half of the time of a
    short run would go into loading."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return ProcessPoolExecutor(jobs, context, max_tasks_per_child=1)


def _files(defect: Defect, tests: Mapping[str, Sequence[str]]) -> list[str]:
    """The files of the suites with tests for what ``defect`` breaks: to collect all of them takes longer than to run
    these."""
    broken = set(defect.requirements)
    return sorted({test.partition("::")[0] for test, ids in tests.items() if broken & set(ids)})


def _with_defect(name: str, files: Sequence[str], first: bool) -> dict[str, Any]:
    record = _record_of(defects=[name], requirements=DEFECTS[name].requirements, files=files, until_failure=first)
    if first and all(test["verdict"] != Verdict.FAIL for test in record["tests"]):
        return _with_defect(name, files, first=False)    # a bench fault came first: see what the others say
    return record


def _proof(defect: Defect, record: dict[str, Any]) -> Proof:
    failed = {test["id"]: set(test["requirements"]) for test in record["tests"] if test["verdict"] == "fail"}
    caught = tuple(name for name, ids in failed.items() if ids & set(defect.requirements))
    return Proof(defect, caught, tuple(name for name in failed if name not in caught),
                 tuple(test["id"] for test in record["tests"] if test["verdict"] == "error"), record["wall_time_s"])


def _healthy(seed: int) -> list[str]:
    record = _record_of(profile="acceptance", seed=seed)
    wrong = [test["id"] for test in record["tests"] if test["verdict"] in ("fail", "error")]
    return wrong or ([record["message"]] if record["verdict"] != "pass" else [])


def _record_of(*, profile: str = "all", seed: int = 1, defects: Sequence[str] = (),
               requirements: Sequence[str] = (), files: Sequence[str] = (),
               until_failure: bool = False) -> dict[str, Any]:
    """The record of a run; no page, no pictures."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        run(Order(profile=profile, run_dir=run_dir, seed=seed, defects=defects, requirements=requirements,
                  files=files, until_failure=until_failure, report=False, doctor=False), Console(quiet=True))
        record: dict[str, Any] = json.loads((run_dir / "record.json").read_text("utf-8"))
    return record


def _say(console: Console, proof: Proof) -> None:
    if proof.caught_by:
        console.print(Text.assemble((" ✔ ", "green"), f"{proof.defect.name}: caught by {len(proof.caught_by)} test(s)"))
    else:
        console.print(Text.assemble((" ✘ ", "bold red"), f"{proof.defect.name}: not caught"))


def _to_json(proofs: Sequence[Proof], runs: int, false_alarms: Sequence[str]) -> dict[str, Any]:
    return {
        "defects": [{"name": proof.defect.name, "wire": proof.defect.wire, "text": proof.defect.text,
                     "requirements": list(proof.defect.requirements), "caught_by": list(proof.caught_by),
                     "also_failed": list(proof.others), "errors": list(proof.errors)} for proof in proofs],
        "healthy": {"runs": runs, "false_alarms": list(false_alarms)},
    }


def _table(proofs: Sequence[Proof]) -> Table:
    table = Table(title="Defects of the twin, and the tests that catch them", title_justify="left", show_edge=False)
    for column in ("defect", "wire", "what is wrong", "breaks", "caught by"):
        table.add_column(column, overflow="fold")
    for proof in proofs:
        caught = "\n".join(name.rpartition("::")[2] for name in proof.caught_by) or Text("survived", "bold red")
        defect = proof.defect
        table.add_row(defect.name, defect.wire, defect.text, " ".join(defect.requirements), caught)
    return table


def _verdict(proofs: Sequence[Proof], survived: Sequence[str], runs: int, false_alarms: Sequence[str]) -> Text:
    wires = sorted({proof.defect.wire for proof in proofs})
    if survived:
        return Text(f"{len(survived)} of {len(proofs)} defects survived: {', '.join(survived)}", "bold red")
    healthy = f"; {runs} healthy run(s) with {len(false_alarms)} false alarm(s)" if runs else ""
    return Text(f"all {len(proofs)} defects on {len(wires)} wires caught{healthy}",
                "bold red" if false_alarms else "bold green")
