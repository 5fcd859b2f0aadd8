"""The pages of operators and engineers: FastAPI, server-sent events, nothing from anywhere else.

Who reaches the address may do what whoever stands there may. So it is loopback, or takes a token: once in the address
of the page (``/?token=...``), which becomes a cookie that no script sees.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from importlib.resources import files
from urllib.parse import parse_qs

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.commands.serve.page import HEADERS, Guard, bound
from bench.commands.station.figures import Figures
from bench.commands.station.floor import Floor
from bench.commands.station.gate import Refused
from bench.commands.station.places import Row
from bench.errors import BenchError
from bench.policies.scan import Unit

_FILES = {"operator.html": "text/html", "operator.js": "text/javascript", "engineer.html": "text/html",
          "engineer.js": "text/javascript", "common.js": "text/javascript", "station.css": "text/css"}
LANGUAGES = ("en", "sv", "de")
_COOKIE = "mcm-bench-station"
_EVENTS_WAITING = 1000


class Asked(BaseModel):
    """What somebody did at the page. ``text``: what a scanner typed, or a reason."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(default="", max_length=5000)
    place: int | None = Field(default=None, ge=0, le=999)
    yes: bool = True
    reason: str = Field(default="", max_length=200)
    codes: list[str] = Field(default_factory=list, max_length=20)
    reseated: bool = False


class Page:
    """The pages at ``address`` ("IP:PORT", port 0: any free one). Raises ``BenchError`` when it can't be had, and for
    an address that others reach without a ``token``."""

    def __init__(self, address: str, token: str = "") -> None:
        host = address.rpartition(":")[0].strip("[]")
        self._socket = bound(address)
        if not token and not ipaddress.ip_address(host).is_loopback:
            self._socket.close()
            raise BenchError(f"page at {address}", expected="loopback, or a token", seen="an address that others reach",
                             do="set MCM_BENCH_TOKEN to a secret of 16 characters at least, or leave out --page")
        if token and len(token) < 16:
            self._socket.close()
            raise BenchError("MCM_BENCH_TOKEN", expected="16 characters at least", seen=f"{len(token)}",
                             do="choose a longer one")
        self._token = token
        self._readers: set[asyncio.Queue[Row | None]] = set()
        self._server: uvicorn.Server | None = None

    @property
    def uri(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def tell(self, event: Row) -> None:
        """Tell all pages that are open. One that does not keep up is let go; it comes back and hears all there is."""
        for reader in list(self._readers):
            if reader.qsize() < _EVENTS_WAITING:
                reader.put_nowait(event)
            else:
                self._readers.discard(reader)
                reader.put_nowait(None)

    async def serve(self, floor: Floor, figures: Figures) -> None:
        """Until ``stop``."""
        app: ASGIApp = Guard(_app(floor, figures, self._readers))
        if self._token:
            app = _Token(app, self._token)
        self._server = _Server(uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=2))
        await self._server.serve([self._socket])

    def stop(self) -> None:
        for reader in self._readers:
            reader.put_nowait(None)
        if self._server is not None:
            self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They are the station's."""
        yield


def _app(floor: Floor, figures: Figures, readers: set[asyncio.Queue[Row | None]]) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def refused(_: Request, error: Exception) -> Response:
        said = error.to_json() if isinstance(error, Refused) else {"code": "", "text": str(error)}
        return JSONResponse(said, 409)

    async def failed(_: Request, error: Exception) -> Response:
        text = f"the station failed: {type(error).__name__}: {error}; report this as a fault of the bench"
        return JSONResponse({"code": "", "text": text}, 500)

    for kind in (Refused, BenchError):
        app.add_exception_handler(kind, refused)
    app.add_exception_handler(Exception, failed)
    own = files("bench.commands.station")

    def file_of(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
        async def file() -> Response:
            return Response(own.joinpath(name).read_bytes(), media_type=media_type)
        return file

    for name, media_type in _FILES.items():
        app.add_api_route(f"/{name}", file_of(name, media_type))
    app.add_api_route("/", file_of("operator.html", "text/html"))
    app.add_api_route("/engineer", file_of("engineer.html", "text/html"))
    for language in LANGUAGES:
        app.add_api_route(f"/languages/{language}.json", file_of(f"languages/{language}.json", "application/json"))

    @app.get("/pictures/{name}")
    async def picture(name: str) -> Response:
        found = (floor.plan.prompts.pictures or {}).get(name)
        return Response(found[0], media_type=found[1]) if found is not None else Response(status_code=404)

    @app.get("/api/state")
    async def everything() -> Row:
        return {"station": floor.header(), "places": [one.shown.to_json() for one in floor.places.values()]}

    @app.get("/api/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[Row]:
        reader: asyncio.Queue[Row | None] = asyncio.Queue()
        readers.add(reader)
        try:
            yield await everything()
            while (event := await reader.get()) is not None:
                yield event
        finally:
            readers.discard(reader)

    @app.post("/api/scan")
    async def scan(asked: Asked) -> Row:
        return await floor.scan(asked.text, asked.place)

    @app.post("/api/allow")
    async def allow(asked: Asked) -> Row:
        found = floor.gate.read(asked.text)
        if not isinstance(found, Unit):
            raise Refused("no label", "that is no label of a unit")
        return await floor.put(found, asked.place, why=asked.reason, codes=asked.codes, reseated=asked.reseated)

    @app.post("/api/start")
    async def start(asked: Asked) -> Row:
        return await floor.press_start(asked.place)

    @app.post("/api/lid")
    async def lid(asked: Asked) -> Row:
        return await floor.press_start(asked.place, by_lid=True)

    @app.post("/api/answer")
    async def answer(asked: Asked) -> Row:
        return await floor.answer(asked.place or 0, yes=asked.yes)

    @app.post("/api/cancel")
    async def cancel(asked: Asked) -> Row:
        return floor.cancel(asked.place)

    @app.post("/api/end")
    async def end(asked: Asked) -> Row:
        return await floor.end_place(asked.place or 0)

    @app.post("/api/begin")
    async def begin(asked: Asked) -> Row:
        return await floor.start_place(asked.place or 0)

    @app.post("/api/unlock")
    async def unlock(asked: Asked) -> Row:
        return await floor.unlock(asked.place or 0, asked.reason)

    @app.get("/api/figures")
    async def all_figures(measurement: str = "", unit: str = "") -> Row:
        return await asyncio.to_thread(figures.all, measurement, unit)

    return app


class _Token:
    """Lets in who has the token, in the address once or in the cookie that it becomes."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        morsel = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(_COOKIE)
        if asked and self._is_it(asked):
            answer = RedirectResponse(scope["path"], 303, HEADERS)
            answer.set_cookie(_COOKIE, self._token, httponly=True, samesite="strict")
            await answer(scope, receive, send)
        elif morsel is not None and self._is_it(morsel.value):
            await self._app(scope, receive, send)
        else:
            text = "this page takes the station's token: open the address that mcm-bench station has printed"
            await JSONResponse({"code": "token", "text": text}, 403, HEADERS)(scope, receive, send)

    def _is_it(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())


