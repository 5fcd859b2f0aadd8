"""Where faults find what they change."""

from __future__ import annotations

from typing import Any

from bench.twin.lab import Lab
from bench.twin.scpi import ScpiInstrument
from bench.twin.supply.measuring import CurrentInput


def module(lab: Lab) -> Any:
    """What measures the current: an instrument, or the first module of a mainframe."""
    measuring: Any = lab.power.measuring
    return measuring.module(1) if isinstance(measuring, ScpiInstrument) else measuring


def current_input(lab: Lab) -> CurrentInput:
    """What turns the current into readings."""
    found: CurrentInput = getattr(module(lab), "input", module(lab))
    return found
