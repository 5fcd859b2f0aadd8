"""The suites for any LwM2M client, against clients that are none of the bench's: docs/examples/lwm2m_device.py, which
is aiocoap's stack, and that with one thing wrong. Real processes, real datagrams, virtual time by the tick socket.
"""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.clock import WallClock
from bench.errors import BenchError
from bench.timeline import Timeline
from drivers.unit.serial_log import SerialLog
from tests.interop.devices.updating_device import package

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "docs" / "examples"
DEVICES = Path(__file__).parent / "devices"
FAULTY, UPDATING = DEVICES / "faulty_device.py", DEVICES / "updating_device.py"


def run(tmp_path: Path, *command: str, expression: str = "", profile: Path = EXAMPLES / "lwm2m_device.toml",
        more: str = "") -> dict[str, Any]:
    """The record of ``mcm-bench run client`` with the command as unit, and ``more`` in its station file."""
    words = [sys.executable, *command, "--endpoint", "{endpoint}", "--bootstrap", "{bootstrap}"]
    text = (EXAMPLES / "foreign_station.toml").read_text().splitlines()
    kept = [line for line in text if not line.startswith(("command", "profile"))]
    unit = kept.index("[unit]") + 1
    kept[unit:unit] = [f"command = {json.dumps([*words, '--tick', '{tick}'])}",
                       f"profile = {json.dumps(str(profile))}"]
    station = tmp_path / "station.toml"
    station.write_text("\n".join(kept) + "\n" + more)
    return conducted(station, tmp_path / "run", expression)


def test_a_device_with_object_5_is_held_to_the_suite_of_firmware(tmp_path: Path) -> None:
    """Pulled and pushed; the packages are those that its station file names."""
    profile = (EXAMPLES / "lwm2m_device.toml").read_text()
    (tmp_path / "device.toml").write_text(profile.replace("objects = [1, 3,", "objects = [1, 3, 5,").replace(
        ', ["/3/0/3", "1.0"]', "").replace("steady = [0, 1, 2, 3, 16]", "steady = [0, 1, 2, 16]"))
    for version in ("1.1", "1.2"):
        (tmp_path / f"{version}.bin").write_bytes(package(version))
    record = run(tmp_path, str(UPDATING), expression="test_firmware", profile=tmp_path / "device.toml",
                 more='[firmware.packages]\n"1.1" = "1.1.bin"\n"1.2" = "1.2.bin"\n')
    assert (of(record, "fail"), of(record, "error")) == ({}, {})
    passed = {name.partition("[")[0] for name in of(record, "pass")}
    assert len(passed) >= 14
    assert "test_a_package_that_is_written_is_installed" in passed


