"""sigrok-cli: its demo device seen through our driver, and our VCD file read by it (PulseView reads with the same
library)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.timeline import Observation
from drivers.panel.sigrok import Capture, Edge, SigrokAnalyser, read_vcd
from reports.vcd_view import write_vcd


@pytest.fixture(autouse=True)
def _needs_sigrok() -> None:
    if shutil.which("sigrok-cli") is None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail("no sigrok-cli, and CI must run these tests: apt-get install sigrok-cli")
        pytest.skip("no sigrok-cli: apt-get install sigrok-cli")


def test_the_demo_devices_pattern_comes_as_edges() -> None:
    """Its pattern is the word sigrok drawn in bits, one row each sample; here the first 13 samples at 10 kS/s."""
    capture = _capture(0.1)
    assert capture.duration_s == 0.1
    assert [edge for edge in capture.edges if edge.channel == "green"][:8] == [
        Edge(0.0, "green", True), Edge(0.0001, "green", False), Edge(0.0004, "green", True),
        Edge(0.0008, "green", False), Edge(0.0012, "green", True), Edge(0.0017, "green", False),
        Edge(0.002, "green", True), Edge(0.0024, "green", False)]
    assert {edge.channel for edge in capture.edges} == {"green", "red", "button"}


def _capture(duration_s: float, device: str = "demo") -> Capture:
    analyser = SigrokAnalyser(device)
    analyser.begin(duration_s)
    return analyser.end()


def test_two_captures_of_the_same_pattern_are_equal() -> None:
    assert _capture(0.05) == _capture(0.05)


@pytest.mark.parametrize(("device", "text"), [("nonexistent", "Driver nonexistent not found"),
                                              ("fx2lafw", "No devices found")])
def test_a_device_that_is_not_there_is_a_bench_error(device: str, text: str) -> None:
    with pytest.raises(BenchError, match=text):
        _capture(0.05, device)


def test_a_capture_that_was_not_begun_is_a_bench_error_and_closing_is_harmless() -> None:
    analyser = SigrokAnalyser("demo")
    with pytest.raises(BenchError, match="begin one"):
        analyser.end()
    analyser.begin(60.0)
    analyser.close()
    analyser.close()


@pytest.mark.parametrize("text", [
    "", "#-nan\n", "$timescale 1 fortnight $end $var wire 1 ! a $end $enddefinitions $end",
    "$timescale 1 us $end $enddefinitions $end",
    "$timescale 1 us $end $var wire 1 ! a $end $enddefinitions $end #5 7! b"])
def test_what_is_no_capture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_vcd(text)


SEEN = [
    Observation(0.0, "supply", "output", {"on": True, "voltage_v": 3.6}),
    Observation(0.5, "panel", "button", {"pressed": True}),
    Observation(5.5, "panel", "led", {"channel": "green", "on": True}),
    Observation(5.75, "panel", "led", {"channel": "green", "on": False}),
    Observation(6.3, "panel", "led", {"channel": "green", "on": True}),
    Observation(14.3, "panel", "led", {"channel": "green", "on": False}),
    Observation(15.0, "panel", "button", {"pressed": False}),
    Observation(16.0, "supply", "output", {"on": False, "voltage_v": 0.0}),
]


@pytest.mark.parametrize(("signal", "times"), [
    ("led_green", ["250.000 ms", "550.000 ms", "8.000 s"]), ("button", ["14.500 s"])])
def test_sigrok_cli_reads_our_vcd_and_times_its_pulses(tmp_path: Path, signal: str, times: list[str]) -> None:
    """Through its own decoder "timing", at a thousandth of the samples."""
    vcd = write_vcd(SEEN, tmp_path / "leds.vcd")
    done = subprocess.run(
        ["sigrok-cli", "-i", str(vcd), "-I", "vcd:downsample=1000", "-P", f"timing:data={signal}",
         "-A", "timing=time"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.partition(": ")[2].partition(" (")[0].strip() for line in done.stdout.splitlines()] == times


def test_sigrok_cli_names_our_signals(tmp_path: Path) -> None:
    vcd = write_vcd(SEEN, tmp_path / "leds.vcd")
    shown = subprocess.run(["sigrok-cli", "-i", str(vcd), "-I", "vcd:downsample=1000", "--show"], capture_output=True,
                           text=True, timeout=60, check=True).stdout
    for name in ("led_green", "led_red", "button", "supply_output"):
        assert f"- {name}: logic" in shown


def test_our_reader_and_sigrok_agree_on_our_vcd(tmp_path: Path) -> None:
    ours = read_vcd(write_vcd(SEEN, tmp_path / "leds.vcd").read_text())
    assert [(edge.time_s, edge.on) for edge in ours.edges if edge.channel == "led_green"] == [
        (5.5, True), (5.75, False), (6.3, True), (14.3, False)]
    assert ours.duration_s == 16.0
