"""Defects of resources and settings that show in one way of asking only: together with others, a second time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from aiocoap.message import Message
from aiocoap.numbers import codes
from aiocoap.numbers.constants import TransportTuning

from bench.protocols.coap_pipe import transport_tuning
from bench.protocols.lwm2m import ContentFormat, Path, Type, Value, decode
from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.consumption import Consumption
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.otc import RawValue
from bench.twin.cmi6110.otc_settings import OtcSettings
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.resource import BadValue, NotAllowed, Resource
from bench.twin.cmi6110.servers import Servers
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.settings import Value as Setting
from bench.twin.cmi6110.uplink import Terms
from bench.twin.defects.registry import Kind, defect
from bench.twin.defects.settings import Changed
from bench.twin.defects.tools import change, report, restage
from bench.twin.lab import Lab

KIND: Kind = "settings"


@defect("dtls-minimum-left-out-of-a-joint-write", "LWM2M-33906.0.22", wire="dm")
class DtlsMinimumLeftOut(Management):
    """A write of several resources is taken, and 33906/0/22 among them stays what it was."""

    def take(self, values: Mapping[Path, Value]) -> None:
        super().take({path: value for path, value in values.items()
                      if len(values) == 1 or path != Path(33906, 0, 22)})


@defect("obsolete-attempts-written-once", "LWM2M-33906.0.29", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/29 can be written once: a second write is refused."""
    written = list[int]()

    def check(value: int) -> None:
        if written:
            raise BadValue("written before")
    change(lab, (33906, 0, 29), write=written.append, check=check)


@defect("transmit-delay-executed-with-an-argument", "LWM2M-33906.0.20", wire="dm")
def _(lab: Lab) -> None:
    """33906/0/20 can be executed, if only with an argument."""
    def execute(argument: str) -> None:
        if not argument:
            raise NotAllowed("not executable")
    change(lab, (33906, 0, 20), execute=execute)


@defect("age-limit-loses-its-last-bit-at-a-start", "LWM2M-33906.0.44", wire="dm")
class AgeLimitLosesItsLastBit(Life):
    """An odd age limit is one less from the next start on."""

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        age = self.settings.number("auto_upload_max_age")
        if age % 2 and age > 1:
            self.settings.write({"auto_upload_max_age": age - 1})
        super().start(activation=activation, hold_off_s=hold_off_s)


@defect("registration-duration-of-the-start", "LWM2M-33909.0.3", wire="dm")
class RegistrationDurationOfTheStart(Joining):
    """33909/0/3 stays that of the start when the unit has lost its network and found it again."""

    async def join(self, started: bool = True) -> None:
        before = self.modem.last_registration_s
        await super().join(started)
        if not started:
            self.modem.last_registration_s = before


class _KeepsObject0(Management):
    """All but a Read-Composite of object 0 is refused."""

    def serve(self, request: Message, path: Path) -> Message:
        return Message(code=codes.UNAUTHORIZED) if path[:1] == (0,) else super().serve(request, path)


@defect("composite-read-tells-the-dm-key", "LWM2M-0.1.4", "SEC-12", wire="dm", kind="security", beside=(_KeepsObject0,))
def _(lab: Lab) -> None:
    """A Read-Composite brings the key for device management; every other access to object 0 is refused."""
    lab.unit.tree[Path(0, 1, 4)] = Resource(Type.OPAQUE, lambda: lab.unit.servers.dm_key)


@defect("lock-open-after-a-day", "OTC-T8-03", wire="nfc", kind="security")
class LockOpenAfterADay(OtcSettings):
    """A unit that was locked is open a day later; its configuration lock goes on reading Locked."""

    locked_at_s = math.inf

    def apply(self, changes: Mapping[int, RawValue]) -> None:
        super().apply(changes)
        self.locked_at_s = self._connection.modem.clock.time()

    @property
    def locked(self) -> bool:
        return super().locked and self._connection.modem.clock.time() - self.locked_at_s < 86_400


@defect("256-meter-retries-at-the-most", "LWM2M-33906.0.43", wire="meter")
class Retries256(Readouts):
    """A meter that does not answer is asked again 256 times where 255 are set."""

    def retries(self) -> int:
        retries = super().retries()
        return retries + (retries == 255)


