"""``mcm-bench run``: the tests of a profile on one unit, and what is kept of it."""

from __future__ import annotations

import io
import re
import shlex
import tempfile
import time
import traceback
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression
from rich.console import Console
from rich.text import Text

from bench.commands.collect import Collector, left_out
from bench.commands.doctor import quick_look
from bench.commands.nights.night import Night
from bench.commands.order import Order, evidence_in, prepare
from bench.commands.progress import Progress
from bench.commands.pytest_run import run_pytest
from bench.commands.time_limit import TimeLimit
from bench.errors import BenchError, did_you_mean
from bench.interruption import end_in_order, uninterrupted
from bench.keys import Keys
from bench.manifest import PROJECT, LeftOut, begin, fingerprints
from bench.manual import requirements
from bench.measure import Verdict
from bench.record import Record, TestResult
from bench.scrub import scrub
from bench.station_file import StationFile
from bench.twin.defects import DEFECTS
from bench.twin.lab import DEVEUI
from bench.twin.variants import VARIANTS
from drivers.nfc.otc import load_codec
from fixtures.bench import KEYS_OF_TWIN, lives_in_virtual_time
from fixtures.line.events import Event, Planned, StageBegun, StageEnded
from fixtures.plugin.reasons import NOT_HERE
from fixtures.plugin.stashes import STATION
from fixtures.words import STRICT_PROFILES
from reports import allure as allure_report
from reports import timeline_file
from reports.page import write_page
from reports.run import Run
from reports.summary import summary
from reports.views import Views
from suites import FILES

SUITES = PROJECT / "suites"

_MARKS = {Verdict.PASS: ("✔", "green"), Verdict.FAIL: ("✘", "bold red"), Verdict.ERROR: ("▲", "bold magenta"),
          Verdict.SKIPPED: ("○", "yellow")}


def run(order: Order, console: Console, progress: Progress | None = None) -> Record:
    """Run ``order`` in this process and write record, timeline, evidence, page and Allure results into its run
    directory. ``progress`` is told how it goes.

    What the bench could not do makes the verdict ``error``. Only a run directory that holds another run's record is
    left alone: then ``BenchError`` is raised. A record that can't be written is an ``OSError``: see ``supervise``,
    which has this in a process of its own and outlives it.
    """
    prepare(order.run_dir)
    return conduct(order.read(), console, progress or Progress())


def conduct(order: Order, console: Console, progress: Progress) -> Record:
    """As ``run``, with the run directory prepared."""
    started = time.monotonic()
    record = order.record()
    record.manifest = begin(order.inputs, order.chosen_by)
    collector = Collector(lambda result: _say(console, result), progress, lambda event: _say_stage(console, event))
    end_in_order()
    try:
        record.unit = record.unit or DEVEUI
        progress.record(record)
        DEFECTS.find(order.defects)
        VARIANTS.find(order.variants)
        if order.codec is not None:
            load_codec(order.codec)
        _check_expression(order.expression)
        record.fault = _doctor(order, record) if order.doctor else ""
        if not record.fault:
            code = run_pytest(_arguments(order), [collector, TimeLimit(), *_read_before(order),
                                                  *_night(order, collector, console)])
            record.labs, record.power_cycles = collector.labs, collector.power_cycles
            record.not_delivered, record.stages = collector.not_delivered, collector.stages
            record.fault = collector.fault or _fault_of(code, collector, order)
    except BenchError as error:
        record.fault = collector.fault or str(error)
    except KeyboardInterrupt as error:    # in the look at the instruments; pytest keeps those in a test to itself
        record.fault = collector.fault or f"the run was {error}"
    except BaseException as error:    # of any class, from any library: there must be a record
        record.fault = collector.fault or f"the bench failed: {_described(error)}"
    with suppress(KeyboardInterrupt), uninterrupted():    # who ends it now is too late: all has been written
        progress.finishing()
        record.tests = collector.in_order()
        record.wall_time_s = time.monotonic() - started
        _complete(record, order, collector)
        progress.record(record)
        _write(record, order, console)
    return record


