"""A faulty instrument ends as a fault of the bench, never of the unit: found by the doctor, and by the tests alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.commands.doctor import quick_look
from bench.errors import BenchError
from bench.twin.instrument_faults import FAULTS
from fixtures.bench import Bench

START_UP = "test_start_up_shows_both"
PRESS = "test_a_held_button_shows"

IN_A_TEST = {
    "ammeter-fifo-overrun": ("test_a_joined_unit_sleeps_at_6_ua", "expected a log without gaps"),
    "panel-clock-drifts": (START_UP, "expected a clock within 50 ppm"),
    "led-sensor-stuck": (START_UP, "expected to see that its test lamp is on"),
    "contact-bent": (PRESS, "saw a contact that did not close"),
    "contact-loose": (PRESS, "saw a contact that opened for 0.300 s in between"),
}
"""What meets the fault when nobody has looked at the instruments before, and what is said of it."""

BY_THE_DOCTOR = {
    "supply-dead": ("supply", "saw none within 5 s"),
    "supply-late-answer": ("supply", "saw none within 5 s"),
    "supply-other-instrument": ("supply", "Siglent"),
    "ammeter-wrong-range": ("supply, zero", "saw a fixed range"),
    "ammeter-garbage-block": ("supply, zero", "expected a definite-length block"),
    "ammeter-offset": ("supply, zero", "expected 0 within 0.1"),
    "ammeter-calibration-overdue": ("supply, calibration", "expected to be due after 2026-03-02, saw due 2024-03-02"),
    "panel-dead": ("panel", "saw no answer"),
    "panel-late": ("panel", "saw no answer"),
    "panel-loses-edges": ("panel, light sensors", "1 events lost"),
    "led-sensor-stuck": ("panel, light sensors", "saw green dark and red dark"),
    "led-sensors-swapped": ("panel, light sensors", "saw green dark and red lit"),
    "reader-unplugged": ("NFC reader", "no such file or directory"),
    "reader-mute": ("NFC reader", "no answer"),
    "reader-garbles": ("NFC reader", "no answer"),
}
"""The check that finds the fault, and what is said of it."""


@pytest.fixture(scope="module")
def runs() -> dict[str, Any]:
    """A run without the doctor for each fault; its record."""
    orders = [f"{fault}={expression}" for fault, (expression, _) in IN_A_TEST.items()]
    done = subprocess.run([sys.executable, str(Path(__file__).with_name("fault_runs.py")), *orders],
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    records: dict[str, Any] = json.loads(done.stdout)
    return {order.partition("=")[0]: record for order, record in records.items()}


@pytest.mark.parametrize("fault", IN_A_TEST)
def test_the_tests_alone_blame_the_bench(runs: dict[str, Any], fault: str) -> None:
    record = runs[fault]
    assert record["verdict"] == "error"
    assert [verdict for verdict, _ in record["tests"].values()] == ["error"] * len(record["tests"])
    assert record["tests"]
    assert all(IN_A_TEST[fault][1] in message for _, message in record["tests"].values())


@pytest.mark.parametrize("fault", BY_THE_DOCTOR)
def test_the_doctor_finds_it_and_says_what_to_do(fault: str) -> None:
    name, text = BY_THE_DOCTOR[fault]
    (sick,) = [finding for finding in quick_look(None, faults=[fault]) if not finding.well]
    assert sick.name == name
    assert text in sick.seen
    assert sick.do


def test_the_doctor_finds_nothing_in_a_healthy_lab() -> None:
    findings = quick_look(None)
    assert [finding.name for finding in findings if not finding.well] == []
    assert [finding.name for finding in findings] == [
        "supply", "supply, zero", "supply, calibration", "panel", "panel, light sensors", "NFC reader", "cell", "keys",
        "limits", "safe state"]


def test_every_fault_is_met_by_the_doctor_or_by_a_test() -> None:
    later = {"supply-self-test"}     # the whole doctor's, below
    assert IN_A_TEST.keys() | BY_THE_DOCTOR.keys() | later >= FAULTS.keys()


def test_waiting_ends_as_soon_as_the_panel_is_gone_and_blames_the_bench() -> None:
    bench = Bench.on_twin(1)
    try:
        assert bench.station.panel.identity
        begun = bench.clock.time()
        bench.clock.call(lambda: bench.clock.loop.call_later(10.0, bench._lab.panel.close))
        with pytest.raises(BenchError, match=r"^edge box at .*: expected an open port, saw "):
            bench.expect(lambda: None, 1200.0, "a light")
        assert 10.0 <= bench.clock.time() - begun < 11.0
    finally:
        bench.close()


def test_a_run_with_a_sick_instrument_tests_nothing_and_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["run", "acceptance", "--fault", "ammeter-offset", "--run-dir", str(tmp_path / "run")])
    assert result.exit_code == 2
    record = json.loads((tmp_path / "run" / "record.json").read_text("utf-8"))
    assert (record["verdict"], record["tests"]) == ("error", [])
    assert "zero of the ammeter: expected 0 within" in result.output.replace("\n", " ")
