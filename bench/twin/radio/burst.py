"""What a unit sends and what it says of itself, as the network's side of the air sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allocation:
    """What the network lets the unit send: so many ``tones`` of 15 kHz from tone ``start`` on (3GPP TS 36.211, 10.1.2).
    It wants ``wanted_dbm`` of it and allows ``allowed_dbm`` (P-Max)."""

    band: int
    tones: int
    start: int
    wanted_dbm: float
    allowed_dbm: float


@dataclass(frozen=True, slots=True)
class Burst:
    """A transmission at the unit's antenna connector; the words are those of 3GPP TS 36.101, clause 6.

    ``emission``: (offset from the edge of the channel in Hz, dBm in 30 kHz), straight lines in between, the same on
    both sides. ``gsm_db``, ``utra_db``: how far the power in the adjacent channels is below that in its own, the lower
    and the upper side.
    """

    power_dbm: float
    off_dbm: float
    frequency_error_hz: float
    evm_percent: float
    leakage_dbc: float
    in_band_margin_db: float
    occupied_hz: float
    emission: tuple[tuple[float, float], ...]
    gsm_db: tuple[float, float]
    utra_db: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Capability:
    """What the unit tells of itself when it is asked (UE-Capability-NB, 3GPP TS 36.331, 6.7.3.6). ``weak_bands``:
    those in which it has power class 5, 20 dBm."""

    category: str
    release: int
    bands: tuple[int, ...]
    weak_bands: frozenset[int] = frozenset()
    multi_tone: bool = True
