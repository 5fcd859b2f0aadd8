"""Who the unit is: what its label and its object 3 say."""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "CMi6110"
HARDWARE = "1B"


@dataclass(slots=True)
class Identity:
    """``firmware`` is the version that runs; an update changes it."""

    deveui: str
    model: str = MODEL
    hardware: str = HARDWARE
    firmware: str = "2.3.1"
    imsi: str = "001010123456789"
    iccid: str = "8946000000000000001"
