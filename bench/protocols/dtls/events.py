"""What an association tells its owner. All of it may be logged: no event holds a key."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeAlias

from bench.protocols.dtls.alerts import alert_name
from bench.protocols.dtls.suites import CipherSuite


@dataclass(frozen=True, slots=True)
class Send:
    """A datagram for the peer, to be sent now."""

    datagram: bytes


@dataclass(frozen=True, slots=True)
class Established:
    """The handshake is finished: application data may pass both ways."""

    identity: bytes
    suite: CipherSuite
    extended_master_secret: bool
    connection_id: bool
    """Whether records of at least one direction carry a connection id."""


@dataclass(frozen=True, slots=True)
class Data:
    """Application data of one record."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AlertReceived:
    level: int
    description: int

    def __str__(self) -> str:
        return f"{_level(self.level)} {alert_name(self.description)} received"


@dataclass(frozen=True, slots=True)
class AlertSent:
    level: int
    description: int

    def __str__(self) -> str:
        return f"{_level(self.level)} {alert_name(self.description)} sent"


@dataclass(frozen=True, slots=True)
class Closed:
    """The association is over, or never came about. Nothing passes any more; the reason is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that came was discarded. The association goes on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A record with a connection id came from a new address, proved to be the peer's and was the newest: answers go
    there from now on (RFC 9146 section 6)."""

    previous: Hashable


Event: TypeAlias = Send | Established | Data | AlertReceived | AlertSent | Closed | Dropped | Moved


def _level(level: int) -> str:
    return {1: "warning", 2: "fatal alert"}.get(level, f"alert of level {level}")
