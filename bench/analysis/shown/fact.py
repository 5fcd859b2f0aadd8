"""A fact that a run shows, as it was seen once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Area(StrEnum):
    """What facts are about. Of the words of some areas chance decides (``BY_CHANCE``), of others the firmware alone."""

    VERDICT = "verdict"
    READING = "reading of an open place"
    LIGHT = "light"
    TIMING = "timing"
    ENERGY = "energy"
    TELEGRAM = "telegram field"
    TREE = "LwM2M tree"
    DEFAULT = "default"
    ANSWER = "answer"
    MESSAGE = "message"
    ORDER = "order of messages"
    MEASUREMENT = "measurement"


BY_CHANCE = frozenset({Area.ORDER})
"""Messages that cross on the way come in another order now and then."""


@dataclass(frozen=True, slots=True)
class Seen:
    """``value`` is a number in ``unit``, or a word. ``resolution``: the step in which the bench sees such numbers, in
    ``unit``; no smaller difference is one."""

    area: Area
    name: str
    value: float | str
    unit: str = ""
    resolution: float = 0.0

    @property
    def is_number(self) -> bool:
        return isinstance(self.value, float)
