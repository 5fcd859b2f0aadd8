"""What the meter's two serial ports have in common."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

from bench.clock import Clock
from bench.twin.meter.uh50 import UH50
from bench.twin.wires.pty import PtyWire
from bench.twin.wires.rfc2217 import Rfc2217Wire

MakeWire = Callable[[Clock, Callable[[bytes], None]], PtyWire | Rfc2217Wire]


class MeterPort(ABC):
    """Serves ``meter`` at ``path``. Construct and ``close`` it in the loop's thread.

    ``paced``: take the time that a real meter takes (default: with a wall clock). ``wire``: ``PtyWire`` or
    ``Rfc2217Wire``. ``silent`` and ``echo`` are faults; set them at any time.
    """

    def __init__(self, meter: UH50, clock: Clock, paced: bool | None, wire: MakeWire) -> None:
        self.meter = meter
        self.paced = not clock.is_virtual if paced is None else paced
        self.silent = 0
        """So many of the next requests stay unanswered."""
        self.echo = False
        """A head or a level converter that hears what it sends."""
        self._clock = clock
        self._heard = bytearray()
        self._answering: asyncio.Task[None] | None = None
        self._wire = wire(clock, self._on_bytes)
        self.path = self._wire.path

    def close(self) -> None:
        self._stop_answering()
        self._wire.close()

    def _stop_answering(self) -> None:
        if self._answering is not None:
            self._answering.cancel()

    def _answer_later(self, answer: Coroutine[Any, Any, None]) -> None:
        self._answering = self._clock.loop.create_task(answer)

    def _on_bytes(self, data: bytes) -> None:
        if self.echo:
            self._wire.write(data)
        self._hear(data)

    @abstractmethod
    def _hear(self, data: bytes) -> None: ...
