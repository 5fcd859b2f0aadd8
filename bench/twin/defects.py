"""Deliberate faults of the twin. The bench must catch every one of them (``mcm-bench prove``).

A defect is a name, the wire on which it shows, the requirements that it breaks, and a few lines that spoil a healthy
lab after it is built and before it is switched on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal
from itertools import repeat
from typing import Any

import cbor2

from bench.errors import BenchError
from bench.protocols.lwm2m import Path, Type
from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.download import Download
from bench.twin.cmi6110.firmware import Result as FirmwareResult
from bench.twin.cmi6110.firmware import State
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.package import DamagedPackage, Package
from bench.twin.cmi6110.resource import BadValue, Resource
from bench.twin.cmi6110.settings import Value
from bench.twin.cmi6110.storage import Storage
from bench.twin.cmi6110.telegram import SENML_CBOR, Reading, TelegramWriter
from bench.twin.lab import Lab, Spoil


@dataclass(frozen=True, slots=True)
class Defect:
    """``text`` says what is wrong with the unit, in a few words."""

    name: str
    wire: str
    requirements: tuple[str, ...]
    text: str
    spoil: Spoil


DEFECTS: dict[str, Defect] = {}


def find(names: Iterable[str]) -> list[Defect]:
    """The defects called so. Raises ``BenchError`` for a name that is none."""
    unknown = sorted(set(names) - DEFECTS.keys())
    if unknown:
        raise BenchError(f"defect {unknown[0]}", expected="one of " + ", ".join(sorted(DEFECTS)), seen="that name",
                         do="choose a name from the list")
    return [DEFECTS[name] for name in names]


def defect(name: str, *requirements: str, wire: str) -> Callable[[Spoil], Spoil]:
    """Register the decorated function as the defect ``name``; its docstring says what is wrong."""
    def register(spoil: Spoil) -> Spoil:
        if name in DEFECTS:
            raise ValueError(f"two defects are called {name}")
        DEFECTS[name] = Defect(name, wire, requirements, (spoil.__doc__ or "").strip().rstrip("."), spoil)
        return spoil
    return register


# -- supply and current


@defect("sleep-current-high", "PWR-04", "PWR-05", wire="supply")
def _(lab: Lab) -> None:
    """The unit sleeps at 12 uA."""
    lab.unit.waveform = replace(lab.unit.waveform, floor_a=12e-6)


@defect("peak-current-high", "PWR-03", wire="supply")
def _(lab: Lab) -> None:
    """The transmitter draws 450 mA."""
    lab.unit.waveform = replace(lab.unit.waveform, transmit_peak_a=450e-3)


@defect("supply-voltage-misreported", "PWR-09", wire="supply")
def _(lab: Lab) -> None:
    """The reported supply voltage is 0.2 V too high."""
    _report(lab, (3, 0, 7), lambda: round(lab.unit.supply.value * 1000) + 200)


# -- LEDs and button


@defect("joined-light-short", "LED-04", wire="panel")
def _(lab: Lab) -> None:
    """The green light of a joined unit lasts 7 s."""
    lab.unit.front.joined_green_s = 7.0


@defect("leds-swapped", "LED-01", "LED-04", wire="panel")
def _(lab: Lab) -> None:
    """Red and green are swapped."""
    front = lab.unit.front
    front.green, front.red = front.red, front.green


@defect("button-too-quick", "LED-01", wire="panel")
def _(lab: Lab) -> None:
    """The green light comes after 4 s."""
    lab.unit.front.reboot_from_s = 4.0


@defect("switch-off-restarts", "BTN-04", wire="panel")
def _(lab: Lab) -> None:
    """A press of 15 to 20 s reboots instead of switching off."""
    lab.unit.switch_off = lab.unit.reboot  # type: ignore[method-assign]


# -- NFC


@defect("default-wrong", "OTC-T11-05", wire="nfc")
def _(lab: Lab) -> None:
    """The transmit interval is 720 min in a delivered unit."""
    lab.unit.settings.write({"transmit_interval": 720})


@defect("lock-ignored", "OTC-04", wire="nfc")
def _(lab: Lab) -> None:
    """A locked unit takes settings without the PAK."""
    assert lab.unit.otc is not None
    lab.unit.otc.ignores_lock = True


@defect("range-edge-refused", "OTC-T11-03", wire="nfc")
def _(lab: Lab) -> None:
    """A readout interval of 1440 min is refused."""
    _accept(lab, "readout_interval", lambda value: type(value) is int and 5 <= value < 1440)


# -- meter


@defect("meter-id-wrong", "PAY-SENML-06", "PAY-MBUS-02", "PAY-JSON-02", wire="meter")
def _(lab: Lab) -> None:
    """The identification is one too high."""
    number = lab.unit.meter_id
    lab.unit.meter_id = lambda: f"{int(number()) + 1:08d}"  # type: ignore[method-assign]


@defect("volume-last-digit", "PAY-MBUS-04", "PAY-MBUS-21", "PAY-MBUS-24", "PAY-JSON-05", "PAY-SENML-08",
        wire="mbus")
def _(lab: Lab) -> None:
    """The last digit of the volume is always 9."""
    def spoiled(reading: Reading) -> Reading:
        return replace(reading, volume_m3=reading.volume_m3.quantize(Decimal("0.1")) + Decimal("0.09"))
    _read_as(lab, spoiled)


@defect("clock-not-synchronised", "TIME-10", wire="meter")
def _(lab: Lab) -> None:
    """The meter's clock is not set from the network, and is a minute slow."""
    lab.unit.synchronize_from_network = lambda: False  # type: ignore[method-assign]
    lab.meter.set_clock(lab.meter.clock_now().replace(minute=lab.meter.clock_now().minute - 1))


