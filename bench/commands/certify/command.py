"""``mcm-bench certify PACK...``: the tests that the rows need, each once; destructive ones last; then the pack."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analysis import lot as lots
from bench.commands.certify.ledger import Counted, Ledger, firmware_of
from bench.commands.collect import Collector
from bench.commands.lock import StationLock
from bench.commands.order import Order
from bench.commands.run import would_run
from bench.commands.supervise import supervise
from bench.errors import BenchError
from bench.keys import Keys
from bench.manifest import Instrument, begin
from bench.manual import pack as packs_as_data
from bench.manual import pics, requirements
from bench.manual.pack import Pack, Row
from bench.manual.pics import Declaration
from bench.twin.lab import DEVEUI
from reports import matrix, precheck
from reports.precheck import Dossier, Results, Word
from reports.precheck_page import write_page
from reports.precheck_pdf import write_pdf
from reports.precheck_text import tables
from reports.run import Run

DECLARATION = "suites/test_declaration.py::"
"""Tests that put down what the unit shows, its firmware among that: they are of each run."""


@dataclass(frozen=True)
class Task:
    """``order``: how tests are run; ``pics``: the maker's declaration, else the manual's. ``report_only``: make the
    pack again of the runs that there are. ``keys``: key files of a lot, which are compared; else the station's."""

    packs: Sequence[str]
    order: Order
    pics: Path | None = None
    report_only: bool = False
    keys: Sequence[Path] = ()


def certify(task: Task, console: Console, *, as_json: bool = False) -> int:
    """Run, judge, write ``pack.pdf``, ``pack.html`` and ``pack.json``, print the matrix.

    Exit code 1 with an indication of non-conformity, 2 when the bench could not do its part, 3 with something
    inconclusive, else 0. Raises ``BenchError`` for packs, declarations and folders that are not right.
    """
    packs = [packs_as_data.load(name) for name in dict.fromkeys(task.packs)]
    order = task.order.read()
    is_cmi6110 = order.file is None or order.file.unit.is_cmi6110
    strange = [pack.name for pack in packs if not (is_cmi6110 or pack.any_client)]
    if strange:
        raise BenchError(f"packs {', '.join(strange)}", expected="packs for any client: the unit is no CMi6110",
                         seen="packs for the CMi6110", do="choose others, such as oma-ets")
    # Of a unit that nobody has declared anything of, rows go by what it shows.
    declaration = pics.load(task.pics) if task.pics is not None or is_cmi6110 else Declaration()
    collector = would_run(replace(order, run_dir=Path(os.devnull), jobs=1))
    chooser = Chooser(collector)
    chooser.check(packs)
    unit = order.unit or (order.file.unit.name if order.file else DEVEUI)
    ledger = Ledger(order.run_dir, {
        "unit": unit, "station": str(order.station.resolve()) if order.station else "", "seed": order.seed,
        "changed": [*order.defects, *order.variants]})
    if task.report_only and not ledger.records:
        raise BenchError(f"folder {order.run_dir}", expected="runs of a pack", seen="none",
                         do="run it without --report-only")
    may_spoil = order.file is None or declaration.is_sacrificial(unit)
    stages = chooser.stages(packs, declaration)
    stopped = ""
    if not task.report_only:
        with _output_elsewhere() if as_json else nullcontext():
            stopped = _run_stages(ledger, order, chooser, stages, console, may_spoil=may_spoil)
    counted = ledger.counted()
    not_run = {} if may_spoil else dict.fromkeys(
        stages[1], "destructive, and the unit is not declared sacrificial (pixit.sacrificial)")
    dossier = _dossier(task, order, unit, packs, declaration, ledger, counted, chooser, not_run, stopped)
    _write(dossier, order.run_dir)
    if as_json:
        print(json.dumps(precheck.to_json(dossier), indent=1))
    else:
        console.print(tables(dossier, order.run_dir))
    return _exit_code(dossier, stopped)


