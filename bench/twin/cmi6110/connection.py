"""From the network to the servers: joining, bootstrap, staying registered, and the pauses when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.uri import address_of

if TYPE_CHECKING:
    from bench.twin.cmi6110.unit import CMi6110


class Connection:
    """The ways of ``unit`` to the network, its bootstrap server and its device management server (manual 6.2)."""

    def __init__(self, unit: CMi6110) -> None:
        self._unit = unit

    async def join(self) -> None:
        """Search until the network takes the unit, with growing pauses (33906/0/40, C16)."""
        unit = self._unit
        await unit.modem_update.start_up()
        backoff = unit.settings.backoff("restart_backoff")
        for attempt in range(1_000_000):
            unit.front.show_joining()
            unit.modem.t3324_s = unit.settings.number("t3324")
            unit.modem.t3412_s = unit.settings.number("t3412")
            unit.modem.use_psm = bool(unit.settings.number("power_saving_mode") & 2)
            unit.modem.use_edrx = bool(unit.settings.number("power_saving_mode") & 1)
            unit.modem.bands = frozenset(map(int, unit.settings.text("radio_bands").split(","))) - {0}
            if await unit.modem.attach(unit.apn.asked_for(), unit.settings.number("search_period")):
                break
            unit.front.dark()
            low, high = backoff[min(attempt, len(backoff) - 1)]
            await asyncio.sleep(unit.rng.uniform(low, high) * 60)
        unit.front.show_joined()

    async def bootstrap_until_done(self) -> None:
        """Bootstrap; attempts, sequences and back-off of 33906/0/34 to /37 and /42."""
        unit = self._unit
        rounds = 0
        while True:
            for pause_s in self.attempts():
                await asyncio.sleep(pause_s)
                if await self._bootstrap():
                    unit.provisioned = True
                    unit.apn.bootstrapped()
                    return
            await self._back_off(rounds)
            rounds += 1

    def attempts(self) -> Iterator[float]:
        """The pauses before the attempts of a connection (33906/0/34 to /37), then it is taken for failed."""
        settings = self._unit.settings
        for sequence in range(settings.number("sequence_retry_count")):
            for attempt in range(max(settings.number("communication_retry_count"), 1)):
                if attempt:
                    yield float(settings.number("communication_retry_delay"))
                else:
                    yield float(settings.number("sequence_retry_delay")) if sequence else 0.0

    async def _back_off(self, rounds: int) -> None:
        """The pause after ``rounds`` others (33906/0/42); the last range is repeated."""
        unit = self._unit
        backoff = unit.settings.backoff("sequence_backoff")
        low, high = backoff[min(rounds, len(backoff) - 1)]
        await asyncio.sleep(unit.rng.uniform(low, high) * 60)

    async def _bootstrap(self) -> bool:
        unit = self._unit
        client = Lwm2mClient(unit.modem, unit.settings, unit.deveui, {})
        await client.open((unit.settings.text("bootstrap_ip"), unit.settings.number("bootstrap_port")))
        draft = self.new_draft()
        try:
            done = await client.bootstrap(draft)
            await asyncio.sleep(2.0)    # the answer to the server's last request is still to leave
        finally:
            await client.close()
        if done:
            self.adopt(draft)
        return done

    def new_draft(self) -> BootstrapDraft:
        unit = self._unit
        return BootstrapDraft(unit.dm_account, unit.mdm_uri, unit.mdm_security)

    def adopt(self, draft: BootstrapDraft) -> None:
        """Take over the servers that a bootstrap has named."""
        unit = self._unit
        mdm = draft.mdm
        unit.dm_account = draft.dm
        unit.mdm_security = mdm.security
        if mdm.key is not None:
            unit.mdm_key = mdm.key
        if mdm.connection is not None:
            unit.settings.write({"mqttsn_connection": mdm.connection})
        if mdm.topic is not None:
            unit.mdm.topic = mdm.topic
        if mdm.uri != unit.mdm_uri:
            unit.set_mdm_uri(mdm.uri)

    async def manage(self, tried: asyncio.Event) -> None:
        """Be registered at the device management server, as long as the unit lives; when it can't be reached, or does
        not know the unit, ask the bootstrap server again. Sets ``tried`` after the first attempt: meter data come
        second, and don't depend on it.
        """
        rounds = 0
        while True:
            if await self._stay_registered(tried):
                rounds = 0
            tried.set()
            await self._back_off(rounds)
            rounds += 1
            await self.bootstrap_until_done()

    async def _stay_registered(self, tried: asyncio.Event) -> bool:
        """Until the connection has failed; whether the unit was registered meanwhile."""
        unit = self._unit
        server = address_of(unit.dm_account.uri)
        if server is None:
            return False
        client = unit.dm = Lwm2mClient(unit.modem, unit.settings, unit.deveui, unit.tree)
        await client.open(server)
        try:
            registered = was_registered = await self._register(client, tried)
            while registered:
                await asyncio.sleep(self.update_after_s())
                registered = await self.renew(client) or await self._register(client, tried)
            return was_registered
        finally:
            unit.dm = None
            await client.close()

    async def renew(self, client: Lwm2mClient) -> bool:
        """Keep the registration alive; False when the server has lost it, or is silent."""
        return await client.update()

    def update_after_s(self) -> float:
        """When a registration is to be kept alive."""
        return self._unit.dm_account.lifetime_s * 0.9

    async def _register(self, client: Lwm2mClient, tried: asyncio.Event) -> bool:
        for pause_s in self.attempts():
            await asyncio.sleep(pause_s)
            registered = await client.register(self._unit.dm_account)
            tried.set()
            if registered or client.refused:
                return registered
        return False

    async def update(self, client: Lwm2mClient) -> None:
        """1/1/8: update the registration, or register anew."""
        if not await self.renew(client):
            await client.register(self._unit.dm_account)
