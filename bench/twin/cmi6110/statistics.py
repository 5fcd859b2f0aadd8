"""What the unit counts of its exchanges with the meter data server: object 33910."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class TransactionStatistics:
    """Counts since the unit was powered or was told to begin anew; response times in milliseconds.

    A response time runs from the transmission that was answered (the last one) to its answer. Which transactions
    count, and in what unit of time, is not printed (G10).
    """

    transactions: int = 0
    retransmissions: int = 0
    lost: int = 0
    minimum_ms: int = 0
    maximum_ms: int = 0
    _answered: int = 0
    _total_ms: int = 0

    def answered_after(self, seconds: float) -> None:
        elapsed_ms = round(seconds * 1000)
        self.minimum_ms = min(self.minimum_ms, elapsed_ms) if self._answered else elapsed_ms
        self.maximum_ms = max(self.maximum_ms, elapsed_ms)
        self._answered += 1
        self._total_ms += elapsed_ms

    @property
    def average_ms(self) -> int:
        """0 as long as nothing has been answered, as are the minimum and the maximum."""
        return round(self._total_ms / self._answered) if self._answered else 0

    def reset(self) -> None:
        self.transactions = self.retransmissions = self.lost = self.minimum_ms = self.maximum_ms = 0
        self._answered = self._total_ms = 0