def _night(order: Order, collector: Collector, console: Console) -> list[Night]:
    """Who plans the run, where it has a budget."""
    if order.night is None:
        return []
    is_virtual = order.file is None and lives_in_virtual_time(shlex.split(order.host_build or ""))
    station = order.file.name if order.file is not None else None
    return [Night(order.night, collector, station, is_virtual, order.run_dir,
                  lambda text: console.print(Text(f" … {text}", "dim"), soft_wrap=True))]


def would_run(order: Order) -> Collector:
    """Let pytest find the tests of ``order`` and run none. Raises ``BenchError`` when there are none, or it can't."""
    _check_expression(order.expression)
    collector = Collector()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        asked = replace(order, run_dir=Path(folder), jobs=1)
        code = run_pytest([*_arguments(asked), "--collect-only"], [collector, *_read_before(order)])
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise _nothing_chosen(order, collector)
    if code != pytest.ExitCode.OK:
        raise BenchError("suites", expected="to be collected", seen=collector.fault or f"exit code {int(code)}",
                         do="correct what is said there")
    return collector


class _Read:
    """A pytest plugin that hands over the station file as it was read for this run: who changes it now changes the next
    run."""

    def __init__(self, file: StationFile) -> None:
        self._file = file

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[STATION] = self._file


def _read_before(order: Order) -> list[_Read]:
    return [_Read(order.file)] if order.file is not None else []


def _described(error: BaseException) -> str:
    """What and where, without the values of a traceback: keys may be among them."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _doctor(order: Order, record: Record) -> str:
    """What a quick look at the instruments finds wrong; empty when all are well. Notes which they are."""
    findings = quick_look(order.file, order.seed, order.faults, on_instrument=record.manifest.instruments.append)
    sick = "; ".join(str(finding) for finding in findings if not finding.well)
    record.manifest.doctor = sick or "well"
    return sick


def _complete(record: Record, order: Order, collector: Collector) -> None:
    """Write down what was to run and what is missing. What was changed under the run is the bench's fault."""
    manifest = record.manifest
    manifest.ended = datetime.now(UTC)
    manifest.unit_firmware = list(collector.firmware)
    manifest.findings += [_KEY_FOUND.format(f"evidence/{name}") for name in collector.scrubbed]
    if collector.plan is not None:
        manifest.chosen = list(collector.plan.collected)
        manifest.collected = len(manifest.chosen) + sum("::" in one.what for one in collector.plan.left_out)
    manifest.left_out = [*left_out(collector, order.profile), *_missing_files(order, collector),
                         *_missing_evidence(order, collector)]
    manifest.left_out += [LeftOut("the unit as it was delivered", reason, excused=order.profile not in STRICT_PROFILES)
                          for reason in collector.not_delivered]
    if not order.doctor:
        manifest.left_out.append(LeftOut("the look at the instruments", "--no-doctor"))
    now = fingerprints(order.inputs)
    changed = [name for name, digest in manifest.inputs.items() if now[name] != digest]
    if changed:
        record.fault = record.fault or str(BenchError(
            " and ".join(changed), expected="to stay as they were at the start of the run", seen="others at its end",
            do="leave them alone while a run goes on, and run it again"))


def _scrub(record: Record, order: Order, files: Iterable[Path]) -> bool:
    """Overwrite the unit's keys in what was written; whether there were any, which becomes a finding. Tests have done
    so with the keys that they wrote themselves.
    """
    try:
        found = scrub(sorted(files, key=str), _secrets(order))
    except OSError as error:
        raise BenchError(f"run directory {order.run_dir}", expected="to look through it for keys",
                         seen=(error.strerror or str(error)).lower(), do="don't give its files to anybody") from error
    record.manifest.findings += [_KEY_FOUND.format(path.relative_to(order.run_dir)) for path in found]
    return bool(found)