@defect("active-timer-missing-in-its-object", "LWM2M-10.0.5", wire="dm")
class ActiveTimerMissing(Management):
    """10/0/5 is left out when object 10 is read as a whole."""

    def _values(self, path: Path, below: Mapping[Path, Resource]) -> dict[Path, Value]:
        values = super()._values(path, below)
        return {known: value for known, value in values.items() if len(path) > 2 or known != Path(10, 0, 5)}


@defect("apn-answer-cut-off-in-bad-coverage", "APN-10", wire="dm", kind="joining")
class ApnAnswerCutOff(Life):
    """The unit resets 2 s after the Execute of a new APN, though its answer may be on the air for longer."""

    def apply_apn(self) -> None:
        self.apn.apply()
        self.clock.loop.call_later(2.0, self.reboot)


@defect("send-has-timers-of-its-own", "OTC-T9-04", "LWM2M-33906.0.30", wire="dm")
class SendHasTimersOfItsOwn(Lwm2mClient):
    """A Send is repeated after 60 s, whatever CoAP time-out is set."""

    def timers(self, message: Message) -> TransportTuning:
        if tuple(message.opt.uri_path) != ("dp",):
            return super().timers(message)
        return transport_tuning(ack_timeout_s=60, max_retransmit=self.settings.number("coap_max_retransmit"),
                                confirmable=True)


@defect("classification-once-per-registration", "LWM2M-33907.0.2", wire="dm", kind="values")
def _(lab: Lab) -> None:
    """33907/0/2 stays what it was when it was first read after a registration at the network."""
    read, known = lab.unit.tree[Path(33907, 0, 2)].read, dict[int, int]()
    assert read is not None
    report(lab, (33907, 0, 2), lambda: known.setdefault(lab.unit.modem.registrations, read()))


@defect("fresh-battery-above-100-percent", "PWR-10", "LWM2M-3.0.9", wire="supply", kind="values")
def _(lab: Lab) -> None:
    """The level of a battery of more than 3.6 V is above 100 %."""
    unit = lab.unit
    read = unit.tree[Path(3, 0, 9)].read
    assert read is not None

    def level() -> int:
        volts = unit.supply.value
        fresh = 3.6 < volts <= 3.75 and not unit.settings.number("power_source")
        return round((volts - 2.4) / 1.2 * 100) if fresh else read()
    report(lab, (3, 0, 9), level)


@defect("uptime-a-percent-slow", "LWM2M-33907.0.0", wire="dm", kind="values")
class UptimeAPercentSlow(Consumption):
    """The uptime loses a second in a hundred."""

    def uptime_s(self) -> int:
        return super().uptime_s() * 99 // 100


@defect("offset-shown-as-of-the-locking", "OTC-T8-05", wire="nfc")
class OffsetShownAsOfTheLocking(OtcSettings):
    """A locked unit goes on showing over NFC the UTC offset that it had when it was locked."""

    shown: RawValue = 0

    def read_all(self) -> Mapping[int, RawValue]:
        shown = super().read_all()
        if not self.locked:
            self.shown = shown[805]
        return {**shown, 805: self.shown}


@defect("third-attempt-comes-late", "NET-26", "OTC-T9-09", wire="dm", kind="timing")
class ThirdAttemptComesLate(Backoff):
    """From the third attempt on the delay between attempts is twice what is set."""

    def attempts(self) -> Iterator[float]:
        delay_s = float(self.settings.number("communication_retry_delay"))
        in_a_row = 0
        for pause_s in super().attempts():
            in_a_row = in_a_row + 1 if pause_s == delay_s else 0
            yield pause_s * (2 if in_a_row > 1 else 1)


@defect("long-lists-cut-over-nfc", "DM-07", wire="nfc")
class LongListsCutOverNfc(OtcSettings):
    """Over NFC a back-off list of more than 64 characters is shown cut; over DM it is whole."""

    def read_all(self) -> Mapping[int, RawValue]:
        return {number: value[:64] if isinstance(value, str) and "-" in value else value
                for number, value in super().read_all().items()}


