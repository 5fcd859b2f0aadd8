"""An LwM2M 1.1 client on aiocoap, as an example of a unit that is no CMi6110 (docs/foreign-units.md).

    python lwm2m_device.py --endpoint example --bootstrap coap://127.0.0.1:5694 [--tick 127.0.0.1:PORT]

It has a thermometer (object 3303), a lamp (3311) and a timer (3340), and knows nothing of the bench but its servers.
With ``--tick`` it lives in the bench's virtual time: all that this takes is ``TickSelector``.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import re
import selectors
import socket
import struct
from decimal import Decimal
from typing import Any

import aiocoap
import cbor2
from aiocoap import Message, interfaces
from aiocoap.numbers import codes
from aiocoap.numbers.codes import Code

TEXT, LINKS, OPAQUE, SENML_JSON, SENML_CBOR, TLV = 0, 40, 42, 110, 112, 11542
OFFERED = (TEXT, TLV, SENML_JSON, SENML_CBOR)
PATIENCE_S, RETRY_S = 90, 30
Path = tuple[int, ...]
Tree = dict[int, dict[int, dict[int, Any]]]


class Refused(Exception):  # noqa: N818 - reads as a sentence
    def __init__(self, code: Code) -> None:
        self.code = code


# -- time


class TickSelector(selectors.DefaultSelector):
    """Answers the bench's questions when there is nothing more to do, and lets it say what time it is."""

    def __init__(self, address: str) -> None:
        super().__init__()
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.register(self.socket, selectors.EVENT_READ, self)
        self.now_us, self.asked, self.received = 0, "", b""

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events and timeout != 0:
            if self.asked:
                then = "never" if timeout is None else self.now_us + max(1, round(timeout * 1e6))
                self.socket.sendall(f"next {then} {self.asked}\n".encode())
                self.asked = ""
            events = super().select(None)
        if any(key.data is self for key, _ in events):
            octets = self.socket.recv(4096)
            if not octets:
                raise SystemExit("the bench has gone")
            *lines, self.received = (self.received + octets).split(b"\n")
            for line in lines:                      # the first one tells the epoch, which this device has no use for
                match line.split():
                    case [b"now", moment, question]:
                        self.now_us, self.asked = int(moment), question.decode()
        return [(key, mask) for key, mask in events if key.data is not self]


class TickLoop(asyncio.SelectorEventLoop):
    def __init__(self, address: str) -> None:
        self.ticks = TickSelector(address)
        super().__init__(self.ticks)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self.ticks.now_us / 1e6

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """Here and now: who waits for a thread looks as if there were nothing to do."""
        return socket.getaddrinfo(*arguments, **options)


# -- content formats


def raw(value: Any) -> bytes:
    match value:
        case bool():
            return bytes([value])
        case int():
            return next(struct.pack(form, value) for form, bits in ((">b", 7), (">h", 15), (">i", 31), (">q", 63))
                        if -1 << bits <= value < 1 << bits)
        case float():
            return struct.pack(">d", value)
        case _:
            return value.encode() if isinstance(value, str) else bytes(value)


def tlv(kind: int, number: int, content: bytes) -> bytes:
    size = len(content)
    width = 0 if size < 8 else 1 if size < 1 << 8 else 2
    head = bytes([kind << 6 | (number > 255) << 5 | width << 3 | (size if not width else 0)])
    length = size.to_bytes(width, "big") if width else b""
    return head + number.to_bytes(2 if number > 255 else 1, "big") + length + content


def to_tlv(values: dict[int, Any]) -> bytes:
    return b"".join(tlv(2, number, b"".join(tlv(1, each, raw(one)) for each, one in value.items()))
                    if isinstance(value, dict) else tlv(3, number, raw(value)) for number, value in values.items())


def from_tlv(octets: bytes) -> list[tuple[int, int, bytes]]:
    found = []
    while octets:
        kind, wide, width = octets[0] >> 6, octets[0] >> 5 & 1, octets[0] >> 3 & 3
        body = 2 + wide + width
        size = int.from_bytes(octets[2 + wide:body], "big") if width else octets[0] & 7
        if len(octets) < body + size:
            raise Refused(codes.BAD_REQUEST)
        found.append((kind, int.from_bytes(octets[1:2 + wide], "big"), octets[body:body + size]))
        octets = octets[body + size:]
    return found


