"""The short form of ``make shift``: a few units, and kills drawn by a seed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(1200)
def test_a_shift_with_kills_loses_nothing() -> None:
    script = Path(__file__).parents[1] / "shift.py"
    done = subprocess.run([sys.executable, str(script), "4", "--places", "2", "--kills", "3", "--defects", "25",
                           "--seed", "3", "--store", "sqlite"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all that is promised was kept" in done.stdout
