"""Whether the reference units have shown that a place can tell good from bad. Pure functions."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from datetime import timedelta

from bench.measure import Verdict
from bench.policies.facts import Facts, GoldenRun, Question, Reason
from bench.policies.file import Correlation, GoldenUnit, Policies


def standing(policies: Policies, question: Question, facts: Facts) -> tuple[list[Reason], list[Reason]]:
    """What locks the place as long as it is so, and what is to be said besides."""
    golden = policies.golden
    locks: list[Reason] = []
    notes: list[Reason] = []
    for unit in golden.unit if golden is not None else ():
        run = newest(policies, unit, question, facts)
        found = run_is_missing(policies, unit, run, question)
        if found is None and run is not None:
            wrong = list(wrong_with(unit, run))
            locks += wrong
            if not wrong:
                notes += not_yet_judged(unit, run)
        elif found is not None:
            locks.append(found)
    return locks, notes


def newest(policies: Policies, unit: GoldenUnit, question: Question, facts: Facts) -> GoldenRun | None:
    """The run of ``unit`` that counts for the place of the question."""
    anywhere = policies.golden is not None and policies.golden.per == "line"
    runs = [run for run in facts.golden if run.unit == unit.unit and (anywhere or run.place == question.place)]
    return max(runs, key=lambda run: run.at, default=None)


def run_is_missing(policies: Policies, unit: GoldenUnit, run: GoldenRun | None, question: Question) -> Reason | None:
    """Why there is none that counts now."""
    golden = policies.golden
    assert golden is not None
    called = _called(unit)
    do = f"have {golden.needs.with_article} run the {called} at this place"
    data = {"unit": unit.unit, "is": unit.is_, "last": run.at.isoformat() if run is not None else None}
    if run is None:
        return Reason("golden.missing", f"the {called} has not been run here", do, data, locks=True)
    began = policies.shift_began(question.now)
    if golden.each_shift and began is not None and run.at < began:
        return Reason("golden.shift", f"the {called} has not been run in this shift, which began at {began:%H:%M}", do,
                      {**data, "began": began.isoformat()}, locks=True)
    if question.now - run.at > timedelta(hours=golden.max_age_h):
        return Reason("golden.expired", f"the {called} was run more than {golden.max_age_h:g} hours ago", do, data,
                      locks=True)
    changed = sorted(name for name, value in question.bench.items() if value and run.bench.get(name, value) != value)
    if golden.after_changes and changed:
        return Reason("golden.changed", f"the bench has changed since the {called} was run ({', '.join(changed)})", do,
                      {**data, "changed": changed}, locks=True)
    return None


def wrong_with(unit: GoldenUnit, run: GoldenRun) -> Iterator[Reason]:
    """What the run shows that should not be."""
    called, data = _called(unit), {"unit": unit.unit, "is": unit.is_, "at": run.at.isoformat()}
    do = "look at fixture, contacts and instruments, then run it again"
    if unit.is_ == "bad":
        if run.verdict is Verdict.PASS:
            yield Reason("golden.passed", f"the {called} has passed: this place does not see what is wrong with it", do,
                         data, locks=True)
        elif not any(name == unit.fails or name.endswith(f"::{unit.fails}") for name in run.failed):
            yield Reason("golden.other-failure", f"the {called} has failed, but not in {unit.fails}", do,
                         {**data, "expected": unit.fails, "failed": sorted(run.failed)}, locks=True)
        return
    if run.verdict is not Verdict.PASS:
        yield Reason("golden.failed", f"the {called} has failed in {', '.join(sorted(run.failed)) or 'something'}", do,
                     {**data, "failed": sorted(run.failed)}, locks=True)
        return
    for name, wanted in unit.correlation.items():
        value = run.values.get(name)
        if value is None:
            yield Reason("golden.not-measured", f"{name} of the {called} was not measured", do, {**data, "name": name},
                         locks=True)
            continue
        bounds = limits(wanted, run.before.get(name, ()))
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            yield Reason("golden.correlation", f"{name} of the {called} is {value:g}, expected {bounds[0]:g} to "
                         f"{bounds[1]:g}", do, {**data, "name": name, "value": value, "low": bounds[0],
                                                "high": bounds[1]}, locks=True)


def not_yet_judged(unit: GoldenUnit, run: GoldenRun) -> Iterator[Reason]:
    for name, wanted in unit.correlation.items():
        before = run.before.get(name, ())
        if limits(wanted, before) is None:
            yield Reason("golden.few-runs", f"{name} of the {_called(unit)} is not judged yet: {len(before)} of "
                         f"{wanted.runs} runs", "nothing", {"unit": unit.unit, "name": name, "runs": len(before)})


def limits(wanted: Correlation, before: tuple[float, ...]) -> tuple[float, float] | None:
    """Between which values a measurement must lie; None: too few passes before to say."""
    if wanted.low is not None and wanted.high is not None:
        return wanted.low, wanted.high
    if len(before) < wanted.runs or wanted.sigma is None:
        return None
    mean, deviation = statistics.fmean(before[-wanted.runs:]), statistics.stdev(before[-wanted.runs:])
    return mean - wanted.sigma * deviation, mean + wanted.sigma * deviation


def _called(unit: GoldenUnit) -> str:
    return f"{'golden' if unit.is_ == 'good' else 'known-bad'} unit {unit.unit}"


