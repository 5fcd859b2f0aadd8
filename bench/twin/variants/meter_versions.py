"""Units that take old meters otherwise: what a unit does with one that is not supported is not printed."""

from __future__ import annotations

from bench.twin.cmi6110.readouts import Readouts
from bench.twin.variants.registry import variant


@variant("old-meters-are-read", place="4.4: what becomes of older software is not printed")
class OldAreRead(Readouts):
    """Meters with older software are read like others."""

    def understands(self) -> bool:
        return True


@variant("old-meters-are-none", place="4.4: what becomes of older software is not printed")
class OldAreNone(Readouts):
    """A meter with older software is no meter: 33908/0/2 is 1."""

    def status(self) -> int:
        return 0 if self.meter.connected and self.understands() else 1
