"""What record and report of a very long run cost, in processor time and in memory of the whole process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from long_form import LONG


def report_of(tests: int, folder: Path) -> dict[str, float]:
    program, run_dir = str(Path(__file__).with_name("long_record.py")), str(folder / str(tests))
    subprocess.run([sys.executable, program, "write", run_dir, str(tests)], check=True)
    found: dict[str, float] = json.loads(subprocess.run([sys.executable, program, "report", run_dir], check=True,
                                                        stdout=subprocess.PIPE).stdout)
    return found


def test_the_report_grows_no_faster_than_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short, long = report_of(100, tmp_path), report_of(300, tmp_path)
    with capsys.disabled():
        print(f"\nreports of 100 and 300 tests: {short['seconds']:.1f} s, {long['seconds']:.1f} s; "
              f"{short['megabytes']:.0f} MB, {long['megabytes']:.0f} MB")
    assert long["seconds"] < 3 * short["seconds"]
    assert long["megabytes"] < short["megabytes"] + 40


@pytest.mark.skipif(not LONG, reason="takes a minute: make perf")
def test_the_report_of_8000_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten regressions in one run, with 1.8 million observations."""
    found = report_of(8000, tmp_path)
    with capsys.disabled():
        print(f"\nthe report of 8,000 tests: {found['seconds']:.1f} s, {found['megabytes']:.0f} MB; to read each "
              f"observation once takes {found['reading']:.1f} s")
    assert found["seconds"] < max(15, 5 * found["reading"])    # 15 s where nobody else keeps the processor busy
    assert found["megabytes"] < 300
