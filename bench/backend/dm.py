"""The LwM2M server that manages the unit: registrations, requests to the unit, and what it sends by itself.

Source: OMA LightweightM2M 1.0, sections 5.3 (registration), 5.4 (device management), 5.5 (information reporting);
1.1 core, sections 6.2 to 6.4 (alternate path, composite operations, Send); 1.2 core, sections 6.2 to 6.4 and 7.4.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any

from aiocoap.message import Message
from aiocoap.numbers.codes import (
    BAD_REQUEST,
    CHANGED,
    CREATED,
    DELETE,
    DELETED,
    FETCH,
    FORBIDDEN,
    GET,
    NOT_FOUND,
    POST,
    PUT,
    SERVICE_UNAVAILABLE,
    UNSUPPORTED_CONTENT_FORMAT,
    Code,
    iPATCH,
)
from aiocoap.numbers.types import CON

from bench.backend.coap_server import close_coap, open_coap, query_of, request, response
from bench.backend.contacts import Contacts
from bench.backend.dm_answers import DmMalformed, DmNotRegistered, DmRefused, DmTimeout, answered, check
from bench.backend.dm_observation import DmObservation, Notification
from bench.backend.identity import EndpointCheck, identity_fits
from bench.backend.masks import is_secret, secrets_in
from bench.backend.registrations import (
    DEFAULT_LIFETIME_S,
    MAX_REGISTRATIONS,
    Event,
    Registration,
    RegistrationEvent,
    Registrations,
)
from bench.backend.sends import ReceivedSend, read_send
from bench.backend.server_socket import ServerSocket
from bench.clock import Clock
from bench.errors import BenchError, UnitError
from bench.journal import Journal
from bench.protocols import lwm2m
from bench.protocols.coap_pipe import CoapEndpoint
from bench.protocols.lwm2m import ContentFormat, Link, Lwm2mError, Path, TypeOf, Value

__all__ = ["DmMalformed", "DmNotRegistered", "DmObservation", "DmRefused", "DmServer", "DmTimeout", "Notification",
           "ReceivedSend"]

AWAKE_S = 93.0
"""How long a unit in queue mode listens after its last message: MAX_TRANSMIT_WAIT of RFC 7252, which LwM2M 1.1 names as
the default."""

FIRMWARE = Path(3, 0, 3)

_SENT = (ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR, ContentFormat.LWM2M_CBOR)
"""In what a Send may come."""

_SAID = ("ep", "lt", "b", "lwm2m", "Q")
"""The parameters of a registration that it keeps by names of their own."""


class DmServer:
    """Keeps registrations and sends requests to registered units.

    Requests go to the only registered unit, or to the ``endpoint`` named. They raise DmNotRegistered, DmRefused,
    DmTimeout or DmMalformed, all of them failures of the unit. A unit in queue mode gets one request at a time, in the
    order in which they were made, and none while it sleeps: when it has been silent for longer than it listens, they
    wait for its next register, update, Send or notification. A request that it leaves unanswered is not repeated later.

    Values are read and written by path: ``/3/0/0``; an object or object instance gives several, by their full paths.
    A resource nobody knows has the type that its answer gives it. Paths are those of LwM2M: where a unit's objects are
    below an alternate path, requests go there.

    ``sends`` has what units sent by themselves (LwM2M Send), ``firmware`` the last version that was read (3/0/3).
    ``endpoint_check`` decides whether a peer may register under a name. On the timeline: ``registration`` (endpoint,
    event, location), ``send`` (endpoint, text), ``refused`` (peer, text).
    """

    def __init__(self, clock: Clock, socket: ServerSocket, type_of: TypeOf) -> None:
        self.sends: Journal[ReceivedSend] = Journal()
        self.endpoint_check: EndpointCheck = identity_fits
        self.refuses_sends = False
        self._clock = clock
        self._socket = socket
        self._type_of = type_of
        self._endpoint: CoapEndpoint | None = None
        self._registrations = Registrations(clock, self._on_event)
        self._contacts = Contacts()
        self._turns: dict[str, asyncio.Lock] = {}
        self._observations: list[DmObservation] = []
        self.firmware = ""

    def silence(self, on: bool) -> None:
        """Be a black hole: all that comes is written down, and nothing is answered."""
        self._socket.silent = on

    async def start(self, host: str, port: int, secure_port: int = 0) -> None:
        """Raises BenchError when the address can't be bound."""
        self._socket.on_session = self._session_begun
        self._endpoint = await open_coap(self._socket, "dm", host, port, secure_port, self._answer)

    async def stop(self) -> None:
        """Ends requests and observations and frees the port."""
        self._registrations.stop()
        self._contacts.stop()
        await close_coap(self._endpoint, self._socket)

    @property
    def registrations(self) -> dict[str, Registration]:
        """The units registered now, by endpoint name."""
        return self._registrations.current

    @property
    def history(self) -> Journal[RegistrationEvent]:
        """Every register, update, deregister, expiry, replacement and forgetting, in order."""
        return self._registrations.history

    def forget(self, endpoint: str | None = None) -> None:
        """Drop a registration without a word to the unit: its next update gets 4.04."""
        self._registrations.forget(self._chosen(endpoint))

    # -- reading ------------------------------------------------------------------------------------------------------

    async def read(self, path: str | Path, *, endpoint: str | None = None,
                   accept: ContentFormat | None = None) -> Value:
        """The value of one resource or resource instance. ``accept`` None lets the unit choose the format."""
        wanted = Path.parse(path)
        if len(wanted) < 3:
            raise BenchError("DM server", expected="the path of one resource to read", seen=str(wanted),
                             do="use read_all for an object or an object instance")
        values = await self.read_all(path, endpoint=endpoint, accept=accept)
        if wanted not in values:
            raise DmMalformed(f"GET {wanted}: the answer has no value of that path, but of "
                              f"{', '.join(map(str, values)) or 'none'}")
        return values[wanted]

    async def read_all(self, path: str | Path, *, endpoint: str | None = None,
                       accept: ContentFormat | None = None) -> dict[Path, Value]:
        """All values of an object, an object instance or a multiple resource, by their full paths."""
        wanted = Path.parse(path)
        message = request(GET, str(wanted), **_accepting(accept))
        values = self._values(f"GET {wanted}", wanted, await self._ask(endpoint, message), accept)
        self.firmware = str(values.get(FIRMWARE, self.firmware))
        return values

    async def read_composite(self, paths: Iterable[str | Path], *, endpoint: str | None = None,
                             content_format: ContentFormat = ContentFormat.SENML_CBOR,
                             unsaid: bool = False) -> dict[Path, Value]:
        """Values from anywhere, at once (LwM2M 1.1 Read-Composite, in SenML; 1.2 also in LwM2M CBOR). What the unit
        hasn't got is missing.
        ``unsaid``: the request does not say which format it is in."""
        message = _composite(paths, content_format)
        if unsaid:
            message.opt.content_format = None
        return self._values("FETCH /", Path(), await self._ask(endpoint, message), content_format)

    async def discover(self, path: str | Path, *, endpoint: str | None = None) -> list[Link]:
        """The links and attributes below a path."""
        asked = request(GET, str(Path.parse(path)), accept=ContentFormat.LINK_FORMAT)
        answer = await self._ask(endpoint, asked)
        if answer.opt.content_format != ContentFormat.LINK_FORMAT:
            raise DmMalformed(f"discover {path}: answered in format {answer.opt.content_format}")
        try:
            return lwm2m.below(_root_of(asked, Path.parse(path)), lwm2m.parse_links(answer.payload))
        except Lwm2mError as malformed:
            raise DmMalformed(f"discover {path}: {malformed}") from malformed

    # -- changing -----------------------------------------------------------------------------------------------------

    async def write(self, path: str | Path, value: Value | Mapping[int, Value], *, partial: bool = False,
                    endpoint: str | None = None, content_format: ContentFormat = ContentFormat.TLV) -> None:
        """Write a resource, or the resources of an object instance (instances of a multiple resource) by their ids.

        PUT replaces the instance; ``partial`` (POST) leaves resources that aren't named as they are.
        """
        target = Path.parse(path)
        if isinstance(value, Mapping):
            values: dict[Path, Value] = {target / number: one for number, one in value.items()}
        else:
            values = {target: value}
        payload = self._encoded(values, target, content_format)
        await self._ask(endpoint, request(POST if partial else PUT, str(target), payload,
                                          content_format=content_format))

    async def write_composite(self, values: Mapping[str, Value] | Mapping[Path, Value], *,
                              endpoint: str | None = None,
                              content_format: ContentFormat = ContentFormat.SENML_CBOR) -> None:
        """Write values anywhere, all or none (LwM2M 1.1 Write-Composite, in SenML; 1.2 also in LwM2M CBOR)."""
        by_path = {Path.parse(path): value for path, value in values.items()}
        payload = self._encoded(by_path, Path(), content_format)
        await self._ask(endpoint, request(iPATCH, "/", payload, content_format=content_format))

    async def write_attributes(self, path: str | Path, attributes: Mapping[str, float | None], *,
                               endpoint: str | None = None) -> None:
        """Set pmin, pmax (seconds), gt, lt, st at an object, an instance or a resource; None takes one away."""
        query = [name if value is None else f"{name}={_decimal(value)}" for name, value in attributes.items()]
        await self._ask(endpoint, request(PUT, str(Path.parse(path)), uri_query=query))

    async def execute(self, path: str | Path, arguments: str = "", *, endpoint: str | None = None) -> None:
        """Execute a resource; ``arguments`` in LwM2M's form, such as "0='coap://host/file'"."""
        options: dict[str, Any] = {"content_format": ContentFormat.TEXT} if arguments else {}
        await self._ask(endpoint, request(POST, str(Path.parse(path)), arguments.encode(), **options))

    async def create(self, path: str | Path, values: Mapping[int, Value], *, instance: int | None = None,
                     endpoint: str | None = None, content_format: ContentFormat = ContentFormat.TLV) -> Path:
        """A new instance of the object at ``path``, with resources by their ids; its path.

        ``instance`` None leaves the choice of the instance to the unit, which only TLV can say.
        """
        target = Path.parse(path)
        if len(target) != 1 or (instance is None and content_format != ContentFormat.TLV):
            raise BenchError("DM server", expected="the path of an object, and an instance unless in TLV",
                             seen=f"{target}, instance {instance}, format {int(content_format)}",
                             do="name object and instance")
        new = target / (instance or 0)
        by_path = {new / number: value for number, value in values.items()}
        # TLV that starts with the resources is for the instance that the unit will choose.
        payload = self._encoded(by_path, new if instance is None else target, content_format)
        if instance is not None and not values:
            payload = _empty_instance(new, content_format)
        asked = request(POST, str(target), payload, content_format=content_format)
        answer = await self._ask(endpoint, asked)
        if answer.opt.location_path:
            located = _located(target, _root_of(asked, target), answer)
            if instance is not None and located != new:
                raise DmMalformed(f"POST {target}: asked for {new}, and the Location-Path says {located}")
            return located
        if instance is None:
            raise DmMalformed(f"POST {target}: an instance was created, but no Location-Path says which")
        return new

    async def delete(self, path: str | Path, *, endpoint: str | None = None) -> None:
        """Delete an object instance (1.1: or a resource instance)."""
        await self._ask(endpoint, request(DELETE, str(Path.parse(path))))

    # -- observing ----------------------------------------------------------------------------------------------------

    async def observe(self, path: str | Path, *, endpoint: str | None = None, accept: ContentFormat | None = None,
                      attributes: Mapping[str, float | None] | None = None) -> DmObservation:
        """Ask for a path and for its changes; ``attributes`` are written first (see ``write_attributes``)."""
        if attributes is not None:
            await self.write_attributes(path, attributes, endpoint=endpoint)
        wanted = Path.parse(path)
        return await self._observe(endpoint, wanted, f"observe {wanted}", request(GET, str(wanted),
                                                                                  **_accepting(accept)))

    async def observe_composite(self, paths: Iterable[str | Path], *, endpoint: str | None = None,
                                content_format: ContentFormat = ContentFormat.SENML_CBOR) -> DmObservation:
        """Ask for several paths and for their changes (LwM2M 1.1 Observe-Composite, in SenML)."""
        return await self._observe(endpoint, Path(), "observe composite", _composite(paths, content_format))

    async def _observe(self, endpoint: str | None, wanted: Path, what: str, message: Message) -> DmObservation:
        async with self._listening(endpoint) as registration:
            observation = DmObservation(wanted, registration.endpoint)
            assert self._endpoint is not None

            def notified(notification: Message) -> None:
                confirmable = notification.mtype is CON
                try:
                    values = self._values(f"GET {wanted}", wanted, notification)
                    note = Notification(self._clock.time(), values, confirmable=confirmable)
                except UnitError as problem:
                    note = Notification(self._clock.time(), {}, str(problem), confirmable)
                observation.notifications.append(note)
                self._in_contact(observation.endpoint)

            running = await answered(what, self._endpoint.observe(registration.peer, _rooted(message, registration),
                                                                  notified))
        check(what, running.first)
        if running.first.opt.observe is None:
            raise DmRefused("2.05", what, "answered, but not observed")
        observation.began(running, self._values(f"GET {wanted}", wanted, running.first))
        self._observations = [one for one in self._observations if one.active] + [observation]
        return observation

    # -- one request --------------------------------------------------------------------------------------------------

    async def await_contact(self, endpoint: str | None = None) -> Registration:
        """Wait for the next register, update, Send or notification of ``endpoint``, or of any unit.

        Raises DmTimeout when the registration of the named endpoint ends meanwhile.
        """
        return await self._contacts.next(endpoint)

    async def _ask(self, endpoint: str | None, message: Message) -> Message:
        what = f"{message.code} /{'/'.join(message.opt.uri_path)}"
        async with self._listening(endpoint) as registration:
            assert self._endpoint is not None
            answer = await answered(what, self._endpoint.request(registration.peer, _rooted(message, registration)))
        check(what, answer)
        return answer

    @asynccontextmanager
    async def _listening(self, endpoint: str | None) -> AsyncIterator[Registration]:
        """The registration to send to, once the unit listens and it is this request's turn."""
        registration = self._chosen(endpoint)
        if not registration.queue_mode:
            yield registration
            return
        async with self._turns.setdefault(registration.endpoint, asyncio.Lock()):
            registration = self._chosen(registration.endpoint)
            if self._clock.time() - self._socket.heard_at(registration.peer) > AWAKE_S:
                registration = await self._contacts.next(registration.endpoint)
            yield registration

    def _chosen(self, endpoint: str | None) -> Registration:
        if endpoint is None and len(self.registrations) > 1:
            raise BenchError("DM server", expected="the endpoint to be named",
                             seen=f"several registered: {self._names()}", do="pass endpoint=...")
        chosen = endpoint if endpoint is not None else next(iter(self.registrations), None)
        if chosen not in self.registrations:
            raise DmNotRegistered(f"{endpoint or 'the unit'} is not registered at the DM server; registered: "
                                  f"{self._names()}")
        return self.registrations[chosen]

    def _names(self) -> str:
        return ", ".join(self.registrations) or "none"

    def _encoded(self, values: Mapping[Path, Value], base: Path, content_format: ContentFormat) -> bytes:
        payload = lwm2m.encode(values, base, content_format)
        if any(is_secret(path) for path in values):
            self._socket.hide(payload, secrets_in(values))
        return payload

    def _values(self, what: str, base: Path, message: Message,
                accept: ContentFormat | None = None) -> dict[Path, Value]:
        """``accept``: what was asked for; RFC 7252, 5.10.4: in that format, or 4.06."""
        check(what, message)
        content_format = message.opt.content_format
        if content_format is None:
            raise DmMalformed(f"{what}: the answer has no Content-Format")
        if accept is not None and content_format != accept:
            raise DmMalformed(f"{what}: asked for in {accept.name}, answered in format {int(content_format)}")
        try:
            return lwm2m.decode(message.payload, base, int(content_format), self._type_of)
        except Lwm2mError as malformed:
            raise DmMalformed(f"{what}: {malformed}") from malformed

    # -- requests of the unit -----------------------------------------------------------------------------------------

    def _answer(self, peer: int, asked: Message) -> Message:
        match tuple(asked.opt.uri_path), asked.code:
            case ("rd",), Code.POST:
                return self._register(peer, asked)
            case ("rd", number), Code.POST | Code.PUT | Code.DELETE:
                registration = self._registrations.at(f"/rd/{number}")
                if registration is None:
                    return self._refusal(NOT_FOUND, peer, "an update of a registration that does not exist")
                if not self.endpoint_check(self._socket.identity_of(peer), registration.endpoint):
                    return self._refusal(FORBIDDEN, peer, "an update of somebody else's registration")
                if asked.code == DELETE:
                    self._registrations.deregister(registration)
                    return response(DELETED)
                return self._update(peer, registration, asked)
            case ("dp",), Code.POST:
                return self._send(peer, asked)
            case _:
                return response(NOT_FOUND)

    def _register(self, peer: int, asked: Message) -> Message:
        query, identity = query_of(asked), self._socket.identity_of(peer)
        try:
            links = _links(asked.payload)
            lifetime_s = _lifetime(query)
        except ValueError as malformed:
            return self._refusal(BAD_REQUEST, peer, f"a registration that can't be read: {malformed}")
        name = query.get("ep", "")
        if not name:
            return self._refusal(BAD_REQUEST, peer, "a registration without a name")
        if not self.endpoint_check(identity, name):
            return self._refusal(FORBIDDEN, peer, f"endpoint {name[:80]!r} does not fit the identity it comes with")
        self._note_format(peer, asked)
        if len(self.registrations) >= MAX_REGISTRATIONS and name not in self.registrations:
            return self._refusal(SERVICE_UNAVAILABLE, peer, f"{MAX_REGISTRATIONS} units are registered")
        binding, root = query.get("b", "U"), lwm2m.root_of(links)
        registration = self._registrations.register(
            peer, name, lifetime_s=DEFAULT_LIFETIME_S if lifetime_s is None else lifetime_s, binding=binding,
            lwm2m_version=query.get("lwm2m", "1.0"), queue_mode="Q" in binding or "Q" in query,
            objects=tuple(lwm2m.below(root, links)), root=root, identity=identity,
            parameters={said: value for said, value in query.items() if said not in _SAID})
        return response(CREATED, location_path=registration.location.strip("/").split("/"))

    def _note_format(self, peer: int, asked: Message) -> None:
        """The objects must come in the CoRE link format (LwM2M core 1.1.1, 6.2.1); they are taken in any."""
        if asked.payload and asked.opt.content_format != ContentFormat.LINK_FORMAT:
            self._socket.note("deviation", peer=peer, text=f"the objects have Content-Format "
                                                           f"{asked.opt.content_format}, not 40 (link format)")

    def _update(self, peer: int, registration: Registration, asked: Message) -> Message:
        query = query_of(asked)
        try:
            links = _links(asked.payload) if asked.payload else ()
            lifetime_s = _lifetime(query)
        except ValueError as malformed:
            return self._refusal(BAD_REQUEST, peer, f"an update that can't be read: {malformed}")
        self._note_format(peer, asked)
        root = lwm2m.root_of(links) or registration.root
        self._registrations.update(registration, peer, lifetime_s=lifetime_s, binding=query.get("b"),
                                   queue_mode="Q" in query, root=root,
                                   objects=tuple(lwm2m.below(root, links)) if links else None)
        return response(CHANGED)

    def _send(self, peer: int, asked: Message) -> Message:
        registration = self._registrations.of_peer(peer) or self._session_begun(peer)
        if registration is None or not self.endpoint_check(self._socket.identity_of(peer), registration.endpoint):
            return self._refusal(NOT_FOUND, peer, "a Send of a unit that is not registered")
        if self.refuses_sends:
            return self._refusal(SERVICE_UNAVAILABLE, peer, "a Send, as the test asks for it")
        if asked.opt.content_format not in _SENT:
            return self._refusal(UNSUPPORTED_CONTENT_FORMAT, peer, "a Send that is neither SenML nor LwM2M CBOR")
        try:
            received = read_send(self._clock.time(), registration.endpoint, asked, self._type_of)
        except Lwm2mError as malformed:
            return self._refusal(BAD_REQUEST, peer, f"a Send that can't be read: {malformed}")
        self.sends.append(received)
        self._socket.note("send", endpoint=received.endpoint,
                          text=f"{len(received.records)} record(s) of "
                               f"{', '.join(sorted({str(one.path) for one in received.records})) or 'nothing'}")
        self._clock.loop.call_soon(self._in_contact, registration.endpoint)
        return response(CHANGED)

    def _refusal(self, code: Code, peer: int, text: str) -> Message:
        self._socket.note("refused", peer=peer, text=text)
        return response(code)

    def _session_begun(self, peer: int) -> Registration | None:
        """The registration of who is at ``peer`` by what it has proved; it is found there from now on."""
        identity = self._socket.identity_of(peer)
        return None if identity is None else self._registrations.meet(peer, identity)

    # -- what follows -------------------------------------------------------------------------------------------------

    def _on_event(self, event: RegistrationEvent) -> None:
        registration = event.registration
        self._socket.note("registration", endpoint=registration.endpoint, event=str(event.event),
                          location=registration.location)
        if event.event in (Event.REGISTERED, Event.UPDATED):
            # Once the response is out, for the unit expects it first.
            self._clock.loop.call_soon(self._in_contact, registration.endpoint)
            return
        ended = [one for one in self._observations if one.endpoint == registration.endpoint]
        for observation in ended:
            observation.cancel()
            self._observations.remove(observation)
        if event.event is not Event.REPLACED:
            self._turns.pop(registration.endpoint, None)
            self._contacts.lost(registration, str(event.event))

    def _in_contact(self, endpoint: str) -> None:
        registration = self.registrations.get(endpoint)
        if registration is not None:
            self._contacts.made(registration)


