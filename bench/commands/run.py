"""``mcm-bench run``: the tests of a profile on one unit, and what is kept of it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from bench.commands.collect import Collector
from bench.commands.doctor import quick_look
from bench.errors import BenchError
from bench.manual import requirements
from bench.measure import Verdict
from bench.record import Record, TestResult
from bench.station_file import StationFile
from bench.twin.defects import find
from bench.twin.lab import DEVEUI
from fixtures.plugin import end_in_order
from reports import allure as allure_report
from reports.arrivals_picture import arrivals_pictures
from reports.page import write_page
from reports.run import Run
from reports.run_picture import run_picture
from reports.summary import summary
from reports.vcd_view import write_vcd

PROJECT = Path(__file__).resolve().parents[2]
SUITES = PROJECT / "suites"

TEST_TIMEOUT_S = 3600
"""Real seconds after which a test counts as hung: the bench's fault, and the supply still goes off."""

_MARKS = {Verdict.PASS: ("✔", "green"), Verdict.FAIL: ("✘", "bold red"), Verdict.ERROR: ("▲", "bold magenta"),
          Verdict.SKIPPED: ("○", "yellow")}


@dataclass(frozen=True)
class Order:
    """What to run. ``device_time_s`` limits the sum of the declared device times, ``jobs`` is for the twin only.
    ``files``: those of the suites that are looked at, all by default. ``doctor``: look at the instruments first, and
    test nothing with sick ones. ``until_failure``: leave out what comes after the first failure.
    """

    profile: str
    run_dir: Path
    station: Path | None = None
    unit: str | None = None
    seed: int = 1
    defects: Sequence[str] = ()
    faults: Sequence[str] = ()
    expression: str = ""
    requirements: Sequence[str] = ()
    files: Sequence[str] = ()
    max_device_time_s: float | None = None
    jobs: int = 1
    report: bool = True
    until_failure: bool = False
    doctor: bool = True


def default_run_dir(profile: str) -> Path:
    return Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{profile}"


def run(order: Order, console: Console) -> Record:
    """Run ``order`` and write record, timeline, evidence, page and Allure results into its run directory.

    Whatever happens, the record is written; what the bench could not do makes its verdict ``error``. Only a run
    directory that holds another run's record is left alone: then ``BenchError`` is raised.
    """
    started = time.monotonic()
    record = Record(profile=order.profile, unit=order.unit or DEVEUI, seed=order.seed, simulated=order.station is None,
                    station="twin", defects=(*order.defects, *order.faults))
    _prepare(order)
    collector = Collector(on_result=lambda result: _say(console, result))
    end_in_order()
    try:
        find(order.defects)
        if order.station is not None:
            file = StationFile.load(order.station)
            record.station, record.simulated = file.name, file.simulated
            record.unit = order.unit or file.unit.deveui
        record.fault = _doctor(order) if order.doctor else ""
        if not record.fault:
            code = pytest.main(_arguments(order), plugins=[collector])
            record.tests = collector.in_order()
            record.fault = collector.fault or _fault_of(code, record)
    except BenchError as error:
        record.tests = collector.in_order()
        record.fault = collector.fault or str(error)
    except KeyboardInterrupt as error:    # in the look at the instruments; pytest keeps those in a test to itself
        record.fault = f"the run was {error}"
    record.wall_time_s = time.monotonic() - started
    _write(record, order, console)
    return record


def _doctor(order: Order) -> str:
    """What a quick look at the instruments finds wrong; empty when all are well."""
    findings = quick_look(order.station, order.seed, order.faults)
    return "; ".join(str(finding) for finding in findings if not finding.well)


def _prepare(order: Order) -> None:
    """A run directory is of one run: old results in it would be taken for new ones."""
    if (order.run_dir / "record.json").exists():
        raise BenchError(f"run directory {order.run_dir}", expected="an empty directory", seen="another run's record",
                         do="choose another one with --run-dir")
    evidence = order.run_dir / "evidence"
    try:
        order.run_dir.mkdir(parents=True, exist_ok=True)
        evidence.mkdir()    # whoever makes it has the directory
    except OSError as error:
        if evidence.is_dir():
            raise BenchError(f"run directory {order.run_dir}", expected="an empty directory",
                             seen="the evidence of a run that goes on or was killed",
                             do="choose another one with --run-dir") from error
        raise BenchError(f"run directory {order.run_dir}", expected="to make it", seen=error.strerror or str(error),
                         do="choose another one with --run-dir") from error


