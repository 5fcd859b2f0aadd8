"""Defects of what a restart leaves: after the button, DM, a short dip of the supply or a long cut something is lost."""

from __future__ import annotations

from bench.protocols.lwm2m import Path
from bench.twin.cmi6110.accounts import BootstrapDraft
from bench.twin.cmi6110.connection import Connection
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.settings import RULES, Settings
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import change
from bench.twin.lab import Lab

DIP_S = 5.0
"""A cut of the supply up to so long is a dip here, and one of a minute or more is long."""
LONG_S = 60.0


class Forgetful(Power):
    """After a loss of supply that lasted between ``shortest_s`` and ``longest_s``, ``forget`` is called before the unit
    starts."""

    shortest_s = 0.0
    longest_s = float("inf")
    down_at_s: float | None = None

    def forget(self) -> None:
        """What is lost."""

    def is_lost(self) -> bool:
        return self.down_at_s is not None and (
            self.shortest_s <= self.life.clock.time() - self.down_at_s <= self.longest_s)

    def down(self) -> None:
        super().down()
        self.down_at_s = self.life.clock.time()

    def up(self) -> None:
        if self.is_lost():
            self.forget()
        super().up()


def forget(settings: Settings, *names: str) -> None:
    """Defaults in the place of these settings, without a word."""
    settings.put({name: RULES[name].default for name in names})


# -- the lock


@defect("power-cut-opens-the-lock", "SEC-08", "OTC-T8-03", wire="nfc")
class PowerCutOpensTheLock(Forgetful):
    """A locked unit that has lost its supply is open."""

    def forget(self) -> None:
        forget(self.settings, "configuration_lock")


@defect("long-cut-opens-the-lock", "SEC-08", "OTC-T8-03", wire="nfc")
class LongCutOpensTheLock(PowerCutOpensTheLock):
    """A locked unit that was a minute without supply is open."""

    shortest_s = LONG_S


@defect("reboot-by-button-opens-the-lock", "SEC-08", "OTC-T8-03", wire="nfc")
class RebootByButtonOpensTheLock(Power):
    """A locked unit that is rebooted by the button is open."""

    def button_released(self, held_s: float) -> None:
        if self.front.reboot_from_s <= held_s < self.front.off_from_s:
            forget(self.settings, "configuration_lock")
        super().button_released(held_s)


@defect("switching-off-opens-the-lock", "SEC-08", "OTC-T8-03", wire="nfc")
class SwitchingOffOpensTheLock(Power):
    """A locked unit that is switched off by the button is open."""

    def switch_off(self) -> None:
        forget(self.settings, "configuration_lock")
        super().switch_off()


@defect("reboot-over-dm-opens-the-lock", "SEC-08", "OTC-T8-03", wire="nfc")
def _(lab: Lab) -> None:
    """A locked unit that is rebooted over DM is open."""
    reboot = lab.unit.tree[Path(3, 0, 4)].execute
    assert reboot is not None

    def open_and_reboot(arguments: str) -> None:
        forget(lab.unit.settings, "configuration_lock")
        reboot(arguments)

    change(lab, (3, 0, 4), execute=open_and_reboot)


# -- settings


@defect("dip-forgets-the-topic", "LWM2M-33905.0.11", "OTC-T11-10", wire="supply")
class DipForgetsTheTopic(Forgetful):
    """After a dip of the supply of a second the topic is the default one."""

    longest_s = DIP_S

    def forget(self) -> None:
        forget(self.settings, "mqttsn_topic")


@defect("long-cut-forgets-the-interval", "LWM2M-33906.0.0", "OTC-T11-03", wire="supply")
class LongCutForgetsTheInterval(Forgetful):
    """After minutes without supply the readout interval is the default one."""

    shortest_s = LONG_S

    def forget(self) -> None:
        forget(self.settings, "readout_interval")


@defect("long-cut-forgets-a-name", "LWM2M-11.x.0", wire="supply")
class LongCutForgetsAName(Forgetful):
    """After minutes without supply the APN profile has its first name."""

    shortest_s = LONG_S

    def forget(self) -> None:
        forget(self.settings, "profile_name")


@defect("power-cut-forgets-the-eco-mode", "LWM2M-33906.0.3", wire="supply")
class PowerCutForgetsTheEcoMode(Forgetful):
    """After a power cut the eco mode is off."""

    def forget(self) -> None:
        forget(self.settings, "eco_mode")


@defect("dip-forgets-the-power-source", "LWM2M-33906.0.52", wire="supply")
class DipForgetsThePowerSource(Forgetful):
    """After a dip of the supply of a second the power source is the default one."""

    longest_s = DIP_S

    def forget(self) -> None:
        forget(self.settings, "power_source")


@defect("reboot-over-dm-forgets-the-offset", "LWM2M-3.0.14", "OTC-T8-05", wire="dm")
def _(lab: Lab) -> None:
    """A reboot over DM takes the UTC offset back to 0."""
    reboot = lab.unit.tree[Path(3, 0, 4)].execute
    assert reboot is not None

    def forget_and_reboot(arguments: str) -> None:
        forget(lab.unit.settings, "utc_offset")
        reboot(arguments)

    change(lab, (3, 0, 4), execute=forget_and_reboot)


