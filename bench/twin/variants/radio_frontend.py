"""Units whose radio is another one than the usual, and within what 3GPP TS 36.101 leaves to each unit."""

from __future__ import annotations

from bench.twin.cmi6110.transmitter import Capabilities, Receiver, Transmitter
from bench.twin.radio.burst import Allocation
from bench.twin.variants.registry import variant


@variant("tx-22-dbm", place="tolerance: power class 3 is 23 dBm +-2 dB (36.101, 6.2.2F)")
class Tx22Dbm(Transmitter):
    """The unit sends with 1 dB less."""

    def power_error_db(self, band: int) -> float:
        return {3: -1.1, 8: -0.9, 20: -1.0}.get(band, -1.0)


@variant("tx-24-dbm", place="tolerance: power class 3 is 23 dBm +-2 dB (36.101, 6.2.2F)")
class Tx24Dbm(Transmitter):
    """The unit sends with 1 dB more, and takes nothing back with several tones."""

    back_off_db = {1: 0.0, 3: 0.0, 6: 0.0, 12: 0.0}

    def power_error_db(self, band: int) -> float:
        return 1.0


@variant("tx-takes-back-2-db", place="tolerance: maximum power reduction with twelve tones (36.101, 6.2.3F)")
class TakesBack2Db(Transmitter):
    """With several tones the unit takes back all that it may."""

    back_off_db = {1: 0.0, 3: 0.5, 6: 1.0, 12: 2.0}


@variant("tx-middling-modulation", place="tolerance: EVM 17.5 %, carrier leakage -25 dBc (36.101, 6.5.2F)")
class MiddlingModulation(Transmitter):
    """Error vector, carrier leakage and spilling are near to their limits, and within."""

    def evm_percent(self, tones: int) -> float:
        return 13.5

    def leakage_dbc(self, power_dbm: float) -> float:
        return -27.5 if power_dbm > 0 else super().leakage_dbc(power_dbm)

    def in_band_margin_db(self, tones: int) -> float:
        return 2.0


@variant("tx-frequency-at-half-the-limit", place="tolerance: 0.1 ppm above 1 GHz (36.101, 6.5.1F)")
class FrequencyAtHalf(Transmitter):
    """The carrier is 0.06 ppm too low."""

    def frequency_error_hz(self, carrier_hz: float) -> float:
        return -0.06e-6 * carrier_hz


@variant("tx-least-power-of-minus-60-dbm", place="tolerance: the least power is -40 dBm or less (36.101, 6.3.2F)")
class Least60(Transmitter):
    """The unit can send with -60 dBm."""

    least_dbm = -60.0


@variant("tx-power-in-steps-of-a-decibel", place="tolerance: how finely a unit sets its power is its own affair")
class InSteps(Transmitter):
    """The unit sets its power in whole decibels."""

    def power_dbm(self, sent: Allocation) -> float:
        return float(round(super().power_dbm(sent)))


@variant("rx-2-db-better", place="tolerance: a receiver may be better than -108.2 dBm (36.101, 7.3.1F)")
class Rx2DbBetter(Receiver):
    """The receiver has a noise figure of 3 dB."""

    noise_figure_db = 3.0


@variant("rx-1-db-worse", place="tolerance: a receiver may be better than -108.2 dBm (36.101, 7.3.1F)")
class Rx1DbWorse(Receiver):
    """The receiver has a noise figure of 6 dB."""

    noise_figure_db = 6.0


@variant("only-certified-bands-told", place="NET-04: hardware support is no promise of the firmware")
class OnlyCertified(Capabilities):
    """The unit tells the network of the bands that it is certified for, and of no other."""

    def bands(self) -> tuple[int, ...]:
        return 3, 8, 20
