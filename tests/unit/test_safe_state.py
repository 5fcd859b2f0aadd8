"""However a run ends, the supply is off and the button let go. In real time, against a lab in this process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from real_lab import PATIENCE_S, RealLab, command, free_ports, real_lab
from suite_run import ONE_OF_EACH, run_suite

from bench.commands.safe_state import SafeState, make_safe
from fixtures.bench import Bench


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RealLab]:
    with real_lab(tmp_path) as lab:
        yield lab


def interrupt(lab: RealLab, when: Callable[[], object], *signals: signal.Signals) -> dict[str, Any]:
    """Start a run, send it ``signals`` once ``when`` is true, and give its record."""
    run_dir = lab.folder / "run"
    bench = subprocess.Popen(command("run", "acceptance", "--station", lab.station(), "--run-dir", run_dir,
                                     "-k", "holding_for_5_s_activates"),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=lab.folder)
    try:
        lab.clock.wait_for(lambda: when() or bench.poll() is not None, PATIENCE_S)
        assert bench.poll() is None, bench.communicate()[0]
        for number in signals:
            bench.send_signal(number)
        output, _ = bench.communicate(timeout=PATIENCE_S)
    finally:
        bench.kill()
    assert bench.returncode == 2, output
    assert "Traceback" not in output
    record: dict[str, Any] = json.loads((run_dir / "record.json").read_text("utf-8"))
    return record


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_switches_the_supply_off_and_is_in_the_record(lab: RealLab, number: signal.Signals) -> None:
    record = interrupt(lab, lambda: lab.lab.unit.supply.value > 0, number)
    assert lab.is_safe
    assert record["verdict"] == "error"
    assert record["message"] == f"the run was ended by {number.name}"
    assert record["tests"][-1]["message"] == "the run ended before this test did"
    assert record["tests"][-1]["requirements"]


def test_a_signal_while_the_button_is_held_lets_it_go(lab: RealLab) -> None:
    interrupt(lab, lambda: lab.lab.unit.front.button.value, signal.SIGTERM)
    assert lab.is_safe


def test_a_signal_in_the_doctor_switches_the_supply_off(lab: RealLab) -> None:
    doctor = subprocess.Popen(command("doctor", "--station", lab.station()), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, cwd=lab.folder)
    try:
        # At that very moment: the doctor has the supply on for a short while only.
        lab.clock.call(lambda: lab.lab.unit.supply.follow(
            lambda volts: doctor.send_signal(signal.SIGTERM) if volts else None))
        output, _ = doctor.communicate(timeout=PATIENCE_S)
    finally:
        doctor.kill()
    assert doctor.returncode == 2, output
    assert "ended by SIGTERM" in output
    assert lab.is_safe


def test_an_impatient_second_signal_changes_nothing(lab: RealLab) -> None:
    interrupt(lab, lambda: lab.lab.unit.supply.value > 0, signal.SIGINT, signal.SIGTERM, signal.SIGINT)
    assert lab.is_safe


ENDINGS = f"""
def supplied_and_held(bench, unit):
    unit.power_up()
    bench.station.panel.hold()
    bench.clock.sleep(0.2)

{ONE_OF_EACH}
def test_crashes(bench, unit):
    supplied_and_held(bench, unit)
    raise RuntimeError("crash")

{ONE_OF_EACH}
@pytest.mark.timeout(3)
def test_hangs(bench, unit):
    supplied_and_held(bench, unit)
    bench.clock.sleep(600)

{ONE_OF_EACH}
@pytest.mark.timeout(3)
def test_hangs_outside_the_clock(bench, unit):
    supplied_and_held(bench, unit)
    time.sleep(600)

{ONE_OF_EACH}
def test_leaves_pytest(bench, unit):
    supplied_and_held(bench, unit)
    pytest.exit("enough")

{ONE_OF_EACH}
def test_exits(bench, unit):
    supplied_and_held(bench, unit)
    raise SystemExit(0)
"""


@pytest.mark.parametrize(("test", "verdict"), [
    ("test_crashes", "error"), ("test_hangs", "error"), ("test_hangs_outside_the_clock", "error"),
    ("test_leaves_pytest", None), ("test_exits", "error")])
def test_a_test_that_ends_badly_leaves_the_supply_off_and_the_button_free(
        lab: RealLab, test: str, verdict: str | None) -> None:
    was_on: list[float] = []
    lab.clock.call(lambda: lab.lab.unit.supply.follow(was_on.append))
    run = run_suite(lab.folder, ENDINGS, "--station", str(lab.station()), str(lab.folder / "suite" / "test_small.py")
                    + f"::{test}")
    assert was_on and was_on[0] > 3, run.output
    assert lab.is_safe
    if verdict is None:
        assert run.fault == "the run was enough"
    else:
        assert run.verdicts() == {test: verdict}


def switch_on(lab: RealLab) -> None:
    """As a run that is killed leaves it."""
    def on() -> None:
        for message in ("VOLT 3.6,(@1)", "OUTP ON,(@1)"):
            lab.lab.power.supply.execute(message)

    lab.clock.call(on)
    assert not lab.is_safe


def test_who_comes_after_a_killed_run_says_what_it_found(lab: RealLab) -> None:
    switch_on(lab)
    assert make_safe(lab.file) == SafeState("on, switched off", "released")
    assert lab.is_safe
    assert make_safe(lab.file) == SafeState("off", "released")


def test_a_supply_that_does_not_answer_is_cut_off_by_the_relay(lab: RealLab) -> None:
    switch_on(lab)
    address = f"TCPIP0::127.0.0.1::{free_ports(socket.SOCK_STREAM, 1)[0]}::SOCKET"
    state = make_safe(lab.file.model_copy(update={"supply": lab.file.supply.model_copy(update={"address": address})}))
    assert (state.supply, state.button) == ("cut by the edge box's relay", "released")
    assert [problem for problem in state.problems if problem.startswith(f"supply at {address}: ")]
    assert lab.is_safe


def test_a_dead_panel_keeps_no_supply_on(lab: RealLab) -> None:
    switch_on(lab)
    panel = lab.file.panel.model_copy(update={"port": "/dev/does-not-exist"})
    state = make_safe(lab.file.model_copy(update={"panel": panel}))
    assert (state.supply, state.button) == ("on, switched off", "unknown")
    assert len(state.problems) == 1
    assert lab.is_safe


def test_a_light_that_ends_with_the_supply_is_still_seen() -> None:
    for seed in range(8):
        bench = Bench.on_twin(seed)
        bench.station.supply.set_voltage(3.6)
        bench.station.supply.output_on()
        bench.clock.sleep(1.0)
        bench.station.panel.hold()
        bench.clock.wait_for(lambda lab=bench: lab.timeline.select("panel", "led", on=True), 60.0)
        assert bench.close() == []
        assert bench.timeline.select("panel", "led")[-1].data["on"] is False
