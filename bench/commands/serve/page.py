"""The servers in a browser: FastAPI on a port of its own, with server-sent events, and nothing from anywhere else."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bench.commands.decode import as_rows
from bench.commands.serve.servers import MAX_PACKAGE, Event, Servers
from bench.commands.serve.values import TYPES, Row
from bench.errors import BenchError, UnitError
from bench.protocols.lwm2m import Lwm2mError

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                               "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_FILES = {"": "page.html", "decode": "decode.html", **{name: name for name in (
    "page.js", "page.css", "shown.js", "decode.js")}}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css"}
_MAX_DECODED = 64 << 20
_MOST_ROWS = 500
"""A page that a browser still scrolls through; the command tells all."""
_EVENTS_WAITING = 1000


class Asked(BaseModel):
    """What is asked of a device: ``value`` is what to write, or the arguments of an execute."""

    path: str
    endpoint: str | None = None
    value: str = ""
    kind: str = ""


class Page:
    """The page at ``address`` ("IP:PORT", port 0: any free one). Raises BenchError when it can't be had."""

    def __init__(self, servers: Servers, address: str) -> None:
        self._readers: set[asyncio.Queue[Event | None]] = set()
        self._socket = bound(address)
        self._task: asyncio.Task[None] | None = None
        app = Guard(_app(servers, self._readers))
        self._server = uvicorn.Server(uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=2))
        servers.listeners.append(self._hear)

    @property
    def uri(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    async def start(self) -> None:
        """In the clock's loop, as ``stop``."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Ends what is under way and frees the port. Doing it twice, or before ``start``, does no harm."""
        self._server.should_exit = True
        for reader in self._readers:
            reader.put_nowait(None)
        if self._task is not None:
            await self._task
        self._socket.close()

    def _hear(self, event: Event) -> None:
        for reader in self._readers:
            if reader.qsize() < _EVENTS_WAITING:
                reader.put_nowait(event)


def _app(servers: Servers, readers: set[asyncio.Queue[Event | None]]) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for kind, code in ((BenchError, 400), (Lwm2mError, 400), (UnitError, 502)):
        app.add_exception_handler(kind, _sentence(servers, code))

    async def file(request: Request) -> Response:
        name = _FILES[request.url.path.removeprefix("/")]
        content = files("bench.commands.serve").joinpath(name).read_bytes()
        return Response(content, media_type=_TYPES[name.rpartition(".")[2]])

    for name in _FILES:
        app.add_api_route(f"/{name}", file)

    @app.get("/api/state")
    async def state() -> Row:
        return {"uris": servers.uris, "types": TYPES, "clients": servers.clients(), "telegrams": servers.telegrams(),
                "packages": servers.packages(), "bootstrap": servers.bootstrap(), "events": list(servers.events)}

    @app.get("/api/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[Event]:
        reader: asyncio.Queue[Event | None] = asyncio.Queue()
        readers.add(reader)
        try:
            while (event := await reader.get()) is not None:
                yield event
        finally:
            readers.discard(reader)

    @app.post("/api/firmware")
    async def firmware(request: Request, name: str, endpoint: str | None = None) -> str:
        return await servers.firmware(name, await _body(request, MAX_PACKAGE), endpoint)    # too much is refused there

    @app.post("/api/decode")
    async def decode(request: Request, encoding: str | None = None) -> Row:
        content = await _body(request, _MAX_DECODED)
        if not 0 < len(content) <= _MAX_DECODED:
            raise BenchError("what is to be decoded", expected=f"1 to {_MAX_DECODED >> 20} MiB",
                             seen="nothing" if not content else "more", do="give a part of it")
        rows = await asyncio.to_thread(as_rows, content, encoding)
        return {"count": len(rows), "found": rows[:_MOST_ROWS]}

    @app.post("/api/{command}")
    async def ask(command: str, asked: Asked) -> list[Row]:
        return await servers.ask(command, asked.path, asked.endpoint, asked.value, asked.kind)

    return app


async def _body(request: Request, limit: int) -> bytes:
    """What was sent; no more than the first octets beyond ``limit``."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > limit:
            break
    return bytes(content)


def _sentence(servers: Servers, code: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, error: Exception) -> Response:
        return JSONResponse({"text": servers.masked(str(error))}, code)
    return answer


class Guard:
    """Refuses what another site's page may have sent, and what came by a name: whose DNS leads here may be anybody."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        objection = _objection(scope["method"], Headers(scope=scope)) if scope["type"] == "http" else ""
        if objection:
            await JSONResponse({"text": objection}, 403, HEADERS)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)


def _objection(method: str, headers: Headers) -> str:
    host = headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name != "localhost":
            ipaddress.ip_address(name)
    except ValueError:
        return "this page answers to an IP address or localhost only"
    foreign = (headers.get("origin", f"http://{host}") != f"http://{host}"
               or headers.get("sec-fetch-site", "none") not in ("same-origin", "none"))
    return "a request of another site" if foreign and method not in ("GET", "HEAD") else ""


def bound(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        ip = ipaddress.ip_address(host.strip("[]"))
        return socket.create_server((str(ip), int(port)), reuse_port=False,
                                    family=socket.AF_INET6 if ip.version == 6 else socket.AF_INET)
    except (ValueError, OverflowError):
        raise BenchError("--page", expected="an IP address and a port such as 127.0.0.1:8080, or none",
                         seen=address[:60], do="correct the value") from None
    except OSError as error:
        raise BenchError(f"page at {address}", expected="to bind it", seen=(error.strerror or str(error)).lower(),
                         do="choose an address of this machine and a port that is free with --page") from error
