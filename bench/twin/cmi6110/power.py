"""What the supply and the push button make of the unit (manual 5.3.2, 5.3.6)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.otc import OtcService
from bench.twin.cmi6110.settings import Settings
from bench.twin.parts import Part
from bench.twin.signal import Signal

BROWN_OUT_V = 2.3
"""Below this the unit stops (the manual's lowest battery voltage is 2.4 V)."""


@dataclass(eq=False, repr=False)
class Power(Part):
    """``supply`` is the voltage at the power connector."""

    supply: Signal[float]
    settings: Settings
    rng: random.Random
    front: Front
    modem: Modem
    consumption: Consumption
    otc: OtcService
    life: Life

    def __post_init__(self) -> None:
        super().__post_init__()
        self.supply.follow(self.supply_changed)

    def supply_changed(self, volts: float) -> None:
        if volts >= BROWN_OUT_V and not self.life.powered:
            self.up()
        elif volts < BROWN_OUT_V and self.life.powered:
            self.down()

    def up(self) -> None:
        self.life.powered = True
        self.front.power(True)
        self.consumption.powered()
        self.otc.start()
        if self.life.active:
            self.life.start(activation=False, hold_off_s=self.hold_off_s())

    def down(self) -> None:
        self.life.powered = False
        self.life.end()
        self.modem.power_off()
        self.front.power(False)
        self.otc.stop()

    def hold_off_s(self) -> float:
        """After a power outage: how long not to look for the network (33906/0/38, U02)."""
        return self.rng.uniform(0.0, self.settings.number("brown_out_delay"))

    def transmits(self, air_s: float) -> None:
        """The modem's transmitter is on the air for so long."""
        self.consumption.transmit(air_s, self.modem.cell.conditions.level)

    # -- the button

    def button_released(self, held_s: float) -> None:
        if held_s < self.front.reboot_from_s or held_s >= self.front.off_until_s:
            return
        if held_s >= self.front.off_from_s:
            self.switch_off()
        elif self.life.active:
            self.life.reboot()
        else:
            self.activate()

    def activate(self) -> None:
        """From passive to active: start up with the stored settings."""
        self.settings.write({"power_mode": 1})

    def switch_off(self) -> None:
        """Back to passive (U13): no more radio."""
        self.settings.write({"power_mode": 0})
