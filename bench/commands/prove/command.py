"""``mcm-bench prove``: does the bench catch what it must, and spare what is healthy?

Each defect of the twin is run against the tests that name a statement it breaks; one of them must fail. A healthy twin
and the legal variants must pass. Mutants, which nobody has thought of, are run against the tests that reach them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console

from bench.commands.prove import defects, legal, reach
from bench.commands.prove.faults import FaultOutcome, judge_faults
from bench.commands.prove.legal import Spared
from bench.commands.prove.memory import FOLDER, Finished, catchers, learn
from bench.commands.prove.mutants import Mutant, Mutants, unreached
from bench.commands.prove.reach import Reach
from bench.commands.prove.report import Report
from bench.commands.prove.show import Show
from bench.commands.prove.trial import Trial
from bench.commands.prove.trials import Trials
from bench.twin.defects import DEFECTS, Defect
from bench.twin.faults import FAULTS, Fault
from bench.twin.variants import VARIANTS, Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be proven. With nothing named it is all defects and faults, and a healthy twin and the legal variants
    through acceptance. Or ``sample``, so many of them all that ``seed`` draws, variants with other tests that it draws.

    ``defects``, ``variants`` and ``faults`` (of instruments) are names of some, ``all_variants`` and ``all_faults``
    take every one: variants then meet all the tests that reach what they change. ``units``: so many good ones through
    regression; ``unreached``: which lines no test reaches. ``mutants``: how many, drawn by ``seed``, or by
    ``mutant_ids`` which. ``first``: find only the first of the tests that catch a defect. ``seeds``: those of the
    healthy twin. ``lab``: how long a defect's lab lives, as in ``Order``. ``learn``: write down what caught each
    defect, so that it is tried first.
    """

    defects: Sequence[str] = ()
    variants: Sequence[str] = ()
    all_variants: bool = False
    faults: Sequence[str] = ()
    all_faults: bool = False
    units: int = 0
    unreached: bool = False
    mutants: int = 0
    mutant_ids: Sequence[str] = ()
    sample: int | None = None
    seed: int = 1
    seeds: int = 1
    first: bool = False
    lab: str | None = None
    learn: bool = False

    @property
    def is_everything(self) -> bool:
        return not (self.defects or self.variants or self.all_variants or self.faults or self.all_faults
                    or self.units or self.unreached or self.mutants or self.mutant_ids)

    @property
    def needs_trials(self) -> bool:
        return bool(self.is_everything or self.units or self.unreached or self.mutants or self.mutant_ids)


def prove(task: Task, jobs: int, as_json: bool, console: Console) -> int:
    """Exit code 0 when all defects are caught for the right reason, all that is healthy or legal passes, and no mutant
    survives of which nobody has said why. With ``as_json`` ``console`` is for the progress only."""
    report = Report(seed=task.seed)
    chosen = DEFECTS.find(DEFECTS if task.is_everything else task.defects)
    variants = VARIANTS.find(VARIANTS if task.is_everything or task.all_variants else task.variants)
    faults = FAULTS.find(FAULTS if task.is_everything or task.all_faults else task.faults)
    if task.sample is not None:
        every = [*chosen, *variants, *faults]
        drawn = random.Random(task.seed).sample(every, min(task.sample, len(every)))
        report.sample = f"a sample of {len(drawn)} out of {len(every)}, drawn by seed {task.seed}"
        chosen = [one for one in drawn if isinstance(one, Defect)]
        variants = [one for one in drawn if isinstance(one, Variant)]
        faults = [one for one in drawn if isinstance(one, Fault)]
    with Show(console) as show:
        if task.needs_trials or chosen or variants:
            with Trials(jobs) as trials:
                _try(task, chosen, variants, trials, show, report)
        if faults:
            report.faults = _judge_faults([fault.name for fault in faults], task.seed, jobs, show)
    if as_json:
        print(json.dumps(report.to_json(), indent=1))
    else:
        for text in report.texts():
            console.print(text)
    return 0 if report.good else 1


