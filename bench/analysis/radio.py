"""What 3GPP wants of an NB-IoT unit's transmitter and receiver, how well a bench knows what it measures of them, and
what counted blocks say.

Sources: 3GPP TS 36.101 (minimum requirements, without the test tolerances of TS 36.521-1) and TS 36.521-1 annex F; what
of it is from memory is called so. Limits themselves are in ``suites/limits/radio.toml``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Literal

from bench.errors import NotObserved

FULL_POWER_DBM, LEAST_POWER_DBM, PMAX_DBM = 34.0, -50.0, 23.0
"""What a cell asks for so that a unit sends at its most and at its least, and the power class that it allows."""

MASK = ((0.0, 100e3, 26.0, -5.0), (100e3, 150e3, -5.0, -8.0), (150e3, 300e3, -8.0, -29.0),
        (300e3, 500e3, -29.0, -35.0), (500e3, 1.7e6, -35.0, -35.0))
"""The emission mask (TS 36.101, table 6.6.2F.1-1): two offsets from the edge of the channel (Hz) and the limits there
(dBm in 30 kHz). From memory; the test limits of TS 36.521-1, 1.5 dB above it, were read but for the first."""

TOTAL_ABOVE_EPRE_DB = 10 * math.log10(12)
"""All twelve subcarriers have the energy of the reference signal."""
LOST_AT_MOST = 0.05
"""At the reference sensitivity 95 % of the throughput are left (TS 36.101, 7.3.1F.1)."""
SURE = 0.05
"""The chance of a wrong decision on what counted blocks say."""

UNCERTAINTY = {"off_db": 1.5, "least_db": 1.0, "evm_percent": 2.5, "leakage_db": 0.8, "in_band_db": 0.8,
               "occupied_hz": 1500.0, "mask_db": 1.5, "aclr_db": 0.8}
"""What the test system must hold (TS 36.521-1, table F.1.2), k = 2, from memory; of the occupied bandwidth there is
none: a trace of 3.75 kHz a point is known to half a point at each end. The tester's data sheet was not at hand."""
FREQUENCY_HZ = 15.0
"""The same of the frequency error, from memory, beside the tester's own reference."""


@dataclass(frozen=True, slots=True)
class Term:
    """One contribution to an uncertainty: half its width, and what makes a standard deviation of it."""

    what: str
    half_width_db: float
    divisor: float

    @property
    def standard_db(self) -> float:
        return self.half_width_db / self.divisor


def expanded(terms: Iterable[Term]) -> float:
    """With k = 2: the uncertainty (dB) that goes with about 95 %."""
    return 2 * math.hypot(*(term.standard_db for term in terms))


def level_budget(*, tester_db: float, path_db: float, unit_vswr: float, cable_vswr: float,
                 tester_vswr: float) -> tuple[Term, ...]:
    """Of a level at the unit: ``tester_db`` is half the width of the tester's, ``path_db`` the uncertainty (k = 2) of
    what the way loses; the VSWRs are those of unit, cable and tester."""
    return (Term("level of the tester", tester_db, math.sqrt(3)), Term("loss of the way", path_db, 2.0),
            Term("mismatch at the unit", _mismatch_db(unit_vswr, cable_vswr), math.sqrt(2)),
            Term("mismatch at the tester", _mismatch_db(cable_vswr, tester_vswr), math.sqrt(2)),
            Term("connector", 0.1, math.sqrt(3)), Term("drift and noise", 0.07, 1.0))


def _mismatch_db(one: float, other: float) -> float:
    """What two reflections make of a level at most."""
    return 20 * math.log10(1 + (one - 1) / (one + 1) * (other - 1) / (other + 1))


def frequency_uncertainty_ppm(reference_ppm: float, carrier_hz: float) -> float:
    return math.hypot(reference_ppm, FREQUENCY_HZ / carrier_hz * 1e6)


# -- receiver


@cache
def _bounds(sent: int) -> tuple[int, int]:
    """With up to so many of ``sent`` blocks lost it is below 5 % for sure (95 %), from so many on above."""
    chances = [math.exp(math.lgamma(sent + 1) - math.lgamma(lost + 1) - math.lgamma(sent - lost + 1)
                        + lost * math.log(LOST_AT_MOST) + (sent - lost) * math.log(1 - LOST_AT_MOST))
               for lost in range(sent + 1)]
    at_most = sum(up_to <= SURE for up_to in accumulate(chances)) - 1
    at_least = sent + 1 - sum(from_on <= SURE for from_on in accumulate(reversed(chances)))
    return at_most, at_least


def decide(lost: int, sent: int) -> Literal["good", "bad", "open"]:
    """Whether less than one block in twenty is lost, as far as ``sent`` blocks can tell (exact binomial, 95 %)."""
    at_most, at_least = _bounds(sent)
    return "good" if lost <= at_most else "bad" if lost >= at_least else "open"


@dataclass(frozen=True, slots=True)
class Point:
    """At a level of ``epre_dbm`` (dBm/15 kHz) so many of the blocks were lost."""

    epre_dbm: float
    lost: int
    sent: int

    @property
    def total_dbm(self) -> float:
        return self.epre_dbm + TOTAL_ABOVE_EPRE_DB


@dataclass(frozen=True, slots=True)
class Curve:
    """Block errors over level, the strongest level first."""

    points: tuple[Point, ...]

    @classmethod
    def of(cls, points: Iterable[Point]) -> Curve:
        return cls(tuple(sorted(points, key=lambda point: -point.epre_dbm)))

    def sensitivity_dbm(self) -> tuple[float, float]:
        """The total level above which less than one block in twenty is lost, and how far it may be off for the blocks
        that were counted: half of what lies between the levels where it is known to be so, and known not to be.

        Raises ``NotObserved`` where it is so at no level.
        """
        good = [point for point in _until_bad(self.points) if decide(point.lost, point.sent) == "good"]
        if not good:
            raise NotObserved("expected a level at which less than 5 % of the blocks are lost, saw none down from "
                              f"{self.points[0].total_dbm:.1f} dBm")
        bad = [point for point in self.points if decide(point.lost, point.sent) == "bad"]
        below = max((point.total_dbm for point in bad), default=self.points[-1].total_dbm)
        known = min(point.total_dbm for point in good)
        return (known + below) / 2, abs(known - below) / 2


def _until_bad(points: Sequence[Point]) -> Iterable[Point]:
    for point in points:
        if decide(point.lost, point.sent) == "bad":
            return
        yield point
