"""The cell drivers of commit 535c861, taken from the history, before today's twins: refused as by the instruments.

They run in a process of their own, in real time, as on a station; the twins' unit is attached."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bench.clock import WallClock
from bench.twin.radio.amarisoft import Enb, Mme
from bench.twin.radio.cell import Cell
from bench.twin.radio.cmw500 import Cmw500
from bench.twin.radio.nas import PowerSaving
from bench.twin.scpi import ScpiServer
from bench.twin.wires.websocket import WebSocketServer

PROJECT = Path(__file__).parents[2]
COMMIT = "535c861"

USE = """
import json, sys
from bench.clock import WallClock
from bench.timeline import Timeline
from drivers.radio.amarisoft import AmarisoftCell
from drivers.radio.cmw500 import Cmw500Cell
at = json.loads(sys.argv[1])
said = {}
with WallClock() as clock:
    common = {"clock": clock, "timeline": Timeline(clock.time), "timeout_s": 2.0}
    cells = {"cmw500": Cmw500Cell(at["cmw500"], **common), "amarisoft": AmarisoftCell(at["enb"], at["mme"], **common)}
    steps = {"on": lambda cell: cell.on(), "grant": lambda cell: cell.grant(100, 100000),
             "detach": lambda cell: cell.detach(), "loss": lambda cell: cell.set_loss(20),
             "state": lambda cell: cell.state()}
    for name, cell in cells.items():
        said[name] = {}
        for step, act in steps.items():
            try:
                said[name][step] = f"well {act(cell) or ''}"
            except Exception as error:
                said[name][step] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """What came of each step, and the radio after it."""
    archive = subprocess.run(["git", "archive", COMMIT, "drivers", "bench"], cwd=PROJECT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"the history has no {COMMIT} here: fetch it")
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    with WallClock() as clock:
        radio = clock.call(lambda: Cell(clock))
        box = clock.call(lambda: Cell(clock))
        clock.call(lambda: radio.attach(20, "iot.bench", PowerSaving(120, 252000, 0x13)))
        enb, mme = Enb(clock, box), Mme(clock, box)
        for component in (enb, mme):
            component.tells_bands = True    # else it would not even open
        servers = {"cmw500": ScpiServer(Cmw500(clock, radio, switching_s=0.1)), "enb": WebSocketServer(enb),
                   "mme": WebSocketServer(mme)}
        for server in servers.values():
            clock.run(server.start())
        addresses = {name: server.address for name, server in servers.items()}
        process = subprocess.run([sys.executable, "-P", "-c", USE, json.dumps(addresses)], check=True,
                                 capture_output=True, text=True, cwd=folder, timeout=120,
                                 env={"PYTHONPATH": str(folder)})
        for server in servers.values():
            clock.run(server.stop())
        return json.loads(process.stdout), radio


def test_the_cmw500_got_no_data_application_and_no_periodic_update(old):
    said, radio = old
    assert said["cmw500"]["on"].startswith("well")
    assert not radio.user_plane
    assert radio.t3412_grant_s == 0


def test_the_cmw500_refuses_timers_between_the_steps_and_detach(old):
    said, _ = old
    assert "-222 Data out of range" in said["cmw500"]["grant"]
    assert "-224 Illegal parameter value;DET" in said["cmw500"]["detach"]


def test_the_callbox_holds_its_logs_and_refuses_the_drop_rate(old):
    said, _ = old
    for step in ("on", "state"):
        assert "expected an answer to log_get, saw nothing within 2 s" in said["amarisoft"][step]
    assert "Missing field: rb_id" in said["amarisoft"]["loss"]
