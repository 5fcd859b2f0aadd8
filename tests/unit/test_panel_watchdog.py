"""A bench that is killed leaves its unit dark, by the relay of the edge box. In real time, over the station's wires."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from real_lab import PATIENCE_S, real_lab

BENCH = """
import sys, time
from pathlib import Path
from bench.clock import WallClock
from bench.station import Station
from bench.station_file import StationFile
from bench.timeline import Timeline
with WallClock() as clock:
    station = Station(StationFile.load(Path(sys.argv[1])), clock, Timeline(clock.time, clock.nudge))
    station.panel.arm_watchdog(2)
    station.supply.set_voltage(3.6)
    station.supply.output_on()
    station.panel.hold()
    clock.sleep(3)
    station.panel.check()
    print("lives", flush=True)
    time.sleep(600)
"""


def test_kill_9_of_a_bench_leaves_its_unit_dark_while_its_supply_stays_on(tmp_path: Path) -> None:
    with real_lab(tmp_path) as lab:
        bench = subprocess.Popen([sys.executable, "-c", BENCH, str(lab.station())], stdout=subprocess.PIPE, text=True,
                                 cwd=Path(__file__).parents[2])
        try:
            assert bench.stdout is not None
            assert bench.stdout.readline() == "lives\n"
            assert lab.lab.unit.supply.value == 3.6
            assert lab.lab.unit.front.button.value
        finally:
            bench.kill()
            bench.communicate()
        lab.clock.wait_for(lambda: lab.is_safe, PATIENCE_S)
        assert lab.lab.power.supply.execute("OUTP? (@1)") == b"1"
