"""Waiting for units that sleep: who waits for which unit to be heard again."""

from __future__ import annotations

import asyncio

from bench.backend.dm_answers import DmTimeout
from bench.backend.registrations import Registration


class Contacts:
    """Futures that end when a unit has been in contact. ``endpoint`` None stands for any unit."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str | None, asyncio.Future[Registration]]] = []

    async def next(self, endpoint: str | None) -> Registration:
        """Raises DmTimeout when the registration of the named endpoint ends meanwhile."""
        contact: asyncio.Future[Registration] = asyncio.get_running_loop().create_future()
        self._waiting.append((endpoint, contact))
        return await contact

    def made(self, registration: Registration) -> None:
        """The unit was in contact."""
        for _, contact in self._take((None, registration.endpoint)):
            contact.set_result(registration)

    def lost(self, registration: Registration, reason: str) -> None:
        """The registration has ended."""
        for _, contact in self._take((registration.endpoint,)):
            contact.set_exception(DmTimeout(f"{registration.endpoint}: registration {reason}"))

    def stop(self) -> None:
        """Nobody waits any more."""
        for _, contact in self._waiting:
            contact.cancel()

    def _take(self, endpoints: tuple[str | None, ...]) -> list[tuple[str | None, asyncio.Future[Registration]]]:
        if not self._waiting:
            return []
        pending = [one for one in self._waiting if not one[1].done()]
        taken = [one for one in pending if one[0] in endpoints]
        self._waiting = [one for one in pending if one[0] not in endpoints]
        return taken