# -- network


@defect("outage-loses-readouts", "RETX-02", wire="cell")
def _(lab: Lab) -> None:
    """Readouts that could not be sent are forgotten."""
    storage = lab.unit.storage
    unsent = storage.unsent
    storage.unsent = lambda now, max_age, report_interval_min: (  # type: ignore[method-assign]
        unsent(now, max_age, report_interval_min)[-1:])


@defect("silent-after-joining", "ACT-06", wire="cell")
def _(lab: Lab) -> None:
    """No readout is sent after joining."""
    lab.unit.first_readout_delay_s = 86400.0


# -- bootstrap and device management


@defect("bootstrap-skipped", "ACT-12", wire="bootstrap")
def _(lab: Lab) -> None:
    """The unit goes to the gateway without a bootstrap."""
    lab.unit.provisioned = True
    lab.unit.mdm_uri = "udp://10.0.0.1:1884"
    lab.unit.dm_account.uri = "coap://10.0.0.1:5683"
    lab.unit.bootstrap_on_activation = False


@defect("read-only-written", "DM-05", wire="dm")
def _(lab: Lab) -> None:
    """The manufacturer can be overwritten."""
    name = ["Elvaco"]
    resource = _resource(lab, (3, 0, 0))
    resource.read, resource.write = lambda: name[0], lambda value: name.__setitem__(0, value)


@defect("bearer-wrong", "LWM2M-4.0.0", wire="dm")
def _(lab: Lab) -> None:
    """The network bearer reads as LTE instead of NB-IoT."""
    _report(lab, (4, 0, 0), lambda: 6)


# -- firmware, APN, bootstrap


@defect("firmware-crc-unchecked", "FOTA-03", wire="files")
def _(lab: Lab) -> None:
    """A corrupt firmware package is taken."""
    update = lab.unit.firmware_update
    check = update.check

    def taken(content: bytes) -> Package:
        try:
            return check(content)
        except DamagedPackage:
            return Package(lab.unit.model, lab.unit.hardware, "9.9.9", content)
    update.check = taken  # type: ignore[method-assign]


@defect("firmware-old-version-kept", "FOTA-01", "LWM2M-3.0.3", wire="files")
def _(lab: Lab) -> None:
    """An update is reported as done, and the old firmware runs."""
    lab.unit.firmware_update.install = lambda package: FirmwareResult.SUCCESS  # type: ignore[method-assign]


@defect("firmware-settings-lost", "FOTA-06", wire="files")
def _(lab: Lab) -> None:
    """An update puts settings back to their defaults."""
    _after_update(lab, lambda: lab.unit.settings.write({"readout_interval": 60, "message_encoding": SENML_CBOR}))