@contextmanager
def _output_elsewhere() -> Iterator[None]:
    """What runs print, in processes of their own, goes where errors go: the output is for JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def list_packs(console: Console, *, as_json: bool = False) -> int:
    """Print the packs there are."""
    found = [packs_as_data.load(name) for name in packs_as_data.names()]
    if as_json:
        print(json.dumps({"packs": [{"name": one.name, "title": one.title, "scope": one.scope, "rows": len(one.rows)}
                                    for one in found]}, indent=1))
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("pack", "rows", "what it is"):
        table.add_column(name, overflow="fold", justify="right" if name == "rows" else "left")
    for one in found:
        table.add_row(Text(one.name), str(len(one.rows)), Text(f"{one.title}. {one.scope}"))
    console.print(table)
    return 0


def _exit_code(dossier: Dossier, stopped: str) -> int:
    if dossier.worst is Word.NON_CONFORMITY:
        return 1
    return 2 if stopped else 3 if dossier.worst is Word.INCONCLUSIVE else 0


# -- which tests


class Chooser:
    """The tests of rows, among all that there are."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self._tests = {test: (ids, collector.ets[test]) for test, ids in collector.collected.items()
                       if not test.startswith(matrix.LINE)}
        self.declaration = [test for test in self._tests if test.startswith(DECLARATION)]

    def select(self, row: Row) -> list[str]:
        return [test for test, (ids, cases) in self._tests.items() if row.is_about(test, ids, cases)]

    def arguments(self, tests: Iterable[str]) -> tuple[str, ...]:
        """By what pytest finds them: a function where all its cases are meant, or where the id of a case has signs that
        pytest takes for its own."""
        wanted = set(tests)
        cases: dict[str, list[str]] = {}
        for test in self._tests:
            cases.setdefault(test.partition("[")[0], []).append(test)
        found: dict[str, None] = {}
        for function, ids in cases.items():
            asked = [test for test in ids if test in wanted]
            is_whole = len(asked) == len(ids) or any("::" in test.partition("[")[2] for test in asked)
            found.update(dict.fromkeys([function] if asked and is_whole else asked))
        return tuple(found)

    def check(self, packs: Iterable[Pack]) -> None:
        """Raises ``BenchError`` with all patterns that meet no test: a row must not be judged by nothing."""
        faults = []
        for pack in packs:
            for row in pack.rows:
                faults += [f"{pack.name} {row.id}: no test is called {pattern}" for pattern in row.tests
                           if not any(row.model_copy(update={"tests": (pattern,), "requirements": (), "ets": ()})
                                      .is_about(test, (), ()) for test in self._tests)]
        if faults:
            raise BenchError("packs", expected="tests that there are", seen="; ".join(faults),
                             do="correct the packs, or the names of the tests")

    def stages(self, packs: Sequence[Pack], declaration: Declaration) -> tuple[list[str], list[str]]:
        """What is to run, and what is to run last and only on a unit that may be spoilt. A test that any harmless row
        wants is harmless."""
        harmless: dict[str, None] = dict.fromkeys(self.declaration)
        destructive: dict[str, None] = {}
        for pack in packs:
            for row in pack.rows:
                if precheck.applies(row, declaration)[0] is not False:
                    (destructive if row.destructive else harmless).update(dict.fromkeys(self.select(row)))
        order = list(self._tests)
        return (sorted(harmless, key=order.index),
                sorted((test for test in destructive if test not in harmless), key=order.index))


# -- running them


def _run_stages(ledger: Ledger, order: Order, chooser: Chooser, stages: tuple[list[str], list[str]], console: Console,
                *, may_spoil: bool) -> str:
    """Run what has not been run; why it stopped before the end, else empty."""
    for stage, wanted in enumerate(stages):
        if stage == 1 and not may_spoil:
            continue
        for _ in range(2):    # once more where the firmware turns out to be another one than before
            done = _done(ledger.counted().runs)
            todo = [test for test in wanted if test not in done]
            if not [test for test in todo if not test.startswith(DECLARATION)]:
                break
            seen_before = len(done)
            folder = ledger.next_folder()
            declaring = [test for test in stages[0] if test.startswith(DECLARATION)]
            ledger.note()
            _say(console, f"{len(todo)} tests{', destructive' if stage else ''}, in {folder}")
            supervise(replace(order, run_dir=folder, files=chooser.arguments([*declaring, *todo]), store=None,
                              file=None), console, _lock(order))
            ledger.note()
            run = _loaded(folder)
            if run is None or run.message:
                return (run.message if run is not None else "") or "a run left no record"
            if len(_done(ledger.counted().runs)) >= seen_before:
                break
    return ""


def _lock(order: Order) -> StationLock | None:
    return StationLock(order.station, "certify") if order.station is not None else None


def _loaded(folder: Path) -> Run | None:
    try:
        return Run.load(folder)
    except BenchError:
        return None


def _done(runs: Iterable[Run]) -> set[str]:
    """What was judged. What ended as the bench's fault, or was skipped, is tried again."""
    return {test.id for run in runs for test in run.tests if test.verdict in ("pass", "fail")}


def _say(console: Console, text: str) -> None:
    console.print(Text(text, "bold"), soft_wrap=True)


# -- the pack


