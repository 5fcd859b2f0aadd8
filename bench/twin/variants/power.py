"""Units that draw less, or take a little longer, within what the manual allows."""

from __future__ import annotations

from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.current import Waveform
from bench.twin.cmi6110.power import Power
from bench.twin.defects.tools import report
from bench.twin.lab import Lab
from bench.twin.variants.registry import variant


@variant("sleeps-at-3-ua", place="U01")
class SleepsAt3Ua(Waveform):
    """The unit sleeps at 3 uA."""

    floor_a = 3e-6


@variant("wakes-each-10-s", place="U01")
class WakesEach10S(Waveform):
    """Each ten seconds the unit draws 3 mA for 0.1 ms."""

    tick_a = 3e-3
    tick_period_s = 10.0


@variant("transmits-at-180-ma", place="8: at most 400 mA")
class TransmitsAt180Ma(Waveform):
    """The transmitter draws 180 mA."""

    transmit_a = 160e-3
    transmit_peak_a = 180e-3


@variant("readout-takes-3-s-of-current", place="a readout takes its time")
class ReadoutDraws3S(Waveform):
    """The meter's readout draws current for three seconds."""

    readout_s = 3.0


@variant("mean-current-of-all-time", place="33907/0/1: the mean of which time")
class MeanCurrentOfAllTime(Consumption):
    """The reported mean current is that since start-up."""

    def average_current_ua(self) -> int:
        now = self.clock.time()
        passed_s = now - self.booted_at_s
        return round(self.trace.charge(self.booted_at_s, now) / passed_s * 1e6) if passed_s > 0 else 0


@variant("starts-4-s-after-the-supply", place="start-up takes its time")
class Starts4SAfterTheSupply(Power):
    """After the supply has come four seconds pass before the unit looks for its network."""

    def hold_off_s(self) -> float:
        return super().hold_off_s() + 4.0


@variant("voltage-in-tens-of-millivolts", place="3/0/7: its resolution")
def _(lab: Lab) -> None:
    """The supply voltage is reported in steps of 20 mV."""
    report(lab, (3, 0, 7), lambda: round(lab.unit.supply.value * 50) * 20)
