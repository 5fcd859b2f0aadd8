"""The twin of the CMi6110: power, start-up, network connection, device management, readouts and transmissions.

Behaviour follows the manual; where it leaves something open, the reading of docs/open-in-the-manual.md is taken (the
C, U and G numbers in the comments). Built in the loop's thread; everything it does, it does there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.clock import Clock
from bench.protocols.lwm2m import Path
from bench.twin.cell import Cell
from bench.twin.cmi6110.accounts import DmAccount
from bench.twin.cmi6110.apn import ApnTrial
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.current import CurrentTrace, Waveform
from bench.twin.cmi6110.firmware import FirmwareUpdate
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.modem import Modem, asked_by
from bench.twin.cmi6110.modem_firmware import ModemUpdate
from bench.twin.cmi6110.otc import OtcService
from bench.twin.cmi6110.resource import BadValue, Resource
from bench.twin.cmi6110.schedule import Schedule
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading, TelegramWriter
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.cmi6110.uplink import Uplink
from bench.twin.cmi6110.uri import address_of
from bench.twin.signal import Signal
from bench.twin.type2tag import Type2Tag
from bench.twin.uh50 import UH50

BROWN_OUT_V = 2.3
"""Below this the unit stops (the manual's lowest battery voltage is 2.4 V)."""


class CMi6110:
    """One unit. ``supply`` is what its power connector gets; ``front`` what a person sees and presses."""

    model = "CMi6110"
    firmware = "2.3.1"
    hardware = "1B"
    imsi = "001010123456789"
    iccid = "8946000000000000001"
    waveform = Waveform()
    first_readout_delay_s = 2.0
    meter_retry_s = 2.0
    bootstrap_on_activation = True
    uplink = Uplink

    def __init__(self, clock: Clock, rng: random.Random, cell: Cell, meter: UH50, deveui: str) -> None:
        self.clock = clock
        self.rng = rng
        self.cell = cell
        self.meter = meter
        self.deveui = deveui
        self.supply: Signal[float] = Signal(0.0)
        self.front = Front(clock)
        self.current = CurrentTrace(clock, self.supply)
        self.consumption = Consumption(clock, self.current, lambda: self.waveform)
        self.settings = Settings()
        self.storage = Storage()
        self.modem = Modem(clock, cell, rng)
        self.mdm = MdmClient(self.modem, self.settings, deveui, rng)
        self.tag = Type2Tag()
        self.otc: OtcService | None = None
        self.tree: dict[Path, Resource] = {}
        self.dm: Lwm2mClient | None = None
        self.dm_account = DmAccount()
        self.mdm_uri = ""
        self.mdm_security = 3
        self.bootstrap_key = self.dm_key = self.mdm_key = b""    # what production puts in: see Lab
        self.apn = ApnTrial(self.settings)
        self.firmware_update = FirmwareUpdate(self, self._do)
        self.modem_update = ModemUpdate(self.modem, self.settings, self._do, self.modem.lost_network)
        self.connection = Connection(self)
        self.mdm.make_uplink = self.connection.mdm_uplink
        self.transmissions = Transmissions(self, self._do)
        self.schedule = Schedule(clock, rng, self.settings, meter.clock_now,
                                 read=lambda: self.read(extra=False),
                                 transmit=lambda: self._do(self.transmissions.run()))
        self.provisioned = False
        self._bootstrap_due = True
        self._readout_due = True
        self._transmission_due = False
        self._booted_at = 0.0
        self._trial_end: asyncio.TimerHandle | None = None
        self._powered = False
        self._life: asyncio.Task[None] | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._lost = asyncio.Event()
        self.supply.follow(self._supply_changed)
        self.front.on_release = self._button_released
        self.front.green.follow(lambda on: self.current.set("led.green", self.waveform.led_a * on))
        self.front.red.follow(lambda on: self.current.set("led.red", self.waveform.led_a * on))
        self.modem.asks = lambda: asked_by(self.settings)
        self.modem.on_state = lambda state: self.consumption.modem(
            state, cell.conditions.level, self.modem.granted.edrx_cycle_s)
        self.modem.on_transmit = lambda air_s: self.consumption.transmit(air_s, cell.conditions.level)
        self.modem.on_lost = self._network_lost
        self.settings.on_change = self._settings_changed
        self.meter.on_clock_set = self._clock_set

    def fit(self, otc: OtcService, tree: dict[Path, Resource]) -> None:
        """Give the unit its two faces to the world: settings on the tag, and LwM2M objects."""
        self.otc = otc
        self.tree = tree

    @property
    def identity(self) -> bytes:
        """By which it shows itself in DTLS (0/x/3): the characters of the DevEUI."""
        return self.deveui.encode()

    # -- power and button

    @property
    def active(self) -> bool:
        return self.settings.number("power_mode") == 1

    def _supply_changed(self, volts: float) -> None:
        if volts >= BROWN_OUT_V and not self._powered:
            self._powered = True
            self.front.power(True)
            self._booted_at = self.clock.time()
            self.consumption.powered()
            if self.otc is not None:
                self.otc.start()
            if self.active:
                self._start_life(activation=False, hold_off_s=self.hold_off_s())
        elif volts < BROWN_OUT_V and self._powered:
            self._powered = False
            self._end_life()
            self.modem.power_off()
            self.front.power(False)
            if self.otc is not None:
                self.otc.stop()

    def hold_off_s(self) -> float:
        """After a power outage: how long not to look for the network (33906/0/38, U02)."""
        return self.rng.uniform(0.0, self.settings.number("brown_out_delay"))

    def _button_released(self, held_s: float) -> None:
        if held_s < self.front.reboot_from_s or held_s >= self.front.off_until_s:
            return
        if held_s >= self.front.off_from_s:
            self.switch_off()
        elif self.active:
            self.reboot()
        else:
            self.activate()

    def activate(self) -> None:
        """From passive to active: start up with the stored settings."""
        self.settings.write({"power_mode": 1})

    def switch_off(self) -> None:
        """Back to passive (U13): no more radio."""
        self.settings.write({"power_mode": 0})

    def reboot(self) -> None:
        self._booted_at = self.clock.time()
        self.consumption.boot()
        self._restart_life(activation=False)

    # -- the firmware's life between start-up and switch-off

    def _restart_life(self, *, activation: bool) -> None:
        self._end_life()
        if self._powered and self.active:
            self._start_life(activation=activation)

    def _start_life(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        self.apn.start_up()
        if self.apn.is_on_trial:
            self._trial_end = self.clock.loop.call_later(self.apn.limit_s, self._give_up_trial)
        self._life = self.clock.spawn(self._live(activation, hold_off_s))

    def _end_life(self) -> None:
        if self._life is not None:
            self._life.cancel()
            self._life = None
        self.schedule.stop_readouts()
        if self._trial_end is not None:
            self._trial_end.cancel()
            self._trial_end = None
        self._disconnect()
        self.front.dark()
        if self.modem.state != "off":
            self.modem.detach()

    def _disconnect(self) -> None:
        """All that needs the network ends."""
        self.schedule.stop_transmissions()
        for task in self._jobs:
            task.cancel()
        self.modem_update.outage()
        self.mdm.close()
        self.dm = None
        for socket in list(self.modem.sockets):
            socket.close()

    def _network_lost(self) -> None:
        self._disconnect()
        self._lost.set()

    async def _live(self, activation: bool, hold_off_s: float) -> None:
        """Start up, and then be connected as long as there is a network; the meter is read with or without one."""
        self._bootstrap_due = (
            (activation and self.bootstrap_on_activation) or not self.provisioned or self.apn.is_on_trial)
        self._readout_due = True
        await self.firmware_update.start_up()
        await asyncio.sleep(self.waveform.wake_s)
        self.front.show_start()
        await asyncio.sleep(self.front.start_both_s)
        self.schedule.plan_readouts()
        await asyncio.sleep(hold_off_s)
        starts = True
        while True:
            self._lost.clear()
            await self.connection.join(started=starts)
            starts = False
            self.synchronize_from_network()
            self._do(self._work())
            await self._lost.wait()

    async def _work(self) -> None:
        """Bootstrap, device management, meter data, in this order (6.2). What an outage cuts off is still due."""
        if self._bootstrap_due:
            await self.connection.bootstrap_until_done()
            self._bootstrap_due = False
        self.firmware_update.go_on()
        tried = asyncio.Event()
        self._do(self.connection.manage(tried))
        await tried.wait()
        self.mdm.server = address_of(self.mdm_uri)
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

    # -- meter time

    def synchronize_from_network(self) -> bool:
        """Set the meter's clock from the network (standard time) when the two differ; whether they did."""
        network = self.cell.local_standard_time()
        if self.settings.number("time_sync_source") != 1 or abs(
                (network - self.meter.clock_now()).total_seconds()) < 1.0:
            return False
        self.meter.set_clock(network)
        return True

    def set_meter_clock(self, local: datetime) -> None:
        self.meter.set_clock(local)

    def _clock_set(self) -> None:
        """The meter has a new time, whoever has set it: plan anew, and read and send once more (7.3.2). What can't be
        sent now goes as soon as there is a network.
        """
        self.schedule.plan_anew()
        if self.schedule.transmits:
            self.trigger_readout()
        elif self.schedule.reads and not self._readout_due:
            self._transmission_due = True
            self._do(self.read(extra=True))

    def utc_now(self) -> datetime:
        offset = timedelta(minutes=self.settings.number("utc_offset"))
        return (self.meter.clock_now() - offset).replace(microsecond=0, tzinfo=UTC)

    def set_utc(self, moment: datetime) -> None:
        offset = timedelta(minutes=self.settings.number("utc_offset"))
        self.set_meter_clock(moment.astimezone(UTC).replace(tzinfo=None) + offset)

    def adjust_time(self, seconds: int) -> None:
        try:
            self.set_meter_clock(self.meter.clock_now() + timedelta(seconds=seconds))
        except OverflowError as error:
            raise BadValue(f"adjust by {seconds} s") from error

    # -- readouts and transmissions

    async def read(self, *, extra: bool) -> None:
        """Read the meter; when it does not answer, some more times at once (33906/0/43)."""
        for attempt in range(1 + self.settings.number("max_meter_retries")):
            if attempt:
                await asyncio.sleep(self.meter_retry_s)
            if self.read_meter(extra=extra or attempt > 0) is not None:
                return

    def read_meter(self, *, extra: bool) -> Reading | None:
        """Read the meter and store what it says; nothing is stored when it doesn't answer (G03)."""
        self.consumption.readout()
        if not self.meter.connected:
            return None
        reading = self.take_registers()
        self.storage.add(reading, extra=extra)
        return reading

    def take_registers(self) -> Reading:
        registers = self.meter.registers()
        return Reading(
            time=registers.clock.replace(second=0, microsecond=0), meter_id=self.meter_id(),
            energy=registers.energy, energy_unit=registers.energy_unit.symbol, volume_m3=registers.volume_m3,
            power_kw=registers.power_kw, flow_m3ph=registers.flow_m3_h, forward_c=registers.forward_c,
            return_c=registers.return_c, error_flags=registers.error_flags,
            tariffs=registers.tariffs[:3], missing_time_h=registers.missing_time_h)

    def meter_id(self) -> str:
        return self.meter.property_number if self.settings.number("meter_identification") else \
            self.meter.fabrication_number

    def writer(self) -> TelegramWriter:
        return TelegramWriter(self.settings.number("message_encoding"), self.settings.number("message_format"),
                              self.settings.number("utc_offset"))

    def latest_telegram(self) -> bytes:
        latest = self.storage.latest
        return next(self.writer().telegrams([latest]))[0] if latest is not None else b""

    def trigger_readout(self) -> None:
        """33906/0/10: read now and send now."""
        self._do(self._read_and_transmit())

    def resend_history(self) -> None:
        """33906/0/13: everything again, behind whatever is being sent."""
        self.transmissions.queue_history()
        self._do(self.transmissions.run())

    async def _read_and_transmit(self) -> None:
        await self.read(extra=True)
        await self.transmissions.run()

    # -- device management hooks

    def update_registration(self) -> None:
        if self.dm is not None:
            self._do(self.connection.update(self.dm))

    def bootstrap_again(self) -> None:
        self.later(lambda: self._restart_life(activation=True))

    def apply_apn(self) -> None:
        """33906/0/15: reset, and try the staged APN (6.4)."""
        self.apn.apply()
        self.later(self.reboot)

    def _give_up_trial(self) -> None:
        """No bootstrap in time: reset again, and back to the APN that led to one (6.4)."""
        self._booted_at = self.clock.time()
        self.consumption.boot()
        self._restart_life(activation=True)

    def later(self, action: Callable[[], None]) -> None:
        """After the answer to the server is out, however long it is on the air."""
        def once_sent() -> None:
            left_s = self.modem.sending_for_s
            if left_s > 0:
                self.clock.loop.call_later(left_s + 0.1, once_sent)
            else:
                action()

        self.clock.loop.call_later(2.0, once_sent)

    def set_mdm_uri(self, uri: str) -> None:
        self.mdm_uri = uri
        self.mdm.server = address_of(uri)
        self.mdm.forget()

    def uptime_s(self) -> int:
        return int(self.clock.time() - self._booted_at)

    def average_current_ua(self) -> int:
        """33907/0/1: the mean since boot, at most of the last hour."""
        now = self.clock.time()
        since = max(self._booted_at, now - 3600.0)
        return round(self.current.charge(since, now) / (now - since) * 1e6) if now > since else 0

    def reset_statistics(self) -> None:
        self.mdm.statistics.reset()

    # -- reactions

    def _settings_changed(self, names: frozenset[str]) -> None:
        if self.otc is not None:
            self.otc.refresh()
        self.tag.enabled = self.settings.number("nfc_enabled") == 1
        if "power_mode" in names:
            self._restart_life(activation=True)
            return
        if names & {"message_format", "message_encoding", "mqttsn_topic"}:
            self.mdm.new_topic()
        if names & {"readout_interval", "transmit_interval", "transmit_offset", "transmit_delay"}:
            self.schedule.plan_anew()
        if names & {"t3324", "t3412", "power_saving_mode", "edrx_mode", "edrx_value"}:
            self.modem.renegotiate()

    def _do(self, job: Coroutine[Any, Any, None]) -> None:
        """Run ``job`` beside the unit's life; it ends with it."""
        task = self.clock.spawn(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
