"""How long the unit waits when something has failed: back-off lists, attempts and sequences (manual Tables 9 to 12)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from bench.twin.cmi6110.settings import Settings
from bench.twin.parts import Part


@dataclass(eq=False, repr=False)
class Backoff(Part):
    """Pauses in seconds."""

    settings: Settings
    rng: random.Random

    def pause_s(self, setting: str, failures: int) -> float:
        """How long to wait after ``failures`` others: a back-off list's ranges one after the other, its last one for
        good.
        """
        ranges = self.settings.backoff(setting)
        low, high = ranges[min(failures, len(ranges) - 1)]
        return self.rng.uniform(low, high) * 60

    def attempts(self) -> Iterator[float]:
        """The pauses before the attempts of a connection (33906/0/34 to /37), then it is taken for failed."""
        number = self.settings.number
        for sequence in range(number("sequence_retry_count")):
            for attempt in range(max(number("communication_retry_count"), 1)):
                if attempt:
                    yield float(number("communication_retry_delay"))
                else:
                    yield float(number("sequence_retry_delay")) if sequence else 0.0
