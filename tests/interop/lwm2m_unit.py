"""A unit made of stock aiocoap (its own UDP transport), and a backend for it, in virtual time.

What the unit answers is written out in octets, so that nothing of ours stands on both sides.
"""

from __future__ import annotations

import asyncio

import aiocoap
from aiocoap import resource

from bench.backend.backend import Backend
from bench.backend.bootstrap import BootstrapContents
from bench.clock import WarpClock
from bench.protocols.lwm2m import Path, Type
from bench.protocols.pcapng import PcapngWriter
from bench.timeline import Timeline

UNIT = "94193A04010020B8"
LINKS = b'</>;rt="oma.lwm2m";ct="11542 110",</1/1>,</3/0>;ver=1.1,</33906/0>'

TYPES = {"/3/0/0": Type.STRING, "/3/0/9": Type.INTEGER, "/3/0/13": Type.TIME, "/3/0/6": Type.INTEGER,
         "/4/0/2": Type.INTEGER, "/33911/0/2": Type.OPAQUE}


def type_of(path: Path) -> Type | None:
    return TYPES.get(str(path))


class Unit(resource.Resource, resource.PathCapable):
    """Notes each request as (method, path, format, payload) and answers from ``answers`` by method and path."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str, int | None, str]] = []
        self.answers: dict[tuple[str, str], tuple[aiocoap.Code, bytes, int | None]] = {}
        self.queries: list[tuple[str, ...]] = []
        self.created_at: tuple[str, ...] = ()
        self.context: aiocoap.Context | None = None

    async def render(self, request):
        method, path = str(request.code), "/" + "/".join(request.opt.uri_path)
        self.requests.append((method, path, request.opt.content_format, request.payload.hex()))
        if request.opt.uri_query:
            self.queries.append(request.opt.uri_query)
        default = {"GET": aiocoap.NOT_FOUND, "DELETE": aiocoap.DELETED}.get(method, aiocoap.CHANGED)
        code, payload, content_format = self.answers.get((method, path), (default, b"", None))
        answer = aiocoap.Message(code=code, payload=payload)
        if code == aiocoap.CREATED:
            answer.opt.location_path = self.created_at
        if content_format is not None:
            answer.opt.content_format = content_format
        return answer

    def holds(self, path: str, payload: bytes, content_format: int) -> None:
        self.answers["GET", path] = (aiocoap.CONTENT, payload, content_format)


class Lab:
    def __init__(self, clock: WarpClock, contents: BootstrapContents | None = None,
                 pcap: PcapngWriter | None = None) -> None:
        self.clock = clock
        self.timeline = Timeline(clock.time, clock.nudge)
        self.backend = Backend(clock, self.timeline, type_of, contents=contents, pcap=pcap)
        clock.run(self.backend.start())
        self.dm = self.backend.dm
        self.contexts: list[aiocoap.Context] = []
        self.unit = self.new_unit(Unit())

    def new_unit(self, site):
        site.context = self.at_once(aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0),
                                                                          transports=["udp6"]))
        self.contexts.append(site.context)
        return site

    def at_once(self, coroutine):
        """Run it in the loop while time stands still: aiocoap resolves names in a thread, which time won't wait for."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.clock.loop).result(timeout=10)

    def post(self, uri: str, payload: bytes = b"", code: aiocoap.Code = aiocoap.POST, unit=None) -> aiocoap.Message:
        message = aiocoap.Message(code=code, uri=uri, payload=payload)
        if payload:
            message.opt.content_format = 40

        async def send():
            return await (unit or self.unit).context.request(message).response

        return self.at_once(send())

    def register(self, endpoint: str = UNIT, query: str = "&lt=86400&lwm2m=1.0&b=U", unit=None) -> aiocoap.Message:
        return self.post(f"{self.backend.uris.dm}/rd?ep={endpoint}{query}", LINKS, unit=unit)

    def stop(self) -> None:
        for context in self.contexts:
            self.at_once(context.shutdown())
        self.clock.run(self.backend.stop())
