"""Defects of the unit on the air: what it asks of the network, bands, coverage, what it reports of the radio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.twin.defects.registry import defect
from bench.twin.defects.tools import report
from bench.twin.lab import Lab


def ask_for(lab: Lab, **wrong: Any) -> None:
    """Let the modem ask the network for something else than is set."""
    asks = lab.unit.modem.asks
    lab.unit.modem.asks = lambda: replace(asks(), **wrong)


def search(lab: Lab, bands: Callable[[frozenset[int]], frozenset[int]]) -> None:
    """Let the modem search in other bands than it should."""
    modem = lab.unit.modem
    modem.bands_to_search = lambda searched_s, search_s: bands(modem.bands)  # type: ignore[method-assign]


# -- what it asks for


@defect("t3324-not-requested", "NET-11", wire="cell")
def _(lab: Lab) -> None:
    """The unit does not ask for an active timer."""
    ask_for(lab, t3324_s=None)


@defect("timers-never-change", "NET-15", wire="cell")
def _(lab: Lab) -> None:
    """The unit asks for the default timers whatever is set."""
    ask_for(lab, t3324_s=120, t3412_s=252000)


@defect("edrx-half-octet", "NET-17", "LWM2M-10.0.9", wire="cell")
def _(lab: Lab) -> None:
    """The paging time window is missing in the eDRX value that the unit asks for."""
    asks = lab.unit.modem.asks
    lab.unit.modem.asks = lambda: replace(asks(), edrx=(asks().edrx or 0) & 0x0F)


@defect("psm-mode-without-psm", "NET-16", "OTC-T10-04", wire="cell")
def _(lab: Lab) -> None:
    """In mode PSM the unit asks for eDRX."""
    asks, settings = lab.unit.modem.asks, lab.unit.settings
    lab.unit.modem.asks = lambda: (replace(asks(), t3324_s=None, t3412_s=None, edrx=0x13)
                                   if settings.number("power_saving_mode") == 2 else asks())


# -- what it makes of what is granted


@defect("granted-timers-ignored", "NET-13", "NET-14", wire="cell")
def _(lab: Lab) -> None:
    """The unit keeps to the timers that it has asked for."""
    attach = lab.cell.attach
    lab.cell.attach = lambda band, apn, asked: attach(band, apn, asked) and asked  # type: ignore[method-assign]


@defect("no-periodic-update", "NET-14", wire="cell")
def _(lab: Lab) -> None:
    """The unit never updates its tracking area."""
    lab.unit.modem.renegotiate = lambda: None  # type: ignore[method-assign]


@defect("deaf-when-idle", "NET-18", wire="dm")
def _(lab: Lab) -> None:
    """An idle unit listens in one paging window of four only."""
    modem = lab.unit.modem
    delay = modem.downlink_delay

    def late(size: int) -> float | None:
        delay_s = delay(size)
        return delay_s + modem.rng.randrange(4) * modem.granted.edrx_cycle_s \
            if delay_s is not None and modem.state == "idle" else delay_s
    modem.downlink_delay = late  # type: ignore[method-assign]


@defect("release-assistance-ignored", "NET-35", "LWM2M-33906.0.51", wire="cell")
def _(lab: Lab) -> None:
    """33906/0/51 has no effect."""
    delay = lab.unit.modem.uplink_delay
    lab.unit.modem.uplink_delay = lambda size, release_assistance=0: delay(size)  # type: ignore[method-assign]


# -- bands, search, coverage


@defect("band-ignored", "NET-05", "OTC-T10-03", wire="cell")
def _(lab: Lab) -> None:
    """The unit takes the strongest cell, whatever band is set."""
    search(lab, lambda bands: frozenset())


@defect("band-never-given-up", "NET-06", "OTC-T10-03", wire="cell")
def _(lab: Lab) -> None:
    """The unit searches in no other band than the one that is set."""
    search(lab, lambda bands: bands)


@defect("no-band-3", "NET-03", "NET-07", wire="cell")
def _(lab: Lab) -> None:
    """The unit does not find cells in band 3."""
    search(lab, lambda bands: bands or frozenset({8, 20}))


@defect("lost-at-level-2", "LWM2M-33907.0.3", "ACT-06", wire="cell")
def _(lab: Lab) -> None:
    """The unit finds no cell that needs repetitions of level 2."""
    strongest = lab.cell.strongest
    lab.cell.strongest = lambda bands=(): (  # type: ignore[method-assign]
        None if lab.cell.conditions.level == 2 else strongest(bands))


@defect("detached-stays-away", "LWM2M-33909.0.2", wire="cell")
def _(lab: Lab) -> None:
    """A unit that the network has detached does not attach again."""
    lab.unit.modem.on_lost = lab.unit._disconnect


# -- what it reports


@defect("ecl-misreported", "LWM2M-33907.0.3", wire="dm")
def _(lab: Lab) -> None:
    """33907/0/3 is always 0."""
    report(lab, (33907, 0, 3), lambda: 0)


@defect("snr-in-whole-db", "LWM2M-33907.0.5", wire="dm")
def _(lab: Lab) -> None:
    """33907/0/5 is in dB instead of tenths."""
    report(lab, (33907, 0, 5), lambda: lab.cell.snr_tenth_db // 10)
