"""Records of runs, as the bench writes them, and stores to put them into."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.manifest import Instrument, LeftOut, Manifest, Software
from bench.measure import Measurement, Verdict
from bench.record import Record, TestResult

START = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)

HOSTILE = ("<script>alert(1)</script>", "'; DROP TABLE run; --", "\x1b[2J\x00\x07\u202e", "\ud800 half a pair",
           "x" * 4096, "%s {0} [bold]", "å∑\u0301\U0001f600")


def record(number: int = 1, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    """What stands in ``record.json`` after the run of a small profile."""
    judged = Verdict.PASS if verdict == "incomplete" else Verdict(verdict)
    value = 5.1 if judged is Verdict.PASS else 9.75
    tests = [TestResult(id="suites/line/test_led.py::test_lamp", verdict=Verdict.PASS, requirements=("LED-04",),
                        device_time_s=1.5, wall_time_s=0.01, number=1,
                        measurements=(Measurement("led.hold.green", 5.02, "s", 4.5, 5.5, Verdict.PASS),)),
             TestResult(id="suites/line/test_power.py::test_sleep", verdict=judged, requirements=("PWR-02", "PWR-03"),
                        device_time_s=20.0, wall_time_s=0.02, number=2,
                        message="" if judged is Verdict.PASS else "sleeps with too much\ncurrent",
                        measurements=(Measurement("power.sleep.current", value, "uA", None, 6.6, judged, 0.1),))]
    left_out = [LeftOut("the look at the instruments", "--no-doctor")] if verdict == "incomplete" else []
    manifest = Manifest(
        software=Software("0.1.0", "c0ffee", False, "3.11.7"), operator="anna@place-1",
        ended=START + timedelta(minutes=number, seconds=100), inputs={"suites": "5" * 64, "limits": "1" * 64},
        chosen_by=("profile line",), collected=2, chosen=[test.id for test in tests], left_out=left_out,
        unit_firmware=["2.3.1"],
        instruments=[Instrument.told("supply", "Keysight,N6705C,MY1,E.02", "2026-01-01", "2027-01-01"),
                     Instrument("panel", "edge-box 1.2")])
    run = Record(profile="line", unit=f"94193A04{number:08X}", seed=1, simulated=False,
                 started=START + timedelta(minutes=number), station="place 1", wall_time_s=100.25, tests=tests,
                 manifest=manifest, run_id=f"run-{number}")
    return {**json.loads(json.dumps(run.to_json(Path("/none")))), "artifacts": [
        {"path": "evidence/life.json", "sha256": f"{number:064x}"}], **more}


def body(number: int = 1, verdict: str = "pass", run_id: str | None = None, run_dir: str = "/runs", **more: Any) -> (
        dict[str, Any]):
    """What goes into the spool."""
    return {"run_id": run_id or f"run-{number}", "run_dir": run_dir, "host": "place-1", "way": "run",
            "record": record(number, verdict, **more)}
