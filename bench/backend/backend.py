"""The servers that a unit calls, started and stopped as one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from bench.backend.bootstrap import BootstrapContents, BootstrapServer
from bench.backend.dm import DmServer, TypeOf
from bench.backend.mqttsn_gateway import MqttSnGateway
from bench.backend.server_socket import ServerSocket
from bench.backend.tap import SERVER_PORTS, Source, Tap, explain_coap, explain_mqttsn
from bench.clock import Clock
from bench.protocols.pcapng import PcapngWriter
from bench.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Uris:
    """What units are told. The form "udp://HOST:PORT" of ``mdm`` is an assumption: the manual calls 33905/0/0 only the
    "URI to the meter data server"."""

    bootstrap: str
    dm: str
    mdm: str


class Backend:
    """Bootstrap server, device management server and MQTT-SN gateway, all in the clock's loop.

    ``listen`` is the IP address they bind and ``ports`` theirs in that order (0: any free one). With ``advertise``
    units are told that host and the ports 5694, 5683 and 1884, whatever the real ones are: a network in between
    translates them, as the twin's cell does, and equal seeds give equal datagrams. Without it they are told where the
    servers really listen. ``known`` endpoints: the bootstrap server refuses all others.

    ``start`` and ``stop`` run in the loop: ``clock.run(backend.start())``.
    """

    def __init__(self, clock: Clock, timeline: Timeline, type_of: TypeOf, *, listen: str = "127.0.0.1",
                 ports: tuple[int, int, int] = (0, 0, 0), advertise: str | None = None,
                 contents: BootstrapContents | None = None, known: Collection[str] | None = None,
                 predefined_topics: dict[int, str] | None = None, pcap: PcapngWriter | None = None) -> None:
        self._listen = listen
        self._ports = ports
        self._advertise = advertise

        def socket(source: Source) -> ServerSocket:
            explain = explain_mqttsn if source == "mdm" else explain_coap
            return ServerSocket(Tap(timeline, clock, source, pcap, explain))

        self._sockets: dict[Source, ServerSocket] = {source: socket(source) for source in SERVER_PORTS}
        self.bootstrap = BootstrapServer(clock, self._sockets["bootstrap"], contents or BootstrapContents(),
                                         known=known)
        self.dm = DmServer(clock, self._sockets["dm"], type_of)
        self.gateway = MqttSnGateway(clock, self._sockets["mdm"], predefined_topics)

    async def start(self) -> None:
        """Raises BenchError when an address can't be bound; then nothing is left open."""
        try:
            await self.bootstrap.start(self._listen, self._ports[0])
            await self.dm.start(self._listen, self._ports[1])
            await self.gateway.start(self._listen, self._ports[2])
        except BaseException:
            await self.stop()
            raise
        contents, uris = self.bootstrap.contents, self.uris
        self.bootstrap.contents = replace(contents, dm_uri=contents.dm_uri or uris.dm,
                                          mdm_uri=contents.mdm_uri or uris.mdm)

    async def stop(self) -> None:
        """Frees the ports. Doing it twice does no harm."""
        await self.bootstrap.stop()
        await self.dm.stop()
        self.gateway.stop()

    @property
    def ports(self) -> tuple[int, int, int]:
        """The ports really bound, of bootstrap, DM and MDM."""
        return self._sockets["bootstrap"].port, self._sockets["dm"].port, self._sockets["mdm"].port

    @property
    def uris(self) -> Uris:
        """What units are told; complete after ``start``."""
        host = self._advertise if self._advertise is not None else self._listen
        bootstrap, dm, mdm = self.ports if self._advertise is None else tuple(SERVER_PORTS.values())
        return Uris(f"coap://{host}:{bootstrap}", f"coap://{host}:{dm}", f"udp://{host}:{mdm}")
