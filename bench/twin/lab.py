"""The lab in software: unit, meter, network and instruments, reached only through the wires of real equipment."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from bench.clock import Clock
from bench.twin.cmi6110.identity import Identity
from bench.twin.cmi6110.objects import build_objects
from bench.twin.cmi6110.unit import CMi6110
from bench.twin.meter.mbus_port import MBusPort
from bench.twin.meter.meter_simulator import MeterSimulator
from bench.twin.meter.optical_port import OpticalPort
from bench.twin.meter.port import MakeWire
from bench.twin.meter.uh50 import UH50
from bench.twin.nfc.pn532 import Pn532
from bench.twin.panel.edge_box import EdgeBox
from bench.twin.parts import Parts
from bench.twin.radio.amarisoft import Enb, Mme
from bench.twin.radio.attenuator import Attenuator, HttpServer
from bench.twin.radio.cell import Address, Cell
from bench.twin.radio.cmw500 import Cmw500
from bench.twin.scpi import ScpiServer
from bench.twin.supply.line import SupplyLine, Terminals
from bench.twin.supply.supplies import SUPPLIES, Wire, wire_of
from bench.twin.wires.hislip import HislipServer
from bench.twin.wires.pty import PtyWire
from bench.twin.wires.websocket import WebSocketServer

DEVEUI = "94193A0401000001"
PAK = bytes.fromhex("00112233445566778899aabbccddeeff")
"""The twin's key is no secret: it opens a program's lock."""

BOOTSTRAP_PSK = bytes.fromhex("b0b1b2b3b4b5b6b7b8b9babbbcbdbebf")
DM_PSK = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
MDM_PSK = bytes.fromhex("e0e1e2e3e4e5e6e7e8e9eaebecedeeef")
"""What production has put into the twin's security chip. No secrets either."""

CABLE_DB = {3: (1.2, 1.1), 8: (0.9, 0.8), 20: (0.9, 0.8)}
"""What the way between the tester's connector and the unit's antenna connector loses, uplink and downlink."""

LOCAL_OFFSET_MINUTES = 60
"""The twin stands where Central European Time holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What makes the twin another one: ``parts`` replace parts of it before it is built, ``prepare`` is done to the
    lab before it is switched on. ``text`` says in a few words what is different.
    """

    name: str
    text: str
    parts: tuple[type, ...] = ()
    prepare: Callable[[Lab], None] = lambda lab: None


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
    """One twin of everything. ``seed`` decides all that is chance in it; it is built of ``parts``.

    Build it with ``Lab.start(clock, ...)`` from the main thread; ``stop()`` closes all wires. ``supply`` names what
    supplies the unit and measures its current (``SUPPLIES``), ``meter_wire`` makes the meter's two serial wires.
    """

    def __init__(self, clock: Clock, seed: int, *, deveui: str = DEVEUI, supply: str = "n6705",
                 visa_ports: Sequence[int] = (), parts: Parts | None = None, meter_wire: MakeWire = PtyWire) -> None:
        self.clock = clock
        self.parts = parts = parts or Parts()
        rng = random.Random(seed)
        self.meter = parts.of(UH50)(clock, seed=rng.getrandbits(32), utc_offset_min=LOCAL_OFFSET_MINUTES)
        self.cell = parts.of(Cell)(clock)
        self.cell.utc_offset_minutes = LOCAL_OFFSET_MINUTES
        self.cell.power = False    # as the instrument is after power-on, and it allows neither PSM nor eDRX then
        self.cell.psm_allowed = self.cell.edrx_allowed = False
        unit_rng, nfc_rng = (random.Random(rng.getrandbits(32)) for _ in range(2))
        self.unit = CMi6110(parts, clock, unit_rng, nfc_rng, self.cell, self.meter, Identity(deveui), PAK)
        servers = self.unit.servers
        servers.bootstrap_key, servers.dm_key, servers.mdm_key = BOOTSTRAP_PSK, DM_PSK, MDM_PSK
        self.unit.tree.update(build_objects(self.unit))
        self.panel = parts.of(EdgeBox)(clock, self.unit.front.green, self.unit.front.red, self.unit.front.button)
        self.optical = parts.of(OpticalPort)(self.meter, clock, wire=meter_wire)
        self.mbus = parts.of(MBusPort)(self.meter, clock, wire=meter_wire)
        self.reader = parts.of(Pn532)(clock, self.unit.tag)
        terminals = parts.of(Terminals)()
        self.line = parts.of(SupplyLine)(clock, terminals, self.panel.relay_closed, self.panel.load, self.unit.supply,
                                         self.unit.current)
        self.power = SUPPLIES[supply](clock, terminals, self.line.current, random.Random(rng.getrandbits(32)))
        self.cmw500 = parts.of(Cmw500)(clock, self.cell)
        self.cmw500.cable_db = dict(CABLE_DB)
        self.meter_simulator = parts.of(MeterSimulator)(self.meter)
        self.enb, self.mme = parts.of(Enb)(clock, self.cell), parts.of(Mme)(clock, self.cell)
        self.callbox = WebSocketServer(self.enb), WebSocketServer(self.mme)
        self.attenuator = HttpServer(parts.of(Attenuator)(self.cell))
        parts.check_all_used()
        ports = chain(visa_ports, repeat(0))
        self._servers: list[Wire] = [HislipServer(self.cmw500, port=next(ports)),
                                     ScpiServer(self.meter_simulator, port=next(ports))]
        self._servers += [wire_of(instrument, next(ports)) for instrument in self.power.instruments]
        self.wires: list[Wire] = [*self._servers, *self.callbox, self.attenuator]

    @classmethod
    def start(cls, clock: Clock, seed: int, *, changes: Collection[Change] = (), deveui: str = DEVEUI,
              supply: str = "n6705", visa_ports: Sequence[int] = (), meter_wire: MakeWire = PtyWire) -> Lab:
        """Build the lab with ``changes`` in the clock's loop, and open its wires."""
        random.seed(seed)    # aiocoap draws message ids, tokens and time-outs from the global generator
        parts = Parts(part for change in changes for part in change.parts)
        lab = clock.call(lambda: cls(clock, seed, deveui=deveui, supply=supply, visa_ports=visa_ports, parts=parts,
                                     meter_wire=meter_wire))
        clock.run(lab._open(changes))
        return lab

    async def _open(self, changes: Collection[Change]) -> None:
        for change in changes:
            change.prepare(self)
        for wire in self.wires:
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
        for wire in self.wires:
            await wire.stop()

    def route(self, routes: Mapping[Address, Address]) -> None:
        """Let the network lead what is sent to an advertised address to where the bench's server really is."""
        self.clock.call(lambda: self.cell.routes.update(routes))

    def put_on_the_air(self) -> None:
        """Let the network be a live one, which no instrument switches on or off."""
        def switch_on() -> None:
            self.cell.psm_allowed = self.cell.edrx_allowed = self.cell.power = True
        self.clock.call(switch_on)

    @property
    def addresses(self) -> Addresses:
        cmw500, meter_simulator, supply, *ammeter = self._servers
        return Addresses(supply_driver=self.power.supply_driver, supply=supply.address,
                         ammeter_driver=self.power.ammeter_driver, ammeter=ammeter[0].address if ammeter else None,
                         panel=self.panel.path, nfc=self.reader.wire.path,
                         optical=self.optical.path, mbus=self.mbus.path,
                         meter_simulator=meter_simulator.address, cmw500=cmw500.address, enb=self.callbox[0].address,
                         mme=self.callbox[1].address, attenuator=self.attenuator.address)
