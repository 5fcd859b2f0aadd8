"""A synthetic run that looks like a real one: 25 tests on all wires, 21 measurements, evidence, any verdict."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.timeline import Timeline

ACT, LED, BTN, PAY, NET, SCH, PWR, OTC, SEC, DM = (
    "suites/" + name for name in ("test_activation.py", "test_led.py", "test_button.py", "test_payload.py",
                                  "test_network.py", "test_schedule.py", "test_power.py", "test_nfc.py",
                                  "test_security.py", "test_device_management.py"))

TESTS: list[tuple[str, str, str, list[str]]] = [
    # suite, name, what the timeline shows, requirements
    (ACT, "test_new_unit_is_passive_and_silent", "silent", ["ACT-01", "ACT-02"]),
    (ACT, "test_holding_the_button_joins_the_network", "join", ["ACT-03", "BTN-01", "LED-01"]),
    (ACT, "test_bootstrap_then_registration", "join", ["ACT-13", "ACT-14"]),
    (LED, "test_start_up_lights_both_leds_for_1_s", "start", ["LED-02"]),
    (LED, "test_joining_lights_green_for_8_s", "join", ["LED-04", "ACT-06"]),
    (LED, "test_leds_stay_dark_in_operation", "silent", ["LED-10"]),
    (LED, "test_green_blinks_until_joined", "blink", ["LED-03", "LED-07"]),
    (BTN, "test_short_press_does_nothing[1.0 s]", "press", ["BTN-02"]),
    (BTN, "test_short_press_does_nothing[4.5 s]", "press", ["BTN-02"]),
    (BTN, "test_10_s_press_reboots", "join", ["BTN-03", "BTN-05"]),
    (BTN, "test_17_s_press_switches_off", "press", ["BTN-04"]),
    (PAY, "test_mbus_telegram_equals_the_meter", "upload", ["PAY-MBUS-01", "PAY-MBUS-02", "PAY-MBUS-03"]),
    (PAY, "test_json_telegram_equals_the_meter", "upload", ["PAY-JSON-01", "PAY-JSON-02"]),
    (PAY, "test_senml_telegram_equals_the_meter", "upload", ["PAY-SENML-01", "PAY-SENML-02", "PAY-SENML-03"]),
    (NET, "test_psm_timers_are_requested", "join", ["NET-11", "NET-12"]),
    (NET, "test_unit_comes_back_after_an_outage", "outage", ["NET-21", "RETX-01"]),
    (SCH, "test_daily_upload_of_hourly_readouts_for_a_week", "week", ["SCH-09", "SCH-19", "SCH-20"]),
    (SCH, "test_transmission_is_inside_its_window", "day", ["SCH-10", "SCH-12"]),
    (PWR, "test_sleep_current", "sleep", ["PWR-04", "PWR-05"]),
    (PWR, "test_peak_current", "join", ["PWR-03"]),
    (OTC, "test_settings_are_written_over_nfc", "nfc", ["OTC-01", "OTC-02", "OTC-08"]),
    (OTC, "test_locked_unit_refuses_a_write_without_pak", "nfc", ["OTC-04", "SEC-08"]),
    (SEC, "test_nothing_leaves_in_the_clear", "upload", ["SEC-01", "SEC-04"]),
    (SEC, "test_band_setting_is_obeyed", "", ["NET-37", "NET-05", "NET-06"]),
    (DM, "test_server_reads_the_device_object", "join", ["DM-01", "LWM2M-3.0.0"]),
]

MEASUREMENTS: list[tuple[str, float, str, float | None, float | None, int]] = [
    # name, value, unit, low, high, position of the test
    ("led.start.both", 1.012, "s", 0.7, 1.3, 3),
    ("led.joined.green", 8.031, "s", 7.0, 9.0, 4),
    ("led.flash.length", 0.101, "s", 0.02, 0.5, 6),
    ("led.flash.period", 2.003, "s", 0.5, 5.0, 6),
    ("button.green_after", 5.02, "s", 4.8, 5.5, 1),
    ("button.reboot_after", 11.3, "s", None, 60.0, 9),
    ("button.off_after", 18.2, "s", None, 60.0, 10),
    ("network.join", 41.7, "s", None, 300.0, 1),
    ("network.t3324", 120.0, "s", 120.0, 120.0, 14),
    ("network.t3412", 252000.0, "s", 252000.0, 252000.0, 14),
    ("network.back_after_outage", 3541.0, "s", None, 86400.0, 15),
    ("network.rsrp", -101.5, "dBm", -120.0, None, 14),
    ("power.sleep.current", 4.31e-6, "A", None, 6.6e-6, 18),
    ("power.passive.current", 3.92e-6, "A", None, 6.6e-6, 18),
    ("power.peak.current", 0.2217, "A", None, 0.4, 19),
    ("power.charge_per_day", 1.24, "C", None, 2.6, 16),
    ("schedule.first_upload", 1893.0, "s", 1800.0, 16200.0, 16),
    ("schedule.readouts_per_day", 24.0, "1", 24.0, 24.0, 16),
    ("schedule.window.latest", 16021.0, "s", 1800.0, 16230.0, 17),
    ("security.clear_datagrams", 0.0, "1", None, 0.0, 22),
    ("payload.senml.bytes", 370.0, "bytes", None, 1024.0, 13),
]

TITLES = {
    "test_start_up_lights_both_leds_for_1_s": "After release the unit shows red and green for one second.",
    "test_daily_upload_of_hourly_readouts_for_a_week": "One upload a day carries 24 readouts, seven days in a row.",
}

FAULT = ("supply at TCPIP0::127.0.0.1::5025::SOCKET: expected an answer to *IDN?, saw no answer for 2 s; "
         "switch the instrument on and check the address.")


class Scene:
    """Writes what a unit does into a timeline, with its own small time line."""

    def __init__(self, rng: random.Random, *, faulty: bool = False) -> None:
        self.t = 0.0
        self.faulty = faulty
        self.rng = rng
        self.timeline = Timeline(now=lambda: self.t)

    def see(self, source: str, kind: str, **data: Any) -> None:
        self.timeline.append(source, kind, data)

    def wait(self, seconds: float) -> None:
        self.t = round(self.t + seconds, 6)

    def step(self, text: str) -> None:
        self.see("test", "step", text=text)

    def current(self, mean: float, peak: float, seconds: float) -> None:
        self.see("supply", "current", mean_a=mean, min_a=mean * 0.8, max_a=peak, duration_s=seconds, samples=100)

    def led(self, channel: str, seconds: float) -> None:
        self.see("panel", "led", channel=channel, on=True)
        self.wait(seconds)
        self.see("panel", "led", channel=channel, on=False)

    def both_leds(self, seconds: float) -> None:
        for on in (True, False):
            for channel in ("green", "red"):
                self.see("panel", "led", channel=channel, on=on)
            if on:
                self.wait(seconds)

    def press(self, seconds: float) -> None:
        self.see("panel", "button", pressed=True)
        self.wait(seconds)
        self.see("panel", "button", pressed=False)

    def exchange(self, source: str, text: str, size: int = 40) -> None:
        for direction in ("in", "out"):
            self.see(source, "datagram", direction=direction, peer="unit", hex=self.rng.randbytes(size).hex())
            if direction == "in":
                self.see(source, "message", direction=direction, text=text)
            self.wait(self.rng.uniform(0.2, 1.5))

    def power_up(self) -> None:
        self.see("cell", "state", state="on")
        self.see("supply", "output", on=True, voltage_v=3.6)
        self.current(3.9e-6, 5e-6, 2.0)
        self.wait(2.0)

    def upload(self, text: str = "PUBLISH readouts") -> None:
        self.see("cell", "state", state="connected")
        self.current(0.062, 0.2217, 12.0)
        self.exchange("mdm", "CONNECT")
        self.exchange("mdm", "REGISTER")
        self.exchange("mdm", text, 370)
        self.wait(8.0)
        self.see("cell", "state", state="psm")
        self.current(4.3e-6, 6e-6, 60.0)

    def join(self, both: float = 1.012, green: float = 8.031) -> None:
        self.step("hold the button until green lights")
        self.press(5.3)
        self.current(0.041, 0.21, 1.0)
        self.both_leds(both)
        self.step("wait for the network")
        for _ in range(14):
            self.wait(2.0 - 0.1)
            self.led("green", 0.1)
            self.current(0.03, 0.2217, 2.0)
        self.wait(1.2)
        self.see("cell", "state", state="attached")
        self.led("green", green)
        self.see("cell", "state", state="connected")
        self.exchange("bootstrap", "POST /bs")
        self.exchange("bootstrap", "PUT /1/0 2.04")
        self.exchange("dm", "POST /rd 2.01")
        self.wait(3.0)
        self.exchange("dm", "GET /3/0")
        self.step("wait for the first telegram")
        self.see("meter", "optical", text="1-1:6.8*01(0012345.678*MWh)")
        self.upload()


def play(kind: str, scene: Scene) -> None:
    """What the timeline shows in a test of this kind."""
    if kind == "":
        return
    scene.power_up()
    if kind == "silent":
        scene.step("watch the unit for 10 min")
        for _ in range(10):
            scene.current(3.9e-6, 5e-6, 60.0)
            scene.wait(60.0)
    elif kind == "join":
        scene.join()
    elif kind == "start":
        scene.step("hold the button until green lights")
        scene.press(5.02)
        scene.current(0.041, 0.21, 4.0)
        scene.both_leds(1.42 if scene.faulty else 1.012)
        scene.step("both LEDs are dark again")
        scene.wait(1.4)
        scene.led("green", 0.1)
    elif kind == "blink":
        scene.press(5.1)
        for _ in range(290):
            scene.led("green", 0.1)
            scene.wait(1.903)
    elif kind == "press":
        scene.press(scene.rng.choice((1.0, 4.5, 17.5)))
        scene.wait(300.0)
        scene.current(3.9e-6, 5e-6, 10.0)
    elif kind == "upload":
        scene.join()
        scene.wait(1800.0)
        scene.see("meter", "optical", text="registers")
        scene.wait(1.0)
        scene.see("meter", "mbus", text="registers")
        scene.upload("PUBLISH 1 readout")
    elif kind == "outage":
        scene.join()
        scene.see("cell", "state", state="off")
        scene.wait(5 * 86400.0)
        scene.see("cell", "state", state="on")
        scene.wait(3541.0)
        for _ in range(24):
            scene.upload("PUBLISH 4 readouts")
            scene.wait(3600.0)
    elif kind in ("week", "day"):
        scene.join()
        for hour in range(168 if kind == "week" else 24):
            scene.wait(3600.0 - scene.rng.uniform(5, 20))
            scene.see("meter", "optical", text="registers")
            scene.wait(0.9)
            if hour % 24 == 1:
                scene.upload("PUBLISH 24 readouts")
    elif kind == "sleep":
        scene.join()
        scene.wait(120.0)
        scene.step("mean of 10 min")
        scene.current(19.4e-6 if scene.faulty else 4.31e-6, 25e-6 if scene.faulty else 6.1e-6, 600.0)
        scene.wait(600.0)
    elif kind == "nfc":
        for action in ("read", "write", "read"):
            scene.see("nfc", action, settings=["transmit_interval"])
            scene.wait(2.5)


def write_run(directory: Path, verdict: str = "pass", *, profile: str = "acceptance", seed: int = 7,
              hostile: str = "") -> Path:
    """A run directory with this verdict. ``hostile`` is put wherever a device or an instrument could put text."""
    rng = random.Random(seed)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "evidence").mkdir()
    tests, rows = [], []
    for position, (suite, name, kind, requirements) in enumerate(TESTS):
        identifier = f"{suite}::{name}"
        outcome, message = "pass", ""
        if not kind:
            outcome = "skipped"
        if verdict == "fail" and position == 3:
            outcome = "fail"
            message = "led.start.both = 1.42 s is outside 0.7 s … 1.3 s" + hostile
        if verdict == "fail" and position == 18:
            outcome = "fail"
            message = "power.sleep.current = 19.4 µA is above its limit 6.6 µA"
        if verdict == "error" and position == 18:
            outcome, message = "error", FAULT + hostile
        scene = Scene(rng, faulty=outcome == "fail")
        scene.see("test", "start", test=identifier, title=name)
        play(kind, scene)
        if hostile and kind:
            scene.see("mdm", "message", direction="in", text=hostile)
            scene.wait(30.0)
        for m_name, value, unit, low, high, owner in MEASUREMENTS:
            if owner != position or outcome in ("error", "skipped"):
                continue
            judged = "pass"
            if outcome == "fail" and m_name in ("led.start.both", "power.sleep.current"):
                value, judged = {"led.start.both": 1.42, "power.sleep.current": 19.4e-6}[m_name], "fail"
            row = {"name": m_name, "value": value, "unit": unit, "low": low, "high": high, "verdict": judged}
            scene.see("test", "measurement", **row)
            rows.append({**row, "test": identifier})
        scene.see("test", "end", verdict=outcome)
        if kind:
            scene.timeline.write_jsonl(directory / "timeline.jsonl", test=identifier)
        test = {"id": identifier, "verdict": outcome, "requirements": requirements, "message": message,
                "device_time_s": scene.t, "wall_time_s": round(rng.uniform(0.02, 0.4), 3),
                "title": TITLES.get(name),
                "steps": [seen.data["text"] for seen in scene.timeline.select("test", "step")]}
        if outcome == "skipped":
            test["reason"] = "needs cell.bands, which this station does not have"
        tests.append(test)
    (directory / "evidence" / "gateway.pcapng").write_bytes(rng.randbytes(2000))
    (directory / "evidence" / "leds.vcd").write_text("$timescale 1 us $end\n")
    artifacts = [{"path": f"evidence/{path.name}", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
                 for path in sorted((directory / "evidence").iterdir())]
    record = {"schema": 1, "verdict": verdict, "simulated": True, "profile": profile,
              "unit": "0016AFFFFE00A1B2" + hostile, "seed": seed, "started": "2026-11-22T10:31:04+00:00",
              "device_time_s": sum(test["device_time_s"] for test in tests),
              "wall_time_s": sum(test["wall_time_s"] for test in tests),
              "tests": tests, "measurements": rows, "artifacts": artifacts, "station": "added by a later version"}
    (directory / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    return directory


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a run directory: ``make_run("fail")``."""
    return lambda verdict="pass", **options: write_run(tmp_path / f"run-{verdict}", verdict, **options)
