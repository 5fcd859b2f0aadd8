"""A unit at the edge of the network is not a bad unit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def test_at_coverage_level_2_the_acceptance_profile_passes_a_healthy_unit() -> None:
    """At -125 dBm the uplink carries 12.5 octets a second: 250 of them take 20 s, a telegram of 1000 takes 80 s."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "suites", "-q", "-p", "no:cacheprovider", "--profile", "acceptance",
         "--cell-level", "-125"], cwd=PROJECT, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    assert " passed" in run.stdout
