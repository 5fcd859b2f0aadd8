"""A radio tester: what it measures of the unit's transmitter and receiver, in the words of 3GPP TS 36.101."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

MaskArea = tuple[float, float, float, float]
"""Of an emission mask: two offsets from the edge of the channel (Hz), and the limits there (dBm in 30 kHz)."""

Loss = Annotated[float, Field(ge=-50.0, le=90.0)]
Vswr = Annotated[float, Field(ge=1.0, le=10.0)]
Day = Annotated[date, Field(strict=False)]    # as text, too: an order goes to its process as JSON


class RfPath(BaseModel):
    """The way between the tester's connector and the unit's antenna connector, and how well all of it is known.

    ::

        [cell.path]
        measured = 2026-11-28                       # on a network analyser
        uplink_db = { 3 = 1.2, 8 = 0.9, 20 = 0.9 }  # by band, in the middle of its uplink
        downlink_db = { 3 = 1.1, 8 = 0.8, 20 = 0.8 }
        uncertainty_db = 0.15                       # of these, k = 2
        analyser_db = 0.6                           # of the tester's level, half width, by data sheet or certificate
        generator_db = 1.0
        reference_ppm = 0.01                        # of the tester's frequency
        golden_measured = 2026-11-30                # when a unit of known power was measured last,
        golden_off_db = 0.1                         # and how far it was from what is known of it

    ``unit_vswr``, ``cable_vswr`` and ``tester_vswr`` are the match at the three places where a wave is thrown back.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    measured: Day
    uplink_db: dict[str, Loss]
    downlink_db: dict[str, Loss]
    uncertainty_db: float = Field(gt=0, le=5)
    analyser_db: float = Field(gt=0, le=5)
    generator_db: float = Field(gt=0, le=5)
    reference_ppm: float = Field(gt=0, le=10)
    golden_measured: Day
    golden_off_db: float = Field(ge=-20, le=20)
    unit_vswr: Vswr = 1.5
    cable_vswr: Vswr = 1.2
    tester_vswr: Vswr = 1.2


@dataclass(frozen=True, slots=True)
class Transmission:
    """What the unit sent, at its antenna connector, averaged over the slots that 3GPP asks for.

    ``off_dbm``: before and after; ``mask_margins_db``: of each area of the mask, on the lower and the upper side,
    negative where the limit is exceeded; ``gsm_db``, ``utra_db``: below the power in the own channel, lower and upper
    side.
    """

    power_dbm: float
    frequency_error_hz: float
    evm_percent: float
    leakage_dbc: float
    off_dbm: tuple[float, float]
    in_band_margin_db: float
    occupied_hz: float
    mask_margins_db: tuple[tuple[float, float], ...]
    gsm_db: tuple[float, float]
    utra_db: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Blocks:
    """What became of blocks that were sent to the unit once each: acknowledged, refused, not answered."""

    acknowledged: int
    refused: int
    unanswered: int

    @property
    def sent(self) -> int:
        return self.acknowledged + self.refused + self.unanswered

    @property
    def lost(self) -> int:
        return self.refused + self.unanswered


@dataclass(frozen=True, slots=True)
class UnitCapability:
    """What the unit has told the network of itself, as far as the tester tells it. ``bands``: by number, whether the
    unit has the power class of 20 dBm in it. ``category`` and ``release`` None: the tester has one word for all
    units."""

    category: str | None
    release: int | None
    bands: Mapping[int, bool]


class RadioTester(Protocol):
    """Every method raises ``BenchError`` when the instrument fails, or has no valid result."""

    path: RfPath

    def calibrated_on(self) -> date | None:
        """The day of the last calibration; None: the instrument does not tell."""

    def begin(self, band: int) -> None:
        """Let the unit attach in ``band`` for measurements: kept connected, in test mode, its datagrams lead nowhere.
        """

    def end(self) -> None:
        """The cell as it was before ``begin``."""

    def is_connected(self) -> bool:
        """Whether the unit has a connection, so that it can be told to send."""

    def transmission(self, tones: int, start: int, mask: Sequence[MaskArea], *, wanted_dbm: float,
                     allowed_dbm: float) -> Transmission:
        """Let the unit send ``tones`` tones of 15 kHz from tone ``start`` on, and measure. ``wanted_dbm`` is the
        nominal power that the cell asks for, ``allowed_dbm`` what it allows at most (P-Max)."""

    def blocks(self, epre_dbm: float, samples: int) -> Blocks:
        """Send so many blocks, without repetitions, at a level of ``epre_dbm`` (dBm/15 kHz at the unit)."""

    def capability(self) -> UnitCapability: ...
