"""The transmitter at the antenna connector, measured by a radio tester: a pre-check, no conformity assessment; manual
8.

That the unit is certified for bands 20, 8 and 3 (NET-03) means that it keeps to what 3GPP TS 36.101 asks of each unit.
Single tone, at both edges of the carrier, and all twelve; the middle channel of each band.
"""

import pytest

from fixtures.words import device_time, needs, profile, req

UPLINK_HZ = {3: 1747.5e6, 8: 897.5e6, 20: 847.0e6}
LAST_TONE = 11

pytestmark = [profile("certification"), needs("cell.measures", "cell.bands")]
in_each_band = pytest.mark.parametrize("band", sorted(UPLINK_HZ))


@req("NET-09")
@device_time("5 min")
@in_each_band
def test_the_largest_power(tester, band):
    tester.attach_in(band)
    for start in (0, LAST_TONE):
        tester.power("radio.power.1_tone", tester.transmission(1, start).power_dbm)
    for tones in (3, 6, 12):
        tester.power(f"radio.power.{tones}_tones", tester.transmission(tones).power_dbm)


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_power_that_the_network_allows_the_least_power_and_none(tester, band):
    tester.attach_in(band)
    tester.power("radio.power.allowed_15_dbm", tester.transmission(1, allowed_dbm=15).power_dbm)
    least = tester.transmission(12, wanted_dbm=-50)
    tester.worst("radio.power.least", [least.power_dbm], "least_db")
    off = [*tester.transmission(1).off_dbm, *tester.transmission(12).off_dbm]
    tester.worst("radio.power.off", off, "off_db", smallest=False)


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_frequency_and_modulation(tester, band):
    tester.attach_in(band)
    carrier = UPLINK_HZ[band]
    limit = "radio.frequency.up_to_1_ghz" if carrier <= 1e9 else "radio.frequency.above_1_ghz"
    for tones, start in ((1, 0), (1, LAST_TONE), (12, 0)):
        sent = tester.transmission(tones, start)
        tester.frequency(limit, sent.frequency_error_hz, carrier)
        tester.worst("radio.evm", [sent.evm_percent], "evm_percent")
        tester.worst("radio.carrier_leakage", [sent.leakage_dbc], "leakage_db")
        tester.worst("radio.in_band.margin", [sent.in_band_margin_db], "in_band_db")


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_spectrum(tester, band):
    tester.attach_in(band)
    for tones, start in ((1, 0), (1, LAST_TONE), (12, 0)):
        sent = tester.transmission(tones, start)
        tester.worst("radio.occupied", [sent.occupied_hz], "occupied_hz")
        tester.worst("radio.mask.margin", [margin for area in sent.mask_margins_db for margin in area], "mask_db")
        tester.worst("radio.aclr.gsm", sent.gsm_db, "aclr_db")
        tester.worst("radio.aclr.utra", sent.utra_db, "aclr_db")