@defect("firmware-readouts-lost", "FOTA-06", "FOTA-10", wire="files")
def _(lab: Lab) -> None:
    """An update forgets the readouts that have not been sent."""
    _after_update(lab, lambda: setattr(lab.unit, "storage", Storage()))


@defect("firmware-update-unasked", "LWM2M-5.0.2", wire="dm")
def _(lab: Lab) -> None:
    """An update without a download is taken for one, and fails."""
    update = lab.unit.firmware_update

    def always() -> None:
        update.state = State.UPDATING
        lab.unit.later(lab.unit.reboot)
    _resource(lab, (5, 0, 2)).execute = lambda _: always()


@defect("firmware-cut-off", "FOTA-05", wire="supply")
def _(lab: Lab) -> None:
    """A power cut while the firmware is put in leaves a unit that does not start."""
    update = lab.unit.firmware_update
    start_up, starts = update.start_up, [0]

    async def only_once() -> None:
        starts[0] += update.state is State.UPDATING
        if starts[0] > 1:
            await asyncio.get_running_loop().create_future()
        await start_up()
        starts[0] = 0
    update.start_up = only_once  # type: ignore[method-assign]


@defect("firmware-uri-not-cleared", "LWM2M-5.0.1", wire="dm")
def _(lab: Lab) -> None:
    """An empty package URI is ignored."""
    write = lab.unit.firmware_update.write_uri
    _resource(lab, (5, 0, 1)).write = lambda uri: write(uri) if uri else None


@defect("firmware-silence-endured", "FOTA-04", wire="files")
def _(lab: Lab) -> None:
    """A download from a server that has fallen silent never ends."""
    update = lab.unit.firmware_update
    fetch = update.fetch

    async def patient(download: Download) -> None:
        content = bytes(download.content)
        await fetch(download)
        if update.result is FirmwareResult.CONNECTION_LOST and download.content != content:
            update.state, update.result = State.DOWNLOADING, FirmwareResult.INITIAL
    update.fetch = patient  # type: ignore[method-assign]


@defect("modem-results-swapped", "FOTA-09", "LWM2M-33909.0.8", wire="dm")
def _(lab: Lab) -> None:
    """Results 2 and 3 of the modem update are swapped."""
    update = lab.unit.modem_update
    _report(lab, (33909, 0, 8), lambda: {2: 3, 3: 2}.get(update.result, int(update.result)))


@defect("modem-version-stale", "FOTA-08", "LWM2M-33909.0.5", wire="dm")
def _(lab: Lab) -> None:
    """The modem's old version is shown after an update."""
    _report(lab, (33909, 0, 5), lambda version=lab.unit.modem_update.version: version)  # type: ignore[misc]


@defect("apn-never-rolled-back", "APN-05", "APN-06", wire="cell")
def _(lab: Lab) -> None:
    """The unit stays with a new APN that leads nowhere."""
    lab.unit.apn.limit_s = 1e7


@defect("apn-saved-at-once", "APN-05", "APN-07", wire="cell")
def _(lab: Lab) -> None:
    """A new APN is saved before it has led to a bootstrap."""
    apn, settings = lab.unit.apn, lab.unit.settings
    apn.apply = lambda: settings.write(  # type: ignore[method-assign]
        {"apn": settings["staged_apn"], "apn_mode": settings["staged_apn_mode"]})


@defect("apn-used-when-staged", "APN-02", wire="cell")
def _(lab: Lab) -> None:
    """A staged APN is used at the next attach, applied or not."""
    apn = lab.unit.apn
    start_up = apn.start_up

    def start_up_with_the_staged_one() -> None:
        apn.apply()
        start_up()
    apn.start_up = start_up_with_the_staged_one  # type: ignore[method-assign]


@defect("apn-not-kept", "APN-04", wire="cell")
def _(lab: Lab) -> None:
    """A new APN that works is not saved."""
    lab.unit.apn.bootstrapped = lambda: None  # type: ignore[method-assign]


