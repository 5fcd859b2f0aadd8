"""The LwM2M server that manages the unit: registrations, and requests to the unit.

Source: OMA LightweightM2M 1.0, sections 5.3 (registration), 5.4 (device management), 5.5 (information reporting).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers.codes import BAD_REQUEST, CHANGED, CREATED, DELETE, DELETED, GET, NOT_FOUND, POST, PUT, Code

from bench.backend.coap_server import SEPARATE_RESPONSE_S, close_coap, open_coap, query_of, request, response, succeeded
from bench.backend.registrations import (
    DEFAULT_LIFETIME_S,
    Event,
    Registration,
    RegistrationEvent,
    Registrations,
)
from bench.backend.server_socket import ServerSocket
from bench.clock import Clock
from bench.errors import BenchError, NotObserved
from bench.protocols import coap_pipe, lwm2m
from bench.protocols.coap_pipe import CoapEndpoint
from bench.protocols.lwm2m import ContentFormat, Link, Lwm2mError, Path, TypeOf, Value

T = TypeVar("T")

AWAKE_S = 93.0
"""How long a unit in queue mode listens after its last message: MAX_TRANSMIT_WAIT of RFC 7252, which LwM2M 1.1 names as
the default."""


class DmRefused(AssertionError):  # noqa: N818 - reads as a sentence: the unit refused
    """The unit answered with an error. ``code`` such as "4.05", or "RST" when it rejected the message."""

    def __init__(self, code: str, request: str, diagnostic: str = "") -> None:
        super().__init__(f"{request}: the unit answered {code}" + (f", {diagnostic!r}" if diagnostic else ""))
        self.code = code
        self.request = request
        self.diagnostic = diagnostic

    @property
    def path(self) -> str:
        """The path that was asked for."""
        return self.request.rpartition(" ")[2]


class DmTimeout(NotObserved):
    """The unit gave no answer, or its registration ended while it was waited for."""


class DmNotRegistered(NotObserved):
    """The unit isn't registered, so it can't be asked."""


class DmMalformed(AssertionError):  # noqa: N818 - reads as a sentence: the answer was malformed
    """The unit's answer can't be read."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What the unit reported at ``time_s``. When it can't be read, ``problem`` says why and ``values`` is empty."""

    time_s: float
    values: dict[Path, Value]
    problem: str = ""


class DmObservation:
    """A running observation. ``first`` are the values of the answer that began it, ``notifications`` what followed."""

    def __init__(self, path: Path, endpoint: str) -> None:
        self.path = path
        self.endpoint = endpoint
        self.first: dict[Path, Value] = {}
        self.notifications: list[Notification] = []
        self._running: coap_pipe.Observation | None = None

    @property
    def active(self) -> bool:
        """False once either side has ended it."""
        return self._running is not None and self._running.active

    def cancel(self) -> None:
        """Forget it: the next notification is answered with RST, at which the unit ends it."""
        if self._running is not None:
            self._running.cancel()

    async def cancel_by_request(self) -> None:
        """End it by a request with Observe 1. Raises DmRefused or DmTimeout."""
        if self._running is not None:
            what = f"cancel observation of {self.path}"
            _check(what, await _answered(what, self._running.cancel_by_request()))


