"""Defects of resources that show in one way of asking only: together with others, with an argument, a second time."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiocoap.message import Message
from aiocoap.numbers import codes

from bench.protocols.lwm2m import Path, Type, Value
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.management import Management
from bench.twin.cmi6110.otc import RawValue
from bench.twin.cmi6110.otc_settings import OtcSettings
from bench.twin.cmi6110.readouts import Readouts
from bench.twin.cmi6110.resource import BadValue, NotAllowed, Resource
from bench.twin.defects.registry import Kind, defect
from bench.twin.defects.tools import change
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
