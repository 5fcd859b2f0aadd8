"""Units that read an open place of the manual otherwise."""

from __future__ import annotations

from collections.abc import Sequence

from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.telegram import Reading, TelegramWriter
from bench.twin.variants.registry import variant


@variant("flashes-each-2-s", place="G05")
class FlashesEach2S(Front):
    """A joining unit flashes every other second, for 50 ms."""

    flash_s = 0.05
    flash_period_s = 2.0


@variant("first-readout-after-10-min", place="U11")
class FirstReadoutAfter10Min(Life):
    """The readout after joining is sent 10 min later."""

    first_readout_delay_s = 600.0


@variant("senml-oldest-first", place="U06")
class SenmlOldestFirst(TelegramWriter):
    """The base time of a SenML pack is that of its oldest readout."""

    def senml(self, readings: Sequence[Reading]) -> bytes:
        return super().senml(readings[::-1])


@variant("packs-of-1200-octets", place="C12")
class PacksOf1200Octets(TelegramWriter):
    """A SenML pack has up to 1200 octets."""

    largest_payload = 1200
