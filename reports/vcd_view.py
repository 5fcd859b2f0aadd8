"""The LEDs, the button and the supply's output as a VCD file, for GTKWave, PulseView and sigrok-cli.

Not named vcd.py: that is the import name of pyvcd.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vcd import VCDWriter

from bench.timeline import RESOLUTION_S, Observation

SIGNALS = {"led_green": "green LED", "led_red": "red LED", "button": "button contact", "supply_output": "supply output"}
"""The signals of the file (scope ``bench``), one bit each; x until first seen."""


def write_vcd(observations: Iterable[Observation], path: Path) -> Path:
    """Write the edges with 1 µs per tick. Equal observations give equal bytes: there is no date in the file."""
    with path.open("w", encoding="ascii", newline="\n") as file, \
            VCDWriter(file, timescale="1 us", date="", comment="CMi6110 bench") as writer:
        variables = {name: writer.register_var("bench", name, "wire", size=1) for name in SIGNALS}
        end = 0
        for seen in sorted(observations, key=lambda seen: seen.time):
            end = max(0, round(seen.time / RESOLUTION_S))
            signal = _signal(seen)
            if signal is not None:
                name, on = signal
                writer.change(variables[name], end, "1" if on else "0")
        writer.close(end)
    return path


def _signal(seen: Observation) -> tuple[str, bool] | None:
    if seen.source == "panel" and seen.kind == "led":
        name = f"led_{seen.data.get('channel')}"
        return (name, bool(seen.data.get("on"))) if name in SIGNALS else None
    if seen.source == "panel" and seen.kind == "button":
        return "button", bool(seen.data.get("pressed"))
    if seen.source == "supply" and seen.kind == "output":
        return "supply_output", bool(seen.data.get("on"))
    return None
