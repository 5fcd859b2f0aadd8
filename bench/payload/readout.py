"""What a telegram says: quantities, records, readouts, findings.

Everything here keeps what was sent. ``canonical`` is the only place that converts, and it converts exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal, Inexact
from typing import Literal

Severity = Literal["info", "warning", "error"]
Function = Literal["instantaneous", "maximum", "minimum", "error"]
Encoding = Literal["mbus", "json", "senml-cbor"]

STANDARD_FIELDS = (
    "time",
    "meter_id",
    "energy",
    "volume",
    "power",
    "flow",
    "forward_temperature",
    "return_temperature",
    "error_flags",
)
"""The fields of message format Standard (manual Table 4)."""

EXTENDED_FIELDS = (*STANDARD_FIELDS, "tariffs", "missing_time")
"""The fields of message format Extended (manual Tables 4 and 5)."""

DEFINED_ERROR_FLAGS = 0x0FFF
"""Bits 0 to 11: the error flags that manual Table 3 names."""


class PayloadError(ValueError):
    """The bytes are not a telegram. Says where and why."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value and its unit as sent, for example ``12345.678`` and ``MWh``.

    The exponent of ``value`` is the resolution it was sent with: 80.3 has steps of 0.1.
    """

    value: Decimal
    unit: str

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd about a telegram.

    *error*: a receiver would read something wrong, or must guess. *warning*: differs from what is printed, but can only
    be read in one way. *info*: worth knowing. ``clause`` names the manual's or the standard's place.
    """

    code: str
    severity: Severity
    text: str
    clause: str

    def at(self, place: str) -> Finding:
        """The same finding, saying in which part of the telegram it was found."""
        return Finding(self.code, self.severity, f"{place}: {self.text}", self.clause)


@dataclass(frozen=True, slots=True)
class Record:
    """One data information block (DIB) of EN 13757-3, kept raw beside its decoded value.

    ``value`` is a Decimal in ``unit``; a naive datetime or date for VIF 6D and 6C; text for text; None when the VIF is
    unknown or the data can't be a value (then ``findings`` says why).
    """

    dif: bytes
    """DIF and its extensions."""
    vif: bytes
    """VIF and its extensions; empty for manufacturer data and fillers."""
    data: bytes
    function: Function
    storage: int
    tariff: int
    subunit: int
    quantity: str
    """What is measured, e.g. "energy"; "unknown", "manufacturer" or "filler" where nothing known is."""
    value: Decimal | datetime | date | str | None
    unit: str
    findings: tuple[Finding, ...] = ()

    @property
    def raw(self) -> bytes:
        """All bytes of the record as sent."""
        return self.dif + self.vif + self.data

    @property
    def header(self) -> str:
        """DIF and VIF as the manual prints them, e.g. "04FB00"."""
        return (self.dif + self.vif).hex().upper()


@dataclass(frozen=True, slots=True)
class Readout:
    """One set of meter values at one time, as sent; None where nothing was sent."""

    time: datetime | None = None
    """Aware. As sent: it is UTC only if the unit's UTC offset is set."""
    time_valid: bool = False
    """The time was sent, is a possible one, and is not marked invalid."""
    meter_id: str | None = None
    energy: Quantity | None = None
    volume: Quantity | None = None
    power: Quantity | None = None
    flow: Quantity | None = None
    forward_temperature: Quantity | None = None
    return_temperature: Quantity | None = None
    error_flags: int | None = None
    tariffs: tuple[Quantity | None, Quantity | None, Quantity | None] = (None, None, None)
    missing_time: Quantity | None = None
    records: tuple[Record, ...] = ()
    """The M-Bus records that the values come from; empty for JSON and for an optical readout."""

    @property
    def stamp(self) -> datetime:
        """The time as sent, without a zone. Raises PayloadError when none was sent."""
        if self.time is None:
            raise PayloadError("the readout carries no time")
        return self.time.replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Telegram:
    """What one upload carries. ``readouts`` are in the order as sent."""

    encoding: Encoding
    readouts: tuple[Readout, ...]
    findings: tuple[Finding, ...]
    raw: bytes

    @property
    def newest(self) -> Readout:
        """The readout with the latest time; without any time the first one.

        Raises PayloadError when the telegram carries no readout.
        """
        if not self.readouts:
            raise PayloadError("the telegram carries no readout")
        timed = [r for r in self.readouts if r.time is not None]
        return max(timed, key=lambda r: r.time) if timed else self.readouts[0]  # type: ignore[arg-type,return-value]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings of severity error."""
        return tuple(f for f in self.findings if f.severity == "error")


_CANONICAL: dict[str, tuple[Decimal, str]] = {
    "Wh": (Decimal(3600), "J"),
    "kWh": (Decimal(3_600_000), "J"),
    "MWh": (Decimal(3_600_000_000), "J"),
    "J": (Decimal(1), "J"),
    "kJ": (Decimal(1000), "J"),
    "MJ": (Decimal(1_000_000), "J"),
    "GJ": (Decimal(1_000_000_000), "J"),
    "m3": (Decimal(1), "m3"),
    "l": (Decimal("0.001"), "m3"),
    "W": (Decimal(1), "W"),
    "kW": (Decimal(1000), "W"),
    "MW": (Decimal(1_000_000), "W"),
    "m3/h": (Decimal(1), "m3/h"),
    "l/h": (Decimal("0.001"), "m3/h"),
    "C": (Decimal(1), "C"),
    "h": (Decimal(1), "h"),
    "hours": (Decimal(1), "h"),
    "d": (Decimal(24), "h"),
    "days": (Decimal(24), "h"),
}

_EXACT = Context(prec=200, traps=[Inexact])


def canonical(quantity: Quantity) -> Quantity:
    """The same quantity in J, m3, W, m3/h, C or h, exactly.

    Energy is in J (1 Wh = 3600 J), because a J is no finite decimal of a Wh.
    Raises ValueError for a unit that is none of the manual's.
    """
    try:
        factor, unit = _CANONICAL[quantity.unit]
    except KeyError:
        raise ValueError(f"unknown unit {quantity.unit!a}") from None
    return Quantity(_EXACT.multiply(quantity.value, factor), unit)


def flags_finding(flags: int) -> Finding | None:
    """The finding for error flags with bits that Table 3 does not define, or None."""
    unknown = [str(bit) for bit in range(flags.bit_length()) if flags & ~DEFINED_ERROR_FLAGS & (1 << bit)]
    if not unknown:
        return None
    bits = f"bit {unknown[0]}" if len(unknown) == 1 else f"bits {', '.join(unknown)}"
    return Finding(
        "undefined-error-flag",
        "warning",
        f"error flags 0x{flags:04X} set {bits}, which Table 3 does not define",
        "Table 3",
    )


def quoted(value: object) -> str:
    """Text of unknown origin made safe and short for a message."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
