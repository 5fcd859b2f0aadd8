"""A night on the twin, in virtual time: it ends within its budget, and one that was killed goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from builds import Planted, catchers, forked, write_builds

from bench.commands.bisect.command import Run
from bench.commands.nights.times import Told


def mcm_bench(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "bench.cli", *map(str, arguments)]


def test_a_night_ends_in_time_and_says_what_it_left_out(tmp_path: Path) -> None:
    done = subprocess.run(mcm_bench("run", "regression", "--budget", "20 min", "-k", "test_led and not nfc", "--must",
                                    "LED-13", "--run-dir", tmp_path / "night"), cwd=tmp_path, capture_output=True,
                          text=True, timeout=600, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    night = json.loads((tmp_path / "night" / "night.json").read_text("utf-8"))
    record = json.loads((tmp_path / "night" / "record.json").read_text("utf-8"))
    assert 0 < night["spent_s"] <= 1200
    assert set(night["ran"]) == {test["id"] for test in record["tests"] if test["verdict"] == "pass"}
    out = {one["what"]: one["reason"] for one in record["manifest"]["left_out"]}
    assert not set(out) & set(night["ran"])
    assert any(reason.startswith("there was no time") for reason in out.values())


def test_a_night_that_was_killed_goes_on(tmp_path: Path) -> None:
    night = tmp_path / "night"
    process = subprocess.Popen(mcm_bench("run", "regression", "--budget", "1 h", "-k", "test_button", "--run-dir",
                                         night), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
        if (night / "results.ndjson").exists() and (night / "results.ndjson").read_bytes().count(b'{"finished"') >= 2:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    ran = Told.load(night).ran
    assert ran
    time.sleep(1)    # its child ends in order
    done = subprocess.run(mcm_bench("run", "regression", "--go-on", night, "-k", "test_button", "--run-dir",
                                    tmp_path / "morning"), cwd=tmp_path, capture_output=True, text=True, timeout=600,
                          check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    morning = Told.load(tmp_path / "morning")
    assert morning.ran
    assert not morning.ran & ran


def test_a_build_brings_its_defect_over_the_air(tmp_path: Path) -> None:
    defect, test = sorted(catchers().items())[3]
    good, bad = write_builds(tmp_path / "builds", 2, Planted(defect, test, 1))
    run = forked(test, 1)
    assert run(Run(good, 1, tmp_path / "good")).outcome == "pass"
    assert run(Run(bad, 2, tmp_path / "bad")).outcome == "fail"


def test_a_build_that_leaves_a_dark_unit_is_one_sentence_and_no_verdict_on_it(tmp_path: Path) -> None:
    bricks, _ = write_builds(tmp_path / "builds", 2, Planted("firmware-does-not-start", "", 0))
    told = forked("suites/test_led.py::test_a_passive_unit_shows_no_light", 1)(Run(bricks, 1, tmp_path / "run"))
    assert told.outcome == "untestable"
    assert told.message.startswith("firmware build00.bin: expected the unit to take it and to come back with it, saw")
