"""Sending what is stored to the meter data server (manual 7.3.4)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.download import Do
from bench.twin.cmi6110.telegram import Reading

if TYPE_CHECKING:
    from bench.twin.cmi6110.unit import CMi6110


class Transmissions:
    """What ``unit`` sends, one transmission at a time. ``resending``: what is left of the history asked for. ``do``
    runs a job beside the unit's life, as long as there is a network.
    """

    def __init__(self, unit: CMi6110, do: Do) -> None:
        self._unit = unit
        self._do = do
        self._reconnecting = False
        self.resending: deque[tuple[bytes, list[Reading]]] = deque()
        self._busy = asyncio.Lock()

    def queue_history(self) -> None:
        """33906/0/13: everything again, whatever its age (U05)."""
        self.resending = deque(self._unit.writer().telegrams(self._unit.storage.history()))

    async def run(self) -> None:
        """One transmission: up to the configured number of telegrams, until one fails (7.3.4). With a broken
        connection there is none, and what is stored waits for the next.
        """
        unit = self._unit
        if self._reconnecting and unit.settings.number("upload_protocol") == 0:
            return
        async with self._busy:
            telegrams = list(islice(self.pending_telegrams(), self.most_uploads()))
            for number, (payload, readings) in enumerate(telegrams, 1):
                if not await self.upload(payload, last=number == len(telegrams) and not self.resending):
                    break
                unit.storage.mark_sent(readings)
            else:
                await self._transmit_history()
            unit.mdm.end_transmission()
            if not self._reconnecting and (
                    unit.mdm.failures >= max(unit.settings.number("mdm_communication_failures"), 1)):
                self._do(self._reconnect())

    def most_uploads(self) -> int:
        """Telegrams in one transmission; one with a new readout counts like the others (U08)."""
        return self._unit.settings.number("max_uploads_per_transmission")

    async def _reconnect(self) -> None:
        """The connection to the meter data server is broken (33906/0/47): connect, with the pauses of 33906/0/41."""
        self._reconnecting = True
        try:
            attempt = 0
            connected = False
            while not connected:
                await asyncio.sleep(self._unit.connection.pause_s("reconnect_backoff", attempt))
                connected = await self._unit.mdm.connect()
                attempt += 1
        finally:
            self._reconnecting = False

    def pending_telegrams(self) -> Iterator[tuple[bytes, list[Reading]]]:
        """The unsent readouts as telegrams, in the order in which they go."""
        unit = self._unit
        pending = unit.storage.unsent(
            unit.meter.clock_now(), timedelta(minutes=unit.settings.number("auto_upload_max_age")),
            unit.settings.number("report_interval"))
        if unit.settings.number("auto_upload_order") == 1:
            pending.reverse()
        return unit.writer().telegrams(pending)

    async def _transmit_history(self) -> None:
        """What 33906/0/13 has asked for; 33906/0/14 counts it down. What an outage cuts off goes another time."""
        while self.resending:
            first = self.resending[0]
            payload, readings = first
            if not await self.upload(payload, last=len(self.resending) == 1):
                return
            self._unit.storage.mark_sent(readings)
            if self.resending and self.resending[0] is first:
                self.resending.popleft()

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        """One telegram to where 33906/0/48 sends it: to the gateway, or as an LwM2M Send of object 33911 (C36).
        ``last``: no other follows in this transmission."""
        unit = self._unit
        if unit.settings.number("upload_protocol") == 0:
            return await unit.mdm.publish(payload, last=last)
        return unit.dm is not None and await unit.dm.report({
            Path(33911, 0, 0): unit.settings.number("message_format"),
            Path(33911, 0, 1): unit.settings.number("message_encoding"),
            Path(33911, 0, 2): payload})
