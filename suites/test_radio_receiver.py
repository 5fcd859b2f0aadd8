"""The receiver at the antenna connector, and what the unit tells the network of itself; manual 8.

What the manual calls a sensitivity of -135 dBm has no bandwidth, no repetitions and no error rate: the bench shows
block errors over level without repetitions, and holds the level of 5 % against 3GPP TS 36.101. A pre-check, no
conformity assessment.
"""

import math

import pytest

from fixtures.words import device_time, needs, profile, req

CERTIFIED = (3, 8, 20)
HARDWARE = (1, 2, 3, 4, 5, 8, 12, 13, 17, 18, 19, 20, 25, 26, 28, 66, 71, 85)

pytestmark = [profile("certification"), needs("cell.measures", "cell.bands")]


@req("NET-10")
@device_time("20 min")
@pytest.mark.parametrize("band", CERTIFIED)
def test_block_errors_over_level(tester, measure, bench, band):
    tester.attach_in(band)
    curve = tester.curve()
    level, spread = curve.sensitivity_dbm()
    bench.steps.append(f"less than 5 % of the blocks are lost down to {level:.1f} dBm in the carrier")
    measure("radio.sensitivity", level, math.hypot(tester.level_uncertainty_db, spread))


@req("NET-03", "NET-04")
@device_time("2 min")
def test_the_bands_that_the_unit_tells_the_network(tester, bench, declaration):
    """Those that it is certified for; which others of the hardware's it tells is put down. Of bands 71 and 85 no CMW500
    has a word."""
    tester.attach_in(20)
    told = tester.capability().bands
    declaration.shows("bands", sorted(set(CERTIFIED) & set(told)))    # others are no promise (NET-04)
    bench.steps.append("bands told: " + ", ".join(map(str, sorted(told))))
    others = [band for band in HARDWARE if band not in told]
    bench.steps.append("bands of the hardware not told: " + (", ".join(map(str, others)) or "none"))
    missing = [band for band in CERTIFIED if band not in told]
    assert not missing, f"the unit does not tell the network that it has band {', '.join(map(str, missing))}"


@req("NET-09")
@device_time("2 min")
def test_the_power_class_that_the_unit_tells_the_network(tester, declaration):
    """23 dBm is power class 3; a unit of 20 dBm would have to say so."""
    tester.attach_in(20)
    weak = [band for band, is_weak in tester.capability().bands.items() if is_weak]
    assert not weak, f"the unit tells the network that it has 20 dBm in band {', '.join(map(str, weak))}"
    declaration.shows("power_class_dbm", 23)


@req("NET-08")
@device_time("2 min")
def test_the_category_and_the_release_that_the_unit_tells_the_network(tester, declaration):
    tester.attach_in(20)
    told = tester.capability()
    if told.category is None or told.release is None:
        pytest.skip("inconclusive: this tester has one word for category and release of all units; the module's "
                    "certificate or a message log tells")
    declaration.shows("category", told.category)
    declaration.shows("release", told.release)
    assert (told.category, told.release) == ("NB2", 14), f"the unit tells {told.category}, release {told.release}"
