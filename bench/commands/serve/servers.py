"""The bench's servers, and what a person does with them. The prompt and the page are two views of this one object."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from bench.backend.backend import Backend
from bench.backend.dm import DmObservation, DmTimeout
from bench.backend.files import ServedFile
from bench.backend.identity import EndpointCheck, identity_fits
from bench.backend.mqttsn_client import ReceivedTelegram
from bench.backend.psk import Psk, Psks
from bench.backend.tap import Source
from bench.backend.uploaded import Uploaded
from bench.clock import Clock
from bench.commands.serve.contents import ContentsByDevice
from bench.commands.serve.values import Row, linked, path_of, row, summary, value_of
from bench.errors import BenchError
from bench.key_forms import without_keys_in_text
from bench.keys import SERVERS, Keys
from bench.manual import resources
from bench.payload import table
from bench.payload.decode import decode
from bench.payload.readout import PayloadError
from bench.protocols.lwm2m import Path, Value
from bench.station_file import BackendTable
from bench.timeline import Timeline

T = TypeVar("T")
Event = dict[str, Any]
"""What has happened: ``time`` (UTC), ``event``, and what belongs to it, as in JSON."""

COMMANDS = ("read", "discover", "observe", "cancel", "write", "execute")
MAX_PACKAGE = 16 << 20
"""Octets of a firmware package."""
SHOWN_TELEGRAMS = 50
LOOK_EVERY_S = 0.1

_TOLD = {"registration", "bootstrap", "step", "refused", "malformed", "flood", "deviation", "dtls"}
"""Observations that are events."""


@dataclass(slots=True)
class _Observed:
    observation: DmObservation
    told: int = 0


@dataclass(slots=True)
class _Package:
    endpoint: str
    size: int
    fetched: int = 0
    told: int = 0


class Servers:
    """Bootstrap, device management, MQTT-SN gateway and files, as ``listening`` says, for devices of any kind.

    Who has a key in ``keys`` (by endpoint name) must come in DTLS to the servers for which it has one. ``endpoint`` may
    be left out while one client is registered. What can't be done raises one sentence: BenchError or Lwm2mError when it
    was asked wrongly, UnitError when the device refuses, is not understood or gives no answer within ``patience_s``
    seconds. Keys appear nowhere in what is returned.

    ``listeners`` hear of each event, in the clock's loop, in which all methods are to be called.
    """

    def __init__(self, clock: Clock, listening: BackendTable, keys: Mapping[str, Keys], patience_s: float) -> None:
        psks: dict[Source, Psks] = {server: Psks({name: each.psks[server] for name, each in keys.items()
                                                  if server in each.psks}) for server in SERVERS}
        self.listeners: list[Callable[[Event], None]] = []
        self.events: deque[Event] = deque(maxlen=300)
        self._clock = clock
        self._keys = keys
        self._patience_s = patience_s
        self._host = listening.advertise or listening.listen
        self._timeline = Timeline(clock.time)
        self._backend = Backend(
            clock, self._timeline, resources.type_of, listen=listening.listen,
            ports=(listening.bootstrap_port, listening.dm_port, listening.mdm_port, listening.files_port),
            secure_ports=(listening.bootstrap_secure_port, listening.dm_secure_port, listening.mdm_secure_port),
            psks={server: known for server, known in psks.items() if known.values()})
        for secret in (secret for each in keys.values() for secret in each.secrets):
            self._backend.know_key(Psk(secret))
        self._backend.bootstrap.endpoint_check = _proven(psks["bootstrap"])
        self._backend.dm.endpoint_check = _proven(psks["dm"])
        self._uploaded = Uploaded(self._backend.gateway.telegrams, self._backend.dm.sends)
        self._observed: dict[tuple[str, Path], _Observed] = {}
        self._packages: dict[str, _Package] = {}
        self._numbers = count(1)
        self._looked: dict[str, int] = {}

    async def start(self) -> None:
        """Raises BenchError when a port can't be had."""
        await self._backend.start()
        uris = self.uris
        self._backend.bootstrap.contents = ContentsByDevice(
            dm_uri=uris["dm"], mdm_uri=uris["mdm"], dm_binding="U", discover=True, keys=self._keys,
            secure_dm_uri=uris.get("dm_secure", ""), secure_mdm_uri=uris.get("mdm_secure", ""))
        self._clock.spawn(self._look_on())

    async def stop(self) -> None:
        await self._backend.stop()

    @property
    def uris(self) -> dict[str, str]:
        """What to point a device at."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        found = {}
        for name, scheme in (("bootstrap", "coap"), ("dm", "coap"), ("mdm", "udp"), ("files", "coap")):
            socket = self._backend.sockets[name]  # type: ignore[index]
            found[name] = f"{scheme}://{host}:{socket.port}"
            if socket.secure is not None:
                found[f"{name}_secure"] = f"{scheme.replace('coap', 'coaps')}://{host}:{socket.secure.port}"
        return found

    # -- looking

    def clients(self) -> list[Row]:
        """Who is registered at the DM server."""
        socket = self._backend.sockets["dm"]
        return [self.masked({
            "endpoint": one.endpoint, "address": str(socket.host_of(one.peer)),
            "secure": socket.identity_of(one.peer) is not None, "version": one.lwm2m_version, "binding": one.binding,
            "queue_mode": one.queue_mode, "lifetime_s": one.lifetime_s,
            "registered": self._utc(one.registered_at), "updated": self._utc(one.updated_at),
            "objects": [linked(link) for link in one.objects],
            "observed": [str(path) for endpoint, path in self._observed if endpoint == one.endpoint],
        }) for one in self._backend.dm.registrations.values()]

    def telegrams(self) -> list[Row]:
        """The last ones, newest first, decoded where they can be."""
        begin = max(0, len(self._uploaded) - SHOWN_TELEGRAMS)
        return [self._telegram(number, one) for number, one in enumerate(self._uploaded[begin:], begin + 1)][::-1]

    def telegram(self, number: int) -> Row:
        """The one with that number, from 1. Raises BenchError where there is none."""
        if not 0 < number <= len(self._uploaded):
            raise BenchError("telegram", expected=f"a number from 1 to {len(self._uploaded)}", seen=str(number),
                             do="look at the list of telegrams")
        return self._telegram(number, self._uploaded[number - 1])

    def bootstrap(self, endpoint: str = "") -> list[Row]:
        """What the bootstrap server writes to that device, or to one that has no key."""
        contents = self._backend.bootstrap.contents
        assert isinstance(contents, ContentsByDevice)
        return self.masked([row(path, value) for _, values in contents.of(endpoint).writes(endpoint or "ENDPOINT")
                            for path, value in values.items()])

    def packages(self) -> list[Row]:
        """The firmware packages that are offered, newest first."""
        return [{"name": name, "endpoint": one.endpoint, "fetched": one.fetched, "size": one.size}
                for name, one in reversed(self._packages.items())]

    # -- asking a device

    async def ask(self, command: str, path: str, endpoint: str | None = None, value: str = "",
                  kind: str = "") -> list[Row]:
        """``command`` is one of ``COMMANDS``: what the device answers to it, resource by resource.

        What follows an observe is events. ``value`` is what to write, of the ``kind`` that ``value_of`` takes, or the
        arguments of an execute.
        """
        if command not in COMMANDS:
            raise BenchError("command", expected=f"one of {', '.join(COMMANDS)}", seen=command[:20], do="choose one")
        client, wanted = self._chosen(endpoint), path_of(path, at_least=3 if command in ("write", "execute") else 1)
        dm, at = self._backend.dm, str(wanted)
        match command:
            case "read":
                return self._rows(await self._patiently(client, dm.read_all(at, endpoint=client)))
            case "discover":
                return self.masked([linked(link) for link in
                                    await self._patiently(client, dm.discover(at, endpoint=client))])
            case "observe":
                begun = await self._patiently(client, dm.observe(at, endpoint=client))
                earlier = self._observed.pop((client, wanted), None)
                if earlier is not None:
                    earlier.observation.cancel()
                self._observed[client, wanted] = _Observed(begun)
                return self._rows(begun.first)
            case "cancel":
                observed = self._observed.pop((client, wanted), None)
                if observed is None:
                    raise BenchError(f"observation of {wanted}", expected="one that is running", seen="none",
                                     do="look at what is observed")
                await self._patiently(client, observed.observation.cancel_by_request())
            case "write":
                meant, content_format = value_of(wanted, value, kind)
                await self._patiently(client, dm.write(at, meant, endpoint=client, content_format=content_format))
            case "execute":
                await self._patiently(client, dm.execute(at, value, endpoint=client))
        return []

    async def firmware(self, name: str, content: bytes, endpoint: str | None = None) -> str:
        """Offer a package on the file server and tell the device where (5/0/1); its URI. It is told of its progress by
        events, and started by executing 5/0/2; one that was offered to it before is no longer there."""
        client = self._chosen(endpoint)
        if not 0 < len(content) <= MAX_PACKAGE:
            raise BenchError(f"firmware package {name}", expected=f"1 to {MAX_PACKAGE} octets", seen=str(len(content)),
                             do="choose another file")
        served = f"{next(self._numbers)}-{re.sub('[^A-Za-z0-9._-]', '_', name)[-60:]}"
        uri = f"{self.uris['files']}/{served}"
        self._backend.files.files[served] = ServedFile(content)
        self._packages[served] = _Package(client, len(content))
        try:
            await self.ask("write", "/5/0/1", client, uri)
        except BaseException:
            self._drop(served)
            raise
        for earlier in [name for name, one in self._packages.items() if one.endpoint == client and name != served]:
            self._drop(earlier)
        return uri

    def _drop(self, package: str) -> None:
        del self._backend.files.files[package], self._packages[package]

    async def _patiently(self, client: str, asked: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._patience_s):
                return await asked
        except TimeoutError:
            registration = self._backend.dm.registrations.get(client)
            sleeps = registration is not None and registration.queue_mode
            raise DmTimeout(f"{client}: no answer within {self._patience_s:g} s"
                            f"{', it is in queue mode and may sleep' if sleeps else ''}") from None

    def _chosen(self, endpoint: str | None) -> str:
        registered = self._backend.dm.registrations
        if not endpoint and len(registered) == 1:
            return next(iter(registered))
        if not endpoint or endpoint not in registered:
            raise BenchError(f"client {endpoint}" if endpoint else "client", expected="one that is registered",
                             seen=", ".join(registered) or "nobody registered",
                             do="name one of them" if registered else "point a device at the servers first")
        return endpoint

    # -- what is told

    async def _look_on(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for time_s, event in sorted(self._news(), key=lambda one: one[0]):
                told = self.masked({"time": self._utc(time_s), **event})
                self.events.append(told)
                for listener in list(self.listeners):
                    listener(told)

    def _news(self) -> Iterator[tuple[float, Event]]:
        """What has come since the last look."""
        seen = self._timeline.since(self._looked.get("timeline", 0))
        self._looked["timeline"] = self._looked.get("timeline", 0) + len(seen)
        for one in seen:
            if one.kind in _TOLD:
                data = dict(one.data)
                what = {"what": data.pop("event")} if "event" in data else {}
                yield one.time, {"event": one.kind, "server": one.source, **what, **data}
        for send in self._fresh("sends", self._backend.dm.sends):
            yield send.time_s, {"event": "send", "endpoint": send.endpoint, "values": [
                row(record.path, record.value) for record in send.records if record.value is not None]}
        begin = self._looked.get("telegrams", 0)
        for number, telegram in enumerate(self._fresh("telegrams", self._uploaded), begin + 1):
            yield telegram.time_s, {"event": "telegram", "number": number, "client": telegram.client_id or "",
                                    "topic": telegram.topic, "text": self._telegram(number, telegram)["text"]}
        for (endpoint, path), observed in list(self._observed.items()):
            notes = observed.observation.notifications[observed.told:]
            observed.told += len(notes)
            for note in notes:
                yield note.time_s, {"event": "notification", "endpoint": endpoint, "path": str(path),
                                    **({"text": note.problem} if note.problem else {"values": self._rows(note.values)})}
            if not observed.observation.active:
                del self._observed[endpoint, path]
                yield self._clock.time(), {"event": "observation ended", "endpoint": endpoint, "path": str(path)}
        for asked in self._fresh("files", self._backend.files.requests):
            package = self._packages.get(asked.name)
            if package is None or asked.code != "2.05":
                yield asked.time_s, {"event": "refused", "server": "files",
                                     "text": f"block {asked.block} of {asked.name[:80]!r}: {asked.code}"}
                continue
            package.fetched = max(package.fetched, min(package.size, (asked.block + 1) * asked.size))
            if package.fetched * 10 // package.size > package.told:
                package.told = package.fetched * 10 // package.size
                yield asked.time_s, {"event": "firmware", "endpoint": package.endpoint, "name": asked.name,
                                     "fetched": package.fetched, "size": package.size}

    def _fresh(self, name: str, journal: Sequence[T]) -> Sequence[T]:
        begin = self._looked.get(name, 0)
        items = journal[begin:]
        self._looked[name] = begin + len(items)
        return items

    def _telegram(self, number: int, telegram: ReceivedTelegram) -> Row:
        told: Row = {"number": number, "time": self._utc(telegram.time_s), "client": telegram.client_id or "",
                     "topic": telegram.topic, "octets": len(telegram.payload), "hex": telegram.payload.hex()}
        try:
            told |= table.to_json(decode(telegram.payload))
        except PayloadError as problem:
            told["problem"] = str(problem)
        told["text"] = summary(told)
        return self.masked(told)

    def _rows(self, values: Mapping[Path, Value]) -> list[Row]:
        return self.masked([row(path, value) for path, value in values.items()])

    def _utc(self, time_s: float) -> str:
        return (self._clock.epoch + timedelta(seconds=time_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def masked(self, told: T) -> T:
        """The same without the keys that are known, in whatever form, and without halves of characters."""
        if isinstance(told, str):
            text = told.encode("utf-8", "replace").decode("utf-8")
            return without_keys_in_text(text, self._backend.known_keys)  # type: ignore[return-value]
        if isinstance(told, dict):
            return {name: self.masked(value) for name, value in told.items()}  # type: ignore[return-value]
        if isinstance(told, list):
            return [self.masked(value) for value in told]  # type: ignore[return-value]
        return told


def _proven(psks: Psks) -> EndpointCheck:
    """Whoever has a key must come with it: else anybody could come in their name."""
    return lambda identity, endpoint: identity_fits(identity, endpoint) and (
        identity is not None or psks.get(endpoint) is None)
