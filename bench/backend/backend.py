"""The servers that a unit calls, started and stopped as one."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from bench.backend.bootstrap import BootstrapContents, BootstrapServer
from bench.backend.bootstrap_contents import PSK_MODE
from bench.backend.dm import DmServer
from bench.backend.dtls_port import Random
from bench.backend.files import FileServer
from bench.backend.loss import Loss
from bench.backend.masks import KnownKeys
from bench.backend.mqttsn_gateway import MqttSnGateway
from bench.backend.psk import Psk, Psks
from bench.backend.server_socket import ServerSocket
from bench.backend.tap import ADVERTISED, Source, Tap, explain_coap, explain_mqttsn
from bench.clock import Clock
from bench.protocols.lwm2m import TypeOf
from bench.protocols.pcapng import PcapngWriter
from bench.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Uris:
    """What units are told. The form "udp://HOST:PORT" of ``mdm`` is an assumption, with and without DTLS: the manual
    calls 33905/0/0 only the "URI to the meter data server", and 33905/0/2 tells whether it takes DTLS. The file called
    NAME is at ``files``/NAME."""

    bootstrap: str
    dm: str
    mdm: str
    files: str


class Backend:
    """Bootstrap server, device management server, MQTT-SN gateway and file server, all in the clock's loop; and a
    second device management server and gateway, for whom a unit is sent elsewhere (``start_second``).

    ``listen`` is the IP address they bind and ``ports`` theirs in that order (0 or left out: any free one). A server
    with ``psks`` has a DTLS port as well, of ``secure_ports`` (bootstrap, DM, MDM); ``random`` gives its random octets,
    which a run in virtual time takes from its seed.

    With ``advertise`` units are told that host and the ports of ``ADVERTISED``, whatever the real ones are: a network
    in between translates them, as the twin's cell does, and equal seeds give equal datagrams. Without it they are told
    where the servers really listen. ``known`` endpoints: the bootstrap server refuses all others.

    ``usual_contents`` are the bootstrap server's own, complete after ``start``: tests give others for a while.

    ``start`` and ``stop`` run in the loop: ``clock.run(backend.start())``.
    """

    def __init__(self, clock: Clock, timeline: Timeline, type_of: TypeOf, *, listen: str = "127.0.0.1",
                 ports: tuple[int, int, int] | tuple[int, int, int, int] = (0, 0, 0, 0), advertise: str | None = None,
                 contents: BootstrapContents | None = None, known: Collection[str] | None = None,
                 predefined_topics: dict[int, str] | None = None, pcap: PcapngWriter | None = None,
                 psks: Mapping[Source, Psks] | None = None, secure_ports: tuple[int, int, int] = (0, 0, 0),
                 random: Random = os.urandom) -> None:
        self._listen = listen
        self._ports = (*ports, 0)
        self._secure_ports = secure_ports
        self._advertise = advertise
        self._known_keys: KnownKeys = {key.octets: None for keys in (psks or {}).values()
                                        for key in keys.values()}

        self.loss = Loss(random)

        def socket(source: Source) -> ServerSocket:
            explain = explain_mqttsn if source.startswith("mdm") else explain_coap
            # A bootstrap server writes keys: who could read its capture would have them.
            return ServerSocket(Tap(timeline, clock, source, pcap, explain, self._known_keys), clock,
                                (psks or {}).get(source), random, keeps_secrets=source != "bootstrap",
                                loses=self.loss.takes)

        self.sockets: dict[Source, ServerSocket] = {source: socket(source) for source in ADVERTISED}
        self.bootstrap = BootstrapServer(clock, self.sockets["bootstrap"], contents or BootstrapContents(), type_of,
                                         known=known)
        self.dm = DmServer(clock, self.sockets["dm"], type_of)
        self.usual_contents = self.bootstrap.contents
        self.gateway = MqttSnGateway(clock, self.sockets["mdm"], predefined_topics)
        self.files = FileServer(clock, self.sockets["files"])
        self.second_dm = DmServer(clock, self.sockets["dm-2"], type_of)
        self.second_gateway = MqttSnGateway(clock, self.sockets["mdm-2"], predefined_topics)

    async def start(self) -> None:
        """Raises BenchError when an address can't be bound; then nothing is left open."""
        try:
            await self.bootstrap.start(self._listen, self._ports[0], self._secure_ports[0])
            await self.dm.start(self._listen, self._ports[1], self._secure_ports[1])
            await self.gateway.start(self._listen, self._ports[2], self._secure_ports[2])
            await self.files.start(self._listen, self._ports[3])
        except BaseException:
            await self.stop()
            raise
        contents = self.bootstrap.contents
        dm = self.secure_uris if contents.dm_security_mode == PSK_MODE else self.uris
        mdm = self.secure_uris if contents.mdm_security_mode == PSK_MODE else self.uris
        self.bootstrap.contents = self.usual_contents = replace(contents, dm_uri=contents.dm_uri or dm.dm,
                                                                mdm_uri=contents.mdm_uri or mdm.mdm)

    async def start_second(self) -> None:
        """The second device management server and gateway, on any free ports. Raises BenchError."""
        await self.second_dm.start(self._listen, 0)
        await self.second_gateway.start(self._listen, 0)

    async def stop(self) -> None:
        """Frees the ports. Doing it twice does no harm."""
        await self.bootstrap.stop()
        await self.dm.stop()
        await self.second_dm.stop()
        for server in (self.gateway, self.second_gateway, self.files):
            server.stop()

    def know_key(self, key: Psk) -> None:
        """``key`` may pass from now on: it is written down nowhere."""
        self._known_keys[key.octets] = None

    @property
    def known_keys(self) -> list[bytes]:
        """Those of units that have passed, or may pass."""
        return list(self._known_keys)

    @property
    def ports(self) -> tuple[int, int, int]:
        """The plain ports really bound, of bootstrap, DM and MDM; that of the files is in ``routes``."""
        return self.sockets["bootstrap"].port, self.sockets["dm"].port, self.sockets["mdm"].port

    @property
    def routes(self) -> dict[int, int]:
        """The port that is really bound for each port that is advertised: what a network in between translates."""
        bound = {ADVERTISED[source].plain: socket.port for source, socket in self.sockets.items()}
        bound |= {ADVERTISED[source].secure: socket.secure.port for source, socket in self.sockets.items()
                  if socket.secure is not None}
        return {advertised: port for advertised, port in bound.items() if port}

    @property
    def uris(self) -> Uris:
        """What units are told; complete after ``start``."""
        return Uris(self._uri("coap", "bootstrap"), self._uri("coap", "dm"), self._uri("udp", "mdm"),
                    self._uri("coap", "files"))

    @property
    def secure_uris(self) -> Uris:
        """The same with DTLS, for the servers that have keys; files are served without, for the unit fetches them by
        plain CoAP only (5/0/8)."""
        return Uris(self._secure_uri("coaps", "bootstrap"), self._secure_uri("coaps", "dm"),
                    self._secure_uri("udp", "mdm"), self._uri("coap", "files"))

    @property
    def second_uris(self) -> Uris:
        """As ``uris``, with the second device management server and gateway; complete after ``start_second``."""
        return replace(self.uris, dm=self._uri("coap", "dm-2"), mdm=self._uri("udp", "mdm-2"))

    @property
    def second_secure_uris(self) -> Uris:
        """As ``secure_uris``, with the second device management server and gateway; complete after ``start_second``."""
        return replace(self.secure_uris, dm=self._secure_uri("coaps", "dm-2"), mdm=self._secure_uri("udp", "mdm-2"))

    def _uri(self, scheme: str, source: Source) -> str:
        if self._advertise is not None:
            return f"{scheme}://{self._advertise}:{ADVERTISED[source].plain}"
        return f"{scheme}://{self._listen}:{self.sockets[source].port}"

    def _secure_uri(self, scheme: str, source: Source) -> str:
        if self._advertise is not None:
            return f"{scheme}://{self._advertise}:{ADVERTISED[source].secure}"
        secure = self.sockets[source].secure
        return f"{scheme}://{self._listen}:{secure.port if secure is not None else 0}"
