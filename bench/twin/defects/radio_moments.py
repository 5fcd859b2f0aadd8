"""Defects of the radio at one moment or in one band only: the second update, one message, one band at its edge."""

from __future__ import annotations

from dataclasses import replace

from bench.protocols.mqttsn import Message
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.modem import Modem
from bench.twin.defects.registry import defect
from bench.twin.defects.settings import Changed


@defect("register-waits-60-s-by-default", "NET-31", wire="mdm", kind="protocol")
class RegisterWaits60S(MdmClient):
    """At the default time-out of 92 s a REGISTER is repeated after 60 s; all else, and any other time-out, is right."""

    registering = False

    async def _register(self) -> Message | None:
        self.registering = True
        try:
            return await super()._register()
        finally:
            self.registering = False

    def timeout_s(self) -> float:
        timeout_s = super().timeout_s()
        return 60.0 if self.registering and timeout_s == 92 else timeout_s


@defect("each-second-update-early", "NET-14", wire="cell")
class EachSecondUpdateEarly(Modem):
    """After a tracking area update the next one comes at half of T3412, and that after it in time."""

    updates = 0

    def renegotiate(self) -> None:
        self.updates += 1
        super().renegotiate()

    def released(self) -> None:
        granted = self.granted
        if self.updates % 2 and granted.t3412_s:
            self.granted = replace(granted, t3412_s=granted.t3412_s // 2)
        super().released()
        self.granted = granted


@defect("band-3-not-found-below-131-dbm", "NET-10", wire="cell")
class Band3NotFound(Modem):
    """In band 3 a cell below -131 dBm is not found."""

    def hears(self, bands: frozenset[int]) -> int | None:
        band = super().hears(bands)
        return None if band == 3 and self.cell.carriers[3] - self.cell.attenuation_db < -131.0 else band


@defect("third-band-of-a-list-ignored", "LWM2M-33906.0.53", wire="cell")
class ThirdBandIgnored(Joining):
    """Of a list of bands the first two are searched first."""

    def choose_bands(self, started: bool) -> None:
        super().choose_bands(started)
        listed = list(map(int, self.settings.text("radio_bands").split(",")))
        self.modem.bands &= set(listed[:2])


@defect("broken-after-four-failures-at-most", "NET-34", wire="mdm", kind="protocol")
class BrokenAfterFourFailures(Changed):
    """The connection counts as broken after four failures where more are allowed."""

    setting = "mdm_communication_failures"

    def used(self, value: int) -> int:
        return min(value, 4)


@defect("usual-topic-after-a-failure", "NET-37", "OTC-T11-10", wire="mdm", kind="protocol")
class UsualTopicAfterAFailure(MdmClient):
    """After a telegram that was given up the next session registers the usual topic, not the configured one."""

    def topic_name(self) -> str:
        return self.usual_topic() if self.failures else super().topic_name()