def _arguments(order: Order) -> list[str]:
    # Exactly our plugins, whatever else is installed: an extra one may reorder or repeat tests.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    arguments = ["-o", "addopts=--strict-markers --strict-config", "-p", "allure_pytest",
                 "-p", "pytest_timeout", "-p", "fixtures.plugin", "-p", "no:terminal",
                 "-p", "no:cacheprovider", "-c", str(PROJECT / "pyproject.toml"), "--rootdir", str(PROJECT),
                 *(str(PROJECT / file) for file in order.files or ["suites"]), "--seed", str(order.seed),
                 "--run-dir", str(order.run_dir.resolve()), "--alluredir", str(order.run_dir / "allure-results"),
                 "--timeout", str(TEST_TIMEOUT_S)]
    if order.profile != "all":
        arguments += ["--profile", order.profile]
    if order.station is not None:
        arguments += ["--station", str(order.station.resolve())]
    if order.unit is not None:
        arguments += ["--unit", order.unit]
    for defect in order.defects:
        arguments += ["--defect", defect]
    for fault in order.faults:
        arguments += ["--fault", fault]
    for requirement in order.requirements:
        arguments += ["--requirement", requirement]
    if order.expression:
        arguments += ["-k", order.expression]
    if order.until_failure:
        arguments.append("--exitfirst")
    if order.max_device_time_s is not None:
        arguments += ["--max-device-time", str(order.max_device_time_s)]
    if order.jobs > 1:
        arguments += ["-p", "xdist", "-n", str(order.jobs)]
    return arguments


def _fault_of(code: int, record: Record) -> str:
    if code == pytest.ExitCode.NO_TESTS_COLLECTED or (code == pytest.ExitCode.OK and not record.tests):
        return "no test was chosen: nothing has been tested; widen the profile or the expression"
    if code in (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR):
        return "pytest could not run the suites; run pytest by hand to see why"
    return ""


def _say(console: Console, result: TestResult) -> None:
    mark, style = _MARKS[result.verdict]
    line = Text.assemble((f" {mark} ", style), result.id.removeprefix("suites/"))
    if result.verdict in (Verdict.FAIL, Verdict.ERROR):
        line.append(f"\n   {result.message.splitlines()[0] if result.message else ''}", style)
    console.print(line, soft_wrap=True)


def _write(record: Record, order: Order, console: Console) -> None:
    run_dir = order.run_dir
    run_dir.mkdir(parents=True, exist_ok=True)
    try:
        _merge_timelines(record, run_dir)
        record.write(run_dir)
        if order.report:
            kept = Run.load(run_dir)
            _draw(kept, run_dir)
            _finish(record, run_dir)
            allure = run_dir / "allure-results"
            allure_report.write_side_files(kept, allure)
            kept = Run.load(run_dir, kept.timeline)    # now with all evidence
            console.print(summary(kept, write_page(kept, list(requirements.load().values()))))
            if not record.fault:
                allure_report.check_counts(kept, allure)
        else:
            _finish(record, run_dir)
    except BenchError as error:
        record.fault = record.fault or str(error)
        record.write(run_dir)
    if record.fault:
        console.print(Text(f"BENCH FAULT  {record.fault}", "bold magenta"), soft_wrap=True)


def _finish(record: Record, run_dir: Path) -> None:
    """Name all evidence, with its hash, and write the record for good."""
    record.artifacts = [path for path in run_dir.rglob("*")
                        if path.is_file() and "allure-results" not in path.parts
                        and path.name not in ("record.json", "report.html")]
    record.write(run_dir)


def _merge_timelines(record: Record, run_dir: Path) -> None:
    """One ``timeline.jsonl`` in the order of the tests, whichever process ran them."""
    parts = sorted((run_dir / "evidence").glob("*.jsonl"))
    with (run_dir / "timeline.jsonl").open("wb") as whole:
        for part in parts:
            whole.write(part.read_bytes())
    for part in parts:
        part.unlink()


def _draw(kept: Run, run_dir: Path) -> None:
    evidence = run_dir / "evidence"
    evidence.mkdir(exist_ok=True)
    for number, (test_id, observations) in enumerate(kept.timeline.items()):
        if any(seen.source == "panel" for seen in observations):
            write_vcd(observations, evidence / f"{number:04d}_{_safe(test_id)}.vcd")
    (evidence / "run.png").write_bytes(run_picture(kept).png())
    arrivals = {test_id: picture.png(dots_per_inch=110) for test_id, picture in arrivals_pictures(kept).items()}
    for test_id, png in arrivals.items():
        (evidence / f"arrivals_{_safe(test_id)}.png").write_bytes(png)
    allure_report.attach_pictures(arrivals, "readouts and arrivals", run_dir / "allure-results")


def _safe(test_id: str) -> str:
    """The name of a test as a part of a file's name."""
    return "".join(letter if letter.isalnum() else "_" for letter in test_id.rpartition("::")[2])