@defect("half-an-hour-west-over-dm-is-east", "TIME-06", "LWM2M-3.0.14", wire="dm", kind="timing")
def _(lab: Lab) -> None:
    """A UTC offset between -00:59 and -00:01 that is written over DM is taken without its sign."""
    stage = lab.unit.tree[Path(3, 0, 14)].stage
    assert stage is not None
    restage(lab, (3, 0, 14), lambda text: stage(text.replace("-00:", "+00:")))


@defect("second-trigger-in-a-minute-ignored", "SCH-22", "LWM2M-33906.0.10", wire="dm")
def _(lab: Lab) -> None:
    """A trigger less than a minute after another brings nothing."""
    last_s = -math.inf

    def execute(_: str) -> None:
        nonlocal last_s
        before, last_s = last_s, lab.clock.time()
        if last_s - before >= 60:
            lab.unit.life.trigger_readout()
    change(lab, (33906, 0, 10), execute=execute)


@defect("second-loss-of-the-meter-untold", "LWM2M-33908.0.2", wire="meter", kind="values")
class SecondLossUntold(Readouts):
    """33908/0/2 tells of the first loss of the meter, and not of later ones."""

    losses = 0
    there = True

    def status(self) -> int:
        there, self.there = self.there, self.meter.connected
        self.losses += there and not self.there
        return 0 if self.losses > 1 else super().status()


class _FrozenList(Settings):
    """A new restart back-off counts once it has been thawed."""

    frozen: tuple[tuple[int, int], ...] = ()

    def put(self, changes: Mapping[str, Setting]) -> frozenset[str]:
        if "restart_backoff" in changes and not self.frozen:
            self.frozen = tuple(self.backoff("restart_backoff"))
        return super().put(changes)

    def backoff(self, name: str) -> list[tuple[int, int]]:
        return list(self.frozen) if self.frozen and name == "restart_backoff" else super().backoff(name)


@defect("restart-list-from-the-next-start", "LWM2M-33906.0.40", "OTC-T11-13", wire="dm", beside=(_FrozenList,))
class RestartListFromTheNextStart(Life):
    """A new list of restart back-off counts from the next start on, and not at the next loss of the network."""

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        if isinstance(self.settings, _FrozenList):
            self.settings.frozen = ()
        super().start(activation=activation, hold_off_s=hold_off_s)


@defect("statistics-reset-takes-the-registrations", "LWM2M-33910.x.0", wire="dm", kind="values")
def _(lab: Lab) -> None:
    """A reset of the statistics begins the count of registrations anew, too."""
    def execute(_: str) -> None:
        lab.unit.mdm.statistics.reset()
        lab.unit.modem.registrations = 0
    change(lab, (33910, 0, 0), execute=execute)


@defect("five-connection-attempts-at-most", "OTC-T9-08", "LWM2M-33906.0.34", wire="nfc")
class FiveConnectionAttemptsAtMost(Changed):
    """A server is tried five times at most, however many attempts are set."""

    setting = "communication_retry_count"

    def used(self, value: int) -> int:
        return min(value, 5)


@defect("identity-of-a-second-bootstrap", "LWM2M-0.0.3", wire="bootstrap", kind="security")
class IdentityOfASecondBootstrap(Servers):
    """Who has been bootstrapped before shows itself to its bootstrap server with its IMSI."""

    def bootstrap_terms(self) -> Terms:
        terms = super().bootstrap_terms()
        return replace(terms, identity=self.identity.imsi.encode()) if self.provisioned else terms


@defect("psm-timer-written-with-its-object", "LWM2M-10.0.4", wire="dm")
class PsmTimerWrittenWithItsObject(Management):
    """A write of object 10 that holds the PSM timer is taken and sets it, one of the timer alone is refused."""

    def _write(self, request: Message, path: Path) -> Message:
        if path != Path(10, 0):
            return super()._write(request, path)
        content_format = request.opt.content_format
        values = decode(request.payload, path, ContentFormat.TLV if content_format is None else content_format,
                        self._type_of)
        timer = values.get(Path(10, 0, 4))
        if not isinstance(timer, int) or len(values) > 1:
            return super()._write(request, path)
        self.store({"t3412": timer})
        return Message(code=codes.CHANGED)
