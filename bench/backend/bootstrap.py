"""The LwM2M bootstrap server: tells the unit where its device management and meter data servers are.

Source: OMA LightweightM2M 1.0, section 5.2 (client initiated bootstrap), and 1.1 core, section 6.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers.codes import (
    BAD_REQUEST,
    CHANGED,
    DELETE,
    GET,
    NOT_FOUND,
    POST,
    PUT,
    SERVICE_UNAVAILABLE,
    UNSUPPORTED_CONTENT_FORMAT,
)

from bench.backend.bootstrap_contents import BootstrapContents
from bench.backend.bootstrap_steps import Delete, Discover, Finish, Read, Step, Write, WriteRaw
from bench.backend.coap_server import SEPARATE_RESPONSE_S, close_coap, open_coap, query_of, request, response, succeeded
from bench.backend.identity import EndpointCheck, identity_fits
from bench.backend.masks import is_secret, secrets_in
from bench.backend.server_socket import ServerSocket
from bench.clock import Clock
from bench.journal import Journal
from bench.protocols import lwm2m
from bench.protocols.coap_pipe import CoapEndpoint
from bench.protocols.lwm2m import ContentFormat, Link, Lwm2mError, Path, TypeOf, Value

__all__ = ["BootstrapContents", "BootstrapOutcome", "BootstrapSequence", "BootstrapServer", "BootstrapStep", "Script"]

WRITABLE_FORMATS = (ContentFormat.TLV, ContentFormat.JSON, ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR)
"""Those that hold an object instance."""

MAX_RUNNING = 1000
"""Sequences at the same time; a further one is refused with 5.03."""

Script = Callable[[str], Sequence[Step]]
"""The steps for an endpoint."""


class BootstrapOutcome(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    REFUSED = "refused"
    """The unit answered a step with an error."""
    NO_ANSWER = "no answer"
    UNFINISHED = "unfinished"
    """The script was over without a Finish."""
    RESTARTED = "restarted"
    """The unit asked again before the sequence was over."""
    STOPPED = "stopped"
    """The server was stopped."""


@dataclass(frozen=True, slots=True)
class BootstrapStep:
    """``request`` such as "PUT /0/1"; ``code`` such as "2.04", None when no answer came; ``time_s`` is its end.

    ``links`` are what a Discover found and ``values`` what a Read gave; ``problem`` says why they can't be read.
    """

    time_s: float
    request: str
    code: str | None
    links: tuple[Link, ...] = ()
    values: dict[Path, Value] = field(default_factory=dict)
    problem: str = ""


@dataclass(slots=True)
class BootstrapSequence:
    """One bootstrap of one unit. Times in seconds since the timeline began.

    ``preferred`` is the content format that the unit asked for (pct), None if it did not. ``contents`` is what was
    written; None where it was a script's doing.
    """

    endpoint: str
    started_at: float
    finished_at: float | None = None
    steps: list[BootstrapStep] = field(default_factory=list)
    outcome: BootstrapOutcome = BootstrapOutcome.RUNNING
    preferred: ContentFormat | None = None
    contents: BootstrapContents | None = None


class BootstrapServer:
    """Answers POST /bs?ep=... and then writes ``contents`` to the unit: DELETE /, one PUT per instance, POST /bs.

    ``contents`` may be changed at any time and counts from the next sequence on. A ``script`` takes its place: short
    or wrong contents, step by step::

        server.script = lambda endpoint: [Delete(), WriteRaw(Path(0, 1), b"junk", 11542), Finish()]

    With ``known`` endpoints all others are refused with 4.00, and so is one that ``endpoint_check`` doesn't believe.
    Requests and steps are on the timeline: ``bootstrap`` (endpoint, outcome), ``step`` (endpoint, request, code) and
    ``refused`` (peer, text).
    """

    def __init__(self, clock: Clock, socket: ServerSocket, contents: BootstrapContents, type_of: TypeOf, *,
                 known: Collection[str] | None = None) -> None:
        self.contents = contents
        self.script: Script | None = None
        self.known = known
        self.endpoint_check: EndpointCheck = identity_fits
        self.sequences: Journal[BootstrapSequence] = Journal(newest=MAX_RUNNING)
        self._clock = clock
        self._socket = socket
        self._type_of = type_of
        self._endpoint: CoapEndpoint | None = None
        self._running: dict[str, tuple[int, BootstrapSequence]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def silence(self, on: bool) -> None:
        """Be a black hole: all that comes is written down, and nothing is answered."""
        self._socket.silent = on

    async def start(self, host: str, port: int, secure_port: int = 0) -> None:
        """Raises BenchError when the address can't be bound."""
        self._endpoint = await open_coap(self._socket, "bootstrap", host, port, secure_port, self._answer)

    async def stop(self) -> None:
        """Ends running sequences and frees the port."""
        for _, sequence in self._running.values():
            self._end(sequence, BootstrapOutcome.STOPPED)
        self._running.clear()
        await close_coap(self._endpoint, self._socket)
        await asyncio.gather(*self._tasks)

    # -- requests of the unit -----------------------------------------------------------------------------------------

    def _answer(self, peer: int, asked: Message) -> Message:
        if tuple(asked.opt.uri_path) != ("bs",) or asked.code != POST:
            return response(NOT_FOUND)
        query = query_of(asked)
        name = query.get("ep", "")
        objection = self._objection(peer, name)
        if objection:
            self._socket.note("refused", peer=peer, text=objection)
            return response(BAD_REQUEST)
        preferred = query.get("pct")
        if preferred is not None and preferred not in map(str, map(int, WRITABLE_FORMATS)):
            self._socket.note("refused", peer=peer, text=f"content format {preferred[:20]!r} holds no object instance")
            return response(UNSUPPORTED_CONTENT_FORMAT)
        if len(self._running) >= MAX_RUNNING and name not in self._running:
            self._socket.note("refused", peer=peer, text=f"{MAX_RUNNING} bootstraps are running")
            return response(SERVICE_UNAVAILABLE)
        sequence = BootstrapSequence(name, self._clock.time(),
                                     preferred=ContentFormat(int(preferred)) if preferred is not None else None)
        self.sequences.append(sequence)
        self._note(sequence)
        abandoned, before = self._running.get(name, (None, None))
        if before is not None:
            self._end(before, BootstrapOutcome.RESTARTED)
        self._running[name] = (peer, sequence)
        task = self._clock.spawn(self._run(peer, sequence, abandoned))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return response(CHANGED)

    def _objection(self, peer: int, name: str) -> str:
        if not name:
            return "a bootstrap request without a name"
        if self.known is not None and name not in self.known:
            return f"endpoint {name[:80]!r} is not known"
        if not self.endpoint_check(self._socket.identity_of(peer), name):
            return f"endpoint {name[:80]!r} does not fit the identity it comes with"
        return ""

    # -- the sequence -------------------------------------------------------------------------------------------------

    def _end(self, sequence: BootstrapSequence, outcome: BootstrapOutcome) -> None:
        sequence.outcome = outcome
        sequence.finished_at = self._clock.time()
        self._note(sequence)

    def _note(self, sequence: BootstrapSequence) -> None:
        self._socket.note("bootstrap", endpoint=sequence.endpoint, outcome=str(sequence.outcome))

    async def _run(self, peer: int, sequence: BootstrapSequence, abandoned: int | None) -> None:
        assert self._endpoint is not None
        if abandoned is not None:
            # Else the request under way would be repeated, and a new one queued behind it.
            self._endpoint.peer_gone(abandoned, "the unit bootstraps anew")
        contents, script = self.contents, self.script
        sequence.contents = contents if script is None else None
        if script is not None:
            steps = list(script(sequence.endpoint))
        else:
            if not await self._all_taken(peer, sequence, contents.inquiry()):
                return
            steps = contents.changes(sequence.endpoint, [link for step in sequence.steps for link in step.links])
        if await self._all_taken(peer, sequence, steps):
            finished = any(isinstance(step, Finish) for step in steps)
            self._end(sequence, BootstrapOutcome.FINISHED if finished else BootstrapOutcome.UNFINISHED)
            del self._running[sequence.endpoint]

    async def _all_taken(self, peer: int, sequence: BootstrapSequence, steps: Sequence[Step]) -> bool:
        """Whether the unit took all ``steps``; else the sequence has ended."""
        for step in steps:
            message = self._message(step, sequence)
            what = f"{message.code} /{'/'.join(message.opt.uri_path)}"
            answer = await self._asked(peer, message)
            code: Any = answer.code if answer is not None else None
            if sequence.outcome is not BootstrapOutcome.RUNNING:
                return False
            done = self._done(what, step, answer, code)
            sequence.steps.append(done)
            self._socket.note("step", endpoint=sequence.endpoint, request=what, code=done.code)
            if answer is None or not (succeeded(code) or isinstance(step, Discover | Read)):
                self._end(sequence, BootstrapOutcome.NO_ANSWER if answer is None else BootstrapOutcome.REFUSED)
                del self._running[sequence.endpoint]
                return False
        return True

    def _message(self, step: Step, sequence: BootstrapSequence) -> Message:
        options: dict[str, Any] = {}
        match step:
            case Discover(path):
                return request(GET, str(path), accept=ContentFormat.LINK_FORMAT)
            case Read(path, accept):
                if accept is not None:
                    options["accept"] = accept
                return request(GET, str(path), **options)
            case Delete(path):
                return request(DELETE, str(path))
            case Write(path, values, asked_format):
                content_format = asked_format or sequence.preferred or ContentFormat.TLV
                payload = lwm2m.encode(values, path, content_format)
                secrets = secrets_in(values)
                if any(is_secret(each) for each in values):
                    self._socket.hide(payload, secrets)
                return request(PUT, str(path), payload, content_format=content_format)
            case WriteRaw(path, payload, raw_format):
                self._socket.hide(payload)
                if raw_format is not None:
                    options["content_format"] = raw_format
                return request(PUT, str(path), payload, **options)
            case Finish():
                return request(POST, "/bs")

    def _done(self, what: str, step: Step, answer: Message | None, answered: Any) -> BootstrapStep:
        now = self._clock.time()
        if answer is None:
            return BootstrapStep(now, what, None)
        code = str(answered.dotted)
        if not succeeded(answered):
            return BootstrapStep(now, what, code)
        try:
            match step:
                case Discover():
                    return BootstrapStep(now, what, code, links=tuple(lwm2m.parse_links(answer.payload)))
                case Read(path, _):
                    content_format = answer.opt.content_format
                    if content_format is None:
                        raise Lwm2mError("the answer has no Content-Format")
                    return BootstrapStep(now, what, code, values=lwm2m.decode(answer.payload, path,
                                                                              int(content_format), self._type_of))
        except Lwm2mError as malformed:
            return BootstrapStep(now, what, code, problem=str(malformed))
        return BootstrapStep(now, what, code)

    async def _asked(self, peer: int, message: Message) -> Message | None:
        """The unit's answer; None when there is none."""
        assert self._endpoint is not None
        try:
            async with asyncio.timeout(SEPARATE_RESPONSE_S):
                return await self._endpoint.request(peer, message)
        except (error.Error, TimeoutError):
            return None
