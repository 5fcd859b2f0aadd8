"""A test of the suites with DTLS on all connections: tshark reads CoAP and LwM2M from the capture of the run alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.twin.lab import BOOTSTRAP_PSK, DM_PSK, MDM_PSK

PROJECT = Path(__file__).parents[2]
CONNECT = "16040401fd2039343139334130343031303030303031"
"""MQTT-SN CONNECT of the twin, clean session, 64800 s; tshark's DTLS has no decode-as for MQTT-SN."""


@pytest.fixture(scope="module")
def tshark() -> str:
    program = shutil.which("tshark")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("tshark is missing: apt-get install tshark")
        pytest.skip("tshark is missing (apt-get install tshark): THE CAPTURES OF RUNS IN DTLS ARE NOT CHECKED")
    return program


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run left its files."""
    run_dir = tmp_path_factory.mktemp("run") / "run"
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli", "run", "certification", "--run-dir", str(run_dir), "-k",
         "all_three_connections or moves_the_unit"], cwd=PROJECT, capture_output=True, text=True, timeout=300,
        check=False)
    assert done.returncode == 3, done.stdout + done.stderr    # incomplete: not all tests were chosen
    return run_dir / "evidence"


def columns(program: str, capture: Path, *options: str) -> list[list[str]]:
    done = subprocess.run([program, "-n", "-r", str(capture), "-T", "fields", *options], capture_output=True, text=True,
                          timeout=60, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_tshark_shows_the_registration_and_reads_inside_dtls(tshark: str, evidence: Path) -> None:
    capture, = evidence.glob("*all_three*.pcapng")
    rows = columns(tshark, capture, "-Y", "coap", "-e", "ip.src", "-e", "ip.dst", "-e", "coap.code",
                   "-e", "coap.opt.uri_path", "-e", "coap.opt.uri_query", "-e", "_ws.malformed")
    assert all(row[5] == "" for row in rows)
    registration = next(row for row in rows if row[3] == "rd")
    assert registration[:3] == ["10.64.0.1", "10.0.0.2", "2"]
    assert "ep=94193A0401000001" in registration[4]
    assert ["10.0.0.2", "10.64.0.1", "1", "3,0,2"] in [row[:4] for row in rows], "a read of the server"
    versions = columns(tshark, capture, "-Y", "dtls.handshake.type == 2", "-e", "ip.src", "-e",
                       "dtls.handshake.version", "-e", "dtls.handshake.ciphersuite")
    assert versions == [[f"10.0.0.{number}", "0xfefd", "0xc0a8"] for number in (1, 2, 3)]


def test_tshark_decrypts_the_meter_data(tshark: str, evidence: Path) -> None:
    capture, = evidence.glob("*all_three*.pcapng")
    rows = columns(tshark, capture, "-Y", "ip.dst == 10.0.0.3 && dtls.app_data", "-e", "data.data")
    assert rows[0] == [CONNECT]


def test_the_bootstrap_stays_encrypted_and_says_why(tshark: str, evidence: Path) -> None:
    for capture in evidence.glob("*.pcapng"):
        rows = columns(tshark, capture, "-Y", "ip.addr == 10.0.0.1 && udp.port == 5684", "-e", "coap.code", "-e",
                       "frame.comment")
        assert rows and all(row[0] == "" for row in rows)
        assert any("session keys are not kept" in row[1] for row in rows)


def test_no_file_of_the_run_holds_a_key_of_the_unit(evidence: Path) -> None:
    """Delivered ones, and those that the test brings by bootstrap."""
    keys = [BOOTSTRAP_PSK, DM_PSK, MDM_PSK, bytes.fromhex("6d7a0c5be1f2498385a6c7d8091a2b3c"),
            bytes.fromhex("f10e2d3c4b5a69788796a5b4c3d2e1f0")]
    looked_at = 0
    for file in evidence.parent.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            looked_at += 1
            for key in keys:
                assert key not in content, file.name
                assert key.hex().encode() not in content.lower(), file.name
    assert looked_at > 5
