"""The firmware's life between start-up and switch-off: what the unit does, in which order, and what interrupts it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.clock import Clock
from bench.twin.cmi6110.apn import ApnTrial
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.firmware import FirmwareUpdate
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.jobs import Jobs
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.meter_time import MeterTime
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.modem_firmware import ModemUpdate
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.servers import Servers
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.cmi6110.uri import address_of
from bench.twin.parts import Part


@dataclass(eq=False, repr=False)
class Life(Part):
    """``powered``: whether there is a supply to live on."""

    first_readout_delay_s = 2.0
    green_from = "attach"
    """What the long green light tells of: attach, bootstrap or registration (U12)."""
    bootstraps_on_activation = True

    clock: Clock
    settings: Settings
    front: Front
    consumption: Consumption
    modem: Modem
    mdm: MdmClient
    servers: Servers
    apn: ApnTrial
    firmware_update: FirmwareUpdate
    modem_update: ModemUpdate
    joining: Joining
    connection: Connection
    meter_time: MeterTime
    readouts: Readouts
    transmissions: Transmissions
    schedule: Schedule
    jobs: Jobs
    powered: bool = field(default=False, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _trial_end: asyncio.TimerHandle | None = field(default=None, init=False)
    _lost: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _bootstrap_due: bool = field(default=True, init=False)
    _readout_due: bool = field(default=True, init=False)
    _transmission_due: bool = field(default=False, init=False)

    @property
    def active(self) -> bool:
        return self.settings.number("power_mode") == 1

    # -- beginning and end

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        self.apn.start_up()
        if self.apn.is_on_trial:
            self._trial_end = self.clock.loop.call_later(self.apn.limit_s, self._give_up_trial)
        self._task = self.clock.spawn(self._live(activation, hold_off_s))

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.schedule.stop_readouts()
        if self._trial_end is not None:
            self._trial_end.cancel()
            self._trial_end = None
        self.disconnect()
        self.front.dark()
        if self.modem.state != "off":
            self.modem.detach()

    def restart(self, *, activation: bool) -> None:
        self.end()
        if self.powered and self.active:
            self.start(activation=activation)

    def reboot(self) -> None:
        self.consumption.boot()
        self.restart(activation=False)

    def disconnect(self) -> None:
        """All that needs the network ends."""
        self.schedule.stop_transmissions()
        self.jobs.cancel()
        self.modem_update.outage()
        self.connection.cut()

    # -- its course

    async def _live(self, activation: bool, hold_off_s: float) -> None:
        """Start up, and then be connected as long as there is a network; the meter is read with or without one."""
        self._bootstrap_due = ((activation and self.bootstraps_on_activation) or not self.servers.provisioned
                               or self.apn.is_on_trial)
        self._readout_due = True
        await self.install_firmware()
        await asyncio.sleep(self.consumption.waveform.wake_s)
        self.front.show_start()
        await asyncio.sleep(self.front.start_both_s)
        self.schedule.plan_readouts()
        await asyncio.sleep(hold_off_s)
        starts = True
        while True:
            self._lost.clear()
            await self.joining.join(started=starts)
            starts = False
            self.reached("attach")
            self.meter_time.synchronize_from_network()
            self.jobs.do(self._work())
            await self._lost.wait()

    async def install_firmware(self) -> None:
        """That which an update has left to be put in, if there is one."""
        await self.firmware_update.start_up()

    def first_start(self) -> None:
        """The first start of a new build: what it makes of what the old one has left. It takes all of it over."""

    async def _work(self) -> None:
        """Bootstrap, device management, meter data, in this order (6.2). What an outage cuts off is still due."""
        if self._bootstrap_due:
            await self.connection.bootstrap_until_done()
            self._bootstrap_due = False
        self.reached("bootstrap")
        self.firmware_update.go_on()
        tried = asyncio.Event()
        self.jobs.do(self.connection.manage(tried))
        await tried.wait()
        self.reached("registration")
        self.mdm.server = address_of(self.servers.mdm_uri)
        if self.settings.number("upload_protocol") == 0:
            await self.mdm.connect()
        if self._readout_due:
            await asyncio.sleep(self.first_readout_delay_s)
            await self.read(extra=True)
            self._readout_due, self._transmission_due = False, True
        sent, self._transmission_due = self._transmission_due, False
        if sent:
            await self.transmissions.run()
        self.schedule.plan_transmissions(sent_just_now=sent)

    def reached(self, stage: str) -> None:
        """On the way to its servers the unit has come so far."""
        if stage == self.green_from:
            self.front.show_joined()

    # -- what interrupts it

    def network_lost(self) -> None:
        self.disconnect()
        self._lost.set()

    def clock_set(self) -> None:
        """The meter has a new time, whoever has set it: plan anew, and read and send once more (7.3.2). What can't be
        sent now goes as soon as there is a network.
        """
        self.schedule.plan_anew()
        self.read_anew()

    def read_anew(self) -> None:
        if self.schedule.transmits:
            self.trigger_readout()
        elif self.schedule.reads and not self._readout_due:
            self._transmission_due = True
            self.jobs.do(self.read(extra=True))

    def settings_changed(self, names: frozenset[str]) -> None:
        if "power_mode" in names:
            self.restart(activation=True)
            return
        if names & {"message_format", "message_encoding", "mqttsn_topic"}:
            self.mdm.new_topic()
        if names & {"readout_interval", "transmit_interval", "transmit_offset", "transmit_delay"}:
            self.schedule.plan_anew()
        if names & {"t3324", "t3412", "power_saving_mode", "edrx_mode", "edrx_value"}:
            self.modem.renegotiate()

    # -- what a server asks for

    def trigger_readout(self) -> None:
        """33906/0/10: read now and send now."""
        self.jobs.do(self._read_and_transmit())

    async def read(self, *, extra: bool) -> None:
        """``extra``: off the grid of the readout interval."""
        await self.readouts.read(extra=extra)

    async def _read_and_transmit(self) -> None:
        await self.read(extra=True)
        await self.transmissions.run()

    def resend_history(self) -> None:
        """33906/0/13: everything again, behind whatever is being sent."""
        self.transmissions.queue_history()
        self.jobs.do(self.transmissions.run())

    def update_registration(self) -> None:
        """1/1/8."""
        if self.connection.dm is not None:
            self.jobs.do(self.connection.update(self.connection.dm))

    def bootstrap_again(self) -> None:
        """1/0/9."""
        self.later(lambda: self.restart(activation=True))

    def apply_apn(self) -> None:
        """33906/0/15: reset, and try the staged APN (6.4)."""
        self.apn.apply()
        self.later(self.reboot)

    def _give_up_trial(self) -> None:
        """No bootstrap in time: reset again, and back to the APN that led to one (6.4)."""
        self.consumption.boot()
        self.restart(activation=True)

    def later(self, action: Callable[[], None]) -> None:
        """After the answer to the server is out, however long it is on the air."""
        def once_sent() -> None:
            left_s = self.modem.sending_for_s
            if left_s > 0:
                self.clock.loop.call_later(left_s + 0.1, once_sent)
            else:
                action()

        self.clock.loop.call_later(2.0, once_sent)
