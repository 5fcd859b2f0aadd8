"""What the unit does beside its life, as long as there is a network: a transmission, a download, a registration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bench.clock import Clock

Do = Callable[[Coroutine[Any, Any, None]], None]
"""Runs a coroutine beside the unit's life, as long as there is a network."""


class Jobs:
    """All of them end together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    def do(self, job: Coroutine[Any, Any, None]) -> None:
        task = self._clock.spawn(job)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()
