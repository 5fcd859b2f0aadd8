"""One pair of firmwares with ten planted differences, at one and a half times what compare says it resolves with two
runs on each side. ``make planted`` is the long form: twenty pairs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.manifest import PROJECT

FIRMWARE = """readings = ["missing-time-in-days"]
[delays]
register = [0.283, 0.283]
answer = [0.275, 0.275]
[currents]
floor_a = 5.70e-6
transmit_a = 0.1885
[settings]
mdm_communication_timeout = 100
[ordered]
mdm_communication_timeout = 100
[order]
joining = "meter data first but after a bootstrap"
"""


@pytest.mark.skipif("MCM_BENCH_LONG" not in os.environ, reason="a minute of processor: with MCM_BENCH_LONG")
def test_all_ten_are_named_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "firmware.toml").write_text(FIRMWARE, encoding="utf-8")
    done = subprocess.run([sys.executable, "tests/firmware_runs.py", "planted", "1", "40", str(tmp_path)], cwd=PROJECT,
                          env={"PYTHONPATH": str(PROJECT), "PATH": ""}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
