"""Defects of bootstrap and activation: what is taken, from whom, when; and what activation makes of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bench.protocols.lwm2m import Path, Value
from bench.twin.cmi6110.accounts import BootstrapDraft, DmAccount, MdmAccount
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.lwm2m_client import Lwm2mClient
from bench.twin.cmi6110.power import Power
from bench.twin.defects.registry import defect
from bench.twin.lab import Lab

# -- what is taken


@defect("bootstrap-without-an-end-taken", "ACT-13", wire="bootstrap")
class WithoutAnEndTaken(Lwm2mClient):
    """What a bootstrap server has written counts, though it never says that it has finished."""

    async def bootstrap(self, draft: BootstrapDraft) -> bool:
        await super().bootstrap(draft)
        return not draft.problem()


@defect("short-server-ids-not-compared", "ACT-13", wire="bootstrap")
class ShortServerIdsNotCompared(BootstrapDraft):
    """A server account is taken for that of whatever security account there is."""

    def problem(self) -> str:
        problem = super().problem()
        return "" if problem.startswith("no server with") and Path(1, 1, 0) in self.values else problem


REFUSED = "an account without notification storing"


class _StrictDraft(BootstrapDraft):
    def problem(self) -> str:
        return super().problem() or ("" if Path(1, 1, 6) in self.values else REFUSED)


@defect("refused-account-in-use", "ACT-13", wire="bootstrap", beside=(_StrictDraft,))
class RefusedAccountInUse(Lwm2mClient):
    """An account without notification storing (1/x/6) is refused, and used all the same."""

    async def bootstrap(self, draft: BootstrapDraft) -> bool:
        return await super().bootstrap(draft) or draft.problem() == REFUSED


@defect("account-with-notification-storing-refused", "ACT-13", "ACT-14", wire="bootstrap")
class NotificationStoringRefused(BootstrapDraft):
    """An account with notification storing (1/x/6), which the manual does not list, is refused."""

    def problem(self) -> str:
        return super().problem() or (REFUSED if Path(1, 1, 6) in self.values else "")


@defect("http-server-taken", "ACT-13", wire="bootstrap")
class HttpServerTaken(BootstrapDraft):
    """A URI of http is taken for that of a device management server."""

    def problem(self) -> str:
        problem = super().problem()
        uri = str(self.values.get(Path(0, 1, 0), ""))
        return "" if problem == "no URI of a device management server" and uri.startswith("http:") else problem


@defect("no-lifetime-taken", "ACT-13", wire="bootstrap")
class NoLifetimeTaken(BootstrapDraft):
    """A lifetime of 0 s is taken for a day."""

    def problem(self) -> str:
        if self.values.get(Path(1, 1, 1)) == 0:
            self.values[Path(1, 1, 1)] = 86_400
        return super().problem()


@defect("lifetime-in-16-bits", "LWM2M-1.1.1", "ACT-13", wire="dm")
class LifetimeIn16Bits(BootstrapDraft):
    """A lifetime counts modulo 65,536 s."""

    @property
    def dm(self) -> DmAccount:
        account = super().dm
        account.lifetime_s = account.lifetime_s % 65_536 or 65_536
        return account


@defect("short-lifetime-is-ten-minutes", "LWM2M-1.1.1", "ACT-13", wire="dm")
class ShortLifetimeIsTenMinutes(BootstrapDraft):
    """A lifetime of less than ten minutes is ten minutes."""

    @property
    def dm(self) -> DmAccount:
        account = super().dm
        account.lifetime_s = max(account.lifetime_s, 600)
        return account


@defect("short-server-id-in-15-bits", "LWM2M-1.1.0", "ACT-13", wire="dm")
class ShortServerIdIn15Bits(BootstrapDraft):
    """A short server id of more than 32767 counts as 32767."""

    @property
    def dm(self) -> DmAccount:
        account = super().dm
        account.short_server_id = min(account.short_server_id, 32_767)
        return account


@defect("bootstrapped-connection-ignored", "LWM2M-33905.0.10", "NET-36", wire="bootstrap")
class ConnectionIgnored(BootstrapDraft):
    """The MQTT-SN connection type that a bootstrap brings is not taken."""

    @property
    def mdm(self) -> MdmAccount:
        account = super().mdm
        return MdmAccount(account.uri, account.security, account.key, None, account.topic)


@defect("bootstrapped-topic-ignored", "LWM2M-33905.0.11", "NET-37", wire="bootstrap")
class TopicIgnored(BootstrapDraft):
    """The topic that a bootstrap brings is not taken."""

    @property
    def mdm(self) -> MdmAccount:
        account = super().mdm
        return MdmAccount(account.uri, account.security, account.key, account.connection, None)


@defect("delete-spares-the-dm-account", "ACT-13", "LWM2M-0.1.0", wire="bootstrap")
class DeleteSparesTheDmAccount(BootstrapDraft):
    """A Delete of everything leaves the account of the device management server."""

    def delete(self, path: Path) -> None:
        if path:
            super().delete(path)


@defect("bootstrap-account-overwritten", "LWM2M-0.0.0", wire="bootstrap")
class BootstrapAccountOverwritten(BootstrapDraft):
    """A bootstrap server may write the bootstrap account, and the unit says nothing of it."""

    def write(self, path: Path, values: Mapping[Path, Value]) -> None:
        if path[:2] != (0, 0):
            super().write(path, values)


@defect("other-objects-swallowed", "ACT-13", wire="bootstrap")
class OtherObjectsSwallowed(BootstrapDraft):
    """A bootstrap server may write object 3, and the unit says nothing of it."""

    def write(self, path: Path, values: Mapping[Path, Value]) -> None:
        if path[:1] != (3,):
            super().write(path, values)


# -- when


@defect("bootstraps-with-old-name", "ACT-14", "DM-01", wire="bootstrap")
class RegistersUnderAnotherName(Lwm2mClient):
    """The unit registers by another name than it bootstraps with."""

    async def register(self, account: DmAccount) -> bool:
        self.endpoint_name = f"urn:dev:{self.endpoint_name[:-1]}0"
        return await super().register(account)


@defect("activation-without-a-bootstrap", "ACT-12", wire="bootstrap")
class ActivationWithoutABootstrap(Life):
    """A unit that knows its servers does not ask the bootstrap server when it is activated."""

    bootstraps_on_activation = False


@defect("trigger-without-a-bootstrap", "LWM2M-1.0.9", wire="bootstrap")
class TriggerWithoutABootstrap(Life):
    """1/0/9 restarts the unit, and there is no bootstrap."""

    def bootstrap_again(self) -> None:
        self.later(self.reboot)


# -- activation


@defect("button-brings-default-intervals", "ACT-03", "ACT-07", wire="panel", kind="settings")
class ButtonBringsDefaultIntervals(Power):
    """Activation by the button takes the intervals back to their defaults."""

    def activate(self) -> None:
        self.settings.put({"readout_interval": 60, "report_interval": 60})
        super().activate()


@defect("button-brings-the-default-format", "ACT-03", "ACT-07", wire="panel", kind="settings")
class ButtonBringsTheDefaultFormat(Power):
    """Activation by the button takes the message format back to Standard."""

    def activate(self) -> None:
        self.settings.put({"message_format": 42})
        super().activate()


@defect("activation-forgets-the-offset", "ACT-03", "ACT-04", wire="nfc", kind="settings")
class ActivationForgetsTheOffset(Life):
    """A unit that is activated has a UTC offset of 0."""

    def settings_changed(self, names: frozenset[str]) -> None:
        if "power_mode" in names and self.active:
            self.settings.put({"utc_offset": 0})
        super().settings_changed(names)


def _goes_on_the_air(lab: Lab, after_s: float, for_s: float = 60.0) -> None:
    """``after_s`` after it was made passive the unit looks for the network once, and leaves it again."""
    unit = lab.unit

    async def look() -> None:
        passive_s = 0.0
        while True:
            await asyncio.sleep(60.0)
            passive_s = 0.0 if unit.life.active or not unit.life.powered else passive_s + 60.0
            if passive_s == after_s:
                await unit.modem.attach(None, 300.0)
                await asyncio.sleep(for_s)
                if not unit.life.active:
                    unit.modem.detach()

    lab.clock.spawn(look())


@defect("passive-unit-on-the-air-after-an-hour", "ACT-11", "OTC-T8-02", wire="cell", kind="silence")
def _(lab: Lab) -> None:
    """A unit that was made passive goes on the air an hour later, for a minute."""
    _goes_on_the_air(lab, 3600.0)


@defect("passive-unit-on-the-air-after-half-a-day", "ACT-11", "OTC-T8-02", wire="cell", kind="silence")
def _(lab: Lab) -> None:
    """A unit that was made passive goes on the air half a day later, for a minute."""
    _goes_on_the_air(lab, 43_200.0)