@defect("reboot-by-button-forgets-a-list", "LWM2M-33906.0.41", "OTC-T12-05", wire="panel")
class RebootByButtonForgetsAList(Power):
    """A reboot by the button takes the reconnect back-off back to its default."""

    def button_released(self, held_s: float) -> None:
        if self.front.reboot_from_s <= held_s < self.front.off_from_s:
            forget(self.settings, "reconnect_backoff")
        super().button_released(held_s)


@defect("reboot-by-button-switches-nfc-on", "SEC-16", "LWM2M-33906.0.4", wire="nfc")
class RebootByButtonSwitchesNfcOn(Power):
    """NFC that was switched off over DM is on after a reboot by the button."""

    def button_released(self, held_s: float) -> None:
        if self.front.reboot_from_s <= held_s < self.front.off_from_s:
            self.settings.write({"nfc_enabled": 1})
        super().button_released(held_s)


@defect("power-cut-switches-nfc-on", "SEC-16", "LWM2M-33906.0.4", wire="nfc")
class PowerCutSwitchesNfcOn(Forgetful):
    """NFC that was switched off over DM is on after a power cut."""

    def forget(self) -> None:
        self.settings.write({"nfc_enabled": 1})


# -- power mode, and coming back


@defect("long-cut-activates-a-passive-unit", "OTC-T8-02", "ACT-11", wire="supply")
class LongCutActivatesAPassiveUnit(Forgetful):
    """A passive unit that was minutes without supply is active."""

    shortest_s = LONG_S

    def forget(self) -> None:
        self.settings.put({"power_mode": 1})


@defect("long-cut-leaves-the-unit-passive", "OTC-T8-02", "NET-19", wire="supply")
class LongCutLeavesTheUnitPassive(Forgetful):
    """An active unit that was minutes without supply is passive."""

    shortest_s = LONG_S

    def forget(self) -> None:
        self.settings.put({"power_mode": 0})


@defect("hangs-after-a-dip", "NET-19", wire="supply")
class HangsAfterADip(Forgetful):
    """After a dip of the supply between half a second and five the unit does not start."""

    shortest_s, longest_s = 0.5, DIP_S

    def up(self) -> None:
        if not self.is_lost():
            super().up()


@defect("hangs-after-ten-minutes", "NET-19", wire="supply")
class HangsAfterTenMinutes(Forgetful):
    """After ten minutes without supply the unit does not start."""

    shortest_s = 595.0

    def up(self) -> None:
        if not self.is_lost():
            super().up()


# -- accounts and keys


class KeysOfBefore(Life):
    """Keys that came later are lost with ``lost``."""

    dm_key = mdm_key = b""

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        if not self.dm_key:
            self.dm_key, self.mdm_key = self.servers.dm_key, self.servers.mdm_key
        super().start(activation=activation, hold_off_s=hold_off_s)


@defect("reboot-brings-back-the-mdm-key", "LWM2M-33905.0.5", "SEC-06", wire="mdm")
class RebootBringsBackTheMdmKey(KeysOfBefore):
    """A reboot brings back the delivered key for meter data."""

    def reboot(self) -> None:
        self.servers.mdm_key = self.mdm_key
        super().reboot()


@defect("reboot-brings-back-the-dm-key", "SEC-06", "LWM2M-0.1.4", wire="dm")
class RebootBringsBackTheDmKey(KeysOfBefore):
    """A reboot brings back the delivered key for device management."""

    def reboot(self) -> None:
        self.servers.dm_key = self.dm_key
        super().reboot()


@defect("power-cut-brings-back-the-keys", "SEC-06", "LWM2M-0.1.4", "LWM2M-33905.0.5", wire="dm")
class PowerCutBringsBackTheKeys(KeysOfBefore):
    """A power cut brings back the delivered keys."""

    def end(self) -> None:
        super().end()
        if not self.powered and self.dm_key:
            self.servers.dm_key, self.servers.mdm_key = self.dm_key, self.mdm_key


@defect("power-cut-ends-security", "LWM2M-33905.0.2", "SEC-13", wire="mdm")
class PowerCutEndsSecurity(Life):
    """After a power cut meter data go in clear."""

    def end(self) -> None:
        super().end()
        if not self.powered:
            self.servers.mdm_security = 3


@defect("reboot-forgets-the-lifetime", "LWM2M-1.1.1", "ACT-13", wire="dm")
class RebootForgetsTheLifetime(Life):
    """After a reboot the lifetime of the registration is a day."""

    def reboot(self) -> None:
        self.servers.dm.lifetime_s = 86_400
        super().reboot()


@defect("power-cut-forgets-the-short-server-id", "LWM2M-1.1.0", "LWM2M-0.1.10", wire="dm")
class PowerCutForgetsTheShortServerId(Life):
    """After a power cut the short server id is 1."""

    def end(self) -> None:
        super().end()
        if not self.powered:
            self.servers.dm.short_server_id = 1


@defect("power-cut-in-a-bootstrap-takes-half", "ACT-13", wire="supply")
class HalfABootstrapIsKept(Connection):
    """What a bootstrap server has written before a power cut counts."""

    begun: BootstrapDraft | None = None

    def cut(self) -> None:
        super().cut()
        if self.begun is not None and not self.begun.problem():
            self.adopt(self.begun)

    def adopt(self, draft: BootstrapDraft) -> None:
        self.begun = None
        super().adopt(draft)

    def make_draft(self) -> BootstrapDraft:
        self.begun = super().make_draft()
        return self.begun
