"""A faulty instrument ends as a fault of the bench, never of the unit: found by the doctor, and by the tests alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_lab import mcm_bench_run

from bench.commands.doctor import quick_look
from bench.commands.prove.faults import judge_fault, judge_faults, wrong_figures
from bench.errors import BenchError
from bench.measure import Verdict
from bench.twin.faults import FAULTS
from fixtures.bench import Bench

START_UP = "test_start_up_shows_both"
PRESS = "test_a_held_button_shows"
POWER_8 = "test_the_largest_power and 8"

IN_A_TEST = {
    "ammeter-fifo-overrun": ("test_a_joined_unit_sleeps_at_6_ua", "expected a log without gaps"),
    "ammeter-negated": ("sleeps_at_6_ua or peak_of_an_activation or current_falls or mean_current or draws_no_more",
                        "expected a current into the unit"),
    "panel-clock-drifts": (START_UP, "expected a clock within 50 ppm"),
    "led-sensor-stuck": (START_UP, "expected to see that its test lamp is on"),
    "contact-bent": (PRESS, "saw a contact that did not close"),
    "contact-loose": (PRESS, "saw a contact that opened for 0.300 s in between"),
    "tester-without-option": (POWER_8, "expected the options KM300 and KS300, saw none called KM300"),
    "tester-calibration-overdue": (POWER_8, "calibration of the cell: expected to be due after"),
    "tester-way-loses-6-db-more": (POWER_8, "-91 dBm in the unit's own words"),
    "tester-way-loses-6-db-less": (POWER_8, "-79 dBm in the unit's own words"),
    "tester-overdriven": (POWER_8, "saw reliability 3 (overdriven)"),
    "tester-does-not-synchronise": (POWER_8, "saw reliability 8 (synchronisation error)"),
    "tester-never-triggers": (POWER_8, "saw reliability 6 (trigger time-out)"),
    "tester-without-values": (POWER_8, "expected a number in each field of FETC:NIOT:MEAS:MEV:MOD:AVER?, saw NAV"),
}
"""What meets the fault when nobody has looked at the instruments before, and what is said of it."""

BY_THE_DOCTOR = {
    "supply-dead": ("supply", "saw none within 5 s"),
    "supply-late-answer": ("supply", "saw none within 5 s"),
    "supply-other-instrument": ("supply", "Siglent"),
    "supply-output-stuck-on": ("supply", "expected no voltage with its output off, saw 3.600 V"),
    "supply-output-stuck-off": ("supply, reference load", "expected 3.6 V within 0.1 V, saw 0.00"),
    "supply-protection-tripped": ("supply", "saw over-temperature"),
    "supply-sags-200-mv": ("supply, reference load", "expected 3.6 V within 0.1 V, saw 3.4"),
    "supply-sags-800-mv": ("supply, reference load", "expected 3.6 V within 0.1 V, saw 2.9"),
    "supply-lead-with-resistance": ("supply, reference load", "reference load of 8.2 ohm: expected"),
    "supply-clips": ("supply, reference load", "reference load of 8.2 ohm: expected"),
    "supply-gives-more-than-it-says": ("supply, reference load", "reference load of 560000 ohm: expected"),
    "supply-gives-less-than-it-says": ("supply, reference load", "reference load of 560000 ohm: expected"),
    "supply-voltmeter-off": ("supply, reference load", "reference load of 8.2 ohm: expected"),
    "supply-voltmeter-off-by-much": ("supply", "expected no voltage with its output off"),
    "ammeter-wrong-range": ("supply, zero", "saw a fixed range"),
    "ammeter-garbage-block": ("supply, zero", "expected a block of a possible length"),
    "ammeter-offset": ("supply, zero", "expected 0 within 0.1"),
    "ammeter-calibration-overdue": ("supply, calibration", "calibration of the supply: expected to be due after"),
    "ammeter-negated": ("supply, reference load", "expected 6.43 uA within 0.1"),
    "ammeter-3-percent-high": ("supply, reference load", "reference load of 560000 ohm: expected 6.43 uA"),
    "ammeter-3-percent-low": ("supply, reference load", "reference load of 560000 ohm: expected 6.43 uA"),
    "ammeter-12-percent-high": ("supply, reference load", "reference load of 560000 ohm: expected 6.43 uA"),
    "ammeter-12-percent-low": ("supply, reference load", "reference load of 560000 ohm: expected 6.43 uA"),
    "ammeter-low-range-12-percent-low": ("supply, reference load", "reference load of 560000 ohm: expected 6.43 uA"),
    "ammeter-high-range-12-percent-low": ("supply, reference load", "reference load of 8.2 ohm: expected"),
    "ammeter-high-range-5-percent-high": ("supply, reference load", "reference load of 8.2 ohm: expected"),
    "ammeter-noisy": ("supply, zero", "expected 0 within 0.1"),
    "ammeter-very-noisy": ("supply, zero", "expected to be known within 1 uA"),
    "ammeter-saturates": ("supply, reference load", "saw 2e+05 uA"),
    "ammeter-frozen": ("supply, reference load", "saw 0.0"),
    "ammeter-spikes": ("supply, zero", "expected no sample beyond 2e+04 uA"),
    "ammeter-channel-swapped": ("supply, reference load", "saw 0 uA"),
    "ammeter-doubles-records": ("supply, zero", "expected one record for each period of its log"),
    "panel-dead": ("panel", "saw no answer"),
    "panel-late": ("panel", "saw no answer in time, the fastest of 5 after 2.0 s"),
    "panel-loses-edges": ("panel, light sensors", "1 events lost"),
    "panel-says-edges-twice": ("panel", "events lost"),
    "led-sensor-stuck": ("panel, light sensors", "saw green dark and red dark"),
    "led-sensor-stuck-lit": ("panel, light sensors", "expected darkness, saw light"),
    "led-sensors-swapped": ("panel, light sensors", "saw green dark and red lit"),
    "led-sensors-30-ms-late": ("panel, light sensors", "within 2 ms that its test lamp went on, saw 30 ms"),
    "led-sensor-red-30-ms-late": ("panel, light sensors", "red light sensor"),
    "led-sensors-slow-to-darken": ("panel, light sensors", "within 2 ms that its test lamp went off, saw 30 ms"),
    "led-sensor-inverted": ("panel, light sensors", "expected darkness, saw light"),
    "led-light-leaks": ("panel, light sensors", "saw green lit and red lit"),
    "led-light-leaks-to-green": ("panel, light sensors", "saw green lit and red lit"),
    "led-sensor-dim": ("panel, light sensors", "red light sensor"),
    "contact-bent": ("panel, button", "saw a contact that did not close"),
    "contact-loose": ("panel, button", "saw a contact that opened for 0.300 s in between"),
    "button-sticky": ("panel, button", "saw a contact that did not open"),
    "button-slow": ("panel, button", "saw a contact that did not open"),
    "button-pressed-late": ("panel, button", "saw a contact closed for 1.200 s"),
    "relay-welded": ("supply, reference load", "reference load of 560000 ohm: expected"),
    "relay-slow": ("supply, reference load", "reference load of 560000 ohm: expected"),
    "reader-unplugged": ("NFC reader", "expected an answering PN532, saw"),
    "reader-mute": ("NFC reader", "no answer"),
    "reader-garbles": ("NFC reader", "no answer"),
    "reader-talks-nonsense": ("NFC reader", "no answer"),
    "cell-other-instrument": ("cell", "expected a Rohde & Schwarz CMW500"),
    "cell-clock-a-minute-fast": ("cell, clock", "clock of the cell: expected the host's"),
    "cell-clock-a-day-slow": ("cell, clock", "clock of the cell: expected the host's"),
    "cell-clock-in-local-time": ("cell, clock", "clock of the cell: expected the host's"),
    "cell-in-another-time-zone": ("cell, clock", "saw -300 min"),
    "cell-never-comes-on": ("cell, dark unit", "expected cell state ON,ADJ within 60 s"),
    "cell-shows-another-unit": ("cell, dark unit", "expected nobody attached while the unit is dark, saw idle"),
    "servers-unreachable": ("cell, way to the servers", "to be answered, saw 0"),
    "path-loses-a-tenth": ("cell, way to the servers", "to be answered, saw 9"),
    "path-loses-half": ("cell, way to the servers", "to be answered, saw 5"),
    "optical-silent": ("meter, optical", "saw silence for 5 s"),
    "optical-noise": ("meter, optical", "characters that are none"),
    "optical-drops-a-bit": ("meter, optical", "expected the block check character"),
    "optical-cuts-off": ("meter, optical", "saw one without end"),
    "optical-on-another-meter": ("meter, both ports", "as at the optical head"),
    "optical-on-another-model": ("meter, optical", "saw a T330"),
    "mbus-silent": ("meter, M-Bus", "saw silence"),
    "mbus-drops-a-bit": ("meter, M-Bus", "saw a broken answer"),
    "mbus-at-another-speed": ("meter, M-Bus", "saw silence"),
    "mbus-refuses": ("meter, M-Bus", "application error 9"),
    "mbus-on-another-meter": ("meter, both ports", "expected number"),
    "mbus-shows-old-values": ("meter, both ports", "as at the optical head"),
    "simulator-dead": ("meter simulator", "saw none within 5 s"),
    "simulator-stuck": ("meter simulator", "as it was told"),
    "simulator-in-front-of-another-unit": ("meter simulator", "as it was told"),
    "simulator-shows-something-else": ("meter simulator", "as it was told"),
}
"""The check that finds the fault first, and what is said of it."""

SLOW_TO_TELL = {"cell-dead", "cell-late-answer", "cell-without-data-unit"}
"""Found by the doctor, after the 10 s of real time that a cell has for an answer."""

IN_THE_RUN = {
    "ammeter-fifo-overrun", "ammeter-time-base-fast", "ammeter-time-base-slow", "ammeter-zero-drifts",
    "ammeter-gain-drifts", "panel-clock-drifts", "panel-dies-in-the-run", "panel-restarts", "panel-garbles",
    "button-actuator-jams", "cell-clock-drifts", "cell-off-does-nothing", "cell-says-attached-20-s-late",
    "cell-never-says-attached", "host-clock-steps-forward", "host-clock-steps-back", "reader-without-a-tag",
    "reader-sees-another-tag", "reader-loses-tag-at-times", "path-loss-20-db-more", "path-loss-40-db-more",
    "path-loss-20-db-less", "reader-too-weak-to-write", "reader-drops-writes"}
"""What shows in a test, or at the end of the run."""

TOLERATED = {
    "supply-self-test", "supply-answers-end-with-crlf", "supply-answers-end-with-blanks", "ammeter-coarse",
    "cell-answers-end-with-crlf", "cell-answers-end-with-blanks", "optical-silent-at-first", "optical-echo",
    "optical-noise-before-data", "optical-drops-a-bit-at-times", "mbus-echo", "mbus-noise-before-data",
    "mbus-checksum-wrong-at-times", "reader-left-at-another-speed", "reader-field-weak", "reader-flips-a-bit"}
"""With these all figures are right."""


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
    sick = next(finding for finding in quick_look(None, faults=[fault]) if not finding.well)
    assert sick.name == name
    assert text in sick.seen
    assert sick.do


def test_the_doctor_finds_nothing_in_a_healthy_lab() -> None:
    findings = quick_look(None)
    assert [finding.name for finding in findings if not finding.well] == []
    assert [finding.name for finding in findings] == [
        "supply", "panel", "supply, zero", "supply, reference load", "supply, calibration", "panel, light sensors",
        "panel, button", "panel, watchdogs", "NFC reader", "cell", "cell, clock", "cell, dark unit",
        "cell, way to the servers", "cell, tester", "meter, optical", "meter, M-Bus", "meter, both ports",
        "meter simulator", "keys", "limits", "safe state"]


def test_every_fault_is_met_by_the_doctor_or_in_the_run_or_tolerated() -> None:
    of_tester = {name for name, fault in FAULTS.items() if fault.suites}
    assert BY_THE_DOCTOR.keys() | SLOW_TO_TELL | IN_THE_RUN | TOLERATED | of_tester == FAULTS.keys()
    assert of_tester <= IN_A_TEST.keys()
    assert IN_A_TEST.keys() <= FAULTS.keys()


@pytest.mark.parametrize(("fault", "tolerated", "text"), [
    ("ammeter-gain-drifts", False, "reference load of 560000 ohm"), ("optical-echo", True, "")])
def test_what_becomes_of_a_fault_is_judged(fault: str, tolerated: bool, text: str) -> None:
    outcome = judge_fault(fault)
    assert (outcome.name, outcome.tolerated, outcome.is_right) == (fault, tolerated, True)
    assert (outcome.verdict is Verdict.PASS) == tolerated
    assert text in outcome.sentence


def test_what_keeps_a_process_from_judging_is_told_and_not_called_its_death() -> None:
    with pytest.raises(BenchError, match="no-such-fault"):
        list(judge_faults(["no-such-fault"], seed=1, jobs=1))


def test_a_figure_that_is_wrong_is_no_tolerated_fault() -> None:
    healthy = [{"name": "power.sleep.current", "value": 5.2, "unit": "uA", "guard": 0.1},
               {"name": "activation.register", "value": 2.0, "unit": "s", "guard": 0.0}]
    shown = [dict(healthy[0], value=5.45), dict(healthy[1], value=9.0)]
    (wrong,) = wrong_figures({"measurements": shown}, {"measurements": healthy})
    assert wrong.startswith("power.sleep.current is 5.45 uA and 5.2 uA with good instruments")
    assert wrong_figures({"measurements": [dict(shown[0], value=5.35)]}, {"measurements": healthy[:1]}) == []
    assert wrong_figures({"measurements": []}, {"measurements": healthy}) == ["other measurements were taken"]


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
    outcome = mcm_bench_run(tmp_path / "run", "--fault", "ammeter-offset")
    assert outcome.code == 2
    assert (outcome.record["verdict"], outcome.record["tests"]) == ("error", [])
    assert outcome.says("zero of the ammeter: expected 0 within")
