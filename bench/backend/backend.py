"""The servers that a unit calls, started and stopped as one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from bench.backend.bootstrap import BootstrapContents, BootstrapServer
from bench.backend.dm import DmServer
from bench.backend.files import FileServer
from bench.backend.mqttsn_gateway import MqttSnGateway
from bench.backend.server_socket import ServerSocket
from bench.backend.tap import SERVER_PORTS, Source, Tap, explain_coap, explain_mqttsn
from bench.clock import Clock
from bench.protocols.lwm2m import TypeOf
from bench.protocols.pcapng import PcapngWriter
from bench.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Uris:
    """What units are told. The form "udp://HOST:PORT" of ``mdm`` is an assumption: the manual calls 33905/0/0 only the
    "URI to the meter data server". The file called NAME is at ``files``/NAME."""

    bootstrap: str
    dm: str
    mdm: str
    files: str


class Backend:
    """Bootstrap server, device management server, MQTT-SN gateway and file server, all in the clock's loop.

    ``listen`` is the IP address they bind and ``ports`` theirs in that order (0 or left out: any free one). With
    ``advertise`` units are told that host and the ports 5694, 5683, 1884 and 5685, whatever the real ones are: a
    network in between translates them, as the twin's cell does, and equal seeds give equal datagrams. Without it they
    are told where the servers really listen. ``known`` endpoints: the bootstrap server refuses all others.

    ``start`` and ``stop`` run in the loop: ``clock.run(backend.start())``.
    """

    def __init__(self, clock: Clock, timeline: Timeline, type_of: TypeOf, *, listen: str = "127.0.0.1",
                 ports: tuple[int, int, int] | tuple[int, int, int, int] = (0, 0, 0, 0), advertise: str | None = None,
                 contents: BootstrapContents | None = None, known: Collection[str] | None = None,
                 predefined_topics: dict[int, str] | None = None, pcap: PcapngWriter | None = None) -> None:
        self._listen = listen
        self._ports = (*ports, 0)
        self._advertise = advertise

        def socket(source: Source) -> ServerSocket:
            explain = explain_mqttsn if source == "mdm" else explain_coap
            return ServerSocket(Tap(timeline, clock, source, pcap, explain), clock)

        self._sockets: dict[Source, ServerSocket] = {source: socket(source) for source in SERVER_PORTS}
        self.bootstrap = BootstrapServer(clock, self._sockets["bootstrap"], contents or BootstrapContents(), type_of,
                                         known=known)
        self.dm = DmServer(clock, self._sockets["dm"], type_of)
        self.gateway = MqttSnGateway(clock, self._sockets["mdm"], predefined_topics)
        self.files = FileServer(clock, self._sockets["files"])

    async def start(self) -> None:
        """Raises BenchError when an address can't be bound; then nothing is left open."""
        try:
            await self.bootstrap.start(self._listen, self._ports[0])
            await self.dm.start(self._listen, self._ports[1])
            await self.gateway.start(self._listen, self._ports[2])
            await self.files.start(self._listen, self._ports[3])
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
        self.files.stop()

    @property
    def ports(self) -> tuple[int, int, int]:
        """The ports really bound, of bootstrap, DM and MDM; that of the files is in ``routes``."""
        return self._sockets["bootstrap"].port, self._sockets["dm"].port, self._sockets["mdm"].port

    @property
    def routes(self) -> dict[int, int]:
        """The port that is really bound for each port that is advertised: what a network in between translates."""
        return {SERVER_PORTS[source]: socket.port for source, socket in self._sockets.items()}

    @property
    def uris(self) -> Uris:
        """What units are told; complete after ``start``."""
        host = self._advertise if self._advertise is not None else self._listen
        port = SERVER_PORTS if self._advertise is not None else {
            source: socket.port for source, socket in self._sockets.items()}
        return Uris(f"coap://{host}:{port['bootstrap']}", f"coap://{host}:{port['dm']}", f"udp://{host}:{port['mdm']}",
                    f"coap://{host}:{port['files']}")