@lru_cache(maxsize=256)
def _links(payload: bytes) -> tuple[Link, ...]:
    """Units of one kind register the same objects, so they are read, and kept, once. Raises Lwm2mError."""
    return tuple(lwm2m.parse_links(payload))


def _accepting(accept: ContentFormat | None) -> dict[str, Any]:
    return {} if accept is None else {"accept": accept}


def _composite(paths: Iterable[str | Path], content_format: ContentFormat) -> Message:
    payload = lwm2m.encode_paths(map(Path.parse, paths), content_format)
    return request(FETCH, "/", payload, content_format=content_format, accept=content_format)


def _rooted(message: Message, registration: Registration) -> Message:
    """``message``, to the place below the unit's root."""
    message.opt.uri_path = (*registration.root, *message.opt.uri_path)
    return message


def _root_of(sent: Message, path: Path) -> tuple[str, ...]:
    """Below which root the unit was asked for ``path``."""
    return tuple(sent.opt.uri_path[:len(sent.opt.uri_path) - len(path)])


def _decimal(number: float) -> str:
    """An attribute's number as its table has it: digits, and a point only where there is a fraction; no exponent
    (LwM2M 1.1 core, section 7.3.2). What is no number stays as it is, for a test that wants to see it refused."""
    if not math.isfinite(number):
        return str(number)
    text = f"{Decimal(str(number + 0)):f}"    # there is no -0
    return text.rstrip("0").rstrip(".") if "." in text else text


def _empty_instance(new: Path, content_format: ContentFormat) -> bytes:
    """An instance with no resources, which TLV alone can name. Raises BenchError."""
    if content_format != ContentFormat.TLV:
        raise BenchError("DM server", expected="resources, unless in TLV", seen=f"{new} without any",
                         do="give the new instance a value, or use TLV")
    return lwm2m.encode_instance(new)


def _located(target: Path, root: tuple[str, ...], answer: Message) -> Path:
    location = answer.opt.location_path
    text = "/".join(location[len(root):] if location[:len(root)] == root else location)
    try:
        path = Path.parse(text)
    except Lwm2mError:
        path = Path()
    if len(path) != 2 or not path.is_under(target):
        raise DmMalformed(f"POST {target}: Location-Path {text[:80]!r} is no instance of it")
    return path


def _lifetime(query: Mapping[str, str]) -> int | None:
    """Seconds. Raises ValueError for what is no lifetime."""
    text = query.get("lt")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or not 0 < int(text) < 2**32:
        raise ValueError(f"lifetime {text[:20]!r}")
    return int(text)
