"""The twin in one process, the bench in another, in real time: nothing but the station file connects them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

COMMAND = [sys.executable, "-m", "bench.cli"]
PATIENCE_S = 30


@pytest.fixture
def station(tmp_path):
    """A twin of its own in real time; the path of its station file."""
    path = tmp_path / "twin.toml"
    twin = subprocess.Popen([*COMMAND, "twin", "--station-out", str(path)], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert twin.poll() is None, "the twin ended"
        assert time.monotonic() < deadline, "no station file"
        os.sched_yield()
    yield path
    twin.send_signal(signal.SIGTERM)
    assert twin.wait(timeout=PATIENCE_S) == 0


@pytest.mark.timeout(300)
def test_a_run_against_a_twin_in_another_process_passes_in_real_time(station, tmp_path):
    """Button, lights, NFC, supply, cell, both meter ports, bootstrap, DM and gateway, all in real time."""
    run_dir = tmp_path / "run"
    chosen = "green_lights or object_3_says or over_m_bus or all_46 or reported_voltage"
    done = subprocess.run([*COMMAND, "run", "acceptance", "--station", str(station), "--run-dir", str(run_dir),
                           "-k", chosen], capture_output=True, text=True, timeout=280, check=False)
    record = json.loads((run_dir / "record.json").read_text("utf-8"))
    assert done.returncode == 0, [(test["id"], test["message"]) for test in record["tests"] if test["message"]]
    assert record["verdict"] == "pass"
    assert record["simulated"] is True
    assert record["station"] == "twin"
    assert len(record["tests"]) == 5
    assert record["device_time_s"] > 20, "real time passed"
