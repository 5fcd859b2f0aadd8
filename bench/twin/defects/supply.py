"""Defects that show when the supply fails, or when the unit is restarted."""

from __future__ import annotations

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.servers import Servers
from bench.twin.defects.registry import defect


class _AfterCuts(Power):
    """A unit that some cuts leave in a state in which it does nothing."""

    cut_at_s = 0.0
    cuts = 0

    def hangs(self, cut_s: float) -> bool:
        """Whether it hangs after a cut of ``cut_s``."""
        return False

    def down(self) -> None:
        self.cut_at_s = self.life.clock.time()
        self.cuts += 1
        super().down()

    def up(self) -> None:
        if not (self.cuts and self.hangs(self.life.clock.time() - self.cut_at_s)):
            super().up()


@defect("hangs-after-a-cut-of-a-second", "PWR-14", wire="supply")
class HangsAfterASecond(_AfterCuts):
    """After a supply cut of about a second the unit hangs: capacitors have kept half of it alive."""

    def hangs(self, cut_s: float) -> bool:
        return 0.5 <= cut_s <= 2.0


@defect("hangs-after-a-cut-of-ten-minutes", "PWR-14", wire="supply")
class HangsAfterTenMinutes(_AfterCuts):
    """After a supply cut of more than five minutes the unit hangs: its clock has stopped."""

    def hangs(self, cut_s: float) -> bool:
        return cut_s > 300.0


@defect("hangs-after-the-third-cut", "PWR-14", wire="supply")
class HangsAfterTheThird(_AfterCuts):
    """The third supply cut is one too many."""

    def hangs(self, cut_s: float) -> bool:
        return self.cuts >= 3


@defect("hangs-after-a-cut-in-a-search", "PWR-14", wire="supply")
class HangsAfterACutInASearch(_AfterCuts):
    """A supply cut while the unit searches its network leaves one that hangs."""

    searched = False

    def hangs(self, cut_s: float) -> bool:
        return self.searched

    def down(self) -> None:
        self.searched = self.modem.state == "searching"
        super().down()


@defect("hangs-after-a-cut-in-a-transmission", "PWR-14", wire="supply")
class HangsAfterACutInATransmission(_AfterCuts):
    """A supply cut while the radio is connected leaves a unit that hangs."""

    sent = False

    def hangs(self, cut_s: float) -> bool:
        return self.sent

    def down(self) -> None:
        self.sent = self.modem.state == "connected"
        super().down()


@defect("passive-after-a-cut-in-the-hold-off", "PWR-14", "NET-19", wire="supply")
class PassiveAfterASecondCut(Power):
    """A second supply cut within the brown-out delay leaves a passive unit."""

    def down(self) -> None:
        if self.life.active and self.modem.state == "off":
            self.settings.write({"power_mode": 0})
        super().down()


@defect("accounts-lost-at-a-power-cut", "PWR-14", "NET-39", wire="supply")
class AccountsLost(Power):
    """A power cut takes the servers' addresses out of the unit, which was given them over DM."""

    def down(self) -> None:
        servers: Servers = self.life.servers
        super().down()
        servers.mdm_uri = ""


# -- the brown-out delay


@defect("hold-off-after-every-reboot", "NET-19", wire="cell")
class HoldOffAfterEveryReboot(Life):
    """The brown-out delay is kept after a reboot, too."""

    def restart(self, *, activation: bool) -> None:
        self.end()
        if self.powered and self.active:
            self.start(activation=activation, hold_off_s=self.settings.number("brown_out_delay") / 2)


@defect("hold-off-after-activation", "NET-19", wire="cell")
class HoldOffAfterActivation(Life):
    """The brown-out delay is kept after an activation, too."""

    def start(self, *, activation: bool, hold_off_s: float = 0.0) -> None:
        super().start(activation=activation,
                      hold_off_s=self.settings.number("brown_out_delay") / 2 if activation else hold_off_s)


@defect("hold-off-of-the-default", "NET-19", "OTC-T10-10", "LWM2M-33906.0.38", wire="supply")
class HoldOffOfTheDefault(Power):
    """A brown-out delay of more than an hour is taken for six hours."""

    def hold_off_s(self) -> float:
        longest = self.settings.number("brown_out_delay")
        return self.rng.uniform(0.0, 21_600.0) if longest > 3600 else super().hold_off_s()


@defect("hold-off-not-ended-by-the-button", "BTN-09", wire="panel")
class HoldOffNotEnded(Power):
    """A press is ignored while the unit holds off after a power cut."""

    def button_released(self, held_s: float) -> None:
        if self.life.active and self.modem.state == "off":
            return
        super().button_released(held_s)
