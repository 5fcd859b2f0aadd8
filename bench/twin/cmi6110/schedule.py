"""When the meter is read and when transmissions begin, on the meter's clock (manual 7.3.2 and 7.3.3)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from bench.clock import Clock
from bench.twin.cmi6110.settings import Settings

_DAY_S = 86400.0
_MOST_SLOW = 0.01
"""No clock loses more than that: beyond, it stands still or was set."""
_EARLY_S = 0.5
"""A wake-up that comes a hair early belongs to its moment, and must not plan it again."""


class Schedule:
    """Calls ``read()`` and ``transmit()`` at their moments; ``clock_now()`` is the meter's clock.

    Readouts go on with and without a network; transmissions are planned anew each time the unit is connected.
    """

    def __init__(self, clock: Clock, rng: random.Random, settings: Settings, clock_now: Callable[[], datetime],
                 read: Callable[[], Awaitable[object]], transmit: Callable[[], object]) -> None:
        self.clock = clock
        self.rng = rng
        self.settings = settings
        self.clock_now = clock_now
        self.read = read
        self.transmit = transmit
        self._readouts: asyncio.Task[None] | None = None
        self._transmissions: asyncio.Task[None] | None = None
        self._served: datetime | None = None

    @property
    def reads(self) -> bool:
        """Whether readouts are planned."""
        return self._readouts is not None

    @property
    def transmits(self) -> bool:
        """Whether transmissions are planned."""
        return self._transmissions is not None

    def plan_readouts(self) -> None:
        self.stop_readouts()
        self._readouts = self.clock.spawn(self._read_on_schedule())

    def plan_transmissions(self, *, sent_just_now: bool = False) -> None:
        """From now on; a window that is open is used, unless there was a transmission ``sent_just_now``."""
        self.stop_transmissions()
        if sent_just_now:
            self._served = self._planned_moment()
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
            await self._until_grid(self.settings.number("readout_interval"))
            await self.read()

    async def _transmit_on_schedule(self) -> None:
        """One window per interval. A window may reach to the next, and a transmission may take its time: neither
        moves the windows that follow."""
        async with asyncio.TaskGroup() as windows:
            if self._planned_moment() != self._served and self._late_s() < self.window_s()[1]:
                windows.create_task(self._transmit_after(self._rest_of_delay_s()))
            while True:
                await self._until_grid(self.settings.number("transmit_interval"))
                windows.create_task(self._transmit_after(self.random_delay_s()))

    async def _until_grid(self, interval_min: int) -> None:
        """Sleep until the meter's clock shows the next moment of the grid. It may go slower than the unit's own, so it
        is read again at the end of the wait."""
        wait_s = self.seconds_to_grid(interval_min)
        moment = self.clock_now() + timedelta(seconds=wait_s)
        await asyncio.sleep(wait_s)
        while 0 < (left_s := (moment - self.clock_now()).total_seconds()) < _MOST_SLOW * wait_s:
            await asyncio.sleep(max(left_s, 0.001))
            wait_s = left_s

    async def _transmit_after(self, delay_s: float) -> None:
        planned = self._planned_moment()
        await asyncio.sleep(delay_s)
        self._served = planned
        self.transmit()

    def random_delay_s(self) -> float:
        """Between offset and offset + delay after the planned moment."""
        return self.rng.uniform(*self.window_s())

    def _rest_of_delay_s(self) -> float:
        """From now, in a window that is open or still to open."""
        late_s = self._late_s()
        begin, end = self.window_s()
        moment = self.random_delay_s()
        return (moment if moment >= late_s else self.rng.uniform(max(begin, late_s), end)) - late_s

    def window_s(self) -> tuple[float, float]:
        """From the planned moment to both ends of its window; the settings are minutes (C01)."""
        offset, delay = self.settings.number("transmit_offset"), self.settings.number("transmit_delay")
        return offset * 60.0, (offset + delay) * 60.0

    def _late_s(self) -> float:
        """Seconds since the latest moment of the transmit interval's grid."""
        return self._since_midnight_s() % (self.settings.number("transmit_interval") * 60.0)

    def _planned_moment(self) -> datetime:
        """That moment, on the meter's clock."""
        return (self.clock_now() - timedelta(seconds=self._late_s() - 2 * _EARLY_S)).replace(microsecond=0)

    def seconds_to_grid(self, interval_min: int) -> float:
        """Seconds to the next multiple of the interval since the meter's midnight; midnight is always one (U15)."""
        since_s = self._since_midnight_s()
        interval_s = interval_min * 60.0
        following = since_s // interval_s * interval_s + interval_s
        return max(min(following, _DAY_S) - since_s + _EARLY_S, 0.001)

    def _since_midnight_s(self) -> float:
        """Seconds since the meter's midnight, ``_EARLY_S`` ahead."""
        now = self.clock_now() + timedelta(seconds=_EARLY_S)
        return (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
