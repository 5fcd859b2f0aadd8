"""What units upload of their meters, by whichever protocol: MQTT-SN, or LwM2M Send of object 33911."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from bench.backend.mqttsn_client import ReceivedTelegram
from bench.backend.sends import ReceivedSend
from bench.journal import Journal
from bench.protocols.lwm2m import Path
from bench.protocols.mqttsn import QoS

DATA = Path(33911, 0, 2)
"""Meter data (manual Table 2). That they travel so by LwM2M is not printed (notes C36); the maker's pages say it."""


class Uploaded(Sequence[ReceivedTelegram]):
    """All telegrams in the order of their arrival; one that came by LwM2M has the path of its resource as topic."""

    def __init__(self, published: Journal[ReceivedTelegram], sends: Journal[ReceivedSend]) -> None:
        self._published, self._sends = published, sends
        self._looked = [0, 0]
        self._all: Journal[ReceivedTelegram] = Journal()

    def __len__(self) -> int:
        self._look()
        return len(self._all)

    @overload
    def __getitem__(self, index: int) -> ReceivedTelegram: ...

    @overload
    def __getitem__(self, index: slice) -> list[ReceivedTelegram]: ...

    def __getitem__(self, index: int | slice) -> ReceivedTelegram | list[ReceivedTelegram]:
        self._look()
        return self._all[index]

    def _look(self) -> None:
        """Take over what has come since the last look: it came later than all that is known."""
        published, sends = self._published[self._looked[0]:], self._sends[self._looked[1]:]
        self._looked = [self._looked[0] + len(published), self._looked[1] + len(sends)]
        fresh = published + [
            ReceivedTelegram(send.time_s, send.endpoint, str(DATA), QoS.ONE, False, 0, record.value)
            for send in sends for record in send.records if record.path == DATA and isinstance(record.value, bytes)]
        for telegram in sorted(fresh, key=lambda one: one.time_s):
            self._all.append(telegram)
