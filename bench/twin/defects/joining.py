"""Defects of joining, of pauses between attempts, and of outages (manual 5.3.5, Tables 9 to 12)."""

from __future__ import annotations

from collections.abc import Iterator

from bench.twin.cmi6110.backoff import Backoff
from bench.twin.cmi6110.front import Front
from bench.twin.cmi6110.life import Life
from bench.twin.cmi6110.power import Power
from bench.twin.cmi6110.settings import Settings
from bench.twin.cmi6110.transmissions import Transmissions
from bench.twin.defects.registry import defect

# -- back-off lists


@defect("backoff-begins-again", "NET-29", "ACT-09", wire="cell")
class BackoffBeginsAgain(Backoff):
    """After the last range of a back-off list comes the first again."""

    def pause_s(self, setting: str, failures: int) -> float:
        return super().pause_s(setting, failures % len(self.settings.backoff(setting)))


@defect("backoff-skips-first-range", "NET-29", "NET-28", "NET-30", wire="cell")
class BackoffSkipsFirstRange(Backoff):
    """The first range of a back-off list is skipped."""

    def pause_s(self, setting: str, failures: int) -> float:
        return super().pause_s(setting, failures + 1)


@defect("backoff-in-seconds", "NET-29", "NET-28", "NET-30", wire="cell")
class BackoffInSeconds(Backoff):
    """Back-off ranges are taken as seconds."""

    def pause_s(self, setting: str, failures: int) -> float:
        return super().pause_s(setting, failures) / 60


@defect("backoff-not-random", "NET-29", wire="cell")
class BackoffNotRandom(Backoff):
    """A pause is always the longest of its range."""

    def pause_s(self, setting: str, failures: int) -> float:
        ranges = self.settings.backoff(setting)
        return ranges[min(failures, len(ranges) - 1)][1] * 60.0


@defect("backoff-never-reset", "NET-29", wire="cell")
class BackoffNeverReset(Backoff):
    """After a connection the pauses go on where they were in the list."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.so_far = dict[str, int]()

    def pause_s(self, setting: str, failures: int) -> float:
        self.so_far[setting] = self.so_far.get(setting, -1) + 1
        return super().pause_s(setting, self.so_far[setting])


@defect("reconnect-every-minute", "NET-30", wire="mdm")
class ReconnectEveryMinute(Backoff):
    """A broken connection to the gateway is tried again each minute."""

    def pause_s(self, setting: str, failures: int) -> float:
        return 60.0 if setting == "reconnect_backoff" else super().pause_s(setting, failures)


@defect("connection-never-broken", "NET-34", wire="mdm")
class ConnectionNeverBroken(Settings):
    """The limit of communication failures is ignored."""

    def number(self, name: str) -> int:
        return 1_000_000 if name == "mdm_communication_failures" else super().number(name)


# -- searching


@defect("silent-after-joining", "ACT-06", wire="cell")
class SilentAfterJoining(Life):
    """No readout is sent after joining."""

    first_readout_delay_s = 86400.0


@defect("gives-up-joining", "ACT-08", wire="cell")
class GivesUpJoining(Backoff):
    """After three failed joins there is no other."""

    def pause_s(self, setting: str, failures: int) -> float:
        return 1e9 if setting == "restart_backoff" and failures == 2 else super().pause_s(setting, failures)


@defect("green-without-a-join", "LED-05", wire="panel")
class GreenWithoutAJoin(Front):
    """The 8 s green light also follows a join that has failed."""

    searches = 0

    def show_joining(self) -> None:
        self.searches += 1
        if self.searches == 1:
            super().show_joining()
        else:
            self.show_joined()
            self.clock.loop.call_later(self.joined_green_s + 1.0, super().show_joining)


@defect("search-without-end", "NET-20", wire="cell")
class SearchWithoutEnd(Settings):
    """The search period is ignored: a search ends when there is a network."""

    def number(self, name: str) -> int:
        return 10_000_000 if name == "search_period" else super().number(name)


@defect("brown-out-delay-ignored", "NET-19", wire="supply")
class BrownOutDelayIgnored(Power):
    """After a power outage the unit looks for the network at once."""

    def hold_off_s(self) -> float:
        return 0.0


@defect("brown-out-delay-doubled", "NET-19", wire="supply")
class BrownOutDelayDoubled(Power):
    """After a power outage the unit waits up to twice the brown-out delay."""

    def hold_off_s(self) -> float:
        return 2 * super().hold_off_s()


# -- device management and bootstrap servers


@defect("meter-data-need-dm", "NET-21", wire="dm")
class MeterDataNeedDm(Transmissions):
    """Without a registration at the DM server no meter data are sent."""

    async def run(self) -> None:
        if self.connection.dm is not None and self.connection.dm.location:
            await super().run()


@defect("ack-timeout-halved", "NET-23", wire="dm")
class AckTimeoutHalved(Settings):
    """The CoAP ACK timeout is half of what is set."""

    def number(self, name: str) -> int:
        return super().number(name) // (2 if name == "coap_ack_timeout" else 1)


@defect("one-repetition-more", "NET-24", wire="dm")
class OneRepetitionMore(Settings):
    """A CoAP request is repeated once more than is set."""

    def number(self, name: str) -> int:
        return super().number(name) + (name == "coap_max_retransmit")


@defect("retry-delay-ignored", "NET-26", wire="dm")
class RetryDelayIgnored(Settings):
    """Attempts of a sequence follow each other at once."""

    def number(self, name: str) -> int:
        return 1 if name == "communication_retry_delay" else super().number(name)


@defect("one-sequence-only", "NET-27", wire="dm")
class OneSequenceOnly(Settings):
    """A sequence of attempts is not repeated."""

    def number(self, name: str) -> int:
        return 1 if name == "sequence_retry_count" else super().number(name)


@defect("sequence-delay-is-retry-delay", "NET-27", wire="dm")
class SequenceDelayIsRetryDelay(Backoff):
    """Between sequences there is the pause between attempts."""

    def attempts(self) -> Iterator[float]:
        for pause_s in super().attempts():
            yield min(pause_s, float(self.settings.number("communication_retry_delay")))


@defect("no-pause-between-sequences", "NET-28", "NET-43", wire="dm")
class NoPauseBetweenSequences(Backoff):
    """When bootstrap and DM have both failed, they are tried again after a minute, always."""

    def pause_s(self, setting: str, failures: int) -> float:
        return 60.0 if setting == "sequence_backoff" else super().pause_s(setting, failures)


@defect("reconnect-list-from-the-beginning", "NET-46", "NET-30", wire="mdm")
class ReconnectListFromTheBeginning(Backoff):
    """After the last pause of the reconnect list its first one comes again."""

    def pause_s(self, setting: str, failures: int) -> float:
        again = failures % len(self.settings.backoff(setting)) if setting == "reconnect_backoff" else failures
        return super().pause_s(setting, again)
