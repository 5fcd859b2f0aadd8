"""Faults of what reads the meter, and of what stands in for it."""

from __future__ import annotations

from decimal import Decimal

from bench.twin.faults.registry import fault
from bench.twin.lab import Lab
from bench.twin.meter.mbus_port import MBusPort
from bench.twin.meter.meter_simulator import MeterSimulator
from bench.twin.meter.uh50 import UH50

ALWAYS = 10**9


def _another_meter(lab: Lab) -> UH50:
    return UH50(lab.clock, seed=99)


# -- optical head


@fault("optical-silent", instrument="optical head")
def _(lab: Lab) -> None:
    """The optical head has slipped off the meter."""
    lab.optical.silent = ALWAYS


@fault("optical-silent-at-first", instrument="optical head")
def _(lab: Lab) -> None:
    """The meter does not hear the first request of the optical head."""
    lab.optical.silent = 1


@fault("optical-echo", instrument="optical head")
def _(lab: Lab) -> None:
    """The optical head hears what it sends."""
    lab.optical.echo = True


@fault("optical-noise", instrument="optical head")
def _(lab: Lab) -> None:
    """Sunlight: the optical head hears nothing but noise."""
    lab.optical.garbage = ALWAYS


@fault("optical-noise-before-data", instrument="optical head")
def _(lab: Lab) -> None:
    """The optical head hears some noise before the data."""
    lab.optical.noise_before_block = b"\xff\x00\x7f"


@fault("optical-drops-a-bit", instrument="optical head")
def _(lab: Lab) -> None:
    """A bit of each telegram at the optical head is wrong."""
    lab.optical.bad_bcc = ALWAYS


@fault("optical-drops-a-bit-at-times", instrument="optical head")
def _(lab: Lab) -> None:
    """A bit of the first telegram at the optical head is wrong."""
    lab.optical.bad_bcc = 1


@fault("optical-cuts-off", instrument="optical head")
def _(lab: Lab) -> None:
    """Each telegram at the optical head ends in its middle."""
    lab.optical.truncated = ALWAYS


@fault("optical-on-another-meter", instrument="optical head")
def _(lab: Lab) -> None:
    """The optical head sits on the meter beside the unit's."""
    lab.optical.meter = _another_meter(lab)


@fault("optical-on-another-model", instrument="optical head")
def _(lab: Lab) -> None:
    """The optical head sits on a T330."""
    lab.optical.wrong_ident = "LUGCT330"


# -- M-Bus


@fault("mbus-silent", instrument="M-Bus converter")
def _(lab: Lab) -> None:
    """The M-Bus level converter has no power."""
    lab.mbus.silent = ALWAYS


@fault("mbus-echo", instrument="M-Bus converter")
def _(lab: Lab) -> None:
    """The M-Bus level converter hears what it sends."""
    lab.mbus.echo = True


@fault("mbus-noise-before-data", instrument="M-Bus converter")
def _(lab: Lab) -> None:
    """The M-Bus level converter puts noise before each answer."""
    lab.mbus.noise = b"\x00\xf0"


@fault("mbus-drops-a-bit", instrument="M-Bus converter")
class DropsABit(MBusPort):
    """The M-Bus level converter drops a bit of each answer."""

    def spoilt(self, answer: bytes) -> bytes:
        whole = super().spoilt(answer)
        return whole if len(whole) < 30 else bytes((*whole[:24], whole[24] ^ 0x04, *whole[25:]))


@fault("mbus-checksum-wrong-at-times", instrument="M-Bus converter")
def _(lab: Lab) -> None:
    """The first answer over M-Bus has a wrong checksum."""
    lab.mbus.bad_checksum = 1


@fault("mbus-at-another-speed", instrument="M-Bus converter")
def _(lab: Lab) -> None:
    """The meter's M-Bus module is set to 9600 Bd."""
    lab.mbus.baudrate = 9600


@fault("mbus-refuses", instrument="M-Bus converter")
def _(lab: Lab) -> None:
    """The meter's M-Bus module says that it has been read too often."""
    lab.mbus.application_errors = [9] * 1000


@fault("mbus-on-another-meter", instrument="M-Bus converter")
def _(lab: Lab) -> None:
    """The M-Bus level converter is wired to another meter."""
    lab.mbus.meter = _another_meter(lab)


@fault("mbus-shows-old-values", instrument="M-Bus converter")
def _(lab: Lab) -> None:
    """The meter's M-Bus module shows the energy of a month ago."""
    old = UH50(lab.clock, seed=99)
    now = lab.meter.registers()
    old.fabrication_number, old.property_number = now.fabrication_number, now.property_number
    old.hold(energy=now.energy - 5)
    lab.mbus.meter = old


# -- meter simulator


@fault("simulator-dead", instrument="meter simulator")
def _(lab: Lab) -> None:
    """The meter simulator takes the connection and never answers."""
    lab.meter_simulator.dead = True


@fault("simulator-stuck", instrument="meter simulator")
class Stuck(MeterSimulator):
    """The meter simulator takes what it is told and shows what it showed before."""

    def show(self) -> None:
        """Nothing changes."""


@fault("simulator-in-front-of-another-unit", instrument="meter simulator")
def _(lab: Lab) -> None:
    """The meter simulator is connected to another unit."""
    lab.meter_simulator.meter = _another_meter(lab)


@fault("simulator-shows-something-else", instrument="meter simulator")
class ShowsSomethingElse(MeterSimulator):
    """The meter simulator shows ten times the energy that it is told."""

    def value(self, name: str, text: str) -> Decimal:
        return super().value(name, text) * (10 if name == "energy" else 1)
