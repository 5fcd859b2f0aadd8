"""Ways to spoil a resource that several defects share: another resource is put into the unit's tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.resource import BadValue
from bench.twin.cmi6110.settings import Value
from bench.twin.lab import Lab


def change(lab: Lab, path: tuple[int, int, int], **fields: Any) -> None:
    """Let a resource be one with other ``fields``: see ``Resource``."""
    tree = lab.unit.tree
    tree[Path(*path)] = replace(tree[Path(*path)], **fields)


def report(lab: Lab, path: tuple[int, int, int], read: Callable[[], object]) -> None:
    """Let a resource read as something else."""
    change(lab, path, read=read)


def restage(lab: Lab, path: tuple[int, int, int], stage: Callable[[Any], Mapping[str, Value]] | None) -> None:
    """Let a resource take other values over DM, or (None) none at all."""
    change(lab, path, stage=stage)


def show_only(lab: Lab, path: tuple[int, int, int]) -> None:
    """Let a resource read as it was last written, if only what the setting allows, and do nothing else."""
    usual, written = lab.unit.tree[Path(*path)], list[Any]()

    def check(value: Any) -> None:
        assert usual.stage is not None
        if lab.unit.settings.check(usual.stage(value)):
            raise BadValue("out of range")

    def read() -> Any:
        assert usual.read is not None
        return written[-1] if written else usual.read()

    change(lab, path, stage=None, write=written.append, read=read, check=check)


def accept(lab: Lab, setting: str, accepts: Callable[[Value], bool]) -> None:
    """Let a setting take other values."""
    rules = lab.unit.settings.rules
    rules[setting] = replace(rules[setting], accepts=accepts)
