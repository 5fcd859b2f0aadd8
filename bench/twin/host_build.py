"""A process in the place of the twin's unit: a host build of the real firmware, and the wires that it has into the lab
(docs/host-build.md). Meter, modem, network and instruments are the twin's; what the unit does, the process decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.clock import Clock
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.modem_socket import ModemSocket
from bench.twin.cmi6110.power import BROWN_OUT_V, Power
from bench.twin.meter.module_port import ModulePort
from bench.twin.radio.cell import Address, Cell
from bench.twin.radio.nas import PowerSaving
from bench.twin.signal import Signal
from bench.twin.wires.tcp import TcpConnection, TcpServer

if TYPE_CHECKING:
    from bench.twin.lab import Lab

HOSTS = tuple(f"127.64.0.{number}" for number in range(1, 251))
"""Where the process finds the network: all of 127.0.0.0/8 is this machine (Linux), so each lab can have its own."""
SOCKETS = 200
"""Sockets of the process that the network remembers; the one that was silent for longest is forgotten."""
LONGEST_LINE = 200


class NoLife(Power):
    """Supply and button are the process's affair."""

    def supply_changed(self, volts: float) -> None:
        pass


class HostModem(Modem):
    """Asks the network for what the process says."""

    wanted = PowerSaving()

    def asks(self) -> PowerSaving:
        return self.wanted


class HostBuild:
    """The wires, at these addresses once the lab has started: ``board`` and ``meter`` are "HOST:PORT" of a TCP port,
    ``host`` is where the network has the bench's servers, at ``ports``. ``parts`` and ``prepare`` make a ``Change`` of
    the lab."""

    parts = (NoLife, HostModem)

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports

    def prepare(self, lab: Lab) -> None:
        modem = lab.unit.modem
        assert isinstance(modem, HostModem)
        self.supply = lab.unit.supply
        self._network = _Network(lab.clock, modem, self._ports)
        self._board = _Board(lab.clock, lab.cell, modem, lab.unit.supply, lab.unit.front.green, lab.unit.front.red,
                             lab.unit.front.button, self._network)
        self._meter = ModulePort(lab.meter)
        lab.wires += [self._network, self._board, self._meter]

    @property
    def host(self) -> str:
        return self._network.host

    @property
    def board(self) -> str:
        return self._board.address

    @property
    def meter(self) -> str:
        return self._meter.address


# -- LEDs, button, supply and modem: lines over TCP


class _Board(TcpServer):
    """What is soldered to the unit's processor, as lines. One process at a time: the newest."""

    def __init__(self, clock: Clock, cell: Cell, modem: HostModem, supply: Signal[float], green: Signal[bool],
                 red: Signal[bool], button: Signal[bool], network: _Network) -> None:
        super().__init__()
        self._clock, self._cell, self._modem, self._network = clock, cell, modem, network
        self._supply, self._lights, self._button = supply, {"green": green, "red": red}, button
        self._process: asyncio.Transport | None = None
        self._at_work: asyncio.Task[None] | None = None    # on the network, for the modem
        supply.follow(self._supplied)
        button.follow(lambda pressed: self.say(f"button {int(pressed)}"))
        modem.on_lost = lambda: self.say("lost")
        cell.on_levels = self._tell_signal

    def connection(self) -> _Process:
        return _Process(self)

    def say(self, line: str) -> None:
        if self._process is not None:
            self._process.write(f"{line}\n".encode("ascii"))

    def begun(self, process: asyncio.Transport) -> None:
        if self._process is not None:
            self._process.abort()
        self._process = process
        self.say(f"supply {self._supply.value * 1000:.0f}")
        self.say(f"button {int(self._button.value)}")

    def ended(self, process: asyncio.Transport) -> None:
        if process is self._process:
            self._process = None
            self._go_dark()

    def hear(self, line: str) -> None:
        """Raises ValueError for what is no line of the contract."""
        match line.split():
            case [("green" | "red") as light, ("0" | "1") as on]:
                self._lights[light].set(on == "1")
            case ["attach", seconds, *apn] if len(apn) <= 1:
                self._do(self._attach(float(seconds), apn[0] if apn else None))
            case ["detach"]:
                self._do(self._detach())
            case ["bands", *bands]:
                self._modem.bands = frozenset(map(int, bands))
            case ["asks", *elements]:
                asked = {name: int(value) for name, _, value in (one.partition("=") for one in elements)}
                self._modem.wanted = PowerSaving(asked.pop("t3324", None), asked.pop("t3412", None),
                                                 asked.pop("edrx", None))
                if asked:
                    raise ValueError("asks")
                self._modem.renegotiate()
            case _:
                raise ValueError("line")

    async def _attach(self, search_s: float, apn: str | None) -> None:
        await self._detach()
        modem = self._modem
        if await modem.attach(apn, search_s):
            offset = self._cell.utc_offset_minutes
            self.say(f"time {self._cell.local_standard_time().isoformat()}{'-' if offset < 0 else '+'}"
                     f"{abs(offset) // 60:02}:{abs(offset) % 60:02}")
            self._tell_signal()
            self.say(f"attached {modem.apn}")
        else:
            self.say("refused" if modem.refused else "no network")

    def _tell_signal(self) -> None:
        if self._modem.attached:
            cell = self._cell
            self.say(f"signal {cell.band} {cell.rsrp_dbm:g} {cell.snr_tenth_db / 10:g}")

    async def _detach(self) -> None:
        """What was sent still leaves."""
        await asyncio.sleep(self._modem.sending_for_s)
        if self._modem.state != "off":
            self._modem.detach()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        self._stop_work()
        self._at_work = self._clock.spawn(work)

    def _stop_work(self) -> None:
        if self._at_work is not None:
            self._at_work.cancel()

    def _supplied(self, volts: float) -> None:
        self.say(f"supply {volts * 1000:.0f}")
        if volts < BROWN_OUT_V:
            self._go_dark()

    def _go_dark(self) -> None:
        """Without supply, or without a process."""
        self._stop_work()
        for light in self._lights.values():
            light.set(False)
        self._modem.power_off()
        self._network.forget()


