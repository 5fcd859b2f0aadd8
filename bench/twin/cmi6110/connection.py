"""From the network to the servers: bootstrap, staying registered, and the pauses when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.apn import ApnTrial
from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient, Site
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.resource import Resource
from bench.twin.cmi6110.servers import Servers
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.uplink import MakeUplink, Terms, Uplink
from bench.twin.cmi6110.uri import address_of
from bench.twin.parts import Part


@dataclass(eq=False, repr=False)
class Connection(Part):
    """The unit's ways to its bootstrap server and its device management server (manual 6.2). ``dm`` is the association
    with the latter, while there is one; ``tree`` is what it is offered.
    """

    settings: Settings
    modem: Modem
    mdm: MdmClient
    apn: ApnTrial
    servers: Servers
    backoff: Backoff
    tree: Mapping[Path, Resource]
    uplink: type[Uplink] = Uplink
    client: type[Lwm2mClient] = Lwm2mClient
    management: type[Management] = Management
    site: type[Site] = Site
    draft: type[BootstrapDraft] = BootstrapDraft
    dm: Lwm2mClient | None = field(default=None, init=False)

    async def bootstrap_until_done(self) -> None:
        """Bootstrap; attempts, sequences and back-off of 33906/0/34 to /37 and /42."""
        rounds = 0
        while not await self._bootstrap_in_sequences():
            await asyncio.sleep(self.backoff.pause_s("sequence_backoff", rounds))
            rounds += 1

    async def _bootstrap_in_sequences(self) -> bool:
        for pause_s in self.backoff.attempts():
            await asyncio.sleep(pause_s)
            if await self.bootstrap_once():
                self.servers.provisioned = True
                self.apn.bootstrapped()
                return True
        return False

    async def bootstrap_once(self) -> bool:
        """One attempt; whether the servers that it has named are taken over."""
        client = self._client({})
        await client.open((self.settings.text("bootstrap_ip"), self.settings.number("bootstrap_port")),
                          self._way(self.servers.bootstrap_terms))
        draft = self.make_draft()
        try:
            done = await client.bootstrap(draft)
            await asyncio.sleep(2.0)    # the answer to the server's last request is still to leave
        finally:
            await client.close()
        if done:
            self.adopt(draft)
        return done

    def make_draft(self) -> BootstrapDraft:
        """What the unit has now, for a bootstrap server to change."""
        return self.draft(self.servers.dm, self.servers.mdm_uri, self.servers.mdm_security)

    def adopt(self, draft: BootstrapDraft) -> None:
        """Take over the servers that a bootstrap has named."""
        servers, mdm = self.servers, draft.mdm
        servers.dm = draft.dm
        servers.mdm_security = mdm.security
        if draft.dm_key is not None:
            servers.dm_key = draft.dm_key
        if mdm.key is not None:
            servers.mdm_key = mdm.key
        if mdm.connection is not None:
            self.settings.write({"mqttsn_connection": mdm.connection})
        if mdm.topic is not None:
            self.settings.write({"mqttsn_topic": mdm.topic})
        if mdm.uri != servers.mdm_uri:
            self.set_mdm_uri(mdm.uri)

    def forget_accounts(self) -> None:
        """A factory reset takes out what bootstrap servers have written (G17)."""
        self.servers.forget_accounts()
        self.set_mdm_uri("")

    def set_mdm_uri(self, uri: str) -> None:
        self.servers.mdm_uri = uri
        self.mdm.server = address_of(uri)
        self.mdm.forget()

    def _client(self, tree: Mapping[Path, Resource]) -> Lwm2mClient:
        return self.client(self.modem, self.settings, self.servers.identity.deveui, tree, self.management, self.site)

    def _way(self, terms: Callable[[], Terms]) -> MakeUplink:
        return lambda server, on_datagram: self.uplink(self.modem, server, terms, on_datagram)

    def cut(self) -> None:
        """The network is gone, or the unit is about to leave it: nothing can be said any more."""
        self.mdm.close()
        self.dm = None
        for socket in list(self.modem.sockets):
            socket.close()

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
                await asyncio.sleep(self.backoff.pause_s("sequence_backoff", rounds))
                rounds += 1

    async def _stay_registered(self, tried: asyncio.Event) -> bool:
        """Until the connection has failed; whether the unit was registered meanwhile."""
        server = address_of(self.servers.dm.uri)
        if server is None:
            return False
        client = self.dm = self._client(self.tree)
        await client.open(server, self._way(self.servers.dm_terms))
        try:
            registered = was_registered = await self._register(client, tried)
            while registered:
                await asyncio.sleep(self.update_after_s())
                registered = await self.renew(client) or await self._register(client, tried)
            return was_registered
        finally:
            self.dm = None
            await client.close()

    async def renew(self, client: Lwm2mClient) -> bool:
        """Keep the registration alive; False when the server has lost it, or is silent."""
        return await client.update()

    def update_after_s(self) -> float:
        """When a registration is to be kept alive."""
        return self.servers.dm.lifetime_s * 0.9

    async def _register(self, client: Lwm2mClient, tried: asyncio.Event) -> bool:
        for pause_s in self.backoff.attempts():
            await asyncio.sleep(pause_s)
            registered = await client.register(self.servers.dm)
            tried.set()
            if registered or client.refused:
                return registered
        return False

    async def update(self, client: Lwm2mClient) -> None:
        """1/1/8: update the registration, or register anew."""
        if not await self.renew(client):
            await client.register(self.servers.dm)