def conducted(station: Path, run_dir: Path, expression: str) -> dict[str, Any]:
    chosen = ["-k", expression] if expression else []
    ended = subprocess.run([sys.executable, "-m", "bench.cli", "run", "client", "--station", str(station), "--run-dir",
                            str(run_dir), *chosen], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    record: dict[str, Any] = json.loads((run_dir / "record.json").read_text())
    record["exit"] = ended.returncode
    return record


def of(record: dict[str, Any], verdict: str) -> dict[str, str]:
    """The tests with that verdict, by name, with what they say."""
    return {test["id"].partition("::")[2]: test["message"] or test.get("reason") or ""
            for test in record["tests"] if test["verdict"] == verdict}


def test_the_example_device_passes_the_suites_for_any_client(tmp_path: Path) -> None:
    record = run(tmp_path, str(EXAMPLES / "lwm2m_device.py"))
    assert (record["verdict"], of(record, "fail"), of(record, "error")) == ("pass", {}, {})
    assert record["exit"] == 0
    assert len(of(record, "pass")) >= 120
    assert record["device_time_s"] > 5 * 86400, "virtual time"
    assert not any("33905" in test for test in of(record, "pass"))


@pytest.mark.parametrize(("fault", "test", "clause"), [
    ("OldLifetime", "test_updates_come_before_the_lifetime_ends", "LWM2M-1.1.1"),
    ("KeysCanBeRead", "test_the_dm_server_can_not_touch_the_accounts", "LWM2M-0.1.4"),
    ("TakesEveryNumber", "test_a_failed_write_is_told_and_changes_nothing", "DM-04"),
    ("WritesTheRestOfIt", "test_of_a_composite_write_with_one_wrong_value_nothing_is_taken", "DM-04"),
    ("ForgetsThePeriod", "test_notifications_keep_the_minimum_period", "DM-10"),
    ("NeverNotifies", "test_an_observed_uptime_is_reported", "DM-10"),
    ("FinishesAnything", "test_an_inconsistent_bootstrap_is_refused_at_its_end", "ACT-13"),
    ("ForgetsWhoItIs", "test_a_delete_of_everything_spares_the_bootstrap_account", "LWM2M-0.0.0"),
    ("HidesAttributes", "test_discover_shows_the_attributes_where_they_were_written", "DM-03"),
    ("TextInTlv", "test_a_text_is_read_in_plain_text", "LWM2M-3.0.0"),
    ("StaysAfterReboot", "test_a_reboot_answers_first_and_registers_then", "LWM2M-3.0.4")])
def test_a_fault_of_a_client_is_named_by_its_clause(tmp_path: Path, fault: str, test: str, clause: str) -> None:
    record = run(tmp_path, str(FAULTY), fault, expression=test)
    failed = [one for one in record["tests"] if one["verdict"] == "fail"]
    assert failed, [(one["id"], one["verdict"], one["message"]) for one in record["tests"]]
    assert all(clause in one["requirements"] for one in failed)
    assert (record["verdict"], record["exit"]) == ("fail", 1)


def test_one_that_speaks_1_0_only_is_left_alone_with_what_it_has_not_got(tmp_path: Path) -> None:
    record = run(tmp_path, str(FAULTY), "Old", expression="test_composite or plain_text or test_registration")
    skipped = of(record, "skipped")
    assert len(skipped) >= 10
    assert set(skipped.values()) >= {"the unit registers with LwM2M 1.0"}
    assert (of(record, "fail"), of(record, "error")) == ({}, {})


@pytest.mark.parametrize(("oddity", "sentence"), [
    ("Crashes", "the unit's process ended by itself with exit code 3 after it said 'lamp: assertion failed'"),
    ("Complains", "the unit's log says 'Traceback (most recent call last): lamp', which is a fault (Traceback)"),
    ("Silent", "expected a registration at the DM server within 120 s, saw nothing of the kind: nobody registered, and "
               "nobody asked for a bootstrap, where 'example' was to"),
    ("AnotherName", "expected a registration at the DM server within 120 s, saw nothing of the kind: 'somebody-else' "
                    "registered, and 'somebody-else' asked for a bootstrap, where 'example' was to")])
def test_what_a_client_does_not_do_is_one_sentence(tmp_path: Path, oddity: str, sentence: str) -> None:
    record = run(tmp_path, str(FAULTY), oddity, expression="partial_write")
    (message,) = of(record, "fail").values()
    assert sentence in message
    assert record["exit"] == 1


def test_a_process_that_leaves_its_session_is_ended_all_the_same(tmp_path: Path) -> None:
    record = run(tmp_path, str(FAULTY), "Forks", expression="partial_write")
    assert len(of(record, "pass")) == 1
    left = subprocess.run(["pgrep", "-f", "sleep 86399.5"], capture_output=True, text=True)
    assert left.stdout == "", "nothing of it is left"


def test_a_unit_that_somebody_else_starts_is_waited_for_and_left_alone(tmp_path: Path) -> None:
    """In real time, at a port that the station file fixes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    station = tmp_path / "station.toml"
    profile = json.dumps(str(EXAMPLES / "lwm2m_device.toml"))
    station.write_text(f"""name = "a device elsewhere"
simulated = true
[unit]
driver = "external"
endpoint = "example"
profile = {profile}
[backend]
bootstrap_port = {port}
""" + "".join(f"{name}_port = 0\n" for name in ("dm", "mdm", "files", "bootstrap_secure", "dm_secure", "mdm_secure")))
    device = subprocess.Popen([sys.executable, str(EXAMPLES / "lwm2m_device.py"), "--endpoint", "example",
                               "--bootstrap", f"coap://127.0.0.1:{port}"], stdout=subprocess.DEVNULL)
    try:
        record = conducted(station, tmp_path / "run", "partial_write or plain_text")
        assert device.poll() is None, "it is not the bench's to end"
    finally:
        device.kill()
        device.wait()
    assert (len(of(record, "pass")), of(record, "fail"), of(record, "error")) == (4, {}, {})


@pytest.mark.parametrize(("command", "seen"), [
    (["-c", "import time; time.sleep(0.2); print('no such option'); raise SystemExit(2)"], "that it ended"),
    (["/nowhere/device.py"], "that it ended")])
def test_a_process_that_does_not_come_up_is_the_benches_to_tell(tmp_path: Path, command: list[str], seen: str) -> None:
    """Nobody knows yet whether it is a unit at all."""
    record = run(tmp_path, *command, expression="partial_write")
    (message,) = of(record, "error").values()
    assert f"expected to connect to its tick socket, saw {seen}" in message
    assert (record["verdict"], record["exit"]) == ("error", 2)


def test_what_a_unit_says_at_its_serial_port_is_on_the_timeline() -> None:
    """A pty stands for the cable: octets in pieces, a line that never ends, and a cable that is pulled."""
    end, device = pty.openpty()
    with WallClock() as clock:
        timeline = Timeline(clock.time, clock.nudge)
        log = SerialLog(os.ttyname(device), 115200, timeline)
        try:
            for piece in (b"boot\r\nassert", b"ion failed: \xff\n", b"x" * 2500):
                os.write(end, piece)
            clock.wait_for(lambda: len(timeline.select("unit", "log")) >= 4 or None, 20.0)
            log.raise_if_gone()
            os.close(end)
            with pytest.raises(BenchError, match="unit's log at"):
                clock.wait_for(log.raise_if_gone, 20.0)
        finally:
            log.close()
            os.close(device)
    said = [seen.data["text"] for seen in timeline.select("unit", "log")]
    assert said[:2] == ["boot", "assertion failed: \ufffd"]
    assert [len(text) for text in said[2:]] == [2000, 500]
