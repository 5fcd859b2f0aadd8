"""Meters that are within their tolerances."""

from __future__ import annotations

from bench.twin.lab import Lab
from bench.twin.variants.registry import variant

_PPM_OF_2_S_A_DAY = 2 / 86_400 * 1e6


@variant("meter-clock-slow", place="a quartz clock of 23 ppm")
def _(lab: Lab) -> None:
    """The meter's clock loses 2 s a day."""
    lab.meter.set_drift(-_PPM_OF_2_S_A_DAY)


@variant("meter-clock-fast", place="a quartz clock of 23 ppm")
def _(lab: Lab) -> None:
    """The meter's clock gains 2 s a day."""
    lab.meter.set_drift(_PPM_OF_2_S_A_DAY)