def _try(task: Task, chosen: Sequence[Defect], variants: Sequence[Variant], trials: Trials, show: Show,
         report: Report) -> None:
    """All that suites are held against."""
    if task.is_everything:
        outcomes = trials.run(legal.healthy_trials(task.seeds, trials.tests))
        report.healthy = [legal.healthy(one) for one in show.each("healthy units", outcomes, task.seeds)]
    if chosen:
        report.proofs = _prove_defects(chosen, task, trials, show)
    if task.units:
        units = legal.unit_trials(task.units, trials.tests, list(VARIANTS.values()))
        report.healthy = _at_length("units", lambda: units, [unit.name for unit in units], trials, show)
    if variants:
        report.variants = _spare(variants, task, trials, show)
    if task.unreached:
        report.unreached = unreached(_reach(trials, show))
    if task.mutants or task.mutant_ids:
        report.mutants = _kill(task, trials, show)


def _prove_defects(chosen: Sequence[Defect], task: Task, trials: Trials, show: Show) -> list[defects.Proof]:
    seconds, here = reach.seconds_known(FOLDER), Finished(FOLDER / "catchers.jsonl")
    waiting = defects.trials(chosen, trials.tests, catchers() | here.known, seconds, first=task.first, lab=task.lab)
    proofs = {}
    for outcome in show.each("defects", trials.run(waiting), len(chosen)):
        proof = proofs[outcome.trial.name] = defects.proof_of(outcome, trials.tests)
        show.line(proof.right_reason, f"{proof.defect.name}: " + (
            f"caught by {len(proof.caught_by)} test(s)" if proof.caught_by
            else f"caught by accident, by {proof.others[0]}" if proof.others else "not caught"))
        if proof.caught_by and here.known.get(proof.defect.name) != proof.caught_by[0]:
            here.add(proof.defect.name, proof.caught_by[0])
    if task.learn:
        learn({name: test for name, test in (catchers() | here.known).items() if name in DEFECTS})
    return [proofs[defect.name] for defect in chosen]


def _spare(variants: Sequence[Variant], task: Task, trials: Trials, show: Show) -> list[Spared]:
    if task.is_everything:
        seed = task.seed if task.sample is not None else None
        waiting = legal.quick_trials(variants, trials.tests, seed)
        return [legal.spared(one) for one in show.each("legal variants", trials.run(waiting), len(variants))]
    def long_trials() -> Iterable[Trial]:
        can_be_told = any(variant.parts for variant in variants)
        return legal.long_trials(variants, _reach(trials, show) if can_be_told else Reach.of_all(trials.tests))

    return _at_length("variants", long_trials, [variant.name for variant in variants], trials, show)


def _at_length(what: str, all_trials: Callable[[], Iterable[Trial]], names: Sequence[str], trials: Trials,
               show: Show) -> list[Spared]:
    """What takes long is kept, as long as nothing changes, and goes on where it was broken off."""
    finished = Finished(FOLDER / f"{what}-{reach.digest_of_all(but=['commands'])}.jsonl")
    left = set(names) - finished.known.keys()
    if left:
        waiting = (trial for trial in all_trials() if trial.name in left)
        for outcome in show.each(what, trials.run(waiting), len(left)):
            one = legal.spared(outcome)
            show.line(not one.wrong, f"{one.name}: {len(one.wrong)} of {one.count} tests blame it")
            finished.add(one.name, asdict(one))
    return [Spared(**finished.known[name]) for name in names]


def _judge_faults(names: Sequence[str], seed: int, jobs: int, show: Show) -> list[FaultOutcome]:
    outcomes = {}
    for one in show.each("instrument faults", judge_faults(names, seed, jobs), len(names)):
        outcomes[one.name] = one
        show.line(one.is_right, f"{one.name}: {'tolerated' if one.tolerated else one.verdict}  {one.sentence}")
    return [outcomes[name] for name in names]


def _kill(task: Task, trials: Trials, show: Show) -> list[Mutant]:
    mutants = Mutants(task.mutants, task.seed, task.mutant_ids, _reach(trials, show), catchers())
    for mutant in show.each("mutants", mutants.run(trials), mutants.count):
        show.line(mutant.result != "survived", f"{mutant.id} {mutant.result} {mutant.file}:{mutant.line} "
                  f"{mutant.function}: {mutant.change}  [{mutant.by or mutant.text}]")
    return mutants.drawn


def _reach(trials: Trials, show: Show) -> Reach:
    return reach.recorded(trials, FOLDER, show)
