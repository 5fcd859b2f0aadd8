"""The transmitter and the receiver of the unit's modem, at its antenna connector, and what it says that they can do.

The figures are those of a middling unit: inside each limit of 3GPP TS 36.101, by a margin that modems of this kind
have. None of them is from the manual but 23 dBm and the bands (8).
"""

from __future__ import annotations

import math

from bench.twin.radio.burst import Allocation, Burst, Capability

_NOMINAL_DBM = 23.0
_CARRIER_HZ = {3: 1747.5e6, 8: 897.5e6, 20: 847.0e6}
"""In the middle of the bands, uplink."""
_EDGES = ((0.0, -4.0), (100e3, -20.0), (150e3, -24.0), (300e3, -41.0), (500e3, -46.0), (1.7e6, -50.0))
"""What leaks beside the channel at full power: offset from its edge (Hz), dBm in 30 kHz."""
BANDS = (1, 2, 3, 4, 5, 8, 12, 13, 17, 18, 19, 20, 25, 26, 28, 66, 71, 85)
"""Those of manual 8."""


class Transmitter:
    """What the modem sends. One method for each figure: a defect replaces the one that it bends."""

    back_off_db = {1: 0.0, 3: 0.4, 6: 0.8, 12: 1.6}
    """By how much less it sends with so many tones: within the maximum power reduction that it may take (36.101,
    6.2.3F).
    """
    least_dbm = -46.0

    def burst(self, sent: Allocation) -> Burst:
        """What comes out of the connector for ``sent``."""
        power_dbm = self.power_dbm(sent)
        down_db = _NOMINAL_DBM - power_dbm
        return Burst(power_dbm, self.off_dbm(), self.frequency_error_hz(_CARRIER_HZ.get(sent.band, 900e6)),
                     self.evm_percent(sent.tones), self.leakage_dbc(power_dbm), self.in_band_margin_db(sent.tones),
                     self.occupied_hz(sent.tones),
                     tuple((offset, level - down_db) for offset, level in self.emission(sent.band)), self.gsm_db(),
                     self.utra_db())

    def power_dbm(self, sent: Allocation) -> float:
        configured = min(sent.allowed_dbm, _NOMINAL_DBM - self.back_off_db[sent.tones], sent.wanted_dbm)
        return max(configured, self.least_dbm) + self.power_error_db(sent.band)

    def power_error_db(self, band: int) -> float:
        """The gain of the power amplifier and its way to the connector is not the same in each band."""
        return {3: -0.5, 8: 0.2, 20: -0.2}.get(band, 0.0)

    def off_dbm(self) -> float:
        return -62.0

    def frequency_error_hz(self, carrier_hz: float) -> float:
        return 0.02e-6 * carrier_hz

    def evm_percent(self, tones: int) -> float:
        return 4.0 if tones == 1 else 5.5

    def leakage_dbc(self, power_dbm: float) -> float:
        return -38.0 if power_dbm > 0 else -24.0 if power_dbm > -30 else -14.0

    def in_band_margin_db(self, tones: int) -> float:
        return 8.0 if tones < 12 else 14.0

    def occupied_hz(self, tones: int) -> float:
        return 15e3 * tones * 1.02 + 3e3

    def emission(self, band: int) -> tuple[tuple[float, float], ...]:
        """At full power: (offset from the edge of the channel in Hz, dBm in 30 kHz)."""
        return _EDGES

    def gsm_db(self) -> tuple[float, float]:
        return 33.0, 34.0

    def utra_db(self) -> tuple[float, float]:
        return 46.0, 45.5


class Receiver:
    """What the modem hears of blocks that are sent to it once, without repetitions."""

    noise_figure_db = 5.0
    """With a wanted signal 5 dB above the noise one block in twenty is lost: QPSK of the reference channel, one
    subframe. About -111 dBm in the carrier: 3 dB better than 3GPP TS 36.101, 7.3.1F asks for."""

    def block_errors(self, epre_dbm: float, noise_dbm: float) -> float:
        """The part of blocks lost at so much energy per resource element, in noise of so much more (dBm/15 kHz)."""
        floor_dbm = -132.2 + self.noise_figure_db
        sum_dbm = 10 * math.log10(10 ** (floor_dbm / 10) + 10 ** (noise_dbm / 10))
        over_db = epre_dbm - sum_dbm
        return 1 / (1 + math.exp(min(2.2 * (over_db - 3.7), 700.0))) + self.lost_anyway(epre_dbm)

    def lost_anyway(self, epre_dbm: float) -> float:
        """Blocks lost whatever the level."""
        return 0.0


class Capabilities:
    """What the modem says of itself."""

    category = "NB2"
    release = 14
    weak_bands: frozenset[int] = frozenset()

    def bands(self) -> tuple[int, ...]:
        return BANDS

    def told(self) -> Capability:
        return Capability(self.category, self.release, self.bands(), self.weak_bands)