_KEY_FOUND = "a key of the unit stood in {} and was overwritten"


def _secrets(order: Order) -> list[bytes]:
    file = order.file
    if file is None:
        return KEYS_OF_TWIN.secrets
    try:
        return Keys.load(file.unit.keys, order.unit or file.unit.name).secrets if file.unit.keys is not None else []
    except BenchError:    # then no test has had them
        return []


def _missing_files(order: Order, collector: Collector) -> list[LeftOut]:
    """The files of the suites of which nothing was collected."""
    if order.files:
        return [LeftOut("the other files of the suites",
                        f"only {order.files_in_words.removeprefix('files ')} were looked at")]
    if collector.plan is None:
        return []
    told = {*collector.plan.files, *(one.what for one in collector.plan.left_out)}
    return [LeftOut(f"suites/{name}", "gave no test" if (SUITES / name).exists() else "is missing")
            for name in FILES if f"suites/{name}".startswith(_suites(order)) and f"suites/{name}" not in told]


def _suites(order: Order) -> str:
    """The folder that has the tests of the profile: to collect all others would cost a unit of the line half a second.
    """
    return "suites/line" if order.profile == "line" else "suites"


def _missing_evidence(order: Order, collector: Collector) -> list[LeftOut]:
    """The files that a test has left and that are not there any more."""
    evidence = order.run_dir / "evidence"
    there = {path.name for path in evidence.iterdir()} if evidence.is_dir() else set()
    return [LeftOut(test_id, f"its evidence is gone: {', '.join(gone)}", collector.results[test_id].requirements)
            for test_id, names in collector.evidence.items() if (gone := sorted(set(names) - there))]


def _arguments(order: Order) -> list[str]:
    arguments = ["--strict-markers", "-p", "allure_pytest", "--seed", str(order.seed),
                 *(str(PROJECT / file) for file in order.files or [_suites(order)]),
                 "--run-dir", str(order.run_dir.resolve()), "--alluredir", str(order.run_dir / "allure-results")]
    if order.test_timeout_s is not None:
        arguments += ["--timeout", str(order.test_timeout_s)]
    if order.profile != "all":
        arguments += ["--profile", order.profile]
    if order.unit is not None:
        arguments += ["--unit", order.unit]
    for defect in order.defects:
        arguments += ["--defect", defect]
    for variant in order.variants:
        arguments += ["--variant", variant]
    for fault in order.faults:
        arguments += ["--fault", fault]
    for requirement in order.requirements:
        arguments += ["--requirement", requirement]
    for package in order.firmware:
        arguments += ["--firmware", str(package)]
    if order.night is not None:
        arguments.append("--with-line")
    if order.then is not None:
        arguments += ["--then", str(order.then)]
    if order.expression:
        arguments += ["-k", order.expression]
    if order.lab is not None:
        arguments += ["--lab", order.lab]
    if order.over != "nfc":
        arguments += ["--over", order.over]
    if order.host_build is not None:
        arguments += ["--host-build", order.host_build]
    for pattern in order.log_faults:
        arguments += ["--log-fault", pattern]
    if order.real_time:
        arguments.append("--real-time")
    if order.codec is not None:
        arguments += ["--codec", order.codec]
    if order.cell is not None:
        arguments += ["--cell", order.cell]
    if order.meter != "simulator":
        arguments += ["--meter", order.meter]
    if order.shuffle is not None:
        arguments += ["--shuffle", str(order.shuffle)]
    if order.until_failure:
        arguments.append("--exitfirst")
    if order.max_device_time_s is not None:
        arguments += ["--max-device-time", str(order.max_device_time_s)]
    if order.jobs > 1:
        arguments += ["-p", "xdist", "-n", str(order.jobs)]
    return arguments


