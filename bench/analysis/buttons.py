"""What the button's contact did, as sensed; never what was asked of the actuator."""

from __future__ import annotations

from collections.abc import Iterable

from bench.analysis.edges import Pulse, pulses_of
from bench.timeline import Observation

BOUNCE_S = 0.02
"""A contact that opens for less than this bounces; it is the same press."""


def presses(observations: Iterable[Observation], until: float | None = None) -> list[Pulse]:
    """Each press of the button with its measured hold (``duration``, seconds). The last may still be open."""
    contacts = pulses_of("button", [(seen.time, bool(seen.data["pressed"])) for seen in observations
                                    if seen.source == "panel" and seen.kind == "button"], until)
    merged: list[Pulse] = []
    for contact in contacts:
        if merged and contact.start - merged[-1].end < BOUNCE_S:
            contact = Pulse("button", merged.pop().start, contact.end, contact.is_open)
        merged.append(contact)
    return merged
