"""When the meter is read and when transmissions begin, on the meter's clock (manual 7.3.2 and 7.3.3)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime

from bench.clock import Clock
from bench.twin.cmi6110.settings import Settings

_DAY_S = 86400.0


class Schedule:
    """Calls ``read()`` and ``transmit()`` at their moments; ``clock_now()`` is the meter's clock.

    Readouts go on with and without a network; transmissions are planned anew each time the unit is connected.
    """

    def __init__(self, clock: Clock, rng: random.Random, settings: Settings, clock_now: Callable[[], datetime],
                 read: Callable[[], object], transmit: Callable[[], object]) -> None:
        self.clock = clock
        self.rng = rng
        self.settings = settings
        self._clock_now = clock_now
        self._read = read
        self._transmit = transmit
        self._readouts: asyncio.Task[None] | None = None
        self._transmissions: asyncio.Task[None] | None = None

    @property
    def transmits(self) -> bool:
        """Whether transmissions are planned."""
        return self._transmissions is not None

    def plan_readouts(self) -> None:
        self.stop_readouts()
        self._readouts = self.clock.spawn(self._read_on_schedule())

    def plan_transmissions(self) -> None:
        self.stop_transmissions()
        self._transmissions = self.clock.spawn(self._transmit_on_schedule())

    def stop_readouts(self) -> None:
        if self._readouts is not None:
            self._readouts.cancel()
            self._readouts = None

    def stop_transmissions(self) -> None:
        if self._transmissions is not None:
            self._transmissions.cancel()
            self._transmissions = None

    def plan_anew(self) -> None:
        """The clock or an interval has changed: plan anew what was planned."""
        if self._readouts is not None:
            self.plan_readouts()
        if self._transmissions is not None:
            self.plan_transmissions()

    async def _read_on_schedule(self) -> None:
        while True:
            await asyncio.sleep(self.seconds_to_grid(self.settings.number("readout_interval")))
            self._read()

    async def _transmit_on_schedule(self) -> None:
        """One window per interval. A window may reach to the next, and a transmission may take its time: neither
        moves the windows that follow."""
        async with asyncio.TaskGroup() as windows:
            while True:
                await asyncio.sleep(self.seconds_to_grid(self.settings.number("transmit_interval")))
                windows.create_task(self._transmit_after(self.random_delay_s()))

    async def _transmit_after(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._transmit()

    def random_delay_s(self) -> float:
        """Between offset and offset + delay after the planned moment; both in minutes (C01)."""
        offset, delay = self.settings.number("transmit_offset"), self.settings.number("transmit_delay")
        return self.rng.uniform(offset * 60.0, (offset + delay) * 60.0)

    def seconds_to_grid(self, interval_min: int) -> float:
        """Seconds to the next multiple of the interval since the meter's midnight; midnight is always one (U15)."""
        now = self._clock_now()
        since_midnight = (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
        interval_s = interval_min * 60.0
        # A wake-up that comes a hair early must not plan the same moment again.
        following = (since_midnight + 0.5) // interval_s * interval_s + interval_s
        return max(min(following, _DAY_S) - since_midnight, 0.001)
