"""What a run shows of its unit: all facts of all its tests, from record, timeline and evidence.

The one place in which runs become facts: ``compare`` and ``learn`` see nothing else of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.jls import read_jls
from bench.analysis.shown.conversation import answers, messages, order, said, security, timings
from bench.analysis.shown.energy import energy
from bench.analysis.shown.fact import Area, Seen
from bench.analysis.shown.lights import lights
from bench.analysis.shown.telegrams import telegrams
from bench.analysis.shown.tree import Delivered, tree
from bench.errors import BenchError
from reports.run import Run, Test

JUDGED = ("pass", "fail", "error")


@dataclass(frozen=True, slots=True)
class Shown:
    """The facts by test, in the order of the run. ``missing``: what is not there to look at, as sentences."""

    facts: Mapping[str, Sequence[Seen]]
    missing: tuple[str, ...]


def shown(run: Run, labs: int = 1) -> Shown:
    """``labs``: how many lives the unit had in the run; with one only, what a test has written is not as delivered for
    the next one."""
    facts: dict[str, list[Seen]] = defaultdict(list)
    missing = []
    tests = {test.id: test for test in run.tests}
    delivered = Delivered()
    for test in sorted(run.tests, key=lambda test: test.number):
        delivered = delivered if labs == 1 else Delivered()
        facts[test.id] += _of_record(run, test)
        if test.id in run.timeline:
            facts[test.id] += _of_timeline(run, test, delivered)
    if not len(run.timeline):
        missing.append("no timeline: nothing that was observed on a wire can be compared")
    for test_id, path in _captures(run, tests):
        try:
            facts[test_id] += energy(read_jls(path))
        except BenchError as error:
            missing.append(f"{path.name}: {error}")
    gone = [one.path for one in run.artifacts if not (run.directory / one.path).exists()]
    if gone:
        missing.append(f"{len(gone)} files of evidence are gone, such as {gone[0]}")
    return Shown({name: tuple(found) for name, found in facts.items()}, tuple(missing))


def _of_record(run: Run, test: Test) -> Iterator[Seen]:
    if test.verdict in JUDGED:
        yield Seen(Area.VERDICT, "verdict", test.verdict)
    for place, reading in test.readings.items():
        yield Seen(Area.READING, place, reading)
    for row in run.measurements_of(test.id):
        if row.value is not None:
            yield Seen(Area.MEASUREMENT, row.name, row.value, row.unit, _step(row.unit, row.value))


def _step(unit: str, value: float) -> float:
    """The step in which values of ``unit`` are seen: times as on the timeline, counts one by one."""
    return {"s": 2e-3, "1": 1.0, "octets": 1.0}.get(unit, abs(value) * 5e-3)


def _of_timeline(run: Run, test: Test, delivered: Delivered) -> Iterator[Seen]:
    observations = run.timeline[test.id]
    talk = said(observations)
    yield from timings(talk)
    yield from order(talk)
    yield from messages(talk, run.unit or "")
    yield from answers(talk)
    yield from security(observations)
    yield from lights(observations)
    yield from telegrams(observations)
    yield from tree(observations, delivered)


def _captures(run: Run, tests: Mapping[str, Test]) -> Iterator[tuple[str, Path]]:
    """The captures of the current that are there, each with its test."""
    numbers = {test.number: test.id for test in tests.values()}
    first = min(numbers, default=0)
    for one in run.artifacts:
        path = run.directory / one.path
        if path.suffix == ".jls" and path.exists():
            digits = path.name.split("_")[0]
            number = int(digits) if digits.isdigit() else first    # the line's are of the whole life
            if number in numbers:
                yield numbers[number], path
