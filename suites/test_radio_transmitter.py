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


def each_shape(tester, band):
    """One tone at both edges of the carrier, and all twelve, at full power."""
    tester.attach_in(band)
    for tones, start in ((1, 0), (1, LAST_TONE), (12, 0)):
        yield tester.transmission(tones, start)


# What a row of a pack stands for has a test of its own, so that what is wrong turns that row and no other.


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_power_that_the_network_allows(tester, band):
    tester.attach_in(band)
    tester.power("radio.power.allowed_15_dbm", tester.transmission(1, allowed_dbm=15).power_dbm)


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_least_power(tester, band):
    tester.attach_in(band)
    least = tester.transmission(12, wanted_dbm=-50)
    tester.worst("radio.power.least", [least.power_dbm], "least_db")


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_power_while_nothing_is_sent(tester, band):
    for sent in each_shape(tester, band):
        tester.worst("radio.power.off", sent.off_dbm, "off_db", smallest=False)


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_frequency(tester, band):
    carrier = UPLINK_HZ[band]
    limit = "radio.frequency.up_to_1_ghz" if carrier <= 1e9 else "radio.frequency.above_1_ghz"
    for sent in each_shape(tester, band):
        tester.frequency(limit, sent.frequency_error_hz, carrier)


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_error_vector(tester, band):
    for sent in each_shape(tester, band):
        tester.worst("radio.evm", [sent.evm_percent], "evm_percent")


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_carrier_leakage(tester, band):
    for sent in each_shape(tester, band):
        tester.worst("radio.carrier_leakage", [sent.leakage_dbc], "leakage_db")


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_emissions_in_the_band(tester, band):
    for sent in each_shape(tester, band):
        tester.worst("radio.in_band.margin", [sent.in_band_margin_db], "in_band_db")


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_occupied_bandwidth(tester, band):
    for sent in each_shape(tester, band):
        tester.worst("radio.occupied", [sent.occupied_hz], "occupied_hz")


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_emission_mask(tester, band):
    for sent in each_shape(tester, band):
        tester.worst("radio.mask.margin", [margin for area in sent.mask_margins_db for margin in area], "mask_db")


@req("NET-03")
@device_time("5 min")
@in_each_band
def test_the_leakage_into_adjacent_channels(tester, band):
    for sent in each_shape(tester, band):
        tester.worst("radio.aclr.gsm", sent.gsm_db, "aclr_db")
        tester.worst("radio.aclr.utra", sent.utra_db, "aclr_db")
