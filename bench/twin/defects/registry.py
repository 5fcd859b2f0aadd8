"""What a defect is, and the list of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from bench.twin.catalogue import Catalogue, Made, contents
from bench.twin.lab import Change

Kind = Literal["values", "timing", "settings", "security", "persistence", "absence", "silence", "protocol", "light",
               "power", "joining", "update"]
"""In what sense a unit is wrong: what it reports, when it acts, whether a setting takes effect, who may do what, what
it keeps over a loss of power or network, what is not there at all, whether it is still when it must be, how it talks,
what it shows, what it draws and bears, how it finds and keeps its network, how it takes new firmware."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_KIND_OF_MODULE: dict[str, Kind] = {
    "payload": "values", "reporting": "values", "values": "values",
    "time": "timing", "schedule": "timing", "calendar": "timing",
    "resources": "settings", "settings": "settings", "managing": "settings",
    "security": "security", "lock": "security", "keys": "security",
    "retransmission": "persistence", "keeping": "persistence", "storage": "persistence", "backlog": "persistence",
    "uploads": "persistence", "told": "absence", "silence": "silence",
    "mqttsn": "protocol", "conversation": "protocol", "bootstrap": "protocol",
    "front": "light", "power": "power", "supply": "power",
    "joining": "joining", "radio": "joining", "attach": "joining", "firmware": "update", "updates": "update",
}
_KIND_ON_WIRE: dict[str, Kind] = {
    "panel": "light", "supply": "power", "nfc": "settings", "dm": "settings", "mdm": "values", "cell": "joining",
    "bootstrap": "security", "files": "update", "meter": "values", "mbus": "values",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect(Change):
    """It breaks ``requirements``, and shows on ``wire``."""

    wire: str
    requirements: tuple[str, ...]
    kind: Kind


DEFECTS: Catalogue[Defect] = Catalogue("defect")


def defect(name: str, *requirements: str, wire: str, beside: tuple[type, ...] = (),
           kind: Kind | None = None) -> Callable[[Made], Made]:
    """Register the decorated class or function as the defect ``name``; its docstring says what is wrong. A class
    replaces the part that it is a subclass of, a function gets the lab before it is switched on. ``beside``: classes
    that replace other parts, where it takes two to make the defect.

    Without ``kind`` it is that of its module: the ``KIND`` that this has at its head, or what its topic is about.
    """
    def register(made: Made) -> Made:
        own = contents(made)
        parts = (*own.pop("parts", ()), *beside)
        DEFECTS.add(Defect(name=name, wire=wire, requirements=requirements, parts=parts,
                           kind=kind or _usual_kind(made.__module__, wire), **own))
        return made
    return register


def _usual_kind(module: str, wire: str) -> Kind:
    declared: Kind | None = getattr(sys.modules[module], "KIND", None)
    if declared is not None and declared not in KINDS:
        raise ValueError(f"KIND of {module} is {declared}, none of {', '.join(KINDS)}")
    topic = module.rpartition(".")[2]
    by_topic = next((_KIND_OF_MODULE[word] for word in (topic, *topic.split("_")) if word in _KIND_OF_MODULE), None)
    return declared or by_topic or _KIND_ON_WIRE.get(wire, "protocol")
