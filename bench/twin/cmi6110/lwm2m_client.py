"""The unit as an LwM2M client: bootstrap, registration, and the operations of the device management server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers import codes
from aiocoap.resource import ObservableResource, PathCapable

from bench.protocols import lwm2m
from bench.protocols.coap_pipe import CoapEndpoint, transport_tuning
from bench.protocols.lwm2m import ContentFormat, Path, Type
from bench.twin.cell import Address
from bench.twin.cmi6110 import accounts, attributes
from bench.twin.cmi6110.accounts import BootstrapDraft, DmAccount
from bench.twin.cmi6110.attributes import Attributes
from bench.twin.cmi6110.modem import Modem, ModemSocket
from bench.twin.cmi6110.resource import BadValue, NotAllowed, NotFound, Resource
from bench.twin.cmi6110.settings import Refused, Settings
from bench.twin.cmi6110.settings import Value as Setting

BOOTSTRAP_WAIT_S = 247.0
"""How long the unit waits for the bootstrap server to finish (CoAP's EXCHANGE_LIFETIME)."""

class Lwm2mClient:
    """One association with a server: the unit's socket, its CoAP endpoint, and what the server may do.

    ``draft`` takes what a bootstrap server writes (objects 0, 1 and 33905); it is None on a device management
    association, where ``tree`` counts. ``refused``: the server's last answer was an error, unlike no answer at all.
    """

    def __init__(self, modem: Modem, settings: Settings, endpoint_name: str, tree: Mapping[Path, Resource]) -> None:
        self.modem = modem
        self.settings = settings
        self.endpoint_name = endpoint_name
        self.tree = tree
        self.draft: BootstrapDraft | None = None
        self.attributes = Attributes()
        self.refused = False
        self.location: tuple[str, ...] = ()
        self._server: Address = ("", 0)
        self._socket: ModemSocket | None = None
        self._coap: CoapEndpoint | None = None
        self._finished = asyncio.Event()

    # -- towards a server

    async def open(self, server: Address) -> None:
        self._server = server
        self._socket = await self.modem.open(self._received)
        self._coap = await CoapEndpoint.create(self, _Site(self), "unit", block_size=512)

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
        links = sorted({path[:2] for path in self.tree})
        payload = ",".join(['</>;rt="oma.lwm2m";ct="11542 112 110"', *(f"</{o}/{i}>" for o, i in links)]).encode()
        queue_mode = ["Q"] if "Q" in account.binding else []
        response = await self._post(
            ("rd",), [f"ep={self.endpoint_name}", f"lt={account.lifetime_s}", "lwm2m=1.1", "b=U", *queue_mode], payload)
        if response is None:
            return False
        self.location = tuple(response.opt.location_path)
        return True

    async def update(self) -> bool:
        """Registration update; False when the server doesn't know the unit any more, or is silent."""
        return await self._post(self.location, []) is not None

    async def deregister(self) -> None:
        if self.location:
            await self._request(Message(code=codes.DELETE, uri_path=self.location))
            self.location = ()

    async def close(self) -> None:
        if self._coap is not None:
            await self._coap.shutdown()
        if self._socket is not None:
            self._socket.close()
        self._coap = self._socket = None

    async def _post(self, path: tuple[str, ...], query: list[str], payload: bytes = b"") -> Message | None:
        message = Message(code=codes.POST, uri_path=path, uri_query=query, payload=payload)
        if payload:
            message.opt.content_format = ContentFormat.LINK_FORMAT
        response = await self._request(message)
        taken = response is not None and bool(response.code and response.code.is_successful())
        self.refused = response is not None and not taken
        return response if taken else None

    async def _request(self, message: Message) -> Message | None:
        assert self._coap is not None
        message.transport_tuning = transport_tuning(
            ack_timeout_s=self.settings.number("coap_ack_timeout"),
            max_retransmit=self.settings.number("coap_max_retransmit"), confirmable=True)
        try:
            return await self._coap.request(self._server, message)
        except error.Error:
            return None

    # -- datagrams

    def send(self, peer: Any, data: bytes) -> None:
        if self._socket is not None:
            self._socket.send(peer, data)

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
            path = Path.parse("/".join(request.opt.uri_path))
            if self.draft is not None:
                return self._serve_bootstrap(request, path, self.draft)
            return self._serve_management(request, path)
        except (NotAllowed, NotFound, BadValue, lwm2m.Lwm2mError) as refusal:
            return Message(code=_REFUSALS.get(type(refusal), codes.BAD_REQUEST), payload=str(refusal).encode()[:60])

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

    def _serve_management(self, request: Message, path: Path) -> Message:
        if path[:1] == (0,):
            return Message(code=codes.UNAUTHORIZED)
        below = {known: resource for known, resource in self.tree.items() if known.is_under(path.resource)}
        if not below or (len(path) == 4 and not (below[path.resource].multiple and path[3] == 0)):
            raise NotFound("not found")
        if request.code == codes.GET and request.opt.accept == ContentFormat.LINK_FORMAT:
            return self._discover(path, below)
        if request.code == codes.GET:
            return self._read(request, path, below)
        if request.code == codes.PUT or (request.code == codes.POST and len(path) == 2):
            return self._write(request, path)
        if request.code == codes.POST and len(path) == 3:
            return self._execute(request, below[path])
        raise NotAllowed(str(request.code))

    def _read(self, request: Message, path: Path, below: Mapping[Path, Resource]) -> Message:
        values: dict[Path, lwm2m.Value] = {}
        for known, resource in below.items():
            if resource.read is not None:
                values[known / 0 if resource.multiple else known] = resource.read()
        values = {known: value for known, value in values.items() if known.is_under(path)}
        if not values:
            raise NotAllowed("not readable")
        chosen = request.opt.accept
        if chosen is None:
            single = len(path) >= 3 and len(values) == 1 and not below[Path(*path[:3])].multiple
            single = single or len(path) == 4
            chosen = ContentFormat.TEXT if single else ContentFormat.TLV
            if single and isinstance(next(iter(values.values())), bytes):
                chosen = ContentFormat.OPAQUE
        try:
            payload = lwm2m.encode(values, path, chosen)
        except lwm2m.Lwm2mError:
            return Message(code=codes.NOT_ACCEPTABLE)
        return Message(code=codes.CONTENT, payload=payload, content_format=chosen)

    def _discover(self, path: Path, below: Mapping[Path, Resource]) -> Message:
        shown = sorted({path, *below, *(Path(*known[:2]) for known in below if len(path) == 1)})
        dimensions = {known: ";dim=1" for known, resource in below.items() if resource.multiple}
        parts = [f"<{known}>{dimensions.get(known, '')}{self.attributes.at(known)}" for known in shown]
        return Message(code=codes.CONTENT, payload=",".join(parts).encode(),
                               content_format=ContentFormat.LINK_FORMAT)

    def _write(self, request: Message, path: Path) -> Message:
        """Take all of a write or nothing of it. A write without content is one of attributes."""
        if request.code == codes.PUT and request.opt.uri_query and not request.payload:
            self.attributes.write(path, request.opt.uri_query)
            return Message(code=codes.CHANGED)
        if len(path) >= 3:
            self._writable(path)
        content_format = request.opt.content_format
        values = lwm2m.decode(request.payload, path, ContentFormat.TEXT if content_format is None else content_format,
                              self._type_of)
        targets = [(self._writable(target), value) for target, value in values.items()]
        staged: dict[str, Setting] = {}
        for resource, value in targets:
            if resource.stage is not None:
                staged |= resource.stage(value)
            elif resource.check is not None:
                resource.check(value)
        if staged:
            try:
                self.settings.write(staged)
            except Refused as refused:
                raise BadValue(str(refused)) from refused
        for resource, value in targets:
            if resource.stage is None and resource.write is not None:
                resource.write(value)
        return Message(code=codes.CHANGED)

    def _writable(self, path: Path) -> Resource:
        resource = self.tree.get(path.resource)
        if resource is None:
            raise NotFound("not found")
        if not resource.writable:
            raise NotAllowed("not writable")
        return resource

    def _execute(self, request: Message, resource: Resource) -> Message:
        if resource.execute is None:
            raise NotAllowed("not executable")
        resource.execute(request.payload.decode("utf-8", "replace"))
        return Message(code=codes.CHANGED)

    def _type_of(self, path: Path) -> Type:
        resource = self.tree.get(Path(*path[:3]))
        return resource.type if resource is not None and resource.type is not None else Type.OPAQUE

    def value(self, path: Path) -> lwm2m.Value | None:
        """The value of one readable resource; None where there is none."""
        resource = self.tree.get(path)
        return resource.read() if resource is not None and resource.read is not None else None


_REFUSALS = {NotAllowed: codes.METHOD_NOT_ALLOWED, NotFound: codes.NOT_FOUND}


class _Site(ObservableResource, PathCapable):
    """All paths of the unit: requests go to the client, observed single resources are looked at each second."""

    LOOK_EVERY_S = 1.0

    def __init__(self, client: Lwm2mClient) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._client = client

    async def render(self, request: Message) -> Message:
        return self._client.serve(request)

    async def add_observation(self, request: Message, serverobservation: Any) -> None:
        path = Path.parse("/".join(request.opt.uri_path))
        watcher = asyncio.get_running_loop().create_task(self._watch(path, request, serverobservation))
        serverobservation.accept(watcher.cancel)

    async def _watch(self, path: Path, request: Message, serverobservation: Any) -> None:
        client = self._client
        last, waited_s = client.value(path), 0.0
        while True:
            await asyncio.sleep(self.LOOK_EVERY_S)
            waited_s += self.LOOK_EVERY_S
            now = client.value(path)
            if attributes.is_due(client.attributes.of(path), last, now, waited_s):
                last, waited_s = now, 0.0
                serverobservation.trigger(self._client.serve(request))
