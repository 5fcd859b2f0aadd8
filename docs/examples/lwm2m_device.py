"""An LwM2M 1.1 client on aiocoap, as an example of a unit that is no CMi6110 (docs/foreign-units.md).

    python lwm2m_device.py --endpoint example --bootstrap coap://127.0.0.1:5694 [--tick 127.0.0.1:PORT]

It has a thermometer (object 3303), a lamp (3311) and a timer (3340), and knows nothing of the bench but its servers.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any

import aiocoap
from aiocoap import Message, resource
from aiocoap.numbers import codes
from aiocoap.numbers.codes import Code
from content_formats import (
    LINKS,
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    TLV,
    Path,
    Refused,
    Values,
    from_senml,
    from_tlv,
    is_below,
    numbers,
    to_senml,
    to_tlv,
    typed,
)
from tick_loop import TickLoop

OFFERED = (TEXT, TLV, SENML_JSON, SENML_CBOR)
PATIENCE_S, RETRY_S = 90, 30
ACCOUNT = {0: "", 1: False, 2: 3, 3: b"", 4: b"", 5: b"", 10: 1}
SERVER = {0: 1, 1: 86400, 6: True, 7: "U"}
READABLE = {(1, 0), (1, 1), (1, 6), (1, 7), *((3, number) for number in (0, 1, 2, 3, 6, 11, 16)),
            (3303, 5700), (3303, 5603), (3311, 5851), (3311, 5852), (3340, 5544)}
WRITABLE = {(1, 1): (1, 1 << 31), (1, 6): None, (1, 7): None, (3311, 5851): (0, 100), (3311, 5852): (0, 1 << 31)}
EXECUTABLE = {(1, 8), (1, 9), (3, 4)}
UPTIME = (3340, 0, 5544)


class Device(resource.ObservableResource, resource.PathCapable):
    """What it has, and what may be done with it. ``say`` is its log."""

    def __init__(self, endpoint: str, bootstrap: str) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.values: Values = {
            **{(0, 0, number): value for number, value in {**ACCOUNT, 0: bootstrap, 1: True, 10: 0}.items()},
            (3, 0, 0): "Example Maker", (3, 0, 1): "Example device", (3, 0, 2): endpoint, (3, 0, 3): "1.0",
            (3, 0, 6, 0): 1, (3, 0, 11, 0): 0, (3, 0, 16): "U", (3303, 0, 5700): 3550.0, (3303, 0, 5603): 20.0,
            (3311, 0, 5851): 0, (3311, 0, 5852): 0, UPTIME: 0}
        self.attributes: dict[Path, dict[str, float]] = {}
        self.staged: Values | None = None           # during a bootstrap: what becomes of the values at its end
        self.bootstrapped, self.due, self.anew = asyncio.Event(), asyncio.Event(), True
        self.location, self.started = "", self.now
        self.watching: set[asyncio.Task[None]] = set()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def say(self, text: str) -> None:
        print(text, flush=True)

    # life: bootstrap, register, keep alive

    async def live(self, context: aiocoap.Context) -> None:
        while True:
            if self.account() is None or self.anew:
                await self.bootstrap(context)
            if self.account() is not None and not self.anew and not await self.registered(context):
                self.anew = True
            if self.anew:
                await asyncio.sleep(RETRY_S)

    async def bootstrap(self, context: aiocoap.Context) -> None:
        self.bootstrapped.clear()
        self.staged = dict(self.values)
        self.say("bootstrap")
        if await self.asked(context, Code.POST, f"{self.values[0, 0, 0]}/bs?ep={self.endpoint}") is not None:
            try:
                await asyncio.wait_for(self.bootstrapped.wait(), PATIENCE_S)
                self.anew = False
            except TimeoutError:
                self.say("the bootstrap did not end")
        self.staged = None

    async def registered(self, context: aiocoap.Context) -> bool:
        """Register and stay so; False when the server can't be reached or does not want it, True when it is to do
        so anew."""
        uri, server = self.account()
        query = f"ep={self.endpoint}&lt={server[1]}&lwm2m=1.1&b={server[7].replace('Q', '')}"
        answer = await self.asked(context, Code.POST, f"{uri}/rd?{query}", self.links().encode(), LINKS)
        if answer is None or not answer.code.is_successful():
            return False
        self.location = "/".join(answer.opt.location_path)
        while self.watching:                        # observations of a registration before are over
            self.watching.pop().cancel()
        self.say(f"registered at /{self.location}")
        while True:
            self.due.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.due.wait(), 0.6 * server[1])
            if self.anew or not self.location or self.account() is None:
                return True
            uri, server = self.account()
            answer = await self.asked(context, Code.POST, f"{uri}/{self.location}?lt={server[1]}")
            if answer is None or answer.code == codes.NOT_FOUND:
                return answer is not None

    def account(self) -> Any:
        """URI and server instance of the account that is not the bootstrap server's."""
        for _, number in sorted({path[:2] for path in self.values if path[0] == 0}):
            if not self.values[0, number, 1] and (1, number, 0) in self.values:
                return self.values[0, number, 0], {path[2]: one for path, one in self.flat((1, number)).items()}
        return None

    async def asked(self, context: aiocoap.Context, code: Code, uri: str, payload: bytes = b"",
                    content_format: int | None = None) -> Message | None:
        try:
            return await context.request(Message(code=code, uri=uri, payload=payload,
                                                 content_format=content_format)).response
        except (aiocoap.error.Error, OSError) as error:
            self.say(f"no answer from {uri.partition('?')[0]}: {type(error).__name__}")
            return None

    def links(self) -> str:
        instances = sorted({path[:2] for path in self.values if path[0]})
        return ",".join([f'</>;rt="oma.lwm2m";ct="{" ".join(map(str, OFFERED))}"', *map("</{0[0]}/{0[1]}>".format,
                                                                                        instances)])

    # requests

    async def render(self, request: Message) -> Message:
        try:
            return self.answered(request)
        except Refused as refusal:
            return Message(code=refusal.code)

    def answered(self, request: Message) -> Message:
        if request.opt.uri_path == ("bs",):
            return self.finished()
        path = self.path(request)
        if self.staged is not None:
            return self.bootstrap_write(request, path)
        if path[:1] == (0,):
            raise Refused(codes.UNAUTHORIZED)
        match request.code:
            case Code.GET if request.opt.accept == LINKS:
                return Message(code=codes.CONTENT, payload=self.discovered(path).encode(), content_format=LINKS)
            case Code.GET:
                return self.content(path, self.read(path), request.opt.accept)
            case Code.FETCH:                         # what is not there is left out
                found = {path: value for one in from_senml(request) for path, value in self.readable(one).items()}
                return self.content((), found, request.opt.accept or SENML_CBOR)
            case Code.iPATCH:
                self.write(from_senml(request))
            case Code.PUT if request.opt.uri_query:
                self.set_attributes(path, request.opt.uri_query)
            case Code.PUT | Code.POST if len(path) == 2 or (len(path) >= 3 and request.code == Code.PUT):
                self.write(self.decoded(path, request))
            case Code.POST if len(path) == 3:
                self.execute(path)
            case _:
                raise Refused(codes.METHOD_NOT_ALLOWED)
        return Message(code=codes.CHANGED)

    def path(self, request: Message) -> Path:
        try:
            return numbers("/".join(request.opt.uri_path))
        except ValueError:
            raise Refused(codes.NOT_FOUND) from None

    # reading

    def flat(self, path: Path) -> Values:
        """All values at and below ``path``, whoever may read them."""
        self.values[UPTIME] = int(self.now - self.started)
        return {one: value for one, value in self.values.items() if is_below(one, path)}

    def readable(self, path: Path) -> Values:
        return {one: value for one, value in self.flat(path).items() if (one[0], one[2]) in READABLE}

    def read(self, path: Path) -> Values:
        if self.is_executable(path):
            raise Refused(codes.METHOD_NOT_ALLOWED)
        if not self.flat(path):
            raise Refused(codes.NOT_FOUND)
        return self.readable(path)

    def is_executable(self, path: Path) -> bool:
        return len(path) == 3 and (path[0], path[2]) in EXECUTABLE and bool(self.flat(path[:2]))

    def content(self, path: Path, found: Values, accept: int | None) -> Message:
        is_one = list(found) == [path]
        wanted = accept if accept is not None else TEXT if is_one else TLV if path else SENML_CBOR
        if wanted in (SENML_JSON, SENML_CBOR):
            payload = to_senml(found, as_cbor=wanted == SENML_CBOR)
        elif wanted == TLV and path:
            payload = to_tlv(found, (0, 1, 2, 2, 3)[len(path)])
        elif wanted == TEXT and is_one:
            value = found[path]
            payload = str(int(value) if isinstance(value, bool) else value).encode()
        else:
            raise Refused(codes.NOT_ACCEPTABLE)
        return Message(code=codes.CONTENT, payload=payload, content_format=wanted)

    def discovered(self, path: Path) -> str:
        """The attributes are in digits, without an exponent."""
        known = {one[:3] for one in self.values} | {(*one[:2], number) for one in self.values
                                                     for kind, number in EXECUTABLE if kind == one[0]}
        shown = {path, *(one[:depth] for one in known if is_below(one, path) for depth in (2, 3) if depth > len(path))}
        if not path or not any(is_below(one, path) for one in known):
            raise Refused(codes.NOT_FOUND)
        return ",".join("".join(["</", "/".join(map(str, one)), ">", *(
            f";{name}={Decimal(repr(value)):f}" for name, value in self.attributes.get(one, {}).items())])
            for one in sorted(shown))

    # observing

    async def add_observation(self, request: Message, serverobservation: Any) -> None:
        paths = list(from_senml(request)) if request.code == Code.FETCH else [self.path(request)]
        task = asyncio.get_running_loop().create_task(self.watch(paths, serverobservation))
        self.watching.add(task)
        serverobservation.accept(task.cancel)

    async def watch(self, paths: list[Path], serverobservation: Any) -> None:
        told, told_at = self.observed(paths), self.now
        while True:
            await asyncio.sleep(1)
            now = self.observed(paths)
            if self.is_due(paths[0], told, now, self.now - told_at):
                told, told_at = now, self.now
                serverobservation.trigger()

    def observed(self, paths: list[Path]) -> Values:
        return {path: value for one in paths for path, value in self.readable(one).items()}

    def is_due(self, path: Path, told: Values, now: Values, since_s: float) -> bool:
        known: dict[str, float] = {}
        for depth in range(1, len(path) + 1):
            known |= self.attributes.get(path[:depth], {})
        pmin, pmax = known.get("pmin", 0), known.get("pmax", 0)
        if since_s < pmin or (pmax >= max(pmin, 1) and since_s >= pmax):
            return since_s >= pmin
        if not {"gt", "lt", "st"} & known.keys():
            return told != now
        was, is_now = next(iter(told.values())), next(iter(now.values()))
        return any((was > known[name]) != (is_now > known[name]) for name in ("gt", "lt") if name in known) or (
            "st" in known and abs(is_now - was) >= known["st"])

    def set_attributes(self, path: Path, query: tuple[str, ...]) -> None:
        if not self.flat(path):
            raise Refused(codes.NOT_FOUND)
        known = dict(self.attributes.get(path, {}))
        for part in query:
            name, equals, text = part.partition("=")
            if name not in ("pmin", "pmax", "gt", "lt", "st") or (name in ("gt", "lt", "st") and len(path) < 3):
                raise Refused(codes.BAD_REQUEST)
            known.pop(name, None)
            if equals:
                known[name] = typed(text, 0.0 if name in ("gt", "lt", "st") else 0)
        if min(known.get("pmin", 0), known.get("pmax", 0)) < 0 or (
                {"gt", "lt"} <= known.keys() and known["lt"] + 2 * known.get("st", 0) >= known["gt"]):
            raise Refused(codes.BAD_REQUEST)
        self.attributes[path] = known

    # writing and executing

    def decoded(self, path: Path, request: Message) -> Values:
        """What a Write has."""
        if request.opt.content_format == TLV:
            values: Values = {(*path[:2], number): octets for number, octets in from_tlv(request.payload).items()}
            if len(path) > 2 and list(values) != [path]:
                raise Refused(codes.BAD_REQUEST)
            return values
        if request.opt.content_format == TEXT and len(path) >= 3:
            return {path: request.payload.decode("utf-8", "replace")}
        return from_senml(request)

    def write(self, values: Values) -> None:
        """All or nothing."""
        new = {path: self.checked(path, value) for path, value in values.items()}
        self.values |= new
        if any(path[0] == 1 for path in new):
            self.due.set()

    def checked(self, path: Path, value: Any) -> Any:
        if not self.flat(path) and not self.is_executable(path):
            raise Refused(codes.NOT_FOUND)
        if path not in self.values or (path[0], path[2]) not in WRITABLE:
            raise Refused(codes.METHOD_NOT_ALLOWED)
        value, limits = typed(value, self.values[path]), WRITABLE[path[0], path[2]]
        if limits is not None and not limits[0] <= value <= limits[1]:
            raise Refused(codes.BAD_REQUEST)
        return value

    def execute(self, path: Path) -> None:
        if not self.is_executable(path):
            raise Refused(codes.METHOD_NOT_ALLOWED if self.flat(path) else codes.NOT_FOUND)
        if path[2] == 4:
            self.started, self.location = self.now, ""
            self.attributes.clear()
        self.anew = self.anew or path[2] == 9
        asyncio.get_running_loop().call_later(0.5, self.due.set)    # the answer goes first

    # bootstrap

    def bootstrap_write(self, request: Message, path: Path) -> Message:
        staged = self.staged
        assert staged is not None
        match request.code:
            case Code.GET if request.opt.accept == LINKS:
                links = ['</>;lwm2m="1.1"']
                for one in sorted({each[:2] for each in staged if is_below(each, path)}):
                    short = {0: (*one, 10), 1: (*one, 0)}.get(one[0])
                    links.append(f"</{one[0]}/{one[1]}>" + (
                        f";ssid={staged[short]}" if short is not None and staged.get((*one, 1)) is not True else ""))
                return Message(code=codes.CONTENT, payload=",".join(links).encode(), content_format=LINKS)
            case Code.DELETE if not path:
                self.staged = {one: value for one, value in staged.items()
                               if one[0] != 1 and (one[0] != 0 or staged[0, one[1], 1])}
                return Message(code=codes.DELETED)
            case Code.PUT if len(path) == 2 and path[0] in (0, 1):
                pattern = ACCOUNT if path[0] == 0 else SERVER
                written = {one[2]: typed(value, pattern[one[2]]) for one, value in self.decoded(path, request).items()
                           if one[2] in pattern}
                if not written or path[1] == 65535 or (path == (0, 0) and not written.get(1)):
                    raise Refused(codes.BAD_REQUEST)
                staged |= {(*path, number): value for number, value in {**pattern, **written}.items()}
                return Message(code=codes.CHANGED)
        raise Refused(codes.METHOD_NOT_ALLOWED)

    def finished(self) -> Message:
        staged = self.staged
        if staged is None:
            raise Refused(codes.METHOD_NOT_ALLOWED)
        accounts = {staged[0, path[1], 10]: path[1] for path in staged if path[0] == 0 and not staged[0, path[1], 1]}
        servers = {staged[1, path[1], 0]: path[1] for path in staged if path[0] == 1}
        if not accounts or accounts.keys() != servers.keys() or not all(
                0 < number < 65535 and staged[0, one, 0].startswith("coap://") and staged[0, one, 2] == 3
                and staged[1, servers[number], 1] > 0 for number, one in accounts.items()):
            raise Refused(codes.NOT_ACCEPTABLE)
        self.values = staged
        self.bootstrapped.set()
        return Message(code=codes.CHANGED)


async def main(endpoint: str, bootstrap: str, kind: type[Device] = Device) -> None:
    device = kind(endpoint, bootstrap)
    context = await aiocoap.Context.create_server_context(device, bind=("127.0.0.1", 0))
    await device.live(context)


def start(kind: type[Device] = Device) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--tick", default="")
    options = parser.parse_args()
    loop = TickLoop(options.tick) if options.tick else asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main(options.endpoint, options.bootstrap, kind))


if __name__ == "__main__":
    start()
