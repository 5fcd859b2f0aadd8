"""The value information field: what a record measures, in which unit and step (EN 13757-3:2018, Tables 10 and 12).

The unit is the one in which the manual's Table 6 prints the field, so that the step is 1 or a decimal fraction: VIF 07
(10 kWh) is 0.01 MWh.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Vif:
    """What a VIF means: the value is the data times ten to the ``exponent``, in ``unit``."""

    quantity: str
    unit: str
    exponent: int


_TIME_UNITS = ("s", "min", "h", "days")


def _table() -> dict[bytes, Vif]:
    known: dict[bytes, Vif] = {}

    def add(code: int, quantity: str, unit: str, exponent: int = 0, *, extension: int | None = None) -> None:
        key = bytes([code]) if extension is None else bytes([extension, code])
        known[key] = Vif(quantity, unit, exponent)

    # Energy: 00..07 are 0.001 Wh to 10 kWh, 08..0F are 1 J to 10 MJ.
    for n, (unit, exponent) in enumerate(
        [("Wh", -3), ("Wh", -2), ("Wh", -1), ("Wh", 0), ("kWh", -2), ("kWh", -1), ("kWh", 0), ("MWh", -2)]
    ):
        add(n, "energy", unit, exponent)
    for n, (unit, exponent) in enumerate(
        [("J", 0), ("kJ", -2), ("kJ", -1), ("kJ", 0), ("MJ", -2), ("MJ", -1), ("MJ", 0), ("GJ", -2)]
    ):
        add(0x08 + n, "energy", unit, exponent)
    for n in range(8):
        add(0x10 + n, "volume", "m3", n - 6)
        add(0x18 + n, "mass", "kg", n - 3)
        add(0x38 + n, "flow", "m3/h", n - 6)
        add(0x40 + n, "flow", "m3/min", n - 7)
        add(0x48 + n, "flow", "m3/s", n - 9)
        add(0x50 + n, "mass flow", "kg/h", n - 3)
    for n, (unit, exponent) in enumerate(
        [("W", -3), ("W", -2), ("W", -1), ("W", 0), ("kW", -2), ("kW", -1), ("kW", 0), ("MW", -2)]
    ):
        add(0x28 + n, "power", unit, exponent)
        add(0x30 + n, "power", "J/h", n)
    for n in range(4):
        add(0x20 + n, "on time", _TIME_UNITS[n])
        add(0x24 + n, "operating time", _TIME_UNITS[n])
        add(0x58 + n, "forward temperature", "C", n - 3)
        add(0x5C + n, "return temperature", "C", n - 3)
        add(0x60 + n, "temperature difference", "K", n - 3)
        add(0x64 + n, "external temperature", "C", n - 3)
        add(0x68 + n, "pressure", "bar", n - 3)
        add(0x70 + n, "averaging duration", _TIME_UNITS[n])
        add(0x74 + n, "actuality duration", _TIME_UNITS[n])
    add(0x6C, "date", "")
    add(0x6D, "time", "")
    add(0x6E, "heat cost allocation", "HCA units")
    add(0x78, "fabrication number", "")
    add(0x7A, "bus address", "")

    # First extension table (FB): 0.1 MWh, 1 MWh, 0.1 GJ, 1 GJ.
    add(0x00, "energy", "MWh", -1, extension=0xFB)
    add(0x01, "energy", "MWh", 0, extension=0xFB)
    add(0x08, "energy", "GJ", -1, extension=0xFB)
    add(0x09, "energy", "GJ", 0, extension=0xFB)

    # Second extension table (FD).
    add(0x11, "customer number", "", extension=0xFD)
    add(0x17, "error flags", "", extension=0xFD)
    return known


KNOWN_VIFS = _table()
"""Complete VIF bytes to meaning. A VIF with an extension that is not listed whole means something else: not known."""
