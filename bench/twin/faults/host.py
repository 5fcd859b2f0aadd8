"""Faults of the machine that the bench runs on."""

from __future__ import annotations

from bench.clock import WarpClock
from bench.twin.faults.registry import fault
from bench.twin.lab import Lab


def _step(lab: Lab, step_s: float) -> None:
    def step() -> None:
        assert isinstance(lab.clock, WarpClock)
        lab.clock.host_step_s = step_s

    lab.clock.loop.call_later(600.0, step)


@fault("host-clock-steps-forward", instrument="host clock")
def _(lab: Lab) -> None:
    """After ten minutes NTP sets the machine's clock a minute forward."""
    _step(lab, 60.0)


@fault("host-clock-steps-back", instrument="host clock")
def _(lab: Lab) -> None:
    """After ten minutes NTP sets the machine's clock five seconds back."""
    _step(lab, -5.0)
