"""The drivers of commit 535c861, taken from the history, are refused by the twins as by the instruments, each where
makers' guides contradict it; today's get through.

The drivers run in a process of their own, in real time, as on a station."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bench.clock import WallClock
from bench.twin.cmi6110.current import CurrentTrace
from bench.twin.scpi import ScpiServer
from bench.twin.signal import Signal
from bench.twin.supply.dmm6500 import Dmm6500
from bench.twin.supply.n6705 import N6705
from bench.twin.supply.ngu import Ngm202, Ngu201

PROJECT = Path(__file__).parents[2]
COMMIT = "535c861"

USE = """
import json, sys
from bench.clock import WallClock
from bench.timeline import Timeline
from drivers.supply.keithley_dmm6500 import KeithleyDmm6500
from drivers.supply.keysight_n6700 import KeysightN6700
from drivers.supply.rohde_schwarz_ngu import RohdeSchwarzNgu
drivers = {"n6705": KeysightN6700, "ngu201": RohdeSchwarzNgu, "ngm202": RohdeSchwarzNgu, "dmm6500": KeithleyDmm6500}
said = {}
with WallClock() as clock:
    for name, address in json.loads(sys.argv[1]).items():
        steps = {}
        said[name] = steps
        try:
            steps["open"] = "well"
            driver = drivers[name](address, clock=clock, timeline=Timeline(clock.time), timeout_s=20.0
                                   if sys.argv[2] == "patient" else 1.0)
            for step, act in {"log": lambda: driver.log(1.0, 0.02).gap_free, "day": driver.calibrated_on,
                              "check": driver.check}.items():
                steps[step] = "well"
                try:
                    act()
                except Exception as error:
                    steps[step] = f"{type(error).__name__}: {error}"
        except Exception as error:
            steps["open"] = f"{type(error).__name__}: {error}"
print(json.dumps(said))
"""


def used(drivers_in: Path, patience: str) -> dict[str, dict[str, str]]:
    """What came of using the drivers in ``drivers_in`` with today's twins."""
    with WallClock() as clock:
        servers = {}
        for kind in (N6705, Ngu201, Ngm202, Dmm6500):
            terminals, source = Signal(0.0), Signal(3.6)
            unit = CurrentTrace(clock, terminals)
            before = (clock, source) if kind is Dmm6500 else (clock,)
            twin = clock.call(lambda kind=kind, before=before, terminals=terminals, unit=unit: kind(
                *before, terminals, unit, random.Random(1)))
            servers[kind.__name__.lower()] = ScpiServer(twin)
        for server in servers.values():
            clock.run(server.start())
        addresses = {name: server.address for name, server in servers.items()}
        process = subprocess.run([sys.executable, "-P", "-c", USE, json.dumps(addresses), patience], check=True,
                                 capture_output=True, text=True, cwd=drivers_in, timeout=120,
                                 env={"PYTHONPATH": str(drivers_in)})
        for server in servers.values():
            clock.run(server.stop())
        return json.loads(process.stdout)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    archive = subprocess.run(["git", "archive", COMMIT, "drivers", "bench"], cwd=PROJECT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"the history has no {COMMIT} here: fetch it")
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return used(folder, "impatient")


def test_the_n678x_refuses_its_protection_so_that_it_did_not_open(old):
    assert "-113 Undefined header" in old["n6705"]["open"]


def test_the_ngu_has_no_format_and_no_such_name_of_a_rate_so_that_no_log_began(old):
    assert old["ngu201"]["open"] == "well"
    assert "-113 Undefined header;FORM:BORD; -224 Illegal parameter value;976" in old["ngu201"]["log"]


def test_the_ngm202_refuses_the_ranging_of_the_ngu(old):
    assert "-113 Undefined header;SENS:CURR:RANG:AUTO:DOWN:MIN" in old["ngm202"]["open"]


def test_the_dmm6500_answers_with_a_block_that_it_refused_and_has_no_day_of_calibration(old):
    assert old["dmm6500"]["open"] == "well"
    assert "expected a definite-length block" in old["dmm6500"]["log"]
    assert "saw b'#0'" in old["dmm6500"]["log"]
    assert "-113 Undefined header;CAL:PROT:ADJ:DATE?" in old["dmm6500"]["check"]


def test_todays_drivers_get_through():
    assert {step for steps in used(PROJECT, "patient").values() for step in steps.values()} == {"well"}
