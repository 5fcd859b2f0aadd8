"""``mcm-bench trace``: which tests prove which requirement, and what came out."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench.abilities import ABILITIES
from bench.clock import WallClock
from bench.commands.collect import Collector
from bench.commands.order import Order
from bench.commands.run import would_run
from bench.manual import requirements
from bench.station import Station
from bench.station_file import StationFile
from bench.timeline import Timeline
from fixtures.bench import Bench
from reports import ets_matrix, matrix
from reports.run import Run


def trace(run_dirs: Sequence[Path], as_json: bool, console: Console, station: Path | None = None) -> int:
    """Print the matrix; verdicts come from ``run_dirs``, or else from the newest run under runs/. With ``station`` also
    what that station can prove: no instrument is opened for it.
    """
    runs = [Run.load(folder) for folder in run_dirs or _newest()]
    file = StationFile.load(station) if station is not None else None
    collected = _collect()
    abilities = _abilities(file) if file is not None else frozenset(ABILITIES)
    on_station = {test for test, needs in collected.needs.items() if abilities.issuperset(needs)}
    on_line = matrix.line_of(collected.collected, on_station)
    rows = matrix.trace(runs, collected.collected, requirements.closed(), on_station=on_station)
    cases = ets_matrix.ets_rows(runs, collected.ets)
    if as_json:
        print(json.dumps(matrix.to_json(rows) | {
            "ets": ets_matrix.to_json(cases), "line": asdict(on_line),
            "coverage": matrix.Coverage.of(rows).to_json()}, indent=1))
    else:
        console.print(matrix.table(rows))
        console.print(ets_matrix.table(cases))
        console.print(matrix.summary_line(rows))
        console.print(str(matrix.Coverage.of(rows)), soft_wrap=True)
        console.print(ets_matrix.summary_line(cases))
        if file is not None:
            console.print(matrix.station_line(rows, file.name))
            console.print(f"on the line: {on_line}", soft_wrap=True)
    return 0


def _abilities(file: StationFile) -> frozenset[str]:
    if file.unit.is_hosted:
        bench = Bench.on_twin(1, host_build=file.unit.command)
        try:
            return bench.station.abilities
        finally:
            bench.close()
    clock = WallClock()
    try:
        return Station(file, clock, Timeline(clock.time)).abilities
    finally:
        clock.close()


def collect() -> dict[str, tuple[str, ...]]:
    """The requirement ids of each test of the suites. Raises ``BenchError`` when the suites can't be collected."""
    return _collect().collected


def _collect() -> Collector:
    return would_run(Order("all", Path(os.devnull)))


def _newest() -> list[Path]:
    records = sorted(Path("runs").glob("*/record.json"), key=lambda path: path.stat().st_mtime)
    return [records[-1].parent] if records else []
