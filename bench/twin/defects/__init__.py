"""Deliberate faults of the twin. The bench must catch every one of them (``mcm-bench prove``).

A defect is a name, the wire on which it shows, the requirements that it breaks, and a few lines that spoil a healthy
lab after it is built and before it is switched on. One module for each topic; importing it registers its defects.
"""

from __future__ import annotations

from bench.twin.defects import (
    firmware,
    joining,
    mqttsn,
    panel_and_nfc,
    payload,
    power,
    radio,
    reporting,
    resources,
    retransmission,
    security,
    time,
)
from bench.twin.defects.registry import DEFECTS, Defect, find

__all__ = ["DEFECTS", "Defect", "find", "firmware", "joining", "mqttsn", "panel_and_nfc", "payload", "power", "radio",
           "reporting", "resources", "retransmission", "security", "time"]
