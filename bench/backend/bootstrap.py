"""The LwM2M bootstrap server: tells the unit where its device management and meter data servers are.

Source: OMA LightweightM2M 1.0, section 5.2 (client initiated bootstrap); the instances and resources are those of the
user's manual, section 6.3, tables 1 and 2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from aiocoap import error
from aiocoap.message import Message
from aiocoap.numbers.codes import BAD_REQUEST, CHANGED, DELETE, NOT_FOUND, POST, PUT, Code

from bench.backend.coap_server import SEPARATE_RESPONSE_S, close_coap, open_coap, query_of, request, response, succeeded
from bench.backend.server_socket import ServerSocket
from bench.clock import Clock
from bench.protocols import lwm2m
from bench.protocols.coap_pipe import CoapEndpoint
from bench.protocols.lwm2m import ContentFormat, Path, Value

DM_SECURITY = Path(0, 1)
DM_SERVER = Path(1, 1)
MDM_SERVER = Path(33905, 0)

PSK_MODE = 0
NO_SECURITY = 3
"""Security modes of 0/x/2 and 33905/x/2 (manual, tables 1 and 2)."""


@dataclass(frozen=True, slots=True)
class BootstrapContents:
    """What a bootstrap writes. An empty URI stands for the backend's own.

    Keys aren't written: the unit keeps those it was provisioned with. Security modes as in the manual: 0 PSK, 3 none.
    ``dm_lifetime_s`` in seconds; ``dm_binding`` "U" or "UQ" (with queue mode); ``mdm_connection_config`` 0 optimized,
    1 compliant; None leaves a resource out.
    """

    dm_uri: str = ""
    dm_security_mode: int = NO_SECURITY
    dm_short_server_id: int = 2
    dm_lifetime_s: int = 86400
    dm_binding: str = "UQ"
    mdm_uri: str = ""
    mdm_security_mode: int = NO_SECURITY
    mdm_connection_config: int | None = None
    mdm_topic: str | None = None

    def writes(self, endpoint: str) -> list[tuple[Path, dict[Path, Value]]]:
        """The object instances for ``endpoint``, in the order in which they are written."""
        security: dict[Path, Value] = {
            DM_SECURITY / 0: self.dm_uri, DM_SECURITY / 1: False, DM_SECURITY / 2: self.dm_security_mode,
            DM_SECURITY / 10: self.dm_short_server_id}
        if self.dm_security_mode == PSK_MODE:
            security[DM_SECURITY / 3] = endpoint.encode()
        server: dict[Path, Value] = {
            DM_SERVER / 0: self.dm_short_server_id, DM_SERVER / 1: self.dm_lifetime_s, DM_SERVER / 7: self.dm_binding}
        mdm: dict[Path, Value] = {
            MDM_SERVER / 0: self.mdm_uri, MDM_SERVER / 1: 0, MDM_SERVER / 2: self.mdm_security_mode}
        if self.mdm_connection_config is not None:
            mdm[MDM_SERVER / 10] = self.mdm_connection_config
        if self.mdm_topic is not None:
            mdm[MDM_SERVER / 11] = self.mdm_topic
        return [(DM_SECURITY, security), (DM_SERVER, server), (MDM_SERVER, mdm)]


class BootstrapOutcome(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    REFUSED = "refused"
    """The unit answered a step with an error."""
    NO_ANSWER = "no answer"
    RESTARTED = "restarted"
    """The unit asked again before the sequence was over."""
    STOPPED = "stopped"
    """The server was stopped."""


@dataclass(frozen=True, slots=True)
class BootstrapStep:
    """``request`` such as "PUT /0/1"; ``code`` such as "2.04", None when no answer came; ``time_s`` is its end."""

    time_s: float
    request: str
    code: str | None


@dataclass(slots=True)
class BootstrapSequence:
    """One bootstrap of one unit. Times in seconds since the timeline began."""

    endpoint: str
    started_at: float
    finished_at: float | None = None
    steps: list[BootstrapStep] = field(default_factory=list)
    outcome: BootstrapOutcome = BootstrapOutcome.RUNNING


class BootstrapServer:
    """Answers POST /bs?ep=... and then writes ``contents`` to the unit: DELETE /, one PUT per instance, POST /bs.

    ``contents`` may be changed at any time and counts from the next sequence on. With ``known`` endpoints all others
    are refused with 4.00.
    """

    def __init__(self, clock: Clock, socket: ServerSocket, contents: BootstrapContents, *,
                 known: Collection[str] | None = None) -> None:
        self.contents = contents
        self.known = known
        self.sequences: list[BootstrapSequence] = []
        self._clock = clock
        self._socket = socket
        self._endpoint: CoapEndpoint | None = None
        self._running: dict[str, tuple[int, BootstrapSequence]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> None:
        """Raises BenchError when the address can't be bound."""
        self._endpoint = await open_coap(self._socket, "bootstrap", host, port, self._answer)

    async def stop(self) -> None:
        """Ends running sequences and frees the port."""
        for _, sequence in self._running.values():
            self._end(sequence, BootstrapOutcome.STOPPED)
        self._running.clear()
        await close_coap(self._endpoint, self._socket)
        await asyncio.gather(*self._tasks)

    def _answer(self, peer: int, asked: Message) -> Message:
        if tuple(asked.opt.uri_path) != ("bs",) or asked.code != POST:
            return response(NOT_FOUND)
        name = query_of(asked).get("ep")
        if not name or (self.known is not None and name not in self.known):
            return response(BAD_REQUEST)
        sequence = BootstrapSequence(name, self._clock.time())
        self.sequences.append(sequence)
        abandoned, before = self._running.get(name, (None, None))
        if before is not None:
            self._end(before, BootstrapOutcome.RESTARTED)
        self._running[name] = (peer, sequence)
        task = self._clock.loop.create_task(self._run(peer, sequence, abandoned))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return response(CHANGED)

    def _end(self, sequence: BootstrapSequence, outcome: BootstrapOutcome) -> None:
        sequence.outcome = outcome
        sequence.finished_at = self._clock.time()

    async def _run(self, peer: int, sequence: BootstrapSequence, abandoned: int | None) -> None:
        assert self._endpoint is not None
        if abandoned is not None:
            # Else the request under way would be repeated, and a new one queued behind it.
            self._endpoint.peer_gone(abandoned, "the unit bootstraps anew")
        requests: list[tuple[Code, str, bytes]] = [(DELETE, "/", b"")]
        requests += [(PUT, str(path), lwm2m.encode(values, path, ContentFormat.TLV))
                     for path, values in self.contents.writes(sequence.endpoint)]
        requests.append((POST, "/bs", b""))
        outcome = BootstrapOutcome.FINISHED
        for code, path, payload in requests:
            answer = await self._asked(self._endpoint, peer, code, path, payload)
            if sequence.outcome is not BootstrapOutcome.RUNNING:
                return
            sequence.steps.append(BootstrapStep(self._clock.time(), f"{code} {path}",
                                                answer.dotted if answer is not None else None))
            if answer is None or not succeeded(answer):
                outcome = BootstrapOutcome.NO_ANSWER if answer is None else BootstrapOutcome.REFUSED
                break
        self._end(sequence, outcome)
        del self._running[sequence.endpoint]

    async def _asked(self, endpoint: CoapEndpoint, peer: int, code: Code, path: str, payload: bytes) -> Code | None:
        """The code of the unit's answer; None when there is none."""
        options = {"content_format": ContentFormat.TLV} if payload else {}
        try:
            async with asyncio.timeout(SEPARATE_RESPONSE_S):
                return (await endpoint.request(peer, request(code, path, payload, **options))).code
        except (error.Error, TimeoutError):
            return None
