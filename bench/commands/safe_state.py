"""Brings a station into its safe state from a process that had nothing to do with it before: supply off, button free.

As a program (``python -m bench.commands.safe_state STATION``, the station file as JSON): the same, and nothing else.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import asdict, dataclass

from bench.clock import Clock, DeadlinePassed, WallClock
from bench.keys import Keys
from bench.station import Station
from bench.station_file import StationFile
from bench.timeline import Timeline
from drivers.panel import SupplyRelay
from drivers.supply import OutputWatchdog

LIMIT_S = 60.0
"""Real seconds for all instruments together; each of them has time-outs of its own, far below that."""

BUTTON_S = 1.0
"""Within this a contact that was let go of is seen to be open."""


@dataclass(frozen=True, slots=True)
class SafeState:
    """What was found, in words ("off", "on, switched off"; "released", "still pressed"; "unknown"), and what did not
    work."""

    supply: str
    button: str
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def make_safe(file: StationFile, limit_s: float = LIMIT_S) -> SafeState:
    """Supply off and button released, each whatever becomes of the other. Never raises, and ends in ``limit_s``: a port
    may be dead in a way that even its opening hangs."""
    found: list[SafeState] = []
    worker = threading.Thread(target=lambda: found.append(_make_safe(file)), daemon=True)
    worker.start()
    worker.join(limit_s)
    return found[0] if found else SafeState("unknown", "unknown", (f"the instruments did not answer in {limit_s:g} s",))


def _make_safe(file: StationFile) -> SafeState:
    supply = button = "unknown"
    problems = []
    try:
        with WallClock() as clock:
            timeline = Timeline(clock.time)
            station = Station(file, clock, timeline, Keys(None))
            try:
                if file.supply is None:
                    supply = "none"
                else:
                    station.source.make_safe()
                    supply = "on, switched off" if timeline.select("supply", "output", on=False) else "off"
                    if isinstance(station.source, OutputWatchdog) and station.source.supports_watchdog:
                        station.source.disarm_watchdog()    # of a process that is dead; other outputs may be in use
            except Exception as error:    # whatever it is, the next instrument must be made safe too
                problems.append(str(error) or type(error).__name__)
            try:
                if file.panel is None:
                    button = "none"
                else:
                    box = station.box
                    box.make_safe()
                    if problems and isinstance(box, SupplyRelay) and box.has_relay:
                        box.cut_supply()
                        supply = "cut by the edge box's relay"
                    button = _button(timeline, clock)
                    if button != "released":
                        problems.append(f"edge box: the button is {button}")
            except Exception as error:
                problems.append(str(error) or type(error).__name__)
            problems += station.close()
    except Exception as error:
        problems.append(str(error) or type(error).__name__)
    return SafeState(supply, button, tuple(dict.fromkeys(problems)))


def _button(timeline: Timeline, clock: Clock) -> str:
    """The contact as it is sensed, after the box was told to let go."""
    def released() -> bool:
        seen = timeline.select("panel", "button")
        return not seen or not seen[-1].data["pressed"]

    try:
        clock.wait_for(released, BUTTON_S)
    except DeadlinePassed:
        return "still pressed"
    return "released"


if __name__ == "__main__":
    state = make_safe(StationFile.model_validate_json(sys.argv[1]))
    print("; ".join(state.problems) or f"supply {state.supply}, button {state.button}", file=sys.stderr)
