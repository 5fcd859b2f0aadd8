"""An operator's network, or any other that nobody at the station controls: no instrument at all."""

from __future__ import annotations

from bench.clock import Clock
from bench.timeline import Timeline
from drivers.radio import CellDriver


class LiveNetwork(CellDriver):
    """The units of the station are on a network that is always on and tells the bench nothing.

    ::

        [cell]
        driver = "live"

    A way must lead from there to the bench's servers: ``backend.advertise``, or a private APN.
    """

    kind = "cell"
    subject = "live network"
    identity = "a live network: nothing of it is set, nothing is seen"

    def __init__(self, *, clock: Clock, timeline: Timeline) -> None:
        super().__init__(clock, timeline)

    def on(self) -> None:
        """It always is."""

    def off(self) -> None:
        raise self._cannot("cell.outage")

    def set_level(self, level_dbm: float) -> None:
        raise self._cannot("cell.level")

    def restore(self) -> None:
        """Nothing can have been changed."""

    def close(self) -> None:
        """There is nothing to let go of."""
