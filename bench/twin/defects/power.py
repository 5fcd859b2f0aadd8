"""Defects of what the unit draws, and of what it does at the edges of its supply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.current import Waveform
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.power import BROWN_OUT_V, Power
from bench.twin.cmi6110.settings import Settings, Value
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report, restage
from bench.twin.lab import Lab
from bench.twin.radio.nas import PowerSaving

# -- sleep


@defect("sleep-current-high", "PWR-04", "PWR-05", wire="supply")
class SleepCurrentHigh(Waveform):
    """The unit sleeps at 12 uA."""

    floor_a = 12e-6


@defect("sleep-7-ua", "PWR-04", wire="supply")
class Sleep7Ua(Waveform):
    """The unit sleeps at 7 uA."""

    floor_a = 7e-6


@defect("sleep-10-ua", "PWR-04", "PWR-05", wire="supply")
class Sleep10Ua(Waveform):
    """The unit sleeps at 10 uA."""

    floor_a = 10e-6


@defect("wakes-each-minute", "PWR-04", wire="supply")
def _(lab: Lab) -> None:
    """The unit wakes each minute and draws 5 mA for 50 ms."""
    unit = lab.unit
    unit.supply.follow(lambda volts: unit.current.repeat("wake", 5e-3 * (volts >= BROWN_OUT_V), 0.05, 60.0))


@defect("leak-above-3-2-v", "PWR-04", wire="supply")
def _(lab: Lab) -> None:
    """A leak grows with the voltage: 10 uA for each volt above 3.2 V."""
    unit = lab.unit
    # The trace is for 3.6 V and is scaled to constant power; a leak is not.
    unit.supply.follow(lambda volts: unit.current.set("leak", max(volts - 3.2, 0.0) * 10e-6 * volts / 3.6))


@defect("off-at-20-ua", "PWR-21", wire="supply")
class OffAt20Ua(Power):
    """A unit that was switched off goes on drawing 20 uA."""

    def switch_off(self) -> None:
        super().switch_off()
        self.consumption.trace.set("leak", 20e-6)


# -- radio


@defect("peak-current-high", "PWR-03", wire="supply")
class PeakCurrentHigh(Waveform):
    """The transmitter draws 450 mA."""

    transmit_peak_a = 450e-3


@defect("peak-at-3-v", "PWR-03", wire="supply")
class PeakAt3V(Waveform):
    """The transmitter draws 340 mA at 3.6 V, and so more than 400 mA at 3.0 V."""

    transmit_peak_a = 330e-3


@defect("active-timer-doubled", "PWR-15", "NET-13", wire="supply")
class ActiveTimerDoubled(Modem):
    """The unit enters power saving mode after twice the active timer."""

    def register(self, band: int, apn: str) -> PowerSaving | None:
        granted = super().register(band, apn)
        return granted and replace(granted, t3324_s=2 * (granted.t3324_s or 0))


@defect("stays-connected", "PWR-15", "NET-13", wire="supply")
class StaysConnected(Modem):
    """The modem goes on receiving after the network has released it."""

    def released(self) -> None:
        """Stay."""


@defect("power-saving-always-on", "PWR-20", wire="supply")
class PowerSavingAlwaysOn(Modem):
    """Power saving mode is asked for although it is disabled."""

    def asks(self) -> PowerSaving:
        return replace(super().asks(), t3324_s=10)


# -- charge


@defect("readout-takes-15-s", "PWR-11", wire="supply")
class ReadoutTakes15S(Waveform):
    """A readout of the meter takes ten times as long, and as much charge."""

    readout_s = 15.0


@defect("mean-current-doubled", "PWR-06", wire="dm")
def _(lab: Lab) -> None:
    """The reported mean current is twice the true one."""
    report(lab, (33907, 0, 1), lambda: 2 * lab.unit.consumption.average_current_ua())


@defect("eco-mode-stuck", "PWR-18", wire="dm")
def _(lab: Lab) -> None:
    """Eco mode can be written, and stays off."""
    restage(lab, (33906, 0, 3), lambda value: {})


# -- edges of the supply


@defect("supply-voltage-misreported", "PWR-09", wire="supply")
def _(lab: Lab) -> None:
    """The reported supply voltage is 0.2 V too high."""
    report(lab, (3, 0, 7), lambda: round(lab.unit.supply.value * 1000) + 200)


@defect("resets-at-3-v", "PWR-01", wire="supply")
class ResetsAt3V(Power):
    """At 3.0 V the unit resets each time it transmits."""

    def transmits(self, air_s: float) -> None:
        super().transmits(air_s)
        if self.supply.value < 3.1:
            self.life.later(self.life.reboot)


@defect("dead-after-slow-brown-out", "PWR-19", wire="supply")
class DeadAfterSlowBrownOut(Power):
    """When the voltage returns without having been gone, the unit stays where it stopped."""

    before = 0.0

    def supply_changed(self, volts: float) -> None:
        super().supply_changed(volts)
        self.before = volts

    def hold_off_s(self) -> float:
        return super().hold_off_s() if self.before < 1.0 else 1e9


@defect("firmware-before-battery", "PWR-12", wire="dm")
def _(lab: Lab) -> None:
    """The unit runs on its battery with firmware 1.02, which does not know it."""
    report(lab, (3, 0, 3), lambda: "1.02")


# -- late, or after something


@defect("leak-after-a-day", "PWR-04", wire="supply")
class LeakAfterADay(Consumption):
    """From a day after start-up on the unit draws 10 uA more."""

    def powered(self) -> None:
        super().powered()
        self.clock.loop.call_later(86_400.0, lambda: self.trace.set("leak", 10e-6))


@defect("leak-on-a-battery", "PWR-04", wire="supply")
def _(lab: Lab) -> None:
    """Below 3.2 V the unit sleeps at 9 uA."""
    unit = lab.unit
    unit.supply.follow(lambda volts: unit.current.set("leak", 4e-6 * (BROWN_OUT_V <= volts < 3.2)))


@defect("leak-above-4-v", "PWR-04", wire="supply")
def _(lab: Lab) -> None:
    """Above 4 V the unit sleeps at 25 uA."""
    unit = lab.unit
    unit.supply.follow(lambda volts: unit.current.set("leak", 20e-6 * (volts > 4.0)))


@defect("readouts-leave-5-ua", "PWR-04", wire="supply")
class ReadoutsLeave5Ua(Consumption):
    """After a readout of the meter the unit draws 5 uA more for half an hour."""

    def readout(self) -> None:
        super().readout()
        self.trace.pulse("leak", 5e-6, 1800.0)


@defect("passive-after-active-at-10-ua", "PWR-05", "PWR-21", wire="supply")
class PassiveAfterActiveAt10Ua(Power):
    """A unit that was active draws 5 uA more when it is passive again."""

    def switch_off(self) -> None:
        super().switch_off()
        self.consumption.trace.set("leak", 5e-6)


@defect("off-wakes-after-a-quarter-of-an-hour", "PWR-21", wire="supply")
class OffWakesAfterAQuarter(Power):
    """A unit that was switched off draws 30 uA from a quarter of an hour later on."""

    def switch_off(self) -> None:
        super().switch_off()
        self.life.clock.loop.call_later(900.0, lambda: self.consumption.trace.set("leak", 30e-6))


@defect("search-at-410-ma", "PWR-03", wire="supply")
class SearchAt410Ma(Waveform):
    """The receiver draws 410 mA while it searches."""

    receive_a = 410e-3


# -- the supply goes and comes


class _HangsAfter(Power):
    """After a supply cut of some length the unit does not start again."""

    shortest_s, longest_s = 0.0, 0.0
    cut_s = float("-inf")

    def down(self) -> None:
        super().down()
        self.cut_s = self.life.clock.time()

    def up(self) -> None:
        if not self.shortest_s <= self.life.clock.time() - self.cut_s <= self.longest_s:
            super().up()


@defect("hangs-after-a-cut-of-1-s", "PWR-14", wire="supply")
class HangsAfterACutOf1S(_HangsAfter):
    """After a supply cut of a second the unit hangs."""

    shortest_s, longest_s = 0.5, 2.0


@defect("hangs-after-a-cut-of-10-min", "PWR-14", wire="supply")
class HangsAfterACutOf10Min(_HangsAfter):
    """After a supply cut of some minutes the unit hangs."""

    shortest_s, longest_s = 300.0, 1200.0


@defect("hangs-after-a-cut-of-hours", "PWR-14", "STO-05", wire="supply")
class HangsAfterACutOfHours(_HangsAfter):
    """After a supply cut of an hour and more the unit hangs."""

    shortest_s, longest_s = 3600.0, 1e9


@defect("passive-after-second-cut", "PWR-14", wire="supply")
class PassiveAfterSecondCut(Power):
    """After two power cuts within a minute the unit is passive."""

    last_s = float("-inf")

    def down(self) -> None:
        super().down()
        now_s = self.life.clock.time()
        if now_s - self.last_s < 60.0:
            self.settings.write({"power_mode": 0})
        self.last_s = now_s


@defect("power-cut-restores-intervals", "PWR-14", "STO-04", wire="supply")
class PowerCutRestoresIntervals(Power):
    """After a power cut the readout interval is the default one."""

    def down(self) -> None:
        super().down()
        self.settings.write({"readout_interval": 60})


@defect("power-cut-restores-format", "PWR-14", "STO-04", wire="supply")
class PowerCutRestoresFormat(Power):
    """After a power cut the message format is Standard."""

    def down(self) -> None:
        super().down()
        self.settings.write({"message_format": 42})


@defect("power-cut-restores-the-offset", "PWR-14", "TIME-09", wire="supply")
class PowerCutRestoresTheOffset(Power):
    """After a power cut the UTC offset is 0."""

    def down(self) -> None:
        super().down()
        self.settings.write({"utc_offset": 0})


@defect("power-cut-restores-the-protocol", "PWR-14", "NET-38", wire="supply")
class PowerCutRestoresTheProtocol(Power):
    """After a power cut meter data go by MQTT-SN."""

    def down(self) -> None:
        super().down()
        self.settings.write({"upload_protocol": 0})


@defect("resets-below-2-6-v", "PWR-02", wire="supply")
class ResetsBelow26V(Power):
    """Below 2.6 V the unit resets each time it transmits."""

    def transmits(self, air_s: float) -> None:
        super().transmits(air_s)
        if self.supply.value < 2.6:
            self.life.later(self.life.reboot)


@defect("resets-above-4-v", "PWR-01", wire="supply")
class ResetsAbove4V(Power):
    """Above 4 V the unit resets each time it transmits."""

    def transmits(self, air_s: float) -> None:
        super().transmits(air_s)
        if self.supply.value > 4.0:
            self.life.later(self.life.reboot)


@defect("mains-is-battery-below-4-v", "PWR-07", "PWR-08", wire="dm")
def _(lab: Lab) -> None:
    """On a supply of less than 4 V the source is a battery, whatever is configured."""
    report(lab, (3, 0, 6), lambda: 6 if lab.unit.supply.value > 4.0 else 1)


@defect("mean-current-of-the-first-minute", "PWR-06", "LWM2M-33907.0.1", wire="dm")
class MeanCurrentOfTheFirstMinute(Consumption):
    """The reported mean current is that of the minute after start-up."""

    def average_current_ua(self) -> int:
        begin = self.booted_at_s
        return round(self.trace.charge(begin, min(self.clock.time(), begin + 60.0)) / 60.0 * 1e6)


@defect("active-timer-halved", "PWR-15", "NET-13", wire="supply")
class ActiveTimerHalved(Modem):
    """The unit enters power saving mode after half the active timer."""

    def register(self, band: int, apn: str) -> PowerSaving | None:
        granted = super().register(band, apn)
        return granted and replace(granted, t3324_s=(granted.t3324_s or 0) // 2)


class SourceOfSettings(Settings):
    """``lost``: the configured power source reads as written, and counts as battery."""

    lost = False

    def number(self, name: str) -> int:
        return 0 if self.lost and name == "power_source" else super().number(name)

    def put(self, changes: Mapping[str, Value]) -> frozenset[str]:
        self.lost &= "power_source" not in changes
        return super().put(changes)


@defect("power-source-forgotten-by-a-cut", "PWR-08", "LWM2M-33906.0.52", wire="dm", kind="persistence",
        beside=(SourceOfSettings,))
class PowerSourceForgottenByACut(Power):
    """After a power cut the configured source does not count until it is written again; it reads as it was written."""

    def up(self) -> None:
        super().up()
        if isinstance(self.settings, SourceOfSettings):
            self.settings.lost = True


@defect("starts-from-2-5-v-on", "PWR-02", wire="supply")
class StartsFrom2V5On(Power):
    """The unit runs down to its lowest voltage, and does not start below 2.5 V."""

    def up(self) -> None:
        if self.supply.value >= 2.5:
            super().up()