def _fault_of(code: int, collector: Collector, order: Order) -> str:
    if code == pytest.ExitCode.NO_TESTS_COLLECTED or (code == pytest.ExitCode.OK and not collector.results):
        return str(_nothing_chosen(order, collector))
    if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR):
        return "pytest could not run the suites; run pytest by hand to see why"
    return ""


def _check_expression(expression: str) -> None:
    """Raises ``BenchError`` with pytest's own reason. Under xdist its workers would find out, and tell nobody."""
    try:
        Expression.compile(expression or "all")
    except SyntaxError as error:
        raise BenchError(f"-k {expression}", expected="words of tests' names, joined by and, or, not",
                         seen=f"at column {error.offset}: {error.msg}",
                         do="put it in quotes, such as -k 'led and not button'") from None


def _nothing_chosen(order: Order, collector: Collector) -> BenchError:
    tests = [one.what for one in collector.plan.left_out if "::" in one.what] if collector.plan else []
    words = [word for word in re.findall(r"\w+", order.expression) if word not in ("and", "or", "not")]
    names = {re.split(r"::|\[", test)[1] for test in tests}
    parts = names | {part for name in names for part in name.split("_") if len(part) > 2}
    else_ = "widen the profile or the expression"
    unknown = next((word for word in words if not any(word.lower() in test.lower() for test in tests)), None)
    return BenchError("tests of " + " and ".join(order.chosen_by), expected="one at least",
                      seen="none: nothing has been tested",
                      do=did_you_mean(unknown, parts, else_) if unknown else else_)


def _say(console: Console, result: TestResult) -> None:
    if result.message.startswith(NOT_HERE):    # all of them have been named at the beginning
        return
    mark, style = _MARKS[result.verdict]
    line = Text.assemble((f" {mark} ", style), result.id.removeprefix("suites/"))
    if result.verdict in (Verdict.FAIL, Verdict.ERROR):
        line.append(f"\n   {result.message.splitlines()[0] if result.message else ''}", style)
    console.print(line, soft_wrap=True)


def _say_stage(console: Console, event: Event) -> None:
    """What a unit on the line goes through now, and for how long it will, as declared."""
    match event:
        case Planned(lacks=lacks) if lacks:
            console.print(Text(f" … without the judges that need {', '.join(lacks)}: not at this kind of station",
                               "dim"), soft_wrap=True)
        case StageBegun():
            console.print(Text(f" … {event.name}: {event.physics_s:g} s; to the end {event.left_s:.0f} s", "dim"),
                          soft_wrap=True)
        case StageEnded() if event.verdict != Verdict.PASS:
            mark, style = _MARKS[event.verdict]
            console.print(Text(f" {mark} {event.name}: {event.message.splitlines()[0]}", style), soft_wrap=True)


def _write(record: Record, order: Order, console: Console) -> None:
    run_dir = order.run_dir
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        timeline_file.join(run_dir)
        record.write(run_dir)
        if order.report:
            kept = Run.load(run_dir)
            views = Views.of(kept)
            views.write(kept)
            _finish(record, order)
            allure = run_dir / "allure-results"
            allure_report.write_side_files(kept, allure)
            kept = Run.load(run_dir, kept.timeline)    # now with all evidence
            page = write_page(kept, list(requirements.load().values()), views)
            if kept.tests:
                console.print(summary(kept, page, verdict_follows=order.store is not None))
            if not record.fault:
                allure_report.check_counts(kept, allure)
        else:
            _finish(record, order)
        if _scrub(record, order, (run_dir / name for name in ("record.json", "report.html"))):
            record.write(run_dir)
    except BenchError as error:
        record.fault = record.fault or str(error)
        record.write(run_dir)
    if record.fault:
        console.print(Text(f"BENCH FAULT  {record.fault}", "bold magenta"), soft_wrap=True)


def _finish(record: Record, order: Order) -> None:
    """Name all evidence, with its hash, and write the record for good."""
    _scrub(record, order, order.run_dir.rglob("*"))
    record.artifacts = evidence_in(order.run_dir)
    record.write(order.run_dir)