class DmServer:
    """Keeps registrations and sends requests to registered units.

    Requests go to the only registered unit, or to the ``endpoint`` named. They raise DmNotRegistered, DmRefused,
    DmTimeout or DmMalformed, all of them failures of the unit. A unit in queue mode that has been silent for longer
    than it listens is sent nothing until its next contact.

    Values are read and written by path: ``/3/0/0``; an object or object instance gives several, by their full paths.
    """

    def __init__(self, clock: Clock, socket: ServerSocket, type_of: TypeOf) -> None:
        self._clock = clock
        self._socket = socket
        self._type_of = type_of
        self._endpoint: CoapEndpoint | None = None
        self._registrations = Registrations(clock, self._on_event)
        self._heard: dict[int, float] = {}
        self._contacts: list[tuple[str | None, asyncio.Future[Registration]]] = []
        self._observations: list[DmObservation] = []

    async def start(self, host: str, port: int) -> None:
        """Raises BenchError when the address can't be bound."""
        self._endpoint = await open_coap(self._socket, "dm", host, port, self._answer)
        coap = self._socket.on_datagram

        def received(peer: int, data: bytes) -> None:
            self._heard[peer] = self._clock.time()
            coap(peer, data)

        self._socket.on_datagram = received

    async def stop(self) -> None:
        """Ends requests and observations and frees the port."""
        self._registrations.stop()
        for _, contact in self._contacts:
            contact.cancel()
        await close_coap(self._endpoint, self._socket)

    @property
    def registrations(self) -> dict[str, Registration]:
        """The units registered now, by endpoint name."""
        return self._registrations.current

    @property
    def history(self) -> list[RegistrationEvent]:
        """Every register, update, deregister, expiry and replacement, in order."""
        return self._registrations.history

    # -- requests to the unit ---------------------------------------------------------------------------------------

    async def read(self, path: str, *, endpoint: str | None = None, accept: ContentFormat | None = None) -> Value:
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

    async def read_all(self, path: str, *, endpoint: str | None = None,
                       accept: ContentFormat | None = None) -> dict[Path, Value]:
        """All values of an object, an object instance or a multiple resource, by their full paths."""
        options: dict[str, Any] = {} if accept is None else {"accept": accept}
        wanted = Path.parse(path)
        return self._values(wanted, await self._ask(endpoint, request(GET, str(wanted), **options)))

    async def write(self, path: str, value: Value | Mapping[int, Value], *, partial: bool = False,
                    endpoint: str | None = None, content_format: ContentFormat = ContentFormat.TLV) -> None:
        """Write a resource, or the resources of an object instance by their ids.

        PUT replaces the instance; ``partial`` (POST) leaves resources that aren't named as they are.
        """
        target = Path.parse(path)
        if isinstance(value, Mapping):
            values: dict[Path, Value] = {target / number: one for number, one in value.items()}
        else:
            values = {target: value}
        payload = lwm2m.encode(values, target, content_format)
        await self._ask(endpoint, request(POST if partial else PUT, str(target), payload,
                                          content_format=content_format))

    async def execute(self, path: str, arguments: str = "", *, endpoint: str | None = None) -> None:
        """Execute a resource; ``arguments`` in LwM2M's form, such as "0='coap://host/file'"."""
        options: dict[str, Any] = {"content_format": ContentFormat.TEXT} if arguments else {}
        await self._ask(endpoint, request(POST, str(Path.parse(path)), arguments.encode(), **options))

    async def discover(self, path: str, *, endpoint: str | None = None) -> list[Link]:
        """The links and attributes below a path."""
        answer = await self._ask(endpoint, request(GET, str(Path.parse(path)), accept=ContentFormat.LINK_FORMAT))
        try:
            return lwm2m.parse_links(answer.payload)
        except Lwm2mError as malformed:
            raise DmMalformed(f"discover {path}: {malformed}") from malformed

    async def observe(self, path: str, *, endpoint: str | None = None,
                      accept: ContentFormat | None = None) -> DmObservation:
        """Ask for a path and for its changes."""
        wanted = Path.parse(path)
        registration = await self._reachable(endpoint)
        observation = DmObservation(wanted, registration.endpoint)
        assert self._endpoint is not None

        def notified(message: Message) -> None:
            try:
                note = Notification(self._clock.time(), self._values(wanted, message))
            except AssertionError as problem:
                note = Notification(self._clock.time(), {}, str(problem))
            observation.notifications.append(note)

        options: dict[str, Any] = {} if accept is None else {"accept": accept}
        message = request(GET, str(wanted), **options)
        what = f"observe {wanted}"
        running = await _answered(what, self._endpoint.observe(registration.peer, message, notified))
        _check(what, running.first)
        if running.first.opt.observe is None:
            raise DmRefused("2.05", what, "answered, but not observed")
        observation.first = self._values(wanted, running.first)
        observation._running = running
        self._observations.append(observation)
        return observation

    async def await_contact(self, endpoint: str | None = None) -> Registration:
        """Wait for the next register or update of ``endpoint``, or of any unit.

        Raises DmTimeout when the registration of the named endpoint ends meanwhile.
        """
        contact: asyncio.Future[Registration] = self._clock.loop.create_future()
        self._contacts.append((endpoint, contact))
        return await contact

    async def _ask(self, endpoint: str | None, message: Message) -> Message:
        registration = await self._reachable(endpoint)
        assert self._endpoint is not None
        what = f"{message.code} /{'/'.join(message.opt.uri_path)}"
        answer = await _answered(what, self._endpoint.request(registration.peer, message))
        _check(what, answer)
        return answer

    async def _reachable(self, endpoint: str | None) -> Registration:
        """The registration to send to, once the unit listens."""
        registration = self._chosen(endpoint)
        silent_s = self._clock.time() - self._heard[registration.peer]
        if registration.queue_mode and silent_s > AWAKE_S:
            registration = await self.await_contact(registration.endpoint)
        return registration

    def _chosen(self, endpoint: str | None) -> Registration:
        names = ", ".join(self.registrations) or "none"
        if endpoint is None and len(self.registrations) > 1:
            raise BenchError("DM server", expected="the endpoint to be named", seen=f"several registered: {names}",
                             do="pass endpoint=...")
        chosen = endpoint if endpoint is not None else next(iter(self.registrations), None)
        if chosen not in self.registrations:
            raise DmNotRegistered(f"{endpoint or 'the unit'} is not registered at the DM server; registered: {names}")
        return self.registrations[chosen]

    def _values(self, base: Path, message: Message) -> dict[Path, Value]:
        _check(f"GET {base}", message)
        content_format = message.opt.content_format
        if content_format is None:
            raise DmMalformed(f"GET {base}: the answer has no Content-Format")
        try:
            return lwm2m.decode(message.payload, base, int(content_format), self._type_of)
        except Lwm2mError as malformed:
            raise DmMalformed(f"GET {base}: {malformed}") from malformed

    # -- requests of the unit -----------------------------------------------------------------------------------------

    def _answer(self, peer: int, asked: Message) -> Message:
        match tuple(asked.opt.uri_path), asked.code:
            case ("rd",), Code.POST:
                return self._register(peer, asked)
            case ("rd", number), Code.POST | Code.PUT | Code.DELETE:
                registration = self._registrations.at(f"/rd/{number}")
                if registration is None:
                    return response(NOT_FOUND)
                if asked.code == DELETE:
                    self._registrations.deregister(registration)
                    return response(DELETED)
                return self._update(peer, registration, asked)
            case _:
                return response(NOT_FOUND)

    def _register(self, peer: int, asked: Message) -> Message:
        query = query_of(asked)
        try:
            objects = tuple(lwm2m.parse_links(asked.payload))
            lifetime_s = _lifetime(query)
        except ValueError:
            return response(BAD_REQUEST)
        if not query.get("ep"):
            return response(BAD_REQUEST)
        binding = query.get("b", "U")
        registration = self._registrations.register(
            peer, query["ep"], lifetime_s=DEFAULT_LIFETIME_S if lifetime_s is None else lifetime_s, binding=binding,
            lwm2m_version=query.get("lwm2m", "1.0"), queue_mode="Q" in binding or "Q" in query, objects=objects)
        return response(CREATED, location_path=registration.location.strip("/").split("/"))

    def _update(self, peer: int, registration: Registration, asked: Message) -> Message:
        query = query_of(asked)
        try:
            objects = tuple(lwm2m.parse_links(asked.payload)) if asked.payload else None
            lifetime_s = _lifetime(query)
        except ValueError:
            return response(BAD_REQUEST)
        self._registrations.update(registration, peer, lifetime_s=lifetime_s, binding=query.get("b"), objects=objects)
        return response(CHANGED)

    def _on_event(self, event: RegistrationEvent) -> None:
        registration = event.registration
        if event.event in (Event.REGISTERED, Event.UPDATED):
            # Once the response is out, for the unit expects it first.
            self._clock.loop.call_soon(self._settle_contacts, registration)
            return
        for observation in [one for one in self._observations if one.endpoint == registration.endpoint]:
            observation.cancel()
            self._observations.remove(observation)
        if event.event is not Event.REPLACED:
            self._settle_contacts(registration, DmTimeout(f"{registration.endpoint}: registration {event.event}"))

    def _settle_contacts(self, registration: Registration, failure: DmTimeout | None = None) -> None:
        waiting, self._contacts = self._contacts, []
        for endpoint, contact in waiting:
            if contact.done():
                continue
            if endpoint == registration.endpoint and failure is not None:
                contact.set_exception(failure)
            elif endpoint in (None, registration.endpoint) and failure is None:
                contact.set_result(registration)
            else:
                self._contacts.append((endpoint, contact))


def _lifetime(query: Mapping[str, str]) -> int | None:
    """Seconds. Raises ValueError for what is no lifetime."""
    text = query.get("lt")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 2**32:
        raise ValueError(f"lifetime {text!r}")
    return int(text)


def _check(what: str, answer: Any) -> None:
    """Raises DmRefused for an error code."""
    if not succeeded(answer.code):
        raise DmRefused(str(answer.code.dotted), what, answer.payload.decode("utf-8", "replace"))


async def _answered(what: str, exchange: Coroutine[Any, Any, T]) -> T:
    """The result of an exchange with the unit. Raises DmRefused for RST, DmTimeout when no answer comes."""
    try:
        async with asyncio.timeout(SEPARATE_RESPONSE_S):
            return await exchange
    except error.MessageError as reset:
        raise DmRefused("RST", what) from reset
    except (error.Error, TimeoutError) as failure:
        raise DmTimeout(f"{what}: no answer of the unit ({type(failure).__name__})") from failure
