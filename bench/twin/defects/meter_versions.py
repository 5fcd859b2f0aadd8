"""Defects of the unit with meters of one software or another: which it reads, and what an old one does to it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.telegram import Reading
from bench.twin.defects.registry import Kind, defect

KIND: Kind = "values"


@defect("software-5.15-refused", "CMP-01", wire="mdm")
class Refuses515(Readouts):
    """A UH50 must have a software later than 5.15."""

    def understands(self) -> bool:
        return super().understands() and (self.meter.model, self.meter.software) != ("UH50", "5.15")


@defect("software-compared-as-text", "CMP-01", "CMP-02", wire="mdm")
class ComparedAsText(Readouts):
    """Versions are compared letter by letter: 10.00 is older than 5.15."""

    def understands(self) -> bool:
        return self.meter.software >= {"UH50": "5.15", "UC50": "8.06"}[self.meter.model]


@defect("uc50-not-read", "CMP-02", wire="mdm")
class UC50NotRead(Readouts):
    """Only UH50 meters are read."""

    def understands(self) -> bool:
        return super().understands() and self.meter.model == "UH50"


@defect("newer-meter-read-with-a-decimal-shifted", "CMP-01", "CMP-02", wire="mdm")
class DecimalShifted(Readouts):
    """Of meters that are newer than the unit knows the flow is ten times too small."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        newer = int(self.meter.software.split(".")[0]) > 8
        return replace(reading, flow_m3ph=(reading.flow_m3ph / 10).quantize(Decimal("0.001"))) if newer else reading


@defect("old-meter-read-wrongly", "CMP-03", wire="mdm")
class OldReadWrongly(Readouts):
    """Old meters are read as if they were new: the volume is in tenths."""

    def understands(self) -> bool:
        return True

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        return reading if super().understands() else replace(reading, volume_m3=reading.volume_m3 * 10)


@defect("old-meter-restarts-the-unit", "CMP-03", wire="dm")
class Restarts(Life):
    """A meter with old software lets the unit restart each time that it is read."""

    async def read(self, *, extra: bool) -> None:
        await super().read(extra=extra)
        if not self.readouts.understands():
            self.later(self.reboot)


@defect("old-meter-forgotten-never", "CMP-03", wire="mdm")
class ForgottenNever(Readouts):
    """Once a meter was too old, none is read any more."""

    too_old = False

    def understands(self) -> bool:
        self.too_old = self.too_old or not super().understands()
        return not self.too_old


# -- what it does to the meter


@defect("meter-number-cleared-by-a-readout", "CMP-01", wire="meter")
class NumberCleared(Readouts):
    """A readout sets the customer's number of the meter to zero."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        self.meter.property_number = "00000000"
        return reading


@defect("tariff-begun-by-a-readout", "CMP-01", wire="meter")
class TariffBegun(Readouts):
    """A readout lets the meter begin to use its first tariff register."""

    def take_registers(self) -> Reading:
        reading = super().take_registers()
        self.meter.tariffs = (Decimal("0.001"), *self.meter.tariffs[1:])
        return reading
