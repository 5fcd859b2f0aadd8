"""What the maker declares of a unit: its PICS (what it can do) and PIXIT (what a tester must know), as a TOML file.

A declaration decides which rows of a certification pack apply. It is no evidence: what the unit itself shows is held
against it, and a contradiction is a finding. ``pics.toml`` is what the manual says of the CMi6110.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import BenchError, did_you_mean
from bench.toml_file import read_toml

Value = bool | int | str | list[int] | list[str]
"""Of an item of a declaration, or of what a unit shows."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Product(_Part):
    """What the declaration is about. What is empty was not declared."""

    manufacturer: str = ""
    model: str = ""
    hardware: str = ""
    firmware: str = ""
    modem_firmware: str = ""
    battery: str = ""


class Pics(_Part):
    """Protocol Implementation Conformance Statement: what the unit can do. What is missing was not declared: a row that
    asks for it is inconclusive, not left out."""

    nfc: bool | None = Field(default=None, description="settings are read and written over NFC")
    nfc_off: bool | None = Field(default=None, description="NFC can be switched off")
    lock_at_delivery: str | None = Field(default=None, description="configuration lock as delivered: open, locked")
    pak_slowed_down: bool | None = Field(default=None, description="wrong PAKs lead to a lock-out or delays")
    button: bool | None = Field(default=None, description="a button is a user interface")
    factory_reset: bool | None = Field(default=None, description="the user can delete all data")
    dtls_psk: bool | None = Field(default=None, description="DTLS with pre-shared keys")
    dtls_certificates: bool | None = Field(default=None, description="DTLS with certificates or raw public keys")
    dtls_connection_id: bool | None = Field(default=None, description="RFC 9146")
    no_security_mode: bool | None = Field(default=None, description="a connection without DTLS can be configured")
    cipher_suites: list[str] | None = Field(default=None, description="offered suites by their numbers, such as 0xC0A8")
    keys_unique: bool | None = Field(default=None, description="no two units or connections have a key in common")
    key_from_user: bool | None = Field(default=None, description="a user sets passwords")
    bootstrap: list[str] | None = Field(default=None, description="client, server, smartcard")
    lwm2m: str | None = Field(default=None, description="enabler version that the unit registers with")
    objects: list[int] | None = Field(default=None, description="objects that the unit registers")
    formats: list[str] | None = Field(default=None, description="text, tlv, senml-json, senml-cbor, json, cbor")
    tcp: bool | None = Field(default=None, description="CoAP over TCP")
    several_servers: bool | None = Field(default=None, description="more than one account for device management")
    firmware_push: bool | None = Field(default=None, description="packages are taken by write to 5/0/0")
    queue_mode: bool | None = Field(default=None, description="the unit registers with queue mode")
    send: bool | None = Field(default=None, description="LwM2M Send")
    composite: bool | None = Field(default=None, description="composite operations")
    oscore: bool | None = Field(default=None, description="object security")
    firmware_update: bool | None = Field(default=None, description="firmware over object 5")
    modem_update: bool | None = Field(default=None, description="firmware of the modem over the air")
    older_firmware: bool | None = Field(default=None, description="an older version may be put in")
    bands: list[int] | None = Field(default=None, description="E-UTRA bands")
    category: str | None = Field(default=None, description="UE category: NB1, NB2")
    release: int | None = Field(default=None, description="3GPP release")
    power_class_dbm: int | None = Field(default=None, description="nominal maximum power, dBm")
    ip_versions: list[int] | None = Field(default=None, description="4, 6")
    services: list[int] | None = Field(default=None, description="UDP and TCP ports on which the unit listens")
    security_log: bool | None = Field(default=None, description="events of security are logged (EN 18031-2 LGM)")
    personal_data: bool | None = Field(default=None, description="personal or traffic data are processed (EN 18031-2)")
    network_equipment: bool | None = Field(default=None, description="the unit forwards traffic of others")
    toy_or_childcare: bool | None = Field(default=None, description="a toy, or for childcare")
    payments: bool | None = Field(default=None, description="money or virtual currency (EN 18031-3)")
    battery: bool | None = Field(default=None, description="supplied by a battery")
    legal_meter: bool | None = Field(default=None, description="works inside a meter under MID")


