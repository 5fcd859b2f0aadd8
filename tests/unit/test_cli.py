"""``mcm-bench run``: bad input is one sentence, exit code 2, and a record."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_lab import Outcome, RealLab, command, free_ports, mcm_bench_run, real_lab

from bench.station_file import BackendTable

STATION = """
name = "bench 1"
supply = {driver = "keysight-n6700", address = "TCPIP::127.0.0.1::9::SOCKET"}
panel = {driver = "edge-box", port = "/dev/does-not-exist"}
nfc = {driver = "pn532", port = "/dev/does-not-exist"}
meter = {optical = "/dev/does-not-exist"}
cell = {driver = "cmw500", address = "TCPIP::127.0.0.1::9::SOCKET"}
backend = {BACKEND}
unit = {deveui = "94193A0401000001"}
"""


STATION = STATION.replace("BACKEND", ", ".join(
    f"{name} = 0" for name in BackendTable.model_fields if name.endswith("_port")))


def write(folder: Path, text: str) -> Path:
    path = folder / "station.toml"
    path.write_text(text, "utf-8")
    return path


def assert_is_bench_fault(outcome: Outcome, sentence: str) -> None:
    assert outcome.code == 2, outcome.output
    assert outcome.record["verdict"] == "error"
    assert outcome.record["message"] == sentence
    assert outcome.says(sentence)
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize(("old", "new", "said"), [
    ('name = "bench 1"', 'name = "bench 1"\nslots = 4',
     "line 3, key slots: expected a key that station files have, saw an unknown one; correct the spelling or remove "
     "it."),
    ("dm_port = 0", 'dm_port = "0"',
     "line 8, key backend.dm_port: expected a valid integer, saw '0'; correct the value.\n"
     "line 8, key backend.mdm_port: expected a valid integer, saw '0'; correct the value."),
], ids=["unknown key", "wrong type"])
def test_a_station_file_that_is_not_right_is_a_fault_of_the_bench(tmp_path: Path, old: str, new: str,
                                                                  said: str) -> None:
    path = write(tmp_path, STATION.replace(old, new))
    outcome = mcm_bench_run(tmp_path / "run", "--station", path)
    assert_is_bench_fault(outcome, f"station file {path}, {said}")
    assert outcome.record["tests"] == []


def test_a_station_file_that_is_not_there_is_a_fault_of_the_bench(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert_is_bench_fault(
        mcm_bench_run(tmp_path / "run", "--station", path),
        f"station file {path}: expected a file, saw no such file or directory; give the path of a station file.")


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "0>&- 1>&- 2>&-"])
def test_a_terminal_that_takes_nothing_ends_no_run(tmp_path: Path, redirection: str) -> None:
    run = command("run", "acceptance", "--run-dir", tmp_path / "run", "-k", "holding_for_5_s_activates", "--no-doctor")
    done = subprocess.run(["sh", "-c", f'exec "$@" {redirection}', "sh", *run], cwd=tmp_path, timeout=240, check=False)
    assert done.returncode == 3                        # incomplete: one test of all was chosen
    record = json.loads((tmp_path / "run" / "record.json").read_text("utf-8"))
    assert (record["verdict"], len(record["tests"])) == ("incomplete", 1)


def test_a_bench_without_descriptors_blames_no_unit(tmp_path: Path) -> None:
    run = command("run", "acceptance", "--run-dir", tmp_path / "run", "-k", "holding_for_5_s_activates")
    for count in (8, 12):
        done = subprocess.run(["sh", "-c", f'ulimit -n {count}; exec "$@"', "sh", *run], cwd=tmp_path, timeout=240,
                              check=False, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr


def test_a_port_that_is_not_there_is_an_error_of_the_test_that_needs_it(tmp_path: Path) -> None:
    outcome = mcm_bench_run(tmp_path / "run", "--station", write(tmp_path, STATION), "--no-doctor",
                            "-k", "holding_for_5_s_activates")
    assert outcome.code == 2, outcome.output
    (test,) = outcome.record["tests"]
    assert (outcome.record["verdict"], test["verdict"]) == ("error", "error")
    assert test["message"].startswith("edge box at /dev/does-not-exist: expected ")
    assert test["message"].endswith(".")
    assert "\n" not in test["message"]
    assert outcome.says(test["message"])
    assert (outcome.record["simulated"], outcome.record["station"]) == (False, "bench 1")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RealLab]:
    with real_lab(tmp_path) as lab:
        yield lab


def test_an_instrument_that_is_dead_is_an_error_of_the_test_that_needs_it(lab: RealLab, tmp_path: Path) -> None:
    (closed,) = free_ports(socket.SOCK_STREAM, 1)
    address = f"TCPIP::127.0.0.1::{closed}::SOCKET"
    station = lab.station(supply=lab.file.supply.model_copy(update={"address": address}))
    outcome = mcm_bench_run(tmp_path / "run", "--station", station, "--no-doctor", "-k", "holding_for_5_s_activates")
    assert outcome.code == 2, outcome.output
    (test,) = outcome.record["tests"]
    assert (outcome.record["verdict"], test["verdict"]) == ("error", "error")
    assert f"127.0.0.1::{closed}::SOCKET: expected " in test["message"]
    assert "\n" not in test["message"]
    assert lab.is_safe


def test_a_run_directory_that_has_been_used_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    first = mcm_bench_run(run_dir, "-k", "holding_for_5_s_activates")
    assert first.code == 3, first.output
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in run_dir.rglob("*") if path.is_file()}
    second = mcm_bench_run(run_dir, "-k", "holding_for_5_s_activates")
    assert second.code == 2
    assert second.says(f"run directory {run_dir}: expected an empty directory, saw another run's record; "
                       "choose another one with --run-dir.")
    assert {path: hashlib.sha256(path.read_bytes()).digest()
            for path in run_dir.rglob("*") if path.is_file()} == before


def test_a_run_directory_that_another_run_has_begun_with_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run" / "evidence").mkdir(parents=True)
    second = mcm_bench_run(tmp_path / "run", "-k", "holding_for_5_s_activates")
    assert second.code == 2
    assert second.says("expected an empty directory, saw the evidence of a run that goes on or was killed")
    assert [path.name for path in (tmp_path / "run").rglob("*")] == ["evidence"]


def test_a_run_that_chose_no_test_has_tested_nothing(tmp_path: Path) -> None:
    assert_is_bench_fault(
        mcm_bench_run(tmp_path / "run", "-k", "no_test_is_called_so"),
        "tests of profile acceptance and -k no_test_is_called_so: expected one at least, saw none: nothing has been "
        "tested; widen the profile or the expression.")


@pytest.mark.parametrize("kind", ["defect", "variant"])
def test_an_unknown_defect_or_variant_is_a_fault_of_the_bench(tmp_path: Path, kind: str) -> None:
    outcome = mcm_bench_run(tmp_path / "run", f"--{kind}", "no-such-one", "-k", "holding_for_5_s_activates")
    assert outcome.code == 2, outcome.output
    assert outcome.record["verdict"] == "error"
    assert outcome.says(f"{kind} no-such-one: expected one of ")
    assert outcome.record["tests"] == []


@pytest.mark.parametrize(("arguments", "said"), [
    (["--unit", "12"], "a DevEUI has 16 hexadecimal digits"),
    (["--max-device-time", "30 minutes"], "is no duration such as"),
    (["--seed", "x"], "--seed"),
    (["--station", "any.toml", "--defect", "leds-swapped"], "are for the twin"),
    (["--station", "any.toml", "--variant", "meter-clock-slow"], "are for the twin"),
    (["--station", "any.toml", "--codec", "bench-otc"], "are for the twin")])
def test_a_wrong_option_is_told_before_anything_is_done(tmp_path: Path, arguments: list[str], said: str) -> None:
    outcome = mcm_bench_run(tmp_path / "run", *arguments)
    assert outcome.code == 2
    assert outcome.says(said)
    assert not (tmp_path / "run").exists()


def test_a_unit_that_fails_is_exit_code_1(tmp_path: Path) -> None:
    bad = mcm_bench_run(tmp_path / "bad", "-k", "asleep or sleep or passive", "--defect", "sleep-current-high")
    assert (bad.code, bad.record["verdict"]) == (1, "fail"), bad.output
    assert bad.record["defects"] == ["sleep-current-high"]


def test_a_twin_that_cannot_write_its_station_file_says_so(tmp_path: Path) -> None:
    done = subprocess.run(command("twin", "--station-out", tmp_path / "missing" / "station.toml"),
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "station.keys.toml: expected to write it, saw no such file or directory; choose another path" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("arguments", "said"), [
    (["--version"], "mcm-bench: what it prints: expected to read or write it, saw no space left on device"),
    (["twin", "--station-out", "/dev/full"], "mcm-bench: /dev/full: expected a file, or a new one, saw a directory"),
    (["twin", "--log", "/dev/full"], "mcm-bench: /dev/full: expected a file, or a new one, saw a directory"),
    (["run", "acceptance", "--run-dir", "/dev/full/run"], "run directory /dev/full/run: expected to make it"),
    (["doctor", "--station", "/dev/zero"], "station file /dev/zero: expected a file, saw a device"),
])
def test_a_device_as_input_or_output_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    with Path("/dev/full").open("w", encoding="ascii") as full:
        done = subprocess.run(command(*arguments), cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert Path("/dev/full").is_char_device()
    assert list(tmp_path.iterdir()) == []