def typed(octets: bytes | str, like: Any) -> Any:
    """A value of the type of ``like``, from what TLV or plain text has."""
    try:
        if isinstance(octets, str):
            if isinstance(like, bool):
                return {"0": False, "1": True}[octets]
            pattern = {int: r"-?[0-9]+", float: r"-?[0-9]+(\.[0-9]+)?"}.get(type(like), r"(?s).*")
            if not re.fullmatch(pattern, octets):
                raise ValueError
            return type(like)(octets) if not isinstance(like, bytes) else octets.encode()
        match like:
            case bool():
                return {b"\0": False, b"\1": True}[octets]
            case int():
                return struct.unpack({1: ">b", 2: ">h", 4: ">i", 8: ">q"}[len(octets)], octets)[0]
            case float():
                return struct.unpack({4: ">f", 8: ">d"}[len(octets)], octets)[0]
        return octets.decode() if isinstance(like, str) else octets
    except (ValueError, KeyError, struct.error):
        raise Refused(codes.BAD_REQUEST) from None


LABELS = {"bn": -2, "n": 0, "v": 2, "vs": 3, "vb": 4, "vd": 8}


def to_senml(flat: dict[Path, Any], *, as_cbor: bool) -> bytes:
    records = []
    for path, value in flat.items():
        key = {bool: "vb", str: "vs", bytes: "vd"}.get(type(value), "v")
        records.append({"n": "/" + "/".join(map(str, path)), key: value})
    if as_cbor:
        return cbor2.dumps([{LABELS[key]: value for key, value in record.items()} for record in records])
    return json.dumps(records).encode()


def from_senml(payload: bytes, *, is_cbor: bool) -> dict[Path, Any]:
    try:
        records = cbor2.loads(payload) if is_cbor else json.loads(payload)
        names = {number: name for name, number in LABELS.items()}
        base, found = "", {}
        for record in records:
            known = {names.get(key, key): value for key, value in record.items()}
            base = known.get("bn", base)
            name = base + known.get("n", "")
            value = next((known[key] for key in ("v", "vs", "vb", "vd") if key in known), None)
            found[tuple(int(part) for part in name.split("/") if part)] = value
        return found
    except (ValueError, AttributeError, TypeError, cbor2.CBORDecodeError):
        raise Refused(codes.BAD_REQUEST) from None


# -- the device

READABLE = {(1, 0), (1, 1), (1, 6), (1, 7), *((3, number) for number in (0, 1, 2, 3, 6, 11, 16)),
            (3303, 5700), (3303, 5603), (3311, 5851), (3311, 5852), (3340, 5544)}
WRITABLE = {(1, 1): (1, 1 << 31), (1, 6): None, (1, 7): None, (3311, 5851): (0, 100), (3311, 5852): (0, 1 << 31)}
EXECUTABLE = {(1, 8), (1, 9), (3, 4)}
ACCOUNT = {0: "", 1: False, 2: 3, 3: b"", 4: b"", 5: b"", 10: 1}
SERVER = {0: 1, 1: 86400, 6: True, 7: "U"}


