"""The twin in one process, the bench in another, in real time: nothing but the station file connects them."""

import json
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
        time.sleep(0.02)
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
    assert done.returncode == 3, [(test["id"], test["message"]) for test in record["tests"] if test["message"]]
    assert record["verdict"] == "incomplete", "five of the tests of the profile were chosen"
    assert record["simulated"] is True
    assert record["station"] == "twin"
    assert len(record["tests"]) == 5
    assert record["device_time_s"] > 20, "real time passed"


LONG = "a_joined_unit_sleeps or all_three_connections_shake or as_delivered_sends_senml or holding_for_5_s"
SHORT = "all_three_connections_shake or as_delivered_sends_senml or holding_for_5_s"


@pytest.mark.timeout(900)
def test_one_unit_is_tested_twice_in_real_time_and_passes_twice(station, tmp_path):
    """What was red on a station when each test had been proven on a fresh lab only: DTLS and default encoding, twice,
    and sleep.
    The whole profile, twice, is ``make station``."""
    for name, chosen, count in (("first", LONG, 4), ("second", SHORT, 3)):
        done = subprocess.run([*COMMAND, "run", "acceptance", "--station", str(station), "--run-dir",
                               str(tmp_path / name), "-k", chosen], capture_output=True, text=True, timeout=800,
                              check=False)
        assert done.returncode == 3, done.stdout + done.stderr
        record = json.loads((tmp_path / name / "record.json").read_text("utf-8"))
        assert [(test["id"], test["message"]) for test in record["tests"] if test["verdict"] != "pass"] == []
        assert len(record["tests"]) == count
        assert (record["verdict"], record["not_delivered"], record["power_cycles"]) == ("incomplete", [], [])


@pytest.mark.timeout(600)
def test_a_unit_goes_through_the_line_in_real_time_and_the_bench_is_hardly_busy(station, tmp_path):
    """Twenty in a row, and more, is ``make shift``."""
    done = subprocess.run([*COMMAND, "run", "line", "--station", str(station), "--run-dir", str(tmp_path / "run")],
                          capture_output=True, text=True, timeout=500, check=False)
    record = json.loads((tmp_path / "run" / "record.json").read_text("utf-8"))
    assert [(test["id"], test["message"]) for test in record["tests"] if test["verdict"] != "pass"] == []
    assert (done.returncode, record["verdict"], record["not_delivered"]) == (0, "pass", [])
    busy_s, took_s = sum(stage["busy_s"] for stage in record["stages"]), record["device_time_s"]
    assert busy_s < 0.05 * took_s, f"the bench was busy for {busy_s:.1f} s of {took_s:.1f} s"
    again = subprocess.run([*COMMAND, "judge", str(tmp_path / "run")], capture_output=True, text=True, timeout=60,
                           check=False)
    assert (again.returncode, "0 changed" in again.stdout) == (0, True), again.stdout + again.stderr
