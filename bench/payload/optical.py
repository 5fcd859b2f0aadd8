"""The optical readout of a UH50, UC50 or T550: lines of ``code(value*unit&value*unit)`` (IEC 62056-21)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from bench.payload.readout import Finding, PayloadError, Quantity, Readout, quoted

IdentificationSource = Literal["fabrication", "property"]
"""Which number of the meter counts (LwM2M 33906/0/54: 0 fabrication, 1 property, also called customer number)."""

_GROUP = re.compile(r"([0-9A-Z][0-9A-Za-z.*:]*)\(([^()]*)\)")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_UNITS = {"m3ph": "m3/h"}
_CLAUSE = "IEC 62056-21"

Item = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class OpticalReadout:
    """What the meter itself says: the reference for every telegram.

    ``registers`` maps a code to its items ``(value, unit or None)``; an empty register ``()`` has no item. Properties
    are None where the register is absent or empty; the values 6.4, 6.27, 6.28, 6.29 are only in the ``/#!`` readout.
    """

    ident: str | None
    """The identification after the slash, e.g. "LUGCUH50", when it was in the input."""
    registers: Mapping[str, tuple[Item, ...]]
    findings: tuple[Finding, ...]
    raw: str

    def quantity(self, code: str) -> Quantity | None:
        """The first item of a register as a quantity; None when absent, empty or no number."""
        items = self.registers.get(code)
        if not items:
            return None
        value, unit = items[0]
        if unit is None or len(value) > 30 or not _NUMBER.fullmatch(value):
            return None
        return Quantity(Decimal(value), _UNITS.get(unit, unit))

    def text(self, code: str) -> str | None:
        """The first item of a register without its unit."""
        items = self.registers.get(code)
        return items[0][0] if items else None

    @property
    def energy(self) -> Quantity | None:
        return self.quantity("6.8")

    @property
    def volume(self) -> Quantity | None:
        return self.quantity("6.26")

    @property
    def power(self) -> Quantity | None:
        return self.quantity("6.4")

    @property
    def flow(self) -> Quantity | None:
        return self.quantity("6.27")

    @property
    def forward_temperature(self) -> Quantity | None:
        return self.quantity("6.29")

    @property
    def return_temperature(self) -> Quantity | None:
        return self.quantity("6.28")

    @property
    def missing_time(self) -> Quantity | None:
        return self.quantity("6.32")

    def tariff(self, number: int) -> Quantity | None:
        """Tariff register 6.8.``number``, 1 to 5; None when it is not used."""
        return self.quantity(f"6.8.{number}")

    @property
    def fabrication_number(self) -> str | None:
        return self.text("9.20")

    @property
    def property_number(self) -> str | None:
        return self.text("9.21")

    @property
    def meter_time(self) -> datetime | None:
        """The meter's clock, naive: standard time of the place. None when absent or impossible."""
        items = self.registers.get("9.36", ())
        if len(items) != 2:
            return None
        try:
            return datetime.strptime(f"{items[0][0]} {items[1][0]}", "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - no zone is sent
        except ValueError:
            return None

    @property
    def error_display(self) -> str | None:
        """Register F as sent; "0" is no error. The form of an active error is not published."""
        return self.text("F")

    def identification(self, source: IdentificationSource) -> str | None:
        """The fabrication number (9.20) or the property number (9.21)."""
        return self.fabrication_number if source == "fabrication" else self.property_number

    def to_readout(self, source: IdentificationSource = "fabrication") -> Readout:
        """The readout's fields. Without ``time``: the meter's clock has no zone, see ``meter_time``.

        ``error_flags`` is 0 for ``F(0)`` and None otherwise, because the display tells no flags.
        """
        return Readout(
            meter_id=self.identification(source),
            energy=self.energy,
            volume=self.volume,
            power=self.power,
            flow=self.flow,
            forward_temperature=self.forward_temperature,
            return_temperature=self.return_temperature,
            error_flags=0 if self.error_display == "0" else None,
            tariffs=(self.tariff(1), self.tariff(2), self.tariff(3)),
            missing_time=self.missing_time,
        )


def parse_optical(text: str | bytes) -> OpticalReadout:
    """The registers of an optical readout, without STX, ETX and BCC (the reader has checked and taken them off).

    A first line ``/...`` is the identification, a line ``!`` the end. Raises PayloadError for anything else that is
    not ``code(...)``: the block is then damaged and no value of it can be trusted.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("ascii")
        except UnicodeDecodeError as error:
            raise PayloadError(f"byte {error.start}: {text[error.start]:02X} is not 7-bit text") from None
    ident: str | None = None
    registers: dict[str, tuple[Item, ...]] = {}
    findings: list[Finding] = []
    ended = False
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line:
            continue
        if ended:
            raise PayloadError(f"line {number}: {quoted(line)} follows the end mark")
        if line.startswith("/") and ident is None and not registers:
            ident = line[1:]
            continue
        if line == "!":
            ended = True
            continue
        at = 0
        while at < len(line):
            group = _GROUP.match(line, at)
            if group is None:
                raise PayloadError(f"line {number}, column {at + 1}: {quoted(line[at:])} is no code(value)")
            code, inner = group.groups()
            if code in registers:
                findings.append(
                    Finding("duplicate-register", "error", f"{code} comes again, the first one counts", _CLAUSE)
                )
            else:
                registers[code] = _items(inner)
            at = group.end()
    if not registers:
        raise PayloadError("no register in the readout")
    if not ended:
        findings.append(Finding("no-end-mark", "warning", "the readout has no end mark !", _CLAUSE))
    return OpticalReadout(ident, registers, tuple(findings), text)


def _items(inner: str) -> tuple[Item, ...]:
    if not inner:
        return ()
    items: list[Item] = []
    for part in inner.split("&"):
        value, star, unit = part.partition("*")
        items.append((value, unit if star else None))
    return tuple(items)
