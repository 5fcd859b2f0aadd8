"""Defects of units that should say nothing, or nothing to that address."""

from __future__ import annotations

from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.mdm_client import MdmClient
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect
from bench.twin.lab import Lab
from bench.twin.radio.cell import Address

_HOUR_S = 3600.0
FOREIGN: Address = ("192.0.2.66", 5353)
"""A documentation address: the twin's network has no way to it."""


class _Restless(Life):
    """A unit that has become passive starts again ``again_after_s`` later, passive as it is."""

    again_after_s = _HOUR_S

    def restart(self, *, activation: bool) -> None:
        super().restart(activation=activation)
        if self.powered and not self.active:
            self.clock.loop.call_later(self.again_after_s, self._again)

    def _again(self) -> None:
        if self.powered and not self.active:
            self.start(activation=False)


@defect("passive-wakes-after-an-hour", "ACT-11", "BTN-04", wire="cell")
class WakesAfterAnHour(_Restless):
    """A unit that was made passive is on the air again an hour later."""

    again_after_s = _HOUR_S


@defect("passive-wakes-after-half-a-day", "ACT-11", "BTN-04", wire="cell")
class WakesAfterHalfADay(_Restless):
    """A unit that was made passive is on the air again half a day later."""

    again_after_s = 12 * _HOUR_S


@defect("switched-off-wakes-in-the-night", "BTN-04", wire="panel")
class WakesInTheNight(Power):
    """A unit that was switched off by the button starts at the meter's next midnight."""

    def switch_off(self) -> None:
        super().switch_off()
        now = self.life.schedule.clock_now()
        left_s = 86_400.0 - (now.hour * _HOUR_S + now.minute * 60 + now.second)
        self.life.clock.loop.call_later(left_s, self._wake)

    def _wake(self) -> None:
        if self.life.powered and not self.life.active:
            self.life.start(activation=False)


@defect("passive-keeps-its-appointment", "ACT-11", "BTN-04", wire="cell")
class KeepsItsAppointment(Life):
    """A unit that was made passive attaches for the transmission that it had planned, and detaches again."""

    def end(self) -> None:
        planned = self.schedule.transmits and not self.active
        super().end()
        if planned:
            left_s = self.schedule.seconds_to_grid(self.settings.number("transmit_interval"))
            self.clock.loop.call_later(left_s + self.schedule.window_s()[0],
                                       lambda: self.clock.spawn(self._keep_appointment()))

    async def _keep_appointment(self) -> None:
        if self.powered and not self.active and await self.modem.attach(self.apn.asked_for(), 60.0):
            await self.mdm.connect()
            self.end()


@defect("passive-forgotten-at-a-power-cut", "ACT-11", wire="supply")
class PassiveForgotten(Power):
    """A unit that was made passive is active after a power cut."""

    def up(self) -> None:
        if self.life.servers.provisioned:
            self.settings.write({"power_mode": 1})
        super().up()


# -- to foreign addresses


@defect("telegrams-copied-to-a-foreign-address", "NET-39", wire="cell")
class CopiedElsewhere(Transmissions):
    """Each telegram goes to a foreign address, too."""

    async def upload(self, payload: bytes, *, last: bool) -> bool:
        socket = await self.mdm.modem.open(lambda data: None)
        socket.send(FOREIGN, payload)
        sent = await super().upload(payload, last=last)
        socket.close()
        return sent


@defect("calls-home-each-day", "NET-39", wire="cell")
def _(lab: Lab) -> None:
    """Once a day the unit greets the bootstrap server of its maker, whatever is set."""
    unit = lab.unit

    def greet() -> None:
        lab.clock.loop.call_later(86_400.0, greet)
        if unit.modem.attached:
            lab.clock.spawn(_say(unit.life, b"\x48\x01\x00\x01"))

    lab.clock.loop.call_later(86_400.0 / 2, greet)


async def _say(life: Life, data: bytes) -> None:
    socket = await life.modem.open(lambda received: None)
    socket.send(("84.19.147.226", 5694), data)
    socket.close()


@defect("old-gateway-told-of-the-move", "NET-39", wire="mdm")
class OldGatewayTold(MdmClient):
    """A unit that was sent to another gateway first connects to the old one once more."""

    async def _connect(self) -> bool:
        server, old = self.server, self._uplink.server if self._uplink is not None else None
        if old is not None and server is not None and old != server:
            self.server = old
            self._connected = False
            await self.say_hello()
            self.server = server
        return await super()._connect()


@defect("second-gateway-forgotten-at-a-restart", "NET-39", "LWM2M-33905.0.0", wire="mdm")
class MoveForgotten(Connection):
    """A gateway written over DM is used until the next restart only."""

    told = ""

    def adopt(self, draft: BootstrapDraft) -> None:
        super().adopt(draft)
        self.told = draft.mdm.uri

    def cut(self) -> None:
        super().cut()
        if self.told:
            self.set_mdm_uri(self.told)


@defect("dns-query-after-an-outage", "SEC-17", "NET-39", wire="cell")
class DnsQueryAfterAnOutage(Life):
    """When the unit has come back to the network it asks a name server once."""

    def reached(self, stage: str) -> None:
        super().reached(stage)
        if stage == "registration" and self.modem.registrations > 1:
            self.jobs.do(self.ask())

    async def ask(self) -> None:
        socket = await self.modem.open(lambda data: None)
        socket.send((FOREIGN[0], 53), bytes.fromhex("1a2b0100000100000000000006656c7661636f03636f6d0000010001"))
