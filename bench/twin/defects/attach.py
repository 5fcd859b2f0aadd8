"""Defects of searching, attaching, and of what the unit asks the network for (manual 5.3.5, Tables 10 and 11)."""

from __future__ import annotations

import random
from dataclasses import replace

from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.joining import Joining
from bench.twin.cmi6110.modem import AUTOMATIC_EDRX, Modem
from bench.twin.cmi6110.settings import Settings
from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report
from bench.twin.lab import Lab
from bench.twin.radio.nas import PowerSaving

# -- what it asks for


@defect("update-asks-for-the-default-timers", "NET-15", "NET-14", wire="cell")
class UpdateAsksForDefaults(Modem):
    """A tracking area update asks for the default timers, whatever the attach has asked for."""

    updating = False

    def renegotiate(self) -> None:
        self.updating = True
        super().renegotiate()
        self.updating = False

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return replace(asked, t3324_s=120, t3412_s=252_000) if self.updating else asked


@defect("t3324-of-31-min-at-most", "NET-15", "OTC-T10-05", wire="cell")
class T3324Capped(Modem):
    """A T3324 of more than 31 min is asked for as 31 min."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return replace(asked, t3324_s=min(asked.t3324_s, 1860)) if asked.t3324_s is not None else asked


@defect("t3412-of-310-h-at-most", "NET-15", "OTC-T10-06", wire="cell")
class T3412Capped(Modem):
    """A T3412 of more than 310 h is asked for as 310 h."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return replace(asked, t3412_s=min(asked.t3412_s, 1_116_000)) if asked.t3412_s is not None else asked


@defect("t3412-of-16-bit", "NET-15", "OTC-T10-06", wire="cell")
class T3412Of16Bit(Modem):
    """A T3412 that was set over NFC is used modulo 65,536 s; the default is not."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return asked if asked.t3412_s in (None, 252_000) else replace(asked, t3412_s=(asked.t3412_s or 0) % 65_536)


@defect("no-t3324-of-0", "NET-15", "OTC-T10-05", wire="cell")
class NoT3324Of0(Modem):
    """A T3324 of 0 s is not asked for."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return replace(asked, t3324_s=asked.t3324_s or None)


@defect("edrx-beside-psm", "NET-16", "OTC-T10-04", wire="cell")
class EdrxBesidePsm(Modem):
    """In mode PSM the unit asks for eDRX as well."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return replace(asked, edrx=asked.edrx or 0x13) if asked.t3324_s is not None else asked


@defect("edrx-halves-swapped", "NET-17", "OTC-T10-08", "LWM2M-10.0.9", wire="cell")
class EdrxSwapped(Modem):
    """Window and cycle of the eDRX value are swapped."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return asked if asked.edrx is None else replace(asked, edrx=(asked.edrx & 0x0F) << 4 | asked.edrx >> 4)


