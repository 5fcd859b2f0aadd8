"""Sending what is stored to the meter data server (manual 7.3.4)."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.telegram import Reading

if TYPE_CHECKING:
    from bench.twin.cmi6110.unit import CMi6110


class Transmissions:
    """What ``unit`` sends, one transmission at a time. ``resending``: what is left of the history asked for."""

    def __init__(self, unit: CMi6110) -> None:
        self._unit = unit
        self.resending: deque[bytes] = deque()
        self._busy = asyncio.Lock()

    def queue_history(self) -> None:
        """33906/0/13: everything again (U05: no age limit)."""
        storage = self._unit.storage
        storage.queue_history()
        readings = storage.take_history(storage.queued_history())
        self.resending = deque(payload for payload, _ in self._unit.writer().telegrams(readings))

    async def run(self) -> None:
        """One transmission: up to the configured number of telegrams, until one fails (7.3.4)."""
        unit = self._unit
        async with self._busy:
            limit = unit.settings.number("max_uploads_per_transmission")
            for payload, readings in self.pending_telegrams()[:limit]:
                if not await self.upload(payload):
                    break
                unit.storage.mark_sent(readings)
            else:
                await self._transmit_history()
            unit.mdm.end_transmission()

    def pending_telegrams(self) -> list[tuple[bytes, list[Reading]]]:
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
            payload = self.resending[0]
            if not await self.upload(payload):
                return
            if self.resending and self.resending[0] is payload:
                self.resending.popleft()

    async def upload(self, payload: bytes) -> bool:
        """One telegram to where 33906/0/48 sends it: to the gateway, or as an LwM2M Send of object 33911 (C36)."""
        unit = self._unit
        if unit.settings.number("upload_protocol") == 0:
            return await unit.mdm.publish(payload)
        return unit.dm is not None and await unit.dm.report({
            Path(33911, 0, 0): unit.settings.number("message_format"),
            Path(33911, 0, 1): unit.settings.number("message_encoding"),
            Path(33911, 0, 2): payload})
