"""Defects of joining, of pauses between attempts, and of outages (manual 5.3.5, Tables 9 to 12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.twin.defects.registry import defect
from bench.twin.lab import Lab

# -- back-off lists


@defect("backoff-begins-again", "NET-29", "ACT-09", wire="cell")
def _(lab: Lab) -> None:
    """After the last range of a back-off list comes the first again."""
    settings = lab.unit.settings
    _pauses(lab, lambda pause_s, setting, failures: pause_s(setting, failures % len(settings.backoff(setting))))


@defect("backoff-skips-first-range", "NET-29", "NET-28", "NET-30", wire="cell")
def _(lab: Lab) -> None:
    """The first range of a back-off list is skipped."""
    _pauses(lab, lambda pause_s, setting, failures: pause_s(setting, failures + 1))


@defect("backoff-in-seconds", "NET-29", "NET-28", "NET-30", wire="cell")
def _(lab: Lab) -> None:
    """Back-off ranges are taken as seconds."""
    _pauses(lab, lambda pause_s, setting, failures: pause_s(setting, failures) / 60)


@defect("backoff-not-random", "NET-29", wire="cell")
def _(lab: Lab) -> None:
    """A pause is always the longest of its range."""
    settings = lab.unit.settings

    def longest(pause_s: PauseS, setting: str, failures: int) -> float:
        ranges = settings.backoff(setting)
        return ranges[min(failures, len(ranges) - 1)][1] * 60.0
    _pauses(lab, longest)


@defect("backoff-never-reset", "NET-29", wire="cell")
def _(lab: Lab) -> None:
    """After a connection the pauses go on where they were in the list."""
    so_far = dict[str, int]()

    def onwards(pause_s: PauseS, setting: str, failures: int) -> float:
        so_far[setting] = so_far.get(setting, -1) + 1
        return pause_s(setting, so_far[setting])
    _pauses(lab, onwards)


@defect("reconnect-every-minute", "NET-30", wire="mdm")
def _(lab: Lab) -> None:
    """A broken connection to the gateway is tried again each minute."""
    _pauses(lab, lambda pause_s, setting, failures: (
        60.0 if setting == "reconnect_backoff" else pause_s(setting, failures)))


@defect("connection-never-broken", "NET-34", wire="mdm")
def _(lab: Lab) -> None:
    """The limit of communication failures is ignored."""
    _number(lab, "mdm_communication_failures", lambda set_to: 1_000_000)


# -- searching


@defect("silent-after-joining", "ACT-06", wire="cell")
def _(lab: Lab) -> None:
    """No readout is sent after joining."""
    lab.unit.first_readout_delay_s = 86400.0


@defect("gives-up-joining", "ACT-08", wire="cell")
def _(lab: Lab) -> None:
    """After three failed joins there is no other."""
    _pauses(lab, lambda pause_s, setting, failures: (
        1e9 if setting == "restart_backoff" and failures == 2 else pause_s(setting, failures)))


@defect("green-without-a-join", "LED-05", wire="panel")
def _(lab: Lab) -> None:
    """The 8 s green light also follows a join that has failed."""
    front = lab.unit.front
    show_joining, searches = front.show_joining, [0]

    def green_then_flashes() -> None:
        searches[0] += 1
        if searches[0] == 1:
            show_joining()
        else:
            front.show_joined()
            lab.clock.loop.call_later(front.joined_green_s + 1.0, show_joining)
    front.show_joining = green_then_flashes  # type: ignore[method-assign]


@defect("search-without-end", "NET-20", wire="cell")
def _(lab: Lab) -> None:
    """The search period is ignored: a search ends when there is a network."""
    _number(lab, "search_period", lambda set_to: 10_000_000)


@defect("brown-out-delay-ignored", "NET-19", wire="supply")
def _(lab: Lab) -> None:
    """After a power outage the unit looks for the network at once."""
    lab.unit.hold_off_s = lambda: 0.0  # type: ignore[method-assign]


@defect("brown-out-delay-doubled", "NET-19", wire="supply")
def _(lab: Lab) -> None:
    """After a power outage the unit waits up to twice the brown-out delay."""
    hold_off_s = lab.unit.hold_off_s
    lab.unit.hold_off_s = lambda: 2 * hold_off_s()  # type: ignore[method-assign]


# -- device management and bootstrap servers


@defect("meter-data-need-dm", "NET-21", wire="dm")
def _(lab: Lab) -> None:
    """Without a registration at the DM server no meter data are sent."""
    transmissions = lab.unit.transmissions
    run = transmissions.run

    async def run_when_registered() -> None:
        if lab.unit.dm is not None and lab.unit.dm.location:
            await run()
    transmissions.run = run_when_registered  # type: ignore[method-assign]


@defect("ack-timeout-halved", "NET-23", wire="dm")
def _(lab: Lab) -> None:
    """The CoAP ACK timeout is half of what is set."""
    _number(lab, "coap_ack_timeout", lambda set_to: set_to // 2)


@defect("one-repetition-more", "NET-24", wire="dm")
def _(lab: Lab) -> None:
    """A CoAP request is repeated once more than is set."""
    _number(lab, "coap_max_retransmit", lambda set_to: set_to + 1)


@defect("retry-delay-ignored", "NET-26", wire="dm")
def _(lab: Lab) -> None:
    """Attempts of a sequence follow each other at once."""
    _number(lab, "communication_retry_delay", lambda set_to: 1)


@defect("one-sequence-only", "NET-27", wire="dm")
def _(lab: Lab) -> None:
    """A sequence of attempts is not repeated."""
    _number(lab, "sequence_retry_count", lambda set_to: 1)


@defect("sequence-delay-is-retry-delay", "NET-27", wire="dm")
def _(lab: Lab) -> None:
    """Between sequences there is the pause between attempts."""
    connection, settings = lab.unit.connection, lab.unit.settings
    attempts = connection.attempts

    def without_sequences() -> Iterator[float]:
        for pause_s in attempts():
            yield min(pause_s, float(settings.number("communication_retry_delay")))
    connection.attempts = without_sequences  # type: ignore[method-assign]


@defect("no-pause-between-sequences", "NET-28", "NET-43", wire="dm")
def _(lab: Lab) -> None:
    """When bootstrap and DM have both failed, they are tried again after a minute, always."""
    _pauses(lab, lambda pause_s, setting, failures: (
        60.0 if setting == "sequence_backoff" else pause_s(setting, failures)))


PauseS = Callable[[str, int], float]


def _pauses(lab: Lab, other: Callable[[PauseS, str, int], float]) -> None:
    """Let pauses be drawn otherwise: ``other(as it should be, setting, failures)``."""
    connection = lab.unit.connection
    pause_s = connection.pause_s
    connection.pause_s = lambda setting, failures: other(pause_s, setting, failures)  # type: ignore[method-assign]


def _number(lab: Lab, setting: str, other: Callable[[int], int]) -> None:
    """Let the unit go by another number than a setting shows."""
    settings = lab.unit.settings
    number = settings.number
    settings.number = lambda name: other(number(name)) if name == setting else number(name)  # type: ignore[method-assign]
