"""The reference meter: what the unit sends is compared with what the meter itself says."""

from __future__ import annotations

from typing import Protocol

from bench.payload.optical import OpticalReadout
from bench.payload.readout import Readout


class MeterReader(Protocol):
    """One way to ask the meter for its registers."""

    def read(self) -> OpticalReadout | Readout:
        """The meter's registers now. Raises BenchError when the meter does not answer as it should."""

    def close(self) -> None:
        """Let go of the port. Idempotent."""
