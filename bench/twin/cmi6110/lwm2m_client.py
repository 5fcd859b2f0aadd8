"""The unit as an LwM2M client: bootstrap, registration, and the operations of the device management server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers import codes
from aiocoap.numbers.constants import TransportTuning
from aiocoap.resource import ObservableResource, PathCapable

from bench.protocols import lwm2m
from bench.protocols.coap_pipe import CoapEndpoint, transport_tuning
from bench.protocols.lwm2m import ContentFormat, Path
from bench.twin.cmi6110 import accounts, attributes
from bench.twin.cmi6110.accounts import BootstrapDraft, DmAccount
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.resource import BadValue, NotAllowed, NotFound, Resource
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.uplink import HandshakeFailed, MakeUplink, NoCredentials, Uplink
from bench.twin.radio.cell import Address

BOOTSTRAP_WAIT_S = 247.0
"""How long the unit waits for the bootstrap server to finish (CoAP's EXCHANGE_LIFETIME)."""

class Lwm2mClient:
    """One association with a server: the unit's way to it, its CoAP endpoint, and what the server may do.

    ``draft`` takes what a bootstrap server writes (objects 0, 1 and 33905); it is None on a device management
    association, where ``tree`` counts. ``refused``: the server's last answer was an error, unlike no answer at all.
    """

    root = ""
    """Below which path its objects are, for a device management server: such as "/lwm2m"."""
    report_format = ContentFormat.SENML_CBOR
    """In what it reports by itself."""

    def __init__(self, modem: Modem, settings: Settings, endpoint_name: str, tree: Mapping[Path, Resource],
                 management: type[Management], site: type[Site]) -> None:
        self.modem = modem
        self.settings = settings
        self.endpoint_name = endpoint_name
        self.tree = tree
        self.draft: BootstrapDraft | None = None
        self.management = management(settings, tree)
        self.site = site(self)
        self.refused = self.stranger = False    # of the last request; ``stranger``: the server did not know the unit
        self.location: tuple[str, ...] = ()
        self._server: Address = ("", 0)
        self._uplink: Uplink | None = None
        self._coap: CoapEndpoint | None = None
        self._finished = asyncio.Event()

    # -- towards a server

    async def open(self, server: Address, make_uplink: MakeUplink) -> None:
        """The handshake, if there is to be one, comes with the first request."""
        self._server = server
        self._uplink = make_uplink(server, self._received)
        self._coap = await CoapEndpoint.create(self, self.site, "unit", block_size=512)

    async def bootstrap(self, draft: BootstrapDraft) -> bool:
        """Ask for a bootstrap and take what the server writes, until it says that it has finished; whether what has
        come then fits together.
        """
        self.draft = draft
        self._finished.clear()
        if await self._post(("bs",), [f"ep={self.endpoint_name}"]) is None:
            return False
        try:
            await asyncio.wait_for(self._finished.wait(), BOOTSTRAP_WAIT_S)
        except TimeoutError:
            return False
        return not draft.problem()

    async def register(self, account: DmAccount) -> bool:
        """Register with all objects of the tree."""
        links = sorted({path[:2] for path in self.tree if path[0] != accounts.SECURITY})
        payload = ",".join([f'<{self.root or "/"}>;rt="oma.lwm2m";ct="11542 112 110"',
                            *(f"<{self.root}/{o}/{i}>" for o, i in links)]).encode()
        response = await self._post(("rd",), [f"ep={self.endpoint_name}", f"lt={account.lifetime_s}",
                                              *self.presents(account)], payload)
        if response is None:
            return False
        self.site.forget_observations()    # they end with the registration that they belong to
        self.location = tuple(response.opt.location_path)
        return True

    def presents(self, account: DmAccount) -> list[str]:
        """How a registration presents the unit, beside its name and lifetime."""
        return ["lwm2m=1.1", "b=U", *(["Q"] if "Q" in account.binding else [])]

    async def update(self) -> bool:
        """Registration update; False when the server doesn't know the unit any more, or is silent."""
        return await self._post(self.location, self.renews()) is not None

    def renews(self) -> list[str]:
        """What an update says: nothing, for nothing has changed."""
        return []

    async def report(self, values: Mapping[Path, lwm2m.Value]) -> bool:
        """LwM2M Send: tell the server values that it has not asked for; whether it has taken them."""
        response = await self._request(Message(
            code=codes.POST, uri_path=("dp",), payload=lwm2m.encode(values, Path(), self.report_format),
            content_format=self.report_format))
        self.stranger = response is not None and response.code == codes.NOT_FOUND
        return self.took(response)

    def took(self, response: Message | None) -> bool:
        """Whether the server has taken what it was sent."""
        return response is not None and bool(response.code and response.code.is_successful())

    async def close(self) -> None:
        if self._coap is not None:
            await self._coap.shutdown()
        if self._uplink is not None:
            self._uplink.close()
        self._coap = self._uplink = None

    async def _post(self, path: tuple[str, ...], query: list[str], payload: bytes = b"") -> Message | None:
        message = Message(code=codes.POST, uri_path=path, uri_query=query, payload=payload)
        if payload:
            message.opt.content_format = ContentFormat.LINK_FORMAT
        response = await self._request(message)
        taken = response is not None and bool(response.code and response.code.is_successful())
        self.refused = response is not None and not taken
        return response if taken else None

    async def _request(self, message: Message) -> Message | None:
        """The server's answer; None when there is no way to it, or it is silent, or the connection has been closed."""
        if self._uplink is None:
            return None
        message.transport_tuning = self.timers(message)
        try:
            await self._uplink.connect()
            coap = self._coap    # closed meanwhile, when the power was cut
            return None if coap is None else await coap.request(self._server, message)
        except (NoCredentials, HandshakeFailed):
            return None
        except error.Error:
            if self._uplink is not None:
                self._uplink.drop()
            return None

    def timers(self, message: Message) -> TransportTuning:
        """When ``message`` is sent again, and how often."""
        return transport_tuning(ack_timeout_s=self.settings.number("coap_ack_timeout"),
                                max_retransmit=self.settings.number("coap_max_retransmit"), confirmable=True)

    # -- datagrams

    def send(self, peer: Any, data: bytes) -> None:
        if self._uplink is not None:
            self._uplink.send(data)

    def _received(self, data: bytes) -> None:
        if self._coap is not None:
            self._coap.datagram_received(self._server, data)

    # -- from a server

    def serve(self, request: Message) -> Message:
        """Answer one request of the server."""
        if self.draft is not None and tuple(request.opt.uri_path) == ("bs",) and request.code == codes.POST:
            self._finished.set()
            problem = self.draft.problem()
            return Message(code=codes.NOT_ACCEPTABLE if problem else codes.CHANGED, payload=problem.encode())
        try:
            path = self.path_of(request)
            if self.draft is not None:
                return self._serve_bootstrap(request, path, self.draft)
            return self.management.serve(request, path)
        except (NotAllowed, NotFound, BadValue, lwm2m.Lwm2mError) as refusal:
            return Message(code=_REFUSALS.get(type(refusal), codes.BAD_REQUEST), payload=str(refusal).encode()[:60])

    def path_of(self, request: Message) -> Path:
        """Raises NotFound for what is not below the root, and Lwm2mError."""
        asked = "/" + "/".join(request.opt.uri_path)
        if self.draft is None and not f"{asked}/".startswith(f"{self.root}/"):
            raise NotFound("nothing here")
        return Path.parse(asked if self.draft is not None else asked[len(self.root):])

    def _serve_bootstrap(self, request: Message, path: Path, draft: BootstrapDraft) -> Message:
        if request.code == codes.DELETE:
            draft.delete(path)
            return Message(code=codes.DELETED)
        if request.code == codes.GET and request.opt.accept == ContentFormat.LINK_FORMAT:
            return Message(code=codes.CONTENT, payload=draft.links(path), content_format=ContentFormat.LINK_FORMAT)
        if request.code == codes.GET:
            chosen = ContentFormat.TLV if request.opt.accept is None else request.opt.accept
            return Message(code=codes.CONTENT, payload=lwm2m.encode(draft.read(path), path, chosen),
                           content_format=chosen)
        if request.code != codes.PUT:
            raise NotAllowed(str(request.code))
        content_format = ContentFormat.TEXT if request.opt.content_format is None else request.opt.content_format
        draft.write(path, lwm2m.decode(request.payload, path, content_format, accounts.type_of))
        return Message(code=codes.CHANGED)


_REFUSALS = {NotAllowed: codes.METHOD_NOT_ALLOWED, NotFound: codes.NOT_FOUND}


class Site(ObservableResource, PathCapable):
    """All paths of the unit: requests go to the client, observed single resources are looked at each second."""

    LOOK_EVERY_S = 1.0

    def __init__(self, client: Lwm2mClient) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.client = client
        self._watching: list[asyncio.Task[None]] = []

    async def render(self, request: Message) -> Message:
        return self.client.serve(request)

    async def add_observation(self, request: Message, serverobservation: Any) -> None:
        if request.code == codes.FETCH:
            watching = self.watch_composite(request, serverobservation)
        else:
            watching = self.watch(self.client.path_of(request), request, serverobservation)
        task = asyncio.get_running_loop().create_task(watching)
        self._watching.append(task)
        serverobservation.accept(task.cancel)

    def forget_observations(self) -> None:
        for task in self._watching:
            task.cancel()
        self._watching.clear()

    async def watch(self, path: Path, request: Message, serverobservation: Any) -> None:
        client = self.client
        last, waited_s = client.management.value(path), 0.0
        while True:
            await asyncio.sleep(self.LOOK_EVERY_S)
            waited_s += self.LOOK_EVERY_S
            now = client.management.value(path)
            if attributes.is_due(client.management.attributes.of(path), last, now, waited_s):
                last, waited_s = now, 0.0
                serverobservation.trigger(self.client.serve(request))

    async def watch_composite(self, request: Message, serverobservation: Any) -> None:
        """Several paths at once: each change of one tells them all."""
        last = self.client.serve(request).payload
        while True:
            await asyncio.sleep(self.LOOK_EVERY_S)
            answer = self.client.serve(request)
            if answer.payload != last:
                last = answer.payload
                serverobservation.trigger(answer)
