"""Deliberate faults of the twin's instruments. Each must end as a fault of the bench, never of the unit, or be
tolerated with all figures right (``mcm-bench prove --fault``).

A fault is a name, the instrument that has it, and what is different: as with a defect, but of the bench's side. One
module for each kind of instrument; importing it registers its faults.
"""

from __future__ import annotations

from bench.twin.faults import ammeter, cell, host, meter, nfc, panel, radio_tester, supply
from bench.twin.faults.registry import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "ammeter", "cell", "host", "meter", "nfc", "panel", "radio_tester",
           "supply"]
