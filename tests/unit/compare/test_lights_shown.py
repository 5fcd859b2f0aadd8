"""What of the lights is taken for a start of the unit."""

from __future__ import annotations

from bench.analysis.shown.lights import lights
from bench.timeline import Observation


def _seen(*rows: tuple[float, str, str, dict[str, object]]) -> list[float]:
    observations = [Observation(time, source, kind, data) for time, source, kind, data in rows]
    return [float(one.value) for one in lights(observations) if one.name == "release to start-up"]


def _press(begin: float, end: float) -> list[tuple[float, str, str, dict[str, object]]]:
    return [(begin, "panel", "button", {"pressed": True}), (end, "panel", "button", {"pressed": False})]


def _start(at: float) -> list[tuple[float, str, str, dict[str, object]]]:
    return [(at + later, "panel", "led", {"channel": channel, "on": on})
            for later, on in ((0.0, True), (1.0, False)) for channel in ("green", "red")]


def test_a_start_belongs_to_the_last_hand_before_it() -> None:
    """A unit that was switched off by the button is started by the press after it, by settings or by its supply."""
    assert _seen(*_press(0, 17), *_press(60, 66), *_start(86)) == [20.0]
    assert _seen(*_press(0, 17), (50, "nfc", "write", {"power_mode": 1}), *_start(53)) == []
    assert _seen(*_press(0, 17), (50, "supply", "output", {"on": True}), *_start(53)) == []
