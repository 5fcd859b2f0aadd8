"""What a run is asked to do, as its parent process hands it to the child."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.commands.nights.order import NightOrder
from bench.errors import BenchError
from bench.manifest import PROJECT
from bench.measure import Verdict
from bench.record import Record, new_run_id
from bench.station_file import StationFile
from bench.store.address import StoreAddress

EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.ERROR: 2, Verdict.INCOMPLETE: 3}

RESULTS = "results.ndjson"
"""In the run directory while the run goes on, and after one whose process died: what it told its parent."""

FEW = 8
"""So many files are named one by one."""

TEST_TIMEOUT_S = 3600.0
"""Real seconds after which a test counts as hung of which nobody has said how long it takes."""

PATIENCE_S = 300.0
"""Real seconds for which a test may still tear down after its time limit, and a run after a signal."""


@dataclass(frozen=True)
class Order:
    """What to run. ``station``: where the station file is, ``file``: what stood in it when it was read, once, for the
    whole run. ``device_time_s`` limits the sum of the declared device times, ``jobs`` is for the twin only.
    ``files``: those of the suites, or ids of tests in them, that are looked at, all by default. ``doctor``: look at the
    instruments first, and test nothing with sick ones. ``until_failure``: leave out what comes after the first failure.
    ``lab``: how long the twin's lab lives (run, file, test); ``over``: how its station commissions units (nfc,
    network), ``codec``: its settings codec, ``cell``: its cell instrument (None: one that can do what the test needs),
    ``meter``: whether an instrument stands in for it (simulator, real), ``host_build``: the command of a process that
    is the unit in it, and ``log_faults`` what its log must not say, ``real_time``: whether it lives by the wall clock,
    ``place``: what its station is called.
    ``shuffle``: the seed of another order of the tests, across files. ``test_timeout_s`` (real seconds) is a time limit
    for every test, whatever it says of itself; ``patience_s`` are real seconds, too. ``store``: where the record is
    kept, else where the station file says; ``job``: what is said of the run (``bench.record.JOB``). ``night``: the
    budget of a run that is planned; ``junit``: where its results go as JUnit XML. ``firmware``: packages that the unit
    gets over the air before it is tested, one after the other; ``then``: the one that tests of updates go to.
    ``is_part``: of a run that is spread over several places, which keeps one record of all.
    """

    profile: str
    run_dir: Path
    station: Path | None = None
    file: StationFile | None = None
    unit: str | None = None
    seed: int = 1
    defects: Sequence[str] = ()
    variants: Sequence[str] = ()
    faults: Sequence[str] = ()
    expression: str = ""
    requirements: Sequence[str] = ()
    files: Sequence[str] = ()
    max_device_time_s: float | None = None
    jobs: int = 1
    report: bool = True
    until_failure: bool = False
    doctor: bool = True
    lab: str | None = None
    over: str = "nfc"
    codec: str | None = None
    cell: str | None = None
    meter: str = "simulator"
    host_build: str | None = None
    log_faults: Sequence[str] = ()
    real_time: bool = False
    place: str = ""
    shuffle: int | None = None
    test_timeout_s: float | None = None
    patience_s: float = PATIENCE_S
    store: StoreAddress | None = None
    job: Mapping[str, str] = field(default_factory=dict)
    is_part: bool = False
    run_id: str = field(default_factory=new_run_id)
    night: NightOrder | None = None
    junit: Path | None = None
    firmware: Sequence[Path] = ()
    then: Path | None = None

    def read(self) -> Order:
        """With what stands in its station file. The lab around a host build of the firmware is the twin's, so of such a
        file there are the unit and its store only. Raises ``BenchError``."""
        if self.station is None or self.file is not None:
            return self
        file = StationFile.load(self.station)
        order = replace(self, store=self.store or file.store_address())
        if not file.unit.is_hosted:
            return replace(order, file=file)
        file.refuse_more_than_a_host_build(f"station file {self.station}")
        if self.profile == "line":
            raise BenchError(f"station file {self.station}", expected="a unit that is read over NFC, as on the line",
                             seen="a host build of the firmware", do="choose another profile")
        return replace(order, host_build=shlex.join(file.unit.command), log_faults=file.unit.log_faults,
                       unit=self.unit or file.unit.deveui, place=file.name, lab=self.lab or "run")

    @property
    def inputs(self) -> dict[str, Path]:
        """What the run is judged by, as files and folders: who changes one of them meanwhile spoils it."""
        station = {"station file": self.station} if self.station is not None else {}
        return {**station, "suites": PROJECT / "suites", "limits": PROJECT / "suites" / "limits",
                "requirements": PROJECT / "bench" / "manual"}

    @property
    def chosen_by(self) -> tuple[str, ...]:
        """How the tests are chosen, in words."""
        said = {f"profile {self.profile}": True, f"-k {self.expression}": self.expression,
                f"at most {self.max_device_time_s} s on hardware": self.max_device_time_s is not None,
                f"requirements {', '.join(self.requirements)}": self.requirements,
                self.files_in_words: self.files, "until the first failure": self.until_failure,
                str(self.night): self.night,
                f"firmware {', then '.join(path.name for path in self.firmware)}": self.firmware}
        return tuple(words for words, is_so in said.items() if is_so)

    @property
    def files_in_words(self) -> str:
        """By name where they are few."""
        if len(self.files) <= FEW:
            return f"files {', '.join(self.files)}"
        return f"{len(self.files)} tests of {len({one.partition('::')[0] for one in self.files})} files"

    def record(self) -> Record:
        """The record of a run that has not begun. Only the twin itself knows which unit it is."""
        file = self.file
        return Record(profile=self.profile, unit=self.unit or (file.unit.name if file else ""), seed=self.seed,
                      simulated=file is None or file.simulated,
                      station=(self.place or "twin") if file is None else file.name,
                      defects=(*self.defects, *self.variants, *self.faults), run_id=self.run_id, job=self.job)


def default_run_dir(profile: str) -> Path:
    return Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{profile}"


def last_failed(profile: str, folder: Path = Path("runs")) -> tuple[str, ...]:
    """The ids of the tests that did not pass in the newest run of the profile in ``folder``, those that were skipped
    excepted. Raises ``BenchError`` where there is no such run, or none failed."""
    records = sorted(folder.glob("*/record.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in records:
        try:
            record = json.loads(path.read_text("utf-8"))
            found = tuple(test["id"] for test in record["tests"] if test["verdict"] in (Verdict.FAIL, Verdict.ERROR))
            if record["profile"] != profile:
                continue
        except (OSError, ValueError, KeyError, TypeError):    # no record that anybody can read
            continue
        if not found:
            raise BenchError(f"run {path.parent}", expected="a test that failed", seen="none",
                             do="run the profile without --last-failed")
        return found
    raise BenchError(f"folder {folder}", expected=f"a run of the profile {profile}", seen="none",
                     do="run it once without --last-failed")


def prepare(run_dir: Path) -> None:
    """Make ``run_dir``. It is of one run: old results in it would be taken for new ones. Raises ``BenchError``."""
    if (run_dir / "record.json").exists():
        raise BenchError(f"run directory {run_dir}", expected="an empty directory", seen="another run's record",
                         do="choose another one with --run-dir")
    evidence = run_dir / "evidence"
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        evidence.mkdir()    # whoever makes it has the directory
    except OSError as error:
        if evidence.is_dir():
            raise BenchError(f"run directory {run_dir}", expected="an empty directory",
                             seen="the evidence of a run that goes on or was killed",
                             do="choose another one with --run-dir") from error
        raise BenchError(f"run directory {run_dir}", expected="to make it", seen=error.strerror or str(error),
                         do="choose another one with --run-dir") from error


def evidence_in(run_dir: Path) -> list[Path]:
    """All that a record names with its hash."""
    return [path for path in run_dir.rglob("*") if path.is_file() and "allure-results" not in path.parts
            and path.name not in ("record.json", "report.html", RESULTS)]