@defect("edrx-value-ignored", "NET-17", "OTC-T10-07", "LWM2M-33906.0.50", wire="cell")
class EdrxValueIgnored(Modem):
    """eDRX mode Manual is taken for Automatic, unless the value is the default."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return asked if asked.edrx in (None, 0x13) else replace(asked, edrx=AUTOMATIC_EDRX)


@defect("release-assistance-of-1", "NET-35", "LWM2M-33906.0.51", wire="cell")
class ReleaseAssistanceOf1(Modem):
    """The unit tells the network that nothing follows at all, and not that an answer does."""

    def indicates(self, release_assistance: int) -> int:
        return min(release_assistance, 1)


@defect("release-assistance-until-a-restart", "NET-35", "LWM2M-33906.0.51", wire="cell")
class ReleaseAssistanceForgotten(Modem):
    """33906/0/51 counts until the next restart, and reads as it was written."""

    written = False

    def detach(self) -> None:
        super().detach()
        self.written = True

    def indicates(self, release_assistance: int) -> int:
        return 0 if self.written else release_assistance


# -- searches and their pauses


@defect("search-period-of-8-bit", "NET-20", "OTC-T10-11", "LWM2M-33906.0.39", wire="cell")
class SearchPeriodOf8Bit(Settings):
    """The search period is used modulo 256."""

    def number(self, name: str) -> int:
        value = super().number(name)
        return value % 256 if name == "search_period" and value != 21_600 else value


@defect("restart-list-of-six", "NET-29", "LWM2M-33906.0.40", wire="cell")
class RestartListOfSix(Settings):
    """Of a back-off list the first six ranges count."""

    def backoff(self, name: str) -> list[tuple[int, int]]:
        return super().backoff(name)[:6]


@defect("restart-pauses-alike-in-each-cycle", "NET-29", wire="cell")
class PausesAlikeInEachCycle(Backoff):
    """The pauses are drawn at random, and are the same in each cycle."""

    def pause_s(self, setting: str, failures: int) -> float:
        if setting != "restart_backoff":
            return super().pause_s(setting, failures)
        ranges = self.settings.backoff(setting)
        low, high = ranges[min(failures, len(ranges) - 1)]
        return random.Random(failures).uniform(low, high) * 60


@defect("gives-up-after-32-searches", "ACT-08", "NET-29", wire="cell")
class GivesUpAfter32(Backoff):
    """After 32 searches in vain there is no other."""

    def pause_s(self, setting: str, failures: int) -> float:
        return 1e9 if setting == "restart_backoff" and failures == 31 else super().pause_s(setting, failures)


@defect("gives-up-after-256-searches", "ACT-08", "NET-29", wire="cell")
class GivesUpAfter256(Backoff):
    """After 256 searches in vain there is no other: a counter of eight bits."""

    def pause_s(self, setting: str, failures: int) -> float:
        return 1e9 if setting == "restart_backoff" and failures == 255 else super().pause_s(setting, failures)


@defect("second-outage-is-the-last", "ACT-08", "NET-29", wire="cell")
class SecondOutageIsTheLast(Joining):
    """A unit that has lost its network for the second time does not look for it any more."""

    outages = 0

    async def join(self, started: bool = True) -> None:
        self.outages += not started
        if self.outages < 2:
            await super().join(started)
        else:
            self.settings.write({"power_mode": 0})


@defect("band-forgotten-after-an-outage", "NET-05", wire="cell")
class BandForgotten(Joining):
    """The band that is set counts at a start, and not after an outage."""

    def choose_bands(self, started: bool) -> None:
        if started:
            super().choose_bands(started)
        else:
            self.modem.bands = frozenset()


# -- what it reports


@defect("band-reported-is-the-one-set", "LWM2M-33907.0.11", wire="dm")
def _(lab: Lab) -> None:
    """33907/0/11 tells the band that is set, where one is."""
    report(lab, (33907, 0, 11), lambda: lab.unit.settings.number("radio_band") or lab.cell.band)


@defect("registration-uptime-of-16-bit", "LWM2M-33909.0.6", wire="dm")
def _(lab: Lab) -> None:
    """33909/0/6 counts modulo 65,536 s."""
    unit = lab.unit
    report(lab, (33909, 0, 6), lambda: round(unit.clock.time() - unit.modem.attached_at) % 65_536)


@defect("registration-uptime-since-power-on", "LWM2M-33909.0.6", wire="dm")
def _(lab: Lab) -> None:
    """33909/0/6 counts from the boot and not from the registration."""
    report(lab, (33909, 0, 6), lab.unit.consumption.uptime_s)


@defect("registrations-counted-at-a-start-only", "LWM2M-33909.0.2", wire="dm")
class CountedAtAStartOnly(Modem):
    """33909/0/2 counts the first registration after a start only."""

    def lost_network(self) -> None:
        self.registrations -= self.attached
        super().lost_network()


@defect("t3412-of-60-h-at-the-second-attach", "NET-12", "NET-14", wire="cell")
class T3412Of60HAtTheSecondAttach(Modem):
    """Where 70 h are set, the unit asks for 60 h of T3412 when it comes back to the network."""

    def asks(self) -> PowerSaving:
        asked = super().asks()
        return replace(asked, t3412_s=216_000) if self.registrations and asked.t3412_s == 252_000 else asked


@defect("timers-changed-once", "NET-15", "OTC-T10-05", "OTC-T10-06", wire="cell")
class TimersChangedOnce(Modem):
    """The first change of T3324 and T3412 is asked for, and the second is not."""

    asked: tuple[tuple[int, int], ...] = ()

    def asks(self) -> PowerSaving:
        asks = super().asks()
        if asks.t3324_s is None or asks.t3412_s is None:
            return asks
        timers = (asks.t3324_s, asks.t3412_s)
        if timers not in self.asked and len(self.asked) < 2:
            self.asked += (timers,)
        t3324_s, t3412_s = timers if timers in self.asked else self.asked[-1]
        return replace(asks, t3324_s=t3324_s, t3412_s=t3412_s)