class _Process(TcpConnection):
    def __init__(self, board: _Board) -> None:
        super().__init__(board)
        self._board = board
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._board.begun(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._board.ended(self._transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._heard = (self._heard + data).split(b"\n")
        self._heard = self._heard[-LONGEST_LINE:]
        for line in lines:
            text = line.decode("ascii", "replace").strip()
            try:
                self._board.hear(text)
            except ValueError:
                self._transport.write(f"X not understood: {text[:40]}\n".encode("ascii", "replace"))


# -- datagrams


class _Network:
    """For each of the bench's servers a UDP port: what the process sends there goes through modem and cell."""

    def __init__(self, clock: Clock, modem: Modem, ports: Sequence[int]) -> None:
        self.host = ""
        self._clock, self._modem, self._ports = clock, modem, ports
        self._relays: list[asyncio.DatagramTransport] = []
        self._sockets: dict[tuple[Address, int], ModemSocket] = {}
        self._in_turn = asyncio.Lock()

    @property
    def address(self) -> str:
        return self.host

    async def start(self) -> None:
        """Take the first address of which all ports are free. Raises OSError when there is none."""
        for host in HOSTS:
            try:
                for port in self._ports:
                    transport, _ = await self._clock.loop.create_datagram_endpoint(
                        partial(_Relay, self, port), local_addr=(host, port))
                    self._relays.append(transport)
            except OSError:
                await self.stop()
            else:
                self.host = host
                return
        raise OSError(f"no free address among {HOSTS[0]} to {HOSTS[-1]}")

    async def stop(self) -> None:
        self.forget()
        while self._relays:
            self._relays.pop().close()

    def forget(self) -> None:
        """The process's sockets are gone."""
        for socket in self._sockets.values():
            socket.close()
        self._sockets.clear()

    async def carry(self, relay: asyncio.DatagramTransport, port: int, source: Address, data: bytes) -> None:
        async with self._in_turn:
            socket = self._sockets.pop((source, port), None)
            if socket is None:
                socket = await self._modem.open(lambda answer: relay.sendto(answer, source))
            self._sockets[source, port] = socket
            if len(self._sockets) > SOCKETS:
                self._sockets.pop(next(iter(self._sockets))).close()
            socket.send((self.host, port), data)


class _Relay(asyncio.DatagramProtocol):
    _transport: asyncio.DatagramTransport

    def __init__(self, network: _Network, port: int) -> None:
        self._network = network
        self._port = port
        self._clock = network._clock

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, address: Address) -> None:
        self._clock.spawn(self._network.carry(self._transport, self._port, address, data))
