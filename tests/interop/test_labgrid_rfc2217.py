"""labgrid's fork of pyserial as a second RFC 2217 client of the twin's ports.

It replaces the module ``serial``, so it lives in a folder of its own and runs in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.clock import WallClock
from bench.payload.mbus import decode_long_frame, wired_telegram
from bench.payload.optical import parse_optical
from bench.twin.meter.mbus_port import MBusPort
from bench.twin.meter.optical_port import OpticalPort
from bench.twin.meter.uh50 import UH50
from bench.twin.wires.rfc2217 import Rfc2217Wire

PACKAGE = "pyserial-labgrid==3.5.0.2"
PATIENCE_S = 120

CLIENT = """
import json, sys
import serial
kind, url, folder = sys.argv[1:]
assert serial.__file__.startswith(folder), serial.__file__
if kind == "mbus":
    port = serial.serial_for_url(url, baudrate=2400, bytesize=8, parity="E", timeout=20)
    port.write(bytes.fromhex("1040FE3E16"))
    assert port.read(1) == b"\\xe5"
    port.write(bytes.fromhex("107BFE7916"))
    head = port.read(4)
    answer = head + port.read(head[1] + 2)
else:
    port = serial.serial_for_url(url, baudrate=300, bytesize=7, parity="E", timeout=20)
    port.write(bytes(40) + b"/#!\\r\\n")
    ident = port.read_until(b"\\n")
    port.baudrate = 2400
    answer = ident + port.read_until(b"!\\r\\n\\x03") + port.read(1)
print(json.dumps({"version": serial.__version__, "answer": answer.hex()}), flush=True)
sys.stdin.read()
port.close()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where labgrid's pyserial is."""
    folder = tmp_path_factory.mktemp("pyserial-labgrid")
    done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
                           "--target", str(folder), PACKAGE], check=False, capture_output=True, text=True,
                          timeout=PATIENCE_S)
    if done.returncode:
        pytest.skip(f"{PACKAGE} can't be installed: {done.stderr.strip().splitlines()[-1:]}")
    return folder


def ask(folder: Path, kind: str, url: str, look: Callable[[], object]) -> tuple[bytes, object]:
    """What labgrid's client got, and what the twin says of it while the port is still open."""
    client = subprocess.Popen([sys.executable, "-c", CLIENT, kind, url, str(folder)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(folder)})
    guard = threading.Timer(PATIENCE_S, client.kill)
    guard.start()
    try:
        assert client.stdout is not None
        said: dict[str, Any] = json.loads(client.stdout.readline() or "{}")
        assert said, "the client ended without an answer"
        seen = look()
    finally:
        client.communicate()
        guard.cancel()
    assert client.returncode == 0
    return bytes.fromhex(said["answer"]), seen


def test_labgrids_client_reads_the_meter_by_mbus(folder: Path) -> None:
    with WallClock() as clock:
        meter = clock.call(lambda: UH50(clock, seed=7))
        port = clock.call(lambda: MBusPort(meter, clock, wire=Rfc2217Wire, paced=False))
        line: Any = port._wire
        answer, seen = ask(folder, "mbus", port.path, lambda: (line.settings.baudrate, line.settings.bytesize,
                                                               line.settings.parity))
        clock.call(port.close)
    assert seen == (2400, 8, "E")
    readout = wired_telegram([decode_long_frame(answer)]).newest
    assert readout.meter_id == meter.fabrication_number
    assert readout.energy is not None


def test_labgrids_client_changes_its_speed_in_the_middle_of_an_optical_readout(folder: Path) -> None:
    with WallClock() as clock:
        meter = clock.call(lambda: UH50(clock, seed=7))
        port = clock.call(lambda: OpticalPort(meter, clock, wire=Rfc2217Wire))
        port.waits_for_speed_s = 20.0
        line: Any = port._wire
        answer, seen = ask(folder, "optical", port.path, lambda: (line.settings.baudrate, line.settings.bytesize,
                                                                  line.settings.parity))
        clock.call(port.close)
    assert seen == (2400, 7, "E")
    ident, _, block = answer.partition(b"\x02")
    assert ident == b"/LUGCUH50\r\n"
    assert parse_optical(ident + block[:-2]).fabrication_number == meter.fabrication_number
