"""Defects of the unit on the air: what it asks of the network, bands, coverage, what it reports of the radio."""

from __future__ import annotations

from dataclasses import replace

from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.modem import Modem
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report
from bench.twin.lab import Lab
from bench.twin.radio.nas import PowerSaving

# -- what it asks for


@defect("t3324-not-requested", "NET-11", wire="cell")
class T3324NotRequested(Modem):
    """The unit does not ask for an active timer."""

    def asks(self) -> PowerSaving:
        return replace(super().asks(), t3324_s=None)


@defect("timers-never-change", "NET-15", wire="cell")
class TimersNeverChange(Modem):
    """The unit asks for the default timers whatever is set."""

    def asks(self) -> PowerSaving:
        return replace(super().asks(), t3324_s=120, t3412_s=252000)


@defect("edrx-half-octet", "NET-17", "LWM2M-10.0.9", wire="cell")
class EdrxHalfOctet(Modem):
    """The paging time window is missing in the eDRX value that the unit asks for."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return replace(asked, edrx=(asked.edrx or 0) & 0x0F)


@defect("psm-mode-without-psm", "NET-16", "OTC-T10-04", wire="cell")
class PsmModeWithoutPsm(Modem):
    """In mode PSM the unit asks for eDRX."""

    def asks(self) -> PowerSaving:
        return PowerSaving(edrx=0x13) if self.settings.number("power_saving_mode") == 2 else super().asks()


# -- what it makes of what is granted


@defect("granted-timers-ignored", "NET-13", "NET-14", wire="cell")
class GrantedTimersIgnored(Modem):
    """The unit keeps to the timers that it has asked for."""

    def register(self, band: int, apn: str) -> PowerSaving | None:
        return super().register(band, apn) and self.asks()


@defect("no-periodic-update", "NET-14", wire="cell")
class NoPeriodicUpdate(Modem):
    """The unit never updates its tracking area."""

    def renegotiate(self) -> None:
        """Say nothing."""


@defect("deaf-when-idle", "NET-18", wire="dm")
class DeafWhenIdle(Modem):
    """An idle unit listens in one paging window of four only."""

    def downlink_delay(self, size: int) -> float | None:
        delay_s = super().downlink_delay(size)
        if delay_s is None or self.state != "idle":
            return delay_s
        return delay_s + self.rng.randrange(4) * self.granted.edrx_cycle_s


@defect("release-assistance-ignored", "NET-35", "LWM2M-33906.0.51", wire="cell")
class ReleaseAssistanceIgnored(Modem):
    """33906/0/51 has no effect."""

    def indicates(self, release_assistance: int) -> int:
        return 0


# -- bands, search, coverage


@defect("band-ignored", "NET-05", "OTC-T10-03", wire="cell")
class BandIgnored(Modem):
    """The unit takes the strongest cell, whatever band is set."""

    def bands_to_search(self, searched_s: float, search_s: float) -> frozenset[int]:
        return frozenset()


@defect("band-never-given-up", "NET-06", "OTC-T10-03", wire="cell")
class BandNeverGivenUp(Modem):
    """The unit searches in no other band than the one that is set."""

    def bands_to_search(self, searched_s: float, search_s: float) -> frozenset[int]:
        return self.bands


@defect("no-band-3", "NET-03", "NET-07", wire="cell")
class NoBand3(Modem):
    """The unit does not find cells in band 3."""

    def hears(self, bands: frozenset[int]) -> int | None:
        band = super().hears(bands)
        return None if band == 3 else band


@defect("lost-at-level-2", "LWM2M-33907.0.3", "ACT-06", wire="cell")
class LostAtLevel2(Modem):
    """The unit finds no cell that needs repetitions of level 2."""

    def hears(self, bands: frozenset[int]) -> int | None:
        return None if self.cell.conditions.level == 2 else super().hears(bands)


@defect("detached-stays-away", "LWM2M-33909.0.2", wire="cell")
class DetachedStaysAway(Life):
    """A unit that the network has detached does not attach again."""

    def network_lost(self) -> None:
        self.disconnect()


# -- what it reports


@defect("ecl-misreported", "LWM2M-33907.0.3", wire="dm")
def _(lab: Lab) -> None:
    """33907/0/3 is always 0."""
    report(lab, (33907, 0, 3), lambda: 0)


@defect("snr-in-whole-db", "LWM2M-33907.0.5", wire="dm")
def _(lab: Lab) -> None:
    """33907/0/5 is in dB instead of tenths."""
    report(lab, (33907, 0, 5), lambda: lab.cell.snr_tenth_db // 10)
