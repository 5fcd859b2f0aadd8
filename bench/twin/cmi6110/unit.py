"""The twin of the CMi6110: power, start-up, network connection, device management, readouts and transmissions.

Behaviour follows the manual; where it leaves something open, the reading of the reference notes is taken (the C and U
numbers in the comments). Built in the loop's thread; everything it does, it does there.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.clock import Clock
from bench.protocols.lwm2m import Path
from bench.twin.cell import Cell
from bench.twin.cmi6110.accounts import BootstrapDraft, DmAccount
from bench.twin.cmi6110.apn import ApnTrial
from bench.twin.cmi6110.current import CurrentTrace, Waveform
from bench.twin.cmi6110.firmware import FirmwareUpdate
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.modem import Modem
from bench.twin.cmi6110.modem_firmware import ModemUpdate
from bench.twin.cmi6110.otc import OtcService
from bench.twin.cmi6110.resource import BadValue, Resource
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import Reading, TelegramWriter
from bench.twin.cmi6110.uri import address_of
from bench.twin.signal import Signal
from bench.twin.type2tag import Type2Tag
from bench.twin.uh50 import UH50

BROWN_OUT_V = 2.3
"""Below this the unit stops (the manual's lowest battery voltage is 2.4 V)."""

_DAY_S = 86400.0


class CMi6110:
    """One unit. ``supply`` is what its power connector gets; ``front`` what a person sees and presses."""

    model = "CMi6110"
    firmware = "2.3.1"
    hardware = "1B"
    imsi = "001010123456789"
    iccid = "8946000000000000001"
    waveform = Waveform()
    first_readout_delay_s = 2.0
    bootstrap_on_activation = True

    def __init__(self, clock: Clock, rng: random.Random, cell: Cell, meter: UH50, deveui: str) -> None:
        self.clock = clock
        self.rng = rng
        self.cell = cell
        self.meter = meter
        self.deveui = deveui
        self.supply: Signal[float] = Signal(0.0)
        self.front = Front(clock)
        self.current = CurrentTrace(clock, self.supply)
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
        self.mdm_key = b""
        self.apn = ApnTrial(self.settings)
        self.firmware_update = FirmwareUpdate(self, self._do)
        self.modem_update = ModemUpdate(self.modem, self.settings, self._do, self.modem.lost_network)
        self.provisioned = False
        self.resending: deque[bytes] = deque()
        self._bootstrap_due = True
        self._readout_due = True
        self._booted_at = 0.0
        self._trial_end: asyncio.TimerHandle | None = None
        self._powered = False
        self._life: asyncio.Task[None] | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self._reading: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._transmitting = asyncio.Lock()
        self.supply.follow(self._supply_changed)
        self.front.on_release = self._button_released
        self.front.green.follow(lambda on: self.current.set("led.green", self.waveform.led_a * on))
        self.front.red.follow(lambda on: self.current.set("led.red", self.waveform.led_a * on))
        self.modem.on_state = self._modem_state
        self.modem.on_transmit = self._modem_transmits
        self.modem.on_lost = self._network_lost
        self.settings.on_change = self._settings_changed

    def fit(self, otc: OtcService, tree: dict[Path, Resource]) -> None:
        """Give the unit its two faces to the world: settings on the tag, and LwM2M objects."""
        self.otc = otc
        self.tree = tree

    # -- power and button

    @property
    def active(self) -> bool:
        return self.settings.number("power_mode") == 1

    def _supply_changed(self, volts: float) -> None:
        if volts >= BROWN_OUT_V and not self._powered:
            self._powered = True
            self.front.power(True)
            self._booted_at = self.clock.time()
            self._draw_when_powered()
            if self.otc is not None:
                self.otc.start()
            if self.active:
                hold_off = self.rng.uniform(0.0, self.settings.number("brown_out_delay"))    # U02
                self._start_life(activation=False, hold_off_s=hold_off)
        elif volts < BROWN_OUT_V and self._powered:
            self._powered = False
            self._end_life()
            self.modem.power_off()
            self.front.power(False)
            if self.otc is not None:
                self.otc.stop()

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
        self._draw_boot()
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
        for task in (self._life, self._reading):
            if task is not None:
                task.cancel()
        self._life = self._reading = None
        if self._trial_end is not None:
            self._trial_end.cancel()
            self._trial_end = None
        self._disconnect()
        self.front.dark()
        if self.modem.state != "off":
            self.modem.detach()

    def _disconnect(self) -> None:
        """All that needs the network ends."""
        for task in [self._sending, *self._jobs]:
            if task is not None:
                task.cancel()
        self._sending = None
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
        self._plan_readouts()
        await asyncio.sleep(hold_off_s)
        while True:
            self._lost.clear()
            await self._join()
            if self.synchronize_from_network():
                self._readout_due = True    # 7.3.2
            self._do(self._work())
            await self._lost.wait()

    async def _work(self) -> None:
        """Bootstrap, device management, meter data, in this order (6.2). What an outage cuts off is still due."""
        if self._bootstrap_due:
            await self._bootstrap_until_done()
            self._bootstrap_due = False
        self.firmware_update.go_on()
        tried = asyncio.Event()
        self._do(self._manage(tried))
        await tried.wait()
        self.mdm.server = address_of(self.mdm_uri)
        await self.mdm.connect()
        if self._readout_due:
            await asyncio.sleep(self.first_readout_delay_s)
            self._readout_due = False
            await self._read_and_transmit()
        self._plan_transmissions()

    async def _join(self) -> None:
        """Search until the network takes the unit, with growing pauses (33906/0/40, C16)."""
        await self.modem_update.start_up()
        backoff = self.settings.backoff("restart_backoff")
        for attempt in range(1_000_000):
            self.front.show_joining()
            self.modem.t3324_s = self.settings.number("t3324")
            self.modem.t3412_s = self.settings.number("t3412")
            self.modem.use_psm = bool(self.settings.number("power_saving_mode") & 2)
            self.modem.use_edrx = bool(self.settings.number("power_saving_mode") & 1)
            self.modem.bands = frozenset(map(int, self.settings.text("radio_bands").split(","))) - {0}
            if await self.modem.attach(self.apn.asked_for(), self.settings.number("search_period")):
                break
            self.front.dark()
            low, high = backoff[min(attempt, len(backoff) - 1)]
            await asyncio.sleep(self.rng.uniform(low, high) * 60)
        self.front.show_joined()

    async def _bootstrap_until_done(self) -> None:
        """Bootstrap; attempts, sequences and back-off of 33906/0/34 to /37 and /42."""
        rounds = 0
        while True:
            for pause_s in self.attempts():
                await asyncio.sleep(pause_s)
                if await self._bootstrap():
                    self.provisioned = True
                    self.apn.bootstrapped()
                    return
            await self._back_off(rounds)
            rounds += 1

    def attempts(self) -> Iterator[float]:
        """The pauses before the attempts of a connection (33906/0/34 to /37), then it is taken for failed."""
        settings = self.settings
        for sequence in range(settings.number("sequence_retry_count")):
            for attempt in range(max(settings.number("communication_retry_count"), 1)):
                if attempt:
                    yield float(settings.number("communication_retry_delay"))
                else:
                    yield float(settings.number("sequence_retry_delay")) if sequence else 0.0

    async def _back_off(self, rounds: int) -> None:
        """The pause after ``rounds`` others (33906/0/42); the last range is repeated."""
        backoff = self.settings.backoff("sequence_backoff")
        low, high = backoff[min(rounds, len(backoff) - 1)]
        await asyncio.sleep(self.rng.uniform(low, high) * 60)

    async def _bootstrap(self) -> bool:
        client = Lwm2mClient(self.modem, self.settings, self.deveui, {})
        await client.open((self.settings.text("bootstrap_ip"), self.settings.number("bootstrap_port")))
        draft = self.new_draft()
        try:
            done = await client.bootstrap(draft)
            await asyncio.sleep(2.0)    # the answer to the server's last request is still to leave
        finally:
            await client.close()
        if done:
            self.adopt(draft)
        return done

    def new_draft(self) -> BootstrapDraft:
        return BootstrapDraft(self.dm_account, self.mdm_uri, self.mdm_security)

    def adopt(self, draft: BootstrapDraft) -> None:
        """Take over the servers that a bootstrap has named."""
        mdm = draft.mdm
        self.dm_account = draft.dm
        self.mdm_security = mdm.security
        if mdm.key is not None:
            self.mdm_key = mdm.key
        if mdm.connection is not None:
            self.settings.write({"mqttsn_connection": mdm.connection})
        if mdm.topic is not None:
            self.mdm.topic = mdm.topic
        if mdm.uri != self.mdm_uri:
            self.set_mdm_uri(mdm.uri)

    async def _manage(self, tried: asyncio.Event) -> None:
        """Be registered at the device management server, as long as the unit lives; when it can't be reached, or does
        not know the unit, ask the bootstrap server again. Sets ``tried`` after the first attempt: meter data come
        second, and don't depend on it.
        """
        rounds = 0
        while True:
            if await self._stay_registered(tried):
                rounds = 0
            tried.set()
            await self._back_off(rounds)
            rounds += 1
            await self._bootstrap_until_done()

    async def _stay_registered(self, tried: asyncio.Event) -> bool:
        """Until the connection has failed; whether the unit was registered meanwhile."""
        server = address_of(self.dm_account.uri)
        if server is None:
            return False
        client = self.dm = Lwm2mClient(self.modem, self.settings, self.deveui, self.tree)
        await client.open(server)
        try:
            registered = was_registered = await self._register(client, tried)
            while registered:
                await asyncio.sleep(self.update_after_s())
                registered = await self.renew(client) or await self._register(client, tried)
            return was_registered
        finally:
            self.dm = None
            await client.close()

    async def renew(self, client: Lwm2mClient) -> bool:
        """Keep the registration alive; False when the server has lost it, or is silent."""
        return await client.update()

    def update_after_s(self) -> float:
        """When a registration is to be kept alive."""
        return self.dm_account.lifetime_s * 0.9

    async def _register(self, client: Lwm2mClient, tried: asyncio.Event) -> bool:
        for pause_s in self.attempts():
            await asyncio.sleep(pause_s)
            registered = await client.register(self.dm_account)
            tried.set()
            if registered or client.refused:
                return registered
        return False

    # -- meter time

    def synchronize_from_network(self) -> bool:
        """Set the meter's clock from the network (standard time) when the two differ; whether they did."""
        network = self.cell.local_standard_time()
        if self.settings.number("time_sync_source") != 1 or abs(
                (network - self.meter.clock_now()).total_seconds()) < 1.0:
            return False
        self.meter.set_clock(network)
        self._reschedule()
        return True

    def set_meter_clock(self, local: datetime) -> None:
        """A new time for the meter: plan anew, and read and send once more (7.3.2)."""
        self.meter.set_clock(local)
        self._reschedule()
        if self._sending is not None:
            self.trigger_readout()

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

    def read_meter(self, *, extra: bool) -> Reading | None:
        """Read the meter and store what it says; nothing is stored when it doesn't answer (G03)."""
        self.current.pulse("readout", self.waveform.readout_a, self.waveform.readout_s)
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
        return self.writer().telegrams([latest])[0][0] if latest is not None else b""

    def trigger_readout(self) -> None:
        """33906/0/10: read now and send now."""
        self._do(self._read_and_transmit())

    def resend_history(self) -> None:
        """33906/0/13: everything again (U05: no age limit), behind whatever is being sent."""
        self.storage.queue_history()
        readings = self.storage.take_history(self.storage.queued_history())
        self.resending = deque(payload for payload, _ in self.writer().telegrams(readings))
        self._do(self._transmit())

    async def _read_and_transmit(self) -> None:
        self.read_meter(extra=True)
        await self._transmit()

    async def _transmit(self) -> None:
        """One transmission: up to the configured number of telegrams, until one fails (7.3.4)."""
        async with self._transmitting:
            limit = self.settings.number("max_uploads_per_transmission")
            for payload, readings in self.pending_telegrams()[:limit]:
                if not await self.mdm.publish(payload):
                    break
                self.storage.mark_sent(readings)
            else:
                await self._transmit_history()
            self.mdm.end_transmission()

    def pending_telegrams(self) -> list[tuple[bytes, list[Reading]]]:
        """The unsent readouts as telegrams, in the order in which they go."""
        pending = self.storage.unsent(
            self.meter.clock_now(), timedelta(minutes=self.settings.number("auto_upload_max_age")),
            self.settings.number("report_interval"))
        if self.settings.number("auto_upload_order") == 1:
            pending.reverse()
        return self.writer().telegrams(pending)

    async def _transmit_history(self) -> None:
        """What 33906/0/13 has asked for; 33906/0/14 counts it down. What an outage cuts off goes another time."""
        while self.resending:
            payload = self.resending[0]
            if not await self.mdm.publish(payload):
                return
            if self.resending and self.resending[0] is payload:
                self.resending.popleft()

    # -- schedules, on the meter's clock (7.3.2 and 7.3.3)

    def _plan_readouts(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._reading = self.clock.spawn(self._read_on_schedule())

    def _plan_transmissions(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
        self._sending = self.clock.spawn(self._transmit_on_schedule())

    def _reschedule(self) -> None:
        """The clock or an interval has changed: plan anew what was planned."""
        if self._reading is not None:
            self._plan_readouts()
        if self._sending is not None:
            self._plan_transmissions()

    async def _read_on_schedule(self) -> None:
        while True:
            await asyncio.sleep(self.seconds_to_grid(self.settings.number("readout_interval")))
            self.read_meter(extra=False)

    async def _transmit_on_schedule(self) -> None:
        """One window per interval. A window may reach to the next, and a transmission may take its time: neither
        moves the windows that follow."""
        async with asyncio.TaskGroup() as windows:
            while True:
                await asyncio.sleep(self.seconds_to_grid(self.settings.number("transmit_interval")))
                windows.create_task(self._transmit_after(self.random_delay_s()))

    async def _transmit_after(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._do(self._transmit())

    def random_delay_s(self) -> float:
        """Between offset and offset + delay after the planned moment; both in minutes (C01)."""
        offset, delay = self.settings.number("transmit_offset"), self.settings.number("transmit_delay")
        return self.rng.uniform(offset * 60.0, (offset + delay) * 60.0)

    def seconds_to_grid(self, interval_min: int) -> float:
        """Seconds to the next multiple of the interval since the meter's midnight; midnight is always one (U15)."""
        now = self.meter.clock_now()
        since_midnight = (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
        interval_s = interval_min * 60.0
        # A wake-up that comes a hair early must not plan the same moment again.
        following = (since_midnight + 0.5) // interval_s * interval_s + interval_s
        return max(min(following, _DAY_S) - since_midnight, 0.001)

    # -- device management hooks

    def update_registration(self) -> None:
        if self.dm is not None:
            self._do(self._update(self.dm))

    async def _update(self, client: Lwm2mClient) -> None:
        if not await self.renew(client):
            await client.register(self.dm_account)

    def bootstrap_again(self) -> None:
        self.later(lambda: self._restart_life(activation=True))

    def apply_apn(self) -> None:
        """33906/0/15: reset, and try the staged APN (6.4)."""
        self.apn.apply()
        self.later(self.reboot)

    def _give_up_trial(self) -> None:
        """No bootstrap in time: reset again, and back to the APN that led to one (6.4)."""
        self._booted_at = self.clock.time()
        self._draw_boot()
        self._restart_life(activation=True)

    def later(self, action: Callable[[], None]) -> None:
        """After the answer to the server is out."""
        self.clock.loop.call_later(2.0, action)

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
            self._reschedule()
        if names & {"t3324", "t3412", "power_saving_mode"}:
            self.modem.t3324_s = self.settings.number("t3324")
            self.modem.t3412_s = self.settings.number("t3412")
            self.modem.use_psm = bool(self.settings.number("power_saving_mode") & 2)
            self.modem.use_edrx = bool(self.settings.number("power_saving_mode") & 1)

    # -- what it draws

    def _draw_when_powered(self) -> None:
        wave = self.waveform
        self.current.pulse("inrush", wave.inrush_a, wave.inrush_s)
        self.current.set("floor", wave.floor_a)
        self.current.repeat("tick", wave.tick_a, wave.tick_s, wave.tick_period_s)
        self._draw_boot()

    def _draw_boot(self) -> None:
        self.current.pulse("boot", self.waveform.wake_a, self.waveform.wake_s)

    def _modem_state(self, state: str) -> None:
        wave = self.waveform
        if state == "searching":
            self.current.repeat("modem", wave.receive_a, 0.6, 1.0)
        elif state == "connected":
            self.current.set("modem.base", wave.connected_a)
            self.current.repeat("modem", wave.receive_a, wave.connected_receive_s, wave.connected_period_s)
            return
        elif state == "idle":
            edrx = self.modem.use_edrx and self.cell.edrx_allowed
            on_s, period_s = (2 * wave.paging_s, wave.edrx_cycle_s) if edrx else (wave.paging_s, wave.paging_period_s)
            self.current.repeat("modem", wave.receive_a, on_s, period_s)
            self.current.set("modem.base", wave.idle_a)
            return
        else:
            self.current.set("modem", 0.0)
        self.current.set("modem.base", 0.0)

    def _modem_transmits(self, air_s: float) -> None:
        self.current.pulse("transmitter", self.waveform.transmit_a, air_s + 0.05)
        self.current.pulse("transmitter.peak", self.waveform.transmit_peak_a - self.waveform.transmit_a, 0.008)

    def _do(self, job: Coroutine[Any, Any, None]) -> None:
        """Run ``job`` beside the unit's life; it ends with it."""
        task = self.clock.spawn(job)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
