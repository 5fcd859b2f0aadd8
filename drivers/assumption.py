"""What a driver takes for granted and nobody has read anywhere, as data: the lines "from memory".

A driver has them in ``assumptions``, or tells them in ``assumptions_with(options, identity)``. The first contact with
the real instrument holds each against what went over its wire.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drivers.recorder import Exchange

Outcome = Literal["confirmed", "refuted", "not seen"]


@dataclass(frozen=True, slots=True)
class Assumption:
    """``assumed`` is a sentence about the instrument. ``asked`` and ``answered`` are regular expressions for a whole
    exchange (octets as Latin-1 characters): to what is sent so, that must come. Without ``asked`` no exchange shows
    whether it holds. After a command without an answer the next answer counts, which is that of the error queue."""

    name: str
    assumed: str
    asked: str = ""
    answered: str = ".*"

    def __post_init__(self) -> None:
        """Raises ``re.error`` for what is no regular expression."""
        for pattern in (self.asked, self.answered):
            re.compile(pattern)

    def judge(self, exchanges: Sequence[Exchange]) -> tuple[Outcome, Exchange | None]:
        """What the exchanges of this instrument say, and the one that shows it. Silence shows nothing."""
        shown: Exchange | None = None
        for place, exchange in enumerate(exchanges):
            if not self.asked or not _fits(self.asked, exchange.sent.rstrip(b"\r\n")):
                continue
            if not exchange.received and b"?" not in exchange.sent and place + 1 < len(exchanges):
                exchange = exchanges[place + 1]
            if not exchange.received:
                continue
            if not _fits(self.answered, exchange.received.rstrip(b" \r\n\0")):
                return "refuted", exchange
            shown = shown or exchange
        return ("confirmed", shown) if shown is not None else ("not seen", None)


def _fits(pattern: str, octets: bytes) -> bool:
    return re.fullmatch(pattern, octets.decode("latin-1"), re.DOTALL) is not None