@defect("bootstrap-trigger-ignored", "LWM2M-1.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The bootstrap trigger is answered and ignored."""
    _resource(lab, (1, 0, 9)).execute = lambda _: None


@defect("bootstrap-unchecked", "ACT-13", wire="bootstrap")
def _(lab: Lab) -> None:
    """Bootstrap contents are taken without a look at whether they fit together."""
    unit = lab.unit
    unit.new_draft = lambda: _CredulousDraft(  # type: ignore[method-assign]
        unit.dm_account, unit.mdm_uri, unit.mdm_security)


class _CredulousDraft(BootstrapDraft):
    def problem(self) -> str:
        return ""


@defect("bootstrap-never-again", "NET-26", "NET-27", "NET-43", wire="bootstrap")
def _(lab: Lab) -> None:
    """A DM server that can't be reached is tried for ever."""
    lab.unit.attempts = lambda: repeat(60.0)  # type: ignore[method-assign]


@defect("update-too-late", "LWM2M-1.1.1", wire="dm")
def _(lab: Lab) -> None:
    """The registration is updated after its lifetime has ended."""
    lab.unit.update_after_s = lambda: lab.unit.dm_account.lifetime_s * 1.1  # type: ignore[method-assign]


@defect("discarded-update-ignored", "ACT-14", wire="dm")
def _(lab: Lab) -> None:
    """When the server does not know the registration any more, the unit goes on as if it did."""
    async def content_with_any_answer(client: Lwm2mClient) -> bool:
        await client.update()
        return True
    lab.unit.renew = content_with_any_answer  # type: ignore[method-assign]


@defect("lifetime-ignored", "LWM2M-1.1.1", wire="bootstrap")
def _(lab: Lab) -> None:
    """The unit keeps to a lifetime of a day, whatever the bootstrap server writes."""
    adopt = lab.unit.adopt

    def adopt_but_for_the_lifetime(draft: BootstrapDraft) -> None:
        adopt(draft)
        lab.unit.dm_account.lifetime_s = 86400
    lab.unit.adopt = adopt_but_for_the_lifetime  # type: ignore[method-assign]


def _after_update(lab: Lab, damage: Callable[[], None]) -> None:
    """Let ``damage`` be done by each update of the firmware."""
    update = lab.unit.firmware_update
    install = update.install

    def spoiled(package: Package | None) -> FirmwareResult:
        result = install(package)
        damage()
        return result
    update.install = spoiled  # type: ignore[method-assign]


# -- resources: each changes the type, the range or the access of one resource, and nothing else


@defect("battery-level-255", "LWM2M-3.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The battery level reads 255 %."""
    _report(lab, (3, 0, 9), lambda: 255)


@defect("hardware-version-number", "LWM2M-3.0.18", wire="dm")
def _(lab: Lab) -> None:
    """The hardware version is an Integer."""
    _retype(lab, (3, 0, 18), Type.INTEGER, lambda: 12)


@defect("firmware-version-executable", "LWM2M-3.0.3", wire="dm")
def _(lab: Lab) -> None:
    """The firmware version can be executed."""
    _resource(lab, (3, 0, 3)).execute = lambda _: None


@defect("smnc-above-range", "LWM2M-4.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The SMNC reads 1001."""
    _report(lab, (4, 0, 9), lambda: 1001)


@defect("psm-timer-writable", "LWM2M-10.0.4", wire="dm")
def _(lab: Lab) -> None:
    """The PSM timer can be written over DM."""
    _restage(lab, (10, 0, 4), lambda value: {"t3412": value})


@defect("edrx-two-octets", "LWM2M-10.0.9", wire="dm")
def _(lab: Lab) -> None:
    """The eDRX parameters are two octets."""
    _report(lab, (10, 0, 9), lambda: b"\x00" + bytes([lab.unit.settings.number("edrx_value")]))


@defect("profile-link-text", "LWM2M-10.0.11", wire="dm")
def _(lab: Lab) -> None:
    """The link to the APN profile is a String."""
    _retype(lab, (10, 0, 11), Type.STRING, lambda: "11:0")


@defect("profile-name-read-only", "LWM2M-11.x.0", wire="dm")
def _(lab: Lab) -> None:
    """The name of the APN profile in use can't be written."""
    _resource(lab, (11, 0, 0)).stage = None


@defect("readout-interval-over-range", "LWM2M-33906.0.0", wire="dm")
def _(lab: Lab) -> None:
    """A readout interval of more than 1440 min is taken over DM, as 1440."""
    _restage(lab, (33906, 0, 0), lambda value: {"readout_interval": min(value, 1440)})


@defect("transmit-interval-edge-refused", "LWM2M-33906.0.18", wire="dm")
def _(lab: Lab) -> None:
    """A transmit interval of 5 min is refused over DM."""
    def stage(value: int) -> dict[str, Value]:
        if value == 5:
            raise BadValue("too short")
        return {"transmit_interval": value}
    _restage(lab, (33906, 0, 18), stage)


@defect("eco-mode-integer", "LWM2M-33906.0.3", wire="dm")
def _(lab: Lab) -> None:
    """The eco mode is an Integer."""
    _retype(lab, (33906, 0, 3), Type.INTEGER, lambda: lab.unit.settings["eco_mode"])


@defect("lock-writable", "LWM2M-33906.0.5", wire="dm")
def _(lab: Lab) -> None:
    """The NFC lock can be opened and closed over DM."""
    _restage(lab, (33906, 0, 5), lambda value: {"configuration_lock": int(value)})


@defect("trigger-readable", "LWM2M-33906.0.10", wire="dm")
def _(lab: Lab) -> None:
    """The readout trigger can be read."""
    _retype(lab, (33906, 0, 10), Type.INTEGER, lambda: 0)


@defect("uploads-read-only", "LWM2M-33906.0.21", wire="dm")
def _(lab: Lab) -> None:
    """The number of uploads can't be written over DM."""
    _resource(lab, (33906, 0, 21)).stage = None


@defect("backoff-backwards", "LWM2M-33906.0.41", wire="dm")
def _(lab: Lab) -> None:
    """A back-off range from 5 to 1 min is taken, as one from 1 to 5."""
    _restage(lab, (33906, 0, 41), lambda text: {"reconnect_backoff": "1-5" if text == "5-1" else text})


@defect("upload-order-2", "LWM2M-33906.0.45", wire="dm")
def _(lab: Lab) -> None:
    """An upload order of 2 is taken."""
    _restage(lab, (33906, 0, 45), lambda value: {"auto_upload_order": min(value, 1)})


@defect("rai-counts-from-1", "LWM2M-33906.0.51", wire="dm")
def _(lab: Lab) -> None:
    """RAI is 1 or 2 instead of 0 or 1."""
    _report(lab, (33906, 0, 51), lambda: lab.unit.settings.number("rai") + 1)
    _restage(lab, (33906, 0, 51), lambda value: {"rai": value - 1})


@defect("mdm-key-readable", "LWM2M-33905.0.5", wire="dm")
def _(lab: Lab) -> None:
    """The transport key can be read."""
    _report(lab, (33905, 0, 5), lambda: lab.unit.mdm_key)


@defect("topic-execute-only", "LWM2M-33905.0.11", wire="dm")
def _(lab: Lab) -> None:
    """The topic can be executed, neither read nor written."""
    lab.unit.tree[Path(33905, 0, 11)] = Resource(None, execute=lambda _: None)


@defect("meter-id-text", "LWM2M-33908.0.1", wire="dm")
def _(lab: Lab) -> None:
    """The meter id is a String."""
    _retype(lab, (33908, 0, 1), Type.STRING, lab.unit.meter_id)


@defect("modem-update-result-negative", "LWM2M-33909.0.8", wire="dm")
def _(lab: Lab) -> None:
    """The result of the modem's update reads -1."""
    _report(lab, (33909, 0, 8), lambda: -1)


@defect("ecl-3", "LWM2M-33907.0.3", wire="dm")
def _(lab: Lab) -> None:
    """The ECL reads 3."""
    _report(lab, (33907, 0, 3), lambda: 3)


@defect("maximum-response-missing", "LWM2M-33910.x.6", wire="dm")
def _(lab: Lab) -> None:
    """The maximum response time is not offered."""
    del lab.unit.tree[Path(33910, 0, 6)]


# -- meter data


@defect("topic-ignored", "NET-37", wire="mdm")
def _(lab: Lab) -> None:
    """The configured topic is not used."""
    mdm = lab.unit.mdm
    mdm.topic_name = lambda: f"mr/{mdm.deveui}/standard"  # type: ignore[method-assign]


@defect("window-too-early", "SCH-09", wire="mdm")
def _(lab: Lab) -> None:
    """The transmit offset is taken as seconds."""
    settings, rng = lab.unit.settings, lab.unit.rng
    lab.unit.random_delay_s = lambda: rng.uniform(  # type: ignore[method-assign]
        settings.number("transmit_offset"), settings.number("transmit_offset"))


@defect("temperatures-swapped", "PAY-MBUS-07", "PAY-MBUS-08", "PAY-JSON-08", "PAY-JSON-09", "PAY-SENML-08",
        wire="mdm")
def _(lab: Lab) -> None:
    """Forward and return temperature are swapped."""
    def swapped(reading: Reading) -> Reading:
        return replace(reading, forward_c=reading.return_c, return_c=reading.forward_c)
    _read_as(lab, swapped)


@defect("energy-ten-times", "PAY-MBUS-03", "PAY-MBUS-17", "PAY-MBUS-24", "PAY-JSON-04", "PAY-SENML-08",
        "PAY-SENML-36", wire="mdm")
def _(lab: Lab) -> None:
    """The energy is ten times what the meter says."""
    def ten_times(reading: Reading) -> Reading:
        seven_digits = Decimal(10**7) * Decimal(1).scaleb(int(reading.energy.as_tuple().exponent))
        return replace(reading, energy=(reading.energy * 10 % seven_digits).quantize(reading.energy))
    _read_as(lab, ten_times)


@defect("local-time-sent", "TIME-03", "TIME-04", "TIME-06", "TIME-08", "TIME-09", "PAY-MBUS-01", "PAY-JSON-03",
        "PAY-SENML-04", wire="mdm")
def _(lab: Lab) -> None:
    """The UTC offset is not subtracted."""
    write = lab.unit.writer

    def writer() -> TelegramWriter:
        made = write()
        made.utc_offset_minutes = 0
        return made
    lab.unit.writer = writer  # type: ignore[method-assign]


# -- payload


@defect("energy-vif-coarse", "PAY-MBUS-03", "PAY-MBUS-20", "PAY-MBUS-24", "PAY-SENML-08", "PAY-SENML-37",
        wire="mdm")
def _(lab: Lab) -> None:
    """Energy in kWh is sent with the VIF of 10 kWh."""
    _spoil_part(lab, "energy", lambda writer, dib, reading: dib.replace(b"\x04\x06", b"\x04\x07", 1))


@defect("energy-stale", "PAY-MBUS-24", wire="mdm")
def _(lab: Lab) -> None:
    """The energy is that of the readout before."""
    last: list[Reading] = []

    def stale(reading: Reading) -> Reading:
        before, last[:] = last[:], [reading]
        return replace(reading, energy=before[0].energy) if before and _counted_on(before[0], reading) else reading
    _read_as(lab, stale)


@defect("customer-number-sent", "PAY-MBUS-02", "PAY-JSON-02", "PAY-SENML-06", wire="mdm")
def _(lab: Lab) -> None:
    """The customer number is sent where the fabrication number is asked for."""
    lab.unit.meter_id = lambda: lab.meter.property_number  # type: ignore[method-assign]


@defect("flow-sign-lost", "PAY-MBUS-06", "PAY-MBUS-21", "PAY-JSON-07", "PAY-SENML-08", wire="mdm")
def _(lab: Lab) -> None:
    """Reversed flow is sent as positive."""
    _read_as(lab, lambda reading: replace(reading, flow_m3ph=abs(reading.flow_m3ph)))


@defect("flag-bytes-swapped", "PAY-MBUS-09", "PAY-SENML-08", "PAY-SENML-37",
        *(f"PAY-ERR-{bit:02d}" for bit in range(12)), wire="mdm")
def _(lab: Lab) -> None:
    """The error flags are sent most significant byte first."""
    _spoil_part(lab, "error_flags", lambda writer, dib, reading: dib[:3] + dib[:2:-1])


@defect("tariffs-swapped", "PAY-MBUS-10", "PAY-MBUS-11", "PAY-JSON-11", "PAY-JSON-12", "PAY-SENML-08", wire="mdm")
def _(lab: Lab) -> None:
    """Tariff 1 and 2 are swapped."""
    def swapped(reading: Reading) -> Reading:
        first, second, third = reading.tariffs
        return replace(reading, tariffs=(second, first, third))
    _read_as(lab, swapped)


@defect("tariff-3-missing", "PAY-MBUS-12", "PAY-MBUS-14", "PAY-MBUS-16", "PAY-MBUS-20", "PAY-SENML-08",
        "PAY-SENML-37", "PAY-SENML-39", wire="mdm")
def _(lab: Lab) -> None:
    """DIB 12 is left out of extended telegrams."""
    _spoil_part(lab, "tariff", lambda writer, dib, reading, number: b"" if number == 3 else dib)


@defect("missing-time-binary", "PAY-MBUS-13", "PAY-SENML-08", "PAY-SENML-37", wire="mdm")
def _(lab: Lab) -> None:
    """The missing time is an INT32 under the DIF of a BCD number."""
    _spoil_part(lab, "missing_time",
                lambda writer, dib, reading: dib[:2] + reading.missing_time_h.to_bytes(4, "little"))


@defect("year-one-ahead", "PAY-MBUS-01", "PAY-MBUS-23", "PAY-MBUS-24", "TIME-03", "TIME-04", "TIME-05", "TIME-06",
        "TIME-08", "TIME-20", wire="mdm")
def _(lab: Lab) -> None:
    """M-Bus telegrams carry next year's date."""
    _spoil_part(lab, "date_time", lambda writer, dib, reading: writer.__class__.date_time(
        writer, replace(reading, time=reading.time.replace(year=reading.time.year + 1, day=min(reading.time.day, 28)))))


@defect("summer-time-bit", "PAY-MBUS-01", "TIME-19", wire="mdm")
def _(lab: Lab) -> None:
    """Bit 15 of the M-Bus time is set."""
    _spoil_part(lab, "date_time", lambda writer, dib, reading: dib[:3] + bytes([dib[3] | 0x80]) + dib[4:])


@defect("id-bytes-reversed", "PAY-MBUS-02", "PAY-SENML-37", wire="mdm")
def _(lab: Lab) -> None:
    """The meter id is sent most significant byte first."""
    _spoil_part(lab, "meter_id", lambda writer, dib, reading: dib[:2] + dib[:1:-1])


@defect("dib-order", "PAY-MBUS-14", "PAY-SENML-10", "PAY-SENML-39", wire="mdm")
def _(lab: Lab) -> None:
    """Flow comes before power."""
    def swapped(writer: TelegramWriter, data: bytes, reading: Reading) -> bytes:
        power, flow = writer.power(reading), writer.flow(reading)
        return data.replace(power + flow, flow + power, 1)
    _spoil_part(lab, "registers", swapped)


@defect("json-unit-2-twice", "PAY-JSON-01", wire="mdm")
def _(lab: Lab) -> None:
    """The unit of tariff 3 has the key U2."""
    _spoil_part(lab, "json", lambda writer, text, reading: text.replace(b'"U3"', b'"U2"'))


@defect("json-energy-unit", "PAY-JSON-04", "PAY-SENML-37", wire="mdm")
def _(lab: Lab) -> None:
    """The energy in JSON is said to be in kWh whatever its unit."""
    _spoil_part(lab, "json_fields", lambda writer, fields, reading: [
        (key, '"kWh"' if key == "U" else value) for key, value in fields])


@defect("json-energy-rounded", "PAY-JSON-04", "PAY-JSON-19", "PAY-SENML-37", wire="mdm")
def _(lab: Lab) -> None:
    """The energy in JSON has one digit less than the meter shows."""
    _spoil_part(lab, "json_fields", lambda writer, fields, reading: [
        (key, value[:-1] if key == "E" and "." in value[:-2] else value) for key, value in fields])


@defect("base-time-label", "PAY-SENML-03", "TIME-20", wire="mdm")
def _(lab: Lab) -> None:
    """The base time has label -1."""
    _spoil_pack(lab, lambda pack, readings: [{-1 if label == -3 else label: value for label, value in record.items()}
                                             for record in pack])


@defect("encoder-version-unknown", "PAY-SENML-14", "PAY-SENML-37", "TIME-20", wire="mdm")
def _(lab: Lab) -> None:
    """The encoder version is 1, which no receiver may read."""
    _spoil_pack(lab, lambda pack, readings: [{**record, 2: 1} if record.get(0) == "V" else record for record in pack])


@defect("senml-local-time", "PAY-SENML-04", "TIME-20", wire="mdm")
def _(lab: Lab) -> None:
    """The base time in SenML is local time; M-Bus and JSON are right."""
    def local(pack: Pack, readings: Sequence[Reading]) -> Pack:
        return [{**pack[0], -3: round(readings[0].time.replace(tzinfo=UTC).timestamp())}, *pack[1:]]
    _spoil_pack(lab, local)


@defect("split-without-identity", "PAY-SENML-33", wire="mdm")
def _(lab: Lab) -> None:
    """Only the first pack of a transmission says which meter it is of."""
    def anonymous(writer: TelegramWriter, packs: list[tuple[bytes, list[Reading]]],
                  readings: Sequence[Reading]) -> list[tuple[bytes, list[Reading]]]:
        if writer.encoding != SENML_CBOR:
            return packs
        return packs[:1] + [(_without_name(payload), carried) for payload, carried in packs[1:]]
    _spoil_part(lab, "telegrams", anonymous)


@defect("removed-meter-stale", "SCH-28", wire="meter")
def _(lab: Lab) -> None:
    """While the meter does not answer, its last values are sent with new times."""
    unit = lab.unit
    read = unit.read_meter

    def read_or_invent(*, extra: bool) -> Reading | None:
        reading = read(extra=extra)
        latest = unit.storage.latest
        if reading is None and latest is not None:
            reading = replace(latest, time=lab.meter.clock_now().replace(second=0, microsecond=0))
            unit.storage.add(reading, extra=extra)
        return reading
    unit.read_meter = read_or_invent  # type: ignore[method-assign]


Pack = list[dict[int, object]]


def _spoil_part(lab: Lab, part: str, spoiled: Callable[..., object]) -> None:
    """Let ``spoiled`` change what the method ``part`` of the telegram writer gives; it gets the writer, the healthy
    result, and the arguments.
    """
    write = lab.unit.writer

    def writer() -> TelegramWriter:
        made = write()
        healthy = getattr(made, part)
        setattr(made, part, lambda *arguments: spoiled(made, healthy(*arguments), *arguments))
        return made
    lab.unit.writer = writer  # type: ignore[method-assign]


def _spoil_pack(lab: Lab, spoiled: Callable[[Pack, Sequence[Reading]], Pack]) -> None:
    """Let ``spoiled`` change the records of each SenML pack."""
    _spoil_part(lab, "senml", lambda writer, payload, readings: cbor2.dumps(spoiled(cbor2.loads(payload), readings)))


def _without_name(payload: bytes) -> bytes:
    return cbor2.dumps([{label: value for label, value in record.items() if label != -2}
                        for record in cbor2.loads(payload)])


def _counted_on(before: Reading, after: Reading) -> bool:
    """The energy register went on from ``before`` to ``after``, and was not set to something else in between."""
    return (before.energy_unit == after.energy_unit and before.energy.same_quantum(after.energy)
            and 0 <= after.energy - before.energy < before.energy / 1000)


# -- tools


def _resource(lab: Lab, path: tuple[int, int, int]) -> Resource:
    return lab.unit.tree[Path(*path)]


def _report(lab: Lab, path: tuple[int, int, int], read: Callable[[], object]) -> None:
    """Let a resource read as something else."""
    _resource(lab, path).read = read


def _retype(lab: Lab, path: tuple[int, int, int], kind: Type, read: Callable[[], object]) -> None:
    """Let a resource be of another type."""
    resource = _resource(lab, path)
    resource.type, resource.read = kind, read


def _restage(lab: Lab, path: tuple[int, int, int], stage: Callable[[Any], Mapping[str, Value]]) -> None:
    """Let a resource take other values over DM."""
    _resource(lab, path).stage = stage


def _accept(lab: Lab, setting: str, accepts: Callable[[Value], bool]) -> None:
    """Let a setting take other values."""
    rules = lab.unit.settings.rules
    rules[setting] = replace(rules[setting], accepts=accepts)


def _read_as(lab: Lab, spoil: Callable[[Reading], Reading]) -> None:
    """Spoil what the unit takes from the meter."""
    take = lab.unit.take_registers
    lab.unit.take_registers = lambda: spoil(take())  # type: ignore[method-assign]