def _dossier(task: Task, order: Order, unit: str, packs: Sequence[Pack], declaration: Declaration, ledger: Ledger,
             counted: Counted, chooser: Chooser, not_run: Mapping[str, str], stopped: str) -> Dossier:
    runs = counted.runs
    lot = _lot(task, order)
    of_lot = lots.findings(lot) if len(lot) >= lots.LEAST_UNITS else []
    shown = precheck.shown_by(runs) | ({"keys_unique": not of_lot} if len(lot) >= lots.LEAST_UNITS else {})
    results = Results(runs, order.run_dir, chooser.select, not_run)
    judged = tuple(precheck.judge_pack(pack, declaration, shown, results) for pack in packs)
    contradictions = precheck.contradictions(declaration, shown)
    editions = precheck.editions(packs, declaration)
    rows = matrix.trace(runs, chooser.collector.collected, requirements.closed())
    manifests = [run.manifest for run in runs if run.manifest is not None]
    instruments = _once(one for manifest in manifests for one in manifest.instruments)
    cover = [*counted.set_aside, *([f"stopped before its end: {stopped}; the same command goes on"] if stopped else []),
             *([f"keys of {len(lot)} units were compared"] if len(lot) >= lots.LEAST_UNITS else []), *of_lot,
             *contradictions, *(text for _, text in editions), *_uncalibrated(instruments, runs),
             *(text for manifest in manifests for text in manifest.findings)]
    if not runs:
        cover.insert(0, "no run counts: nothing was tested")
    if not_run:
        cover.append(f"{len(not_run)} destructive tests were not run: the unit is not declared sacrificial")
    inputs = begin({f"pack {name}": _path_of(name) for name in task.packs}
                   | ({"PICS": task.pics} if task.pics is not None else {})).inputs
    firmware = tuple(dict.fromkeys(filter(None, (firmware_of(run) for run in runs))))
    software = manifests[-1].software if manifests else begin({}).software
    return Dossier(
        unit=unit, firmware=firmware, simulated=order.file is None or order.file.simulated,
        changed=(*order.defects, *order.variants), station="twin" if order.file is None else order.file.name,
        began=runs[0].started if runs else "", operator=manifests[-1].operator if manifests else "",
        ended=_ended(manifests[-1].ended) if manifests else "", software=software, declaration=declaration, shown=shown,
        packs=judged, cover=tuple(dict.fromkeys(cover)),
        findings=precheck.ranked(judged, [*(("high", text) for text in (*of_lot, *contradictions)), *editions]),
        instruments=tuple(instruments), coverage=matrix.Coverage.of(rows),
        uncovered=tuple(row for row in rows if row.verdict in ("not run", "no test")),
        files=tuple(ledger.records), inputs=inputs)


def _lot(task: Task, order: Order) -> dict[str, dict[str, bytes]]:
    """The keys of all units of the key files. Raises ``BenchError``."""
    own = order.file.unit.keys if order.file is not None else None
    lot: dict[str, dict[str, bytes]] = {}
    for path in task.keys or ([own] if own is not None else []):
        for name, keys in Keys.load_all(path).items():
            psks = {str(server): psk.octets for server, psk in keys.psks.items()}
            lot.setdefault(name, {}).update(psks | ({"pak": keys.pak.octets} if keys.pak is not None else {}))
    return lot


def _path_of(name: str) -> Path:
    own = Path(packs_as_data.__file__).parent / "packs" / f"{name}.toml"
    return own if name in packs_as_data.names() else Path(name)


def _ended(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment is not None else ""


def _once(instruments: Iterable[Instrument]) -> list[Instrument]:
    return list(dict.fromkeys(instruments))


def _uncalibrated(instruments: Iterable[Instrument], runs: Sequence[Run]) -> list[str]:
    """Instruments that were past their calibration when they measured. Of the twin's there is none."""
    if not runs or runs[-1].simulated:
        return []
    day = datetime.fromisoformat(runs[-1].started).date() if runs[-1].started else datetime.now(UTC).date()
    late = [one for one in instruments if one.calibration_due and date.fromisoformat(one.calibration_due) < day]
    unknown = [one.name for one in instruments if not one.calibration_due]
    found = [f"{one.name} was due for calibration on {one.calibration_due}" for one in late]
    return found + ([f"nobody said when {', '.join(unknown)} were calibrated"] if unknown else [])


def _write(dossier: Dossier, root: Path) -> None:
    writers: dict[str, Callable[[Path], Any]] = {
        "pack.json": lambda path: path.write_text(json.dumps(precheck.to_json(dossier), indent=1, ensure_ascii=False)
                                                  + "\n", "utf-8"),
        "pack.html": lambda path: write_page(dossier, path), "pack.pdf": lambda path: write_pdf(dossier, root, path)}
    for name, write in writers.items():
        draft = root / f"{name}.part"
        write(draft)
        draft.replace(root / name)
