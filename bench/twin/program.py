"""What the program in a firmware package of the twin makes of the unit: its defects and variants from then on.

A package whose payload begins with a program is a build: the unit that has taken it is that build's unit, with the
settings, readouts and accounts that it had. Into any other payload the twin does not look, and stays what it was.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass

from bench.twin.lab import Change, Lab
from bench.twin.parts import Parts

MAGIC = b"MCMPROGRAM "


@dataclass(frozen=True, slots=True)
class Program:
    """``defects`` and ``variants`` by their names. ``one_in``: in one of so many lives, by chance, the defects show."""

    defects: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    one_in: int = 1

    def encode(self, size: int = 0) -> bytes:
        """The payload, filled up to ``size`` octets."""
        return (MAGIC + json.dumps(asdict(self)).encode() + b"\n").ljust(size, b"\xff")

    @classmethod
    def decode(cls, payload: bytes) -> Program | None:
        """None for another payload. Raises ValueError for a program that can't be read."""
        if not payload.startswith(MAGIC):
            return None
        found = json.loads(payload[len(MAGIC):].partition(b"\n")[0])
        return cls(tuple(found["defects"]), tuple(found["variants"]), int(found["one_in"]))


class Builds:
    """Puts a build into the unit of ``lab`` while that lives, which was built of ``parts``.

    Objects keep what they know and get the class that the new build has for them, as a flash keeps its contents when
    the program beside it is another one. ``find``: the changes of a program.
    """

    def __init__(self, lab: Lab, parts: Parts, find: Callable[[Program], Collection[Change]],
                 rng: random.Random) -> None:
        self._lab, self._parts, self._find, self._rng = lab, parts, find, rng
        self._tree, self._rules = dict(lab.unit.tree), dict(lab.unit.settings.rules)

    def install(self, payload: bytes) -> None:
        """The unit is what ``payload`` makes of it. Raises TypeError for a change that no update can bring."""
        program = Program.decode(payload)
        if program is None:
            self._lab.unit.life.first_start()
            return
        if self._rng.randrange(program.one_in):
            program = Program(variants=program.variants)
        changes = self._find(program)
        new = Parts(part for change in changes for part in change.parts)
        self._exchange({self._parts.of(base): new.of(base) for base in self._parts.built})
        new.check_all_used()
        new.built |= self._parts.built
        self._parts = new
        unit = self._lab.unit
        unit.tree.clear()
        unit.tree.update(self._tree)
        unit.settings.rules.clear()
        unit.settings.rules.update(self._rules)
        for change in changes:
            change.prepare(self._lab)
        unit.life.first_start()

    def _exchange(self, classes: dict[type, type]) -> None:
        parts = [part for part in vars(self._lab.unit).values() if hasattr(part, "__dict__")]
        parts += [inner for part in list(parts) for inner in vars(part).values() if type(inner) in classes]
        for part in parts:
            for name, value in list(vars(part).items()):
                if isinstance(value, type) and value in classes:    # of which it builds others
                    setattr(part, name, classes[value])
            if type(part) in classes:
                part.__class__ = classes[type(part)]
