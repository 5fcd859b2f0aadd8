"""The unit reads its meter: from the meter's registers into the store (manual 7.3.2)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading
from bench.twin.meter.uh50 import UH50
from bench.twin.parts import Part

OLDEST = {"UH50": (5, 15), "UC50": (8, 6)}
"""The oldest software of a meter that is supported (manual 4.4)."""

RETRY_S = 2.0
"""Between a read that the meter did not answer and the next: not printed."""


@dataclass(eq=False, repr=False)
class Readouts(Part):
    """``storage`` keeps what was read."""

    settings: Settings
    storage: Storage
    meter: UH50
    consumption: Consumption

    async def read(self, *, extra: bool) -> None:
        """Read the meter; when it does not answer, some more times at once (33906/0/43)."""
        for attempt in range(1 + self.retries()):
            if attempt:
                await asyncio.sleep(RETRY_S)
            if self.read_once(extra=extra or attempt > 0) is not None:
                return

    def retries(self) -> int:
        """How often a read in vain is repeated at once."""
        return self.settings.number("max_meter_retries")

    def read_once(self, *, extra: bool) -> Reading | None:
        """Read the meter and store what it says; nothing is stored when it doesn't answer (G03)."""
        self.consumption.readout()
        if not (self.meter.connected and self.understands()):
            return None
        reading = self.take_registers()
        self.storage.add(reading, extra=extra)
        return reading

    def understands(self) -> bool:
        """Whether the meter's software is one that the unit knows (manual 4.4): of an older one it takes nothing."""
        major, minor = map(int, self.meter.software.split("."))
        return (major, minor) >= OLDEST.get(self.meter.model, (0, 0))

    def status(self) -> int:
        """33908/0/2: 0 well, 1 no meter, 2 an error."""
        return 1 if not self.meter.connected else 0 if self.understands() else 2

    def take_registers(self) -> Reading:
        registers = self.meter.answer_module()
        return Reading(
            time=registers.clock.replace(second=0, microsecond=0), meter_id=self.meter_id(),
            energy=registers.energy, energy_unit=registers.energy_unit.symbol, volume_m3=registers.volume_m3,
            power_kw=registers.power_kw, flow_m3ph=registers.flow_m3_h, forward_c=registers.forward_c,
            return_c=registers.return_c, error_flags=registers.error_flags,
            tariffs=registers.tariffs[:3], missing_time_h=registers.missing_time_h)

    def meter_id(self) -> str:
        return self.meter.property_number if self.settings.number("meter_identification") else \
            self.meter.fabrication_number
