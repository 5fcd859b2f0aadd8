"""Defects of what the unit draws, and of what it does at the edges of its supply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bench.twin.cmi6110.unit import BROWN_OUT_V
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report, resource
from bench.twin.lab import Lab
from bench.twin.nas import PowerSaving

# -- sleep


@defect("sleep-current-high", "PWR-04", "PWR-05", wire="supply")
def _(lab: Lab) -> None:
    """The unit sleeps at 12 uA."""
    lab.unit.waveform = replace(lab.unit.waveform, floor_a=12e-6)


@defect("sleep-7-ua", "PWR-04", wire="supply")
def _(lab: Lab) -> None:
    """The unit sleeps at 7 uA."""
    lab.unit.waveform = replace(lab.unit.waveform, floor_a=7e-6)


@defect("wakes-each-minute", "PWR-04", wire="supply")
def _(lab: Lab) -> None:
    """The unit wakes each minute and draws 5 mA for 50 ms."""
    unit = lab.unit
    unit.supply.follow(lambda volts: unit.current.repeat("wake", 5e-3 * (volts >= BROWN_OUT_V), 0.05, 60.0))


@defect("leak-above-3-2-v", "PWR-04", wire="supply")
def _(lab: Lab) -> None:
    """A leak grows with the voltage: 10 uA for each volt above 3.2 V."""
    _leak(lab, lambda volts: max(volts - 3.2, 0.0) * 10e-6)


@defect("off-at-20-ua", "PWR-21", wire="supply")
def _(lab: Lab) -> None:
    """A unit that was switched off goes on drawing 20 uA."""
    unit = lab.unit
    switch_off = unit.switch_off

    def half_off() -> None:
        switch_off()
        unit.current.set("leak", 20e-6)
    unit.switch_off = half_off  # type: ignore[method-assign]


# -- radio


@defect("peak-current-high", "PWR-03", wire="supply")
def _(lab: Lab) -> None:
    """The transmitter draws 450 mA."""
    lab.unit.waveform = replace(lab.unit.waveform, transmit_peak_a=450e-3)


@defect("peak-at-3-v", "PWR-03", wire="supply")
def _(lab: Lab) -> None:
    """The transmitter draws 340 mA at 3.6 V, and so more than 400 mA at 3.0 V."""
    lab.unit.waveform = replace(lab.unit.waveform, transmit_peak_a=310e-3)


@defect("active-timer-doubled", "PWR-15", "NET-13", wire="supply")
def _(lab: Lab) -> None:
    """The unit enters power saving mode after twice the active timer."""
    attach = lab.cell.attach

    def attach_and_misread(band: int, apn: str, asked: PowerSaving) -> PowerSaving | None:
        granted = attach(band, apn, asked)
        return granted and replace(granted, t3324_s=2 * (granted.t3324_s or 0))
    lab.cell.attach = attach_and_misread  # type: ignore[method-assign]


@defect("stays-connected", "PWR-15", "NET-13", wire="supply")
def _(lab: Lab) -> None:
    """The modem goes on receiving after the network has released it."""
    lab.unit.modem.released = lambda: None  # type: ignore[method-assign]


@defect("power-saving-always-on", "PWR-20", wire="supply")
def _(lab: Lab) -> None:
    """Power saving mode is asked for although it is disabled."""
    asks = lab.unit.modem.asks
    lab.unit.modem.asks = lambda: replace(asks(), t3324_s=10)


# -- charge


@defect("readout-takes-15-s", "PWR-11", wire="supply")
def _(lab: Lab) -> None:
    """A readout of the meter takes ten times as long, and as much charge."""
    lab.unit.waveform = replace(lab.unit.waveform, readout_s=15.0)


@defect("mean-current-doubled", "PWR-06", wire="dm")
def _(lab: Lab) -> None:
    """The reported mean current is twice the true one."""
    report(lab, (33907, 0, 1), lambda: 2 * lab.unit.average_current_ua())


@defect("eco-mode-stuck", "PWR-18", wire="dm")
def _(lab: Lab) -> None:
    """Eco mode can be written, and stays off."""
    target = resource(lab, (33906, 0, 3))
    target.stage = lambda value: {}


# -- edges of the supply


@defect("supply-voltage-misreported", "PWR-09", wire="supply")
def _(lab: Lab) -> None:
    """The reported supply voltage is 0.2 V too high."""
    report(lab, (3, 0, 7), lambda: round(lab.unit.supply.value * 1000) + 200)


@defect("resets-at-3-v", "PWR-01", wire="supply")
def _(lab: Lab) -> None:
    """At 3.0 V the unit resets each time it transmits."""
    unit = lab.unit
    transmit = unit.modem.on_transmit

    def transmit_or_reset(air_s: float) -> None:
        transmit(air_s)
        if unit.supply.value < 3.1:
            unit.later(unit.reboot)
    unit.modem.on_transmit = transmit_or_reset


@defect("dead-after-slow-brown-out", "PWR-19", wire="supply")
def _(lab: Lab) -> None:
    """When the voltage returns without having been gone, the unit stays where it stopped."""
    unit = lab.unit
    voltages = [0.0, 0.0]
    unit.supply.follow(voltages.append)
    hold_off_s = unit.hold_off_s
    # Followers are called in their order: the unit's own came first, so the last in the list is the voltage before.
    unit.hold_off_s = lambda: hold_off_s() if voltages[-1] < 1.0 else 1e9  # type: ignore[method-assign]


@defect("firmware-before-battery", "PWR-12", wire="dm")
def _(lab: Lab) -> None:
    """The unit runs on its battery with firmware 1.02, which does not know it."""
    report(lab, (3, 0, 3), lambda: "1.02")


def _leak(lab: Lab, leak_a: Callable[[float], float]) -> None:
    """Let the unit draw more, by the voltage of its supply."""
    unit = lab.unit
    # The trace is for 3.6 V and is scaled to constant power; a leak is not.
    unit.supply.follow(lambda volts: unit.current.set("leak", leak_a(volts) * volts / 3.6))
