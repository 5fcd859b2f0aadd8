"""The twin of the CMi6110: its parts, and how they are wired to each other.

Behaviour follows the manual; where it leaves something open, the reading of docs/open-in-the-manual.md is taken (the
C, U and G numbers in the comments). Built in the loop's thread; everything it does, it does there.
"""

from __future__ import annotations

import random

from bench.clock import Clock
from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.apn import ApnTrial
from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.current import CurrentTrace, Waveform
from bench.twin.cmi6110.firmware import FirmwareUpdate
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.identity import Identity
from bench.twin.cmi6110.jobs import Jobs
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient, Site
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.meter_time import MeterTime
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.modem_firmware import ModemUpdate
from bench.twin.cmi6110.otc import OtcService
from bench.twin.cmi6110.otc_settings import OtcSettings
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.resource import Resource
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.servers import Servers
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import TelegramWriter
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.cmi6110.transmitter import Capabilities, Receiver, Transmitter
from bench.twin.cmi6110.uplink import Uplink
from bench.twin.meter.uh50 import UH50
from bench.twin.nfc.type2tag import Type2Tag
from bench.twin.parts import Parts
from bench.twin.radio.cell import Cell
from bench.twin.signal import Signal

_CURRENT_KEPT_S = 7 * 86_400.0
"""For so long at least instruments can log the unit's current."""


class CMi6110:
    """One unit. ``supply`` is what its power connector gets; ``front`` what a person sees and presses; ``tag`` what a
    phone finds; ``tree`` its LwM2M objects.

    Each part is built from the class that ``parts`` has for it, and knows no more of the others than it is given here.
    ``nfc_rng`` is for the nonces of the lock, ``rng`` for everything else.
    """

    def __init__(self, parts: Parts, clock: Clock, rng: random.Random, nfc_rng: random.Random, cell: Cell, meter: UH50,
                 identity: Identity, pak: bytes) -> None:
        self.clock, self.cell, self.meter, self.identity = clock, cell, meter, identity
        self.supply: Signal[float] = Signal(0.0)
        self.front = parts.of(Front)(clock)
        self.current = CurrentTrace(clock, self.supply, retention_s=_CURRENT_KEPT_S)
        self.consumption = parts.of(Consumption)(clock, self.current, parts.of(Waveform)())
        self.settings = parts.of(Settings)()
        self.storage = parts.of(Storage)()
        self.jobs = Jobs(clock)
        self.tree: dict[Path, Resource] = {}

        self.servers = parts.of(Servers)(identity, self.settings)
        self.modem = parts.of(Modem)(clock, cell, rng, self.settings)
        self.modem.transmitter, self.modem.receiver = parts.of(Transmitter)(), parts.of(Receiver)()
        self.modem.capabilities = parts.of(Capabilities)()
        uplink = parts.of(Uplink)
        self.mdm = parts.of(MdmClient)(
            self.modem, self.settings, identity.deveui, rng,
            lambda server, on_datagram: uplink(self.modem, server, self.servers.mdm_terms, on_datagram))
        self.apn = parts.of(ApnTrial)(self.settings)
        self.firmware_update = parts.of(FirmwareUpdate)(
            identity, self.modem, self.settings, self.jobs.do, lambda: self.life.later(self.life.reboot))
        self.modem_update = parts.of(ModemUpdate)(
            self.modem, self.settings, self.jobs.do, self.modem.lost_network)
        self.backoff = parts.of(Backoff)(self.settings, rng)
        self.joining = parts.of(Joining)(
            self.settings, self.front, self.modem, self.modem_update, self.apn, self.backoff)
        self.connection = parts.of(Connection)(
            self.settings, self.modem, self.mdm, self.apn, self.servers, self.backoff, self.tree,
            uplink=uplink, client=parts.of(Lwm2mClient), management=parts.of(Management), site=parts.of(Site),
            draft=parts.of(BootstrapDraft))

        self.meter_time = parts.of(MeterTime)(self.settings, meter, cell)
        self.readouts = parts.of(Readouts)(self.settings, self.storage, meter, self.consumption)
        self.transmissions = parts.of(Transmissions)(
            self.settings, self.storage, meter, self.mdm, self.connection, self.backoff, self.jobs.do,
            telegram_writer=parts.of(TelegramWriter))
        self.schedule = parts.of(Schedule)(
            clock, rng, self.settings, meter.clock_now, read=lambda: self.life.read(extra=False),
            transmit=lambda: self.jobs.do(self.transmissions.run()))

        self.life = parts.of(Life)(
            clock=clock, settings=self.settings, front=self.front, consumption=self.consumption, modem=self.modem,
            mdm=self.mdm, servers=self.servers, apn=self.apn, firmware_update=self.firmware_update,
            modem_update=self.modem_update, joining=self.joining, connection=self.connection,
            meter_time=self.meter_time, readouts=self.readouts, transmissions=self.transmissions,
            schedule=self.schedule, jobs=self.jobs)
        self.tag = parts.of(Type2Tag)()
        self.otc = parts.of(OtcService)(
            clock, self.tag, parts.of(OtcSettings)(
                identity, self.settings, self.readouts, self.meter_time, self.connection), pak, nfc_rng)
        self.power = parts.of(Power)(
            self.supply, self.settings, rng, self.front, self.modem, self.consumption, self.otc, self.life)
        self._wire()

    def _wire(self) -> None:
        """Who hears of what."""
        self.front.on_release = self.power.button_released
        self.front.green.follow(lambda on: self.consumption.led("green", on))
        self.front.red.follow(lambda on: self.consumption.led("red", on))
        self.modem.on_state = lambda state: self.consumption.modem(
            state, self.cell.conditions.level, self.modem.granted.edrx_cycle_s)
        self.modem.on_transmit = self.power.transmits
        self.modem.on_lost = self.life.network_lost
        self.settings.on_change = self._settings_changed
        self.meter.on_clock_set = self.life.clock_set

    def _settings_changed(self, names: frozenset[str]) -> None:
        self.otc.refresh()
        self.tag.enabled = self.settings.number("nfc_enabled") == 1
        self.life.settings_changed(names)
