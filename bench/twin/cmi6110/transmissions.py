"""Sending what is stored to the meter data server (manual 7.3.4)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.jobs import Do
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading, TelegramWriter
from bench.twin.meter.uh50 import UH50
from bench.twin.parts import Part


@dataclass(eq=False, repr=False)
class Transmissions(Part):
    """One transmission at a time. ``resending``: what is left of the history asked for. ``do`` runs a job beside the
    unit's life.
    """

    settings: Settings
    storage: Storage
    meter: UH50
    mdm: MdmClient
    connection: Connection
    backoff: Backoff
    do: Do
    telegram_writer: type[TelegramWriter] = TelegramWriter
    resending: deque[tuple[bytes, list[Reading]]] = field(default_factory=deque, init=False)
    _reconnecting: bool = field(default=False, init=False)
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    def writer(self) -> TelegramWriter:
        return self.telegram_writer(self.settings.number("message_encoding"), self.settings.number("message_format"),
                                    self.settings.number("utc_offset"))

    def latest_telegram(self) -> bytes:
        """33911/0/2."""
        latest = self.storage.latest
        return next(self.writer().telegrams([latest]))[0] if latest is not None else b""

    def queue_history(self) -> None:
        """33906/0/13: everything again, whatever its age (U05)."""
        self.resending = deque(self.writer().telegrams(self.history()))

    def history(self) -> list[Reading]:
        """What 33906/0/13 brings."""
        return self.storage.history()

    async def run(self) -> None:
        """One transmission: up to the configured number of telegrams, until one fails (7.3.4). With a broken
        connection there is none, and what is stored waits for the next.
        """
        if self._reconnecting and self.settings.number("upload_protocol") == 0:
            return
        async with self._busy:
            telegrams = list(islice(self.pending_telegrams(), self.most_uploads()))
            for number, (payload, readings) in enumerate(telegrams, 1):
                if not await self.upload(payload, last=number == len(telegrams) and not self.resending):
                    break
                self.storage.mark_sent(readings)
            else:
                await self._transmit_history()
            self.mdm.end_transmission()
            if not self._reconnecting and (
                    self.mdm.failures >= max(self.settings.number("mdm_communication_failures"), 1)):
                self.do(self._reconnect())

    def most_uploads(self) -> int:
        """Telegrams in one transmission; one with a new readout counts like the others (U08)."""
        return self.settings.number("max_uploads_per_transmission")

    async def _reconnect(self) -> None:
        """The connection to the meter data server is broken (33906/0/47): connect, with the pauses of 33906/0/41."""
        self._reconnecting = True
        try:
            attempt = 0
            connected = False
            while not connected:
                await asyncio.sleep(self.backoff.pause_s("reconnect_backoff", attempt))
                connected = await self.reconnect_once()
                attempt += 1
        finally:
            self._reconnecting = False

    async def reconnect_once(self) -> bool:
        """One attempt; whether there is a connection again (C37)."""
        return await self.mdm.connect()

    def pending_telegrams(self) -> Iterator[tuple[bytes, list[Reading]]]:
        """The unsent readouts as telegrams, in the order in which they go."""
        pending = self.storage.unsent(
            self.meter.clock_now(), timedelta(minutes=self.settings.number("auto_upload_max_age")),
            self.settings.number("report_interval"))
        if self.settings.number("auto_upload_order") == 1:
            pending.reverse()
        return self.writer().telegrams(pending)

    async def _transmit_history(self) -> None:
        """What 33906/0/13 has asked for; 33906/0/14 counts it down. What an outage cuts off goes another time."""
        while self.resending:
            first = self.resending[0]
            payload, readings = first
            if not await self.upload(payload, last=len(self.resending) == 1):
                return
            self.storage.mark_sent(readings)
            if self.resending and self.resending[0] is first:
                self.resending.popleft()

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        """One telegram to where 33906/0/48 sends it: to the gateway, or as an LwM2M Send of object 33911 (C36).
        ``last``: no other follows in this transmission."""
        if self.settings.number("upload_protocol") == 0:
            return await self.mdm.publish(payload, last=last)
        if await self.report(payload):
            return True
        dm = self.connection.dm
        if dm is None or not dm.stranger:
            return False
        await self.connection.update(dm)    # after a new handshake the server does not know whose Send it was
        return await self.report(payload)

    async def report(self, payload: bytes) -> bool:
        """One telegram as a Send; whether the server has taken it."""
        dm = self.connection.dm
        if dm is None:
            return False
        return await dm.report({
            Path(33911, 0, 0): self.settings.number("message_format"),
            Path(33911, 0, 1): self.settings.number("message_encoding"),
            Path(33911, 0, 2): payload})