class Pixit(_Part):
    """Protocol Implementation eXtra Information for Testing. ``sacrificial``: DevEUIs of units that may be spoilt:
    destructive rows are run on them only, or on ``every`` unit where the twin is tested."""

    sacrificial: Annotated[tuple[str, ...], Field(strict=False)] = ()
    note: str = ""


class Declaration(_Part):
    """``editions``: document -> edition that the maker's declaration of conformity names."""

    product: Product = Product()
    pics: Pics = Pics()
    pixit: Pixit = Pixit()
    editions: dict[str, str] = {}

    @property
    def declared(self) -> Mapping[str, Value]:
        """All that was declared, by name; of the product as ``firmware`` and so on."""
        product = {name: value for name, value in self.product.model_dump().items() if value and name != "battery"}
        return product | {name: value for name, value in self.pics.model_dump().items() if value is not None}

    def is_sacrificial(self, deveui: str) -> bool:
        named = {re.sub(r"[^0-9A-F]", "", one.upper()) for one in self.pixit.sacrificial if one != "every"}
        return deveui.upper() in named or "every" in self.pixit.sacrificial


def load(path: Path | None = None) -> Declaration:
    """The declaration in the file ``path``; without one what the manual says of the CMi6110. Raises ``BenchError`` with
    all that is wrong with it."""
    if path is None:
        with as_file(files("bench.manual").joinpath("pics.toml")) as own:
            return load(own)
    subject = f"PICS {path}"
    try:
        return Declaration.model_validate(read_toml(path, subject, "give the path of a declaration"))
    except ValidationError as error:
        faults = [_fault(one["loc"], one["msg"]) for one in error.errors()]
        raise BenchError(subject, expected="tables product, pics, pixit and editions as in docs/packs.md",
                         seen="; ".join(faults), do="correct the file") from None


def _fault(location: tuple[int | str, ...], said: str) -> str:
    place = ".".join(str(one) for one in location if not str(one).startswith(("list[", "bool", "int", "str")))
    if said.startswith("Extra inputs") and len(location) == 2 and location[0] == "pics":
        do = did_you_mean(str(location[1]), Pics.model_fields, "see docs/packs.md")
        return f"{place} is nothing that is declared; {do}"
    return f"{place}: {said[0].lower()}{said[1:]}"


@dataclass(frozen=True, slots=True)
class Condition:
    """``nfc``, ``not oscore``, ``bands has 20``, ``lock_at_delivery is locked``, ``lock_at_delivery is not open``."""

    name: str
    verb: str
    value: str
    negated: bool

    @classmethod
    def of(cls, text: str) -> Condition:
        """Raises ``ValueError``."""
        found = re.fullmatch(r"(not )?([a-z][a-z0-9_]*)(?: (has|is)( not)? ([\w.-]+))?", text)
        if found is None:
            raise ValueError(f"{text!r} is no condition such as 'nfc', 'not oscore', 'bands has 20', 'lwm2m is 1.1'")
        return cls(found[2], found[3] or "", found[5] or "", bool(found[1]) != bool(found[4]))

    @classmethod
    def faults(cls, text: str, known: type[BaseModel]) -> list[str]:
        """What is wrong with a condition on the fields of ``known``."""
        try:
            name = cls.of(text).name
        except ValueError as error:
            return [str(error)]
        names = [*known.model_fields, *Product.model_fields]
        return [] if name in names else [f"{name!r} is nothing that is declared; "
                                         f"{did_you_mean(name, names, 'see docs/packs.md')}"]

    def holds(self, values: Mapping[str, Any]) -> bool | None:
        """None where nothing is known of it."""
        value = values.get(self.name)
        if value is None:
            return None
        if self.verb == "has":
            said = self.value in map(str, value)
        elif self.verb == "is":
            said = self.value == str(value)
        else:
            said = bool(value)
        return said != self.negated
