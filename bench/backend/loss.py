"""A network that loses datagrams, on purpose."""

from __future__ import annotations

from collections.abc import Callable


class Loss:
    """Loses ``percent`` of the datagrams of the sockets that ask it, each way, by ``random`` octets.

    The servers' side is the one place where this works with every test network: labs do it there or on their core
    network's machine, for no instrument loses datagrams both ways (an eNB drops PDUs of the radio link control, which
    are sent again).
    """

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self.percent = 0
        self.lost = 0
        self._random = random

    def takes(self) -> bool:
        """Whether the datagram at hand is lost."""
        lost = self.percent > 0 and int.from_bytes(self._random(4), "big") * 100 < self.percent << 32
        self.lost += lost
        return lost
