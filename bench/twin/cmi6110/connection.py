"""From the network to the servers: joining, bootstrap, staying registered, and the pauses when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bench.twin.cell import Address
from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.uplink import MakeUplink, Terms, Uplink
from bench.twin.cmi6110.uri import address_of

if TYPE_CHECKING:
    from bench.twin.cmi6110.unit import CMi6110

SHOWN_SEARCHES = 8
"""Of a unit that has lost the network: not printed, chosen here, as days of flashes would empty a battery."""


class Connection:
    """The ways of ``unit`` to the network, its bootstrap server and its device management server (manual 6.2)."""

    def __init__(self, unit: CMi6110) -> None:
        self._unit = unit

    async def join(self, started: bool = True) -> None:
        """Search until the network takes the unit, with growing pauses (33906/0/40, C16). After a start each search is
        shown (5.3.5); who has lost the network shows the first ones, and then goes on in the dark."""
        unit = self._unit
        await unit.modem_update.start_up()
        for attempt in range(1_000_000):
            if started or attempt < SHOWN_SEARCHES:
                unit.front.show_joining()
            unit.modem.bands = frozenset(map(int, unit.settings.text("radio_bands").split(","))) - {0}
            if await unit.modem.attach(unit.apn.asked_for(), unit.settings.number("search_period")):
                break
            unit.front.dark()
            await asyncio.sleep(self.pause_s("restart_backoff", attempt))
        unit.front.show_joined()

    def pause_s(self, setting: str, failures: int) -> float:
        """How long to wait after ``failures`` others: a back-off list's ranges one after the other, its last one for
        good.
        """
        ranges = self._unit.settings.backoff(setting)
        low, high = ranges[min(failures, len(ranges) - 1)]
        return self._unit.rng.uniform(low, high) * 60

    async def bootstrap_until_done(self) -> None:
        """Bootstrap; attempts, sequences and back-off of 33906/0/34 to /37 and /42."""
        rounds = 0
        while not await self._bootstrap_in_sequences():
            await asyncio.sleep(self.pause_s("sequence_backoff", rounds))
            rounds += 1

    async def _bootstrap_in_sequences(self) -> bool:
        unit = self._unit
        for pause_s in self.attempts():
            await asyncio.sleep(pause_s)
            if await self._bootstrap():
                unit.provisioned = True
                unit.apn.bootstrapped()
                return True
        return False

    def attempts(self) -> Iterator[float]:
        """The pauses before the attempts of a connection (33906/0/34 to /37), then it is taken for failed."""
        settings = self._unit.settings
        for sequence in range(settings.number("sequence_retry_count")):
            for attempt in range(max(settings.number("communication_retry_count"), 1)):
                if attempt:
                    yield float(settings.number("communication_retry_delay"))
                else:
                    yield float(settings.number("sequence_retry_delay")) if sequence else 0.0

    async def _bootstrap(self) -> bool:
        unit = self._unit
        client = Lwm2mClient(unit.modem, unit.settings, unit.deveui, {})
        await client.open((unit.settings.text("bootstrap_ip"), unit.settings.number("bootstrap_port")),
                          self._uplink(lambda: self.bootstrap_terms()))
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
        if draft.dm_key is not None:
            unit.dm_key = draft.dm_key
        if mdm.key is not None:
            unit.mdm_key = mdm.key
        if mdm.connection is not None:
            unit.settings.write({"mqttsn_connection": mdm.connection})
        if mdm.topic is not None:
            unit.mdm.topic = mdm.topic
        if mdm.uri != unit.mdm_uri:
            unit.set_mdm_uri(mdm.uri)

    # -- how it speaks with its servers (6.2)

    def _uplink(self, terms: Callable[[], Terms]) -> MakeUplink:
        unit = self._unit
        return lambda server, on_datagram: unit.uplink(unit.modem, server, terms, on_datagram)

    def mdm_uplink(self, server: Address, on_datagram: Callable[[bytes], None]) -> Uplink:
        return self._uplink(lambda: self.mdm_terms())(server, on_datagram)

    def bootstrap_terms(self) -> Terms:
        unit = self._unit
        return self._lwm2m_terms(unit.settings.number("bootstrap_security"), unit.bootstrap_key)

    def dm_terms(self) -> Terms:
        return self._lwm2m_terms(self._unit.dm_account.security, self._unit.dm_key)

    def mdm_terms(self) -> Terms:
        """33905 has no identity of its own: it is the DevEUI here, too."""
        unit, settings = self._unit, self._unit.settings
        return Terms(unit.mdm_security, unit.identity, unit.mdm_key, settings.number("mdm_dtls_min_timeout"),
                     settings.number("mdm_dtls_max_timeout"))

    def _lwm2m_terms(self, mode: int, key: bytes) -> Terms:
        unit, settings = self._unit, self._unit.settings
        return Terms(mode, unit.identity, key, settings.number("lwm2m_dtls_min_timeout"),
                     settings.number("lwm2m_dtls_max_timeout"))

    # -- staying registered

    async def manage(self, tried: asyncio.Event) -> None:
        """Be registered at the device management server, as long as the unit lives; when it can't be reached, or does
        not know the unit, ask the bootstrap server again. When both ways have failed, pause (33906/0/42). Sets
        ``tried`` after the first attempt: meter data come second, and don't depend on it.
        """
        rounds = 0
        bootstrapped = False
        while True:
            if await self._stay_registered(tried):
                rounds, bootstrapped = 0, False
            tried.set()
            bootstrapped = not bootstrapped and await self._bootstrap_in_sequences()
            if not bootstrapped:
                await asyncio.sleep(self.pause_s("sequence_backoff", rounds))
                rounds += 1

    async def _stay_registered(self, tried: asyncio.Event) -> bool:
        """Until the connection has failed; whether the unit was registered meanwhile."""
        unit = self._unit
        server = address_of(unit.dm_account.uri)
        if server is None:
            return False
        client = unit.dm = Lwm2mClient(unit.modem, unit.settings, unit.deveui, unit.tree)
        await client.open(server, self._uplink(lambda: self.dm_terms()))
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
