"""Ways to spoil a part of the unit that several defects share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bench.protocols.lwm2m import Path, Type
from bench.twin.cmi6110.resource import Resource
from bench.twin.cmi6110.settings import Value
from bench.twin.cmi6110.telegram import Reading
from bench.twin.lab import Lab


def resource(lab: Lab, path: tuple[int, int, int]) -> Resource:
    return lab.unit.tree[Path(*path)]


def report(lab: Lab, path: tuple[int, int, int], read: Callable[[], object]) -> None:
    """Let a resource read as something else."""
    resource(lab, path).read = read


def retype(lab: Lab, path: tuple[int, int, int], kind: Type, read: Callable[[], object]) -> None:
    """Let a resource be of another type."""
    target = resource(lab, path)
    target.type, target.read = kind, read


def restage(lab: Lab, path: tuple[int, int, int], stage: Callable[[Any], Mapping[str, Value]]) -> None:
    """Let a resource take other values over DM."""
    resource(lab, path).stage = stage


def accept(lab: Lab, setting: str, accepts: Callable[[Value], bool]) -> None:
    """Let a setting take other values."""
    rules = lab.unit.settings.rules
    rules[setting] = replace(rules[setting], accepts=accepts)


def read_as(lab: Lab, spoil: Callable[[Reading], Reading]) -> None:
    """Spoil what the unit takes from the meter."""
    take = lab.unit.take_registers
    lab.unit.take_registers = lambda: spoil(take())  # type: ignore[method-assign]
