"""A run of very many tests, as it stands on the disk when its last test has ended, and what its report costs.

    python tests/perf/long_record.py write DIRECTORY TESTS    makes it
    python tests/perf/long_record.py report DIRECTORY         {"seconds": s, "reading": s, "megabytes": m}

Seconds are of processor time; ``reading`` is what it takes to read each line of the timeline once, on this machine as
busy as it is at the time.

In a process of its own, so that the memory is that of the report: all of the process, libraries included.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.analysis.current_capture import CurrentCapture
from bench.analysis.jls import write_jls
from bench.commands.run import Order, _write
from bench.evidence import evidence_file
from bench.measure import Measurement, Verdict
from bench.record import Record, TestResult

SUITES, PARAMETERS = 30, 28    # about a regression of 840 tests; ten of them are told apart by a last parameter
OBSERVATIONS = 230
"""In one test of the regression, in the mean."""


def test_id(number: int) -> str:
    parameter = number // SUITES % PARAMETERS
    return f"suites/test_topic_{number % SUITES}.py::test_what_the_manual_says[{parameter}-{number}]"


test_id.__test__ = False  # type: ignore[attr-defined]


def fails(number: int) -> bool:
    return number % 400 == 0


def lines(rng: random.Random, *, arrivals: bool) -> list[str]:
    """The observations of a test, without its id at their ends."""
    seen: list[tuple[float, str, str, dict[str, object]]] = [(0.0, "test", "start", {})]
    now = 0.0
    for number in range((OBSERVATIONS - 30) // 4):
        now += rng.expovariate(1 / 30)
        server, peer = rng.choice(("dm", "mdm")), {"direction": rng.choice(("in", "out")), "peer": 1}
        for _ in range(2):
            seen.append((now, server, "datagram", {**peer, "hex": rng.randbytes(60).hex()}))
            seen.append((now, server, "message", {**peer, "text": f"PUBLISH message {number}, 100 B", "type": "publish",
                                                  "qos": 1, "message_id": number}))
    for number in range(10):
        seen.append((number * 1.0, "panel", "led", {"channel": ("green", "red")[number % 2], "on": number % 4 < 2}))
        seen.append((number * 2.0, "supply", "current", {"mean_a": 6e-6, "min_a": 5e-6, "max_a": 0.2, "samples": 100,
                                                         "duration_s": 1.0}))
        seen.append((number * 3.0, "cell", "state", {"state": ("idle", "connected")[number % 2]}))
    if arrivals:
        telegrams = [[60.0 * hour + 5, [60.0 * hour]] for hour in range(48)]
        seen.append((now, "test", "arrivals", {
            "midnight": "2026-03-02T00:00", "begin": 0.0, "end": 48 * 60.0, "order": "newest first", "age_limit": 4320,
            "telegrams": telegrams, "windows": [], "outages": [], "transmissions": [], "never_sent": [],
            "faults": []}))
    return [json.dumps({"data": data, "kind": kind, "source": source, "t": round(at, 6)}, sort_keys=True,
                       separators=(",", ":"))[:-1] for at, source, kind, data in sorted(seen, key=lambda one: one[0])]


def capture(test: str) -> CurrentCapture:
    """Ten minutes of sleep with a report in it."""
    mean = np.full(30_000, 5.2e-6)
    mean[10_000:10_100] = 0.2
    return CurrentCapture(0.0, 0.02, mean, mean, mean, mean / 100, gap_free=True, limit_a=1.0, voltage_v=3.6, test=test)


def write(run_dir: Path, tests: int) -> None:

    results = run_dir / "allure-results"
    (run_dir / "evidence").mkdir(parents=True)
    results.mkdir()
    rng = random.Random(1)
    kinds = [lines(rng, arrivals=number == 0) for number in range(20)]
    for number in range(1, tests + 1):
        name = test_id(number)
        end = f',"test":"{name}"}}\n'
        file = evidence_file(run_dir, number, name, "jsonl")
        file.write_text(end.join(kinds[number % 20]) + end, "ascii")
        file.with_suffix(".pcapng").write_bytes(rng.randbytes(2000))
        if number % 100 == 0:
            write_jls(capture(name), file.with_suffix(".jls"), epoch=datetime(2026, 3, 2, tzinfo=UTC))
        suite, _, function = name.partition("::")
        (results / f"{number:08d}-result.json").write_text(json.dumps({
            "name": function, "fullName": name, "historyId": str(number), "steps": [],
            "status": "failed" if fails(number) else "passed",
            "titlePath": suite.split("/"), "parameters": [], "labels": [], "uuid": str(number)}), "ascii")


def report(run_dir: Path) -> dict[str, float]:
    with (run_dir / "printed").open("w") as printed:
        record = Record(profile="regression", unit="94193A0401000001", seed=1, simulated=True)
        record.tests = [TestResult(
            test_id(number), Verdict.FAIL if fails(number) else Verdict.PASS, ("LED-04", "ACT-06"), 120.0, 0.1,
            title="What it proves.", message="green was on for 9.5 s" if fails(number) else "",
            steps=("press the button", "wait"), measurements=(Measurement(
                "led.joined.green", 8.0, "s", 7.0, 9.0, Verdict.PASS, 0.0),) if number % 3 == 0 else (), number=number)
            for number in range(1, len(list((run_dir / "evidence").glob("*.jsonl"))) + 1)]
        begun = time.process_time()
        _write(record, Order("regression", run_dir), Console(file=printed, width=120))
        seconds = time.process_time() - begun
    assert record.fault == "", record.fault
    assert (run_dir / "report.html").exists()
    begun = time.process_time()
    with (run_dir / "timeline.jsonl").open() as file:
        for line in file:
            json.loads(line)
    return {"seconds": seconds, "reading": time.process_time() - begun,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def main() -> None:
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        print(json.dumps(report(Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
