"""Defects seen on supply, LEDs, button, NFC and meter."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bench.twin.cmi6110.telegram import Reading
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import accept, read_as, report
from bench.twin.lab import Lab

# -- supply and current


@defect("sleep-current-high", "PWR-04", "PWR-05", wire="supply")
def _(lab: Lab) -> None:
    """The unit sleeps at 12 uA."""
    lab.unit.waveform = replace(lab.unit.waveform, floor_a=12e-6)


@defect("peak-current-high", "PWR-03", wire="supply")
def _(lab: Lab) -> None:
    """The transmitter draws 450 mA."""
    lab.unit.waveform = replace(lab.unit.waveform, transmit_peak_a=450e-3)


@defect("supply-voltage-misreported", "PWR-09", wire="supply")
def _(lab: Lab) -> None:
    """The reported supply voltage is 0.2 V too high."""
    report(lab, (3, 0, 7), lambda: round(lab.unit.supply.value * 1000) + 200)


# -- LEDs and button


@defect("joined-light-short", "LED-04", wire="panel")
def _(lab: Lab) -> None:
    """The green light of a joined unit lasts 7 s."""
    lab.unit.front.joined_green_s = 7.0


@defect("leds-swapped", "LED-01", "LED-04", wire="panel")
def _(lab: Lab) -> None:
    """Red and green are swapped."""
    front = lab.unit.front
    front.green, front.red = front.red, front.green


@defect("button-too-quick", "LED-01", wire="panel")
def _(lab: Lab) -> None:
    """The green light comes after 4 s."""
    lab.unit.front.reboot_from_s = 4.0


@defect("switch-off-restarts", "BTN-04", wire="panel")
def _(lab: Lab) -> None:
    """A press of 15 to 20 s reboots instead of switching off."""
    lab.unit.switch_off = lab.unit.reboot  # type: ignore[method-assign]


# -- NFC


@defect("default-wrong", "OTC-T11-05", wire="nfc")
def _(lab: Lab) -> None:
    """The transmit interval is 720 min in a delivered unit."""
    lab.unit.settings.write({"transmit_interval": 720})


@defect("lock-ignored", "OTC-04", wire="nfc")
def _(lab: Lab) -> None:
    """A locked unit takes settings without the PAK."""
    assert lab.unit.otc is not None
    lab.unit.otc.ignores_lock = True


@defect("range-edge-refused", "OTC-T11-03", wire="nfc")
def _(lab: Lab) -> None:
    """A readout interval of 1440 min is refused."""
    accept(lab, "readout_interval", lambda value: type(value) is int and 5 <= value < 1440)


# -- meter


@defect("meter-id-wrong", "PAY-SENML-06", "PAY-MBUS-02", "PAY-JSON-02", wire="meter")
def _(lab: Lab) -> None:
    """The identification is one too high."""
    number = lab.unit.meter_id
    lab.unit.meter_id = lambda: f"{int(number()) + 1:08d}"  # type: ignore[method-assign]


@defect("volume-last-digit", "PAY-MBUS-04", "PAY-MBUS-21", "PAY-MBUS-24", "PAY-JSON-05", "PAY-SENML-08",
        wire="mbus")
def _(lab: Lab) -> None:
    """The last digit of the volume is always 9."""
    def spoiled(reading: Reading) -> Reading:
        return replace(reading, volume_m3=reading.volume_m3.quantize(Decimal("0.1")) + Decimal("0.09"))
    read_as(lab, spoiled)


@defect("clock-not-synchronised", "TIME-10", wire="meter")
def _(lab: Lab) -> None:
    """The meter's clock is not set from the network, and is a minute slow."""
    lab.unit.synchronize_from_network = lambda: False  # type: ignore[method-assign]
    lab.meter.set_clock(lab.meter.clock_now().replace(minute=lab.meter.clock_now().minute - 1))
