"""Run directories by hand: a record, and a timeline of a joining with its lights, in the form that a run leaves."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.timeline import Observation

TEST = "suites/test_joining.py::test_joining"


def run_dir(place: Path, *, seed: int = 1, green_s: float = 8.0, gateway_first: bool = False, joinings: int = 15,
            settings: Mapping[str, Any] | None = None, verdicts: Mapping[str, str] | None = None,
            timeline: bool = True, **record: Any) -> Path:
    """A run of one test that joins again and again, beside tests with nothing but their ``verdicts``."""
    place.mkdir(parents=True)
    chance = random.Random(seed)
    tests = {TEST: "pass", **(verdicts or {})}
    content = {
        "schema": 3, "run_id": f"{seed}", "verdict": "fail" if "fail" in tests.values() else "pass", "simulated": True,
        "profile": "regression", "unit": "94193A0401000001", "seed": seed, "started": "2027-01-01T00:00:00+00:00",
        "device_time_s": 1.0, "wall_time_s": 1.0, "labs": 1,
        "tests": [{"id": name, "verdict": verdict, "requirements": ["LED-04"], "device_time_s": 1.0, "wall_time_s": 0.1,
                   "message": "it did not" if verdict == "fail" else "", "number": number}
                  for number, (name, verdict) in enumerate(tests.items(), start=1)],
        "measurements": [], "artifacts": [], **record}
    (place / "record.json").write_text(json.dumps(content), encoding="utf-8")
    if timeline:
        lines = [one.to_json(test=TEST) for one in _joinings(chance, joinings, green_s, gateway_first, settings or {})]
        (place / "timeline.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def _joinings(chance: random.Random, count: int, green_s: float, gateway_first: bool, settings: Mapping[str, Any],
              ) -> list[Observation]:
    found = [Observation(0.0, "nfc", "read", {"transmit_interval": 1440, **settings})]
    now = 1.0

    def see(source: str, kind: str, **data: Any) -> None:
        found.append(Observation(round(now, 6), source, kind, data))

    def say(server: str, direction: str, **data: Any) -> None:
        see(server, "message", direction=direction, peer=1, text="", **data)

    for number in range(count):
        see("panel", "button", pressed=True)
        now += 6.0
        see("panel", "button", pressed=False)
        now += 0.4
        for on in (True, False):
            for channel in ("green", "red"):
                see("panel", "led", channel=channel, on=on)
            now += 1.0 if on else 0.9
        see("panel", "led", channel="green", on=True)
        dark = now + green_s + chance.uniform(0.0, 1e-4)

        def register(number: int = number) -> None:
            nonlocal now
            say("dm", "in", type="CON", code="POST", uri_path="/rd", token=f"a{number}", message_id=10 * number)
            now += 0.2
            say("dm", "out", type="ACK", code="2.01 Created", token=f"a{number}", message_id=10 * number)
            now += chance.uniform(0.5, 0.7)

        def connect() -> None:
            nonlocal now
            say("mdm", "in", type="CONNECT", duration=64800, clean_session=True)
            now += 0.2
            say("mdm", "out", type="CONNACK")
            now += chance.uniform(0.5, 0.7)

        for step in (connect, register) if gateway_first else (register, connect):
            step()
        say("mdm", "in", type="PUBLISH", message_id=10 * number + 1, qos=1, data="")
        found.append(Observation(round(dark, 6), "panel", "led", {"channel": "green", "on": False}))
        now += 20.0
    return sorted(found, key=lambda one: one.time)
