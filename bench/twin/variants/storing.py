"""Units that keep their readouts, and send the history again, in other ways that the manual leaves them."""

from __future__ import annotations

from collections import deque

from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.lab import Lab
from bench.twin.variants.registry import variant


@variant("full-store-drops-new-ones", place="G02")
class FullStoreDropsNewOnes(Storage):
    """A full store takes no new readouts."""

    def add(self, reading: Reading, *, extra: bool) -> None:
        if len(self) < self.capacity:
            super().add(reading, extra=extra)


@variant("store-of-8192", place="8: 8000 readouts")
def _(lab: Lab) -> None:
    """The store has room for 8192 readouts."""
    lab.unit.storage.capacity = 8192


@variant("history-newest-first", place="U05")
class HistoryNewestFirst(Transmissions):
    """A historic resend begins with the newest readouts."""

    def history(self) -> list[Reading]:
        return super().history()[::-1]


@variant("history-within-the-limit-of-uploads", place="U05")
class HistoryWithinTheLimitOfUploads(Transmissions):
    """A transmission takes as many telegrams of a historic resend as the limit of uploads allows."""

    async def _transmit_history(self) -> None:
        rest = deque(list(self.resending)[self.most_uploads():])
        while len(self.resending) > self.most_uploads():
            self.resending.pop()
        await super()._transmit_history()
        self.resending.extend(rest)


@variant("history-in-the-order-of-uploads", place="U05")
class HistoryInTheOrderOfUploads(Transmissions):
    """What waits for a resend is sent in the order of the automatic upload."""

    def history(self) -> list[Reading]:
        kept = super().history()
        return kept[::-1] if self.settings.number("auto_upload_order") == 1 else kept
