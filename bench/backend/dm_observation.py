"""An observation of resources of a unit, and what it brought."""

from __future__ import annotations

from dataclasses import dataclass

from bench.backend.dm_answers import answered, check
from bench.journal import Journal
from bench.protocols import coap_pipe
from bench.protocols.lwm2m import Path, Value


@dataclass(frozen=True, slots=True)
class Notification:
    """What the unit reported at ``time_s``. When it can't be read, ``problem`` says why and ``values`` is empty.

    ``confirmable``: whether it came as CON.
    """

    time_s: float
    values: dict[Path, Value]
    problem: str = ""
    confirmable: bool = False


class DmObservation:
    """A running observation. ``first`` are the values of the answer that began it, ``notifications`` what followed.

    ``path`` is the root for an Observe-Composite.
    """

    def __init__(self, path: Path, endpoint: str) -> None:
        self.path = path
        self.endpoint = endpoint
        self.first: dict[Path, Value] = {}
        self.notifications: Journal[Notification] = Journal()
        self._running: coap_pipe.Observation | None = None

    def began(self, running: coap_pipe.Observation, first: dict[Path, Value]) -> None:
        """The unit has accepted it (called by the DM server)."""
        self.first = first
        self._running = running

    @property
    def active(self) -> bool:
        """False once either side has ended it."""
        return self._running is not None and self._running.active

    def cancel(self) -> None:
        """Forget it: the next notification is answered with RST, at which the unit ends it."""
        if self._running is not None:
            self._running.cancel()

    async def cancel_by_request(self) -> None:
        """End it by a request with Observe 1. Raises DmRefused or DmTimeout."""
        if self._running is not None:
            what = f"cancel observation of {self.path}"
            check(what, await answered(what, self._running.cancel_by_request()))
