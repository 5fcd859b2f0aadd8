"""How the unit finds its network, and what a person sees of it (manual 5.3.5)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bench.twin.cmi6110.apn import ApnTrial
from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.modem_firmware import ModemUpdate
from bench.twin.cmi6110.settings import Settings
from bench.twin.parts import Part

SHOWN_SEARCHES = 8
"""Of a unit that has lost the network: not printed, chosen here, as days of flashes would empty a battery."""


@dataclass(eq=False, repr=False)
class Joining(Part):
    """From no network to one."""

    settings: Settings
    front: Front
    modem: Modem
    modem_update: ModemUpdate
    apn: ApnTrial
    backoff: Backoff

    async def join(self, started: bool = True) -> None:
        """Search until the network takes the unit, with growing pauses (33906/0/40, C16). After a start each search is
        shown (5.3.5); who has lost the network shows the first ones, and then goes on in the dark."""
        await self.modem_update.start_up()
        for attempt in range(1_000_000):
            if started or attempt < SHOWN_SEARCHES:
                self.front.show_joining()
            self.choose_bands(started)
            if await self.modem.attach(self.apn.asked_for(), self.settings.number("search_period")):
                return
            self.show_failed()
            await asyncio.sleep(self.backoff.pause_s("restart_backoff", attempt))

    def choose_bands(self, started: bool) -> None:
        """In which bands to look first."""
        self.modem.bands = frozenset(map(int, self.settings.text("radio_bands").split(","))) - {0}

    def show_failed(self) -> None:
        """A search was in vain."""
        self.front.dark()