class Device(interfaces.Resource):
    """The tree, and what may be done with it. ``say`` is its log."""

    def __init__(self, endpoint: str, bootstrap: str) -> None:
        self.endpoint = endpoint
        self.tree: Tree = {
            0: {0: {**ACCOUNT, 0: bootstrap, 1: True, 10: 0}}, 1: {},
            3: {0: {0: "Example Maker", 1: "Example device", 2: endpoint, 3: "1.0", 6: {0: 1}, 11: {0: 0}, 16: "U"}},
            3303: {0: {5700: 3550.0, 5603: 20.0}}, 3311: {0: {5851: 0, 5852: 0}}, 3340: {0: {5544: 0}}}
        self.attributes: dict[Path, dict[str, float]] = {}
        self.staged: Tree | None = None             # during a bootstrap: what becomes of the tree at its end
        self.bootstrapped, self.due, self.anew = asyncio.Event(), asyncio.Event(), True
        self.location, self.registrations, self.started = "", 0, self.now
        self.watched: dict[tuple[Any, bytes], int] = {}

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
        self.staged = copy.deepcopy(self.tree)
        self.say("bootstrap")
        uri = self.tree[0][0][0]
        if await self.asked(context, Code.POST, f"{uri}/bs?ep={self.endpoint}") is not None:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self.bootstrapped.wait()
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
        self.registrations += 1                     # observations of a registration before are over
        self.say(f"registered at /{self.location}")
        while True:
            self.due.clear()
            try:
                async with asyncio.timeout(0.6 * server[1]):
                    await self.due.wait()
            except TimeoutError:
                pass
            if self.anew or not self.location or self.account() is None:
                return True
            uri, server = self.account()
            answer = await self.asked(context, Code.POST, f"{uri}/{self.location}?lt={server[1]}")
            if answer is None or answer.code == codes.NOT_FOUND:
                return answer is not None

    def account(self) -> Any:
        """URI and server instance of the account that is not the bootstrap server's."""
        for number, security in self.tree[0].items():
            if not security[1] and number in self.tree[1]:
                return security[0], self.tree[1][number]
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
        root = f'</>;rt="oma.lwm2m";ct="{" ".join(map(str, OFFERED))}"'
        return ",".join([root, *(f"</{number}/{each}>" for number, instances in self.tree.items() if number
                                 for each in instances)])

    # requests

    async def needs_blockwise_assembly(self, request: Message) -> bool:
        return True

    async def render(self, request: Message) -> Message:
        try:
            return self.answered(request)
        except Refused as refusal:
            return Message(code=refusal.code)

    async def render_to_pipe(self, pipe: Any) -> None:
        request = pipe.request
        key = (request.remote, request.token)
        if request.opt.observe is None or request.code not in (Code.GET, Code.FETCH):
            await interfaces.Resource._render_to_pipe(self, pipe)
            return
        self.watched.pop(key, None)
        answer = await self.render(request)
        if request.opt.observe != 0 or not answer.code.is_successful():
            pipe.add_response(answer, is_last=True)
            return
        mine = self.watched[key] = self.registrations
        number = answer.opt.observe = 1
        pipe.add_response(answer, is_last=False)
        paths = list(from_senml(request.payload, is_cbor=request.opt.content_format == SENML_CBOR)
                     ) if request.code == Code.FETCH else [self.path(request)]
        told, told_at = self.values(paths), self.now
        while True:
            await asyncio.sleep(1)
            if self.watched.get(key) != mine or mine != self.registrations:
                await asyncio.Event().wait()         # over, and nobody is to hear of it
            now = self.values(paths)
            if self.is_due(paths[0], told, now, self.now - told_at):
                number, told, told_at = number + 1, now, self.now
                answer = await self.render(request)
                answer.opt.observe = number
                pipe.add_response(answer, is_last=False)

    def values(self, paths: list[Path]) -> dict[Path, Any]:
        return {path: value for one in paths for path, value in self.flat(one).items()}

    def is_due(self, path: Path, told: dict[Path, Any], now: dict[Path, Any], since_s: float) -> bool:
        known: dict[str, float] = {}
        for depth in range(1, len(path) + 1):
            known |= self.attributes.get(path[:depth], {})
        pmin, pmax = known.get("pmin", 0), known.get("pmax", 0)
        if since_s < pmin:
            return False
        if pmax and pmax >= pmin and since_s >= pmax:
            return True
        if not {"gt", "lt", "st"} & known.keys():
            return told != now
        was, is_now = next(iter(told.values())), next(iter(now.values()))
        crossed = any((was > known[name]) != (is_now > known[name]) for name in ("gt", "lt") if name in known)
        return crossed or ("st" in known and abs(is_now - was) >= known["st"])

    def path(self, request: Message) -> Path:
        try:
            return tuple(int(part) for part in request.opt.uri_path if part)
        except ValueError:
            raise Refused(codes.NOT_FOUND) from None

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
            case Code.FETCH:
                found: dict[Path, Any] = {}
                for one in self.records(request):
                    try:
                        found |= self.read(one)
                    except Refused:                  # what is not there is left out
                        continue
                return self.content((), found, request.opt.accept or SENML_CBOR)
            case Code.iPATCH:
                self.write(self.records(request))
            case Code.PUT if request.opt.uri_query:
                self.set_attributes(path, request.opt.uri_query)
            case Code.PUT | Code.POST if len(path) == 2 or (len(path) >= 3 and request.code == Code.PUT):
                self.write(self.decoded(path, request))
            case Code.POST if len(path) == 3:
                self.execute(path)
            case _:
                raise Refused(codes.METHOD_NOT_ALLOWED)
        return Message(code=codes.CHANGED)

    # reading

    def flat(self, path: Path) -> dict[Path, Any]:
        """All values at and below ``path``, whoever may read them."""
        self.tree[3340][0][5544] = int(self.now - self.started)
        found: dict[Path, Any] = {}
        for number, instances in self.tree.items():
            for instance, resources in instances.items():
                for resource, value in resources.items():
                    several = value.items() if isinstance(value, dict) else ((None, value),)
                    for each, one in several:
                        whole = (number, instance, resource) + (() if each is None else (each,))
                        if whole[:len(path)] == path:
                            found[whole] = one
        return found

    def read(self, path: Path) -> dict[Path, Any]:
        if path[:1] and path[0] in self.tree and path[2:3] and (path[0], path[2]) in EXECUTABLE:
            raise Refused(codes.METHOD_NOT_ALLOWED)
        found = {one: value for one, value in self.flat(path).items() if (one[0], one[2]) in READABLE}
        if not found and not self.is_there(path):
            raise Refused(codes.NOT_FOUND)
        return found

    def is_there(self, path: Path) -> bool:
        node: Any = self.tree
        for part in path:
            if not isinstance(node, dict) or part not in node:
                return False
            node = node[part]
        return True

    def content(self, path: Path, found: dict[Path, Any], accept: int | None) -> Message:
        is_one = len(path) >= 3 and list(found) == [path]
        wanted = accept if accept is not None else TEXT if is_one else TLV if path else SENML_CBOR
        if wanted in (SENML_JSON, SENML_CBOR):
            payload = to_senml(found, as_cbor=wanted == SENML_CBOR)
        elif wanted == TLV and path:
            payload = self.as_tlv(path, found)
        elif wanted == TEXT and is_one:
            value = found[path]
            payload = (str(int(value)) if isinstance(value, bool) else str(value)).encode()
        else:
            raise Refused(codes.NOT_ACCEPTABLE)
        return Message(code=codes.CONTENT, payload=payload, content_format=wanted)

    def as_tlv(self, path: Path, found: dict[Path, Any]) -> bytes:
        if len(path) == 4:
            return tlv(1, path[3], raw(found[path]))
        tree: dict[int, dict[int, Any]] = {}
        for (_, instance, resource, *each), value in found.items():
            resources = tree.setdefault(instance, {})
            if each:
                resources.setdefault(resource, {})[each[0]] = value
            else:
                resources[resource] = value
        if len(path) == 1:
            return b"".join(tlv(0, instance, to_tlv(resources)) for instance, resources in tree.items())
        return to_tlv(tree.get(path[1], {}))

    def discovered(self, path: Path) -> str:
        if not path or not (self.is_there(path) or (path[0], path[2:3]) in EXECUTABLE):
            raise Refused(codes.NOT_FOUND)
        paths = [path]
        if len(path) < 3:
            instances = [path] if len(path) == 2 else [(path[0], each) for each in self.tree[path[0]]]
            paths += [one for one in instances if one != path]
            known = sorted({number for number, resource in READABLE | EXECUTABLE if number == path[0]
                            for number in [resource]})
            paths += [(*one, number) for one in instances for number in known
                      if number in self.tree[one[0]][one[1]] or (one[0], number) in EXECUTABLE]
        return ",".join("</" + "/".join(map(str, one)) + ">" + self.shown(one) for one in paths)

    def shown(self, path: Path) -> str:
        """The attributes there, in digits without an exponent."""
        return "".join(f";{name}={Decimal(repr(value)):f}" for name, value in self.attributes.get(path, {}).items())

    # writing

    def records(self, request: Message) -> dict[Path, Any]:
        if request.opt.content_format not in (SENML_JSON, SENML_CBOR):
            raise Refused(codes.UNSUPPORTED_CONTENT_FORMAT)
        return from_senml(request.payload, is_cbor=request.opt.content_format == SENML_CBOR)

    def decoded(self, path: Path, request: Message) -> dict[Path, Any]:
        """What a Write has: octets of TLV and characters of a text are typed when the resource is known."""
        match request.opt.content_format:
            case int(content_format) if content_format in (SENML_JSON, SENML_CBOR):
                return self.records(request)
            case int(content_format) if content_format == TLV and len(path) == 2:
                return {(*path, number): octets for kind, number, octets in from_tlv(request.payload) if kind == 3}
            case int(content_format) if content_format == TLV:
                (_, number, octets), *others = from_tlv(request.payload) or [(0, -1, b"")]
                if others or number != path[-1]:
                    raise Refused(codes.BAD_REQUEST)
                return {path: octets}
            case int(content_format) if content_format == TEXT and len(path) >= 3:
                return {path: request.payload.decode("utf-8", "replace")}
        raise Refused(codes.UNSUPPORTED_CONTENT_FORMAT)

    def write(self, values: dict[Path, Any]) -> None:
        """All or nothing."""
        new = {path: self.checked(path, value) for path, value in values.items()}
        for path, value in new.items():
            self.tree[path[0]][path[1]][path[2]] = value
        if any(path[0] == 1 for path in new):
            self.due.set()

    def checked(self, path: Path, value: Any) -> Any:
        if not self.is_there(path):
            executable = len(path) == 3 and (path[0], path[2]) in EXECUTABLE and self.is_there(path[:2])
            raise Refused(codes.METHOD_NOT_ALLOWED if executable else codes.NOT_FOUND)
        if len(path) != 3 or (path[0], path[2]) not in WRITABLE:
            raise Refused(codes.METHOD_NOT_ALLOWED)
        like, limits = self.tree[path[0]][path[1]][path[2]], WRITABLE[path[0], path[2]]
        value = typed(value, like) if isinstance(value, bytes | str) and not isinstance(value, type(like)) else value
        if type(value) is not type(like) or (limits is not None and not limits[0] <= value <= limits[1]):
            raise Refused(codes.BAD_REQUEST)
        return value

    def set_attributes(self, path: Path, query: tuple[str, ...]) -> None:
        if not self.is_there(path):
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

    def execute(self, path: Path) -> None:
        if (path[0], path[2]) not in EXECUTABLE or not self.is_there(path[:2]):
            raise Refused(codes.METHOD_NOT_ALLOWED if self.is_there(path) else codes.NOT_FOUND)
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
                links = []
                for number, instances in staged.items():
                    for each, resources in instances.items():
                        if (number, each)[:len(path)] == path:
                            shown = number == 1 or (number == 0 and not resources[1])
                            ssid = f";ssid={resources[10 if number == 0 else 0]}" if shown else ""
                            links.append(f"</{number}/{each}>{ssid}")
                return Message(code=codes.CONTENT, payload=",".join(['</>;lwm2m="1.1"', *links]).encode(),
                               content_format=LINKS)
            case Code.DELETE if len(path) == 0:
                staged[0] = {number: one for number, one in staged[0].items() if one[1]}
                staged[1] = {}
                return Message(code=codes.DELETED)
            case Code.PUT if len(path) == 2 and path[0] in (0, 1):
                if request.opt.content_format != TLV:
                    raise Refused(codes.UNSUPPORTED_CONTENT_FORMAT)
                pattern = ACCOUNT if path[0] == 0 else SERVER
                written = {number: typed(octets, pattern[number])
                           for _, number, octets in from_tlv(request.payload) if number in pattern}
                if not written or path[1] not in range(65535) or (path == (0, 0) and not written.get(1)):
                    raise Refused(codes.BAD_REQUEST)
                staged[path[0]][path[1]] = {**pattern, **written}
                return Message(code=codes.CHANGED)
        raise Refused(codes.METHOD_NOT_ALLOWED)

    def finished(self) -> Message:
        if self.staged is None:
            raise Refused(codes.METHOD_NOT_ALLOWED)
        accounts = {one[10]: one for one in self.staged[0].values() if not one[1]}
        servers = {one[0]: one for one in self.staged[1].values()}
        sound = accounts and accounts.keys() == servers.keys() and all(
            0 < number < 65535 and one[0].startswith("coap://") and one[2] == 3 and servers[number][1] > 0
            for number, one in accounts.items())
        if not sound:
            raise Refused(codes.NOT_ACCEPTABLE)
        self.tree = self.staged
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
