"""From arrivals of telegrams to transmissions: one transmission may carry several (manual 7.3 and 7.4.2.3)."""

from __future__ import annotations

from collections.abc import Iterable

BURST_GAP_S = 600.0
"""Telegrams of one transmission follow each other within this time: twice the unit's patience with a silent gateway
(92 s x 2 attempts) and the latencies of poor coverage."""


def transmissions(arrivals_s: Iterable[float], gap_s: float = BURST_GAP_S) -> list[list[float]]:
    """Arrival times (s) in bursts: a new one begins where more than ``gap_s`` seconds passed since the last arrival."""
    bursts: list[list[float]] = []
    for moment in sorted(arrivals_s):
        if bursts and moment - bursts[-1][-1] <= gap_s:
            bursts[-1].append(moment)
        else:
            bursts.append([moment])
    return bursts
