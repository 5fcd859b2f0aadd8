"""Defects of the radio at the antenna connector: what the unit sends, how well it hears, what it tells of itself."""

from __future__ import annotations

from bench.twin.cmi6110.transmitter import Capabilities, Receiver, Transmitter
from bench.twin.defects.registry import Kind, defect
from bench.twin.radio.burst import Allocation

KIND: Kind = "values"

# -- power


@defect("tx-26-dbm", "NET-09", wire="cell")
class Tx26Dbm(Transmitter):
    """The unit sends with 26 dBm."""

    def power_error_db(self, band: int) -> float:
        return super().power_error_db(band) + 3.0


@defect("tx-19-dbm", "NET-09", wire="cell")
class Tx19Dbm(Transmitter):
    """The unit sends with 19 dBm."""

    def power_error_db(self, band: int) -> float:
        return super().power_error_db(band) - 4.0


@defect("tx-weak-in-band-3", "NET-09", wire="cell")
class WeakInBand3(Transmitter):
    """The antenna switch loses 4 dB in band 3."""

    def power_error_db(self, band: int) -> float:
        return super().power_error_db(band) - (4.0 if band == 3 else 0.0)


@defect("tx-compressed-with-12-tones", "NET-09", wire="cell")
class Compressed(Transmitter):
    """With twelve tones the unit takes back 5 dB."""

    back_off_db = {**Transmitter.back_off_db, 12: 5.0}


@defect("tx-ignores-p-max", "NET-03", wire="cell")
class IgnoresPMax(Transmitter):
    """The unit sends with more than the network allows."""

    def power_dbm(self, sent: Allocation) -> float:
        return super().power_dbm(Allocation(sent.band, sent.tones, sent.start, sent.wanted_dbm, 33.0))


@defect("tx-never-below-minus-30-dbm", "NET-03", wire="cell")
class NeverBelow(Transmitter):
    """The unit can't send with less than -30 dBm."""

    least_dbm = -30.0


@defect("tx-leaks-when-off", "NET-03", wire="cell")
class LeaksWhenOff(Transmitter):
    """Between transmissions -42 dBm come out of the connector."""

    def off_dbm(self) -> float:
        return -42.0


# -- frequency and modulation


@defect("tx-1500-hz-off", "NET-03", wire="cell")
class Off1500Hz(Transmitter):
    """The carrier is 1.5 kHz too high."""

    def frequency_error_hz(self, carrier_hz: float) -> float:
        return super().frequency_error_hz(carrier_hz) + 1500.0


@defect("tx-0.15-ppm-off", "NET-03", wire="cell")
class Off015Ppm(Transmitter):
    """The carrier is 0.15 ppm too low: too much above 1 GHz, where 0.1 ppm are allowed."""

    def frequency_error_hz(self, carrier_hz: float) -> float:
        return -0.15e-6 * carrier_hz


@defect("tx-evm-24-percent", "NET-03", wire="cell")
class Evm24(Transmitter):
    """The error vector has 24 % of the signal."""

    def evm_percent(self, tones: int) -> float:
        return 24.0


@defect("tx-evm-bad-with-12-tones", "NET-03", wire="cell")
class EvmBadWith12(Transmitter):
    """With twelve tones the error vector has 22 %."""

    def evm_percent(self, tones: int) -> float:
        return 22.0 if tones == 12 else super().evm_percent(tones)


@defect("tx-carrier-leaks", "NET-03", wire="cell")
class CarrierLeaks(Transmitter):
    """The carrier itself is sent with -18 dBc."""

    def leakage_dbc(self, power_dbm: float) -> float:
        return -18.0


@defect("tx-spills-into-other-tones", "NET-03", wire="cell")
class Spills(Transmitter):
    """A single tone spills into those of other units, 3 dB above the limit."""

    def in_band_margin_db(self, tones: int) -> float:
        return -3.0 if tones == 1 else super().in_band_margin_db(tones)


# -- spectrum


@defect("tx-occupies-230-khz", "NET-03", wire="cell")
class Occupies230KHz(Transmitter):
    """Twelve tones occupy 230 kHz."""

    def occupied_hz(self, tones: int) -> float:
        return 230e3 if tones == 12 else super().occupied_hz(tones)


@defect("tx-outside-the-mask-nearby", "NET-03", wire="cell")
class OutsideNearby(Transmitter):
    """Up to 300 kHz beside the channel 16 dB more leaks out than usual."""

    def emission(self, band: int) -> tuple[tuple[float, float], ...]:
        return tuple((offset, level + (16.0 if 100e3 <= offset <= 300e3 else 0.0))
                     for offset, level in super().emission(band))


@defect("tx-outside-the-mask-far-off-in-band-20", "NET-03", wire="cell")
class OutsideFarOff(Transmitter):
    """In band 20 -28 dBm leak out 1 MHz beside the channel."""

    def emission(self, band: int) -> tuple[tuple[float, float], ...]:
        usual = super().emission(band)
        return usual if band != 20 else (*usual[:-1], (1e6, -28.0), usual[-1])


@defect("tx-disturbs-gsm", "NET-03", wire="cell")
class DisturbsGsm(Transmitter):
    """In the lower GSM channel beside its own the unit is 16 dB below its own power."""

    def gsm_db(self) -> tuple[float, float]:
        return 16.0, super().gsm_db()[1]


@defect("tx-disturbs-utra", "NET-03", wire="cell")
class DisturbsUtra(Transmitter):
    """In the upper UTRA channel beside its own the unit is 33 dB below its own power."""

    def utra_db(self) -> tuple[float, float]:
        return super().utra_db()[0], 33.0


# -- receiver


@defect("rx-deaf-by-8-db", "NET-10", wire="cell")
class DeafBy8Db(Receiver):
    """The receiver is 8 dB noisier than usual."""

    noise_figure_db = Receiver.noise_figure_db + 8.0


@defect("rx-loses-a-tenth-at-any-level", "NET-10", wire="cell")
class LosesATenth(Receiver):
    """One block in ten is lost however strong the signal."""

    def lost_anyway(self, epre_dbm: float) -> float:
        return 0.1


@defect("rx-hole-at-100-dbm", "NET-10", wire="cell")
class Hole(Receiver):
    """Where its gain is switched, around -113 dBm/15 kHz, the receiver loses half of the blocks."""

    def lost_anyway(self, epre_dbm: float) -> float:
        return 0.5 if abs(epre_dbm + 113.0) < 1.0 else 0.0


# -- what it says of itself


@defect("band-20-not-told", "NET-03", "NET-04", wire="cell")
class Band20NotTold(Capabilities):
    """The unit does not tell the network that it has band 20."""

    def bands(self) -> tuple[int, ...]:
        return tuple(band for band in super().bands() if band != 20)


@defect("power-class-of-20-dbm-told", "NET-09", wire="cell")
class PowerClass5(Capabilities):
    """The unit tells the network that it has 20 dBm at most in band 8."""

    weak_bands = frozenset({8})
