"""The lab in software: unit, meter, network and instruments, reached only through the wires of real equipment."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from bench.clock import Clock
from bench.twin.amarisoft import Enb, Mme
from bench.twin.attenuator import Attenuator, HttpServer
from bench.twin.cell import Address, Cell
from bench.twin.cmi6110.objects import build_objects
from bench.twin.cmi6110.otc import OtcService
from bench.twin.cmi6110.otc_settings import OtcSettings
from bench.twin.cmi6110.unit import CMi6110
from bench.twin.cmw500 import Cmw500
from bench.twin.edge_box import EdgeBox
from bench.twin.hislip import HislipServer
from bench.twin.mbus_port import MBusPort
from bench.twin.meter_simulator import MeterSimulator
from bench.twin.optical_port import OpticalPort
from bench.twin.pn532 import Pn532
from bench.twin.scpi import ScpiServer
from bench.twin.supplies import SUPPLIES
from bench.twin.tcp_server import TcpServer
from bench.twin.uh50 import UH50
from bench.twin.websocket_server import WebSocketServer

DEVEUI = "94193A0401000001"
PAK = bytes.fromhex("00112233445566778899aabbccddeeff")
"""The twin's key is no secret: it opens a program's lock."""

BOOTSTRAP_PSK = bytes.fromhex("b0b1b2b3b4b5b6b7b8b9babbbcbdbebf")
DM_PSK = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
MDM_PSK = bytes.fromhex("e0e1e2e3e4e5e6e7e8e9eaebecedeeef")
"""What production has put into the twin's security chip. No secrets either."""

LOCAL_OFFSET_MINUTES = 60
"""The twin stands where Central European Time holds."""


Spoil = Callable[["Lab"], None]
"""What makes a fault in a healthy lab."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the lab's instruments are reached: what a station file says of them."""

    supply_driver: str
    supply: str
    ammeter_driver: str | None
    ammeter: str | None
    panel: str
    nfc: str
    optical: str
    mbus: str
    meter_simulator: str
    cmw500: str
    enb: str
    mme: str
    attenuator: str


class Lab:
    """One twin of everything. ``seed`` decides all that is chance in it.

    Build it with ``Lab.start(clock, ...)`` from the main thread; ``stop()`` closes all wires. ``supply`` names what
    supplies the unit and measures its current (``SUPPLIES``).
    """

    def __init__(self, clock: Clock, seed: int, *, deveui: str = DEVEUI, supply: str = "n6705",
                 visa_ports: Sequence[int] = ()) -> None:
        self.clock = clock
        rng = random.Random(seed)
        self.meter = UH50(clock, seed=rng.getrandbits(32), utc_offset_min=LOCAL_OFFSET_MINUTES)
        self.cell = Cell(clock)
        self.cell.utc_offset_minutes = LOCAL_OFFSET_MINUTES
        self.cell.power = False    # as the instrument is after power-on
        self.unit = CMi6110(clock, random.Random(rng.getrandbits(32)), self.cell, self.meter, deveui)
        self.unit.bootstrap_key, self.unit.dm_key, self.unit.mdm_key = BOOTSTRAP_PSK, DM_PSK, MDM_PSK
        self.otc_store = OtcSettings(self.unit)
        otc = OtcService(clock, self.unit.tag, self.otc_store, PAK, random.Random(rng.getrandbits(32)))
        self.unit.fit(otc, build_objects(self.unit))
        self.panel = EdgeBox(clock, self.unit.front.green, self.unit.front.red, self.unit.front.button)
        self.optical = OpticalPort(self.meter, clock)
        self.mbus = MBusPort(self.meter, clock)
        self.reader = Pn532(clock, self.unit.tag)
        self.power = SUPPLIES[supply](clock, self.unit.supply, self.unit.current, random.Random(rng.getrandbits(32)))
        self.cmw500 = Cmw500(clock, self.cell)
        self.meter_simulator = MeterSimulator(self.meter)
        instruments = (self.meter_simulator, *self.power.instruments)
        self.enb, self.mme = Enb(clock, self.cell), Mme(clock, self.cell)
        self.callbox = WebSocketServer(self.enb), WebSocketServer(self.mme)
        self.attenuator = HttpServer(Attenuator(self.cell))
        ports = chain(visa_ports, repeat(0))
        self._servers: list[ScpiServer | HislipServer] = [HislipServer(self.cmw500, port=next(ports))]
        self._servers += [ScpiServer(instrument, port=next(ports)) for instrument in instruments]
        self._wires: list[TcpServer] = [*self._servers, *self.callbox, self.attenuator]

    @classmethod
    def start(cls, clock: Clock, seed: int, *, spoils: Iterable[Spoil] = (), deveui: str = DEVEUI,
              supply: str = "n6705", visa_ports: Sequence[int] = ()) -> Lab:
        """Build the lab in the clock's loop, let each of ``spoils`` make a fault in it, and open its wires."""
        random.seed(seed)    # aiocoap draws message ids, tokens and time-outs from the global generator
        lab = clock.call(lambda: cls(clock, seed, deveui=deveui, supply=supply, visa_ports=visa_ports))
        clock.run(lab._open(spoils))
        return lab

    async def _open(self, spoils: Iterable[Spoil]) -> None:
        for spoil in spoils:
            spoil(self)
        for wire in self._wires:
            await wire.start()

    def stop(self) -> None:
        """Close all wires. What the bench left switched on stays so: that is the bench's to answer for."""
        self.clock.run(self._close())

    async def _close(self) -> None:
        self.unit.supply.set(0.0)
        self.unit.modem.shut_down()
        self.panel.close()
        self.optical.close()
        self.mbus.close()
        self.reader.close()
        for wire in self._wires:
            await wire.stop()

    def route(self, routes: Mapping[Address, Address]) -> None:
        """Let the network lead what is sent to an advertised address to where the bench's server really is."""
        self.clock.call(lambda: self.cell.routes.update(routes))

    @property
    def addresses(self) -> Addresses:
        cmw500, meter_simulator, supply, *ammeter = self._servers
        return Addresses(supply_driver=self.power.supply_driver, supply=supply.address,
                         ammeter_driver=self.power.ammeter_driver, ammeter=ammeter[0].address if ammeter else None,
                         panel=self.panel.path, nfc=self.reader.wire.path,
                         optical=self.optical.path, mbus=self.mbus.path,
                         meter_simulator=meter_simulator.address, cmw500=cmw500.address, enb=self.callbox[0].address,
                         mme=self.callbox[1].address, attenuator=self.attenuator.address)
